/*
 * body_child.h
 *		Words with which a body starts other runs.
 */
#ifndef WF_API_BODY_CHILD_H
#define WF_API_BODY_CHILD_H

/* from _PG_init */
extern void wf_child_init(void);

#endif /* WF_API_BODY_CHILD_H */
