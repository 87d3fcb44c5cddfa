/*
 * cron_parse.c
 *		From the text of a cron pattern to its bitmaps; see cron.h.
 */
#include "postgres.h"

#include <ctype.h>
#include <string.h>

#include "core/civil.h"
#include "core/cron.h"

typedef enum FieldNumber
{
	SECOND,
	MINUTE,
	HOUR,
	DAY,
	MONTH,
	WEEKDAY,
	FIELDS
} FieldNumber;

typedef struct Field
{
	const char *name;
	int low;
	int high;
	const char *const *names; /* of low and what follows, or NULL */
	int nnames;
} Field;

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR",
										  "MAY", "JUN", "JUL", "AUG",
										  "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED",
											"THU", "FRI", "SAT"};

static const Field fields[FIELDS] = {
	[SECOND] = {"second", 0, 59, NULL, 0},
	[MINUTE] = {"minute", 0, 59, NULL, 0},
	[HOUR] = {"hour", 0, 23, NULL, 0},
	[DAY] = {"day of month", 1, 31, NULL, 0},
	[MONTH] = {"month", 1, 12, month_names, lengthof(month_names)},
	[WEEKDAY] = {"day of week", 0, 7, weekday_names, lengthof(weekday_names)},
};

static const struct
{
	const char *word;
	const char *pattern;
} words[] = {
	{"@hourly", "0 * * * *"},	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

/* the text, and where in it the parser stands */
typedef struct Parser
{
	const char *text;
	const char *what; /* name of the argument */
	const char *at;
	const char *part; /* where the element of a list began */
	const Field *field;
} Parser;

/* ---- errors ---- */

static void
fail(const Parser *p, const char *why, const char *hint)
{
	int character = 1;

	/* bytes that go on with a character do not count */
	for (const char *c = p->text; c < p->at; c++)
		character += ((unsigned char) *c & 0xc0) != 0x80;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid cron pattern \"%s\" in %s", p->text, p->what),
			 p->field ?
			 errdetail("Field \"%s\" is wrong at character %d: %s.",
					   p->field->name, character, why) :
			 errdetail("It is wrong at character %d: %s.", character, why),
			 errhint("%s", hint)));
}

static const char *const syntax_hint =
	"A field is a list of *, numbers, ranges such as 1-5 and steps such as */10, without spaces.";

/* ---- elements ---- */

static int
read_digits(Parser *p)
{
	int value = 0;

	if (!isdigit((unsigned char) *p->at))
		fail(p, "a number is missing", syntax_hint);
	while (isdigit((unsigned char) *p->at))
	{
		if (value < 1000)
			value = value * 10 + (*p->at - '0');
		p->at++;
	}
	return value;
}

/* One of the field's names, or -1; a name is three letters. */
static int
read_name(Parser *p)
{
	for (int i = 0; i < p->field->nnames; i++)
	{
		if (pg_strncasecmp(p->at, p->field->names[i], 3) == 0)
		{
			p->at += 3;
			return p->field->low + i;
		}
	}
	return -1;
}

static int
read_value(Parser *p)
{
	const char *begin = p->at;
	int value;

	if (isalpha((unsigned char) *p->at))
	{
		value = read_name(p);
		if (value < 0)
			fail(
				p, "there is no such name in this field",
				"Names are JAN to DEC in the field of months, SUN to SAT in that of days of the week.");
		return value;
	}
	value = read_digits(p);
	if (value < p->field->low || value > p->field->high)
	{
		char why[64];

		p->at = begin;
		snprintf(why, sizeof(why), "the number must be %d to %d",
				 p->field->low, p->field->high);
		fail(p, why, syntax_hint);
	}
	return value;
}

static int
read_step(Parser *p)
{
	const char *begin = ++p->at;
	int step = read_digits(p);

	if (step < 1 || step > p->field->high)
	{
		char why[64];

		p->at = begin;
		snprintf(why, sizeof(why), "the step must be 1 to %d", p->field->high);
		fail(
			p, why,
			"A step counts within its field: */15 in minutes is 0, 15, 30 and 45. For other intervals use \"every\".");
	}
	return step;
}

static void
add_rule(Parser *p, WfCron *out, WfCronRuleKind kind, int day, int nth)
{
	if (out->nrules >= WF_CRON_MAX_RULES)
		fail(
			p, "there are too many rules for days",
			"A pattern can have 32 of L, LW, W and #; make it two schedules.");
	out->rules[out->nrules].kind = kind;
	out->rules[out->nrules].day = day;
	out->rules[out->nrules].nth = nth;
	out->nrules++;
}

static bool
at_end_of_element(const Parser *p)
{
	return *p->at == '\0' || *p->at == ',' || isspace((unsigned char) *p->at);
}

/* L, LW and 15W; false where the element is none of them. */
static bool
read_day_rule(Parser *p, WfCron *out)
{
	if (pg_toupper((unsigned char) *p->at) == 'L')
	{
		p->at++;
		if (pg_toupper((unsigned char) *p->at) == 'W')
		{
			p->at++;
			add_rule(p, out, WF_CRON_LAST_WORKDAY, 0, 0);
		}
		else
			add_rule(p, out, WF_CRON_LAST_DAY, 0, 0);
		return true;
	}
	if (isdigit((unsigned char) *p->at))
	{
		const char *begin = p->at;
		int day = read_value(p);

		if (pg_toupper((unsigned char) *p->at) == 'W')
		{
			p->at++;
			add_rule(p, out, WF_CRON_WORKDAY, day, 0);
			return true;
		}
		p->at = begin;
	}
	return false;
}

/* MON#2 and FRIL; false where the element is none of them. */
static bool
read_weekday_rule(Parser *p, WfCron *out)
{
	const char *begin = p->at;
	int day;

	if (!isalnum((unsigned char) *p->at))
		return false;
	if (pg_toupper((unsigned char) *p->at) == 'L' &&
		!isalnum((unsigned char) p->at[1]))
		fail(p, "L needs a day before it",
			 "Write 5L or FRIL for the last Friday of the month.");
	day = read_value(p) % 7;
	if (*p->at == '#')
	{
		int nth;

		p->at++;
		nth = read_digits(p);
		if (nth < 1 || nth > 5)
		{
			p->at--;
			fail(p, "the number after # must be 1 to 5",
				 "Write MON#2 for the second Monday of the month.");
		}
		add_rule(p, out, WF_CRON_NTH_WEEKDAY, day, nth);
		return true;
	}
	if (pg_toupper((unsigned char) *p->at) == 'L')
	{
		p->at++;
		add_rule(p, out, WF_CRON_LAST_WEEKDAY, day, 0);
		return true;
	}
	p->at = begin;
	return false;
}

/* A "*", a number or a range, with or without a step, as bits. */
static uint64
read_range(Parser *p)
{
	int first;
	int last;
	int step = 1;
	uint64 bits = 0;

	if (*p->at == '*')
	{
		p->at++;
		first = p->field->low;
		last = p->field->high;
	}
	else
	{
		first = last = read_value(p);
		if (*p->at == '-')
		{
			bool named;

			p->at++;
			named = isalpha((unsigned char) *p->at) != 0;
			last = read_value(p);
			/* the week may end with its first day, by name */
			if (p->field == &fields[WEEKDAY] && last == 0 && named)
				last = 7;
			if (last < first)
			{
				p->at = p->part;
				fail(p, "the range goes backwards",
					 "Write it as two ranges: FRI-SAT,SUN-MON.");
			}
		}
		else if (*p->at == '/')
			last = p->field->high;
	}
	if (*p->at == '/')
		step = read_step(p);
	for (int i = first; i <= last; i += step)
		bits |= UINT64CONST(1) << i;
	return bits;
}

/* ---- fields ---- */

/* Returns the bits; rules go to *out.  Stands behind the field then. */
static uint64
read_field(Parser *p, WfCron *out)
{
	uint64 bits = 0;

	for (;;)
	{
		bool is_rule = false;

		p->part = p->at;
		if (p->field == &fields[DAY])
			is_rule = read_day_rule(p, out);
		else if (p->field == &fields[WEEKDAY])
			is_rule = read_weekday_rule(p, out);
		if (!is_rule)
			bits |= read_range(p);
		if (!at_end_of_element(p))
			fail(p, "the character is not expected here", syntax_hint);
		if (*p->at != ',')
			return bits;
		p->at++;
	}
}

static void
skip_spaces(Parser *p)
{
	while (isspace((unsigned char) *p->at))
		p->at++;
}

static int
count_fields(const char *text)
{
	int n = 0;

	while (*text)
	{
		while (isspace((unsigned char) *text))
			text++;
		if (*text == '\0')
			break;
		n++;
		while (*text && !isspace((unsigned char) *text))
			text++;
	}
	return n;
}

static void
set_field(WfCron *out, FieldNumber number, uint64 bits)
{
	switch (number)
	{
		case SECOND:
			out->seconds = bits;
			break;
		case MINUTE:
			out->minutes = bits;
			break;
		case HOUR:
			out->hours = (uint32) bits;
			break;
		case DAY:
			out->days = (uint32) bits;
			break;
		case MONTH:
			out->months = (uint16) bits;
			break;
		case WEEKDAY:
			/* 7 is Sunday, too */
			out->weekdays = (uint8) ((bits | bits >> 7) & 0x7f);
			break;
		case FIELDS:
			break;
	}
}

static const char *
expand_word(Parser *p)
{
	size_t length = strcspn(p->at, " \t\r\n\f\v");

	for (int i = 0; i < lengthof(words); i++)
	{
		if (strlen(words[i].word) == length &&
			pg_strncasecmp(words[i].word, p->at, length) == 0 &&
			count_fields(p->at) == 1)
			return words[i].pattern;
	}
	fail(
		p, "there is no such word",
		"The words are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually.");
	return NULL; /* not reached */
}

static void
parse_fields(Parser *p, WfCron *out)
{
	int n = count_fields(p->at);
	bool starred[FIELDS] = {false};

	if (n != 5 && n != 6)
	{
		char why[64];

		snprintf(why, sizeof(why), "5 or 6 fields are needed, %d found", n);
		fail(
			p, why,
			"Fields are minute, hour, day of month, month and day of week, or six with seconds first.");
	}
	out->has_second = n == 6;
	out->seconds = 1;
	for (int i = n == 6 ? SECOND : MINUTE; i < FIELDS; i++)
	{
		skip_spaces(p);
		p->field = &fields[i];
		starred[i] = *p->at == '*';
		set_field(out, i, read_field(p, out));
	}
	out->fixed = !starred[MINUTE] && !starred[HOUR];
	out->both = starred[DAY] || starred[WEEKDAY];
	p->field = NULL;
}

void
wf_cron_parse(const char *pattern, const char *what, WfCron *out)
{
	Parser p = {.text = pattern, .what = what, .at = pattern};
	int64 local;

	memset(out, 0, sizeof(*out));
	skip_spaces(&p);
	if (*p.at == '@')
		p.at = p.text = expand_word(&p);
	parse_fields(&p, out);

	/* as seen from 2000-01-01, which begins 400 years of the calendar */
	if (!wf_cron_next(out, 10957 * WF_DAY_SECONDS, &local))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cron pattern \"%s\" in %s never matches", pattern,
						what),
				 errdetail("No day within %d years is one that it names.",
						   WF_CRON_YEARS),
				 errhint("Look at the day of the month, the month and the day of the week together: there is no 30 February.")));
}
