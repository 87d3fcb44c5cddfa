/*
 * exec_child.c
 *		What becomes of the runs that a run has started, and who hears of it.
 *
 * The outcome of a child is its row.  A parent that waits looks for it when it
 * is woken; who ends a child has the parent woken, and nobody writes the
 * parent's row but its own executor.
 *
 *	1. the child's end commits
 *	2. its executor says so in the cell, or the scheduler has ended it itself
 *	3. the scheduler wakes the parent, or sends it to an executor once more if
 *	   it was in a cell meanwhile
 *
 * An executor that dies between 1 and 2 leaves a cell that the scheduler gives
 * to another one, which finds the child ended and says so; a scheduler that
 * starts wakes all runs that wait for children.  While a parent is at work,
 * ends that come in add up to one wake-up, so many children that end one after
 * the other cost one executor at most.
 *
 * Of a map that is made of chunks nobody needs to hear of each: the executor
 * of the last one, or of one that failed, has the parent woken.  Two that end
 * at the same time look for each other after their commits, so one of them
 * sees that nothing is left.
 *
 * Chunks that are held, because of max_parallel, are let start by the end of
 * another one, in the same commit: so never more than that many are at work.
 * Held children of other maps are let start by their parent when it is woken.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "store/child.h"
#include "worker/exec_turn.h"
#include "worker/wakeup.h"

static bool
is_single(char kind)
{
	return kind == WF_STEP_KIND_CHILD || kind == WF_STEP_KIND_ITEM;
}

static bool
is_map(char kind)
{
	return kind == WF_STEP_KIND_MAP || kind == WF_STEP_KIND_MAP_CHILD;
}

/* ---- outcomes ---- */

static void
set_error(WfError *error, int sqlerrcode, const char *message, char *detail)
{
	memset(error, 0, sizeof(*error));
	strlcpy(error->code, unpack_sql_state(sqlerrcode), sizeof(error->code));
	error->message = pstrdup(message);
	error->detail = detail;
}

/*
 * Why a child has no result, as its parent's body hears of it; the current
 * context is run_cxt.  What a chunk did the body asked for itself, so it gets
 * the very error.
 */
static void
failure_of(const WfChildEnd *end, char kind, const char *name, WfError *out)
{
	char *id = DatumGetCString(
		DirectFunctionCall1(uuid_out, UUIDPGetDatum(&end->run_id)));
	const WfError *error = &end->error;

	if (end->state == '\0')
		set_error(out, ERRCODE_WF_CHILD_CANCELLED, "child is gone",
				  psprintf("There is no run %s any more.", id));
	else if (end->state == WF_RUN_CANCELLED)
		set_error(out, ERRCODE_WF_CHILD_CANCELLED, "child was cancelled",
				  kind == WF_STEP_KIND_MAP || kind == WF_STEP_KIND_ITEM
					  ? NULL
					  : psprintf("It was run %s.", id));
	else if (kind == WF_STEP_KIND_MAP || kind == WF_STEP_KIND_ITEM)
	{
		*out = *error;
		if (kind == WF_STEP_KIND_MAP && end->failed_item > 0)
			out->detail = psprintf(
				"It was item %d of map \"%s\".%s%s", end->failed_item, name,
				error->detail ? " " : "", error->detail ? error->detail : "");
	}
	else
	{
		set_error(out, ERRCODE_WF_CHILD_FAILED,
				  error->message ? error->message : "child failed",
				  psprintf("Run %s failed with SQLSTATE %s.%s%s", id,
						   error->code, error->detail ? " " : "",
						   error->detail ? error->detail : ""));
		out->hint = error->hint;
	}
}

static void
set_outcome(WfStep *step, const WfChildEnd *end)
{
	step->finished_at = end->finished_at;
	if (end->state == WF_RUN_SUCCEEDED)
	{
		step->match.state = WF_STEP_DONE;
		step->result = end->result;
		return;
	}
	if (end->state == '\0')
		step->finished_at = wf_clock_now();
	step->match.state = WF_STEP_FAILED;
	failure_of(end, step->match.kind, step->match.name, &step->error);
}

bool
wf_child_settle(WfExec *exec)
{
	MemoryContext old = MemoryContextSwitchTo(exec->run_cxt);
	pg_uuid_t *ids = NULL;
	WfChildEnd *ends;
	int n = 0;
	int nends = 0;

	for (int i = 0; i < exec->nsteps; i++)
	{
		const WfStep *step = &exec->steps[i];

		if (step->match.state != WF_STEP_WAITING || !step->has_child ||
			!is_single(step->match.kind))
			continue;
		if (ids == NULL)
			ids = palloc(mul_size(exec->nsteps, sizeof(pg_uuid_t)));
		ids[n++] = step->child_run_id;
	}
	if (n > 0)
		nends = wf_child_ends(ids, n, exec->run_cxt, &ends);
	MemoryContextSwitchTo(exec->run_cxt); /* SPI has left its own */
	for (int i = 0; i < nends; i++)
	{
		for (int j = 0; j < exec->nsteps; j++)
		{
			WfStep step = exec->steps[j];

			if (step.match.state != WF_STEP_WAITING || !step.has_child ||
				!is_single(step.match.kind) ||
				memcmp(&step.child_run_id, &ends[i].run_id, UUID_LEN) != 0)
				continue;
			set_outcome(&step, &ends[i]);
			wf_record_write(exec, &step);
		}
	}
	MemoryContextSwitchTo(old);
	return nends > 0;
}

/* ---- maps ---- */

/* {"ok": true, "value": ...} or {"ok": false, "code": ..., "message": ...} */
void
wf_collect_push(JsonbParseState **state, const Jsonb *value,
				const WfError *error)
{
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	wf_json_push_key(state, "ok");
	wf_json_push_bool(state, WJB_VALUE, error == NULL);
	if (error == NULL)
	{
		wf_json_push_key(state, "value");
		wf_json_push(state, WJB_VALUE, value);
	}
	else
	{
		wf_json_push_key(state, "code");
		wf_json_push_text(state, WJB_VALUE, error->code);
		wf_json_push_key(state, "message");
		wf_json_push_text(state, WJB_VALUE,
						  error->message ? error->message : "");
		if (error->detail != NULL)
		{
			wf_json_push_key(state, "detail");
			wf_json_push_text(state, WJB_VALUE, error->detail);
		}
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* A chunk's result is an array of what its items came to. */
static void
push_elements(JsonbParseState **state, Jsonb *chunk)
{
	JsonbIterator *it = JsonbIteratorInit(&chunk->root);
	JsonbValue v;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			(void) pushJsonbValue(state, WJB_ELEM, &v);
	}
}

/* What all children of a map that have ended came to, in order. */
static Jsonb *
gather(WfExec *exec, const WfStep *step)
{
	JsonbParseState *state = NULL;
	WfChildEnd *ends;
	WfError error;
	MemoryContext scratch = CurrentMemoryContext;
	int n = wf_map_ends(&exec->run.run_id, step->ordinal, 0, scratch, &ends);

	MemoryContextSwitchTo(scratch); /* SPI has left its own */
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		const WfChildEnd *end = &ends[i];
		bool failed = end->state != WF_RUN_SUCCEEDED;

		if (step->match.kind == WF_STEP_KIND_MAP)
			push_elements(&state, end->result);
		else if (!exec->collects)
			wf_json_push(&state, WJB_ELEM, end->result);
		else
		{
			if (failed)
				failure_of(end, step->match.kind, step->match.name, &error);
			wf_collect_push(&state, end->result, failed ? &error : NULL);
		}
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static void
set_gathered(WfExec *exec, WfStep *step)
{
	MemoryContext scratch = AllocSetContextCreate(
		exec->run_cxt, "workflow map result", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	Jsonb *result = gather(exec, step);

	MemoryContextSwitchTo(exec->run_cxt);
	step->finished_at = wf_clock_now();
	if (VARSIZE(result) > (int64) wf_max_payload * 1024)
	{
		step->match.state = WF_STEP_FAILED;
		set_error(
			&step->error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			"result of the map is too large",
			psprintf("It has %zu bytes, workflow.max_payload allows %d kB.",
					 (size_t) VARSIZE(result), wf_max_payload));
		step->error.hint = pstrdup(
			"Let the items keep what they find in a table, and return keys.");
	}
	else
	{
		step->match.state = WF_STEP_DONE;
		step->result =
			memcpy(palloc(VARSIZE(result)), result, VARSIZE(result));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* The first one that has failed decides, and the others are of no use then. */
static void
set_failed(WfExec *exec, WfStep *step, int32 item)
{
	MemoryContext old = CurrentMemoryContext;
	WfChildEnd *ends;

	if (wf_map_ends(&exec->run.run_id, step->ordinal, item, exec->run_cxt,
					&ends) == 0)
		elog(ERROR, "child %d of the map is gone", item);
	if (wf_children_cancel(&exec->run.run_id, step->ordinal) > 0)
		wf_note_events(WF_EVENT_REQUEST);

	MemoryContextSwitchTo(exec->run_cxt);
	step->match.state = WF_STEP_FAILED;
	step->finished_at = wf_clock_now();
	failure_of(&ends[0], step->match.kind, step->match.name, &step->error);
	MemoryContextSwitchTo(old);
}

/*
 * As many held ones may start as have ended since.  Not before the turn writes:
 * user code may run until then, and whoever cancels one would wait for it.
 */
static void
note_room(WfExec *exec, const WfStep *step, const WfMapState *map)
{
	int nheld = map->unfinished - map->started;

	if (exec->max_parallel == 0 || nheld == 0 ||
		map->started >= exec->max_parallel)
		return;
	exec->room_for = step->ordinal;
	exec->room = Min(nheld, exec->max_parallel - map->started);
}

void
wf_child_release(WfExec *exec)
{
	WfWork *infos;
	WfWindow window;
	int n;

	if (exec->room_for == 0)
		return;
	infos = palloc(mul_size(exec->room, sizeof(WfWork)));
	wf_window_open(&window);
	n = wf_map_release(&exec->run.run_id, exec->room_for, exec->room, infos);
	wf_window_close(&window);
	for (int i = 0; i < n; i++)
		wf_note_run(&infos[i]);
}

bool
wf_map_settle(WfExec *exec, WfStep *step)
{
	bool collects =
		step->match.kind == WF_STEP_KIND_MAP_CHILD && exec->collects;
	WfMapState map;

	/* what its arguments were is known once the body asks for its outcome */
	if (!exec->blocked || exec->blocked_on != step->ordinal)
		return false;
	wf_map_look(&exec->run.run_id, step->ordinal, &map);
	if (map.failed > 0 && !collects)
		set_failed(exec, step, map.failed);
	else if (map.unfinished == 0)
		set_gathered(exec, step);
	else
	{
		if (step->match.kind == WF_STEP_KIND_MAP_CHILD)
			note_room(exec, step, &map);
		return false;
	}
	return true;
}

/* ---- the end of a run ---- */

static void
cancel_children(WfExec *exec)
{
	bool some = false;
	WfWindow window;

	for (int i = 0; i < exec->nsteps && !some; i++)
		some = exec->records[i].state == WF_STEP_WAITING &&
			   (is_single(exec->records[i].kind) ||
				is_map(exec->records[i].kind));
	if (!some)
		return;
	wf_window_open(&window);
	if (wf_children_cancel(&exec->run.run_id, 0) > 0)
		wf_note_events(WF_EVENT_REQUEST);
	wf_window_close(&window);
}

static void
start_next_chunk(WfExec *exec)
{
	WfWork info;
	WfWindow window;

	wf_window_open(&window);
	if (wf_map_release(&exec->run.parent_run_id, exec->run.parent_ordinal, 1,
					   &info) > 0)
		wf_note_run(&info);
	wf_window_close(&window);
}

void
wf_child_before_end(WfExec *exec, const WfTurn *turn)
{
	if (!wf_run_is_final(turn->end.state))
		return;
	cancel_children(exec);
	if (wf_run_is_chunk(&exec->run) && turn->end.state == WF_RUN_SUCCEEDED &&
		exec->run.has_parent)
		start_next_chunk(exec);
}

/* Are there chunks left whose end the parent will hear of anyway? */
static bool
is_last(WfExec *exec)
{
	volatile bool last = true;
	MemoryContext old = CurrentMemoryContext;
	WfWindow window;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		wf_window_open(&window);
		last = !wf_map_has_unfinished(&exec->run.parent_run_id,
									  exec->run.parent_ordinal);
		wf_window_close(&window);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		/* one wake-up too many does no harm */
		MemoryContextSwitchTo(old);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return last;
}

void
wf_child_after_end(WfExec *exec, char state)
{
	WF_STOP("exec-before-tell");
	if (WF_BROKEN("tell-no-parent"))
		return;
	exec->cell->parent_id = exec->run.parent_run_id;
	exec->cell->tells_parent = !wf_run_is_chunk(&exec->run) ||
							   state != WF_RUN_SUCCEEDED || is_last(exec);
}
