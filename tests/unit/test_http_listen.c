/* Where the agent's servers for this machine listen, and whose socket it is. */
#include "http_listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"

static char folder[FOLDER_MAX], path[FOLDER_MAX + 32];

static int
begin(void **state)
{
	(void)state;
	folder_make(folder, "listen");
	(void)snprintf(path, sizeof(path), "%s/run/a.sock", folder);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void
only_this_machine_is_listened_to(void **state)
{
	static const char *const good[] = { "127.0.0.1:9480", "[::1]:1", "/run/a.sock" };
	char too_long[110] = "/";
	const char *const bad[] = { "0.0.0.0:80", "*:80", ":80", "80", "localhost:80", "127.0.0.1",
		"127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:80x", "127.0.0.1:+80", "10.0.0.1:80",
		"[::]:80", "::1:80", "page.sock", too_long };

	(void)state;
	memset(too_long + 1, 'a', sizeof(too_long) - 2);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(http_listen_check(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (http_listen_check(bad[i]) == NULL)
			fail_msg("%s", bad[i]);
}

static int
try_at(const char *listen, const char *group, int *fd, char **owned, struct bl_err *err)
{
	const struct http_listen o = {
		.listen = listen, .mode = 0620, .group = group, .key = "here"
	};

	return http_listen(fd, owned, &o, err);
}

/* 0: somebody listens. */
static int
dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	assert_true(fd >= 0);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
	(void)close(fd);
	return rc;
}

static void
a_socket_has_its_folder_mode_and_end(void **state)
{
	struct bl_err err = { 0 };
	struct stat st;
	char *owned;
	int fd;

	(void)state;
	assert_int_equal(try_at(path, "", &fd, &owned, &err), BL_OK);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0620);
	assert_int_equal(dial(), 0);
	http_unlisten(fd, owned);
	assert_int_equal(lstat(path, &st), -1);
}

static void
a_dead_socket_is_replaced_and_a_living_one_is_not(void **state)
{
	struct bl_err err = { 0 };
	char *owned, *other;
	int fd, second;

	(void)state;
	assert_int_equal(try_at(path, NULL, &fd, &owned, &err), BL_OK);
	assert_int_equal(try_at(path, NULL, &second, &other, &err), BL_EBUSY);
	assert_int_equal(second, -1);
	assert_null(other);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(dial(), 0); /* the first one is still there */
	(void)close(fd);             /* as if it had died */
	assert_int_not_equal(dial(), 0);
	assert_int_equal(try_at(path, NULL, &second, &other, &err), BL_OK);
	assert_int_equal(dial(), 0);
	http_unlisten(second, other);
	free(owned);
}

static void
a_group_that_is_not_there_is_named(void **state)
{
	struct bl_err err = { 0 };
	struct stat st;
	char *owned;
	int fd;

	(void)state;
	assert_int_equal(try_at(path, "no-such-group", &fd, &owned, &err), BL_ENOTFOUND);
	assert_non_null(strstr(err.msg, "no-such-group"));
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(
	    try_at(path, "root", &fd, &owned, &err), geteuid() == 0 ? BL_OK : BL_EDENIED);
	http_unlisten(fd, owned);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_this_machine_is_listened_to),
		cmocka_unit_test_setup_teardown(a_socket_has_its_folder_mode_and_end, begin, end),
		cmocka_unit_test_setup_teardown(
		    a_dead_socket_is_replaced_and_a_living_one_is_not, begin, end),
		cmocka_unit_test_setup_teardown(a_group_that_is_not_there_is_named, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
