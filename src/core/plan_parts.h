/*
 * plan_parts.h
 *		What the files of the plan call of each other.
 *
 * The sides call none of this.
 */
#ifndef WF_CORE_PLAN_PARTS_H
#define WF_CORE_PLAN_PARTS_H

#include "core/plan_state.h"

/* ---- plan_request.c ---- */

extern void wf_request_init(WfPlan *plan);
extern void wf_request_act(WfPlan *plan, WfActionKind kind, int index, int at,
						   uint32 bits);
extern void wf_request_add(WfPlan *plan, const WfPlanRequest *request);
/* ... about this work */
extern void wf_request_about(WfPlan *plan, WfPlanRequestKind kind,
							 const WfEntry *entry);
extern void wf_request_died(WfPlan *plan, const WfEntry *entry);

/* ---- plan_scan.c ---- */

/* NULL: no bound */
extern WfScan *wf_scan_add(WfPlan *plan, const WfWorkId *first,
						   const WfWorkId *last);
/* the first one is done */
extern void wf_scan_remove(WfPlan *plan);
/* the walk at work lets the others have their turn */
extern void wf_scan_end_turn(WfPlan *plan);
/* are there more runs than one or two that have yet to be read? */
extern bool wf_scan_is_reading(const WfPlan *plan);
/*
 * Up to which place all work of strict groups of this queue is known; what is
 * beyond may have to wait for something that has yet to be read, by a walk over
 * the queue or (ranges_to) of ranges of ids.
 */
extern int64 wf_scan_known_to(const WfPlan *plan, const WfQueue *queue,
							  int64 *ranges_to);

/* ---- plan_line.c ---- */

extern void wf_line_init(WfLine *line, bool by_place);
/* where it belongs by place, or by wf_starts_before() */
extern void wf_line_add(WfLine *line, WfEntry *entry);
/* as the first, for tests: then the line is in no order */
extern void wf_line_prepend(WfLine *line, WfEntry *entry);
extern void wf_line_remove(WfEntry *entry);
/* NULL when it is empty */
extern WfEntry *wf_line_first(const WfLine *line);
extern bool wf_starts_before(const WfEntry *a, const WfEntry *b);
/* what WfEntry.order is to be */
extern int64 wf_line_order(const WfEntry *entry);
/* ... once its queue has admitted it: by the order of admission */
extern int64 wf_line_order_admitted(WfPlan *plan, const WfEntry *entry);
/* Since when this entry has been due. */
extern TimestampTz wf_line_since(const WfEntry *entry);

/* ---- plan_flow.c ---- */

/* one more, or less, in this place */
extern void wf_flow_delayed(WfPlan *plan, const WfEntry *entry, int delta);
extern void wf_flow_cell(WfPlan *plan, const WfEntry *entry, int delta);
/* user code began for the first time; the run is over */
extern void wf_flow_started(WfPlan *plan, const WfEntry *entry);
extern void wf_flow_ended(WfPlan *plan, const WfEntry *entry);
/* a message was acknowledged, or is dead or given up */
extern void wf_flow_message_ended(WfPlan *plan, const WfEntry *entry,
								  bool acked);

/* ---- plan_slow.c ---- */

extern void wf_slow_init(WfPlan *plan);
/* may a run of this role be offered now? */
extern bool wf_slow_may_offer(WfPlan *plan, const WfRole *role);
extern bool wf_slow_is_short(const WfPlan *plan, const WfRole *role);
/* a cell was filled; it is about to be emptied; its run has ended */
extern void wf_slow_offered(WfPlan *plan, WfSeat *seat, int cell);
extern void wf_slow_left(WfPlan *plan, WfSeat *seat, int cell);
extern void wf_slow_told(WfPlan *plan, WfSeat *seat, WfCellNews *news);
/* when another process may be tried; 0: nothing is short */
extern TimestampTz wf_slow_next(const WfRole *role);
extern void wf_slow_connected(WfPlan *plan, WfRole *role);
/* in a decision, before anything is offered */
extern void wf_slow_look(WfPlan *plan);

/* ---- plan_limiter.c ---- */

/* limit 0: none.  What was counted so far goes on counting. */
extern void wf_limiter_set(WfPlan *plan, WfLimiter *limiter, int32 limit,
						   int64 period);
/* when one can start; now or earlier when one can, DT_NOEND when unknown */
extern TimestampTz wf_limiter_free_at(const WfPlan *plan,
									  const WfLimiter *limiter);
extern bool wf_limiter_in_use(const WfPlan *plan, const WfLimiter *limiter);
/* has to be reserved on disk before one can start */
extern bool wf_limiter_wants_reserve(const WfPlan *plan,
									 const WfLimiter *limiter);
/* ... and will be */
extern void wf_limiter_reserve_soon(WfPlan *plan, WfQueue *queue,
									WfGroup *group);
/* may the queue start one?  Arranges for a reservation or a wake-up if not. */
extern bool wf_limiter_may_take(WfPlan *plan, WfLimiter *limiter,
								WfQueue *queue);
/* takes one, which wants_reserve() and free_at() let; until when it is good */
extern TimestampTz wf_limiter_take(WfPlan *plan, WfLimiter *limiter);
/* gives one back that was good until then */
extern void wf_limiter_return(WfLimiter *limiter, TimestampTz until);
extern void wf_limiter_begun(WfPlan *plan, WfLimiter *limiter, TimestampTz at);
extern void wf_limiter_used(WfLimiter *limiter, TimestampTz at, int32 n);
/* starts are on disk */
extern void wf_limiter_reserved(WfLimiter *limiter, int32 starts,
								TimestampTz reserved_at);

/* ---- plan_group.c ---- */

extern void wf_group_init(WfPlan *plan);
/* by id; NULL when it is not known and "make" is false */
extern WfQueue *wf_group_queue(WfPlan *plan, int32 queue_id, bool make);
/*
 * The hash of the group of an owner's work, of that of the group's name: the
 * same, but where the queue keeps owners apart.
 */
extern uint64 wf_group_of(const WfQueueRules *rules, uint64 hash, Oid owner);
/* by hash, made where there is none; NULL when groups do not matter */
extern WfGroup *wf_group_get(WfPlan *plan, WfQueue *queue, uint64 hash);
/* by hash; NULL when there is none */
extern WfGroup *wf_group_find(WfQueue *queue, uint64 hash);
/* to where it belongs, after anything has changed */
extern void wf_group_settle(WfPlan *plan, WfGroup *group);
/* before its line changes: a heap is in order by what is first in it */
extern void wf_group_loosen(WfGroup *group);
extern void wf_group_step_out(WfStand *stand);
/* what of this kind comes next in the group, as far as it is its turn */
extern WfEntry *wf_group_first(const WfStand *stand);
extern void wf_group_forget(WfPlan *plan, WfGroup *group);
/* forgets it if it is not needed any more, and settles it otherwise */
extern void wf_group_release(WfPlan *plan, WfGroup *group);
extern void wf_group_sweep(WfPlan *plan, WfQueue *queue, bool all);
extern bool wf_group_is_strict(const WfGroup *group);
/* strict, and something may have yet to be read that comes before its first */
extern bool wf_group_is_behind(const WfPlan *plan, const WfStand *stand);
/* is this group, of which nothing need be known, one of one at a time? */
extern bool wf_group_keeps_order(WfPlan *plan, int32 queue_id, uint64 hash);
/* dropped: forgotten unless something in it has yet to end */
extern void wf_group_forget_queue(WfPlan *plan, WfQueue *queue);
/* all entries of the queue have been detached */
extern void wf_group_set_rules(WfPlan *plan, WfQueue *queue,
							   const WfQueueRules *rules);

/* ---- plan_gate.c ---- */

/* finds queue and group by queue_id and group_hash */
extern void wf_gate_attach(WfPlan *plan, WfEntry *entry);
/* uncounts an entry that is in no line, and takes it out of queue and group */
extern void wf_gate_detach(WfPlan *plan, WfEntry *entry);
extern void wf_gate_add(WfPlan *plan, WfEntry *entry);
extern void wf_gate_remove(WfPlan *plan, WfEntry *entry);
extern void wf_gate_set_active(WfEntry *entry, bool active);
extern void wf_gate_set_admitted(WfPlan *plan, WfEntry *entry, bool admitted);
/* somebody has it already: counts as admitted and active */
extern void wf_gate_recount(WfPlan *plan, WfEntry *entry, bool rated);
/* it has run before, in this life or another: counts as active */
extern void wf_gate_activate(WfPlan *plan, WfEntry *entry);
/* it has stopped, or may not go on: counts as active, begun or not */
extern void wf_gate_keep(WfPlan *plan, WfEntry *entry);
/* ... has failed, and keeps its group closed */
extern void wf_gate_block(WfPlan *plan, WfEntry *entry);
/* its user code began, then */
extern void wf_gate_begun(WfPlan *plan, WfEntry *entry, TimestampTz at);
/* out of lane or cell, and has to wait again; active only if it has begun */
extern void wf_gate_leave(WfPlan *plan, WfEntry *entry);
/* an executor has given back what was found with it, and never began it */
extern void wf_gate_not_begun(WfPlan *plan, WfEntry *entry);
/* Does a run that stopped keep its place?  "failed": for good. */
extern bool wf_gate_keeps(const WfEntry *entry, bool failed);
/* do limits of what is active let one more be it? */
extern bool wf_gate_has_room(const WfEntry *entry);
/* is its queue paused? */
extern bool wf_gate_is_paused(const WfEntry *entry);

/* ---- plan_ready.c ---- */

extern void wf_ready_init(WfPlan *plan);
extern WfRole *wf_ready_role(WfPlan *plan, Oid oid);
/* the entry of a run, or NULL */
extern WfEntry *wf_ready_find(WfPlan *plan, const WfWorkId *id);
/* A new entry in no place; there must be none of this run. */
extern WfEntry *wf_ready_make(WfPlan *plan, const WfWork *work);
/* Fills in what a partial entry lacked. */
extern void wf_ready_complete(WfPlan *plan, WfEntry *entry,
							  const WfWork *work);
/* Out of where it is; then in no place. */
extern void wf_ready_take(WfPlan *plan, WfEntry *entry);
/*
 * From no place to one; _place chooses by due_at, and sends what its queue has
 * not admitted to the gate.  _admit is for the gate alone.
 */
extern void wf_ready_place(WfPlan *plan, WfEntry *entry);
extern void wf_ready_admit(WfPlan *plan, WfEntry *entry);
/* PAUSED, SOLO, KEPT or ROW */
extern void wf_ready_hold(WfPlan *plan, WfEntry *entry, WfPlace place);
extern void wf_ready_to_cell(WfPlan *plan, WfEntry *entry, int seat, int cell);
/* Messages: to a position of the shelf, whose entry it replaces. */
extern void wf_ready_shelve(WfPlan *plan, WfEntry *entry, uint64 position);
/* ... for an answer, then in a receiver's hand, or until a time */
extern void wf_ready_answer(WfPlan *plan, WfEntry *entry, WfAsk *ask);
extern void wf_ready_hand(WfPlan *plan, WfEntry *entry, WfAsk *ask);
extern void wf_ready_lease(WfPlan *plan, WfEntry *entry, TimestampTz until);
/* One whose time is over, still in its place; NULL when there is none. */
extern WfEntry *wf_ready_next_lease(WfPlan *plan);
/* It has ended or stopped: nothing happens at its deadline. */
extern void wf_ready_drop_deadline(WfPlan *plan, WfEntry *entry);
/* Out of where it is, and gone. */
extern void wf_ready_forget(WfPlan *plan, WfEntry *entry);
/* The next ready entry of a role, still in its place; NULL when none. */
extern WfEntry *wf_ready_first(WfRole *role);
/* Calls "act" for every entry; it may move, but not make or forget any. */
extern void wf_ready_foreach(WfPlan *plan,
							 void (*act)(WfPlan *plan, WfEntry *entry,
										 void *arg),
							 void *arg);
/* Everything held in PAUSED or SOLO becomes ready again. */
extern void wf_ready_release(WfPlan *plan, WfPlace place);
/* Timers that are due become ready. */
extern void wf_ready_fire_timers(WfPlan *plan);
/* A deadline that is over, out of the heap; NULL when there is none. */
extern WfDeadline *wf_ready_next_deadline(WfPlan *plan);
/*
 * When the next timer (or, with "deadlines", lease or deadline) is due;
 * DT_NOEND when none.
 */
extern TimestampTz wf_ready_due(WfPlan *plan, bool deadlines);

/* ---- plan_spill.c ---- */

/* Is this run, of which there is no entry, to stay in the table? */
extern bool wf_spill_leaves(WfPlan *plan, const WfWork *work);
/* Asks for scans where there is room. */
extern void wf_spill_refill(WfPlan *plan);
/* Is some of it in the table, and will the next wf_spill_refill() read it? */
extern bool wf_spill_will_read(WfPlan *plan, WfQueue *queue);
/* A scan for wf_spill_refill() has read a chunk, of n rows. */
extern void wf_spill_read(WfPlan *plan, const WfScan *scan, int n);
/* All that comes after this id of the queue stays in the table for now. */
extern bool wf_spill_is_past(WfPlan *plan, int32 queue_id, const WfWorkId *id);
extern const WfWorkId *wf_spill_upto(WfPlan *plan, int32 queue_id);
/* How many of a queue are in the table, about; NULL: "default" without rules */
extern uint32 wf_spill_left(const WfPlan *plan, const WfQueue *queue);

/* ---- plan_window.c ---- */

/* Can groups be closed under these rules? */
extern bool wf_window_covers(const WfQueueRules *rules);
extern void wf_window_init(WfGroup *group);
/* An entry comes into a line of its group, or goes from there. */
extern void wf_window_enter(WfGroup *group, WfEntry *entry);
extern void wf_window_leave(WfGroup *group, WfEntry *entry);
/* To be looked at in the next decision; _check: if there is a reason. */
extern void wf_window_note(WfPlan *plan, WfGroup *group);
extern void wf_window_check(WfPlan *plan, WfGroup *group);
/* ... not any more */
extern void wf_window_unnote(WfPlan *plan, WfGroupWindow *window);
/* how many entries memory has room for, and how many there are */
extern uint32 wf_window_capacity(const WfPlan *plan);
extern uint32 wf_window_in_use(const WfPlan *plan);
/* how many a window may have, ever and now */
extern uint32 wf_window_most(WfPlan *plan);
extern uint32 wf_window_room(WfPlan *plan, const WfQueue *queue);
extern bool wf_window_before(const WfSpot *a, const WfSpot *b);
/* the entry with the highest place, or NULL */
extern WfEntry *wf_window_last(const WfGroupWindow *window);
/* is what has this place in memory, or will it come by itself? */
extern bool wf_window_knows(const WfGroupWindow *window, const WfSpot *spot);
/* Behind a walk: is it, or will it be, looked up by index? */
extern bool wf_window_probe(WfPlan *plan, WfGroup *group);
/* is something of it in the table alone? */
extern bool wf_window_is_part(const WfGroupWindow *window);
/* known_to falls, or rises with an answer */
extern void wf_window_fall(WfPlan *plan, WfGroup *group, const WfSpot *spot);
extern void wf_window_raise(WfGroup *group, const WfPlanRequest *request,
							WfRefill how, const WfSpot *to);
/* what has this place was left in the table; "counts" as one more */
extern void wf_window_left(WfGroup *group, const WfSpot *spot, bool counts);
extern void wf_window_count(WfGroup *group, int64 delta);
/* a refill should be asked for; it has been answered, or does not count */
extern bool wf_window_is_thirsty(WfPlan *plan, const WfGroup *group);
extern void wf_window_answered(WfPlan *plan, WfGroup *group);
extern void wf_window_give_up(WfPlan *plan, WfGroup *group);
extern void wf_window_forget(WfPlan *plan, WfGroup *group);
/* Is something of it in the table alone, so that it cannot be forgotten? */
extern bool wf_window_is_needed(const WfPlan *plan, const WfGroup *group);
/* Something may have yet to be read that comes before this entry of it. */
extern bool wf_window_is_behind(const WfPlan *plan, const WfGroup *group,
								const WfEntry *first);

/* ---- plan_refill.c ---- */

typedef enum WfMeeting
{
	WF_MEETS_NONE,	/* no window decides */
	WF_MEETS_TAKEN, /* known: to be put in, however full memory is */
	WF_MEETS_LEFT	/* stays in the table */
} WfMeeting;

/* Due work of which there is no entry; "fresh": nobody has seen it before. */
extern WfMeeting wf_refill_meets(WfPlan *plan, const WfWork *work, bool fresh);
/* Trims windows, and asks for refills. */
extern void wf_refill_ask(WfPlan *plan);

/* ---- plan_seat.c ---- */

extern void wf_seat_init(WfPlan *plan, int nseats);
extern void wf_seat_offer(WfPlan *plan, WfSeat *seat, WfEntry *entry);
/* false when the executor was faster; else the entry is in no place */
extern bool wf_seat_take_back(WfPlan *plan, WfEntry *entry);
/* what the executor has not begun, back to ready */
extern void wf_seat_clear_offers(WfPlan *plan, WfSeat *seat);
/* sets WF_REQ_* in the cell of a run under way, and interrupts for most */
extern void wf_seat_interrupt(WfPlan *plan, WfEntry *entry, uint32 bits);
extern void wf_seat_retire(WfPlan *plan, WfSeat *seat);
/* gives back a slot for which there is no process yet, or no more */
extern void wf_seat_remove(WfPlan *plan, WfSeat *seat);

/* ---- plan_rest.c: work that rests ---- */

/* in no place: keeps its place in queue and group, or is forgotten */
extern void wf_rest_stopped(WfPlan *plan, WfEntry *entry, bool failed);
/* in no place: waits until woken, or until due_at (0: no time) */
extern void wf_rest_sleeps(WfPlan *plan, WfEntry *entry, TimestampTz due_at);
/* something may have come for a run that waits, or is about to */
extern void wf_rest_wake(WfPlan *plan, WfEntry *entry);
/* the same by id, whether or not it is in memory */
extern void wf_rest_wake_id(WfPlan *plan, const WfWorkId *id);
/* out of its cell: to where it has to wait */
extern void wf_rest_put_back(WfPlan *plan, WfEntry *entry, TimestampTz due_at);

/* ---- plan_message.c ---- */

/* a message of which there is no entry, as its row was read */
extern void wf_message_learn(WfPlan *plan, const WfWork *work);
/* one that was just made, or admitted: it is with a receiver, until a time */
extern void wf_message_hold(WfPlan *plan, WfEntry *entry, TimestampTz until);
/* before the gate again, or until a time */
extern void wf_message_give_back(WfPlan *plan, WfEntry *entry,
								 TimestampTz due_at);
/* its row was locked: perhaps by a receive that has yet to end */
extern void wf_message_look_later(WfPlan *plan, WfEntry *entry);
extern void wf_message_died(WfPlan *plan, WfEntry *entry);
/* leases that are over */
extern void wf_message_expire(WfPlan *plan);
extern WfEntry *wf_message_entry(WfPlan *plan, int64 message_id);

/* ---- plan_learn.c ---- */

/* one that was returned by a read of the table, or by the ring (scan NULL) */
extern void wf_learn_of(WfPlan *plan, const WfWork *work,
						const WfScan *from_scan);
/* A run that was started before its queue counted it. */
extern void wf_learn_started(WfPlan *plan, const WfStarted *started);

/* ---- plan_rebuild.c ---- */

extern void wf_rebuild_queue(WfPlan *plan, WfQueue *queue,
							 const WfQueueRules *rules);
/* the gate of "default", whose entries move behind it when it is made */
extern void wf_rebuild_default(WfPlan *plan);

/* ---- plan_row.c ---- */

/* runs whose time is over; false when there are no more */
extern void wf_row_expire(WfPlan *plan);
/* asks for a write of its row: it is in no other place until then */
extern void wf_row_write(WfPlan *plan, WfEntry *entry, WfPlanRequestKind kind);

/* ---- plan_admit.c ---- */

/* Admits runs that may start. */
extern void wf_admit_runs(WfPlan *plan);
/*
 * Admits the message of a queue that comes next, which is in no place then;
 * NULL when none may be handed out now.
 */
extern WfEntry *wf_admit_message(WfPlan *plan, WfQueue *queue);
/*
 * Memory has no more of the messages of a queue, but the table has, they are
 * about to be read, and no limit of the queue keeps them from being admitted.
 */
extern bool wf_admit_reads_messages(WfPlan *plan, WfQueue *queue);
/* about how many could be, for waiting receivers */
extern uint32 wf_admit_receivable(WfPlan *plan, WfQueue *queue);
/* Does no run wait for its rate limit? */
extern bool wf_admit_is_idle(WfPlan *plan);
/* since when the oldest that waits before the gate does; 0: none */
extern TimestampTz wf_admit_oldest(WfPlan *plan, WfQueue *queue);

/* ---- plan_shelf.c ---- */

/* a single message of the queue was asked for, and handed out */
extern void wf_shelf_asked(WfPlan *plan, const WfQueue *queue);
/* empties it if need be; fills it up */
extern void wf_shelf_check(WfPlan *plan);
extern void wf_shelf_fill(WfPlan *plan);
/* empties it; what stays in WF_PLACE_SHELF was taken by somebody */
extern void wf_shelf_clear(WfPlan *plan);
/* the first message of the queue on it, taken from there; NULL: none */
extern WfEntry *wf_shelf_next(WfPlan *plan, const WfQueue *queue);
/* ... left there; and how many there are */
extern const WfEntry *wf_shelf_first(const WfPlan *plan, const WfQueue *queue);
extern uint32 wf_shelf_count(const WfPlan *plan, const WfQueue *queue);
/* it was laid out, and somebody has it, of whom we have yet to hear */
extern bool wf_shelf_was_taken(const WfPlan *plan, const WfEntry *entry);

/* does anybody wait for messages of the queue, or was just woken? */
extern bool wf_shelf_is_waited_for(const WfPlan *plan, int32 queue_id);
extern bool wf_shelf_is_in(const dlist_head *list, int32 queue_id);

/* ---- plan_ask.c ---- */

extern void wf_ask_init(WfPlan *plan, int nreceivers);
extern WfAsk *wf_ask_of(WfPlan *plan, int receiver);
/* hands out what may be, to all that ask */
extern void wf_ask_serve(WfPlan *plan);
/* answers those that were served, or cannot be; wakes who waits */
extern void wf_ask_answer(WfPlan *plan);
/* what was admitted for asks that are kept waits before its gate again */
extern void wf_ask_give_back_all(WfPlan *plan);

/* ---- plan_door.c: what each role has in hand of a queue ---- */

/* a run that was attached to its queue */
extern void wf_door_attach(WfPlan *plan, WfEntry *entry);
/* of a queue in which there is nothing */
extern void wf_door_forget_all(WfPlan *plan, WfQueue *queue);
/* Has its role as much in hand as it may?  Never of a message. */
extern bool wf_door_is_full(const WfPlan *plan, const WfEntry *entry);
/* Does a role wait in the queue that has not? */
extern bool wf_door_any_open(WfPlan *plan, WfQueue *queue);
/* a group steps out until there is room for the role of its first run */
extern void wf_door_wait(WfStand *stand, const WfEntry *first);
/* ... and waits there no more */
extern void wf_door_step_out(WfStand *stand);
/* groups come back */
extern void wf_door_let_in(WfPlan *plan, WfQueue *queue);
/*
 * Gives the first entry in this line of a queue whose door has room; the line
 * loses what has none.  _any: whether or not there is room, and nothing moves.
 */
extern WfEntry *wf_door_first(WfPlan *plan, WfQueue *queue, WfLine *line,
							  WfWaits kind);
extern WfEntry *wf_door_first_any(WfQueue *queue, WfLine *line, WfWaits kind);

/* ---- plan_dispatch.c ---- */

extern void wf_dispatch_give_out(WfPlan *plan);
/*
 * The run to be started next of a role, or NULL.  What may not start now is
 * moved out of the way.
 */
extern WfEntry *wf_dispatch_next(WfPlan *plan, WfRole *role);

extern bool wf_dispatch_is_paused(const WfPlan *plan, int32 workflow_id);

/* ---- plan_staff.c ---- */

/* the most executors that one role may have */
extern int wf_share_most_of_role(const WfPlan *plan);
extern void wf_staff_adjust(WfPlan *plan);

#endif /* WF_CORE_PLAN_PARTS_H */
