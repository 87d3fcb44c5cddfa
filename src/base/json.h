/*
 * json.h
 *		Building jsonb values piece by piece.
 *
 * Thin covers of pushJsonbValue(); "as" is WJB_ELEM in an array and WJB_VALUE
 * in an object.  All copy nothing: what is pushed must live until the value is
 * made.
 */
#ifndef WF_BASE_JSON_H
#define WF_BASE_JSON_H

#include "utils/jsonb.h"

extern void wf_json_push_key(JsonbParseState **state, const char *key);

/* NULL: a JSON null */
extern void wf_json_push_text(JsonbParseState **state, JsonbIteratorToken as,
							  const char *text);
extern void wf_json_push_int(JsonbParseState **state, JsonbIteratorToken as,
							 int64 value);
extern void wf_json_push_bool(JsonbParseState **state, JsonbIteratorToken as,
							  bool value);

/* NULL: a JSON null */
extern void wf_json_push(JsonbParseState **state, JsonbIteratorToken as,
						 const Jsonb *value);

#endif /* WF_BASE_JSON_H */
