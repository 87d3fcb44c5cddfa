/*
 * show.c
 *		What the views show of an executor.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/clock.h"
#include "executor/show.h"

static void
begin_show(WfSlot *slot)
{
	pg_atomic_fetch_add_u32(&slot->changecount, 1);
	pg_write_barrier();
}

static void
end_show(WfSlot *slot)
{
	pg_write_barrier();
	pg_atomic_fetch_add_u32(&slot->changecount, 1);
}

void
wf_show_run(WfSlot *slot, const WfRun *run, TimestampTz since)
{
	begin_show(slot);
	slot->run_id = run->run_id;
	slot->workflow_id = run->workflow_id;
	slot->ordinal = 0;
	slot->attempt = 0;
	slot->step_name[0] = '\0';
	slot->since = since;
	slot->has_progress = false;
	end_show(slot);
}

void
wf_show_step(WfSlot *slot, const WfStep *step, TimestampTz since)
{
	const char *name = step->match.name;
	int len = pg_mbcliplen(name, strlen(name), sizeof(slot->step_name) - 1);

	begin_show(slot);
	slot->ordinal = step->ordinal;
	slot->attempt = step->attempt;
	memcpy(slot->step_name, name, len);
	slot->step_name[len] = '\0';
	slot->since = since;
	end_show(slot);
}

void
wf_show_progress(WfSlot *slot, const Jsonb *progress)
{
	Assert(VARSIZE(progress) <= WF_MAX_PROGRESS);
	begin_show(slot);
	memcpy(slot->progress, progress, VARSIZE(progress));
	slot->has_progress = true;
	end_show(slot);
}

Jsonb *
wf_show_shown(WfSlot *slot)
{
	return slot->has_progress ? (Jsonb *) slot->progress : NULL;
}

void
wf_show_idle(WfSlot *slot, bool ended)
{
	begin_show(slot);
	memset(&slot->run_id, 0, sizeof(slot->run_id));
	slot->workflow_id = 0;
	slot->ordinal = 0;
	slot->attempt = 0;
	slot->step_name[0] = '\0';
	slot->has_progress = false;
	slot->active_at = slot->since = wf_clock_now();
	if (ended)
		slot->runs++;
	end_show(slot);
}
