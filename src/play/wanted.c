/*
 * wanted.c
 *		A call that a body has asked for and that is not recorded yet.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "play/wanted.h"
#include "play/word.h"

void
wf_wanted_clear(WfWanted *wanted)
{
	MemoryContextReset(wanted->cxt);
	*wanted = (WfWanted){.cxt = wanted->cxt};
}

static Datum
copy_value(Datum value, Oid type)
{
	int16 len;
	bool byval;

	get_typlenbyval(type, &len, &byval);
	if (len == -1 && !VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
		return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	return datumCopy(value, byval, len);
}

void
wf_wanted_take(WfWanted *wanted, int ordinal, uint64 print, const WfCall *call)
{
	int nargs = call->nargs;
	MemoryContext old = MemoryContextSwitchTo(wanted->cxt);

	*wanted = (WfWanted){.cxt = wanted->cxt};
	wanted->kind = call->kind;
	wanted->ordinal = ordinal;
	wanted->fingerprint = print;
	wanted->name = pstrdup(call->name);
	wanted->command = pstrdup(call->command);
	wanted->due_at = call->due_at;
	if (call->outcome != NULL)
		wanted->outcome = DatumGetJsonbPCopy(JsonbPGetDatum(call->outcome));
	wanted->starts = call->starts;
	wanted->started_at = wf_clock_now();
	wanted->nargs = nargs;
	wanted->types = palloc(sizeof(Oid) * Max(nargs, 1));
	wanted->values = palloc0(sizeof(Datum) * Max(nargs, 1));
	wanted->nulls = palloc(Max(nargs, 1));
	for (int i = 0; i < nargs; i++)
	{
		wanted->types[i] = call->types[i];
		wanted->nulls[i] = call->nulls[i] ? 'n' : ' ';
		if (!call->nulls[i])
			wanted->values[i] = copy_value(call->values[i], call->types[i]);
	}
	wanted->has_policy = call->policy != NULL;
	if (call->policy != NULL)
		wanted->policy = *call->policy;
	MemoryContextSwitchTo(old);
}

Datum
wf_wanted_argument(const WfWanted *wanted, int i, Oid type)
{
	Oid input;
	Oid ioparam;

	if ((wanted->types[i] != UNKNOWNOID && !wanted->texts) ||
		wanted->nulls[i] == 'n')
		return wanted->values[i];
	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, DatumGetCString(wanted->values[i]),
								ioparam, -1);
}
