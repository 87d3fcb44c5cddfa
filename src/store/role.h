/*
 * role.h
 *		What a role needs to have runs.
 */
#ifndef WF_STORE_ROLE_H
#define WF_STORE_ROLE_H

/*
 * True where the role lacks what a process that is connected as it, and the
 * words of a body in it, cannot do without: LOGIN before PostgreSQL 17, CONNECT
 * on this database, and what grant_usage() gives.  Then *detail is a full
 * sentence and *hint the beginning of one.  Needs a transaction; looks at catalogs alone.
 */
extern bool wf_role_lacks(Oid role, const char **detail, const char **hint);

#endif /* WF_STORE_ROLE_H */
