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

/*
 * Messages are numbered by ticks drawn from the same counter.  Where runs and
 * messages are kept side by side, a message has an id of version 8 made from
 * its number, which sorts among the run ids by time.
 */
extern void wf_message_uuid(int64 message_id, pg_uuid_t *out);
extern bool wf_uuid_is_message(const pg_uuid_t *id);
extern int64 wf_uuid_message(const pg_uuid_t *id);

/*
 * A bound between ids of both kinds, as one for run ids in the order of the
 * uuid btree, or for message ids: what is above the one is above the other.
 */
extern pg_uuid_t wf_bound_of_runs(const pg_uuid_t *bound);
extern int64 wf_bound_of_messages(const pg_uuid_t *bound);

/* The id just before: so an inclusive bound becomes an exclusive one. */
extern pg_uuid_t wf_runid_before(const pg_uuid_t *id);

/*
 * The order of the calls, be they of runs or of messages; among run ids that is
 * also the order of the uuid btree.
 */
extern int wf_runid_cmp(const pg_uuid_t *a, const pg_uuid_t *b);

#endif /* WF_CORE_RUNID_H */
