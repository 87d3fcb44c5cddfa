/*
 * control.c
 *		What holds for the whole database: stopped or not, whose rows these
 *		are, what is paused.
 *
 * The control row is made by the first scheduler that finds none, and never
 * dumped.  A restored dump therefore gets a new row, and its runs are known by
 * their own origin; a copy made with TEMPLATE brings the old row along, whose
 * origin differs; a copied data directory differs in workflow.site alone.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/spi.h"
#include "store/control.h"

static WfStmt read_control = {
	"SELECT origin, site, stopped_at IS NOT NULL, stopped_by, stop_reason"
	"  FROM _workflow.control",
	0,
	{0}};

static WfStmt make_control = {"INSERT INTO _workflow.control (origin, site)"
							  "VALUES ($1, $2)"
							  "    ON CONFLICT DO NOTHING",
							  2,
							  {INT8OID, TEXTOID}};

static const char *
present_site(void)
{
	return wf_site != NULL ? wf_site : "";
}

static void
make_control_row(void)
{
	Datum values[2] = {Int64GetDatum(wf_origin()),
					   CStringGetTextDatum(present_site())};

	(void) wf_spi_run(&make_control, values, NULL, false, 0);
}

void
wf_control_read(bool create, WfControl *out)
{
	char *site;
	char *by;
	char *reason;

	memset(out, 0, sizeof(*out));
	if (wf_spi_run(&read_control, NULL, NULL, true, 1) == 0)
	{
		if (create)
			make_control_row();
		return;
	}

	site = wf_spi_copy_text(0, 2, CurrentMemoryContext);
	out->stopped = wf_spi_get_bool(0, 3, false);
	if (wf_spi_get_int64(0, 1, 0) != wf_origin())
	{
		out->foreign = true;
		strlcpy(out->why, "this database is a copy of another one",
				sizeof(out->why));
	}
	else if (strcmp(site, present_site()) != 0)
	{
		out->foreign = true;
		snprintf(
			out->why, sizeof(out->why),
			"workflow.site is \"%s\", but the workflows of this database belong to site \"%s\"",
			present_site(), site);
	}
	else if (out->stopped)
	{
		by = wf_spi_copy_text(0, 4, CurrentMemoryContext);
		reason = wf_spi_copy_text(0, 5, CurrentMemoryContext);
		snprintf(out->why, sizeof(out->why), "stopped by %s%s%s",
				 by != NULL ? by : "unknown", reason != NULL ? ": " : "",
				 reason != NULL ? reason : "");
	}
}

static WfStmt stop_control = {
	"UPDATE _workflow.control"
	"   SET stopped_at = $1, stopped_by = $2, stop_reason = $3",
	3,
	{TIMESTAMPTZOID, TEXTOID, TEXTOID}};

void
wf_control_stop(const char *by, const char *reason)
{
	Datum values[3] = {
		TimestampTzGetDatum(wf_clock_now()), CStringGetTextDatum(by),
		reason != NULL ? CStringGetTextDatum(reason) : (Datum) 0};
	const char nulls[3] = {' ', ' ', reason != NULL ? ' ' : 'n'};

	make_control_row();
	(void) wf_spi_run(&stop_control, values, nulls, false, 0);
}

static WfStmt start_control = {
	"UPDATE _workflow.control"
	"   SET origin = $1, site = $2, stopped_at = NULL, stopped_by = NULL,"
	"       stop_reason = NULL",
	2,
	{INT8OID, TEXTOID}};

void
wf_control_start(void)
{
	Datum values[2] = {Int64GetDatum(wf_origin()),
					   CStringGetTextDatum(present_site())};

	make_control_row();
	(void) wf_spi_run(&start_control, values, NULL, false, 0);
}

static WfStmt read_paused = {"SELECT workflow_id"
							 "  FROM _workflow.workflow"
							 " WHERE paused_at IS NOT NULL",
							 0,
							 {0}};

int
wf_workflow_paused(int32 **ids, MemoryContext cxt)
{
	uint64 n = wf_spi_run(&read_paused, NULL, NULL, true, 0);

	*ids = MemoryContextAlloc(cxt, mul_size(Max(n, 1), sizeof(int32)));
	for (uint64 i = 0; i < n; i++)
		(*ids)[i] = wf_spi_get_int32(i, 1, 0);
	return (int) n;
}

/* ---- start(): whose rows these are ---- */

#define OWNER_BY_NAME                                   \
	"coalesce((SELECT a.oid FROM pg_catalog.pg_roles a" \
	"           WHERE a.rolname = r.owner_name), 0)"

static WfStmt adopt_unfinished = {
	"UPDATE _workflow.run r"
	"   SET origin = $1, owner = " OWNER_BY_NAME ","
	"       run_as_by = CASE WHEN r.run_as_by_name IS NOT NULL"
	"                   THEN coalesce((SELECT a.oid FROM pg_catalog.pg_roles a"
	"                                   WHERE a.rolname = r.run_as_by_name), 0) END"
	" WHERE r.origin <> $1 AND r.finished_at IS NULL",
	1,
	{INT8OID}};

/*
 * A key that two runs of one name have (an owner was renamed, and his name
 * given to another) stays with the newest.
 */
static WfStmt free_keys = {
	"UPDATE _workflow.run r"
	"   SET dedup_key = NULL"
	" WHERE r.origin <> $1 AND r.dedup_key IS NOT NULL"
	"   AND EXISTS (SELECT FROM _workflow.run o"
	"                WHERE o.workflow_id = r.workflow_id"
	"                  AND o.owner_name = r.owner_name"
	"                  AND o.dedup_key = r.dedup_key"
	"                  AND o.dedup_no = r.dedup_no"
	"                  AND o.run_id > r.run_id)",
	1,
	{INT8OID}};

/* finished rows too: who may see them goes by the owner's oid */
static WfStmt adopt_finished = {"UPDATE _workflow.run r"
								"   SET origin = $1, owner = " OWNER_BY_NAME
								" WHERE r.origin <> $1",
								1,
								{INT8OID}};

static WfStmt adopt_workflows = {
	"UPDATE _workflow.workflow r"
	"   SET owner = " OWNER_BY_NAME ","
	"       run_as = CASE WHEN r.run_as_name IS NULL THEN r.run_as"
	"                ELSE coalesce((SELECT a.oid FROM pg_catalog.pg_roles a"
	"                                WHERE a.rolname = r.run_as_name), 0) END"
	" WHERE r.owner <> " OWNER_BY_NAME "    OR r.run_as_name IS NOT NULL",
	0,
	{0}};

static WfStmt adopt_queues = {
	"UPDATE _workflow.queue r"
	"   SET owner = " OWNER_BY_NAME ","
	"       alert_role = CASE WHEN r.alert_role_name IS NOT NULL"
	"                    THEN coalesce((SELECT a.oid FROM pg_catalog.pg_roles a"
	"                                    WHERE a.rolname = r.alert_role_name), 0) END"
	" WHERE r.owner <> " OWNER_BY_NAME "    OR r.alert_role_name IS NOT NULL",
	0,
	{0}};

static WfStmt adopt_grants = {
	"UPDATE _workflow.queue_grant r"
	"   SET role = coalesce((SELECT a.oid FROM pg_catalog.pg_roles a"
	"                         WHERE a.rolname = r.role_name), 0)",
	0,
	{0}};

/* Here a role that was given the name since is another one. */
static WfStmt adopt_monitors = {
	"UPDATE _workflow.monitor r"
	"   SET origin = $1,"
	"       role = coalesce((SELECT a.oid FROM pg_catalog.pg_roles a"
	"                         WHERE a.rolname = r.role_name), 0)"
	" WHERE r.origin <> $1",
	1,
	{INT8OID}};

static WfStmt adopt_unfinished_messages = {
	"UPDATE _workflow.message r"
	"   SET origin = $1, owner = " OWNER_BY_NAME
	" WHERE r.origin <> $1 AND r.finished_at IS NULL",
	1,
	{INT8OID}};

static WfStmt adopt_finished_messages = {
	"UPDATE _workflow.message r"
	"   SET origin = $1, owner = " OWNER_BY_NAME " WHERE r.origin <> $1",
	1,
	{INT8OID}};

/* the name is what counts */
static WfStmt adopt_keys = {"UPDATE _workflow.message_key r"
							"   SET owner = " OWNER_BY_NAME
							" WHERE r.owner <> " OWNER_BY_NAME,
							0,
							{0}};

int64
wf_adopt_rows(void)
{
	Datum values[1] = {Int64GetDatum(wf_origin())};
	int64 adopted;

	(void) wf_spi_run(&adopt_workflows, NULL, NULL, false, 0);
	(void) wf_spi_run(&adopt_queues, NULL, NULL, false, 0);
	(void) wf_spi_run(&adopt_grants, NULL, NULL, false, 0);
	(void) wf_spi_run(&adopt_monitors, values, NULL, false, 0);
	(void) wf_spi_run(&free_keys, values, NULL, false, 0);
	adopted = (int64) wf_spi_run(&adopt_unfinished, values, NULL, false, 0);
	(void) wf_spi_run(&adopt_finished, values, NULL, false, 0);
	adopted +=
		(int64) wf_spi_run(&adopt_unfinished_messages, values, NULL, false, 0);
	(void) wf_spi_run(&adopt_finished_messages, values, NULL, false, 0);
	(void) wf_spi_run(&adopt_keys, NULL, NULL, false, 0);
	return adopted;
}

/* ---- run ids ---- */

static WfStmt last_id = {"SELECT run_id"
						 "  FROM _workflow.run"
						 " ORDER BY run_id DESC"
						 " LIMIT 1",
						 0,
						 {0}};

bool
wf_run_last_id(pg_uuid_t *out)
{
	if (wf_spi_run(&last_id, NULL, NULL, true, 1) == 0)
		return false;
	wf_spi_get_uuid(0, 1, out);
	return true;
}
