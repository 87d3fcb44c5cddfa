/*
 * entries.h
 *		Every change of state of a database's entry and of an executor's slot.
 *
 * The states and their arrows are drawn in shmem.h.  All functions but those at
 * the end take wf_shared->lock themselves; none of them blocks on anything
 * else, raises an ERROR or allocates, and each wakes whoever has to act on the
 * change.  So they may be called from transaction and exit callbacks.
 */
#ifndef WF_IPC_ENTRIES_H
#define WF_IPC_ENTRIES_H

#include "ipc/shmem.h"

/* ---- scheduler (slots.c) ---- */

/*
 * Asks the launcher for an executor of this role.  NULL when no slot is free
 * or workflow.max_executors of the cluster are in use.
 */
extern WfSlot *wf_slot_request(Oid database, Oid role);

/*
 * Gives back a GONE slot that was looked at, or a request not yet answered.
 * If it is just being answered, the executor will end, and its slot be freed.
 */
extern void wf_slot_free(WfSlot *slot);

/* ---- launcher (starts.c) ---- */

/* what goes to a new process in bgw_extra, and names it */
typedef struct WfStart
{
	int index; /* of the entry or slot */
	uint32 generation;
	Oid database;
	Oid role; /* InvalidOid: a scheduler */
	int failures;
} WfStart;

/*
 * Picks what to start next and makes it STARTING: schedulers in turn, then
 * executors of who has the fewest, in the order they were asked for.  False when there is nothing;
 * *next_due is lowered to when a scheduler's back-off ends.
 */
extern bool wf_start_next(TimestampTz now, TimestampTz *next_due,
						  WfStart *start);
/* no worker slot was left: WANTED again */
extern void wf_start_short(const WfStart *start, TimestampTz now);
/* everything that was wanted is registered; true if that was not so before */
extern bool wf_short_over(void);
/* true while the process has neither attached nor been superseded */
extern bool wf_start_pending(const WfStart *start);
/* its database allows no connections: the scheduler is WANTED later */
extern void wf_start_closed(const WfStart *start, TimestampTz now);
/* it will never attach: lost (the launcher restarted) or ended before */
extern void wf_start_failed(const WfStart *start, bool lost, TimestampTz now);
/* STARTING, not attached; returns false at the end; *pos begins at 0 */
extern bool wf_start_list(int *pos, WfStart *start);
/* frees GONE slots that no scheduler will look at */
extern void wf_slots_sweep(void);

/*
 * Makes room for a database that has no worker at all, because worker slots
 * are short or workflow.max_executors is reached: tells one executor of
 * another database to end.  False when nobody is in want.
 */
extern bool wf_short_retire_one(TimestampTz now);

/* an entry for a database of which nobody knows; NULL when the table is full */
extern WfDatabase *wf_database_probe(Oid database);

/* Does this entry still wait for its first scheduler to look? */
extern bool wf_database_probing(Oid database);

/* ---- anybody (entries.c) ---- */

/* the database is dropped, or cannot be connected to: forgets all about it */
extern void wf_database_forget(Oid database);

/* DROP EXTENSION was committed there: its scheduler leaves, if it has one */
extern void wf_database_no_extension(Oid database);

/* one hold more or less; see hooks.h.  Begin is false when nothing of ours
 * can get into the database, because the table is full. */
extern bool wf_hold_begin(Oid database);
extern void wf_hold_end(Oid database);

/* ---- attach.c ---- */

extern bool wf_scheduler_came(int index, uint32 generation);
extern void wf_scheduler_loaded(int index);
/* "told": to end, from outside, so that the next one starts at once */
extern void wf_scheduler_left(int index, uint32 generation, bool no_extension,
							  bool told);

extern bool wf_executor_came(int index, uint32 generation);
extern void wf_executor_connected(int index);
extern void wf_executor_left(int index, uint32 generation, bool connected);

/* ---- for the parts of it, with the lock held ---- */

extern WfDatabase *wf_entry_lookup(Oid database);
extern void wf_entry_wake(PGPROC *proc);
extern void wf_entry_wake_launcher(void);
/* a scheduler ended: when to start the next one */
extern void wf_entry_back_off(WfDatabase *db, TimestampTz now, bool failed);
extern bool wf_entry_is_starved(const WfDatabase *db, TimestampTz now);
extern void wf_slot_set_free(WfSlot *slot);

#endif /* WF_IPC_ENTRIES_H */
