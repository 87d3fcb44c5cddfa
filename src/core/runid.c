/*
 * runid.c
 *		Run ids: UUID version 7 that rise strictly.
 */
#include "postgres.h"

#include "core/mix.h"
#include "core/runid.h"

#define TICKS_PER_MS 4096
#define TICKS_BITS	 60
#define TICKS_MAX	 ((UINT64CONST(1) << TICKS_BITS) - 1)

#define UNIX_EPOCH_USECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

uint64
wf_runid_ticks(TimestampTz now)
{
	uint64 usec;
	uint64 ms;

	if (now < -UNIX_EPOCH_USECS)
		return 0;
	/* as unsigned, so that infinity cannot overflow */
	usec = (uint64) now + (uint64) UNIX_EPOCH_USECS;
	ms = usec / 1000;
	if (ms > TICKS_MAX / TICKS_PER_MS)
		return TICKS_MAX;
	return ms * TICKS_PER_MS + usec % 1000 * TICKS_PER_MS / 1000;
}

uint64
wf_runid_next(uint64 previous, TimestampTz now)
{
	uint64 ticks = wf_runid_ticks(now);

	return ticks > previous ? ticks : previous + 1;
}

void
wf_runid_make(uint64 ticks, uint64 entropy, pg_uuid_t *out)
{
	uint64 high;
	uint64 low;

	/* 48 bits of ms, version, 12 bits of fraction; variant, 62 bits */
	high = (ticks / TICKS_PER_MS) << 16 | UINT64CONST(0x7000) |
		   ticks % TICKS_PER_MS;
	low =
		UINT64CONST(0x8000000000000000) | (entropy & ~(UINT64CONST(3) << 62));
	for (int i = 0; i < 8; i++)
	{
		out->data[i] = (unsigned char) (high >> (56 - 8 * i));
		out->data[8 + i] = (unsigned char) (low >> (56 - 8 * i));
	}
}

uint64
wf_runid_ticks_of(const pg_uuid_t *id)
{
	uint64 high = 0;

	for (int i = 0; i < 8; i++)
		high = high << 8 | id->data[i];
	return (high >> 16) * TICKS_PER_MS + high % TICKS_PER_MS;
}

/* the entropy is the number once more, mixed, for hashes of its last bytes */
void
wf_message_uuid(int64 message_id, pg_uuid_t *out)
{
	uint64 ticks = (uint64) message_id;

	wf_runid_make(ticks, wf_mix64(ticks), out);
	out->data[6] = 0x80 | (out->data[6] & 0x0F);
}

bool
wf_uuid_is_message(const pg_uuid_t *id)
{
	return (id->data[6] & 0xF0) == 0x80;
}

int64
wf_uuid_message(const pg_uuid_t *id)
{
	return (int64) wf_runid_ticks_of(id);
}

pg_uuid_t
wf_bound_of_runs(const pg_uuid_t *bound)
{
	pg_uuid_t result = *bound;

	result.data[6] = 0x70 | (bound->data[6] & 0x0F);
	return result;
}

/* The number of the last message that is not above the bound. */
int64
wf_bound_of_messages(const pg_uuid_t *bound)
{
	uint64 ticks = wf_runid_ticks_of(bound);
	pg_uuid_t id;

	wf_message_uuid((int64) ticks, &id);
	return (int64) ticks - (wf_runid_cmp(&id, bound) > 0);
}

/* ticks first, and then the rest; the version between them says nothing */
int
wf_runid_cmp(const pg_uuid_t *a, const pg_uuid_t *b)
{
	int result = memcmp(a->data, b->data, 6);

	if (result == 0)
		result = (a->data[6] & 0x0F) - (b->data[6] & 0x0F);
	if (result == 0)
		result = memcmp(a->data + 7, b->data + 7, UUID_LEN - 7);
	return result;
}

pg_uuid_t
wf_runid_before(const pg_uuid_t *id)
{
	pg_uuid_t result = *id;

	for (int i = UUID_LEN - 1; i >= 0; i--)
	{
		if (result.data[i]-- != 0)
			break;
	}
	return result;
}
