/*
 * queue_arguments.h
 *		The arguments that create_queue() and alter_queue() have in common, as
 *		the files share them that take them over.
 */
#ifndef WF_API_QUEUE_ARGUMENTS_H
#define WF_API_QUEUE_ARGUMENTS_H

#include "api/queue.h"
#include "fmgr.h"
#include "utils/array.h"

typedef enum WfQueueArgument
{
	ARG_NAME,
	ARG_MAX_RUNNING,
	ARG_MAX_ACTIVE,
	ARG_GROUP_MAX_ACTIVE,
	ARG_ON_GROUP_FAILURE,
	ARG_FAIR,
	ARG_GROUP_WEIGHTS,
	ARG_RATE_LIMIT,
	ARG_RATE_PERIOD,
	ARG_GROUP_RATE_LIMIT,
	ARG_GROUP_BY_OWNER,
	ARG_POLICY,
	ARG_CLOSED,
	ARG_LEASE,
	ARG_DEDUP_WINDOW,
	ARG_DEDUP_SCOPE,
	ARG_KEEP_ACKED,
	ARG_KEEP_DEAD,
	ARG_NOTIFY_CHANNEL,
	ARG_ALERT,
	ARG_ALERT_DEPTH,
	ARG_ALERT_AGE,
	ARG_ALERT_DEAD_LETTERS,
	ARG_OWNER,
	ARG_DESCRIPTION,
	ARG_RESET /* of alter_queue; if_not_exists of create_queue */
} WfQueueArgument;

/* ---- queue_messages.c: those that matter to messages and alerts ---- */

extern void wf_queue_init_messages(WfQueue *queue);
extern void wf_queue_take_messages(FunctionCallInfo fcinfo, WfQueue *queue);

/* Raises 22023 where what was given does not go together. */
extern void wf_queue_check_alerts(const WfQueue *queue);

/* Is the argument named in alter_queue's "reset"? */
extern bool wf_queue_resets(ArrayType *reset, WfQueueArgument arg);
extern void wf_queue_reset_messages(ArrayType *reset, WfQueue *queue);

#endif /* WF_API_QUEUE_ARGUMENTS_H */
