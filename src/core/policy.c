/*
 * policy.c
 *		What to do when a step fails.
 *
 * Who wins when several rules name a code, strongest first:
 *
 *	1. at_most_once: never again.
 *	2. 40001 and 40P01 are free of charge, up to WF_MAX_FREE_RETRIES times.
 *	3. Transient classes are retried, whatever the lists say: an outage that
 *	   ends by itself must not turn into a dead letter.  Of three of them it is
 *	   known only to who wrote the step whether they will, so no_retry_on is
 *	   heeded: 08, 38 and 55.
 *	4. retry_on and no_retry_on.  Five characters beat a class of two; of two
 *	   equally exact entries no_retry_on wins.
 *	5. What waiting cannot heal is permanent.
 *	6. Anything else is retried.
 */
#include "postgres.h"

#include <math.h>

#include "core/mix.h"
#include "core/policy.h"
#include "core/state.h"

/* how long the first victim of a deadlock waits at most */
#define FREE_DELAY_USEC INT64CONST(20000)

/* the first double that int64 cannot hold */
#define INT64_LIMIT 0x1.0p63

void
wf_policy_init(WfPolicy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->max_attempts = 25;
	policy->initial_delay = USECS_PER_SEC;
	policy->backoff = 2;
	policy->max_delay = USECS_PER_HOUR;
	policy->jitter = 0.2;
}

static bool
class_between(const char *sqlstate, const char *low, const char *high)
{
	return strncmp(sqlstate, low, 2) >= 0 && strncmp(sqlstate, high, 2) <= 0;
}

static bool
class_is(const char *sqlstate, const char *class)
{
	return strncmp(sqlstate, class, 2) == 0;
}

bool
wf_sqlstate_is_transient(const char *sqlstate)
{
	return class_is(sqlstate, "08") || /* connection exception */
		   class_is(sqlstate, "38") || /* external routine exception */
		   class_is(sqlstate, "40") || /* transaction rollback */
		   class_is(sqlstate, "53") || /* insufficient resources */
		   class_is(sqlstate, "55") || /* object not in prerequisite state */
		   class_is(sqlstate, "57") || /* operator intervention */
		   class_is(sqlstate, "58") || /* system error */
		   class_is(sqlstate, "XX") || /* internal error */
		   strcmp(sqlstate, "WF011") == 0; /* interrupted from outside */
}

/* A connection, a function of another language, an object in another state. */
static bool
is_disputable(const char *sqlstate)
{
	return class_is(sqlstate, "08") || class_is(sqlstate, "38") ||
		   class_is(sqlstate, "55");
}

bool
wf_sqlstate_is_permanent(const char *sqlstate)
{
	if (wf_sqlstate_is_transient(sqlstate))
		return false;
	return class_is(sqlstate, "0A") ||			  /* feature not supported */
		   class_between(sqlstate, "20", "28") || /* data .. rights */
		   class_between(sqlstate, "2B", "3F") || /* dependencies .. schemas */
		   class_is(sqlstate, "42") || /* syntax error or access violation */
		   class_is(sqlstate, "44") || /* WITH CHECK OPTION violation */
		   class_is(sqlstate, "P0") || /* PL/pgSQL: RAISE EXCEPTION */
		   strcmp(sqlstate, "WF001") == 0; /* workflow.fail() */
}

/* Characters matched by the most exact entry of a list; 0 for none. */
static int
list_match(const char codes[][WF_POLICY_CODE_LEN], int ncodes,
		   const char *sqlstate)
{
	int best = 0;

	for (int i = 0; i < ncodes; i++)
	{
		int len = (int) strnlen(codes[i], WF_POLICY_CODE_LEN);

		if (len > best && strncmp(codes[i], sqlstate, len) == 0)
			best = len;
	}
	return best;
}

static bool
is_permanent(const WfPolicy *policy, const char *sqlstate)
{
	int retry = list_match(policy->retry_on, policy->n_retry_on, sqlstate);
	int no_retry =
		list_match(policy->no_retry_on, policy->n_no_retry_on, sqlstate);

	if (wf_sqlstate_is_transient(sqlstate) && !is_disputable(sqlstate))
		return false;
	if (retry > 0 || no_retry > 0)
		return no_retry >= retry;
	return wf_sqlstate_is_permanent(sqlstate);
}

WfVerdict
wf_policy_judge(const WfPolicy *policy, const char *sqlstate, int attempt,
				int free_retries)
{
	if (policy->at_most_once)
		return WF_VERDICT_PERMANENT;
	if ((strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0) &&
		free_retries < WF_MAX_FREE_RETRIES)
		return WF_VERDICT_FREE_RETRY;
	if (is_permanent(policy, sqlstate))
		return WF_VERDICT_PERMANENT;
	if (policy->max_attempts > 0 &&
		attempt - free_retries >= policy->max_attempts)
		return WF_VERDICT_EXHAUSTED;
	return WF_VERDICT_RETRY;
}

bool
wf_policy_retries_body(const char *sqlstate)
{
	return wf_sqlstate_is_transient(sqlstate) && !class_is(sqlstate, "38");
}

int64
wf_policy_free_delay(int free_retries, uint64 seed)
{
	int64 longest = FREE_DELAY_USEC << Min(free_retries, 4);

	return (int64) (longest * wf_mix_fraction(wf_mix_in(0, seed)));
}

int64
wf_policy_delay(const WfPolicy *policy, int attempt, uint64 seed)
{
	int64 delay = policy->max_delay;
	double exact;
	double u;

	if (policy->initial_delay <= 0 || policy->max_delay <= 0)
		return 0;

	/* pow() may give infinity, which is not below max_delay either */
	exact = (double) policy->initial_delay *
			pow(policy->backoff, attempt > 1 ? attempt - 1 : 0);
	if (exact < (double) policy->max_delay)
		delay = exact > 0 ? (int64) exact : 0;

	/* no detour over double, which has but 53 bits */
	if (!(policy->jitter > 0))
		return delay;

	u = 2 * wf_mix_fraction(wf_mix_in(0, seed)) - 1;
	exact = (double) delay * (1 + policy->jitter * u);
	if (exact >= INT64_LIMIT)
		return PG_INT64_MAX;
	return exact > 0 ? (int64) exact : 0;
}
