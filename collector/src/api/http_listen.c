/* Listening sockets, made by ourselves: so an error says what and why. */
#include "http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static int
code_of_errno(void)
{
	if (errno == EADDRINUSE)
		return BL_EBUSY;
	if (errno == EACCES || errno == EPERM)
		return BL_EDENIED;
	if (errno == EADDRNOTAVAIL)
		return BL_EINVAL;
	return BL_EIO;
}

static int
parse_address(const char *text, uint16_t port, struct sockaddr_storage *ss, socklen_t *len,
    struct bl_err *err)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	*len = 0;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
		return BL_OK;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
		return BL_OK;
	}
	return bl_fail(err, BL_EINVAL, "API: \"%s\" is not a numeric IP address", text);
}

static int
bind_tcp(int fd, const struct sockaddr_storage *ss, socklen_t len, uint16_t *port_out)
{
	struct sockaddr_storage bound;
	socklen_t bound_len = sizeof(bound);
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return -1;
	if (ss->ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int)) != 0)
		return -1; /* "::" also takes IPv4 */
	if (bind(fd, (const struct sockaddr *)ss, len) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &bound_len) != 0)
		return -1;
	*port_out = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						      : ((struct sockaddr_in *)&bound)->sin_port);
	return 0;
}

int
http_listen_tcp(int *fd, const char *address, uint16_t port, uint16_t *port_out, struct bl_err *err)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int rc;

	*fd = -1;
	if ((rc = parse_address(address, port, &ss, &len, err)) < 0)
		return rc;
	*fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return bl_fail_errno(err, BL_EIO, "API: socket");
	if (bind_tcp(*fd, &ss, len, port_out) == 0)
		return BL_OK;
	rc = bl_fail_errno(err, code_of_errno(), "API: listen on %s port %u", address, port);
	(void)close(*fd); /* nothing was written to it */
	*fd = -1;
	return rc;
}

/* A socket file is in the way: dead or alive? */
static int
clear_path(const struct sockaddr_un *un, struct bl_err *err)
{
	struct stat st;
	int probe, alive;

	if (lstat(un->sun_path, &st) != 0)
		return errno == ENOENT
			   ? BL_OK
			   : bl_fail_errno(err, code_of_errno(), "API: socket %s", un->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return bl_fail(
		    err, BL_EEXIST, "API: socket %s: something else is there", un->sun_path);
	if ((probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return bl_fail_errno(err, BL_EIO, "API: socket");
	alive = connect(probe, (const struct sockaddr *)un, sizeof(*un)) == 0 || errno == EAGAIN;
	(void)close(probe); /* nothing was written to it */
	if (alive)
		return bl_fail(
		    err, BL_EBUSY, "API: socket %s: another collector answers there", un->sun_path);
	if (unlink(un->sun_path) != 0)
		return bl_fail_errno(err, code_of_errno(), "API: remove %s", un->sun_path);
	return BL_OK;
}

int
http_listen_unix(int *fd, const char *path, struct bl_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int rc;

	*fd = -1;
	if (strlen(path) >= sizeof(un.sun_path))
		return bl_fail(err, BL_EINVAL, "API: socket %s: the path is longer than %zu bytes",
		    path, sizeof(un.sun_path) - 1);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if ((rc = clear_path(&un, err)) < 0)
		return rc;
	if ((*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return bl_fail_errno(err, BL_EIO, "API: socket");
	/* Before bind: Linux gives the file this mode, so there is no moment with another. */
	if (fchmod(*fd, 0600) == 0 && bind(*fd, (struct sockaddr *)&un, sizeof(un)) == 0 &&
	    chmod(path, 0600) == 0 && listen(*fd, BACKLOG) == 0)
		return BL_OK;
	rc = bl_fail_errno(err, code_of_errno(), "API: listen on %s", path);
	(void)close(*fd); /* nothing was written to it */
	*fd = -1;
	return rc;
}
