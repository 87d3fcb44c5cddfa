/*
 * freshness.h
 *		How long a client's backend may go on with what it read of definitions
 *		and queues.
 *
 * A stamp is taken before the rows are read, so what is kept under it is at
 * worst older than it seems to be, never newer.
 */
#ifndef WF_API_FRESHNESS_H
#define WF_API_FRESHNESS_H

#include "c.h"

/* fields are of freshness.c alone */
typedef struct WfStamp
{
	Oid schema;
	uint64 definitions;
	uint64 own_changes;
	bool lasting; /* false: in this subtransaction only */
	LocalTransactionId lxid;
	SubTransactionId subid;
} WfStamp;

/* Takes the stamp of what is read next. */
extern void wf_stamp_take(WfStamp *stamp);

/* Is what was read then still good? */
extern bool wf_stamp_is_fresh(const WfStamp *stamp);

/* Has anybody committed a change of a definition since?  Looks at no catalog. */
extern bool wf_stamp_has_moved(const WfStamp *stamp);

/*
 * A number that changes with the catalogs behind checks of rights: functions,
 * roles, memberships, schemas, databases.
 */
extern uint64 wf_catalog_changes(void);

/* This transaction has written a definition or a queue. */
extern void wf_definition_changed(void);

#endif /* WF_API_FRESHNESS_H */
