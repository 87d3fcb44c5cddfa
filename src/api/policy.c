/*
 * policy.c
 *		policy(): a value of type workflow.policy, checked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"

#include "store/definition.h"

PG_FUNCTION_INFO_V1(workflow_policy);

#define POLICY_ARGUMENTS 9

/*
 * The arguments are the attributes, in the same order.  NULL is kept: in
 * max_attempts, max_delay and timeout it means no limit, elsewhere the
 * default, which wf_policy_from_datum() knows.
 */
Datum
workflow_policy(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Datum values[POLICY_ARGUMENTS];
	bool nulls[POLICY_ARGUMENTS];
	Datum result;
	WfPolicy checked;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != POLICY_ARGUMENTS)
		elog(ERROR, "workflow.policy() must return workflow.policy");
	for (int i = 0; i < POLICY_ARGUMENTS; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i);
	}
	result = HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls));
	wf_policy_from_datum(result, &checked);
	PG_RETURN_DATUM(result);
}
