/*
 * test_policy.c
 *		Which errors are retried, and after what delay.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "core/policy.h"
#include "core/state.h"

#include "core_test.h"
#include "random.h"

#define CASES 1000000

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static uint64 rnd = UINT64CONST(20240229);

/* ---- which errors ---- */

/* Class by class, as the documentation lists them: an oracle of its own. */
static const char *const permanent_classes[] = {
	"0A", "20", "21", "22", "23", "24", "25", "26", "27", "28", "2B",
	"2C", "2D", "2E", "2F", "30", "33", "34", "35", "36", "37", "39",
	"3A", "3B", "3C", "3D", "3E", "3F", "42", "44", "P0"};
static const char *const transient_classes[] = {"08", "38", "40", "53",
												"55", "57", "58", "XX"};
/* none of the two: "29" and "2A" lie between the ranges */
static const char *const other_classes[] = {
	"00", "01", "02", "03", "09", "0B", "0F", "0L", "0P", "0Z",
	"10", "1Z", "29", "2A", "41", "43", "45", "50", "54", "56",
	"59", "5A", "72", "F0", "HV", "P1", "PZ", "WF", "XA", "ZZ"};

static bool
is_one_of(const char *sqlstate, const char *const *classes, int n)
{
	for (int i = 0; i < n; i++)
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	return false;
}

static void
check_classes(void)
{
	bool good = true;

	for (int i = 0; i < lengthof(permanent_classes); i++)
	{
		char code[6];

		snprintf(code, sizeof(code), "%s123", permanent_classes[i]);
		good = good && wf_sqlstate_is_permanent(code) &&
			   !wf_sqlstate_is_transient(code);
	}
	ok(good, "every class that waiting cannot heal");

	good = true;
	for (int i = 0; i < lengthof(transient_classes); i++)
	{
		char code[6];

		snprintf(code, sizeof(code), "%s123", transient_classes[i]);
		good = good && !wf_sqlstate_is_permanent(code) &&
			   wf_sqlstate_is_transient(code);
	}
	ok(good, "every transient class");

	good = true;
	for (int i = 0; i < lengthof(other_classes); i++)
	{
		char code[6];

		snprintf(code, sizeof(code), "%s123", other_classes[i]);
		good = good && !wf_sqlstate_is_permanent(code) &&
			   !wf_sqlstate_is_transient(code);
	}
	ok(good, "every other class is neither");

	good = true;
	for (int i = 0; i < 36 * 36; i++)
	{
		char code[6] = {digits[i / 36], digits[i % 36], '0', '0', '0', 0};

		good = good && !(wf_sqlstate_is_permanent(code) &&
						 wf_sqlstate_is_transient(code));
	}
	ok(good, "no class of all 1296 is both");

	ok(wf_sqlstate_is_permanent("WF001"), "fail() is permanent");
	ok(!wf_sqlstate_is_permanent("WF003"), "a step time-out is not");
}

static void
add_code(WfPolicy *policy, bool retry, const char *code)
{
	if (retry)
		strcpy(policy->retry_on[policy->n_retry_on++], code);
	else
		strcpy(policy->no_retry_on[policy->n_no_retry_on++], code);
}

static WfVerdict
judge_with(const char *retry_on, const char *no_retry_on, const char *code)
{
	WfPolicy policy;

	wf_policy_init(&policy);
	if (retry_on != NULL)
		add_code(&policy, true, retry_on);
	if (no_retry_on != NULL)
		add_code(&policy, false, no_retry_on);
	return wf_policy_judge(&policy, code, 1, 0);
}

static void
check_lists(void)
{
	ok(judge_with(NULL, NULL, "23505") == WF_VERDICT_PERMANENT,
	   "a unique violation is permanent");
	ok(judge_with("23505", NULL, "23505") == WF_VERDICT_RETRY,
	   "retry_on adds a code");
	ok(judge_with("23505", NULL, "23503") == WF_VERDICT_PERMANENT,
	   "... and no other one of its class");
	ok(judge_with("23", NULL, "23503") == WF_VERDICT_RETRY,
	   "retry_on adds a class");
	ok(judge_with("23", "23503", "23503") == WF_VERDICT_PERMANENT,
	   "a code in no_retry_on beats a class in retry_on");
	ok(judge_with("23", "23503", "23505") == WF_VERDICT_RETRY,
	   "... but for its own code alone");
	ok(judge_with("23505", "23", "23505") == WF_VERDICT_RETRY,
	   "a code in retry_on beats a class in no_retry_on");
	ok(judge_with("23505", "23505", "23505") == WF_VERDICT_PERMANENT,
	   "no_retry_on wins over the same code in retry_on");
	ok(judge_with(NULL, "53", "53100") == WF_VERDICT_RETRY,
	   "no_retry_on cannot forbid a transient class");
	ok(judge_with(NULL, "53100", "53100") == WF_VERDICT_RETRY,
	   "... nor a transient code");
	ok(judge_with(NULL, "38", "38000") == WF_VERDICT_PERMANENT &&
		   judge_with(NULL, "55P03", "55P03") == WF_VERDICT_PERMANENT &&
		   judge_with(NULL, "08", "08006") == WF_VERDICT_PERMANENT,
	   "... but for three of them");
	ok(judge_with("38001", "38", "38001") == WF_VERDICT_RETRY &&
		   judge_with(NULL, "38001", "38000") == WF_VERDICT_RETRY,
	   "... as it does any class");
	ok(judge_with(NULL, "57", "WF011") == WF_VERDICT_RETRY &&
		   judge_with(NULL, "WF011", "WF011") == WF_VERDICT_RETRY,
	   "an interruption is retried as class 57");
	ok(judge_with(NULL, NULL, "72000") == WF_VERDICT_RETRY,
	   "an unknown class is retried");
	ok(judge_with(NULL, "72", "72000") == WF_VERDICT_PERMANENT,
	   "... unless no_retry_on names the class");
	ok(judge_with(NULL, "72000", "72000") == WF_VERDICT_PERMANENT,
	   "... or the code");
	ok(judge_with(NULL, NULL, "WF001") == WF_VERDICT_PERMANENT,
	   "fail() is not retried");
	ok(judge_with("WF001", NULL, "WF001") == WF_VERDICT_RETRY,
	   "... unless retry_on names it");
	ok(judge_with(NULL, NULL, "WF003") == WF_VERDICT_RETRY,
	   "a step time-out is retried");
	ok(judge_with(NULL, "WF003", "WF003") == WF_VERDICT_PERMANENT,
	   "... unless no_retry_on names it");
}

static void
check_attempts(void)
{
	WfPolicy policy;

	wf_policy_init(&policy);
	ok(policy.max_attempts == 25 && policy.initial_delay == USECS_PER_SEC &&
		   policy.backoff == 2 && policy.max_delay == USECS_PER_HOUR &&
		   policy.jitter == 0.2 && policy.timeout == 0 &&
		   !policy.at_most_once && policy.n_retry_on == 0 &&
		   policy.n_no_retry_on == 0,
	   "the defaults");
	ok(wf_policy_judge(&policy, "53100", 24, 0) == WF_VERDICT_RETRY,
	   "attempt 24 of 25 is followed by another");
	ok(wf_policy_judge(&policy, "53100", 25, 0) == WF_VERDICT_EXHAUSTED,
	   "attempt 25 of 25 is the last");
	ok(wf_policy_judge(&policy, "53100", 26, 0) == WF_VERDICT_EXHAUSTED,
	   "... also where the limit has been lowered since");
	ok(wf_policy_judge(&policy, "22012", 25, 0) == WF_VERDICT_PERMANENT,
	   "a permanent error is called so at the last attempt too");
	policy.max_attempts = 0;
	ok(wf_policy_judge(&policy, "53100", INT_MAX, 0) == WF_VERDICT_RETRY,
	   "0 attempts means no limit");
	policy.max_attempts = 1;
	ok(wf_policy_judge(&policy, "53100", 1, 0) == WF_VERDICT_EXHAUSTED,
	   "one attempt means no retry");
	ok(wf_policy_judge(&policy, "40001", 1, 0) == WF_VERDICT_FREE_RETRY,
	   "a serialization failure is free");
	ok(wf_policy_judge(&policy, "40P01", 1, WF_MAX_FREE_RETRIES - 1) ==
		   WF_VERDICT_FREE_RETRY,
	   "a deadlock is free for the 100th time");
	ok(wf_policy_judge(&policy, "40P01", WF_MAX_FREE_RETRIES + 1,
					   WF_MAX_FREE_RETRIES) == WF_VERDICT_EXHAUSTED,
	   "... and charged after that");
	ok(wf_policy_judge(&policy, "40003", 1, 0) == WF_VERDICT_EXHAUSTED,
	   "the rest of class 40 is charged");
	policy.at_most_once = true;
	policy.max_attempts = 0;
	add_code(&policy, true, "53");
	ok(wf_policy_judge(&policy, "53100", 1, 0) == WF_VERDICT_PERMANENT &&
		   wf_policy_judge(&policy, "40001", 1, 0) == WF_VERDICT_PERMANENT &&
		   wf_policy_judge(&policy, "WF003", 1, 0) == WF_VERDICT_PERMANENT,
	   "at_most_once never starts again");
}

static void
random_code(char *code)
{
	const char *class;

	switch (random_below(&rnd, 4))
	{
		case 0:
			class = permanent_classes[random_below(
				&rnd, lengthof(permanent_classes))];
			break;
		case 1:
			class = transient_classes[random_below(
				&rnd, lengthof(transient_classes))];
			break;
		case 2:
			class = other_classes[random_below(&rnd, lengthof(other_classes))];
			break;
		default:
			class = "40";
			break;
	}
	/* few codes in each class, so that lists are hit */
	snprintf(code, 6, "%.2s%s", class, random_below(&rnd, 2) ? "001" : "P01");
}

static int
longest(const char codes[][WF_POLICY_CODE_LEN], int n, const char *code)
{
	int best = 0;

	for (int i = 0; i < n; i++)
	{
		if (strcmp(codes[i], code) == 0)
			best = 5;
		else if (strlen(codes[i]) == 2 && memcmp(codes[i], code, 2) == 0)
			best = Max(best, 2);
	}
	return best;
}

/* The rules in the words of the documentation. */
static WfVerdict
expected(const WfPolicy *policy, const char *code, int attempt, int free)
{
	bool transient =
		is_one_of(code, transient_classes, lengthof(transient_classes));
	int retry = longest(policy->retry_on, policy->n_retry_on, code);
	int not = longest(policy->no_retry_on, policy->n_no_retry_on, code);
	bool permanent;

	if (policy->at_most_once)
		return WF_VERDICT_PERMANENT;
	if ((!strcmp(code, "40001") || !strcmp(code, "40P01")) && free < 100)
		return WF_VERDICT_FREE_RETRY;
	if (transient)
		permanent = (!strncmp(code, "08", 2) || !strncmp(code, "38", 2) ||
					 !strncmp(code, "55", 2)) &&
					not > 0 && not >= retry;
	else if (retry == 0 && not == 0)
		permanent =
			!strcmp(code, "WF001") ||
			is_one_of(code, permanent_classes, lengthof(permanent_classes));
	else
		permanent = not >= retry;
	if (permanent)
		return WF_VERDICT_PERMANENT;
	return policy->max_attempts != 0 && attempt - free >= policy->max_attempts
			   ? WF_VERDICT_EXHAUSTED
			   : WF_VERDICT_RETRY;
}

static void
check_random_verdicts(void)
{
	int wrong = 0;
	int seen[4] = {0};

	for (int i = 0; i < CASES; i++)
	{
		WfPolicy policy;
		char code[6];
		int free = random_below(&rnd, 110);
		int attempt = free + 1 + random_below(&rnd, 30);
		WfVerdict verdict;

		wf_policy_init(&policy);
		policy.max_attempts = random_below(&rnd, 30);
		policy.at_most_once = random_below(&rnd, 20) == 0;
		random_code(code);
		for (int n = random_below(&rnd, 2 * WF_POLICY_MAX_CODES); n > 0; n--)
		{
			char entry[6];
			bool retry = n % 2 == 0;

			random_code(entry);
			if (random_below(&rnd, 8) == 0)
				strcpy(entry, code);
			if (random_below(&rnd, 3) == 0)
				entry[2] = '\0';
			add_code(&policy, retry, entry);
		}
		verdict = wf_policy_judge(&policy, code, attempt, free);
		seen[verdict]++;
		if (verdict != expected(&policy, code, attempt, free) && wrong++ < 10)
			ok(false, "verdict on %s", code);
	}
	ok(wrong == 0, "%d random verdicts are the expected ones", CASES);
	ok(seen[0] > CASES / 50 && seen[1] > CASES / 50 && seen[2] > CASES / 50 &&
		   seen[3] > CASES / 50,
	   "... and each verdict was among them");
}

/* ---- after what delay ---- */

static void
check_delays(void)
{
	WfPolicy policy;
	int64 least = PG_INT64_MAX;
	int64 most = 0;

	wf_policy_init(&policy);
	policy.jitter = 0;
	ok(wf_policy_delay(&policy, 1, 7) == USECS_PER_SEC &&
		   wf_policy_delay(&policy, 2, 7) == 2 * USECS_PER_SEC &&
		   wf_policy_delay(&policy, 3, 7) == 4 * USECS_PER_SEC &&
		   wf_policy_delay(&policy, 12, 7) == 2048 * USECS_PER_SEC,
	   "1 s, 2 s, 4 s, .. 2048 s");
	ok(wf_policy_delay(&policy, 13, 7) == USECS_PER_HOUR &&
		   wf_policy_delay(&policy, INT_MAX, 7) == USECS_PER_HOUR,
	   "then one hour for ever");

	policy.max_delay = PG_INT64_MAX;
	ok(wf_policy_delay(&policy, INT_MAX, 7) == PG_INT64_MAX,
	   "no overflow without a maximum");
	policy.jitter = 1;
	ok(wf_policy_delay(&policy, INT_MAX, 7) >= 0, "... nor with jitter");

	policy.initial_delay = 0;
	ok(wf_policy_delay(&policy, INT_MAX, 7) == 0,
	   "no delay stays none, whatever the factor");
	wf_policy_init(&policy);
	policy.max_delay = 0;
	ok(wf_policy_delay(&policy, 3, 7) == 0, "a maximum of 0 means no delay");
	wf_policy_init(&policy);
	policy.backoff = 1;
	policy.jitter = 0;
	policy.initial_delay = (INT64CONST(1) << 53) - 1;
	policy.max_delay = PG_INT64_MAX;
	ok(wf_policy_delay(&policy, 1000, 7) == policy.initial_delay,
	   "a factor of 1 keeps the delay as it is");

	/* bad values are refused elsewhere, but must do no harm here */
	wf_policy_init(&policy);
	policy.backoff = nan("");
	ok(wf_policy_delay(&policy, 3, 7) >= 0, "a factor that is no number");
	policy.backoff = -2;
	ok(wf_policy_delay(&policy, 4, 7) >= 0, "a factor below zero");

	wf_policy_init(&policy);
	for (int i = 0; i < 10000; i++)
	{
		int64 delay = wf_policy_delay(&policy, 1, i);

		least = Min(least, delay);
		most = Max(most, delay);
	}
	ok(least >= 800000 && least < 810000 && most > 1190000 && most < 1200000,
	   "jitter spreads from 0.8 s to 1.2 s");
}

static void
random_policy(WfPolicy *policy)
{
	wf_policy_init(policy);
	policy->initial_delay = random_sized(&rnd);
	policy->max_delay = random_sized(&rnd);
	policy->backoff = random_below(&rnd, 4) == 0
						  ? 1
						  : 1 + pow(10, random_below(&rnd, 12) - 4);
	policy->jitter =
		random_below(&rnd, 4) == 0 ? 0 : random_below(&rnd, 1001) / 1000.0;
}

static void
check_random_delays(void)
{
	int out_of_bounds = 0;
	int falling = 0;
	int changing = 0;
	int inexact = 0;

	for (int i = 0; i < CASES; i++)
	{
		WfPolicy policy;
		WfPolicy steady;
		int attempt = 1 + (int) (random_sized(&rnd) & 0x3fffffff);
		uint64 seed = next_random(&rnd);
		int64 delay;
		int64 base;

		random_policy(&policy);
		steady = policy;
		steady.jitter = 0;
		delay = wf_policy_delay(&policy, attempt, seed);
		base = wf_policy_delay(&steady, attempt, seed);

		/* long double holds any int64 exactly */
		if (delay < 0 || base < 0 || base > policy.max_delay ||
			(long double) delay > (long double) base * (1 + policy.jitter) *
									  1.000000000000001L ||
			(long double) delay <
				(long double) base * (1 - policy.jitter) * 0.999999999999999L -
					1)
			out_of_bounds++;
		if (base <
			Min(policy.initial_delay, policy.max_delay) * 0.999999999 - 1)
			inexact++;
		if (wf_policy_delay(&steady, attempt + 1, seed) < base)
			falling++;
		if (wf_policy_delay(&policy, attempt, seed) != delay ||
			wf_policy_delay(&steady, attempt, ~seed) != base)
			changing++;
	}
	ok(out_of_bounds == 0, "%d random delays are within their bounds", CASES);
	ok(inexact == 0, "... not below the first one");
	ok(falling == 0, "... do not fall from one attempt to the next");
	ok(changing == 0, "... and depend on nothing but their arguments");
}

/* Neighbouring seeds, as ordinals and attempts make them, differ in delay. */
static void
check_spread(void)
{
	WfPolicy policy;
	int buckets[16] = {0};
	bool even = true;

	wf_policy_init(&policy);
	policy.jitter = 0.5;
	for (int i = 0; i < 16000; i++)
	{
		int64 delay = wf_policy_delay(&policy, 1, i);

		buckets[(delay - 500000) * 16 / 1000000]++;
	}
	for (int i = 0; i < 16; i++)
		even = even && buckets[i] > 850 && buckets[i] < 1150;
	ok(even, "delays of neighbouring seeds are spread evenly");
}

int
main(void)
{
	check_classes();
	check_lists();
	check_attempts();
	check_random_verdicts();
	check_delays();
	check_random_delays();
	check_spread();
	return done_testing();
}
