/*
 * entropy.h
 *		Random bits that nobody can guess from others of them.
 */
#ifndef WF_BASE_ENTROPY_H
#define WF_BASE_ENTROPY_H

#include "utils/uuid.h"

/* Raises XX000 where the system has none. */
extern uint64 wf_entropy(void);

/* 16 bytes, all of them random. */
extern void wf_entropy_seed(pg_uuid_t *out);

#endif /* WF_BASE_ENTROPY_H */
