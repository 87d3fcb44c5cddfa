/*
 * columns.h
 *		Columns of the tables on the hot path, in the order of the install
 *		script, for base/table.h.
 *
 * That the names are right is checked when a table is first opened; the types
 * are what store/ puts there.
 */
#ifndef WF_STORE_COLUMNS_H
#define WF_STORE_COLUMNS_H

#include "base/table.h"

/* clang-format off */
#define WF_RUN_COLUMNS(X) \
	X(run_id) X(origin) X(enqueued_at) X(run_at) X(place) X(workflow_id) \
	X(body_id) X(queue_id) X(priority) X(owner) X(state) X(waiting_for) X(crashes) \
	X(crash_step) X(crash_id) X(due_at) X(deadline_at) X(retried_at) \
	X(started_at) X(finished_at) X(failed_step) X(steps_done) X(attempts) \
	X(body_attempts) X(parent_ordinal) X(item) X(dedup_no) X(run_as_by) \
	X(parent_run_id) X(seed) X(on_close) X(end_state) X(paused_at) X(owner_name) \
	X(run_as_by_name) X(dedup_key) X(group_key) X(reason) X(error_code) \
	X(error_message) X(error_detail) X(error_hint) X(error_context) \
	X(paused_by) X(pause_reason) X(attributes) X(progress) X(input) \
	X(result) X(cause) X(continued_from) X(continued_as) X(losses) \
	X(server_crashes)

#define WF_STEP_COLUMNS(X) \
	X(run_id) X(fingerprint) X(started_at) X(finished_at) X(ordinal) \
	X(attempt) X(max_attempts) X(attempts_before) X(kind) X(state) \
	X(free_retries) X(due_at) X(message_id) X(child_run_id) X(name) \
	X(command) X(result) X(error_code) X(error_message) X(error_detail) \
	X(error_hint) X(error_context) X(given)

#define WF_MESSAGE_COLUMNS(X) \
	X(message_id) X(origin) X(enqueued_at) X(run_at) X(place) X(due_at) \
	X(lease_until) X(finished_at) X(receipt) X(queue_id) X(priority) \
	X(owner) X(attempt) X(attempts_before) X(run_ordinal) X(run_id) X(state) \
	X(owner_name) X(group_key) X(dedup_key) X(reason) X(error_code) \
	X(error_message) X(error_detail) X(policy) X(headers) X(progress) \
	X(payload) X(result) X(losses)

#define WF_RUN_COLUMN(name) RUN_##name,
enum
{
	WF_RUN_COLUMNS(WF_RUN_COLUMN)
	RUN_NATTS
};

#define WF_STEP_COLUMN(name) STEP_##name,
enum
{
	WF_STEP_COLUMNS(WF_STEP_COLUMN)
	STEP_NATTS
};

#define WF_MESSAGE_COLUMN(name) MSG_##name,
enum
{
	WF_MESSAGE_COLUMNS(WF_MESSAGE_COLUMN)
	MSG_NATTS
};
/* clang-format on */

/* numbers of indexes of wf_run_table, for base/dirty.h */
#define RUN_INDEX_GROUP 2
#define RUN_INDEX_DEDUP 8

extern WfTable wf_run_table;
extern WfTable wf_step_table;
extern WfTable wf_message_table;

#endif /* WF_STORE_COLUMNS_H */
