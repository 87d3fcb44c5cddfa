/*
 * body_child.c
 *		Words with which a body starts other runs: child(), start_child(),
 *		map_child().
 *
 * The word only asks; start_one() and start_many() are called later, in place
 * of a step's command, as the run's owner and in the transaction that records
 * the call.  So a child is there if and only if the call is recorded, and its
 * parent may start what it could enqueue.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "api/arguments.h"
#include "api/body_child.h"
#include "api/body_parallel.h"
#include "api/enqueue.h"
#include "base/spi.h"
#include "core/state.h"
#include "play/calls.h"
#include "play/word.h"
#include "store/child.h"

PG_FUNCTION_INFO_V1(workflow_child);
PG_FUNCTION_INFO_V1(workflow_start_child);
PG_FUNCTION_INFO_V1(workflow_map_child);

/* ---- one child ---- */

/* arguments of child() after the name, which are those of the call */
enum
{
	CHILD_WORKFLOW,
	CHILD_INPUT,
	CHILD_DEDUP_KEY,
	CHILD_QUEUE,
	CHILD_GROUP_KEY,
	CHILD_PRIORITY,
	CHILD_DELAY,
	CHILD_ON_PARENT_CLOSE,
	CHILD_NARGS
};

static const Oid child_types[CHILD_NARGS] = {TEXTOID,	  JSONBOID, TEXTOID,
											 TEXTOID,	  TEXTOID,	INT4OID,
											 INTERVALOID, TEXTOID};

static char
on_close_of(const char *word)
{
	if (strcmp(word, "cancel") == 0)
		return WF_CLOSE_CANCEL;
	if (strcmp(word, "abandon") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_parent_close must be \"cancel\" or \"abandon\""),
				 errdetail("The value is \"%s\".", word),
				 errhint("It says what becomes of the child when its parent ends first.")));
	return WF_CLOSE_ABANDON;
}

static void
set_argument(FunctionCallInfo call, int to, const WfStarting *s, int from)
{
	call->args[to].value = s->values[from];
	call->args[to].isnull = s->nulls[from] == 'n';
}

static void
clear_arguments(FunctionCallInfo call)
{
	for (int i = 0; i < WF_ENQUEUE_NARGS; i++)
		call->args[i].isnull = true;
}

static void
init_child(WfNewRun *run, const WfStarting *s, char on_close)
{
	memset(run, 0, sizeof(*run));
	run->has_parent = true;
	run->parent_run_id = *s->run_id;
	run->parent_ordinal = s->ordinal;
	run->on_close = on_close;
}

/*
 * There is a run with the dedup_key.  If it has ended, its outcome is the
 * child's; if it is unfinished, only its own parent hears of its end.
 */
static void
check_kept(const WfKeptRun *kept, const WfStarting *s, Datum workflow)
{
	if (wf_run_is_final(kept->state) ||
		(kept->has_parent &&
		 memcmp(&kept->parent_run_id, s->run_id, UUID_LEN) == 0))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("workflow \"%s\" already has an unfinished run with this dedup_key",
					TextDatumGetCString(workflow)),
			 errdetail("Run %s was not started by this run.",
					   DatumGetCString(DirectFunctionCall1(
						   uuid_out, UUIDPGetDatum(&kept->run_id)))),
			 errhint("The call is tried again by the workflow's policy; once that run has ended, its outcome is taken.")));
}

static void
start_one(const WfStarting *s, WfStartedCall *started)
{
	LOCAL_FCINFO(call, WF_ENQUEUE_NARGS);
	WfNewRun run;
	WfKeptRun kept;
	WfPlaced placed;

	InitFunctionCallInfoData(*call, NULL, WF_ENQUEUE_NARGS, InvalidOid, NULL,
							 NULL);
	clear_arguments(call);
	set_argument(call, WF_ENQUEUE_WORKFLOW, s, CHILD_WORKFLOW);
	set_argument(call, WF_ENQUEUE_INPUT, s, CHILD_INPUT);
	set_argument(call, WF_ENQUEUE_DEDUP_KEY, s, CHILD_DEDUP_KEY);
	set_argument(call, WF_ENQUEUE_QUEUE, s, CHILD_QUEUE);
	set_argument(call, WF_ENQUEUE_GROUP_KEY, s, CHILD_GROUP_KEY);
	set_argument(call, WF_ENQUEUE_PRIORITY, s, CHILD_PRIORITY);
	set_argument(call, WF_ENQUEUE_DELAY, s, CHILD_DELAY);

	init_child(
		&run, s,
		on_close_of(TextDatumGetCString(s->values[CHILD_ON_PARENT_CLOSE])));
	placed = wf_enqueue(call, &run, &kept);
	if (placed == WF_KEPT)
		check_kept(&kept, s, s->values[CHILD_WORKFLOW]);
	started->has_child = true;
	started->child_run_id = placed == WF_PLACED ? run.run_id : kept.run_id;
}

static const WfStep *
ask_for_child(FunctionCallInfo fcinfo, const char *word, bool starts)
{
	Datum values[CHILD_NARGS];
	bool nulls[CHILD_NARGS];
	WfCall call = {.kind = &wf_call_child,
				   .nargs = CHILD_NARGS,
				   .types = child_types,
				   .values = values,
				   .nulls = nulls,
				   .due_at = DT_NOEND,
				   .starts = starts};

	wf_word_check(word, WF_WORD_IN_BODY);
	call.name = wf_arg_name(fcinfo, 0, "child");
	call.command = wf_arg_name(fcinfo, 1, "name of a workflow");
	(void) wf_arg_interval(fcinfo, 1 + CHILD_DELAY, "delay", false);
	for (int i = 0; i < CHILD_NARGS; i++)
	{
		values[i] = PG_GETARG_DATUM(i + 1);
		nulls[i] = PG_ARGISNULL(i + 1);
	}
	if (nulls[CHILD_ON_PARENT_CLOSE])
		values[CHILD_ON_PARENT_CLOSE] = CStringGetTextDatum("cancel");
	nulls[CHILD_ON_PARENT_CLOSE] = false;
	(void) on_close_of(TextDatumGetCString(values[CHILD_ON_PARENT_CLOSE]));
	return wf_word_call(&call);
}

Datum
workflow_child(PG_FUNCTION_ARGS)
{
	const WfStep *step = ask_for_child(fcinfo, "child", false);

	if (step->result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step->result);
}

Datum
workflow_start_child(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(ask_for_child(fcinfo, "start_child", true)->ordinal);
}

/* ---- one for each item ---- */

enum
{
	MAP_WORKFLOW,
	MAP_ITEMS,
	MAP_MAX_PARALLEL,
	MAP_QUEUE,
	MAP_ON_ERROR,
	MAP_NARGS
};

static const Oid map_types[MAP_NARGS] = {TEXTOID, JSONBOID, INT4OID, TEXTOID,
										 TEXTOID};

/*
 * Which items have a child already, when the map is tried again: those whose
 * child failed or was cancelled get another one.
 */
static int
find_done(const WfStarting *s, bool **done)
{
	WfWindow window;
	int n;

	wf_window_open(&window);
	n = wf_map_detach(s->run_id, s->ordinal, TopTransactionContext, done);
	wf_window_close(&window);
	return n;
}

static void
start_many(const WfStarting *s, WfStartedCall *started)
{
	LOCAL_FCINFO(call, WF_ENQUEUE_NARGS);
	Jsonb *items = DatumGetJsonbP(s->values[MAP_ITEMS]);
	int max = s->nulls[MAP_MAX_PARALLEL] == 'n'
				  ? PG_INT32_MAX
				  : DatumGetInt32(s->values[MAP_MAX_PARALLEL]);
	JsonbIterator *it = JsonbIteratorInit(&items->root);
	JsonbValue v;
	JsonbIteratorToken token;
	WfNewRun run;
	WfKeptRun kept;
	bool *done;
	int ndone = find_done(s, &done);
	int item = 0;
	int nstarted = 0;

	InitFunctionCallInfoData(*call, NULL, WF_ENQUEUE_NARGS, InvalidOid, NULL,
							 NULL);
	clear_arguments(call);
	set_argument(call, WF_ENQUEUE_WORKFLOW, s, MAP_WORKFLOW);
	set_argument(call, WF_ENQUEUE_QUEUE, s, MAP_QUEUE);
	call->args[WF_ENQUEUE_INPUT].isnull = false;
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		Jsonb *input;

		if (token != WJB_ELEM || (++item < ndone && done[item]))
			continue;
		input = JsonbValueToJsonb(&v);
		call->args[WF_ENQUEUE_INPUT].value = JsonbPGetDatum(input);
		init_child(&run, s, WF_CLOSE_CANCEL);
		run.item = item;
		run.held = nstarted++ >= max;
		(void) wf_enqueue(call, &run, &kept);
		pfree(input);
		CHECK_FOR_INTERRUPTS();
	}
}

Datum
workflow_map_child(PG_FUNCTION_ARGS)
{
	Datum values[MAP_NARGS];
	bool nulls[MAP_NARGS];
	const WfStep *step;
	WfCall call = {.kind = &wf_call_map_child,
				   .nargs = MAP_NARGS,
				   .types = map_types,
				   .values = values,
				   .nulls = nulls,
				   .due_at = DT_NOEND};

	wf_word_check("map_child", WF_WORD_IN_BODY);
	call.name = wf_arg_name(fcinfo, 0, "map");
	call.command = wf_arg_name(fcinfo, 1, "name of a workflow");
	for (int i = 0; i < MAP_NARGS; i++)
	{
		values[i] = PG_GETARG_DATUM(i + 1);
		nulls[i] = PG_ARGISNULL(i + 1);
	}
	(void) wf_arg_items(fcinfo, 1 + MAP_ITEMS);
	call.max_parallel = wf_arg_max_parallel(fcinfo, 1 + MAP_MAX_PARALLEL);
	call.collects = wf_arg_collects(fcinfo, 1 + MAP_ON_ERROR);
	values[MAP_ON_ERROR] =
		CStringGetTextDatum(call.collects ? "collect" : "raise");
	nulls[MAP_ON_ERROR] = false;
	step = wf_word_call(&call);
	PG_RETURN_JSONB_P(step->result);
}

void
wf_child_init(void)
{
	wf_calls_set_starter(&wf_call_child, start_one);
	wf_calls_set_starter(&wf_call_map_child, start_many);
}
