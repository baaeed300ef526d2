/*
 * Failures as a fault and a sentence: what was tried, on what, why it failed.
 *
 * The sentences are for people (log, status, diagnose); programs look at the
 * fault.  What the peer sent is quoted only after unprintable bytes are gone.
 */
#include "link_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/error.h>

/* What mbedtls_ssl_get_verify_result gives before there was a certificate. */
#define VERIFY_NOT_DONE UINT32_MAX

static const struct {
	int alert;
	bool own; /* it is our certificate that the server does not want */
	const char *text;
} alerts[] = {
	{ 40, false, "no common TLS settings" },
	{ 42, true, "our certificate is bad" },
	{ 43, true, "our certificate is of a kind it does not support" },
	{ 44, true, "our certificate is revoked" },
	{ 45, true, "our certificate has expired" },
	{ 46, true, "our certificate is not acceptable" },
	{ 47, false, "a parameter of the handshake is not acceptable" },
	{ 48, true, "our certificate is from an unknown CA" },
	{ 49, true, "access denied" },
	{ 51, false, "a signature of the handshake is wrong" },
	{ 70, false, "it does not speak TLS 1.2" },
	{ 71, false, "our encryption is too weak for it" },
	{ 80, false, "internal error of the server" },
	{ 112, false, "it does not know the host name that we asked for" },
	{ 116, true, "a client certificate is required" },
};

const char *
bl_link_fault_name(enum bl_link_fault f)
{
	static const char *const names[] = { "none", "dns", "refused", "unreachable", "timeout",
		"not_tls", "server_cert", "own_cert", "tls", "peer_closed", "lost", "client_closed",
		"stopped", "proxy", "portal", "websocket", "broker", "internal" };

	if ((unsigned)f >= sizeof(names) / sizeof(names[0]))
		return "internal";
	return names[f];
}

const char *
link_phase_text(enum bl_link_phase phase)
{
	switch (phase) {
	case BL_LINK_DNS:
		return "name look-up";
	case BL_LINK_CONNECT:
		return "TCP connect";
	case BL_LINK_PROXY:
		return "CONNECT";
	case BL_LINK_TLS:
		return "TLS handshake";
	case BL_LINK_UPGRADE:
		return "WebSocket request";
	case BL_LINK_READY:
		return "local hand-over";
	case BL_LINK_UP:
		return "connection";
	case BL_LINK_IDLE:
	case BL_LINK_DOWN:
		break;
	}
	return "link";
}

static void
fail_alert(struct bl_link *l)
{
	/* A fatal alert record is two bytes: level, description. */
	const int alert = l->ssl.in_msg != NULL ? l->ssl.in_msg[1] : -1;
	char target[LINK_TARGET_MAX];
	const char *text = "no reason that we know";
	bool own = false;

	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		if (alerts[i].alert == alert) {
			text = alerts[i].text;
			own = alerts[i].own;
		}
	}
	link_fail(l, own ? BL_FAULT_OWN_CERT : BL_FAULT_TLS,
	    "TLS with %s: server refused: %s (TLS alert %d)",
	    link_target(l, target, sizeof(target)), text, alert);
}

static void
fail_certificate(struct bl_link *l, uint32_t flags)
{
	char target[LINK_TARGET_MAX], text[sizeof(l->report.text)];

	/* Only the date was wrong: the owner's clock may have to learn from it. */
	if ((l->verify_flags & ~(uint32_t)MBEDTLS_X509_BADCERT_FUTURE) == 0 &&
	    l->chain_begins_unix_ms > bl_unix_ms(l->clock))
		l->report.server_not_before_unix_ms = l->chain_begins_unix_ms;
	(void)snprintf(text, sizeof(text), "%s", l->report.text);
	if (text[0] == '\0') {
		/* Complaints that mbedTLS adds after the chain: what the key may be used for. */
		(void)snprintf(text, sizeof(text), "server certificate \"%s\": %s",
		    l->report.server_subject,
		    flags & (MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_KEY_USAGE)
			? "is not meant for a server"
			: "is not acceptable");
	}
	/* Signed by somebody else: who opens TLS on the way shows a certificate of its own. */
	link_fail(l, BL_FAULT_SERVER_CERT, "TLS with %s: %s%s",
	    link_target(l, target, sizeof(target)), text,
	    l->verify_flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED
		? "; another server, or a captive portal or TLS inspection in between"
		: "");
}

/* TLS records begin with a content type of 20 to 24. */
static bool
peer_speaks_tls(const struct bl_link *l)
{
	return l->head_len == 0 || (l->head[0] >= 20 && l->head[0] <= 24);
}

void
link_fail_portal(struct bl_link *l, const char *who, const struct link_http *h)
{
	link_fail(l, BL_FAULT_PORTAL,
	    "%s answers like a captive portal or login page: it sent \"%d %s\"%s%s%s", who,
	    h->status, h->reason, h->location[0] != '\0' ? " and leads to \"" : "", h->location,
	    h->location[0] != '\0' ? "\"" : "");
}

static void
fail_not_tls(struct bl_link *l)
{
	char target[LINK_TARGET_MAX], seen[1024], quote[LINK_HEAD_BYTES + 1];
	struct link_http h;
	ssize_t more;
	size_t len = l->head_len, n = 0;
	bool web;

	/* mbedTLS asked for a record's header and no more; the rest tells people who it is. */
	memcpy(seen, l->head, len);
	more = recv(l->outer_fd, seen + len, sizeof(seen) - len, MSG_DONTWAIT);
	if (more > 0)
		len += (size_t)more;
	while (n < len && n < LINK_HEAD_BYTES && seen[n] >= 0x20 && seen[n] < 0x7f) {
		quote[n] = seen[n];
		n++;
	}
	quote[n] = '\0';
	(void)link_target(l, target, sizeof(target));
	web = strncmp(quote, "HTTP/", 5) == 0 || quote[0] == '<';
	if (!web)
		link_fail(
		    l, BL_FAULT_NOT_TLS, "%s does not speak TLS: it sent \"%s\"", target, quote);
	else if (!link_http_parse(seen, len, &h) || h.location[0] == '\0')
		link_fail(l, BL_FAULT_PORTAL,
		    "%s does not speak TLS, it is a web server or captive portal: it sent \"%s\"",
		    target, quote);
	else
		link_fail(l, BL_FAULT_PORTAL,
		    "%s does not speak TLS, it is a web server or captive portal: it sent \"%s\" "
		    "and "
		    "leads to \"%s\"",
		    target, quote, h.location);
}

void
link_fail_handshake(struct bl_link *l, int rc)
{
	const uint32_t flags = mbedtls_ssl_get_verify_result(&l->ssl);
	char target[LINK_TARGET_MAX], reason[128] = "";

	if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
		fail_alert(l);
	} else if (rc == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || l->verify_flags != 0 ||
		   (flags != 0 && flags != VERIFY_NOT_DONE)) {
		fail_certificate(l, flags);
	} else if (!peer_speaks_tls(l)) {
		fail_not_tls(l);
	} else if (rc == MBEDTLS_ERR_SSL_CONN_EOF || rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
		link_fail(l, BL_FAULT_PEER_CLOSED, "TLS with %s: server closed the connection%s%s",
		    link_target(l, target, sizeof(target)),
		    l->report.os_errno != 0 ? ": " : " without a reason",
		    l->report.os_errno != 0 ? strerror(l->report.os_errno) : "");
	} else {
		mbedtls_strerror(rc, reason, sizeof(reason));
		link_fail(l, BL_FAULT_TLS, "TLS with %s: %s",
		    link_target(l, target, sizeof(target)), reason);
	}
}

/* The end of a session that was established; rc 0: the socket closed. */
void
link_fail_session(struct bl_link *l, int rc)
{
	char target[LINK_TARGET_MAX], reason[128] = "";

	(void)link_target(l, target, sizeof(target));
	if (l->report.os_errno == ETIMEDOUT) {
		link_fail(l, BL_FAULT_LOST,
		    "connection to %s lost: no answer from the network for %u s (TCP_USER_TIMEOUT)",
		    target, l->user_timeout_ms / 1000);
	} else if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
		fail_alert(l);
	} else if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
		link_fail(l, BL_FAULT_PEER_CLOSED, "%s ended the session", target);
	} else if (rc == MBEDTLS_ERR_SSL_CONN_EOF || rc == 0) {
		link_fail(l, BL_FAULT_LOST, "connection to %s lost: %s", target,
		    l->report.os_errno != 0 ? strerror(l->report.os_errno)
					    : "closed by the server");
	} else {
		mbedtls_strerror(rc, reason, sizeof(reason));
		link_fail(l, BL_FAULT_LOST, "connection to %s lost: %s", target, reason);
	}
}
