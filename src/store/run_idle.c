/*
 * run_idle.c
 *		Runs that are in no executor's cell, as the scheduler reads and writes
 *		them.
 *
 * Scans go through the partial index run_unfinished, everything else by
 * primary key, so that no cost depends on how many finished runs are kept or
 * how many dead row versions an old snapshot holds.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "base/text.h"
#include "core/state.h"
#include "store/child.h"
#include "store/control.h"
#include "store/queue.h"
#include "store/request.h"
#include "store/run_idle.h"
#include "store/undo.h"

/* ---- finding work ---- */

#define SCAN_COLUMNS WF_INFO_COLUMNS ", r.origin, r.state, r.ctid, r.due_at"

/* a range of ids, which is of late: by primary key */
static WfStmt scan_range = {
	"SELECT " SCAN_COLUMNS "  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.run_id > $1 AND r.run_id <= $2"
	"   AND r.state <> 'p'::\"char\""
	" ORDER BY r.run_id"
	" LIMIT $3",
	3,
	{UUIDOID, UUIDOID, INT8OID}};

static WfStmt scan_queue = {
	"SELECT " SCAN_COLUMNS "  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.queue_id = $1 AND r.run_id > $2"
	"   AND r.state <> 'p'::\"char\""
	" ORDER BY r.run_id"
	" LIMIT $3",
	3,
	{INT4OID, UUIDOID, INT8OID}};

static WfStmt scan_timers = {
	"SELECT " SCAN_COLUMNS "  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.due_at IS NOT NULL"
	"   AND (r.due_at, r.run_id) > ($1, $2)"
	"   AND r.state <> 'p'::\"char\""
	" ORDER BY r.due_at, r.run_id"
	" LIMIT $3",
	3,
	{TIMESTAMPTZOID, UUIDOID, INT8OID}};

/* by run_group, from a place on */
static WfStmt scan_group = {
	"SELECT " SCAN_COLUMNS "  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.queue_id = $1 AND r.group_key = $2"
	"   AND (r.place, r.run_id) > ($3, $4) AND r.place <= $5"
	"   AND ($7 = 0::pg_catalog.oid OR r.owner = $7)"
	"   AND r.state <> 'p'::\"char\""
	" ORDER BY r.place, r.run_id"
	" LIMIT $6",
	7,
	{INT4OID, TEXTOID, INT8OID, UUIDOID, INT8OID, INT8OID, OIDOID}};

/* the last one of a page, which there is only where the page is full */
static WfStmt last_of_page = {
	"SELECT r.run_id"
	"  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.queue_id = $1 AND r.run_id > $2"
	" ORDER BY r.run_id"
	" OFFSET $3 - 1"
	" LIMIT 1",
	3,
	{INT4OID, UUIDOID, INT8OID}};

static WfStmt count_left = {
	"SELECT count(*)"
	"  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.queue_id = $1 AND r.run_id > $2",
	2,
	{INT4OID, UUIDOID}};

static uint64
next_of_group(const WfScan *scan, int max)
{
	Datum values[7] = {Int32GetDatum(scan->after_queue),
					   CStringGetTextDatum(scan->group_key),
					   Int64GetDatum(scan->after_place),
					   UUIDPGetDatum(&scan->after),
					   Int64GetDatum(scan->upto_place),
					   Int64GetDatum(max),
					   ObjectIdGetDatum(scan->group_owner)};

	return wf_spi_run(&scan_group, values, NULL, true, max);
}

static uint64
next_rows(const WfScan *scan, int max)
{
	Datum values[3] = {Int32GetDatum(scan->after_queue),
					   UUIDPGetDatum(&scan->after), Int64GetDatum(max)};

	switch (scan->kind)
	{
		case WF_SCAN_TURN:
		case WF_SCAN_QUEUE:
			return wf_spi_run(&scan_queue, values, NULL, true, max);
		case WF_SCAN_TIMERS:
			values[0] = TimestampTzGetDatum(scan->after_due);
			return wf_spi_run(&scan_timers, values, NULL, true, max);
		case WF_SCAN_GROUP:
			return next_of_group(scan, max);
		case WF_SCAN_RANGE:
			break;
	}
	values[0] = UUIDPGetDatum(&scan->after);
	values[1] = UUIDPGetDatum(&scan->upto);
	return wf_spi_run(&scan_range, values, NULL, true, max);
}

/* Counts a page of the queue's runs; true: that was the last. */
bool
wf_run_count_left(int32 queue_id, int page, pg_uuid_t *after, int64 *n)
{
	Datum values[3] = {Int32GetDatum(queue_id), UUIDPGetDatum(after),
					   Int64GetDatum(page)};

	if (wf_spi_run(&last_of_page, values, NULL, true, 1) > 0)
	{
		wf_spi_get_uuid(0, 1, after);
		*n += page;
		return false;
	}
	if (wf_spi_run(&count_left, values, NULL, true, 1) > 0)
		*n += wf_spi_get_int64(0, 1, 0);
	return true;
}

int
wf_run_scan(WfScan *scan, WfWork *out, int max)
{
	int64 origin = wf_origin();
	pg_uuid_t *unknown = NULL;
	int nunknown = 0;
	int n = 0;
	uint64 rows = next_rows(scan, max);

	for (uint64 i = 0; i < rows; i++)
	{
		char state = wf_spi_get_char(i, WF_INFO_N + 2, '\0');

		wf_info_fill(i, &out[n]);
		wf_spi_get_tid(i, WF_INFO_N + 3, &out[n].tid);
		scan->after = out[n].id;
		scan->after_queue = out[n].queue_id;
		scan->after_place = out[n].place;
		scan->after_due = wf_spi_get_time(i, WF_INFO_N + 4, 0);
		if (wf_spi_get_int64(i, WF_INFO_N + 1, 0) != origin)
			scan->foreign++;
		else if (state == WF_RUN_QUEUED || state == WF_RUN_WAITING ||
				 state == WF_RUN_COMPENSATING)
			n++;
		else
		{
			if (unknown == NULL)
				unknown = palloc(mul_size(max, sizeof(pg_uuid_t)));
			unknown[nunknown++] = out[n].id;
		}
	}
	scan->done = rows < (uint64) max;

	for (int i = 0; i < nunknown; i++)
		(void) wf_run_park(&unknown[i], WF_REASON_STATE, "XX001",
						   "state of the run is not known to this release",
						   NULL);
	return n;
}

/* ---- what was started before ---- */

/*
 * A run that retry_run() has queued anew after a failure is not started until
 * a step of it has run since; its started_at was taken away then.  Nor is a
 * fork, whose retried_at is its start, by the steps it was given.
 */
static WfStmt scan_started = {
	"SELECT " WF_INFO_COLUMNS ", r.origin, r.state"
	"  FROM _workflow.run r"
	" WHERE r.finished_at IS NULL AND r.queue_id = ANY ($1)"
	"   AND r.waiting_for IS DISTINCT FROM 'h'::\"char\""
	"   AND (r.state <> 'q'::\"char\" OR r.started_at IS NOT NULL"
	"        OR r.waiting_for IS NOT NULL OR r.body_attempts IS NOT NULL"
	"        OR EXISTS (SELECT FROM _workflow.step s"
	"                    WHERE s.run_id = r.run_id"
	"                      AND s.started_at >= coalesce(r.retried_at,"
	"                                                   '-infinity')))"
	" UNION ALL "
	"SELECT " WF_INFO_COLUMNS ", r.origin, r.state"
	"  FROM _workflow.run r"
	"  JOIN _workflow.queue q ON q.queue_id = r.queue_id"
	" WHERE r.state = 'f'::\"char\" AND r.waiting_for = 'x'::\"char\""
	"   AND r.queue_id = ANY ($1) AND q.on_group_failure = 'block'",
	1,
	{INT4ARRAYOID}};

int
wf_run_scan_started(const int32 *queues, int nqueues, MemoryContext cxt,
					WfStarted **out)
{
	Datum *elements = palloc(mul_size(Max(nqueues, 1), sizeof(Datum)));
	Datum values[1];
	int64 origin = wf_origin();
	uint64 rows;
	int n = 0;

	*out = NULL;
	if (nqueues == 0)
		return 0;
	for (int i = 0; i < nqueues; i++)
		elements[i] = Int32GetDatum(queues[i]);
	values[0] = PointerGetDatum(construct_array(
		elements, nqueues, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	rows = wf_spi_run(&scan_started, values, NULL, true, 0);
	*out =
		MemoryContextAllocHuge(cxt, mul_size(Max(rows, 1), sizeof(WfStarted)));
	for (uint64 i = 0; i < rows; i++)
	{
		char state = wf_spi_get_char(i, WF_INFO_N + 2, '\0');

		if (wf_spi_get_int64(i, WF_INFO_N + 1, 0) != origin)
			continue;
		wf_info_fill(i, &(*out)[n].work);
		(*out)[n].failed = state == WF_RUN_FAILED;
		(*out)[n++].stopped = state == WF_RUN_FAILED || state == WF_RUN_PARKED;
	}
	return n;
}

/* ---- ending a run that never got to an executor ---- */

/*
 * $2 state, $3 the time, $4 waiting_for of a parked one, $5.. why, $11 also
 * where it is parked, $12 and where it could not be undone.  A chunk cannot be
 * repaired by anybody, so it fails where another run would be parked.
 */
static WfStmt give_up = {
	"UPDATE _workflow.run r"
	"   SET state = CASE WHEN $2 = 'p'::\"char\" AND r.queue_id = -1"
	"               THEN 'f'::\"char\" ELSE $2 END,"
	"       finished_at = CASE WHEN $2 <> 'p'::\"char\" OR r.queue_id = -1"
	"                     THEN $3 END,"
	"       reason = $5,"
	"       waiting_for = CASE WHEN r.queue_id = -1 THEN NULL"
	"                          WHEN $2 = 'p'::\"char\" THEN $4"
	"                          WHEN $2 <> 'f'::\"char\" THEN NULL"
	"                          WHEN r.group_key IS NOT NULL"
	"                               AND EXISTS (SELECT"
	"                                             FROM _workflow.queue q"
	"                                            WHERE q.queue_id = r.queue_id"
	"                                              AND q.on_group_failure"
	"                                                  = 'block')"
	"                          THEN 'x'::\"char\" END,"
	"       failed_step = coalesce($6, r.failed_step), error_code = $7,"
	"       error_message = $8, error_detail = $9, error_hint = $10,"
	"       error_context = NULL, due_at = NULL, crashes = NULL,"
	"       crash_step = NULL, cause = CASE WHEN $2 = 'p'::\"char\""
	"                                       AND r.queue_id <> -1"
	"                                  THEN r.cause END,"
	"       paused_at = CASE WHEN $2 = 'p'::\"char\" AND r.queue_id <> -1"
	"                        THEN r.paused_at END,"
	"       started_at = coalesce(r.started_at,"
	"                             (SELECT min(s.started_at)"
	"                                FROM _workflow.step s"
	"                               WHERE s.run_id = $1"
	"                                 AND s.started_at >= r.enqueued_at)),"
	"       steps_done = (SELECT count(*)"
	"                       FROM _workflow.step s"
	"                      WHERE s.run_id = $1 AND s.state = 'd'::\"char\"),"
	"       attempts = coalesce(r.body_attempts, 0)"
	"                  + (SELECT coalesce(sum(s.attempt), 0)"
	"                     FROM _workflow.step s"
	"                    WHERE s.run_id = $1)"
	" WHERE r.run_id = $1 AND r.finished_at IS NULL"
	"   AND ($11 OR r.state <> 'p'::\"char\")"
	"   AND (r.end_state IS NULL OR $2 = 'p'::\"char\""
	"        OR $12 AND r.state = 'p'::\"char\")"
	" RETURNING r.workflow_id, r.queue_id,"
	"           CASE WHEN r.finished_at IS NOT NULL THEN r.parent_run_id END,"
	"           r.finished_at IS NOT NULL",
	12,
	{UUIDOID, CHAROID, TIMESTAMPTZOID, CHAROID, TEXTOID, INT4OID, TEXTOID,
	 TEXTOID, TEXTOID, TEXTOID, BOOLOID, BOOLOID}};

static void
set_text(Datum *value, char *isnull, const char *text)
{
	*isnull = text == NULL ? 'n' : ' ';
	*value = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Not before what it has done is undone: true if there is anything. */
static bool
undo_first(const pg_uuid_t *run_id, const WfGiveUp *why, WfWork *info)
{
	WfError error = {.message = unconstify(char *, why->message),
					 .detail = unconstify(char *, why->detail),
					 .hint = unconstify(char *, why->hint)};
	WfRunEnd end = {.state = why->state,
					.reason = why->reason,
					.failed_step = why->failed_step,
					.error = &error};

	if (why->code)
		strlcpy(error.code, why->code, sizeof(error.code));
	return wf_undo_begin_idle(run_id, &end, why->parked_too, info);
}

WfEndedOf
wf_run_give_up(const pg_uuid_t *run_id, const WfGiveUp *why)
{
	bool parks = why->state == WF_RUN_PARKED;
	bool no_parent;
	Datum values[12] = {0};
	char nulls[12];
	WfEndedOf of = {0};

	if (!parks && !why->no_undo && undo_first(run_id, why, &of.info))
	{
		of.undoes = true;
		of.asks = wf_children_cancel(run_id, 0) > 0;
		return of;
	}
	memset(nulls, ' ', sizeof(nulls));
	values[0] = UUIDPGetDatum(run_id);
	values[1] = CharGetDatum(why->state);
	values[2] = TimestampTzGetDatum(wf_clock_now());
	values[3] = CharGetDatum(WF_WAIT_REPAIR);
	set_text(&values[4], &nulls[4], why->reason);
	values[5] = Int32GetDatum(why->failed_step);
	nulls[5] = why->failed_step == 0 ? 'n' : ' ';
	set_text(&values[6], &nulls[6], why->code);
	set_text(&values[7], &nulls[7], why->message);
	set_text(&values[8], &nulls[8], why->detail);
	set_text(&values[9], &nulls[9], why->hint);
	values[10] = BoolGetDatum(why->parked_too);
	values[11] = BoolGetDatum(why->no_undo);

	if (wf_spi_run(&give_up, values, nulls, false, 0) > 0)
	{
		of.workflow_id = wf_spi_get_int32(0, 1, 0);
		of.queue_id = wf_spi_get_int32(0, 2, 0);
		(void) wf_spi_get(0, 3, &no_parent);
		of.has_parent = !no_parent;
		if (of.has_parent)
			wf_spi_get_uuid(0, 3, &of.parent_id);
		if (wf_spi_get_bool(0, 4, false))
			of.asks = wf_children_cancel(run_id, 0) > 0;
	}
	return of;
}

/* the call that a run has come to: one that is tried again, or waits */
static WfStmt find_place = {
	"SELECT s.ordinal, s.name, s.error_code, s.error_message"
	"  FROM _workflow.step s"
	" WHERE s.run_id = $1 AND s.state = ANY (ARRAY['r', 'w']::\"char\"[])"
	" ORDER BY s.ordinal DESC"
	" LIMIT 1",
	1,
	{UUIDOID}};

/* Fills in where it was, and tells of the last error there. */
static void
set_place(const pg_uuid_t *run_id, WfGiveUp *why)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};
	char *name;
	char *code;
	char *message;

	if (wf_spi_run(&find_place, values, NULL, true, 1) == 0)
		return;
	why->failed_step = wf_spi_get_int32(0, 1, 0);
	name = wf_spi_copy_text(0, 2, CurrentMemoryContext);
	code = wf_spi_copy_text(0, 3, CurrentMemoryContext);
	message = wf_spi_copy_text(0, 4, CurrentMemoryContext);
	if (code == NULL)
		return;
	why->detail = psprintf(
		"%s%sThe last error of \"%s\" was %s: %s",
		why->detail ? why->detail : "", why->detail ? " " : "", name, code,
		wf_text_clip(message ? message : pstrdup(""), WF_MAX_SIDE));
}

WfEndedOf
wf_run_park(const pg_uuid_t *run_id, const char *reason, const char *code,
			const char *message, const char *hint)
{
	WfGiveUp why = {.state = WF_RUN_PARKED,
					.reason = reason,
					.code = code,
					.message = message,
					.hint = hint};

	if (strcmp(reason, WF_REASON_TERMINATED) == 0)
		set_place(run_id, &why);
	return wf_run_give_up(run_id, &why);
}

WfEndedOf
wf_run_expire(const pg_uuid_t *run_id)
{
	WfGiveUp why = {.state = WF_RUN_FAILED,
					.reason = WF_REASON_TIMEOUT,
					.code = unpack_sql_state(ERRCODE_WF_RUN_TIMEOUT),
					.message = "run timed out",
					.detail = "It did not end within its run_timeout."};
	WfEndedOf of;

	set_place(run_id, &why);
	of = wf_run_give_up(run_id, &why);
	/* its time no longer counts, which its entry did not know */
	if (of.workflow_id == 0 && !of.undoes)
		of.undoes = wf_undo_look(run_id, &of.info);
	return of;
}
