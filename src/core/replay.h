/*
 * replay.h
 *		Matching what a body asks for against what was recorded.
 *
 * Pure.  A replay walks the recorded calls from ordinal 1; the body's n-th
 * call must equal the n-th record in kind, name and fingerprint.  The first
 * call past the end is the one wanted.  When the body ends, every record must
 * have been asked for.
 *
 * Records in state retrying are not compared: their last attempt has failed,
 * and the next one has not begun, so nothing rests on how the call was worded.
 * The body may ask for another call in that place, or for none at all.
 */
#ifndef WF_CORE_REPLAY_H
#define WF_CORE_REPLAY_H

/*
 * The fingerprint of a record that was copied from another run: its outcome
 * was given, not asked for with these arguments, so only kind and name count.
 */
#define WF_FINGERPRINT_ANY UINT64CONST(0)

typedef struct WfRecorded
{
	char kind;	/* WF_STEP_KIND_... */
	char state; /* WF_STEP_... */
	uint64 fingerprint;
	const char *name;
} WfRecorded;

typedef enum WfMatch
{
	WF_MATCH_RECORDED, /* take the recorded outcome */
	WF_MATCH_WANTED,   /* not recorded, or recorded without outcome */
	WF_MATCH_WAITING,  /* begun; its outcome comes from elsewhere */
	WF_MATCH_DIFFERENT /* non-deterministic body */
} WfMatch;

/*
 * Does this record register an undo of its own run?  What was copied does not:
 * it stays with the run that made the call.
 */
extern bool wf_replay_obliges(const WfRecorded *record);

/*
 * "ordinal" is 1-based.  A record in state retrying counts as wanted, whatever
 * it says; one in state started counts as wanted and one in state waiting as
 * waiting, but both must match in kind, name and fingerprint as well.
 */
extern WfMatch wf_replay_match(const WfRecorded *records, int nrecords,
							   int ordinal, char kind, const char *name,
							   uint64 fingerprint);

/*
 * Called when the body has ended after asking for "asked" calls: the ordinal
 * of the first record that it should have asked for, or 0 when there is none.
 */
extern int wf_replay_leftover(const WfRecorded *records, int nrecords,
							  int asked);

#endif /* WF_CORE_REPLAY_H */
