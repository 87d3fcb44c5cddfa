/*
 * policy_type.c
 *		The type workflow.policy, and how its values become a WfPolicy.
 *
 * A value can be made by hand (ROW(...)::workflow.policy) or come out of a
 * dump, so it is checked here each time it is read, not where it was built.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/spi.h"
#include "store/definition.h"

/* order of the attributes of workflow.policy */
typedef enum PolicyAttribute
{
	MAX_ATTEMPTS,
	INITIAL_DELAY,
	BACKOFF,
	MAX_DELAY,
	JITTER,
	TIMEOUT,
	RETRY_ON,
	NO_RETRY_ON,
	AT_MOST_ONCE,
	POLICY_ATTRIBUTES
} PolicyAttribute;

#define HUNDRED_YEARS (INT64CONST(36525) * USECS_PER_DAY)

int64
wf_interval_usec(const Interval *interval, const char *argument, int64 min)
{
	int64 days;
	int64 usec;

	days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	if (days > 40000 || days < -40000 || interval->time > HUNDRED_YEARS ||
		interval->time < -HUNDRED_YEARS)
		usec = days + interval->time / USECS_PER_DAY < 0 ? -1 : PG_INT64_MAX;
	else
		usec = days * USECS_PER_DAY + interval->time;

	if (usec < min)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 min > 0 ? errmsg("%s must be greater than zero", argument) :
				 errmsg("%s must not be negative", argument),
				 errdetail("The value is \"%s\".",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(interval)))),
				 errhint("Leave it out for the default.")));
	if (usec > HUNDRED_YEARS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", argument),
				 errdetail("The value is \"%s\", a hundred years is the most.",
						   DatumGetCString(DirectFunctionCall1(interval_out,
															   IntervalPGetDatum(interval)))),
				 errhint("Use NULL where no limit is meant.")));
	return usec;
}

/* Raises 22023 for a number outside of [min, max]; NaN is outside. */
static double
check_number(double value, const char *argument, double min, double max)
{
	if (!(value >= min && value <= max))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", argument),
				 errdetail("The value is %g, allowed is %g to %g.",
						   value, min, max),
				 errhint("See workflow.policy() in the reference.")));
	return value;
}

static int
check_attempts(int value)
{
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_attempts must be greater than zero"),
				 errdetail("The value is %d.", value),
				 errhint("Use NULL to try without limit.")));
	return value;
}

/* A SQLSTATE of five characters, or a class of two. */
static bool
is_sqlstate(const char *code)
{
	size_t len = strlen(code);

	return (len == 2 || len == 5) &&
		   strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static int
read_codes(Datum array, const char *argument,
		   char codes[WF_POLICY_MAX_CODES][WF_POLICY_CODE_LEN])
{
	Datum *elems;
	bool *nulls;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, &nulls, &n);
	if (n > WF_POLICY_MAX_CODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s has too many elements", argument),
				 errdetail("It has %d elements, %d is the most.",
						   n, WF_POLICY_MAX_CODES),
				 errhint("Name a whole class of errors by its first two characters.")));
	for (int i = 0; i < n; i++)
	{
		char *code = nulls[i] ? NULL : TextDatumGetCString(elems[i]);

		if (code == NULL || !is_sqlstate(code))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must contain SQLSTATEs", argument),
					 code ? errdetail("Element %d is \"%s\".", i + 1, code) :
					 errdetail("Element %d is NULL.", i + 1),
					 errhint("Write five characters such as \"40P01\", or two for a whole class such as \"08\".")));
		strlcpy(codes[i], code, WF_POLICY_CODE_LEN);
	}
	return n;
}

/* Takes the attributes over into *out, over the defaults it holds. */
static void
read_attributes(const Datum *value, const bool *null, WfPolicy *out)
{
	if (null[MAX_ATTEMPTS])
		out->max_attempts = 0;
	else
		out->max_attempts = check_attempts(DatumGetInt32(value[MAX_ATTEMPTS]));
	if (!null[INITIAL_DELAY])
		out->initial_delay = wf_interval_usec(
			DatumGetIntervalP(value[INITIAL_DELAY]), "initial_delay", 0);
	if (!null[BACKOFF])
		out->backoff =
			check_number(DatumGetFloat8(value[BACKOFF]), "backoff", 1, 1000);
	if (null[MAX_DELAY])
		out->max_delay = HUNDRED_YEARS;
	else
		out->max_delay = wf_interval_usec(DatumGetIntervalP(value[MAX_DELAY]),
										  "max_delay", 0);
	if (!null[JITTER])
		out->jitter =
			check_number(DatumGetFloat8(value[JITTER]), "jitter", 0, 1);
	if (!null[TIMEOUT])
		out->timeout =
			wf_interval_usec(DatumGetIntervalP(value[TIMEOUT]), "timeout", 1);
	if (!null[RETRY_ON])
		out->n_retry_on =
			read_codes(value[RETRY_ON], "retry_on", out->retry_on);
	if (!null[NO_RETRY_ON])
		out->n_no_retry_on =
			read_codes(value[NO_RETRY_ON], "no_retry_on", out->no_retry_on);
	out->at_most_once =
		!null[AT_MOST_ONCE] && DatumGetBool(value[AT_MOST_ONCE]);
}

void
wf_policy_from_datum(Datum composite, WfPolicy *out)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
	HeapTupleData tuple;
	TupleDesc desc;
	Datum values[POLICY_ATTRIBUTES];
	bool nulls[POLICY_ATTRIBUTES];

	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
								  HeapTupleHeaderGetTypMod(header));
	if (desc->natts != POLICY_ATTRIBUTES)
		elog(ERROR, "type workflow.policy has %d attributes", desc->natts);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);

	wf_policy_init(out);
	read_attributes(values, nulls, out);
}

Oid
wf_policy_type(void)
{
	static Oid type = InvalidOid;
	static Oid type_schema = InvalidOid;
	Oid schema = wf_schema_oid();

	/* dropped and created again: another type */
	if (type_schema != schema || !OidIsValid(type))
	{
		Oid namespace = get_namespace_oid("workflow", true);

		type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
							   CStringGetDatum("policy"),
							   ObjectIdGetDatum(namespace));
		type_schema = schema;
	}
	return type;
}

bool
wf_policy_read(int col, MemoryContext cxt, WfPolicy *policy, Datum *row)
{
	bool isnull;
	Datum value = wf_spi_get(0, col, &isnull);

	if (isnull)
		return false;
	wf_policy_from_datum(value, policy);
	if (row)
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		*row = PointerGetDatum(DatumGetHeapTupleHeaderCopy(value));
		MemoryContextSwitchTo(old);
	}
	return true;
}

/* DROP and CREATE EXTENSION change the type. */
void
wf_policy_bind(WfStmt *stmt, int arg)
{
	Oid type = wf_policy_type();

	if (stmt->argtypes[arg] == type)
		return;
	stmt->argtypes[arg] = type;
	if (stmt->plan)
	{
		SPI_freeplan(stmt->plan);
		stmt->plan = NULL;
	}
}
