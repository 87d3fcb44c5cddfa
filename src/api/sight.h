/*
 * sight.h
 *		Who may see what.
 *
 * The owner of a row, and members of his role, read it.  Monitors, that is
 * members of pg_monitor and of the roles of grant_monitor(), see that a row is
 * there, without its contents, as long as they may use schema workflow.
 */
#ifndef WF_API_SIGHT_H
#define WF_API_SIGHT_H

#include "store/request.h"

/*
 * Does the current user see that there are rows of all owners?  No window may
 * be open.
 */
extern bool wf_sight_of_all(void);

/*
 * Reads a run for the current user, as wf_run_look() does, also for one who may
 * see it without its contents: then the error in it is without its texts, and
 * the answer is false.
 */
extern bool wf_sight_of_run(const pg_uuid_t *run_id, WfRunView *out);

/* Takes the texts out of an error and leaves its code. */
extern void wf_sight_hide(WfError *error);

#endif /* WF_API_SIGHT_H */
