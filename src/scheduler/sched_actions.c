/*
 * sched_actions.c
 *		What the plan wants done in shared memory, and dead letters to tell of.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "ipc/entries.h"
#include "ipc/queue_stats.h"
#include "scheduler/scheduler.h"

static void
carry_out(WfScheduler *s, const WfAction *action)
{
	switch (action->kind)
	{
		case WF_ACTION_OFFER:
			wf_cells_offer(s, action->index, action->at);
			break;
		case WF_ACTION_INTERRUPT:
			wf_cells_interrupt(s, action->index, action->at, action->bits);
			break;
		case WF_ACTION_RETIRE:
			wf_cells_retire(action->index);
			break;
		case WF_ACTION_HIRE:
			wf_cells_hire(s, action->bits);
			break;
		case WF_ACTION_DISMISS:
			wf_slot_free(&wf_slots[action->index]);
			break;
		case WF_ACTION_ANSWER:
			wf_news_answer(s, action->index);
			break;
		case WF_ACTION_WAKE:
			wf_news_wake(s, action->index, action->bits);
			break;
		case WF_ACTION_SEEN:
			wf_news_seen(action->index, action->at > 0, action->bits);
			break;
		case WF_ACTION_FORGET:
			wf_queue_stats_forget(MyDatabaseId, action->index);
			break;
	}
}

void
wf_actions_carry_out(WfScheduler *s)
{
	const WfAction *actions;
	int n;

	while (actions = wf_plan_actions(s->plan, &n), n > 0)
	{
		for (int i = 0; i < n; i++)
			carry_out(s, &actions[i]);
	}
	wf_news_lay_out(s);
}
