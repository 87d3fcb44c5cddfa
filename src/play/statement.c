/*
 * statement.c
 *		The statement of a step.
 *
 * Plans are kept per (statement, argument types, search_path) for the life of
 * the process: parsing costs more than running a small statement.  The cache
 * is emptied when it grows past MAX_PLANS; every statement text is then parsed
 * once more.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"

#include "base/guc.h"
#include "play/statement.h"
#include "play/version.h"

#define MAX_PLANS 1000

/* ---- plans ---- */

typedef struct PlanEntry
{
	uint32 hash; /* simplehash key */
	char status;
	char *command;
	char *search_path;
	int nargs;
	Oid *asked; /* argument types of the call */
	Oid *types; /* ... with unknown ones inferred */
	SPIPlanPtr plan;
	MemoryContext cxt;
} PlanEntry;

#define SH_PREFIX			 plans
#define SH_ELEMENT_TYPE		 PlanEntry
#define SH_KEY_TYPE			 uint32
#define SH_KEY				 hash
#define SH_HASH_KEY(tb, key) (key)
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

static plans_hash *plans;

static void
drop_plan(PlanEntry *entry)
{
	if (entry->plan != NULL)
		SPI_freeplan(entry->plan);
	if (entry->cxt != NULL)
		MemoryContextDelete(entry->cxt);
	entry->plan = NULL;
	entry->cxt = NULL;
}

static void
drop_all_plans(void)
{
	plans_iterator it;
	PlanEntry *entry;

	plans_start_iterate(plans, &it);
	while ((entry = plans_iterate(plans, &it)) != NULL)
		drop_plan(entry);
	plans_reset(plans);
}

/* The types the statement gives to arguments that were unknown literals. */
static Oid *
infer_types(const WfWanted *wanted)
{
	int n = wanted->nargs;
	Oid *types = palloc(sizeof(Oid) * Max(n, 1));
	List *parsed;
	bool unknown = false;

	for (int i = 0; i < n; i++)
	{
		types[i] = wanted->types[i];
		unknown |= types[i] == UNKNOWNOID;
	}
	if (!unknown)
		return types;

	parsed = pg_parse_query(wanted->command);
	if (list_length(parsed) == 1)
	{
		int ntypes = n;

		(void) parse_analyze_varparams(linitial_node(RawStmt, parsed),
									   wanted->command, &types, &ntypes, NULL);
	}
	for (int i = 0; i < n; i++)
		if (types[i] == UNKNOWNOID || types[i] == InvalidOid)
			types[i] = TEXTOID;
	return types;
}

static void
check_one_statement(SPIPlanPtr plan, const char *command)
{
	int n = list_length(SPI_plan_get_plan_sources(plan));

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a step takes exactly one SQL statement"),
				 errdetail("The command has %d.", n),
				 errhint("Make it several steps, or put the statements into a function.")));
}

/*
 * Inferred types come from tables and functions, which may have changed since;
 * the plan is then made anew for the old types, so it is of no use.
 */
static bool
types_hold(const PlanEntry *entry)
{
	return memcmp(entry->asked, entry->types, sizeof(Oid) * entry->nargs) ==
			   0 ||
		   SPI_plan_is_valid(entry->plan);
}

/* In a connected SPI. */
static PlanEntry *
find_plan(WfPlay *play)
{
	const WfWanted *wanted = &play->wanted;
	const char *path = wf_version_search_path(play->version);
	uint32 hash = hash_bytes((const unsigned char *) wanted->command,
							 strlen(wanted->command));
	PlanEntry *entry;
	PlanEntry made = {0};
	MemoryContext old;
	bool found;

	for (int i = 0; i < wanted->nargs; i++)
		hash = hash_combine(hash, wanted->types[i]);
	hash = hash_combine(
		hash, hash_bytes((const unsigned char *) path, strlen(path)));

	if (plans == NULL)
		plans = plans_create(TopMemoryContext, 64, NULL);
	entry = plans_lookup(plans, hash);
	if (entry != NULL && entry->nargs == wanted->nargs &&
		strcmp(entry->command, wanted->command) == 0 &&
		strcmp(entry->search_path, path) == 0 &&
		memcmp(entry->asked, wanted->types, sizeof(Oid) * wanted->nargs) ==
			0 &&
		types_hold(entry))
		return entry;

	made.hash = hash;
	made.nargs = wanted->nargs;
	made.types = infer_types(wanted);
	made.plan = SPI_prepare(wanted->command, made.nargs, made.types);
	if (made.plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this statement cannot be a step"),
				 errdetail("%s.", SPI_result_code_string(SPI_result))));
	check_one_statement(made.plan, wanted->command);

	if (plans->members >= MAX_PLANS)
		drop_all_plans();
	made.cxt = AllocSetContextCreate(TopMemoryContext, "workflow step plan",
									 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(made.cxt);
	made.command = pstrdup(wanted->command);
	made.search_path = pstrdup(path);
	made.asked = palloc(sizeof(Oid) * Max(made.nargs, 1));
	memcpy(made.asked, wanted->types, sizeof(Oid) * made.nargs);
	made.types = memcpy(palloc(sizeof(Oid) * Max(made.nargs, 1)), made.types,
						sizeof(Oid) * made.nargs);
	MemoryContextSwitchTo(old);
	SPI_keepplan(made.plan);

	entry = plans_insert(plans, hash, &found);
	if (found)
		drop_plan(entry);
	made.status = entry->status;
	*entry = made;
	return entry;
}

/* ---- the value of a step ---- */

/* keeps the first row; a second one is an error */
typedef struct FirstRow
{
	DestReceiver pub;
	MemoryContext cxt;
	TupleDesc desc;
	HeapTuple tuple;
} FirstRow;

static void
first_row_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	FirstRow *state = (FirstRow *) self;
	MemoryContext old = MemoryContextSwitchTo(state->cxt);

	state->desc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
}

static bool
first_row_receive(TupleTableSlot *slot, DestReceiver *self)
{
	FirstRow *state = (FirstRow *) self;
	MemoryContext old;

	if (state->tuple != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("a step returned more than one row"),
				 errhint("Aggregate the rows, for instance with jsonb_agg().")));
	old = MemoryContextSwitchTo(state->cxt);
	state->tuple = ExecCopySlotHeapTuple(slot);
	MemoryContextSwitchTo(old);
	return true;
}

static void
first_row_nothing(DestReceiver *self)
{
}

static Jsonb *
integer_to_jsonb(int64 value)
{
	JsonbValue number;

	number.type = jbvNumeric;
	number.val.numeric = int64_to_numeric(value);
	return JsonbValueToJsonb(&number);
}

/*
 * to_jsonb() of a value whose type is known only now.  Integers, what most
 * small steps return, are spared the way through text.
 */
static Jsonb *
value_to_jsonb(Datum value, Oid type)
{
	FmgrInfo flinfo;
	Const *arg;

	if (type == INT4OID)
		return integer_to_jsonb(DatumGetInt32(value));
	if (type == INT8OID)
		return integer_to_jsonb(DatumGetInt64(value));
	if (type == JSONBOID)
		return DatumGetJsonbPCopy(value);
	arg = makeConst(type, -1, InvalidOid, -1, (Datum) 0, true, false);
	fmgr_info(F_TO_JSONB, &flinfo);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
											 list_make1(arg), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &flinfo);
	return DatumGetJsonbP(FunctionCall1(&flinfo, value));
}

/* Column names become keys of an object, which has each key once. */
static void
check_columns(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		for (int j = 0; j < i; j++)
		{
			if (strcmp(NameStr(TupleDescAttr(desc, j)->attname), name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("a step returned two columns of the name \"%s\"",
								name),
						 errdetail("The columns of its row become the keys of an object."),
						 errhint("Give each of them a name of its own with AS.")));
		}
	}
}

static Jsonb *
row_to_value(FirstRow *row, int kind, uint64 processed)
{
	Datum value;
	bool isnull;

	if (row->desc == NULL)
		return kind == SPI_OK_UTILITY ? NULL
									  : integer_to_jsonb((int64) processed);
	if (row->tuple == NULL)
		return NULL;
	if (row->desc->natts == 1)
	{
		Oid type = TupleDescAttr(row->desc, 0)->atttypid;

		value = heap_getattr(row->tuple, 1, row->desc, &isnull);
		if (isnull || type == VOIDOID)
			return NULL;
		return value_to_jsonb(value, type);
	}
	check_columns(row->desc);
	BlessTupleDesc(row->desc);
	value = heap_copy_tuple_as_datum(row->tuple, row->desc);
	return value_to_jsonb(value, RECORDOID);
}

/* ---- running ---- */

/* Returns the SPI_OK_* code; SPI_processed is set. */
static int
execute(WfPlay *play, FirstRow *row)
{
	const WfWanted *wanted = &play->wanted;
	PlanEntry *entry = find_plan(play);
	ParamListInfo params = makeParamList(wanted->nargs);
	SPIExecuteOptions options = {0};
	int rc;

	for (int i = 0; i < wanted->nargs; i++)
	{
		params->params[i].value =
			wf_wanted_argument(wanted, i, entry->types[i]);
		params->params[i].isnull = wanted->nulls[i] == 'n';
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = entry->types[i];
	}
	options.params = params;
	options.dest = &row->pub;
	rc = SPI_execute_plan_extended(entry->plan, &options);
	if (rc == SPI_ERROR_TRANSACTION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a step cannot begin or end a transaction"),
				 errdetail("A step is one transaction already.")));
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this statement cannot be a step"),
				 rc == SPI_ERROR_COPY ?
				 errdetail("COPY FROM STDIN and COPY TO STDOUT need a client.") :
				 errdetail("The server says %s.", SPI_result_code_string(rc))));
	return rc;
}

static void
check_value(WfPlay *play, const Jsonb *value)
{
	if (value != NULL && VARSIZE(value) > (int64) wf_max_payload * 1024)
	{
		play->wanted.permanent = true;
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("result of the step is too large"),
				 errdetail("It has %zu bytes, workflow.max_payload allows %d kB.",
						   (size_t) VARSIZE(value), wf_max_payload),
				 errhint("Let the step keep its result in a table and return a key.")));
	}
}

Jsonb *
wf_statement_run(WfPlay *play, MemoryContext cxt)
{
	FirstRow row = {{first_row_receive, first_row_startup, first_row_nothing,
					 first_row_nothing, DestNone},
					play->scratch,
					NULL,
					NULL};
	MemoryContext old = CurrentMemoryContext;
	uint64 processed;
	int kind;
	Jsonb *value;

	/* for parsing; the statement takes a newer one of its own */
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	kind = execute(play, &row);
	processed = SPI_processed;
	SPI_finish();

	MemoryContextSwitchTo(play->scratch);
	value = row_to_value(&row, kind, processed);
	check_value(play, value);
	if (value != NULL)
	{
		size_t size = VARSIZE(value);

		value = memcpy(MemoryContextAlloc(cxt, size), value, size);
	}
	MemoryContextSwitchTo(old);
	PopActiveSnapshot();
	return value;
}
