/*
 * sched_leases.c
 *		Messages whose lease is over, and receives that were rolled back.
 *
 * When the time of a LEASED entry has come its row is read, and that alone
 * decides: is the lease in the row over as well, the message goes back to the
 * gate at once, with its attempt counted, or is dead where its policy has no
 * more attempts.  Who acknowledges at the same moment writes the same row, and
 * one of both finds that the other was faster.
 *
 * No row is waited for.  One that is locked is looked at again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/procarray.h"

#include "base/errors.h"
#include "base/stoppoint.h"
#include "core/workid.h"
#include "core/state.h"
#include "store/attempt.h"
#include "store/message_task.h"
#include "store/queue_receive.h"
#include "worker/sched.h"

/* when a row is looked at again that somebody has locked, or changed */
#define LOCKED_USEC	 USECS_PER_SEC
#define CHANGED_USEC (10 * 1000)

typedef enum Fate
{
	FATE_BACK,	/* queued again, from `at` on */
	FATE_LATER, /* to be looked at again, then */
	FATE_DONE,
	FATE_DIED,
	FATE_GONE, /* a task that was given up, or is for nobody */
	FATE_FOREIGN
} Fate;

typedef struct Expiry
{
	WfEntry *entry;
	Fate fate;
	TimestampTz at;
	ItemPointerData tid;
	bool wakes; /* a run waited for it */
	WfWork wake;
} Expiry;

/* The policies of the queues that were met in this transaction. */
static const WfPolicy *
policy_of_queue(int32 queue_id)
{
	static WfQueueReceive queue;
	static TransactionId known_in = InvalidTransactionId;
	TransactionId xid = GetCurrentTransactionId();

	if (known_in != xid || queue.queue_id != queue_id)
	{
		if (!wf_queue_receive_load(NULL, queue_id, BOOTSTRAP_SUPERUSERID,
								   &queue))
		{
			/* dropped: what is left in it goes by the defaults */
			queue.queue_id = queue_id;
			wf_policy_init(&queue.policy);
		}
		known_in = xid;
	}
	return &queue.policy;
}

/*
 * An attempt has come to nothing, and nobody says why: again at once, or never
 * where the policy has no more.
 */
static WfRowResult
end_attempt(WfOpenTable *table, WfDelivery *row, Expiry *x)
{
	bool expired = row->state == WF_MESSAGE_LEASED;
	WfFault fault = {.reason = WF_REASON_ATTEMPTS};
	WfRowResult result;
	WfPolicy buffer;
	const WfPolicy *policy =
		wf_delivery_policy(row, policy_of_queue(row->queue_id), &buffer);

	if (wf_message_is_task(row) && wf_task_is_orphaned(row))
	{
		x->fate = FATE_GONE;
		return wf_delivery_ack(table, row, false, (Datum) 0, false);
	}
	x->fate = FATE_BACK;
	x->at = row->due_at > wf_sched.now ? 0 : row->due_at;
	if (!policy->at_most_once && (policy->max_attempts == 0 ||
								  row->attempts_used < policy->max_attempts))
	{
		result = wf_delivery_give_back(table, row, 0, NULL, false);
		if (result == WF_ROW_DONE && wf_message_is_task(row))
			wf_attempt_of_task(row, NULL, true);
		return result;
	}

	fault.code =
		unpack_sql_state(policy->at_most_once ? ERRCODE_WF_OUTCOME_UNKNOWN
											  : ERRCODE_WF_TASK_FAILED);
	if (policy->at_most_once)
		fault.reason = WF_REASON_EXPIRED;
	fault.message = expired ? "lease expired" : "receive was rolled back";
	fault.detail = psprintf(
		"It was received %d times, and neither acknowledged nor given back the last time.",
		row->attempt);
	x->fate = wf_message_is_task(row) ? FATE_GONE : FATE_DIED;
	result = wf_delivery_bury(table, row, &fault, false);
	if (result == WF_ROW_DONE && wf_message_is_task(row))
	{
		wf_task_settled(row, (Datum) 0, &fault, &x->wake);
		x->wakes = true;
	}
	return result;
}

static void
look_again_in(Expiry *x, int64 usec)
{
	x->fate = FATE_LATER;
	x->at = wf_sched.now + usec;
}

/* In a window: decides by the row, and writes it. */
static void
expire_one(WfOpenTable *table, Expiry *x)
{
	WfEntry *entry = x->entry;
	WfRowResult result;
	WfDelivery row;

	x->tid = entry->tid;
	if (!wf_delivery_read(table, wf_workid_message(&entry->run_id), &x->tid,
						  CurrentMemoryContext, &row) ||
		row.state == WF_MESSAGE_ACKED)
		x->fate = FATE_DONE;
	else if (row.origin != wf_origin())
		x->fate = FATE_FOREIGN;
	else if (row.state == WF_MESSAGE_DEAD)
		x->fate = FATE_DIED;
	else if (TransactionIdIsValid(row.writer) &&
			 TransactionIdIsInProgress(row.writer))
		look_again_in(x, LOCKED_USEC);
	else if (row.state == WF_MESSAGE_LEASED && row.lease_until > wf_sched.now)
	{
		x->fate = FATE_LATER;
		x->at = row.lease_until;
		entry->uncounted = false;
	}
	else if (row.state == WF_MESSAGE_QUEUED && !entry->uncounted)
	{
		x->fate = FATE_BACK;
		x->at = row.due_at;
	}
	else
	{
		if (row.state == WF_MESSAGE_QUEUED)
		{
			row.attempt++;
			row.attempts_used++;
		}
		result = end_attempt(table, &row, x);
		if (result == WF_ROW_LOCKED)
			look_again_in(x, LOCKED_USEC);
		else if (result == WF_ROW_CHANGED)
			look_again_in(x, CHANGED_USEC);
	}
	x->tid = row.tid;
}

/* After the commit. */
static void
apply_fate(Expiry *x)
{
	WfEntry *entry = x->entry;

	switch (x->fate)
	{
		case FATE_BACK:
			entry->tid = x->tid;
			entry->lsn = 0; /* our own commit has flushed it */
			wf_messages_give_back(entry, x->at);
			break;
		case FATE_LATER:
			wf_messages_hold(entry, x->at);
			break;
		case FATE_DONE:
			wf_messages_done(entry);
			break;
		case FATE_DIED:
			wf_messages_died(entry);
			break;
		case FATE_GONE:
			wf_messages_gone(entry);
			break;
		case FATE_FOREIGN:
			wf_ready_forget(&wf_sched.ready, entry);
			break;
	}
	if (x->wakes)
		wf_load_learn(&x->wake, NULL);
}

/* One batch; false when nothing more is over. */
static bool
expire_batch(void)
{
	Expiry *batch = palloc0(WF_SCHED_BATCH * sizeof(Expiry));
	WfOpenTable table;
	WfWindow w;
	int n = 0;

	while (n < WF_SCHED_BATCH)
	{
		WfEntry *entry = wf_ready_next_lease(&wf_sched.ready, wf_sched.now);

		if (entry == NULL)
			break;
		wf_ready_take(&wf_sched.ready, entry);
		batch[n++].entry = entry;
	}
	if (n == 0)
		return false;

	wf_sched_begin(&w, "ending leases");
	wf_delivery_open(true, &table);
	for (int i = 0; i < n; i++)
		expire_one(&table, &batch[i]);
	wf_table_close(&table);
	WF_STOP("sched-lease-commit");
	wf_sched_commit(&w);
	for (int i = 0; i < n; i++)
		apply_fate(&batch[i]);
	return n == WF_SCHED_BATCH;
}

/* In a copy the rows are none of our business before start(). */
void
wf_messages_expire(void)
{
	if (wf_sched.control.foreign)
		return;
	while (expire_batch())
		CHECK_FOR_INTERRUPTS();
}
