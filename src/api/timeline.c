/*
 * timeline.c
 *		timeline() and describe(): the life of a run, as rows and as text.
 */
#include "postgres.h"

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "api/sight.h"
#include "base/spi.h"
#include "store/timeline.h"

PG_FUNCTION_INFO_V1(workflow_timeline);
PG_FUNCTION_INFO_V1(workflow_describe);

#define TIMELINE_COLUMNS 6

/*
 * Looks the run up for the current user, and reads all of it that he may see.
 */
static int
read_run(const pg_uuid_t *run_id, WfRunView *run, WfMoment **moments)
{
	MemoryContext cxt = CurrentMemoryContext;
	WfWindow window;
	bool contents;
	int n;

	contents = wf_sight_of_run(run_id, run);
	wf_window_open(&window);
	n = wf_timeline_read(run_id, contents, cxt, moments);
	wf_window_close(&window);
	return n;
}

static Datum
span(const WfMoment *moment)
{
	return DirectFunctionCall2(timestamp_mi,
							   TimestampTzGetDatum(moment->ended),
							   TimestampTzGetDatum(moment->began));
}

static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	*value = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

Datum
workflow_timeline(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t *run_id;
	WfRunView run;
	WfMoment *moments;
	int n;

	wf_require_preloaded();
	run_id = wf_arg_run_id(fcinfo, 0);
	n = read_run(run_id, &run, &moments);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		const WfMoment *moment = &moments[i];
		Datum values[TIMELINE_COLUMNS];
		bool nulls[TIMELINE_COLUMNS] = {0};

		values[0] = TimestampTzGetDatum(moment->at);
		set_text(&values[1], &nulls[1], moment->event);
		values[2] = Int32GetDatum(moment->ordinal);
		nulls[2] = moment->ordinal == 0;
		set_text(&values[3], &nulls[3], moment->name);
		set_text(&values[4], &nulls[4], moment->detail);
		nulls[5] = !moment->took;
		values[5] = moment->took ? span(moment) : (Datum) 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* " (1.234 ms)", " (12.345 s)", " (2 days 03:04:05)" */
static void
add_span(StringInfo out, const WfMoment *moment)
{
	int64 usec = moment->ended - moment->began;

	if (usec < USECS_PER_SEC)
		appendStringInfo(out, " (%.3f ms)", usec / 1000.0);
	else if (usec < USECS_PER_MINUTE)
		appendStringInfo(out, " (%.3f s)", (double) usec / USECS_PER_SEC);
	else
		appendStringInfo(
			out, " (%s)",
			DatumGetCString(DirectFunctionCall1(interval_out, span(moment))));
}

/* "<time>  step 2 "charge card": attempt 3, done (1.234 ms)" */
static void
add_moment(StringInfo out, const WfMoment *moment)
{
	appendStringInfo(out, "%s  %s", timestamptz_to_str(moment->at),
					 moment->event);
	if (moment->ordinal != 0)
		appendStringInfo(out, " %d", moment->ordinal);
	if (moment->name != NULL)
		appendStringInfo(out, " \"%s\"", moment->name);
	if (moment->detail != NULL && moment->detail[0] != '\0')
		appendStringInfo(out, ": %s", moment->detail);
	if (moment->took)
		add_span(out, moment);
	appendStringInfoChar(out, '\n');
}

Datum
workflow_describe(PG_FUNCTION_ARGS)
{
	pg_uuid_t *run_id;
	WfRunView run;
	WfMoment *moments;
	StringInfoData out;
	int n;

	wf_require_preloaded();
	run_id = wf_arg_run_id(fcinfo, 0);
	n = read_run(run_id, &run, &moments);

	initStringInfo(&out);
	appendStringInfo(
		&out, "Run %s of workflow \"%s\", owner %s: %s\n\n",
		DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(run_id))),
		run.workflow, run.owner_name, wf_run_state_word(&run));
	for (int i = 0; i < n; i++)
		add_moment(&out, &moments[i]);
	appendStringInfo(&out, "\n%s", wf_run_why(run_id));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
