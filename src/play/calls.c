/*
 * calls.c
 *		The table of the kinds of calls.
 */
#include "postgres.h"

#include "play/calls.h"

#define ROW(name) &wf_call_##name,
static const WfCallKind *const kinds[] = {WF_CALLS(ROW)};
#undef ROW

/* set by _PG_init, and constant from then on; as kinds[] */
static WfStarter starters[lengthof(kinds)];

const WfCallKind *
wf_calls_find(char letter)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i]->letter == letter)
			return kinds[i];
	}
	return NULL;
}

const WfCallKind *
wf_calls_get(char letter)
{
	const WfCallKind *kind = wf_calls_find(letter);

	if (kind == NULL)
		elog(ERROR, "unknown kind \"%c\" of a call", letter);
	return kind;
}

const WfCallKind *
wf_calls_waiting(char waits_as)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i]->waits_as == waits_as)
			return kinds[i];
	}
	return NULL;
}

bool
wf_calls_may_wait(const WfCallKind *kind)
{
	return kind->waits_as != '\0' || kind->settle != NULL;
}

static int
number_of(const WfCallKind *kind)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i] == kind)
			return i;
	}
	elog(ERROR, "call \"%s\" has no row", kind->word);
}

void
wf_calls_set_starter(const WfCallKind *kind, WfStarter starter)
{
	starters[number_of(kind)] = starter;
}

WfStarter
wf_calls_starter(const WfCallKind *kind)
{
	return starters[number_of(kind)];
}
