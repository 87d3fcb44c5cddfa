/*
 * derive.h
 *		now(), random() and uuid() of a body, and its steps' fingerprints.
 *
 * All are pure functions of the run's id, the ordinal of the next step and a
 * counter of calls since that ordinal, so that every replay sees the same.
 * The mixing function is splitmix64 (Steele, Lea, Flood: "Fast Splittable
 * Pseudorandom Number Generators", OOPSLA 2014).
 */
#ifndef WF_CORE_DERIVE_H
#define WF_CORE_DERIVE_H

#include "utils/uuid.h"

extern uint64 wf_derive_bits(const pg_uuid_t *run_id, int ordinal,
							 uint32 counter);
/* [0, 1) with 53 random bits */
extern double wf_derive_random(const pg_uuid_t *run_id, int ordinal,
							   uint32 counter);
/* version 4, variant 1 */
extern void wf_derive_uuid(const pg_uuid_t *run_id, int ordinal,
						   uint32 counter, pg_uuid_t *out);

/*
 * Fingerprint: start with 0, then fold in each part in order.  Length and a
 * tag are mixed in, so that ("ab","c") and ("a","bc") or NULL and '' differ.
 */
extern uint64 wf_fingerprint_bytes(uint64 seed, char tag, const void *data,
								   size_t len);
extern uint64 wf_fingerprint_null(uint64 seed);

#endif /* WF_CORE_DERIVE_H */
