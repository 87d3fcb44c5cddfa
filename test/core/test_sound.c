/*
 * test_sound.c
 *		What the machine writes is sound, what it cannot have written is not.
 */
#include "postgres.h"

#include "core/sound.h"
#include "core/state.h"

#include "core_test.h"

static WfSoundCall
call(int ordinal, char kind, char state, const char *name)
{
	WfSoundCall c = {.ordinal = ordinal,
					 .kind = kind,
					 .is_known = true,
					 .may_wait = kind == WF_STEP_KIND_SLEEP ||
								 kind == WF_STEP_KIND_SIGNAL ||
								 kind == WF_STEP_KIND_UNDO,
					 .at_once = kind == WF_STEP_KIND_COMPENSATE,
					 .obliges = kind == WF_STEP_KIND_COMPENSATE,
					 .state = state,
					 .name = name,
					 .has_command = true,
					 .has_result = true,
					 .has_error = state == WF_STEP_FAILED};

	return c;
}

static void
check_rows(void)
{
	static const char states[] = "qwpksfc?";
	static const char waits[] = "\0rxtgcmah?";
	static const char ends[] = "\0fcs?";
	int sound = 0;

	for (int s = 0; s < 8; s++)
		for (int w = 0; w < 10; w++)
			for (int e = 0; e < 5; e++)
			{
				WfSoundRun run = {.state = states[s],
								  .waiting_for = waits[w],
								  .end_state = ends[e],
								  .began = true};

				run.finished = wf_run_is_final(run.state);
				if (run.state != WF_RUN_PARKED && !run.finished)
					sound += wf_sound_run(&run) == NULL;
			}
	/* queued: 2 waits; waiting: 6; compensating: 3 waits to 2 ends each */
	ok(sound == 2 + 6 + 3 * 2, "unfinished rows are sound in 14 ways");
}

static void
check_contradictions(void)
{
	WfSoundRun queued = {.state = WF_RUN_QUEUED};
	WfSoundRun undone = {.state = WF_RUN_COMPENSATING, .end_state = 'f'};
	WfSoundRun chunk = {.state = WF_RUN_QUEUED, .chunk = true};
	WfSoundRun ended = {.state = WF_RUN_SUCCEEDED};

	ok(wf_sound_run(&queued) == NULL, "a new run is sound");
	queued.finished = true;
	ok(wf_sound_run(&queued) != NULL, "an end time makes it unsound");
	ok(wf_sound_run(&undone) != NULL, "what is undone has begun");
	undone.began = true;
	ok(wf_sound_run(&undone) == NULL, "... and is sound then");
	undone.chunk = undone.has_parent = true;
	ok(wf_sound_run(&undone) != NULL, "... unless it is a chunk");
	ok(wf_sound_run(&chunk) != NULL, "a chunk has a parent");
	ok(wf_sound_run(&ended) != NULL, "what has ended has an end time");
}

static void
check_records(void)
{
	WfSoundRun run = {.state = WF_RUN_QUEUED};
	WfSoundCall calls[6];
	int at;

	calls[0] = call(1, WF_STEP_KIND_STEP, WF_STEP_DONE, "a");
	calls[1] = call(2, WF_STEP_KIND_COMPENSATE, WF_STEP_DONE, "undo a");
	calls[2] = call(3, WF_STEP_KIND_COMPENSATE, WF_STEP_DONE, "undo b");
	calls[3] = call(4, WF_STEP_KIND_SLEEP, WF_STEP_WAITING, "sleep");
	ok(wf_sound_record(&run, calls, 4, &at) == NULL, "a record is sound");
	ok(wf_sound_record(&run, calls, 0, &at) == NULL, "so is an empty one");
	calls[3].ordinal = 5;
	ok(wf_sound_record(&run, calls, 4, &at) != NULL && at == 4,
	   "a gap is seen where it is");
	calls[3] = call(4, WF_STEP_KIND_STEP, WF_STEP_WAITING, "b");
	ok(wf_sound_record(&run, calls, 4, &at) != NULL, "a step does not wait");
	calls[3].may_wait = true;
	ok(wf_sound_record(&run, calls, 4, &at) == NULL, "... unless it may");
	calls[3].is_known = false;
	ok(wf_sound_record(&run, calls, 4, &at) != NULL, "a kind must be known");
	calls[3] = call(4, WF_STEP_KIND_COMPENSATE, WF_STEP_FAILED, "b");
	ok(wf_sound_record(&run, calls, 4, &at) != NULL,
	   "what is done by being made does not fail");
	calls[3] = call(4, WF_STEP_KIND_SIGNAL, WF_STEP_STARTED, "b");
	ok(wf_sound_record(&run, calls, 4, &at) != NULL,
	   "a signal is not started at most once");
	calls[2].has_result = false;
	ok(wf_sound_record(&run, calls, 3, &at) != NULL && at == 3,
	   "a compensation says what it does");
	calls[2].has_result = true;

	calls[3] = call(4, WF_STEP_KIND_STEP, WF_STEP_FAILED, "b");
	calls[4] = call(5, WF_STEP_KIND_UNDO, WF_STEP_DONE, "undo b");
	calls[5] = call(6, WF_STEP_KIND_UNDO, WF_STEP_RETRYING, "undo a");
	ok(wf_sound_record(&run, calls, 6, &at) != NULL && at == 5,
	   "a run that is not undone has no undo");
	run.state = WF_RUN_COMPENSATING;
	run.end_state = WF_RUN_FAILED;
	ok(wf_sound_record(&run, calls, 6, &at) == NULL, "one that is has some");
	ok(wf_sound_record(&run, calls, 1, &at) != NULL && at == 0,
	   "... but only with something registered");
	calls[5].name = "undo b";
	ok(wf_sound_record(&run, calls, 6, &at) != NULL && at == 6,
	   "they go backwards");
	calls[5].name = "undo a";
	calls[4].state = WF_STEP_RETRYING;
	ok(wf_sound_record(&run, calls, 6, &at) != NULL && at == 6,
	   "... one after the other");
	calls[4] = call(5, WF_STEP_KIND_UNDO, WF_STEP_DONE, "undo b");
	calls[1].obliges = false;
	ok(wf_sound_record(&run, calls, 6, &at) != NULL && at == 6,
	   "... and no more than are registered");
}

int
main(void)
{
	check_rows();
	check_contradictions();
	check_records();
	return done_testing();
}
