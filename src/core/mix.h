/*
 * mix.h
 *		The finalizer of splitmix64: a bijection of 64 bits, each bit of the
 *		result depending on each bit of the argument.
 *
 * Values made with it are kept in tables and compared in later releases, so it
 * can never change.
 */
#ifndef WF_CORE_MIX_H
#define WF_CORE_MIX_H

/* splitmix64's increment; keeps the fixed point at 0 out of a chain */
#define WF_GOLDEN_GAMMA UINT64CONST(0x9e3779b97f4a7c15)

static inline uint64
wf_mix64(uint64 x)
{
	x ^= x >> 30;
	x *= UINT64CONST(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64CONST(0x94d049bb133111eb);
	x ^= x >> 31;
	return x;
}

/* the next link of a chain over several values */
static inline uint64
wf_mix_in(uint64 chain, uint64 value)
{
	return wf_mix64((chain ^ value) + WF_GOLDEN_GAMMA);
}

/* [0, 1), of the upper 53 bits */
static inline double
wf_mix_fraction(uint64 x)
{
	return (double) (x >> 11) * 0x1.0p-53;
}

#endif /* WF_CORE_MIX_H */
