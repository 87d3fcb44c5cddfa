/*
 * workid.h
 *		Ids of work: of runs and messages side by side.
 *
 * *Work* is what the scheduler plans, be it a run or a message.  A run goes by
 * its own id.  Messages are numbered by ticks drawn from the same counter
 * (core/runid.h), and a message has an id of version 8 made from its number,
 * which sorts among the run ids by time.
 */
#ifndef WF_CORE_WORKID_H
#define WF_CORE_WORKID_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

typedef pg_uuid_t WfWorkId;

extern void wf_workid_of_message(int64 message_id, WfWorkId *out);
extern bool wf_workid_is_message(const WfWorkId *id);
extern int64 wf_workid_message(const WfWorkId *id);

/*
 * A bound between ids of both kinds, as one for run ids in the order of the
 * uuid btree, or for message ids: what is above the one is above the other.
 */
extern WfWorkId wf_workid_bound_of_runs(const WfWorkId *bound);
extern int64 wf_workid_bound_of_messages(const WfWorkId *bound);

/*
 * The place in a strict group of work that is written just now: the number in
 * its id or, where it may not start before "run_at" (0: at once), the number
 * that an id of that time would have.
 */
extern int64 wf_workid_place(const WfWorkId *id, TimestampTz run_at);

/* The id just before: so an inclusive bound becomes an exclusive one. */
extern WfWorkId wf_workid_before(const WfWorkId *id);

/*
 * The order of the calls, be they of runs or of messages; among run ids that is
 * also the order of the uuid btree.
 */
extern int wf_workid_cmp(const WfWorkId *a, const WfWorkId *b);

#endif /* WF_CORE_WORKID_H */
