/*
 * receive_cache.c
 *		Queues as a client's backend keeps them, with the answer to whether it
 *		may take messages out of them.
 *
 * An entry is good while its stamp is fresh (see freshness.c), and the user who
 * asks and the catalogs stand still.
 *
 * Lifetime: entries live in the cache's own context, which is emptied when
 * there are MAX_ENTRIES.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api/freshness.h"
#include "api/receive_cache.h"
#include "base/spi.h"

#define MAX_ENTRIES 64

typedef struct Entry
{
	WfQueueReceive queue;
	int name_length;
	WfStamp stamp;
	uint64 catalog_changes;
	Oid user;
} Entry;

static Entry entries[MAX_ENTRIES];
static int nentries = 0;
static MemoryContext entries_cxt = NULL;

static bool
is_fresh(const Entry *entry)
{
	return wf_stamp_is_fresh(&entry->stamp) && entry->user == GetUserId() &&
		   entry->catalog_changes == wf_catalog_changes();
}

/* Adds an entry, or takes over the stale one of the same queue. */
static Entry *
renew_entry(const WfQueueReceive *queue)
{
	Entry *entry = NULL;
	char *name;

	if (entries_cxt == NULL)
		entries_cxt = AllocSetContextCreate(TopMemoryContext,
											"workflow queues to receive from",
											ALLOCSET_SMALL_SIZES);
	for (int i = 0; i < nentries && entry == NULL; i++)
	{
		if (strcmp(entries[i].queue.name, queue->name) == 0)
			entry = &entries[i];
	}
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
	entry->name_length = strlen(name);
	return entry;
}

/* Reads the queue of this name or id; NULL when there is none. */
static Entry *
load_entry(const char *name, int32 queue_id)
{
	uint64 changes = wf_catalog_changes();
	Oid user = GetUserId();
	WfQueueReceive queue;
	WfWindow window;
	WfStamp stamp;
	Entry *entry = NULL;

	wf_stamp_take(&stamp);
	wf_window_open(&window);
	if (wf_queue_receive_load(name, queue_id, user, &queue))
	{
		/* the window's context goes with it */
		entry = renew_entry(&queue);
		entry->stamp = stamp;
		entry->catalog_changes = changes;
		entry->user = user;
	}
	wf_window_close(&window);
	return entry;
}

static const WfQueueReceive *
check_receive(const Entry *entry)
{
	const WfQueueReceive *queue = &entry->queue;

	if (!queue->may_receive)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for messages of queue \"%s\"",
						queue->name),
				 errdetail("\"%s\" neither owns the queue nor was granted 'receive'.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Its owner can call workflow.grant_queue(%s, %s, 'receive').",
						 quote_literal_cstr(queue->name),
						 quote_literal_cstr(GetUserNameFromId(GetUserId(), false)))));
	return queue;
}

const WfQueueReceive *
wf_queue_receivable(const char *name, int length)
{
	Entry *entry = NULL;

	for (int i = 0; i < nentries && entry == NULL; i++)
	{
		if (entries[i].name_length == length &&
			memcmp(entries[i].queue.name, name, length) == 0 &&
			is_fresh(&entries[i]))
			entry = &entries[i];
	}
	if (entry == NULL)
	{
		char *copy = pnstrdup(name, length);

		entry = load_entry(copy, 0);
		if (entry == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("queue \"%s\" does not exist", copy),
					 errdetail("No queue of this name was created in this database, or it was dropped."),
					 errhint("Create it with workflow.create_queue().")));
	}
	return check_receive(entry);
}

/* NULL when there is none. */
static Entry *
entry_of(int32 queue_id)
{
	for (int i = 0; i < nentries; i++)
	{
		if (entries[i].queue.queue_id == queue_id && is_fresh(&entries[i]))
			return &entries[i];
	}
	return load_entry(NULL, queue_id);
}

bool
wf_queue_may_receive(int32 queue_id)
{
	Entry *entry = entry_of(queue_id);

	return entry != NULL && entry->queue.may_receive;
}

const WfQueueReceive *
wf_queue_receivable_of(int32 queue_id)
{
	Entry *entry = entry_of(queue_id);

	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue of the message does not exist"),
				 errdetail("It was dropped.")));
	return check_receive(entry);
}
