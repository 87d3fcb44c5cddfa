/*
 * text.c
 *		Texts that are kept no longer than they may be.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/text.h"

char *
wf_text_clip(char *text, int max)
{
	size_t length = text == NULL ? 0 : strlen(text);

	if (length > max)
		text[pg_mbcliplen(text, length, max)] = '\0';
	return text;
}
