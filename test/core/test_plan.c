/*
 * test_plan.c
 *		The plan of the scheduler, in a simulated world.
 *
 * SIM_EVENTS is how many events there are, SIM_SEED what they follow from; with
 * SIM_DEFECTS the rules of the plan are left out, one at a time, and each has
 * to be missed.
 */
#include "postgres.h"

#include <time.h>

#include "core_test.h"
#include "sim.h"

/* events between two times at which all comes to its end */
#define SETTLE_EVERY 4000

static const struct
{
	uint32 bit;
	const char *name;
} defects[] = {
	{WF_BREAK_LIMITS, "limits of queues and groups do not hold"},
	{WF_BREAK_RATES, "a start that began counts no more"},
	{WF_BREAK_RESERVE, "starts without a reservation"},
	{WF_BREAK_VALID, "an offer after its reservation is over"},
	{WF_BREAK_ORDER, "a strict group begins with what came last"},
	{WF_BREAK_RETURNED, "what was taken back goes to the end of its group"},
	{WF_BREAK_TAKE_BACK, "take_back() that failed goes unnoticed"},
	{WF_BREAK_PAUSE, "paused workflows are started"},
	{WF_BREAK_BLOCK, "a failed run does not close its group"},
	{WF_BREAK_SPILL, "what was left in the table is not read again"},
	{WF_BREAK_FAIR, "a group keeps its turn"},
	{WF_BREAK_RESUME, "what was let go on stays held"},
	{WF_BREAK_SOLO, "suspects of a crash go together"},
	{WF_BREAK_FOREIGN, "rows of a copy are written"},
	{WF_BREAK_SHELF, "what comes first does not empty the shelf"},
	{WF_BREAK_LOOK, "what was just handed out is given back by a look"},
	{WF_BREAK_KNOWN, "a strict group does not wait for what is unread"},
	{SIM_BREAK_COMPARE, "places are not compared at commit"},
	{SIM_BREAK_RAISE, "the highest place is not remembered"},
	{WF_BREAK_STAYS, "known_to of a window does not fall"},
	{WF_BREAK_BELOW, "a full window leaves what comes before its last"},
	{WF_BREAK_BEYOND, "a window takes what comes beyond known_to"},
	{WF_BREAK_FORGET, "a group is forgotten that has rows in the table"},
	{SIM_BREAK_SNAPSHOT, "commits are told after the snapshot of a refill"},
	{WF_BREAK_CLAIM, "a run is started while its row is written"},
	{WF_BREAK_SHARE, "a role takes the last executor as well"},
	{WF_BREAK_DOORS, "a role's runs hide those of another in its queue"},
	{WF_BREAK_TURNS, "who had the executor gets it again"},
	{WF_BREAK_SHORTAGE, "nothing slows down while something is short"},
};

/* Else one would be found for the other. */
static bool
defects_differ(void)
{
	uint32 seen = 0;

	for (int i = 0; i < lengthof(defects); i++)
	{
		if (seen & defects[i].bit)
			return false;
		seen |= defects[i].bit;
	}
	return true;
}

static int64
setting(const char *name, int64 otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

/* True when all held; what was found is said. */
static bool
simulate(uint64 seed, int64 events, uint32 broken, uint64 *needed, char *fault)
{
	Sim *sim = sim_create(seed, broken);
	bool held;

	while (sim->fault == NULL && sim->events < events)
	{
		uint64 until = sim->events + SETTLE_EVERY;

		while (sim->fault == NULL && sim->events < until)
			sim_step(sim);
		if (sim->fault == NULL)
			(void) sim_settle(sim);
		if (sim->fault == NULL)
			sim->nrows = 0;
	}
	held = sim->fault == NULL;
	*needed = sim->events;
	strcpy(fault, held ? "" : sim->fault);
	if (held)
		printf("# seed " UINT64_FORMAT ": " UINT64_FORMAT
			   " events, " UINT64_FORMAT " offers, " UINT64_FORMAT
			   " of shortages, " UINT64_FORMAT " restarts, " UINT64_FORMAT
			   " refills, " UINT64_FORMAT " laid out, of which " UINT64_FORMAT
			   " taken\n",
			   seed, sim->events, sim->offers, sim->nmet, sim->restarts,
			   sim->refills, sim->laid, sim->taken);
	sim_destroy(sim);
	return held;
}

int
main(void)
{
	int64 events = setting("SIM_EVENTS", 20000);
	uint64 seed = setting("SIM_SEED", 1);
	char fault[200];
	uint64 needed;
	clock_t began = clock();
	double seconds;
	bool held;

	ok(defects_differ(), "no two defects have the same bit");
	held = simulate(seed, events, 0, &needed, fault);
	ok(held, "all held, with seed " UINT64_FORMAT "%s%s", seed,
	   fault[0] != '\0' ? ": " : "", fault);
	seconds = (double) (clock() - began) / CLOCKS_PER_SEC;
	printf("# %.0f events a second; event " UINT64_FORMAT "\n",
		   needed / Max(seconds, 0.001), needed);

	for (int i = 0; i < lengthof(defects) && setting("SIM_DEFECTS", 0); i++)
	{
		held = simulate(seed, 1000000, defects[i].bit, &needed, fault);
		ok(!held, "found after " UINT64_FORMAT " events: %s (%s)", needed,
		   defects[i].name, fault);
	}
	return done_testing();
}
