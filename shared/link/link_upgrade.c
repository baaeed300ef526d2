/*
 * WebSocket inside of TLS: the request (RFC 6455 section 4.1), the check of the
 * answer, and the frames that are none of MQTT's.
 *
 * The server's certificate was checked before the first byte of this, so that
 * an answer from somebody else cannot come here; one that is no upgrade comes
 * from the broker's own machine (another port, another path, a web server).
 */
#include "link_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

static void
make_request(struct bl_link *l)
{
	const bool six = strchr(l->host, ':') != NULL;
	unsigned char random[16];
	char port[8] = "";

	l->clock->random(l->clock->ctx, random, sizeof(random));
	(void)link_ws_key(random, l->ws_key);
	if (l->port != 443)
		(void)snprintf(port, sizeof(port), ":%u", l->port);
	l->up_off = 0;
	l->up_len = (size_t)snprintf((char *)l->up, sizeof(l->up),
	    "GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Protocol: mqtt\r\nUser-Agent: branchline\r\n\r\n",
	    l->path, six ? "[" : "", l->host, six ? "]" : "", port, l->ws_key);
}

void
link_upgrade_begin(struct bl_link *l)
{
	link_enter(l, BL_LINK_UPGRADE, l->tls_ms);
	l->down_len = l->down_off = 0;
	make_request(l);
	link_upgrade_step(l);
}

static void
fail_ended(struct bl_link *l, int rc)
{
	char target[LINK_TARGET_MAX];

	if (rc == 0 || rc == MBEDTLS_ERR_SSL_CONN_EOF || rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		link_fail(l, BL_FAULT_WEBSOCKET,
		    "%s closed the connection when it was asked for WebSocket: is that its "
		    "WebSocket "
		    "port?",
		    link_target(l, target, sizeof(target)));
	else
		link_fail_session(l, rc);
}

/* NULL: it is the upgrade that was asked for. */
static const char *
objection(const struct bl_link *l, const struct link_http *h)
{
	char accept[32];

	if (!h->upgrade || !h->connection_upgrade)
		return "it does not say that it upgrades to WebSocket";
	if (!link_ws_accept(l->ws_key, accept) || strcmp(accept, h->accept) != 0)
		return "it is not the answer to our request";
	if (strcmp(h->protocol, "mqtt") != 0)
		return "it does not speak the sub-protocol \"mqtt\"";
	if (h->extensions)
		return "it wants an extension that was not asked for";
	return NULL;
}

/* A whole head lies in down, maybe with first frames behind it. */
static void
take_answer(struct bl_link *l, size_t head)
{
	char target[LINK_TARGET_MAX];
	struct link_http h;
	const char *why;

	if (!link_http_parse((const char *)l->down, head, &h)) {
		link_fail(l, BL_FAULT_WEBSOCKET, "%s does not speak HTTP",
		    link_target(l, target, sizeof(target)));
		return;
	}
	if (h.status == 101 && (why = objection(l, &h)) != NULL) {
		link_fail(l, BL_FAULT_WEBSOCKET, "WebSocket with %s: the answer is wrong: %s",
		    link_target(l, target, sizeof(target)), why);
		return;
	}
	if (h.status >= 200) {
		link_fail(l, BL_FAULT_WEBSOCKET,
		    "%s does not take WebSocket at %s: it sent \"%d %s\"%s%s",
		    link_target(l, target, sizeof(target)), l->path, h.status, h.reason,
		    h.location[0] != '\0' ? " and leads to " : "", h.location);
		return;
	}
	l->down_len -= head;
	memmove(l->down, l->down + head, l->down_len);
	if (h.status != 101)
		return;
	l->report.upgrade_ms = link_now_ms() - l->phase_began_ms;
	l->down_len = link_ws_read(&l->ws, l->down, l->down_len);
	l->report.plain_in_bytes += l->down_len;
	link_ready(l);
}

/* false: nothing more for now, or DOWN. */
static bool
read_answer(struct bl_link *l)
{
	char target[LINK_TARGET_MAX];
	size_t head = link_http_head_len((const char *)l->down, l->down_len);
	int rc;

	if (head > 0) {
		take_answer(l, head);
		return l->phase == BL_LINK_UPGRADE;
	}
	if (l->down_len == sizeof(l->down) ||
	    !link_http_begins((const char *)l->down, l->down_len)) {
		link_fail(l, BL_FAULT_WEBSOCKET,
		    "%s does not answer the WebSocket request with HTTP",
		    link_target(l, target, sizeof(target)));
		return false;
	}
	rc = mbedtls_ssl_read(&l->ssl, l->down + l->down_len, sizeof(l->down) - l->down_len);
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return false;
	if (rc <= 0) {
		fail_ended(l, rc);
		return false;
	}
	l->down_len += (size_t)rc;
	return true;
}

/* false: DOWN. */
static bool
send_request(struct bl_link *l)
{
	int rc;

	while (l->up_len > 0) {
		rc = mbedtls_ssl_write(&l->ssl, l->up + l->up_off, l->up_len);
		if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
			return true;
		if (rc <= 0) {
			fail_ended(l, rc);
			return false;
		}
		l->up_off += (size_t)rc;
		l->up_len -= (size_t)rc;
	}
	return true;
}

void
link_upgrade_step(struct bl_link *l)
{
	uint32_t events;

	l->want_write = false;
	if (!send_request(l))
		return;
	while (l->phase == BL_LINK_UPGRADE && read_answer(l))
		;
	if (l->phase != BL_LINK_UPGRADE)
		return;
	events = l->want_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
	if (events != l->outer_events)
		link_watch_change(l, l->outer_fd, events, LINK_WATCH_OUTER);
	l->outer_events = events;
}

void
link_upgrade_frame(struct bl_link *l, enum link_ws_op op, const void *data, size_t len)
{
	unsigned char head[LINK_WS_HEAD_MAX], mask[4];
	size_t n;

	l->clock->random(l->clock->ctx, mask, sizeof(mask));
	if (len > 0)
		memcpy(l->up + LINK_WS_HEAD_MAX, data, len);
	n = link_ws_write(head, op, l->up + LINK_WS_HEAD_MAX, len, mask);
	memcpy(l->up + LINK_WS_HEAD_MAX - n, head, n);
	l->up_off = LINK_WS_HEAD_MAX - n;
	l->up_len = n + len;
}

void
link_upgrade_close(struct bl_link *l, unsigned code)
{
	const unsigned char body[2] = { (unsigned char)(code >> 8), (unsigned char)(code & 0xff) };

	/* In the middle of a frame there is no place for it; TLS says the end as well. */
	if (!l->websocket || l->up_len > 0)
		return;
	link_upgrade_frame(l, LINK_WS_CLOSE, body, sizeof(body));
	(void)mbedtls_ssl_write(&l->ssl, l->up + l->up_off, l->up_len);
	l->up_len = 0;
}

void
link_upgrade_ended(struct bl_link *l)
{
	const unsigned code = l->ws.close_code;
	char target[LINK_TARGET_MAX];

	(void)link_target(l, target, sizeof(target));
	if (l->ws.fault != NULL) {
		link_upgrade_close(l, l->ws.fault_code);
		link_fail(l, BL_FAULT_WEBSOCKET, "%s broke the rules of WebSocket: it sent %s",
		    target, l->ws.fault);
		return;
	}
	link_upgrade_close(l, code == 1005 ? 1000 : code);
	link_fail(l, BL_FAULT_PEER_CLOSED, "%s ended the session (WebSocket %u%s%s)", target, code,
	    l->ws.close_reason[0] != '\0' ? ": " : "", l->ws.close_reason);
}
