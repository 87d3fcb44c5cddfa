/*
 * receipt.c
 *		Receipts of messages, and leases as arguments.
 *
 * A receipt is '<message_id>-<token>': the token is random, of 64 bits in 16
 * hexadecimal digits, and new each time the message is received.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/arguments.h"
#include "api/receipt.h"
#include "base/compat.h"
#include "store/definition.h"

#define TOKEN_DIGITS 16
#define ID_DIGITS	 19

Datum
wf_receipt_text(int64 message_id, int64 token)
{
	char buffer[ID_DIGITS + TOKEN_DIGITS + 3];
	int n =
		snprintf(buffer, sizeof(buffer), INT64_FORMAT "-%016" WF_UINT64_HEX,
				 message_id, (uint64) token);

	return PointerGetDatum(cstring_to_text_with_len(buffer, n));
}

static bool
parse_digits(const char *text, int n, int base, uint64 *value)
{
	*value = 0;
	for (int i = 0; i < n; i++)
	{
		int digit;

		if (text[i] >= '0' && text[i] <= '9')
			digit = text[i] - '0';
		else if (base == 16 && text[i] >= 'a' && text[i] <= 'f')
			digit = text[i] - 'a' + 10;
		else
			return false;
		*value = *value * base + digit;
	}
	return true;
}

WfReceipt
wf_receipt_parse(const char *text, int length)
{
	int digits = length - TOKEN_DIGITS - 1;
	WfReceipt receipt;
	uint64 id;
	uint64 token;

	if (digits < 1 || digits > ID_DIGITS || text[digits] != '-' ||
		!parse_digits(text, digits, 10, &id) || id > PG_INT64_MAX ||
		!parse_digits(text + digits + 1, TOKEN_DIGITS, 16, &token))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid receipt"),
				 errdetail("It is \"%.*s\".", Min(length, 64), text),
				 errhint("Pass the column \"receipt\" of workflow.receive() as it is.")));
	receipt.message_id = (int64) id;
	receipt.token = (int64) token;
	return receipt;
}

int64
wf_arg_lease(FunctionCallInfo fcinfo, int arg, const WfQueueReceive *queue)
{
	Interval *lease = wf_arg_interval(fcinfo, arg, "lease", true);

	return lease == NULL ? queue->lease : wf_interval_usec(lease, "lease", 1);
}
