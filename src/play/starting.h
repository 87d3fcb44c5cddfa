/*
 * starting.h
 *		How a call is started whose outcome comes from elsewhere.
 *
 * The executor calls the starter of its kind at top level of the transaction
 * that will record the call, as the run's owner and with no window open.  What
 * the starter raises is a failed attempt to start.
 */
#ifndef WF_PLAY_STARTING_H
#define WF_PLAY_STARTING_H

#include "utils/uuid.h"

typedef struct WfStarting
{
	const pg_uuid_t *run_id;
	int32 workflow_id;
	int ordinal;
	const char *name;
	const Datum *values; /* of the call */
	const char *nulls;	 /* 'n' where a value is NULL */
} WfStarting;

/* what goes to the record */
typedef struct WfStartedCall
{
	int64 message_id; /* 0: none */
	bool has_child;
	pg_uuid_t child_run_id; /* has_child */
} WfStartedCall;

typedef void (*WfStarter)(const WfStarting *start, WfStartedCall *started);

#endif /* WF_PLAY_STARTING_H */
