/*
 * machine.h
 *		Which changes of state there are: of runs, of their recorded calls, and
 *		of messages.
 *
 * Pure.  state.h draws the machines and has the letters; here they are as
 * questions, for assertions and for tests.  '\0' stands for a row that is not
 * there: before it is inserted, or after it was deleted.
 */
#ifndef WF_CORE_MACHINE_H
#define WF_CORE_MACHINE_H

#include "datatype/timestamp.h"

/* May one commit take it from the one state to the other?  Not to the same. */
extern bool wf_run_may(char from, char to);
extern bool wf_step_may(char from, char to);
extern bool wf_message_may(char from, char to);

/* Is the time over until which a call waits (0: it has none)?  Never early. */
extern bool wf_wait_is_over(TimestampTz due_at, TimestampTz now);

#endif /* WF_CORE_MACHINE_H */
