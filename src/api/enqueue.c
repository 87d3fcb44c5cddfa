/*
 * enqueue.c
 *		enqueue_workflow() and find_run().
 *
 * One call writes one row in the caller's transaction and leaves a note for
 * the scheduler, delivered at commit; nothing else.  It is made to be called
 * a hundred thousand times in one statement: the definition and all checks on
 * it come out of a cache, the row goes straight into the table, and there is
 * no subtransaction.
 *
 * Locking: only "replace" takes a lock besides that of the new row, the lock
 * of the run to be replaced.  It never waits there for an executor, only for
 * another client that replaces the same run, as it would for that one's row.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/enqueue.h"
#include "worker/wakeup.h"
#include "worker/workers.h"

PG_FUNCTION_INFO_V1(workflow_enqueue_workflow);
PG_FUNCTION_INFO_V1(workflow_find_run);

typedef enum Argument
{
	ARG_WORKFLOW,
	ARG_INPUT,
	ARG_DEDUP_KEY,
	ARG_ON_DUPLICATE,
	ARG_QUEUE,
	ARG_PRIORITY,
	ARG_DELAY,
	ARG_RUN_AT,
	ARG_RUN_TIMEOUT,
	ARG_ATTRIBUTES
} Argument;

typedef enum OnDuplicate
{
	DUPLICATE_RETURN,
	DUPLICATE_SKIP,
	DUPLICATE_REJECT,
	DUPLICATE_REPLACE
} OnDuplicate;

static const char *const on_duplicate_words[] = {"return", "skip", "reject",
												 "replace"};

/* ---- arguments ---- */

static OnDuplicate
read_on_duplicate(FunctionCallInfo fcinfo)
{
	text *value;

	if (PG_ARGISNULL(ARG_ON_DUPLICATE))
		return DUPLICATE_RETURN;
	value = PG_GETARG_TEXT_PP(ARG_ON_DUPLICATE);
	for (int i = 0; i < lengthof(on_duplicate_words); i++)
	{
		int length = strlen(on_duplicate_words[i]);

		if (VARSIZE_ANY_EXHDR(value) == length &&
			memcmp(VARDATA_ANY(value), on_duplicate_words[i], length) == 0)
			return (OnDuplicate) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("on_duplicate must be \"return\", \"skip\", \"reject\" or \"replace\""),
			 errdetail("The value is \"%s\".", text_to_cstring(value)),
			 errhint("It says what to do when the dedup_key was used before.")));
}

/* Sets run_at and delayed from delay and run_at, of which one may be given. */
static void
read_start(FunctionCallInfo fcinfo, WfNewRun *run)
{
	run->run_at = run->enqueued_at;
	run->delayed = false;
	if (PG_ARGISNULL(ARG_DELAY) && PG_ARGISNULL(ARG_RUN_AT))
		return;

	if (!PG_ARGISNULL(ARG_DELAY) && !PG_ARGISNULL(ARG_RUN_AT))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delay and run_at exclude each other"),
				 errdetail("Both say when the run may start at the earliest."),
				 errhint("Leave out one of the two.")));
	if (!PG_ARGISNULL(ARG_DELAY))
	{
		Interval *delay = wf_arg_interval(fcinfo, ARG_DELAY, "delay", false);

		run->run_at = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(run->enqueued_at),
			IntervalPGetDatum(delay)));
	}
	else
	{
		TimestampTz run_at = PG_GETARG_TIMESTAMPTZ(ARG_RUN_AT);

		if (TIMESTAMP_NOT_FINITE(run_at))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("run_at must be finite"),
					 errdetail("The value is \"%s\".",
							   timestamptz_to_str(run_at)),
					 errhint("Leave it out to start at once.")));
		run->run_at = Max(run_at, run->enqueued_at);
	}
	run->delayed = run->run_at > run->enqueued_at;
}

/* The time by which the run must have ended, counted from its start time. */
static void
read_deadline(FunctionCallInfo fcinfo, const WfWorkflow *def, WfNewRun *run)
{
	const Interval *timeout = NULL;

	if (!PG_ARGISNULL(ARG_RUN_TIMEOUT))
		timeout =
			wf_arg_interval(fcinfo, ARG_RUN_TIMEOUT, "run_timeout", true);
	else if (def->has_run_timeout)
		timeout = &def->run_timeout;

	run->deadline_at = DT_NOEND;
	if (timeout)
		run->deadline_at = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(run->run_at),
			IntervalPGetDatum(timeout)));
}

/* The empty object, made once per process. */
static Datum
empty_input(void)
{
	static Datum empty = (Datum) 0;

	if (DatumGetPointer(empty) == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		empty = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
		MemoryContextSwitchTo(old);
	}
	return empty;
}

static void
read_values(FunctionCallInfo fcinfo, WfNewRun *run)
{
	run->input =
		PG_ARGISNULL(ARG_INPUT) ? empty_input() : PG_GETARG_DATUM(ARG_INPUT);
	wf_check_payload(run->input, "input");

	run->attributes = (Datum) 0;
	if (!PG_ARGISNULL(ARG_ATTRIBUTES))
	{
		Jsonb *attributes = PG_GETARG_JSONB_P(ARG_ATTRIBUTES);

		if (!JB_ROOT_IS_OBJECT(attributes))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("attributes must be a JSON object"),
					 errdetail("It is something else, such as an array or a string."),
					 errhint("Pass names and values: '{\"region\": \"north\"}'.")));
		run->attributes = JsonbPGetDatum(attributes);
		wf_check_payload(run->attributes, "attributes");
	}

	run->dedup_key = (Datum) 0;
	if (!PG_ARGISNULL(ARG_DEDUP_KEY))
	{
		(void) wf_arg_limited_text(fcinfo, ARG_DEDUP_KEY, "dedup_key",
								   WF_MAX_KEY);
		run->dedup_key = PG_GETARG_DATUM(ARG_DEDUP_KEY);
	}
	run->priority =
		PG_ARGISNULL(ARG_PRIORITY) ? 0 : PG_GETARG_INT32(ARG_PRIORITY);
}

/* ---- duplicates ---- */

static void
raise_duplicate(const WfWorkflow *def, const WfNewRun *run,
				const WfKeptRun *kept)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("workflow \"%s\" already has a run with this dedup_key",
					def->name),
			 errdetail("Key \"%s\" belongs to run %s.",
					   TextDatumGetCString(run->dedup_key),
					   DatumGetCString(DirectFunctionCall1(uuid_out,
														   UUIDPGetDatum(&kept->run_id)))),
			 errhint("Pass on_duplicate => 'return' to get that run, or use another key.")));
}

/*
 * Removes a run that has not begun, so that another can take its place.  False
 * when it has, or may be about to.  Its lock is kept to the end of the
 * transaction; an executor that meets it hands the run back, hence the note to
 * look again.
 */
static bool
remove_untouched(const WfNewRun *run, WfKeptRun *kept)
{
	WfRunInfo info = {0};
	pg_uuid_t old = kept->run_id;

	/* a step of that very run would find the lock to be its own */
	if (!kept->untouched || wf_executor_runs(&old) ||
		!wf_run_lock_to_replace(&old))
		return false;

	info.run_id = old;
	info.last_id = old;
	info.owner = run->owner;
	info.workflow_id = run->workflow_id;
	info.queue_id = run->queue_id;
	info.deadline_at = DT_NOEND;
	info.flags = WF_ASSIGN_DEDUP;
	wf_note_recheck(&info);

	/* it may have begun, and even ended, before we had the lock */
	if (!wf_run_find_kept(run->workflow_id, run->owner, run->owner_name,
						  run->dedup_key, kept) ||
		memcmp(&kept->run_id, &old, UUID_LEN) != 0 || !kept->untouched)
		return false;
	wf_run_delete(&old);
	return true;
}

/*
 * Inserts a run with a dedup_key, in an open window.  True when it is new;
 * else *kept is the run there was.
 */
static bool
insert_or_keep(const WfNewRun *run, OnDuplicate mode, WfKeptRun *kept)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (wf_run_insert_unique(run))
			return true;
		/* gone again: deleted by retention, or replaced */
		if (!wf_run_find_kept(run->workflow_id, run->owner, run->owner_name,
							  run->dedup_key, kept))
			continue;
		if (mode != DUPLICATE_REPLACE || !remove_untouched(run, kept))
			return false;
	}
}

/* The same with its window, and an error where one is wanted. */
static bool
insert_unique(const WfWorkflow *def, const WfNewRun *run, OnDuplicate mode,
			  WfKeptRun *kept)
{
	WfWindow window;
	bool inserted;

	wf_window_open(&window);
	inserted = insert_or_keep(run, mode, kept);
	if (!inserted && mode == DUPLICATE_REJECT)
		raise_duplicate(def, run, kept);
	wf_window_close(&window);
	return inserted;
}

/* ---- the functions ---- */

Datum
workflow_enqueue_workflow(PG_FUNCTION_ARGS)
{
	const WfKnownWorkflow *known;
	OnDuplicate mode;
	WfNewRun run;
	WfRunInfo info;
	WfKeptRun kept;
	text *name;
	pg_uuid_t *result;
	bool inserted = true;

	wf_require_preloaded();
	wf_require_writable("enqueue_workflow");
	wf_arg_require(fcinfo, ARG_WORKFLOW, "name of a workflow");
	mode = read_on_duplicate(fcinfo);
	run.enqueued_at = wf_clock_now();
	read_start(fcinfo, &run);
	read_values(fcinfo, &run);

	name = PG_GETARG_TEXT_PP(ARG_WORKFLOW);
	known = wf_workflow_allowed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	read_deadline(fcinfo, &known->def, &run);
	run.queue_id = PG_ARGISNULL(ARG_QUEUE)
					   ? known->def.queue_id
					   : wf_queue_lookup(wf_arg_text(fcinfo, ARG_QUEUE));
	run.origin = wf_origin();
	run.workflow_id = known->def.workflow_id;
	run.body_id = known->def.body_id;
	run.owner = known->run_owner;
	run.owner_name = known->run_owner_name;
	wf_runid_draw(&run.run_id);
	ItemPointerSetInvalid(&run.tid);

	if (DatumGetPointer(run.dedup_key) == NULL)
		wf_run_insert(&run);
	else
		inserted = insert_unique(&known->def, &run, mode, &kept);

	if (!inserted && mode == DUPLICATE_SKIP)
		PG_RETURN_NULL();
	result = palloc(sizeof(pg_uuid_t));
	*result = inserted ? run.run_id : kept.run_id;
	if (inserted)
	{
		wf_run_describe(&run, &info);
		wf_note_run(&info);
		/* a restored definition: the scheduler need not know of the pause */
		if (known->def.paused)
			wf_note_events(WF_EVENT_CONTROL);
		wf_count_enqueued(run.workflow_id);
	}
	PG_RETURN_UUID_P(result);
}

/*
 * The owner that find_run() is to look under: whom the caller may act for, or
 * who would own the run if the caller enqueued it.
 */
static Oid
owner_to_find(FunctionCallInfo fcinfo, text *workflow)
{
	char *name = wf_arg_text(fcinfo, 2);
	Oid owner;

	if (name == NULL)
		return wf_workflow_allowed(VARDATA_ANY(workflow),
								   VARSIZE_ANY_EXHDR(workflow))
			->run_owner;
	owner = get_role_oid(name, true);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 errdetail("It was given as owner."),
				 errhint("Pass the name of a role exactly as it is written in pg_roles.")));
	if (!has_privs_of_role(GetUserId(), owner) &&
		wf_workflow_allowed(VARDATA_ANY(workflow), VARSIZE_ANY_EXHDR(workflow))
				->run_owner != owner)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to look at runs of role \"%s\"",
						name),
				 errdetail("\"%s\" is not a member of that role.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Be granted the role, or leave owner out.")));
	return owner;
}

Datum
workflow_find_run(PG_FUNCTION_ARGS)
{
	WfWindow window;
	WfKeptRun kept;
	text *name;
	int32 workflow_id;
	Oid owner;
	Datum owner_name;
	pg_uuid_t *result;
	bool found;

	wf_require_preloaded();
	wf_arg_require(fcinfo, 0, "name of a workflow");
	wf_arg_require(fcinfo, 1, "dedup_key");
	name = PG_GETARG_TEXT_PP(0);
	workflow_id = wf_workflow_known(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))
					  ->workflow_id;
	owner = owner_to_find(fcinfo, name);
	owner_name = CStringGetTextDatum(GetUserNameFromId(owner, false));

	wf_window_open(&window);
	found = wf_run_find_kept(workflow_id, owner, owner_name,
							 PG_GETARG_DATUM(1), &kept);
	wf_window_close(&window);
	if (!found)
		PG_RETURN_NULL();
	result = palloc(sizeof(pg_uuid_t));
	*result = kept.run_id;
	PG_RETURN_UUID_P(result);
}
