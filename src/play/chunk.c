/*
 * chunk.c
 *		What the input of a chunk says.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "play/chunk.h"

JsonbValue *
wf_chunk_field(const Jsonb *input, const char *key)
{
	return getKeyJsonValueFromContainer(&unconstify(Jsonb *, input)->root, key,
										strlen(key), NULL);
}

int32
wf_chunk_queue(const WfRun *run)
{
	JsonbValue *queue;

	if (!wf_run_is_chunk(run))
		return run->queue_id;
	queue = wf_chunk_field(run->input, "queue");
	if (queue == NULL || queue->type != jbvNumeric)
		elog(ERROR, "input of a chunk lacks its queue");
	return DatumGetInt32(DirectFunctionCall1(
		numeric_int4, NumericGetDatum(queue->val.numeric)));
}

int32
wf_chunk_number(const WfRun *run, int ordinal)
{
	JsonbValue *first = wf_chunk_field(run->input, "first");

	if (first == NULL || first->type != jbvNumeric)
		return 0;
	return DatumGetInt32(DirectFunctionCall1(
			   numeric_int4, NumericGetDatum(first->val.numeric))) +
		   ordinal - 1;
}
