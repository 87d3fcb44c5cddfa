/*
 * queue_definition.c
 *		Definitions of queues, and what is granted on them.
 *
 * A queue that is dropped loses its row: its name is free, and its id, which
 * finished runs keep, is never given to another.  What was reserved against
 * its rate limits is left to the scheduler, whose rows those are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/spi.h"
#include "store/definition.h"
#include "store/queue_definition.h"

/* ---- reading ---- */

#define QUEUE_COLUMNS                                                   \
	"SELECT q.queue_id, q.name, q.owner, q.owner_name, q.closed,"       \
	"       q.max_running, q.max_active, q.group_max_active,"           \
	"       q.on_group_failure = 'block', q.fair, q.group_weights,"     \
	"       q.rate_limit, q.rate_period, q.group_rate_limit, q.policy," \
	"       q.description, q.lease, q.dedup_window, q.keep_acked,"      \
	"       q.keep_dead, q.notify_channel, q.alert, q.alert_role,"      \
	"       q.alert_role_name, q.alert_depth, q.alert_age,"             \
	"       q.alert_dead_letters, q.dedup_scope, q.group_by_owner"      \
	"  FROM _workflow.queue q"                                          \
	" WHERE q.name = $1"

/* who only names the queue takes FOR KEY SHARE, and minds dropping alone */
static WfStmt lock_to_alter = {
	QUEUE_COLUMNS " FOR NO KEY UPDATE", 1, {TEXTOID}, NULL};

static WfStmt lock_to_drop = {QUEUE_COLUMNS " FOR UPDATE", 1, {TEXTOID}, NULL};

/* in a window the current user is the owner of the extension */
static WfStmt make_default = {
	"INSERT INTO _workflow.queue (queue_id, name, owner, owner_name, closed,"
	"       on_group_failure, fair, rate_period, created_at, altered_at)"
	"SELECT $1, $2, a.oid, a.rolname, false, 'continue', false, '1 s', $3, $3"
	"  FROM pg_catalog.pg_roles a"
	" WHERE a.rolname = current_user"
	"    ON CONFLICT DO NOTHING",
	3,
	{INT4OID, TEXTOID, TIMESTAMPTZOID},
	NULL};

static void
make_default_row(void)
{
	Datum values[3];

	values[0] = Int32GetDatum(WF_DEFAULT_QUEUE);
	values[1] = CStringGetTextDatum(WF_DEFAULT_QUEUE_NAME);
	values[2] = TimestampTzGetDatum(wf_clock_now());
	(void) wf_spi_run(&make_default, values, NULL, false, 0);
}

/* NULL where the column is. */
static Interval *
copy_interval(int column, MemoryContext cxt)
{
	bool isnull;
	Datum value = wf_spi_get(0, column, &isnull);
	Interval *copy;

	if (isnull)
		return NULL;
	copy = MemoryContextAlloc(cxt, sizeof(Interval));
	*copy = *DatumGetIntervalP(value);
	return copy;
}

static void
read_message_columns(MemoryContext cxt, WfQueue *out)
{
	bool isnull;

	out->lease = *DatumGetIntervalP(wf_spi_get(0, 17, &isnull));
	out->dedup_window = *DatumGetIntervalP(wf_spi_get(0, 18, &isnull));
	out->keep_acked = copy_interval(19, cxt);
	out->keep_dead = copy_interval(20, cxt);
	out->notify_channel = wf_spi_copy_text(0, 21, cxt);
	out->alert = wf_spi_copy_text(0, 22, cxt);
	out->alert_role = wf_spi_get_oid(0, 23);
	out->alert_role_name = wf_spi_copy_text(0, 24, cxt);
	out->alert_depth = wf_spi_get_int32(0, 25, 0);
	out->alert_age = copy_interval(26, cxt);
	out->alert_dead_letters = wf_spi_get_int32(0, 27, 0);
	out->dedup_scope = wf_key_scope_of(wf_spi_copy_text(0, 28, cxt));
	out->group_by_owner = wf_spi_get_bool(0, 29, false);
}

bool
wf_queue_lock(const char *name, bool to_drop, MemoryContext cxt, WfQueue *out)
{
	Datum values[1] = {CStringGetTextDatum(name)};
	WfPolicy policy;
	bool isnull;

	if (strcmp(name, WF_DEFAULT_QUEUE_NAME) == 0)
		make_default_row();
	if (wf_spi_run(to_drop ? &lock_to_drop : &lock_to_alter, values, NULL,
				   false, 1) == 0)
		return false;

	memset(out, 0, sizeof(*out));
	out->queue_id = wf_spi_get_int32(0, 1, 0);
	out->name = wf_spi_copy_text(0, 2, cxt);
	out->owner = wf_spi_get_oid(0, 3);
	out->owner_name = wf_spi_copy_text(0, 4, cxt);
	out->closed = wf_spi_get_bool(0, 5, false);
	out->max_running = wf_spi_get_int32(0, 6, 0);
	out->max_active = wf_spi_get_int32(0, 7, 0);
	out->group_max_active = wf_spi_get_int32(0, 8, 0);
	out->blocks = wf_spi_get_bool(0, 9, false);
	out->fair = wf_spi_get_bool(0, 10, false);
	out->group_weights = wf_spi_copy_jsonb(0, 11, cxt);
	out->rate_limit = wf_spi_get_int32(0, 12, 0);
	out->rate_period = *DatumGetIntervalP(wf_spi_get(0, 13, &isnull));
	out->group_rate_limit = wf_spi_get_int32(0, 14, 0);
	out->has_policy = wf_policy_read(15, cxt, &policy, &out->policy_row);
	out->description = wf_spi_copy_text(0, 16, cxt);
	read_message_columns(cxt, out);
	return true;
}

/* an oid that means another role here (a restored dump) gives no right */
static WfStmt use_queue = {
	"SELECT q.queue_id, NOT q.closed"
	"       OR EXISTS (SELECT FROM pg_catalog.pg_roles a"
	"                   WHERE a.oid = $2 AND a.rolsuper)"
	"       OR EXISTS (SELECT FROM pg_catalog.pg_roles a"
	"                   WHERE a.oid = q.owner AND a.rolname = q.owner_name"
	"                     AND pg_catalog.pg_has_role($2, a.oid, 'USAGE'))"
	"       OR EXISTS (SELECT FROM _workflow.queue_grant g"
	"                    LEFT JOIN pg_catalog.pg_roles a"
	"                      ON a.oid = g.role AND a.rolname = g.role_name"
	"                   WHERE g.queue_id = q.queue_id"
	"                     AND g.privilege = 'send'"
	"                     AND (g.role_name = 'public'"
	"                          OR pg_catalog.pg_has_role($2, a.oid, 'USAGE')))"
	"  FROM _workflow.queue q"
	" WHERE q.name = $1"
	"   FOR KEY SHARE OF q",
	2,
	{TEXTOID, OIDOID},
	NULL};

bool
wf_queue_use(const char *name, Oid role, WfQueueUse *out)
{
	Datum values[2] = {CStringGetTextDatum(name), ObjectIdGetDatum(role)};

	out->queue_id = WF_DEFAULT_QUEUE;
	out->allowed = true;
	if (wf_spi_run(&use_queue, values, NULL, false, 1) == 0)
		return strcmp(name, WF_DEFAULT_QUEUE_NAME) == 0;
	out->queue_id = wf_spi_get_int32(0, 1, 0);
	out->allowed = wf_spi_get_bool(0, 2, false);
	return true;
}

/* ---- writing ---- */

static WfStmt insert_queue = {
	"INSERT INTO _workflow.queue (name, owner, owner_name, closed,"
	"       on_group_failure, fair, rate_period, created_at, altered_at)"
	"VALUES ($1, $2, $3, false, 'continue', false, '1 s', $4, $4)"
	"ON CONFLICT (name) DO NOTHING "
	"RETURNING queue_id",
	4,
	{TEXTOID, OIDOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

bool
wf_queue_insert(WfQueue *queue, TimestampTz now)
{
	Datum values[4];

	values[0] = CStringGetTextDatum(queue->name);
	values[1] = ObjectIdGetDatum(queue->owner);
	values[2] = CStringGetTextDatum(queue->owner_name);
	values[3] = TimestampTzGetDatum(now);
	if (wf_spi_run(&insert_queue, values, NULL, false, 1) == 0)
		return false;
	queue->queue_id = wf_spi_get_int32(0, 1, 0);
	wf_queue_update(queue, now);
	return true;
}

#define UPDATE_ARGS 29

/* the policy's type is not a constant: it is set before each use */
static WfStmt update_queue = {
	"UPDATE _workflow.queue"
	"   SET owner = $2, owner_name = $3, closed = $4, max_running = $5,"
	"       max_active = $6, group_max_active = $7, on_group_failure = $8,"
	"       fair = $9, group_weights = $10, rate_limit = $11,"
	"       rate_period = $12, group_rate_limit = $13, policy = $14,"
	"       description = $15, altered_at = $16, lease = $17,"
	"       dedup_window = $18, keep_acked = $19, keep_dead = $20,"
	"       notify_channel = $21, alert = $22, alert_role = $23,"
	"       alert_role_name = $24, alert_depth = $25, alert_age = $26,"
	"       alert_dead_letters = $27, dedup_scope = $28, group_by_owner = $29"
	" WHERE queue_id = $1",
	UPDATE_ARGS,
	{INT4OID,		 OIDOID,	  TEXTOID,	   BOOLOID,		INT4OID,
	 INT4OID,		 INT4OID,	  TEXTOID,	   BOOLOID,		JSONBOID,
	 INT4OID,		 INTERVALOID, INT4OID,	   InvalidOid,	TEXTOID,
	 TIMESTAMPTZOID, INTERVALOID, INTERVALOID, INTERVALOID, INTERVALOID,
	 TEXTOID,		 TEXTOID,	  OIDOID,	   TEXTOID,		INT4OID,
	 INTERVALOID,	 INT4OID,	  TEXTOID,	   BOOLOID},
	NULL};

#define UPDATE_POLICY_ARG 13

static Datum
limit_or_null(int32 limit, char *null)
{
	if (limit == 0)
		*null = 'n';
	return Int32GetDatum(limit);
}

static Datum
interval_or_null(const Interval *interval, char *null)
{
	if (interval == NULL)
		*null = 'n';
	return IntervalPGetDatum(interval);
}

/* The arguments of update_queue that come last. */
static void
set_message_columns(const WfQueue *queue, Datum *values, char *nulls)
{
	values[16] = IntervalPGetDatum(&queue->lease);
	values[17] = IntervalPGetDatum(&queue->dedup_window);
	values[18] = interval_or_null(queue->keep_acked, &nulls[18]);
	values[19] = interval_or_null(queue->keep_dead, &nulls[19]);
	values[20] = wf_text_or_null(queue->notify_channel, &nulls[20]);
	values[21] = wf_text_or_null(queue->alert, &nulls[21]);
	values[22] = ObjectIdGetDatum(queue->alert_role);
	if (!OidIsValid(queue->alert_role))
		nulls[22] = 'n';
	values[23] = wf_text_or_null(queue->alert_role_name, &nulls[23]);
	values[24] = limit_or_null(queue->alert_depth, &nulls[24]);
	values[25] = interval_or_null(queue->alert_age, &nulls[25]);
	values[26] = limit_or_null(queue->alert_dead_letters, &nulls[26]);
	values[27] = CStringGetTextDatum(wf_key_scopes[queue->dedup_scope]);
	values[28] = BoolGetDatum(queue->group_by_owner);
}

void
wf_queue_update(const WfQueue *queue, TimestampTz now)
{
	Datum values[UPDATE_ARGS];
	char nulls[UPDATE_ARGS + 1];

	memset(nulls, ' ', UPDATE_ARGS);
	nulls[UPDATE_ARGS] = '\0';

	wf_policy_bind(&update_queue, UPDATE_POLICY_ARG);
	values[0] = Int32GetDatum(queue->queue_id);
	values[1] = ObjectIdGetDatum(queue->owner);
	values[2] = CStringGetTextDatum(queue->owner_name);
	values[3] = BoolGetDatum(queue->closed);
	values[4] = limit_or_null(queue->max_running, &nulls[4]);
	values[5] = limit_or_null(queue->max_active, &nulls[5]);
	values[6] = limit_or_null(queue->group_max_active, &nulls[6]);
	values[7] = CStringGetTextDatum(queue->blocks ? "block" : "continue");
	values[8] = BoolGetDatum(queue->fair);
	values[9] = JsonbPGetDatum(queue->group_weights);
	if (queue->group_weights == NULL)
		nulls[9] = 'n';
	values[10] = limit_or_null(queue->rate_limit, &nulls[10]);
	values[11] = IntervalPGetDatum(&queue->rate_period);
	values[12] = limit_or_null(queue->group_rate_limit, &nulls[12]);
	values[13] = queue->policy_row;
	if (!queue->has_policy)
		nulls[13] = 'n';
	values[14] = wf_text_or_null(queue->description, &nulls[14]);
	values[15] = TimestampTzGetDatum(now);
	set_message_columns(queue, values, nulls);
	(void) wf_spi_run(&update_queue, values, nulls, false, 0);
}

static WfStmt pause_queue = {
	"UPDATE _workflow.queue"
	"   SET paused_at = CASE WHEN $2 THEN $5 END,"
	"       paused_by = $3, pause_reason = $4"
	" WHERE queue_id = $1",
	5,
	{INT4OID, BOOLOID, TEXTOID, TEXTOID, TIMESTAMPTZOID},
	NULL};

void
wf_queue_set_paused(int32 queue_id, bool paused, const char *by,
					const char *reason, TimestampTz now)
{
	Datum values[5];
	char nulls[6] = "     ";

	values[0] = Int32GetDatum(queue_id);
	values[1] = BoolGetDatum(paused);
	values[2] = wf_text_or_null(by, &nulls[2]);
	values[3] = wf_text_or_null(reason, &nulls[3]);
	values[4] = TimestampTzGetDatum(now);
	(void) wf_spi_run(&pause_queue, values, nulls, false, 0);
}

/* ---- dropping ---- */

static WfStmt count_grouped = {
	"SELECT (SELECT pg_catalog.count(*)"
	"          FROM _workflow.run r"
	"         WHERE r.finished_at IS NULL AND r.queue_id = $1"
	"           AND r.group_key IS NOT NULL)"
	"       + (SELECT pg_catalog.count(*)"
	"            FROM _workflow.message m"
	"           WHERE m.finished_at IS NULL AND m.queue_id = $1"
	"             AND m.group_key IS NOT NULL)",
	1,
	{INT4OID},
	NULL};

int64
wf_queue_grouped(int32 queue_id)
{
	Datum values[1] = {Int32GetDatum(queue_id)};

	(void) wf_spi_run(&count_grouped, values, NULL, false, 0);
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt count_unfinished = {
	"SELECT pg_catalog.count(*)"
	"  FROM _workflow.run"
	" WHERE finished_at IS NULL AND queue_id = $1",
	1,
	{INT4OID},
	NULL};

int64
wf_queue_unfinished(int32 queue_id)
{
	Datum values[1] = {Int32GetDatum(queue_id)};

	(void) wf_spi_run(&count_unfinished, values, NULL, false, 0);
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt cancel_unfinished = {
	"WITH asked AS ("
	"  INSERT INTO _workflow.request (run_id, kind, requested_at,"
	"                                 requested_by, reason)"
	"  SELECT run_id, 'c', $2, $3, $4"
	"    FROM _workflow.run"
	"   WHERE finished_at IS NULL AND queue_id = $1"
	"   ORDER BY run_id"
	"  RETURNING run_id)"
	"INSERT INTO _workflow.audit (run_id, at, action, role_name, reason)"
	"SELECT run_id, $2, 'drop_queue', $3, $4"
	"  FROM asked",
	4,
	{INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID},
	NULL};

int64
wf_queue_cancel_all(int32 queue_id, const char *by, const char *reason,
					TimestampTz now)
{
	Datum values[4];
	char nulls[5] = "    ";

	values[0] = Int32GetDatum(queue_id);
	values[1] = TimestampTzGetDatum(now);
	values[2] = CStringGetTextDatum(by);
	values[3] = wf_text_or_null(reason, &nulls[3]);
	return (int64) wf_spi_run(&cancel_unfinished, values, nulls, false, 0);
}

static WfStmt find_workflows = {
	"SELECT pg_catalog.count(*), pg_catalog.min(name)"
	"  FROM _workflow.workflow"
	" WHERE queue_id = $1 AND dropped_at IS NULL",
	1,
	{INT4OID},
	NULL};

int64
wf_queue_workflows(int32 queue_id, MemoryContext cxt, char **first)
{
	Datum values[1] = {Int32GetDatum(queue_id)};

	(void) wf_spi_run(&find_workflows, values, NULL, false, 0);
	*first = wf_spi_copy_text(0, 2, cxt);
	return wf_spi_get_int64(0, 1, 0);
}

static WfStmt leave_queue = {"UPDATE _workflow.workflow"
							 "   SET queue_id = $2, altered_at = $3"
							 " WHERE queue_id = $1 AND dropped_at IS NULL",
							 3,
							 {INT4OID, INT4OID, TIMESTAMPTZOID},
							 NULL};

void
wf_queue_leave(int32 queue_id, TimestampTz now)
{
	Datum values[3];

	values[0] = Int32GetDatum(queue_id);
	values[1] = Int32GetDatum(WF_DEFAULT_QUEUE);
	values[2] = TimestampTzGetDatum(now);
	(void) wf_spi_run(&leave_queue, values, NULL, false, 0);
}

static WfStmt drop_grants = {
	"DELETE FROM _workflow.queue_grant WHERE queue_id = $1",
	1,
	{INT4OID},
	NULL};

static WfStmt drop_queue = {
	"DELETE FROM _workflow.queue WHERE queue_id = $1", 1, {INT4OID}, NULL};

void
wf_queue_drop(int32 queue_id)
{
	Datum values[1] = {Int32GetDatum(queue_id)};

	(void) wf_spi_run(&drop_grants, values, NULL, false, 0);
	(void) wf_spi_run(&drop_queue, values, NULL, false, 0);
}

/* ---- grants ---- */

static WfStmt grant_queue = {
	"INSERT INTO _workflow.queue_grant (queue_id, role_name, role, privilege)"
	"VALUES ($1, $2, $3, $4)"
	"    ON CONFLICT (queue_id, role_name, privilege)"
	"    DO UPDATE SET role = excluded.role",
	4,
	{INT4OID, TEXTOID, OIDOID, TEXTOID},
	NULL};

void
wf_queue_grant(int32 queue_id, Oid role, const char *role_name,
			   const char *privilege)
{
	Datum values[4];

	values[0] = Int32GetDatum(queue_id);
	values[1] = CStringGetTextDatum(role_name);
	values[2] = ObjectIdGetDatum(role);
	values[3] = CStringGetTextDatum(privilege);
	(void) wf_spi_run(&grant_queue, values, NULL, false, 0);
}

static WfStmt revoke_queue = {
	"DELETE FROM _workflow.queue_grant"
	" WHERE queue_id = $1 AND role_name = $2 AND privilege = $3",
	3,
	{INT4OID, TEXTOID, TEXTOID},
	NULL};

bool
wf_queue_revoke(int32 queue_id, const char *role_name, const char *privilege)
{
	Datum values[3];

	values[0] = Int32GetDatum(queue_id);
	values[1] = CStringGetTextDatum(role_name);
	values[2] = CStringGetTextDatum(privilege);
	return wf_spi_run(&revoke_queue, values, NULL, false, 0) > 0;
}
