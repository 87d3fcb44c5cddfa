/*
 * lint.c
 *		Finding calls in a body whose value differs from replay to replay.
 *
 * The lexer knows just enough of SQL not to be fooled by text that is not
 * code.  A word counts when it stands bare or after "pg_catalog."; after any
 * other qualifier (workflow.now()) it is somebody else's function.
 */
#include "postgres.h"

#include <ctype.h>

#include "core/lint.h"

typedef struct LintWord
{
	const char *name;
	const char *shown;
	bool needs_paren; /* a function, not a keyword */
} LintWord;

static const LintWord words[] = {
	{"now", "now()", true},
	{"clock_timestamp", "clock_timestamp()", true},
	{"statement_timestamp", "statement_timestamp()", true},
	{"transaction_timestamp", "transaction_timestamp()", true},
	{"timeofday", "timeofday()", true},
	{"random", "random()", true},
	{"gen_random_uuid", "gen_random_uuid()", true},
	{"current_timestamp", "current_timestamp", false},
	{"current_date", "current_date", false},
	{"current_time", "current_time", false},
	{"localtimestamp", "localtimestamp", false},
	{"localtime", "localtime", false},
};

static bool
is_word_start(char c)
{
	return isalpha((unsigned char) c) || c == '_' || IS_HIGHBIT_SET(c);
}

static bool
is_word_part(char c)
{
	return is_word_start(c) || isdigit((unsigned char) c) || c == '$';
}

/* Past a literal or name in quotes; doubled quotes stay inside. */
static const char *
skip_quoted(const char *p, bool backslashes)
{
	char quote = *p++;

	while (*p)
	{
		if (backslashes && *p == '\\' && p[1])
			p += 2;
		else if (*p != quote)
			p++;
		else if (p[1] == quote)
			p += 2;
		else
			return p + 1;
	}
	return p;
}

/* Past a comment that starts here; comments nest, as in SQL. */
static const char *
skip_comment(const char *p)
{
	int depth = 0;

	while (*p)
	{
		if (p[0] == '/' && p[1] == '*')
		{
			depth++;
			p += 2;
		}
		else if (p[0] == '*' && p[1] == '/')
		{
			p += 2;
			if (--depth == 0)
				break;
		}
		else
			p++;
	}
	return p;
}

/* Past a dollar-quoted literal, or past the dollar where none starts. */
static const char *
skip_dollar(const char *p)
{
	const char *end = p + 1;
	size_t len;

	while (*end && *end != '$' && is_word_part(*end))
		end++;
	if (*end != '$' || isdigit((unsigned char) p[1]))
		return p + 1;
	len = end - p + 1;
	for (const char *q = end + 1; *q; q++)
	{
		if (*q == '$' && strncmp(q, p, len) == 0)
			return q + len;
	}
	return p + strlen(p);
}

/* The entry for the word at p, or NULL. */
static const LintWord *
find_word(const char *p, size_t len)
{
	for (int i = 0; i < lengthof(words); i++)
	{
		const char *after = p + len;

		if (strlen(words[i].name) != len ||
			pg_strncasecmp(words[i].name, p, len) != 0)
			continue;
		while (isspace((unsigned char) *after))
			after++;
		if (words[i].needs_paren && *after != '(')
			return NULL;
		return &words[i];
	}
	return NULL;
}

/* Past the dot after a word, or NULL where no dot follows. */
static const char *
after_dot(const char *p)
{
	while (isspace((unsigned char) *p))
		p++;
	return *p == '.' && p[1] != '.' ? p + 1 : NULL;
}

static int
add_hit(WfLintHit *hits, int n, int max, const char *word, int line)
{
	for (int i = 0; i < n; i++)
	{
		if (hits[i].word == word)
			return n;
	}
	if (n == max)
		return n;
	hits[n].word = word;
	hits[n].line = line;
	return n + 1;
}

/* The end of the token at p that is no word of ours. */
static const char *
skip_token(const char *p)
{
	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\n");
	if (p[0] == '/' && p[1] == '*')
		return skip_comment(p);
	if (*p == '\'')
		return skip_quoted(p, false);
	if (*p == '"')
		return skip_quoted(p, false);
	if ((*p == 'e' || *p == 'E') && p[1] == '\'')
		return skip_quoted(p + 1, true);
	if (*p == '$')
		return skip_dollar(p);
	return p + 1;
}

int
wf_lint_source(const char *source, WfLintHit *hits, int max)
{
	const char *p = source;
	const char *counted = source;
	bool qualified = false; /* by something other than pg_catalog */
	int line = 1;
	int n = 0;

	while (*p)
	{
		const char *start = p;
		const LintWord *word;
		const char *dot;

		if (!is_word_start(*p) || ((*p == 'e' || *p == 'E') && p[1] == '\''))
		{
			p = skip_token(p);
			/* only white space keeps a qualifier alive, and a quoted name is
			 * one itself */
			if (*start == '"')
				qualified = after_dot(p) != NULL;
			else if (*start != '.' && !isspace((unsigned char) *start))
				qualified = false;
			continue;
		}

		while (is_word_part(*p))
			p++;
		word = qualified ? NULL : find_word(start, p - start);
		if (word)
		{
			for (; counted < start; counted++)
				line += *counted == '\n';
			n = add_hit(hits, n, max, word->shown, line);
		}
		dot = after_dot(p);
		qualified =
			dot != NULL &&
			!(p - start == 10 && pg_strncasecmp(start, "pg_catalog", 10) == 0);
	}
	return n;
}
