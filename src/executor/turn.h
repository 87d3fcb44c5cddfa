/*
 * turn.h
 *		One turn of a run: what it works out, and what it will write.
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
 * turn.c runs user code and fills a WfTurn; write.c writes it and commits;
 * trouble.c decides what an ERROR on the way means; life.c has the loop.
 * Nothing of the run is written before all user code of the turn is over.
 *
 * Owns: WfTurn.  Lifetime: one turn; what it points to is in play.scratch or
 * in the context of the record.
 */
#ifndef WF_EXECUTOR_TURN_H
#define WF_EXECUTOR_TURN_H

#include "executor/process.h"

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

/* where an ERROR came from */
typedef enum WfWhere
{
	WF_IN_ENGINE, /* loading, or recording what is no step */
	WF_IN_STEP	  /* the step, its settling and its commit */
} WfWhere;

typedef struct WfTurn
{
	/* how it fails */
	WfWhere where;
	bool writing; /* an ERROR now comes from our own writes */
	bool gone;	  /* the run's row is not as it was: load again */

	/* what it writes of the run */
	bool has_end;
	WfRunEnd end;
	WfError error;	  /* why the run ends or is tried again */
	bool undo_begins; /* not has_end: it will end so, once that is done */
	bool undo_ends;	  /* has_end: as its row says */
	Jsonb *continues; /* has_end: another run goes on with this input */

	bool has_later;
	TimestampTz due_at; /* also of has_wait; 0: for no time */
	int32 body_attempts;

	bool has_wait;
	char waiting_for; /* WF_WAIT_* */

	/* what comes after it */
	WfNext next;
	WfOutcome outcome; /* when next is WF_NEXT_NONE */
} WfTurn;

/* Does everything of a turn that comes before its writes. */
extern void wf_turn_do(WfExecutor *executor, WfNext what, WfTurn *turn);

#endif /* WF_EXECUTOR_TURN_H */
