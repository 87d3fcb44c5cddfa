/*
 * test_replay.c
 *		A replay sees what was recorded, or is told that it differs.
 */
#include "postgres.h"

#include "core/replay.h"
#include "core/state.h"

#include "core_test.h"
#include "random.h"

#define HISTORIES 200000
#define MAX_CALLS 12

static uint64 rnd = UINT64CONST(27182818284);

/* what a body would ask for, call by call */
typedef struct Call
{
	char kind;
	const char *name;
	uint64 fingerprint;
} Call;

static const char *const names[] = {"charge", "reserve", "ship", ""};

static Call
random_call(void)
{
	Call call;

	call.kind = random_below(&rnd, 5) == 0 ? 't' : WF_STEP_KIND_STEP;
	call.name = names[random_below(&rnd, lengthof(names))];
	call.fingerprint = random_below(&rnd, 3);
	return call;
}

/* A fingerprint of 0 was copied from another run. */
static bool
same_call(const Call *recorded, const Call *asked)
{
	return recorded->kind == asked->kind &&
		   strcmp(recorded->name, asked->name) == 0 &&
		   (recorded->fingerprint == 0 ||
			recorded->fingerprint == asked->fingerprint);
}

/* Records with names of their own, so that no pointer can be compared. */
static void
record(const Call *call, char state, WfRecorded *out)
{
	out->kind = call->kind;
	out->state = state;
	out->fingerprint = call->fingerprint;
	out->name = strdup(call->name);
}

static int
random_history(Call *calls, int ncalls, WfRecorded *records)
{
	static const char states[] = {WF_STEP_DONE, WF_STEP_FAILED,
								  WF_STEP_RETRYING, WF_STEP_STARTED,
								  WF_STEP_WAITING};
	int nrecords = random_below(&rnd, ncalls + 1);

	for (int i = 0; i < nrecords; i++)
		record(&calls[i],
			   i < nrecords - 1 ? states[random_below(&rnd, 2)]
								: states[random_below(&rnd, lengthof(states))],
			   &records[i]);
	return nrecords;
}

typedef enum End
{
	END_WANTED,	 /* at a call that is to be run */
	END_WAITING, /* at one whose outcome is to come */
	END_DIFFERENT,
	END_LEFTOVER, /* ended before the record did */
	END_COMPLETE
} End;

/* Replays the calls as an executor does; *where is the ordinal it ended at. */
static End
replay(const Call *calls, int ncalls, const WfRecorded *records, int nrecords,
	   int *where)
{
	for (int i = 0; i < ncalls; i++)
	{
		*where = i + 1;
		switch (wf_replay_match(records, nrecords, i + 1, calls[i].kind,
								calls[i].name, calls[i].fingerprint))
		{
			case WF_MATCH_RECORDED:
				break;
			case WF_MATCH_WANTED:
				return END_WANTED;
			case WF_MATCH_WAITING:
				return END_WAITING;
			case WF_MATCH_DIFFERENT:
				return END_DIFFERENT;
		}
	}
	*where = wf_replay_leftover(records, nrecords, ncalls);
	return *where == 0 ? END_COMPLETE : END_LEFTOVER;
}

/* Changes the calls as a careless author would; their new number. */
static int
mutate(Call *calls, int ncalls)
{
	int at = random_below(&rnd, ncalls);
	Call call;

	switch (random_below(&rnd, 6))
	{
		case 0: /* another argument */
			calls[at].fingerprint += 100;
			return ncalls;
		case 1: /* another name */
			calls[at].name = "mutant";
			return ncalls;
		case 2: /* another kind */
			calls[at].kind = 'z';
			return ncalls;
		case 3: /* one left out */
			memmove(&calls[at], &calls[at + 1],
					(ncalls - at - 1) * sizeof(Call));
			return ncalls - 1;
		case 4: /* one more */
			memmove(&calls[at + 1], &calls[at], (ncalls - at) * sizeof(Call));
			calls[at] = random_call();
			return ncalls + 1;
		default: /* two exchanged */
			call = calls[at];
			calls[at] = calls[(at + 1) % ncalls];
			calls[(at + 1) % ncalls] = call;
			return ncalls;
	}
}

/* What has to come of it, found without the code under test. */
static End
expected(const Call *recorded, const WfRecorded *records, int nrecords,
		 const Call *calls, int ncalls, int *where)
{
	int i = 0;
	bool retries =
		nrecords > 0 && records[nrecords - 1].state == WF_STEP_RETRYING;

	while (i < nrecords && i < ncalls && same_call(&recorded[i], &calls[i]) &&
		   (records[i].state == WF_STEP_DONE ||
			records[i].state == WF_STEP_FAILED))
		i++;
	*where = i + 1;
	/* only the last one is to be tried again */
	if (retries && i == nrecords - 1 && i < ncalls)
		return END_WANTED;
	if (i == ncalls && (i == nrecords || (retries && i == nrecords - 1)))
	{
		*where = 0;
		return END_COMPLETE;
	}
	if (i == ncalls)
		return END_LEFTOVER;
	if (i < nrecords && !same_call(&recorded[i], &calls[i]))
		return END_DIFFERENT;
	if (i < nrecords && records[i].state == WF_STEP_WAITING)
		return END_WAITING;
	return END_WANTED;
}

static void
check_random_histories(void)
{
	int wrong = 0;
	int missed = 0;
	int seen[5] = {0};

	for (int n = 0; n < HISTORIES; n++)
	{
		Call original[MAX_CALLS];
		Call calls[MAX_CALLS + 1];
		WfRecorded records[MAX_CALLS];
		int ncalls = 1 + random_below(&rnd, MAX_CALLS);
		int nrecords;
		int where;
		int right;
		End end;

		for (int i = 0; i < ncalls; i++)
			calls[i] = original[i] = random_call();
		nrecords = random_history(original, ncalls, records);

		end = replay(calls, ncalls, records, nrecords, &where);
		if (end == END_DIFFERENT || end == END_LEFTOVER ||
			end !=
				expected(original, records, nrecords, calls, ncalls, &right) ||
			where != right)
			missed++;

		ncalls = mutate(calls, ncalls);
		end = replay(calls, ncalls, records, nrecords, &where);
		if (end !=
				expected(original, records, nrecords, calls, ncalls, &right) ||
			where != right)
			wrong++;
		seen[end]++;
		for (int i = 0; i < nrecords; i++)
			free(unconstify(char *, records[i].name));
	}
	ok(missed == 0, "%d unchanged bodies go on where they were", HISTORIES);
	ok(wrong == 0, "%d changed bodies are told so at the first difference",
	   HISTORIES);
	ok(seen[END_WANTED] > 1000 && seen[END_WAITING] > 1000 &&
		   seen[END_DIFFERENT] > 1000 && seen[END_LEFTOVER] > 1000 &&
		   seen[END_COMPLETE] > 1000,
	   "every way to end was among them");
}

static void
check_examples(void)
{
	WfRecorded records[3] = {
		{'s', WF_STEP_DONE, 7, "a"},
		{'s', WF_STEP_FAILED, UINT64CONST(0xffffffff00000008), "b"},
		{'s', WF_STEP_RETRYING, 9, "c"},
	};

	ok(wf_replay_match(records, 0, 1, 's', "a", 7) == WF_MATCH_WANTED,
	   "a first call is wanted");
	ok(wf_replay_match(records, 3, 1, 's', "a", 7) == WF_MATCH_RECORDED,
	   "a step that is done is recorded");
	ok(wf_replay_match(records, 3, 2, 's', "b",
					   UINT64CONST(0xffffffff00000008)) == WF_MATCH_RECORDED,
	   "a step that gave up is recorded");
	ok(wf_replay_match(records, 3, 2, 's', "b", 8) == WF_MATCH_DIFFERENT,
	   "all 64 bits of a fingerprint count");
	ok(wf_replay_match(records, 3, 3, 's', "c", 9) == WF_MATCH_WANTED,
	   "a step to be retried is wanted");
	ok(wf_replay_match(records, 3, 3, 't', "d", 1) == WF_MATCH_WANTED,
	   "... in another wording, and of another kind");
	ok(wf_replay_leftover(records, 3, 2) == 0, "... or not at all");
	records[0].fingerprint = WF_FINGERPRINT_ANY;
	ok(wf_replay_match(records, 3, 1, 's', "a", 8) == WF_MATCH_RECORDED &&
		   wf_replay_match(records, 3, 1, 's', "b", 8) == WF_MATCH_DIFFERENT,
	   "what was copied has any arguments, but its name");
	records[0].fingerprint = 7;
	records[2].state = WF_STEP_STARTED;
	ok(wf_replay_match(records, 3, 3, 's', "c", 9) == WF_MATCH_WANTED,
	   "a step that was started is left to the executor");
	ok(wf_replay_match(records, 3, 4, 's', "d", 1) == WF_MATCH_WANTED,
	   "a call past the end is wanted");
	ok(wf_replay_match(records, 3, 1, 's', "aa", 7) == WF_MATCH_DIFFERENT &&
		   wf_replay_match(records, 3, 1, 's', "", 7) == WF_MATCH_DIFFERENT,
	   "names are compared as a whole");
	ok(wf_replay_leftover(records, 3, 3) == 0 &&
		   wf_replay_leftover(records, 0, 0) == 0,
	   "nothing is left when all was asked for");
	ok(wf_replay_leftover(records, 3, 1) == 2 &&
		   wf_replay_leftover(records, 1, 0) == 1,
	   "the first record not asked for is found");
	ok(wf_replay_leftover(records, 2, 3) == 0,
	   "more may be asked for than is there");
	records[1].state = WF_STEP_RETRYING;
	ok(wf_replay_leftover(records, 3, 1) == 3,
	   "... behind what is to be tried again");
}

int
main(void)
{
	check_examples();
	check_random_histories();
	return done_testing();
}
