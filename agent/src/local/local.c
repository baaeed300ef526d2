/* The server: its socket, its turns, and who gets what; see the header. */
#include "local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "local_files.h"
#include "local_metrics.h"
#include "local_server_internal.h"

#define FULL_MS 1000 /* until connections that found no descriptor are looked at again */
#define TURNS   64   /* events of one call */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
};

/* ---- the address ---- */

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
local_listen_check(const char *listen)
{
	union address a;

	return address_of(listen, &a) > 0
		   ? NULL
		   : "127.0.0.1:PORT, [::1]:PORT, or the absolute path of a Unix socket (at most "
		     "107 bytes): the page is for this machine alone";
}

/* A socket of an agent that died; anything else stays, and bind says so. */
static void
remove_stale(const union address *a, socklen_t len)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (connect(fd, &a->any, len) != 0 && errno == ECONNREFUSED &&
	    lstat(a->path.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(a->path.sun_path);
	(void)close(fd);
}

static int
listen_on(struct local *l, const struct local_opts *o, struct bl_err *err)
{
	union address a;
	const socklen_t len = address_of(o->listen, &a);
	const int on = 1;

	if (len == 0)
		return bl_fail(
		    err, BL_EINVAL, "listen on %s: no address of this machine alone", o->listen);
	l->listen_fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->listen_fd < 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", o->listen);
	if (a.any.sa_family == AF_UNIX) {
		remove_stale(&a, len);
	} else {
		(void)setsockopt(l->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	if (bind(l->listen_fd, &a.any, len) != 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", o->listen);
	if (a.any.sa_family == AF_UNIX &&
	    ((l->path = strdup(o->listen)) == NULL || chmod(o->listen, o->mode) != 0))
		return bl_fail_errno(err, BL_EIO, "set the permissions of %s", o->listen);
	if (listen(l->listen_fd, LOCAL_CLIENTS) != 0)
		return bl_fail_errno(err, BL_EIO, "listen on %s", o->listen);
	return BL_OK;
}

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
	if ((rc = listen_on(l, o, err)) < 0)
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
	if (l->path != NULL)
		(void)unlink(l->path);
	if (l->listen_fd >= 0)
		(void)close(l->listen_fd);
	if (l->epoll_fd >= 0)
		(void)close(l->epoll_fd);
	free(l->path);
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
give(struct local *l, struct client *c, const struct local_request *r)
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
	struct local_request r;
	const int status = local_http_parse(c->in, head_len, &r);

	if (status != 0)
		local_client_say_text(
		    l, c, status, "This request is not understood.\n无法理解这个请求。\n");
	else if (!local_http_host_ok(r.host, l->hosts))
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
