/*
 * show.h
 *		What the views show of an executor.
 *
 * Locking: only the executor itself writes these fields of its slot; readers
 * go by its changecount (ipc/shmem.h).
 */
#ifndef WF_EXECUTOR_SHOW_H
#define WF_EXECUTOR_SHOW_H

#include "ipc/shmem.h"
#include "store/run.h"

/* It has this run in hand, at no step, with no progress. */
extern void wf_show_run(WfSlot *slot, const WfRun *run, TimestampTz since);

/* It is at this step. */
extern void wf_show_step(WfSlot *slot, const WfStep *step, TimestampTz since);

/* At most WF_MAX_PROGRESS bytes. */
extern void wf_show_progress(WfSlot *slot, const Jsonb *progress);

/* The progress that the slot shows, or NULL: to be written with the run's row. */
extern Jsonb *wf_show_shown(WfSlot *slot);

/* It has no run any more; "ended": one more has. */
extern void wf_show_idle(WfSlot *slot, bool ended);

#endif /* WF_EXECUTOR_SHOW_H */
