/*
 * chunk_write.h
 *		Writing the chunks of a map, or the one of a step beside the body.
 *
 * In a transaction, outside of windows.  The chunks start when it commits.
 */
#ifndef WF_PLAY_CHUNK_WRITE_H
#define WF_PLAY_CHUNK_WRITE_H

#include "play/play.h"

/* Of a step beside the body; its record gets to know the chunk. */
extern void wf_chunk_write_step(WfPlay *play, const WfWanted *asked,
								WfStep *step);

/*
 * All of a map; or, where it has a record, those that have to be done again.
 * How many there are: with none its outcome is there already.
 */
extern int wf_chunk_write_map(WfPlay *play, const WfWanted *asked);

#endif /* WF_PLAY_CHUNK_WRITE_H */
