/*
 * The kind "ping": a few ICMP echo requests to the first address that takes
 * them, the loss among them and the time there and back.
 *
 * Over an unprivileged ICMP socket, which Linux gives to the groups in
 * net.ipv4.ping_group_range; no capability, no raw socket.  Where it is not given,
 * that is said, and up is unknown: nothing was asked.  The kernel puts in the
 * identifier and the checksum and hands us the answers to our own socket alone.
 * The deadline of the phase is the clock of the sending, too.
 */
#include "probe_internal.h"

#include <errno.h>
#include <math.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES  8u
#define TOKEN_BYTES 8u
#define ROUNDS_MAX  64u /* reads in one step: others want a turn too */

struct ping {
	bool v6;
	uint64_t token; /* of this run, in every request */
	unsigned sent, got;
	int64_t first_mono_ms, end_mono_ms;
	uint64_t sent_ns[PROBE_PING_COUNT_MAX];
	bool back[PROBE_PING_COUNT_MAX];
	double sum_ms, min_ms, max_ms;
	int error; /* errno of the last request that came back with an error; 0: none did */
	uint8_t packet[HEAD_BYTES + PROBE_PING_SIZE_MAX];
};

static int
ping_init(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *c = r->conf;
	const char *expected = probe_host_set(&r->url, c->host, 0);

	if (expected != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: host: expected %s", c->name, expected);
	if (c->ping.count < 1 || c->ping.count > PROBE_PING_COUNT_MAX ||
	    c->ping.size_bytes < PROBE_PING_SIZE_MIN || c->ping.size_bytes > PROBE_PING_SIZE_MAX)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: ping: count or size is out of bounds", c->name);
	if ((r->kind = calloc(1, sizeof(struct ping))) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	return BL_OK;
}

static void
ping_release(struct probe_run *r)
{
	free(r->kind);
	r->kind = NULL;
}

static uint32_t
ping_due(const struct probe_run *r, bool reused)
{
	const uint32_t way = probe_run_due_way(r, reused) & ~probe_bit(PROBE_CONNECT_MS);

	return way | probe_bit(PROBE_RTT_MS) | probe_bit(PROBE_RTT_MIN_MS) |
	       probe_bit(PROBE_RTT_MAX_MS) | probe_bit(PROBE_LOSS_PCT);
}

/* ---- the end ---- */

/* All are back, or time is up. */
static void
done(struct probe_run *r)
{
	const struct ping *p = r->kind;

	probe_run_have(
	    r, PROBE_LOSS_PCT, round((double)(p->sent - p->got) * 1000.0 / (double)p->sent) / 10.0);
	if (p->got == 0) {
		probe_run_fail(r, p->error != 0 ? PROBE_FAIL_UNREACHABLE : PROBE_FAIL_TIMEOUT,
		    "ping %.100s: none of %u came back%s%s", r->url.host, p->sent,
		    p->error != 0 ? ": " : "", p->error != 0 ? strerror(p->error) : "");
		return;
	}
	probe_run_have(r, PROBE_RTT_MS, round(p->sum_ms / p->got * 100.0) / 100.0);
	probe_run_have(r, PROBE_RTT_MIN_MS, p->min_ms);
	probe_run_have(r, PROBE_RTT_MAX_MS, p->max_ms);
	probe_run_close(r);
	probe_run_done(r, PROBE_OK);
}

/* The socket is not given to us.  What to do stands in the detail. */
static void
not_allowed(struct probe_run *r)
{
	char range[64] = "";
	FILE *f = fopen("/proc/sys/net/ipv4/ping_group_range", "re");

	if (f != NULL) {
		if (fgets(range, sizeof(range), f) != NULL)
			range[strcspn(range, "\n")] = '\0';
		(void)fclose(f);
	}
	for (char *tab = range; (tab = strchr(tab, '\t')) != NULL;)
		*tab = ' ';
	probe_run_fail(r, PROBE_FAIL_NOT_ALLOWED,
	    "no ping: group %u is not in net.ipv4.ping_group_range (%s); allow it: sysctl -w "
	    "net.ipv4.ping_group_range=\"%u %u\"",
	    (unsigned)getegid(), range[0] != '\0' ? range : "not readable", (unsigned)getegid(),
	    (unsigned)getegid());
}

/* ---- sending ---- */

/* When the next request leaves, or when the last one's time is up. */
static void
next_deadline(struct probe_run *r)
{
	const struct ping *p = r->kind;
	const int64_t next = p->sent < (unsigned)r->conf->ping.count
				 ? p->first_mono_ms + (int64_t)p->sent * r->conf->ping.gap_ms
				 : p->end_mono_ms;

	r->deadline_mono_ms = next < r->due_mono_ms ? next : r->due_mono_ms;
}

static void
send_next(struct probe_run *r)
{
	struct ping *p = r->kind;
	const unsigned seq = p->sent++;
	const size_t size = HEAD_BYTES + (size_t)r->conf->ping.size_bytes;

	memset(p->packet, 0, HEAD_BYTES);
	p->packet[0] = p->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	p->packet[7] = (uint8_t)(seq + 1);
	for (size_t i = HEAD_BYTES; i < size; i++)
		p->packet[i] = (uint8_t)i;
	memcpy(p->packet + HEAD_BYTES, &p->token, TOKEN_BYTES);
	p->sent_ns[seq] = probe_run_now_ns();
	/* One that cannot be sent did not come back. */
	if (send(r->fd, p->packet, size, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		p->error = errno;
	p->end_mono_ms = bl_mono_ms(r->env->clock) + r->conf->timeout_ms;
	next_deadline(r);
}

static void
ping_addressed(struct probe_run *r)
{
	struct ping *p = r->kind;
	int error = EHOSTUNREACH;

	for (unsigned i = 0; i < r->n_addrs; i++) {
		p->v6 = r->addr[i].ss.ss_family == AF_INET6;
		error = probe_connect_datagram(
		    r, &r->addr[i], SOCK_DGRAM, p->v6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
		if (error == 0)
			break;
		if (r->fd < 0 && (error == EACCES || error == EPERM)) {
			not_allowed(r);
			return;
		}
	}
	if (error != 0) {
		probe_connect_fail(r, &r->addr[r->n_addrs - 1], error);
		return;
	}
	p->sent = p->got = 0;
	p->error = 0;
	p->sum_ms = p->max_ms = 0;
	memset(p->back, 0, sizeof(p->back));
	r->env->clock->random(r->env->clock->ctx, &p->token, sizeof(p->token));
	p->first_mono_ms = bl_mono_ms(r->env->clock);
	probe_run_phase(r, PHASE_FIRST_BYTE);
	send_next(r);
}

static void
ping_late(struct probe_run *r)
{
	const struct ping *p = r->kind;
	const int64_t now = bl_mono_ms(r->env->clock);

	if (now >= r->due_mono_ms || p->sent == (unsigned)r->conf->ping.count)
		done(r);
	else
		send_next(r);
}

/* ---- what comes back ---- */

static void
take(struct probe_run *r, const uint8_t *b, size_t len)
{
	struct ping *p = r->kind;
	const unsigned seq = len >= HEAD_BYTES ? (unsigned)b[6] << 8 | b[7] : 0;
	double ms;

	if (len < HEAD_BYTES + TOKEN_BYTES || b[0] != (p->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
	    memcmp(b + HEAD_BYTES, &p->token, TOKEN_BYTES) != 0 || seq < 1 || seq > p->sent ||
	    p->back[seq - 1])
		return; /* not of this run, or a second one */
	ms = probe_run_ms_since(p->sent_ns[seq - 1]);
	p->back[seq - 1] = true;
	p->sum_ms += ms;
	p->min_ms = p->got == 0 || ms < p->min_ms ? ms : p->min_ms;
	p->max_ms = ms > p->max_ms ? ms : p->max_ms;
	p->got++;
}

static void
ping_talk(struct probe_run *r)
{
	struct ping *p = r->kind;

	r->again = true; /* unless there is nothing more to read */
	for (unsigned round = 0; round < ROUNDS_MAX && r->again; round++) {
		const ssize_t n = recv(r->fd, r->env->buf, sizeof(r->env->buf), 0);

		if (n >= 0)
			take(r, (const uint8_t *)r->env->buf, (size_t)n);
		else if (errno == EAGAIN || errno == EINTR)
			r->again = false;
		else
			p->error = errno; /* "host unreachable" of a router, for one request */
	}
	if (p->got == (unsigned)r->conf->ping.count)
		done(r);
}

const struct probe_kind_ops probe_kind_ping = {
	.name = "ping",
	.init = ping_init,
	.release = ping_release,
	.due = ping_due,
	.begin = probe_connect_begin,
	.addressed = ping_addressed,
	.talk = ping_talk,
	.late = ping_late,
};
