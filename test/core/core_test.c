/*
 * core_test.c
 *		TAP output, and the few functions of the server that core/ calls.
 *
 * Only what ereport(), elog() and Assert() expand to is here; a core file
 * that needs more of the server does not link, which is the point.
 */
#include "postgres.h"

#include "core_test.h"

sigjmp_buf core_test_jump;
bool core_test_catch = false;
int core_test_sqlstate = 0;

static int tests = 0;
static int failures = 0;
static int level = 0;

bool
ok(bool condition, const char *fmt, ...)
{
	va_list args;

	tests++;
	if (!condition)
		failures++;
	printf("%s %d - ", condition ? "ok" : "not ok", tests);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return condition;
}

int
done_testing(void)
{
	printf("1..%d\n", tests);
	return failures > 0 ? 1 : 0;
}

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	core_test_sqlstate = elevel >= ERROR ? ERRCODE_INTERNAL_ERROR : 0;
	return elevel >= WARNING;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	core_test_sqlstate = sqlerrcode;
	return 0;
}

static void
say(const char *fmt, va_list args)
{
	printf("# ");
	vprintf(fmt, args);
	printf("\n");
}

#define MESSAGE_PART(name)         \
	int name(const char *fmt, ...) \
	{                              \
		va_list args;              \
                                   \
		va_start(args, fmt);       \
		say(fmt, args);            \
		va_end(args);              \
		return 0;                  \
	}

MESSAGE_PART(errmsg)
MESSAGE_PART(errmsg_internal)
MESSAGE_PART(errdetail)
MESSAGE_PART(errdetail_internal)
MESSAGE_PART(errhint)

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (level < ERROR)
		return;
	if (core_test_catch)
		siglongjmp(core_test_jump, 1);
	printf("Bail out! %s:%d: unexpected error in %s\n", filename, lineno,
		   funcname);
	exit(2);
}

void
ExceptionalCondition(const char *conditionName,
#if PG_VERSION_NUM < 160000
					 const char *errorType,
#endif
					 const char *fileName, int lineNumber)
{
	printf("Bail out! %s:%d: failed assertion %s\n", fileName, lineNumber,
		   conditionName);
	exit(2);
}
