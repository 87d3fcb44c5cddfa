/*
 * derive.h
 *		now(), random() and uuid() of a body, and its steps' fingerprints.
 *
 * All are pure functions of the run, the ordinal of the next step and a
 * counter of calls since that ordinal, so that every replay sees the same.
 *
 * random() and uuid() come from the run's seed by SipHash-2-4 (Aumasson,
 * Bernstein: "SipHash: a fast short-input PRF", INDOCRYPT 2012): who has seen
 * some of them, but not the seed, cannot tell the others.  What need not be
 * secret, such as the jitter of a back-off, comes from the run's id by
 * splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
 * Generators", OOPSLA 2014).
 */
#ifndef WF_CORE_DERIVE_H
#define WF_CORE_DERIVE_H

#include "utils/uuid.h"

extern uint64 wf_derive_bits(const pg_uuid_t *run_id, int ordinal,
							 uint32 counter);
/* [0, 1) with 53 random bits */
extern double wf_derive_random(const pg_uuid_t *seed, int ordinal,
							   uint32 counter);
/* version 4, variant 1 */
extern void wf_derive_uuid(const pg_uuid_t *seed, int ordinal, uint32 counter,
						   pg_uuid_t *out);

/*
 * Makes *seed that of the run which goes on after run "from": nothing is drawn
 * anew, and no value of one comes up in the other.
 */
extern void wf_derive_seed(pg_uuid_t *seed, const pg_uuid_t *from);

/* SipHash-2-4 of the 16 bytes that the two words are, the first one lowest. */
extern uint64 wf_derive_sip(const pg_uuid_t *key, uint64 low, uint64 high);

/*
 * Fingerprint: start with 0, then fold in each part in order.  Length and a
 * tag are mixed in, so that ("ab","c") and ("a","bc") or NULL and '' differ.
 */
extern uint64 wf_fingerprint_bytes(uint64 seed, char tag, const void *data,
								   size_t len);
extern uint64 wf_fingerprint_null(uint64 seed);

#endif /* WF_CORE_DERIVE_H */
