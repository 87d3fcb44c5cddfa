/*
 * run_info.h
 *		The columns of a run that a scheduler keeps in memory (WfWork).
 *
 * Every statement that tells the scheduler of runs selects WF_INFO_COLUMNS of
 * a row "r" of _workflow.run, and reads them with wf_info_fill().
 */
#ifndef WF_STORE_RUN_INFO_H
#define WF_STORE_RUN_INFO_H

#include "store/control.h"

/*
 * Has anything come for a run that waits?  Children are not looked at here: a
 * run that waits for some is woken, to look for itself.  One that is held goes
 * on when it is let, whatever comes.  What no run can wait for has come: its
 * executor sees that the row is not sound, and parks the run.
 */
#define WF_SOMETHING_CAME                                   \
	"(r.waiting_for = ANY (ARRAY['c', 'a']::\"char\"[])"    \
	" OR r.waiting_for IS NULL"                             \
	" OR r.waiting_for <> ALL"                              \
	"    (ARRAY['t', 'g', 'c', 'm', 'a', 'h']::\"char\"[])" \
	" OR r.waiting_for <> 'h'::\"char\""                    \
	"    AND EXISTS (SELECT FROM _workflow.signal g"        \
	"                 WHERE g.run_id = r.run_id"            \
	"                   AND g.taken_at IS NULL))"

/* also while it is compensated, where that takes a worker outside */
#define WF_WAITS                  \
	"(r.state = 'w'::\"char\""    \
	" OR r.state = 'k'::\"char\"" \
	"    AND r.waiting_for = 'm'::\"char\")"

/*
 * Has user code of this run "r" been at work?  Of one that is parked and has
 * not begun nothing else is set; one that is held keeps its place, too.
 */
#define WF_HAS_BEGUN                                           \
	"(r.started_at IS NOT NULL OR r.body_attempts IS NOT NULL" \
	" OR r.crashes IS NOT NULL OR r.end_state IS NOT NULL"     \
	" OR r.waiting_for <> 'x'::\"char\""                       \
	" OR EXISTS (SELECT FROM _workflow.step b"                 \
	"             WHERE b.run_id = r.run_id"                   \
	"               AND b.started_at >= r.enqueued_at))"

/* run_id comes first, then what wf_info_fill() reads */
#define WF_INFO_COLUMNS                                          \
	"r.run_id, r.owner, r.workflow_id, r.queue_id, r.priority,"  \
	" coalesce(r.due_at, r.run_at),"                             \
	" CASE WHEN r.end_state IS NULL THEN r.deadline_at END,"     \
	" r.dedup_key IS NOT NULL,"                                  \
	" r.group_key, " WF_WAITS ","                                \
	" " WF_WAITS " AND " WF_SOMETHING_CAME ", r.due_at IS NULL," \
	" r.end_state IS NOT NULL OR r.continued_from IS NOT NULL,"  \
	" r.paused_at IS NOT NULL, r.place"
#define WF_INFO_N 15

/* Reads those columns of a row, of which the first is column 1. */
extern void wf_info_fill(uint64 row, WfWork *info);

#endif /* WF_STORE_RUN_INFO_H */
