/*
 * queue_cache.c
 *		Queues as a client's backend keeps them, with the answer to whether it
 *		may put work into them.
 *
 * An entry is good while its stamp is fresh (see freshness.c) and, where the
 * queue is closed, while the user who asks and the catalogs stand still.
 *
 * Lifetime: entries live in the cache's own context, which is emptied when
 * there are MAX_ENTRIES.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api/freshness.h"
#include "api/queue_cache.h"
#include "base/spi.h"
#include "ipc/queue_stats.h"

#define MAX_ENTRIES 64

typedef struct Entry
{
	WfQueueSend queue;
	int name_length;
	WfStamp stamp;

	/* a closed queue is as it was read while these are the same */
	uint64 catalog_changes;
	Oid user;
} Entry;

static Entry entries[MAX_ENTRIES];
static int nentries = 0;
static MemoryContext entries_cxt = NULL;

static bool
is_fresh(const Entry *entry)
{
	if (!wf_stamp_is_fresh(&entry->stamp))
		return false;
	return !entry->queue.closed ||
		   (entry->user == GetUserId() &&
			entry->catalog_changes == wf_catalog_changes());
}

/* The entry of this name, be it stale, or NULL. */
static Entry *
find_by_name(const char *name, int length)
{
	for (int i = 0; i < nentries; i++)
	{
		if (entries[i].name_length == length &&
			memcmp(entries[i].queue.name, name, length) == 0)
			return &entries[i];
	}
	return NULL;
}

/* Adds an entry, or takes over the stale one of the same name. */
static Entry *
renew_entry(const WfQueueSend *queue)
{
	int length = strlen(queue->name);
	Entry *entry = find_by_name(queue->name, length);
	char *name;

	if (entries_cxt == NULL)
		entries_cxt = AllocSetContextCreate(
			TopMemoryContext, "workflow queues", ALLOCSET_SMALL_SIZES);
	if (entry == NULL)
	{
		if (nentries == MAX_ENTRIES)
		{
			nentries = 0;
			MemoryContextReset(entries_cxt);
		}
		name = MemoryContextStrdup(entries_cxt, queue->name);
		entry = &entries[nentries++];
	}
	else
		name = entry->queue.name;
	entry->queue = *queue;
	entry->queue.name = name;
	entry->name_length = length;
	return entry;
}

/* Reads the queue of this name or id; NULL when there is none. */
static Entry *
load_entry(const char *name, int32 queue_id)
{
	uint64 changes = wf_catalog_changes();
	Oid user = GetUserId();
	WfQueueSend queue;
	WfWindow window;
	WfStamp stamp;
	Entry *entry;
	bool found;

	wf_stamp_take(&stamp);
	wf_window_open(&window);
	found = wf_queue_send_load(name, queue_id, user, &queue);
	if (found)
	{
		/* the window's context goes with it */
		entry = renew_entry(&queue);
		entry->stamp = stamp;
		entry->catalog_changes = changes;
		entry->user = user;
	}
	wf_window_close(&window);
	return found ? entry : NULL;
}

static const WfQueueSend *
check_send(const Entry *entry)
{
	const WfQueueSend *queue = &entry->queue;

	if (!queue->may_send)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for queue \"%s\"", queue->name),
				 errdetail("The queue is closed, and \"%s\" neither owns it nor was granted 'send'.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Its owner can call workflow.grant_queue(%s, %s, 'send').",
						 quote_literal_cstr(queue->name),
						 quote_literal_cstr(GetUserNameFromId(GetUserId(), false)))));
	return queue;
}

const WfQueueSend *
wf_queue_allowed(const char *name, int length)
{
	Entry *entry = find_by_name(name, length);

	if (entry == NULL || !is_fresh(entry))
	{
		char *copy = pnstrdup(name, length);

		entry = load_entry(copy, 0);
		if (entry == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("queue \"%s\" does not exist", copy),
					 errdetail("No queue of this name was created in this database, or it was dropped."),
					 errhint("Create it with workflow.create_queue(), or pass the name of another.")));
	}
	return check_send(entry);
}

const WfQueueSend *
wf_queue_allowed_of(const char *workflow, int32 queue_id)
{
	Entry *entry = NULL;

	for (int i = 0; i < nentries && entry == NULL; i++)
	{
		if (entries[i].queue.queue_id == queue_id && is_fresh(&entries[i]))
			entry = &entries[i];
	}
	if (entry == NULL)
		entry = load_entry(NULL, queue_id);
	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue of workflow \"%s\" does not exist", workflow),
				 errdetail("The queue that its runs go to was dropped."),
				 errhint("Give the workflow another with workflow.alter_workflow(), or pass the argument \"queue\".")));
	return check_send(entry);
}

/* ---- counting ---- */

/* put into queues in this transaction, not yet counted */
typedef struct QueueCount
{
	int32 queue_id;
	uint64 enqueued;
} QueueCount;

static QueueCount counts[MAX_ENTRIES];
static int ncounts = 0;

static void
flush_counts(void)
{
	for (int i = 0; i < ncounts; i++)
		wf_queue_count(MyDatabaseId, counts[i].queue_id, WF_QCOUNT_ENQUEUED,
					   counts[i].enqueued);
	ncounts = 0;
}

/* Nothing may fail here. */
static void
count_at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		flush_counts();
	else if (event == XACT_EVENT_ABORT)
		ncounts = 0;
}

void
wf_queue_count_enqueued(int32 queue_id, uint64 n)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(count_at_end, NULL);
		registered = true;
	}
	for (int i = 0; i < ncounts; i++)
	{
		if (counts[i].queue_id == queue_id)
		{
			counts[i].enqueued += n;
			return;
		}
	}
	if (ncounts == MAX_ENTRIES)
		flush_counts();
	counts[ncounts].queue_id = queue_id;
	counts[ncounts++].enqueued = n;
}
