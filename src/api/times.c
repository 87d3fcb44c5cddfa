/*
 * times.c
 *		next_times(): when a schedule would be due, before there is one.
 *
 * The function computes and writes nothing: it works without the library being
 * preloaded, on a standby, and in a body.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"

#include "api/arguments.h"
#include "base/clock.h"
#include "core/civil.h"
#include "core/times.h"
#include "store/definition.h"
#include "store/zone_data.h"

PG_FUNCTION_INFO_V1(workflow_next_times);

#define MAX_TIMES	 10000
#define MAX_EXCLUDES 100

/* from PostgreSQL's epoch to 1970 */
#define EPOCH_SECONDS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)
#define EPOCH_USEC (EPOCH_SECONDS * USECS_PER_SEC)

/* zone data that are read at first, and a search's last year but for bounds */
#define FIRST_YEARS	 2
#define LAST_YEARS	 (WF_CRON_YEARS + 1)
#define YEAR_SECONDS (INT64CONST(366) * SECS_PER_DAY)

enum
{
	ARG_CRON,
	ARG_EVERY,
	ARG_TIMEZONE,
	ARG_FROM,
	ARG_N,
	ARG_ON_GAP,
	ARG_ON_FOLD,
	ARG_EXCLUDE,
	ARG_EXCLUDE_DATES,
	ARG_STARTS_AT,
	ARG_ENDS_AT
};

/* ---- arguments ---- */

/* Which of the words a text argument is; NULL is the first. */
static int
word_argument(FunctionCallInfo fcinfo, int arg, const char *name,
			  const char *const *words, int n)
{
	char *value = wf_arg_text(fcinfo, arg);

	for (int i = 0; i < n; i++)
	{
		if (value == NULL || strcmp(value, words[i]) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be \"%s\", \"%s\" or \"%s\"", name, words[0],
					words[1], words[2]),
			 errdetail("The value is \"%s\".", value),
			 errhint("Leave it out for \"%s\".", words[0])));
}

static WfClockRules
rules_arguments(FunctionCallInfo fcinfo)
{
	static const char *const gaps[] = {"next", "shift", "skip"};
	static const char *const folds[] = {"first", "second", "both"};
	WfClockRules rules;

	rules.gap =
		word_argument(fcinfo, ARG_ON_GAP, "on_gap", gaps, lengthof(gaps));
	rules.fold =
		word_argument(fcinfo, ARG_ON_FOLD, "on_fold", folds, lengthof(folds));
	return rules;
}

/* A finite time in microseconds since 1970, or "otherwise". */
static int64
time_argument(FunctionCallInfo fcinfo, int arg, const char *name,
			  int64 otherwise)
{
	TimestampTz value;

	if (PG_ARGISNULL(arg))
		return otherwise;
	value = PG_GETARG_TIMESTAMPTZ(arg);
	if (TIMESTAMP_NOT_FINITE(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be finite", name),
				 errdetail("The value is \"%s\".", timestamptz_to_str(value)),
				 errhint("Leave it out for no bound.")));
	return value + EPOCH_USEC;
}

static int
count_argument(FunctionCallInfo fcinfo)
{
	int n = PG_ARGISNULL(ARG_N) ? 5 : PG_GETARG_INT32(ARG_N);

	if (n < 0 || n > MAX_TIMES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n must be 0 to %d", MAX_TIMES),
				 errdetail("The value is %d.", n),
				 errhint("Call the function again with from_time set to the last result.")));
	return n;
}

/* The elements of an array without NULLs. */
static int
array_argument(FunctionCallInfo fcinfo, int arg, const char *name, Oid type,
			   Datum **elements)
{
	int16 length = type == TEXTOID ? -1 : sizeof(DateADT);
	bool *nulls;
	int n;

	if (PG_ARGISNULL(arg))
		return 0;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), type, length,
					  type != TEXTOID, TYPALIGN_INT, elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain NULL", name),
					 errdetail("Element %d is NULL.", i + 1),
					 errhint("Leave the element out.")));
	}
	return n;
}

static void
exclude_arguments(FunctionCallInfo fcinfo, WfTimes *times)
{
	Datum *elements;
	WfCron *patterns;

	times->nexclude =
		array_argument(fcinfo, ARG_EXCLUDE, "exclude", TEXTOID, &elements);
	if (times->nexclude > MAX_EXCLUDES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("exclude has too many patterns"),
				 errdetail("It has %d, %d is the most.", times->nexclude,
						   MAX_EXCLUDES),
				 errhint("Use lists in the fields of a pattern, or exclude_dates.")));
	patterns = palloc(Max(times->nexclude, 1) * sizeof(WfCron));
	for (int i = 0; i < times->nexclude; i++)
	{
		char *pattern = TextDatumGetCString(elements[i]);

		wf_check_length(strlen(pattern), "a pattern in exclude",
						WF_CRON_MAX_LENGTH);
		wf_cron_parse(pattern, "exclude", &patterns[i]);
		/* without seconds a pattern names the whole minute */
		if (!patterns[i].has_second)
			patterns[i].seconds = (UINT64CONST(1) << 60) - 1;
	}
	times->exclude = patterns;
}

static int
compare_days(const void *a, const void *b)
{
	int64 one = *(const int64 *) a;
	int64 other = *(const int64 *) b;

	return one < other ? -1 : one > other;
}

static void
date_arguments(FunctionCallInfo fcinfo, WfTimes *times)
{
	Datum *elements;
	int64 *days;

	times->ndates = array_argument(fcinfo, ARG_EXCLUDE_DATES, "exclude_dates",
								   DATEOID, &elements);
	days = palloc(Max(times->ndates, 1) * sizeof(int64));
	for (int i = 0; i < times->ndates; i++)
		days[i] = (int64) DatumGetDateADT(elements[i]) +
				  (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE);
	qsort(days, times->ndates, sizeof(int64), compare_days);
	times->dates = days;
}

static void
bound_arguments(FunctionCallInfo fcinfo, WfTimes *times)
{
	times->starts_at =
		time_argument(fcinfo, ARG_STARTS_AT, "starts_at", PG_INT64_MIN);
	times->ends_at =
		time_argument(fcinfo, ARG_ENDS_AT, "ends_at", PG_INT64_MAX);
	if (times->starts_at > times->ends_at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ends_at must not be before starts_at"),
				 errdetail("No time lies between them."),
				 errhint("Exchange the two.")));
}

/* ---- zones ---- */

static const WfZone *
zone_of(const char *name, int64 from, int64 upto)
{
	const WfZone *zone = wf_zone_find(name, from, upto);

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" does not exist", name),
				 errdetail("Only names of pg_timezone_names are time zones of a schedule, no abbreviations and no POSIX rules."),
				 errhint("Use a name such as Europe/Berlin or UTC.")));
	return zone;
}

/* The local second in a zone of an instant in microseconds. */
static int64
local_second(const char *zone_name, int64 instant)
{
	int64 second = instant / USECS_PER_SEC;

	return wf_zone_local(
		zone_of(zone_name, second - YEAR_SECONDS, second + YEAR_SECONDS),
		second);
}

/* Midnight of 2000-01-01 in a zone: where intervals are counted from. */
static int64
default_anchor(const char *zone_name)
{
	int64 midnight = EPOCH_SECONDS;
	const WfZone *zone =
		zone_of(zone_name, midnight - YEAR_SECONDS, midnight + YEAR_SECONDS);
	int64 instant = midnight - wf_zone_local(zone, midnight) + midnight;

	return instant * USECS_PER_SEC;
}

static void
every_argument(FunctionCallInfo fcinfo, const char *zone_name, WfTimes *times)
{
	Interval *interval = PG_GETARG_INTERVAL_P(ARG_EVERY);
	int64 usec = wf_interval_usec(interval, "every", 0);
	WfEvery *every = &times->every;

	if (interval->month < 0 || interval->day < 0 || interval->time < 0 ||
		usec < USECS_PER_SEC || usec > INT64CONST(366) * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("every must be 1 second to 1 year"),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(interval)))),
				 errhint("Months, days and time must each be positive or zero.")));
	times->has_every = true;
	every->months = interval->month;
	every->days = interval->day;
	every->usec = interval->time;
	every->anchor = times->starts_at == PG_INT64_MIN
						? default_anchor(zone_name)
						: times->starts_at;
	every->local = local_second(zone_name, every->anchor) * USECS_PER_SEC +
				   every->anchor % USECS_PER_SEC;
}

static void
pattern_argument(FunctionCallInfo fcinfo, WfTimes *times)
{
	char *pattern =
		wf_arg_limited_text(fcinfo, ARG_CRON, "cron", WF_CRON_MAX_LENGTH);

	wf_cron_parse(pattern, "cron", &times->cron);
}

/* ---- the function ---- */

/* The next time, or false: there is none within LAST_YEARS of "from". */
static bool
next_time(const WfTimes *times, const char *zone_name, int64 from, int64 after,
		  int64 *due)
{
	int64 zone_from = wf_times_zone_from(times, from);
	int64 last = Max(from, times->starts_at) / USECS_PER_SEC +
				 LAST_YEARS * YEAR_SECONDS;
	int64 upto = Max(after, times->starts_at) / USECS_PER_SEC +
				 FIRST_YEARS * YEAR_SECONDS;

	for (;;)
	{
		const WfZone *zone = zone_of(zone_name, zone_from, upto);

		CHECK_FOR_INTERRUPTS();
		switch (wf_times_next(times, zone, after, due))
		{
			case WF_SEARCH_FOUND:
				return true;
			case WF_SEARCH_NONE:
				return false;
			case WF_SEARCH_EXCLUDED:
				after = *due;
				upto = Max(upto, after / USECS_PER_SEC + YEAR_SECONDS);
				if (after / USECS_PER_SEC > last)
					return false;
				break;
			case WF_SEARCH_NEEDS_ZONE:
				if (upto > last)
					return false;
				upto += 4 * FIRST_YEARS * YEAR_SECONDS;
				break;
		}
	}
}

static void
read_arguments(FunctionCallInfo fcinfo, const char *zone_name, WfTimes *times)
{
	if (PG_ARGISNULL(ARG_CRON) == PG_ARGISNULL(ARG_EVERY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("exactly one of cron and every must be given"),
				 PG_ARGISNULL(ARG_CRON) ? errdetail("Both are NULL.") :
				 errdetail("Both are given."),
				 errhint("Use cron for times such as every Monday at nine, every for intervals.")));
	times->rules = rules_arguments(fcinfo);
	bound_arguments(fcinfo, times);
	exclude_arguments(fcinfo, times);
	date_arguments(fcinfo, times);
	if (PG_ARGISNULL(ARG_CRON))
		every_argument(fcinfo, zone_name, times);
	else
		pattern_argument(fcinfo, times);
}

Datum
workflow_next_times(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	WfTimes times = {0};
	char *zone_name =
		wf_arg_limited_text(fcinfo, ARG_TIMEZONE, "timezone", WF_MAX_NAME);
	int n = count_argument(fcinfo);
	int64 from = time_argument(fcinfo, ARG_FROM, "from_time",
							   wf_clock_now() + EPOCH_USEC);
	int64 after = from;

	if (zone_name == NULL)
		zone_name = pstrdup("UTC");
	read_arguments(fcinfo, zone_name, &times);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < n; i++)
	{
		Datum value;
		bool isnull = false;

		if (!next_time(&times, zone_name, from, after, &after))
			break;
		if (!IS_VALID_TIMESTAMP(after - EPOCH_USEC))
			break;
		value = TimestampTzGetDatum(after - EPOCH_USEC);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
							 &isnull);
	}
	return (Datum) 0;
}
