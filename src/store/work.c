/*
 * work.c
 *		Runs and messages that are unfinished, in one order.
 *
 * A chunk is read of each table, and given out as far as both are known.  What
 * is beyond that is read again with the next chunk: so nothing has to be kept
 * between two, and where one of the tables is empty it costs an index lookup.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/spi.h"
#include "core/runid.h"
#include "core/workid.h"
#include "store/work.h"

/* Does a come before b in a walk of this kind? */
static bool
comes_before(WfScanKind kind, const WfWork *a, const WfWork *b)
{
	if (kind == WF_SCAN_TIMERS && a->due_at != b->due_at)
		return a->due_at < b->due_at;
	if (kind == WF_SCAN_GROUP && a->place != b->place)
		return a->place < b->place;
	return wf_workid_cmp(&a->id, &b->id) < 0;
}

/* where a walk stands, as if it were something it had read */
static WfWork
position(const WfScan *scan)
{
	WfWork info = {.id = scan->after,
				   .queue_id = scan->after_queue,
				   .due_at = scan->after_due,
				   .place = scan->after_place};

	return info;
}

static int
read_runs(const WfScan *scan, WfScan *of_runs, WfWork *out, int max)
{
	*of_runs = *scan;
	of_runs->after = wf_workid_bound_of_runs(&scan->after);
	of_runs->upto = wf_workid_bound_of_runs(&scan->upto);
	return wf_run_scan(of_runs, out, max);
}

static bool
reads(const WfScan *scan, int sides)
{
	if (scan->kind == WF_SCAN_TURN)
		return (scan->sides & sides) != 0;
	return !scan->single ||
		   wf_workid_is_message(&scan->upto) == (sides == WF_SCAN_MESSAGES);
}

int
wf_work_scan(WfScan *scan, WfWork *out, int max)
{
	WfScan of[2];
	WfWork *infos[2];
	int n[2] = {0, 0};
	int i[2] = {0, 0};
	WfWork end[2];
	WfWork *limit = NULL;
	int total = 0;

	of[0] = of[1] = *scan;
	of[0].done = of[1].done = true;
	infos[0] = palloc(mul_size(2 * max, sizeof(WfWork)));
	infos[1] = infos[0] + max;
	if (reads(scan, WF_SCAN_RUNS))
		n[0] = read_runs(scan, &of[0], infos[0], max);
	if (reads(scan, WF_SCAN_MESSAGES))
	{
		of[1] = *scan;
		n[1] = wf_message_scan(&of[1], infos[1], max);
	}

	/* both are known up to where the first of the unfinished walks stands */
	for (int k = 0; k < 2; k++)
	{
		end[k] = position(&of[k]);
		if (!of[k].done &&
			(limit == NULL || comes_before(scan->kind, &end[k], limit)))
			limit = &end[k];
	}
	while (i[0] < n[0] || i[1] < n[1])
	{
		int k = i[0] == n[0] ||
				(i[1] < n[1] &&
				 comes_before(scan->kind, &infos[1][i[1]], &infos[0][i[0]]));
		WfWork *next = &infos[k][i[k]];

		if (limit != NULL && comes_before(scan->kind, limit, next))
			break;
		out[total++] = *next;
		i[k]++;
	}

	scan->foreign = of[0].foreign + of[1].foreign - scan->foreign;
	scan->done = limit == NULL;
	if (limit != NULL)
	{
		scan->after = limit->id;
		scan->after_queue = limit->queue_id;
		scan->after_due = limit->due_at;
		scan->after_place = limit->place;
	}
	else if (total > 0)
		scan->after = out[total - 1].id;
	pfree(infos[0]);
	return total;
}

/* ---- groups ---- */

static WfStmt key_of_run = {
	"SELECT w.group_key, CASE WHEN q.group_by_owner THEN w.owner END"
	"  FROM _workflow.run w"
	"  LEFT JOIN _workflow.queue q ON q.queue_id = w.queue_id"
	" WHERE w.run_id = $1",
	1,
	{UUIDOID}};

static WfStmt key_of_message = {
	"SELECT w.group_key, CASE WHEN q.group_by_owner THEN w.owner END"
	"  FROM _workflow.message w"
	"  LEFT JOIN _workflow.queue q ON q.queue_id = w.queue_id"
	" WHERE w.message_id = $1",
	1,
	{INT8OID}};

char *
wf_work_group_key(const WfWorkId *id, MemoryContext cxt, Oid *owner)
{
	bool message = wf_workid_is_message(id);
	Datum values[1] = {message ? Int64GetDatum(wf_workid_message(id))
							   : UUIDPGetDatum(id)};

	if (wf_spi_run(message ? &key_of_message : &key_of_run, values, NULL, true,
				   1) == 0)
		return NULL;
	*owner = wf_spi_get_oid(0, 2);
	return wf_spi_copy_text(0, 1, cxt);
}

/* ---- queues ---- */

/* From one queue to the next by index, however much there is in each. */
#define QUEUES_OF(table)                                                   \
	"WITH RECURSIVE q AS ("                                                \
	"    (SELECT w.queue_id FROM " table " w"                              \
	"      WHERE w.finished_at IS NULL ORDER BY w.queue_id LIMIT 1)"       \
	"    UNION ALL"                                                        \
	"    SELECT (SELECT w.queue_id FROM " table " w"                       \
	"             WHERE w.finished_at IS NULL AND w.queue_id > q.queue_id" \
	"             ORDER BY w.queue_id LIMIT 1)"                            \
	"      FROM q WHERE q.queue_id IS NOT NULL)"                           \
	"SELECT queue_id FROM q WHERE queue_id IS NOT NULL"

static WfStmt queues_of_runs = {QUEUES_OF("_workflow.run"), 0, {0}};
static WfStmt queues_of_messages = {QUEUES_OF("_workflow.message"), 0, {0}};

int
wf_work_queues(bool of_messages, MemoryContext cxt, int32 **out)
{
	uint64 n = wf_spi_run(of_messages ? &queues_of_messages : &queues_of_runs,
						  NULL, NULL, true, 0);

	*out = MemoryContextAlloc(cxt, mul_size(Max(n, 1), sizeof(int32)));
	for (uint64 i = 0; i < n; i++)
		(*out)[i] = wf_spi_get_int32(i, 1, 0);
	return (int) n;
}

/* ---- counting ---- */

#define COUNT_PAGE "10000"

/* the last one of a page, which there is only where the page is full */
static WfStmt last_of_page = {
	"SELECT m.message_id"
	"  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.queue_id = $1 AND m.message_id > $2"
	" ORDER BY m.message_id"
	" OFFSET " COUNT_PAGE " - 1"
	" LIMIT 1",
	2,
	{INT4OID, INT8OID}};

static WfStmt count_messages = {
	"SELECT count(*)"
	"  FROM _workflow.message m"
	" WHERE m.finished_at IS NULL AND m.queue_id = $1 AND m.message_id > $2",
	2,
	{INT4OID, INT8OID}};

/* True when no more are left. */
static bool
count_page_of_messages(int32 queue_id, WfWorkLeft *left)
{
	Datum values[2] = {Int32GetDatum(queue_id),
					   Int64GetDatum(left->messages_after)};

	if (wf_spi_run(&last_of_page, values, NULL, true, 1) > 0)
	{
		left->messages_after = wf_spi_get_int64(0, 1, 0);
		left->n += atoi(COUNT_PAGE);
		return false;
	}
	if (wf_spi_run(&count_messages, values, NULL, true, 1) > 0)
		left->n += wf_spi_get_int64(0, 1, 0);
	return true;
}

bool
wf_work_count_left(int32 queue_id, WfWorkLeft *left)
{
	if (!left->runs_done)
		left->runs_done = wf_run_count_left(queue_id, atoi(COUNT_PAGE),
											&left->runs_after, &left->n);
	else
		return count_page_of_messages(queue_id, left);
	return false;
}

int
wf_work_scan_started(const int32 *queues, int nqueues, MemoryContext cxt,
					 WfStarted **out)
{
	WfStarted *messages;
	int nruns = wf_run_scan_started(queues, nqueues, cxt, out);
	int n = wf_message_scan_started(queues, nqueues, cxt, &messages);

	if (n == 0)
		return nruns;
	*out = repalloc_huge(*out, mul_size(nruns + n, sizeof(WfStarted)));
	memcpy(*out + nruns, messages, mul_size(n, sizeof(WfStarted)));
	pfree(messages);
	return nruns + n;
}

static WfStmt last_message = {"SELECT message_id"
							  "  FROM _workflow.message"
							  " ORDER BY message_id DESC"
							  " LIMIT 1",
							  0,
							  {0}};

void
wf_work_last_ticks(uint64 *ticks)
{
	pg_uuid_t last;

	*ticks = 0;
	if (wf_run_last_id(&last))
		*ticks = wf_runid_ticks_of(&last);
	if (wf_spi_run(&last_message, NULL, NULL, true, 1) > 0)
		*ticks = Max(*ticks, (uint64) wf_spi_get_int64(0, 1, 0));
}
