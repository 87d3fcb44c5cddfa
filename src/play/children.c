/*
 * children.c
 *		What becomes of the runs that a run has started.
 *
 * The outcome of a child is its row.  A parent that waits looks for it when it
 * is woken; who ends a child has the parent woken (executor/family.c), and
 * nobody writes the parent's row but its own executor.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "play/calls.h"
#include "play/children.h"
#include "play/outcome.h"
#include "store/child.h"

/* Does this call wait for one run, which it has started? */
static bool
waits_for_one(const WfStep *step)
{
	WfCallRuns runs;

	if (step->match.state != WF_STEP_WAITING || !step->has_child)
		return false;
	runs = wf_calls_get(step->match.kind)->runs;
	return runs == WF_CALL_ONE_CHILD || runs == WF_CALL_ONE_CHUNK;
}

/* The ids of the runs that calls wait for; how many. */
static int
list_children(const WfRecord *record, pg_uuid_t **ids)
{
	int n = 0;

	for (int i = 0; i < record->nsteps; i++)
	{
		const WfStep *step = &record->steps[i];

		if (!waits_for_one(step))
			continue;
		if (n == 0)
			*ids = palloc(mul_size(record->nsteps, sizeof(pg_uuid_t)));
		(*ids)[n++] = step->child_run_id;
	}
	return n;
}

/* All calls that wait for this run get its outcome. */
static void
settle_with(WfRecord *record, const WfChildEnd *end)
{
	for (int i = 0; i < record->nsteps; i++)
	{
		WfStep step;

		if (!waits_for_one(&record->steps[i]) ||
			memcmp(&record->steps[i].child_run_id, &end->run_id, UUID_LEN) !=
				0)
			continue;
		step = record->steps[i];
		wf_outcome_set(&step, end,
					   wf_calls_get(step.match.kind)->runs == WF_CALL_ONE_CHUNK
						   ? WF_OUTCOME_OF_ITEM
						   : WF_OUTCOME_OF_CHILD);
		wf_record_write(record, &step);
	}
}

bool
wf_children_settle(WfRecord *record)
{
	MemoryContext old = MemoryContextSwitchTo(record->cxt);
	pg_uuid_t *ids;
	WfChildEnd *ends;
	int n = list_children(record, &ids);
	int nends = 0;

	if (n > 0)
		nends = wf_child_ends(ids, n, record->cxt, &ends);
	MemoryContextSwitchTo(record->cxt); /* SPI has left its own */
	for (int i = 0; i < nends; i++)
		settle_with(record, &ends[i]);
	MemoryContextSwitchTo(old);
	return nends > 0;
}

bool
wf_children_any(const WfRecord *record)
{
	for (int i = 0; i < record->nsteps; i++)
	{
		if (record->matches[i].state == WF_STEP_WAITING &&
			wf_calls_get(record->matches[i].kind)->runs != WF_CALL_NO_RUN)
			return true;
	}
	return false;
}
