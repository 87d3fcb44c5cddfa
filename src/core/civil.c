/*
 * civil.c
 *		Calendar arithmetic on local times; see civil.h.
 */
#include "postgres.h"

#include "core/civil.h"

/* days in 400 years, and from 0000-03-01 to 1970-01-01 */
#define ERA_DAYS   146097
#define EPOCH_DAYS 719468

WfDate
wf_civil_date(int64 day)
{
	int64 shifted = day + EPOCH_DAYS;
	int64 era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
	int of_era = (int) (shifted - era * ERA_DAYS);
	int year_of_era =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year =
		of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int from_march = (5 * of_year + 2) / 153;
	WfDate date;

	date.day = of_year - (153 * from_march + 2) / 5 + 1;
	date.month = from_march < 10 ? from_march + 3 : from_march - 9;
	date.year = (int) (year_of_era + era * 400) + (date.month <= 2 ? 1 : 0);
	return date;
}

int64
wf_civil_days(WfDate date)
{
	int64 year = date.month <= 2 ? date.year - 1 : date.year;
	int64 era = (year >= 0 ? year : year - 399) / 400;
	int year_of_era = (int) (year - era * 400);
	int from_march = date.month > 2 ? date.month - 3 : date.month + 9;
	int of_year = (153 * from_march + 2) / 5 + date.day - 1;
	int of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;

	return era * ERA_DAYS + of_era - EPOCH_DAYS;
}

int
wf_civil_month_length(int year, int month)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30,
								  31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return lengths[month - 1];
}
