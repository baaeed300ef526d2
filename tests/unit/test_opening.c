/* A spool that takes long to open: more time is asked for while it gets on, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "opening.h"

#define LONG_MS 30000 /* whatever the machine is at: a test that waits so long has failed */

struct ctx {
	char folder[64], path[96];
	int manager;
	struct notify notify;
	/* What the opening does, as the thread asks. */
	pthread_mutex_t lock;
	pthread_cond_t asked;
	unsigned looks, moves; /* the first `moves` looks find that it has got on */
};

static int
setup(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct ctx *c = calloc(1, sizeof(*c));
	struct bl_err err = { 0 };

	assert_non_null(c);
	(void)strcpy(c->folder, "/tmp/bl-opening-XXXXXX");
	assert_non_null(mkdtemp(c->folder));
	(void)snprintf(c->path, sizeof(c->path), "%s/notify", c->folder);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", c->path);
	c->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(c->manager, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", c->path, 1), 0);
	assert_int_equal(notify_open(&c->notify, &err), BL_OK);
	assert_int_equal(pthread_mutex_init(&c->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&c->asked, NULL), 0);
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	struct ctx *c = *state;

	notify_close(&c->notify);
	(void)close(c->manager);
	(void)unlink(c->path);
	(void)rmdir(c->folder);
	(void)pthread_cond_destroy(&c->asked);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
	return 0;
}

static bool
moved(void *ctx)
{
	struct ctx *c = ctx;
	bool yes;

	pthread_mutex_lock(&c->lock);
	yes = c->looks++ < c->moves;
	(void)pthread_cond_signal(&c->asked);
	pthread_mutex_unlock(&c->lock);
	return yes;
}

/* Until the thread has looked so often. */
static void
wait_looks(struct ctx *c, unsigned n)
{
	pthread_mutex_lock(&c->lock);
	while (c->looks < n)
		(void)pthread_cond_wait(&c->asked, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

/* A word to the manager; false: none came within so long. */
static bool
word(struct ctx *c, char *text, size_t size, int timeout_ms)
{
	struct pollfd p = { .fd = c->manager, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return false;
	n = recv(c->manager, text, size - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	return true;
}

static void
time_is_asked_for_while_it_gets_on_and_not_when_it_stands_still(void **state)
{
	struct ctx *c = *state;
	struct opening o;
	char text[512];

	c->moves = 3;
	opening_begin(&o, &c->notify, 1, moved, c);
	for (int i = 0; i < 3; i++) {
		assert_true(word(c, text, sizeof(text), LONG_MS));
		assert_string_equal(
		    text, "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=the spool is being opened");
	}
	/* The word of a look is out before the next look. */
	wait_looks(c, 8);
	opening_end(&o);
	assert_false(word(c, text, sizeof(text), 0));
}

static void
one_that_is_quick_says_nothing(void **state)
{
	struct ctx *c = *state;
	struct opening o;
	char text[512];

	c->moves = 1000;
	opening_begin(&o, &c->notify, LONG_MS, moved, c);
	opening_end(&o); /* at once: it does not wait for the next look */
	assert_int_equal(c->looks, 0);
	assert_false(word(c, text, sizeof(text), 0));
}

static void
without_a_manager_there_is_no_thread(void **state)
{
	struct notify none = { .fd = -1 };
	struct opening o;

	(void)state;
	opening_begin(&o, &none, 1, NULL, NULL);
	assert_false(o.running);
	opening_end(&o);
}

static void
what_this_process_reads_is_progress(void **state)
{
	static char block[4096];
	struct ctx *c = *state;
	struct opening o;
	char text[512];
	FILE *f = fopen("/dev/zero", "r");

	assert_non_null(f);
	opening_begin(&o, &c->notify, 5, NULL, NULL);
	assert_true(o.running);
	do
		for (int i = 0; i < 16; i++)
			assert_int_equal(fread(block, sizeof(block), 1, f), 1);
	while (!word(c, text, sizeof(text), 1));
	opening_end(&o);
	assert_non_null(strstr(text, "EXTEND_TIMEOUT_USEC="));
	(void)fclose(f);
}

static void
bytes_are_read_from_what_the_kernel_says(void **state)
{
	(void)state;
	assert_int_equal(opening_bytes("rchar: 100\nwchar: 23\nsyscr: 9\nread_bytes: 4096\n"), 123);
	assert_int_equal(opening_bytes("wchar: 7\n"), 7);
	assert_int_equal(opening_bytes("rchar: x\n"), 0);
	assert_int_equal(opening_bytes(""), 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(time_is_asked_for_while_it_gets_on_and_not_when_it_stands_still),
		EACH(one_that_is_quick_says_nothing),
		EACH(without_a_manager_there_is_no_thread),
		EACH(what_this_process_reads_is_progress),
		EACH(bytes_are_read_from_what_the_kernel_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
