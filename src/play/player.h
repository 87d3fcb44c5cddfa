/*
 * player.h
 *		One replay of a body.
 *
 * A replay is one call of the body in an internal subtransaction that is
 * read-only and always rolled back, also after a normal return.  XactReadOnly
 * cannot be switched off inside a subtransaction, so whatever the body calls
 * can write neither tables nor sequences.
 *
 * The body leaves early when it asks for something that is not recorded: the
 * word raises QUERY_CANCELED, which WHEN OTHERS does not catch.  A body in a
 * language whose handlers catch everything is noticed by replay.unwinding: each
 * further word raises again, and whatever the body returns is not looked at.
 * One that catches it WF_MAX_SWALLOWED times is left through a long jump past
 * its handlers.  That may leave its language's interpreter with a stack that
 * does not fit, so the process ends after the run has been parked.
 *
 * Owns: play->replay, but for what words do with it.  Locking: what the body
 * takes, until the subtransaction is rolled back.
 */
#ifndef WF_PLAY_PLAYER_H
#define WF_PLAY_PLAYER_H

#include "play/play.h"

typedef enum WfReplayEnd
{
	WF_REPLAY_WANTS,	 /* a call is wanted: play->asked */
	WF_REPLAY_WAITS,	 /* body needs the outcome of a call that waits */
	WF_REPLAY_ENDED,	 /* body returned: replay.result */
	WF_REPLAY_CONTINUES, /* body asked to begin anew: replay.continues */
	WF_REPLAY_ERROR,	 /* body raised: replay.error */
	WF_REPLAY_DIFFERENT, /* not what was recorded: replay.error */
	WF_REPLAY_SWALLOWED, /* body keeps catching our unwinding */
	WF_REPLAY_CANCELLED, /* cancelled from outside */
	WF_REPLAY_LATER		 /* time for it was up: nothing is known */
} WfReplayEnd;

/*
 * Replays play->version, which is ready.  In a transaction, no window open.
 * "bounded": gives up after a few milliseconds.
 */
extern WfReplayEnd wf_player_replay(WfPlay *play, bool bounded);

/* Of a replay that was SWALLOWED: fills in the error, without a hint. */
extern void wf_player_set_swallowed(WfError *error);

#endif /* WF_PLAY_PLAYER_H */
