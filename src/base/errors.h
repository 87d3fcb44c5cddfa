/*
 * errors.h
 *		SQLSTATEs that belong to workflow.
 *
 * Standard codes come first everywhere; these exist only because a client or
 * a body must be able to branch on them.  docs/errors.md explains each.
 */
#ifndef WF_BASE_ERRORS_H
#define WF_BASE_ERRORS_H

#include "utils/elog.h"

/* workflow.fail() was called by a body or a step */
#define ERRCODE_WF_FAIL				MAKE_SQLSTATE('W', 'F', '0', '0', '1')
/* an at-most-once step was started and its outcome is not known */
#define ERRCODE_WF_OUTCOME_UNKNOWN	MAKE_SQLSTATE('W', 'F', '0', '0', '2')
/* a step ran longer than its policy's timeout */
#define ERRCODE_WF_STEP_TIMEOUT		MAKE_SQLSTATE('W', 'F', '0', '0', '3')
/* the worker of a task gave it up, or its attempts were used up */
#define ERRCODE_WF_TASK_FAILED		MAKE_SQLSTATE('W', 'F', '0', '0', '4')
/* a child failed, or was cancelled */
#define ERRCODE_WF_CHILD_FAILED		MAKE_SQLSTATE('W', 'F', '0', '0', '5')
#define ERRCODE_WF_CHILD_CANCELLED	MAKE_SQLSTATE('W', 'F', '0', '0', '6')
/* a replay asked for something else than what was recorded */
#define ERRCODE_WF_NONDETERMINISTIC MAKE_SQLSTATE('W', 'F', '0', '0', '7')
/* a receipt holds no longer: the message was given to somebody else, or is done */
#define ERRCODE_WF_STALE_RECEIPT	MAKE_SQLSTATE('W', 'F', '0', '0', '8')
/* the whole run took longer than its run_timeout */
#define ERRCODE_WF_RUN_TIMEOUT		MAKE_SQLSTATE('W', 'F', '0', '0', '9')
/* somebody cancelled the statement of a step, and neither run nor engine did */
#define ERRCODE_WF_INTERRUPTED		MAKE_SQLSTATE('W', 'F', '0', '1', '1')

#endif /* WF_BASE_ERRORS_H */
