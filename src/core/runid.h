/*
 * runid.h
 *		Run ids: UUID version 7 whose first 60 time bits never repeat or fall.
 *
 * A tick is 1/4096 ms since the Unix epoch: 48 bits of milliseconds (RFC 9562
 * unix_ts_ms) and 12 bits of fraction (rand_a used as sub-millisecond time,
 * RFC 9562 section 6.2 method 3).  The caller makes ticks rise strictly over
 * the whole cluster, so ids sort in the order in which they were drawn.
 */
#ifndef WF_CORE_RUNID_H
#define WF_CORE_RUNID_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* PostgreSQL timestamp (microseconds since 2000-01-01) to ticks */
extern uint64 wf_runid_ticks(TimestampTz now);

/* max(previous + 1, ticks of now): the next value of a rising counter */
extern uint64 wf_runid_next(uint64 previous, TimestampTz now);

/* builds the uuid; only 62 bits of "entropy" are used */
extern void wf_runid_make(uint64 ticks, uint64 entropy, pg_uuid_t *out);

/* the ticks back from an id made above (any version 7 uuid: its top 60 bits) */
extern uint64 wf_runid_ticks_of(const pg_uuid_t *id);

#endif /* WF_CORE_RUNID_H */
