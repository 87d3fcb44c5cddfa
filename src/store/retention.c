/*
 * retention.c
 *		What is kept for some time only.
 *
 * Rows are found by index in the order in which their time is over, and locked
 * with SKIP LOCKED before they are deleted, so that no client's transaction
 * holds up the scheduler.  Rows of another origin (a restored dump) stay as
 * they are until start() has taken them over.
 *
 * What a run started goes by its own time, but not before the run: a parent
 * can be looked at with all its children.  Items of a map are no runs of their
 * own to anybody and go with it, some at a time and before it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "core/state.h"
#include "store/control.h"
#include "store/retention.h"

/* ---- what is kept for how long ---- */

/* the queue "default" may have no row; of acknowledged ones some may be left */
static WfStmt list_queues = {
	"SELECT i.queue_id,"
	"       coalesce((extract(epoch FROM q.keep_acked)"
	"                 * 1000000)::pg_catalog.int8, 0),"
	"       (extract(epoch FROM q.keep_dead) * 1000000)::pg_catalog.int8,"
	"       coalesce((extract(epoch FROM q.dedup_window)"
	"                 * 1000000)::pg_catalog.int8, 300000000),"
	"       q.keep_acked IS NOT NULL"
	"  FROM (SELECT 0 AS queue_id"
	"         UNION SELECT queue_id FROM _workflow.queue) i"
	"  LEFT JOIN _workflow.queue q ON q.queue_id = i.queue_id",
	0,
	{0}};

static WfStmt list_workflows = {
	"SELECT workflow_id,"
	"       (extract(epoch FROM keep_succeeded)"
	"        * 1000000)::pg_catalog.int8,"
	"       (extract(epoch FROM keep_failed) * 1000000)::pg_catalog.int8"
	"  FROM _workflow.workflow"
	" WHERE keep_succeeded IS NOT NULL OR keep_failed IS NOT NULL",
	0,
	{0}};

typedef struct Listing
{
	WfKeep *keeps;
	int n;
	int64 shortest;
} Listing;

/* "keep" < 0: for ever */
static void
list(Listing *l, WfKeepKind kind, int32 id, char state, int64 keep)
{
	WfKeep *k = &l->keeps[l->n];

	if (keep < 0)
		return;
	k->kind = kind;
	k->id = id;
	k->state = state;
	k->keep = keep;
	l->n++;
}

static void
list_queue(Listing *l, uint64 row)
{
	int32 id = wf_spi_get_int32(row, 1, 0);
	int64 acked = wf_spi_get_int64(row, 2, 0);
	int64 dead = wf_spi_get_int64(row, 3, -1);

	list(l, WF_KEEP_MESSAGES, id, WF_MESSAGE_ACKED, acked);
	list(l, WF_KEEP_MESSAGES, id, WF_MESSAGE_DEAD, dead);
	l->shortest = Min(l->shortest, wf_spi_get_int64(row, 4, 0));
	if (wf_spi_get_bool(row, 5, false))
		l->shortest = Min(l->shortest, acked);
	if (dead >= 0)
		l->shortest = Min(l->shortest, dead);
}

static void
list_workflow(Listing *l, uint64 row)
{
	int32 id = wf_spi_get_int32(row, 1, 0);
	int64 succeeded = wf_spi_get_int64(row, 2, -1);
	int64 failed = wf_spi_get_int64(row, 3, -1);

	list(l, WF_KEEP_RUNS, id, WF_RUN_SUCCEEDED, succeeded);
	list(l, WF_KEEP_RUNS, id, WF_RUN_CANCELLED, succeeded);
	list(l, WF_KEEP_RUNS, id, WF_RUN_FAILED, failed);
	if (succeeded >= 0)
		l->shortest = Min(l->shortest, succeeded);
	if (failed >= 0)
		l->shortest = Min(l->shortest, failed);
}

int
wf_retention_list(MemoryContext cxt, WfKeep **out, int64 *shortest)
{
	Listing l = {.shortest = PG_INT64_MAX};
	uint64 n = wf_spi_run(&list_queues, NULL, NULL, true, 0);

	l.keeps = MemoryContextAlloc(cxt, mul_size(2 * n + 1, sizeof(WfKeep)));
	list(&l, WF_KEEP_KEYS, 0, '\0', 0);
	for (uint64 i = 0; i < n; i++)
		list_queue(&l, i);
	n = wf_spi_run(&list_workflows, NULL, NULL, true, 0);
	l.keeps = repalloc(l.keeps, mul_size(l.n + 3 * n, sizeof(WfKeep)));
	for (uint64 i = 0; i < n; i++)
		list_workflow(&l, i);
	*out = l.keeps;
	*shortest = l.shortest;
	return l.n;
}

/* ---- runs ---- */

/* rows "r" of _workflow.run that nothing else holds */
#define RUN_MAY_GO                                                 \
	"   AND (r.parent_run_id IS NULL"                              \
	"        OR NOT EXISTS (SELECT FROM _workflow.run p"           \
	"                        WHERE p.run_id = r.parent_run_id))"   \
	"   AND NOT EXISTS (SELECT FROM _workflow.run c"               \
	"                    WHERE c.parent_run_id = r.run_id"         \
	"                      AND c.finished_at IS NULL)"             \
	"   AND NOT (r.waiting_for IS NOT DISTINCT FROM 'x'::\"char\"" \
	"            AND EXISTS (SELECT FROM _workflow.queue q"        \
	"                         WHERE q.queue_id = r.queue_id"       \
	"                           AND q.on_group_failure = 'block'))"

#define FINISHED_RUNS                                    \
	"  FROM _workflow.run r"                             \
	" WHERE r.workflow_id = $1 AND r.state = $2"         \
	"   AND r.finished_at IS NOT NULL AND r.origin = $3" \
	"   AND r.queue_id <> -1"

static WfStmt expired_runs = {
	"SELECT r.run_id, coalesce(r.steps_done, 0)" FINISHED_RUNS
	"   AND r.finished_at <= $4" RUN_MAY_GO " ORDER BY r.finished_at"
	" LIMIT $5"
	"   FOR UPDATE OF r SKIP LOCKED",
	5,
	{INT4OID, CHAROID, INT8OID, TIMESTAMPTZOID, INT8OID}};

static WfStmt oldest_run = {"SELECT r.finished_at" FINISHED_RUNS RUN_MAY_GO
							" ORDER BY r.finished_at"
							" LIMIT 1",
							3,
							{INT4OID, CHAROID, INT8OID}};

static WfStmt items_of_runs = {
	"SELECT r.run_id, coalesce(r.steps_done, 0)"
	"  FROM _workflow.run r"
	" WHERE r.parent_run_id = ANY ($1) AND r.queue_id = -1"
	" LIMIT $2"
	"   FOR UPDATE OF r SKIP LOCKED",
	2,
	{UUIDARRAYOID, INT8OID}};

static WfStmt delete_parts[] = {
	{"DELETE FROM _workflow.step WHERE run_id = ANY ($1)", 1, {UUIDARRAYOID}},
	{"DELETE FROM _workflow.attempt WHERE run_id = ANY ($1)",
	 1,
	 {UUIDARRAYOID}},
	{"DELETE FROM _workflow.signal WHERE run_id = ANY ($1)",
	 1,
	 {UUIDARRAYOID}},
	{"DELETE FROM _workflow.audit WHERE run_id = ANY ($1)", 1, {UUIDARRAYOID}},
	{"DELETE FROM _workflow.request WHERE run_id = ANY ($1)",
	 1,
	 {UUIDARRAYOID}},
	{"DELETE FROM _workflow.run WHERE run_id = ANY ($1)", 1, {UUIDARRAYOID}}};

static Datum
array_of(pg_uuid_t *ids, int n)
{
	Datum *elems = palloc(mul_size(Max(n, 1), sizeof(Datum)));

	for (int i = 0; i < n; i++)
		elems[i] = UUIDPGetDatum(&ids[i]);
	return PointerGetDatum(
		construct_array(elems, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

static void
delete_runs(pg_uuid_t *ids, int n)
{
	Datum values[1] = {array_of(ids, n)};

	for (int i = 0; i < lengthof(delete_parts); i++)
		(void) wf_spi_run(&delete_parts[i], values, NULL, false, 0);
}

/*
 * The runs of the last result, so many of them that they and their steps are
 * about "max" rows, and one at least.
 */
static int
take_runs(uint64 found, int max, pg_uuid_t *ids)
{
	int64 rows = 0;
	int n = 0;

	while (n < found && (n == 0 || rows < max))
	{
		wf_spi_get_uuid(n, 1, &ids[n]);
		rows += 1 + wf_spi_get_int32(n, 2, 0);
		n++;
	}
	return n;
}

/* Items first: when there are any, their runs are left for another time. */
static int
delete_items(pg_uuid_t *ids, int n, int max)
{
	Datum values[2];
	pg_uuid_t *items = palloc(mul_size(max, sizeof(pg_uuid_t)));

	values[0] = array_of(ids, n);
	values[1] = Int64GetDatum(max);
	n = take_runs(wf_spi_run(&items_of_runs, values, NULL, false, max), max,
				  items);
	if (n > 0)
		delete_runs(items, n);
	return n;
}

static int
delete_expired_runs(const WfKeep *keep, TimestampTz now, int max)
{
	Datum values[5];
	pg_uuid_t *ids = palloc(mul_size(max, sizeof(pg_uuid_t)));
	int nitems;
	int n;

	values[0] = Int32GetDatum(keep->id);
	values[1] = CharGetDatum(keep->state);
	values[2] = Int64GetDatum(wf_origin());
	values[3] = TimestampTzGetDatum(now - keep->keep);
	values[4] = Int64GetDatum(max);
	n = take_runs(wf_spi_run(&expired_runs, values, NULL, false, max), max,
				  ids);
	if (n == 0)
		return 0;
	nitems = delete_items(ids, n, max);
	if (nitems > 0)
		return nitems;
	delete_runs(ids, n);
	return n;
}

void
wf_run_purge(const pg_uuid_t *run_id)
{
	pg_uuid_t id = *run_id;

	while (delete_items(&id, 1, 1000) > 0)
		CHECK_FOR_INTERRUPTS();
	delete_runs(&id, 1);
}

static WfStmt sweep_audit = {
	"DELETE FROM _workflow.audit a"
	" WHERE a.run_id = $1"
	"   AND NOT EXISTS (SELECT FROM _workflow.run r WHERE r.run_id = $1)",
	1,
	{UUIDOID}};

void
wf_run_sweep(const pg_uuid_t *run_id)
{
	Datum values[1] = {UUIDPGetDatum(run_id)};

	(void) wf_spi_run(&sweep_audit, values, NULL, false, 0);
}

/* ---- messages ---- */

/* rows "m" of _workflow.message */
#define FINISHED_MESSAGES                                             \
	"  FROM _workflow.message m"                                      \
	" WHERE m.queue_id = $1 AND m.finished_at IS NOT NULL"            \
	"   AND m.state = $2 AND m.origin = $3"                           \
	"   AND NOT (m.state = 'd'::\"char\" AND m.group_key IS NOT NULL" \
	"            AND EXISTS (SELECT FROM _workflow.queue q"           \
	"                         WHERE q.queue_id = m.queue_id"          \
	"                           AND q.on_group_failure = 'block'))"

static WfStmt delete_messages = {
	"DELETE FROM _workflow.message"
	" WHERE message_id = ANY (ARRAY("
	"SELECT m.message_id" FINISHED_MESSAGES "   AND m.finished_at <= $4"
	" ORDER BY m.finished_at"
	" LIMIT $5"
	"   FOR UPDATE SKIP LOCKED))",
	5,
	{INT4OID, CHAROID, INT8OID, TIMESTAMPTZOID, INT8OID}};

static WfStmt oldest_message = {"SELECT m.finished_at" FINISHED_MESSAGES
								" ORDER BY m.finished_at"
								" LIMIT 1",
								3,
								{INT4OID, CHAROID, INT8OID}};

static int
delete_expired_messages(const WfKeep *keep, TimestampTz now, int max)
{
	Datum values[5];

	values[0] = Int32GetDatum(keep->id);
	values[1] = CharGetDatum(keep->state);
	values[2] = Int64GetDatum(wf_origin());
	values[3] = TimestampTzGetDatum(now - keep->keep);
	values[4] = Int64GetDatum(max);
	return (int) wf_spi_run(&delete_messages, values, NULL, false, 0);
}

/* ---- keys ---- */

/*
 * A key that its message has for as long as it is in the queue is looked at
 * again later.
 */
static WfStmt keep_keys = {
	"UPDATE _workflow.message_key k"
	"   SET expires_at = $1 + interval '5 min'"
	"  FROM _workflow.queue q, _workflow.message m"
	" WHERE k.expires_at <= $1 AND q.queue_id = k.queue_id"
	"   AND q.dedup_scope <> 'window' AND m.message_id = k.message_id"
	"   AND m.finished_at IS NULL",
	1,
	{TIMESTAMPTZOID}};

static WfStmt delete_keys = {
	"DELETE FROM _workflow.message_key k"
	" USING (SELECT o.queue_id, o.owner_name, o.dedup_key"
	"          FROM _workflow.message_key o"
	"         WHERE o.expires_at <= $1"
	"         ORDER BY o.expires_at"
	"         LIMIT $2"
	"           FOR UPDATE SKIP LOCKED) e"
	" WHERE k.queue_id = e.queue_id AND k.owner_name = e.owner_name"
	"   AND k.dedup_key = e.dedup_key",
	2,
	{TIMESTAMPTZOID, INT8OID}};

static WfStmt oldest_key = {"SELECT expires_at"
							"  FROM _workflow.message_key"
							" ORDER BY expires_at"
							" LIMIT 1",
							0,
							{0}};

static int
delete_expired_keys(TimestampTz now, int max)
{
	Datum values[2];

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int64GetDatum(max);
	(void) wf_spi_run(&keep_keys, values, NULL, false, 0);
	return (int) wf_spi_run(&delete_keys, values, NULL, false, 0);
}

/* ---- all of them ---- */

int
wf_retention_delete(const WfKeep *keep, TimestampTz now, int max)
{
	switch (keep->kind)
	{
		case WF_KEEP_KEYS:
			return delete_expired_keys(now, max);
		case WF_KEEP_MESSAGES:
			return delete_expired_messages(keep, now, max);
		case WF_KEEP_RUNS:
			return delete_expired_runs(keep, now, max);
	}
	return 0;
}

TimestampTz
wf_retention_next(const WfKeep *keep)
{
	Datum values[3];
	uint64 found;

	values[0] = Int32GetDatum(keep->id);
	values[1] = CharGetDatum(keep->state);
	values[2] = Int64GetDatum(wf_origin());
	if (keep->kind == WF_KEEP_KEYS)
		found = wf_spi_run(&oldest_key, NULL, NULL, true, 1);
	else
		found = wf_spi_run(keep->kind == WF_KEEP_RUNS ? &oldest_run
													  : &oldest_message,
						   values, NULL, true, 1);
	return found == 0 ? DT_NOEND : wf_spi_get_time(0, 1, 0) + keep->keep;
}
