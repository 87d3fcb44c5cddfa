/*
 * core_test.h
 *		What a test of the pure functions in src/core/ needs.
 *
 * Such a test is a program of its own, without a server: main() calls ok()
 * and throws() and returns done_testing().  Memory comes from malloc; an
 * error ends the program unless throws() expects it.
 */
#ifndef CORE_TEST_H
#define CORE_TEST_H

#include <setjmp.h>

/* prints one TAP line and gives the condition back */
extern bool ok(bool condition, const char *fmt, ...) pg_attribute_printf(2, 3);

/* prints the plan; the program's exit status */
extern int done_testing(void);

/* true if evaluating the expression raised that SQLSTATE */
#define throws(expression, sqlstate, name)                \
	do                                                    \
	{                                                     \
		core_test_sqlstate = 0;                           \
		if (sigsetjmp(core_test_jump, 0) == 0)            \
		{                                                 \
			core_test_catch = true;                       \
			(void) (expression);                          \
		}                                                 \
		core_test_catch = false;                          \
		ok(core_test_sqlstate == (sqlstate), "%s", name); \
	} while (0)

extern sigjmp_buf core_test_jump;
extern bool core_test_catch;
extern int core_test_sqlstate;

#endif /* CORE_TEST_H */
