/*
 * run_info.c
 *		Reads what a scheduler keeps of a run out of a row of the table.
 */
#include "postgres.h"

#include "base/spi.h"
#include "core/state.h"
#include "store/queue.h"
#include "store/run_info.h"

void
wf_info_fill(uint64 row, WfWork *info)
{
	char *group_key;

	memset(info, 0, sizeof(*info));
	wf_spi_get_uuid(row, 1, &info->id);
	info->last_id = info->id;
	info->owner = wf_spi_get_oid(row, 2);
	info->workflow_id = wf_spi_get_int32(row, 3, 0);
	info->queue_id = wf_spi_get_int32(row, 4, 0);
	info->priority = wf_spi_get_int32(row, 5, 0);
	info->due_at = wf_spi_get_time(row, 6, 0);
	info->deadline_at = wf_spi_get_time(row, 7, DT_NOEND);
	if (wf_spi_get_bool(row, 8, false))
		info->flags |= WF_ASSIGN_DEDUP;
	if (wf_spi_get_bool(row, 10, false))
	{
		info->flags |= WF_ASSIGN_BEGUN;
		if (!wf_spi_get_bool(row, 11, false))
			info->flags |= WF_ASSIGN_ASLEEP;
		if ((info->flags & WF_ASSIGN_ASLEEP) == 0 ||
			wf_spi_get_bool(row, 12, false))
			info->due_at = 0;
	}
	if (wf_spi_get_bool(row, 13, false))
		info->flags |= WF_ASSIGN_BEGUN;
	if (wf_spi_get_bool(row, 14, false))
		info->flags |= WF_ASSIGN_PAUSED;
	info->place = wf_spi_get_int64(row, 15, 0);
	group_key = wf_spi_copy_text(row, 9, CurrentMemoryContext);
	if (group_key != NULL)
	{
		info->group = wf_group_hash(group_key, strlen(group_key));
		pfree(group_key);
	}
}
