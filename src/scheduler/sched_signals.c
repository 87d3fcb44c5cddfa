/*
 * sched_signals.c
 *		What was sent to runs, where too much came for the ring.
 *
 * A *walk* goes over all that has come and was not taken, run by run, a slice
 * in each cycle.  It wakes the runs that are unfinished, and passes on what was
 * sent to a run that has gone on as another one meanwhile.  What is sent while a
 * walk is under way has it begin once more at its end, however often that is
 * told.
 *
 * After the start of a scheduler a walk passes on only: the scan of all runs has
 * seen for itself for whom something has come.
 */
#include "postgres.h"

#include "scheduler/scheduler.h"
#include "store/continue.h"
#include "store/signal.h"

void
wf_signals_look(WfScheduler *s, bool wakes)
{
	WfSignalWalk *walk = &s->signals;

	if (walk->under_way)
	{
		walk->again = true;
		walk->again_wakes |= wakes;
		return;
	}
	memset(walk, 0, sizeof(*walk));
	walk->under_way = true;
	walk->wakes = wakes;
}

/* True when it was the last one. */
static bool
page(WfScheduler *s, pg_uuid_t *ids, int *nids)
{
	WfSignalWalk *walk = &s->signals;
	WfReceiverOf *receivers = palloc(WF_SLICE_ROWS * sizeof(WfReceiverOf));
	WfWindow w;
	int n;
	int i;

	*nids = 0;
	wf_sched_begin(s, &w, "looking for signals");
	n = wf_signal_receivers(&walk->after, receivers, WF_SLICE_ROWS);
	for (i = 0; i < n && !wf_sched_slice_is_over(s, i); i++)
	{
		const WfReceiverOf *r = &receivers[i];

		walk->after = r->run_id;
		if (r->has_gone_on)
			*nids += wf_continue_forward(&r->run_id, &ids[*nids]);
		else if (walk->wakes && r->is_unfinished)
			ids[(*nids)++] = r->run_id;
	}
	wf_sched_commit(s, &w);
	return i == n && n < WF_SLICE_ROWS;
}

void
wf_signals_go_on(WfScheduler *s)
{
	WfSignalWalk *walk = &s->signals;
	pg_uuid_t *ids;
	int nids;
	bool last;

	if (!walk->under_way)
		return;
	ids = MemoryContextAlloc(s->cycle_cxt, WF_SLICE_ROWS * sizeof(pg_uuid_t));
	last = page(s, ids, &nids);
	for (int i = 0; i < nids; i++)
		wf_plan_wake(s->plan, s->now, &ids[i]);
	if (last)
	{
		walk->under_way = false;
		if (walk->again)
			wf_signals_look(s, walk->again_wakes);
	}
	s->more |= walk->under_way;
}
