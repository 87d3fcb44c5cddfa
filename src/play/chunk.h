/*
 * chunk.h
 *		Chunks: parts of a run that are runs of their own, to be done by other
 *		executors.
 *
 * A chunk is some items of a map, or one step beside the body (core/state.h).
 * Its steps are ordinary ones, with transactions, retries, records and crash
 * accounting; but its body is built in, and it is nobody's business but its
 * parent's.  It has workflow and body version of its parent, for search_path,
 * policy and pauses.
 *
 * Its input:
 *
 *	name, command	of each step
 *	types, values	of its arguments, as text; a policy is the first
 *	items			map: of each step one, which is the argument after these
 *	first			map: number of the first of them, from 1
 *	collects		map: a step that fails does not end it
 *	tasks			map: each step is a task, and the command a queue
 *	queue			of the parent, for its policy
 *
 * Its result is what the step came to; for a map an array with what each item
 * came to.
 */
#ifndef WF_PLAY_CHUNK_H
#define WF_PLAY_CHUNK_H

#include "store/run.h"

/* The queue whose policy holds for the run's steps; of any run. */
extern int32 wf_chunk_queue(const WfRun *run);

/* Number in the map of the item of this step, or 0 if it is no map. */
extern int32 wf_chunk_number(const WfRun *run, int ordinal);

/* A field of the input, or NULL. */
extern JsonbValue *wf_chunk_field(const Jsonb *input, const char *key);

#endif /* WF_PLAY_CHUNK_H */
