/*
 * timeline.c
 *		The life of a run, as its rows tell it.
 *
 * One statement, so that all of it is of one moment.  "rank" puts in order
 * what happened at the same time, as a parked run and the step at which it is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/clock.h"
#include "base/spi.h"
#include "store/timeline.h"

/* the last two: no span */
#define NO_SPAN " NULL::timestamptz, NULL::timestamptz"

/* code and message of an error; without contents its code alone */
#define ERROR_OF(row)                                      \
	"(" row ".error_code || CASE WHEN $3 THEN ' ' || " row \
	".error_message ELSE '' END)"
#define RUN_ERROR	  ERROR_OF("r")
#define STEP_ERROR	  ERROR_OF("s")
#define ATTEMPT_ERROR ERROR_OF("a")

#define QUEUED                                                            \
	"SELECT r.enqueued_at, 1, 'queued', NULL::integer, NULL::text,"       \
	"       concat_ws(', ',"                                              \
	"                 'queue ' || CASE WHEN r.queue_id = 0"               \
	"                                  THEN 'default' ELSE q.name END,"   \
	"                 'group ' || r.group_key,"                           \
	"                 CASE WHEN r.run_at > r.enqueued_at"                 \
	"                      THEN 'to start at ' || r.run_at END)," NO_SPAN \
	"  FROM _workflow.run r"                                              \
	"  LEFT JOIN _workflow.queue q ON q.queue_id = r.queue_id"            \
	" WHERE r.run_id = $1"

/* what an operator asked for; the effect of it is seen by what follows */
#define AUDIT                                                            \
	"SELECT a.at, 2, a.action, NULL, NULL,"                              \
	"       concat_ws(', ', 'by ' || nullif(a.role_name, ''), a.reason," \
	"                 a.detail)," NO_SPAN "  FROM _workflow.audit a"     \
	" WHERE a.run_id = $1"

/*
 * The span is how long it waited for it.  Where the first step was tried again,
 * the run's row has the time of another turn.
 */
#define STARTED                                                            \
	"SELECT b.at, 3, 'started', NULL, NULL, NULL, r.run_at, b.at"          \
	"  FROM _workflow.run r,"                                              \
	"       LATERAL (SELECT least(r.started_at,"                           \
	"                             (SELECT min(s.started_at)"               \
	"                                FROM _workflow.step s"                \
	"                               WHERE s.run_id = $1"                   \
	"                                 AND s.started_at >= r.enqueued_at)," \
	"                             (SELECT min(a.started_at)"               \
	"                                FROM _workflow.attempt a"             \
	"                               WHERE a.run_id = $1)) AS at) b"        \
	" WHERE r.run_id = $1 AND b.at IS NOT NULL"

#define KIND "_workflow.call_event(s.kind)"

#define STEPS                                                               \
	"SELECT CASE WHEN s.kind = 'm'::\"char\" AND s.attempt > 1"             \
	"                 AND s.finished_at IS NOT NULL THEN s.finished_at"     \
	"            ELSE greatest(s.started_at, r.enqueued_at) END, 5,"        \
	"       CASE WHEN s.started_at < r.enqueued_at THEN 'copied'"           \
	"            ELSE " KIND " END,"                                        \
	"       s.ordinal, s.name,"                                             \
	"       concat_ws(', ',"                                                \
	"                 CASE WHEN s.attempt > 1 OR s.state = 'r'"             \
	"                      THEN 'attempt ' || s.attempt END,"               \
	"                 CASE s.state"                                         \
	"                 WHEN 'd' THEN 'done' WHEN 's' THEN 'outcome unknown'" \
	"                 WHEN 'w' THEN CASE WHEN r.finished_at IS NULL"        \
	"                                    THEN 'waiting' ELSE 'dropped' END" \
	"                 ELSE 'failed' END,"                                   \
	"                 CASE WHEN s.state = 'w' AND r.finished_at IS NULL"    \
	"                      THEN 'until ' || s.due_at"                       \
	"                      WHEN s.state <> 'd'"                             \
	"                      THEN " STEP_ERROR " END),"                       \
	"       CASE WHEN s.started_at >= r.enqueued_at THEN s.started_at END," \
	"       s.finished_at"                                                  \
	"  FROM _workflow.step s"                                               \
	"  JOIN _workflow.run r ON r.run_id = s.run_id"                         \
	" WHERE s.run_id = $1"

/* those before the last; of a task it is not known when each began */
#define ATTEMPTS                                                               \
	"SELECT coalesce(a.started_at, a.finished_at), 4,"                         \
	"       CASE a.ordinal WHEN 0 THEN 'body'"  \
	"            ELSE _workflow.call_event(coalesce(a.kind, s.kind)) END," \
	"       nullif(a.ordinal, 0), coalesce(a.name, s.name),"                   \
	"       'attempt ' || a.attempt || ', failed, ' || " ATTEMPT_ERROR ","     \
	"       a.started_at, a.finished_at"                                       \
	"  FROM _workflow.attempt a"                                               \
	"  LEFT JOIN _workflow.step s"                                             \
	"    ON s.run_id = a.run_id AND s.ordinal = a.ordinal"                     \
	" WHERE a.run_id = $1"

#define BACK_OFFS                                                          \
	"SELECT coalesce(s.finished_at, s.started_at), 6, 'waits', s.ordinal," \
	"       s.name,"                                                       \
	"       'to be tried again at ' || s.due_at," NO_SPAN                  \
	"  FROM _workflow.step s"                                              \
	"  JOIN _workflow.run r ON r.run_id = s.run_id"                        \
	" WHERE s.run_id = $1 AND s.state = 'r'::\"char\""                     \
	"   AND s.due_at IS NOT NULL AND r.finished_at IS NULL"                \
	" UNION ALL "                                                          \
	"SELECT $2, 9, 'waits', NULL, NULL,"                                   \
	"       concat_ws(', ', 'its body is replayed again at ' || r.due_at," \
	"                 " RUN_ERROR ")," NO_SPAN "  FROM _workflow.run r"    \
	" WHERE r.run_id = $1 AND r.finished_at IS NULL"                       \
	"   AND r.waiting_for = 'r'::\"char\" AND r.due_at > $2"               \
	"   AND NOT EXISTS (SELECT FROM _workflow.step s"                      \
	"                    WHERE s.run_id = $1 AND s.state = 'r'::\"char\")"

#define SIGNALS                                                              \
	"SELECT g.sent_at, 2, 'signal', NULL, g.name,"                           \
	"       'sent by ' || g.sent_by," NO_SPAN "  FROM _workflow.signal g"    \
	" WHERE g.run_id = $1 AND g.kind = 's'::\"char\""                        \
	" UNION ALL "                                                            \
	"SELECT g.taken_at, 6, 'signal taken', g.ordinal, g.name, NULL," NO_SPAN \
	"  FROM _workflow.signal g"                                              \
	" WHERE g.run_id = $1 AND g.kind = 's'::\"char\""                        \
	"   AND g.taken_at IS NOT NULL"

/* what is so now */
#define PRESENT                                                             \
	"SELECT r.paused_at, 7, 'paused', NULL, NULL,"                          \
	"       concat_ws(', ', 'by ' || r.paused_by, r.pause_reason)," NO_SPAN \
	"  FROM _workflow.run r"                                                \
	" WHERE r.run_id = $1 AND r.finished_at IS NULL"                        \
	"   AND r.paused_at IS NOT NULL"                                        \
	" UNION ALL "                                                           \
	"SELECT l.since, 8, 'running', nullif(l.ordinal, 0), l.step,"           \
	"       'attempt ' || nullif(l.attempt, 0), l.since, $2"                \
	"  FROM _workflow.live_slots() l"                                       \
	"  JOIN _workflow.run r ON r.run_id = l.run_id"                         \
	" WHERE l.run_id = $1"                                                  \
	"   AND r.state = ANY (ARRAY['q', 'w', 'k']::\"char\"[])"

#define END                                                                 \
	"SELECT r.finished_at, 10,"                                             \
	"       CASE r.state WHEN 's' THEN 'succeeded' WHEN 'f' THEN 'failed'"  \
	"                    ELSE 'cancelled' END,"                             \
	"       NULL, NULL,"                                                    \
	"       nullif(concat_ws(', ', r.reason, " RUN_ERROR "), ''),"          \
	"       r.started_at, r.finished_at"                                    \
	"  FROM _workflow.run r"                                                \
	" WHERE r.run_id = $1 AND r.finished_at IS NOT NULL"                    \
	" UNION ALL "                                                           \
	"SELECT coalesce((SELECT max(s.finished_at) FROM _workflow.step s"      \
	"                  WHERE s.run_id = $1), r.started_at, r.enqueued_at)," \
	"       10, 'parked', r.failed_step, NULL,"                             \
	"       nullif(concat_ws(', ', r.reason, " RUN_ERROR "), '')," NO_SPAN  \
	"  FROM _workflow.run r"                                                \
	" WHERE r.run_id = $1 AND r.state = 'p'::\"char\""

static WfStmt read_timeline = {
	"SELECT e.at, e.event, e.ordinal, e.name, e.detail, e.began, e.ended"
	"  FROM (" QUEUED " UNION ALL " AUDIT " UNION ALL " STARTED
	" UNION ALL " STEPS " UNION ALL " ATTEMPTS " UNION ALL " BACK_OFFS
	" UNION ALL " SIGNALS " UNION ALL " PRESENT " UNION ALL " END
	") AS e (at, rank, event, ordinal, name, detail, began, ended)"
	" ORDER BY e.at, e.rank, e.ordinal",
	3,
	{UUIDOID, TIMESTAMPTZOID, BOOLOID}};

int
wf_timeline_read(const pg_uuid_t *run_id, bool contents, MemoryContext cxt,
				 WfMoment **out)
{
	Datum values[3] = {UUIDPGetDatum(run_id),
					   TimestampTzGetDatum(wf_clock_now()),
					   BoolGetDatum(contents)};
	uint64 n = wf_spi_run(&read_timeline, values, NULL, false, 0);

	*out = MemoryContextAllocHuge(cxt, mul_size(Max(n, 1), sizeof(WfMoment)));
	for (uint64 i = 0; i < n; i++)
	{
		WfMoment *moment = &(*out)[i];

		moment->at = wf_spi_get_time(i, 1, 0);
		moment->event = wf_spi_copy_text(i, 2, cxt);
		moment->ordinal = wf_spi_get_int32(i, 3, 0);
		moment->name = wf_spi_copy_text(i, 4, cxt);
		moment->detail = wf_spi_copy_text(i, 5, cxt);
		moment->began = wf_spi_get_time(i, 6, 0);
		moment->ended = wf_spi_get_time(i, 7, 0);
		moment->took = moment->began != 0 && moment->ended != 0;
	}
	return (int) n;
}
