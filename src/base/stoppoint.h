/*
 * stoppoint.h
 *		Named places where a test stops, fails or kills a process.
 *
 * WF_STOP("name") does nothing in a release build.  In a test build it looks
 * at the setting workflow.test_stop, a comma separated list of
 *		name=action[:percent]
 * with action error, fatal, kill (SIGKILL to itself), wait (until the setting
 * no longer names it) or sleep (1 s); percent is the chance in 100, default
 * 100.  Every commit boundary of the engine has one.
 */
#ifndef WF_BASE_STOPPOINT_H
#define WF_BASE_STOPPOINT_H

#ifdef WF_TEST_BUILD
extern void wf_stop_point(const char *name);
extern void wf_stop_define_guc(void);

/* true when workflow.test_break names this deliberate defect */
extern bool wf_broken(const char *name);

#define WF_STOP(name)	wf_stop_point(name)
#define WF_BROKEN(name) wf_broken(name)
#else
#define WF_STOP(name)	((void) 0)
#define WF_BROKEN(name) false
#endif

#endif /* WF_BASE_STOPPOINT_H */
