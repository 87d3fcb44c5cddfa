/*
 * version.h
 *		Body versions: found, and made ready to be called.
 *
 * Owns: the process's cache of them.
 *
 * Lifetime: versions are kept for the life of the process, each once for every
 * queue it ran in, whose policy is kept with it.  They are read again when the
 * database's `definitions` counter has moved.  With them is kept that the run's
 * owner may have them called (owner_rights.h): until anything that this rests
 * on changes, functions, schemas, roles, memberships or the database (syscache
 * callbacks), which each turn learns of as it begins its transaction.  So a
 * right that is taken away is missed from the next turn on, and while nothing
 * changes a turn compares two numbers.
 */
#ifndef WF_PLAY_VERSION_H
#define WF_PLAY_VERSION_H

#include "fmgr.h"
#include "play/play.h"

/* From the start of an executor, so that no change is missed. */
extern void wf_version_init(void);

/*
 * Finds (and resolves, if need be) the run's body, sets play->version, and
 * puts its search_path in force.  In a transaction, no window open.  Raises an
 * error, with play->park_reason set, when the body cannot be called.
 */
extern void wf_version_prepare(WfPlay *play);

/* Is what that has asked still so?  Nothing is looked up for the answer. */
extern bool wf_version_is_checked(const WfPlay *play);

/* The settings were read anew: nothing of what was allowed holds any more. */
extern void wf_version_forget(void);

/*
 * Puts its search_path in force again, where a turn that failed took it back.
 * In a transaction.  In a trial it holds for the present GUC nest level.
 */
extern void wf_version_force_path(const WfPlay *play);

extern const char *wf_version_search_path(const WfVersion *version);
extern const WfPolicy *wf_version_policy(const WfVersion *version);
extern bool wf_version_parks(const WfVersion *version);
extern FmgrInfo *wf_version_function(WfVersion *version);

#endif /* WF_PLAY_VERSION_H */
