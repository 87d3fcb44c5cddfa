/*
 * guc.h
 *		Settings.  Every one is listed in docs/reference.md.
 *
 * All but workflow.max_databases and workflow.max_tracked can be changed by a
 * reload.
 */
#ifndef WF_BASE_GUC_H
#define WF_BASE_GUC_H

/* true where the library came with shared_preload_libraries */
extern bool wf_preloaded;

extern bool wf_enabled;			  /* workflow.enabled: off holds the server */
extern int wf_executors;		  /* workflow.executors: per database */
extern int wf_max_executors;	  /* workflow.max_executors: per cluster */
extern int wf_executors_per_role; /* of a database; -1: no limit */
extern int wf_executor_idle_timeout; /* ms; 0 means at once, -1 never */
extern int wf_executor_max_age;		 /* s; -1 means never */
extern int wf_default_step_timeout;	 /* ms; 0 means no limit */
extern int wf_cancel_grace;			 /* ms */
extern int wf_scheduler_memory;		 /* kB: entries of a scheduler */
extern int wf_commit_delay;			 /* us; executors' commit_delay */
extern int wf_max_payload;			 /* kB: input, result, step result */
extern char *wf_site;				 /* workflow.site: "" when not set */
extern bool wf_allow_superuser_runs;
extern int wf_max_databases; /* PGC_POSTMASTER: entries in shared memory */
extern int wf_max_tracked;	 /* PGC_POSTMASTER: workflows with counters */

/* Defines all of them; called once, from _PG_init. */
extern void wf_guc_define(void);

#endif /* WF_BASE_GUC_H */
