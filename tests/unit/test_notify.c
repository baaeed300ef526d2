/* What goes to the service manager, as datagrams on a socket of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "notify.h"

static int manager;

/* A manager at NOTIFY_SOCKET=name; '@' first: abstract. */
static void
listen_at(const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);

	memcpy(to.sun_path, name, len + 1);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static void
heard(const char *text)
{
	char got[1000];
	const ssize_t n = recv(manager, got, sizeof(got) - 1, 0);

	got[n > 0 ? n : 0] = '\0';
	assert_string_equal(got, text);
}

static void
every_word_is_a_datagram(void **state)
{
	char folder[FOLDER_MAX], path[FOLDER_MAX + 20], abstract[60];
	const char *names[] = { path, abstract };

	(void)state;
	folder_make(folder, "notify");
	(void)snprintf(path, sizeof(path), "%s/notify", folder);
	(void)snprintf(abstract, sizeof(abstract), "@bl-test-notify-%d", (int)getpid());
	for (unsigned i = 0; i < 2; i++) {
		struct notify n;
		struct bl_err err = { 0 };

		listen_at(names[i]);
		assert_int_equal(notify_open(&n, &err), BL_OK);
		assert_null(getenv("NOTIFY_SOCKET"));
		assert_true(notify_listens(&n));
		notify_ready(&n, "up\nMAINPID=1");
		heard("READY=1\nSTATUS=up MAINPID=1"); /* nothing gets in by a status */
		notify_status(&n, "fine");
		heard("STATUS=fine");
		notify_alive(&n);
		heard("WATCHDOG=1");
		notify_stopping(&n);
		heard("STOPPING=1");
		heard("");
		(void)close(manager);
		notify_alive(&n); /* the manager is gone */
		assert_int_equal(n.unsent, 1);
		notify_close(&n);
		notify_alive(&n);
	}
	folder_remove(folder);
}

static void
a_watchdog_is_kept_by_whom_it_is_for(void **state)
{
	static const struct {
		const char *usec, *pid; /* NULL: unset; pid "": ours */
		int64_t ms;
	} cases[] = {
		{ "300000000", NULL, 300000 },
		{ "300000000", "", 300000 },
		{ "300000000", "1", 0 },
		{ NULL, NULL, 0 },
		{ "0", NULL, 0 },
		{ "-5", NULL, 0 },
		{ "5s", NULL, 0 },
		{ "99999999999999999999", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct notify n;
		struct bl_err err = { 0 };
		char pid[20];

		(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
		(void)setenv("NOTIFY_SOCKET", "@bl-test-nobody", 1);
		if (cases[i].usec != NULL)
			(void)setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid != NULL)
			(void)setenv(
			    "WATCHDOG_PID", cases[i].pid[0] == '\0' ? pid : cases[i].pid, 1);
		assert_int_equal(notify_open(&n, &err), BL_OK);
		assert_int_equal(n.watchdog_ms, cases[i].ms);
		assert_true(cases[i].ms == 0
				? notify_patience_ms(&n) == INT64_MAX
				: notify_patience_ms(&n) + notify_next_ms(&n, true) < cases[i].ms);
		/* What was not said may be true at once: not a whole turn later. */
		assert_int_equal(notify_next_ms(&n, false), cases[i].ms == 0 ? INT64_MAX : 1000);
		assert_null(getenv("WATCHDOG_USEC"));
		assert_null(getenv("WATCHDOG_PID"));
		notify_close(&n);
	}
}

static void
an_address_that_cannot_be_is_refused(void **state)
{
	char longer[200];
	const char *cases[] = { "relative", "/", "@", longer };

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct notify n;
		struct bl_err err = { 0 };

		(void)setenv("NOTIFY_SOCKET", cases[i], 1);
		assert_int_equal(notify_open(&n, &err), BL_EINVAL);
		assert_non_null(strstr(err.msg, "NOTIFY_SOCKET"));
		assert_false(notify_listens(&n));
		notify_alive(&n);
		assert_int_equal(n.unsent, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_is_a_datagram),
		cmocka_unit_test(a_watchdog_is_kept_by_whom_it_is_for),
		cmocka_unit_test(an_address_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
