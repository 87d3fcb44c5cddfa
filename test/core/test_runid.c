/*
 * test_runid.c
 *		Run ids rise strictly, whatever the clock does.
 */
#include "postgres.h"

#include "core/runid.h"
#include "core/workid.h"

#include "core_test.h"
#include "random.h"

#define DRAWS 1000000

static uint64 rnd = UINT64CONST(19700101);

/* 2000-01-01 in Unix milliseconds */
#define EPOCH_MS INT64CONST(946684800000)

static bool
is_version_7(const pg_uuid_t *id)
{
	return id->data[6] >> 4 == 7 && id->data[8] >> 6 == 2;
}

static int64
unix_ms(const pg_uuid_t *id)
{
	int64 ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id->data[i];
	return ms;
}

static void
check_layout(void)
{
	/* RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC */
	static const unsigned char sample[8] = {0x01, 0x7f, 0x22, 0xe2,
											0x79, 0xb0, 0x70, 0x00};
	TimestampTz noon = (INT64CONST(1645557742000) - EPOCH_MS) * 1000;
	pg_uuid_t id;

	wf_runid_make(wf_runid_ticks(noon), 0, &id);
	ok(memcmp(id.data, sample, 8) == 0, "the time of the RFC's example");
	ok(id.data[8] == 0x80, "the variant alone where there is no entropy");

	wf_runid_make(wf_runid_ticks(noon + 500), ~UINT64CONST(0), &id);
	ok(id.data[6] == 0x78 && id.data[7] == 0,
	   "half a millisecond is half of the fraction");
	ok(id.data[8] == 0xbf && id.data[15] == 0xff,
	   "entropy leaves the variant alone");

	ok(wf_runid_ticks(0) == (uint64) EPOCH_MS * 4096,
	   "PostgreSQL's epoch in ticks");
	ok(wf_runid_ticks(-EPOCH_MS * 1000) == 0, "the Unix epoch is 0");
	ok(wf_runid_ticks(-EPOCH_MS * 1000 - 1) == 0 &&
		   wf_runid_ticks(DT_NOBEGIN) == 0,
	   "what was before it too");
	ok(wf_runid_ticks(DT_NOEND) == (UINT64CONST(1) << 60) - 1,
	   "the end of time has the highest ticks");
	ok(wf_runid_next(wf_runid_ticks(noon), noon) == wf_runid_ticks(noon) + 1,
	   "a second id in the same microsecond is one tick later");
	ok(wf_runid_next(100, -EPOCH_MS * 1000) == 101,
	   "a clock that stands still counts on");
}

/* Sub-millisecond time keeps its order and loses no microsecond. */
static void
check_ticks(void)
{
	int wrong = 0;

	for (TimestampTz now = -2500; now < 2500; now++)
		if (wf_runid_ticks(now) >= wf_runid_ticks(now + 1))
			wrong++;
	for (int i = 0; i < DRAWS; i++)
	{
		TimestampTz now = random_sized(&rnd) % INT64CONST(250000000000000000);
		uint64 ticks = wf_runid_ticks(now);
		pg_uuid_t id;

		wf_runid_make(ticks, next_random(&rnd), &id);
		if (ticks >= wf_runid_ticks(now + 1) ||
			wf_runid_ticks_of(&id) != ticks || !is_version_7(&id) ||
			unix_ms(&id) != now / 1000 + EPOCH_MS)
			wrong++;
	}
	ok(wrong == 0, "each microsecond has its ticks, which come back");
}

/* A clock that is wrong for a while, by anything up to ten days. */
static TimestampTz
read_clock(void)
{
	static TimestampTz right = INT64CONST(800000000000000);
	static int64 wrong_by = 0;

	right += random_below(&rnd, 3);
	switch (random_below(&rnd, 20))
	{
		case 0:
			wrong_by = random_sized(&rnd) % (10 * USECS_PER_DAY);
			break;
		case 1:
			wrong_by = -(random_sized(&rnd) % (10 * USECS_PER_DAY));
			break;
		case 2:
		case 3:
			wrong_by = 0;
			break;
		case 4: /* nobody is ahead any more */
			right += 10 * USECS_PER_DAY;
			break;
	}
	return right + wrong_by;
}

static int
compare_ids(const void *a, const void *b)
{
	return wf_workid_cmp(a, b);
}

static void
check_rising(void)
{
	pg_uuid_t *ids = malloc(DRAWS * sizeof(pg_uuid_t));
	pg_uuid_t *sorted = malloc(DRAWS * sizeof(pg_uuid_t));
	uint64 ticks = 0;
	int not_rising = 0;
	int not_ours = 0;
	int behind = 0;

	for (int i = 0; i < DRAWS; i++)
	{
		TimestampTz now = read_clock();

		ticks = wf_runid_next(ticks, now);
		wf_runid_make(ticks, next_random(&rnd), &ids[i]);
		if (i > 0 && wf_workid_cmp(&ids[i - 1], &ids[i]) >= 0)
			not_rising++;
		if (!is_version_7(&ids[i]) || wf_runid_ticks_of(&ids[i]) != ticks)
			not_ours++;
		if (ticks < wf_runid_ticks(now))
			behind++;
	}
	ok(not_rising == 0, "%d ids under a jumping clock rise strictly", DRAWS);
	ok(not_ours == 0, "... are of version 7 and give their ticks back");
	ok(behind == 0, "... and are never behind the clock");

	memcpy(sorted, ids, DRAWS * sizeof(pg_uuid_t));
	for (int i = DRAWS - 1; i > 0; i--)
	{
		int j = random_below(&rnd, i + 1);
		pg_uuid_t id = sorted[i];

		sorted[i] = sorted[j];
		sorted[j] = id;
	}
	qsort(sorted, DRAWS, sizeof(pg_uuid_t), compare_ids);
	ok(memcmp(sorted, ids, DRAWS * sizeof(pg_uuid_t)) == 0,
	   "sorting brings back the order in which they were drawn");
	free(ids);
	free(sorted);
}

/* A counter raised to the highest id found in a table goes on above it. */
static void
check_raised(void)
{
	int wrong = 0;

	for (int i = 0; i < 100000; i++)
	{
		uint64 found = next_random(&rnd) >> 5;
		TimestampTz now = random_sized(&rnd);
		pg_uuid_t last;
		pg_uuid_t next;

		wf_runid_make(found, next_random(&rnd), &last);
		wf_runid_make(wf_runid_next(wf_runid_ticks_of(&last), now),
					  next_random(&rnd), &next);
		if (wf_workid_cmp(&last, &next) >= 0 ||
			wf_workid_cmp(&next, &last) <= 0 ||
			wf_workid_cmp(&next, &next) != 0)
			wrong++;
	}
	ok(wrong == 0, "ids go on above one that was found");
}

int
main(void)
{
	check_layout();
	check_ticks();
	check_rising();
	check_raised();
	return done_testing();
}
