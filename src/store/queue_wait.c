/*
 * queue_wait.c
 *		What of its queue and its group keeps a run waiting.
 *
 * A run has begun when it is in an executor's slot, or when its rows tell that
 * it has been: it has a step, waits, is parked, or was put off after an error.
 * From then on it has its place in queue and group, until it ends.
 *
 * A group is read by index, in the order of places, and no further than needed.
 * Runs that have begun are nearly always the first of their group; where fewer
 * have than may, all of the group is read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "core/state.h"
#include "store/definition.h"
#include "store/queue_wait.h"

/* for a row "r" of _workflow.run; view workflow.runs asks the same */
#define HAS_BEGUN                                      \
	"(r.state = ANY (ARRAY['p', 'w']::\"char\"[])"     \
	" OR r.waiting_for = 'r'::\"char\""                \
	" OR r.started_at IS NOT NULL"                     \
	" OR r.run_id IN (SELECT l.run_id"                 \
	"                   FROM _workflow.live_slots() l" \
	"                  WHERE l.run_id IS NOT NULL)"    \
	" OR EXISTS (SELECT FROM _workflow.step s"         \
	"             WHERE s.run_id = r.run_id"           \
	"               AND s.started_at >= coalesce(r.retried_at, '-infinity')))"

#define OF_GROUP                                  \
	"  FROM _workflow.run r"                      \
	" WHERE r.queue_id = $1 AND r.group_key = $2" \
	"   AND ($4 IS NULL OR r.owner = $4)"         \
	"   AND r.finished_at IS NULL"

static WfStmt group_begun = {
	"SELECT r.run_id, r.owner, r.owner_name, r.state" OF_GROUP
	"   AND " HAS_BEGUN " ORDER BY r.place, r.run_id LIMIT $3",
	4,
	{INT4OID, TEXTOID, INT8OID, OIDOID}};

static WfStmt group_first = {
	"SELECT r.run_id, r.owner, r.owner_name, r.state" OF_GROUP
	"   AND r.state = 'q'::\"char\" AND coalesce(r.due_at, r.run_at) <= $3"
	" ORDER BY r.place, r.run_id LIMIT 1",
	4,
	{INT4OID, TEXTOID, TIMESTAMPTZOID, OIDOID}};

static WfStmt group_blocker = {
	"SELECT r.run_id, r.owner, r.owner_name, r.state"
	"  FROM _workflow.run r"
	" WHERE r.queue_id = $1 AND r.group_key = $2"
	"   AND ($3 IS NULL OR r.owner = $3)"
	"   AND r.state = 'f'::\"char\" AND r.waiting_for = 'x'::\"char\""
	" ORDER BY r.run_id LIMIT 1",
	3,
	{INT4OID, TEXTOID, OIDOID}};

/* The first row, if there is one. */
static bool
read_holder(uint64 rows, MemoryContext cxt, WfHolder *out)
{
	if (rows == 0)
		return false;
	wf_spi_get_uuid(0, 1, &out->run_id);
	out->owner = wf_spi_get_oid(0, 2);
	out->owner_name = wf_spi_copy_text(0, 3, cxt);
	out->state = wf_spi_get_char(0, 4, '\0');
	return true;
}

void
wf_group_look(int32 queue_id, const char *group, Oid owner, int limit,
			  bool blocks, TimestampTz now, MemoryContext cxt,
			  WfGroupState *out)
{
	Datum values[4] = {Int32GetDatum(queue_id), CStringGetTextDatum(group),
					   ObjectIdGetDatum(owner), ObjectIdGetDatum(owner)};
	const char *of_blocker = OidIsValid(owner) ? "   " : "  n";
	const char *of_others = OidIsValid(owner) ? "    " : "   n";

	memset(out, 0, sizeof(*out));
	if (blocks)
		out->blocked = read_holder(
			wf_spi_run(&group_blocker, values, of_blocker, true, 1), cxt,
			&out->blocker);
	if (out->blocked || limit == 0)
		return;

	values[2] = Int64GetDatum(limit);
	out->nbegun =
		(int) wf_spi_run(&group_begun, values, of_others, true, limit);
	(void) read_holder(out->nbegun, cxt, &out->oldest);
	if (limit != 1 || out->nbegun > 0)
		return;

	values[2] = TimestampTzGetDatum(now);
	out->waits =
		read_holder(wf_spi_run(&group_first, values, of_others, true, 1), cxt,
					&out->first);
}

WfGroupWait
wf_group_wait(const WfGroupState *state, int limit, const pg_uuid_t *run_id)
{
	if (state->blocked)
		return WF_GROUP_BLOCKED;
	if (limit > 0 && state->nbegun >= limit)
		return WF_GROUP_FULL;
	if (limit == 1 && state->waits &&
		memcmp(&state->first.run_id, run_id, UUID_LEN) != 0)
		return WF_GROUP_BEHIND;
	return WF_GROUP_OPEN;
}

static WfStmt run_queue = {
	"SELECT r.queue_id, q.name, r.group_key, " HAS_BEGUN ","
	"       q.paused_at, q.paused_by, q.pause_reason,"
	"       q.on_group_failure = 'block', q.max_running, q.max_active,"
	"       q.group_max_active, q.rate_limit, q.rate_period::text,"
	"       CASE WHEN q.group_by_owner THEN r.owner END"
	"  FROM _workflow.run r"
	"  LEFT JOIN _workflow.queue q ON q.queue_id = r.queue_id"
	" WHERE r.run_id = $1",
	1,
	{UUIDOID}};

void
wf_run_queue(const pg_uuid_t *run_id, MemoryContext cxt, WfRunQueue *out)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	memset(out, 0, sizeof(*out));
	out->max_running = out->max_active = -1;
	if (wf_spi_run(&run_queue, values, NULL, false, 1) == 0)
		return;
	out->queue_id = wf_spi_get_int32(0, 1, 0);
	out->name = wf_spi_copy_text(0, 2, cxt);
	if (out->queue_id == WF_DEFAULT_QUEUE)
		out->name = MemoryContextStrdup(cxt, WF_DEFAULT_QUEUE_NAME);
	out->group = wf_spi_copy_text(0, 3, cxt);
	out->begun = wf_spi_get_bool(0, 4, false);
	out->paused_at = wf_spi_get_time(0, 5, 0);
	out->paused = out->paused_at != 0;
	out->paused_by = wf_spi_copy_text(0, 6, cxt);
	out->pause_reason = wf_spi_copy_text(0, 7, cxt);
	out->blocks = wf_spi_get_bool(0, 8, false);
	out->max_running = wf_spi_get_int32(0, 9, -1);
	out->max_active = wf_spi_get_int32(0, 10, -1);
	out->group_max_active = wf_spi_get_int32(0, 11, 0);
	out->rate_limit = wf_spi_get_int32(0, 12, 0);
	out->rate_period = wf_spi_copy_text(0, 13, cxt);
	out->group_owner = wf_spi_get_oid(0, 14);
}
