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

typedef enum WfNext
{
	WF_NEXT_LOAD,
	WF_NEXT_REPLAY,
	WF_NEXT_STEP,
	WF_NEXT_FAILURE,
	WF_NEXT_SETTLE,
	WF_NEXT_NONE /* the run leaves this executor */
} WfNext;

/* what a turn writes, and what comes after it */
typedef struct WfTurn
{
	bool has_step;
	bool step_exists; /* update its row */
	WfStep step;

	bool has_end;
	WfRunEnd end;

	bool has_later;
	TimestampTz due_at;
	int32 body_attempts;

	WfNext next;
	WfOutcome outcome; /* when next is WF_NEXT_NONE */
} WfTurn;

/* Appends to the record, or replaces the newest where it has that ordinal. */
extern void wf_record_step(WfExec *exec, const WfStep *step);

/* The same with turn->step, which the turn is to write, until it commits. */
extern void wf_record_provisional(WfExec *exec, WfTurn *turn);

/* The policy of the workflow, or the default. */
extern void wf_turn_body_policy(WfExec *exec, WfPolicy *policy);

/* The policy of exec->wanted: of the call, the workflow, or the default. */
extern void wf_turn_policy(WfExec *exec, WfPolicy *policy);

/* exec->wanted as a row; the caller sets state and outcome. */
extern void wf_turn_fill_step(WfExec *exec, const WfPolicy *policy,
							  WfStep *step);

/* After an abort: the step of this turn is not recorded after all. */
extern void wf_turn_take_back(WfExec *exec);

/* After a commit: what the last replay asked for is the step to run. */
extern void wf_turn_adopt(WfExec *exec);

/* The run ends, or is parked; sets next and outcome. */
extern void wf_turn_end_run(WfExec *exec, WfTurn *turn, char state,
							const char *reason);

/* The run goes elsewhere with nothing more to write. */
extern void wf_turn_leave(WfTurn *turn, WfOutcome outcome);

/* Does everything of a turn that comes before its writes. */
extern void wf_turn_do(WfExec *exec, WfNext what, WfTurn *turn);

#endif /* WF_WORKER_EXEC_TURN_H */
