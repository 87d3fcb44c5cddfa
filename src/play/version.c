/*
 * version.c
 *		Body versions: found, and made ready to be called.
 */
#include "postgres.h"

#include "catalog/namespace.h"
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
#include "play/owner_rights.h"
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
	Oid role;	   /* ... for this one */
	Oid run_as_by; /* ... and by this one's run_as, where there is a name */
	char run_as_by_name[NAMEDATALEN];
	MemoryContext call_cxt; /* of what flinfo points to */
	MemoryContext cxt;		/* of row and call_cxt */
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
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, forget_resolved, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, forget_resolved, (Datum) 0);
}

void
wf_version_forget(void)
{
	if (versions != NULL)
		forget_resolved((Datum) 0, 0, 0);
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
	version->call_cxt = AllocSetContextCreate(
		version->cxt, "workflow body's call", ALLOCSET_SMALL_SIZES);

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

/* Was the verdict found for a run like this one? */
static bool
is_allowed_to(const WfVersion *version, const WfRun *run)
{
	const char *name = run->run_as_by_name ? run->run_as_by_name : "";

	return version->role == GetUserId() &&
		   version->run_as_by == run->run_as_by &&
		   strcmp(version->run_as_by_name, name) == 0;
}

/*
 * What undoes a run is not in its body, nor is what a chunk does; but what the
 * body's owner may have done as the run's owner holds for these as well.
 */
static void
resolve(WfPlay *play, WfVersion *version)
{
	const WfRun *run = &play->record.run;
	uint64 before = changes;
	Oid function;

	version->resolved = false;
	wf_owner_rights_check(play);
	play->park_reason = WF_REASON_BODY;
	function = find_function(&version->row, play->host);
	wf_owner_rights_check_body(play, function, &version->row);
	MemoryContextReset(version->call_cxt);
	fmgr_info_cxt(function, &version->flinfo, version->call_cxt);
	version->role = GetUserId();
	version->run_as_by = run->run_as_by;
	strlcpy(version->run_as_by_name,
			run->run_as_by_name ? run->run_as_by_name : "", NAMEDATALEN);
	/* a change that came in during the lookups may have been missed */
	version->resolved = before == changes;
}

void
wf_version_prepare(WfPlay *play)
{
	const WfRun *run = &play->record.run;
	BodyKey key = {run->body_id, wf_chunk_queue(run)};
	WfDatabase *db = wf_database_find(MyDatabaseId);
	uint64 definitions = db ? pg_atomic_read_u64(&db->definitions) : 0;
	uint64 before = changes;
	WfVersion *version;
	bool found;

	play->park_reason = WF_REASON_BODY;
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
	if (!version->resolved || !is_allowed_to(version, run))
		resolve(play, version);
	play->version = version;
	play->checked = before;
	wf_version_force_path(play);
	play->park_reason = NULL;
}

bool
wf_version_is_checked(const WfPlay *play)
{
	return play->version != NULL && play->checked == changes;
}
