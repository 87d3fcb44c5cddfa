/*
 * test_histories.c
 *		A million random lives of runs on a mock clock.
 *
 * Each history has a random body (steps that fail, sleeps, waits for signals,
 * calls that are started and awaited) and a small engine that moves the run on
 * in turns as the executor does: replay, step or wait, commit.  Commits fail,
 * processes end after the start of a step that runs at most once, signals come
 * at any time, runs are cancelled and retried.  The engine takes its decisions
 * from core/; what it must never do is checked at each commit, from outside:
 *
 *	- no change of state that machine.h does not know
 *	- an outcome never changes, and what waits is settled once
 *	- signals are taken in order, each once
 *	- no timer fires early, and no attempt comes before its back-off is over
 *	- the replay of any prefix makes the same calls, and a body that is
 *	  changed anywhere in it is told so at that call
 */
#include "postgres.h"

#include "core/derive.h"
#include "core/machine.h"
#include "core/policy.h"
#include "core/replay.h"
#include "core/state.h"

#include "core_test.h"
#include "random.h"

#define HISTORIES	1000000
#define MAX_ACTIONS 8
#define MAX_SIGNALS 6
#define MAX_TURNS	400

static uint64 rnd = UINT64CONST(31415926535);

/* ---- what a run is asked to do ---- */

typedef struct Action
{
	int awaits;	  /* > 0: no call, needs the outcome of this ordinal */
	char kind;	  /* WF_STEP_KIND_STEP, SLEEP or SIGNAL */
	bool starts;  /* does not wait for its outcome */
	bool catches; /* goes on when it failed */
	const char *name;
	uint64 print;
	int64 time;	  /* sleep, time-out of a signal; 0: none */
	int failures; /* of a step, before it succeeds */
	const char *code;
	WfPolicy policy;
} Action;

typedef struct Body
{
	Action actions[MAX_ACTIONS];
	int n;
} Body;

static const char *const names[] = {"a", "b", "c"};
static const char *const codes[] = {"40001", "55P03", "22012", "XX000",
									"P0001"};

static Action
random_action(int ncalls)
{
	Action action = {0};

	action.name = names[random_below(&rnd, lengthof(names))];
	/* not 0, which fits any */
	action.print = 1 + random_below(&rnd, 4);
	action.catches = random_below(&rnd, 3) > 0;
	if (ncalls > 0 && random_below(&rnd, 5) == 0)
	{
		action.awaits = 1 + random_below(&rnd, ncalls);
		return action;
	}
	switch (random_below(&rnd, 4))
	{
		case 0:
			action.kind = WF_STEP_KIND_SLEEP;
			action.time = 1 + random_below(&rnd, 1000);
			break;
		case 1:
			action.kind = WF_STEP_KIND_SIGNAL;
			action.time = random_below(&rnd, 2) * random_below(&rnd, 1000);
			break;
		default:
			action.kind = WF_STEP_KIND_STEP;
			action.failures = Max(0, random_below(&rnd, 7) - 3);
			action.code = codes[random_below(&rnd, lengthof(codes))];
			wf_policy_init(&action.policy);
			action.policy.max_attempts = random_below(&rnd, 5);
			action.policy.initial_delay = random_below(&rnd, 50);
			action.policy.max_delay = 200;
			action.policy.at_most_once = random_below(&rnd, 8) == 0;
	}
	action.starts =
		action.kind != WF_STEP_KIND_STEP && random_below(&rnd, 3) == 0;
	return action;
}

static void
random_body(Body *body)
{
	int ncalls = 0;

	body->n = 1 + random_below(&rnd, MAX_ACTIONS);
	for (int i = 0; i < body->n; i++)
	{
		body->actions[i] = random_action(ncalls);
		ncalls += body->actions[i].awaits == 0;
	}
}

/* ---- what is in the tables ---- */

typedef struct Record
{
	int max_attempts; /* 0: no limit */
	int attempt;
	int free_retries;
	int64 due_at;	/* of a back-off or a wait; 0: none */
	int64 began_at; /* of the last attempt, or of the wait */
	int64 ended_at;
	int signal; /* that it took, from 1; 0: none */
} Record;

typedef struct Tables
{
	char run;	  /* its state */
	int64 due_at; /* of the run; 0: none */
	int n;
	WfRecorded records[MAX_ACTIONS];
	Record more[MAX_ACTIONS];
	int sent; /* signals, numbered from 1; odd ones are called "a" */
	int taken_by[MAX_SIGNALS + 1];
} Tables;

static int64 now;
static int wrong;
static char complaint[200];

static void
complain(const char *what, const Tables *t, int ordinal)
{
	if (wrong++ == 0)
		snprintf(complaint, sizeof(complaint), "%s: run %c, call %d of %d",
				 what, t->run, ordinal, t->n);
}

static bool
has_outcome(char state)
{
	return state == WF_STEP_DONE || state == WF_STEP_FAILED;
}

/* ---- replay ---- */

typedef enum End
{
	END_WANTED,
	END_BLOCKED,
	END_RETURNED,
	END_RAISED,
	END_DIFFERENT,
	END_LEFTOVER
} End;

static bool
leftover(const Tables *t, int asked)
{
	return wf_replay_leftover(t->records, t->n, asked) > 0;
}

/*
 * Calls the body; *at is the action at which it ended, *ordinal the call that
 * is wanted or blocks.
 */
static End
replay(const Body *body, const Tables *t, int *at, int *ordinal)
{
	int asked = 0;

	for (*at = 0; *at < body->n; (*at)++)
	{
		const Action *action = &body->actions[*at];
		char state;

		if (action->awaits > 0)
		{
			*ordinal = action->awaits;
			state = t->records[*ordinal - 1].state;
			if (state == WF_STEP_WAITING)
				return END_BLOCKED;
		}
		else
		{
			*ordinal = asked + 1;
			switch (wf_replay_match(t->records, t->n, *ordinal, action->kind,
									action->name, action->print))
			{
				case WF_MATCH_WANTED:
					return END_WANTED;
				case WF_MATCH_DIFFERENT:
					return END_DIFFERENT;
				case WF_MATCH_WAITING:
					if (!action->starts)
						return END_BLOCKED;
					break;
				case WF_MATCH_RECORDED:
					if (!has_outcome(t->records[*ordinal - 1].state))
						complain("it goes on without an outcome", t, *ordinal);
					break;
			}
			asked++;
			state = t->records[*ordinal - 1].state;
		}
		if (state == WF_STEP_FAILED && !action->catches && !action->starts)
			return leftover(t, asked) ? END_LEFTOVER : END_RAISED;
	}
	return leftover(t, asked) ? END_LEFTOVER : END_RETURNED;
}

/* ---- the engine ---- */

static Record *
set_state(Tables *t, int ordinal, const Action *action, char state)
{
	WfRecorded *record = &t->records[ordinal - 1];

	if (ordinal > t->n)
	{
		Assert(ordinal == t->n + 1);
		t->n = ordinal;
		memset(&t->more[ordinal - 1], 0, sizeof(Record));
		record->kind = action->kind;
		record->name = action->name;
		record->fingerprint = action->print;
	}
	record->state = state;
	return &t->more[ordinal - 1];
}

static bool
signal_matches(const WfRecorded *record, int signal)
{
	return strcmp(record->name, signal % 2 ? "a" : "b") == 0;
}

/* Looks for the outcome of a call that waits; true when it has one now. */
static bool
settle(Tables *t, int ordinal)
{
	WfRecorded *record = &t->records[ordinal - 1];
	Record *more = &t->more[ordinal - 1];

	for (int i = 1; record->kind == WF_STEP_KIND_SIGNAL && i <= t->sent; i++)
	{
		if (t->taken_by[i] != 0 || !signal_matches(record, i))
			continue;
		t->taken_by[i] = ordinal;
		more->signal = i;
		break;
	}
	if (more->signal == 0 && !wf_wait_is_over(more->due_at, now))
		return false;
	record->state = WF_STEP_DONE;
	more->ended_at = now;
	return true;
}

static bool
settle_all(Tables *t)
{
	bool some = false;

	for (int i = 1; i <= t->n; i++)
		some |= t->records[i - 1].state == WF_STEP_WAITING && settle(t, i);
	return some;
}

/* The wanted call is one that waits. */
static void
begin_wait(Tables *t, int ordinal, const Action *action)
{
	Record *more = set_state(t, ordinal, action, WF_STEP_WAITING);

	more->attempt = 1;
	more->began_at = now;
	more->due_at = action->time > 0 ? now + action->time : 0;
	(void) settle(t, ordinal);
}

/* An attempt of the wanted step; the run waits for the next one, or goes on. */
static void
run_step(Tables *t, int ordinal, const Action *action)
{
	bool lost =
		ordinal <= t->n && t->records[ordinal - 1].state == WF_STEP_STARTED;
	WfPolicy policy = action->policy;
	Record *more;

	if (lost)
	{
		/* nobody knows how far it came */
		set_state(t, ordinal, action, WF_STEP_FAILED)->ended_at = now;
		return;
	}
	if (policy.at_most_once)
	{
		more = set_state(t, ordinal, action, WF_STEP_STARTED);
		more->began_at = now;
		if (random_below(&rnd, 2) == 0)
			return; /* committed, and the process ends */
	}
	more = set_state(t, ordinal, action, WF_STEP_DONE);
	more->attempt++;
	more->max_attempts = policy.max_attempts;
	more->began_at = now;
	now += random_below(&rnd, 5);
	more->ended_at = now;
	more->due_at = 0;
	if (more->attempt + more->free_retries > action->failures)
		return;
	switch (wf_policy_judge(&policy, action->code, more->attempt,
							more->free_retries))
	{
		case WF_VERDICT_FREE_RETRY:
			more->attempt--;
			more->free_retries++;
			set_state(t, ordinal, action, WF_STEP_RETRYING);
			break;
		case WF_VERDICT_RETRY:
			set_state(t, ordinal, action, WF_STEP_RETRYING);
			more->due_at = now + wf_policy_delay(&policy, more->attempt, rnd);
			t->due_at = more->due_at;
			break;
		default:
			set_state(t, ordinal, action, WF_STEP_FAILED);
	}
}

/* It waits: until the earliest of its times, if there is one. */
static void
leave(Tables *t)
{
	t->run = WF_RUN_WAITING;
	t->due_at = 0;
	for (int i = 0; i < t->n; i++)
	{
		int64 due_at = t->more[i].due_at;

		if (t->records[i].state == WF_STEP_WAITING && due_at != 0 &&
			(t->due_at == 0 || due_at < t->due_at))
			t->due_at = due_at;
	}
}

static void
turn(const Body *body, Tables *t)
{
	int at;
	int ordinal;

	if (t->run == WF_RUN_WAITING)
		(void) settle_all(t);
	t->run = WF_RUN_QUEUED;
	t->due_at = 0;
	for (int i = 0; i < 4 * MAX_ACTIONS; i++)
	{
		switch (replay(body, t, &at, &ordinal))
		{
			case END_WANTED:
				if (body->actions[at].kind == WF_STEP_KIND_STEP)
				{
					run_step(t, ordinal, &body->actions[at]);
					return;
				}
				begin_wait(t, ordinal, &body->actions[at]);
				continue;
			case END_BLOCKED:
				if (settle_all(t))
					continue;
				leave(t);
				return;
			case END_RETURNED:
				t->run = WF_RUN_SUCCEEDED;
				return;
			case END_RAISED:
				t->run = WF_RUN_FAILED;
				return;
			case END_DIFFERENT:
			case END_LEFTOVER:
				complain("the same body is told that it differs", t, ordinal);
				t->run = WF_RUN_PARKED;
				return;
		}
	}
	complain("a turn does not end", t, ordinal);
	t->run = WF_RUN_PARKED;
}

/* ---- what is checked ---- */

static void
check_record(const Tables *before, const Tables *after, int i)
{
	char from = i < before->n ? before->records[i].state : '\0';
	char to = after->records[i].state;
	const Record *old = &before->more[i];
	const Record *more = &after->more[i];

	if (from != to && !wf_step_may(from, to))
		complain("a step went where it may not", after, i + 1);
	if (has_outcome(from) && memcmp(old, more, sizeof(Record)) != 0)
		complain("an outcome changed", after, i + 1);
	/* the attempts that failed before took their back-off */
	if (from == WF_STEP_RETRYING && more->attempt > old->attempt &&
		more->began_at < old->due_at)
		complain("an attempt came early", after, i + 1);
	if (more->max_attempts > 0 && more->attempt > more->max_attempts)
		complain("there were too many attempts", after, i + 1);
	if (has_outcome(to) && more->due_at != 0 && more->signal == 0 &&
		after->records[i].kind != WF_STEP_KIND_STEP &&
		more->ended_at < more->due_at)
		complain("a timer fired early", after, i + 1);
	if (more->signal > 0 && after->taken_by[more->signal] != i + 1)
		complain("a signal was taken by two", after, i + 1);
}

/* Of each name, those that were taken were sent before those that were not. */
static void
check_signals(const Tables *t)
{
	for (int i = 1; i + 2 <= t->sent; i++)
	{
		if (t->taken_by[i] == 0 && t->taken_by[i + 2] != 0)
			complain("a signal was taken out of order", t, i);
	}
}

static void
check_commit(const Tables *before, const Tables *after)
{
	if (before->run != after->run && !wf_run_may(before->run, after->run))
		complain("the run went where it may not", after, 0);
	if (after->n < before->n)
		complain("a record is gone", after, 0);
	for (int i = 0; i < after->n; i++)
		check_record(before, after, i);
	check_signals(after);
}

/*
 * A process that begins anew with part of the record makes the same calls and
 * goes on where that ends; a body that asks for something else there is told,
 * unless that call is to be tried again.
 */
static void
check_prefix(const Body *body, const Tables *t)
{
	Tables part = *t;
	Body changed = *body;
	int at;
	int ordinal;
	int same;
	End end;

	part.n = random_below(&rnd, t->n + 1);
	end = replay(body, &part, &at, &ordinal);
	if (end == END_DIFFERENT || end == END_LEFTOVER)
		complain("a prefix is told that it differs", &part, ordinal);
	if (end == END_WANTED && ordinal <= part.n &&
		has_outcome(part.records[ordinal - 1].state))
		complain("a call with an outcome is wanted", &part, ordinal);
	if (part.n == 0)
		return;

	/* the action that made the call to be changed */
	same = random_below(&rnd, part.n) + 1;
	for (at = 0, ordinal = 0; at < body->n; at++)
	{
		ordinal += body->actions[at].awaits == 0;
		if (ordinal == same)
			break;
	}
	switch (random_below(&rnd, 3))
	{
		case 0:
			changed.actions[at].print += 10;
			break;
		case 1:
			changed.actions[at].name = "mutant";
			break;
		default:
			changed.actions[at].kind = WF_STEP_KIND_CHILD;
	}
	end = replay(&changed, t, &at, &ordinal);
	/* it may have come to rest before that call */
	if (end == END_BLOCKED && ordinal < same)
		return;
	/* what is tried again may be another call */
	if (ordinal != same ||
		end != (t->records[same - 1].state == WF_STEP_RETRYING
					? END_WANTED
					: END_DIFFERENT))
		complain("a changed body was not told so", t, same);
}

/* ---- a history ---- */

static void
send_signal(Tables *t)
{
	if (t->sent < MAX_SIGNALS)
		t->taken_by[++t->sent] = 0;
}

/* What goes on outside, until the run may be looked at again. */
static void
pass_time(Tables *t)
{
	if (random_below(&rnd, 3) == 0)
		send_signal(t);
	if (t->due_at > now)
	{
		/* sent to an executor early, as by a signal, or when it is due */
		if (t->run == WF_RUN_WAITING && random_below(&rnd, 3) == 0)
			now += random_below(&rnd, (int) (t->due_at - now));
		else
			now = t->due_at;
	}
	else if (t->run == WF_RUN_WAITING)
		send_signal(t);
}

/* From outside: ended, or repaired. */
static void
interfere(Tables *t)
{
	Tables before = *t;

	if (t->run == WF_RUN_FAILED && t->n > 0 && random_below(&rnd, 4) == 0)
	{
		/* retry_run(): at the step whose failure the body let through */
		if (t->records[t->n - 1].state == WF_STEP_FAILED)
		{
			t->records[t->n - 1].state = WF_STEP_RETRYING;
			t->more[t->n - 1].due_at = now;
			t->more[t->n - 1].attempt = 0;
			t->run = WF_RUN_QUEUED;
		}
	}
	else if (!wf_run_is_final(t->run) && random_below(&rnd, 200) == 0)
		t->run = WF_RUN_CANCELLED;
	if (before.run != t->run && !wf_run_may(before.run, t->run))
		complain("the run was put where it may not be", t, 0);
}

/* True when it came to an end. */
static bool
live(const Body *body, int *seen)
{
	Tables t = {.run = WF_RUN_QUEUED};

	now = 1000;
	for (int i = 0; i < MAX_TURNS; i++)
	{
		Tables before = t;

		turn(body, &t);
		check_commit(&before, &t);
		/* the commit fails: nothing of it was */
		if (random_below(&rnd, 10) == 0)
			t = before;
		check_prefix(body, &t);
		interfere(&t);
		if (wf_run_is_final(t.run))
		{
			seen[t.run == WF_RUN_SUCCEEDED ? 0
				 : t.run == WF_RUN_FAILED  ? 1
										   : 2]++;
			return true;
		}
		pass_time(&t);
	}
	/* nobody sends it the signal any more that it waits for */
	seen[3]++;
	return t.run == WF_RUN_WAITING && t.due_at == 0 && t.sent == MAX_SIGNALS;
}

static void
check_histories(void)
{
	int seen[4] = {0};
	int endless = 0;

	for (int n = 0; n < HISTORIES; n++)
	{
		Body body;

		random_body(&body);
		if (!live(&body, seen))
			endless++;
	}
	ok(wrong == 0, "nothing goes wrong in %d histories%s%s", HISTORIES,
	   wrong ? ", but " : "", complaint);
	ok(endless == 0, "each comes to its end, or waits for what is never sent");
	ok(seen[0] > 10000 && seen[1] > 10000 && seen[2] > 1000 && seen[3] > 1000,
	   "every way to end was among them");
}

/* ---- the tables of arrows ---- */

static void
check_arrows(void)
{
	static const char finals[] = {WF_RUN_SUCCEEDED, WF_RUN_CANCELLED};
	int wrong_ways = 0;

	for (int i = 0; i < lengthof(finals); i++)
	{
		for (int to = 1; to < 128; to++)
			wrong_ways += wf_run_may(finals[i], (char) to);
	}
	for (int to = 0; to < 128; to++)
	{
		wrong_ways += wf_step_may(WF_STEP_DONE, (char) to);
		wrong_ways += wf_run_may((char) to, (char) to);
		wrong_ways += wf_step_may((char) to, (char) to);
		wrong_ways += wf_message_may((char) to, (char) to);
		wrong_ways += wf_message_may(WF_MESSAGE_ACKED, (char) to) && to != 0;
	}
	ok(wrong_ways == 0, "nothing leads out of what is final");
	ok(wf_run_may('\0', WF_RUN_QUEUED) && !wf_run_may('\0', WF_RUN_WAITING),
	   "a run begins in the queue");
	ok(!wf_wait_is_over(0, PG_INT64_MAX) && !wf_wait_is_over(5, 4) &&
		   wf_wait_is_over(5, 5),
	   "a wait is over at its time and never without one");
}

int
main(void)
{
	check_arrows();
	check_histories();
	return done_testing();
}
