/*
 * alert.h
 *		The functions that are told of what happens in a queue.
 *
 * As a body, one is stored as text and found by it whenever it is called; it
 * is called as the role that set it.
 */
#ifndef WF_STORE_ALERT_H
#define WF_STORE_ALERT_H

#include "postgres_ext.h"

/* As wf_body_resolve(); no window needed. */
extern Oid wf_alert_resolve(const char *name);

/*
 * Raises 42809, 42P13 or 42501 unless the current user may have this function
 * called: it is a plain one that he may execute and, where he is a superuser,
 * one that a superuser owns.
 */
extern void wf_alert_check(Oid function, const char *name);

#endif /* WF_STORE_ALERT_H */
