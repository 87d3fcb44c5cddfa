/*
 * run_key.h
 *		A dedup_key that is unique among some of the runs that have it.
 *
 * No window is needed.
 */
#ifndef WF_STORE_RUN_KEY_H
#define WF_STORE_RUN_KEY_H

#include "base/dirty.h"
#include "storage/lock.h"
#include "store/enqueue.h"

typedef struct WfKeyGate
{
	LOCKTAG tag;
} WfKeyGate;

/*
 * Takes the lock of the run's key.  *writer is who is inserting a run with it:
 * leave then, wait for him, and look again.  With no writer nobody else inserts
 * one before wf_key_leave().
 */
extern void wf_key_enter(const WfNewRun *run, WfKeyGate *gate,
						 WfWriter *writer);
extern void wf_key_leave(WfKeyGate *gate);

#endif /* WF_STORE_RUN_KEY_H */
