/*
 * replay.c
 *		Matching what a body asks for against what was recorded.
 */
#include "postgres.h"

#include "core/replay.h"
#include "core/state.h"

WfMatch
wf_replay_match(const WfRecorded *records, int nrecords, int ordinal,
				char kind, const char *name, uint64 fingerprint)
{
	const WfRecorded *record;

	Assert(ordinal > 0);
	if (ordinal > nrecords)
		return WF_MATCH_WANTED;

	record = &records[ordinal - 1];
	if (record->kind != kind || strcmp(record->name, name) != 0 ||
		(record->fingerprint != fingerprint &&
		 record->fingerprint != WF_FINGERPRINT_ANY))
		return WF_MATCH_DIFFERENT;
	if (record->state == WF_STEP_RETRYING || record->state == WF_STEP_STARTED)
		return WF_MATCH_WANTED;
	if (record->state == WF_STEP_WAITING)
		return WF_MATCH_WAITING;
	return WF_MATCH_RECORDED;
}

int
wf_replay_leftover(int nrecords, int asked)
{
	return asked < nrecords ? asked + 1 : 0;
}
