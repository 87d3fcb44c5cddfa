/*
 * play.h
 *		A run that is played: its record, the replay under way, and the call
 *		that comes next.
 *
 * A run is played by its executor, by a trial in a client's process, and by a
 * check of another body inside a body.  Each has a WfPlay, and a WfHost for
 * what only the process can do.
 *
 * Owns: WfPlay and WfReplay, and wf_playing: the play whose words are answered
 * in this process.
 *
 * Must not: begin, commit or abort a transaction.  That is for the host, whose
 * commit takes along what calls have written (chunk_write.c, settling).
 *
 * Locking: what the user's code takes.  Nothing of it is kept over a commit.
 *
 * Lifetime: a WfReplay is reset as a whole when a replay begins, and tells of
 * it until the next one.  The rest is reset by wf_play_begin() for each run.
 */
#ifndef WF_PLAY_PLAY_H
#define WF_PLAY_PLAY_H

#include <setjmp.h>

#include "nodes/pg_list.h"
#include "play/host.h"
#include "play/record.h"
#include "play/wanted.h"

/* whose code runs */
typedef enum WfPlace
{
	WF_PLACE_ENGINE,
	WF_PLACE_BODY,
	WF_PLACE_STEP
} WfPlace;

/* where a body has left its record */
typedef struct WfDifference
{
	int ordinal;			/* 0: nowhere */
	const WfCallKind *kind; /* of what it asked for instead */
	char *name;
} WfDifference;

typedef struct WfReplay
{
	int asked;		 /* recorded calls taken so far */
	TimestampTz now; /* what now() says */
	uint32 derived;	 /* now/random/uuid since the last call */
	List *patches;	 /* what patched() has answered */
	int raised_step; /* last recorded failure raised, or 0 */
	List *heard;	 /* recorded failures that were raised, in pairs: the
					  * ordinal, and how many calls had been asked for */

	/* the body has to end, because */
	bool unwinding;
	WfDifference different; /* ... it differs from the record */
	Jsonb *continues;		/* ... it asked for the run to go on with this */
	bool blocked;			/* ... a call it needs waits: */
	int blocked_on;			/* its ordinal */
	int max_parallel;		/* where that is a map of children: see WfCall */
	bool collects;
	int room_for; /* a map of which some more may start, or 0 */
	int room;	  /* ... so many */

	/* a body that keeps catching what is to end it */
	int swallowed;		 /* how often */
	sigjmp_buf *way_out; /* past its handlers */
	bool stuck;			 /* that way was taken */

	/* how it ended */
	bool slow;	   /* took longer than a step may wait for it */
	Jsonb *result; /* in the context of the record, as is the error */
	WfError error;
} WfReplay;

typedef struct WfVersion WfVersion;

typedef struct WfPlay
{
	WfHost *host;
	MemoryContext scratch; /* of one turn; the host resets it */
	WfVersion *version;	   /* of the body; see version.h */
	WfRecord record;
	WfReplay replay;
	WfPlace place;
	WfWanted wanted; /* the call to be made next */
	WfWanted asked;	 /* what the last replay has asked for */
	WfPending pending;
	uint64 checked;			 /* what its rights rest on; see version.h */
	const char *park_reason; /* of the run, if an ERROR comes now; or NULL */
	int progress_place;		 /* which call of the body said what is shown */
	bool checks;			 /* only looks whether a body still fits */
} WfPlay;

/* NULL where no run is played. */
extern WfPlay *wf_playing;

/* Makes one, with nothing in it; its contexts become children of "parent". */
extern void wf_play_init(WfPlay *play, WfHost *host, MemoryContext parent);

/* Forgets the run before. */
extern void wf_play_begin(WfPlay *play);

/* What the last replay has asked for is the call to be made. */
extern void wf_play_adopt(WfPlay *play);

/* After an abort: nothing of what is not committed is known any more. */
extern void wf_play_take_back(WfPlay *play);

/* The policy of the workflow, else of the queue, else the default. */
extern void wf_play_body_policy(const WfPlay *play, WfPolicy *policy);

/* The policy of play->wanted: of the call, or else that of the body. */
extern void wf_play_policy(const WfPlay *play, WfPolicy *policy);

/* play->wanted as a row; the caller sets state and outcome. */
extern void wf_play_fill_step(WfPlay *play, const WfPolicy *policy,
							  WfStep *step);

#endif /* WF_PLAY_PLAY_H */
