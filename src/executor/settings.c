/*
 * settings.c
 *		Settings of an executor that follow the configuration.
 */
#include "postgres.h"

#include "postmaster/interrupt.h"
#include "utils/guc.h"

#include "base/guc.h"
#include "executor/settings.h"
#include "play/version.h"

/*
 * A step's commit often waits for a flush, and many executors commit all the
 * time: with a short pause the one that flushes takes more of them along.
 * PostgreSQL leaves the pause out while few transactions are open.
 */
void
wf_settings_apply(void)
{
	static int present = -1;
	char value[16];

	if (present == wf_commit_delay)
		return;
	present = wf_commit_delay;
	snprintf(value, sizeof(value), "%d", present);
	SetConfigOption("commit_delay", value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
wf_settings_reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	wf_version_forget();
	wf_settings_apply();
}
