/*
 * zone_data.c
 *		Reads time zones of this server; see zone_data.h.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "common/config_info.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/memutils.h"

#include "store/zone_data.h"

#define SYSTEM_OPTION "'--with-system-tzdata="

/* years that are read beyond what was asked for, so that few reads do */
#define SPARE_SECONDS (2 * INT64CONST(366) * 86400)

typedef struct CachedZone
{
	slist_node node;
	MemoryContext cxt; /* of it all */
	char *name;
	bool has_file; /* some are built in */
	struct stat file;
	WfZone zone;
} CachedZone;

static slist_head cache = SLIST_STATIC_INIT(cache);

/* ---- files ---- */

/* Where the server's zone files are: its own, or the system's. */
static const char *
zone_folder(void)
{
	static char folder[MAXPGPATH];
	ConfigData *config;
	size_t n;

	if (folder[0] != '\0')
		return folder;
	get_share_path(my_exec_path, folder);
	strlcat(folder, "/timezone", sizeof(folder));
	config = get_configdata(my_exec_path, &n);
	for (size_t i = 0; i < n; i++)
	{
		char *begin;

		if (strcmp(config[i].name, "CONFIGURE") != 0)
			continue;
		begin = strstr(config[i].setting, SYSTEM_OPTION);
		if (begin == NULL)
			continue;
		begin += strlen(SYSTEM_OPTION);
		strlcpy(folder, begin, Min(strcspn(begin, "'") + 1, sizeof(folder)));
	}
	return folder;
}

static bool
look_at_file(const char *name, struct stat *out)
{
	char *path = psprintf("%s/%s", zone_folder(), name);
	bool found = stat(path, out) == 0;

	pfree(path);
	return found;
}

static bool
is_current(const CachedZone *cached)
{
	struct stat now;

	if (look_at_file(cached->name, &now) != cached->has_file)
		return false;
	return !cached->has_file || (now.st_dev == cached->file.st_dev &&
								 now.st_ino == cached->file.st_ino &&
								 now.st_mtime == cached->file.st_mtime &&
								 now.st_size == cached->file.st_size);
}

/* ---- reading ---- */

static void
add_span(WfZone *zone, int *allocated, int64 begin, long offset)
{
	if (zone->nspans > 0 && zone->spans[zone->nspans - 1].offset == offset)
		return;
	if (zone->nspans == *allocated)
	{
		*allocated *= 2;
		zone->spans = repalloc_huge(zone->spans, *allocated * sizeof(WfSpan));
	}
	zone->spans[zone->nspans].begin = begin;
	zone->spans[zone->nspans].offset = (int32) offset;
	zone->nspans++;
}

static void
read_spans(const pg_tz *tz, int64 from, int64 upto, WfZone *zone)
{
	int allocated = 64;
	pg_time_t at = from;

	zone->from = from;
	zone->upto = upto;
	zone->nspans = 0;
	zone->spans = palloc(allocated * sizeof(WfSpan));
	for (;;)
	{
		long before;
		long after;
		int before_isdst;
		int after_isdst;
		pg_time_t boundary;
		int found = pg_next_dst_boundary(&at, &before, &before_isdst,
										 &boundary, &after, &after_isdst, tz);

		if (found < 0)
			elog(ERROR, "could not read time zone \"%s\"",
				 pg_get_timezone_name((pg_tz *) tz));
		add_span(zone, &allocated, at, before);
		if (found == 0 || boundary >= upto)
			return;
		CHECK_FOR_INTERRUPTS();
		at = boundary;
	}
}

/* Reads a zone into the cache; NULL where there is no such name. */
static CachedZone *
read_zone(const char *name, int64 from, int64 upto)
{
	MemoryContext cxt = AllocSetContextCreate(
		CurrentMemoryContext, "workflow time zone", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	pg_tzenum *all = pg_tzenumerate_start();
	CachedZone *cached = NULL;
	pg_tz *tz;

	while (cached == NULL && (tz = pg_tzenumerate_next(all)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (pg_strcasecmp(pg_get_timezone_name(tz), name) != 0)
			continue;
		cached = palloc0(sizeof(CachedZone));
		cached->cxt = cxt;
		cached->name = pstrdup(pg_get_timezone_name(tz));
		cached->has_file = look_at_file(cached->name, &cached->file);
		read_spans(tz, from, upto, &cached->zone);
	}
	pg_tzenumerate_end(all);
	MemoryContextSwitchTo(old);
	if (cached == NULL)
	{
		MemoryContextDelete(cxt);
		return NULL;
	}
	MemoryContextSetParent(cxt, TopMemoryContext);
	slist_push_head(&cache, &cached->node);
	return cached;
}

static CachedZone *
find_cached(const char *name)
{
	slist_iter it;

	slist_foreach (it, &cache)
	{
		CachedZone *cached = slist_container(CachedZone, node, it.cur);

		if (pg_strcasecmp(cached->name, name) == 0)
			return cached;
	}
	return NULL;
}

const WfZone *
wf_zone_find(const char *name, int64 from, int64 upto)
{
	CachedZone *cached = find_cached(name);

	if (cached != NULL)
	{
		if (is_current(cached))
		{
			if (cached->zone.from <= from && cached->zone.upto >= upto)
				return &cached->zone;
			from = Min(from, cached->zone.from);
			upto = Max(upto, cached->zone.upto);
		}
		slist_delete(&cache, &cached->node);
		MemoryContextDelete(cached->cxt);
	}
	cached = read_zone(name, from, upto + SPARE_SECONDS);
	return cached ? &cached->zone : NULL;
}
