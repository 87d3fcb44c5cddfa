/*
 * family.h
 *		What the end of a run means for its children and its parent.
 *
 *	1. the child's end commits
 *	2. its executor says so in the cell, or the scheduler has ended it itself
 *	3. the scheduler wakes the parent, or sends it to an executor once more if
 *	   it was in a cell meanwhile
 *
 * An executor that dies between 1 and 2 leaves a cell that the scheduler gives
 * to another one, which finds the child ended and says so; a scheduler that
 * starts wakes all runs that wait for children.  While a parent is at work,
 * ends that come in add up to one wake-up, so many children that end one after
 * the other cost one executor at most.
 *
 * Of a map that is made of chunks nobody needs to hear of each: the executor
 * of the last one, or of one that failed, has the parent woken.  Two that end
 * at the same time look for each other after their commits, so one of them
 * sees that nothing is left.
 *
 * Chunks that are held, because of max_parallel, are let start by the end of
 * another one, in the same commit: so never more than that many are at work.
 * Held children of other maps are let start by their parent when it is woken.
 */
#ifndef WF_EXECUTOR_FAMILY_H
#define WF_EXECUTOR_FAMILY_H

#include "executor/turn.h"

/*
 * Before the commit of a turn that ends the run: its children are cancelled,
 * and the next of its parent's map may start.
 */
extern void wf_family_before_end(WfExecutor *executor, const WfTurn *turn);

/* After it: shall the scheduler wake the parent? */
extern void wf_family_after_end(WfExecutor *executor, char state);

#endif /* WF_EXECUTOR_FAMILY_H */
