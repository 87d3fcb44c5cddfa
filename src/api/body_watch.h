/*
 * body_watch.h
 *		Tells whoever replaces a body that runs will be replayed with it.
 */
#ifndef WF_API_BODY_WATCH_H
#define WF_API_BODY_WATCH_H

/* Chains object_access_hook; called once, from _PG_init. */
extern void wf_body_watch_init(void);

#endif /* WF_API_BODY_WATCH_H */
