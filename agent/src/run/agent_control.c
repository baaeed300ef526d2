/*
 * The control socket: STATE/agent.sock, mode 0600.  A client writes "status" or
 * "now" and a newline and gets one JSON object (status.h, local_now.h), then the
 * end of the stream.  At most
 * AGENT_CLIENTS at a time, each with a deadline; root and the agent's own user
 * are let in.
 */
#include "agent_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "status.h"

#define FULL_MS   1000 /* until connections that found no descriptor are looked at again */
#define CLIENT_MS 3000 /* less than a client waits: it gets an answer even when the disk hangs */

int
agent_control_open(struct agent *a, struct bl_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = -1, dir_fd, rc;
	mode_t mask;

	for (unsigned i = 0; i < AGENT_CLIENTS; i++)
		a->client[i].fd = -1;
	rc = status_socket_path(
	    a->config->v->state_dir, sa.sun_path, sizeof(sa.sun_path), &dir_fd, err);
	if (rc < 0)
		return rc;
	/* What lies there is of an agent that died: the spool's lock says that none lives. */
	(void)unlink(sa.sun_path);
	mask = umask(0177);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, AGENT_CLIENTS) != 0)
		rc = bl_fail_errno(err, BL_EIO, "open the control socket %s/%s",
		    a->config->v->state_dir, STATUS_SOCKET);
	(void)umask(mask);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	if (rc == BL_OK)
		rc = agent_watch(a, fd, err);
	if (rc < 0 && fd >= 0) {
		(void)close(fd);
		fd = -1;
	}
	a->control_fd = fd;
	a->control_again_mono_ms = INT64_MAX;
	return rc;
}

static void
drop_client(struct agent_client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c->out);
	*c = (struct agent_client){ .fd = -1 };
}

void
agent_control_close(struct agent *a)
{
	char path[CONFIG_PATH_MAX];

	if (a->control_fd < 0)
		return;
	for (unsigned i = 0; i < AGENT_CLIENTS; i++)
		drop_client(&a->client[i]);
	(void)close(a->control_fd);
	a->control_fd = -1;
	if (a->control_spare_fd >= 0)
		(void)close(a->control_spare_fd);
	a->control_spare_fd = -1;
	config_state_path(a->config, STATUS_SOCKET, path);
	(void)unlink(path);
}

/*
 * Out of descriptors is when somebody wants to know what is wrong: one is held in
 * reserve for the answer.  Without it the rest wait in the kernel, and are looked
 * at again later and not at once, which would be a spin.
 */
static int
accept_one(struct agent *a)
{
	struct epoll_event none = { .events = 0, .data.fd = a->control_fd };
	int fd = accept4(a->control_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	if (a->control_spare_fd >= 0) {
		(void)close(a->control_spare_fd);
		a->control_spare_fd = -1;
		fd = accept4(a->control_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd < 0 && epoll_ctl(a->epoll_fd, EPOLL_CTL_MOD, a->control_fd, &none) == 0)
		a->control_again_mono_ms = bl_mono_ms(a->clock) + FULL_MS;
	return fd;
}

static void
accept_again(struct agent *a, int64_t now)
{
	struct epoll_event in = { .events = EPOLLIN, .data.fd = a->control_fd };

	if (a->control_fd >= 0 && a->control_spare_fd < 0)
		a->control_spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (now < a->control_again_mono_ms)
		return;
	a->control_again_mono_ms = INT64_MAX;
	(void)epoll_ctl(a->epoll_fd, EPOLL_CTL_MOD, a->control_fd, &in); /* was added once */
}

static bool
allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void
agent_control_accept(struct agent *a)
{
	struct bl_err err = { 0 };
	int fd;

	while ((fd = accept_one(a)) >= 0) {
		struct agent_client *c = NULL;

		for (unsigned i = 0; i < AGENT_CLIENTS && c == NULL; i++)
			if (a->client[i].fd < 0)
				c = &a->client[i];
		if (c == NULL || !allowed(fd) || agent_watch(a, fd, &err) < 0) {
			(void)close(fd);
			continue;
		}
		c->fd = fd;
		c->deadline_mono_ms = bl_mono_ms(a->clock) + CLIENT_MS;
	}
}

static void
send_more(struct agent *a, struct agent_client *c)
{
	struct epoll_event e = { .events = EPOLLOUT, .data.fd = c->fd };
	ssize_t n;

	while (c->out_sent < c->out_len) {
		n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (epoll_ctl(a->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) != 0)
				break;
			return;
		}
		if (n <= 0)
			break;
		c->out_sent += (size_t)n;
	}
	drop_client(c);
}

static void
read_question(struct agent *a, unsigned place)
{
	struct agent_client *c = &a->client[place];
	char text[64];
	const ssize_t n = recv(c->fd, text, sizeof(text) - 1, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->asked) {
		drop_client(c);
		return;
	}
	text[n] = '\0';
	c->now = strcmp(text, "now\n") == 0;
	if ((!c->now && strcmp(text, "status\n") != 0) ||
	    spool_thread_status(a->spool, place) != BL_OK) {
		drop_client(c);
		return;
	}
	c->asked = true;
}

bool
agent_control_serve(struct agent *a, int fd, uint32_t events)
{
	for (unsigned i = 0; i < AGENT_CLIENTS; i++) {
		if (a->client[i].fd != fd)
			continue;
		if ((events & EPOLLOUT) != 0)
			send_more(a, &a->client[i]);
		else
			read_question(a, i);
		return true;
	}
	return false;
}

static bool
write_answer(struct agent *a, struct agent_client *c, const struct spool_thread_status *st)
{
	struct bl_err err = { 0 };
	struct bl_buf b;

	if (!c->now) {
		c->out = agent_status_text(a, st);
		c->out_len = c->out != NULL ? strlen(c->out) : 0;
		return c->out != NULL;
	}
	bl_buf_init(&b, STATUS_NOW_MAX - 1);
	if (agent_local_now(a, st, &b, &err) < 0) {
		bl_warn("agent", "somebody who asked gets no answer: %s", err.msg);
		bl_buf_free(&b);
		return false;
	}
	c->out = (char *)b.data;
	c->out_len = b.len;
	return true;
}

void
agent_control_status(struct agent *a, uint64_t token, const struct spool_thread_status *st)
{
	struct agent_client *c;

	if (token >= AGENT_CLIENTS)
		return;
	c = &a->client[token];
	/* The one who asked may have gone, and another may sit in its place, not yet asking. */
	if (c->fd < 0 || !c->asked || c->out != NULL)
		return;
	if (!write_answer(a, c, st))
		drop_client(c);
	else
		send_more(a, c);
}

int64_t
agent_control_deadline(const struct agent *a)
{
	int64_t at = a->control_again_mono_ms;

	for (unsigned i = 0; i < AGENT_CLIENTS; i++)
		if (a->client[i].fd >= 0 && a->client[i].deadline_mono_ms < at)
			at = a->client[i].deadline_mono_ms;
	return at;
}

void
agent_control_stale(const struct agent *a, struct spool_thread_status *out)
{
	const int64_t turned = spool_thread_turned_mono_ms(a->spool);

	*out = a->spool_status;
	(void)snprintf(out->problem, sizeof(out->problem),
	    "its thread has not moved for %lld s: the disk hangs, or is very slow",
	    (long long)((bl_mono_ms(a->clock) - turned) / 1000));
}

static void
answer_without_spool(struct agent *a, unsigned place)
{
	struct spool_thread_status st;

	agent_control_stale(a, &st);
	a->client[place].deadline_mono_ms += CLIENT_MS;
	agent_control_status(a, place, &st);
}

void
agent_control_tick(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);

	accept_again(a, now);
	for (unsigned i = 0; i < AGENT_CLIENTS; i++) {
		const struct agent_client *c = &a->client[i];

		if (c->fd < 0 || c->deadline_mono_ms > now)
			continue;
		if (c->asked && c->out == NULL)
			answer_without_spool(a, i);
		else
			drop_client(&a->client[i]);
	}
}
