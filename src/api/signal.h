/*
 * signal.h
 *		Signals, as the functions that send them do it.
 */
#ifndef WF_API_SIGNAL_H
#define WF_API_SIGNAL_H

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "api/runs.h"

/* The payload of a signal: JSON null where the argument is NULL. */
extern Jsonb *wf_arg_signal_payload(FunctionCallInfo fcinfo, int arg);

/* Raises 55000 when the run has ended. */
extern void wf_signal_require_unfinished(const WfRunView *run);

/*
 * One for a run that this transaction makes: nobody need be told, as the run
 * looks for signals when it comes to wait.  No window may be open.
 */
extern void wf_signal_put(const pg_uuid_t *run_id, const char *name,
						  const Jsonb *payload);

/*
 * Sends it and tells the scheduler at commit; false when the run has had one
 * with this dedup_key, which may be NULL.  No window may be open.
 */
extern bool wf_signal_send(const pg_uuid_t *run_id, const char *name,
						   const Jsonb *payload, const char *dedup_key);

#endif /* WF_API_SIGNAL_H */
