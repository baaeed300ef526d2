/* A Unix socket of an inlet; see the header. */
#include "inlet_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/log.h"

static int
code_of_errno(void)
{
	return errno == EACCES || errno == EPERM || errno == EROFS ? BL_EDENIED
	       : errno == ENOENT || errno == ENOTDIR               ? BL_ENOTFOUND
								   : BL_EIO;
}

/* The folder of a path; out is empty when it is too long. */
static void
folder_of(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);

	out[0] = '\0';
	if (len < size)
		(void)snprintf(out, size, "%.*s", len > 0 ? (int)len : 1, len > 0 ? path : ".");
}

int
inlet_address(const char *path, struct sockaddr_un *out, int *dir_fd, struct bl_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	int n;

	*dir_fd = -1;
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (strlen(path) < sizeof(out->sun_path)) {
		memcpy(out->sun_path, path, strlen(path));
		return BL_OK;
	}
	/* An address holds 107 bytes; the way round is the folder's descriptor. */
	folder_of(path, folder, sizeof(folder));
	if (slash == NULL || folder[0] == '\0')
		return bl_fail(err, BL_EINVAL, "socket %.120s: the name is too long", path);
	if ((*dir_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bl_fail_errno(err, code_of_errno(), "open the folder of %s", path);
	n = snprintf(
	    out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", *dir_fd, slash + 1);
	if (n > 0 && (size_t)n < sizeof(out->sun_path))
		return BL_OK;
	(void)close(*dir_fd);
	*dir_fd = -1;
	return bl_fail(err, BL_EINVAL, "socket %.120s: the name is too long", path);
}

/* What lies there may go: a socket that nobody listens on. */
static int
clear_place(const struct inlet_socket *s, const struct sockaddr_un *sa, struct bl_err *err)
{
	struct stat st;
	int fd, rc;

	if (lstat(sa->sun_path, &st) != 0)
		return errno == ENOENT
			   ? BL_OK
			   : bl_fail_errno(err, code_of_errno(), "look at socket %s", s->path);
	if (!S_ISSOCK(st.st_mode))
		return bl_fail(
		    err, BL_EEXIST, "open socket %s: what lies there is no socket", s->path);
	if ((fd = socket(AF_UNIX, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return bl_fail_errno(err, BL_EIO, "open socket %s", s->path);
	rc = connect(fd, (const struct sockaddr *)sa, sizeof(*sa));
	if (rc == 0 || errno != ECONNREFUSED) {
		(void)close(fd);
		return bl_fail(
		    err, BL_EBUSY, "open socket %s: another program listens there", s->path);
	}
	(void)close(fd);
	if (unlink(sa->sun_path) != 0 && errno != ENOENT)
		return bl_fail_errno(err, code_of_errno(), "remove the old socket %s", s->path);
	return BL_OK;
}

static int
find_group(const char *name, gid_t *out, struct bl_err *err)
{
	const struct group *g;

	*out = (gid_t)-1;
	if (name == NULL || name[0] == '\0')
		return BL_OK;
	if ((g = getgrnam(name)) == NULL)
		return bl_fail(err, BL_ENOTFOUND, "there is no group \"%s\"", name);
	*out = g->gr_gid;
	return BL_OK;
}

static int
make_folder(const char *path, struct bl_err *err)
{
	char folder[4096];

	folder_of(path, folder, sizeof(folder));
	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		return BL_OK;
	return bl_fail_errno(err, code_of_errno(), "make the folder of socket %s", path);
}

/* Rights for others are worth nothing in a folder that is closed for them. */
static void
warn_if_shut(const struct inlet_socket *s)
{
	const bool for_others = (s->mode & 02) != 0;
	const bool for_group = s->group != NULL && s->group[0] != '\0';
	char folder[4096];
	struct stat st;

	folder_of(s->path, folder, sizeof(folder));
	if ((!for_others && !for_group) || stat(folder, &st) != 0 || (st.st_mode & 01) != 0)
		return;
	if (for_group && !for_others && (st.st_mode & 010) != 0)
		return; /* by the folder's group, perhaps */
	bl_warn("inlet",
	    "others may use the socket, but its folder is closed for them; give `%s` another "
	    "place, like /run/branchline-agent/%s folder=%s mode=%03o",
	    s->key, strrchr(s->path, '/') != NULL ? strrchr(s->path, '/') + 1 : s->path, folder,
	    (unsigned)st.st_mode & 0777u);
}

/* Nobody but us until mode and group are right: the mode that bind gives is that of the socket. */
static int
bind_closed(int fd, const struct sockaddr_un *sa, const struct inlet_socket *s, gid_t gid,
    struct bl_err *err)
{
	if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0)
		return bl_fail_errno(err, code_of_errno(), "open socket %s", s->path);
	if (gid != (gid_t)-1 && lchown(sa->sun_path, (uid_t)-1, gid) != 0)
		return bl_fail_errno(
		    err, BL_EDENIED, "give socket %s to group %s", s->path, s->group);
	if (chmod(sa->sun_path, s->mode & 0777) != 0)
		return bl_fail_errno(err, BL_EIO, "open socket %s for its users", s->path);
	if (s->type != SOCK_DGRAM && listen(fd, 128) != 0)
		return bl_fail_errno(err, BL_EIO, "listen at socket %s", s->path);
	return BL_OK;
}

int
inlet_socket_open(int *fd, const struct inlet_socket *s, struct bl_err *err)
{
	struct sockaddr_un sa;
	int dir_fd = -1, rc;
	gid_t gid;

	*fd = -1;
	if ((rc = find_group(s->group, &gid, err)) < 0 || (rc = make_folder(s->path, err)) < 0 ||
	    (rc = inlet_address(s->path, &sa, &dir_fd, err)) < 0)
		return rc;
	if ((rc = clear_place(s, &sa, err)) == BL_OK &&
	    (*fd = socket(AF_UNIX, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		rc = bl_fail_errno(err, BL_EIO, "open socket %s", s->path);
	if (rc == BL_OK)
		rc = bind_closed(*fd, &sa, s, gid, err);
	if (rc == BL_OK)
		warn_if_shut(s);
	if (rc < 0 && *fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return rc;
}

void
inlet_socket_remove(const char *path)
{
	struct sockaddr_un sa;
	int dir_fd;

	if (inlet_address(path, &sa, &dir_fd, NULL) < 0)
		return;
	(void)unlink(sa.sun_path); /* at worst it is replaced at the next start */
	if (dir_fd >= 0)
		(void)close(dir_fd);
}

uint32_t
inlet_user(int fd)
{
	struct ucred of = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(of);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &of, &len) != 0)
		return 0;
	return (uint32_t)of.uid + 1; /* of somebody whom this namespace does not know: 0, too */
}

/* ---- configuration ---- */

const char *
inlet_mode_check(const void *value)
{
	const char *text = *(char *const *)value;

	if (strlen(text) == 4 && text[0] == '0' && strspn(text, "01234567") == 4 &&
	    (strtoul(text, NULL, 8) & 0600) == 0600)
		return NULL;
	return "permissions in octal, like \"0660\"; the owner's own (6) must be among them";
}

unsigned
inlet_mode(const char *text)
{
	return (unsigned)strtoul(text, NULL, 8);
}

static bool
port_of(const char *text, in_port_t *port)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	*port = htons((uint16_t)n);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n > 0 && n < 65536;
}

socklen_t
inlet_loopback(const char *listen, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };

	memset(out, 0, sizeof(*out));
	if (strncmp(listen, "127.0.0.1:", 10) == 0 && port_of(listen + 10, &v4.sin_port)) {
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (strncmp(listen, "[::1]:", 6) == 0 && port_of(listen + 6, &v6.sin6_port)) {
		memcpy(out, &v6, sizeof(v6));
		return sizeof(v6);
	}
	return 0;
}
