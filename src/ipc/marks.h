/*
 * marks.h
 *		Who was in user code when the server went down.
 *
 * A small file (pg_stat_tmp/workflow.marks, which base backups leave out) is
 * mapped by every executor, one entry per slot.  An executor sets its entry
 * before user code and clears it after; its SIGQUIT handler sets `told` first,
 * so after a crash restart an entry that is set but not told belongs to the
 * process that died by itself.  Costs no system call.
 *
 * Exactly one such entry of the same postmaster: the culprit.  Several, or
 * entries of another postmaster: suspects.  The launcher reads the file before
 * it starts anything, and keeps what it found for the schedulers; a scheduler
 * writes the strikes before it dispatches and then calls wf_marks_settle().
 */
#ifndef WF_IPC_MARKS_H
#define WF_IPC_MARKS_H

#include "utils/uuid.h"

typedef struct WfMark
{
	pg_uuid_t run_id;
	int32 ordinal; /* step that ran, or the one the body would ask for next */
	int32 attempt; /* of the step; 0: in the body */
	char step_name[NAMEDATALEN]; /* of the step, cut to fit */
	Oid database;
	uint64 crash_id; /* random per mark: a strike is charged once */
	bool culprit;	 /* false: suspect */
} WfMark;

/* Executor: maps the file for its slot and installs the SIGQUIT handler. */
extern void wf_marks_attach(int slot);
/* "step_name" has NAMEDATALEN bytes; NULL: in the body. */
extern void wf_mark_set(const pg_uuid_t *run_id, int ordinal, int attempt,
						const char *step_name);
extern void wf_mark_clear(void);
/* what takes the server down now is not the fault of what runs here */
extern void wf_mark_excuse(void);

/* Launcher, once at its start: reads, then keeps what was found in the file. */
extern void wf_marks_collect(void);

/* Scheduler: marks left for its database; palloc'd; count returned. */
extern int wf_marks_read(Oid database, WfMark **marks);
/* ... and their removal, after the strikes were committed. */
extern void wf_marks_settle(Oid database);

#endif /* WF_IPC_MARKS_H */
