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
 * Starts what is wanted, and sees to what was started and did not come.
 * *next_due is lowered to when it wants to be called again.
 */
extern void wf_starter_cycle(TimestampTz now, TimestampTz *next_due);

/* ---- probe.c: which databases have the extension ---- */

extern void wf_probe_init(MemoryContext cxt);
extern void wf_probe_cycle(TimestampTz now, TimestampTz *next_due);

/* Is there such a database, and can it be connected to?  In a transaction. */
extern bool wf_probe_connectable(Oid database);

#endif /* WF_LAUNCHER_LAUNCHER_H */
