/*
 * replay.h
 *		Matching what a body asks for against what was recorded.
 *
 * Pure.  A replay walks the recorded calls from ordinal 1; the body's n-th
 * call must equal the n-th record in kind, name and fingerprint.  The first
 * call past the end is the one wanted.  When the body ends, every record must
 * have been asked for.
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
 * "ordinal" is 1-based.  A record in state retrying or started counts as
 * wanted, one in state waiting as waiting, but must match in kind, name and
 * fingerprint as well.
 */
extern WfMatch wf_replay_match(const WfRecorded *records, int nrecords,
							   int ordinal, char kind, const char *name,
							   uint64 fingerprint);

/*
 * Called when the body has ended after asking for "asked" calls: the ordinal
 * of the first record it did not ask for, or 0 when all were.
 */
extern int wf_replay_leftover(int nrecords, int asked);

#endif /* WF_CORE_REPLAY_H */
