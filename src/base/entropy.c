/*
 * entropy.c
 *		Random bits that nobody can guess from others of them.
 *
 * They are fetched from the system some at a time, by each process for itself:
 * what the postmaster may have fetched is not for its children.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/entropy.h"

/* drawn at once: what asks for most are seeds, two for each run enqueued */
#define STORED 64

uint64
wf_entropy(void)
{
	static uint64 stored[STORED];
	static int nstored = 0;
	static int filled_by = 0;

	if (nstored == 0 || filled_by != MyProcPid)
	{
		if (!pg_strong_random(stored, sizeof(stored)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		nstored = STORED;
		filled_by = MyProcPid;
	}
	return stored[--nstored];
}

void
wf_entropy_seed(pg_uuid_t *out)
{
	uint64 words[2] = {wf_entropy(), wf_entropy()};

	StaticAssertStmt(sizeof(words) == UUID_LEN, "a seed is two words");
	memcpy(out->data, words, UUID_LEN);
}
