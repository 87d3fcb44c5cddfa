/*
 * signal.c
 *		signal_run().
 *
 * A signal is a row of its own: whoever sends one neither waits for the run nor
 * holds it up.  The scheduler is told at commit, and sends the run to an
 * executor if it waits.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/arguments.h"
#include "api/runs.h"
#include "api/signal.h"
#include "base/clock.h"
#include "base/spi.h"
#include "core/state.h"
#include "ipc/wakeup.h"
#include "store/signal.h"

PG_FUNCTION_INFO_V1(workflow_signal_run);

Jsonb *
wf_arg_signal_payload(FunctionCallInfo fcinfo, int arg)
{
	/* SQL NULL is what a body gets when its time is over */
	if (PG_ARGISNULL(arg))
		return DatumGetJsonbP(
			DirectFunctionCall1(jsonb_in, CStringGetDatum("null")));
	wf_check_payload(PG_GETARG_DATUM(arg), "payload");
	return PG_GETARG_JSONB_P(arg);
}

static bool
insert(const pg_uuid_t *run_id, const char *name, const Jsonb *payload,
	   const char *dedup_key)
{
	char *by = GetUserNameFromId(GetUserId(), false);
	WfWindow window;
	bool sent;

	wf_window_open(&window);
	sent =
		wf_signal_insert(run_id, name, payload, dedup_key, by, wf_clock_now());
	wf_window_close(&window);
	return sent;
}

void
wf_signal_put(const pg_uuid_t *run_id, const char *name, const Jsonb *payload)
{
	(void) insert(run_id, name, payload, NULL);
}

bool
wf_signal_send(const pg_uuid_t *run_id, const char *name, const Jsonb *payload,
			   const char *dedup_key)
{
	bool sent = insert(run_id, name, payload, dedup_key);

	if (sent)
		wf_note_wake(run_id);
	return sent;
}

void
wf_signal_require_unfinished(const WfRunView *run)
{
	if (!wf_run_is_final(run->state))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("run %s has ended",
					DatumGetCString(DirectFunctionCall1(
						uuid_out, UUIDPGetDatum(&run->run_id)))),
			 errdetail("It %s at %s, so nobody will take the signal.",
					   run->state == WF_RUN_SUCCEEDED ? "succeeded"
					   : run->state == WF_RUN_FAILED  ? "failed"
													  : "was cancelled",
					   timestamptz_to_str(run->finished_at)),
			 run->continued ?
			 errhint("It goes on as run %s.",
					 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&run->continued_as)))) :
			 errhint("Send it to a run that is unfinished: see workflow.runs.")));
}

/* Has the run ended, or is it being undone?  Then it takes no signal. */
static bool
takes_no_signal(const WfRunView *run)
{
	return wf_run_is_final(run->state) || run->end_state != '\0';
}

Datum
workflow_signal_run(PG_FUNCTION_ARGS)
{
	pg_uuid_t *run_id;
	char *name;
	Jsonb *payload;
	char *dedup_key;
	WfRunView run;

	wf_require_preloaded();
	wf_require_writable("signal_run");
	run_id = wf_arg_run_id(fcinfo, 0);
	name = wf_arg_name(fcinfo, 1, "signal");
	payload = wf_arg_signal_payload(fcinfo, 2);
	dedup_key = wf_arg_limited_text(fcinfo, 3, "dedup_key", WF_MAX_KEY);
	wf_run_look(run_id, &run);
	while (run.continued)
	{
		pg_uuid_t next = run.continued_as;

		wf_run_look(&next, &run);
	}
	if (takes_no_signal(&run))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(wf_signal_send(&run.run_id, name, payload, dedup_key));
}
