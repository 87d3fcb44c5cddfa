/*
 * random.h
 *		Random numbers for property tests: the same in every run.
 */
#ifndef CORE_TEST_RANDOM_H
#define CORE_TEST_RANDOM_H

/* xorshift64*, no relation of what core/ uses itself */
static inline uint64
next_random(uint64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64CONST(0x2545f4914f6cdd1d);
}

/* 0 .. n - 1 */
static inline int
random_below(uint64 *state, int n)
{
	return (int) ((next_random(state) >> 33) % (uint64) n);
}

/* of any size: as likely to have 5 bits as 60 */
static inline int64
random_sized(uint64 *state)
{
	return (int64) (next_random(state) >> (1 + random_below(state, 63)));
}

#endif /* CORE_TEST_RANDOM_H */
