/*
 * The kind "tcp": connects, and where the configuration says so waits for a
 * greeting, sends something and waits for an answer to it.
 *
 * What is waited for is a text that must occur in what the server says; nothing
 * else is understood.  At most TCP_HEARD_MAX bytes are read for each.  What the
 * server says in answer to what was sent is never repeated in a detail; the
 * beginning of a wrong greeting is.
 */
#include "probe_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TCP_HEARD_MAX 4096u
#define GREETED_MAX   48 /* characters of a wrong greeting in a detail */

enum tcp_at { TCP_GREETING, TCP_SEND, TCP_EXPECT, TCP_DONE };

struct tcp {
	enum tcp_at at;
	size_t sent;
	size_t len; /* of heard */
	char heard[TCP_HEARD_MAX];
};

static int
tcp_init(struct probe_run *r, struct bl_err *err)
{
	const char *expected = probe_host_set(&r->url, r->conf->host, (uint16_t)r->conf->port);

	if (expected != NULL)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: host: expected %s", r->conf->name, expected);
	if ((r->kind = calloc(1, sizeof(struct tcp))) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", r->conf->name);
	return BL_OK;
}

static void
tcp_release(struct probe_run *r)
{
	free(r->kind);
	r->kind = NULL;
}

static uint32_t
tcp_due(const struct probe_run *r, bool reused)
{
	uint32_t due = probe_run_due_way(r, reused) | probe_bit(PROBE_TOTAL_MS);

	if (r->conf->tcp.greeting != NULL || r->conf->tcp.expect != NULL)
		due |= probe_bit(PROBE_FIRST_BYTE_MS) | probe_bit(PROBE_ANSWER_MATCH);
	return due;
}

static void
tcp_begin(struct probe_run *r)
{
	struct tcp *t = r->kind;

	t->at = TCP_GREETING;
	t->sent = 0;
	t->len = 0;
	probe_connect_begin(r);
}

/* What is waited for now; NULL: nothing. */
static const char *
wanted(const struct probe_run *r)
{
	const struct tcp *t = r->kind;

	if (t->at == TCP_GREETING)
		return r->conf->tcp.greeting;
	return t->at == TCP_EXPECT ? r->conf->tcp.expect : NULL;
}

/* The text is there: forgets it and all before it. */
static bool
found(struct tcp *t, const char *text)
{
	const size_t len = strlen(text);
	const char *at = memmem(t->heard, t->len, text, len);
	size_t used;

	if (at == NULL)
		return false;
	used = (size_t)(at - t->heard) + len;
	t->len -= used;
	memmove(t->heard, t->heard + used, t->len);
	return true;
}

/* The server has said what it had to say, and that is not it. */
static void
not_found(struct probe_run *r, enum probe_reason reason, const char *why)
{
	struct tcp *t = r->kind;

	if (t->len > 0)
		probe_run_have(r, PROBE_ANSWER_MATCH, 0);
	if (t->at == TCP_GREETING && t->len > 0)
		probe_run_fail(r, reason, "%s without the expected greeting; it began \"%.*s\"",
		    why, t->len < GREETED_MAX ? (int)t->len : GREETED_MAX, t->heard);
	else
		probe_run_fail(r, reason, "%s without the expected %s (%zu other bytes)", why,
		    t->at == TCP_GREETING ? "greeting" : "answer", t->len);
}

/* False: the run has ended, or there is nothing more to do now. */
static bool
hear(struct probe_run *r)
{
	struct tcp *t = r->kind;
	ssize_t n;

	if (t->len == sizeof(t->heard)) {
		not_found(r, PROBE_FAIL_ANSWER, "the server said 4096 bytes");
		return false;
	}
	n = recv(r->fd, t->heard + t->len, sizeof(t->heard) - t->len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0) {
		probe_run_fail(r, PROBE_FAIL_PROTOCOL, "read the answer: %s", strerror(errno));
		return false;
	}
	if (n == 0) {
		not_found(r, PROBE_FAIL_PROTOCOL, "the server closed the connection");
		return false;
	}
	if (r->phase == PHASE_FIRST_BYTE) {
		probe_run_have(r, PROBE_FIRST_BYTE_MS, probe_run_ms_since(r->phase_ns));
		probe_run_phase(r, PHASE_TRANSFER);
	}
	t->len += (size_t)n;
	return true;
}

/* False: the run has ended, or the socket takes no more now. */
static bool
say(struct probe_run *r)
{
	struct tcp *t = r->kind;
	const char *text = r->conf->tcp.send != NULL ? r->conf->tcp.send : "";
	const size_t len = strlen(text);

	if (len > 0)
		t->len = 0; /* what came before cannot be the answer */
	while (t->sent < len) {
		const ssize_t n = send(r->fd, text + t->sent, len - t->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			probe_run_fail(r, PROBE_FAIL_PROTOCOL, "send: %s", strerror(errno));
			return false;
		}
		t->sent += (size_t)n;
	}
	return true;
}

static void
done(struct probe_run *r)
{
	if (r->due_values & probe_bit(PROBE_ANSWER_MATCH))
		probe_run_have(r, PROBE_ANSWER_MATCH, 1);
	probe_run_have(r, PROBE_TOTAL_MS, probe_run_ms_since(r->run_ns));
	probe_run_close(r);
	probe_run_done(r, PROBE_OK);
}

static void
tcp_talk(struct probe_run *r)
{
	struct tcp *t = r->kind;

	while (t->at != TCP_DONE) {
		const char *text = wanted(r);

		if (t->at == TCP_SEND) {
			if (!say(r))
				return;
			t->at = TCP_EXPECT;
		} else if (text == NULL || found(t, text)) {
			t->at++;
		} else if (!hear(r)) {
			return;
		}
	}
	done(r);
}

const struct probe_kind_ops probe_kind_tcp = {
	.name = "tcp",
	.init = tcp_init,
	.release = tcp_release,
	.due = tcp_due,
	.begin = tcp_begin,
	.talk = tcp_talk,
};
