/*
 * owner_rights.h
 *		What the owner of a run needs to have it go on.
 *
 * The same is asked at the enqueue (api/definition_cache.c); but a run may wait
 * for a year, and what its owner, or whoever lent him to a workflow by run_as,
 * might do then he may not do now.  Whatever the run is about to do: its body,
 * a step, an undo or an item of a map.
 *
 * The verdict is kept by version.c.
 */
#ifndef WF_PLAY_OWNER_RIGHTS_H
#define WF_PLAY_OWNER_RIGHTS_H

#include "play/play.h"
#include "store/definition.h"

/*
 * Raises an error, with play->park_reason set, unless the run's owner has all
 * that it takes to have runs here, and still may have what run_as gave him.
 */
extern void wf_owner_rights_check(WfPlay *play);

/*
 * The same of the body: it may be called by the owner and, where he is a
 * superuser, was written and named by superusers.
 */
extern void wf_owner_rights_check_body(WfPlay *play, Oid function,
									   const WfBodyRow *row);

#endif /* WF_PLAY_OWNER_RIGHTS_H */
