/*
 * loss.h
 *		The trace of an attempt whose process is ended from outside.
 *
 * An executor that is terminated in the middle of user code writes, as it
 * ends, that this attempt was lost.  What cannot be written any more, as the
 * postmaster is gone or the server crashed, leaves no trace of this kind.
 */
#ifndef WF_EXECUTOR_LOSS_H
#define WF_EXECUTOR_LOSS_H

#include "executor/process.h"

/* Once, when the process has connected. */
extern void wf_loss_init(WfExecutor *executor);

#endif /* WF_EXECUTOR_LOSS_H */
