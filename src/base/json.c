/*
 * json.c
 *		Building jsonb values piece by piece.
 */
#include "postgres.h"

#include "utils/numeric.h"

#include "base/json.h"

static void
set_text(JsonbValue *v, const char *text)
{
	v->type = jbvString;
	v->val.string.val = unconstify(char *, text);
	v->val.string.len = strlen(text);
}

void
wf_json_push_key(JsonbParseState **state, const char *key)
{
	JsonbValue v;

	set_text(&v, key);
	(void) pushJsonbValue(state, WJB_KEY, &v);
}

void
wf_json_push_text(JsonbParseState **state, JsonbIteratorToken as,
				  const char *text)
{
	JsonbValue v = {.type = jbvNull};

	if (text != NULL)
		set_text(&v, text);
	(void) pushJsonbValue(state, as, &v);
}

void
wf_json_push_int(JsonbParseState **state, JsonbIteratorToken as, int64 value)
{
	JsonbValue v = {.type = jbvNumeric,
					.val.numeric = int64_to_numeric(value)};

	(void) pushJsonbValue(state, as, &v);
}

void
wf_json_push_bool(JsonbParseState **state, JsonbIteratorToken as, bool value)
{
	JsonbValue v = {.type = jbvBool, .val.boolean = value};

	(void) pushJsonbValue(state, as, &v);
}

void
wf_json_push(JsonbParseState **state, JsonbIteratorToken as,
			 const Jsonb *value)
{
	JsonbContainer *root =
		value == NULL ? NULL : &unconstify(Jsonb *, value)->root;
	JsonbValue v = {.type = jbvNull};

	if (root != NULL && JsonContainerIsScalar(root))
		(void) JsonbExtractScalar(root, &v);
	else if (root != NULL)
	{
		v.type = jbvBinary;
		v.val.binary.data = root;
		v.val.binary.len = VARSIZE(value) - VARHDRSZ;
	}
	(void) pushJsonbValue(state, as, &v);
}
