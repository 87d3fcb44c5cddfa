/*
 * definition_cache.c
 *		Definitions as a client's backend keeps them, with the answer to who
 *		may enqueue what.
 *
 * An entry is good while its stamp is fresh (see freshness.c).  The checks on
 * it are good while three more things stand still: the catalogs behind them,
 * the user who asks, and the setting workflow.allow_superuser_runs.
 *
 * Lifetime: each entry has a context of its own for what it points to; all are
 * thrown away when there are MAX_ENTRIES.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "api/definition_cache.h"
#include "api/queue_cache.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/spi.h"
#include "ipc/stats.h"
#include "play/word.h"
#include "store/body.h"
#include "store/role.h"

#define MAX_ENTRIES 64

typedef struct Entry
{
	WfKnownWorkflow known;
	int name_length;
	MemoryContext cxt; /* of what `known` points to */

	WfStamp stamp; /* of the definition */

	/* the checks are good while these are the same */
	bool checked;
	uint64 catalog_changes;
	Oid user;
	bool superuser_runs;

	uint64 enqueued; /* in this transaction, not yet counted */
} Entry;

static Entry *entries[MAX_ENTRIES];
static int nentries = 0;
static MemoryContext entries_cxt = NULL;

/* Nothing may fail here. */
static void
count_at_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < nentries; i++)
	{
		Entry *entry = entries[i];

		if (entry->enqueued == 0)
			continue;
		if (event != XACT_EVENT_ABORT)
			wf_stats_add(MyDatabaseId, entry->known.def.workflow_id,
						 WF_COUNT_ENQUEUED, entry->enqueued);
		entry->enqueued = 0;
	}
}

static void
cache_init(void)
{
	if (entries_cxt)
		return;
	RegisterXactCallback(count_at_end, NULL);
	entries_cxt = AllocSetContextCreate(
		TopMemoryContext, "workflow definitions", ALLOCSET_SMALL_SIZES);
}

/* ---- the definition ---- */

/* The entry of this name, be it stale, or NULL. */
static Entry *
find_entry(const char *name, int length)
{
	for (int i = 0; i < nentries; i++)
	{
		if (entries[i]->name_length == length &&
			memcmp(entries[i]->known.def.name, name, length) == 0)
			return entries[i];
	}
	return NULL;
}

/* Adds an entry, or takes over the stale one of the same name. */
static Entry *
renew_entry(const char *name, int length)
{
	Entry *entry = find_entry(name, length);

	if (entry)
	{
		MemoryContextDelete(entry->cxt);
		return entry;
	}
	if (nentries == MAX_ENTRIES)
	{
		count_at_end(XACT_EVENT_COMMIT, NULL);
		nentries = 0;
		MemoryContextReset(entries_cxt);
	}
	entry = MemoryContextAllocZero(entries_cxt, sizeof(Entry));
	entries[nentries++] = entry;
	return entry;
}

/* Reads the definition; what was known stays until all has gone well. */
static Entry *
load_entry(const char *name, int length)
{
	MemoryContext cxt = AllocSetContextCreate(
		CurrentMemoryContext, "workflow definition", ALLOCSET_SMALL_SIZES);
	char *copy = pnstrdup(name, length);
	WfWorkflow def;
	WfWindow window;
	WfStamp stamp;
	Entry *entry;
	bool found;

	wf_stamp_take(&stamp);
	wf_window_open(&window);
	found = wf_workflow_load(copy, cxt, &def);
	wf_window_close(&window);
	if (!found)
		wf_raise_no_workflow(copy);

	entry = renew_entry(name, length);
	entry->known.def = def;
	entry->known.run_owner_name = (Datum) 0;
	entry->name_length = length;
	entry->cxt = cxt;
	MemoryContextSetParent(cxt, entries_cxt);
	entry->stamp = stamp;
	entry->checked = false;
	return entry;
}

void
wf_raise_no_workflow(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("workflow \"%s\" does not exist", name),
			 errdetail("No workflow of this name was created in this database, or it was dropped."),
			 errhint("Create it with workflow.create_workflow.")));
}

/* ---- the checks ---- */

/* Who would own a run that the current user enqueues. */
static Oid
owner_of_new_run(const WfWorkflow *def)
{
	char *present;

	if (def->run_as_name == NULL)
		return GetUserId();
	present = GetUserNameFromId(def->run_as, true);
	if (present == NULL || strcmp(present, def->run_as_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", def->run_as_name),
				 errdetail("Workflow \"%s\" runs as that role.", def->name),
				 errhint("Create the role and call workflow.start(), or give the workflow another run_as.")));
	if (!wf_can_become(def->owner, def->run_as))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to have runs run as \"%s\"",
						def->run_as_name),
				 errdetail("\"%s\", who owns workflow \"%s\", is no longer a member of that role.",
						   def->owner_name, def->name),
				 errhint("Grant the role again, or reset run_as.")));
	return def->run_as;
}

static void
check_callable(const WfWorkflow *def, Oid function, Oid role)
{
	if (wf_body_callable(function, role))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for workflow \"%s\"", def->name),
			 errdetail("\"%s\" lacks EXECUTE on the body \"%s\" or USAGE on its schema.",
					   GetUserNameFromId(role, false), def->body),
			 errhint("Grant both to whom is to enqueue it and to the role it runs as.")));
}

static void
check_role(Oid owner)
{
	const char *detail;
	const char *hint;

	if (wf_role_lacks(owner, &detail, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot have runs",
						GetUserNameFromId(owner, false)),
				 errdetail("%s", detail),
				 errhint("%s, or enqueue as another role.", hint)));
}

/* An oid alone proves nothing in a definition restored from elsewhere. */
static bool
owner_is_who_he_was(const WfWorkflow *def)
{
	char *name = GetUserNameFromId(def->owner, true);

	return name != NULL && strcmp(name, def->owner_name) == 0;
}

/*
 * A superuser's run executes what others wrote with all rights there are, so
 * both who wrote the body and who chose its search_path must be superusers.
 */
static void
check_superuser(const WfWorkflow *def, Oid function, Oid owner)
{
	HeapTuple tuple;
	Oid author;
	Oid suspect;

	if (wf_allow_superuser_runs || !superuser_arg(owner))
		return;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	author = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);

	suspect = !superuser_arg(author) ? author : def->owner;
	if (superuser_arg(suspect) && owner_is_who_he_was(def))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("a superuser may not enqueue workflow \"%s\"", def->name),
			 errdetail("Its %s belongs to \"%s\", who is no superuser.",
					   suspect == author ? "body" : "definition",
					   suspect == author ? GetUserNameFromId(author, false)
										 : def->owner_name),
			 errhint("Enqueue it as another role with SET ROLE, or set workflow.allow_superuser_runs.")));
}

/* All that decides whether the current user may enqueue. */
static void
check_entry(Entry *entry)
{
	WfWorkflow *def = &entry->known.def;
	uint64 changes = wf_catalog_changes();
	Oid user = GetUserId();
	Oid function = wf_body_find(def->body);
	Oid owner;
	MemoryContext old;

	entry->checked = false;
	wf_body_check(function, def->body);
	owner = owner_of_new_run(def);
	check_callable(def, function, user);
	if (owner != user)
		check_callable(def, function, owner);
	check_role(owner);
	check_superuser(def, function, owner);

	old = MemoryContextSwitchTo(entry->cxt);
	if (DatumGetPointer(entry->known.run_owner_name) != NULL)
		pfree(DatumGetPointer(entry->known.run_owner_name));
	entry->known.run_owner = owner;
	entry->known.run_owner_name =
		CStringGetTextDatum(GetUserNameFromId(owner, false));
	MemoryContextSwitchTo(old);
	entry->known.run_as_at_work = owner != user;
	entry->catalog_changes = changes;
	entry->user = user;
	entry->superuser_runs = wf_allow_superuser_runs;
	entry->checked = true;
}

static Entry *
fresh_entry(const char *name, int length)
{
	Entry *entry;

	cache_init();
	entry = find_entry(name, length);
	if (entry == NULL || !wf_stamp_is_fresh(&entry->stamp))
		entry = load_entry(name, length);
	return entry;
}

const WfWorkflow *
wf_workflow_known(const char *name, int length)
{
	return &fresh_entry(name, length)->known.def;
}

/* Are the checks of the entry good still? */
static bool
is_checked(const Entry *entry)
{
	return entry->checked && entry->catalog_changes == wf_catalog_changes() &&
		   entry->user == GetUserId() &&
		   entry->superuser_runs == wf_allow_superuser_runs;
}

Oid
wf_workflow_run_owner(const char *name, int length)
{
	const Entry *entry = fresh_entry(name, length);

	if (is_checked(entry))
		return entry->known.run_owner;
	return owner_of_new_run(&entry->known.def);
}

bool
wf_workflow_lacks_body(const char *name, int length)
{
	const Entry *entry = fresh_entry(name, length);

	return !is_checked(entry) &&
		   !OidIsValid(wf_body_find(entry->known.def.body));
}

const WfKnownWorkflow *
wf_workflow_allowed(const char *name, int length)
{
	Entry *entry = fresh_entry(name, length);

	if (!is_checked(entry))
		check_entry(entry);
	return &entry->known;
}

void
wf_workflow_vouch(const WfKnownWorkflow *known, Oid *role, Datum *name)
{
	const char *by = NULL;

	*role = InvalidOid;
	*name = (Datum) 0;
	if (known->run_as_at_work)
	{
		*role = known->def.owner;
		by = known->def.owner_name;
	}
	else
		wf_word_vouched(known->run_owner, role, &by);
	if (by != NULL)
		*name = CStringGetTextDatum(by);
}

void
wf_count_enqueued(int32 workflow_id, int32 queue_id)
{
	wf_queue_count_enqueued(queue_id, 1);
	for (int i = 0; i < nentries; i++)
	{
		if (entries[i]->known.def.workflow_id == workflow_id)
		{
			entries[i]->enqueued++;
			return;
		}
	}
}
