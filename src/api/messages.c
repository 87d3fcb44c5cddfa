/*
 * messages.c
 *		retry_message(), delete_message() and purge_queue().
 *
 * For whoever may receive from the queue.  They return false, and do not wait,
 * where a message has moved on or somebody has it in hand just now, so that
 * they can be called on whole sets of messages.  All work while the workflows
 * of the database are stopped.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/messages.h"
#include "api/receive_cache.h"
#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/wakeup.h"

PG_FUNCTION_INFO_V1(workflow_retry_message);
PG_FUNCTION_INFO_V1(workflow_delete_message);
PG_FUNCTION_INFO_V1(workflow_purge_queue);

int64
wf_messages_look(FunctionCallInfo fcinfo, WfMessageView *message)
{
	WfWindow window;
	int64 message_id;
	bool found;

	wf_arg_require(fcinfo, 0, "message_id");
	message_id = PG_GETARG_INT64(0);
	wf_window_open(&window);
	found = wf_message_view(message_id, message);
	wf_window_close(&window);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("message " INT64_FORMAT " does not exist", message_id),
				 errdetail("It was never sent, its transaction has not committed, or it was acknowledged or deleted."),
				 errhint("The view workflow.messages lists the messages there are.")));
	(void) wf_queue_receivable_of(message->queue_id);
	return message_id;
}

Datum
workflow_retry_message(PG_FUNCTION_ARGS)
{
	WfMessageView message;
	WfWindow window;
	TimestampTz now = wf_clock_now();
	TimestampTz due_at = 0;
	Interval *delay;
	int64 message_id;
	bool retried;

	wf_require_preloaded();
	wf_require_writable("retry_message");
	delay = wf_arg_interval(fcinfo, 1, "delay", false);
	message_id = wf_messages_look(fcinfo, &message);
	/* a restored one goes on no sooner than start() has taken it over */
	if (message.origin != wf_origin())
		PG_RETURN_BOOL(false);
	if (delay)
		due_at = wf_time_after(now, delay);

	wf_window_open(&window);
	retried = wf_message_retry(message_id, due_at, now);
	wf_window_close(&window);
	if (retried)
	{
		wf_note_message(message_id);
		wf_note_events(WF_EVENT_DEAD);
	}
	PG_RETURN_BOOL(retried);
}

Datum
workflow_delete_message(PG_FUNCTION_ARGS)
{
	WfMessageView message;
	WfWindow window;
	int64 message_id;
	bool deleted;

	wf_require_preloaded();
	wf_require_writable("delete_message");
	message_id = wf_messages_look(fcinfo, &message);
	wf_window_open(&window);
	deleted = wf_message_delete(message_id);
	wf_window_close(&window);
	if (deleted)
	{
		wf_note_message(message_id);
		wf_note_events(WF_EVENT_DEAD);
	}
	PG_RETURN_BOOL(deleted);
}

Datum
workflow_purge_queue(PG_FUNCTION_ARGS)
{
	const WfQueueReceive *queue;
	int32 queue_id;
	WfWindow window;
	text *name;
	int64 purged;

	wf_require_preloaded();
	wf_require_writable("purge_queue");
	wf_arg_require(fcinfo, 0, "name of a queue");
	name = PG_GETARG_TEXT_PP(0);
	queue = wf_queue_receivable(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	queue_id = queue->queue_id;
	wf_window_open(&window);
	purged = wf_message_purge(queue_id);
	wf_window_close(&window);
	if (purged > 0)
		wf_note_queue_purged(queue_id);
	PG_RETURN_INT64(purged);
}
