/*
 * request_apply.c
 *		What clients ask of runs, as the scheduler reads and answers it.
 *
 * A request is applied to a run that is in no cell, in the transaction that
 * deletes it.  Each statement tests for itself whether the run is still such
 * that it can be done: where it has moved on, nothing is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/alter.h"
#include "store/control.h"
#include "store/request.h"
#include "store/retention.h"
#include "store/retry.h"
#include "store/run_idle.h"

/* ---- the table ---- */

static WfStmt read_requests = {
	"SELECT request_id, run_id, kind, due_at, requested_by, compensate"
	"  FROM _workflow.request"
	" WHERE request_id > $1"
	" ORDER BY request_id"
	" LIMIT $2",
	2,
	{INT8OID, INT8OID}};

int
wf_request_read(int64 after, WfRequest *out, int max)
{
	Datum values[2] = {Int64GetDatum(after), Int64GetDatum(max)};
	uint64 n = wf_spi_run(&read_requests, values, NULL, true, max);

	for (uint64 i = 0; i < n; i++)
	{
		out[i].request_id = wf_spi_get_int64(i, 1, 0);
		wf_spi_get_uuid(i, 2, &out[i].run_id);
		out[i].kind = wf_spi_get_char(i, 3, '\0');
		out[i].due_at = wf_spi_get_time(i, 4, 0);
		strlcpy(out[i].by, wf_spi_copy_text(i, 5, CurrentMemoryContext),
				NAMEDATALEN);
		out[i].no_undo = !wf_spi_get_bool(i, 6, true);
	}
	return (int) n;
}

static WfStmt last_request = {"SELECT request_id"
							  "  FROM _workflow.request"
							  " ORDER BY request_id DESC"
							  " LIMIT 1",
							  0,
							  {0}};

int64
wf_request_last(void)
{
	if (wf_spi_run(&last_request, NULL, NULL, true, 1) == 0)
		return PG_INT64_MIN;
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt has_older = {"SELECT FROM _workflow.request"
						   " WHERE run_id = $1 AND request_id < $2"
						   " LIMIT 1",
						   2,
						   {UUIDOID, INT8OID}};

bool
wf_request_has_older(const WfRequest *request)
{
	Datum values[2] = {UUIDPGetDatum(&request->run_id),
					   Int64GetDatum(request->request_id)};

	return wf_spi_run(&has_older, values, NULL, true, 1) > 0;
}

static WfStmt delete_request = {"DELETE FROM _workflow.request"
								" WHERE request_id = $1",
								1,
								{INT8OID}};

void
wf_request_delete(int64 request_id)
{
	Datum values[1] = {Int64GetDatum(request_id)};

	(void) wf_spi_run(&delete_request, values, NULL, false, 0);
}

static WfStmt has_stopped = {
	"SELECT FROM _workflow.run"
	" WHERE run_id = $1"
	"   AND (state = ANY (ARRAY['f', 'p']::\"char\"[])"
	"        OR waiting_for = ANY (ARRAY['r', 't']::\"char\"[])"
	"           AND due_at > $2)",
	2,
	{UUIDOID, TIMESTAMPTZOID}};

bool
wf_run_has_stopped(const pg_uuid_t *run_id)
{
	Datum values[2] = {UUIDPGetDatum(run_id),
					   TimestampTzGetDatum(wf_clock_now())};

	return wf_spi_run(&has_stopped, values, NULL, true, 1) > 0;
}

static WfStmt ended_at = {"SELECT FROM _workflow.run"
						  " WHERE run_id = $1 AND finished_at = $2",
						  2,
						  {UUIDOID, TIMESTAMPTZOID}};

bool
wf_run_ended_at(const pg_uuid_t *run_id, TimestampTz at)
{
	Datum values[2] = {UUIDPGetDatum(run_id), TimestampTzGetDatum(at)};

	return wf_spi_run(&ended_at, values, NULL, true, 1) > 0;
}

/* ---- waking ---- */

/*
 * A run that sleeps or is in back-off; one that has yet to start is neither.
 * $2 is now, $3 the origin.  The step that waits is told before the run is.
 */
#define IS_ASLEEP                                           \
	"r.run_id = $1 AND r.origin = $3"                       \
	" AND r.state = ANY (ARRAY['q', 'w', 'k']::\"char\"[])" \
	" AND r.due_at > $2 AND r.run_at <= $2"                 \
	" AND coalesce(r.waiting_for, 'r'::\"char\")"           \
	"     = ANY (ARRAY['r', 't']::\"char\"[])"

static WfStmt wake_step = {
	"UPDATE _workflow.step s"
	"   SET due_at = CASE WHEN s.state = 'w'::\"char\" THEN $2 END"
	"  FROM _workflow.run r"
	" WHERE " IS_ASLEEP "   AND s.run_id = $1 AND s.due_at > $2"
	"   AND (s.state = 'r'::\"char\""
	"        OR s.state = 'w'::\"char\" AND s.kind = 'z'::\"char\")",
	3,
	{UUIDOID, TIMESTAMPTZOID, INT8OID}};

static WfStmt wake_run = {
	"UPDATE _workflow.run r"
	"   SET due_at = $2,"
	"       waiting_for = nullif(r.waiting_for, 'r'::\"char\")"
	" WHERE " IS_ASLEEP " RETURNING " WF_INFO_COLUMNS,
	3,
	{UUIDOID, TIMESTAMPTZOID, INT8OID}};

static WfApplied
apply_wake(const WfRequest *request, WfWork *info)
{
	Datum values[3] = {UUIDPGetDatum(&request->run_id),
					   TimestampTzGetDatum(wf_clock_now()),
					   Int64GetDatum(wf_origin())};

	(void) wf_spi_run(&wake_step, values, NULL, false, 0);
	if (wf_spi_run(&wake_run, values, NULL, false, 0) == 0)
		return WF_APPLIED_NOTHING;
	wf_info_fill(0, info);
	return WF_APPLIED_WOKEN;
}

/* ---- pausing ---- */

static WfStmt pause_run = {
	"UPDATE _workflow.run r"
	"   SET paused_at = $2, paused_by = q.requested_by,"
	"       pause_reason = q.reason"
	"  FROM _workflow.request q"
	" WHERE q.request_id = $1 AND r.run_id = q.run_id"
	"   AND r.finished_at IS NULL AND r.paused_at IS NULL",
	2,
	{INT8OID, TIMESTAMPTZOID}};

static WfStmt resume_run = {
	"UPDATE _workflow.run r"
	"   SET paused_at = NULL, paused_by = NULL, pause_reason = NULL"
	" WHERE r.run_id = $1 AND r.paused_at IS NOT NULL",
	1,
	{UUIDOID}};

static bool
apply_pause(const WfRequest *request)
{
	Datum values[2] = {Int64GetDatum(request->request_id),
					   TimestampTzGetDatum(wf_clock_now())};

	return wf_spi_run(&pause_run, values, NULL, false, 0) > 0;
}

static bool
apply_resume(const WfRequest *request)
{
	Datum values[1] = {UUIDPGetDatum(&request->run_id)};

	return wf_spi_run(&resume_run, values, NULL, false, 0) > 0;
}

/* ---- all of them ---- */

static WfApplied
apply_cancel(const WfRequest *request, WfWork *info, WfEndedOf *of)
{
	WfGiveUp cancel = {.state = WF_RUN_CANCELLED,
					   .parked_too = true,
					   .no_undo = request->no_undo};

	*of = wf_run_give_up(&request->run_id, &cancel);
	if (of->undoes)
	{
		*info = of->info;
		return WF_APPLIED_UNDOES;
	}
	if (of->workflow_id == 0)
		return WF_APPLIED_NOTHING;
	wf_request_delete_for(&request->run_id);
	return WF_APPLIED_CANCELLED;
}

static bool
apply_delete(const WfRequest *request)
{
	if (!wf_run_ended_at(&request->run_id, request->due_at))
		return false;
	wf_run_purge(&request->run_id);
	return true;
}

static WfApplied
apply_alter(const WfRequest *request, WfWork *info)
{
	bool planned;

	if (!wf_alter_run(request, info, &planned))
		return WF_APPLIED_NOTHING;
	return planned ? WF_APPLIED_ALTERED : WF_APPLIED_NOTED;
}

static WfApplied
apply(const WfRequest *request, WfWork *info, WfEndedOf *of)
{
	switch (request->kind)
	{
		case WF_REQUEST_CANCEL:
			return apply_cancel(request, info, of);
		case WF_REQUEST_RETRY:
			return wf_retry_apply(request, info) ? WF_APPLIED_QUEUED
												 : WF_APPLIED_NOTHING;
		case WF_REQUEST_RESULT:
			return wf_retry_answer(request, info) ? WF_APPLIED_QUEUED
												  : WF_APPLIED_NOTHING;
		case WF_REQUEST_WAKE:
			return apply_wake(request, info);
		case WF_REQUEST_PAUSE:
			return apply_pause(request) ? WF_APPLIED_PAUSED
										: WF_APPLIED_NOTHING;
		case WF_REQUEST_RESUME:
			return apply_resume(request) ? WF_APPLIED_RESUMED
										 : WF_APPLIED_NOTHING;
		case WF_REQUEST_ALTER:
			return apply_alter(request, info);
		case WF_REQUEST_DELETE:
			return apply_delete(request) ? WF_APPLIED_DELETED
										 : WF_APPLIED_NOTHING;
		default:
			ereport(WARNING,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("workflow request " INT64_FORMAT " of unknown kind is ignored",
							request->request_id)));
			return WF_APPLIED_NOTHING;
	}
}

WfApplied
wf_request_apply(const WfRequest *request, WfWork *info, WfEndedOf *of)
{
	WfApplied applied;

	memset(info, 0, sizeof(*info));
	info->id = request->run_id;
	info->last_id = request->run_id;
	applied = apply(request, info, of);
	if (applied == WF_APPLIED_NOTHING)
		wf_run_sweep(&request->run_id);
	return applied;
}
