/*
 * rate.c
 *		Starts that were charged to a rate limit before they were made.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "store/rate.h"

static WfStmt reserve = {
	"INSERT INTO _workflow.rate (queue_id, group_hash, starts, reserved_at)"
	"VALUES ($1, $2, $3, $4)",
	4,
	{INT4OID, INT8OID, INT4OID, TIMESTAMPTZOID}};

void
wf_rate_reserve(int32 queue_id, uint64 group, int32 starts, TimestampTz at)
{
	Datum values[4];

	values[0] = Int32GetDatum(queue_id);
	values[1] = Int64GetDatum((int64) group);
	values[2] = Int32GetDatum(starts);
	values[3] = TimestampTzGetDatum(at);
	(void) wf_spi_run(&reserve, values, NULL, false, 0);
}

static WfStmt load = {"SELECT queue_id, group_hash, starts, reserved_at"
					  "  FROM _workflow.rate"
					  " ORDER BY queue_id, group_hash, reserved_at",
					  0,
					  {0}};

int
wf_rate_load(MemoryContext cxt, WfRateUsed **out)
{
	uint64 n = wf_spi_run(&load, NULL, NULL, true, 0);

	*out =
		MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(WfRateUsed)));
	for (uint64 i = 0; i < n; i++)
	{
		WfRateUsed *row = &(*out)[i];

		row->queue_id = wf_spi_get_int32(i, 1, 0);
		row->group = (uint64) wf_spi_get_int64(i, 2, 0);
		row->starts = wf_spi_get_int32(i, 3, 0);
		row->reserved_at = wf_spi_get_time(i, 4, 0);
	}
	return (int) n;
}

/* no index: few rows are ever there */
static WfStmt forget = {"DELETE FROM _workflow.rate"
						" WHERE queue_id = $1 AND reserved_at < $2",
						2,
						{INT4OID, TIMESTAMPTZOID}};

void
wf_rate_forget_before(int32 queue_id, TimestampTz before)
{
	Datum values[2];

	values[0] = Int32GetDatum(queue_id);
	values[1] = TimestampTzGetDatum(before);
	(void) wf_spi_run(&forget, values, NULL, false, 0);
}

static WfStmt forget_dropped = {
	"DELETE FROM _workflow.rate r"
	" WHERE NOT EXISTS (SELECT FROM _workflow.queue q"
	"                    WHERE q.queue_id = r.queue_id)",
	0,
	{0}};

void
wf_rate_forget_dropped(void)
{
	(void) wf_spi_run(&forget_dropped, NULL, NULL, false, 0);
}
