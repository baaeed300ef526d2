/* Places on the step socket by user: real connections of several users, a clock that stands still.
 */
#include "inlet_kit.h"

#include <sys/stat.h>

/* As another user, who may write to the socket. */
static int
dial_as(struct fake *f, uid_t uid)
{
	int fd;

	assert_int_equal(seteuid(uid), 0);
	fd = dial(f);
	assert_int_equal(seteuid(0), 0);
	(void)serve(f);
	f->mono_ms++;
	return fd;
}

static bool
turned_away(int fd)
{
	bool end = false;

	(void)heard(fd, &end);
	return end;
}

/* Nobody has more places than are left: whoever comes next finds some. */
static void
one_user_leaves_places_for_others(void **state)
{
	static const struct {
		uid_t uid;
		unsigned gets;
	} users[] = { { 1000, 64 }, { 0, 32 }, { 1001, 16 }, { 65534, 8 }, { 1002, 4 } };
	struct fake *f = *state;
	int fd[INLET_CLIENTS];
	struct inlet_counters n;
	unsigned have = 0;

	if (geteuid() != 0) {
		print_message("needs root, to become others\n");
		skip();
	}
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->path, 0666), 0);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		for (unsigned k = 0; k < users[i].gets; k++)
			fd[have++] = dial_as(f, users[i].uid);
		for (unsigned k = 0; k < 3; k++) {
			const int more = dial_as(f, users[i].uid);

			if (!turned_away(more))
				fail_msg("uid %u got more than %u", (unsigned)users[i].uid,
				    users[i].gets);
			assert_int_equal(close(more), 0);
		}
	}
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, 124);
	assert_int_equal(n.user_clients, 15);
	assert_int_equal(n.refused_clients, 0);
	/* Who wants more makes room himself, not others. */
	f->mono_ms += 10000;
	say(fd[0], "step event 1\n");
	(void)serve(f);
	hear(fd[0], "ok\n");
	assert_int_equal(f->last_user, 1001); /* whose it was goes with it */
	fd[have++] = dial_as(f, 0);
	assert_true(turned_away(fd[64]));
	for (unsigned k = 0; k < 64; k++)
		assert_false(turned_away(fd[k]));
	for (unsigned k = 0; k < have; k++)
		assert_int_equal(close(fd[k]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_user_leaves_places_for_others, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
