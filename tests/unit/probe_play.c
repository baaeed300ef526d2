/* A server by script, and results in words. */
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
say(int fd, const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len;) {
		const size_t want = len - at < piece ? len - at : piece;
		const ssize_t n = send(fd, text + at, want, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

/* False: the client is gone. */
static bool
hear(struct play *p, int fd)
{
	const ssize_t n = recv(fd, p->heard + p->heard_len, sizeof(p->heard) - 1 - p->heard_len, 0);

	if (n <= 0)
		return false;
	p->heard_len += (size_t)n;
	p->heard[p->heard_len] = '\0';
	return true;
}

/* False: nothing follows. */
static bool
play_one(struct play *p, int fd, const struct play_step *s)
{
	const struct linger hard = { 1, 0 };
	const size_t len = s->text == NULL ? 0 : s->len > 0 ? s->len : strlen(s->text);
	char block[5000];

	switch (s->what) {
	case PLAY_SAY:
		say(fd, s->text, len, len);
		return true;
	case PLAY_SAY_BYTES:
		say(fd, s->text, len, 1);
		return true;
	case PLAY_HEAR:
		while (memmem(p->heard, p->heard_len, s->text, len) == NULL)
			if (!hear(p, fd))
				return false;
		return true;
	case PLAY_FLOOD:
		memset(block, 'x', sizeof(block));
		say(fd, block, sizeof(block), sizeof(block));
		return true;
	case PLAY_RESET:
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		return false;
	case PLAY_CLOSE:
		return false;
	case PLAY_END:
		break;
	}
	while (p->heard_len + 1 < sizeof(p->heard) && hear(p, fd))
		continue;
	return false;
}

static void *
play_main(void *arg)
{
	struct play *p = arg;
	const int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
	const int one = 1;

	if (fd < 0)
		return NULL; /* stopped before anybody came */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (const struct play_step *s = p->step; play_one(p, fd, s); s++)
		continue;
	(void)close(fd);
	return NULL;
}

void
play_start(struct play *p, const struct play_step *steps)
{
	memset(p, 0, sizeof(*p));
	p->step = steps;
	p->fd = listen_on("127.0.0.1", 8, &p->port);
	if (pthread_create(&p->thread, NULL, play_main, p) != 0)
		abort();
}

void
play_stop(struct play *p)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(p->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/*
	 * A client that has come and gone may still wait to be accepted: closing the door would
	 * lose what it said.  So one more comes behind it, for the case that nobody did.
	 */
	(void)connect(fd, (struct sockaddr *)&in, sizeof(in));
	(void)close(fd);
	(void)pthread_join(p->thread, NULL);
	(void)close(p->fd);
}

void
kind_set(struct probe *p, enum probe_kind kind, const char *host, uint16_t port)
{
	probe_set(p, host); /* url's room holds the host */
	p->conf.kind = (int)kind;
	p->conf.host = p->url;
	p->conf.url = NULL;
	p->conf.port = port;
}

const char *
told(const struct probe_result *r)
{
	static const char *const name[PROBE_SERIES] = {
		[PROBE_UP] = "up",
		[PROBE_DNS_MS] = "dns",
		[PROBE_CONNECT_MS] = "connect",
		[PROBE_TLS_MS] = "tls",
		[PROBE_FIRST_BYTE_MS] = "first",
		[PROBE_TOTAL_MS] = "total",
		[PROBE_CERTIFICATE_DAYS] = "days",
		[PROBE_ANSWER_MATCH] = "match",
		[PROBE_TLS_RESUMED] = "resumed",
		[PROBE_DNS_RECORDS] = "records",
		[PROBE_DNS_TTL_S] = "ttl",
		[PROBE_RTT_MS] = "rtt",
		[PROBE_RTT_MIN_MS] = "min",
		[PROBE_RTT_MAX_MS] = "max",
		[PROBE_LOSS_PCT] = "loss",
		[PROBE_CHAIN_DAYS] = "least",
		[PROBE_CHAIN_LENGTH] = "chain",
		[PROBE_TLS_VERSION] = "version",
		[PROBE_TRANSFER_MS] = "transfer",
		[PROBE_STATUS_CODE] = "status",
		[PROBE_BODY_BYTES] = "bytes",
		[PROBE_REDIRECTS] = "redirects",
		[PROBE_PROXY_MS] = "proxy",
	};
	static char text[1024];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < PROBE_SERIES; i++) {
		const struct probe_value *v = &r->value[i];
		const bool counted =
		    i == PROBE_UP || i == PROBE_STATUS_CODE ||
		    (i >= PROBE_ANSWER_MATCH && i != PROBE_RTT_MS && i != PROBE_CHAIN_DAYS &&
			i != PROBE_PROXY_MS && i != PROBE_RTT_MIN_MS && i != PROBE_RTT_MAX_MS);

		if (v->got == PROBE_ABSENT)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
		    used > 0 ? " " : "", name[i] != NULL ? name[i] : "?");
		if (v->got == PROBE_HAVE && counted)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "=%g", v->v);
		else if (v->got != PROBE_HAVE)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s",
			    v->got == PROBE_LATE ? "..." : "?");
	}
	return text;
}

struct probe_result
expect_run(const struct probe *p, const char *what, enum probe_reason reason, const char *values,
    const char *detail)
{
	const struct probe_result r = run(p, 1);

	if (r.reason != reason || strcmp(told(&r), values) != 0 ||
	    strstr(r.detail, detail) == NULL || (r.detail[0] == '\0') != (reason == PROBE_OK))
		fail_msg("%s: %s \"%s\" \"%s\", expected %s \"%s\" \"%s\"", what,
		    probe_reason_name(r.reason), told(&r), r.detail, probe_reason_name(reason),
		    values, detail);
	return r;
}
