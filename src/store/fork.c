/*
 * fork.c
 *		A new run that begins with the record of another.
 *
 * Only what has an outcome is copied, and no longer compared with what the
 * body passes: its input may be another, and so are its random numbers.  What
 * a run that has ended did not wait for is begun again by the fork.  An undo
 * that is registered in what is copied stays with the other run, which the
 * fingerprint says, too (core/replay.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/spi.h"
#include "core/workid.h"
#include "store/fork.h"
#include "store/run_info.h"

static WfStmt look_record = {
	"SELECT pg_catalog.count(*)::pg_catalog.int4,"
	"       min(s.ordinal) FILTER (WHERE s.state"
	"                              <> ALL (ARRAY['d', 'f']::\"char\"[])"
	"                                AND NOT (r.state = 's'::\"char\""
	"                                         AND s.state = 'w'::\"char\"))"
	"  FROM _workflow.step s"
	"  JOIN _workflow.run r ON r.run_id = s.run_id"
	" WHERE s.run_id = $1 AND s.ordinal < $2 AND s.kind <> 'U'::\"char\"",
	2,
	{UUIDOID, INT4OID}};

void
wf_fork_look(const pg_uuid_t *run_id, int32 below, WfForkRecord *out)
{
	Datum values[2] = {UUIDPGetDatum(run_id), Int32GetDatum(below)};

	(void) wf_spi_run(&look_record, values, NULL, false, 1);
	out->nrecorded = wf_spi_get_int32(0, 1, 0);
	out->unsettled = wf_spi_get_int32(0, 2, 0);
}

/* retried_at: the steps that it is given are from before its start */
static WfStmt insert_fork = {
	"INSERT INTO _workflow.run AS r (run_id, origin, enqueued_at, run_at,"
	"       workflow_id, body_id, queue_id, priority, owner, state,"
	"       deadline_at, retried_at, owner_name, group_key, attributes, input,"
	"       seed, run_as_by, run_as_by_name, place)"
	"SELECT $2, $3, $4, $4, o.workflow_id, o.body_id, o.queue_id, o.priority,"
	"       $5, 'q', $6, $4, $7, o.group_key, o.attributes,"
	"       coalesce($8, o.input), o.seed, $9, $10, $11"
	"  FROM _workflow.run o"
	" WHERE o.run_id = $1"
	" RETURNING " WF_INFO_COLUMNS,
	11,
	{UUIDOID, UUIDOID, INT8OID, TIMESTAMPTZOID, OIDOID, TIMESTAMPTZOID,
	 TEXTOID, JSONBOID, OIDOID, TEXTOID, INT8OID}};

static WfStmt copy_steps = {
	"INSERT INTO _workflow.step (run_id, fingerprint, started_at,"
	"       finished_at, ordinal, attempt, max_attempts, attempts_before,"
	"       kind, state, free_retries, message_id, child_run_id, name,"
	"       command, result, error_code, error_message, error_detail,"
	"       error_hint, error_context, given)"
	"SELECT $2, 0, s.started_at, s.finished_at, s.ordinal, s.attempt,"
	"       s.max_attempts, s.attempts_before, s.kind,"
	"       CASE s.state WHEN 'w' THEN 'r'::\"char\" ELSE s.state END,"
	"       s.free_retries, s.message_id,"
	"       CASE WHEN s.kind <> 'i'::\"char\" THEN s.child_run_id END,"
	"       s.name, s.command, s.result, s.error_code, s.error_message, s.error_detail,"
	"       s.error_hint, s.error_context, s.given"
	"  FROM _workflow.step s"
	" WHERE s.run_id = $1 AND s.ordinal < $3"
	"   AND s.state = ANY (ARRAY['d', 'f', 'w']::\"char\"[])",
	3,
	{UUIDOID, UUIDOID, INT4OID}};

/* in the order in which they came */
static WfStmt copy_signals = {
	"INSERT INTO _workflow.signal (run_id, sent_at, kind, name, sent_by,"
	"                              dedup_key, payload)"
	"SELECT $2, g.sent_at, g.kind, g.name, g.sent_by, g.dedup_key, g.payload"
	"  FROM _workflow.signal g"
	" WHERE g.run_id = $1 AND g.kind = 's'::\"char\""
	"   AND (g.taken_at IS NULL OR g.ordinal >= $3)"
	" ORDER BY g.signal_id",
	3,
	{UUIDOID, UUIDOID, INT4OID}};

void
wf_fork_insert(const pg_uuid_t *from, int32 below, const WfFork *fork,
			   WfWork *info)
{
	char nulls[12] = "           ";
	Datum values[11] = {UUIDPGetDatum(from),
						UUIDPGetDatum(&fork->run_id),
						Int64GetDatum(wf_origin()),
						TimestampTzGetDatum(fork->now),
						ObjectIdGetDatum(fork->owner),
						TimestampTzGetDatum(fork->deadline_at),
						fork->owner_name,
						fork->input,
						ObjectIdGetDatum(fork->run_as_by),
						fork->run_as_by_name,
						Int64GetDatum(wf_workid_place(&fork->run_id, 0))};
	Datum steps[3] = {values[0], values[1], Int32GetDatum(below)};

	nulls[5] = fork->deadline_at == DT_NOEND ? 'n' : ' ';
	nulls[7] = DatumGetPointer(fork->input) == NULL ? 'n' : ' ';
	if (DatumGetPointer(fork->run_as_by_name) == NULL)
		nulls[8] = nulls[9] = 'n';
	if (wf_spi_run(&insert_fork, values, nulls, false, 0) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the run was deleted meanwhile")));
	wf_info_fill(0, info);
	(void) wf_spi_run(&copy_steps, steps, NULL, false, 0);
	(void) wf_spi_run(&copy_signals, steps, NULL, false, 0);
}
