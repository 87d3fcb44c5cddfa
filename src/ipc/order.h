/*
 * order.h
 *		The order of commits in groups whose limit is one.
 *
 * Work has a place (WfWork.place), the number by which the scheduler sorts a
 * strict group.  It is drawn when the row is written, and a transaction that
 * stays open for long has an old one by the time of its commit.  So it is
 * compared then, and drawn again where a transaction that has committed
 * meanwhile has a higher one:
 *
 *	PRE_COMMIT	compares with the highest place whose commit was told, group by
 *				group, and where that is higher writes new places into the rows
 *				of its own, in the same commit
 *	COMMIT		raises that highest place, before it returns
 *
 * Thus, where one commit has returned before another is issued, the first has
 * the lower places; and as these stand in the rows, the order outlives whatever
 * becomes of the scheduler and its memory.
 *
 * PREPARE TRANSACTION leaves a row in _workflow.prepared_work that lists the
 * work.  Whoever commits it draws new places right after COMMIT PREPARED, before
 * the command returns and before the scheduler is told.  Until then the list can
 * be seen together with what it lists, and the scheduler lets that lie.  If the
 * session ends in between, the scheduler draws the places: then others may have
 * come before.
 *
 * Work with a start time has its place from that time.  It is not compared, and
 * nothing is compared with it.
 *
 * Owns: an array of the highest places, by a hash of database, queue and group.
 * Groups that share an element make each other draw again in vain, and that is
 * all.  It may be lost: after a crash every transaction is a new one, whose
 * places are higher than all before.
 *
 * Locking: none; elements are atomic and only rise.
 */
#ifndef WF_IPC_ORDER_H
#define WF_IPC_ORDER_H

#include "core/work.h"

extern Size wf_order_size(void);
extern void wf_order_startup(void);

/* Registers the callbacks, once, from _PG_init. */
extern void wf_order_init(void);

/*
 * Work was written by the current (sub)transaction into a queue whose groups
 * are strict.
 */
extern void wf_order_note(const WfWork *work);

/* COMMIT PREPARED of this transaction has succeeded: places what it lists. */
extern void wf_order_prepared(TransactionId xid);

/*
 * For the scheduler: places whatever is listed still, as far as nobody else is
 * about to.  In a transaction, with no window open.
 */
extern void wf_order_settle(void);

#endif /* WF_IPC_ORDER_H */
