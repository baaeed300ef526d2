/*
 * Through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6), before TLS begins.
 *
 * The proxy gets the broker's name and port, and a password when it is to have
 * one; all else goes through it inside of TLS.  Its answer is read to the end of
 * its head and not one byte further: what follows belongs to the tunnel.
 */
#include "link_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include <mbedtls/base64.h>

#include "branchline/log.h"
#include "branchline/secret.h"

#define PASSWORD_MAX 256

void
link_proxy_check_password(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && bl_secret_is_open(path, &st))
		bl_warn("link",
		    "the proxy's password %s can be read by others (mode %03o); make it 0600", path,
		    (unsigned)st.st_mode & 0777);
}

/* The first line of the file; false: link_fail has said why. */
static bool
read_password(struct bl_link *l, char out[PASSWORD_MAX])
{
	const char *path = l->proxy_password_file;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, PASSWORD_MAX - 1);

	if (n < 0)
		link_fail(l, BL_FAULT_PROXY, "password file of the proxy, %.200s: %s", path,
		    strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (out[0] != '\0')
		return true;
	link_fail(
	    l, BL_FAULT_PROXY, "password file of the proxy, %.200s: its first line is empty", path);
	return false;
}

static bool
add_authorization(struct bl_link *l, size_t *len)
{
	char plain[LINK_USER_MAX + PASSWORD_MAX + 1], password[PASSWORD_MAX];
	const size_t room = sizeof(l->up) - *len;
	size_t n = 0;
	bool ok = false;

	if (read_password(l, password)) {
		(void)snprintf(plain, sizeof(plain), "%s:%s", l->proxy_user, password);
		*len += (size_t)snprintf((char *)l->up + *len, room, "Proxy-Authorization: Basic ");
		ok = mbedtls_base64_encode(l->up + *len, sizeof(l->up) - *len - 8, &n,
			 (const unsigned char *)plain, strlen(plain)) == 0;
		*len += n;
		memcpy(l->up + *len, "\r\n", 2);
		*len += 2;
	}
	explicit_bzero(plain, sizeof(plain));
	explicit_bzero(password, sizeof(password));
	return ok;
}

static bool
make_request(struct bl_link *l)
{
	const bool six = strchr(l->host, ':') != NULL; /* an IPv6 address stands in brackets */
	char authority[LINK_HOST_MAX + 16];
	size_t len;

	(void)snprintf(authority, sizeof(authority), "%s%s%s:%u", six ? "[" : "", l->host,
	    six ? "]" : "", l->port);
	len = (size_t)snprintf((char *)l->up, sizeof(l->up),
	    "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: branchline\r\n", authority, authority);
	if (l->proxy_user[0] != '\0' && !add_authorization(l, &len))
		return false;
	memcpy(l->up + len, "\r\n", 2);
	l->up_off = 0;
	l->up_len = len + 2;
	return true;
}

/* What went out may hold a password: it does not stay in memory. */
static void
forget_request(struct bl_link *l)
{
	explicit_bzero(l->up, 2048);
	l->up_len = l->up_off = 0;
}

static void
watch(struct bl_link *l)
{
	const uint32_t events = l->up_len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;

	if (events != l->outer_events)
		link_watch_change(l, l->outer_fd, events, LINK_WATCH_OUTER);
	l->outer_events = events;
}

void
link_proxy_begin(struct bl_link *l)
{
	link_enter(l, BL_LINK_PROXY, l->proxy_ms);
	l->down_len = 0;
	if (!make_request(l)) {
		forget_request(l);
		link_fail(l, BL_FAULT_INTERNAL, "CONNECT could not be made");
		return;
	}
	link_proxy_step(l);
}

static bool
send_request(struct bl_link *l)
{
	ssize_t sent;

	if (l->up_len == 0)
		return true;
	sent = send(l->outer_fd, l->up + l->up_off, l->up_len, MSG_NOSIGNAL);
	if (sent > 0) {
		l->report.wire_out_bytes += (uint64_t)sent;
		l->up_off += (size_t)sent;
		l->up_len -= (size_t)sent;
	} else if (errno == EPIPE || errno == ECONNRESET) {
		/* It may have answered before it hung up. */
		l->up_len = 0;
	} else if (errno != EAGAIN && errno != EINTR) {
		l->report.os_errno = errno;
		return false;
	}
	if (l->up_len == 0)
		forget_request(l);
	return true;
}

/* 407; tinyproxy says 401 to a wrong password. */
static void
fail_signing_in(struct bl_link *l, const char *who, const struct link_http *h)
{
	if (l->proxy_user[0] == '\0')
		link_fail(l, BL_FAULT_PROXY,
		    "%s wants a user name and a password (%d, it offers %s): set broker.proxy", who,
		    h->status, h->schemes[0] != '\0' ? h->schemes : "nothing");
	else if (!h->basic && h->schemes[0] != '\0')
		link_fail(l, BL_FAULT_PROXY,
		    "%s wants a way of signing in that this program does not know (%d, it offers "
		    "%s; known is Basic)",
		    who, h->status, h->schemes);
	else
		link_fail(l, BL_FAULT_PROXY,
		    "%s does not take the user name or the password of broker.proxy (%d)", who,
		    h->status);
}

static void
fail_answer(struct bl_link *l, const struct link_http *h)
{
	char who[LINK_TARGET_MAX];

	(void)link_target(l, who, sizeof(who));
	if (h->status == 407 || h->status == 401)
		fail_signing_in(l, who, h);
	else if (link_http_is_portal(h))
		link_fail_portal(l, who, h);
	else if (h->status == 400 || h->status == 405 || h->status == 501)
		link_fail(l, BL_FAULT_PROXY,
		    "%s does not know CONNECT (\"%d %s\"): is it a proxy, or a web server?", who,
		    h->status, h->reason);
	else if (h->status == 403 || h->status == 451)
		link_fail(l, BL_FAULT_PROXY, "%s forbids connections to %s:%u (\"%d %s\")", who,
		    l->host, l->port, h->status, h->reason);
	else if (h->status >= 500 || h->status == 404 || h->status == 408)
		link_fail(l, BL_FAULT_PROXY, "%s could not reach %s:%u (\"%d %s\")", who, l->host,
		    l->port, h->status, h->reason);
	else
		link_fail(l, BL_FAULT_PROXY, "%s refused %s:%u (\"%d %s\")", who, l->host, l->port,
		    h->status, h->reason);
}

static void
fail_not_http(struct bl_link *l)
{
	char who[LINK_TARGET_MAX], quote[LINK_HEAD_BYTES + 1];

	link_http_printable(quote, sizeof(quote), (const char *)l->down, l->down_len);
	link_fail(l, BL_FAULT_PROXY, "%s does not speak HTTP, so it is no proxy: it sent \"%s\"",
	    link_target(l, who, sizeof(who)), quote);
}

static void
fail_ended(struct bl_link *l, int reason)
{
	char who[LINK_TARGET_MAX];

	l->report.os_errno = reason;
	if (reason == ETIMEDOUT)
		link_fail(l, BL_FAULT_LOST, "%s: no answer from the network",
		    link_target(l, who, sizeof(who)));
	else
		link_fail(l, BL_FAULT_PROXY,
		    "%s closed the connection instead of answering CONNECT%s%s",
		    link_target(l, who, sizeof(who)), reason != 0 ? ": " : "",
		    reason != 0 ? strerror(reason) : "");
}

/* A whole head lies in down.  Interim answers (1xx) are passed over. */
static void
take_answer(struct bl_link *l)
{
	struct link_http h;

	if (!link_http_parse((const char *)l->down, l->down_len, &h)) {
		fail_not_http(l);
		return;
	}
	l->down_len = 0;
	if (h.status < 200 && h.status != 101)
		return;
	l->report.proxy_ms = link_now_ms() - l->phase_began_ms;
	/* After 2xx the tunnel begins, whatever fields of a body the head may have. */
	if (h.status >= 200 && h.status <= 299)
		link_tls_begin(l);
	else
		fail_answer(l, &h);
}

/* Takes what has come, up to the end of the head.  false: nothing more for now, or DOWN. */
static bool
read_answer(struct bl_link *l)
{
	char *at = (char *)l->down;
	const size_t before = l->down_len;
	ssize_t got = recv(l->outer_fd, at + before, sizeof(l->down) - before, MSG_PEEK);
	size_t head;

	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			fail_ended(l, got == 0 ? 0 : errno);
		return false;
	}
	head = link_http_head_len(at, before + (size_t)got);
	if (head > 0)
		got = (ssize_t)(head - before);
	/* The same bytes once more: they are there. */
	got = recv(l->outer_fd, at + before, (size_t)got, 0);
	if (got <= 0)
		return false;
	l->report.wire_in_bytes += (uint64_t)got;
	l->down_len += (size_t)got;
	if (!link_http_begins(at, l->down_len))
		fail_not_http(l);
	else if (head > 0 && l->down_len == head)
		take_answer(l);
	else if (l->down_len == sizeof(l->down))
		link_fail(l, BL_FAULT_PROXY, "the proxy's answer to CONNECT has no end");
	return true;
}

void
link_proxy_step(struct bl_link *l)
{
	if (!send_request(l)) {
		fail_ended(l, l->report.os_errno);
		return;
	}
	while (l->phase == BL_LINK_PROXY && read_answer(l))
		;
	if (l->phase == BL_LINK_PROXY)
		watch(l);
}
