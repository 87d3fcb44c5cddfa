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

double
wf_derive_random(const pg_uuid_t *run_id, int ordinal, uint32 counter)
{
	return wf_mix_fraction(wf_derive_bits(run_id, ordinal, counter));
}

void
wf_derive_uuid(const pg_uuid_t *run_id, int ordinal, uint32 counter,
			   pg_uuid_t *out)
{
	uint64 high = wf_mix_in(wf_derive_bits(run_id, ordinal, counter), 'h');
	uint64 low = wf_mix_in(wf_derive_bits(run_id, ordinal, counter), 'l');

	for (int i = 0; i < 8; i++)
	{
		out->data[i] = (unsigned char) (high >> (8 * i));
		out->data[8 + i] = (unsigned char) (low >> (8 * i));
	}
	out->data[6] = (out->data[6] & 0x0f) | 0x40;
	out->data[8] = (out->data[8] & 0x3f) | 0x80;
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
