/*
 * launcher.h
 *		Between the parts of the launcher.
 */
#ifndef WF_LAUNCHER_LAUNCHER_H
#define WF_LAUNCHER_LAUNCHER_H

#include "ipc/entries.h"

/* ---- start.c: processes ---- */

extern void wf_starter_init(MemoryContext cxt);

/*
 * At the end of the process: what it was about to start is wanted again, for
 * the next launcher.
 */
extern void wf_starter_leave(void);

/*
 * Starts what is wanted, and sees to what was started and did not come.
 * *next_due is lowered to when it wants to be called again.
 */
extern void wf_starter_cycle(TimestampTz now, TimestampTz *next_due);

/* ---- probe.c: which databases have the extension ---- */

extern void wf_probe_init(MemoryContext cxt);
extern void wf_probe_cycle(TimestampTz now, TimestampTz *next_due);

typedef enum WfStanding
{
	WF_STANDING_GONE,	/* dropped, or left of an interrupted DROP */
	WF_STANDING_CLOSED, /* allows no connections, for now */
	WF_STANDING_OPEN
} WfStanding;

/* Whether a database can be connected to.  In a transaction. */
extern WfStanding wf_probe_standing(Oid database);

#endif /* WF_LAUNCHER_LAUNCHER_H */
