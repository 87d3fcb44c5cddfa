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
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "scheduler/scheduler.h"
#include "store/attempt.h"
#include "store/message_task.h"
#include "store/queue_receive.h"

/* when a row is looked at again that somebody has locked, or changed */
#define LOCKED_USEC	 USECS_PER_SEC
#define CHANGED_USEC (10 * 1000)

typedef struct Expiry
{
	const WfPlanRequest *request;
	WfLeaseEnd end;
	bool wakes; /* a run waited for it */
	WfWork wake;
} Expiry;

/* what of the database's state it takes to decide */
typedef struct Expiring
{
	WfOpenTable table;
	TimestampTz now;
	bool knows_queue;
	WfQueueReceive queue; /* the last one that was met */
} Expiring;

static const WfPolicy *
policy_of_queue(Expiring *e, int32 queue_id)
{
	if (!e->knows_queue || e->queue.queue_id != queue_id)
	{
		if (!wf_queue_receive_load(NULL, queue_id, BOOTSTRAP_SUPERUSERID,
								   &e->queue))
		{
			/* dropped: what is left in it goes by the defaults */
			e->queue.queue_id = queue_id;
			wf_policy_init(&e->queue.policy);
		}
		e->knows_queue = true;
	}
	return &e->queue.policy;
}

/* Gives a worker's words about an earlier attempt, as a sentence. */
static const char *
last_words(const WfDelivery *row)
{
	if (row->nulls[MSG_error_message])
		return "";
	return psprintf(" The last error that was told is: %s",
					TextDatumGetCString(row->values[MSG_error_message]));
}

/*
 * An attempt has come to nothing, and nobody says why: again at once, or never
 * where the policy has no more.
 */
static WfRowResult
end_attempt(Expiring *e, WfDelivery *row, Expiry *x)
{
	bool expired = row->state == WF_MESSAGE_LEASED;
	WfFault fault = {.reason = WF_REASON_ATTEMPTS};
	WfRowResult result;
	WfPolicy buffer;
	const WfPolicy *policy =
		wf_delivery_policy(row, policy_of_queue(e, row->queue_id), &buffer);

	if (wf_message_is_task(row) && wf_task_is_orphaned(row))
	{
		x->end.fate = WF_FATE_GONE;
		return wf_delivery_ack(&e->table, row, false, (Datum) 0, false);
	}
	wf_delivery_lost(row);
	x->end.fate = WF_FATE_BACK;
	x->end.at = row->due_at > e->now ? 0 : row->due_at;
	if (!policy->at_most_once && (policy->max_attempts == 0 ||
								  row->attempts_used < policy->max_attempts))
	{
		result = wf_delivery_give_back(&e->table, row, 0, NULL, false);
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
		"It was received %d times, and neither acknowledged nor given back the last time.%s",
		row->attempt, last_words(row));
	x->end.fate = wf_message_is_task(row) ? WF_FATE_GONE : WF_FATE_DIED;
	result = wf_delivery_bury(&e->table, row, &fault, false);
	if (result == WF_ROW_DONE && wf_message_is_task(row))
	{
		wf_task_settled(row, (Datum) 0, &fault, &x->wake);
		x->wakes = true;
	}
	return result;
}

static void
look_again_in(const Expiring *e, Expiry *x, int64 usec)
{
	x->end.fate = WF_FATE_LATER;
	x->end.at = e->now + usec;
}

/* In a window: decides by the row, and writes it. */
static void
expire_one(Expiring *e, Expiry *x)
{
	const WfPlanRequest *request = x->request;
	bool uncounted = request->uncounted;
	WfRowResult result;
	WfDelivery row;

	x->end.id = request->id;
	x->end.epoch = request->epoch;
	x->end.tid = request->tid;
	if (!wf_delivery_read(&e->table, wf_workid_message(&request->id),
						  &x->end.tid, CurrentMemoryContext, &row) ||
		row.state == WF_MESSAGE_ACKED)
		x->end.fate = WF_FATE_DONE;
	else if (row.origin != wf_origin())
		x->end.fate = WF_FATE_FOREIGN;
	else if (row.state == WF_MESSAGE_DEAD)
		x->end.fate = WF_FATE_DIED;
	else if (TransactionIdIsValid(row.writer) &&
			 TransactionIdIsInProgress(row.writer))
		look_again_in(e, x, LOCKED_USEC);
	else if (row.state == WF_MESSAGE_LEASED && row.lease_until > e->now)
	{
		x->end.fate = WF_FATE_LATER;
		x->end.at = row.lease_until;
		x->end.counted = true;
	}
	else if (row.state == WF_MESSAGE_QUEUED && !uncounted)
	{
		x->end.fate = WF_FATE_BACK;
		x->end.at = row.due_at;
	}
	else
	{
		if (row.state == WF_MESSAGE_QUEUED)
		{
			row.attempt++;
			row.attempts_used++;
		}
		result = end_attempt(e, &row, x);
		if (result == WF_ROW_LOCKED)
			look_again_in(e, x, LOCKED_USEC);
		else if (result == WF_ROW_CHANGED)
			look_again_in(e, x, CHANGED_USEC);
	}
	x->end.tid = row.tid;
}

/* Works in one transaction. */
int
wf_leases_end(WfScheduler *s, const WfPlanRequest *requests, int n)
{
	Expiry *batch = palloc0(mul_size(n, sizeof(Expiry)));
	Expiring e = {.now = s->now};
	WfWindow w;
	int ndone;

	wf_sched_begin(s, &w, "ending leases");
	wf_delivery_open(true, &e.table);
	for (ndone = 0; ndone < n && !wf_sched_slice_is_over(s, ndone); ndone++)
	{
		batch[ndone].request = &requests[ndone];
		expire_one(&e, &batch[ndone]);
	}
	wf_table_close(&e.table);
	WF_STOP("sched-lease-commit");
	wf_sched_commit(s, &w);
	for (int i = 0; i < ndone; i++)
	{
		wf_plan_lease_ended(s->plan, s->now, &batch[i].end);
		if (batch[i].wakes)
			wf_plan_heard(s->plan, s->now, &batch[i].wake, 1);
	}
	return ndone;
}
