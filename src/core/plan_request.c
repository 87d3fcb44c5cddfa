/*
 * plan_request.c
 *		What the plan wants done: actions, requests, and dead letters to tell of.
 *
 * Each kind is an array that its side fetches as a whole.  What comes while it
 * works on that goes to a second array, so nothing is moved.
 */
#include "postgres.h"

#include "core/plan_parts.h"

void
wf_request_init(WfPlan *plan)
{
	memset(&plan->actions, 0, sizeof(WfTray));
	memset(&plan->requests, 0, sizeof(WfTray));
	memset(&plan->deaths, 0, sizeof(WfTray));
}

/* Room for one more thing. */
static inline void *
put(WfPlan *plan, WfTray *tray, Size size)
{
	if (tray->n == tray->room)
	{
		int room = Max(2 * tray->room, 64);

		tray->things = wf_memory_grow(&plan->memory, tray->things,
									  tray->n * size, (Size) room * size);
		tray->room = room;
	}
	return tray->things + tray->n++ * size;
}

static void *
fetch(WfTray *tray, int *n)
{
	char *things = tray->things;
	int room = tray->room;

	*n = tray->n;
	tray->things = tray->fetched;
	tray->room = tray->fetched_room;
	tray->n = 0;
	tray->fetched = things;
	tray->fetched_room = room;
	return things;
}

void
wf_request_act(WfPlan *plan, WfActionKind kind, int index, int at, uint32 bits)
{
	WfAction *action = put(plan, &plan->actions, sizeof(WfAction));

	action->kind = kind;
	action->index = index;
	action->at = at;
	action->bits = bits;
}

void
wf_request_add(WfPlan *plan, const WfPlanRequest *request)
{
	WfPlanRequest *place = put(plan, &plan->requests, sizeof(WfPlanRequest));

	*place = *request;
}

void
wf_request_about(WfPlan *plan, WfPlanRequestKind kind, const WfEntry *entry)
{
	WfPlanRequest request = {.kind = kind,
							 .id = entry->id,
							 .queue_id = entry->queue_id,
							 .role = entry->role->oid,
							 .tid = entry->tid,
							 .uncounted = entry->uncounted,
							 .epoch = entry->epoch};

	wf_request_add(plan, &request);
}

void
wf_request_died(WfPlan *plan, const WfEntry *entry)
{
	WfDeath *death = put(plan, &plan->deaths, sizeof(WfDeath));

	death->id = entry->id;
	death->queue_id = entry->queue_id;
	death->workflow_id = entry->workflow_id;
}

const WfAction *
wf_plan_actions(WfPlan *plan, int *n)
{
	return fetch(&plan->actions, n);
}

const WfPlanRequest *
wf_plan_requests(WfPlan *plan, int *n)
{
	return fetch(&plan->requests, n);
}

const WfDeath *
wf_plan_deaths(WfPlan *plan, int *n)
{
	return fetch(&plan->deaths, n);
}
