/*
 * The connection to the system bus: asks systemd for the watched units, all in one
 * message, and never waits.  What was asked at one look is read at the next.
 */
#include "sample_units_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_PATH "/run/dbus/system_bus_socket"
#define IN_BYTES    (128 * 1024) /* 64 units with long descriptions are 40 KiB */
#define OUT_BYTES   (16 * 1024)  /* 64 names of 128 bytes, and what is around them */
#define LOOKS_MAX   3            /* without an answer: begin anew */

struct units_bus {
	struct sockaddr_un at;
	int fd; /* -1: not connected */
	unsigned n;
	bool greeted;     /* the line of the authentication was read */
	uint32_t serial;  /* of the last question; 0: none yet */
	bool waits;       /* it was not answered */
	unsigned in_vain; /* looks since then */
	size_t in_len, out_len, out_sent;
	char *in, *out; /* owned */
};

int
units_bus_create(struct units_bus **out, const char *root, unsigned n, struct bl_err *err)
{
	struct units_bus *b = calloc(1, sizeof(*b));
	int len;

	*out = NULL;
	if (b == NULL)
		return bl_fail(err, BL_ENOMEM, "units: out of memory");
	b->fd = -1;
	b->n = n;
	b->at.sun_family = AF_UNIX;
	b->in = malloc(IN_BYTES);
	b->out = malloc(OUT_BYTES);
	len = snprintf(b->at.sun_path, sizeof(b->at.sun_path), "%s" SOCKET_PATH, root);
	if (b->in == NULL || b->out == NULL) {
		units_bus_free(b);
		return bl_fail(err, BL_ENOMEM, "units: out of memory");
	}
	if (len < 0 || (size_t)len >= sizeof(b->at.sun_path)) {
		units_bus_free(b);
		return bl_fail(err, BL_EINVAL, "units: %s is too long a place for a bus", root);
	}
	*out = b;
	return BL_OK;
}

static void
hang_up(struct units_bus *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
	b->in_len = b->out_len = b->out_sent = 0;
	b->serial = 0;
	b->greeted = b->waits = false;
}

void
units_bus_free(struct units_bus *b)
{
	if (b == NULL)
		return;
	hang_up(b);
	free(b->in);
	free(b->out);
	free(b);
}

static int
dial(struct units_bus *b, struct bl_err *err)
{
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (b->fd < 0)
		return bl_fail_errno(err, BL_EIO, "units: make a socket");
	if (connect(b->fd, (const struct sockaddr *)&b->at, sizeof(b->at)) < 0) {
		const bool none = errno == ENOENT || errno == ECONNREFUSED;
		const int rc = bl_fail_errno(
		    err, none ? BL_ENOTFOUND : BL_ENET, "units: connect to %s", b->at.sun_path);

		hang_up(b);
		return rc;
	}
	b->serial = UNITS_WIRE_HELLO;
	(void)(units_wire_auth(b->out, OUT_BYTES, &b->out_len, (unsigned)geteuid()) &&
	       units_wire_hello(b->out, OUT_BYTES, &b->out_len));
	return BL_OK;
}

/* What there is no room for goes at the next look. */
static int
flush(struct units_bus *b, struct bl_err *err)
{
	ssize_t n = 0;

	while (b->out_sent < b->out_len && n >= 0) {
		n = send(b->fd, b->out + b->out_sent, b->out_len - b->out_sent, MSG_NOSIGNAL);
		if (n > 0)
			b->out_sent += (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return bl_fail_errno(err, BL_ENET, "units: ask %s", b->at.sun_path);
	if (b->out_sent == b->out_len)
		b->out_sent = b->out_len = 0;
	return BL_OK;
}

static int
ask(struct units_bus *b, const char *(*name)(const void *ctx, unsigned i), const void *ctx,
    struct bl_err *err)
{
	if (b->waits)
		return flush(b, err);
	b->serial++;
	if (!units_wire_ask(b->out, OUT_BYTES, &b->out_len, b->serial, name, ctx, b->n))
		return bl_fail(err, BL_EFULL, "units: the names are too long to be asked for");
	b->waits = true;
	b->in_vain = 0;
	return flush(b, err);
}

/* ---- answers ---- */

static void
drop(struct units_bus *b, size_t n)
{
	memmove(b->in, b->in + n, b->in_len - n);
	b->in_len -= n;
}

/* "OK ..." or "REJECTED ...".  1: read; 0: not there yet. */
static int
greet(struct units_bus *b, struct bl_err *err)
{
	const char *end = memchr(b->in, '\n', b->in_len);

	if (b->greeted)
		return 1;
	if (end == NULL)
		return 0;
	if (b->in_len < 3 || memcmp(b->in, "OK ", 3) != 0)
		return bl_fail(err, BL_EDENIED, "units: %s lets nobody in", b->at.sun_path);
	drop(b, (size_t)(end + 1 - b->in));
	b->greeted = true;
	return 1;
}

static int
answered(
    struct units_bus *b, const struct units_message *m, enum unit_state *state, struct bl_err *err)
{
	b->waits = false;
	if (m->is_error)
		return bl_fail(
		    err, BL_EDENIED, "units: systemd does not tell over %s", b->at.sun_path);
	if (!units_wire_states(m, b->n, state))
		return bl_fail(
		    err, BL_ECORRUPT, "units: what came from %s is no answer", b->at.sun_path);
	return UNITS_BUS_KNOWN;
}

/* Works off what lies in the buffer. */
static int
sort_out(struct units_bus *b, enum unit_state *state, struct bl_err *err)
{
	int rc = greet(b, err), found = UNITS_BUS_NOT_YET;
	struct units_message m;
	int64_t n;

	if (rc <= 0)
		return rc < 0 ? rc : UNITS_BUS_NOT_YET;
	while ((n = units_wire_next(b->in, b->in_len, IN_BYTES, &m)) > 0) {
		if (m.reply_to == b->serial && b->waits &&
		    (found = answered(b, &m, state, err)) < 0)
			return found;
		drop(b, (size_t)n);
	}
	return n < 0 ? bl_fail(err, BL_ECORRUPT, "units: what came from %s is no message",
			   b->at.sun_path)
		     : found;
}

/* So much of it at a time that nobody who talks without end is listened to without end. */
static int
hear(struct units_bus *b, enum unit_state *state, struct bl_err *err)
{
	const ssize_t n = recv(b->fd, b->in + b->in_len, IN_BYTES - b->in_len, 0);

	if (n == 0)
		return bl_fail(err, BL_ENET, "units: %s hung up", b->at.sun_path);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return bl_fail_errno(err, BL_ENET, "units: hear from %s", b->at.sun_path);
	b->in_len += n > 0 ? (size_t)n : 0;
	return sort_out(b, state, err);
}

int
units_bus_look(struct units_bus *b, const char *(*name)(const void *ctx, unsigned i),
    const void *ctx, enum unit_state *state, struct bl_err *err)
{
	int rc = UNITS_BUS_NOT_YET, rc2;

	if (b->fd < 0) {
		if ((rc2 = dial(b, err)) < 0)
			return rc2;
	} else if ((rc = hear(b, state, err)) == UNITS_BUS_NOT_YET && ++b->in_vain > LOOKS_MAX) {
		rc = bl_fail(err, BL_ETIMEDOUT, "units: no answer from %s", b->at.sun_path);
	}
	if (rc >= 0 && (rc2 = ask(b, name, ctx, err)) < 0)
		rc = rc2;
	if (rc < 0)
		hang_up(b);
	return rc;
}
