/*
 * The way to the server, as a run takes it: look-up, TCP to one address after
 * another, TLS.  Each step goes as far as it can without waiting, sets its
 * value when it is through and begins the next phase, or ends the run.
 */
#include "probe_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static void
address_text(const struct probe_addr *a, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->ss.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->ss;

		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(
		    out, size, in6->sin6_port != 0 ? "[%s]:%u" : "%s", host, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&a->ss;

		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, size, in->sin_port != 0 ? "%s:%u" : "%s", host, ntohs(in->sin_port));
	}
}

static enum probe_reason
reason_of_errno(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return PROBE_FAIL_REFUSED;
	case ETIMEDOUT:
		return PROBE_FAIL_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return PROBE_FAIL_INTERNAL;
	default: /* ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EACCES of a firewall ... */
		return PROBE_FAIL_UNREACHABLE;
	}
}

/* Starts connecting to one address.  0: begun; else errno. */
static int
dial(struct probe_run *r, const struct probe_addr *a, int type, int protocol)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	};
	const int one = 1;
	int error = 0;

	probe_run_close(r);
	r->fd = socket(a->ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (r->fd < 0)
		return errno;
	/* A request and a TLS flight each leave in one piece: nothing to wait for. */
	if (type == SOCK_STREAM)
		(void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ev.data.u64 = (uint64_t)r->generation << 32 | r->index;
	if (epoll_ctl(r->env->epoll_fd, EPOLL_CTL_ADD, r->fd, &ev) < 0)
		return errno;
	if (connect(r->fd, (const struct sockaddr *)&a->ss, a->len) < 0 && errno != EINPROGRESS)
		error = errno;
	return error;
}

void
probe_connect_fail(struct probe_run *r, const struct probe_addr *a, int error)
{
	char text[80];

	enum probe_reason reason = reason_of_errno(error);

	address_text(a, text, sizeof(text));
	if (r->proxy != NULL && reason != PROBE_FAIL_TIMEOUT && !probe_reason_is_ours(reason))
		reason = PROBE_FAIL_PROXY;
	probe_run_fail(r, reason, "connect %s%s: %s", r->proxy != NULL ? "to the proxy " : "", text,
	    strerror(error));
}

/*
 * The current address, or when it fails at once the next one.  Those left
 * share what is left of the phase, so that a silent one leaves time for others.
 */
void
probe_connect_next(struct probe_run *r)
{
	int error = EHOSTUNREACH;

	for (; r->addr_at < r->n_addrs; r->addr_at++) {
		const int64_t now = bl_mono_ms(r->env->clock);
		const int64_t left = r->connect_end_mono_ms - now;

		r->deadline_mono_ms = now + left / (int64_t)(r->n_addrs - r->addr_at);
		if ((error = dial(r, &r->addr[r->addr_at], SOCK_STREAM, 0)) == 0)
			return;
	}
	probe_connect_fail(r, &r->addr[r->n_addrs - 1], error);
}

int
probe_connect_datagram(struct probe_run *r, const struct probe_addr *a, int type, int protocol)
{
	return dial(r, a, type, protocol);
}

void
probe_connect_tcp_begin(struct probe_run *r)
{
	probe_run_phase(r, PHASE_CONNECT);
	r->connect_end_mono_ms = r->deadline_mono_ms;
	r->addr_at = 0;
	probe_connect_next(r);
}

static void
addressed(struct probe_run *r)
{
	if (r->ops->addressed != NULL)
		r->ops->addressed(r);
	else
		probe_connect_tcp_begin(r);
}

static void
tls_begin(struct probe_run *r)
{
	struct bl_err err = { 0 };

	probe_run_phase(r, PHASE_TLS);
	if (probe_tls_create(&r->tls, r->env->tls, r->fd,
		r->tls_name != NULL ? r->tls_name : &r->url,
		is_set(r->conf->ca_file) ? r->conf->ca_file : "", r->conf->verify, &err) < 0)
		probe_run_fail(r, PROBE_FAIL_INTERNAL, "%s", err.msg);
	else if (r->sessions != NULL)
		probe_tls_offer(r->tls, r->sessions, r->env->clock);
	if (r->tls != NULL && r->ops->handshake != NULL)
		r->ops->handshake(r->tls);
}

void
probe_connect_through(struct probe_run *r)
{
	if (r->url.tls)
		tls_begin(r);
	else
		probe_run_phase(r, PHASE_FIRST_BYTE);
}

void
probe_connect_tcp(struct probe_run *r)
{
	int error = 0;
	socklen_t len = sizeof(error);
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);

	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0 && getpeername(r->fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return; /* still under way */
	if (error != 0) {
		if (++r->addr_at < r->n_addrs)
			probe_connect_next(r);
		else
			probe_connect_fail(r, &r->addr[r->addr_at - 1], error);
		return;
	}
	probe_run_have(r, PROBE_CONNECT_MS, probe_run_ms_since(r->phase_ns));
	r->connected_mono_ms = bl_mono_ms(r->env->clock);
	if (r->ops->connected == NULL || !r->ops->connected(r))
		probe_connect_through(r);
}

static void
literal_address(struct probe_run *r)
{
	const struct probe_url *to = probe_run_dialled(r);
	struct probe_addr *a = &r->addr[0];

	memset(a, 0, sizeof(*a));
	if (strchr(to->host, ':') != NULL) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(to->port);
		(void)inet_pton(AF_INET6, to->host, &in6->sin6_addr);
		a->len = sizeof(*in6);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&a->ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(to->port);
		(void)inet_pton(AF_INET, to->host, &in->sin_addr);
		a->len = sizeof(*in);
	}
	r->n_addrs = 1;
}

void
probe_connect_begin(struct probe_run *r)
{
	const struct probe_url *to = probe_run_dialled(r);

	probe_run_close(r);
	r->sent = 0;
	r->result.reused = false;
	r->due_values = r->ops->due(r, false);
	if (to->literal) {
		literal_address(r);
		addressed(r);
		return;
	}
	probe_run_phase(r, PHASE_DNS);
	r->job = probe_job_start(r->env->resolver, to->host, to->port);
	if (r->job == NULL)
		probe_run_fail(
		    r, PROBE_FAIL_DNS, "look up %.100s: too many look-ups hang already", to->host);
}

void
probe_connect_dns(struct probe_run *r)
{
	int rc;

	if (!probe_job_done(r->job, &rc, r->addr, &r->n_addrs))
		return;
	probe_job_drop(r->job);
	r->job = NULL;
	if (rc != 0) {
		const bool ours = rc == EAI_MEMORY || rc == EAI_SYSTEM;

		probe_run_fail(r,
		    ours               ? PROBE_FAIL_INTERNAL
		    : r->proxy != NULL ? PROBE_FAIL_PROXY
				       : PROBE_FAIL_DNS,
		    "look up %s%.100s: %s", r->proxy != NULL ? "the proxy " : "",
		    probe_run_dialled(r)->host, gai_strerror(rc));
		return;
	}
	probe_run_have(r, PROBE_DNS_MS, probe_run_ms_since(r->phase_ns));
	addressed(r);
}

double
probe_connect_days(const struct probe_run *r, int64_t unix_s)
{
	const double left_s = (double)unix_s - (double)bl_unix_ms(r->env->clock) / 1e3;

	/* A tenth of a day: it changes ten times a day, not with every sample. */
	return floor(left_s / 8640.0) / 10.0;
}

void
probe_connect_certificate(struct probe_run *r)
{
	if (r->peer.not_after_unix_s != 0 && !r->peer.undated)
		probe_run_have(
		    r, PROBE_CERTIFICATE_DAYS, probe_connect_days(r, r->peer.not_after_unix_s));
}

/* What the handshake has found, or what it goes on from. */
static void
tls_done(struct probe_run *r)
{
	probe_run_have(r, PROBE_TLS_MS, probe_run_ms_since(r->phase_ns));
	probe_tls_peer(r->tls, atomic_load(&r->env->clock_wrong), &r->peer);
	probe_connect_certificate(r);
	if (r->sessions != NULL) {
		probe_run_have(r, PROBE_TLS_RESUMED, probe_tls_resumed(r->tls) ? 1 : 0);
		probe_tls_keep(r->tls, r->sessions, &r->peer, r->env->clock);
	}
	probe_run_phase(r, PHASE_FIRST_BYTE);
}

/* A server that stumbles over a session which we offered is asked again without one. */
static void
tls_failed(struct probe_run *r, const char *why)
{
	if (r->sessions != NULL && probe_tls_offered(r->tls)) {
		const struct probe_value redirects = r->result.value[PROBE_REDIRECTS];

		probe_sessions_forget(r->sessions, r->tls);
		memset(r->result.value, 0, sizeof(r->result.value));
		r->result.value[PROBE_REDIRECTS] = redirects;
		probe_connect_begin(r);
		return;
	}
	probe_run_fail(r, PROBE_FAIL_TLS, "%s", why);
}

void
probe_connect_tls(struct probe_run *r)
{
	struct bl_err err = { 0 };

	switch (probe_tls_step(r->tls, &err)) {
	case PROBE_IO_AGAIN:
		return;
	case PROBE_IO_OK:
		tls_done(r);
		return;
	default:
		tls_failed(r, err.msg);
	}
}
