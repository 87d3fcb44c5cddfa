/*
 * receipt.h
 *		Receipts of messages, and leases as arguments.
 */
#ifndef WF_API_RECEIPT_H
#define WF_API_RECEIPT_H

#include "fmgr.h"
#include "store/queue_receive.h"

typedef struct WfReceipt
{
	int64 message_id;
	int64 token;
} WfReceipt;

/* As a client gets it, a text. */
extern Datum wf_receipt_text(int64 message_id, int64 token);

/* Raises 22023 when it is none; whether it holds is another question. */
extern WfReceipt wf_receipt_parse(const char *text, int length);

/* Microseconds of argument "arg", or what the queue has; raises 22023. */
extern int64 wf_arg_lease(FunctionCallInfo fcinfo, int arg,
						  const WfQueueReceive *queue);

#endif /* WF_API_RECEIPT_H */
