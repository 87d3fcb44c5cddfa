/*
 * announce.c
 *		Who hears that a run has ended.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "executor/announce.h"
#include "executor/family.h"
#include "ipc/queue_stats.h"
#include "ipc/stats.h"
#include "ipc/wakeup.h"

/* The run has ended, is parked or goes on: its workflow and its queue count. */
static void
count(const WfRun *run, WfCounter counter, WfQueueCounter of_queue)
{
	if (wf_run_is_chunk(run))
		return;
	wf_stats_add(MyDatabaseId, run->workflow_id, counter, 1);
	wf_queue_count(MyDatabaseId, run->queue_id, of_queue, 1);
}

static void
count_end(const WfRun *run, const WfTurn *turn)
{
	switch (turn->end.state)
	{
		case WF_RUN_SUCCEEDED:
			count(run, WF_COUNT_SUCCEEDED, WF_QCOUNT_SUCCEEDED);
			if (turn->continues != NULL)
				count(run, WF_COUNT_ENQUEUED, WF_QCOUNT_ENQUEUED);
			break;
		case WF_RUN_FAILED:
			count(run, WF_COUNT_FAILED, WF_QCOUNT_FAILED);
			break;
		case WF_RUN_CANCELLED:
			count(run, WF_COUNT_CANCELLED, WF_QCOUNT_CANCELLED);
			break;
		default:
			count(run, WF_COUNT_PARKED, WF_QCOUNT_PARKED);
			break;
	}
}

/* What an operator may have to see to; a chunk's parent will say it. */
static void
log_end(const WfRun *run, const WfTurn *turn)
{
	const char *code = turn->error.code;

	if ((turn->end.state != WF_RUN_FAILED &&
		 turn->end.state != WF_RUN_PARKED) ||
		wf_run_is_chunk(run))
		return;
	ereport(LOG,
			(errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3],
								   code[4])),
			 errmsg("workflow run %s %s with SQLSTATE %s",
					DatumGetCString(DirectFunctionCall1(
						uuid_out, UUIDPGetDatum(&run->run_id))),
					turn->end.state == WF_RUN_FAILED ? "failed" : "was parked",
					code)));
}

void
wf_announce_turn(WfExecutor *executor, const WfTurn *turn)
{
	const WfRun *run = &executor->play.record.run;

	if (!turn->has_end)
		return;
	count_end(run, turn);
	log_end(run, turn);
	ConditionVariableBroadcast(wf_wait_channel(&run->run_id));
	if (wf_run_is_final(turn->end.state) && run->has_parent)
		wf_family_after_end(executor, turn->end.state);
}
