/*
 * fingerprint.h
 *		The fingerprint of a call: by which a replay sees that it asks for the
 *		same command with the same values as before.
 */
#ifndef WF_PLAY_FINGERPRINT_H
#define WF_PLAY_FINGERPRINT_H

struct WfCall;

/* Folds command and values of a call. */
extern uint64 wf_fingerprint_call(const struct WfCall *call);

/*
 * A value as text that means the same in every session; NULL where the bytes
 * of the value itself do, unless "always".
 */
extern char *wf_fingerprint_text(Oid type, Datum value, bool always);

#endif /* WF_PLAY_FINGERPRINT_H */
