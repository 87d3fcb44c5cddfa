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
