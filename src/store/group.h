/*
 * group.h
 *		Busy groups: whether a queue's group has an unfinished run.
 *
 * No window is needed.
 */
#ifndef WF_STORE_GROUP_H
#define WF_STORE_GROUP_H

#include "storage/lock.h"
#include "utils/uuid.h"

typedef struct WfGroupGate
{
	LOCKTAG tag;

	/* the run that keeps the group busy */
	pg_uuid_t run_id;
	char state;
} WfGroupGate;

/*
 * True when no unfinished run is in this group of the queue: then nobody else
 * is told so before wf_group_leave(), by which time the caller has inserted
 * his own.  False, with the run in *gate, when there is one, which may be the
 * caller's own or anybody's.  A run that somebody is inserting is waited for.
 * The run "except", if not NULL, does not count; nor do those of others than
 * "owner", if that is valid.
 *
 * All that is waited for together takes no longer than lock_timeout: 55P03.
 */
extern bool wf_group_enter(int32 queue_id, Datum group_key, Oid owner,
						   const pg_uuid_t *except, WfGroupGate *gate);
extern void wf_group_leave(WfGroupGate *gate);

#endif /* WF_STORE_GROUP_H */
