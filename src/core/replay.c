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
	if (record->state == WF_STEP_RETRYING)
		return WF_MATCH_WANTED;
	if (record->kind != kind || strcmp(record->name, name) != 0 ||
		(record->fingerprint != fingerprint &&
		 record->fingerprint != WF_FINGERPRINT_ANY))
		return WF_MATCH_DIFFERENT;
	if (record->state == WF_STEP_STARTED)
		return WF_MATCH_WANTED;
	if (record->state == WF_STEP_WAITING)
		return WF_MATCH_WAITING;
	return WF_MATCH_RECORDED;
}

bool
wf_replay_obliges(const WfRecorded *record)
{
	return record->kind == WF_STEP_KIND_COMPENSATE &&
		   record->fingerprint != WF_FINGERPRINT_ANY;
}

int
wf_replay_leftover(const WfRecorded *records, int nrecords, int asked)
{
	for (int i = asked; i < nrecords; i++)
	{
		if (records[i].state != WF_STEP_RETRYING)
			return i + 1;
	}
	return 0;
}
