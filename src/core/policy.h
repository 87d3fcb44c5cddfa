/*
 * policy.h
 *		What to do when a step fails: attempts, back-off, which errors.
 *
 * Pure: no SPI, no shared memory, no clock.
 */
#ifndef WF_CORE_POLICY_H
#define WF_CORE_POLICY_H

#include "datatype/timestamp.h"

#define WF_POLICY_MAX_CODES 16
#define WF_POLICY_CODE_LEN	6 /* five characters or a two-letter class */

typedef struct WfPolicy
{
	int max_attempts;	 /* 0 means without limit; default 25 */
	int64 initial_delay; /* microseconds; default 1 s */
	double backoff;		 /* factor, >= 1; default 2 */
	int64 max_delay;	 /* microseconds; default 1 hour */
	double jitter;		 /* 0..1: delay * (1 +- jitter); default 0.2 */
	int64 timeout;		 /* microseconds per attempt; 0 means none */
	bool at_most_once;
	int n_retry_on;
	int n_no_retry_on;
	char retry_on[WF_POLICY_MAX_CODES][WF_POLICY_CODE_LEN];
	char no_retry_on[WF_POLICY_MAX_CODES][WF_POLICY_CODE_LEN];
} WfPolicy;

extern void wf_policy_init(WfPolicy *policy); /* the defaults */

/*
 * What an error means for the step.  "attempt" is the one that just failed,
 * 1-based; "free_retries" how many of those before were free of charge.
 */
typedef enum WfVerdict
{
	WF_VERDICT_FREE_RETRY, /* 40001, 40P01: again, no attempt charged */
	WF_VERDICT_RETRY,	   /* again after wf_policy_delay() */
	WF_VERDICT_PERMANENT,  /* waiting cannot heal it */
	WF_VERDICT_EXHAUSTED   /* could be healed, but attempts are used up */
} WfVerdict;

extern WfVerdict wf_policy_judge(const WfPolicy *policy, const char *sqlstate,
								 int attempt, int free_retries);

/* true for 08, 38, 40, 53, 55, 57, 58, XX and WF011 */
extern bool wf_sqlstate_is_transient(const char *sqlstate);

/* true for 0A, 20-28, 2B-3F (but 38), 42, 44, P0 and WF001 */
extern bool wf_sqlstate_is_permanent(const char *sqlstate);

/*
 * Is an error that the body itself lets through worth another replay?  One that
 * comes of its procedural language (38) is not: a replay would meet it again.
 */
extern bool wf_policy_retries_body(const char *sqlstate);

/*
 * Microseconds to wait before attempt after so many that were free of charge.
 * Those who collided wait differently long, and longer each time.
 */
extern int64 wf_policy_free_delay(int free_retries, uint64 seed);

/*
 * Microseconds to wait after attempt "attempt" (1-based) failed:
 *	min(max_delay, initial_delay * backoff^(attempt-1)) * (1 + jitter * u)
 * with u uniform in [-1, 1) made from "seed", so that the same run, step and
 * attempt always wait the same time.  Never negative, never overflows, and
 * never above max_delay * (1 + jitter).
 */
extern int64 wf_policy_delay(const WfPolicy *policy, int attempt, uint64 seed);

#endif /* WF_CORE_POLICY_H */
