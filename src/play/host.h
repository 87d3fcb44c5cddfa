/*
 * host.h
 *		The process in which a run is played, as seen from play/.
 *
 * An executor and a trial fill in a WfHost each (executor/user_code.c and
 * play/trial.c).
 * Everything that play/ needs of its process goes through here, so no code of
 * play/ asks which of the two it is.
 *
 * Lifetime: a host lives as long as the plays that point to it.
 */
#ifndef WF_PLAY_HOST_H
#define WF_PLAY_HOST_H

#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* how long the replay after a step may hold up that step's commit */
#define WF_BOUNDED_REPLAY_USEC 5000

/* what has come from outside while the body was replayed */
typedef enum WfOutside
{
	WF_OUTSIDE_NOTHING,
	WF_OUTSIDE_CANCEL, /* the run must end */
	WF_OUTSIDE_AGAIN   /* the replay was disturbed, and shows nothing */
} WfOutside;

typedef struct WfHost WfHost;

struct WfHost
{
	bool in_session;		/* of a client, in a trial */
	const char *then_retry; /* end of a hint: what to do after repair */
	GucAction path_action;	/* how the search_path of a body is set */

	/*
	 * Around user code: marks for the crash accounting, and cancel interrupts
	 * let through.  Outside of it they are held, so that a cancel can never
	 * hit the engine's own writes.  A NULL run_id leaves the marks alone.
	 * leave() is also called after an ERROR.
	 */
	void (*enter)(WfHost *host, const pg_uuid_t *run_id, int ordinal,
				  int attempt);
	void (*leave)(WfHost *host, bool marked);

	/* after the rollback of a replay: drops what survives one in a session */
	void (*clean)(WfHost *host);

	/* Has what is to end user code been raised, and is it still running? */
	bool (*is_interrupted)(WfHost *host);

	/*
	 * After user code.  "interrupted" is what is_interrupted() said before
	 * leave(), "code" the SQLSTATE of what the body raised, or NULL.
	 */
	WfOutside (*came)(WfHost *host, bool interrupted, const char *code);

	/* ends user code after so many microseconds */
	void (*start_timer)(WfHost *host, int64 usec);
	void (*stop_timer)(WfHost *host);

	/* The body has made it unsafe for the process to go on after this run. */
	void (*retire)(WfHost *host);

	/* at most WF_MAX_PROGRESS bytes */
	void (*show_progress)(WfHost *host, const Jsonb *progress);
};

#endif /* WF_PLAY_HOST_H */
