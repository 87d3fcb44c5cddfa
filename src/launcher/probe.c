/*
 * probe.c
 *		Which databases have the extension.
 *
 * Only a process that is connected to a database can see that.  A new launcher
 * first asks for schedulers in the databases that had one when the server last
 * ran; those stand in a small file.  Then it has a scheduler look into each of
 * the others, one after the other; one that finds no extension ends at once.
 * From then on it is told (hooks.c).  The file is a hint: lost or wrong, it
 * only changes the order.
 *
 * A database that had the extension and allows no connections is looked at
 * again by start.c, until it does.  Any other that comes to allow connections
 * later is found when somebody enqueues there, or at the next start.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "launcher/launcher.h"

#define WF_HINT_FILE PG_STAT_TMP_DIR "/workflow.databases"
#define WF_PROBE_MS	 1000

static MemoryContext life;
static List *to_probe = NIL; /* oids */
static bool listed = false;	 /* to_probe was made ... */
static uint32 listed_for;	 /* ... when probes_wanted was this */
static Oid probing = InvalidOid;
static List *hinted = NIL; /* oids in the file */

/* ---- catalog ---- */

static WfStanding
standing_of(Form_pg_database row)
{
	/* -2 marks one whose DROP was interrupted; see DATCONNLIMIT_INVALID_DB */
	if (row->datconnlimit == -2)
		return WF_STANDING_GONE;
	return row->datallowconn ? WF_STANDING_OPEN : WF_STANDING_CLOSED;
}

WfStanding
wf_probe_standing(Oid database)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	WfStanding result;

	if (!HeapTupleIsValid(tuple))
		return WF_STANDING_GONE;
	result = standing_of((Form_pg_database) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Oids of all databases that can be connected to, in the given context, made
 * current; *closed: those that allow no connections for now.
 */
static List *
read_databases(MemoryContext cxt, List **closed)
{
	List *result = NIL;
	Relation rel;
	TableScanDesc scan;
	HeapTuple tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);
		WfStanding standing = standing_of(row);
		MemoryContext save;

		save = MemoryContextSwitchTo(cxt);
		if (standing == WF_STANDING_OPEN)
			result = lappend_oid(result, row->oid);
		else if (standing == WF_STANDING_CLOSED)
			*closed = lappend_oid(*closed, row->oid);
		MemoryContextSwitchTo(save);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
	return result;
}

/* ---- the file ---- */

static void
hints_read(void)
{
	FILE *file = AllocateFile(WF_HINT_FILE, "r");
	MemoryContext save = MemoryContextSwitchTo(life);
	Oid database;

	while (file != NULL && fscanf(file, "%u", &database) == 1 &&
		   list_length(hinted) < wf_shared->ndatabases)
		hinted = list_append_unique_oid(hinted, database);
	MemoryContextSwitchTo(save);
	if (file != NULL)
		FreeFile(file);
}

static void
hints_write(void)
{
	const char *temp = WF_HINT_FILE ".tmp";
	FILE *file = AllocateFile(temp, "w");
	bool done = (file != NULL);
	ListCell *lc;

	foreach (lc, hinted)
		done = done && fprintf(file, "%u\n", lfirst_oid(lc)) > 0;
	if (file != NULL && FreeFile(file) != 0)
		done = false;
	if (!done || rename(temp, WF_HINT_FILE) != 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", WF_HINT_FILE)));
}

/*
 * Databases that have the extension, as far as is known: a scheduler found it,
 * or will when it can be started again.
 */
static List *
known_databases(void)
{
	List *known = NIL;

	LWLockAcquire(wf_shared->lock, LW_SHARED);
	for (int i = 0; i < wf_shared->ndatabases; i++)
	{
		const WfDatabase *db = &wf_databases[i];

		if (db->state == WF_DB_LIVE ||
			(db->state != WF_DB_FREE && db->state != WF_DB_HELD &&
			 list_member_oid(hinted, db->database)))
			known = lappend_oid(known, db->database);
	}
	LWLockRelease(wf_shared->lock);
	return known;
}

static void
hints_update(void)
{
	MemoryContext save = MemoryContextSwitchTo(life);
	List *known = known_databases();

	MemoryContextSwitchTo(save);
	if (list_difference_oid(known, hinted) == NIL &&
		list_difference_oid(hinted, known) == NIL)
	{
		list_free(known);
		return;
	}
	list_free(hinted);
	hinted = known;
	hints_write();
}

/* ---- cycle ---- */

void
wf_probe_init(MemoryContext cxt)
{
	life = cxt;
	hints_read();
}

/* Asks for all that had the extension; the others are for later. */
static void
make_list(void)
{
	MemoryContext save;
	List *closed = NIL;
	List *all = read_databases(CurrentMemoryContext, &closed);
	ListCell *lc;

	foreach (lc, hinted)
	{
		if (list_member_oid(all, lfirst_oid(lc)) ||
			list_member_oid(closed, lfirst_oid(lc)))
			(void) wf_database_probe(lfirst_oid(lc));
	}
	save = MemoryContextSwitchTo(life);
	list_free(to_probe);
	to_probe = list_difference_oid(all, hinted);
	MemoryContextSwitchTo(save);
	listed = true;
}

static bool
all_probed(void)
{
	return wf_shared->probes_done == wf_shared->probes_wanted;
}

/*
 * Done once after a start of the server, and again when an entry has become
 * free after there was none for some database.  A launcher that was started
 * again while its children went on has nothing to do here: what is wanted
 * stands in shared memory.
 */
void
wf_probe_cycle(TimestampTz now, TimestampTz *next_due)
{
	if (!listed && !all_probed())
	{
		listed_for = wf_shared->probes_wanted;
		make_list();
	}
	if (listed && (!OidIsValid(probing) || !wf_database_probing(probing)))
	{
		probing = InvalidOid;
		if (to_probe == NIL)
		{
			listed = false;
			wf_shared->probes_done = listed_for;
			if (!all_probed())
				SetLatch(MyLatch);
		}
		else
		{
			probing = linitial_oid(to_probe);
			to_probe = list_delete_first(to_probe);
			(void) wf_database_probe(probing);
		}
	}
	if (OidIsValid(probing))
	{
		TimestampTz again = TimestampTzPlusMilliseconds(now, WF_PROBE_MS);

		*next_due = Min(*next_due, again);
	}
	if (wf_shared->probes_done > 0)
		hints_update();
}
