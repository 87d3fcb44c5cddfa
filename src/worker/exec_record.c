/*
 * exec_record.c
 *		The record of a run in memory, and the policy of its next step.
 *
 * exec->steps is what has been committed, but for what the present turn is to
 * write (exec->writes), which is there too so that the body can be replayed
 * with it; wf_turn_take_back() removes it if the turn fails.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "core/machine.h"
#include "base/spi.h"
#include "core/state.h"
#include "worker/exec_turn.h"

/* ---- policy ---- */

void
wf_turn_body_policy(WfExec *exec, WfPolicy *policy)
{
	const WfPolicy *defined = wf_body_policy(exec->body);

	if (defined != NULL)
		*policy = *defined;
	else
		wf_policy_init(policy);
}

/*
 * The policy of the call, else of the workflow, else of the queue, else the
 * default.
 */
void
wf_turn_policy(WfExec *exec, WfPolicy *policy)
{
	const WfWanted *wanted = &exec->wanted;

	if (wanted->has_policy)
		*policy = wanted->policy;
	else
		wf_turn_body_policy(exec, policy);

	if (wanted->ordinal <= exec->nsteps && policy->max_attempts > 0)
		policy->max_attempts +=
			exec->steps[wanted->ordinal - 1].attempts_before;
}

/* ---- the record in memory ---- */

void
wf_record_load(WfExec *exec, bool any)
{
	WfWindow window;

	exec->nsteps = 0;
	exec->nalloc = 16;
	if (any)
	{
		wf_window_open(&window);
		exec->nsteps = wf_step_load_all(&exec->cell->work_id, exec->run_cxt,
										&exec->steps, &exec->nalloc);
		wf_window_close(&window);
	}
	else
		exec->steps =
			MemoryContextAlloc(exec->run_cxt, exec->nalloc * sizeof(WfStep));
	exec->records = MemoryContextAllocHuge(
		exec->run_cxt, mul_size(exec->nalloc, sizeof(WfRecorded)));
	for (int i = 0; i < exec->nsteps; i++)
		exec->records[i] = exec->steps[i].match;
}

/* Appends a step, or replaces the one that has the same ordinal. */
void
wf_record_step(WfExec *exec, const WfStep *step)
{
	if (step->ordinal > exec->nalloc)
	{
		exec->nalloc = Max(exec->nalloc * 2, 16);
		exec->steps =
			repalloc_huge(exec->steps, mul_size(exec->nalloc, sizeof(WfStep)));
		exec->records = repalloc_huge(
			exec->records, mul_size(exec->nalloc, sizeof(WfRecorded)));
	}
	exec->steps[step->ordinal - 1] = *step;
	exec->records[step->ordinal - 1] = step->match;
	exec->nsteps = Max(exec->nsteps, step->ordinal);
}

/* One of this turn; one that is written twice keeps what it first replaced. */
void
wf_record_write(WfExec *exec, const WfStep *step)
{
	WfWrite *write;

	for (int i = 0; i < exec->nwrites; i++)
	{
		if (exec->writes[i].ordinal == step->ordinal)
		{
			wf_record_step(exec, step);
			return;
		}
	}
	if (exec->nwrites == exec->writes_allocated)
	{
		Size size;

		exec->writes_allocated = Max(exec->writes_allocated * 2, 4);
		size = mul_size(exec->writes_allocated, sizeof(WfWrite));
		exec->writes = exec->writes == NULL
						   ? MemoryContextAlloc(exec->run_cxt, size)
						   : repalloc(exec->writes, size);
	}
	write = &exec->writes[exec->nwrites++];
	write->ordinal = step->ordinal;
	write->exists = step->ordinal <= exec->nsteps;
	if (write->exists)
		write->before = exec->steps[step->ordinal - 1];
	Assert(wf_step_may(write->exists ? write->before.match.state : '\0',
					   step->match.state) ||
		   (write->exists && write->before.match.state == step->match.state));
	wf_record_step(exec, step);
}

void
wf_turn_take_back(WfExec *exec)
{
	exec->nsteps -= exec->npending;
	exec->npending = 0;
	while (exec->nwrites > 0)
	{
		const WfWrite *write = &exec->writes[--exec->nwrites];

		if (write->exists)
			wf_record_step(exec, &write->before);
		else
			exec->nsteps--;
	}
}

/* The wanted step as a row; the caller sets state and outcome. */
void
wf_turn_fill_step(WfExec *exec, const WfPolicy *policy, WfStep *step)
{
	const WfWanted *wanted = &exec->wanted;
	MemoryContext old = MemoryContextSwitchTo(exec->run_cxt);

	memset(step, 0, sizeof(*step));
	step->ordinal = wanted->ordinal;
	step->match.kind = wanted->kind;
	step->match.fingerprint = wanted->fingerprint;
	step->match.name = pstrdup(wanted->name);
	step->command = pstrdup(wanted->command);
	step->max_attempts = policy->at_most_once ? 1 : policy->max_attempts;
	step->attempt = 1;
	step->free_retries = exec->free_retries;
	if (wanted->ordinal <= exec->nsteps)
	{
		const WfStep *before = &exec->steps[wanted->ordinal - 1];

		step->attempt = before->attempt;
		if (before->match.state != WF_STEP_STARTED)
			step->attempt++;
		step->free_retries += before->free_retries;
		step->attempts_before = before->attempts_before;
	}
	MemoryContextSwitchTo(old);
}
