/*
 * grants.h
 *		What a role may use of the extension's objects.
 *
 * All need an open owner window.  A role must exist and stay as it is until
 * the transaction ends.
 */
#ifndef WF_STORE_GRANTS_H
#define WF_STORE_GRANTS_H

/*
 * Gives a role what clients use; without "definitions" not the functions that
 * take a new name, which are taken away where the role has them.
 */
extern void wf_grants_give_usage(Oid role, bool definitions);

/*
 * Takes from a role all privileges on the extension's objects, but with
 * "monitors" not those of wf_grants_give_monitor().
 */
extern void wf_grants_take_usage(Oid role, bool monitors);

/* Gives a role the views and the functions that tell of a run. */
extern void wf_grants_give_monitor(Oid role);

/* Takes these back, unless the role has what clients use. */
extern void wf_grants_take_monitor(Oid role);

/*
 * Takes every privilege on the extension's new objects from everybody but
 * their owners.  New are those that it was not called for before.  For the
 * scripts of CREATE EXTENSION and ALTER EXTENSION UPDATE alone.
 */
extern void wf_grants_close(void);

#endif /* WF_STORE_GRANTS_H */
