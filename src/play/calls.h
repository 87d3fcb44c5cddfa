/*
 * calls.h
 *		The table of the kinds of calls.
 *
 * A new kind is a file play/call_<name>.c and a row here.
 *
 * Lifetime: kinds are constants.  Starters are set once, from _PG_init.
 */
#ifndef WF_PLAY_CALLS_H
#define WF_PLAY_CALLS_H

#include "play/call.h"
#include "play/starting.h"

#define WF_CALLS(ROW) \
	ROW(step)         \
	ROW(sleep)        \
	ROW(signal)       \
	ROW(task)         \
	ROW(child)        \
	ROW(item)         \
	ROW(map)          \
	ROW(map_child)    \
	ROW(any)          \
	ROW(compensate)   \
	ROW(undo)         \
	ROW(patch)

#define WF_CALL_DECLARE(name) extern const WfCallKind wf_call_##name;
WF_CALLS(WF_CALL_DECLARE)
#undef WF_CALL_DECLARE

/* The kind with this letter; NULL when there is none. */
extern const WfCallKind *wf_calls_find(char letter);

/* The same of a record, where one that is not known is an ERROR. */
extern const WfCallKind *wf_calls_get(char letter);

/* The first kind with that waits_as, which all of them name alike, or NULL. */
extern const WfCallKind *wf_calls_waiting(char waits_as);

/* Has a call of this kind a record before it has its outcome? */
extern bool wf_calls_may_wait(const WfCallKind *kind);

/* Once for each kind that code of api/ starts, from _PG_init. */
extern void wf_calls_set_starter(const WfCallKind *kind, WfStarter starter);

/* NULL: calls of this kind are not started. */
extern WfStarter wf_calls_starter(const WfCallKind *kind);

#endif /* WF_PLAY_CALLS_H */
