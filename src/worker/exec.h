/*
 * exec.h
 *		One run in one executor: its state, and the parts that move it on.
 *
 * A run goes on in *turns*, each one transaction:
 *
 *	load	reads the run and its recorded steps, replays the body
 *	replay	replays the body (where the turn before had no time for it)
 *	step	runs the wanted step, records it, replays to see what comes next
 *	failure	records that the step gave up or will be tried again, replays
 *	undo	runs the next step of a compensation, without any replay
 *	wait	(part of the others) records that calls wait, or what came for them
 *	settle	records an end that came from outside: cancel, time-out
 *
 * load and replay go on as a step turn in the same transaction when the body
 * wants one.  Every turn ends by writing, in one owner window, the step's row
 * and, if the run ended or has to wait, the run's row; then it commits.  So
 * there is one commit per step, and none besides.
 *
 * What the body reads is seen in a read-only subtransaction that is always
 * rolled back; what a step does happens in the top transaction itself.  An
 * ERROR anywhere in a turn aborts its transaction; exec_run.c decides by
 * `where` what it means.
 *
 * Locks: the run's own lock in each turn (runs with a dedup_key); for the rest,
 * what the user's code takes.  Nothing of it is kept over a commit.
 *
 * try_workflow() plays a run in a client's process, with the same words and the
 * same record, but without turns (try.c): its WfExec has neither slot nor cell.
 *
 * Lifetime: everything hangs off run_cxt, which is reset for each run.
 */
#ifndef WF_WORKER_EXEC_H
#define WF_WORKER_EXEC_H

#include <setjmp.h>

#include "base/compat.h"
#include "core/policy.h"
#include "nodes/pg_list.h"
#include "ipc/shmem.h"
#include "store/definition.h"
#include "store/run.h"
#include "worker/words.h"

/* how long the replay after a step may hold up that step's commit */
#define WF_BOUNDED_REPLAY_USEC 5000

/* where an ERROR came from */
typedef enum WfWhere
{
	WF_IN_ENGINE, /* loading, or recording what is no step */
	WF_IN_STEP	  /* the step, its settling and its commit */
} WfWhere;

typedef enum WfReplayEnd
{
	WF_REPLAY_WANTS,	 /* a call is wanted: exec->asked_for */
	WF_REPLAY_WAITS,	 /* body needs the outcome of a call that waits */
	WF_REPLAY_ENDED,	 /* body returned: exec->result */
	WF_REPLAY_CONTINUES, /* body asked to begin anew: exec->continues */
	WF_REPLAY_ERROR,	 /* body raised: exec->error */
	WF_REPLAY_DIFFERENT, /* not what was recorded: exec->error */
	WF_REPLAY_SWALLOWED, /* body keeps catching our unwinding */
	WF_REPLAY_CANCELLED, /* cancelled from outside */
	WF_REPLAY_LATER		 /* time for it was up: nothing is known */
} WfReplayEnd;

/* a call the body made that is not recorded yet */
typedef struct WfWanted
{
	char kind;
	int ordinal;
	uint64 fingerprint;
	char *name;
	char *command;
	int nargs;
	Oid *types;
	Datum *values;
	char *nulls;
	bool has_policy;
	WfPolicy policy;	/* of the call */
	TimestampTz due_at; /* a call that waits: until when; DT_NOEND for ever */
	bool texts;			/* values are C strings, whatever the types are */
	bool is_task;		/* an undo that is done by a worker outside */
	Jsonb *outcome;		/* of a call that is done by being made */
	bool starts;		/* the body goes on when it is recorded */
	TimestampTz started_at; /* when it was asked for */
} WfWanted;

/* a record of this turn, written by its commit; and what it replaces */
typedef struct WfWrite
{
	int ordinal;
	bool exists;   /* its row is there already */
	WfStep before; /* exists: what is committed */
} WfWrite;

/* a body version, ready to be called; see exec_body.c */
typedef struct WfBody WfBody;

typedef struct WfExec
{
	WfSlot *slot;			  /* NULL: a trial */
	WfCell *cell;			  /* NULL between runs, and in a trial */
	MemoryContext run_cxt;	  /* for the life of the run in this process */
	MemoryContext wanted_cxt; /* of `wanted` */
	MemoryContext asked_cxt;  /* of `asked_for` */
	MemoryContext turn_cxt;	  /* of one turn */

	WfRun run;
	WfBody *body;
	uint64 checked; /* what its rights rest on; see wf_body_recheck() */
	WfStep *steps;		 /* recorded, by ordinal - 1 */
	WfRecorded *records; /* the same, as core/replay.h wants them */
	int nsteps;
	int nalloc;
	TimestampTz taken_at; /* when this process took the run */
	uint32 cancels_seen;  /* slot->cancels when the turn began */

	WfWanted wanted; /* the step to run; ordinal 0: none */

	/* calls of the replay under way that have been answered with a handle */
	WfWanted *pending; /* in run_cxt, or NULL */
	int npending;
	int pending_allocated;
	MemoryContext pending_cxt; /* of what they point to */

	/* the replay under way */
	bool in_body;
	bool in_step;
	bool unwinding;	  /* the body has to end */
	bool different;	  /* ... because it differs from the record */
	bool blocked;	  /* ... because a call it needs waits: */
	int blocked_on;	  /* its ordinal */
	int max_parallel; /* ... where it is a map of children: see WfCall */
	bool collects;
	int room_for;		 /* a map of which some more may start, or 0 */
	int room;			 /* ... so many */
	int asked;			 /* recorded calls taken so far */
	TimestampTz now;	 /* what now() says */
	uint32 derived;		 /* now/random/uuid since the last call */
	int swallowed;		 /* times the body caught our unwinding */
	sigjmp_buf *way_out; /* past a body that does so for ever */
	int raised_step;	 /* last recorded failure raised, or 0 */
	List *patches;		 /* what patched() has answered */
	Jsonb *continues;	 /* the body has to end: the run goes on with this */
	bool timed_out;		 /* step_timeout, or time for a replay */

	/* its outcome */
	WfWanted asked_for; /* WF_REPLAY_WANTS: this */
	Jsonb *result;
	WfError error;

	WfWhere where;
	const char *park_reason; /* for an ERROR in the engine */
	bool unsound;			 /* the row cannot be relied on */
	bool aborted;			 /* a turn was: what others did is not known */
	bool writing;			 /* an ERROR now comes from our own writes */
	bool gone;				 /* the run's row is not as it was: load again */
	int reloads;			 /* ... which is done once */
	bool checks;			 /* only looks whether the body still fits */
	bool slow;				 /* replays take longer than a step may wait */
	WfWrite *writes; /* records that are not committed yet; in run_cxt */
	int nwrites;
	int writes_allocated;
	int free_retries;	/* of the wanted step, not recorded yet */
	WfError step_error; /* of the attempt that failed */
	TimestampTz step_started_at;
	WfVerdict verdict;
	bool permanent;		/* the error being raised is not to be retried */
	bool retire;		/* this process must not go on after this run */
	int progress_place; /* which call of the body said what the slot shows */
} WfExec;

extern WfExec *wf_exec; /* of this executor or trial, NULL elsewhere */

/* Is it played by try_workflow(), in a session that is not ours? */
#define wf_exec_is_trial(exec) ((exec)->slot == NULL)

/* ---- exec_run.c ---- */

/* Moves the run in exec->cell on until it ends or waits. */
extern WfOutcome wf_exec_run(WfExec *exec, TimestampTz *due_at);

/* ---- exec_body.c ---- */

/*
 * Finds (and resolves, if need be) the run's body and puts its search_path in
 * force.  In a transaction, no window open.  Raises an error, with
 * exec->park_reason set, when the body cannot be called.
 */
extern void wf_body_prepare(WfExec *exec);

/*
 * In a later turn: asks again all that load_turn() has asked of the owner and
 * of the body, if anything that it rests on may have changed.  As
 * wf_body_prepare().
 */
extern void wf_body_recheck(WfExec *exec);
extern bool wf_body_is_checked(const WfExec *exec);

/* The settings were read anew: nothing of what was allowed holds any more. */
extern void wf_body_forget(void);
/*
 * Puts its search_path in force again, where a turn that failed took it back.
 * In a transaction.  In a trial it holds for the present GUC nest level.
 */
extern void wf_body_force_path(const WfBody *body);
extern void wf_body_init(void);
extern const char *wf_body_search_path(const WfBody *body);
extern const WfPolicy *wf_body_policy(const WfBody *body);
extern bool wf_body_parks(const WfBody *body);

/* Replays; bounded: gives up after a few milliseconds. */
extern WfReplayEnd wf_body_replay(WfExec *exec, bool bounded);

/* Copies the error being handled into *error, allocated in run_cxt. */
extern void wf_exec_copy_error(WfExec *exec, WfError *error);

/* WF_REQ_* of the cell, without what means nothing to a run being undone */
extern uint32 wf_exec_request(const WfExec *exec);

/* true when a cancel request has been raised since it was asked for */
extern bool wf_exec_interrupted(WfExec *exec);

/* ---- exec_rights.c ---- */

/* ", then call workflow.retry_run()" for the end of a hint, or "" in a trial */
extern const char *wf_rights_then_retry(void);

/*
 * Raises an error, with exec->park_reason set, unless the run's owner has all
 * that it takes to have runs here, and still may have what run_as gave him.
 */
extern void wf_rights_check_owner(WfExec *exec);

/*
 * The same of the body: it may be called by the owner and, where he is a
 * superuser, was written and named by superusers.
 */
extern void wf_rights_check_body(WfExec *exec, Oid function,
								 const WfBodyRow *row);

/* ---- exec_words.c ---- */

/* Leaves the body. */
WF_NORETURN extern void wf_word_unwind(WfExec *exec);

/* "step", "sleep", ...: what a call of this kind is called in messages */
extern const char *wf_call_word(char kind);

/*
 * A value as text that means the same in every session; NULL where the bytes
 * of the value itself do, unless "always".
 */
extern char *wf_value_text(Oid type, Datum value, bool always);

/* ---- exec_items.c ---- */

/* The queue whose policy holds for the run's steps. */
extern int32 wf_items_queue(const WfRun *run);

/* Of a chunk: number in the map of the item of this step, or 0 if no map. */
extern int32 wf_items_number(const WfRun *run, int ordinal);

/* The body of a chunk, called as bodies are. */
extern Jsonb *wf_items_body(WfExec *exec);

/* ---- exec_step.c ---- */

/* Argument i of a call, as a value of a type: some are kept in text form. */
extern Datum wf_step_argument(const WfWanted *wanted, int i, Oid type);

/*
 * Runs exec->wanted at top level of the transaction and leaves nothing of it
 * behind but its writes; returns its value, allocated in "cxt".
 */
extern Jsonb *wf_step_run(WfExec *exec, const WfPolicy *policy,
						  MemoryContext cxt);

/*
 * The statement of it alone.  What it leaves in the session is the caller's to
 * settle.
 */
extern Jsonb *wf_step_statement(WfExec *exec, MemoryContext cxt);

/* ---- exec_settle.c ---- */

/*
 * Runs what a step has left for the commit, then puts back all it changed in
 * the process, settings down to the GUC nest level "nest"; still user code.
 */
extern void wf_settle_step(int nest);

/* Drops what user code can leave in a session in spite of a rollback. */
extern void wf_session_clean(void);

/*
 * Before a commit: raises an error where it would run user code, which cannot
 * be.
 */
extern void wf_settle_check(void);

/* Seeds random() so that nobody can tell what it gives. */
extern void wf_settle_seed(void);

/* ---- executor.c ---- */

/* One timer for step time-outs and bounded replays; sets exec->timed_out. */
extern void wf_timer_start(int64 usec, int64 repeat_usec);
extern void wf_timer_stop(void);

/* What the views show. */
extern void wf_show_run(WfExec *exec);
extern void wf_show_step(WfExec *exec, int ordinal, int attempt,
						 const char *name);

extern void wf_show_progress(WfExec *exec, const Jsonb *progress);

/* What the slot shows, or NULL: to be written with the run's row. */
extern Jsonb *wf_shown_progress(WfExec *exec);

/*
 * Around user code: marks for the crash accounting, and cancel interrupts let
 * through.  Outside of it they are held, so that a cancel can never hit the
 * engine's own writes.  wf_user_code_end() is also called after an ERROR.
 */
extern void wf_user_code_begin(WfExec *exec, int ordinal, int attempt);
extern void wf_user_code_end(WfExec *exec);

/* after SIGHUP, outside user code */
extern void wf_exec_reload(void);

#endif /* WF_WORKER_EXEC_H */
