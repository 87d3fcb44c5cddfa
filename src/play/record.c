/*
 * record.c
 *		The record of a run in memory.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/spi.h"
#include "core/machine.h"
#include "play/record.h"

void
wf_record_begin(WfRecord *record)
{
	*record = (WfRecord){.cxt = record->cxt};
}

void
wf_record_load(WfRecord *record, const pg_uuid_t *run_id, bool any)
{
	WfWindow window;

	record->nsteps = 0;
	record->nalloc = 16;
	if (any)
	{
		wf_window_open(&window);
		record->nsteps = wf_step_load_all(run_id, record->cxt, &record->steps,
										  &record->nalloc);
		wf_window_close(&window);
	}
	else
		record->steps =
			MemoryContextAlloc(record->cxt, record->nalloc * sizeof(WfStep));
	record->matches = MemoryContextAllocHuge(
		record->cxt, mul_size(record->nalloc, sizeof(WfRecorded)));
	for (int i = 0; i < record->nsteps; i++)
		record->matches[i] = record->steps[i].match;
}

void
wf_record_put(WfRecord *record, const WfStep *step)
{
	if (step->ordinal > record->nalloc)
	{
		record->nalloc = Max(record->nalloc * 2, 16);
		record->steps = repalloc_huge(
			record->steps, mul_size(record->nalloc, sizeof(WfStep)));
		record->matches = repalloc_huge(
			record->matches, mul_size(record->nalloc, sizeof(WfRecorded)));
	}
	record->steps[step->ordinal - 1] = *step;
	record->matches[step->ordinal - 1] = step->match;
	record->nsteps = Max(record->nsteps, step->ordinal);
}

void
wf_record_write(WfRecord *record, const WfStep *step)
{
	WfWrite *write;

	for (int i = 0; i < record->nwrites; i++)
	{
		if (record->writes[i].ordinal == step->ordinal)
		{
			wf_record_put(record, step);
			return;
		}
	}
	if (record->nwrites == record->writes_allocated)
	{
		Size size;

		record->writes_allocated = Max(record->writes_allocated * 2, 4);
		size = mul_size(record->writes_allocated, sizeof(WfWrite));
		record->writes = record->writes == NULL
							 ? MemoryContextAlloc(record->cxt, size)
							 : repalloc(record->writes, size);
	}
	write = &record->writes[record->nwrites++];
	write->ordinal = step->ordinal;
	write->exists = step->ordinal <= record->nsteps;
	if (write->exists)
		write->before = record->steps[step->ordinal - 1];
	Assert(wf_step_may(write->exists ? write->before.match.state : '\0',
					   step->match.state) ||
		   (write->exists && write->before.match.state == step->match.state));
	wf_record_put(record, step);
}

void
wf_record_take_back(WfRecord *record)
{
	while (record->nwrites > 0)
	{
		const WfWrite *write = &record->writes[--record->nwrites];

		if (write->exists)
			wf_record_put(record, &write->before);
		else
			record->nsteps--;
	}
}
