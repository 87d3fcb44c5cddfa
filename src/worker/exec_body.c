/*
 * exec_body.c
 *		Bodies: finding them, and replaying them.
 *
 * A replay is one call of the body in an internal subtransaction that is
 * read-only and always rolled back, also after a normal return.  XactReadOnly
 * cannot be switched off inside a subtransaction, so whatever the body calls
 * can write neither tables nor sequences.
 *
 * The body leaves early when it asks for something that is not recorded: the
 * word raises QUERY_CANCELED, which WHEN OTHERS does not catch.  A body in a
 * language whose handlers catch everything is noticed by exec->unwinding: each
 * further word raises again, and whatever the body returns is not looked at.
 * One that catches it WF_MAX_SWALLOWED times is left through a long jump past
 * its handlers.  That may leave its language's interpreter with a stack that
 * does not fit, so the process ends after the run has been parked.
 *
 * Lifetime: resolved bodies are kept for the life of the process, each once
 * for every queue it ran in, whose policy is kept with it.  They are read
 * again when the database's `definitions` counter has moved.  With them is kept
 * that the run's owner may have them called (exec_rights.c): until anything that
 * this rests on changes, functions, schemas, roles, memberships or the database
 * (syscache callbacks), which each turn learns of as it begins its transaction.
 * So a right that is taken away is missed from the next turn on, and while
 * nothing changes a turn compares two numbers.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/spi.h"
#include "base/text.h"
#include "core/state.h"
#include "store/body.h"
#include "store/definition.h"
#include "worker/exec_turn.h"

/* a run's queue may be another one than its workflow's */
typedef struct BodyKey
{
	int32 body_id;
	int32 queue_id; /* whose policy holds where the workflow has none */
} BodyKey;

struct WfBody
{
	BodyKey key;
	uint64 definitions; /* counter when it was read */
	bool resolved;
	Oid role;	   /* ... for this one */
	Oid run_as_by; /* ... and by this one's run_as, where there is a name */
	char run_as_by_name[NAMEDATALEN];
	MemoryContext call_cxt; /* of what flinfo points to */
	MemoryContext cxt; /* of row and call_cxt */
	WfBodyRow row;
	FmgrInfo flinfo;
};

static HTAB *bodies;
static uint64 changes = 0; /* of what resolved bodies rest on */

static void
forget_resolved(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS status;
	WfBody *body;

	changes++;
	hash_seq_init(&status, bodies);
	while ((body = hash_seq_search(&status)) != NULL)
		body->resolved = false;
}

void
wf_body_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(BodyKey),
				   .entrysize = sizeof(WfBody),
				   .hcxt = TopMemoryContext};

	bodies = hash_create("workflow bodies", 64, &ctl,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterSyscacheCallback(PROCOID, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, forget_resolved, (Datum) 0);
}

void
wf_body_forget(void)
{
	if (bodies != NULL)
		forget_resolved((Datum) 0, 0, 0);
}

const char *
wf_body_search_path(const WfBody *body)
{
	return body->row.search_path;
}

const WfPolicy *
wf_body_policy(const WfBody *body)
{
	return body->row.has_policy ? &body->row.policy : NULL;
}

bool
wf_body_parks(const WfBody *body)
{
	return body->row.park;
}

/* ---- finding ---- */

static void
read_body(WfBody *body, uint64 definitions)
{
	WfWindow window;
	bool found;

	if (body->cxt != NULL)
		MemoryContextDelete(body->cxt);
	body->resolved = false;
	body->definitions = 0;
	body->cxt = AllocSetContextCreate(TopMemoryContext, "workflow body",
									  ALLOCSET_SMALL_SIZES);
	body->call_cxt = AllocSetContextCreate(body->cxt, "workflow body's call",
										   ALLOCSET_SMALL_SIZES);

	wf_window_open(&window);
	found = wf_body_load(body->key.body_id, body->key.queue_id, body->cxt,
						 &body->row);
	wf_window_close(&window);

	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("definition %d of the run's body is missing",
						body->key.body_id)));
	body->definitions = definitions;
}

/* The rules that hold at create_workflow() hold when a run runs, too. */
static Oid
find_function(const WfBodyRow *row)
{
	Oid function = wf_body_find(row->body);

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("body %s does not exist", row->body),
				 errhint("Create it again%s.", wf_rights_then_retry())));
	wf_body_check(function, row->body);
	return function;
}

/*
 * Compares with the setting itself, not with what was set last: the abort of
 * a transaction takes back what was set in it.
 */
void
wf_body_force_path(const WfBody *body)
{
	if (strcmp(namespace_search_path, body->row.search_path) != 0)
		(void) set_config_option(
			"search_path", body->row.search_path, PGC_USERSET, PGC_S_SESSION,
			wf_exec_is_trial(wf_exec) ? GUC_ACTION_SAVE : GUC_ACTION_SET, true,
			0, false);
}

/* Was the verdict found for a run like this one? */
static bool
is_allowed_to(const WfBody *body, const WfRun *run)
{
	const char *name = run->run_as_by_name ? run->run_as_by_name : "";

	return body->role == GetUserId() && body->run_as_by == run->run_as_by &&
		   strcmp(body->run_as_by_name, name) == 0;
}

/*
 * What undoes a run is not in its body, nor is what a chunk does; but what the
 * body's owner may have done as the run's owner holds for these as well.
 */
static void
resolve(WfExec *exec, WfBody *body)
{
	uint64 before = changes;
	Oid function;

	body->resolved = false;
	wf_rights_check_owner(exec);
	exec->park_reason = WF_REASON_BODY;
	function = find_function(&body->row);
	wf_rights_check_body(exec, function, &body->row);
	MemoryContextReset(body->call_cxt);
	fmgr_info_cxt(function, &body->flinfo, body->call_cxt);
	body->role = GetUserId();
	body->run_as_by = exec->run.run_as_by;
	strlcpy(body->run_as_by_name,
			exec->run.run_as_by_name ? exec->run.run_as_by_name : "",
			NAMEDATALEN);
	/* a change that came in during the lookups may have been missed */
	body->resolved = before == changes;
}

void
wf_body_prepare(WfExec *exec)
{
	BodyKey key = {exec->run.body_id, wf_items_queue(&exec->run)};
	WfDatabase *db = wf_database_find(MyDatabaseId);
	uint64 definitions = db ? pg_atomic_read_u64(&db->definitions) : 0;
	uint64 before = changes;
	WfBody *body;
	bool found;

	exec->park_reason = WF_REASON_BODY;
	if (bodies == NULL)
		wf_body_init();
	body = hash_search(bodies, &key, HASH_ENTER, &found);
	if (!found)
	{
		body->cxt = NULL;
		body->resolved = false;
	}
	if (!found || body->definitions != definitions || body->cxt == NULL)
		read_body(body, definitions);
	if (!body->resolved || !is_allowed_to(body, &exec->run))
		resolve(exec, body);
	exec->body = body;
	exec->checked = before;

	wf_body_force_path(body);
	exec->park_reason = NULL;
}

bool
wf_body_is_checked(const WfExec *exec)
{
	return exec->body != NULL && exec->checked == changes;
}

void
wf_body_recheck(WfExec *exec)
{
	if (wf_body_is_checked(exec))
		return;
	wf_load_check_owner(exec);
	wf_body_prepare(exec);
}

/* ---- errors ---- */

/* Error texts are kept in rows and shown in views: not without limit. */
static char *
clip(char *text)
{
	return wf_text_clip(text, WF_MAX_ERROR_TEXT);
}

void
wf_exec_copy_error(WfExec *exec, WfError *error)
{
	ErrorData *edata;

	MemoryContextSwitchTo(exec->run_cxt);
	edata = CopyErrorData();
	FlushErrorState();

	memset(error, 0, sizeof(*error));
	strlcpy(error->code, unpack_sql_state(edata->sqlerrcode),
			sizeof(error->code));
	error->message = edata->message ? clip(edata->message) : pstrdup("");
	error->detail = clip(edata->detail);
	error->hint = clip(edata->hint);
	error->context = clip(edata->context);
}

uint32
wf_exec_request(const WfExec *exec)
{
	uint32 request = pg_atomic_read_u32(&exec->cell->request);

	if (request & WF_REQ_UNDOING)
		request &= ~(WF_REQ_CANCEL | WF_REQ_TIMEOUT);
	return request;
}

/*
 * The timer or a request of the scheduler set QueryCancelPending.  Once that
 * has been raised as an error it is false again: whether or not the body let
 * the error through, what it does from then on cannot be trusted.
 */
bool
wf_exec_interrupted(WfExec *exec)
{
	uint32 request;

	if (wf_exec_is_trial(exec))
		return false;
	request = wf_exec_request(exec);
	return (exec->timed_out || (request & (WF_REQ_CANCEL | WF_REQ_TIMEOUT))) &&
		   !QueryCancelPending;
}

/* ---- replaying ---- */

/* Was the error a cancel that was meant for the run before this one? */
static bool
cancel_is_stale(WfExec *exec)
{
	return !wf_exec_is_trial(exec) && strcmp(exec->error.code, "57014") == 0 &&
		   pg_atomic_read_u32(&exec->slot->cancels) != exec->cancels_seen;
}

/* Calls the body; its result goes to exec->result, in run_cxt. */
static void
call_body(WfExec *exec)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum value;

	InitFunctionCallInfoData(*fcinfo, &exec->body->flinfo, 1, InvalidOid, NULL,
							 NULL);
	fcinfo->args[0].value = JsonbPGetDatum(exec->run.input);
	fcinfo->args[0].isnull = false;
	if (wf_run_is_chunk(&exec->run))
	{
		value = PointerGetDatum(wf_items_body(exec));
		fcinfo->isnull = DatumGetPointer(value) == NULL;
	}
	else
		value = FunctionCallInvoke(fcinfo);

	exec->result = NULL;
	if (!fcinfo->isnull)
	{
		struct varlena *packed = PG_DETOAST_DATUM(value);

		if (VARSIZE(packed) > (int64) wf_max_payload * 1024)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("result of the workflow is too large"),
					 errdetail("It has %zu bytes, workflow.max_payload allows %d kB.",
							   (size_t) VARSIZE(packed), wf_max_payload)));
		exec->result = MemoryContextAlloc(exec->run_cxt, VARSIZE(packed));
		memcpy(exec->result, packed, VARSIZE(packed));
	}
}

/* The body ended before it asked for this step, which is recorded. */
static void
note_leftover(WfExec *exec, const WfStep *step, bool raised)
{
	MemoryContext old = MemoryContextSwitchTo(exec->run_cxt);
	WfError *error = &exec->error;
	char *end = exec->continues ? "continued as new"
				: raised ? psprintf("ended with error %s (%s)", error->code,
									wf_text_clip(error->message, WF_MAX_SIDE))
						 : "returned";

	memset(error, 0, sizeof(*error));
	strlcpy(error->code, "WF007", sizeof(error->code));
	error->message = pstrdup("body is not deterministic");
	error->detail = psprintf(
		"Recorded is %s %d, \"%s\"; this replay %s without asking for it.",
		wf_call_word(step->match.kind), step->ordinal, step->match.name, end);
	error->hint = pstrdup(
		"Read what a branch or loop depends on in a step. After repair of the body call workflow.retry_run().");
	MemoryContextSwitchTo(old);
}

/*
 * What the end of the body means.  "raised": exec->error holds what it raised,
 * unless it was only unwinding.
 */
static WfReplayEnd
judge_end(WfExec *exec, bool raised)
{
	int leftover;

	if (exec->different)
		return WF_REPLAY_DIFFERENT;
	if (exec->blocked)
		return WF_REPLAY_WAITS;
	if (exec->unwinding && exec->continues == NULL)
		return WF_REPLAY_WANTS;
	if (raised && exec->continues == NULL &&
		wf_sqlstate_is_transient(exec->error.code))
		return WF_REPLAY_ERROR;

	leftover = wf_replay_leftover(exec->nsteps, exec->asked);
	if (leftover > 0)
	{
		note_leftover(exec, &exec->steps[leftover - 1], raised);
		return WF_REPLAY_DIFFERENT;
	}
	if (exec->continues != NULL)
		return WF_REPLAY_CONTINUES;
	return raised ? WF_REPLAY_ERROR : WF_REPLAY_ENDED;
}

static void
begin_replay(WfExec *exec)
{
	exec->in_body = true;
	exec->unwinding = false;
	exec->different = false;
	exec->blocked = false;
	exec->timed_out = false;
	exec->asked = 0;
	exec->now = Max(exec->run.enqueued_at, exec->run.run_at);
	exec->derived = 0;
	exec->swallowed = 0;
	exec->raised_step = 0;
	exec->patches = NIL;
	exec->continues = NULL;
	exec->result = NULL;
	memset(&exec->error, 0, sizeof(exec->error));
}

WfReplayEnd
wf_body_replay(WfExec *exec, bool bounded)
{
	MemoryContext save_context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	ErrorContextCallback *save_callbacks = error_context_stack;
	volatile bool raised = false;
	bool interrupted;
	TimestampTz began_at;
	int level;

	begin_replay(exec);
	began_at = wf_clock_system();
	BeginInternalSubTransaction(NULL);
	level = GetCurrentTransactionNestLevel();
	XactReadOnly = true;
	MemoryContextSwitchTo(exec->turn_cxt);
	PushActiveSnapshot(GetTransactionSnapshot());
	wf_user_code_begin(exec, exec->nsteps + 1, 0);
	if (bounded)
		wf_timer_start(WF_BOUNDED_REPLAY_USEC, 0);

	PG_TRY();
	{
		exec->way_out = PG_exception_stack;
		call_body(exec);
	}
	PG_CATCH();
	{
		raised = true;
		if (exec->unwinding)
			FlushErrorState();
		else
			wf_exec_copy_error(exec, &exec->error);
	}
	PG_END_TRY();

	exec->way_out = NULL;
	exec->in_body = false;
	error_context_stack = save_callbacks;
	if (bounded)
		wf_timer_stop();
	exec->slow = wf_clock_system() - began_at >= WF_BOUNDED_REPLAY_USEC;
	interrupted = wf_exec_interrupted(exec);
	wf_user_code_end(exec);
	while (GetCurrentTransactionNestLevel() >= level)
		RollbackAndReleaseCurrentSubTransaction();
	if (!wf_exec_is_trial(exec))
		wf_session_clean();
	MemoryContextSwitchTo(save_context);
	CurrentResourceOwner = save_owner;

	if (raised && strcmp(exec->error.code, "25006") == 0 &&
		exec->error.hint == NULL)
		exec->error.hint =
			"A body is read-only and is replayed: write in a workflow.step().";
	if (exec->retire)
		return WF_REPLAY_SWALLOWED;
	if (!wf_exec_is_trial(exec) && (pg_atomic_read_u32(&exec->cell->request) &
									(WF_REQ_CANCEL | WF_REQ_TIMEOUT)))
		return WF_REPLAY_CANCELLED;
	if (interrupted || (raised && cancel_is_stale(exec)))
		return WF_REPLAY_LATER;
	return judge_end(exec, raised);
}
