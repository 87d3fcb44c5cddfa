/*
 * cron.c
 *		Which local times a cron pattern names; see cron.h.
 *
 * A search goes from day to day, skipping months that do not match, and within
 * a day from bit to bit.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "core/civil.h"
#include "core/cron.h"

#define SUNDAY	 0
#define SATURDAY 6

/* ---- days ---- */

/*
 * The weekday (Monday to Friday) nearest to a day, in the same month; 0 where
 * the month has no such day.
 */
static int
nearest_workday(int64 first_of_month, int length, int day)
{
	if (day > length)
		return 0;
	switch (wf_civil_weekday(first_of_month + day - 1))
	{
		case SATURDAY:
			return day > 1 ? day - 1 : day + 2;
		case SUNDAY:
			return day < length ? day + 1 : day - 2;
		default:
			return day;
	}
}

static bool
rule_matches(const WfCronRule *rule, WfDate date, int64 day)
{
	int length = wf_civil_month_length(date.year, date.month);
	int64 first = day - (date.day - 1);

	switch ((WfCronRuleKind) rule->kind)
	{
		case WF_CRON_LAST_DAY:
			return date.day == length;
		case WF_CRON_LAST_WORKDAY:
			return date.day == nearest_workday(first, length, length);
		case WF_CRON_WORKDAY:
			return date.day == nearest_workday(first, length, rule->day);
		case WF_CRON_NTH_WEEKDAY:
			return wf_civil_weekday(day) == rule->day &&
				   (date.day - 1) / 7 + 1 == rule->nth;
		case WF_CRON_LAST_WEEKDAY:
			return wf_civil_weekday(day) == rule->day && date.day + 7 > length;
	}
	return false;
}

static bool
is_rule_of_weekdays(const WfCronRule *rule)
{
	return rule->kind == WF_CRON_NTH_WEEKDAY ||
		   rule->kind == WF_CRON_LAST_WEEKDAY;
}

static bool
day_matches(const WfCron *cron, WfDate date, int64 day)
{
	bool in_month = (cron->days & (1U << date.day)) != 0;
	bool in_week = (cron->weekdays & (1U << wf_civil_weekday(day))) != 0;

	for (int i = 0; i < cron->nrules; i++)
	{
		bool *side =
			is_rule_of_weekdays(&cron->rules[i]) ? &in_week : &in_month;

		if (!*side)
			*side = rule_matches(&cron->rules[i], date, day);
	}
	return cron->both ? in_month && in_week : in_month || in_week;
}

/* The first day from this one on that matches. */
static bool
next_day(const WfCron *cron, int64 *day)
{
	int64 last = *day + (int64) WF_CRON_YEARS * 366;

	while (*day <= last)
	{
		WfDate date = wf_civil_date(*day);

		if ((cron->months & (1U << date.month)) == 0)
			*day +=
				wf_civil_month_length(date.year, date.month) - date.day + 1;
		else if (day_matches(cron, date, *day))
			return true;
		else
			(*day)++;
	}
	return false;
}

/* ---- times of a day ---- */

/* The lowest bit that is not below "from", or -1. */
static int
next_bit(uint64 bits, int from)
{
	uint64 rest = from > 63 ? 0 : bits & (~UINT64CONST(0) << from);

	return rest == 0 ? -1 : pg_rightmost_one_pos64(rest);
}

/* The first time of day, in seconds, that is not before "from", or -1. */
static int
next_time(const WfCron *cron, int from)
{
	int hour = from / 3600;
	int minute = from / 60 % 60;
	int second = next_bit(cron->seconds, from % 60);

	if (second < 0)
		minute++;
	if ((cron->hours & (1U << hour)) != 0)
	{
		int found = next_bit(cron->minutes, minute);

		if (found >= 0)
		{
			if (found != minute || second < 0)
				second = next_bit(cron->seconds, 0);
			return hour * 3600 + found * 60 + second;
		}
	}
	hour = next_bit(cron->hours, hour + 1);
	if (hour < 0)
		return -1;
	return hour * 3600 + next_bit(cron->minutes, 0) * 60 +
		   next_bit(cron->seconds, 0);
}

/* ---- both ---- */

bool
wf_cron_next(const WfCron *cron, int64 from, int64 *local)
{
	int64 day = wf_civil_day(from);
	int second = wf_civil_second(from);
	int64 found = day;

	while (next_day(cron, &found))
	{
		int time = next_time(cron, found == day ? second : 0);

		if (time >= 0)
		{
			*local = found * WF_DAY_SECONDS + time;
			return true;
		}
		found++;
	}
	return false;
}

bool
wf_cron_matches(const WfCron *cron, int64 local)
{
	int64 found;

	return wf_cron_next(cron, local, &found) && found == local;
}
