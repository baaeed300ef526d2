/* The address and the socket; see the header. */
#include "http_listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inlet_socket.h"

#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
};

static bool
port_of(const char *text, in_port_t *port)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	*port = htons((uint16_t)n);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n > 0 && n < 65536;
}

static socklen_t
address_of(const char *listen, union address *out)
{
	memset(out, 0, sizeof(*out));
	if (listen[0] == '/') {
		out->path.sun_family = AF_UNIX;
		if (strlen(listen) >= sizeof(out->path.sun_path))
			return 0;
		(void)strcpy(out->path.sun_path, listen);
		return sizeof(out->path);
	}
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
http_listen_check(const char *listen)
{
	union address a;

	return address_of(listen, &a) > 0
		   ? NULL
		   : "127.0.0.1:PORT, [::1]:PORT, or the absolute path of a Unix socket (at most "
		     "107 bytes): it is for this machine alone";
}

static int
bind_port(int *fd, const union address *a, socklen_t len, const char *listen_at, struct bl_err *err)
{
	const int on = 1;

	*fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", listen_at);
	(void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(*fd, &a->any, len) == 0 && listen(*fd, BACKLOG) == 0)
		return BL_OK;
	(void)bl_fail_errno(err, BL_EIO, "listen on %s", listen_at);
	http_unlisten(*fd, NULL);
	*fd = -1;
	return BL_EIO;
}

int
http_listen(int *fd, char **path, const struct http_listen *o, struct bl_err *err)
{
	const struct inlet_socket s = { .path = o->listen,
		.type = SOCK_STREAM,
		.mode = o->mode,
		.group = o->group,
		.key = o->key };
	union address a;
	const socklen_t len = address_of(o->listen, &a);
	int rc;

	*fd = -1;
	*path = NULL;
	if (len == 0)
		return bl_fail(
		    err, BL_EINVAL, "listen on %s: no address of this machine alone", o->listen);
	if (a.any.sa_family != AF_UNIX)
		return bind_port(fd, &a, len, o->listen, err);
	if ((*path = strdup(o->listen)) == NULL)
		return bl_fail(err, BL_ENOMEM, "listen on %s: out of memory", o->listen);
	rc = inlet_socket_open(fd, &s, err);
	if (rc < 0) {
		free(*path); /* what lies there is not ours to remove */
		*path = NULL;
	}
	return rc;
}

void
http_unlisten(int fd, char *path)
{
	if (path != NULL)
		inlet_socket_remove(path);
	free(path);
	if (fd >= 0)
		(void)close(fd);
}
