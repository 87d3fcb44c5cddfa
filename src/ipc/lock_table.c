/*
 * lock_table.c
 *		LOCK TABLE on our tables.
 *
 * Nobody is granted anything on them, but some roles of PostgreSQL's have
 * rights on every table: a member of pg_write_all_data, or of pg_maintain,
 * could hold up all workflows of the database with one LOCK TABLE.  It is
 * refused to all but the owner of the extension, whatever stands in the way to
 * the table: LOCK TABLE on a view locks what the view reads.  ACCESS SHARE, as
 * every SELECT takes, is left alone.
 *
 * VACUUM FULL, CLUSTER and REINDEX, which lock for as long as they work, are
 * maintenance, and as everywhere for those who may maintain the table.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lockdefs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/spi.h"
#include "ipc/hooks.h"

static bool reads_ours(Oid relation);

/* Before PostgreSQL 16 a view's query names the view itself, as OLD and NEW. */
static bool
walk_query(Node *node, void *context)
{
	Oid view = *(Oid *) context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		return rte->rtekind == RTE_RELATION && rte->relid != view &&
			   reads_ours(rte->relid);
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, walk_query, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, walk_query, context);
}

/* Is it one of our tables, or a view that leads to one? */
static bool
reads_ours(Oid relation)
{
	Relation view;
	bool result;

	if (get_rel_namespace(relation) == wf_schema_oid())
		return true;
	if (get_rel_relkind(relation) != RELKIND_VIEW)
		return false;
	check_stack_depth();
	view = try_relation_open(relation, AccessShareLock);
	if (view == NULL)
		return false;
	result = walk_query((Node *) get_view_query(view), &relation);
	relation_close(view, NoLock);
	return result;
}

void
wf_lock_table_check(LockStmt *stmt)
{
	ListCell *lc;

	if (stmt->mode <= AccessShareLock || !OidIsValid(wf_schema_oid()) ||
		wf_extension_ownercheck(get_extension_oid("workflow", false),
								GetUserId()))
		return;
	foreach (lc, stmt->relations)
	{
		RangeVar *name = lfirst_node(RangeVar, lc);
		Oid relation = RangeVarGetRelid(name, NoLock, true);

		if (OidIsValid(relation) && reads_ours(relation))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to lock relation \"%s\"",
							name->relname),
					 errdetail("It belongs to extension \"workflow\", or reads what does, and the lock would hold up the workflows of this database."),
					 errhint("To keep workflows from being started, ask the owner of the extension for workflow.stop().")));
	}
}
