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
	X(run_id) X(origin) X(enqueued_at) X(run_at) X(workflow_id) X(body_id) \
	X(queue_id) X(priority) X(owner) X(state) X(waiting_for) X(crashes) \
	X(crash_step) X(crash_id) X(due_at) X(deadline_at) X(retried_at) \
	X(started_at) X(finished_at) X(failed_step) X(steps_done) X(attempts) \
	X(body_attempts) X(owner_name) X(dedup_key) X(group_key) X(reason) \
	X(error_code) X(error_message) X(error_detail) X(error_hint) \
	X(error_context) X(attributes) X(input) X(result)

#define WF_STEP_COLUMNS(X) \
	X(run_id) X(fingerprint) X(started_at) X(finished_at) X(ordinal) \
	X(attempt) X(max_attempts) X(attempts_before) X(kind) X(state) \
	X(free_retries) X(due_at) X(name) X(command) X(result) X(error_code) \
	X(error_message) X(error_detail) X(error_hint) X(error_context)

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
/* clang-format on */

/* numbers of indexes of wf_run_table, for base/dirty.h */
#define RUN_INDEX_GROUP 2

extern WfTable wf_run_table;
extern WfTable wf_step_table;

#endif /* WF_STORE_COLUMNS_H */
