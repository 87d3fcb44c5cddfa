/*
 * test_cron.c
 *		Cron patterns and intervals over zones that are made up here; the
 *		comparison with another implementation over real zones is a test of its
 *		own (test/oracle).
 */
#include "postgres.h"

#include "core/civil.h"
#include "core/tick.h"

#include "core_test.h"
#include "random.h"

#define HOUR INT64CONST(3600)

static uint64 rnd = UINT64CONST(20260308);

/* 2026-01-01 00:00 */
#define Y2026 (INT64CONST(20454) * WF_DAY_SECONDS)

static int64
at(int year, int month, int day, int hour, int minute)
{
	WfDate date = {year, month, day};

	return wf_civil_days(date) * WF_DAY_SECONDS + hour * HOUR + minute * 60;
}

/* UTC; or one hour ahead from 2026-03-29 01:00 to 2026-10-25 01:00 UTC. */
static WfZone
make_zone(bool summer)
{
	static WfSpan spans[3];
	WfZone zone = {at(1990, 1, 1, 0, 0), at(2070, 1, 1, 0, 0), 1, spans};

	spans[0] = (WfSpan){zone.from, 0};
	if (summer)
	{
		spans[1] = (WfSpan){at(2026, 3, 29, 1, 0), (int32) HOUR};
		spans[2] = (WfSpan){at(2026, 10, 25, 1, 0), 0};
		zone.nspans = 3;
	}
	return zone;
}

static int64
next(const char *pattern, bool summer, WfGap gap, WfFold fold, int64 after)
{
	WfZone zone = make_zone(summer);
	WfClockRules rules = {gap, fold};
	WfCron cron;
	int64 due = 0;

	wf_cron_parse(pattern, "cron", &cron);
	if (wf_tick_cron(&cron, &zone, rules, after, &due) != WF_SEARCH_FOUND)
		return -1;
	return due;
}

static int64
plain(const char *pattern, int64 after)
{
	return next(pattern, false, WF_GAP_NEXT, WF_FOLD_FIRST, after);
}

/* ---- the calendar ---- */

static void
check_civil(void)
{
	bool round_trip = true;
	bool in_order = true;
	int64 expected = wf_civil_days((WfDate){1, 1, 1});

	for (int year = 1; year <= 2800; year++)
	{
		for (int month = 1; month <= 12; month++)
		{
			for (int day = 1; day <= wf_civil_month_length(year, month); day++)
			{
				WfDate date = {year, month, day};
				int64 days = wf_civil_days(date);
				WfDate back = wf_civil_date(days);

				round_trip &= back.year == year && back.month == month &&
							  back.day == day;
				in_order &= days == expected++;
			}
		}
	}
	ok(round_trip, "a date is the same after days have been made of it");
	ok(in_order, "days follow each other");
	ok(wf_civil_days((WfDate){1970, 1, 1}) == 0 &&
		   wf_civil_days((WfDate){2000, 1, 1}) == 10957,
	   "days are counted from 1970");
	ok(wf_civil_weekday(0) == 4 && wf_civil_weekday(-5) == 6,
	   "1970 began on a Thursday");
}

/* ---- patterns ---- */

typedef struct Case
{
	const char *pattern;
	int64 after;
	int64 due;
	const char *name;
} Case;

static void
check_patterns(void)
{
	const Case cases[] = {
		{"* * * * *", Y2026, Y2026 + 60, "every minute"},
		{"*/15 * * * *", Y2026, Y2026 + 900, "a step"},
		{"2/20 * * * *", Y2026 + 120, Y2026 + 22 * 60, "a step from a number"},
		{"5,10-12 3 * * *", at(2026, 1, 1, 3, 5), at(2026, 1, 1, 3, 10),
		 "a list"},
		{"0 9 * * MON-FRI", at(2026, 8, 14, 9, 0), at(2026, 8, 17, 9, 0),
		 "weekdays by name"},
		{"0 9 * * FRI-SUN", at(2026, 8, 14, 9, 0), at(2026, 8, 15, 9, 0),
		 "a range that ends with Sunday"},
		{"0 9 * * 0-0", at(2026, 8, 14, 9, 0), at(2026, 8, 16, 9, 0),
		 "a range of Sunday alone"},
		{"0 9 * * 7", at(2026, 8, 14, 9, 0), at(2026, 8, 16, 9, 0),
		 "7 is Sunday"},
		{"0 9 13 * 5", at(2026, 11, 10, 0, 0), at(2026, 11, 13, 9, 0),
		 "either day field"},
		{"0 9 */2 * 5", at(2026, 11, 10, 0, 0), at(2026, 11, 13, 9, 0),
		 "both where one begins with a star"},
		{"0 9 L * *", at(2028, 2, 1, 0, 0), at(2028, 2, 29, 9, 0),
		 "the last day"},
		{"0 9 LW * *", at(2026, 5, 1, 0, 0), at(2026, 5, 29, 9, 0),
		 "the last weekday"},
		{"0 9 15W * *", at(2026, 8, 1, 0, 0), at(2026, 8, 14, 9, 0),
		 "the weekday nearest to a day"},
		{"0 9 1W * *", at(2026, 8, 1, 0, 0), at(2026, 8, 3, 9, 0),
		 "... in the same month"},
		{"0 9 31W 6-7 *", at(2026, 6, 1, 0, 0), at(2026, 7, 31, 9, 0),
		 "... which has such a day"},
		{"0 9 * * MON#2", at(2026, 11, 1, 0, 0), at(2026, 11, 9, 9, 0),
		 "the second Monday"},
		{"0 9 * * 5L", at(2026, 11, 1, 0, 0), at(2026, 11, 27, 9, 0),
		 "the last Friday"},
		{"0 9 * * fril", at(2026, 11, 1, 0, 0), at(2026, 11, 27, 9, 0),
		 "... by name"},
		{"30 0 12 29 2 *", at(2026, 1, 1, 0, 0), at(2028, 2, 29, 12, 0) + 30,
		 "seconds, and a leap day"},
		{"*/10 * * * * *", Y2026 + 55, Y2026 + 60, "every ten seconds"},
		{"@daily", Y2026, Y2026 + WF_DAY_SECONDS, "a word"},
		{"  @YEARLY ", Y2026, at(2027, 1, 1, 0, 0), "... in capitals"},
		{" 0\t0  1 1 * ", Y2026, at(2027, 1, 1, 0, 0), "spaces"},
	};

	for (int i = 0; i < lengthof(cases); i++)
		ok(plain(cases[i].pattern, cases[i].after) == cases[i].due, "%s",
		   cases[i].name);
}

static void
refuse(const char *pattern)
{
	WfCron cron;

	throws((wf_cron_parse(pattern, "cron", &cron), 0),
		   ERRCODE_INVALID_PARAMETER_VALUE, pattern);
}

static void
check_errors(void)
{
	static const char *const wrong[] = {
		"",
		"* * * *",
		"* * * * * * *",
		"60 * * * *",
		"* 24 * * *",
		"* * 0 * *",
		"* * 32 * *",
		"* * * 13 *",
		"* * * * 8",
		"a * * * *",
		"* * * FOO *",
		"* * * * MONDAY",
		"1- * * * *",
		"5-1 * * * *",
		"* * * * FRI-MON",
		"*/0 * * * *",
		"*/60 * * * *",
		"1,,2 * * * *",
		"1, * * * *",
		"? * * * *",
		"* * 5#2 * *",
		"* * L-3 * *",
		"* * * * L",
		"* * * * MON#0",
		"* * * * 5-0",
		"* * * * MON#6",
		"@never",
		"@daily x",
		"0 0 30 2 *",
		"0 0 31 4,6,9,11 *",
		"1/ * * * *",
		"-1 * * * *",
		"1.5 * * * *",
		"* * W * *",
		"99999999999 * * * *",
	};

	for (int i = 0; i < lengthof(wrong); i++)
		refuse(wrong[i]);
}

/* A search finds what a walk over all seconds finds. */
static void
check_search(void)
{
	bool same = true;

	for (int i = 0; i < 3000; i++)
	{
		char pattern[100];
		WfCron cron;
		int64 from = Y2026 + (int64) (next_random(&rnd) % (365 * 86400));
		int64 found = -1;
		int64 walked = from;

		snprintf(
			pattern, sizeof(pattern), "%d/%d %d-59/%d %s * * *",
			(int) (next_random(&rnd) % 60), 1 + (int) (next_random(&rnd) % 59),
			(int) (next_random(&rnd) % 60), 1 + (int) (next_random(&rnd) % 59),
			next_random(&rnd) % 2 ? "*" : "1-23/3");
		wf_cron_parse(pattern, "cron", &cron);
		(void) wf_cron_next(&cron, from, &found);
		for (;; walked++)
		{
			int second = wf_civil_second(walked);

			if ((cron.seconds >> (second % 60) & 1) != 0 &&
				(cron.minutes >> (second / 60 % 60) & 1) != 0 &&
				(cron.hours >> (second / 3600) & 1) != 0)
				break;
		}
		same &= walked == found;
	}
	ok(same, "a search finds what a walk finds");
}

/* ---- changes of clocks ---- */

static void
check_changes(void)
{
	int64 spring = at(2026, 3, 29, 1, 0);  /* clocks go from 1:00 to 2:00 */
	int64 autumn = at(2026, 10, 25, 1, 0); /* and from 2:00 to 1:00 */
	int64 before = spring - 12 * HOUR;

	ok(next("30 1 * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, before) == spring,
	   "gap, next: at its end");
	ok(next("15,30 1 * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, spring) ==
		   at(2026, 3, 30, 0, 15),
	   "gap, next: once");
	ok(next("30 1 * * *", true, WF_GAP_SHIFT, WF_FOLD_FIRST, before) ==
		   spring + 1800,
	   "gap, shift: later by its length");
	ok(next("30 1 * * *", true, WF_GAP_SKIP, WF_FOLD_FIRST, before) ==
		   at(2026, 3, 30, 0, 30),
	   "gap, skip: the next day");
	ok(next("30 * * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, before) ==
		   before + 1800,
	   "real time before the gap");
	ok(next("30 * * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, spring) ==
		   spring + 1800,
	   "real time after the gap");

	before = autumn - 12 * HOUR;
	ok(next("30 1 * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, before) ==
		   autumn - 1800,
	   "fold, first pass");
	ok(next("30 1 * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, autumn - 1800) ==
		   at(2026, 10, 26, 1, 30),
	   "... and not the second");
	ok(next("30 1 * * *", true, WF_GAP_NEXT, WF_FOLD_SECOND, before) ==
		   autumn + 1800,
	   "fold, second pass");
	ok(next("30 1 * * *", true, WF_GAP_NEXT, WF_FOLD_BOTH, autumn - 1800) ==
		   autumn + 1800,
	   "fold, both");
	ok(next("30 * * * *", true, WF_GAP_NEXT, WF_FOLD_FIRST, autumn - 1800) ==
		   autumn + 1800,
	   "real time goes on in a fold");
}

/* The zone ends before the answer is certain. */
static void
check_needs_zone(void)
{
	WfZone zone = make_zone(true);
	WfClockRules rules = {WF_GAP_NEXT, WF_FOLD_FIRST};
	WfCron cron;
	int64 due;

	wf_cron_parse("0 0 29 2 *", "cron", &cron);
	zone.upto = at(2027, 1, 1, 0, 0);
	ok(wf_tick_cron(&cron, &zone, rules, Y2026, &due) == WF_SEARCH_NEEDS_ZONE,
	   "what lies beyond the zone's data is not guessed");
	zone.upto = at(2029, 1, 1, 0, 0);
	ok(wf_tick_cron(&cron, &zone, rules, Y2026, &due) == WF_SEARCH_FOUND &&
		   due == at(2028, 2, 29, 0, 0),
	   "... and is found in more of it");
}

/* ---- intervals ---- */

static int64
every(WfEvery e, WfGap gap, WfFold fold, int64 after)
{
	WfZone zone = make_zone(true);
	WfClockRules rules = {gap, fold};
	int64 due = -1;

	e.anchor = e.local * 1000000;
	e.local =
		(e.local + zone.spans[wf_zone_span(&zone, e.local)].offset) * 1000000;
	(void) wf_tick_every(&e, &zone, rules, after * 1000000, &due);
	return due / 1000000;
}

static void
check_every(void)
{
	WfEvery month = {.local = at(2027, 12, 31, 6, 0), .months = 1};
	WfEvery day = {.local = at(2026, 1, 1, 1, 30), .days = 1};
	WfEvery minutes = {.local = at(2026, 1, 1, 0, 0), .usec = 90 * 60000000L};
	WfEvery both = {
		.local = at(2026, 11, 1, 0, 0), .days = 1, .usec = 3600 * 1000000L};

	ok(every(month, WF_GAP_NEXT, WF_FOLD_FIRST, Y2026) ==
		   at(2027, 12, 31, 6, 0),
	   "the anchor is the first tick");
	ok(every(month, WF_GAP_NEXT, WF_FOLD_FIRST, at(2028, 2, 1, 0, 0)) ==
			   at(2028, 2, 29, 6, 0) &&
		   every(month, WF_GAP_NEXT, WF_FOLD_FIRST, at(2028, 3, 1, 0, 0)) ==
			   at(2028, 3, 31, 6, 0),
	   "a month is added at once, so the last of a month stays the last");
	ok(every(day, WF_GAP_NEXT, WF_FOLD_FIRST, at(2026, 3, 28, 2, 0)) ==
		   at(2026, 3, 29, 1, 0),
	   "a day in civil time: at the end of a gap");
	ok(every(day, WF_GAP_SKIP, WF_FOLD_FIRST, at(2026, 3, 28, 2, 0)) ==
		   at(2026, 3, 30, 0, 30),
	   "... or skipped");
	ok(every(day, WF_GAP_SHIFT, WF_FOLD_FIRST, at(2026, 3, 28, 2, 0)) ==
		   at(2026, 3, 29, 1, 30),
	   "... or later");
	ok(every(day, WF_GAP_NEXT, WF_FOLD_BOTH, at(2026, 10, 25, 0, 30)) ==
		   at(2026, 10, 25, 1, 30),
	   "... or in both passes of a fold");
	ok(every(minutes, WF_GAP_NEXT, WF_FOLD_FIRST, at(2026, 3, 29, 0, 0)) ==
		   at(2026, 3, 29, 1, 30),
	   "hours and less in exact time");
	ok(every(both, WF_GAP_NEXT, WF_FOLD_FIRST, at(2026, 11, 2, 0, 0)) ==
		   at(2026, 11, 2, 1, 0),
	   "days and hours together");
}

int
main(void)
{
	check_civil();
	check_patterns();
	check_errors();
	check_search();
	check_changes();
	check_needs_zone();
	check_every();
	return done_testing();
}
