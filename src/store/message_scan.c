/*
 * message_scan.c
 *		Messages as the scheduler reads them.
 *
 * As run_idle.c does for runs: by the partial indexes over what is unfinished,
 * or by key.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "core/state.h"
#include "core/workid.h"
#include "store/queue.h"
#include "store/work.h"

#define COLUMNS                                               \
	"m.message_id, m.owner, m.queue_id, m.priority, m.state," \
	" m.receipt IS NOT NULL, coalesce(m.due_at, m.run_at),"   \
	" m.lease_until, m.group_key, m.origin, m.ctid, m.xmax, " \
	"m.due_at, m.place"

/*
 * Has a transaction that is still open got this row?  It has received the
 * message, or is deleting it.
 */
static bool
is_locked(TransactionId xmax)
{
	return TransactionIdIsNormal(xmax) && TransactionIdIsInProgress(xmax);
}

static void
fill_info(uint64 row, WfWork *info)
{
	char state = wf_spi_get_char(row, 5, '\0');
	char *group_key;

	memset(info, 0, sizeof(*info));
	wf_workid_of_message(wf_spi_get_int64(row, 1, 0), &info->id);
	info->last_id = info->id;
	info->owner = wf_spi_get_oid(row, 2);
	info->queue_id = wf_spi_get_int32(row, 3, 0);
	info->priority = wf_spi_get_int32(row, 4, 0);
	info->due_at = wf_spi_get_time(row, 7, 0);
	info->place = wf_spi_get_int64(row, 14, 0);
	info->deadline_at = DT_NOEND;
	wf_spi_get_tid(row, 11, &info->tid);
	if (wf_spi_get_bool(row, 6, false))
		info->flags |= WF_ASSIGN_BEGUN;
	if (state == WF_MESSAGE_LEASED)
	{
		info->flags |= WF_ASSIGN_LEASED;
		info->due_at = wf_spi_get_time(row, 8, 0);
	}
	else if (state == WF_MESSAGE_DEAD)
		info->flags |= WF_ASSIGN_DEAD;
	else if (is_locked(wf_spi_get_xid(row, 12)))
		info->flags |= WF_ASSIGN_LOCKED;
	group_key = wf_spi_copy_text(row, 9, CurrentMemoryContext);
	if (group_key != NULL)
	{
		info->group = wf_group_hash(group_key, strlen(group_key));
		pfree(group_key);
	}
}

/* ---- walks ---- */

static WfStmt scan_range = {
	"SELECT " COLUMNS "  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.message_id > $1"
	"   AND m.message_id <= $2"
	" ORDER BY m.message_id"
	" LIMIT $3",
	3,
	{INT8OID, INT8OID, INT8OID}};

static WfStmt scan_queue = {
	"SELECT " COLUMNS "  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.queue_id = $1 AND m.message_id > $2"
	" ORDER BY m.message_id"
	" LIMIT $3",
	3,
	{INT4OID, INT8OID, INT8OID}};

static WfStmt scan_timers = {
	"SELECT " COLUMNS "  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.due_at IS NOT NULL"
	"   AND (m.due_at, m.message_id) > ($1, $2)"
	"   AND m.state = 'q'::\"char\""
	" ORDER BY m.due_at, m.message_id"
	" LIMIT $3",
	3,
	{TIMESTAMPTZOID, INT8OID, INT8OID}};

/* by message_group, from a place on */
static WfStmt scan_group = {
	"SELECT " COLUMNS "  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.queue_id = $1 AND m.group_key = $2"
	"   AND (m.place, m.message_id) > ($3, $4) AND m.place <= $5"
	"   AND ($7 = 0::pg_catalog.oid OR m.owner = $7)"
	" ORDER BY m.place, m.message_id"
	" LIMIT $6",
	7,
	{INT4OID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, OIDOID}};

static uint64
next_of_group(const WfScan *scan, int64 after, int max)
{
	Datum values[7] = {Int32GetDatum(scan->after_queue),
					   CStringGetTextDatum(scan->group_key),
					   Int64GetDatum(scan->after_place),
					   Int64GetDatum(after),
					   Int64GetDatum(scan->upto_place),
					   Int64GetDatum(max),
					   ObjectIdGetDatum(scan->group_owner)};

	return wf_spi_run(&scan_group, values, NULL, true, max);
}

static uint64
next_rows(const WfScan *scan, int max)
{
	int64 after = wf_workid_bound_of_messages(&scan->after);
	Datum values[3] = {Int32GetDatum(scan->after_queue), Int64GetDatum(after),
					   Int64GetDatum(max)};

	switch (scan->kind)
	{
		case WF_SCAN_TURN:
		case WF_SCAN_QUEUE:
			return wf_spi_run(&scan_queue, values, NULL, true, max);
		case WF_SCAN_TIMERS:
			values[0] = TimestampTzGetDatum(scan->after_due);
			return wf_spi_run(&scan_timers, values, NULL, true, max);
		case WF_SCAN_GROUP:
			return next_of_group(scan, after, max);
		case WF_SCAN_RANGE:
			break;
	}
	values[0] = Int64GetDatum(after);
	values[1] = Int64GetDatum(wf_workid_bound_of_messages(&scan->upto));
	return wf_spi_run(&scan_range, values, NULL, true, max);
}

int
wf_message_scan(WfScan *scan, WfWork *out, int max)
{
	int64 origin = wf_origin();
	uint64 rows = next_rows(scan, max);
	int n = 0;

	for (uint64 i = 0; i < rows; i++)
	{
		fill_info(i, &out[n]);
		scan->after = out[n].id;
		scan->after_queue = out[n].queue_id;
		scan->after_place = out[n].place;
		scan->after_due = wf_spi_get_time(i, 13, 0);
		if (wf_spi_get_int64(i, 10, 0) != origin)
			scan->foreign++;
		else
			n++;
	}
	scan->done = rows < (uint64) max;
	return n;
}

/* ---- by key ---- */

static WfStmt look = {
	"SELECT " COLUMNS "  FROM _workflow.message m"
	" WHERE m.message_id = ANY ($1) AND m.state <> 'a'::\"char\"",
	1,
	{INT8ARRAYOID}};

int
wf_message_look(const int64 *ids, int n, WfWork **out)
{
	Datum *elements = palloc(mul_size(Max(n, 1), sizeof(Datum)));
	Datum values[1];
	int64 origin = wf_origin();
	uint64 rows;
	int found = 0;

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(ids[i]);
	values[0] =
		PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64),
										FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	rows = wf_spi_run(&look, values, NULL, true, 0);
	*out = palloc(mul_size(Max(rows, 1), sizeof(WfWork)));
	for (uint64 i = 0; i < rows; i++)
	{
		if (wf_spi_get_int64(i, 10, 0) != origin)
			continue;
		fill_info(i, &(*out)[found++]);
	}
	return found;
}

/* ---- what was received before ---- */

static WfStmt scan_started = {
	"SELECT " COLUMNS "  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.queue_id = ANY ($1)"
	"   AND m.receipt IS NOT NULL"
	" UNION ALL "
	"SELECT " COLUMNS "  FROM _workflow.message m"
	"  JOIN _workflow.queue q ON q.queue_id = m.queue_id"
	" WHERE m.state = 'd'::\"char\" AND m.finished_at IS NOT NULL"
	"   AND m.group_key IS NOT NULL AND m.queue_id = ANY ($1)"
	"   AND q.on_group_failure = 'block'",
	1,
	{INT4ARRAYOID}};

int
wf_message_scan_started(const int32 *queues, int nqueues, MemoryContext cxt,
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
		if (wf_spi_get_int64(i, 10, 0) != origin)
			continue;
		fill_info(i, &(*out)[n].work);
		(*out)[n].failed = (*out)[n].work.flags & WF_ASSIGN_DEAD;
		(*out)[n].stopped = (*out)[n].failed;
		n++;
	}
	return n;
}
