/*
 * guc.c
 *		Settings.
 *
 * Must not have check or assign hooks that need a transaction: workers and
 * the postmaster read them too.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "utils/guc.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/stoppoint.h"

bool wf_preloaded = false;

bool wf_enabled = true;
int wf_executors = 4;
int wf_max_executors = -1;
int wf_executors_per_role = -1;
int wf_default_step_timeout = 0;
int wf_cancel_grace = 5000;
int wf_executor_idle_timeout = 60 * 1000;
int wf_executor_max_age = 3600;
int wf_max_payload = 16 * 1024;
char *wf_site = NULL;
bool wf_allow_superuser_runs = false;
int wf_commit_delay = 100;
int wf_scheduler_memory = 64 * 1024;
int wf_max_databases = 64;
int wf_max_tracked = 1024;

static void
define_executor_settings(void)
{
	DefineCustomIntVariable(
		"workflow.executors",
		"Sets the maximum number of executors of each database.",
		"0 starts none, so that runs wait.", &wf_executors, 4, 0, 1024,
		PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.max_executors",
		"Sets the maximum number of executors of all databases together.",
		"-1 means no limit but max_worker_processes; 0 starts none.",
		&wf_max_executors, -1, -1, MAX_BACKENDS, PGC_SIGHUP, 0, NULL, NULL,
		NULL);

	DefineCustomIntVariable(
		"workflow.executors_per_role",
		"Sets the maximum number of executors of one role in each database.",
		"-1 means no limit but that the last executor is for another role; 0 starts none.",
		&wf_executors_per_role, -1, -1, 1024, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.executor_idle_timeout",
							"Sets how long an executor without work is kept.",
							"0 ends it at once; -1 keeps it.",
							&wf_executor_idle_timeout, 60 * 1000, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.executor_max_age",
		"Sets the age at which an executor is replaced by a new process.",
		"It ends after the run it has then; -1 means never.",
		&wf_executor_max_age, 3600, -1, INT_MAX, PGC_SIGHUP, GUC_UNIT_S, NULL,
		NULL, NULL);

	DefineCustomIntVariable(
		"workflow.commit_delay",
		"Sets commit_delay of executors, in microseconds.",
		"One flush of WAL then commits the steps of more executors.",
		&wf_commit_delay, 100, 0, 100000, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_step_settings(void)
{
	DefineCustomIntVariable(
		"workflow.default_step_timeout",
		"Sets the longest time of an attempt of a step whose policy has none.",
		"0 means no limit.", &wf_default_step_timeout, 0, 0, INT_MAX,
		PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.cancel_grace",
		"Sets how long a step or body may go on after it was cancelled.",
		"Then its process is ended, as when the cancel is caught again and again.",
		&wf_cancel_grace, 5000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, NULL,
		NULL, NULL);
}

static void
define_other_settings(void)
{
	DefineCustomBoolVariable(
		"workflow.enabled", "Starts runs; off holds the whole server.",
		"While it is off, runs can be enqueued and cancelled.", &wf_enabled,
		true, PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.max_payload",
		"Sets the maximum size of an input, a result, or a step's result.",
		"What is larger is refused with SQLSTATE 54000.", &wf_max_payload,
		16 * 1024, 1, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.scheduler_memory",
		"Sets the memory of a scheduler for what it knows of waiting runs.",
		"What does not fit stays in the table until there is room.",
		&wf_scheduler_memory, 64 * 1024, 64, 16 * 1024 * 1024, PGC_SIGHUP,
		GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomStringVariable(
		"workflow.site", "Names this server among copies made of its files.",
		"A database that last ran under another name stays stopped until workflow.start() is called.",
		&wf_site, "", PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable(
		"workflow.allow_superuser_runs",
		"Lets superusers enqueue bodies that no superuser owns.",
		"Whoever owns such a body can then do anything.",
		&wf_allow_superuser_runs, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* They size shared memory, and can be defined only while it is not made. */
static void
define_start_settings(void)
{
	DefineCustomIntVariable(
		"workflow.max_databases",
		"Sets the maximum number of databases that run workflows.", NULL,
		&wf_max_databases, 64, 1, 4096, PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.max_tracked",
		"Sets the maximum number of workflows, and of queues, with statistics.",
		"It counts those of all databases.", &wf_max_tracked, 1024, 0, 1000000,
		PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

void
wf_guc_define(void)
{
	wf_preloaded = process_shared_preload_libraries_in_progress;

	define_executor_settings();
	define_step_settings();
	define_other_settings();
#ifdef WF_TEST_BUILD
	wf_clock_define_guc();
	wf_stop_define_guc();
#endif

	/*
	 * A library loaded later, by the first call of one of its functions, does
	 * nothing useful.  It must leave alone what the configuration file says
	 * of the settings that it cannot define any more.
	 */
	if (wf_preloaded)
	{
		define_start_settings();
		MarkGUCPrefixReserved("workflow");
	}
}
