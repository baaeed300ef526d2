/*
 * The sockets: UDP on loopback, Unix datagram sockets.
 *
 * A UDP sender is never held up: what finds no room in the kernel is dropped there. How
 * many those are the kernel tells exactly (SO_MEMINFO, since 4.12), without a look at any
 * packet.  A sender on a Unix socket waits, or is told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inlet_socket.h"
#include "statsd_internal.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool
port_of(const char *text, in_port_t *port)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	*port = htons((uint16_t)n);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n > 0 && n < 65536;
}

/* 0: it is none of this machine alone. */
static socklen_t
address_of(const char *listen, union address *out)
{
	memset(out, 0, sizeof(*out));
	if (strncmp(listen, "127.0.0.1:", 10) == 0) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return port_of(listen + 10, &out->v4.sin_port) ? sizeof(out->v4) : 0;
	}
	if (strncmp(listen, "[::1]:", 6) == 0) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_addr = in6addr_loopback;
		return port_of(listen + 6, &out->v6.sin6_port) ? sizeof(out->v6) : 0;
	}
	return 0;
}

const char *
statsd_socket_check(const char *listen)
{
	union address a;

	return listen[0] == '/' || address_of(listen, &a) > 0
		   ? NULL
		   : "127.0.0.1:PORT, [::1]:PORT, or the absolute path of a Unix socket: StatsD "
		     "has no "
		     "passwords, so it is for this machine alone";
}

static int
open_port(int *fd, const char *listen, struct bl_err *err)
{
	union address a;
	const socklen_t len = address_of(listen, &a);

	if (len == 0)
		return bl_fail(
		    err, BL_EINVAL, "listen on %s: no address of this machine alone", listen);
	*fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", listen);
	if (bind(*fd, &a.any, len) == 0)
		return BL_OK;
	(void)bl_fail_errno(err, errno == EADDRINUSE ? BL_EBUSY : BL_EIO, "listen on %s", listen);
	(void)close(*fd);
	*fd = -1;
	return err != NULL ? err->code : BL_EIO;
}

/* As large as may be: the kernel doubles it, and cuts it at net.core.rmem_max for who has no right
 * to more.  What it is then. */
static int
widen(int fd, int64_t bytes)
{
	const int want = (int)(bytes / 2);
	int got = 0;
	socklen_t len = sizeof(got);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	(void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	return got;
}

int
statsd_socket_open(
    struct statsd_socket *s, const char *listen, const struct statsd_conf *conf, struct bl_err *err)
{
	const struct inlet_socket place = { .path = listen,
		.type = SOCK_DGRAM,
		.mode = inlet_mode(conf->mode),
		.group = conf->group,
		.key = "inlets.statsd.listen" };
	int rc;

	*s = (struct statsd_socket){ .fd = -1 };
	if (listen[0] != '/')
		rc = open_port(&s->fd, listen, err);
	else if ((rc = inlet_socket_open(&s->fd, &place, err)) == BL_OK &&
		 (s->path = strdup(listen)) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", listen);
		inlet_socket_remove(listen);
		statsd_socket_close(s);
	}
	if (rc == BL_OK)
		bl_info("statsd", "StatsD is taken at=%s receive_buffer_kib=%d", listen,
		    widen(s->fd, conf->receive_buffer_bytes) / 1024);
	return rc;
}

void
statsd_socket_close(struct statsd_socket *s)
{
	if (s->path != NULL)
		inlet_socket_remove(s->path);
	free(s->path);
	if (s->fd >= 0)
		(void)close(s->fd);
	*s = (struct statsd_socket){ .fd = -1 };
}

uint32_t
statsd_socket_drops(struct statsd_socket *s)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 }, before = s->drops;
	socklen_t len = sizeof(info);

	if (s->fd < 0 || getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
		return 0;
	s->drops = info[SK_MEMINFO_DROPS];
	return s->drops - before; /* over a wrap, too */
}
