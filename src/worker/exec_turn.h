/*
 * exec_turn.h
 *		One turn of a run: what it works out, and what it will write.
 *
 * exec_turn.c runs user code and fills a WfTurn, with the help of exec_record.c;
 * exec_run.c writes it, commits and deals with errors.  Nothing of the run is written before all user code
 * of the turn is over.
 */
#ifndef WF_WORKER_EXEC_TURN_H
#define WF_WORKER_EXEC_TURN_H

#include "worker/exec.h"

/* records of one turn after which it commits before it goes on */
#define WF_MAX_TURN_WRITES 1000

typedef enum WfNext
{
	WF_NEXT_LOAD,
	WF_NEXT_REPLAY,
	WF_NEXT_STEP,
	WF_NEXT_FAILURE,
	WF_NEXT_SETTLE,
	WF_NEXT_UNDO,
	WF_NEXT_NONE /* the run leaves this executor */
} WfNext;

/* what a turn writes, and what comes after it */
typedef struct WfTurn
{
	bool has_end;
	WfRunEnd end;
	bool undo_begins; /* not has_end: it will end so, once that is done */
	bool undo_ends;	  /* has_end: as its row says */
	Jsonb *continues; /* has_end: another run goes on with this input */

	bool has_later;
	TimestampTz due_at; /* also of has_wait; 0: for no time */
	int32 body_attempts;

	bool has_wait;
	char waiting_for; /* WF_WAIT_* */

	WfNext next;
	WfOutcome outcome; /* when next is WF_NEXT_NONE */
} WfTurn;

/* Reads it in a transaction; "any" is false where it is known to be empty. */
extern void wf_record_load(WfExec *exec, bool any);

/* Appends to the record, or replaces the newest where it has that ordinal. */
extern void wf_record_step(WfExec *exec, const WfStep *step);

/* The same of what the turn is to write, and taken back if it does not commit. */
extern void wf_record_write(WfExec *exec, const WfStep *step);

/* The policy of the workflow, or the default. */
extern void wf_turn_body_policy(WfExec *exec, WfPolicy *policy);

/* The policy of exec->wanted: of the call, the workflow, or the default. */
extern void wf_turn_policy(WfExec *exec, WfPolicy *policy);

/* exec->wanted as a row; the caller sets state and outcome. */
extern void wf_turn_fill_step(WfExec *exec, const WfPolicy *policy,
							  WfStep *step);

/* After an abort: what this turn recorded is not recorded after all. */
extern void wf_turn_take_back(WfExec *exec);

/* After a commit: what the last replay asked for is the step to run. */
extern void wf_turn_adopt(WfExec *exec);

/* The run ends, or is parked; sets next and outcome. */
extern void wf_turn_end_run(WfExec *exec, WfTurn *turn, char state,
							const char *reason);

/*
 * on_failure => 'park', or an undo that failed: nobody but an operator can go
 * on.
 */
extern void wf_turn_park_at_step(WfExec *exec, WfTurn *turn,
								 const WfStep *step);

/* The run goes elsewhere with nothing more to write. */
extern void wf_turn_leave(WfTurn *turn, WfOutcome outcome);

/* ---- exec_load.c ---- */

/*
 * Raises an error, with exec->park_reason set, where the run was loaded in a
 * state that no machine has brought it to.
 */
extern void wf_load_check_state(WfExec *exec);

/* Raises an error, with exec->park_reason set, unless we are the run's owner. */
extern void wf_load_check_owner(WfExec *exec);

/*
 * The newest call was started at most once, by a process that is no more: its
 * outcome is unknown from now on.  Commits.
 */
extern void wf_load_settle_unknown(WfExec *exec);

/* ---- exec_wait.c ---- */

/* Is this call begun by waiting, without any user code? */
extern bool wf_wait_is_plain(char kind);

/*
 * Records a call, which is plain: as waiting, or as done
 * where what it waits for is there already.  True when the body can go on: in
 * that case, or when it only starts something.
 */
extern bool wf_wait_begin(WfExec *exec, const WfWanted *asked);

/*
 * After a replay: begins the calls that it has answered with handles, or if
 * nothing follows from it forgets them.
 */
extern void wf_wait_begin_pending(WfExec *exec, bool forget);

/* Is this call one that waits, but is started by engine code? */
extern bool wf_wait_is_started(const WfWanted *wanted);

/*
 * Starts the call in exec->wanted, of which "step" is the record: waiting, and
 * of what.
 */
extern void wf_wait_start(WfExec *exec, WfStep *step);

/*
 * Looks for what has come for calls that wait, and records it; true when
 * something had.  Writes what it takes, so no user code may run any more
 * before the turn's commit that needs not to see it.
 */
extern bool wf_wait_settle(WfExec *exec);

/* The same for one of them. */
extern bool wf_wait_settle_one(WfExec *exec, int ordinal);

/* The run leaves the executor until something comes for one of its calls. */
extern void wf_wait_leave(WfExec *exec, WfTurn *turn);

/*
 * The handle among those of an await_any(), given by its command, that had an
 * outcome first; NULL: none has.  In run_cxt.
 */
extern Jsonb *wf_first_with_outcome(WfExec *exec, const WfStep *any);

/* ---- exec_child.c ---- */

/*
 * In a window: looks for ends of single children, and records them; true when
 * there were any.
 */
extern bool wf_child_settle(WfExec *exec);

/*
 * In a window: has a map an outcome?  Fills it in.  Notes how many held
 * children may start, which the turn lets them with its writes.
 */
extern bool wf_map_settle(WfExec *exec, WfStep *step);
extern void wf_child_release(WfExec *exec);

/*
 * Before the commit of a turn that ends the run: its children are cancelled,
 * and the next of its parent's map may start.
 */
extern void wf_child_before_end(WfExec *exec, const WfTurn *turn);

/* After it: shall the scheduler wake the parent? */
extern void wf_child_after_end(WfExec *exec, char state);

/*
 * What became of one item, where errors are collected: pushed onto the array
 * that is the result of the map.  "error" NULL: it is "value".
 */
extern void wf_collect_push(JsonbParseState **state, const Jsonb *value,
							const WfError *error);

/* ---- exec_items.c ---- */

/* arguments of the call map() */
enum
{
	WF_MAP_ITEMS,
	WF_MAP_ON_ERROR,
	WF_MAP_MAX_PARALLEL,
	WF_MAP_POLICY,
	WF_MAP_QUEUE /* there is one for map_task() alone */
};

/* Are its items tasks, for workers outside? */
#define wf_map_has_tasks(asked) ((asked)->nargs > WF_MAP_QUEUE)

extern bool wf_map_collects(const WfWanted *asked);

/*
 * Begins a map or a step beside the body: writes its chunks,
 * or those that have to be done again; false when there are none, so that its
 * outcome is there already.  Outside of windows.
 */
extern bool wf_items_begin(WfExec *exec, const WfWanted *asked, WfStep *step);

/* ---- exec_print.c ---- */

/* Folds command and values of a call. */
extern uint64 wf_call_fingerprint(const WfCall *call);

/* ---- exec_continue.c ---- */

/* Writes the run's end and the run that goes on; false when it has ended. */
extern bool wf_exec_continue(WfExec *exec, WfTurn *turn);

/* ---- exec_undo.c ---- */

/* Is the run being compensated? */
#define wf_undo_runs(exec) ((exec)->run.state == WF_RUN_COMPENSATING)

/*
 * Where the turn is to end the run as failed or cancelled, and something is
 * registered, it is compensated instead.
 */
extern void wf_undo_take_over(WfExec *exec, WfTurn *turn);

/* From here on nobody can stop the run; outside user code. */
extern void wf_undo_shield(WfExec *exec);

/*
 * Sets exec->wanted to what is to be undone next, and returns true; or ends the
 * run.
 */
extern bool wf_undo_next(WfExec *exec, WfTurn *turn);

/*
 * Of a run that was loaded and is not undone yet: true where exec->wanted is
 * what to do next, else the turn says.
 */
extern bool wf_undo_load(WfExec *exec, WfTurn *turn);

/* A worker outside is to undo something: waits for it. */
extern void wf_undo_wait(WfExec *exec, WfTurn *turn);

/* One more is undone: what the turn does then. */
extern void wf_undo_after(WfExec *exec, WfTurn *turn);

/* ---- all of a turn ---- */

/* Does everything of a turn that comes before its writes. */
extern void wf_turn_do(WfExec *exec, WfNext what, WfTurn *turn);

#endif /* WF_WORKER_EXEC_TURN_H */
