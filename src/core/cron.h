/*
 * cron.h
 *		A cron pattern: six bitmaps and a list of rules for days.
 *
 * Fields are minute, hour, day of month, month and day of week, or six with
 * seconds first.  Each is a list of "*", numbers, names (JAN, MON), ranges and
 * steps ("2/20" is 2-59/20); 7 is Sunday.  A day of month may also be L (the
 * last one), LW (the last weekday, Monday to Friday) or 15W (the weekday
 * nearest to the 15th in the same month); a day of week MON#2 (the second
 * Monday) or FRIL (the last Friday).  Where neither day field begins with "*",
 * a day counts if either matches; else it must match both.
 *
 * A pattern is *fixed* when neither minute nor hour begins with "*": it names
 * local times.  Any other runs in real time.  tick.h tells what that means
 * where a zone's offset changes.
 *
 * Lifetime: a WfCron has no pointers; copy it as you like.
 */
#ifndef WF_CORE_CRON_H
#define WF_CORE_CRON_H

/* rules for days in one pattern */
#define WF_CRON_MAX_RULES 32

/* a pattern that names no day within so many years never matches */
#define WF_CRON_YEARS 40

/* characters of a pattern */
#define WF_CRON_MAX_LENGTH 500

typedef enum WfCronRuleKind
{
	WF_CRON_LAST_DAY,	  /* L */
	WF_CRON_LAST_WORKDAY, /* LW */
	WF_CRON_WORKDAY,	  /* 15W: nearest to that day */
	WF_CRON_NTH_WEEKDAY,  /* MON#2 */
	WF_CRON_LAST_WEEKDAY  /* FRIL */
} WfCronRuleKind;

typedef struct WfCronRule
{
	uint8 kind; /* WfCronRuleKind */
	uint8 day;	/* of the month, or of the week */
	uint8 nth;
} WfCronRule;

typedef struct WfCron
{
	uint64 seconds; /* bit n: second n, and so on */
	uint64 minutes;
	uint32 hours;
	uint32 days; /* of the month, bits 1 to 31 */
	uint16 months;
	uint8 weekdays;	 /* bit 0: Sunday */
	bool fixed;		 /* names local times */
	bool both;		 /* both day fields must match */
	bool has_second; /* six fields */
	uint8 nrules;
	WfCronRule rules[WF_CRON_MAX_RULES];
} WfCron;

/*
 * Parses a pattern, or one of the words @hourly, @daily, @midnight, @weekly,
 * @monthly, @yearly and @annually.  Raises 22023 with the field and the
 * character where it is wrong, and where it can never match.  "what" names the
 * argument in messages.
 */
extern void wf_cron_parse(const char *pattern, const char *what, WfCron *out);

/* Does this local time match, in all fields? */
extern bool wf_cron_matches(const WfCron *cron, int64 local);

/*
 * The first local time that matches and is not before "from"; false where none
 * does within WF_CRON_YEARS.
 */
extern bool wf_cron_next(const WfCron *cron, int64 from, int64 *local);

#endif /* WF_CORE_CRON_H */
