/*
 * fingerprint.c
 *		The fingerprint of a call: by which a replay sees that it asks for the
 *		same command with the same values as before.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "core/derive.h"
#include "play/fingerprint.h"
#include "play/word.h"

/* what a value of a type is taken by */
typedef struct Folding
{
	Oid type;
	int16 len;
	bool byval;
	bool as_text;
} Folding;

/*
 * Looking it up takes longer than anything else in a replay, so it is kept for
 * the last types there were; those that somebody made may change.
 */
static const Folding *
find_folding(Oid type)
{
	static Folding known[16];
	static Folding other;
	Folding *folding = &known[type % lengthof(known)];

	if (type >= FirstGenbkiObjectId)
		folding = &other;
	else if (folding->type == type)
		return folding;
	get_typlenbyval(type, &folding->len, &folding->byval);
	folding->as_text = type >= FirstGenbkiObjectId ||
					   get_typtype(type) != TYPTYPE_BASE ||
					   OidIsValid(get_element_type(type));
	folding->type = type;
	return folding;
}

/*
 * A value as bytes that mean the same in every process and after a dump and
 * restore: the datum itself for built-in base types, else its text, as enums,
 * arrays and composites have oids inside.
 */
char *
wf_fingerprint_text(Oid type, Datum value, bool always)
{
	int nest;
	Oid output;
	bool varlena;
	char *text;

	if (type == UNKNOWNOID)
		return DatumGetCString(value);
	if (!always && type < FirstGenbkiObjectId &&
		get_typtype(type) == TYPTYPE_BASE &&
		!OidIsValid(get_element_type(type)))
		return NULL;

	nest = NewGUCNestLevel();
	(void) set_config_option("datestyle", "ISO, YMD", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("extra_float_digits", "1", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	getTypeOutputInfo(type, &output, &varlena);
	text = OidOutputFunctionCall(output, value);
	AtEOXact_GUC(true, nest);
	return text;
}

static uint64
fold_value(uint64 print, Oid type, Datum value)
{
	const Folding *folding = find_folding(type);

	if (type == UNKNOWNOID || folding->as_text)
	{
		const char *text = wf_fingerprint_text(type, value, true);

		return wf_fingerprint_bytes(print, 't', text, strlen(text));
	}
	if (folding->byval)
		return wf_fingerprint_bytes(print, 'd', &value, sizeof(Datum));
	if (folding->len == -1)
	{
		struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

		return wf_fingerprint_bytes(print, 'd', VARDATA_ANY(packed),
									VARSIZE_ANY_EXHDR(packed));
	}
	return wf_fingerprint_bytes(
		print, 'd', DatumGetPointer(value),
		datumGetSize(value, folding->byval, folding->len));
}

uint64
wf_fingerprint_call(const WfCall *call)
{
	uint64 print =
		wf_fingerprint_bytes(0, 'c', call->command, strlen(call->command));

	for (int i = 0; i < call->nargs; i++)
		print = call->nulls[i]
					? wf_fingerprint_null(print)
					: fold_value(print, call->types[i], call->values[i]);
	return print;
}
