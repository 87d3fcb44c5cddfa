/*
 * clock.h
 *		The only source of the current time.
 *
 * A test build (WF_TEST_BUILD) lets tests shift the clock through the setting
 * workflow.test_clock_offset; a release build is GetCurrentTimestamp().
 */
#ifndef WF_BASE_CLOCK_H
#define WF_BASE_CLOCK_H

#include "datatype/timestamp.h"

extern TimestampTz wf_clock_now(void);

/* The operating system's time, for PostgreSQL's own timers. */
extern TimestampTz wf_clock_system(void);

/*
 * Milliseconds from now until "due" for WaitLatch, rounded up so that the
 * wait never ends early; 0 when due is past; at most one day.
 */
extern long wf_clock_ms_until(TimestampTz due);

#ifdef WF_TEST_BUILD
extern void wf_clock_define_guc(void);
#endif

#endif /* WF_BASE_CLOCK_H */
