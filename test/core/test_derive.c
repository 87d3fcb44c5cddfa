/*
 * test_derive.c
 *		Derived values and fingerprints.
 *
 * The fixed values below are the format of what stands in tables: a change of
 * any of them breaks runs that are under way during an upgrade.
 */
#include "postgres.h"

#include <math.h>

#include "core/derive.h"
#include "core/mix.h"

#include "core_test.h"
#include "random.h"

#define CASES 1000000

static uint64 rnd = UINT64CONST(31415926535);

static pg_uuid_t
random_id(void)
{
	pg_uuid_t id;

	for (int i = 0; i < UUID_LEN; i++)
		id.data[i] = (unsigned char) (next_random(&rnd) >> 40);
	return id;
}

static int
compare_words(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

static int
duplicates(uint64 *words, int n)
{
	int found = 0;

	qsort(words, n, sizeof(uint64), compare_words);
	for (int i = 1; i < n; i++)
		found += words[i - 1] == words[i];
	return found;
}

/* ---- derived values ---- */

static void
check_fixed_values(void)
{
	pg_uuid_t id = {{0x01, 0x8f, 0x22, 0xe2, 0x79, 0xb0, 0x70, 0x00, 0x80, 1,
					 2, 3, 4, 5, 6, 7}};
	pg_uuid_t key;
	pg_uuid_t uuid;
	char hex[33];

	for (int i = 0; i < UUID_LEN; i++)
		key.data[i] = (unsigned char) i;

	/* the first numbers of splitmix64 with seed 1234567, from its authors */
	ok(wf_mix64(1234567 + WF_GOLDEN_GAMMA) ==
			   UINT64CONST(6457827717110365317) &&
		   wf_mix64(1234567 + 2 * WF_GOLDEN_GAMMA) ==
			   UINT64CONST(3203168211198807973),
	   "the mixing function is splitmix64");

	ok(wf_derive_bits(&id, 1, 0) == UINT64CONST(8038380433064112698) &&
		   wf_derive_bits(&id, 2, 3) == UINT64CONST(15395308265738176042),
	   "derived bits are what they always were");
	ok(wf_derive_sip(&key, UINT64CONST(0x0706050403020100),
					 UINT64CONST(0x0f0e0d0c0b0a0908)) ==
		   UINT64CONST(0x3f2acc7f57c29bdb),
	   "the keyed hash is SipHash-2-4, by a vector of its authors");
	wf_derive_uuid(&id, 1, 0, &uuid);
	for (int i = 0; i < UUID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", uuid.data[i]);
	ok(strcmp(hex, "c7685e46d7944328be99fc4ae8cfcf7d") == 0,
	   "a derived uuid is what it always was");
}

static void
check_derived(void)
{
	uint64 *words = malloc(CASES * sizeof(uint64));
	pg_uuid_t id = random_id();
	int n = 0;
	int wrong = 0;
	double sum = 0;
	int tenths[10] = {0};
	bool even = true;

	for (int ordinal = 1; ordinal <= 1000; ordinal++)
		for (uint32 counter = 0; counter < 1000; counter++)
		{
			double r = wf_derive_random(&id, ordinal, counter);

			words[n++] = wf_derive_bits(&id, ordinal, counter);
			if (r < 0 || r >= 1 ||
				r != wf_derive_random(&id, ordinal, counter))
				wrong++;
			else
				tenths[(int) (r * 10)]++;
			sum += r;
		}
	ok(wrong == 0, "random() is in [0, 1) and always the same");
	for (int i = 0; i < 10; i++)
		even = even && abs(tenths[i] - CASES / 10) < CASES / 200;
	ok(even && fabs(sum / CASES - 0.5) < 0.002, "... and spread evenly");
	ok(duplicates(words, n) == 0, "no two calls of a run get the same bits");

	for (n = 0; n < CASES; n++)
	{
		id = random_id();
		words[n] = wf_derive_bits(&id, 1, 0);
	}
	ok(duplicates(words, n) == 0, "nor do a million runs");
	free(words);
}

/* One bit of any argument changes about half of the bits. */
static void
check_avalanche(void)
{
	int64 changed = 0;
	int least = 64;
	int cases = 0;

	for (int i = 0; i < 1000; i++)
	{
		pg_uuid_t id = random_id();
		int ordinal = random_below(&rnd, 1000);
		uint32 counter = random_below(&rnd, 1000);
		uint64 bits = wf_derive_bits(&id, ordinal, counter);

		for (int bit = 0; bit < 192; bit++)
		{
			pg_uuid_t other = id;
			int n;

			if (bit < 128)
				other.data[bit / 8] ^= 1 << bit % 8;
			n = __builtin_popcountll(
				bits ^
				wf_derive_bits(
					&other,
					bit >= 128 && bit < 160
						? (int) ((uint32) ordinal ^ (1u << (bit - 128)))
						: ordinal,
					bit >= 160 ? counter ^ (1u << (bit - 160)) : counter));
			changed += n;
			least = Min(least, n);
			cases++;
		}
	}
	ok(least >= 8 && llabs(changed - 32 * (int64) cases) < cases / 5,
	   "each bit of run, ordinal and counter matters");
}

static void
check_uuids(void)
{
	uint64 *words = malloc(CASES * sizeof(uint64));
	pg_uuid_t id = random_id();
	int wrong = 0;

	for (int i = 0; i < CASES; i++)
	{
		pg_uuid_t a;
		pg_uuid_t b;

		wf_derive_uuid(&id, i / 100, i % 100, &a);
		wf_derive_uuid(&id, i / 100, i % 100, &b);
		if (memcmp(&a, &b, sizeof(a)) != 0 || a.data[6] >> 4 != 4 ||
			a.data[8] >> 6 != 2)
			wrong++;
		memcpy(&words[i], a.data, sizeof(uint64));
	}
	ok(wrong == 0, "derived uuids are of version 4 and always the same");
	ok(duplicates(words, CASES) == 0, "a million of them differ");
	free(words);
}

/* ---- fingerprints ---- */

static uint64
print_of(uint64 seed, char tag, const char *text)
{
	return wf_fingerprint_bytes(seed, tag, text, strlen(text));
}

static void
check_fingerprints(void)
{
	static const char zeros[64];

	ok(print_of(0, 'c', "SELECT charge_card($1, $2)") ==
			   UINT64CONST(8407813138733252577) &&
		   wf_fingerprint_null(42) == UINT64CONST(279565198475132803),
	   "fingerprints are what they always were");
	ok(print_of(print_of(0, 'd', "ab"), 'd', "c") !=
		   print_of(print_of(0, 'd', "a"), 'd', "bc"),
	   "parts are told apart by their length");
	ok(print_of(0, 'd', "") != wf_fingerprint_null(0),
	   "an empty value is not NULL");
	ok(wf_fingerprint_bytes(0, '\377', "", 0) != wf_fingerprint_null(0),
	   "... whatever its tag");
	ok(print_of(0, 'd', "x") != print_of(0, 't', "x"), "tags differ");
	ok(print_of(0, 'd', "") != print_of(0, 't', ""), "... for nothing too");
	ok(print_of(print_of(0, 'd', "a"), 'd', "b") !=
		   print_of(print_of(0, 'd', "b"), 'd', "a"),
	   "the order matters");
	ok(wf_fingerprint_null(wf_fingerprint_null(0)) != wf_fingerprint_null(0),
	   "two NULLs are not one");

	for (int len = 0; len < 64; len++)
		for (int other = 0; other < len; other++)
			if (wf_fingerprint_bytes(0, 'd', zeros, len) ==
				wf_fingerprint_bytes(0, 'd', zeros, other))
				ok(false, "%d zeros differ from %d", len, other);
}

static void
check_random_fingerprints(void)
{
	uint64 *words = malloc(CASES * sizeof(uint64));
	int wrong = 0;

	for (int i = 0; i < CASES; i++)
	{
		/* one bit of a value changes; the address does not matter */
		unsigned char buffer[2][72];
		int len = 1 + random_below(&rnd, 64);
		int shift = random_below(&rnd, 8);
		uint64 seed = next_random(&rnd);
		uint64 print;
		int bit;

		for (int j = 0; j < len; j++)
			buffer[0][j] = buffer[1][j + shift] =
				(unsigned char) (next_random(&rnd) >> 40);
		print = wf_fingerprint_bytes(seed, 'd', buffer[0], len);
		if (wf_fingerprint_bytes(seed, 'd', buffer[1] + shift, len) != print)
			wrong++;
		bit = random_below(&rnd, len * 8);
		buffer[0][bit / 8] ^= 1 << bit % 8;
		if (wf_fingerprint_bytes(seed, 'd', buffer[0], len) == print)
			wrong++;
		words[i] = print;
	}
	ok(wrong == 0, "any bit of a value matters, where it lies does not");
	ok(duplicates(words, CASES) == 0, "a million fingerprints differ");

	for (int i = 0; i < CASES; i++)
	{
		char text[20];

		snprintf(text, sizeof(text), "%d", i);
		words[i] = print_of(0, 'd', text);
	}
	ok(duplicates(words, CASES) == 0, "... those of a million numbers too");
	free(words);
}

int
main(void)
{
	check_fixed_values();
	check_derived();
	check_avalanche();
	check_uuids();
	check_fingerprints();
	check_random_fingerprints();
	return done_testing();
}
