/*
 * sched_spill.c
 *		Runs that stay in the table until there is room for them in memory.
 *
 * Nothing is missed: what is left out comes by the ring or a scan after its
 * commit, so the next scan of what was left, with a newer snapshot, sees it;
 * and only a scan that finds no more ends the spill.
 */
#include "postgres.h"

#include "base/guc.h"
#include "core/workid.h"
#include "store/definition.h"
#include "worker/sched.h"
#include "worker/sched_gates.h"

/* what an entry costs with its place in the table of entries, in bytes */
#define ENTRY_COST (sizeof(WfEntry) + 64)

/* entries of each queue that may wait in memory, however full it is */
#define SPILL_FLOOR 2000

/*
 * What can start is looked for beyond the limit while nothing else can, up to
 * so many times as much.
 */
#define MAX_EXCESS 4

/* timers that are due within this time are in memory if there is any room */
#define HORIZON_USEC (60 * USECS_PER_SEC)

static uint32
capacity(void)
{
	return (uint32) (wf_scheduler_memory * UINT64CONST(1024) / ENTRY_COST);
}

static uint32
in_use(void)
{
	return wf_sched.ready.nentries + wf_gates.ngroups;
}

static WfSpill *
spill_of(int32 queue_id, uint32 *nwaiting)
{
	WfQueue *queue = wf_gate_queue(queue_id, false);

	if (queue != NULL)
	{
		*nwaiting = queue->nwaiting;
		return &queue->spill;
	}
	*nwaiting = queue_id == WF_DEFAULT_QUEUE
					? wf_gates.nplain - wf_gates.flow.ndelayed
					: 0;
	return queue_id == WF_DEFAULT_QUEUE ? &wf_gates.spill : NULL;
}

/* Its number of waiting runs is another one. */
static void
show(int32 queue_id)
{
	WfQueue *queue = wf_gate_queue(queue_id, false);

	if (queue != NULL)
		queue->flow.changed = true;
	else
		wf_gates.flow.changed = true;
}

/* ---- leaving ---- */

static bool
leaves_timer(const WfWork *info)
{
	if (info->due_at == wf_gates.timers_to)
	{
		/* a scan under way may be past it */
		if (wf_gates.timers_reading)
			return false;
		memset(&wf_gates.timers_after, 0, sizeof(pg_uuid_t));
	}
	else if (info->due_at < wf_gates.timers_to &&
			 (in_use() < 2 * capacity() &&
			  (wf_sched.ready.ntimers < capacity() / 2 ||
			   info->due_at <= wf_sched.now + HORIZON_USEC)))
		return false;
	if (info->due_at < wf_gates.timers_to)
	{
		wf_gates.timers_to = info->due_at;
		wf_sched_wake_at(info->due_at - HORIZON_USEC / 2);
		memset(&wf_gates.timers_after, 0, sizeof(pg_uuid_t));
	}
	return true;
}

bool
wf_spill_leaves(const WfWork *info)
{
	uint32 nwaiting;
	WfSpill *spill;

	if (info->due_at > wf_sched.now)
		return leaves_timer(info);
	spill = spill_of(info->queue_id, &nwaiting);
	if (spill == NULL || (info->priority > 0 && in_use() < 2 * capacity() &&
						  !wf_gate_is_strict(info->queue_id, info->group)))
		return false;
	if (!spill->on)
	{
		if (in_use() < capacity() || nwaiting < SPILL_FLOOR)
			return false;
		spill->on = true;
		spill->nleft = 0;
		spill->upto = wf_workid_before(&info->id);
	}
	if (wf_workid_cmp(&info->id, &spill->upto) <= 0)
		return false;
	spill->nleft++;
	show(info->queue_id);
	return true;
}

bool
wf_spill_is_past(int32 queue_id, const pg_uuid_t *id)
{
	uint32 nwaiting;
	WfSpill *spill = spill_of(queue_id, &nwaiting);

	return spill != NULL && spill->on && wf_workid_cmp(id, &spill->upto) >= 0;
}

const pg_uuid_t *
wf_spill_upto(int32 queue_id)
{
	uint32 nwaiting;

	return &spill_of(queue_id, &nwaiting)->upto;
}

void
wf_spill_set_left(int32 queue_id, int64 nleft)
{
	uint32 nwaiting;
	WfSpill *spill = spill_of(queue_id, &nwaiting);

	if (spill != NULL)
		spill->nleft = (uint32) Min(nleft, PG_UINT32_MAX);
}

uint32
wf_spill_left(const struct WfQueue *queue)
{
	const WfSpill *spill = queue != NULL ? &queue->spill : &wf_gates.spill;

	return spill->on ? spill->nleft : 0;
}

/* ---- reading again ---- */

/*
 * Whatever memory has of the queue waits for something: paused workflows,
 * closed groups.  What could start may be in the table.
 */
static bool
is_stuck(WfQueue *queue)
{
	if (queue == NULL)
		return wf_gates.flow.ncells == 0 && wf_sched.ready.nready == 0;
	for (int i = 0; i < WF_SIDES; i++)
	{
		const WfSide *side = &queue->sides[i];

		if (side->resumed.n > 0 || side->held.n > 0 || side->plain.n > 0 ||
			side->nstanding > 0)
			return false;
	}
	return !queue->rules.paused && queue->running == 0 && !queue->rate_short;
}

/* queue NULL: "default" without rules */
static bool
has_room(WfQueue *queue, uint32 nwaiting)
{
	if (in_use() < capacity() / 8 * 7 || nwaiting < SPILL_FLOOR / 2)
		return true;
	return in_use() < MAX_EXCESS * capacity() && !wf_sched.halted &&
		   is_stuck(queue);
}

bool
wf_spill_will_read(WfQueue *queue)
{
	return queue->spill.on &&
		   (queue->spill.reading || has_room(queue, queue->nwaiting));
}

static void
refill_queue(int32 queue_id, WfQueue *queue, WfSpill *spill, uint32 nwaiting)
{
	WfScan *scan;

	if (!spill->on || spill->reading || !has_room(queue, nwaiting))
		return;
	spill->reading = true;
	scan = wf_load_add_scan(NULL, NULL);
	scan->kind = WF_SCAN_QUEUE;
	scan->after_queue = queue_id;
	scan->after = spill->upto;
}

static void
refill_timers(void)
{
	TimestampTz look_at = wf_gates.timers_to - HORIZON_USEC / 2;
	WfScan *scan;

	if (wf_gates.timers_to == DT_NOEND || wf_gates.timers_reading)
		return;
	if (wf_sched.now < look_at)
	{
		wf_sched_wake_at(look_at);
		return;
	}
	if (in_use() >= 2 * capacity())
		return;
	wf_gates.timers_reading = true;
	scan = wf_load_add_scan(NULL, NULL);
	scan->kind = WF_SCAN_TIMERS;
	scan->after_due = scan->from_due = wf_gates.timers_to;
	scan->after = wf_gates.timers_after;
}

/* Groups that are kept for their rate limits alone take room as well. */
static void
sweep_groups(void)
{
	static TimestampTz swept = 0;
	dlist_iter iter;

	if (wf_gates.ngroups <= 1024 || wf_sched.now - swept < USECS_PER_SEC)
		return;
	swept = wf_sched.now;
	dlist_foreach (iter, &wf_gates.queues)
		wf_groups_sweep(dlist_container(WfQueue, node, iter.cur), false);
}

void
wf_spill_refill(void)
{
	dlist_iter iter;

	sweep_groups();
	refill_timers();
	if (wf_gates.plain == NULL)
		refill_queue(WF_DEFAULT_QUEUE, NULL, &wf_gates.spill,
					 wf_gates.nplain - wf_gates.flow.ndelayed);
	dlist_foreach (iter, &wf_gates.queues)
	{
		WfQueue *queue = dlist_container(WfQueue, node, iter.cur);

		refill_queue(queue->rules.queue_id, queue, &queue->spill,
					 queue->nwaiting);
	}
}

static void
read_queue(const WfScan *scan, int n)
{
	uint32 nwaiting;
	WfSpill *spill = spill_of(scan->after_queue, &nwaiting);

	if (spill == NULL)
		return;
	spill->reading = false;
	spill->on = !scan->done;
	spill->upto = scan->after;
	spill->nleft -= Min(spill->nleft, (uint32) n);
	show(scan->after_queue);
}

/* What came meanwhile may have set an earlier time. */
static void
read_timers(const WfScan *scan)
{
	wf_gates.timers_reading = false;
	if (wf_gates.timers_to < scan->from_due)
		return;
	wf_gates.timers_to = scan->done ? DT_NOEND : scan->after_due;
	wf_gates.timers_after = scan->after;
}

void
wf_spill_read(const WfScan *scan, int n)
{
	if (scan->kind == WF_SCAN_QUEUE)
		read_queue(scan, n);
	else if (scan->kind == WF_SCAN_TIMERS)
		read_timers(scan);
	/* there may be room for more, whatever became of these */
	if (!scan->done)
		wf_sched.more = true;
}
