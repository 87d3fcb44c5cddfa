/*
 * sched_shortage.c
 *		What is short in this database: shown in views, and told in the log.
 *
 * The plan knows what runs have met (core/plan_slow.c).  A missing synchronous
 * standby meets nobody as an error: commits wait, so it is looked for in shared
 * memory, once a second and only while runs are in executors' hands and
 * synchronous_standby_names is set.
 *
 * The log has a line when a shortage begins, one a minute while it lasts, and
 * one when it is over; the executors' own lines, and these, are at most one a
 * second together (wf_shortage_may_log()).  An episode that is over before it
 * could be told is not told at all.
 *
 * Must not: run SQL, or wait.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "replication/syncrep.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "core/plan_state.h"
#include "ipc/shortage.h"
#include "scheduler/scheduler.h"

#define STANDBY_LOOK_USEC USECS_PER_SEC
#define LOG_EVERY_USEC	  (60 * USECS_PER_SEC)

/* ---- a missing standby ---- */

/* Does a commit wait for one at all? */
static bool
standbys_are_wanted(void)
{
	return SyncRepConfig != NULL && SyncRepConfig->num_sync > 0;
}

static bool
standbys_are_missing(void)
{
	SyncRepStandbyData *standbys;

	return SyncRepGetCandidateStandbys(&standbys) < SyncRepConfig->num_sync;
}

/* Does a commit of an executor of ours wait for one? */
static bool
some_commit_waits(WfScheduler *s)
{
	bool waits = false;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	for (int i = 0; i < s->plan->nused && !waits; i++)
	{
		const PGPROC *proc = wf_slots[s->plan->used[i]].proc;

		waits = proc != NULL && *(volatile const int *) &proc->syncRepState ==
									SYNC_REP_WAITING;
	}
	LWLockRelease(wf_shared->lock);
	return waits;
}

/* Sets s->standby_since; a wait of a moment is none. */
static void
look_for_standbys(WfScheduler *s)
{
	if (!standbys_are_wanted() || s->plan->ncells == 0)
	{
		s->standby_since = 0;
		return;
	}
	wf_scheduler_wake_at(s, s->now + STANDBY_LOOK_USEC);
	if (!some_commit_waits(s) || !standbys_are_missing())
		s->standby_since = 0;
	else if (s->standby_since == 0 || s->standby_since > s->now)
		s->standby_since = s->now;
}

/* ---- the log ---- */

static const char *
hint_for(WfShortage kind)
{
	switch (kind)
	{
		case WF_SHORTAGE_DISK:
			return "Free disk space.";
		case WF_SHORTAGE_MEMORY:
			return "Free memory, or lower \"work_mem\" or \"workflow.executors\".";
		case WF_SHORTAGE_LOCKS:
			return "End what holds many locks, or increase \"max_locks_per_transaction\".";
		case WF_SHORTAGE_CONNECTIONS:
			return "Close connections, or raise the CONNECTION LIMIT of the role or database.";
		case WF_SHORTAGE_STANDBY:
			return "Start the standby again, or change \"synchronous_standby_names\".";
		default:
			return NULL;
	}
}

static void
tell_shortage(WfScheduler *s, WfShortage kind, TimestampTz since)
{
	char text[sizeof(s->db->shortage_text)];

	wf_shortage_noted(s->db, text);
	if (kind == WF_SHORTAGE_STANDBY)
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("workflow is short of %s since %s",
						wf_shortage_kind_noun(kind), timestamptz_to_str(since)),
				 errdetail("Commits of executors wait for one."),
				 errhint("%s", hint_for(kind))));
	else
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("workflow is short of %s since %s",
						wf_shortage_kind_noun(kind), timestamptz_to_str(since)),
				 errdetail("%u runs have met it%s%s. Until it is over, one at a time is tried.",
						   s->nmet, text[0] != '\0' ? "; the engine has met: " : "",
						   text),
				 errhint("%s", hint_for(kind))));
}

static void
tell_over(WfScheduler *s)
{
	ereport(LOG,
			(errmsg("workflow is not short of %s any more",
					wf_shortage_kind_noun(s->db->shortage_told)),
			 errdetail("%u runs had met it.", s->nmet)));
}

static void
tell(WfScheduler *s, WfShortage kind, TimestampTz since)
{
	WfDatabase *db = s->db;
	bool again = db->shortage_told_at > s->now ||
				 s->now - db->shortage_told_at >= LOG_EVERY_USEC;

	if (kind == db->shortage_told && (kind == WF_SHORTAGE_NONE || !again))
		return;
	if (!wf_shortage_may_log(db))
	{
		wf_scheduler_wake_at(s, s->now + USECS_PER_SEC);
		return;
	}
	if (kind != WF_SHORTAGE_NONE)
		tell_shortage(s, kind, since);
	else
		tell_over(s);
	db->shortage_told = kind;
	db->shortage_told_at = s->now;
}

/* ---- all of it ---- */

void
wf_sched_shortage_take_over(WfScheduler *s)
{
	if (s->db->shortage != WF_SHORTAGE_NONE &&
		s->db->shortage != WF_SHORTAGE_STANDBY)
		wf_plan_short(s->plan, s->now, s->db->shortage);
}

void
wf_sched_shortage_show(WfScheduler *s)
{
	WfDatabase *db = s->db;
	WfPlanShortage known;

	wf_plan_shortage(s->plan, &known);
	look_for_standbys(s);
	if (known.kind != WF_SHORTAGE_NONE)
		s->nmet = known.nmet;
	else if (s->standby_since != 0 &&
			 s->now - s->standby_since >= STANDBY_LOOK_USEC)
	{
		known.kind = WF_SHORTAGE_STANDBY;
		known.since = s->standby_since;
		s->nmet = 0;
	}
	else
		db->shortage_ends = 0;

	/* one that goes on may be older than we are */
	if (known.kind != db->shortage || known.since < db->shortage_since)
	{
		db->shortage_since = known.since;
		db->shortage = known.kind;
	}
	tell(s, known.kind, db->shortage_since);
	if (known.kind == WF_SHORTAGE_NONE && db->shortage_told == known.kind &&
		db->shortage_text[0] != '\0')
		wf_shortage_note("");
}
