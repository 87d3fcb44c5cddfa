/*
 * derive.c
 *		now(), random() and uuid() of a body, and its steps' fingerprints.
 *
 * Bytes are read in a fixed order, so that a run goes on anywhere.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "core/derive.h"
#include "core/mix.h"

/* the header of a NULL: no value has a length of 2^56 - 1 */
#define NULL_HEADER UINT64CONST(0xffffffffffffffff)

/* Eight bytes, the first one lowest, as a number. */
static inline uint64
read_eight(const unsigned char *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	return word;
}

/* Up to eight bytes, likewise. */
static uint64
read_word(const unsigned char *bytes, size_t len)
{
	uint64 word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64) bytes[i] << (8 * i);
	return word;
}

uint64
wf_derive_bits(const pg_uuid_t *run_id, int ordinal, uint32 counter)
{
	uint64 bits;

	bits = wf_mix_in(0, read_word(run_id->data, 8));
	bits = wf_mix_in(bits, read_word(run_id->data + 8, 8));
	return wf_mix_in(bits, (uint64) (uint32) ordinal << 32 | counter);
}

static inline uint64
rotate(uint64 x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(uint64 v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void
sip_block(uint64 v[4], uint64 word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64
wf_derive_sip(const pg_uuid_t *key, uint64 low, uint64 high)
{
	uint64 k0 = read_word(key->data, 8);
	uint64 k1 = read_word(key->data + 8, 8);
	uint64 v[4] = {k0 ^ UINT64CONST(0x736f6d6570736575),
				   k1 ^ UINT64CONST(0x646f72616e646f6d),
				   k0 ^ UINT64CONST(0x6c7967656e657261),
				   k1 ^ UINT64CONST(0x7465646279746573)};

	sip_block(v, low);
	sip_block(v, high);
	sip_block(v, (uint64) 16 << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The place in the body, as a word to be hashed. */
static inline uint64
place(int ordinal, uint32 counter)
{
	return (uint64) (uint32) ordinal << 32 | counter;
}

static void
put_words(uint64 low, uint64 high, pg_uuid_t *out)
{
	for (int i = 0; i < 8; i++)
	{
		out->data[i] = (unsigned char) (low >> (8 * i));
		out->data[8 + i] = (unsigned char) (high >> (8 * i));
	}
}

double
wf_derive_random(const pg_uuid_t *seed, int ordinal, uint32 counter)
{
	return wf_mix_fraction(wf_derive_sip(seed, place(ordinal, counter), 'r'));
}

void
wf_derive_uuid(const pg_uuid_t *seed, int ordinal, uint32 counter,
			   pg_uuid_t *out)
{
	uint64 at = place(ordinal, counter);

	put_words(wf_derive_sip(seed, at, 'h'), wf_derive_sip(seed, at, 'l'), out);
	out->data[6] = (out->data[6] & 0x0f) | 0x40;
	out->data[8] = (out->data[8] & 0x3f) | 0x80;
}

void
wf_derive_seed(pg_uuid_t *seed, const pg_uuid_t *from)
{
	uint64 low = read_word(from->data, 8);
	uint64 high = read_word(from->data + 8, 8);

	put_words(wf_derive_sip(seed, low, high), wf_derive_sip(seed, high, ~low),
			  seed);
}

uint64
wf_fingerprint_bytes(uint64 seed, char tag, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t left = len;
	uint64 print;

	print = wf_mix_in(seed, (uint64) (unsigned char) tag << 56 | len);
	for (; left >= 8; left -= 8, bytes += 8)
		print = wf_mix_in(print, read_eight(bytes));
	/* the rest, with what comes before it pushed out */
	if (left > 0 && len >= 8)
		print =
			wf_mix_in(print, read_eight(bytes + left - 8) >> (8 * (8 - left)));
	else if (left > 0)
		print = wf_mix_in(print, read_word(bytes, left));
	return print;
}

uint64
wf_fingerprint_null(uint64 seed)
{
	return wf_mix_in(seed, NULL_HEADER);
}
