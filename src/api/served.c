/*
 * served.c
 *		Whether this database is served: has a scheduler, and is not stopped.
 *
 * A consumer in a loop gets nothing for as long as nobody hands anything out,
 * and cannot tell that from an empty queue.  So it is said, once in an episode:
 * shared memory counts the times that the database was stopped or without a
 * scheduler, and a session remembers of which it was told.
 *
 * All is read from shared memory without a lock; a torn read only tells late.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "api/served.h"
#include "base/guc.h"
#include "ipc/shmem.h"

typedef enum Lack
{
	LACK_NOTHING,
	LACK_ENABLED,
	LACK_START,
	LACK_SCHEDULER
} Lack;

/* of what the session was told last */
static Lack told = LACK_NOTHING;
static uint32 told_of;

static Lack
find_lack(uint32 *episode)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	*episode = 0;
	if (!wf_enabled)
		return LACK_ENABLED;
	if (db != NULL && (db->stopped || db->foreign))
	{
		*episode = db->stops;
		return LACK_START;
	}
	if (db == NULL || db->pid == 0)
	{
		*episode = db != NULL ? db->absences : 0;
		return LACK_SCHEDULER;
	}
	return LACK_NOTHING;
}

bool
wf_served_by_scheduler(void)
{
	WfDatabase *db = wf_database_find(MyDatabaseId);

	return db != NULL && db->pid != 0;
}

void
wf_served_tell(void)
{
	uint32 episode;
	Lack lack = find_lack(&episode);
	bool known = lack == told && episode == told_of;

	told = lack;
	told_of = episode;
	if (known)
		return;
	switch (lack)
	{
		case LACK_NOTHING:
			break;
		case LACK_ENABLED:
			ereport(NOTICE,
					(errmsg("nothing is received: \"%s\" is off",
							"workflow.enabled"),
					 errhint("Set it on and reload the configuration.")));
			break;
		case LACK_START:
			ereport(NOTICE,
					(errmsg("nothing is received: workflows of this database are stopped"),
					 errhint("View workflow.status has the reason; call workflow.start() to go on.")));
			break;
		case LACK_SCHEDULER:
			ereport(NOTICE,
					(errmsg("nothing is received: the scheduler of this database is not running"),
					 errhint("It is started again by itself; if it is not, look into the server's log.")));
			break;
	}
}
