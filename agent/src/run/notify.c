/*
 * A datagram to the service manager for each word.  Loop's thread only.
 */
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_MS 1000

/* "/path" or "@name" (abstract). */
static int
address(struct notify *n, const char *path, struct bl_err *err)
{
	const size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(n->to.sun_path))
		return bl_fail(err, BL_EINVAL,
		    "tell the service manager: NOTIFY_SOCKET is neither an absolute path nor an "
		    "abstract name of at most %zu bytes",
		    sizeof(n->to.sun_path) - 1);
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len + 1);
	if (path[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return BL_OK;
}

/* 0: none, or not for this process. */
static int64_t
watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	long long v;

	if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid()))
		return 0;
	errno = 0;
	v = strtoll(usec, &end, 10);
	if (errno != 0 || *end != '\0' || v < 2000)
		return 0; /* below two milliseconds nobody could keep it */
	return v / 1000;
}

int
notify_open(struct notify *n, struct bl_err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int rc = BL_OK;

	*n = (struct notify){ .fd = -1 };
	if (path != NULL && path[0] != '\0' && (rc = address(n, path, err)) == BL_OK) {
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (n->fd < 0)
			rc = bl_fail_errno(err, BL_EIO, "tell the service manager");
		else
			n->watchdog_ms = watchdog_ms();
	}
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	return rc;
}

void
notify_close(struct notify *n)
{
	if (n->fd >= 0)
		(void)close(n->fd);
	n->fd = -1;
}

bool
notify_listens(const struct notify *n)
{
	return n->fd >= 0;
}

static void
say(struct notify *n, const char *text)
{
	const size_t len = strlen(text);

	if (n->fd < 0)
		return;
	if (sendto(n->fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len) !=
	    (ssize_t)len)
		n->unsent++;
}

/* What follows the first word, in one line: texts come from other machines, too. */
static void
say_with_status(struct notify *n, const char *first, const char *status)
{
	char text[NOTIFY_TEXT_MAX + 64];
	int len;

	len = snprintf(text, sizeof(text), "%s%sSTATUS=", first, first[0] != '\0' ? "\n" : "");
	if (len < 0)
		return;
	for (size_t i = 0; status[i] != '\0' && i < NOTIFY_TEXT_MAX; i++)
		text[len++] = (unsigned char)status[i] < ' ' ? ' ' : status[i];
	text[len] = '\0';
	say(n, text);
}

void
notify_ready(struct notify *n, const char *status)
{
	say_with_status(n, "READY=1", status);
}

void
notify_extend(struct notify *n, int64_t ms, const char *status)
{
	char first[64];

	(void)snprintf(first, sizeof(first), "EXTEND_TIMEOUT_USEC=%" PRId64, ms * 1000);
	say_with_status(n, first, status);
}

void
notify_reloading(struct notify *n)
{
	char text[64];
	struct timespec now;

	/* Of this instant: what the manager heard before is about an earlier state. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	say(n, text);
}

void
notify_stopping(struct notify *n)
{
	say(n, "STOPPING=1");
}

void
notify_status(struct notify *n, const char *status)
{
	say_with_status(n, "", status);
}

void
notify_alive(struct notify *n)
{
	say(n, "WATCHDOG=1");
}

int64_t
notify_patience_ms(const struct notify *n)
{
	return n->watchdog_ms > 0 ? n->watchdog_ms / 2 : INT64_MAX;
}

int64_t
notify_next_ms(const struct notify *n, bool said)
{
	const int64_t every = n->watchdog_ms / 4;

	if (n->watchdog_ms == 0)
		return INT64_MAX;
	return said || every < AGAIN_MS ? every : AGAIN_MS;
}
