/*
 * settings.h
 *		Settings of an executor that follow the configuration.
 */
#ifndef WF_EXECUTOR_SETTINGS_H
#define WF_EXECUTOR_SETTINGS_H

/* Once, when it is connected. */
extern void wf_settings_apply(void);

/* Outside user code: reads the configuration again after SIGHUP. */
extern void wf_settings_reload(void);

#endif /* WF_EXECUTOR_SETTINGS_H */
