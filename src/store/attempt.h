/*
 * attempt.h
 *		Table _workflow.attempt: attempts of calls that another one came after.
 *
 * The row of a step tells of its last attempt only.  Here is what the ones
 * before came to, for timeline(): the newest WF_ATTEMPTS_KEPT of each step, as
 * some are tried again for ever.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_ATTEMPT_H
#define WF_STORE_ATTEMPT_H

#include "utils/uuid.h"

#include "store/delivery.h"
#include "store/run.h"

#define WF_ATTEMPTS_KEPT 100

/*
 * The row of a step (0: of that at which the run stopped) is about to be
 * overwritten: what it says of a failed attempt with a number below "below" is
 * kept.
 */
extern void wf_attempt_keep(const pg_uuid_t *run_id, int32 ordinal,
							int32 below);

/*
 * An attempt of a task that is given back, by a worker (fault, or NULL without
 * an error) or because its lease was over.
 */
extern void wf_attempt_of_task(const WfDelivery *task, const WfFault *fault,
							   bool expired);

/* Of a run that is no more. */
extern void wf_attempts_forget(const pg_uuid_t *run_id);

/* The same of the body itself, outside of any step. */
extern void wf_attempt_of_body(const pg_uuid_t *run_id, int32 attempt,
							   TimestampTz started_at, const WfError *error);

#endif /* WF_STORE_ATTEMPT_H */
