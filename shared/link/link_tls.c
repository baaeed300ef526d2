/*
 * The TLS handshake over the dialled socket, and session resumption.
 *
 * The trick that makes the server's reason readable: mbedTLS sends its last
 * flight in pieces, and a server that refuses our certificate answers the
 * first with an alert and a reset.  Were the failed send of the next piece an
 * error, the alert would stay unread ("Broken pipe").  So a dead socket
 * swallows what is sent, and the next read finds the alert in the queue.
 */
#include "link_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

static int
send_cb(void *ctx, const unsigned char *data, size_t len)
{
	struct bl_link *l = ctx;
	ssize_t sent;

	if (l->send_dead)
		return (int)len;
	sent = send(l->outer_fd, data, len, MSG_NOSIGNAL);
	if (sent >= 0) {
		l->report.wire_out_bytes += (uint64_t)sent;
		return (int)sent;
	}
	if (errno == EAGAIN || errno == EINTR) {
		l->want_write = true;
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	}
	l->report.os_errno = errno;
	l->send_dead = true;
	return (int)len;
}

static int
receive_cb(void *ctx, unsigned char *data, size_t len)
{
	struct bl_link *l = ctx;
	const ssize_t got = recv(l->outer_fd, data, len, 0);

	if (got > 0) {
		size_t keep = sizeof(l->head) - l->head_len;

		if (keep > (size_t)got)
			keep = (size_t)got;
		memcpy(l->head + l->head_len, data, keep);
		l->head_len += keep;
		l->report.wire_in_bytes += (uint64_t)got;
		return (int)got;
	}
	if (got == 0)
		return MBEDTLS_ERR_SSL_CONN_EOF;
	if (errno == EAGAIN || errno == EINTR)
		return l->send_dead ? MBEDTLS_ERR_SSL_CONN_EOF : MBEDTLS_ERR_SSL_WANT_READ;
	l->report.os_errno = errno;
	return MBEDTLS_ERR_SSL_CONN_EOF;
}

static int
tls_setup(struct bl_link *l)
{
	int rc;

	mbedtls_ssl_init(&l->ssl);
	l->has_ssl = true;
	if ((rc = mbedtls_ssl_setup(&l->ssl, &l->creds->conf)) != 0)
		return rc;
	if ((rc = mbedtls_ssl_set_hostname(&l->ssl, l->verify_name)) != 0)
		return rc;
	if (l->resume && l->has_saved)
		if ((rc = mbedtls_ssl_set_session(&l->ssl, &l->saved)) != 0)
			return rc;
	mbedtls_ssl_set_bio(&l->ssl, l, send_cb, receive_cb, NULL);
	return 0;
}

/*
 * A handshake that is given up has cost its server as much as one that works: when a fleet
 * comes back to a busy machine, all of them giving up after the same few seconds would keep it
 * busy for nothing.  So each one in a row that was too slow doubles the next one's time, four times
 * at most.
 */
#define PATIENCE_DOUBLINGS 2u

static unsigned
patience_ms(const struct bl_link *l)
{
	return l->tls_ms << (l->slow_handshakes < PATIENCE_DOUBLINGS ? l->slow_handshakes
								     : PATIENCE_DOUBLINGS);
}

void
link_tls_begin(struct bl_link *l)
{
	int rc;

	link_enter(l, BL_LINK_TLS, patience_ms(l));
	l->verify_flags = 0;
	l->chain_begins_unix_ms = 0;
	l->report.text[0] = '\0';
	if ((rc = tls_setup(l)) != 0) {
		link_fail(l, BL_FAULT_INTERNAL, "TLS set-up: error -0x%04x", (unsigned)-rc);
		return;
	}
	link_tls_step(l);
}

/* Keeps the session for the next connection; tells whether this one was resumed. */
static void
session_keep(struct bl_link *l)
{
	mbedtls_ssl_session fresh;

	if (!l->resume)
		return;
	mbedtls_ssl_session_init(&fresh);
	if (mbedtls_ssl_get_session(&l->ssl, &fresh) != 0) {
		mbedtls_ssl_session_free(&fresh);
		return;
	}
	l->report.resumed =
	    l->has_saved && memcmp(fresh.master, l->saved.master, sizeof(fresh.master)) == 0;
	link_tls_forget(l);
	l->saved = fresh;
	l->has_saved = true;
}

static void
shake_done(struct bl_link *l)
{
	(void)strncpy(
	    l->report.cipher, mbedtls_ssl_get_ciphersuite(&l->ssl), sizeof(l->report.cipher) - 1);
	session_keep(l);
	/* A resumed session verified nothing anew, but keeps whom it was made with. */
	if (mbedtls_ssl_get_peer_cert(&l->ssl) != NULL)
		link_common_name(mbedtls_ssl_get_peer_cert(&l->ssl), l->report.server_subject,
		    sizeof(l->report.server_subject));
	if (l->chain_begins_unix_ms > bl_unix_ms(l->clock))
		l->report.server_not_before_unix_ms = l->chain_begins_unix_ms;
	l->good = l->current;
	l->report.text[0] = '\0';
	if (l->websocket)
		link_upgrade_begin(l);
	else
		link_ready(l);
}

void
link_ready(struct bl_link *l)
{
	l->address_turn = 0;
	if (l->handover && link_handover_open(l) < 0) {
		link_fail(l, BL_FAULT_INTERNAL, "local hand-over: %s", strerror(errno));
		return;
	}
	l->outer_events = EPOLLIN;
	link_watch_change(l, l->outer_fd, EPOLLIN, LINK_WATCH_OUTER);
	link_enter(l, BL_LINK_READY, l->handover ? l->ready_ms : 0);
}

void
link_tls_step(struct bl_link *l)
{
	const double cpu = link_cpu_ms();
	uint32_t events;
	int rc;

	l->want_write = false;
	rc = mbedtls_ssl_handshake(&l->ssl);
	l->report.tls_cpu_ms += link_cpu_ms() - cpu;
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE) {
		events = rc == MBEDTLS_ERR_SSL_WANT_WRITE ? EPOLLOUT : EPOLLIN;
		if (events != l->outer_events)
			link_watch_change(l, l->outer_fd, events, LINK_WATCH_OUTER);
		l->outer_events = events;
		return;
	}
	l->report.tls_ms = link_now_ms() - l->phase_began_ms;
	l->slow_handshakes = 0;
	if (rc == 0) {
		shake_done(l);
		return;
	}
	link_tls_forget(l);
	link_fail_handshake(l, rc);
}

void
link_tls_forget(struct bl_link *l)
{
	if (l->has_saved)
		mbedtls_ssl_session_free(&l->saved);
	l->has_saved = false;
}

void
link_tls_end(struct bl_link *l)
{
	if (l->has_ssl)
		mbedtls_ssl_free(&l->ssl);
	l->has_ssl = false;
}
