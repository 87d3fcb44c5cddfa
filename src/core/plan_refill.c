/*
 * plan_refill.c
 *		Windows of groups: what they leave, and the requests for more.
 *
 * See plan_window.c for what a window is.
 */
#include "postgres.h"

#include "core/plan_parts.h"

/* refills that are under way at a time */
#define MAX_REFILLS 8

static WfSpot
spot_of(const WfEntry *entry)
{
	return (WfSpot){.place = entry->group_place, .id = entry->id};
}

/* ---- leaving ---- */

/* The last entry of a window that is on goes back to the table. */
static void
put_out(WfPlan *plan, WfGroup *group, WfEntry *entry)
{
	WfSpot spot = spot_of(entry);

	wf_window_left(group, &spot, true);
	/* the group stays, be this its last member */
	group->members++;
	wf_ready_forget(plan, entry);
	group->members--;
}

WfMeeting
wf_refill_meets(WfPlan *plan, const WfWork *work, bool fresh)
{
	WfQueue *queue = wf_group_queue(plan, work->queue_id, false);
	WfSpot spot = {.place = work->place, .id = work->id};
	WfGroup *group;
	WfGroupWindow *window;
	WfEntry *last;
	WfSpot edge;

	if (work->group == 0 || queue == NULL || !wf_window_covers(&queue->rules))
		return WF_MEETS_NONE;
	group = wf_group_find(
		queue, wf_group_of(&queue->rules, work->group, work->owner));
	if (group == NULL)
		return WF_MEETS_NONE;
	window = &group->window;
	if (!wf_window_knows(window, &spot) &&
		!wf_plan_is_broken(plan, WF_BREAK_BEYOND))
	{
		wf_window_left(group, &spot, fresh);
		return WF_MEETS_LEFT;
	}
	if (window->n < wf_window_room(plan, queue))
		return window->on ? WF_MEETS_TAKEN : WF_MEETS_NONE;

	/* full */
	last = wf_window_last(window);
	edge = spot_of(last);
	if (window->on && wf_plan_is_broken(plan, WF_BREAK_BELOW))
		return WF_MEETS_LEFT;
	if (wf_window_before(&edge, &spot))
	{
		wf_window_fall(plan, group, &edge);
		wf_window_left(group, &spot, fresh);
		wf_window_note(plan, group);
		return WF_MEETS_LEFT;
	}
	wf_ready_take(plan, last);
	if (wf_window_last(window) != NULL)
		edge = spot_of(wf_window_last(window));
	if (wf_window_last(window) == NULL || wf_window_before(&edge, &spot))
		edge = spot;
	wf_window_fall(plan, group, &edge);
	put_out(plan, group, last);
	if (wf_window_knows(window, &spot))
		return WF_MEETS_TAKEN;
	/* a walk has yet to read what comes before it */
	wf_window_left(group, &spot, fresh);
	return WF_MEETS_LEFT;
}

/* Entries may have come by other ways, and known_to may have fallen. */
static void
trim(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;
	WfEntry *last;

	while ((last = wf_window_last(window)) != NULL)
	{
		WfSpot spot = spot_of(last);

		if (wf_window_knows(window, &spot) ||
			wf_plan_is_broken(plan, WF_BREAK_BEYOND))
		{
			WfSpot edge;

			if (window->n <= wf_window_most(plan))
				break;
			wf_ready_take(plan, last);
			edge = spot_of(wf_window_last(window));
			wf_window_fall(plan, group, &edge);
		}
		put_out(plan, group, last);
	}
}

/* ---- refills ---- */

static void
ask(WfPlan *plan, WfGroup *group)
{
	WfGroupWindow *window = &group->window;
	uint32 size = wf_window_room(plan, group->queue);
	WfPlanRequest request = {
		.kind = WF_PLAN_REFILL,
		.queue_id = group->queue->rules.queue_id,
		.group = group->hash,
		.id = window->sample,
		.starts = size > window->n ? (int32) (size - window->n) : 1,
		.after = window->known_to,
		.epoch = ++plan->refill_epoch,
		.upto = window->left_to};

	window->asked = true;
	window->epoch = request.epoch;
	group->queue->nrefills++;
	plan->nrefills++;
	wf_request_add(plan, &request);
}

void
wf_refill_ask(WfPlan *plan)
{
	for (int n = plan->nwindows; n > 0; n--)
	{
		WfGroup *group =
			dlist_head_element(WfGroup, window.node, &plan->windows);
		WfQueue *queue = group->queue;

		wf_window_unnote(plan, &group->window);
		trim(plan, group);
		queue->known_to = wf_scan_known_to(plan, queue, &queue->ranges_to);
		wf_group_settle(plan, group);
		if (!wf_window_is_thirsty(plan, group))
			continue;
		if (plan->nrefills < MAX_REFILLS)
		{
			wf_window_unnote(plan, &group->window);
			ask(plan, group);
		}
		else
			wf_window_note(plan, group);
	}
}
