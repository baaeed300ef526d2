/* The server: its socket, its turns, and who gets what; see the header. */
#include "local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_listen.h"
#include "local_files.h"
#include "local_metrics.h"
#include "local_server_internal.h"

#define FULL_MS 1000 /* until connections that found no descriptor are looked at again */
#define TURNS   64   /* events of one call */

int
local_open(struct local **out, const struct local_opts *o, struct bl_err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 0 };
	struct local *l = calloc(1, sizeof(*l));
	int rc;

	*out = NULL;
	if (l == NULL)
		return bl_fail(err, BL_ENOMEM, "listen on %s: out of memory", o->listen);
	l->epoll_fd = l->listen_fd = -1;
	l->hosts = o->hosts;
	l->clock = o->clock;
	l->calls = o->calls;
	l->again_mono_ms = INT64_MAX;
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		l->client[i].fd = -1;
	rc = http_listen(&l->listen_fd, &l->path,
	    &(struct http_listen){ .listen = o->listen, .mode = o->mode, .key = "local.listen" },
	    err);
	if (rc < 0)
		goto fail;
	if ((l->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->listen_fd, &e) != 0) {
		rc = bl_fail_errno(err, BL_EIO, "watch %s", o->listen);
		goto fail;
	}
	*out = l;
	return BL_OK;

fail:
	local_close(l);
	return rc;
}

void
local_close(struct local *l)
{
	if (l == NULL)
		return;
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		local_client_drop(&l->client[i]);
	http_unlisten(l->listen_fd, l->path);
	if (l->epoll_fd >= 0)
		(void)close(l->epoll_fd);
	free(l);
}

int
local_fd(const struct local *l)
{
	return l->epoll_fd;
}

/* ---- turns ---- */

int64_t
local_deadline(const struct local *l)
{
	int64_t at = l->again_mono_ms;

	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		if (l->client[i].state != CLIENT_FREE && l->client[i].deadline_mono_ms < at)
			at = l->client[i].deadline_mono_ms;
	return at;
}

/* Out of descriptors, or too many at once: the rest wait in the kernel, not in a spin of ours. */
static void
watch_listener(struct local *l, bool on)
{
	struct epoll_event e = { .events = on ? EPOLLIN : 0, .data.u64 = 0 };

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, l->listen_fd, &e) == 0)
		l->again_mono_ms = on ? INT64_MAX : bl_mono_ms(l->clock) + FULL_MS;
}

static void
begin_second(struct local *l)
{
	const int64_t now = bl_mono_ms(l->clock);

	if (now - l->second_mono_ms < 1000)
		return;
	l->second_mono_ms = now;
	l->connects = l->made = 0;
}

static void
accept_some(struct local *l)
{
	begin_second(l);
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++) {
		int fd;

		if (l->connects >= LOCAL_CONNECTS) {
			watch_listener(l, false);
			return;
		}
		fd = accept4(l->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		l->connects += fd >= 0 ? 1 : 0;
		if (fd >= 0) {
			local_client_accept(l, fd);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			watch_listener(l, false);
		return;
	}
}

static void
look_at_deadlines(struct local *l)
{
	const int64_t now = bl_mono_ms(l->clock);

	if (now >= l->again_mono_ms)
		watch_listener(l, true);
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		if (l->client[i].state != CLIENT_FREE && now >= l->client[i].deadline_mono_ms)
			local_client_due(l, &l->client[i]);
}

void
local_serve(struct local *l)
{
	struct epoll_event e[TURNS];
	const int n = epoll_wait(l->epoll_fd, e, TURNS, 0);
	bool more = false;

	for (int i = 0; i < n; i++) {
		const uint32_t id = (uint32_t)(e[i].data.u64 >> 32);
		const size_t place = (size_t)(e[i].data.u64 & 0xffffffff);

		if (place == 0)
			more = true;
		else if (l->client[place - 1].id == id)
			local_client_ready(l, &l->client[place - 1]);
	}
	/* Last: who comes must not take the place of one whose request is there already. */
	if (more)
		accept_some(l);
	look_at_deadlines(l);
}

/* ---- requests ---- */

static size_t
under_way(const struct local *l)
{
	size_t n = 0;

	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		n += l->client[i].own.size;
	return n;
}

/* Counts what costs something. */
static bool
has_room(struct local *l)
{
	begin_second(l);
	return l->made++ < LOCAL_A_SECOND && under_way(l) < LOCAL_UNDER_WAY;
}

static void
busy(struct local *l, struct client *c)
{
	l->count.busy++;
	local_client_say_text(l, c, 503,
	    "Too much is asked at once. Try again in a second.\n"
	    "同时请求过多，请一秒后重试。\n");
}

static void
ask(struct local *l, struct client *c, enum local_what what)
{
	struct epoll_event quiet = { .events = 0,
		.data.u64 = (uint64_t)c->id << 32 | (uint64_t)(c - l->client + 1) };

	free(c->in);
	c->in = NULL;
	c->what = what;
	c->state = CLIENT_WAITS;
	c->deadline_mono_ms = bl_mono_ms(l->clock) + LOCAL_WAIT_MS;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &quiet) != 0) {
		local_client_drop(c);
		return;
	}
	l->calls.ask(l->calls.ctx, c->id, what);
}

static void
say_words(struct local *l, struct client *c)
{
	struct bl_buf words;

	bl_buf_init(&words, LOCAL_BODY_MAX);
	local_words_json(&words);
	c->state = CLIENT_WAITS;
	local_answer(l, c->id, "application/json", &words);
}

static void
give(struct local *l, struct client *c, const struct http_head *r)
{
	for (const struct local_file *f = local_files; f->path != NULL; f++)
		if (strcmp(f->path, r->path) == 0) {
			local_client_say(l, c, 200, f->type, f->data, *f->len);
			return;
		}
	if (strcmp(r->path, "/now.json") != 0 && strcmp(r->path, "/metrics") != 0 &&
	    strcmp(r->path, "/words.json") != 0)
		local_client_say_text(l, c, 404,
		    "There is /, /metrics and /now.json.\n"
		    "这里只有 /、/metrics 和 /now.json。\n");
	else if (!has_room(l))
		busy(l, c);
	else if (strcmp(r->path, "/words.json") == 0)
		say_words(l, c);
	else if (strcmp(r->path, "/now.json") == 0)
		ask(l, c, LOCAL_NOW);
	else
		ask(l, c,
		    local_metrics_open_wanted(r->accept) ? LOCAL_METRICS_OPENMETRICS
							 : LOCAL_METRICS);
}

void
local_request(struct local *l, struct client *c, size_t head_len)
{
	struct http_head r;
	int status = http_head_parse(c->in, head_len, &r);

	c->bare = strcmp(r.method, "HEAD") == 0;
	if (status == 0 && !c->bare && strcmp(r.method, "GET") != 0)
		status = 405;
	else if (status == 0 && (r.length > 0 || r.chunked))
		status = 400; /* what is asked here has no body */
	if (status != 0)
		local_client_say_text(
		    l, c, status, "This request is not understood.\n无法理解这个请求。\n");
	else if (!http_host_ok(r.host, l->hosts))
		local_client_say_text(l, c, 403,
		    "This page is not shown under this name: ask for it as localhost, or name it "
		    "in "
		    "local.hosts of the agent's configuration.\n"
		    "本页面不以此名称提供：请用 localhost 访问，或在代理配置的 local.hosts "
		    "中列出该名称。\n");
	else
		give(l, c, &r);
}

void
local_answer(struct local *l, uint32_t id, const char *type, struct bl_buf *body)
{
	struct client *c = NULL;

	for (unsigned i = 0; i < LOCAL_CLIENTS && c == NULL; i++)
		if (l->client[i].state == CLIENT_WAITS && l->client[i].id == id)
			c = &l->client[i];
	/* What was let in while nothing was under way may come together. */
	if (c != NULL && (body == NULL || body->failed || under_way(l) >= LOCAL_UNDER_WAY))
		busy(l, c);
	else if (c != NULL) {
		c->own = *body;
		memset(body, 0, sizeof(*body));
		local_client_say(l, c, 200, type, c->own.data, c->own.len);
	}
	if (body != NULL)
		bl_buf_free(body);
}

void
local_count(const struct local *l, struct local_counters *out)
{
	*out = l->count;
	out->clients = 0;
	for (unsigned i = 0; i < LOCAL_CLIENTS; i++)
		out->clients += l->client[i].state != CLIENT_FREE ? 1 : 0;
}
