/*
 * lint.h
 *		Finding calls in a body whose value differs from replay to replay.
 *
 * A lexical scan of SQL or PL/pgSQL source: comments, string literals, dollar
 * quotes and quoted identifiers are skipped, so that the command of a step may
 * say now().  Pure; no parser, so it warns and never refuses.
 */
#ifndef WF_CORE_LINT_H
#define WF_CORE_LINT_H

typedef struct WfLintHit
{
	const char *word; /* static: "now()", "current_timestamp" */
	int line;		  /* 1-based */
} WfLintHit;

/* First finding of each word, in order of their lines; at most "max". */
extern int wf_lint_source(const char *source, WfLintHit *hits, int max);

#endif /* WF_CORE_LINT_H */
