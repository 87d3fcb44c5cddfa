/*
 * civil.h
 *		Calendar arithmetic on local times, in seconds, without any zone.
 *
 * A local time is the number of seconds since 1970-01-01 00:00:00 as a clock on
 * the wall shows it: what it shows in UTC is the instant itself.  Days are
 * counted from the same date.  The calendar is Gregorian, proleptic, as
 * PostgreSQL's; the formulas for days are those of H. Hinnant, "chrono-
 * Compatible Low-Level Date Algorithms" (2013), for a year that begins in
 * March.
 */
#ifndef WF_CORE_CIVIL_H
#define WF_CORE_CIVIL_H

#define WF_DAY_SECONDS INT64CONST(86400)

typedef struct WfDate
{
	int year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
} WfDate;

/* The day of a local time, and its second of that day. */
static inline int64
wf_civil_day(int64 local)
{
	int64 day = local / WF_DAY_SECONDS;

	return local % WF_DAY_SECONDS < 0 ? day - 1 : day;
}

static inline int
wf_civil_second(int64 local)
{
	return (int) (local - wf_civil_day(local) * WF_DAY_SECONDS);
}

/* 0 for Sunday to 6 for Saturday. */
static inline int
wf_civil_weekday(int64 day)
{
	int64 weekday = (day + 4) % 7;

	return (int) (weekday < 0 ? weekday + 7 : weekday);
}

extern WfDate wf_civil_date(int64 day);
extern int64 wf_civil_days(WfDate date);
extern int wf_civil_month_length(int year, int month);

#endif /* WF_CORE_CIVIL_H */
