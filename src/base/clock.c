/*
 * clock.c
 *		The only source of the current time.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/clock.h"

#ifdef WF_TEST_BUILD
static int clock_offset = 0; /* s */

void
wf_clock_define_guc(void)
{
	DefineCustomIntVariable("workflow.test_clock_offset",
							"Shifts the clock of workflow, for tests.", NULL,
							&clock_offset, 0, -INT_MAX, INT_MAX, PGC_SIGHUP,
							GUC_UNIT_S | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}
#endif

TimestampTz
wf_clock_system(void)
{
	return GetCurrentTimestamp();
}

TimestampTz
wf_clock_now(void)
{
	TimestampTz now = GetCurrentTimestamp();

#ifdef WF_TEST_BUILD
	now += clock_offset * USECS_PER_SEC;
#endif
	return now;
}

long
wf_clock_ms_until(TimestampTz due)
{
	TimestampTz now = wf_clock_now();

	if (due <= now)
		return 0;
	/* "due" may be infinity: now is positive, so this cannot overflow */
	if (due - now >= USECS_PER_DAY)
		return USECS_PER_DAY / 1000;
	return (long) ((due - now + 999) / 1000);
}
