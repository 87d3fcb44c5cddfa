/*
 * control.h
 *		Tables _workflow.control and _workflow.request, and what the scheduler
 *		reads and writes by itself.
 *
 * control.c has what concerns the whole database, run_idle.c what concerns
 * runs that are in no cell, request_apply.c what clients ask of these.
 *
 * All functions need an open owner window.  None of them waits for a lock that
 * a client may hold: clients insert requests, they never update a run.
 */
#ifndef WF_STORE_CONTROL_H
#define WF_STORE_CONTROL_H

#include "store/run.h"

/* ---- control.c: the whole database ---- */

typedef struct WfControl
{
	bool stopped;  /* stop() was called */
	bool foreign;  /* origin or workflow.site differs */
	char why[256]; /* reason, or what differs, in words */
} WfControl;

/*
 * Reads the control row; makes it, with the present origin and site, where
 * there is none ("create" is false in views, which must not write).
 */
extern void wf_control_read(bool create, WfControl *out);

/*
 * stop() and start() as far as the control row goes; making it where there is
 * none.  start() also takes over origin and site, see wf_adopt_rows().
 */
extern void wf_control_stop(const char *by, const char *reason);
extern void wf_control_start(void);

/* paused workflows; count */
extern int wf_workflow_paused(int32 **ids, MemoryContext cxt);

/*
 * start(): takes over rows of another origin, maps owners by name; returns how
 * many unfinished runs there were among them.  An owner whose name does not
 * exist here becomes 0, so that its runs get parked instead of running as
 * whoever has that oid.
 */
extern int64 wf_adopt_rows(void);

/* the highest run id there is; false when the table is empty */
extern bool wf_run_last_id(pg_uuid_t *out);

/* ---- run_idle.c: runs in no cell ---- */

/*
 * The next chunk of unfinished, not parked runs of this origin; count, which
 * may be 0 before the end.  A row in a state that no release knows is parked.
 */
extern int wf_run_scan(WfScan *scan, WfWork *out, int max);

/* How many unfinished runs of a queue have ids above this one. */
extern bool wf_run_count_left(int32 queue_id, int page, pg_uuid_t *after,
							  int64 *n);

/*
 * Runs of these queues that were started and have not ended, and failed ones
 * that keep their group closed: all of them, allocated in "cxt"; count.
 */
extern int wf_run_scan_started(const int32 *queues, int nqueues,
							   MemoryContext cxt, WfStarted **out);

/* requests, oldest first */
typedef struct WfRequest
{
	int64 request_id;
	pg_uuid_t run_id;
	char kind;			/* WF_REQUEST_* */
	TimestampTz due_at; /* retry with a delay: when; delete: when it ended */
	char by[NAMEDATALEN];
	bool no_undo; /* cancel: without compensation */
} WfRequest;	  /* what else there is to it is read by whoever applies it */

/* those with an id above "after", at most "max"; count */
extern int wf_request_read(int64 after, WfRequest *out, int max);

/* The number of the last one, or PG_INT64_MIN. */
extern int64 wf_request_last(void);

/* Is there one for the same run that was made before? */
extern bool wf_request_has_older(const WfRequest *request);
extern void wf_request_delete(int64 request_id);

/* whose a run was that has been ended or parked here */
typedef struct WfEndedOf
{
	int32 workflow_id; /* 0: the run had moved on, or will end later */
	int32 queue_id;
	bool undoes;	 /* it is compensated first, and is dispatched for that */
	WfWork info;	 /* undoes: all of it */
	bool has_parent; /* and the run has ended: */
	pg_uuid_t parent_id; /* ... which may wait for that */
	bool asks;			 /* children are asked to cancel: read requests */
} WfEndedOf;

/*
 * Applies a request to a run that is in no cell:
 *
 *	cancel	any unfinished run ends as cancelled, or is to be compensated first
 *	retry	a failed or parked run, or one in back-off, is queued again; what
 *			the former is to do again (retry.h) gets fresh attempts, and the
 *			run its whole run_timeout, counted from its new start (retried_at:
 *			run_at must stay, as now() of the body begins with it)
 *	result	the call at which a run has stopped is done, with the value of the
 *			request; the run goes on as after a retry
 *	wake	a run that sleeps or is in back-off is due now
 *	pause	sets paused_at of any unfinished run; resume clears it
 *	alter	priority, start, queue, group and attributes, see alter.h
 *	delete	deletes a run that has ended, unless it has been retried since
 *			and has ended otherwise
 *
 * Fills *info as far as said here.
 */
typedef enum WfApplied
{
	WF_APPLIED_NOTHING,	  /* the run has moved on, or is not there */
	WF_APPLIED_CANCELLED, /* info->run_id and *of are set */
	WF_APPLIED_UNDOES,	/* cancelled, to be compensated: all of *info is set */
	WF_APPLIED_QUEUED,	/* likewise */
	WF_APPLIED_WOKEN,	/* likewise */
	WF_APPLIED_ALTERED, /* likewise */
	WF_APPLIED_PAUSED,	/* from here on only info->run_id is */
	WF_APPLIED_RESUMED,
	WF_APPLIED_NOTED, /* there is nothing to do about it in memory */
	WF_APPLIED_DELETED
} WfApplied;

extern WfApplied wf_request_apply(const WfRequest *request, WfWork *info,
								  WfEndedOf *of);

/*
 * A strike: the run took the server down at this step.  Tells whose it was
 * when that was the last it is allowed (WF_MAX_CRASHES) and it has been failed
 * with reason crash (or parked, if it was being compensated), else a
 * workflow_id of 0.  Charged once per crash_id.
 * Strikes against an earlier step are forgotten.
 */
typedef struct WfStrike
{
	const pg_uuid_t *run_id;
	int32 ordinal;		   /* of the step, or of the one after the body's last */
	int32 attempt;		   /* of the step; 0: in the body */
	const char *step_name; /* cut to fit */
	int64 crash_id;
} WfStrike;

extern WfEndedOf wf_run_strike(const WfStrike *strike);

/* The process that had the run in hand is being ended. */
extern void wf_strike_lost(const pg_uuid_t *run_id);

/*
 * Parks a run that cannot be dispatched (owner gone, no LOGIN, ...).  The
 * workflow_id is 0 when the run was no longer there to be parked.
 */
extern WfEndedOf wf_run_park(const pg_uuid_t *run_id, const char *reason,
							 const char *code, const char *message,
							 const char *hint);

/*
 * A queued or waiting run whose deadline is over fails with WF009, or is
 * compensated first.  Returns as wf_run_park(), and undoes also where it is
 * being compensated already.
 */
extern WfEndedOf wf_run_expire(const pg_uuid_t *run_id);

/*
 * Has its executor written that the run failed, is parked, sleeps or will be
 * tried again later?
 */
extern bool wf_run_has_stopped(const pg_uuid_t *run_id);

/* ... that it has ended, and that then? */
extern bool wf_run_ended_at(const pg_uuid_t *run_id, TimestampTz at);

#endif /* WF_STORE_CONTROL_H */
