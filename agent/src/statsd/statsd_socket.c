/*
 * The sockets: UDP on loopback, Unix datagram sockets, and where Unix stream sockets listen.
 *
 * A UDP sender is never held up: what finds no room in the kernel is dropped there. How
 * many those are the kernel tells exactly (SO_MEMINFO, since 4.12), without a look at any
 * packet.  A sender on a Unix socket waits, or is told.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inlet_socket.h"
#include "statsd_internal.h"

/* "unixstream:///PATH", as clients have it, or with one stroke. */
const char *
statsd_socket_stream(const char *listen)
{
	static const char scheme[] = "unixstream:/";
	const char *path = listen + sizeof(scheme) - 2;

	if (strncmp(listen, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	while (path[1] == '/')
		path++;
	return path;
}

const char *
statsd_socket_check(const char *listen)
{
	struct sockaddr_storage a;

	return listen[0] == '/' || statsd_socket_stream(listen) != NULL ||
		       inlet_loopback(listen, &a) > 0
		   ? NULL
		   : "127.0.0.1:PORT, [::1]:PORT, the absolute path of a Unix datagram socket, or "
		     "unixstream: and that of a stream socket (StatsD has no passwords: this "
		     "machine alone)";
}

static int
open_port(int *fd, const char *listen, struct bl_err *err)
{
	struct sockaddr_storage a;
	const socklen_t len = inlet_loopback(listen, &a);

	if (len == 0)
		return bl_fail(
		    err, BL_EINVAL, "listen on %s: no address of this machine alone", listen);
	*fd = socket(a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", listen);
	if (bind(*fd, (const struct sockaddr *)&a, len) == 0)
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
	const char *stream = statsd_socket_stream(listen);
	const char *path = stream != NULL ? stream : listen;
	const struct inlet_socket place = { .path = path,
		.type = stream != NULL ? SOCK_STREAM : SOCK_DGRAM,
		.mode = inlet_mode(conf->mode),
		.group = conf->group,
		.key = "inlets.statsd.listen" };
	int rc;

	*s = (struct statsd_socket){ .fd = -1, .stream = stream != NULL };
	if (path[0] != '/')
		rc = open_port(&s->fd, listen, err);
	else if ((rc = inlet_socket_open(&s->fd, &place, err)) == BL_OK &&
		 (s->path = strdup(path)) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", listen);
		inlet_socket_remove(path);
		statsd_socket_close(s);
	}
	if (rc == BL_OK && stream != NULL)
		bl_info("statsd", "StatsD is taken at=%s", listen);
	else if (rc == BL_OK)
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
