/*
 * work.h
 *		Work, that is a run or a message, as it comes from a commit or a row.
 */
#ifndef WF_CORE_WORK_H
#define WF_CORE_WORK_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "core/workid.h"

/* what must be known of work to start it; also an entry of the ring */
typedef struct WfWork
{
	WfWorkId id;
	WfWorkId last_id; /* != id: a range of ids to read */
	Oid owner;
	int32 workflow_id;
	int32 queue_id;
	int32 priority;
	uint64 group; /* wf_group_hash() of its group_key; 0: none */
	/*
	 * In a strict group: lower starts first.  Of a range: the lowest of all that
	 * is of strict groups, PG_INT64_MAX where nothing is.
	 */
	int64 place;
	TimestampTz due_at;		 /* earliest start; 0: at once, ASLEEP: never */
	TimestampTz deadline_at; /* DT_NOEND: none */
	XLogRecPtr lsn;			 /* of the enqueue's commit; 0 when on disk */
	uint32 flags;			 /* WF_ASSIGN_* */
	ItemPointerData tid;	 /* where its row was seen, or invalid */
} WfWork;

/* WfWork.flags and WfCell.flags */
#define WF_ASSIGN_FRESH	 0x01	/* never dispatched: has no step rows */
#define WF_ASSIGN_DEDUP	 0x02	/* has a dedup_key: take the run's lock */
#define WF_ASSIGN_RATED	 0x04	/* tell the scheduler when it begins */
#define WF_ASSIGN_REREAD 0x10	/* the rest is not known: read the row */
#define WF_ASSIGN_BLOCKS 0x08	/* a failure keeps its group closed */
#define WF_ASSIGN_WAKE	 0x20	/* what it waits for may have come */
#define WF_ASSIGN_ASLEEP 0x40	/* it waits, and nothing has come for it yet */
#define WF_ASSIGN_BEGUN	 0x80	/* it has begun: keeps its place */
#define WF_ASSIGN_ASKED	 0x1000 /* requests for it may have yet to be read */
#define WF_ASSIGN_PAUSED 0x0100 /* pause_run(): not to be started */
/* messages, which are never assigned */
#define WF_ASSIGN_LEASED 0x0200 /* somebody has it, until due_at */
#define WF_ASSIGN_LOCKED 0x0400 /* a transaction still open has its row */
#define WF_ASSIGN_DEAD	 0x0800

/*
 * A walk over unfinished runs, and messages (store/work.h), in id order, in
 * chunks, so that no snapshot is held for long: fill in `after` and `upto`,
 * call until it is done.
 */
typedef enum WfScanKind
{
	WF_SCAN_RANGE,	/* ids above `after`, up to `upto` */
	WF_SCAN_QUEUE,	/* of queue after_queue, ids above `after` */
	WF_SCAN_TURN,	/* the same for all that has a queue, in turns: `sides` */
	WF_SCAN_TIMERS, /* due at after_due or later, in that order */
	WF_SCAN_GROUP	/* of a group of queue after_queue, by place */
} WfScanKind;

#define WF_SCAN_RUNS	 0x1
#define WF_SCAN_MESSAGES 0x2

typedef struct WfScan
{
	WfScanKind kind;
	int32 after_queue;
	TimestampTz after_due; /* with `after`, exclusive */
	WfWorkId after;		   /* exclusive; these three move on with each chunk */
	WfWorkId upto;		   /* inclusive */
	int64 after_place;	   /* GROUP: with `after`, exclusive; moves on too */
	int64 upto_place;	   /* GROUP: inclusive */
	const char *group_key; /* GROUP */
	Oid group_owner;	   /* GROUP: whose work alone; InvalidOid: all */
	TimestampTz from_due;  /* caller's own: where it began */
	int64 place;		   /* caller's own: RANGE, as in WfWork */
	int sides;			   /* WF_SCAN_RUNS or WF_SCAN_MESSAGES */
	bool done;
	bool loads;	   /* caller's own: at the start of a plan */
	bool single;   /* caller's own: it is for one run */
	bool reread;   /* ... which was seen in a cell and not read */
	bool woken;	   /* ... for which something was sent */
	bool fresh;	   /* caller's own: what it finds is new */
	int64 foreign; /* rows of another origin seen so far */
} WfScan;

/* a place in a group, and who has it */
typedef struct WfSpot
{
	int64 place;
	WfWorkId id;
} WfSpot;

/* work that was started and has not ended */
typedef struct WfStarted
{
	WfWork work;
	bool stopped; /* parked or failed: does not go on by itself */
	bool failed;
} WfStarted;

#endif /* WF_CORE_WORK_H */
