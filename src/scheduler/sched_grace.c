/*
 * sched_grace.c
 *		Processes that go on after a cancel.
 *
 * A cancel is an error that user code can catch, and what catches it in a loop
 * goes on for ever.  An executor whose run was cancelled from outside, or has
 * had its run_timeout, is therefore watched from the signal on: where the run is
 * still in its cell, and in user code, when workflow.cancel_grace is over, the
 * process gets SIGTERM, which nobody can catch.  The run is lost with it, and
 * goes on as any run whose executor was ended: here, as it was asked for, to its
 * end.  Time-outs of steps are seen to by the executor itself (user_code.c).
 *
 * An executor at work on its own statements, such as a commit that waits for a
 * standby, or on the undo of the run, is left alone.  The time is measured by a
 * clock that nobody can set.
 *
 * Whoever has ended the process, the timeline of the run tells of it, and the
 * log.  That is written here, as the process cannot any more.
 *
 * A new scheduler gives the time anew to what it finds cancelled.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/fmgrprotos.h"

#include "base/guc.h"
#include "ipc/entries.h"
#include "scheduler/scheduler.h"
#include "store/request.h"

/* an executor that is not in user code is looked at again after */
#define RECHECK_USEC (USECS_PER_SEC / 5)

typedef struct Watch
{
	bool on;
	int cell;
	uint64 seq; /* of what was in it */
	instr_time since;
} Watch;

/* a run whose process was ended, to be told */
typedef struct Lost
{
	pg_uuid_t run_id;
	int ordinal;
	char step_name[NAMEDATALEN];
} Lost;

typedef struct WfGrace
{
	int nwatched;
	Watch *watches; /* by index of the slot */
	int nlost;
	Lost *lost; /* one for each slot at most */
} WfGrace;

void
wf_grace_init(WfScheduler *s)
{
	WfGrace *grace = MemoryContextAllocZero(s->life_cxt, sizeof(WfGrace));
	Size n = wf_shared->nslots;

	grace->watches =
		MemoryContextAllocZero(s->life_cxt, mul_size(n, sizeof(Watch)));
	grace->lost =
		MemoryContextAllocZero(s->life_cxt, mul_size(n, sizeof(Lost)));
	s->grace = grace;
}

/* Assigns only, as wf_shared->lock may be held. */
void
wf_grace_begin(WfScheduler *s, int index, int at)
{
	Watch *watch = &s->grace->watches[index];

	if (!watch->on)
		s->grace->nwatched++;
	watch->on = true;
	watch->cell = at;
	watch->seq = wf_slots[index].cells[at].seq;
	INSTR_TIME_SET_CURRENT(watch->since);
	wf_scheduler_wake_at(s, s->now + wf_cancel_grace * INT64CONST(1000));
}

static void
unwatch(WfScheduler *s, Watch *watch)
{
	watch->on = false;
	s->grace->nwatched--;
}

void
wf_grace_lost(WfScheduler *s, int index, int at)
{
	const WfSlot *slot = &wf_slots[index];
	Lost *lost;

	if (!slot->swallowed || s->grace->nlost == wf_shared->nslots)
		return;
	lost = &s->grace->lost[s->grace->nlost++];
	lost->run_id = slot->cells[at].work_id;
	lost->ordinal = slot->ordinal;
	strlcpy(lost->step_name, slot->step_name, sizeof(lost->step_name));
}

/* ---- those whose time is over ---- */

/* Is it still the run that was cancelled, and has it yet to end? */
static bool
is_open(WfSlot *slot, const Watch *watch)
{
	WfCell *cell = &slot->cells[watch->cell];

	return slot->state == WF_SLOT_LIVE && cell->seq == watch->seq &&
		   pg_atomic_read_u32(&cell->state) == WF_CELL_TAKEN &&
		   (pg_atomic_read_u32(&cell->request) & WF_REQ_UNDOING) == 0;
}

/* Microseconds that are left. */
static int64
time_left(const Watch *watch)
{
	instr_time passed;

	INSTR_TIME_SET_CURRENT(passed);
	INSTR_TIME_SUBTRACT(passed, watch->since);
	return wf_cancel_grace * INT64CONST(1000) -
		   (int64) INSTR_TIME_GET_MICROSEC(passed);
}

/* An executor takes the lock before its next run where it was cancelled. */
static void
end_process(WfSlot *slot, const Watch *watch)
{
	LWLockAcquire(wf_shared->lock, LW_SHARED);
	if (is_open(slot, watch) && slot->pid != 0)
	{
		slot->swallowed = true;
		(void) kill(slot->pid, SIGTERM);
	}
	LWLockRelease(wf_shared->lock);
}

static void
look(WfScheduler *s, WfSlot *slot, Watch *watch)
{
	int64 left = time_left(watch);

	if (!is_open(slot, watch))
		unwatch(s, watch);
	else if (left > 0)
		wf_scheduler_wake_at(s, s->now + left);
	else if (!*(volatile bool *) &slot->in_user_code)
		wf_scheduler_wake_at(s, s->now + RECHECK_USEC);
	else
	{
		end_process(slot, watch);
		unwatch(s, watch);
	}
}

/* ---- those that ended ---- */

static void
tell(const Lost *lost)
{
	char *where = lost->ordinal > 0 ? psprintf("step %d (\"%s\")",
											   lost->ordinal, lost->step_name)
									: pstrdup("the body");

	wf_audit_terminated(
		&lost->run_id,
		psprintf(
			"%s went on for %d ms after it was cancelled, so its process was ended",
			where, wf_cancel_grace));
	ereport(LOG,
			(errcode(ERRCODE_ADMIN_SHUTDOWN),
			 errmsg("workflow run %s went on after it was cancelled, so its process was ended",
					DatumGetCString(DirectFunctionCall1(
						uuid_out, UUIDPGetDatum(&lost->run_id))))));
}

static void
tell_all(WfScheduler *s)
{
	WfGrace *grace = s->grace;
	WfWindow w;

	if (grace->nlost == 0)
		return;
	wf_sched_begin(s, &w, "telling of ended processes");
	for (int i = 0; i < grace->nlost; i++)
		tell(&grace->lost[i]);
	wf_sched_commit(s, &w);
	grace->nlost = 0;
}

void
wf_grace_run(WfScheduler *s)
{
	WfGrace *grace = s->grace;

	tell_all(s);
	for (int i = 0; grace->nwatched > 0 && i < wf_shared->nslots; i++)
	{
		if (grace->watches[i].on)
			look(s, &wf_slots[i], &grace->watches[i]);
	}
}
