/*
 * place.c
 *		Where a new run may go: on_duplicate and on_busy.
 *
 * Identity comes before exclusion: a run that is kept under the dedup_key is
 * the answer, whatever goes on in its group.  One that is to be replaced does
 * not make its own group busy.
 *
 * Which runs a key is compared with is the workflow's dedup_scope.  The newest
 * run of a key is the only one that can be in the scope, as the one before it
 * had left the scope when the newest was made; it has the highest dedup_no.
 * Among all that are kept, the unique index decides.  In a narrower scope a
 * run leaves it without anybody writing that down: "not begun" is the absence
 * of steps and of a lock.  There a caller holds a lock on the key between
 * looking and inserting, as for a group; see store/run_key.c.
 *
 * Locking: see enqueue.c.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/place.h"
#include "api/runs.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "play/word.h"
#include "store/group.h"
#include "store/run_key.h"
#include "store/signal.h"

static const char *const on_duplicate_words[] = {"return", "skip", "reject",
												 "replace", "retry"};
static const char *const on_busy_words[] = {"wait", "reject", "skip"};

/* a call under way */
typedef struct Placing
{
	const WfWorkflow *def;
	const WfQueueSend *queue;
	WfNewRun *run;
	WfOnDuplicate on_duplicate;
	WfOnBusy on_busy;
	const WfDebounce *debounce;
	WfKeptRun *kept;
	bool entered; /* the group is free and locked */
	WfGroupGate gate;
} Placing;

/* ---- arguments ---- */

/* Which of the words it is, or -1. */
static int
find_word(text *value, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
	{
		int length = strlen(words[i]);

		if (VARSIZE_ANY_EXHDR(value) == length &&
			memcmp(VARDATA_ANY(value), words[i], length) == 0)
			return i;
	}
	return -1;
}

WfOnDuplicate
wf_arg_on_duplicate(FunctionCallInfo fcinfo, int arg, bool retries)
{
	int word;

	if (PG_ARGISNULL(arg))
		return WF_DUPLICATE_RETURN;
	word = find_word(PG_GETARG_TEXT_PP(arg), on_duplicate_words,
					 lengthof(on_duplicate_words));
	if (word < 0 || (word == WF_DUPLICATE_RETRY && !retries))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 retries ? errmsg("on_duplicate must be \"return\", \"skip\", \"reject\", \"replace\" or \"retry\"")
						 : errmsg("on_duplicate must be \"return\", \"skip\", \"reject\" or \"replace\""),
				 errdetail("The value is \"%s\".",
						   text_to_cstring(PG_GETARG_TEXT_PP(arg))),
				 errhint("It says what to do when the dedup_key was used before.")));
	return (WfOnDuplicate) word;
}

WfOnBusy
wf_arg_on_busy(FunctionCallInfo fcinfo, int arg, int group_arg)
{
	int word;

	if (PG_ARGISNULL(arg))
		return WF_BUSY_WAIT;
	word = find_word(PG_GETARG_TEXT_PP(arg), on_busy_words,
					 lengthof(on_busy_words));
	if (word < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_busy must be \"wait\", \"reject\" or \"skip\""),
				 errdetail("The value is \"%s\".",
						   text_to_cstring(PG_GETARG_TEXT_PP(arg))),
				 errhint("It says what to do while another run of the group is unfinished.")));
	if (word != WF_BUSY_WAIT && PG_ARGISNULL(group_arg))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_busy => '%s' needs a group_key",
						on_busy_words[word]),
				 errdetail("Only a group can be busy."),
				 errhint("Pass group_key, or leave on_busy out.")));
	return (WfOnBusy) word;
}

/* ---- refusals ---- */

static char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

static void
raise_duplicate(const Placing *p)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("workflow \"%s\" already has a run with this dedup_key",
					p->def->name),
			 errdetail("Key \"%s\" belongs to run %s.",
					   TextDatumGetCString(p->run->dedup_key),
					   uuid_text(&p->kept->run_id)),
			 errhint("Pass on_duplicate => 'return' to get that run, or use another key.")));
}

static void
raise_busy(const Placing *p)
{
	WfRunView view = {.run_id = p->gate.run_id, .state = p->gate.state};

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("group \"%s\" of queue \"%s\" is busy",
					TextDatumGetCString(p->run->group_key), p->queue->name),
			 errdetail("Run %s is %s.", uuid_text(&p->gate.run_id),
					   wf_run_state_word(&view)),
			 errhint("Try again when it has ended, or pass on_busy => 'wait' to queue up behind it.")));
}

/* ---- groups ---- */

/* False when the group is busy; nothing to do for who waits in the queue. */
static bool
enter_group(Placing *p, const pg_uuid_t *except)
{
	if (p->on_busy == WF_BUSY_WAIT || p->entered)
		return true;
	p->entered =
		wf_group_enter(p->run->queue_id, p->run->group_key,
					   p->queue->group_by_owner ? p->run->owner : InvalidOid,
					   except, &p->gate);
	return p->entered;
}

static void
leave_group(Placing *p)
{
	if (p->entered)
		wf_group_leave(&p->gate);
	p->entered = false;
}

/* ---- duplicates ---- */

static bool
find_kept(Placing *p)
{
	const WfNewRun *run = p->run;

	return wf_run_find_kept(run->workflow_id, run->owner, run->owner_name,
							run->dedup_key, p->kept);
}

/* Has the scheduler look at the kept run again when the transaction has ended. */
static void
note_kept(const Placing *p)
{
	WfWork info = {0};

	info.id = p->kept->run_id;
	info.last_id = info.id;
	info.owner = p->run->owner;
	info.workflow_id = p->run->workflow_id;
	info.queue_id = p->run->queue_id;
	info.deadline_at = DT_NOEND;
	info.flags = WF_ASSIGN_DEDUP | WF_ASSIGN_REREAD;
	wf_note_recheck(&info);
}

/*
 * Removes the kept run, if it has not begun, so that another can take its
 * place: WF_PLACED.  WF_KEPT when it has, or may be about to.  Its lock is kept
 * to the end of the transaction; an executor that meets it hands the run back,
 * hence the note to look again.  The group is entered, or WF_BUSY.
 */
static WfPlaced
remove_untouched(Placing *p)
{
	pg_uuid_t old = p->kept->run_id;

	/* a step of that very run would find the lock to be its own */
	if (!p->kept->untouched || wf_word_runs(&old) ||
		!wf_run_lock_to_replace(&old))
		return WF_KEPT;

	note_kept(p);

	/* another has replaced it before we had the lock: that one is looked at */
	if (!find_kept(p) || memcmp(&p->kept->run_id, &old, UUID_LEN) != 0)
		return WF_PLACED;
	/* it may have begun, and even ended */
	if (!p->kept->untouched)
		return WF_KEPT;
	if (!enter_group(p, &old))
		return WF_BUSY;
	/* whoever sent it something meant the work, which goes on under a new id */
	wf_signal_move(&old, &p->run->run_id);
	wf_run_delete(&old);
	return WF_PLACED;
}

/*
 * debounce: writes what this call asks for into the kept run, which has not
 * begun and cannot before the transaction has ended, as for remove_untouched().
 * False when it has begun after all.
 */
static bool
put_off(Placing *p)
{
	pg_uuid_t old = p->kept->run_id;
	WfNewRun *run = p->run;

	if (wf_word_runs(&old))
		return false;
	if (p->kept->due_at > run->enqueued_at)
		wf_run_lock_early(&old);
	else if (!wf_run_lock_to_replace(&old))
		return false;
	note_kept(p);
	if (!find_kept(p) || memcmp(&p->kept->run_id, &old, UUID_LEN) != 0 ||
		p->kept->begun)
		return false;
	if (run->deadline_at != DT_NOEND)
		run->deadline_at -= run->run_at;
	run->run_at =
		wf_debounce_start(p->debounce, p->kept->enqueued_at, run->enqueued_at);
	if (run->deadline_at != DT_NOEND)
		run->deadline_at += run->run_at;
	if (wf_run_rewrite(&old, run))
		return true;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a debounced call must equal the first one"),
			 errdetail("Run %s, which has not begun, was enqueued with another queue, group_key or run_timeout.",
					   uuid_text(&old)),
			 errhint("Only input, priority, attributes and the time of the start may differ. Pass another dedup_key where another run is meant.")));
}

/* Is the kept run one of those among which the key is unique? */
static bool
is_in_scope(const Placing *p)
{
	const WfKeptRun *kept = p->kept;

	switch (p->def->dedup_scope)
	{
		case WF_SCOPE_UNFINISHED:
			return !wf_run_is_final(kept->state);
		case WF_SCOPE_QUEUED:
			return !wf_run_is_final(kept->state) && !kept->begun &&
				   !wf_word_runs(&kept->run_id) &&
				   (kept->due_at > p->run->enqueued_at ||
					!wf_run_is_locked(&kept->run_id));
		default:
			return true;
	}
}

static bool
find_in_scope(Placing *p)
{
	return find_kept(p) && is_in_scope(p);
}

/*
 * Inserts a run whose key is unique in a narrow scope, and which has found no
 * other.  False when there may be one after all: look again.
 */
static bool
insert_in_scope(Placing *p)
{
	WfKeyGate gate;
	WfWriter writer;
	bool inserted = false;

	wf_key_enter(p->run, &gate, &writer);
	if (!TransactionIdIsValid(writer.xid))
	{
		bool found = find_kept(p);

		p->run->dedup_no = found ? p->kept->dedup_no + 1 : 0;
		if (!found || !is_in_scope(p))
			inserted = wf_run_insert_unique(p->run);
	}
	wf_key_leave(&gate);
	leave_group(p);
	if (TransactionIdIsValid(writer.xid))
		wf_dirty_wait(&writer);
	return inserted;
}

/* The kept run, if there is one, before others of the group are looked for. */
static WfPlaced
look_first(Placing *p)
{
	bool narrow = p->def->dedup_scope != WF_SCOPE_KEPT;

	if (!narrow && (p->on_busy == WF_BUSY_WAIT || p->entered))
		return WF_PLACED;
	if (find_in_scope(p))
		return WF_KEPT;
	if (enter_group(p, NULL))
		return WF_PLACED;
	/* the one that was waited for may be the one with the key */
	return find_in_scope(p) ? WF_KEPT : WF_BUSY;
}

/* A run with a dedup_key, in an open window. */
static WfPlaced
insert_or_keep(Placing *p)
{
	for (;;)
	{
		WfPlaced first = look_first(p);
		WfPlaced removed;

		CHECK_FOR_INTERRUPTS();
		if (first == WF_BUSY)
			return WF_BUSY;
		if (first == WF_PLACED)
		{
			bool narrow = p->def->dedup_scope != WF_SCOPE_KEPT;
			bool inserted =
				narrow ? insert_in_scope(p) : wf_run_insert_unique(p->run);

			leave_group(p);
			if (inserted)
				return WF_PLACED;
			/* gone again: deleted by retention, or replaced */
			if (!find_in_scope(p))
				continue;
		}
		if (p->debounce->given)
		{
			if (put_off(p))
				return WF_KEPT;
			continue;
		}
		if (p->on_duplicate != WF_DUPLICATE_REPLACE)
			return WF_KEPT;
		removed = remove_untouched(p);
		if (removed != WF_PLACED)
			return removed;
	}
}

/* One without, which only its group can keep out. */
static WfPlaced
insert_plain(Placing *p)
{
	if (!enter_group(p, NULL))
		return WF_BUSY;
	wf_run_insert(p->run);
	leave_group(p);
	return WF_PLACED;
}

/* To retry is to go on with a run that has ended: it must have the key still. */
static void
require_kept_scope(const WfWorkflow *def)
{
	if (def->dedup_scope == WF_SCOPE_KEPT)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("on_duplicate => 'retry' needs a workflow with dedup_scope => 'kept'"),
			 errdetail("Among the runs of workflow \"%s\" a key is unique as long as they are %s, so one that failed does not have it.",
					   def->name, wf_dedup_scopes[def->dedup_scope]),
			 errhint("Leave on_duplicate out, or change the workflow with workflow.alter_workflow().")));
}

bool
wf_run_answers(const WfWorkflow *def, WfNewRun *run, WfKeptRun *kept)
{
	Placing p = {.def = def, .run = run, .kept = kept};
	WfWindow window;
	bool found;

	wf_window_open(&window);
	found = find_in_scope(&p);
	wf_window_close(&window);
	return found;
}

WfPlaced
wf_run_place(const WfWorkflow *def, const WfQueueSend *queue, WfNewRun *run,
			 WfOnDuplicate on_duplicate, WfOnBusy on_busy,
			 const WfDebounce *debounce, WfKeptRun *kept)
{
	Placing p = {.def = def,
				 .queue = queue,
				 .run = run,
				 .on_duplicate = on_duplicate,
				 .on_busy = on_busy,
				 .debounce = debounce,
				 .kept = kept};
	WfWindow window;
	WfPlaced placed;

	if (on_duplicate == WF_DUPLICATE_RETRY)
		require_kept_scope(def);
	if (debounce->given && def->dedup_scope != WF_SCOPE_QUEUED)
		wf_raise_debounce_scope("workflow", def->name);
	if (DatumGetPointer(run->dedup_key) == NULL)
		placed = insert_plain(&p);
	else
	{
		wf_window_open(&window);
		placed = insert_or_keep(&p);
		wf_window_close(&window);
	}
	if (placed == WF_KEPT && on_duplicate == WF_DUPLICATE_REJECT)
		raise_duplicate(&p);
	if (placed == WF_BUSY && on_busy == WF_BUSY_REJECT)
		raise_busy(&p);
	return placed;
}
