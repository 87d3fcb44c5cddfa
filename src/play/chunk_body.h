/*
 * chunk_body.h
 *		The body of a chunk: asks for one step after the other.
 */
#ifndef WF_PLAY_CHUNK_BODY_H
#define WF_PLAY_CHUNK_BODY_H

#include "utils/jsonb.h"

struct WfPlay;

/* Called as bodies are, in a replay. */
extern Jsonb *wf_chunk_body_run(struct WfPlay *play);

#endif /* WF_PLAY_CHUNK_BODY_H */
