/*
 * retry.c
 *		A run that has stopped goes on: retry_run() and set_step_result().
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/attempt.h"
#include "store/retry.h"
#include "store/run_info.h"

/* a parked run, or one that failed and was not compensated */
#define HAS_STOPPED            \
	"(r.state = 'p'::\"char\"" \
	" OR r.state = 'f'::\"char\" AND r.end_state IS NULL)"

/* started at most once, and nobody knows what came of it */
#define IS_UNKNOWN(step)              \
	"(" step ".state = 's'::\"char\"" \
	" OR " step ".state = 'f'::\"char\" AND " step ".error_code = 'WF002')"

/* ---- what is unknown ---- */

/*
 * A step beside the body was interrupted by the end of its run after it had
 * been started at most once: the call gets what its chunk would have told.
 */
static WfStmt settle_unknown = {
	"UPDATE _workflow.step s"
	"   SET state = 'f'::\"char\", finished_at = r.finished_at,"
	"       error_code = 'WF002',"
	"       error_message = 'outcome of the step is unknown',"
	"       error_detail = 'It was started at most once, and its run ended"
	" before the outcome was recorded.'"
	"  FROM _workflow.run r"
	" WHERE r.run_id = $1 AND r.state = 'f'::\"char\""
	"   AND s.run_id = $1 AND s.state = 'w'::\"char\""
	"   AND s.kind = 'i'::\"char\""
	"   AND EXISTS (SELECT FROM _workflow.step u"
	"                WHERE u.run_id = s.child_run_id AND " IS_UNKNOWN("u") ")",
	1,
	{UUIDOID}};

/* Forgets all that chunks have started at most once. */
static WfStmt forget_unknown = {
	"DELETE FROM _workflow.step u"
	" USING _workflow.run c"
	" WHERE c.parent_run_id = $1 AND c.queue_id = -1"
	"   AND c.finished_at IS NOT NULL"
	"   AND u.run_id = c.run_id AND " IS_UNKNOWN("u"),
	1,
	{UUIDOID}};

/* ---- what is begun again ---- */

/*
 * Each gets as many attempts as it had at first.  `attempt` goes on rising,
 * since idempotency keys and the history go by it; attempts_before remembers
 * what had been used, so that the budget does not grow with each retry_run().
 *
 * Of a run that is compensated only an undo is begun again.  $2 repeat_unknown
 */
static WfStmt renew_calls = {
	"UPDATE _workflow.step s"
	"   SET state = 'r'::\"char\", due_at = NULL, free_retries = NULL,"
	"       max_attempts = s.attempt + s.max_attempts"
	"                      - coalesce(s.attempts_before, 0),"
	"       attempts_before = s.attempt, given = NULL,"
	"       finished_at = coalesce(s.finished_at, r.finished_at),"
	"       error_code = coalesce(s.error_code, '57014'),"
	"       error_message = coalesce(s.error_message, 'ended with its run')"
	"  FROM _workflow.run r"
	" WHERE r.run_id = $1 AND " HAS_STOPPED "   AND s.run_id = $1"
	"   AND (r.end_state IS NULL OR s.kind = 'U'::\"char\")"
	"   AND CASE s.state"
	"       WHEN 'r' THEN true"
	"       WHEN 's' THEN $2"
	"       WHEN 'f' THEN"
	"            ($2 OR s.error_code <> 'WF002')"
	"            AND CASE WHEN s.kind = ANY (ARRAY['i', 'c', 'm']::\"char\"[])"
	"                     THEN s.given IS NOT TRUE"
	"                     ELSE NOT EXISTS (SELECT FROM _workflow.step l"
	"                                       WHERE l.run_id = $1"
	"                                         AND l.ordinal > s.ordinal"
	"                                         AND l.state <> 'r'::\"char\")"
	"                END"
	"       WHEN 'w' THEN"
	"            r.state = 'f'::\"char\""
	"            AND NOT EXISTS (SELECT FROM _workflow.run c"
	"                             WHERE c.run_id = s.child_run_id"
	"                               AND (c.state = 's'::\"char\""
	"                                    OR c.finished_at IS NULL"
	"                                       AND c.on_close = 'a'::\"char\"))"
	"            AND NOT EXISTS (SELECT FROM _workflow.signal g"
	"                             WHERE g.run_id = $1"
	"                               AND g.ordinal = s.ordinal"
	"                               AND g.kind = 't'::\"char\""
	"                               AND g.taken_at IS NULL)"
	"       ELSE false END",
	2,
	{UUIDOID, BOOLOID}};

/* A call in back-off goes on now, with the attempts it has */
static WfStmt hasten_step = {
	"UPDATE _workflow.step s"
	"   SET due_at = NULL"
	"  FROM _workflow.run r"
	" WHERE r.run_id = $1 AND r.waiting_for = 'r'::\"char\""
	"   AND r.state = ANY (ARRAY['q', 'w', 'k']::\"char\"[])"
	"   AND s.run_id = $1 AND s.state = 'r'::\"char\"",
	1,
	{UUIDOID}};

static WfStmt read_repeat = {"SELECT coalesce(q.repeat_unknown, false)"
							 "  FROM _workflow.request q"
							 " WHERE q.request_id = $1",
							 1,
							 {INT8OID}};

/* ---- the run ---- */

/*
 * $2 when to start, $3 when it was put off by the request, $4 origin, $5 the
 * request, which may move the run to another body version.  One that was parked
 * while it was compensated goes on with that; one that has been compensated
 * cannot go on.
 */
static WfStmt retry_stopped = {
	"UPDATE _workflow.run r"
	"   SET state = CASE WHEN r.end_state IS NULL THEN 'q'::\"char\""
	"                    ELSE 'k'::\"char\" END,"
	"       waiting_for = NULL, due_at = $3,"
	"       retried_at = greatest($2, r.run_at),"
	"       deadline_at = greatest($2, r.run_at) + (r.deadline_at"
	"                     - coalesce(r.retried_at, r.run_at)),"
	"       finished_at = NULL, result = NULL, reason = NULL,"
	"       failed_step = NULL, body_attempts = NULL, crashes = NULL,"
	"       started_at = CASE WHEN r.state = 'p'::\"char\""
	"                              OR r.waiting_for IS NOT NULL"
	"                         THEN r.started_at END,"
	"       crash_step = NULL, error_code = r.cause->>'code',"
	"       error_message = r.cause->>'message',"
	"       error_detail = r.cause->>'detail',"
	"       error_hint = r.cause->>'hint',"
	"       error_context = r.cause->>'context',"
	"       owner = coalesce((SELECT a.oid FROM pg_catalog.pg_roles a"
	"                          WHERE a.rolname = r.owner_name), r.owner),"
	"       body_id = coalesce((SELECT q.body_id"
	"                             FROM _workflow.request q"
	"                            WHERE q.request_id = $5), r.body_id)"
	" WHERE r.run_id = $1 AND r.origin = $4"
	"   AND " HAS_STOPPED " RETURNING " WF_INFO_COLUMNS,
	5,
	{UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID}};

static WfStmt retry_waiting = {
	"UPDATE _workflow.run r"
	"   SET waiting_for = NULL, due_at = $2,"
	"       body_id = coalesce((SELECT q.body_id"
	"                             FROM _workflow.request q"
	"                            WHERE q.request_id = $4), r.body_id)"
	" WHERE r.run_id = $1 AND r.origin = $3"
	"   AND r.waiting_for = 'r'::\"char\""
	"   AND r.state = ANY (ARRAY['q', 'w', 'k']::\"char\"[])"
	" RETURNING " WF_INFO_COLUMNS,
	4,
	{UUIDOID, TIMESTAMPTZOID, INT8OID, INT8OID}};

/* The calls of a run that has stopped, before its row says so no more. */
static void
begin_again(const WfRequest *request)
{
	Datum key[1] = {Int64GetDatum(request->request_id)};
	Datum values[2] = {UUIDPGetDatum(&request->run_id)};
	bool repeat = wf_spi_run(&read_repeat, key, NULL, true, 1) > 0 &&
				  wf_spi_get_bool(0, 1, false);

	values[1] = BoolGetDatum(repeat);
	(void) wf_spi_run(repeat ? &forget_unknown : &settle_unknown, values, NULL,
					  false, 0);
	(void) wf_spi_run(&renew_calls, values, NULL, false, 0);
}

bool
wf_retry_apply(const WfRequest *request, WfWork *info)
{
	TimestampTz now = wf_clock_now();
	bool later = request->due_at > now;
	TimestampTz start = later ? request->due_at : now;
	char nulls[5] = {' ', ' ', later ? ' ' : 'n', ' ', ' '};
	Datum values[5] = {UUIDPGetDatum(&request->run_id),
					   TimestampTzGetDatum(start), TimestampTzGetDatum(start),
					   Int64GetDatum(wf_origin()),
					   Int64GetDatum(request->request_id)};

	begin_again(request);
	if (wf_spi_run(&retry_stopped, values, nulls, false, 0) == 0)
	{
		(void) wf_spi_run(&hasten_step, values, NULL, false, 0);
		values[2] = values[3];
		values[3] = values[4];
		if (wf_spi_run(&retry_waiting, values, NULL, false, 0) == 0)
			return false;
	}
	wf_info_fill(0, info);
	return true;
}

/* ---- an answer by hand ---- */

static WfStmt answer_call = {
	"UPDATE _workflow.step s"
	"   SET state = 'd'::\"char\", result = q.value, due_at = NULL,"
	"       finished_at = $2, given = NULL, error_code = NULL,"
	"       error_message = NULL, error_detail = NULL, error_hint = NULL,"
	"       error_context = NULL"
	"  FROM _workflow.request q, _workflow.run r"
	" WHERE q.request_id = $1 AND r.run_id = q.run_id AND " HAS_STOPPED
	"   AND r.origin = $3 AND r.failed_step = q.ordinal"
	"   AND s.run_id = q.run_id AND s.ordinal = q.ordinal"
	"   AND s.state <> 'd'::\"char\"",
	3,
	{INT8OID, TIMESTAMPTZOID, INT8OID}};

bool
wf_retry_answer(const WfRequest *request, WfWork *info)
{
	Datum values[3] = {Int64GetDatum(request->request_id),
					   TimestampTzGetDatum(wf_clock_now()),
					   Int64GetDatum(wf_origin())};

	wf_attempt_keep(&request->run_id, 0, PG_INT32_MAX);
	return wf_spi_run(&answer_call, values, NULL, false, 0) > 0 &&
		   wf_retry_apply(request, info);
}
