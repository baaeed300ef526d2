/*
 * branchline demo: speaks to the demo program that quickstart runs, over the Unix
 * socket demo/control.sock of the state folder.  One line there, text back: "ok"
 * or "error: ..." first, then what is to be shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "branchline/buf.h"
#include "branchline/conf.h"

#include "commands.h"

#define ANSWER_MAX (4u * 1024u * 1024u)
#define TIMEOUT_S  20

/* Through the folder's descriptor: a socket address is shorter than paths may be. */
static int
dial(const struct org *o, int *out, struct bl_err *err)
{
	const struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char folder[ORG_PATH_MAX];
	int dir, fd, rc = BL_OK;

	*out = -1;
	org_path(o, "demo", folder);
	if ((dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bl_fail(err, BL_ENOTFOUND,
		    "%s has no demo; provisioning/quickstart --demo makes and runs one", o->dir);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/control.sock", dir);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) {
		rc = bl_fail_errno(err, BL_EIO, "make a socket");
	} else if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		   connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		rc = errno == EACCES
			 ? bl_fail(err, BL_EDENIED,
			       "the demo in %s belongs to another user; ask as that user", folder)
			 : bl_fail(err, BL_ENET,
			       "the demo of %s does not run (%s); provisioning/quickstart --demo "
			       "runs it",
			       o->dir, strerror(errno));
		(void)close(fd);
	} else {
		*out = fd;
	}
	(void)close(dir);
	return rc;
}

static int
hear(int fd, struct bl_buf *b, struct bl_err *err)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bl_fail_errno(err, BL_EIO, "hear the demo's answer");
		bl_buf_bytes(b, piece, (size_t)n);
		if (b->failed)
			return bl_fail(err, BL_EFULL, "the demo's answer is too long");
	}
	bl_buf_u8(b, 0);
	return b->failed ? bl_fail(err, BL_EFULL, "the demo's answer is too long") : BL_OK;
}

/* Lines stay lines; whatever else could move a terminal becomes '?'. */
static void
show(const char *text)
{
	for (; *text != '\0'; text++) {
		const unsigned char c = (unsigned char)*text;
		(void)putchar((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c);
	}
}

static int
ask(const struct org *o, const char *line)
{
	struct bl_err err = { 0 };
	const char *text;
	struct bl_buf b;
	int fd, rc = 1;

	bl_buf_init(&b, ANSWER_MAX);
	if (dial(o, &fd, &err) < 0)
		return command_failed(&err);
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
		(void)bl_fail_errno(&err, BL_EIO, "ask the demo");
	} else if (hear(fd, &b, &err) == BL_OK) {
		text = (const char *)b.data;
		if (strncmp(text, "ok\n", 3) == 0) {
			show(text + 3);
			rc = 0;
		} else {
			(void)bl_fail(&err, BL_EINVAL, "%.*s",
			    (int)strcspn(strncmp(text, "error: ", 7) == 0 ? text + 7 : text, "\n"),
			    strncmp(text, "error: ", 7) == 0 ? text + 7
							     : "the demo did not answer");
		}
	}
	(void)close(fd);
	bl_buf_free(&b);
	return rc == 0 ? 0 : command_failed(&err);
}

/* `offline SITE DURATION`: the site is an id, or a name as the demo knows it. */
static int
offline(const struct org *o, int argc, char **argv, const struct command *self)
{
	int64_t ms = 0;
	char line[256];

	if (argc != 2)
		return command_usage(self, "expected: demo offline SITE DURATION");
	if (!bl_conf_duration_parse(argv[1], &ms) || ms < 0 || ms > 86400000)
		return command_usage(
		    self, "expected a duration up to 24h such as 10m, got \"%.40s\"", argv[1]);
	if (strlen(argv[0]) > 128 || strcspn(argv[0], "\r\n\t") != strlen(argv[0]))
		return command_usage(self, "expected a site, got \"%.40s\"", argv[0]);
	(void)snprintf(line, sizeof(line), "offline\t%lld\t%s\n", (long long)ms, argv[0]);
	return ask(o, line);
}

static int
mail(const struct org *o, int argc, char **argv, const struct command *self)
{
	char line[32], *end = NULL;
	long n = 1;

	if (argc > 1)
		return command_usage(self, "unexpected argument \"%.40s\"", argv[1]);
	if (argc == 1)
		n = strtol(argv[0], &end, 10);
	if (n < 1 || n > 100 || (end != NULL && (*end != '\0' || end == argv[0])))
		return command_usage(self, "expected 1 to 100, got \"%.40s\"", argv[0]);
	(void)snprintf(line, sizeof(line), "mail\t%ld\n", n);
	return ask(o, line);
}

static int
run(int argc, char **argv, const struct command *self)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct bl_err err = { 0 };
	struct org o;
	int n = argc - 1;

	if (strcmp(what, "offline") != 0 && strcmp(what, "mail") != 0 &&
	    strcmp(what, "status") != 0)
		return command_usage(self, "expected offline, mail or status");
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	if (command_arguments(&n, argv + 1, self) != 0)
		return 2;
	if (strcmp(what, "offline") == 0)
		return offline(&o, n, argv + 1, self);
	if (strcmp(what, "mail") == 0)
		return mail(&o, n, argv + 1, self);
	return n > 0 ? command_usage(self, "unexpected argument \"%.40s\"", argv[1])
		     : ask(&o, "status\n");
}

const struct command command_demo = {
	.name = "demo",
	.summary = "cut a demo site's link, read the demo's mails",
	.help =
	    "usage: branchline demo offline SITE DURATION\n"
	    "       branchline demo mail [N]\n"
	    "       branchline demo status\n\n"
	    "Speaks to the demo that quickstart runs beside the organisation.\n\n"
	    "offline cuts the link of a demo site to the broker for so long (10m, 90s, up to 24h; "
	    "0s\n"
	    "gives it back at once). Its agent goes on: the board shows the site as unknown, then\n"
	    "the past is filled in, and nobody is paged for what is over by then.\n"
	    "mail shows the newest N mails (default: 1) that the demo's mail server has taken.\n"
	    "status tells of sites, links, orders, the demo API and mails.\n\n"
	    "  --state DIR   the organisation's state folder\n",
	.run = run,
};
