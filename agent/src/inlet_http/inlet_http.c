/* The inlet's life and its turns; see the header. */
#include "inlet_http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "branchline/log.h"

#include "http_listen.h"
#include "inlet_http_internal.h"
#include "inlet_socket.h"
#include "probe_secret.h"

#define EVENTS_MAX 64
#define SAY_MS     3600000

/* Of enum inlet_http_counter. */
static const struct {
	const char *name;
	bool refused;
} counters[INLET_HTTP_COUNTERS] = {
	{ "requests", false },
	{ "accepted", false },
	{ "repeated", false },
	{ "bad_reports", true },
	{ "not_stored", true },
	{ "bad_requests", true },
	{ "foreign", true },
	{ "unauthorized", true },
	{ "no_token", true },
	{ "too_large", true },
	{ "busy", true },
	{ "too_slow", true },
};

void
inlet_http_note(
    struct inlet_http *in, enum inlet_http_counter counter, uint64_t n, const char *what)
{
	const int64_t now = bl_mono_ms(in->host->clock);
	uint64_t *said = &in->said[counter];

	in->count[counter] += n;
	if (!counters[counter].refused ||
	    (in->said_mono_ms[counter] != 0 && now - in->said_mono_ms[counter] < SAY_MS))
		return;
	bl_warn("http", "something is refused, its sender was told: %s reason=%s count=%" PRIu64,
	    what, counters[counter].name, in->count[counter] - *said);
	*said = in->count[counter];
	in->said_mono_ms[counter] = now;
}

bool
inlet_http_has_memory(const struct inlet_http *in, uint32_t user, uint64_t more)
{
	uint64_t all = more, own = more;

	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		const struct inlet_http_client *c = &in->client[i];
		size_t n = c->body.size + c->out.size;

		if (c->batch != NULL)
			n += sizeof(*c->batch) + c->batch->words.size;
		all += n;
		own += c->user == user ? n : 0;
	}
	return all + own <= INLET_HTTP_UNDER_WAY;
}

/* ---- life ---- */

static void
close_it(void *ctx)
{
	struct inlet_http *in = ctx;

	if (in == NULL)
		return;
	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++)
		inlet_http_client_drop(&in->client[i]);
	inlet_http_client_unpark_all(in);
	http_unlisten(in->listen_fd, in->path);
	if (in->epoll_fd >= 0)
		(void)close(in->epoll_fd);
	free(in);
}

static int
begin(struct inlet_http *in, struct bl_err *err)
{
	const struct inlet_http_conf *conf = in->conf;
	const struct http_listen listen = { .listen = conf->listen,
		.mode = inlet_mode(conf->mode),
		.group = conf->group,
		.key = "inlets.http.listen" };
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = INLET_HTTP_CLIENTS };
	int rc;

	if ((rc = http_listen(&in->listen_fd, &in->path, &listen, err)) < 0)
		return rc;
	in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (in->epoll_fd < 0 || epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, in->listen_fd, &e) != 0)
		return bl_fail_errno(err, BL_EIO, "watch %s", conf->listen);
	return BL_OK;
}

static int
open_it(void **out, const void *conf, const struct inlet_host *host, struct bl_err *err)
{
	const struct inlet_http_conf *c = conf;
	struct inlet_http *in;
	int rc;

	*out = NULL;
	if (c->listen == NULL)
		return BL_OK;
	if ((in = calloc(1, sizeof(*in))) == NULL)
		return bl_fail(err, BL_ENOMEM, "listen on %s: out of memory", c->listen);
	in->conf = c;
	in->host = host;
	in->listen_fd = in->epoll_fd = -1;
	in->again_mono_ms = in->room_mono_ms = in->parked_mono_ms = INT64_MAX;
	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		in->client[i].fd = -1;
		/* What an inlet before this one has under way is none of ours. */
		host->clock->random(
		    host->clock->ctx, &in->client[i].round, sizeof(in->client[i].round));
	}
	if ((rc = begin(in, err)) < 0) {
		close_it(in);
		return rc;
	}
	bl_info("http", "reports are taken listen=%s", c->listen);
	*out = in;
	return BL_OK;
}

static void
finish(void *ctx)
{
	struct inlet_http *in = ctx;

	inlet_http_client_unpark_all(in);
	http_unlisten(in->listen_fd, in->path);
	in->listen_fd = -1;
	in->path = NULL;
	in->again_mono_ms = INT64_MAX;
	in->finishing = true;
	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		struct inlet_http_client *c = &in->client[i];

		if (c->state == INLET_HTTP_WORK)
			inlet_http_work_stop(c);
		else if (c->state == INLET_HTTP_SEND)
			c->keep = false;
		else
			inlet_http_client_drop(c);
	}
	in->due = true;
}

/* ---- turns ---- */

static int
fd_of(const void *ctx)
{
	return ((const struct inlet_http *)ctx)->epoll_fd;
}

static int64_t
deadline(const void *ctx)
{
	const struct inlet_http *in = ctx;
	int64_t at = in->again_mono_ms;

	if (in->due)
		return INT64_MIN;
	if (in->room_mono_ms < at)
		at = in->room_mono_ms;
	if (in->parked_mono_ms < at)
		at = in->parked_mono_ms;
	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++)
		if (in->client[i].state != INLET_HTTP_FREE && in->client[i].deadline_mono_ms < at)
			at = in->client[i].deadline_mono_ms;
	return at;
}

static void
look(struct inlet_http *in)
{
	struct epoll_event e[EVENTS_MAX];
	const int n = epoll_wait(in->epoll_fd, e, EVENTS_MAX, 0);
	bool more = false;

	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 >= INLET_HTTP_CLIENTS)
			more = true;
		else
			inlet_http_client_ready(in, &in->client[e[i].data.u32],
			    (e[i].events & (EPOLLHUP | EPOLLERR)) != 0);
	}
	/* Last: who comes must not take the place of one whose request is there already. */
	if (more && in->listen_fd >= 0)
		inlet_http_client_accept(in);
}

static void
look_at_deadlines(struct inlet_http *in)
{
	const int64_t now = bl_mono_ms(in->host->clock);

	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		struct inlet_http_client *c = &in->client[i];

		if (c->state != INLET_HTTP_FREE && now >= c->deadline_mono_ms)
			inlet_http_client_due(in, c);
		else
			inlet_http_client_go_on(in, c);
	}
}

static void
serve(void *ctx)
{
	struct inlet_http *in = ctx;

	in->due = false;
	in->room_mono_ms = INT64_MAX;
	look(in);
	look_at_deadlines(in);
	inlet_http_work(in);
	inlet_http_client_accept_again(in);
}

static void
done(void *ctx, uint64_t token, int rc)
{
	inlet_http_work_done(ctx, token, rc);
}

static unsigned
count(const void *ctx, struct inlet_count *out)
{
	const struct inlet_http *in = ctx;

	for (unsigned i = 0; i < INLET_HTTP_COUNTERS; i++)
		out[i] =
		    (struct inlet_count){ counters[i].name, in->count[i], counters[i].refused };
	return INLET_HTTP_COUNTERS;
}

/* What has every report refused, seen before one comes. */
static void
problem(const void *ctx, char *out, size_t size)
{
	const struct inlet_http *in = ctx;
	char secret[PROBE_SECRET_MAX + 1];
	struct bl_err err = { 0 };

	out[0] = '\0';
	if (in->conf->token_file == NULL)
		return;
	if (probe_secret_read(secret, in->conf->token_file, &err) < 0)
		(void)snprintf(out, size, "token_file: every report is refused: %s", err.msg);
	explicit_bzero(secret, sizeof(secret));
}

_Static_assert(INLET_HTTP_COUNTERS <= INLET_COUNTS_MAX, "what the agent takes");

const struct inlet_ops inlet_http_ops = {
	.name = "http",
	.open = open_it,
	.finish = finish,
	.close = close_it,
	.fd = fd_of,
	.deadline = deadline,
	.serve = serve,
	.done = done,
	.count = count,
	.problem = problem,
};
