/*
 * others.h
 *		Who is connected to a database, besides our own workers.
 */
#ifndef WF_IPC_OTHERS_H
#define WF_IPC_OTHERS_H

/* as the last look found it */
typedef struct WfOthers
{
	int backends; /* autovacuum, which is sent away, does not count */
	int prepared; /* transactions */
	bool spared;  /* a backend that we may not terminate */
} WfOthers;

/*
 * Looks until nobody else is there, for "ms" at most; *out is the last look.
 * Where "force" is set, only whom DROP DATABASE WITH (FORCE) would not end
 * counts as somebody.
 */
extern bool wf_others_wait(Oid database, bool force, long ms, WfOthers *out);

#endif /* WF_IPC_OTHERS_H */
