/*
 * compat.h
 *		Every difference between PostgreSQL 15, 16, 17 and 18 that we meet.
 *
 * No other file tests PG_VERSION_NUM.
 */
#ifndef WF_BASE_COMPAT_H
#define WF_BASE_COMPAT_H

#include "access/genam.h"
#include "access/htup.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/timeout.h"

#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h" /* MyProcNumber; MAX_BACKENDS from 18 on */
#else
#include "storage/backendid.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_tablespace.h"
#endif
#if PG_VERSION_NUM < 170000
#include "storage/sinvaladt.h"
#endif

/* printf's conversion of a uint64 to hexadecimal digits */
#if PG_VERSION_NUM >= 180000
#define WF_UINT64_HEX PRIx64
#else
#define WF_UINT64_HEX INT64_MODIFIER "x"
#endif

/* before a declaration */
#if PG_VERSION_NUM >= 180000
#define WF_NORETURN pg_noreturn
#else
#define WF_NORETURN pg_attribute_noreturn()
#endif

/* ACL checks */
#if PG_VERSION_NUM >= 160000
#define wf_proc_aclcheck(proc, role) \
	object_aclcheck(ProcedureRelationId, (proc), (role), ACL_EXECUTE)
#define wf_namespace_aclcheck(schema, role, mode) \
	object_aclcheck(NamespaceRelationId, (schema), (role), (mode))
#define wf_database_aclcheck(db, role, mode) \
	object_aclcheck(DatabaseRelationId, (db), (role), (mode))
#define wf_tablespace_aclcheck(space, role) \
	object_aclcheck(TableSpaceRelationId, (space), (role), ACL_CREATE)
#define wf_database_ownercheck(db, role) \
	object_ownercheck(DatabaseRelationId, (db), (role))
#define wf_extension_ownercheck(ext, role) \
	object_ownercheck(ExtensionRelationId, (ext), (role))
#else
#define wf_proc_aclcheck(proc, role) \
	pg_proc_aclcheck((proc), (role), ACL_EXECUTE)
#define wf_namespace_aclcheck(schema, role, mode) \
	pg_namespace_aclcheck((schema), (role), (mode))
#define wf_database_aclcheck(db, role, mode) \
	pg_database_aclcheck((db), (role), (mode))
#define wf_tablespace_aclcheck(space, role) \
	pg_tablespace_aclcheck((space), (role), ACL_CREATE)
#define wf_database_ownercheck(db, role) pg_database_ownercheck((db), (role))
#define wf_extension_ownercheck(ext, role) \
	pg_extension_ownercheck((ext), (role))
#endif

/* ExecutorCheckPerms_hook, and what it is given */
#if PG_VERSION_NUM >= 160000
#define WF_CHECK_PERMS_ARGS List *rangetable, List *permissions, bool raise
#define WF_CHECK_PERMS_PASS rangetable, permissions, raise
#define WF_CHECK_PERMS_LIST permissions
typedef RTEPermissionInfo WfPermission;
#else
#define WF_CHECK_PERMS_ARGS List *rangetable, bool raise
#define WF_CHECK_PERMS_PASS rangetable, raise
#define WF_CHECK_PERMS_LIST rangetable
typedef RangeTblEntry WfPermission;
#endif

/* The local id of this backend's transaction; needs storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define wf_my_lxid() (MyProc->vxid.lxid)
#else
#define wf_my_lxid() (MyProc->lxid)
#endif

/* Which of the server's backends this one is: 0 to wf_backend_slots() - 1. */
#if PG_VERSION_NUM >= 170000
#define wf_my_backend() ((int) MyProcNumber)
#else
#define wf_my_backend() (MyBackendId - 1)
#endif
#define wf_backend_slots() (MaxBackends)

/*
 * The PGPROC of a backend that is there, by the same number, or NULL; needs
 * storage/procarray.h.
 */
#if PG_VERSION_NUM >= 170000
#define wf_backend_proc(i) ProcNumberGetProc(i)
#else
#define wf_backend_proc(i) BackendIdGetProc((i) + 1)
#endif

/* May "member" act as "role"? (SET ROLE) */
#if PG_VERSION_NUM >= 160000
#define wf_can_become(member, role) member_can_set_role((member), (role))
#else
#define wf_can_become(member, role) is_member_of_role((member), (role))
#endif

/* A role without LOGIN can be connected as by a worker only from 17 on. */
#if PG_VERSION_NUM >= 170000
#define WF_ROLE_NEEDS_LOGIN 0
#define WF_CONNECT_FLAGS	BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define WF_ROLE_NEEDS_LOGIN 1
#define WF_CONNECT_FLAGS	0
#endif

/* transaction_timeout is fatal to a worker: it is forced off where it exists */
#define WF_HAS_TRANSACTION_TIMEOUT (PG_VERSION_NUM >= 170000)

/*
 * What a process of ours waits for, as pg_stat_activity shows it from 17 on;
 * before, all of it is "Extension".  compat.c has the names.
 */
typedef enum WfWaitEvent
{
	WF_WAIT_LAUNCHER,
	WF_WAIT_SCHEDULER,
	WF_WAIT_EXECUTOR,
	WF_WAIT_RUN,
	WF_WAIT_IDLE,
	WF_WAIT_MESSAGE,
	WF_WAIT_HANDED,
	WF_WAIT_WORKERS_GONE,
	WF_WAIT_STOP_POINT,
	WF_NUM_WAIT_EVENTS
} WfWaitEvent;

extern uint32 wf_wait_event(WfWaitEvent event);

/*
 * search_path of pg_catalog alone, for constant SQL that calls nobody's code.
 * The end of the (sub)transaction undoes it where an ERROR left it behind.
 */
extern int wf_search_path_push(void);
extern void wf_search_path_pop(int nest);

/* ---- the table access method; see base/table.h ---- */

/* Feeds all indexes that "info" has open. */
extern void wf_insert_index_tuples(ResultRelInfo *info, TupleTableSlot *slot,
								   EState *estate, bool update);

/*
 * table_tuple_update(), having waited for others.  *feed: indexes need an entry
 * for the new version.
 */
extern TM_Result wf_tuple_update(Relation rel, ItemPointer tid,
								 TupleTableSlot *slot, CommandId cid,
								 Snapshot snapshot, bool *feed);

extern IndexScanDesc wf_index_beginscan(Relation rel, Relation index,
										Snapshot snapshot, int nkeys);

#endif /* WF_BASE_COMPAT_H */
