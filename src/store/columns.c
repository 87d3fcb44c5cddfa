/*
 * columns.c
 *		The tables on the hot path as base/table.h wants them.
 */
#include "postgres.h"

#include "core/state.h"
#include "store/columns.h"

#define NAME_OF(name) #name,

static const char *const run_columns[] = {WF_RUN_COLUMNS(NAME_OF)};
static const char *const step_columns[] = {WF_STEP_COLUMNS(NAME_OF)};
static const char *const message_columns[] = {WF_MESSAGE_COLUMNS(NAME_OF)};

/* the predicates of the partial indexes, as in the install script */

static bool
is_unfinished(const Datum *values, const bool *nulls)
{
	return nulls[RUN_finished_at];
}

static bool
is_finished(const Datum *values, const bool *nulls)
{
	return !nulls[RUN_finished_at];
}

static bool
is_failed(const Datum *values, const bool *nulls)
{
	return DatumGetChar(values[RUN_state]) == WF_RUN_FAILED;
}

static bool
is_unfinished_in_group(const Datum *values, const bool *nulls)
{
	return nulls[RUN_finished_at] && !nulls[RUN_group_key];
}

static bool
is_blocking(const Datum *values, const bool *nulls)
{
	return DatumGetChar(values[RUN_state]) == WF_RUN_FAILED &&
		   !nulls[RUN_waiting_for] &&
		   DatumGetChar(values[RUN_waiting_for]) == WF_WAIT_REPAIR;
}

static bool
is_due(const Datum *values, const bool *nulls)
{
	return nulls[RUN_finished_at] && !nulls[RUN_due_at];
}

static bool
has_parent(const Datum *values, const bool *nulls)
{
	return !nulls[RUN_parent_run_id];
}

static bool
has_dedup_key(const Datum *values, const bool *nulls)
{
	return !nulls[RUN_dedup_key];
}

WfTable wf_run_table = {.name = "run",
						.columns = run_columns,
						.natts = RUN_NATTS,
						.indexes = {{"run_pkey", NULL},
									{"run_unfinished", is_unfinished},
									{"run_group", is_unfinished_in_group},
									{"run_blocking", is_blocking},
									{"run_due", is_due},
									{"run_failed", is_failed},
									{"run_finished", is_finished},
									{"run_parent", has_parent},
									{"run_dedup_key", has_dedup_key}}};

WfTable wf_step_table = {.name = "step",
						 .columns = step_columns,
						 .natts = STEP_NATTS,
						 .indexes = {{"step_pkey", NULL}}};

static bool
is_message_unfinished(const Datum *values, const bool *nulls)
{
	return nulls[MSG_finished_at];
}

static bool
is_message_due(const Datum *values, const bool *nulls)
{
	return nulls[MSG_finished_at] && !nulls[MSG_due_at];
}

static bool
is_message_finished(const Datum *values, const bool *nulls)
{
	return !nulls[MSG_finished_at];
}

static bool
is_message_in_group(const Datum *values, const bool *nulls)
{
	return nulls[MSG_finished_at] && !nulls[MSG_group_key];
}

static bool
is_task(const Datum *values, const bool *nulls)
{
	return !nulls[MSG_run_id];
}

WfTable wf_message_table = {
	.name = "message",
	.columns = message_columns,
	.natts = MSG_NATTS,
	.indexes = {{"message_pkey", NULL},
				{"message_unfinished", is_message_unfinished},
				{"message_due", is_message_due},
				{"message_group", is_message_in_group},
				{"message_finished", is_message_finished},
				{"message_run", is_task}}};
