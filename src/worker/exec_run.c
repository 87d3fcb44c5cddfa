/*
 * exec_run.c
 *		The life of a run in an executor, turn by turn (see exec.h).
 *
 * A turn first works out what it will write (WfTurn), with user code running,
 * and then writes all of it in one owner window and commits.  An ERROR on the
 * way aborts the transaction, and by exec->where it means:
 *
 *	in the step		the attempt failed: try again, or record the failure
 *	in the engine	the run cannot go on: park it, or look again later
 *
 * What is in memory of the run is then still what is committed; only the step
 * of this very turn has to be taken back (`provisional`).
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/spi.h"
#include "base/stoppoint.h"
#include "core/state.h"
#include "store/control.h"
#include "store/message_task.h"
#include "store/undo.h"
#include "worker/exec_turn.h"
#include "worker/queue_stats.h"
#include "worker/stats.h"
#include "worker/wakeup.h"

/* how long a run that the engine could not load or record is left alone */
#define WF_TROUBLE_DELAY_USEC (2 * USECS_PER_SEC)

/* ---- writing ---- */

static void
write_steps(WfExec *exec)
{
	WfWindow window;

	for (int i = 0; i < exec->nwrites; i++)
	{
		const WfWrite *write = &exec->writes[i];
		const WfStep *step = &exec->steps[write->ordinal - 1];

		if (!write->exists)
		{
			wf_step_insert(&exec->run.run_id, step);
			continue;
		}
		wf_window_open(&window);
		wf_step_update(&exec->run.run_id, step);
		wf_window_close(&window);
	}
}

WF_NORETURN static void
raise_gone(WfExec *exec)
{
	exec->gone = true;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the workflow run has ended otherwise")));
	pg_unreachable();
}

/* The run's row, where it ends. */
static void
write_end(WfExec *exec, WfTurn *turn)
{
	WfRunEnd *end = &turn->end;
	WfWindow window;
	bool done;

	end->progress = wf_shown_progress(exec);
	if (turn->continues != NULL)
		done = wf_exec_continue(exec, turn);
	else if (!turn->undo_ends)
		done = wf_run_end(&exec->run, end);
	else
	{
		wf_window_open(&window);
		done = wf_undo_finish(&exec->run.run_id, end->finished_at, end->blocks,
							  exec->error.code);
		wf_window_close(&window);
	}
	if (!done)
		raise_gone(exec);
}

/* The run's row, where it has not ended; the state it is in then. */
static char
write_run(WfExec *exec, WfTurn *turn)
{
	WfWindow window;
	char state = wf_undo_runs(exec) ? WF_RUN_COMPENSATING
				 : turn->has_wait	? WF_RUN_WAITING
									: WF_RUN_QUEUED;

	/* what it has waited for is taken: nothing may wait for that any more */
	bool resumed =
		exec->nwrites > 0 && (exec->run.state == WF_RUN_WAITING ||
							  (exec->run.state == WF_RUN_COMPENSATING &&
							   exec->run.waiting_for == WF_WAIT_TASK));

	if (!turn->has_later && !turn->has_wait && !resumed &&
		!turn->undo_begins &&
		!(turn->has_end && turn->end.state == WF_RUN_CANCELLED))
		return exec->run.state;
	wf_window_open(&window);
	if (turn->undo_begins)
	{
		if (!wf_undo_begin(&exec->run.run_id, &turn->end))
			raise_gone(exec);
		wf_request_delete_for(&exec->run.run_id);
		state = WF_RUN_COMPENSATING;
	}
	else if (turn->has_later)
		wf_run_retry_later(&exec->run.run_id, turn->due_at,
						   turn->body_attempts, &exec->error,
						   wf_shown_progress(exec));
	else if (turn->has_wait)
		wf_run_wait(&exec->run.run_id, turn->waiting_for, turn->due_at,
					exec->run.started_at, wf_shown_progress(exec));
	else if (turn->has_end)
		wf_request_delete_for(&exec->run.run_id);
	else
	{
		wf_run_resume(&exec->run.run_id);
		exec->run.waiting_for = '\0';
	}
	wf_window_close(&window);
	return turn->has_end ? exec->run.state : state;
}

static void
count(WfExec *exec, WfCounter counter, uint64 amount)
{
	wf_stats_add(MyDatabaseId, exec->run.workflow_id, counter, amount);
}

/* What was written is committed. */
static void
count_steps(WfExec *exec)
{
	for (int i = 0; i < exec->nwrites; i++)
	{
		const WfStep *step = &exec->steps[exec->writes[i].ordinal - 1];

		/* what chunks did is counted with them */
		if (step->match.state == WF_STEP_DONE &&
			step->match.kind != WF_STEP_KIND_ITEM &&
			step->match.kind != WF_STEP_KIND_MAP)
		{
			count(exec, WF_COUNT_STEPS, 1);
			exec->slot->steps++;
		}
		if (step->match.kind == WF_STEP_KIND_STEP)
			count(exec, WF_COUNT_STEP_USEC,
				  Max(step->finished_at - step->started_at, 0));
	}
	exec->nwrites = 0;
}

/* Nobody waits for the tasks of a run that has ended. */
static void
withdraw_tasks(WfExec *exec)
{
	WfWindow window;
	int64 *ids;
	int n;
	bool any = false;

	for (int i = 0; i < exec->nsteps && !any; i++)
		any = exec->steps[i].message_id != 0 &&
			  exec->steps[i].match.state == WF_STEP_WAITING;
	if (!any)
		return;
	wf_window_open(&window);
	n = wf_task_withdraw(&exec->run.run_id, exec->turn_cxt, &ids);
	wf_window_close(&window);
	for (int i = 0; i < n; i++)
		wf_note_message(ids[i]);
}

static void
write_and_commit(WfExec *exec, WfTurn *turn)
{
	char state;

	if (WF_BROKEN("commit-step-apart") && exec->nwrites > 0)
	{
		CommitTransactionCommand();
		WF_STOP("exec-before-checkpoint");
		StartTransactionCommand();
	}
	exec->writing = true;
	if (!WF_BROKEN("lose-checkpoint"))
		write_steps(exec);
	if (turn->has_end || turn->undo_begins)
		wf_child_before_end(exec, turn);
	else
		wf_child_release(exec);
	if (turn->has_end)
		write_end(exec, turn);
	state = write_run(exec, turn);
	if (turn->undo_begins ||
		(turn->has_end && wf_run_is_final(turn->end.state)))
		withdraw_tasks(exec);
	exec->writing = false;
	WF_STOP("exec-before-commit");
	CommitTransactionCommand();
	exec->run.state = state;
	count_steps(exec);
	WF_STOP("exec-after-commit");
}

/* The run has ended, is parked or goes on: its workflow and its queue count. */
static void
count_end(WfExec *exec, WfCounter counter, WfQueueCounter of_queue)
{
	if (wf_run_is_chunk(&exec->run))
		return;
	count(exec, counter, 1);
	wf_queue_count(MyDatabaseId, exec->run.queue_id, of_queue, 1);
}

/* After the commit: counters, and whoever waits for the run's end. */
static void
announce(WfExec *exec, const WfTurn *turn)
{
	if (!turn->has_end)
		return;

	switch (turn->end.state)
	{
		case WF_RUN_SUCCEEDED:
			count_end(exec, WF_COUNT_SUCCEEDED, WF_QCOUNT_SUCCEEDED);
			if (turn->continues != NULL)
				count_end(exec, WF_COUNT_ENQUEUED, WF_QCOUNT_ENQUEUED);
			break;
		case WF_RUN_FAILED:
			count_end(exec, WF_COUNT_FAILED, WF_QCOUNT_FAILED);
			break;
		case WF_RUN_CANCELLED:
			count_end(exec, WF_COUNT_CANCELLED, WF_QCOUNT_CANCELLED);
			break;
		default:
			count_end(exec, WF_COUNT_PARKED, WF_QCOUNT_PARKED);
			break;
	}
	/* whose part a chunk is will say what became of it */
	if ((turn->end.state == WF_RUN_FAILED ||
		 turn->end.state == WF_RUN_PARKED) &&
		!wf_run_is_chunk(&exec->run))
		ereport(LOG,
				(errcode(MAKE_SQLSTATE(exec->error.code[0],
									   exec->error.code[1],
									   exec->error.code[2],
									   exec->error.code[3],
									   exec->error.code[4])),
				 errmsg("workflow run %s %s with SQLSTATE %s",
						DatumGetCString(DirectFunctionCall1(uuid_out,
															UUIDPGetDatum(&exec->run.run_id))),
						turn->end.state == WF_RUN_FAILED ? "failed" :
						"was parked",
						exec->error.code)));
	ConditionVariableBroadcast(wf_wait_channel(&exec->run.run_id));
	if (wf_run_is_final(turn->end.state) && exec->run.has_parent)
		wf_child_after_end(exec, turn->end.state);
}

/* ---- errors ---- */

/*
 * The step's row was there already: the run is further than the scheduler knew
 * when it called it fresh.  Load all of it.
 */
static bool
found_unknown_step(WfExec *exec)
{
	if (!exec->writing || !(exec->cell->flags & WF_ASSIGN_FRESH) ||
		strcmp(exec->error.code, "23505") != 0)
		return false;
	exec->cell->flags &= ~WF_ASSIGN_FRESH;
	return true;
}

/* An attempt of the step failed; exec->error is why.  What comes next? */
static WfNext
judge_step_error(WfExec *exec)
{
	WfPolicy policy;
	WfStep step;
	WfError *error = &exec->error;
	bool cancelled = strcmp(error->code, "57014") == 0;

	if (wf_exec_request(exec) & (WF_REQ_CANCEL | WF_REQ_TIMEOUT))
		return WF_NEXT_SETTLE;

	wf_turn_policy(exec, &policy);

	/* a cancel that was meant for the run before this one */
	if (cancelled && !exec->timed_out && !policy.at_most_once &&
		pg_atomic_read_u32(&exec->slot->cancels) != exec->cancels_seen)
		return WF_NEXT_STEP;

	if (cancelled && exec->timed_out)
	{
		memset(error, 0, sizeof(*error));
		strlcpy(error->code, "WF003", sizeof(error->code));
		error->message = "step timed out";
		if (policy.timeout > 0)
			error->detail = psprintf("It did not end within %.3f s.",
									 policy.timeout / 1000000.0);
	}

	wf_turn_fill_step(exec, &policy, &step);
	exec->verdict =
		wf_policy_judge(&policy, error->code, step.attempt, step.free_retries);
	if (exec->permanent && exec->verdict != WF_VERDICT_EXHAUSTED)
		exec->verdict = WF_VERDICT_PERMANENT;
	exec->step_error = *error;
	count(exec, WF_COUNT_STEP_FAILURES, 1);
	if (exec->verdict == WF_VERDICT_RETRY ||
		exec->verdict == WF_VERDICT_FREE_RETRY)
		count(exec, WF_COUNT_RETRIES, 1);
	if (exec->verdict == WF_VERDICT_FREE_RETRY)
	{
		exec->free_retries++;
		return WF_NEXT_STEP;
	}
	return WF_NEXT_FAILURE;
}

/* The engine itself failed: not the step's fault, and no attempt of it. */
static void
handle_trouble(WfExec *exec, WfTurn *turn)
{
	bool park = exec->park_reason != NULL ||
				!wf_sqlstate_is_transient(exec->error.code);

	wf_turn_leave(turn, WF_OUTCOME_LATER);
	turn->due_at = wf_clock_now() + WF_TROUBLE_DELAY_USEC;
	ereport(LOG,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("workflow run %s cannot go on: %s",
					DatumGetCString(DirectFunctionCall1(uuid_out,
														UUIDPGetDatum(&exec->cell->work_id))),
					exec->error.message)));
	if (!park)
		return;

	PG_TRY();
	{
		const char *reason =
			exec->park_reason ? exec->park_reason : WF_REASON_ERROR;

		exec->run.run_id = exec->cell->work_id;
		exec->run.row = NULL;
		StartTransactionCommand();
		wf_turn_end_run(exec, turn, WF_RUN_PARKED, reason);
		write_and_commit(exec, turn);
		announce(exec, turn);
	}
	PG_CATCH();
	{
		wf_exec_copy_error(exec, &exec->error);
		wf_user_code_end(exec);
		AbortCurrentTransaction();
		memset(turn, 0, sizeof(*turn));
		wf_turn_leave(turn, WF_OUTCOME_LATER);
		turn->due_at = wf_clock_now() + WF_TROUBLE_DELAY_USEC;
	}
	PG_END_TRY();
}

/* In PG_CATCH: ends the failed transaction and decides what comes next. */
static void
handle_error(WfExec *exec, WfTurn *turn)
{
	wf_exec_copy_error(exec, &exec->error);
	wf_timer_stop();
	wf_user_code_end(exec);
	exec->in_step = false;
	exec->in_body = false;
	AbortCurrentTransaction();
	MemoryContextSwitchTo(exec->run_cxt);
	wf_session_clean();
	wf_turn_take_back(exec);
	exec->aborted = true;
	memset(turn, 0, sizeof(*turn));

	if (found_unknown_step(exec) || (exec->gone && exec->reloads++ == 0))
		turn->next = WF_NEXT_LOAD;
	else if (exec->gone)
		handle_trouble(exec, turn);
	else if (exec->where == WF_IN_STEP)
		turn->next = judge_step_error(exec);
	else if (wf_exec_request(exec) & (WF_REQ_CANCEL | WF_REQ_TIMEOUT) &&
			 exec->run.workflow_id != 0)
		turn->next = WF_NEXT_SETTLE;
	else
		handle_trouble(exec, turn);
}

/* ---- one turn after the other ---- */

static void
begin_turn(WfExec *exec, WfTurn *turn)
{
	memset(turn, 0, sizeof(*turn));
	exec->where = WF_IN_ENGINE;
	exec->park_reason = NULL;
	exec->room_for = 0;
	exec->gone = false;
	exec->writing = false;
	exec->run.row = NULL; /* VACUUM FULL may have moved it since */
	exec->cancels_seen = pg_atomic_read_u32(&exec->slot->cancels);
	MemoryContextReset(exec->turn_cxt);
	MemoryContextSwitchTo(exec->turn_cxt);
	if (!PostmasterIsAlive())
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
		wf_exec_reload();
	SetCurrentStatementStartTimestamp();
}

/* Between two turns of a run that could go on: has somebody asked to stop? */
static void
look_for_requests(WfExec *exec, WfTurn *turn)
{
	uint32 request = wf_exec_request(exec);

	if (turn->next == WF_NEXT_NONE || turn->next == WF_NEXT_FAILURE ||
		turn->next == WF_NEXT_SETTLE)
		return;
	if (request & (WF_REQ_CANCEL | WF_REQ_TIMEOUT))
		turn->next = WF_NEXT_SETTLE;
	else if (request & WF_REQ_YIELD)
		wf_turn_leave(turn, WF_OUTCOME_YIELDED);
}

WfOutcome
wf_exec_run(WfExec *exec, TimestampTz *due_at)
{
	WfTurn turn;
	volatile WfNext what = WF_NEXT_LOAD;
	volatile bool committed;

	exec->taken_at = wf_clock_now();
	exec->body = NULL;
	exec->nsteps = 0;
	exec->free_retries = 0;
	exec->writes = NULL;
	exec->nwrites = exec->writes_allocated = 0;
	exec->aborted = false;
	exec->blocked = false;
	exec->pending = NULL;
	exec->npending = exec->pending_allocated = 0;
	exec->reloads = 0;
	exec->slow = false;
	exec->wanted.ordinal = 0;
	memset(&exec->run, 0, sizeof(exec->run));

	/* what started the run must be on disk before anything comes of it */
	if (!XLogRecPtrIsInvalid(exec->cell->lsn))
		XLogFlush(exec->cell->lsn);

	while (what != WF_NEXT_NONE)
	{
		begin_turn(exec, &turn);
		committed = false;
		PG_TRY();
		{
			StartTransactionCommand();
			MemoryContextSwitchTo(exec->turn_cxt);
			wf_turn_do(exec, what, &turn);
			write_and_commit(exec, &turn);
			committed = true;
		}
		PG_CATCH();
		{
			handle_error(exec, &turn);
		}
		PG_END_TRY();
		if (committed)
		{
			announce(exec, &turn);
			if (turn.undo_begins)
			{
				exec->run.end_state = turn.end.state;
				wf_undo_shield(exec);
			}
			if (turn.next == WF_NEXT_STEP)
				wf_turn_adopt(exec);
		}
		look_for_requests(exec, &turn);
		what = turn.next;
	}

	if (exec->run.workflow_id != 0)
		count(exec, WF_COUNT_RUN_USEC,
			  Max(wf_clock_now() - exec->taken_at, 0));
	*due_at = turn.due_at;
	return turn.outcome;
}
