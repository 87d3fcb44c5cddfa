/*
 * shortage_kind.h
 *		What a database may be short of, and which errors say so.
 *
 * Pure: no SPI, no shared memory, no clock.
 */
#ifndef WF_CORE_SHORTAGE_KIND_H
#define WF_CORE_SHORTAGE_KIND_H

/* where there are several, the first of them is shown */
typedef enum WfShortage
{
	WF_SHORTAGE_NONE,
	WF_SHORTAGE_DISK,
	WF_SHORTAGE_MEMORY,
	WF_SHORTAGE_LOCKS,
	WF_SHORTAGE_CONNECTIONS,
	WF_SHORTAGE_WORKERS,
	WF_SHORTAGE_STANDBY,
	WF_SHORTAGES
} WfShortage;

/* As status.shortage says it; NULL for WF_SHORTAGE_NONE. */
extern const char *wf_shortage_kind_word(WfShortage kind);

/* "disk space" and the like, for a sentence. */
extern const char *wf_shortage_kind_noun(WfShortage kind);

/*
 * The shortage that an error with this SQLSTATE tells of.  53200 is memory
 * here, as nothing but its text tells a full lock table from it.  "engine":
 * our own statement has met it; a step that cannot find a file (58P01) has
 * only the wrong name.
 */
extern WfShortage wf_shortage_kind_of(const char *sqlstate, bool engine);

#endif /* WF_CORE_SHORTAGE_KIND_H */
