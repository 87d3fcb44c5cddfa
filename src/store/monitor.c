/*
 * monitor.c
 *		The roles that see all rows without their contents.
 *
 * A row counts for the role of which it has both oid and name, so that it ends
 * with that role: another one that is given the name, or in a restored
 * database the oid, is no monitor.
 *
 * Owns table monitor.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "store/monitor.h"

static WfStmt insert_monitor = {
	"INSERT INTO _workflow.monitor (role_name, role, origin)"
	"VALUES ($1, $2, $3)"
	"    ON CONFLICT (role_name)"
	"    DO UPDATE SET role = excluded.role, origin = excluded.origin",
	3,
	{TEXTOID, OIDOID, INT8OID}};

void
wf_monitor_insert(Oid role, const char *role_name)
{
	Datum values[3];

	values[0] = CStringGetTextDatum(role_name);
	values[1] = ObjectIdGetDatum(role);
	values[2] = Int64GetDatum(wf_origin());
	(void) wf_spi_run(&insert_monitor, values, NULL, false, 0);
}

/* also what a role of that name, or with that oid, has left behind */
static WfStmt delete_monitor = {
	"DELETE FROM _workflow.monitor WHERE role_name = $1 OR role = $2",
	2,
	{TEXTOID, OIDOID}};

void
wf_monitor_delete(Oid role, const char *role_name)
{
	Datum values[2];

	values[0] = CStringGetTextDatum(role_name);
	values[1] = ObjectIdGetDatum(role);
	(void) wf_spi_run(&delete_monitor, values, NULL, false, 0);
}

#define MONITORS                                     \
	"SELECT FROM _workflow.monitor m"                \
	"  JOIN pg_catalog.pg_roles a ON a.oid = m.role" \
	"                            AND a.rolname = m.role_name"

static WfStmt find_monitor = {
	MONITORS " WHERE m.role = $1 LIMIT 1", 1, {OIDOID}};

bool
wf_monitor_has(Oid role)
{
	Datum values[1] = {ObjectIdGetDatum(role)};

	return wf_spi_run(&find_monitor, values, NULL, true, 1) > 0;
}

static WfStmt find_covering = {
	MONITORS " WHERE pg_has_role($1, m.role, 'USAGE') LIMIT 1", 1, {OIDOID}};

bool
wf_monitor_covers(Oid user)
{
	Datum values[1] = {ObjectIdGetDatum(user)};

	return wf_spi_run(&find_covering, values, NULL, true, 1) > 0;
}
