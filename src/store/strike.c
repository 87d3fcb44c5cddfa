/*
 * strike.c
 *		Runs that took the server down, as the scheduler writes them.
 *
 * What ended with the server has written nothing, so the attempt is recorded
 * here, from the mark that the process had set before.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/spi.h"
#include "core/state.h"
#include "store/attempt.h"
#include "store/control.h"
#include "store/request.h"
#include "store/run_idle.h"

static WfStmt charge_strike = {
	"UPDATE _workflow.run r"
	"   SET crashes = CASE WHEN r.crash_step = $2"
	"                 THEN coalesce(r.crashes, 0) + 1 ELSE 1 END,"
	"       crash_step = $2, crash_id = $3,"
	"       losses = coalesce(r.losses, 0) + 1,"
	"       server_crashes = coalesce(r.server_crashes, 0) + 1"
	" WHERE r.run_id = $1 AND r.finished_at IS NULL"
	"   AND r.crash_id IS DISTINCT FROM $3"
	" RETURNING r.crashes::pg_catalog.int4, r.end_state IS NOT NULL",
	3,
	{UUIDOID, INT4OID, INT8OID}};

/*
 * The attempt that was under way.  Of the first one there is no row; what it
 * says besides the name does not matter, as the call is made again, and a
 * record of this state is not compared.  An undo is known by its registration.
 */
static WfStmt note_attempt = {
	"INSERT INTO _workflow.step AS s (run_id, ordinal, attempt, name, kind,"
	"       state, fingerprint, started_at, finished_at, error_code,"
	"       error_message)"
	"SELECT $1, $2, $3, $4, 's'::\"char\", 'r'::\"char\", 1, $5, $5, $6, $7"
	"  FROM _workflow.run r"
	" WHERE r.run_id = $1"
	"   AND (r.end_state IS NULL"
	"        OR EXISTS (SELECT FROM _workflow.step o"
	"                    WHERE o.run_id = $1 AND o.ordinal = $2))"
	"    ON CONFLICT (run_id, ordinal) DO UPDATE"
	"   SET attempt = excluded.attempt, due_at = NULL,"
	"       finished_at = excluded.finished_at,"
	"       error_code = excluded.error_code,"
	"       error_message = excluded.error_message, error_detail = NULL,"
	"       error_hint = NULL, error_context = NULL"
	" WHERE s.state = 'r'::\"char\" AND s.attempt < excluded.attempt",
	7,
	{UUIDOID, INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}};

/* of one that was started at most once nobody knows how far it came */
static WfStmt fail_step = {
	"UPDATE _workflow.step s"
	"   SET state = 'f'::\"char\", due_at = NULL, finished_at = $3,"
	"       error_code = CASE s.state WHEN 's' THEN 'WF002' ELSE $4 END,"
	"       error_message = $5, error_detail = NULL,"
	"       error_hint = NULL, error_context = NULL"
	" WHERE s.run_id = $1 AND s.ordinal = $2"
	"   AND s.state = ANY (ARRAY['r', 's']::\"char\"[])",
	5,
	{UUIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID}};

static void
record_attempt(const WfStrike *strike)
{
	Datum values[7] = {UUIDPGetDatum(strike->run_id),
					   Int32GetDatum(strike->ordinal),
					   Int32GetDatum(strike->attempt),
					   CStringGetTextDatum(strike->step_name),
					   TimestampTzGetDatum(wf_clock_now())};

	values[5] =
		CStringGetTextDatum(unpack_sql_state(ERRCODE_CRASH_SHUTDOWN));
	values[6] = CStringGetTextDatum("the server crashed while the step ran");
	wf_attempt_keep(strike->run_id, strike->ordinal, strike->attempt);
	(void) wf_spi_run(&note_attempt, values, NULL, false, 0);
}

static void
fail_call(const WfStrike *strike, const char *code, const char *message)
{
	Datum values[5] = {UUIDPGetDatum(strike->run_id),
					   Int32GetDatum(strike->ordinal),
					   TimestampTzGetDatum(wf_clock_now()),
					   CStringGetTextDatum(code),
					   CStringGetTextDatum(message)};

	(void) wf_spi_run(&fail_step, values, NULL, false, 0);
}

WfEndedOf
wf_run_strike(const WfStrike *strike)
{
	Datum values[3] = {UUIDPGetDatum(strike->run_id),
					   Int32GetDatum(strike->ordinal),
					   Int64GetDatum(strike->crash_id)};
	WfGiveUp why = {
		.state = WF_RUN_FAILED,
		.reason = WF_REASON_CRASH,
		.failed_step = strike->attempt > 0 ? strike->ordinal : 0,
		.code = unpack_sql_state(ERRCODE_CRASH_SHUTDOWN),
		.hint =
			"The server log tells what happened. Use workflow.retry_run() after repair."};
	WfEndedOf nobody = {0};
	char message[128];
	int crashes;
	bool undoing;

	if (wf_spi_run(&charge_strike, values, NULL, false, 0) == 0)
		return nobody;
	crashes = wf_spi_get_int32(0, 1, 0);
	undoing = wf_spi_get_bool(0, 2, false);
	if (strike->attempt > 0)
		record_attempt(strike);
	if (crashes < WF_MAX_CRASHES)
		return nobody;
	if (undoing)
	{
		why.state = WF_RUN_PARKED;
		why.reason = WF_REASON_UNDO;
	}
	snprintf(message, sizeof(message), "run crashed the server %d times, in %s%d",
			 WF_MAX_CRASHES,
			 strike->attempt > 0 ? "step " : "its body before step ",
			 strike->ordinal);
	why.message = message;
	if (strike->attempt > 0)
		fail_call(strike, why.code, message);
	wf_request_delete_for(strike->run_id);
	return wf_run_give_up(strike->run_id, &why);
}

static WfStmt count_loss = {"UPDATE _workflow.run"
							"   SET losses = coalesce(losses, 0) + 1"
							" WHERE run_id = $1 AND finished_at IS NULL",
							1,
							{UUIDOID}};

void
wf_strike_lost(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&count_loss, values, NULL, false, 0);
}
