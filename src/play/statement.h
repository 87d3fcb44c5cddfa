/*
 * statement.h
 *		The statement of a step.
 *
 * Owns: the process's cache of plans.
 */
#ifndef WF_PLAY_STATEMENT_H
#define WF_PLAY_STATEMENT_H

#include "play/play.h"

/*
 * Runs the statement of play->wanted; its value, allocated in "cxt".  The
 * caller deals with what it leaves behind in transaction and session.
 */
extern Jsonb *wf_statement_run(WfPlay *play, MemoryContext cxt);

#endif /* WF_PLAY_STATEMENT_H */
