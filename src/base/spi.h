/*
 * spi.h
 *		SQL against the extension's own tables, run as the extension's owner.
 *
 * Every statement the engine runs is a constant: a static WfStmt beside the
 * function that uses it, its plan kept for the life of the process.  It runs
 * inside an *owner window*: user id switched to the owner of schema _workflow
 * with SECURITY_LOCAL_USERID_CHANGE, search_path pg_catalog and pg_temp, SPI
 * connected, a fresh snapshot pushed.  Nothing that belongs to a user may run
 * inside a window: our tables have no trigger, rule, policy or default that
 * calls user code.
 *
 * Must not be nested.  A window is left by wf_window_close(), or by the abort
 * of the (sub)transaction it was opened in, which restores user id, SPI stack,
 * snapshot and search path; so an ERROR needs no handler.
 *
 * Lifetime: what wf_spi_get_* return lives until the window is closed; pass a
 * context to the _copy functions for anything longer.
 */
#ifndef WF_BASE_SPI_H
#define WF_BASE_SPI_H

#include "executor/spi.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define WF_STMT_MAX_ARGS 32

typedef struct WfStmt
{
	const char *sql;
	int nargs;
	Oid argtypes[WF_STMT_MAX_ARGS];
	SPIPlanPtr plan; /* filled at first use, kept */
} WfStmt;

typedef struct WfWindow
{
	Oid save_user;
	int save_sec;
	MemoryContext save_context; /* CurrentMemoryContext at open */
	int save_nest; /* GUC nest level, where search_path needs one */
} WfWindow;

/*
 * Oid of schema _workflow, or InvalidOid where the extension is missing: a
 * schema of that name which is no member of the extension does not count.
 * Needs a transaction.
 */
extern Oid wf_schema_oid(void);

/*
 * Schema workflow, the extension, and its owner, as whom windows run; where
 * wf_schema_oid() has just been valid.
 */
extern Oid wf_public_schema_oid(void);
extern Oid wf_extension_oid(void);
extern Oid wf_owner_oid(void);

/*
 * Raises 55000 with a hint when the library was not preloaded, 0A000-class
 * never.  For functions that need shared memory.
 */
extern void wf_require_preloaded(void);

/*
 * Opens a window in the current transaction.  Raises 42704 when the extension
 * is not there (dropped by another session).
 */
extern void wf_window_open(WfWindow *w);
extern void wf_window_close(WfWindow *w);

/*
 * Runs a statement in the open window and returns SPI_processed; rows are in
 * SPI_tuptable.  values/nulls as SPI_execute_plan; nulls may be NULL.
 * read_only true runs with the window's snapshot and no CommandCounterIncrement.
 */
extern uint64 wf_spi_run(WfStmt *stmt, Datum *values, const char *nulls,
						 bool read_only, long limit);

/* Column "col" (1-based) of row "row" (0-based) of the last result. */
extern Datum wf_spi_get(uint64 row, int col, bool *isnull);
extern int32 wf_spi_get_int32(uint64 row, int col, int32 if_null);
extern int64 wf_spi_get_int64(uint64 row, int col, int64 if_null);
extern char wf_spi_get_char(uint64 row, int col, char if_null);
extern Oid wf_spi_get_oid(uint64 row, int col);
extern bool wf_spi_get_bool(uint64 row, int col, bool if_null);
extern TimestampTz wf_spi_get_time(uint64 row, int col, TimestampTz if_null);
extern void wf_spi_get_uuid(uint64 row, int col, pg_uuid_t *uuid);
extern TransactionId wf_spi_get_xid(uint64 row, int col);
extern void wf_spi_get_tid(uint64 row, int col, ItemPointer tid);
/* NULL where the column is null; detoasted copy in "cxt" */
extern char *wf_spi_copy_text(uint64 row, int col, MemoryContext cxt);
extern Jsonb *wf_spi_copy_jsonb(uint64 row, int col, MemoryContext cxt);
/* a column of n rows, none of them null, in "cxt" */
extern pg_uuid_t *wf_spi_copy_uuids(uint64 n, int col, MemoryContext cxt);

/* The value to bind, a text; sets *null to 'n' where it is NULL. */
extern Datum wf_text_or_null(const char *value, char *null);

/*
 * The origin of rows written by this database: a hash of system identifier,
 * database oid and extension oid.  Needs a transaction; cached per process.
 */
extern int64 wf_origin(void);

#endif /* WF_BASE_SPI_H */
