/*
 * items.h
 *		What the two kinds of maps have in common.
 *
 * The items of map() and map_task() are done by chunks, those of map_child() by
 * children.  Held ones wait, because of max_parallel, until others have ended.
 */
#ifndef WF_PLAY_ITEMS_H
#define WF_PLAY_ITEMS_H

#include "play/outcome.h"
#include "play/play.h"

struct WfTrial;

/* arguments of the calls map() and map_task(), as api/ gives them */
enum
{
	WF_MAP_ITEMS,
	WF_MAP_ON_ERROR,
	WF_MAP_MAX_PARALLEL,
	WF_MAP_POLICY,
	WF_MAP_QUEUE /* there is one for map_task() alone */
};

/* Are its items tasks, for workers outside? */
#define wf_items_are_tasks(asked) ((asked)->nargs > WF_MAP_QUEUE)

/* Are errors part of its result? */
extern bool wf_items_collect(const WfWanted *asked);

/*
 * In a window: has a map an outcome?  Fills it in.  Notes how many held
 * children may start, which the turn lets them with its writes.
 */
extern bool wf_items_settle(WfPlay *play, WfStep *step, WfOutcomeOf of);

/* With the writes of a turn: lets them start. */
extern void wf_items_release(WfPlay *play);

/* Does one item, and fills in state, result and error of "one". */
typedef void (*WfItemsPlayOne)(struct WfTrial *trial, void *arg, Jsonb *item,
							   WfStep *one);

/*
 * In a trial: one item after another.  The first that fails ends the call,
 * unless errors are collected.
 */
extern void wf_items_play(struct WfTrial *trial, WfStep *step, Jsonb *items,
						  bool collects, WfItemsPlayOne play_one, void *arg);

#endif /* WF_PLAY_ITEMS_H */
