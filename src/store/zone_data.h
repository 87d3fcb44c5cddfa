/*
 * zone_data.h
 *		Time zones of this server, as tables for core/tick.h.
 *
 * PostgreSQL keeps each zone that a process has used for the life of that
 * process, and inherits those of TimeZone and log_timezone from the postmaster,
 * so after an update of the system's zone data it goes on with old rules.
 * Zones are therefore read past that cache: pg_tzenumerate_next() loads each
 * file anew.  One zone costs a walk through all of them (about 70 ms).
 *
 * Owns: a cache of zones in each process.  A zone is read again when its file
 * is another one than when it was read (device, inode, time of change or size).
 *
 * Must not: read tables; write anything.
 *
 * Lifetime: what wf_zone_find() returns is valid until the next call of it.
 */
#ifndef WF_STORE_ZONE_DATA_H
#define WF_STORE_ZONE_DATA_H

#include "core/zone.h"

/*
 * The zone of that name, known at least from "from" up to "upto" (seconds since
 * 1970).  Names are those of pg_timezone_names, in any case of letters; NULL
 * where there is none, as for POSIX strings.
 */
extern const WfZone *wf_zone_find(const char *name, int64 from, int64 upto);

#endif /* WF_STORE_ZONE_DATA_H */
