/*
 * stoppoint.c
 *		Named places where a test stops, fails or kills a process.
 *
 * A stop point may stand anywhere, commit callbacks included, so the way
 * through one that is not named allocates nothing, locks nothing and cannot
 * fail.  The lists are short and read as they stand, each time.
 */
#include "postgres.h"

#ifdef WF_TEST_BUILD

#include <signal.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/stoppoint.h"

typedef enum StopAction
{
	STOP_NONE,
	STOP_ERROR,
	STOP_FATAL,
	STOP_KILL,
	STOP_WAIT,
	STOP_SLEEP,
	STOP_INVALID
} StopAction;

#define SLEEP_MS 1000
#define BLANKS	 " \t"

static char *test_stop = NULL;
static char *test_break = NULL;

/*
 * The entry of a comma separated list that begins with this name: what
 * follows the name, or NULL.
 */
static const char *
find_entry(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (list != NULL && *list != '\0')
	{
		list += strspn(list, BLANKS);
		if (strncmp(list, name, len) == 0 &&
			strchr("=, \t", list[len]) != NULL)
			return list + len; /* strchr finds the final '\0' too */
		list = strchr(list, ',');
		if (list != NULL)
			list++;
	}
	return NULL;
}

/* "=action[:percent]", up to a comma or the end */
static StopAction
parse_action(const char *text, int *percent)
{
	static const struct
	{
		const char *name;
		StopAction action;
	} actions[] = {
		{"error", STOP_ERROR}, {"fatal", STOP_FATAL}, {"kill", STOP_KILL},
		{"wait", STOP_WAIT},   {"sleep", STOP_SLEEP},
	};
	size_t len;

	*percent = 100;
	if (*text != '=')
		return STOP_INVALID;
	text++;
	len = strcspn(text, ":, \t");
	for (int i = 0; i < lengthof(actions); i++)
	{
		if (strlen(actions[i].name) != len ||
			strncmp(actions[i].name, text, len) != 0)
			continue;
		text += len;
		if (*text == ':')
		{
			char *end;
			long value = strtol(text + 1, &end, 10);

			if (end == text + 1 || value < 0 || value > 100)
				return STOP_INVALID;
			*percent = (int) value;
			text = end;
		}
		text += strspn(text, BLANKS);
		return *text == ',' || *text == '\0' ? actions[i].action
											 : STOP_INVALID;
	}
	return STOP_INVALID;
}

static StopAction
find_action(const char *name, int *percent)
{
	const char *entry = find_entry(test_stop, name);

	return entry == NULL ? STOP_NONE : parse_action(entry, percent);
}

/* Sleeps until the latch is set or the time is over. */
static void
pause_for(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, wf_wait_event(WF_WAIT_STOP_POINT));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
sleep_here(void)
{
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		instr_time passed;
		double ms;

		INSTR_TIME_SET_CURRENT(passed);
		INSTR_TIME_SUBTRACT(passed, start);
		ms = INSTR_TIME_GET_MILLISEC(passed);
		if (ms >= SLEEP_MS)
			break;
		pause_for((long) (SLEEP_MS - ms) + 1);
	}
	/* whoever is interrupted here may have been waiting for its latch */
	SetLatch(MyLatch);
}

static void
wait_here(const char *name)
{
	int percent;

	ereport(LOG, (errmsg("waiting at stop point \"%s\"", name)));
	while (find_action(name, &percent) == STOP_WAIT)
		pause_for(SLEEP_MS);
	ereport(LOG, (errmsg("going on from stop point \"%s\"", name)));
	SetLatch(MyLatch);
}

void
wf_stop_point(const char *name)
{
	int percent;
	StopAction action;

	if (test_stop == NULL || *test_stop == '\0')
		return;
	action = find_action(name, &percent);
	if (action == STOP_NONE || action == STOP_INVALID ||
		(percent < 100 &&
		 pg_prng_double(&pg_global_prng_state) * 100 >= percent))
		return;

	switch (action)
	{
		case STOP_WAIT:
			wait_here(name);
			break;
		case STOP_SLEEP:
			sleep_here();
			break;
		case STOP_KILL:
			kill(MyProcPid, SIGKILL);
			break;
		default:
			ereport(action == STOP_FATAL ? FATAL : ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("stop point \"%s\" was reached", name)));
	}
}

bool
wf_broken(const char *name)
{
	return find_entry(test_break, name) != NULL;
}

static bool
check_test_stop(char **newval, void **extra, GucSource source)
{
	const char *entry = *newval;

	while (entry != NULL && *entry != '\0')
	{
		int percent;

		entry += strspn(entry, BLANKS);
		entry += strcspn(entry, "=,");
		if (parse_action(entry, &percent) == STOP_INVALID)
		{
			GUC_check_errdetail("An entry looks like name=action[:percent], "
								"with action error, fatal, kill, wait or "
								"sleep.");
			return false;
		}
		entry = strchr(entry, ',');
		if (entry != NULL)
			entry++;
	}
	return true;
}

void
wf_stop_define_guc(void)
{
	DefineCustomStringVariable("workflow.test_stop",
							   "Stop points that do something, for tests.",
							   NULL, &test_stop, "", PGC_SIGHUP,
							   GUC_NOT_IN_SAMPLE, check_test_stop, NULL, NULL);
	DefineCustomStringVariable("workflow.test_break",
							   "Deliberate defects, for tests of the tests.",
							   NULL, &test_break, "", PGC_SIGHUP,
							   GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

#endif /* WF_TEST_BUILD */
