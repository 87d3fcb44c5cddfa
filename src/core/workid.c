/*
 * workid.c
 *		Ids of work: of runs and messages side by side.
 */
#include "postgres.h"

#include "core/mix.h"
#include "core/runid.h"
#include "core/workid.h"

/* the entropy is the number once more, mixed, for hashes of its last bytes */
void
wf_workid_of_message(int64 message_id, WfWorkId *out)
{
	uint64 ticks = (uint64) message_id;

	wf_runid_make(ticks, wf_mix64(ticks), out);
	out->data[6] = 0x80 | (out->data[6] & 0x0F);
}

bool
wf_workid_is_message(const WfWorkId *id)
{
	return (id->data[6] & 0xF0) == 0x80;
}

int64
wf_workid_message(const WfWorkId *id)
{
	return (int64) wf_runid_ticks_of(id);
}

WfWorkId
wf_workid_bound_of_runs(const WfWorkId *bound)
{
	WfWorkId result = *bound;

	result.data[6] = 0x70 | (bound->data[6] & 0x0F);
	return result;
}

/* The number of the last message that is not above the bound. */
int64
wf_workid_bound_of_messages(const WfWorkId *bound)
{
	uint64 ticks = wf_runid_ticks_of(bound);
	WfWorkId id;

	wf_workid_of_message((int64) ticks, &id);
	return (int64) ticks - (wf_workid_cmp(&id, bound) > 0);
}

/* ticks first, and then the rest; the version between them says nothing */
int
wf_workid_cmp(const WfWorkId *a, const WfWorkId *b)
{
	int result = memcmp(a->data, b->data, 6);

	if (result == 0)
		result = (a->data[6] & 0x0F) - (b->data[6] & 0x0F);
	if (result == 0)
		result = memcmp(a->data + 7, b->data + 7, UUID_LEN - 7);
	return result;
}

int64
wf_workid_place(const WfWorkId *id, TimestampTz run_at)
{
	return (int64) (run_at == 0 ? wf_runid_ticks_of(id)
								: wf_runid_ticks(run_at));
}

WfWorkId
wf_workid_before(const WfWorkId *id)
{
	WfWorkId result = *id;

	for (int i = UUID_LEN - 1; i >= 0; i--)
	{
		if (result.data[i]-- != 0)
			break;
	}
	return result;
}
