/*
 * handover.c
 *		The end of a run that goes on as another one.
 */
#include "postgres.h"

#include "base/spi.h"
#include "core/derive.h"
#include "executor/handover.h"
#include "ipc/wakeup.h"
#include "store/continue.h"

bool
wf_handover_write(WfExecutor *executor, WfTurn *turn)
{
	const WfRun *run = &executor->play.record.run;
	const pg_uuid_t *run_id = &run->run_id;
	WfHandover handover;
	WfWork info;
	WfWindow window;
	pg_uuid_t next;

	wf_runid_draw(&next);
	wf_window_open(&window);
	wf_continue_read(run_id, executor->play.scratch, &handover);
	wf_window_close(&window);
	handover.seed = run->seed;
	wf_derive_seed(&handover.seed, run_id);

	turn->end.continued_as = &next;
	if (!wf_run_end(run, &turn->end))
		return false;

	wf_window_open(&window);
	wf_continue_insert(run_id, &next, &handover, turn->continues,
					   turn->end.finished_at, &info);
	wf_window_close(&window);
	info.flags |= WF_ASSIGN_FRESH;
	wf_note_run(&info);
	return true;
}
