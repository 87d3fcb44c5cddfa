/*
 * state.h
 *		One-letter codes in the tables, and the state machines behind them.
 *
 * A run:
 *
 *	queued ----> succeeded | failed | cancelled
 *	  ^ |  \---> waiting --> queued			(timer, signal, child, task)
 *	  | \------> parked ---> queued			(retry_run after repair)
 *	failed ----> queued						(retry_run)
 *	any unfinished state --> cancelled		(cancel_run)
 *	any final state --> gone				(delete_run, retention)
 *
 * Paused is no state but a flag on top of any unfinished one (paused_at): the
 * run is as it was, only that nobody starts it before resume_run.
 *
 * and where compensate() has registered something, instead of the end:
 *
 *	... ----> compensating ---> failed | cancelled
 *				 ^ \----> parked (an undo failed) ---\
 *				 '------------ retry_run ------------'
 *
 * end_state says which of the two it will be; it stays, and tells of a failed
 * run that it cannot be retried.
 *
 * 'running' is no code: it is a queued run that stands in an executor's slot,
 * and is shown from there.  A waiting run is queued again by the commit that
 * takes what it has waited for.  A run's row is written only when it is enqueued,
 * has to wait (back-off included), is parked or ends; never when it starts.
 *
 * A step's row appears with its first outcome (or, for at_most_once, with its
 * durable start):
 *
 *	(none) --> done
 *	(none) --> retrying --> done | failed	(one row, updated)
 *	(none) --> started ---> done | failed	(at_most_once only)
 *	(none) --> waiting ---> done | failed	(timer, signal, child, task, ...)
 *	failed --> retrying						(retry_run)
 *	failed --> done							(set_step_result, parked runs)
 */
#ifndef WF_CORE_STATE_H
#define WF_CORE_STATE_H

/* _workflow.run.state */
#define WF_RUN_QUEUED		'q'
#define WF_RUN_WAITING		'w'
#define WF_RUN_PARKED		'p'
#define WF_RUN_COMPENSATING 'k'
#define WF_RUN_SUCCEEDED	's'
#define WF_RUN_FAILED		'f'
#define WF_RUN_CANCELLED	'c'

#define wf_run_is_final(state)                                  \
	((state) == WF_RUN_SUCCEEDED || (state) == WF_RUN_FAILED || \
	 (state) == WF_RUN_CANCELLED)

/* _workflow.run.waiting_for; 0 or NULL when for nothing but its turn */
#define WF_WAIT_NONE   '\0'
#define WF_WAIT_RETRY  'r'
#define WF_WAIT_REPAIR 'x'

/* what else a waiting run waits for */
#define WF_WAIT_TIMER  't'
#define WF_WAIT_SIGNAL 'g'
#define WF_WAIT_CHILD  'c' /* a child, or items of a map */
#define WF_WAIT_TASK   'm'
#define WF_WAIT_ANY	   'a' /* several at a time */
#define WF_WAIT_HELD   'h' /* a child of a map, until another one has ended */

/* _workflow.step.kind */
#define WF_STEP_KIND_STEP		's'
#define WF_STEP_KIND_SLEEP		'z'
#define WF_STEP_KIND_SIGNAL		'g'
#define WF_STEP_KIND_CHILD		'c'
#define WF_STEP_KIND_TASK		'm'
#define WF_STEP_KIND_ITEM		'i' /* start_step() */
#define WF_STEP_KIND_MAP		'M'
#define WF_STEP_KIND_MAP_CHILD	'C'
#define WF_STEP_KIND_ANY		'y' /* await_any() */
#define WF_STEP_KIND_COMPENSATE 'u' /* registered by compensate() */
#define WF_STEP_KIND_UNDO		'U' /* ... and carried out */
#define WF_STEP_KIND_PATCH		'p'

/* _workflow.step.state */
#define WF_STEP_DONE	 'd'
#define WF_STEP_RETRYING 'r'
#define WF_STEP_FAILED	 'f'
#define WF_STEP_STARTED	 's'
#define WF_STEP_WAITING	 'w' /* begun, its outcome comes from elsewhere */

/* _workflow.run.reason: why a run is a dead letter or parked */
#define WF_REASON_ERROR		 "error"	/* an error that waiting cannot heal */
#define WF_REASON_ATTEMPTS	 "attempts" /* all attempts used up */
#define WF_REASON_TIMEOUT	 "timeout"	/* run_timeout */
#define WF_REASON_CRASH		 "crash"	/* killed the server twice */
#define WF_REASON_UNKNOWN	 "unknown"	/* started at most once, WF002 */
#define WF_REASON_REPLAY	 "nondeterministic"
#define WF_REASON_BODY		 "body"	 /* body missing, changed or not allowed */
#define WF_REASON_OWNER		 "owner" /* role missing or without a right */
#define WF_REASON_STATE		 "state" /* not one that the machine can reach */
#define WF_REASON_UNDO		 "undo"	 /* what it did could not be undone */
#define WF_REASON_EXPIRED	 "expired"	  /* message: outcome is not known */
#define WF_REASON_TERMINATED "terminated" /* its executor kept being ended */

/* _workflow.signal.kind */
#define WF_SIGNAL_CLIENT 's'
#define WF_SIGNAL_TASK	 't'

/*
 * The queue of runs that are part of their parent: chunks, which run items of
 * a map or one step beside the body.  It has no row, no gate and no counters,
 * and no view shows what is in it.
 */
#define WF_QUEUE_ITEMS (-1)

/* _workflow.run.on_close */
#define WF_CLOSE_CANCEL	 'c'
#define WF_CLOSE_ABANDON 'a'

/*
 * _workflow.message.state:
 *
 *	queued --receive--> leased --ack--> (gone, or acked where it is kept)
 *	   ^                  | |
 *	   '--nack, expiry,---' '--attempts used up, final nack--> dead
 *	      rollback                 dead --retry_message--> queued
 */
#define WF_MESSAGE_QUEUED 'q'
#define WF_MESSAGE_LEASED 'l'
#define WF_MESSAGE_ACKED  'a'
#define WF_MESSAGE_DEAD	  'd'

/* _workflow.request.kind */
#define WF_REQUEST_CANCEL 'c'
#define WF_REQUEST_RETRY  'r'
#define WF_REQUEST_PAUSE  'p'
#define WF_REQUEST_RESUME 'u'
#define WF_REQUEST_WAKE	  'w'
#define WF_REQUEST_RESULT 's' /* set_step_result() */
#define WF_REQUEST_DELETE 'd'
#define WF_REQUEST_ALTER  'a'

/* how often one step may take the server down before its run is given up */
#define WF_MAX_CRASHES		2
/* serialization failures and deadlocks that cost no attempt, per step */
#define WF_MAX_FREE_RETRIES 100

#endif /* WF_CORE_STATE_H */
