/*
 * message_key.h
 *		Table _workflow.message_key: which dedup_keys have been used.
 *
 * A key belongs to a queue and to the name of who sent the message, and is
 * remembered for the queue's dedup_window, whatever becomes of the message, or
 * for as long as the message is in the queue's dedup_scope.  A key that is free
 * may have its row still: nobody need delete it where a message leaves the
 * scope, and the row goes with retention.
 *
 * All functions need an open owner window.
 */
#ifndef WF_STORE_MESSAGE_KEY_H
#define WF_STORE_MESSAGE_KEY_H

#include "store/message.h"

/*
 * Claims the dedup_key of a message that is to be sent, until "expires_at".
 * False, having waited for whoever was about to claim it, when it is in use.
 */
extern bool wf_message_key_claim(const WfNewMessage *message,
								 TimestampTz expires_at);

/* a key in use */
typedef struct WfUsedKey
{
	int64 message_id;
	TimestampTz expires_at;
	TimestampTz enqueued_at; /* of its message, where that is there */
	bool unfinished; /* its message is neither done nor dead nor gone */
	bool untouched;	 /* ... and was never received */
} WfUsedKey;

/*
 * The use of this message's key, as committed by now; false when
 * it has no row.  "lock" keeps others from giving the key to another message,
 * to the end of the transaction.
 */
extern bool wf_message_key_find(const WfNewMessage *message, bool lock,
								WfUsedKey *out);

/*
 * Gives the key to this message, where it still belongs to "from"; else false.
 */
extern bool wf_message_key_move(const WfNewMessage *message, int64 from,
								TimestampTz expires_at);

#endif /* WF_STORE_MESSAGE_KEY_H */
