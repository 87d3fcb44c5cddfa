/*
 * children.h
 *		What becomes of the runs that a run has started.
 */
#ifndef WF_PLAY_CHILDREN_H
#define WF_PLAY_CHILDREN_H

#include "play/record.h"

/*
 * In a window: looks for ends of single children, and records them; true when
 * there were any.
 */
extern bool wf_children_settle(WfRecord *record);

/* Does a call wait that may have children? */
extern bool wf_children_any(const WfRecord *record);

#endif /* WF_PLAY_CHILDREN_H */
