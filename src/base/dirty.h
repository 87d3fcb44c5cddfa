/*
 * dirty.h
 *		Rows of our own tables that count from the moment they are written.
 *
 * What a unique index does for an equal key, for anything an index can find:
 * a row that is not committed yet is waited for.  No window is needed; see
 * base/table.h.
 */
#ifndef WF_BASE_DIRTY_H
#define WF_BASE_DIRTY_H

#include "base/table.h"
#include "utils/uuid.h"

/*
 * Who is writing a row: wait for it with wf_dirty_wait().  xid is invalid
 * when nobody does.
 */
typedef struct WfWriter
{
	TransactionId xid;
	uint32 token; /* of a speculative insertion, or 0 */
} WfWriter;

/* which rows count */
typedef struct WfDirtyOnly
{
	const pg_uuid_t *except; /* NULL, or not the one with this first column */
	AttrNumber column; /* 0, or those alone that have in this column ... */
	Oid value;		   /* ... this oid */
} WfDirtyOnly;

/*
 * Looks for a row whose first "nkeys" columns in index number "index" of the
 * table are "key".  Returns one that is committed, or our own, and not deleted
 * by a committed transaction or our own: a copy in "cxt", as wf_table_fetch()
 * makes it.  "only", if not NULL, says which of them count.
 *
 * Otherwise NULL, and *writer is who may be about to commit such a row.  With
 * no writer there is none, and whoever inserts one will do so after the call
 * began.
 */
extern HeapTuple wf_dirty_find(WfOpenTable *open, int index, const Datum *key,
							   int nkeys, const WfDirtyOnly *only,
							   MemoryContext cxt, Datum *values, bool *nulls,
							   WfWriter *writer);

/*
 * Only who is inserting such a row, whatever other rows there are; an updater
 * of one may be told as well.
 */
extern void wf_dirty_writer(WfOpenTable *open, int index, const Datum *key,
							int nkeys, WfWriter *writer);

/* Waits for the end of that (sub)transaction or speculative insertion. */
extern void wf_dirty_wait(const WfWriter *writer);

#endif /* WF_BASE_DIRTY_H */
