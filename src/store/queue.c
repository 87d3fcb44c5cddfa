/*
 * queue.c
 *		Queues and their rules.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/spi.h"
#include "store/definition.h"
#include "store/queue.h"

uint64
wf_group_hash(const char *key, int length)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) key, length, 0);

	return hash != 0 ? hash : 1;
}

/* ---- rules ---- */

static WfStmt read_rules = {
	"SELECT q.queue_id, q.paused_at IS NOT NULL,"
	"       q.on_group_failure = 'block', q.fair, q.max_running, q.max_active,"
	"       q.group_max_active, q.rate_limit, q.group_rate_limit,"
	"       (extract(epoch FROM q.rate_period) * 1000000)::pg_catalog.int8,"
	"       q.group_weights, q.group_by_owner"
	"  FROM _workflow.queue q"
	" ORDER BY q.queue_id",
	0,
	{0}};

static int
compare_weights(const void *a, const void *b)
{
	uint64 x = ((const WfGroupWeight *) a)->group;
	uint64 y = ((const WfGroupWeight *) b)->group;

	return x < y ? -1 : x > y;
}

/* An object of positive numbers, as the functions let in. */
static void
read_weights(Jsonb *weights, MemoryContext cxt, WfQueueRules *rules)
{
	JsonbIterator *it = JsonbIteratorInit(&weights->root);
	JsonbValue v;
	JsonbIteratorToken token;
	uint64 group = 0;

	rules->weights = MemoryContextAlloc(
		cxt, mul_size(Max(JB_ROOT_COUNT(weights), 1), sizeof(WfGroupWeight)));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			group = wf_group_hash(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE && v.type == jbvNumeric)
		{
			WfGroupWeight *w = &rules->weights[rules->nweights++];

			w->group = group;
			w->weight = DatumGetInt32(DirectFunctionCall1(
				numeric_int4, NumericGetDatum(v.val.numeric)));
		}
	}
	qsort(rules->weights, rules->nweights, sizeof(WfGroupWeight),
		  compare_weights);
}

int
wf_queue_rules(MemoryContext cxt, WfQueueRules **out)
{
	uint64 n = wf_spi_run(&read_rules, NULL, NULL, true, 0);

	*out =
		MemoryContextAllocZero(cxt, mul_size(Max(n, 1), sizeof(WfQueueRules)));
	for (uint64 i = 0; i < n; i++)
	{
		WfQueueRules *rules = &(*out)[i];
		Jsonb *weights = wf_spi_copy_jsonb(i, 11, CurrentMemoryContext);

		rules->queue_id = wf_spi_get_int32(i, 1, 0);
		rules->paused = wf_spi_get_bool(i, 2, false);
		rules->blocks = wf_spi_get_bool(i, 3, false);
		rules->fair = wf_spi_get_bool(i, 4, false);
		rules->max_running = wf_spi_get_int32(i, 5, 0);
		rules->max_active = wf_spi_get_int32(i, 6, 0);
		rules->group_max_active = wf_spi_get_int32(i, 7, 0);
		rules->rate_limit = wf_spi_get_int32(i, 8, 0);
		rules->group_rate_limit = wf_spi_get_int32(i, 9, 0);
		rules->rate_period = wf_spi_get_int64(i, 10, 0);
		rules->group_by_owner = wf_spi_get_bool(i, 12, false);
		if (weights != NULL)
			read_weights(weights, cxt, rules);
	}
	return (int) n;
}
