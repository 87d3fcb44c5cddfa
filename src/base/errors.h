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
/* a replay asked for something else than what was recorded */
#define ERRCODE_WF_NONDETERMINISTIC MAKE_SQLSTATE('W', 'F', '0', '0', '7')
/* the whole run took longer than its run_timeout */
#define ERRCODE_WF_RUN_TIMEOUT		MAKE_SQLSTATE('W', 'F', '0', '0', '9')

#endif /* WF_BASE_ERRORS_H */
