/*
 * answers.c
 *		What a trial is told in place of what would come from elsewhere.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "play/answers.h"

/* how many answers of a name were taken */
typedef struct Taken
{
	char *name;
	int count;
} Taken;

struct WfAnswers
{
	Jsonb *object;
	List *taken; /* of Taken */
};

WfAnswers *
wf_answers_make(Jsonb *object)
{
	WfAnswers *answers = palloc0(sizeof(WfAnswers));

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("answers must be a JSON object"),
				 errdetail("It is something else, such as an array or a string."),
				 errhint("Pass names and values: '{\"approved\": true}'.")));
	answers->object = object;
	return answers;
}

static Taken *
taken_of(WfAnswers *answers, const char *name)
{
	Taken *taken;
	ListCell *lc;

	foreach (lc, answers->taken)
	{
		taken = lfirst(lc);
		if (strcmp(taken->name, name) == 0)
			return taken;
	}
	taken = palloc0(sizeof(Taken));
	taken->name = pstrdup(name);
	answers->taken = lappend(answers->taken, taken);
	return taken;
}

static JsonbValue *
value_of(Jsonb *object, const char *key)
{
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
}

/* A member of an error, which is text; or NULL. */
static char *
text_of(Jsonb *error, const char *key)
{
	JsonbValue *value = value_of(error, key);

	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" of an error in answers must be a string", key)));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static bool
is_sqlstate(const char *code)
{
	return strlen(code) == 5 &&
		   strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

static void
read_error(Jsonb *wrapped, const char *name, const char *default_code,
		   WfError *error)
{
	JsonbValue *inner = value_of(wrapped, "$error");
	Jsonb *fields = JsonbValueToJsonb(inner);
	char *code;

	if (default_code == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("answer for \"%s\" cannot be an error", name),
				 errdetail("A signal is data that somebody sends; there is none that fails."),
				 errhint("Leave the answer out to see the time-out of the wait.")));
	if (!JB_ROOT_IS_OBJECT(fields))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"$error\" in answers must be a JSON object"),
				 errhint("Pass '{\"$error\": {\"code\": \"P0001\", \"message\": \"...\"}}'.")));
	code = text_of(fields, "code");
	if (code != NULL && !is_sqlstate(code))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"code\" of an error in answers must be a SQLSTATE"),
				 errdetail("The value is \"%s\".", code),
				 errhint("A SQLSTATE has five characters, such as \"P0001\".")));
	strlcpy(error->code, code ? code : default_code, sizeof(error->code));
	error->message = text_of(fields, "message");
	if (error->message == NULL)
		error->message = psprintf("\"%s\" failed", name);
	error->detail = text_of(fields, "detail");
	error->hint = text_of(fields, "hint");
}

bool
wf_answers_take(WfAnswers *answers, const char *name, bool once,
				const char *code, WfAnswer *answer)
{
	JsonbValue *found = value_of(answers->object, name);
	Taken *taken;

	memset(answer, 0, sizeof(*answer));
	if (found == NULL)
		return false;
	taken = taken_of(answers, name);
	if (found->type == jbvBinary &&
		JsonContainerIsArray(found->val.binary.data))
		found = getIthJsonbValueFromContainer(found->val.binary.data,
											  taken->count);
	else if (once && taken->count > 0)
		found = NULL;
	if (found == NULL)
		return false;
	taken->count++;
	answer->value = JsonbValueToJsonb(found);
	if (JB_ROOT_IS_OBJECT(answer->value) &&
		value_of(answer->value, "$error") != NULL)
	{
		answer->failed = true;
		read_error(answer->value, name, code, &answer->error);
	}
	return true;
}

void
wf_answers_check_used(WfAnswers *answers)
{
	JsonbIterator *it = JsonbIteratorInit(&answers->object->root);
	JsonbIteratorToken token;
	JsonbValue v;
	StringInfoData names;

	initStringInfo(&names);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char *name;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(v.val.string.val, v.val.string.len);
		if (taken_of(answers, name)->count == 0)
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
							 name);
	}
	if (names.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("answers were not used: %s", names.data),
				 errdetail("The body ended without a signal, task, child or step of such a name."),
				 errhint("Leave them out, or correct the names.")));
}
