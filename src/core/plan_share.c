/*
 * plan_share.c
 *		How many executors a role may have.
 *
 * No role takes the last executor of a database while it has all others, so
 * that another role's work starts at once.
 */
#include "postgres.h"

#include "core/plan_parts.h"

int
wf_share_most_of_role(const WfPlan *plan)
{
	int most = plan->settings.executors;

	if (most > 1 && !wf_plan_is_broken(plan, WF_BREAK_SHARE))
		most--;
	if (plan->settings.per_role >= 0)
		most = Min(most, plan->settings.per_role);
	return most;
}
