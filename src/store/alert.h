/*
 * alert.h
 *		The functions that are told of what happens in a queue.
 *
 * As a body, one is stored as text and found by it whenever it is called; it
 * is called as the role that set it.
 */
#ifndef WF_STORE_ALERT_H
#define WF_STORE_ALERT_H

#include "datatype/timestamp.h"
#include "store/run.h"
#include "utils/jsonb.h"

/* the workflow, and its body, whose runs call these functions */
#define WF_ALERT_WORKFLOW (-1)
#define WF_ALERT_BODY	  (-1)

/* who is to be told of what happens in a queue */
typedef struct WfAlertRule
{
	int32 queue_id;
	char *queue;
	char *channel;	/* or NULL */
	char *function; /* or NULL */
	Oid role;		/* InvalidOid: it is not there any more */
	char *role_name;
	int32 depth;		/* 0: never */
	int64 age;			/* microseconds; 0: never */
	int32 dead_letters; /* 0: never */
} WfAlertRule;

/*
 * Those of all queues that have any, by queue_id, allocated in "cxt"; count.
 * In a window.
 */
extern int wf_alert_rules(MemoryContext cxt, WfAlertRule **out);

/* Has the queue more dead letters than this?  In a window. */
extern bool wf_alert_exceeds_dead(int32 queue_id, int32 limit);

/*
 * Enqueues a run, with the id in *info, that calls the rule's function with
 * this alert, as its role.  Fills the rest of *info in.
 */
extern void wf_alert_enqueue(const WfAlertRule *rule, Jsonb *alert,
							 WfWork *info);

/* As wf_body_resolve(); no window needed. */
extern Oid wf_alert_resolve(const char *name);

/*
 * Raises 42809, 42P13 or 42501 unless the current user may have this function
 * called: it is a plain one that he may execute and, where he is a superuser,
 * one that a superuser owns.
 */
extern void wf_alert_check(Oid function, const char *name);

#endif /* WF_STORE_ALERT_H */
