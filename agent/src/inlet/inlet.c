/* The inlet's life and its turns; see the header. */
#include "inlet_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 32

static int
begin_listening(struct inlet *in, const struct inlet_opts *opts, struct bl_err *err)
{
	const struct inlet_socket socket = { .path = opts->path,
		.type = SOCK_STREAM,
		.mode = opts->mode,
		.group = opts->group,
		.key = "inlets.steps.socket" };
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = INLET_LISTENER };
	int rc;

	if ((rc = inlet_socket_open(&in->listen_fd, &socket, err)) < 0)
		return rc;
	/* The path only now: what another program listens on is not ours to remove. */
	if ((in->path = strdup(opts->path)) == NULL)
		return bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", opts->path);
	if (epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, in->listen_fd, &e) != 0)
		return bl_fail_errno(err, BL_EIO, "watch socket %s", opts->path);
	return BL_OK;
}

int
inlet_open(struct inlet **out, const struct inlet_opts *opts, struct bl_err *err)
{
	struct inlet *in = calloc(1, sizeof(*in));
	int rc;

	*out = NULL;
	if (in == NULL)
		return bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", opts->path);
	in->clock = opts->clock;
	in->sink = opts->sink;
	in->answer_ms = opts->answer_ms > 0 ? opts->answer_ms : INLET_ANSWER_MS;
	in->idle_ms = opts->idle_ms > 0 ? opts->idle_ms : INLET_IDLE_MS;
	in->listen_fd = -1;
	for (unsigned i = 0; i < INLET_FLIGHTS; i++)
		in->clock->random(
		    in->clock->ctx, &in->flight[i].round, sizeof(in->flight[i].round));
	in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (in->epoll_fd < 0)
		rc = bl_fail_errno(err, BL_EIO, "open socket %s", opts->path);
	else
		rc = begin_listening(in, opts, err);
	if (rc == BL_OK && opts->datagram != NULL && opts->datagram[0] != '\0')
		rc = datagrams_open(in, opts, err);
	if (rc < 0) {
		inlet_close(in);
		return rc;
	}
	*out = in;
	return BL_OK;
}

void
inlet_finish(struct inlet *in)
{
	if (in->listen_fd >= 0) {
		if (in->path != NULL)
			inlet_socket_remove(in->path);
		(void)close(in->listen_fd);
		in->listen_fd = -1;
	}
	in->listen_again_mono_ms = 0;
	datagrams_finish(in);
	in->finishing = true;
	for (unsigned i = 0; i < INLET_CLIENTS; i++)
		if (in->client[i] != NULL) {
			in->client[i]->eof = true;
			in->client[i]->in_len = 0;
		}
}

void
inlet_close(struct inlet *in)
{
	if (in == NULL)
		return;
	inlet_finish(in);
	for (unsigned i = 0; i < INLET_CLIENTS; i++)
		client_drop(in, i);
	datagrams_close(in);
	if (in->epoll_fd >= 0)
		(void)close(in->epoll_fd);
	free(in->path);
	free(in);
}

int
inlet_fd(const struct inlet *in)
{
	return in->epoll_fd;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
inlet_deadline(const struct inlet *in)
{
	int64_t at = INT64_MAX;

	if (in->due)
		return INT64_MIN;
	if (in->listen_again_mono_ms != 0)
		at = in->listen_again_mono_ms;
	for (unsigned i = 0; i < INLET_FLIGHTS && in->n_flights > in->n_late; i++)
		if (in->flight[i].used && !in->flight[i].late)
			at = earlier(at, in->flight[i].deadline_mono_ms);
	for (unsigned i = 0; i < INLET_CLIENTS && in->count.clients > 0; i++)
		if (in->client[i] != NULL)
			at = earlier(at, in->client[i]->active_mono_ms + in->idle_ms);
	return at;
}

static void
listen_again(struct inlet *in, int64_t now)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = INLET_LISTENER };

	if (in->listen_again_mono_ms == 0 || in->listen_again_mono_ms > now)
		return;
	in->listen_again_mono_ms =
	    epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, in->listen_fd, &e) == 0 ? 0 : now + 1000;
}

/* Who says nothing, or does not listen, for long enough. */
static void
drop_idle(struct inlet *in, int64_t now)
{
	for (unsigned i = 0; i < INLET_CLIENTS; i++) {
		struct client *c = in->client[i];

		if (c == NULL || now - c->active_mono_ms < in->idle_ms)
			continue;
		if (client_waits(c)) {
			c->active_mono_ms = now; /* it is the disk that says nothing */
			continue;
		}
		in->count.idle_clients++;
		client_drop(in, i);
	}
}

static void
look(struct inlet *in)
{
	struct epoll_event e[EVENTS_MAX];
	const int n = epoll_wait(in->epoll_fd, e, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 == INLET_LISTENER)
			client_accept(in);
		else if (e[i].data.u32 == INLET_DATAGRAMS)
			datagrams_ready(in);
		else if (in->client[e[i].data.u32] != NULL &&
			 (e[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
			client_read(in, in->client[e[i].data.u32], (e[i].events & EPOLLHUP) != 0);
	}
}

/* One line of everybody, in turn; false: nobody has another one, or there is no room. */
static bool
round_of_lines(struct inlet *in)
{
	bool taken = datagrams_take(in);

	for (unsigned k = 0; k < INLET_CLIENTS; k++) {
		const unsigned i = (in->first + k) % INLET_CLIENTS;
		enum client_line got;

		if (in->client[i] == NULL)
			continue;
		got = client_line(in, i);
		if (got == LINE_NO_ROOM) {
			in->first = i; /* when there is room, it begins with this one */
			return false;
		}
		taken = taken || got == LINE_TAKEN;
	}
	return taken;
}

/* Line by line around: somebody's flood is nobody else's wait. */
static void
work(struct inlet *in)
{
	while (!in->finishing && round_of_lines(in))
		;
	for (unsigned i = 0; i < INLET_CLIENTS; i++) {
		if (in->client[i] == NULL)
			continue;
		client_settle(in, in->client[i]);
		client_flush(in, i);
	}
}

void
inlet_serve(struct inlet *in)
{
	const int64_t now = bl_mono_ms(in->clock);

	in->due = false;
	listen_again(in, now);
	if (!in->finishing)
		look(in);
	flight_expire(in, now);
	drop_idle(in, now);
	work(in);
}

void
inlet_count(const struct inlet *in, struct inlet_counters *out)
{
	*out = in->count;
}
