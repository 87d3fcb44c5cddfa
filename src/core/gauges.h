/*
 * gauges.h
 *		What views show of a queue as it is now.
 */
#ifndef WF_CORE_GAUGES_H
#define WF_CORE_GAUGES_H

#include "datatype/timestamp.h"

/* starts and ends are counted by as many parts of the last minute */
#define WF_MINUTE_PARTS 12

/* which part of a minute a time is in */
static inline int64
wf_minute_part(TimestampTz at)
{
	return at / (USECS_PER_MINUTE / WF_MINUTE_PARTS);
}

/* how a queue is now; written by the scheduler of its database alone */
typedef struct WfQueueGauges
{
	uint32 ready;			  /* could start now, but for limits */
	uint32 delayed;			  /* wait for a time */
	uint32 running;			  /* in an executor's cell */
	uint32 active;			  /* started and unfinished */
	TimestampTz oldest_ready; /* 0 when none is ready */
	TimestampTz rate_free_at; /* 0, or when the rate limit lets the next one
							   * start */

	/* by parts of a minute; what is too old is left out by wf_queue_minute() */
	int64 part; /* the newest one, as counted by wf_minute_part() */
	uint32 started[WF_MINUTE_PARTS]; /* [part % WF_MINUTE_PARTS] */
	uint32 ended[WF_MINUTE_PARTS];
} WfQueueGauges;

#endif /* WF_CORE_GAUGES_H */
