/*
 * table.h
 *		Rows of our own tables by the table access method, without SPI.
 *
 * For the few operations that every run goes through: fetch by key, insert,
 * update.  An INSERT through a kept plan costs three times as much, most of it
 * in starting an executor that opens and examines every index again.
 *
 * A WfTable names a table and the indexes that must be fed, with what they
 * need to know; wf_table_open() checks that the table has these and no others.
 * Where somebody has added an index, the general (slower) way of the executor
 * is taken instead, so no index ever misses a row.
 *
 * Nothing here runs user code, checks permissions or switches the user: the
 * tables have no trigger, policy, default or constraint that is looked at
 * here (NOT NULL is the caller's duty).  Reading needs no owner window either.
 *
 * Locking: RowExclusiveLock on table and indexes, kept to the end of the
 * transaction, as INSERT and UPDATE do.
 */
#ifndef WF_BASE_TABLE_H
#define WF_BASE_TABLE_H

#include "access/htup.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#define WF_TABLE_INDEXES 10

typedef struct WfTableIndex
{
	const char *name;

	/*
	 * Does a row belong in this (partial) index?  NULL: always.  "values" and
	 * "nulls" are of all columns.
	 */
	bool (*wants)(const Datum *values, const bool *nulls);
} WfTableIndex;

/* static; the fields after natts are a cache */
typedef struct WfTable
{
	const char *name;			/* in schema _workflow */
	const char *const *columns; /* their names, in order */
	int natts;
	WfTableIndex indexes[WF_TABLE_INDEXES]; /* the first is the primary key */
	uint64 checked; /* generation in which the oids were found */
	bool known;		/* it has these indexes and no others */
	Oid oid;
	Oid index_oids[WF_TABLE_INDEXES];
} WfTable;

typedef struct WfOpenTable
{
	WfTable *table;
	Relation rel;
} WfOpenTable;

/*
 * Raises 42704 where the extension is missing, and 25006 in a read-only
 * transaction when "write".
 */
extern void wf_table_open(WfTable *table, bool write, WfOpenTable *open);
extern void wf_table_close(WfOpenTable *open);

/* Inserts a row, says where; "values" and "nulls" are of all columns. */
extern ItemPointerData wf_table_insert(WfOpenTable *open, Datum *values,
									   bool *nulls);

/*
 * Inserts "n" rows with no more WAL than their pages need, and as one command.
 * Row i has its columns in values[i * natts], and is put where tids[i] says.
 */
extern void wf_table_insert_many(WfOpenTable *open, int n, Datum *values,
								 bool *nulls, ItemPointerData *tids);

/*
 * The row with this primary key in a new snapshot, or NULL: a copy in "cxt"
 * whose t_self says where it is.  "values" and "nulls", if not NULL, get its
 * columns, pointing into the copy.
 */
extern HeapTuple wf_table_fetch(WfOpenTable *open, const Datum *key, int nkeys,
								MemoryContext cxt, Datum *values, bool *nulls);

/*
 * The same of the version at *tid, which may be any row's, or be no longer
 * there: NULL when a new snapshot sees none in that place.
 */
extern HeapTuple wf_table_fetch_at(WfOpenTable *open, ItemPointer tid,
								   MemoryContext cxt, Datum *values,
								   bool *nulls);

/*
 * The same two, but of what is committed by now, whatever snapshot the
 * transaction goes by, or was written by ourselves.
 */
extern HeapTuple wf_table_fetch_newest(WfOpenTable *open, const Datum *key,
									   int nkeys, MemoryContext cxt,
									   Datum *values, bool *nulls);
extern HeapTuple wf_table_fetch_newest_at(WfOpenTable *open, ItemPointer tid,
										  MemoryContext cxt, Datum *values,
										  bool *nulls);

/* The row in "slot", copied as wf_table_fetch() does. */
extern HeapTuple wf_slot_copy_row(TupleTableSlot *slot, MemoryContext cxt,
								  Datum *values, bool *nulls);

/*
 * Replaces the version of the row at *tid by a new one and counts the command;
 * false when that version is not the newest any more (nothing is done then).
 */
extern bool wf_table_update(WfOpenTable *open, ItemPointer tid, Datum *values,
							bool *nulls);

typedef enum WfRowResult
{
	WF_ROW_DONE,
	WF_ROW_CHANGED, /* that version is not the newest, or not any more */
	WF_ROW_LOCKED	/* somebody is about to change it, and we do not wait */
} WfRowResult;

/*
 * The same, and *tid is where the new version is.  Without "wait" a row that
 * is locked is left alone.
 */
extern WfRowResult wf_table_replace(WfOpenTable *open, ItemPointer tid,
									Datum *values, bool *nulls, bool wait);

/* Deletes the version at *tid, in the same way. */
extern WfRowResult wf_table_delete(WfOpenTable *open, ItemPointer tid,
								   bool wait);

#endif /* WF_BASE_TABLE_H */
