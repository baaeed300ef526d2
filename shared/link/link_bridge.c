/*
 * Bytes between the inner socket (Paho's other end) and TLS.
 *
 * Back-pressure is the rule that the inner side is read only when TLS took
 * the last piece, and TLS only when the inner side took the last.  TLS is read
 * until it wants more from the wire, because epoll cannot see bytes that
 * mbedTLS has already decrypted.
 */
#include "link_internal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Rounds of one step: other work of the loop must get its turn. */
#define PUMP_ROUNDS 64

void
link_bridge_begin(struct bl_link *l, int inner_fd)
{
	link_handover_close(l);
	l->inner_fd = inner_fd;
	l->inner_events = EPOLLIN;
	if (!link_watch_add(l, inner_fd, EPOLLIN, LINK_WATCH_INNER))
		return;
	link_enter(l, BL_LINK_UP, 0);
	l->acked_bytes = 0;
	/* The server may have spoken while we waited for the inner side. */
	link_bridge_pump(l);
}

void
link_bridge_ready_event(struct bl_link *l)
{
	unsigned char byte;
	int reason = 0;
	socklen_t size = sizeof(reason);

	(void)getsockopt(l->outer_fd, SOL_SOCKET, SO_ERROR, &reason, &size);
	if (reason == 0 && recv(l->outer_fd, &byte, 1, MSG_PEEK) != 0) {
		/* Bytes that are for later.  Stop watching or epoll would spin. */
		l->outer_events = 0;
		link_watch_change(l, l->outer_fd, 0, LINK_WATCH_OUTER);
		return;
	}
	l->report.os_errno = reason;
	link_fail_session(l, 0);
}

static void
inner_ended(struct bl_link *l)
{
	l->inner_eof = true;
	/* An end that hung up reports EPOLLHUP for ever. */
	link_watch_remove(l, l->inner_fd);
}

/* The next piece to send, from the inner side or of WebSocket's own, into up. */
static void
fill_up(struct bl_link *l)
{
	const size_t room = l->websocket ? LINK_WS_HEAD_MAX : 0;
	unsigned char head[LINK_WS_HEAD_MAX], mask[4];
	ssize_t got;
	size_t n;

	l->up_off = 0;
	if (l->ws.ping) {
		l->ws.ping = false;
		link_upgrade_frame(l, LINK_WS_PONG, l->ws.echo, l->ws.echo_len);
		return;
	}
	if (l->inner_eof)
		return;
	got = recv(l->inner_fd, l->up + room, sizeof(l->up) - room, 0);
	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			inner_ended(l);
		return;
	}
	l->report.plain_out_bytes += (uint64_t)got;
	l->up_len = (size_t)got;
	if (!l->websocket)
		return;
	l->clock->random(l->clock->ctx, mask, sizeof(mask));
	n = link_ws_write(head, LINK_WS_BINARY, l->up + room, (size_t)got, mask);
	memcpy(l->up + room - n, head, n);
	l->up_off = room - n;
	l->up_len += n;
}

/* Inner -> TLS.  Negative: the session is over, the link is DOWN. */
static int
pump_out(struct bl_link *l, bool *moved)
{
	int rc;

	if (l->up_len == 0)
		fill_up(l);
	if (l->up_len == 0)
		return 0;
	rc = mbedtls_ssl_write(&l->ssl, l->up + l->up_off, l->up_len);
	if (rc > 0) {
		l->up_len -= (size_t)rc;
		l->up_off += (size_t)rc;
		*moved = true;
		return 0;
	}
	if (rc == MBEDTLS_ERR_SSL_WANT_WRITE || rc == MBEDTLS_ERR_SSL_WANT_READ)
		return 0;
	link_fail_session(l, rc);
	return -1;
}

/* What TLS has for us, out of its frames, into down.  Negative: as above. */
static int
fill_down(struct bl_link *l, bool *moved)
{
	int rc;

	/* What came before the end was handed on first: the broker's last word may be in it. */
	if (l->ws.closed || l->ws.fault != NULL) {
		link_upgrade_ended(l);
		return -1;
	}
	rc = mbedtls_ssl_read(&l->ssl, l->down, sizeof(l->down));
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return 0;
	if (rc <= 0) {
		link_fail_session(l, rc);
		return -1;
	}
	l->down_len = (size_t)rc;
	l->down_off = 0;
	if (l->websocket) {
		l->down_len = link_ws_read(&l->ws, l->down, l->down_len);
		*moved = true; /* frames without payload are no reason to wait */
	}
	l->report.plain_in_bytes += l->down_len;
	return 0;
}

/* TLS -> inner.  Negative: as above. */
static int
pump_in(struct bl_link *l, bool *moved, bool *full)
{
	ssize_t sent;

	if (l->down_len == 0 && fill_down(l, moved) < 0)
		return -1;
	if (l->down_len == 0 || *full)
		return 0;
	sent = send(l->inner_fd, l->down + l->down_off, l->down_len, MSG_NOSIGNAL);
	if (sent > 0) {
		l->down_off += (size_t)sent;
		l->down_len -= (size_t)sent;
		*moved = true;
	} else if (errno == EAGAIN || errno == EINTR) {
		*full = true;
	} else {
		l->down_len = 0;
		if (!l->inner_eof)
			inner_ended(l);
	}
	return 0;
}

static void
watch_for_more(struct bl_link *l, bool rounds_used_up)
{
	uint32_t outer = l->down_len == 0 ? EPOLLIN : 0;
	uint32_t inner = l->up_len == 0 ? EPOLLIN : 0;

	if (l->want_write || rounds_used_up)
		outer |= EPOLLOUT;
	if (l->down_len != 0)
		inner |= EPOLLOUT;
	if (outer != l->outer_events)
		link_watch_change(l, l->outer_fd, outer, LINK_WATCH_OUTER);
	l->outer_events = outer;
	if (l->inner_eof)
		return;
	if (inner != l->inner_events)
		link_watch_change(l, l->inner_fd, inner, LINK_WATCH_INNER);
	l->inner_events = inner;
}

void
link_bridge_pump(struct bl_link *l)
{
	bool moved = true, full = false;

	l->want_write = false;
	for (int round = 0; round < PUMP_ROUNDS && moved; round++) {
		moved = false;
		if (pump_out(l, &moved) < 0 || pump_in(l, &moved, &full) < 0)
			return;
	}
	if (l->inner_eof && l->up_len == 0) {
		link_upgrade_close(l, 1000);
		(void)mbedtls_ssl_close_notify(&l->ssl);
		link_fail(l, BL_FAULT_CLIENT_CLOSED, "closed by our own MQTT client");
		return;
	}
	watch_for_more(l, moved);
}

bool
bl_link_draining(struct bl_link *l)
{
	int waiting = 0;
	uint64_t acked, before;

	if (l->phase != BL_LINK_UP || ioctl(l->outer_fd, SIOCOUTQ, &waiting) != 0 || waiting < 0)
		return false;
	before = l->acked_bytes;
	acked = l->report.wire_out_bytes - (uint64_t)waiting;
	l->acked_bytes = acked;
	return waiting > 0 && acked > before;
}
