/*
 * Memory ends at each allocation of the HTTP inlet in turn: a request is then answered,
 * refused or cut off, and nothing that was not taken is called accepted; the next request finds
 * the inlet as if nothing had been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "inlet_http.h"
#include "nomem.h"

static char path[FOLDER_MAX + 16];
static unsigned n_held, taken;
static uint64_t held[16];

static int
report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	(void)ctx;
	(void)r;
	if (n_held == 2)
		return bl_fail(err, BL_EFULL, "full");
	held[n_held++] = token;
	taken++;
	return BL_OK;
}

static const struct inlet_host *
host(void)
{
	static struct inlet_host h;

	h = (struct inlet_host){ .clock = bl_clock_real(), .report = report };
	return &h;
}

/* Everything that can be done now, and the disk's word on it. */
static void
turns(void *in)
{
	struct pollfd p = { inlet_http_ops.fd(in), POLLIN, 0 };

	for (unsigned i = 0; i < 1000; i++) {
		const bool due = inlet_http_ops.deadline(in) <= bl_mono_ms(bl_clock_real());

		if (!due && poll(&p, 1, 0) <= 0 && n_held == 0)
			return;
		inlet_http_ops.serve(in);
		for (; n_held > 0; n_held--)
			inlet_http_ops.done(in, held[n_held - 1], 0);
	}
	fail_msg("it is busy without end");
}

static int
dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* One request in chunks, with one report that is wrong.  The answer's status; 0: none came. */
static int
ask(void *in, char *heard, size_t size)
{
	static const char text[] =
	    "POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n61\r\n"
	    "[{\"report\":\"event\",\"type\":\"a\"},{\"report\":\"event\"},"
	    "{\"report\":\"metric\",\"name\":\"queue\",\"value\":1}]  \r\n0\r\n\r\n";
	const int fd = dial();
	int status = 0;
	size_t len = 0;
	ssize_t n;

	assert_int_equal(send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL), sizeof(text) - 1);
	turns(in);
	while ((n = recv(fd, heard + len, size - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	heard[len] = '\0';
	(void)close(fd);
	turns(in);
	(void)sscanf(heard, "HTTP/1.1 %d ", &status);
	return status;
}

static unsigned
accepted(const char *heard)
{
	unsigned n = 0;

	while ((heard = strstr(heard, "\"accepted\"")) != NULL) {
		heard++;
		n++;
	}
	return n;
}

static void
each_allocation_may_fail(void **state)
{
	const struct inlet_http_conf conf = {
		.listen = path, .mode = (char *)"0600", .max_body = 4096
	};
	char folder[FOLDER_MAX], heard[4096];
	unsigned answered = 0, n = 1;
	bool fired = true;

	(void)state;
	folder_make(folder, "nomem");
	(void)snprintf(path, sizeof(path), "%s/h.sock", folder);
	for (; fired; n++) {
		struct bl_err err = { 0 };
		int rc, status;
		void *in;

		taken = 0;
		nomem_arm(n);
		if ((rc = inlet_http_ops.open(&in, &conf, host(), &err)) < 0) {
			fired = nomem_disarm();
			assert_true(fired && rc == BL_ENOMEM && in == NULL);
			continue;
		}
		status = ask(in, heard, sizeof(heard));
		fired = nomem_disarm();
		if (status != 422 && status != 503 && status != 0)
			fail_msg("allocation %u: %s", n, heard);
		assert_true(accepted(heard) <= taken);
		answered += status != 0;
		assert_true(fired || status == 422);
		taken = 0;
		assert_int_equal(ask(in, heard, sizeof(heard)), 422);
		assert_int_equal(accepted(heard), 2);
		assert_int_equal(taken, 2);
		inlet_http_ops.close(in);
	}
	assert_true(n > 8 && answered > 2);
	folder_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
