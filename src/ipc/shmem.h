/*
 * shmem.h
 *		Shared memory: who runs what, and how to wake them.
 *
 * Owns: one WfShared with an entry per database (WfDatabase) and a slot per
 * executor (WfSlot).  Tables are the truth; whatever stands here may be lost
 * in any crash.
 *
 * Locking.  wf_shared->lock (one LWLock) guards every change of a slot's or
 * an entry's `state` and of the fields that say who owns it; it is held for
 * assignments and scans only.  A ring has a spinlock of its own.  Order:
 * lock, then a ring's spinlock; never the other way.  stats_lock and queue_lock
 * are taken with neither, nor together.  Cells need no lock, see below.  A
 * process is woken through wf_wake_*(), which look at the PGPROC under the
 * lock, never through a remembered pid.
 *
 * The protocol of a cell (one place for one assignment of a run):
 *
 *	EMPTY   --scheduler fills work_id.. seq, then-->  OFFERED
 *	OFFERED --executor, compare and swap-->          TAKEN
 *	OFFERED --scheduler, compare and swap-->         EMPTY   (taken back)
 *	TAKEN   --executor fills outcome, then-->        DONE
 *	DONE    --scheduler, having read it-->           EMPTY
 *
 * A cell outlives its scheduler: the next one finds TAKEN and DONE cells and
 * goes on with them.  When an executor ends, its exit callback leaves TAKEN
 * cells as they are and sets the slot to GONE; the scheduler reads them ("this
 * run was lost") and frees the slot.  Only where there is no scheduler does
 * the launcher free a GONE slot.
 *
 * Lifetime: the whole of it is made anew at every crash restart.
 */
#ifndef WF_IPC_SHMEM_H
#define WF_IPC_SHMEM_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/uuid.h"

#include "core/cell.h"
#include "core/shortage_kind.h"
#include "store/run.h"

#define WF_RING_SIZE	 512
#define WF_WAIT_CHANNELS 256

/* ---- assignments ---- */

typedef enum WfCellState
{
	WF_CELL_EMPTY,
	WF_CELL_OFFERED,
	WF_CELL_TAKEN,
	WF_CELL_DONE
} WfCellState;

typedef struct WfCell
{
	pg_atomic_uint32 state;	  /* WfCellState */
	pg_atomic_uint32 request; /* WF_REQ_* bits */
	uint64 seq;				  /* order in which to take; rises per slot */
	WfWorkId work_id;
	XLogRecPtr lsn;		  /* flush this far before user code runs */
	uint32 flags;		  /* WF_ASSIGN_* */
	ItemPointerData tid;  /* of its row, most likely */
	int32 queue_id;		  /* for a scheduler that comes later */
	uint64 group;		  /* likewise */
	TimestampTz begun_at; /* executor: when user code began, 0 if not yet */
	WfOutcome outcome;	  /* valid in DONE */
	TimestampTz due_at;	  /* for WF_OUTCOME_LATER and WAITS */
	bool tells_parent;	  /* valid in DONE: wake the run that waits for this */
	pg_uuid_t parent_id;  /* ... which is it */
	WfShortage shortage;  /* valid in DONE: what the run has met ... */
	bool engine_met;	  /* ... in a statement of our own */
	bool wrote;			  /* valid in DONE: something was committed */
} WfCell;

/* ---- executor slots ---- */

/*
 * All changes are made through ipc/entries.h, under the lock:
 *
 *	FREE     --scheduler asks, wf_slot_request()-->       WANTED
 *	WANTED   --launcher, registers a process-->           STARTING
 *	STARTING --registration failed: no worker slot-->     WANTED
 *	STARTING --process finds the database held-->         WANTED
 *	STARTING --launcher was restarted, none attached-->   WANTED
 *	STARTING --process ended before it attached-->        GONE (failed_start)
 *	STARTING --process attached, and is connected-->      LIVE
 *	STARTING, LIVE --attached process ends-->             GONE
 *	GONE     --scheduler has looked, wf_slot_free()-->    FREE
 *	GONE     --launcher, no scheduler attached-->         FREE
 *	WANTED   --scheduler thought better of it-->          FREE
 *	any      --entry of the database freed-->             FREE, once its process
 *														  has ended
 *	any      --freed by a scheduler while STARTING-->     likewise (abandoned)
 *
 * A process attaches (pid and proc set, state still STARTING) before it
 * connects, so a hold finds it, and whatever happens later its exit callback
 * reports.  `generation` rises with every start and every reuse and goes with
 * the process, so one that comes too late finds itself superseded.
 */
typedef enum WfSlotState
{
	WF_SLOT_FREE,
	WF_SLOT_WANTED,	  /* scheduler asks launcher for a process */
	WF_SLOT_STARTING, /* registered by the launcher */
	WF_SLOT_LIVE,	  /* process attached and connected */
	WF_SLOT_GONE	  /* process ended; scheduler has to look */
} WfSlotState;

/* bytes of what set_progress() shows */
#define WF_MAX_PROGRESS 1024

typedef struct WfSlot
{
	WfSlotState state;	/* lock */
	uint32 generation;	/* lock; rises with every start and reuse */
	uint64 wanted_seq;	/* lock; order of requests */
	Oid database;		/* lock; written by the scheduler */
	Oid role;			/* likewise */
	int pid;			/* lock; written by the executor, 0 if none */
	PGPROC *proc;		/* lock; written by the executor */
	bool failed_start;	/* lock; GONE: ended before it was connected */
	WfShortage refused; /* lock; ... because of this */
	bool abandoned;		/* lock; freed at its end, nobody has to look */
	bool in_user_code;	/* executor; was it there when it ended? */
	bool swallowed;		/* it was ended, as user code went on after a cancel;
						* set by executor or scheduler */

	pg_atomic_uint32 retire;  /* scheduler: exit when idle, take no more */
	pg_atomic_uint32 cancels; /* scheduler: SIGINTs sent so far */
	pg_atomic_uint32 idle;	  /* executor: 1 while it waits for work */
	WfCell cells[WF_CELLS];

	/*
	 * What it does now, for views.  The executor alone writes, with
	 * changecount odd while it does (see PgBackendStatus for the idea).
	 */
	pg_atomic_uint32 changecount;
	pg_uuid_t run_id; /* all zero when idle */
	int32 workflow_id;
	int32 ordinal; /* step that runs; 0 in the body */
	int32 attempt;
	TimestampTz since;			 /* when run or step began */
	TimestampTz started_at;		 /* of the process */
	TimestampTz active_at;		 /* last end of a run */
	uint64 runs;				 /* ended here */
	uint64 steps;				 /* recorded here */
	char step_name[NAMEDATALEN]; /* cut to fit */
	bool has_progress;
	int32 progress[WF_MAX_PROGRESS / sizeof(int32)]; /* a jsonb */
} WfSlot;

/* ---- the way from commit to scheduler ---- */

/* WfDatabase.events */
#define WF_EVENT_REQUEST  0x01 /* rows in _workflow.request */
#define WF_EVENT_CONTROL  0x02 /* stop(), start(), workflow paused.. */
#define WF_EVENT_RESCAN	  0x04 /* look for unknown runs in the table */
#define WF_EVENT_EXIT	  0x08 /* extension dropped: look and leave */
#define WF_EVENT_SIGNALS  0x10 /* look for what was sent to runs */
#define WF_EVENT_KEPT	  0x20 /* something is kept for some time only */
#define WF_EVENT_DEAD	  0x40 /* dead letters were retried or deleted */
#define WF_EVENT_PREPARED 0x80 /* work was committed without its place */

/*
 * All changes are made through ipc/entries.h, under the lock:
 *
 *	FREE     --told of the extension, or to be probed-->  WANTED
 *	FREE     --held though nothing of ours is there-->    HELD
 *	HELD     --told of the extension, or to be probed-->  WANTED
 *	HELD     --last hold released-->                      FREE
 *	WANTED   --launcher: not held, start_after over-->    STARTING
 *	STARTING --registration failed, process ended before
 *				it attached, found the database held, or
 *				launcher was restarted, none attached-->  WANTED
 *	STARTING --scheduler attached-->                      LOADING
 *	LOADING  --wf_scheduler_ready()-->                    LIVE
 *	LOADING, LIVE --scheduler ends-->                     WANTED
 *	LOADING, LIVE --found no extension-->                 FREE (or WANTED, if
 *				told of one while it looked, or HELD)
 *	any      --DROP DATABASE committed-->                 FREE
 *	WANTED   --launcher: no such connectable database-->  FREE
 *
 * While `holds` is not zero nothing is started and nothing can attach.
 */
typedef enum WfDatabaseState
{
	WF_DB_FREE,
	WF_DB_WANTED, /* launcher: start a scheduler */
	WF_DB_STARTING,
	WF_DB_LIVE,	   /* scheduler attached and past its load */
	WF_DB_LOADING, /* scheduler attached, rebuilding */
	WF_DB_HELD	   /* exists only to keep us out */
} WfDatabaseState;

typedef struct WfDatabase
{
	WfDatabaseState state; /* lock */
	Oid database;		   /* lock; InvalidOid when FREE */
	int pid;			   /* lock; scheduler's, 0 if none */
	PGPROC *proc;		   /* lock; scheduler's */
	uint32 generation;	   /* lock; rises with every start and reuse */
	int holds;			   /* lock; backends that keep us out */
	bool known;			   /* lock; told of the extension since it attached */
	TimestampTz start_after; /* lock; launcher's back-off */
	int failures;			 /* lock; launcher: quick ends in a row */
	TimestampTz starved_at;	 /* lock; asked in vain for a first executor */
	uint32 absences;		 /* lock; times without a scheduler so far */

	pg_atomic_uint32 events;	  /* WF_EVENT_*, set by anybody */
	pg_atomic_uint64 definitions; /* rises with each change of one */

	slock_t ring_lock;
	uint64 ring_head;		/* next to write; ring_lock */
	uint64 ring_tail;		/* next to read; ring_lock */
	bool ring_spilled;		/* ring_lock; range below is valid */
	WfWork spill;			/* ring_lock; id..last_id was not entered */
	pg_uuid_t prepared_low; /* ring_lock; lowest id in a PREPAREd xact */
	bool prepared;			/* ring_lock; prepared_low is valid */
	uint64 prepared_seq;	/* ring_lock; rises with every PREPARE */
	int prepared_ending;	/* ring_lock; COMMIT PREPAREDs under way */
	WfWork ring[WF_RING_SIZE];

	/* for wait_until_idle() */
	pg_atomic_uint64 idle_asked;
	pg_atomic_uint64 idle_answered;

	/*
	 * The scheduler reads news every few milliseconds, so those that are not
	 * urgent need not wake it; see receivers.h.
	 */
	pg_atomic_uint32 reads_news;
	ConditionVariable idle_cv;

	/* for views; written by the scheduler, single words, read unlocked */
	bool stopped;			  /* control row says so */
	bool foreign;			  /* origin or site differs: start() needed */
	uint32 stops;			  /* times that either was so, up to now */
	uint32 ready;			  /* runs ready in memory */
	uint32 timers;			  /* runs waiting for a time */
	TimestampTz oldest_ready; /* 0 when none */
	TimestampTz scheduler_since;
	TimestampTz short_since; /* 0, or since when it waits for a worker slot */

	/* see ipc/shortage.h; written by the scheduler, also while it ends */
	WfShortage shortage;
	TimestampTz shortage_since;
	WfShortage shortage_told;		 /* scheduler: what was logged last ... */
	TimestampTz shortage_told_at;	 /* ... and when */
	int shortage_ends;				 /* lock; schedulers that ended by one */
	char shortage_text[200];		 /* lock; the last error, for the log */
	pg_atomic_uint64 trouble_logged; /* when anybody last wrote such a line */
} WfDatabase;

typedef struct WfShared
{
	LWLock *lock;
	LWLock *stats_lock;
	LWLock *queue_lock;
	int launcher_pid;		 /* lock */
	PGPROC *launcher_proc;	 /* lock */
	TimestampTz short_since; /* lock; worker slots are short, or 0 */
	TimestampTz full_since;	 /* lock; no entry left for a database, or 0 */
	uint64 wanted_seq;		 /* lock; last one given to a slot */
	bool marks_collected;	 /* launcher: done since shared memory began */
	bool marks_usable;		 /* launcher: and the file is there */
	uint32 probes_wanted;	 /* lock; rises: look into all databases */
	uint32 probes_done;		 /* launcher: what it was when it last had */
	bool unprobed;			 /* lock; no entry was left to look into one */
	pg_atomic_uint64 runid_ticks; /* see core/runid.h */
	pg_atomic_uint64 boot_id;  /* random, new at every shared memory reset */
	TimestampTz stats_reset;   /* set at creation */
	ConditionVariable gone_cv; /* broadcast when a worker of ours ends */
	ConditionVariable waiters[WF_WAIT_CHANNELS]; /* by run id */
	int nslots;
	int ndatabases;
	/* WfSlot[nslots], then WfDatabase[ndatabases] */
} WfShared;

extern WfShared *wf_shared; /* NULL where the library is not preloaded */
extern WfSlot *wf_slots;
extern WfDatabase *wf_databases;

/* Name and number of the locks of all segments (segments.c asks for them). */
#define WF_SHMEM_TRANCHE "workflow"
#define WF_SHMEM_LOCKS	 3

/* Bytes of the segment "workflow". */
extern Size wf_shmem_size(void);

/*
 * Finds the segment, or makes it: false.  Called with AddinShmemInitLock held
 * exclusively.
 */
extern bool wf_shmem_startup(void);

/*
 * The entry of a database, or NULL.  The pointer stays valid, as entries never
 * move; whether it is still of that database has to be asked under the lock
 * by whom it matters.  _get makes one (state WANTED) where there is none, and
 * returns NULL when the table is full (logged once a minute).
 */
extern WfDatabase *wf_database_find(Oid database);
extern WfDatabase *wf_database_get(Oid database);

/* Draws the next run id, or message id. */
extern void wf_runid_draw(pg_uuid_t *out);
extern int64 wf_messageid_draw(void);

/* ... or place, by the same counter. */
extern int64 wf_place_draw(void);

/* Wake-ups; safe in a commit callback (no ERROR, no allocation). */
extern void wf_wake_launcher(void);
extern void wf_wake_scheduler(WfDatabase *db);
extern void wf_wake_executor(WfSlot *slot);

/* The condition variable on which waiters for this run sleep. */
extern ConditionVariable *wf_wait_channel(const pg_uuid_t *run_id);

/* A consistent copy of what a slot shows; false when it is not LIVE. */
extern bool wf_slot_read(WfSlot *slot, WfSlot *copy);

#endif /* WF_IPC_SHMEM_H */
