/*
 * check_run.h
 *		Replaying a run with another body, to see whether it would break.
 *
 * It is done inside the body of a run of its own (see store/check.h), so in an
 * executor of the run's owner, in a read-only subtransaction that is rolled
 * back.  The run that is checked may go on meanwhile: what had been recorded
 * when it was read is what counts, and nothing of it is written.
 */
#ifndef WF_PLAY_CHECK_RUN_H
#define WF_PLAY_CHECK_RUN_H

#include "store/run.h"

/* What became of it. */
typedef struct WfChecked
{
	bool ok;
	int ordinal; /* where it breaks; 0: before its first call */
	WfError error;
} WfChecked;

/*
 * Replays a run of the current user with this body, without writing anything;
 * one that has ended meanwhile is fine.  In the body of the run that is played.
 */
extern void wf_check_run(const pg_uuid_t *run_id, int32 body_id,
						 WfChecked *out);

#endif /* WF_PLAY_CHECK_RUN_H */
