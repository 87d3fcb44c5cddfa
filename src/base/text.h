/*
 * text.h
 *		Texts that are kept no longer than they may be.
 */
#ifndef WF_BASE_TEXT_H
#define WF_BASE_TEXT_H

#define WF_MAX_ERROR_TEXT (8 * 1024) /* bytes of each text of an error */
#define WF_MAX_SIDE		  1024		 /* bytes: in a comparison, of each side */

/*
 * Cuts a text in place to at most "max" bytes, at the end of a character; NULL
 * stays NULL.
 */
extern char *wf_text_clip(char *text, int max);

#endif /* WF_BASE_TEXT_H */
