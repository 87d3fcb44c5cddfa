/*
 * enqueue.c
 *		enqueue_workflow(), enqueue_run() and find_run().
 *
 * One call writes one row in the caller's transaction and leaves a note for
 * the scheduler, delivered at commit; nothing else.  It is made to be called
 * a hundred thousand times in one statement: the definition and all checks on
 * it come out of a cache, the row goes straight into the table, and there is
 * no subtransaction.
 *
 * Locking, in this order: "replace" takes the lock of the run to be replaced,
 * to the end of the transaction.  It never waits there for an executor, only
 * for another client that replaces the same run, as it would for that one's
 * row.  on_busy => 'reject' or 'skip' then takes the lock of the group, while
 * it looks and inserts, and waits, without that lock, for transactions that
 * have inserted into the group; see store/group.c.  A dedup_key waits for a
 * transaction that has inserted the same key.  Two transactions that enqueue
 * into the same groups, or with the same keys, in opposite order can so wait
 * for each other, as they could at any unique index: 40P01 for one of them.
 * on_busy => 'wait' waits for nobody.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "api/enqueue.h"
#include "api/place.h"
#include "api/queue_cache.h"
#include "api/runs.h"
#include "api/signal.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/spi.h"
#include "ipc/order.h"
#include "ipc/wakeup.h"
#include "store/enqueue.h"
#include "store/signal.h"

PG_FUNCTION_INFO_V1(workflow_enqueue_workflow);
PG_FUNCTION_INFO_V1(workflow_enqueue_run);
PG_FUNCTION_INFO_V1(workflow_find_run);

/* ---- arguments ---- */

/* The time by which the run must have ended, counted from its start time. */
static void
read_deadline(FunctionCallInfo fcinfo, const WfWorkflow *def, WfNewRun *run)
{
	const Interval *timeout = NULL;

	if (!PG_ARGISNULL(WF_ENQUEUE_RUN_TIMEOUT))
		timeout = wf_arg_interval(fcinfo, WF_ENQUEUE_RUN_TIMEOUT,
								  "run_timeout", true);
	else if (def->has_run_timeout)
		timeout = &def->run_timeout;

	run->deadline_at = DT_NOEND;
	if (timeout)
		run->deadline_at = wf_time_after(run->run_at, timeout);
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
read_debounce(FunctionCallInfo fcinfo, WfOnDuplicate on_duplicate,
			  WfOnBusy on_busy, WfDebounce *out)
{
	bool plain = !PG_ARGISNULL(WF_ENQUEUE_DEDUP_KEY) &&
				 on_duplicate == WF_DUPLICATE_RETURN &&
				 on_busy == WF_BUSY_WAIT && PG_ARGISNULL(WF_ENQUEUE_DELAY) &&
				 PG_ARGISNULL(WF_ENQUEUE_RUN_AT);

	wf_arg_debounce(fcinfo, WF_ENQUEUE_DEBOUNCE, plain, out);
}

static void
read_values(FunctionCallInfo fcinfo, WfNewRun *run)
{
	run->input = PG_ARGISNULL(WF_ENQUEUE_INPUT)
					 ? empty_input()
					 : PG_GETARG_DATUM(WF_ENQUEUE_INPUT);
	wf_check_payload(run->input, "input");

	run->attributes = (Datum) 0;
	if (!PG_ARGISNULL(WF_ENQUEUE_ATTRIBUTES))
	{
		Jsonb *attributes = PG_GETARG_JSONB_P(WF_ENQUEUE_ATTRIBUTES);

		wf_check_object(attributes, "attributes", "{\"region\": \"north\"}");
		run->attributes = JsonbPGetDatum(attributes);
		wf_check_payload(run->attributes, "attributes");
	}

	run->dedup_key = (Datum) 0;
	if (!PG_ARGISNULL(WF_ENQUEUE_DEDUP_KEY))
	{
		(void) wf_arg_limited_text(fcinfo, WF_ENQUEUE_DEDUP_KEY, "dedup_key",
								   WF_MAX_KEY);
		run->dedup_key = PG_GETARG_DATUM(WF_ENQUEUE_DEDUP_KEY);
	}
	run->group_key = (Datum) 0;
	if (!PG_ARGISNULL(WF_ENQUEUE_GROUP_KEY))
	{
		(void) wf_arg_limited_text(fcinfo, WF_ENQUEUE_GROUP_KEY, "group_key",
								   WF_MAX_GROUP);
		run->group_key =
			PointerGetDatum(PG_GETARG_TEXT_PP(WF_ENQUEUE_GROUP_KEY));
	}
	run->priority = PG_ARGISNULL(WF_ENQUEUE_PRIORITY)
						? 0
						: PG_GETARG_INT32(WF_ENQUEUE_PRIORITY);
}

/* ---- a signal that comes with the run ---- */

typedef struct FirstSignal
{
	char *name; /* NULL: none */
	Jsonb *payload;
} FirstSignal;

static void
read_signal(FunctionCallInfo fcinfo, FirstSignal *signal)
{
	signal->name = NULL;
	if (!PG_ARGISNULL(WF_ENQUEUE_SIGNAL))
	{
		signal->name = wf_arg_name(fcinfo, WF_ENQUEUE_SIGNAL, "signal");
		signal->payload =
			wf_arg_signal_payload(fcinfo, WF_ENQUEUE_SIGNAL_PAYLOAD);
	}
	else if (!PG_ARGISNULL(WF_ENQUEUE_SIGNAL_PAYLOAD))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("signal_payload needs a signal"),
				 errdetail("It says what a signal carries, and there is none."),
				 errhint("Pass signal, or leave signal_payload out.")));
}

/*
 * To the new run, or to the one that is kept under the dedup_key.  That one was
 * looked at once, when it was found, and what it was then decides: one that
 * ends, or goes on as another run, before this call is over, is none that had
 * ended before.  What reaches a run that goes on as another one is handed on.
 */
static void
send_signal(const FirstSignal *signal, WfPlaced placed, const WfNewRun *run,
			const WfKeptRun *kept, bool retried)
{
	WfRunView view;

	if (placed == WF_PLACED)
	{
		wf_signal_put(&run->run_id, signal->name, signal->payload);
		return;
	}
	if (wf_run_is_final(kept->state) && !retried)
	{
		wf_run_look(&kept->run_id, &view);
		wf_signal_require_unfinished(&view);
	}
	(void) wf_signal_send(&kept->run_id, signal->name, signal->payload, NULL);
}

/* A debounced run has had its signal with the first call. */
static void
require_same_signal(const FirstSignal *signal, const pg_uuid_t *run_id)
{
	WfWindow window;
	bool has;

	wf_window_open(&window);
	has = wf_signal_has(run_id, signal->name, signal->payload);
	wf_window_close(&window);
	if (!has)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a debounced call must equal the first one"),
				 errdetail("The run was not enqueued with the signal \"%s\" and this payload.",
						   signal->name),
				 errhint("Send further signals with workflow.signal_run().")));
}

/* ---- the functions ---- */

/* The queue that is given or the workflow's, open to the current user. */
static const WfQueueSend *
queue_of_run(FunctionCallInfo fcinfo, const WfWorkflow *def)
{
	text *name;

	if (PG_ARGISNULL(WF_ENQUEUE_QUEUE))
		return wf_queue_allowed_of(def->name, def->queue_id);
	name = PG_GETARG_TEXT_PP(WF_ENQUEUE_QUEUE);
	return wf_queue_allowed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/*
 * The run that is kept under the dedup_key is the answer also while there is no
 * body: that is asked for only where a run is made.
 */
static bool
answered_without_body(const text *name, WfOnDuplicate on_duplicate,
					  WfNewRun *run, WfKeptRun *kept)
{
	const WfWorkflow *def;

	if (DatumGetPointer(run->dedup_key) == NULL ||
		on_duplicate == WF_DUPLICATE_REPLACE ||
		on_duplicate == WF_DUPLICATE_REJECT ||
		!wf_workflow_lacks_body(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
		return false;
	run->owner =
		wf_workflow_run_owner(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	run->owner_name =
		CStringGetTextDatum(GetUserNameFromId(run->owner, false));
	def = wf_workflow_known(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	run->workflow_id = def->workflow_id;
	return wf_run_answers(def, run, kept);
}

WfPlaced
wf_enqueue(FunctionCallInfo fcinfo, WfNewRun *run, WfKeptRun *kept)
{
	const WfKnownWorkflow *known;
	const WfQueueSend *queue;
	WfOnDuplicate on_duplicate =
		wf_arg_on_duplicate(fcinfo, WF_ENQUEUE_ON_DUPLICATE, true);
	WfOnBusy on_busy =
		wf_arg_on_busy(fcinfo, WF_ENQUEUE_ON_BUSY, WF_ENQUEUE_GROUP_KEY);
	WfDebounce debounce;
	WfWork info;
	text *name;
	WfPlaced placed;

	run->enqueued_at = wf_clock_now();
	run->run_at = wf_arg_start(fcinfo, WF_ENQUEUE_DELAY, WF_ENQUEUE_RUN_AT,
							   "run", run->enqueued_at);
	read_debounce(fcinfo, on_duplicate, on_busy, &debounce);
	if (debounce.given)
		run->run_at =
			wf_debounce_start(&debounce, run->enqueued_at, run->enqueued_at);
	run->delayed = run->run_at > run->enqueued_at;
	read_values(fcinfo, run);

	name = PG_GETARG_TEXT_PP(WF_ENQUEUE_WORKFLOW);
	if (answered_without_body(name, on_duplicate, run, kept))
		return WF_KEPT;
	known = wf_workflow_allowed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	read_deadline(fcinfo, &known->def, run);
	queue = queue_of_run(fcinfo, &known->def);
	run->queue_id = queue->queue_id;
	run->origin = wf_origin();
	run->workflow_id = known->def.workflow_id;
	run->body_id = known->def.body_id;
	run->owner = known->run_owner;
	run->owner_name = known->run_owner_name;
	wf_workflow_vouch(known, &run->run_as_by, &run->run_as_by_name);
	wf_runid_draw(&run->run_id);
	ItemPointerSetInvalid(&run->tid);

	placed = wf_run_place(&known->def, queue, run, on_duplicate, on_busy,
						  &debounce, kept);
	if (placed != WF_PLACED)
		return placed;
	wf_count_enqueued(run->workflow_id, run->queue_id);
	/* a restored definition: the scheduler need not know of the pause */
	if (known->def.paused)
		wf_note_events(WF_EVENT_CONTROL);
	wf_run_describe(run, &info);
	if (queue->strict)
		wf_order_note(&info);
	if (!run->held)
		wf_note_run(&info);
	return WF_PLACED;
}

/* Asks for a kept run to be retried; false where it cannot be, or need not. */
static bool
retry_kept(const WfKeptRun *kept)
{
	/* more than it takes: what is left out is NULL, for its default */
	LOCAL_FCINFO(call, 8);
	pg_uuid_t run_id = kept->run_id;
	WfRunView view;

	if (kept->state != WF_RUN_FAILED)
		return false;
	wf_run_look(&run_id, &view);
	if (view.end_state != '\0')
		return false;
	InitFunctionCallInfoData(*call, NULL, 8, InvalidOid, NULL, NULL);
	for (int i = 0; i < 8; i++)
		call->args[i].isnull = i > 0;
	call->args[0].value = UUIDPGetDatum(&run_id);
	return DatumGetBool(workflow_retry_run(call));
}

/* The outcome of a call. */
typedef struct Enqueued
{
	pg_uuid_t run_id;
	bool created;
	const char *state;
} Enqueued;

/* The state in which a kept run is, or the retried one. */
static const char *
state_of_kept(const WfKeptRun *kept, bool retried)
{
	WfRunView view = {.run_id = kept->run_id, .state = kept->state};

	return retried ? "queued" : wf_run_state_word(&view);
}

/* False where the call gives NULL. */
static bool
enqueue(FunctionCallInfo fcinfo, const char *function, Enqueued *out)
{
	WfNewRun run = {0};
	WfKeptRun kept;
	WfPlaced placed;
	WfOnDuplicate on_duplicate;
	FirstSignal signal;
	bool retried = false;

	wf_require_preloaded();
	wf_require_writable(function);
	wf_arg_require(fcinfo, WF_ENQUEUE_WORKFLOW, "name of a workflow");
	read_signal(fcinfo, &signal);
	placed = wf_enqueue(fcinfo, &run, &kept);
	on_duplicate = wf_arg_on_duplicate(fcinfo, WF_ENQUEUE_ON_DUPLICATE, true);
	if (placed == WF_BUSY ||
		(placed == WF_KEPT && on_duplicate == WF_DUPLICATE_SKIP))
		return false;
	if (placed == WF_KEPT && on_duplicate == WF_DUPLICATE_RETRY)
		retried = retry_kept(&kept);
	if (signal.name != NULL && placed == WF_KEPT &&
		!PG_ARGISNULL(WF_ENQUEUE_DEBOUNCE))
		require_same_signal(&signal, &kept.run_id);
	else if (signal.name != NULL)
		send_signal(&signal, placed, &run, &kept, retried);
	out->created = placed == WF_PLACED;
	out->run_id = out->created ? run.run_id : kept.run_id;
	out->state = out->created ? "queued" : state_of_kept(&kept, retried);
	return true;
}

Datum
workflow_enqueue_workflow(PG_FUNCTION_ARGS)
{
	Enqueued done;
	pg_uuid_t *result;

	if (!enqueue(fcinfo, "enqueue_workflow", &done))
		PG_RETURN_NULL();
	result = palloc(sizeof(pg_uuid_t));
	*result = done.run_id;
	PG_RETURN_UUID_P(result);
}

Datum
workflow_enqueue_run(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Enqueued done;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	InitMaterializedSRF(fcinfo, 0);
	if (enqueue(fcinfo, "enqueue_run", &done))
	{
		values[0] = UUIDPGetDatum(&done.run_id);
		values[1] = BoolGetDatum(done.created);
		values[2] = CStringGetTextDatum(done.state);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
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
		return wf_workflow_run_owner(VARDATA_ANY(workflow),
									 VARSIZE_ANY_EXHDR(workflow));
	owner = get_role_oid(name, true);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 errdetail("It was given as owner."),
				 errhint("Pass the name of a role exactly as it is written in pg_roles.")));
	if (!has_privs_of_role(GetUserId(), owner) &&
		wf_workflow_run_owner(VARDATA_ANY(workflow),
							  VARSIZE_ANY_EXHDR(workflow)) != owner)
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
