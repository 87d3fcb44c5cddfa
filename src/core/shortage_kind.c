/*
 * shortage_kind.c
 *		What a database may be short of, and which errors say so.
 */
#include "postgres.h"

#include "core/shortage_kind.h"

static const struct
{
	const char *word;
	const char *noun;
} words[WF_SHORTAGES] = {
	[WF_SHORTAGE_DISK] = {"disk", "disk space"},
	[WF_SHORTAGE_MEMORY] = {"memory", "memory"},
	[WF_SHORTAGE_LOCKS] = {"locks", "locks"},
	[WF_SHORTAGE_CONNECTIONS] = {"connections", "connections"},
	[WF_SHORTAGE_WORKERS] = {"workers", "worker processes"},
	[WF_SHORTAGE_STANDBY] = {"standby", "synchronous standbys"},
};

const char *
wf_shortage_kind_word(WfShortage kind)
{
	return words[kind].word;
}

const char *
wf_shortage_kind_noun(WfShortage kind)
{
	return words[kind].noun;
}

WfShortage
wf_shortage_kind_of(const char *sqlstate, bool engine)
{
	if (strcmp(sqlstate, "53100") == 0)
		return WF_SHORTAGE_DISK;
	if (strcmp(sqlstate, "53200") == 0 || strcmp(sqlstate, "53000") == 0)
		return WF_SHORTAGE_MEMORY;
	if (strcmp(sqlstate, "53300") == 0)
		return WF_SHORTAGE_CONNECTIONS;
	/* 53400 is a limit that somebody has set for himself */
	if (strncmp(sqlstate, "58P", 3) == 0)
		return engine ? WF_SHORTAGE_DISK : WF_SHORTAGE_NONE;
	if (strncmp(sqlstate, "58", 2) == 0)
		return WF_SHORTAGE_DISK;
	return WF_SHORTAGE_NONE;
}
