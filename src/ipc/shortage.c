/*
 * shortage.c
 *		What this database is short of, as far as shared memory knows.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "ipc/marks.h"
#include "ipc/shortage.h"

/* lines of ours about one trouble come no faster */
#define LOG_EVERY_USEC USECS_PER_SEC

/* a scheduler that has met a shortage is started again after 1 s, 2 s, 4 s */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_STEPS	 2

/* ---- errors ---- */

/* A full lock table is told from lack of memory by its message. */
static WfShortage
kind_of(const char *code, const char *message, bool engine)
{
	WfShortage kind = wf_shortage_kind_of(code, engine);

	if (kind == WF_SHORTAGE_MEMORY && message != NULL &&
		strcmp(message, _("out of shared memory")) == 0)
		kind = WF_SHORTAGE_LOCKS;
	return kind;
}

WfShortage
wf_shortage_of(const WfError *error, bool engine)
{
	return error->by_hand ? WF_SHORTAGE_NONE
						  : kind_of(error->code, error->message, engine);
}

void
wf_shortage_note(const char *message)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	if (db == NULL || message == NULL)
		return;
	LWLockAcquire(wf_shared->lock, LW_EXCLUSIVE);
	strlcpy(db->shortage_text, message, sizeof(db->shortage_text));
	LWLockRelease(wf_shared->lock);
}

void
wf_shortage_noted(WfDatabase *db, char *out)
{
	LWLockAcquire(wf_shared->lock, LW_SHARED);
	strlcpy(out, db->shortage_text, sizeof(db->shortage_text));
	LWLockRelease(wf_shared->lock);
}

/* ---- the log ---- */

bool
wf_shortage_may_log(WfDatabase *db)
{
	int64 now = wf_clock_system();
	uint64 last;

	if (db == NULL)
		return true;
	last = pg_atomic_read_u64(&db->trouble_logged);
	/* also where the clock was set back */
	if (now >= (int64) last && now - (int64) last < LOG_EVERY_USEC)
		return false;
	return pg_atomic_compare_exchange_u64(&db->trouble_logged, &last,
										  (uint64) now);
}

/* ---- what this process reports ---- */

static emit_log_hook_type next_hook = NULL;
static bool watching = false;
static bool quiet;
static WfDatabase *database;
static WfShortage reported = WF_SHORTAGE_NONE;

/*
 * A PANIC, as when WAL cannot be written, comes in whatever process is the one
 * to write it.
 */
static void
look_at_report(ErrorData *edata)
{
	if (edata->elevel >= PANIC &&
		wf_shortage_kind_of(unpack_sql_state(edata->sqlerrcode), true) !=
			WF_SHORTAGE_NONE)
		wf_mark_excuse();
	if (watching && edata->elevel >= ERROR)
	{
		reported =
			kind_of(unpack_sql_state(edata->sqlerrcode), edata->message, true);
		if (quiet && reported != WF_SHORTAGE_NONE &&
			!wf_shortage_may_log(database))
			edata->output_to_server = false;
	}
	if (next_hook != NULL)
		next_hook(edata);
}

void
wf_shortage_watch(WfDatabase *db, bool connecting)
{
	if (!watching)
	{
		next_hook = emit_log_hook;
		emit_log_hook = look_at_report;
	}
	watching = true;
	quiet = connecting;
	database = db;
}

void
wf_shortage_unwatch(void)
{
	watching = false;
	reported = WF_SHORTAGE_NONE;
}

WfShortage
wf_shortage_watched(void)
{
	return reported;
}

void
wf_shortage_ended_by(WfDatabase *db, WfShortage kind, TimestampTz now)
{
	int delay = BACKOFF_FIRST_MS << Min(db->shortage_ends, BACKOFF_STEPS);

	db->shortage_ends++;
	db->failures = 0;
	db->start_after = TimestampTzPlusMilliseconds(now, delay);
	if (db->shortage == WF_SHORTAGE_NONE)
		db->shortage_since = now;
	db->shortage = kind;
}

/* ---- views ---- */

WfShortage
wf_shortage_shown(const WfDatabase *db, TimestampTz *since)
{
	WfShortage kind = db != NULL ? db->shortage : WF_SHORTAGE_NONE;

	if (kind != WF_SHORTAGE_NONE)
	{
		*since = db->shortage_since;
		return kind;
	}
	*since = wf_shared->short_since;
	if (db != NULL && db->short_since != 0)
		*since = db->short_since;
	return *since != 0 ? WF_SHORTAGE_WORKERS : WF_SHORTAGE_NONE;
}
