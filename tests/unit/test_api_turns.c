/*
 * Whose exports are on their way: one user cannot hold them all, and whoever has none has a turn
 * while there is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "export_turns_internal.h"

#define TAKEN EXPORT_TURN_TAKEN
#define OWN   EXPORT_TURN_OWN
#define NONE  EXPORT_TURN_NONE

/* "+ann": ann asks, "-ann": one of hers ends. */
struct step {
	const char *what;
	enum export_turn turn;
};

static const struct {
	const char *name;
	unsigned per_user;
	struct step step[24];
} cases[] = {
	{ "two of one user, not three", 0,
	    { { "+ann", TAKEN }, { "+ann", TAKEN }, { "+ann", OWN }, { "+bob", TAKEN } } },
	{ "one that ended makes room", 0,
	    { { "+ann", TAKEN }, { "+bob", TAKEN }, { "+ann", TAKEN }, { "-ann", TAKEN },
		{ "+ann", TAKEN }, { "+ann", OWN }, { "-bob", TAKEN }, { "+ann", OWN } } },
	{ "as many as are configured", 3,
	    { { "+ann", TAKEN }, { "+ann", TAKEN }, { "+ann", TAKEN }, { "+ann", OWN } } },
	{ "the last half is for those who have none", 2,
	    { { "+a", TAKEN }, { "+a", TAKEN }, { "+b", TAKEN }, { "+b", TAKEN }, { "+c", TAKEN },
		{ "+c", TAKEN }, { "+d", TAKEN }, { "+d", TAKEN }, { "+e", TAKEN }, { "+e", NONE },
		{ "+f", TAKEN }, { "-a", TAKEN }, { "-b", TAKEN }, { "+e", NONE }, { "-c", TAKEN },
		{ "+e", TAKEN } } },
	{ "all of them", 2,
	    { { "+a", TAKEN }, { "+b", TAKEN }, { "+c", TAKEN }, { "+d", TAKEN }, { "+e", TAKEN },
		{ "+f", TAKEN }, { "+g", TAKEN }, { "+h", TAKEN }, { "+i", TAKEN }, { "+j", TAKEN },
		{ "+k", TAKEN }, { "+l", TAKEN }, { "+m", TAKEN }, { "+n", TAKEN }, { "+o", TAKEN },
		{ "+p", TAKEN }, { "+q", NONE }, { "+a", NONE }, { "-c", TAKEN },
		{ "+q", TAKEN } } },
};

static void
turns_are_shared(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct export_turns t;
		unsigned running, want = 0;
		uint64_t refused, no = 0;

		assert_true(export_turns_init(&t, cases[i].per_user));
		for (const struct step *s = cases[i].step; s->what != NULL; s++) {
			if (s->what[0] == '-') {
				export_turns_give(&t, s->what + 1);
				want--;
				continue;
			}
			if (export_turns_take(&t, s->what + 1) != s->turn)
				fail_msg("%s: step %d", cases[i].name, (int)(s - cases[i].step));
			want += s->turn == TAKEN;
			no += s->turn != TAKEN;
		}
		export_turns_count(&t, &running, &refused);
		assert_int_equal(running, want);
		assert_int_equal(refused, no);
		export_turns_free(&t);
	}
}

static void
a_long_name_is_one_user(void **state)
{
	char name[200];
	struct export_turns t;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_true(export_turns_init(&t, 1));
	assert_int_equal(export_turns_take(&t, name), TAKEN);
	assert_int_equal(export_turns_take(&t, name), OWN);
	export_turns_give(&t, name);
	assert_int_equal(export_turns_take(&t, name), TAKEN);
	export_turns_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_shared),
		cmocka_unit_test(a_long_name_is_one_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
