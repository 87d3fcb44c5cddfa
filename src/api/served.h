/*
 * served.h
 *		Whether this database is served: has a scheduler, and is not stopped.
 */
#ifndef WF_API_SERVED_H
#define WF_API_SERVED_H

/* Is there a scheduler?  False where the library is not preloaded. */
extern bool wf_served_by_scheduler(void);

/*
 * For a caller who got nothing: says by a NOTICE that nothing is handed out in
 * this database, and why.  Each session is told once in an episode.
 */
extern void wf_served_tell(void);

#endif /* WF_API_SERVED_H */
