/* The address and the socket; see the header. */
#include "http_listen.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inlet_socket.h"

#define BACKLOG 64

/* A Unix socket whose path fits an address, or a port of loopback. */
static bool
is_place(const char *listen, struct sockaddr_storage *port, socklen_t *port_len)
{
	*port_len = listen[0] == '/' ? 0 : inlet_loopback(listen, port);
	return *port_len > 0 ||
	       (listen[0] == '/' && strlen(listen) < sizeof(((struct sockaddr_un *)0)->sun_path));
}

const char *
http_listen_check(const char *listen)
{
	struct sockaddr_storage a;
	socklen_t len;

	return is_place(listen, &a, &len)
		   ? NULL
		   : "127.0.0.1:PORT, [::1]:PORT, or the absolute path of a Unix socket (at most "
		     "107 bytes): it is for this machine alone";
}

static int
bind_port(int *fd, const struct sockaddr_storage *a, socklen_t len, const char *listen_at,
    struct bl_err *err)
{
	const int on = 1;

	*fd = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", listen_at);
	(void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(*fd, (const struct sockaddr *)a, len) == 0 && listen(*fd, BACKLOG) == 0)
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
	struct sockaddr_storage a;
	socklen_t len;
	int rc;

	*fd = -1;
	*path = NULL;
	if (!is_place(o->listen, &a, &len))
		return bl_fail(
		    err, BL_EINVAL, "listen on %s: no address of this machine alone", o->listen);
	if (len > 0)
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
