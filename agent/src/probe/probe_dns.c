/*
 * The kind "dns": asks one name server for the records of one type of a name.
 *
 * Over UDP, three times at most within the phase's time, since a datagram may
 * get lost; the server's other addresses take turns.  An answer that is cut off
 * is asked for again over TCP.  No EDNS: old servers trip over it, and TCP is
 * there for what is longer than 512 bytes.  Datagrams that do not answer this
 * very question (id, name, type) are as if they had not come.
 */
#include "probe_dns.h"
#include "probe_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DNS_PORT      53
#define DNS_TRIES     3
#define TCP_BYTES_MAX (16u * 1024u) /* of an answer over TCP */
#define ROUNDS_MAX    64u           /* reads in one step: others want a turn too */
#define SHOWN_MAX     80u           /* characters of what came instead, in a detail */

struct dns {
	struct probe_dns_question q;
	uint16_t id;
	unsigned tries;
	uint64_t asked_ns;
	bool tcp;
	size_t sent, len; /* over TCP, with the two bytes of length */
	uint8_t *heard;   /* TCP_BYTES_MAX + 2; made when first needed */
	uint32_t found;   /* bit per expected record */
	char shown[SHOWN_MAX];
};

/* ---- the kind's own ---- */

/* A record of the answer: is it one of those that are expected? */
static void
each_record(void *ctx, const char *record)
{
	struct probe_run *r = ctx;
	struct dns *d = r->kind;
	const struct probe_dns_conf *c = &r->conf->dns;
	const size_t used = strlen(d->shown);

	for (size_t i = 0; i < c->expect.n; i++)
		if (probe_dns_is((enum probe_dns_type)c->type, record, c->expect.item[i]))
			d->found |= 1u << i;
	/* A long text is somebody's data, and no help. */
	if (c->type != PROBE_DNS_TXT)
		snprintf(
		    d->shown + used, sizeof(d->shown) - used, "%s%s", used > 0 ? ", " : "", record);
}

static int
dns_init(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *c = r->conf;
	const char *expected =
	    probe_host_set(&r->url, c->host, c->port != 0 ? (uint16_t)c->port : DNS_PORT);
	struct dns *d;

	if (expected != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: host: expected %s", c->name, expected);
	if (c->dns.name == NULL || !probe_dns_name_ok(c->dns.name))
		return bl_fail(err, BL_EINVAL, "probe %s: dns.name: not a name", c->name);
	if ((d = r->kind = calloc(1, sizeof(*d))) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	d->q = (struct probe_dns_question){ .name = c->dns.name,
		.type = (enum probe_dns_type)c->dns.type,
		.recursion = c->dns.recursion,
		.each = each_record,
		.ctx = r };
	return BL_OK;
}

static void
dns_release(struct probe_run *r)
{
	struct dns *d = r->kind;

	if (d != NULL)
		free(d->heard);
	free(d);
	r->kind = NULL;
}

static uint32_t
dns_due(const struct probe_run *r, bool reused)
{
	uint32_t due = probe_run_due_way(r, reused) & ~probe_bit(PROBE_CONNECT_MS);

	if (r->conf->dns.expect.n > 0)
		due |= probe_bit(PROBE_ANSWER_MATCH);
	return due | probe_bit(PROBE_FIRST_BYTE_MS) | probe_bit(PROBE_TOTAL_MS) |
	       probe_bit(PROBE_DNS_RECORDS) | probe_bit(PROBE_DNS_TTL_S);
}

static void
dns_begin(struct probe_run *r)
{
	struct dns *d = r->kind;

	d->id = (uint16_t)bl_random_below(r->env->clock, 65536);
	d->tries = 0;
	d->asked_ns = 0;
	d->tcp = false;
	probe_connect_begin(r);
}

/* ---- the verdict ---- */

static void
done(struct probe_run *r, enum probe_reason reason)
{
	probe_run_have(r, PROBE_TOTAL_MS, probe_run_ms_since(r->run_ns));
	probe_run_close(r);
	probe_run_done(r, reason);
}

/* An expected record that is not there; NULL: all are. */
static const char *
lacks(const struct probe_run *r)
{
	const struct dns *d = r->kind;

	for (size_t i = 0; i < r->conf->dns.expect.n; i++)
		if ((d->found & 1u << i) == 0)
			return r->conf->dns.expect.item[i];
	return NULL;
}

static void
judge(struct probe_run *r, const struct probe_dns_answer *a)
{
	const struct dns *d = r->kind;
	const char *type = probe_dns_type_names[d->q.type];
	const char *missing = lacks(r);
	char *detail = r->result.detail;
	const size_t size = sizeof(r->result.detail);

	probe_run_have(r, PROBE_DNS_RECORDS, a->records);
	if (a->records > 0)
		probe_run_have(r, PROBE_DNS_TTL_S, a->ttl_s);
	else
		r->due_values &= ~probe_bit(PROBE_DNS_TTL_S); /* nothing has a time to live */
	if (r->conf->dns.expect.n > 0)
		probe_run_have(r, PROBE_ANSWER_MATCH, missing == NULL ? 1 : 0);

	if (a->rcode != 0)
		snprintf(detail, size, "the server answers %.80s %s with: %s", d->q.name, type,
		    probe_dns_rcode_name(a->rcode));
	else if (a->records == 0)
		snprintf(detail, size, "%.80s has no %s record there", d->q.name, type);
	else if (missing != NULL)
		snprintf(detail, size, "%.60s is not among the %u %s records%s%s", missing,
		    a->records, type, d->shown[0] != '\0' ? ": " : "", d->shown);
	done(r, a->rcode != 0 || a->records == 0 || missing != NULL ? PROBE_FAIL_ANSWER : PROBE_OK);
}

/* A whole message.  False: not ours, the wait goes on. */
static bool
take(struct probe_run *r, const uint8_t *data, size_t len)
{
	struct dns *d = r->kind;
	struct probe_dns_answer a;

	d->found = 0;
	d->shown[0] = '\0';
	switch (probe_dns_read(data, len, d->id, &d->q, &a)) {
	case PROBE_DNS_OTHER:
		return false;
	case PROBE_DNS_WRONG:
		probe_run_fail(r, PROBE_FAIL_PROTOCOL, "%s", a.error);
		return true;
	case PROBE_DNS_ANSWER:
		break;
	}
	if (a.truncated && a.rcode == 0) {
		if (d->tcp) {
			probe_run_fail(
			    r, PROBE_FAIL_PROTOCOL, "the answer is cut off over TCP, too");
			return true;
		}
		d->tcp = true;
		d->sent = d->len = 0;
		probe_connect_tcp_begin(r);
		return true;
	}
	probe_run_have(r, PROBE_FIRST_BYTE_MS, probe_run_ms_since(d->asked_ns));
	judge(r, &a);
	return true;
}

/* ---- UDP ---- */

/* The next address whose socket can be made, as long as there are tries.  0, or errno. */
static int
udp_turn(struct probe_run *r)
{
	struct dns *d = r->kind;
	int error;

	do
		error = probe_connect_datagram(r, &r->addr[d->tries++ % r->n_addrs], SOCK_DGRAM, 0);
	while (error != 0 && d->tries < DNS_TRIES && r->n_addrs > 1);
	return error;
}

/* Asks the next address, or the same again; the phase's time is shared by the tries. */
static void
udp_ask(struct probe_run *r)
{
	struct dns *d = r->kind;
	uint8_t text[PROBE_DNS_ASK_MAX];
	const size_t len = probe_dns_ask(text, d->id, &d->q);
	const int64_t now = bl_mono_ms(r->env->clock);
	int error = 0;

	if (d->tries == 0 || r->n_addrs > 1)
		error = udp_turn(r);
	else
		d->tries++; /* over the socket that there is: a late answer counts */
	if (error != 0) {
		probe_connect_fail(r, &r->addr[(d->tries - 1) % r->n_addrs], error);
		return;
	}
	/* One that is not sent (ENOBUFS, or the refusal of the one before) is like one that is
	 * lost. */
	(void)send(r->fd, text, len, MSG_NOSIGNAL);
	probe_run_phase(r, PHASE_FIRST_BYTE);
	r->deadline_mono_ms = now + (r->deadline_mono_ms - now) / DNS_TRIES;
	if (d->asked_ns == 0)
		d->asked_ns = r->phase_ns;
}

static void
udp_talk(struct probe_run *r)
{
	struct dns *d = r->kind;

	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		const ssize_t n = recv(r->fd, r->env->buf, sizeof(r->env->buf), 0);

		if (n >= 0 && take(r, (const uint8_t *)r->env->buf, (size_t)n))
			return;
		if (n >= 0)
			continue;
		if (errno == EAGAIN || errno == EINTR)
			return;
		if (d->tries < r->n_addrs)
			udp_ask(r);
		else
			probe_connect_fail(r, &r->addr[(d->tries - 1) % r->n_addrs], errno);
		return;
	}
	r->again = true;
}

static void
dns_late(struct probe_run *r)
{
	const struct dns *d = r->kind;

	if (!d->tcp && d->tries < DNS_TRIES)
		udp_ask(r);
	else
		probe_run_fail(r, PROBE_FAIL_TIMEOUT, "no answer over %s after %.0f ms",
		    d->tcp ? "TCP" : "UDP", probe_run_ms_since(d->asked_ns));
}

/* ---- TCP ---- */

static bool
tcp_send(struct probe_run *r)
{
	struct dns *d = r->kind;
	uint8_t text[2 + PROBE_DNS_ASK_MAX];
	const size_t len = probe_dns_ask(text + 2, d->id, &d->q);

	text[0] = (uint8_t)(len >> 8);
	text[1] = (uint8_t)len;
	while (d->sent < len + 2) {
		const ssize_t n = send(r->fd, text + d->sent, len + 2 - d->sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			probe_run_fail(r, PROBE_FAIL_PROTOCOL, "ask over TCP: %s", strerror(errno));
			return false;
		}
		d->sent += (size_t)n;
	}
	return true;
}

/* How much is to be read, with the length, as far as that is known. */
static size_t
tcp_want(const struct dns *d)
{
	return d->len < 2 ? 2 : 2u + ((size_t)d->heard[0] << 8 | d->heard[1]);
}

static void
tcp_talk(struct probe_run *r)
{
	struct dns *d = r->kind;

	if (d->heard == NULL && (d->heard = malloc(TCP_BYTES_MAX + 2)) == NULL) {
		probe_run_fail(r, PROBE_FAIL_INTERNAL, "out of memory");
		return;
	}
	if (!tcp_send(r))
		return;
	while (d->len < tcp_want(d)) {
		ssize_t n;

		if (tcp_want(d) > TCP_BYTES_MAX + 2) {
			probe_run_fail(r, PROBE_FAIL_PROTOCOL,
			    "an answer of %zu bytes over TCP, at most %u are read", tcp_want(d) - 2,
			    TCP_BYTES_MAX);
			return;
		}
		n = recv(r->fd, d->heard + d->len, tcp_want(d) - d->len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			probe_run_fail(r, PROBE_FAIL_PROTOCOL, "read the answer over TCP: %s",
			    n == 0 ? "the server closed the connection" : strerror(errno));
			return;
		}
		d->len += (size_t)n;
	}
	if (!take(r, d->heard + 2, d->len - 2))
		probe_run_fail(
		    r, PROBE_FAIL_PROTOCOL, "what came over TCP does not answer the question");
}

static void
dns_talk(struct probe_run *r)
{
	const struct dns *d = r->kind;

	if (d->tcp)
		tcp_talk(r);
	else
		udp_talk(r);
}

const struct probe_kind_ops probe_kind_dns = {
	.name = "dns",
	.init = dns_init,
	.release = dns_release,
	.due = dns_due,
	.begin = dns_begin,
	.addressed = udp_ask,
	.talk = dns_talk,
	.late = dns_late,
};
