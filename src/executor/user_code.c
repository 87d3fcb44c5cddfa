/*
 * user_code.c
 *		Around user code: marks, cancels and the timer.
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"

#include "base/clock.h"
#include "base/guc.h"
#include "executor/settle.h"
#include "executor/show.h"
#include "executor/user_code.h"
#include "ipc/marks.h"

/* of this process; for signal handlers, which are given nothing */
static WfExecutor *this_executor;

static TimeoutId timer_id;

/* ---- the timer ---- */

/* how often what goes on after its time-out is cancelled again */
#define REPEAT_MS	  1000
#define REPEAT_MIN_MS 10

/* of the timer that is set: its period, and how often it may fire yet */
static int repeat_ms;
static int left;

/*
 * A FATAL error is what nobody can catch.  The scheduler finds the run in hand
 * and says what became of its process.
 */
static void
end_process(void)
{
	this_executor->slot->swallowed = true;
	ProcDiePending = true;
}

static void
timer_fired(void)
{
	if (this_executor->timed_out && repeat_ms > 0 && --left <= 0)
		end_process();
	this_executor->timed_out = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

void
wf_user_code_start_timer(int64 usec, bool insists)
{
	TimestampTz due = wf_clock_system() + usec;

	repeat_ms = 0;
	if (!insists)
	{
		enable_timeout_at(timer_id, due);
		return;
	}
	left = (wf_cancel_grace + REPEAT_MS - 1) / REPEAT_MS;
	repeat_ms = Max(Min(wf_cancel_grace, REPEAT_MS), REPEAT_MIN_MS);
	enable_timeout_every(timer_id, due, repeat_ms);
}

void
wf_user_code_stop_timer(void)
{
	disable_timeout(timer_id, false);
}

/* ---- signals ---- */

#ifdef USE_POSTMASTER_DEATH_SIGNAL

/* as in core's pmsignal.c, which does not tell */
#ifdef SIGINFO
#define WF_POSTMASTER_DEATH_SIGNAL SIGINFO
#else
#define WF_POSTMASTER_DEATH_SIGNAL SIGPWR
#endif

/*
 * User code that never waits would not notice, and nobody could start the
 * server again while it goes on.
 */
static void
postmaster_died(SIGNAL_ARGS)
{
	int save_errno = errno;

	postmaster_possibly_dead = true;
	ProcDiePending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}
#endif

/*
 * SIGINT outside user code is dropped, not kept: a commit that waits for a
 * synchronous standby would take it for the order to wait no longer.  What it
 * was sent for stands in the cell.
 */
static void
cancel_asked(SIGNAL_ARGS)
{
	if (QueryCancelHoldoffCount == 0)
		StatementCancelHandler(postgres_signal_arg);
}

void
wf_user_code_set_handlers(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, cancel_asked);
#ifdef USE_POSTMASTER_DEATH_SIGNAL
	pqsignal(WF_POSTMASTER_DEATH_SIGNAL, postmaster_died);
#endif
	QueryCancelHoldoffCount = 1;
}

/* ---- requests ---- */

uint32
wf_user_code_request(const WfExecutor *executor)
{
	uint32 request = pg_atomic_read_u32(&executor->cell->request);

	if (request & WF_REQ_UNDOING)
		request &= ~(WF_REQ_CANCEL | WF_REQ_TIMEOUT);
	return request;
}

bool
wf_user_code_is_asked(const WfExecutor *executor)
{
	return (wf_user_code_request(executor) &
			(WF_REQ_CANCEL | WF_REQ_TIMEOUT)) != 0;
}

bool
wf_user_code_cancel_is_stale(const WfExecutor *executor)
{
	return pg_atomic_read_u32(&executor->slot->cancels) !=
		   executor->cancels_seen;
}

void
wf_user_code_begin_turn(WfExecutor *executor)
{
	executor->cancels_seen = pg_atomic_read_u32(&executor->slot->cancels);
}

/*
 * The timer or a request of the scheduler set QueryCancelPending.  Once that
 * has been raised as an error it is false again: whether or not the body let
 * the error through, what it does from then on cannot be trusted.
 */
bool
wf_user_code_is_interrupted(const WfExecutor *executor)
{
	return (executor->timed_out || wf_user_code_is_asked(executor)) &&
		   !QueryCancelPending;
}

/* ---- user code ---- */

/* Exactly, and at once, only where starts are counted against a rate limit. */
static void
tell_begun(WfExecutor *executor)
{
	WfCell *cell = executor->cell;
	WfDatabase *db;

	if (!(cell->flags & WF_ASSIGN_RATED))
	{
		cell->begun_at = executor->taken_at;
		return;
	}
	cell->begun_at = wf_clock_now();
	pg_memory_barrier();
	db = wf_database_find(MyDatabaseId);
	if (db != NULL)
		wf_wake_scheduler(db);
}

static void
enter(WfHost *host, const pg_uuid_t *run_id, int ordinal, int attempt)
{
	WfExecutor *executor = (WfExecutor *) host;

	/* a crash is the fault of the run that checks */
	if (run_id != NULL)
		wf_mark_set(run_id, ordinal, attempt,
					attempt > 0 ? executor->slot->step_name : NULL);
	executor->slot->in_user_code = true;
	if (executor->cell->begun_at == 0)
		tell_begun(executor);

	/* forget what came for another run, but not what came for this one */
	executor->timed_out = false;
	QueryCancelPending = false;
	QueryCancelHoldoffCount = 0;
	pg_memory_barrier();
	if (wf_user_code_is_asked(executor))
	{
		InterruptPending = true;
		QueryCancelPending = true;
	}
}

static void
leave(WfHost *host, bool marked)
{
	WfExecutor *executor = (WfExecutor *) host;

	QueryCancelHoldoffCount = 1;
	QueryCancelPending = false;
	executor->slot->in_user_code = false;
	if (marked)
		wf_mark_clear();
}

void
wf_user_code_enter(WfExecutor *executor, int ordinal, int attempt)
{
	enter(&executor->host, &executor->play.record.run.run_id, ordinal,
		  attempt);
}

void
wf_user_code_leave(WfExecutor *executor)
{
	leave(&executor->host, true);
}

/* ---- the host ---- */

static void
clean(WfHost *host)
{
	wf_settle_session();
}

static bool
is_interrupted(WfHost *host)
{
	return wf_user_code_is_interrupted((WfExecutor *) host);
}

static WfOutside
came(WfHost *host, bool interrupted, const char *code)
{
	WfExecutor *executor = (WfExecutor *) host;
	bool cancelled = code != NULL && strcmp(code, "57014") == 0;

	if (pg_atomic_read_u32(&executor->cell->request) &
		(WF_REQ_CANCEL | WF_REQ_TIMEOUT))
		return WF_OUTSIDE_CANCEL;
	if (interrupted || (cancelled && wf_user_code_cancel_is_stale(executor)))
		return WF_OUTSIDE_AGAIN;
	return WF_OUTSIDE_NOTHING;
}

static void
start_timer(WfHost *host, int64 usec)
{
	wf_user_code_start_timer(usec, false);
}

static void
stop_timer(WfHost *host)
{
	wf_user_code_stop_timer();
}

static void
retire(WfHost *host)
{
	((WfExecutor *) host)->retire = true;
}

static void
show_progress(WfHost *host, const Jsonb *progress)
{
	wf_show_progress(((WfExecutor *) host)->slot, progress);
}

void
wf_user_code_init(WfExecutor *executor)
{
	executor->host = (WfHost){
		.then_retry = ", then call workflow.retry_run()",
		.path_action = GUC_ACTION_SET,
		.enter = enter,
		.leave = leave,
		.clean = clean,
		.is_interrupted = is_interrupted,
		.came = came,
		.start_timer = start_timer,
		.stop_timer = stop_timer,
		.retire = retire,
		.show_progress = show_progress,
	};
	timer_id = RegisterTimeout(USER_TIMEOUT, timer_fired);
	this_executor = executor;
}
