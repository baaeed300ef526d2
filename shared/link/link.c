/*
 * Life cycle, phases and deadlines of a link; see the header for the contract
 * and link_internal.h for who does what.
 *
 * Every way to fail ends in link_fail: it writes the report, releases the
 * connection and leaves phase DOWN, from which start begins anew.  So after
 * any call that may fail, look at the phase before going on.
 */
#include "link_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_PHASE_MS        5000
#define DEFAULT_PROXY_MS        15000
#define DEFAULT_USER_TIMEOUT_MS 30000

static double
clock_ms(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

double
link_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

double
link_cpu_ms(void)
{
	return clock_ms(CLOCK_THREAD_CPUTIME_ID);
}

void
link_close_fd(int *fd)
{
	/* Sockets and eventfds: nothing is buffered that close could fail to write. */
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

const char *
link_dial_host(const struct bl_link *l)
{
	return l->proxy_host[0] != '\0' ? l->proxy_host : l->host;
}

uint16_t
link_dial_port(const struct bl_link *l)
{
	return l->proxy_host[0] != '\0' ? l->proxy_port : l->port;
}

const char *
link_target(const struct bl_link *l, char *out, size_t size)
{
	const char *host = link_dial_host(l);
	const bool named = l->report.peer[0] != '\0' && strcmp(l->report.peer, host) != 0;

	if (l->proxy_host[0] != '\0' && l->phase > BL_LINK_PROXY)
		(void)snprintf(out, size, "%s:%u through the proxy %s:%u", l->host, l->port,
		    l->proxy_host, l->proxy_port);
	else
		(void)snprintf(out, size, "%s%s:%u%s%s%s",
		    host == l->proxy_host ? "the proxy " : "", host, link_dial_port(l),
		    named ? " (" : "", named ? l->report.peer : "", named ? ")" : "");
	return out;
}

void
link_enter(struct bl_link *l, enum bl_link_phase phase, unsigned limit_ms)
{
	const int64_t now = bl_mono_ms(l->clock);

	l->phase = l->report.phase = phase;
	l->phase_mono_ms = now;
	l->phase_began_ms = link_now_ms();
	l->deadline_mono_ms = limit_ms == 0 ? 0 : now + (int64_t)limit_ms;
}

bool
link_watch_add(struct bl_link *l, int fd, uint32_t events, enum link_watch what)
{
	struct epoll_event event = { .events = events, .data.u32 = (uint32_t)what };

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return true;
	l->report.os_errno = errno;
	link_fail(l, BL_FAULT_INTERNAL, "watch a descriptor: %s", strerror(errno));
	return false;
}

void
link_watch_change(struct bl_link *l, int fd, uint32_t events, enum link_watch what)
{
	struct epoll_event event = { .events = events, .data.u32 = (uint32_t)what };

	/* Cannot fail for a descriptor that was added; if it did, a deadline would tell. */
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void
link_watch_remove(struct bl_link *l, int fd)
{
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Releases the connection; keeps credentials, saved session and report. */
static void
link_release(struct bl_link *l)
{
	link_handover_close(l);
	link_dial_end(l);
	link_tls_end(l);
	link_bytes_close(l);
	link_close_fd(&l->inner_fd);
	l->deadline_mono_ms = 0;
	memset(&l->ws, 0, sizeof(l->ws));
	l->up_len = l->up_off = l->down_len = l->down_off = l->head_len = 0;
	l->want_write = l->send_dead = l->inner_eof = false;
	l->outer_events = l->inner_events = 0;
}

void
link_fail(struct bl_link *l, enum bl_link_fault fault, const char *fmt, ...)
{
	char text[sizeof(l->report.text)];
	va_list ap;

	if (l->phase == BL_LINK_DOWN)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(l->report.text, text, sizeof(text));
	/* Somebody answered at this address who is not the broker: begin with another next time. */
	if (l->phase >= BL_LINK_PROXY && l->phase < BL_LINK_READY && fault != BL_FAULT_STOPPED)
		l->address_turn++;
	l->report.fault = fault;
	l->report.phase = l->phase;
	link_release(l);
	l->phase = BL_LINK_DOWN;
}

static unsigned
or_default(unsigned value, unsigned otherwise)
{
	return value == 0 ? otherwise : value;
}

static const char *
or_empty(const char *text)
{
	return text != NULL ? text : "";
}

/* Proxy and WebSocket; takes over everything or nothing. */
static int
way_configure(struct bl_link *l, const struct bl_link_cfg *cfg, struct bl_err *err)
{
	const char *host = or_empty(cfg->proxy_host), *user = or_empty(cfg->proxy_user);
	const char *path = or_empty(cfg->websocket_path), *file = cfg->proxy_password_file;
	char *copy = NULL;

	if (strlen(host) >= sizeof(l->proxy_host) || (host[0] != '\0' && cfg->proxy_port == 0))
		return bl_fail(err, BL_EINVAL, "link: the proxy needs a host name and a port");
	if (strlen(user) >= sizeof(l->proxy_user) || strchr(user, ':') != NULL)
		return bl_fail(
		    err, BL_EINVAL, "link: the proxy's user name is too long or has a colon");
	if (user[0] != '\0' && file == NULL)
		return bl_fail(err, BL_EINVAL, "link: the proxy's user needs a password file");
	if (strlen(path) >= sizeof(l->path) || (path[0] != '\0' && path[0] != '/'))
		return bl_fail(
		    err, BL_EINVAL, "link: the WebSocket path must begin with / and be short");
	if (file != NULL && (copy = strdup(file)) == NULL)
		return bl_fail(err, BL_ENOMEM, "link: out of memory");
	free(l->proxy_password_file);
	l->proxy_password_file = copy;
	if (copy != NULL)
		link_proxy_check_password(copy);
	if (strcmp(l->proxy_host, host) != 0 || l->proxy_port != cfg->proxy_port)
		l->good.size = 0;
	memmove(l->proxy_host, host, strlen(host) + 1);
	memmove(l->proxy_user, user, strlen(user) + 1);
	memmove(l->path, path, strlen(path) + 1);
	l->proxy_port = cfg->proxy_port;
	l->websocket = path[0] != '\0';
	return BL_OK;
}

static int
link_configure(struct bl_link *l, const struct bl_link_cfg *cfg, struct bl_err *err)
{
	const char *name = cfg->verify_name != NULL ? cfg->verify_name : cfg->host;
	int rc;

	if (cfg->host == NULL || cfg->host[0] == '\0' || strlen(cfg->host) >= sizeof(l->host))
		return bl_fail(err, BL_EINVAL, "link: a host name of 1 to %zu characters is needed",
		    sizeof(l->host) - 1);
	if (strlen(name) >= sizeof(l->verify_name))
		return bl_fail(err, BL_EINVAL, "link: the name to verify is too long");
	if (cfg->port == 0)
		return bl_fail(err, BL_EINVAL, "link: port must be 1 to 65535");
	if ((rc = way_configure(l, cfg, err)) < 0)
		return rc;
	/* An address of another host is no help for this one. */
	if (strcmp(l->host, cfg->host) != 0 || l->port != cfg->port)
		l->good.size = 0;
	/* cfg may point into l itself (a reload with what is in force). */
	memmove(l->host, cfg->host, strlen(cfg->host) + 1);
	memmove(l->verify_name, name, strlen(name) + 1);
	l->port = cfg->port;
	l->dns_ms = or_default(cfg->dns_ms, DEFAULT_PHASE_MS);
	l->connect_ms = or_default(cfg->connect_ms, DEFAULT_PHASE_MS);
	l->proxy_ms = or_default(cfg->proxy_ms, DEFAULT_PROXY_MS);
	l->tls_ms = or_default(cfg->tls_ms, DEFAULT_PHASE_MS);
	l->ready_ms = or_default(cfg->ready_ms, DEFAULT_PHASE_MS);
	l->user_timeout_ms = or_default(cfg->user_timeout_ms, DEFAULT_USER_TIMEOUT_MS);
	l->resume = cfg->resume;
	l->handover = cfg->handover;
	return BL_OK;
}

int
bl_link_create(struct bl_link **out, const struct bl_link_cfg *cfg, const struct bl_clock *clock,
    struct bl_err *err)
{
	struct bl_link *l;
	int rc;

	*out = NULL;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return bl_fail(err, BL_ENOMEM, "link: out of memory");
	l->clock = clock;
	l->outer_fd = l->inner_fd = l->waiter.wake_fd = l->waiter.inner_fd = -1;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		rc = bl_fail_errno(err, BL_EIO, "link: epoll");
		goto fail_memory;
	}
	if ((rc = link_configure(l, cfg, err)) < 0)
		goto fail_epoll;
	if ((rc = link_creds_load(&l->creds, l, cfg, err)) < 0)
		goto fail_epoll;
	*out = l;
	return BL_OK;

fail_epoll:
	link_close_fd(&l->epoll_fd);
fail_memory:
	free(l->proxy_password_file);
	free(l);
	return rc;
}

void
bl_link_free(struct bl_link *l)
{
	if (l == NULL)
		return;
	link_release(l);
	link_tls_forget(l);
	link_creds_free(l->creds);
	link_creds_free(l->next_creds);
	link_close_fd(&l->epoll_fd);
	free(l->proxy_password_file);
	free(l);
}

int
bl_link_reload(struct bl_link *l, const struct bl_link_cfg *cfg, struct bl_err *err)
{
	struct link_creds *fresh;
	int rc;

	if ((rc = link_creds_load(&fresh, l, cfg, err)) < 0)
		return rc;
	if ((rc = link_configure(l, cfg, err)) < 0) {
		link_creds_free(fresh);
		return rc;
	}
	link_creds_free(l->next_creds);
	l->next_creds = fresh;
	return BL_OK;
}

int
bl_link_start(struct bl_link *l, struct bl_err *err)
{
	if (l->phase != BL_LINK_IDLE && l->phase != BL_LINK_DOWN)
		return bl_fail(err, BL_EBUSY, "link to %s:%u is already started", l->host, l->port);
	link_release(l);
	memset(&l->report, 0, sizeof(l->report));
	l->report.via_proxy = l->proxy_host[0] != '\0';
	l->report.websocket = l->websocket;
	if (l->next_creds != NULL) {
		link_creds_free(l->creds);
		l->creds = l->next_creds;
		l->next_creds = NULL;
		/* Never resume an identity that is no longer ours. */
		link_tls_forget(l);
	}
	link_dial_begin(l);
	return BL_OK;
}

void
bl_link_stop(struct bl_link *l, const char *why)
{
	if (l->phase == BL_LINK_IDLE || l->phase == BL_LINK_DOWN)
		return;
	if (l->phase == BL_LINK_UP || l->phase == BL_LINK_READY) {
		link_upgrade_close(l, 1000);
		(void)mbedtls_ssl_close_notify(&l->ssl);
	}
	link_fail(l, BL_FAULT_STOPPED, "%s", why != NULL ? why : "stopped");
}

static void
link_overdue(struct bl_link *l)
{
	const int64_t limit = l->deadline_mono_ms - l->phase_mono_ms;
	char target[LINK_TARGET_MAX], why[64];

	l->report.os_errno = ETIMEDOUT;
	if (l->phase == BL_LINK_TLS)
		l->slow_handshakes++;
	if (l->phase == BL_LINK_DNS) {
		(void)snprintf(why, sizeof(why), "took longer than %lld ms", (long long)limit);
		if (!link_dial_fall_back(l, why))
			link_fail(l, BL_FAULT_TIMEOUT, "name look-up of \"%s\" %s",
			    link_dial_host(l), why);
		return;
	}
	link_fail(l, BL_FAULT_TIMEOUT, "%s with %s took longer than %lld ms",
	    link_phase_text(l->phase), link_target(l, target, sizeof(target)), (long long)limit);
}

static void
link_event(struct bl_link *l, uint32_t what, bool *io)
{
	if (what == LINK_WATCH_DNS && l->phase == BL_LINK_DNS) {
		link_dial_resolved(l);
	} else if (what == LINK_WATCH_OUTER && l->phase == BL_LINK_CONNECT) {
		link_dial_writable(l);
	} else if (what == LINK_WATCH_OUTER && l->phase == BL_LINK_PROXY) {
		link_proxy_step(l);
	} else if (what == LINK_WATCH_OUTER && l->phase == BL_LINK_TLS) {
		link_tls_step(l);
	} else if (what == LINK_WATCH_OUTER && l->phase == BL_LINK_UPGRADE) {
		link_upgrade_step(l);
	} else if (what == LINK_WATCH_OUTER && l->phase == BL_LINK_READY) {
		link_bridge_ready_event(l);
	} else if (what == LINK_WATCH_HANDOVER && l->phase == BL_LINK_READY) {
		const int fd = link_handover_take(l);

		if (fd >= 0)
			link_bridge_begin(l, fd);
	} else if (what == LINK_WATCH_OUTER || what == LINK_WATCH_INNER) {
		*io = true;
	}
}

void
bl_link_step(struct bl_link *l)
{
	struct epoll_event events[8];
	const int n = epoll_wait(l->epoll_fd, events, 8, 0);
	bool io = false;
	int64_t now;

	for (int i = 0; i < n; i++)
		link_event(l, events[i].data.u32, &io);
	if (l->phase == BL_LINK_UP && io)
		link_bridge_pump(l);
	now = bl_mono_ms(l->clock);
	if (l->phase == BL_LINK_CONNECT && l->address_mono_ms != 0 && now >= l->address_mono_ms)
		link_dial_overdue(l);
	if (l->deadline_mono_ms != 0 && now >= l->deadline_mono_ms)
		link_overdue(l);
}

int
bl_link_fd(const struct bl_link *l)
{
	return l->epoll_fd;
}

int
bl_link_timeout_ms(const struct bl_link *l)
{
	int64_t at = l->deadline_mono_ms;
	int64_t left;

	if (l->address_mono_ms != 0 && l->address_mono_ms < at)
		at = l->address_mono_ms;
	if (at == 0)
		return -1;
	left = at - bl_mono_ms(l->clock);
	return left <= 0 ? 0 : (int)left;
}

void
bl_link_clock_untrusted(struct bl_link *l, bool untrusted)
{
	l->clock_untrusted = untrusted;
}

enum bl_link_phase
bl_link_phase(const struct bl_link *l)
{
	return l->phase;
}

const char *
bl_link_uri(const struct bl_link *l)
{
	return l->uri;
}

const struct bl_link_report *
bl_link_report(const struct bl_link *l)
{
	return &l->report;
}
