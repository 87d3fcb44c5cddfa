/*
 * messages.h
 *		The part that the functions about one message share.
 */
#ifndef WF_API_MESSAGES_H
#define WF_API_MESSAGES_H

#include "fmgr.h"
#include "store/message_admin.h"

/*
 * The message that the first argument names.  Raises 22004, 42704, and 42501
 * unless the current user may receive from its queue.  No window may be open.
 */
extern int64 wf_messages_look(FunctionCallInfo fcinfo, WfMessageView *message);

#endif /* WF_API_MESSAGES_H */
