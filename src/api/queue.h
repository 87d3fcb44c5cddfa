/*
 * queue.h
 *		What the functions on queues have in common.
 */
#ifndef WF_API_QUEUE_H
#define WF_API_QUEUE_H

#include "base/compat.h"
#include "fmgr.h"
#include "store/queue_definition.h"

/*
 * Reads and locks a queue which the caller may change.  Raises 42501, and
 * 42704 or, with "missing_ok", a notice and queue->name NULL.  No window may
 * be open.
 */
extern void wf_queue_open(const char *name, bool to_drop, bool missing_ok,
						  WfQueue *queue);

/* position of if_not_exists in create_queue and of reset in alter_queue */
#define WF_QUEUE_ARG_LAST 25

/* A queue with all defaults that belongs to the current user. */
extern void wf_queue_init(WfQueue *queue);

/*
 * What create_queue and alter_queue were given, into *queue: all but the name.
 * Raises 22023, 42704 or 42501.
 */
extern void wf_queue_take_arguments(FunctionCallInfo fcinfo, WfQueue *queue);

/* Has alter_queue been given, or told to reset, group_by_owner? */
extern bool wf_queue_regroups(FunctionCallInfo fcinfo);

/* Puts back to their defaults what alter_queue's reset names. */
extern void wf_queue_take_resets(FunctionCallInfo fcinfo, WfQueue *queue);

/*
 * The role of this name, given as "argument"; raises 42704 when there is none.
 */
extern Oid wf_queue_role(const char *role_name, const char *argument);

/*
 * The queue was written: rules, bodies and what clients keep are read again
 * when the transaction commits.
 */
extern void wf_queue_changed(void);

/* Raises 42704: there is no such queue. */
WF_NORETURN extern void wf_raise_no_queue(const char *name);

#endif /* WF_API_QUEUE_H */
