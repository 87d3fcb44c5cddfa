/*
 * run_idle.h
 *		How a run that is in no cell ends: for run_idle.c and request_apply.c.
 */
#ifndef WF_STORE_RUN_IDLE_H
#define WF_STORE_RUN_IDLE_H

#include "store/control.h"
#include "store/run_info.h"

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
