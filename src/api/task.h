/*
 * task.h
 *		Steps done by workers outside.
 */
#ifndef WF_API_TASK_H
#define WF_API_TASK_H

/* Tells the executor how such a step is started; called once, from _PG_init. */
extern void wf_task_init(void);

#endif /* WF_API_TASK_H */
