/*
 * queue.c
 *		create_queue(), alter_queue(), drop_queue(), pause_queue() and
 *		resume_queue().
 *
 * As with workflows, everything is checked before anything is written, and
 * each change raises the database's counter of definitions at commit.  The
 * scheduler reads the rules of all queues again, so that they hold at once,
 * also for what already waits.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "api/arguments.h"
#include "api/definition_cache.h"
#include "api/queue.h"
#include "base/clock.h"
#include "base/spi.h"
#include "ipc/wakeup.h"
#include "store/definition.h"
#include "store/message_admin.h"

PG_FUNCTION_INFO_V1(workflow_create_queue);
PG_FUNCTION_INFO_V1(workflow_alter_queue);
PG_FUNCTION_INFO_V1(workflow_drop_queue);
PG_FUNCTION_INFO_V1(workflow_pause_queue);
PG_FUNCTION_INFO_V1(workflow_resume_queue);

/* ---- create ---- */

Datum
workflow_create_queue(PG_FUNCTION_ARGS)
{
	WfQueue queue;
	WfWindow window;
	bool missing_only;
	bool inserted = false;

	wf_require_preloaded();
	wf_require_writable("create_queue");
	wf_queue_init(&queue);
	queue.name = wf_arg_name(fcinfo, 0, "name of a queue");
	missing_only =
		!PG_ARGISNULL(WF_QUEUE_ARG_LAST) && PG_GETARG_BOOL(WF_QUEUE_ARG_LAST);
	wf_queue_take_arguments(fcinfo, &queue);

	if (strcmp(queue.name, WF_DEFAULT_QUEUE_NAME) != 0)
	{
		wf_window_open(&window);
		inserted = wf_queue_insert(&queue, wf_clock_now());
		wf_window_close(&window);
	}
	if (inserted)
		wf_queue_changed();
	else if (missing_only)
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("queue \"%s\" already exists, skipping", queue.name)));
	else
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("queue \"%s\" already exists", queue.name),
				 errdetail("Names of queues are unique in a database, and \"%s\" is always there.",
						   WF_DEFAULT_QUEUE_NAME),
				 errhint("Use alter_queue, or choose another name.")));
	PG_RETURN_VOID();
}

/* ---- alter ---- */

void
wf_queue_open(const char *name, bool to_drop, bool missing_ok, WfQueue *queue)
{
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	bool found;

	wf_window_open(&window);
	found = wf_queue_lock(name, to_drop, cxt, queue);
	wf_window_close(&window);
	if (found)
	{
		wf_require_owner(queue->owner, queue->owner_name, "queue", name);
		return;
	}
	queue->name = NULL;
	if (missing_ok)
		ereport(NOTICE,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue \"%s\" does not exist, skipping", name)));
	else
		wf_raise_no_queue(name);
}

void
wf_queue_changed(void)
{
	wf_definition_changed();
	wf_note_events(WF_EVENT_CONTROL);
}

void
wf_raise_no_queue(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("queue \"%s\" does not exist", name),
			 errdetail("No queue of this name was created in this database, or it was dropped."),
			 errhint("Create it with workflow.create_queue.")));
}

/* Work in groups has its place by what its group was when it came. */
static void
check_ungrouped(const WfQueue *queue)
{
	WfWindow window;
	int64 n;

	wf_window_open(&window);
	n = wf_queue_grouped(queue->queue_id);
	wf_window_close(&window);
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group_by_owner of queue \"%s\" cannot be changed now",
						queue->name),
				 errdetail_plural("There is " INT64_FORMAT " unfinished run or message in a group.",
								  "There are " INT64_FORMAT " unfinished runs and messages in groups.",
								  (unsigned long) n, n),
				 errhint("Wait until they have ended, or create another queue.")));
}

Datum
workflow_alter_queue(PG_FUNCTION_ARGS)
{
	WfQueue queue;
	WfWindow window;
	char *name;
	bool by_owner;

	wf_require_preloaded();
	wf_require_writable("alter_queue");
	name = wf_arg_name(fcinfo, 0, "name of a queue");
	wf_queue_open(name, wf_queue_regroups(fcinfo), false, &queue);
	by_owner = queue.group_by_owner;
	wf_queue_take_resets(fcinfo, &queue);
	wf_queue_take_arguments(fcinfo, &queue);
	if (queue.group_by_owner != by_owner)
		check_ungrouped(&queue);

	wf_window_open(&window);
	wf_queue_update(&queue, wf_clock_now());
	wf_window_close(&window);
	wf_queue_changed();
	PG_RETURN_VOID();
}

/* ---- drop, pause, resume ---- */

/*
 * Raises 2BP01 when the queue still has runs or messages, or workflows that
 * name it.
 */
static void
check_unused(const char *name, int64 unfinished, int64 messages,
			 int64 workflows, const char *first)
{
	if (unfinished > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop queue \"%s\": it has unfinished runs",
						name),
				 errdetail_plural("There is " INT64_FORMAT " unfinished run.",
								  "There are " INT64_FORMAT " unfinished runs.",
								  (unsigned long) unfinished, unfinished),
				 errhint("Wait for them, or pass force => true to cancel them.")));
	if (messages > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop queue \"%s\": it has messages", name),
				 errdetail_plural("There is " INT64_FORMAT " message that waits or is leased.",
								  "There are " INT64_FORMAT " messages that wait or are leased.",
								  (unsigned long) messages, messages),
				 errhint("Wait for them, or pass force => true to delete them.")));
	if (workflows > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop queue \"%s\": workflows use it", name),
				 workflows == 1 ?
				 errdetail("It is the queue of workflow \"%s\".", first) :
				 errdetail("It is the queue of workflow \"%s\" and of " INT64_FORMAT " more.",
						   first, workflows - 1),
				 errhint("Give them another one with alter_workflow, or pass force => true to give them \"%s\".",
						 WF_DEFAULT_QUEUE_NAME)));
}

Datum
workflow_drop_queue(PG_FUNCTION_ARGS)
{
	WfQueue queue;
	WfWindow window;
	MemoryContext cxt = CurrentMemoryContext;
	TimestampTz now = wf_clock_now();
	char *name;
	char *user = GetUserNameFromId(GetUserId(), false);
	char *first;
	bool force = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	bool missing_ok = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	int64 unfinished;
	int64 messages;
	int64 workflows;
	pg_uuid_t *waiting;
	int ntasks;

	wf_require_preloaded();
	wf_require_writable("drop_queue");
	name = wf_arg_name(fcinfo, 0, "name of a queue");
	if (strcmp(name, WF_DEFAULT_QUEUE_NAME) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" cannot be dropped", name),
				 errdetail("Workflows that name no queue have their runs in it."),
				 errhint("Close it with alter_queue, or pause it with pause_queue.")));
	wf_queue_open(name, true, missing_ok, &queue);
	if (queue.name == NULL)
		PG_RETURN_VOID();

	wf_window_open(&window);
	unfinished = wf_queue_unfinished(queue.queue_id);
	messages = wf_message_unfinished(queue.queue_id);
	workflows = wf_queue_workflows(queue.queue_id, cxt, &first);
	if (!force)
		check_unused(name, unfinished, messages, workflows, first);
	if (unfinished > 0)
	{
		(void) wf_queue_cancel_all(queue.queue_id, user, "queue was dropped",
								   now);
		wf_note_events(WF_EVENT_REQUEST);
	}
	if (workflows > 0)
		wf_queue_leave(queue.queue_id, now);
	/* noted in the window, whose memory they are in */
	ntasks = wf_message_drop_all(queue.queue_id, user, &waiting);
	for (int i = 0; i < ntasks; i++)
		wf_note_wake(&waiting[i]);
	wf_queue_drop(queue.queue_id);
	wf_window_close(&window);
	if (messages > 0)
		wf_note_queue_purged(queue.queue_id);
	wf_queue_changed();
	PG_RETURN_VOID();
}

static void
set_paused(FunctionCallInfo fcinfo, bool paused, const char *reason)
{
	WfQueue queue;
	WfWindow window;
	char *name = wf_arg_name(fcinfo, 0, "name of a queue");
	char *by = paused ? GetUserNameFromId(GetUserId(), false) : NULL;

	wf_queue_open(name, false, false, &queue);
	wf_window_open(&window);
	wf_queue_set_paused(queue.queue_id, paused, by, reason, wf_clock_now());
	wf_window_close(&window);
	wf_queue_changed();
}

Datum
workflow_pause_queue(PG_FUNCTION_ARGS)
{
	wf_require_preloaded();
	wf_require_writable("pause_queue");
	set_paused(fcinfo, true, wf_arg_note(fcinfo, 1, "reason"));
	PG_RETURN_VOID();
}

Datum
workflow_resume_queue(PG_FUNCTION_ARGS)
{
	wf_require_preloaded();
	wf_require_writable("resume_queue");
	set_paused(fcinfo, false, NULL);
	PG_RETURN_VOID();
}
