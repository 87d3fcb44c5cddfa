/*
 * monitor.h
 *		The roles that see all rows without their contents.
 *
 * All need an open owner window.
 */
#ifndef WF_STORE_MONITOR_H
#define WF_STORE_MONITOR_H

/* Makes a role one of them; nothing changes where it is. */
extern void wf_monitor_insert(Oid role, const char *role_name);

extern void wf_monitor_delete(Oid role, const char *role_name);

/* Is this very role one of them? */
extern bool wf_monitor_has(Oid role);

/* Has "user" the rights of one of them? */
extern bool wf_monitor_covers(Oid user);

#endif /* WF_STORE_MONITOR_H */
