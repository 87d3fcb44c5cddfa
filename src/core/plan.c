/*
 * plan.c
 *		The plan as a whole: how it is made, and the order of a decision.
 */
#include "postgres.h"

#include "core/plan_parts.h"

WfPlan *
wf_plan_create(const WfMemory *memory, const WfPlanPort *port, int nseats,
			   int nreceivers)
{
	WfPlan *plan = wf_memory_get_zeroed(memory, WF_MEMORY_ANY, sizeof(WfPlan));

	plan->memory = *memory;
	plan->port = *port;
	plan->wake_at = DT_NOEND;
	wf_request_init(plan);
	wf_ready_init(plan);
	wf_group_init(plan);
	wf_seat_init(plan, nseats);
	wf_slow_init(plan);
	wf_ask_init(plan, nreceivers);
	return plan;
}

void
wf_plan_set(WfPlan *plan, const WfPlanSettings *settings)
{
	plan->settings = *settings;
}

/*
 * First what has become due, then who comes next, and then who gets it.  What
 * has to be done before any of that can go on is asked for; once it is
 * answered, another decision goes on from there.
 */
void
wf_plan_decide(WfPlan *plan, TimestampTz now)
{
	plan->now = now;
	plan->wake_at = DT_NOEND;
	plan->more = false;

	wf_slow_look(plan);
	wf_spill_refill(plan);
	wf_message_expire(plan);
	wf_ready_fire_timers(plan);
	wf_refill_ask(plan);
	wf_row_expire(plan);
	wf_shelf_check(plan);
	wf_admit_runs(plan);
	wf_ask_serve(plan);
	wf_ask_answer(plan);
	wf_shelf_fill(plan);
	wf_dispatch_give_out(plan);
	wf_staff_adjust(plan);
	if (plan->refilled || plan->nwindows > 0)
		plan->more = true;
	plan->refilled = false;
}

bool
wf_plan_is_busy(const WfPlan *plan)
{
	return plan->more || plan->nscans > 0 || plan->requests.n > 0 ||
		   plan->actions.n > 0;
}

TimestampTz
wf_plan_due(WfPlan *plan)
{
	return Min(wf_ready_due(plan, !plan->foreign), plan->wake_at);
}

bool
wf_plan_is_idle(WfPlan *plan)
{
	return !wf_plan_is_busy(plan) && plan->nloading == 0 &&
		   plan->ncells == 0 && plan->nrows == 0 &&
		   (plan->halted || (wf_admit_is_idle(plan) && plan->nready == 0));
}

#ifdef WF_TEST_BUILD
void
wf_plan_break(WfPlan *plan, uint32 bits)
{
	plan->broken = bits;
}
#endif
