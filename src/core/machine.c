/*
 * machine.c
 *		Which changes of state there are.
 */
#include "postgres.h"

#include "core/machine.h"
#include "core/state.h"

typedef struct Arrow
{
	char from;
	char to;
} Arrow;

static const Arrow run_arrows[] = {
	{'\0', WF_RUN_QUEUED},
	/* a turn that ends it, or after which it waits */
	{WF_RUN_QUEUED, WF_RUN_WAITING},
	{WF_RUN_QUEUED, WF_RUN_PARKED},
	{WF_RUN_QUEUED, WF_RUN_SUCCEEDED},
	{WF_RUN_QUEUED, WF_RUN_FAILED},
	{WF_RUN_QUEUED, WF_RUN_CANCELLED},
	/* the turn in which what it waited for was taken may end it, too */
	{WF_RUN_WAITING, WF_RUN_QUEUED},
	{WF_RUN_WAITING, WF_RUN_PARKED},
	{WF_RUN_WAITING, WF_RUN_SUCCEEDED},
	{WF_RUN_WAITING, WF_RUN_FAILED},
	{WF_RUN_WAITING, WF_RUN_CANCELLED},
	/* repair */
	{WF_RUN_PARKED, WF_RUN_QUEUED},
	{WF_RUN_PARKED, WF_RUN_FAILED},
	{WF_RUN_PARKED, WF_RUN_CANCELLED},
	{WF_RUN_FAILED, WF_RUN_QUEUED},
	/* what it has done is undone before it ends */
	{WF_RUN_QUEUED, WF_RUN_COMPENSATING},
	{WF_RUN_WAITING, WF_RUN_COMPENSATING},
	{WF_RUN_PARKED, WF_RUN_COMPENSATING},
	{WF_RUN_COMPENSATING, WF_RUN_PARKED},
	{WF_RUN_COMPENSATING, WF_RUN_FAILED},
	{WF_RUN_COMPENSATING, WF_RUN_CANCELLED},
	/* replaced before it began; deleted when it is over */
	{WF_RUN_QUEUED, '\0'},
	{WF_RUN_SUCCEEDED, '\0'},
	{WF_RUN_FAILED, '\0'},
	{WF_RUN_CANCELLED, '\0'},
};

static const Arrow step_arrows[] = {
	/* the first outcome, or what there is before it */
	{'\0', WF_STEP_DONE},
	{'\0', WF_STEP_FAILED},
	{'\0', WF_STEP_RETRYING},
	{'\0', WF_STEP_STARTED},
	{'\0', WF_STEP_WAITING},
	{WF_STEP_RETRYING, WF_STEP_DONE},
	{WF_STEP_RETRYING, WF_STEP_FAILED},
	{WF_STEP_RETRYING, WF_STEP_WAITING}, /* a child or task, likewise */
	{WF_STEP_RETRYING, WF_STEP_STARTED}, /* at most once, by retry_run() */
	{WF_STEP_STARTED, WF_STEP_DONE},
	{WF_STEP_STARTED, WF_STEP_FAILED},
	{WF_STEP_WAITING, WF_STEP_DONE},
	{WF_STEP_WAITING, WF_STEP_FAILED},
	/* repair: tried again, or given a result by hand */
	{WF_STEP_FAILED, WF_STEP_RETRYING},
	{WF_STEP_FAILED, WF_STEP_DONE},
};

static const Arrow message_arrows[] = {
	{'\0', WF_MESSAGE_QUEUED},
	{WF_MESSAGE_QUEUED, WF_MESSAGE_LEASED},
	{WF_MESSAGE_LEASED, WF_MESSAGE_QUEUED},
	{WF_MESSAGE_LEASED, WF_MESSAGE_ACKED},
	{WF_MESSAGE_LEASED, WF_MESSAGE_DEAD},
	{WF_MESSAGE_QUEUED, WF_MESSAGE_DEAD}, /* its last receive rolled back */
	{WF_MESSAGE_DEAD, WF_MESSAGE_QUEUED},
	/* acked, deleted or purged */
	{WF_MESSAGE_QUEUED, '\0'},
	{WF_MESSAGE_LEASED, '\0'},
	{WF_MESSAGE_ACKED, '\0'},
	{WF_MESSAGE_DEAD, '\0'},
};

static bool
has_arrow(const Arrow *arrows, int n, char from, char to)
{
	for (int i = 0; i < n; i++)
	{
		if (arrows[i].from == from && arrows[i].to == to)
			return true;
	}
	return false;
}

bool
wf_run_may(char from, char to)
{
	return has_arrow(run_arrows, lengthof(run_arrows), from, to);
}

bool
wf_step_may(char from, char to)
{
	return has_arrow(step_arrows, lengthof(step_arrows), from, to);
}

bool
wf_message_may(char from, char to)
{
	return has_arrow(message_arrows, lengthof(message_arrows), from, to);
}

bool
wf_wait_is_over(TimestampTz due_at, TimestampTz now)
{
	return due_at != 0 && due_at <= now;
}
