/*
 * need.c
 *		Commands that need a database, or our tables in it, for themselves.
 *
 * Our workers are ended for a command that is going to succeed, not for one
 * that is refused.  So whatever a command looks at before it looks for other
 * backends is looked at here first, with its own rules, and where it will
 * raise an error it is left to do so.  Then we take the lock on the database
 * that the command is about to take.  With that lock held nobody can connect,
 * rename or drop it any more: when the others are gone they stay away, and our
 * workers, which go on with their steps up to here, are the last to be ended.
 *
 * What remains are errors that come while a command is at work, such as a full
 * disk or a tablespace that has files of the database already, a cancel, and
 * what other extensions have to say.  Our workers come back after those.
 *
 * A step that itself holds a lock on its database, as by ALTER DATABASE, keeps
 * such a command waiting as a client would.
 */
#include "postgres.h"

#include <locale.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_tablespace.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/tablespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "replication/slot.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/pg_locale.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "ipc/need.h"
#include "ipc/others.h"

#define WF_EXTENSION "workflow"

/* as long as PostgreSQL waits for other backends */
#define OTHERS_MS		5000
/* with FORCE it does not wait; time enough for a second look */
#define OTHERS_FORCE_MS 200

/* ---- rights ---- */

static bool
has_createdb(void)
{
	HeapTuple tuple;
	bool result = false;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* May a database be created in, or moved to, this tablespace? */
static bool
may_use_tablespace(const char *name)
{
	Oid space = get_tablespace_oid(name, true);

	return OidIsValid(space) && space != GLOBALTABLESPACE_OID &&
		   wf_tablespace_aclcheck(space, GetUserId()) == ACLCHECK_OK;
}

/* ---- options ---- */

static DefElem *
find_option(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return option->arg != NULL ? option : NULL;
	}
	return NULL;
}

/* NULL where it is not given. */
static const char *
option_text(List *options, const char *name)
{
	DefElem *option = find_option(options, name);

	return option != NULL ? defGetString(option) : NULL;
}

/* ---- CREATE DATABASE ---- */

/* Of the template, with which the new one has to agree. */
static bool
agrees(const char *given, int category, Oid database, AttrNumber column)
{
	HeapTuple tuple;
	char *canonical;
	bool result;
	bool isnull;
	Datum value;

	if (given == NULL)
		return true;
	if (!check_locale(category, given, &canonical))
		return false;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return false;
	value = SysCacheGetAttr(DATABASEOID, tuple, column, &isnull);
	result = isnull || strcmp(TextDatumGetCString(value), canonical) == 0;
	ReleaseSysCache(tuple);
	return result;
}

static bool
encoding_agrees(List *options, int encoding)
{
	DefElem *option = find_option(options, "encoding");

	if (option == NULL)
		return true;
	return encoding == (IsA(option->arg, Integer)
							? intVal(option->arg)
							: pg_valid_server_encoding(defGetString(option)));
}

static bool
locales_agree(List *options, Oid database)
{
	const char *both = option_text(options, "locale");
	const char *collate = option_text(options, "lc_collate");
	const char *ctype = option_text(options, "lc_ctype");

	return agrees(collate ? collate : both, LC_COLLATE, database,
				  Anum_pg_database_datcollate) &&
		   agrees(ctype ? ctype : both, LC_CTYPE, database,
				  Anum_pg_database_datctype);
}

/* The properties of a database that matter here; false: it is not there. */
static bool
read_database(Oid database, FormData_pg_database *row)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));

	if (!HeapTupleIsValid(tuple))
		return false;
	/* its first columns, those of fixed length */
	memcpy(row, GETSTRUCT(tuple),
		   offsetof(FormData_pg_database, dattablespace) +
			   sizeof(row->dattablespace));
	ReleaseSysCache(tuple);
	return true;
}

static bool
will_copy(CreatedbStmt *stmt, const char *template, Oid database)
{
	List *options = stmt->options;
	const char *owner = option_text(options, "owner");
	const char *space = option_text(options, "tablespace");
	const char *strategy = option_text(options, "strategy");
	DefElem *limit = find_option(options, "connection_limit");
	Oid role = owner != NULL ? get_role_oid(owner, true) : GetUserId();
	FormData_pg_database row;

	if (!OidIsValid(role) || !wf_can_become(GetUserId(), role))
		return false;
	if (!read_database(database, &row) || row.datconnlimit == -2 ||
		(!row.datistemplate && !wf_database_ownercheck(database, GetUserId())))
		return false;
	if (strcmp(template, "template0") != 0 &&
		(!encoding_agrees(options, row.encoding) ||
		 !locales_agree(options, database)))
		return false;
	if (limit != NULL && defGetInt32(limit) < -1)
		return false;
	if (strategy != NULL && pg_strcasecmp(strategy, "wal_log") != 0 &&
		pg_strcasecmp(strategy, "file_copy") != 0)
		return false;
	return (space == NULL || may_use_tablespace(space)) &&
		   !OidIsValid(get_database_oid(stmt->dbname, true));
}

static bool
need_of_create(CreatedbStmt *stmt, WfNeed *need)
{
	const char *template = option_text(stmt->options, "template");

	if (template == NULL)
		template = "template1";
	need->name = template;
	need->database = get_database_oid(template, true);
	need->lock = ShareLock;
	need->copies = true;
	return OidIsValid(need->database) && has_createdb() &&
		   will_copy(stmt, template, need->database);
}

/* ---- DROP and ALTER DATABASE ---- */

/* a database that the caller owns, and is not in */
static bool
need_of_owner(const char *name, WfNeed *need)
{
	need->name = name;
	need->database = get_database_oid(name, true);
	need->lock = AccessExclusiveLock;
	return OidIsValid(need->database) && need->database != MyDatabaseId &&
		   wf_database_ownercheck(need->database, GetUserId());
}

static bool
need_of_drop(DropdbStmt *stmt, WfNeed *need)
{
	FormData_pg_database row;
	ListCell *lc;
	int slots;
	int active;

	if (!need_of_owner(stmt->dbname, need) ||
		!read_database(need->database, &row) || row.datistemplate)
		return false;
	(void) ReplicationSlotsCountDBSlots(need->database, &slots, &active);
	if (active > 0 || CountDBSubscriptions(need->database) > 0)
		return false;
	foreach (lc, stmt->options)
		need->force |= strcmp(lfirst_node(DefElem, lc)->defname, "force") == 0;
	return true;
}

static bool
need_of_move(AlterDatabaseStmt *stmt, WfNeed *need)
{
	const char *space = option_text(stmt->options, "tablespace");
	FormData_pg_database row;

	return space != NULL && need_of_owner(stmt->dbname, need) &&
		   may_use_tablespace(space) && read_database(need->database, &row) &&
		   row.dattablespace != get_tablespace_oid(space, true);
}

static bool
need_of_rename(RenameStmt *stmt, WfNeed *need)
{
	return stmt->renameType == OBJECT_DATABASE && has_createdb() &&
		   need_of_owner(stmt->subname, need) &&
		   !OidIsValid(get_database_oid(stmt->newname, true));
}

/* ---- DROP EXTENSION ---- */

static bool
need_of_drop_extension(DropStmt *stmt, WfNeed *need)
{
	ListCell *lc;

	if (stmt->removeType != OBJECT_EXTENSION)
		return false;
	need->database = MyDatabaseId;
	foreach (lc, stmt->objects)
	{
		Oid extension;

		if (strcmp(strVal(lfirst(lc)), WF_EXTENSION) != 0)
			continue;
		extension = get_extension_oid(WF_EXTENSION, true);
		return OidIsValid(extension) &&
			   wf_extension_ownercheck(extension, GetUserId());
	}
	return false;
}

/* ---- all of them ---- */

bool
wf_need_find(Node *stmt, bool alone, WfNeed *need)
{
	memset(need, 0, sizeof(*need));
	if (IsA(stmt, DropStmt))
		return !XactReadOnly &&
			   need_of_drop_extension((DropStmt *) stmt, need);

	switch (nodeTag(stmt))
	{
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_RenameStmt:
			break;
		default:
			return false;
	}
	/* they are refused inside of a transaction block, or a read-only one */
	if (!alone || XactReadOnly)
		return false;
	if (IsA(stmt, CreatedbStmt))
		return need_of_create((CreatedbStmt *) stmt, need);
	if (IsA(stmt, DropdbStmt))
		return need_of_drop((DropdbStmt *) stmt, need);
	if (IsA(stmt, AlterDatabaseStmt))
		return need_of_move((AlterDatabaseStmt *) stmt, need);
	return need_of_rename((RenameStmt *) stmt, need);
}

/* In the words that PostgreSQL has for it. */
static void
raise_in_use(const WfNeed *need, const WfOthers *others)
{
	int n = others->backends + others->prepared;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 need->copies ?
			 errmsg("source database \"%s\" is being accessed by other users", need->name) :
			 errmsg("database \"%s\" is being accessed by other users", need->name),
			 others->prepared > 0 && others->backends > 0 ?
			 errdetail("There are %d other session(s) and %d prepared transaction(s) using the database.",
					   others->backends, others->prepared) :
			 others->prepared > 0 ?
			 errdetail_plural("There is %d prepared transaction using the database.",
							  "There are %d prepared transactions using the database.",
							  n, n) :
			 errdetail_plural("There is %d other session using the database.",
							  "There are %d other sessions using the database.",
							  n, n)));
}

bool
wf_need_secure(const WfNeed *need)
{
	WfOthers others;

	if (need->name == NULL)
		return true;
	LockSharedObject(DatabaseRelationId, need->database, 0, need->lock);
	/* it may have been dropped or renamed while we waited */
	if (get_database_oid(need->name, true) != need->database)
		return false;
	if (wf_others_wait(need->database, need->force,
					   need->force ? OTHERS_FORCE_MS : OTHERS_MS, &others))
		return true;
	if (!need->force)
		raise_in_use(need, &others);
	return false;
}
