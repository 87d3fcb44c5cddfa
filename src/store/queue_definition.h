/*
 * queue_definition.h
 *		Tables _workflow.queue and _workflow.queue_grant, as create_queue() and
 *		its like write them.
 *
 * The queue "default" (WF_DEFAULT_QUEUE) gets its row when it is locked here
 * for the first time; without one it has all defaults and belongs to the owner
 * of the extension.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_QUEUE_DEFINITION_H
#define WF_STORE_QUEUE_DEFINITION_H

#include "core/policy.h"
#include "store/queue_send.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* Is $3 the owner of queue "q", a member of him, or a superuser? */
#define WF_OWNS_QUEUE                                                    \
	"EXISTS (SELECT FROM pg_catalog.pg_roles o"                          \
	"                WHERE o.oid = q.owner AND o.rolname = q.owner_name" \
	"                  AND pg_catalog.pg_has_role($3, o.oid, 'USAGE'))"  \
	"       OR EXISTS (SELECT FROM pg_catalog.pg_roles u"                \
	"                   WHERE u.oid = $3 AND u.rolsuper)"

/* limits that are NULL in the table are 0 */
typedef struct WfQueue
{
	int32 queue_id;
	char *name;
	Oid owner;
	char *owner_name;
	bool closed;
	int32 max_running;
	int32 max_active;
	int32 group_max_active;
	bool blocks; /* on_group_failure => 'block' */
	bool fair;
	Jsonb *group_weights; /* or NULL */
	int32 rate_limit;
	Interval rate_period;
	int32 group_rate_limit;
	bool group_by_owner;
	bool has_policy;
	Datum policy_row; /* workflow.policy, valid when has_policy */
	Interval lease;
	Interval dedup_window;
	WfKeyScope dedup_scope;
	Interval *keep_acked;  /* NULL: not kept at all */
	Interval *keep_dead;   /* NULL: for ever */
	char *notify_channel;  /* or NULL */
	char *alert;		   /* name of a function, or NULL */
	Oid alert_role;		   /* who set it */
	char *alert_role_name; /* likewise, or NULL */
	int32 alert_depth;
	Interval *alert_age; /* or NULL */
	int32 alert_dead_letters;
	char *description; /* or NULL */
} WfQueue;

/*
 * By name, or false.  Allocated in "cxt".  The row is locked against other
 * changes of the definition and, with "to_drop", against new users of it.
 */
extern bool wf_queue_lock(const char *name, bool to_drop, MemoryContext cxt,
						  WfQueue *out);

/* Who names a queue: its id, and whether a role may have runs in it. */
typedef struct WfQueueUse
{
	int32 queue_id;
	bool allowed;
} WfQueueUse;

/*
 * By name, or false.  A row that is there is locked, so that the queue cannot
 * be dropped before the transaction ends.
 */
extern bool wf_queue_use(const char *name, Oid role, WfQueueUse *out);

/* Writes a new queue and sets its queue_id; false when the name is taken. */
extern bool wf_queue_insert(WfQueue *queue, TimestampTz now);

extern void wf_queue_update(const WfQueue *queue, TimestampTz now);

extern void wf_queue_set_paused(int32 queue_id, bool paused, const char *by,
								const char *reason, TimestampTz now);

/* ---- dropping ---- */

/* Runs and messages in groups of the queue that have not ended. */
extern int64 wf_queue_grouped(int32 queue_id);

/* Runs in the queue that have not ended. */
extern int64 wf_queue_unfinished(int32 queue_id);

/* Asks for all of them to be cancelled; count. */
extern int64 wf_queue_cancel_all(int32 queue_id, const char *by,
								 const char *reason, TimestampTz now);

/*
 * Number of workflows whose queue it is, and the name of the first of them,
 * allocated in "cxt".
 */
extern int64 wf_queue_workflows(int32 queue_id, MemoryContext cxt,
								char **first);

/* Puts these workflows back to "default". */
extern void wf_queue_leave(int32 queue_id, TimestampTz now);

/* Deletes it and what was granted on it; runs of the past keep its id. */
extern void wf_queue_drop(int32 queue_id);

/* ---- grants ---- */

extern void wf_queue_grant(int32 queue_id, Oid role, const char *role_name,
						   const char *privilege);

/* False when there was no such grant. */
extern bool wf_queue_revoke(int32 queue_id, const char *role_name,
							const char *privilege);

#endif /* WF_STORE_QUEUE_DEFINITION_H */
