/*
 * sanity.h
 *		Whether a run was loaded in a state that it can have reached.
 */
#ifndef WF_PLAY_SANITY_H
#define WF_PLAY_SANITY_H

#include "play/play.h"

/*
 * Raises an error, with play->park_reason set, where row and record contradict
 * themselves (core/sound.h); nothing is left of the record then.
 */
extern void wf_sanity_check(WfPlay *play);

#endif /* WF_PLAY_SANITY_H */
