/*
 * cell.h
 *		What is laid out in shared memory for others, as far as the plan of the
 *		scheduler knows of it.
 *
 * The protocols are in ipc/shmem.h (cells), ipc/receivers.h (what is
 * handed out) and ipc/shelf.h.
 */
#ifndef WF_CORE_CELL_H
#define WF_CORE_CELL_H

#define WF_CELLS 4 /* assignments that an executor's slot can hold */

/* messages in one answer to a receiver */
#define WF_HANDED_MAX 100

/* messages on a shelf: some milliseconds' worth, as often as it is filled */
#define WF_SHELF_SIZE 128

typedef enum WfOutcome
{
	WF_OUTCOME_ENDED,	/* final, or no longer there: forget it */
	WF_OUTCOME_PARKED,	/* needs repair: forget it until retry_run */
	WF_OUTCOME_FAILED,	/* final, and a dead letter: forget it */
	WF_OUTCOME_BLOCKS,	/* failed, and keeps its group closed till then */
	WF_OUTCOME_LATER,	/* ready again at due_at */
	WF_OUTCOME_YIELDED, /* ready again now: asked to, or lock not had */
	WF_OUTCOME_WAITS,	/* until something comes, or due_at (0: no time) */
	WF_OUTCOME_PAUSED,	/* its row says so: held until resume_run */
	WF_OUTCOME_FOREIGN	/* another origin or owner: not ours to run */
} WfOutcome;

/* WfCell.request, set by the scheduler while TAKEN, any time, but for one */
#define WF_REQ_YIELD   0x01 /* stop after the step that runs */
#define WF_REQ_CANCEL  0x02 /* end now as cancelled */
#define WF_REQ_TIMEOUT 0x04 /* end now: run_timeout is over */
#define WF_REQ_AGAIN   0x08 /* scheduler: read requests when DONE */
#define WF_REQ_NO_UNDO 0x10 /* with CANCEL: without compensation */
#define WF_REQ_UNDOING \
	0x20 /* executor: it is compensated, which nobody can stop: \
		  * CANCEL and TIMEOUT mean nothing from now on */

#endif /* WF_CORE_CELL_H */
