/*
 * timeline.h
 *		The life of a run, as its rows tell it.
 *
 * Of attempts that another came after the newest are kept (store/attempt.h).
 */
#ifndef WF_STORE_TIMELINE_H
#define WF_STORE_TIMELINE_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct WfMoment
{
	TimestampTz at;
	char *event;
	int32 ordinal; /* 0: of no call */
	char *name;	   /* or NULL */
	char *detail;  /* or NULL */
	bool took;	   /* it is a span, from "began" to "ended" */
	TimestampTz began;
	TimestampTz ended;
} WfMoment;

/*
 * All of a run, in order, allocated in "cxt"; count.  Without "contents" the
 * details have no texts of errors.  In an open window.
 */
extern int wf_timeline_read(const pg_uuid_t *run_id, bool contents,
							MemoryContext cxt, WfMoment **out);

#endif /* WF_STORE_TIMELINE_H */
