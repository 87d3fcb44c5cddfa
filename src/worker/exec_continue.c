/*
 * exec_continue.c
 *		The end of a run that goes on as another one.
 *
 * Both are written in one commit, so there is never none and never two.  The
 * scheduler hears of the successor at that commit, which comes before it can
 * see that this run's cell is DONE: it counts the one before it lets anybody
 * have the place of the other.
 */
#include "postgres.h"

#include "base/spi.h"
#include "store/continue.h"
#include "worker/exec_turn.h"
#include "worker/wakeup.h"

bool
wf_exec_continue(WfExec *exec, WfTurn *turn)
{
	const pg_uuid_t *run_id = &exec->run.run_id;
	WfHandover handover;
	WfWork info;
	WfWindow window;
	pg_uuid_t next;

	wf_runid_draw(&next);
	wf_window_open(&window);
	wf_continue_read(run_id, exec->turn_cxt, &handover);
	wf_window_close(&window);

	turn->end.continued_as = &next;
	if (!wf_run_end(&exec->run, &turn->end))
		return false;

	wf_window_open(&window);
	wf_continue_insert(run_id, &next, &handover, turn->continues,
					   turn->end.finished_at, &info);
	wf_window_close(&window);
	info.flags |= WF_ASSIGN_FRESH;
	wf_note_run(&info);
	return true;
}
