/*
 * call_patch.h
 *		patched()
 */
#ifndef WF_PLAY_CALL_PATCH_H
#define WF_PLAY_CALL_PATCH_H

/*
 * Has the run the patch of this id?  The first time that a replay asks, a run
 * that has come no further gets a record of it, and one that recorded another
 * call at this point has not got it.  The answer holds for the whole run.
 */
extern bool wf_call_patch_has(const char *id);

#endif /* WF_PLAY_CALL_PATCH_H */
