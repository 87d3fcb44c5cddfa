/*
 * version.c
 *		Body versions: found, and made ready to be called.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/guc.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/shmem.h"
#include "play/chunk.h"
#include "play/version.h"
#include "store/body.h"
#include "store/definition.h"

/* a run's queue may be another one than its workflow's */
typedef struct BodyKey
{
	int32 body_id;
	int32 queue_id; /* whose policy holds where the workflow has none */
} BodyKey;

struct WfVersion
{
	BodyKey key;
	uint64 definitions; /* counter when it was read */
	bool resolved;
	MemoryContext cxt; /* of row and flinfo */
	WfBodyRow row;
	FmgrInfo flinfo;
};

static HTAB *versions;
static uint64 changes = 0; /* of what resolved bodies rest on */

static void
forget_resolved(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS status;
	WfVersion *version;

	changes++;
	hash_seq_init(&status, versions);
	while ((version = hash_seq_search(&status)) != NULL)
		version->resolved = false;
}

void
wf_version_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(BodyKey),
				   .entrysize = sizeof(WfVersion),
				   .hcxt = TopMemoryContext};

	versions = hash_create("workflow bodies", 64, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterSyscacheCallback(PROCOID, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_resolved, (Datum) 0);
}

const char *
wf_version_search_path(const WfVersion *version)
{
	return version->row.search_path;
}

const WfPolicy *
wf_version_policy(const WfVersion *version)
{
	return version->row.has_policy ? &version->row.policy : NULL;
}

bool
wf_version_parks(const WfVersion *version)
{
	return version->row.park;
}

/* ---- finding ---- */

static void
read_version(WfVersion *version, uint64 definitions)
{
	WfWindow window;
	bool found;

	if (version->cxt != NULL)
		MemoryContextDelete(version->cxt);
	version->resolved = false;
	version->definitions = 0;
	version->cxt = AllocSetContextCreate(TopMemoryContext, "workflow body",
										 ALLOCSET_SMALL_SIZES);

	wf_window_open(&window);
	found = wf_body_load(version->key.body_id, version->key.queue_id,
						 version->cxt, &version->row);
	wf_window_close(&window);

	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("definition %d of the run's body is missing",
						version->key.body_id)));
	version->definitions = definitions;
}

/* Both who wrote the body and who chose its search_path must be superusers. */
static void
check_superuser(Oid function, const WfBodyRow *row)
{
	HeapTuple tuple;
	Oid author;

	if (wf_allow_superuser_runs || !superuser())
		return;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	author = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);

	if (!superuser_arg(author) || !superuser_arg(row->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a superuser's run cannot use body %s", row->body),
				 errdetail("The function or the workflow is not owned by a superuser."),
				 errhint("Enqueue as another role, or set workflow.allow_superuser_runs.")));
}

/* The rules that hold at create_workflow() hold when a run runs, too. */
static Oid
find_function(const WfBodyRow *row, const WfHost *host)
{
	Oid function = wf_body_find(row->body);

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("body %s does not exist", row->body),
				 errhint("Create it again%s.", host->then_retry)));
	wf_body_check(function, row->body);
	/* our own needs no grants */
	if (row->body_id > 0 && !wf_body_callable(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", row->body),
				 errhint("Grant EXECUTE on it and USAGE on its schema to the run's owner%s.",
						 host->then_retry)));
	check_superuser(function, row);
	return function;
}

FmgrInfo *
wf_version_function(WfVersion *version)
{
	return &version->flinfo;
}

/*
 * Compares with the setting itself, not with what was set last: the abort of
 * a transaction takes back what was set in it.
 */
void
wf_version_force_path(const WfPlay *play)
{
	const char *path = play->version->row.search_path;

	if (strcmp(namespace_search_path, path) != 0)
		(void) set_config_option("search_path", path, PGC_USERSET,
								 PGC_S_SESSION, play->host->path_action, true,
								 0, false);
}

/* What undoes a run is not in its body, nor is what a chunk does. */
static bool
needs_function(const WfRun *run)
{
	return !wf_run_is_chunk(run) && run->state != WF_RUN_COMPENSATING;
}

void
wf_version_prepare(WfPlay *play)
{
	const WfRun *run = &play->record.run;
	BodyKey key = {run->body_id, wf_chunk_queue(run)};
	WfDatabase *db = wf_database_find(MyDatabaseId);
	uint64 definitions = db ? pg_atomic_read_u64(&db->definitions) : 0;
	WfVersion *version;
	bool found;

	if (versions == NULL)
		wf_version_init();
	version = hash_search(versions, &key, HASH_ENTER, &found);
	if (!found)
	{
		version->cxt = NULL;
		version->resolved = false;
	}
	if (!found || version->definitions != definitions || version->cxt == NULL)
		read_version(version, definitions);
	if (!version->resolved && needs_function(run))
	{
		uint64 before = changes;
		Oid function = find_function(&version->row, play->host);

		fmgr_info_cxt(function, &version->flinfo, version->cxt);
		/* a change that came in during the lookups may have been missed */
		version->resolved = before == changes;
	}
	play->version = version;
	wf_version_force_path(play);
}
