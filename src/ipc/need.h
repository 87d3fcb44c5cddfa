/*
 * need.h
 *		Commands that need a database, or our tables in it, for themselves.
 */
#ifndef WF_IPC_NEED_H
#define WF_IPC_NEED_H

#include "nodes/nodes.h"
#include "storage/lockdefs.h"

/* what a command needs */
typedef struct WfNeed
{
	Oid database;	  /* without our workers */
	const char *name; /* NULL: the current one, in which others may be */
	LOCKMODE lock;	  /* that the command will take on it */
	bool force;		  /* it ends others by itself */
	bool copies;	  /* the database is the template of a new one */
} WfNeed;

/*
 * Does a command need a database without our workers?  Not where it will be
 * refused, as far as that can be known by now.  "alone": in no transaction
 * block.
 */
extern bool wf_need_find(Node *stmt, bool alone, WfNeed *need);

/*
 * Takes the lock that the command will take, and waits until nobody but our
 * workers is in the database, as long as PostgreSQL would; then raises its
 * error.  False where the command is left to be refused.
 */
extern bool wf_need_secure(const WfNeed *need);

#endif /* WF_IPC_NEED_H */
