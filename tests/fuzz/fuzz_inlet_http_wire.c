/*
 * libFuzzer target: a connection to the HTTP inlet, from its first byte to its end, in two
 * pieces.  Looked for, besides what the sanitizers see: an answer that is none of
 * HTTP, an inlet that is busy without end, and a connection that leaves something behind.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "inlet_http.h"

static char path[64];
static unsigned n_held;
static uint64_t held[8];

static int
report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	(void)ctx;
	CHECK(r->kind == INLET_EVENT || r->kind == INLET_METRIC);
	if (n_held == sizeof(held) / sizeof(held[0]))
		return bl_fail(err, BL_EFULL, "full");
	held[n_held++] = token;
	return BL_OK;
}

static void *in;

static void
end(void)
{
	inlet_http_ops.close(in);
}

static void
begin(void)
{
	static struct inlet_http_conf conf = {
		.listen = path, .mode = (char *)"0600", .max_body = 3000
	};
	static struct inlet_host host = { .report = report };
	struct bl_err err = { 0 };

	if (in != NULL)
		return;
	(void)snprintf(path, sizeof(path), "/tmp/fuzz-inlet-http-%d.sock", (int)getpid());
	host.clock = bl_clock_real();
	CHECK(inlet_http_ops.open(&in, &conf, &host, &err) == BL_OK);
	CHECK(atexit(end) == 0);
}

static void
turns(void)
{
	struct pollfd p = { inlet_http_ops.fd(in), POLLIN, 0 };

	for (unsigned i = 0; i < 2000; i++) {
		const bool due = inlet_http_ops.deadline(in) <= bl_mono_ms(bl_clock_real());

		if (!due && poll(&p, 1, 0) <= 0 && n_held == 0)
			return;
		inlet_http_ops.serve(in);
		for (; n_held > 0; n_held--)
			inlet_http_ops.done(in, held[n_held - 1], (int)(held[n_held - 1] & 1));
	}
	CHECK(false); /* busy without end */
}

static int
dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

/* What comes, if anything does, is HTTP. */
static void
hear(int fd)
{
	static char text[1 << 16];
	const ssize_t n = recv(fd, text, sizeof(text), 0);

	CHECK(n <= 0 || (n > 13 && memcmp(text, "HTTP/1.1 ", 9) == 0 && text[12] == ' '));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t first = size > 1 ? data[0] * size / 256 : 0;
	int fd;

	begin();
	fd = dial();
	turns();
	(void)!send(fd, data, first, MSG_NOSIGNAL);
	turns();
	(void)!send(fd, data + first, size - first, MSG_NOSIGNAL);
	turns();
	hear(fd);
	(void)close(fd);
	turns();
	return 0;
}
