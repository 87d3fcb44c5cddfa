/*
 * grants.h
 *		What a client may use.
 *
 * Needs an open owner window.
 */
#ifndef WF_STORE_GRANTS_H
#define WF_STORE_GRANTS_H

/*
 * Grants to a role, or takes from it: USAGE on schema workflow, EXECUTE on its
 * functions but those for administrators, on what the views call, and SELECT
 * on the views.  The role must exist.
 */
extern void wf_grant_usage(const char *role, bool grant);

#endif /* WF_STORE_GRANTS_H */
