/*
 * run_idle.h
 *		What run_idle.c and request_apply.c share.
 */
#ifndef WF_STORE_RUN_IDLE_H
#define WF_STORE_RUN_IDLE_H

#include "store/control.h"

/*
 * Has anything come for a run that waits?  Children are not looked at here: a
 * run that waits for some is woken, to look for itself.  One that is held goes
 * on when it is let, whatever comes.
 */
#define WF_SOMETHING_CAME                                \
	"(r.waiting_for = ANY (ARRAY['c', 'a']::\"char\"[])" \
	" OR r.waiting_for <> 'h'::\"char\""                 \
	"    AND EXISTS (SELECT FROM _workflow.signal g"     \
	"                 WHERE g.run_id = r.run_id"         \
	"                   AND g.taken_at IS NULL))"

/* also while it is compensated, where that takes a worker outside */
#define WF_WAITS                  \
	"(r.state = 'w'::\"char\""    \
	" OR r.state = 'k'::\"char\"" \
	"    AND r.waiting_for = 'm'::\"char\")"

/* run_id comes first, then what wf_info_fill() reads */
#define WF_INFO_COLUMNS                                          \
	"r.run_id, r.owner, r.workflow_id, r.queue_id, r.priority,"  \
	" coalesce(r.due_at, r.run_at),"                             \
	" CASE WHEN r.end_state IS NULL THEN r.deadline_at END,"     \
	" r.dedup_key IS NOT NULL,"                                  \
	" r.group_key, " WF_WAITS ","                                \
	" " WF_WAITS " AND " WF_SOMETHING_CAME ", r.due_at IS NULL," \
	" r.end_state IS NOT NULL OR r.continued_from IS NOT NULL,"  \
	" r.paused_at IS NOT NULL"
#define WF_INFO_N 14

/* Reads those columns of a row, of which the first is column 1. */
extern void wf_info_fill(uint64 row, WfWork *info);

/* how a run that is in no cell ends, or is parked */
typedef struct WfGiveUp
{
	char state;
	const char *reason;
	int32 failed_step;
	const char *code;
	const char *message;
	const char *detail;
	const char *hint;
	bool parked_too;
	bool no_undo; /* does not compensate first */
} WfGiveUp;

/*
 * Where something is registered for it, a run does not end before that is
 * undone: of.undoes then.  Otherwise a workflow_id of 0 says that the run was
 * not there to be ended.
 */
extern WfEndedOf wf_run_give_up(const pg_uuid_t *run_id, const WfGiveUp *why);

#endif /* WF_STORE_RUN_IDLE_H */
