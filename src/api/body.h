/*
 * body.h
 *		What the words of a body that take a SQL command have in common.
 */
#ifndef WF_API_BODY_H
#define WF_API_BODY_H

#include "fmgr.h"
#include "play/word.h"

/*
 * Takes name, command and, with "variadic", an optional policy and values out
 * of the arguments, and checks them.  *policy holds what call->policy points
 * to; its row goes to *policy_row, unless that is NULL or no policy is given.
 */
extern void wf_body_call(FunctionCallInfo fcinfo, bool variadic, WfCall *call,
						 WfPolicy *policy, Datum *policy_row);

#endif /* WF_API_BODY_H */
