/*
 * entropy.h
 *		Random bits that nobody can guess from others of them.
 */
#ifndef WF_BASE_ENTROPY_H
#define WF_BASE_ENTROPY_H

/* Raises XX000 where the system has none. */
extern uint64 wf_entropy(void);

#endif /* WF_BASE_ENTROPY_H */
