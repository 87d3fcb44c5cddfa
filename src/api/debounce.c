/*
 * debounce.c
 *		The part of debounce that enqueue_workflow() and send() share.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/place.h"

void
wf_arg_debounce(FunctionCallInfo fcinfo, int arg, bool plain, WfDebounce *out)
{
	Interval *after = wf_arg_interval(fcinfo, arg, "debounce", true);

	memset(out, 0, sizeof(*out));
	out->most = wf_arg_interval(fcinfo, arg + 1, "debounce_max", true);
	if (after == NULL && out->most != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("debounce_max needs debounce"),
				 errdetail("It says how long the start can be put off, and nothing puts it off."),
				 errhint("Pass debounce, or leave debounce_max out.")));
	if (after == NULL)
		return;
	if (!plain)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("debounce needs a dedup_key, and neither on_duplicate, on_busy, delay nor run_at"),
				 errdetail("Calls with one key write what is to start next, and when."),
				 errhint("Pass dedup_key, and leave the others out.")));
	out->given = true;
	out->after = *after;
}

TimestampTz
wf_debounce_start(const WfDebounce *debounce, TimestampTz first,
				  TimestampTz now)
{
	TimestampTz start = wf_time_after(now, &debounce->after);

	/* a clock that was set back does not make the wait longer */
	if (debounce->most != NULL)
		start = Min(start, wf_time_after(Min(first, now), debounce->most));
	return Max(start, now);
}

void
wf_raise_debounce_scope(const char *object, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("debounce needs a %s with dedup_scope => 'queued'", object),
			 errdetail("Only what has not begun can be put off, and %s \"%s\" lets a key belong to what has.",
					   object, name),
			 errhint("Call workflow.alter_%s('%s', dedup_scope => 'queued').",
					 object, name)));
}
