/*
 * What the runs of all kinds have in common: the table of kinds, phases and
 * their deadlines, values, and how a run ends.
 *
 * A run is a state machine that goes as far as it can without waiting; prober.c
 * calls it when its descriptor, its look-up or its deadline says so.  Each phase
 * has its own deadline, and the whole ends when the next run is due, so a probe
 * has exactly one result an interval.  Phases that do not happen (address instead
 * of a name, no TLS, connection reused) leave their value absent.  What is said
 * once the way is there is the kind's (struct probe_kind_ops).
 */
#include "probe_internal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* By enum probe_kind. */
static const struct probe_kind_ops *const kinds[] = {
	[PROBE_HTTP] = &probe_kind_http,
	[PROBE_TCP] = &probe_kind_tcp,
	[PROBE_DNS] = &probe_kind_dns,
	[PROBE_PING] = &probe_kind_ping,
	[PROBE_TLS] = &probe_kind_tls,
	[PROBE_MODBUS] = &probe_kind_modbus,
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

uint64_t
probe_run_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* To 10 microseconds: below that it is noise, and every digit costs bytes on the wire. */
double
probe_run_ms_since(uint64_t from_ns)
{
	return round((double)(probe_run_now_ns() - from_ns) / 1e4) / 100.0;
}

/* ---- values ---- */

void
probe_run_have(struct probe_run *r, enum probe_series s, double v)
{
	const struct probe_value *before = &r->before[s];

	if (before->got == PROBE_HAVE &&
	    ((s >= PROBE_DNS_MS && s <= PROBE_TRANSFER_MS) || s == PROBE_PROXY_MS))
		v += before->v;
	else if (before->got == PROBE_HAVE && s == PROBE_CERTIFICATE_DAYS && before->v < v)
		v = before->v;
	r->result.value[s] = (struct probe_value){ PROBE_HAVE, v };
}

/* Phases that happened only on the way to the last server. */
static void
carry(struct probe_run *r)
{
	static const enum probe_series carried[] = { PROBE_DNS_MS, PROBE_CONNECT_MS, PROBE_PROXY_MS,
		PROBE_TLS_MS, PROBE_CERTIFICATE_DAYS, PROBE_TLS_RESUMED };

	for (unsigned i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		struct probe_value *v = &r->result.value[carried[i]];

		if (v->got == PROBE_ABSENT)
			*v = r->before[carried[i]];
	}
}

uint32_t
probe_run_due_way(const struct probe_run *r, bool reused)
{
	uint32_t due = probe_bit(PROBE_UP);

	if (reused)
		return due;
	if (!probe_run_dialled(r)->literal)
		due |= probe_bit(PROBE_DNS_MS);
	if (r->url.tls)
		due |= probe_bit(PROBE_TLS_MS);
	return due | probe_bit(PROBE_CONNECT_MS);
}

/* ---- phases and ends ---- */

void
probe_run_close(struct probe_run *r)
{
	probe_tls_free(r->tls);
	r->tls = NULL;
	if (r->fd >= 0)
		(void)close(r->fd); /* a socket: nothing of ours is lost by its failure */
	r->fd = -1;
	r->generation++;
}

void
probe_run_phase(struct probe_run *r, enum probe_phase phase)
{
	const int64_t deadline = bl_mono_ms(r->env->clock) + r->conf->timeout_ms;

	r->phase = phase;
	r->phase_ns = probe_run_now_ns();
	r->deadline_mono_ms = deadline < r->due_mono_ms ? deadline : r->due_mono_ms;
}

/* Details hold file names, which may be cut in the middle of a character: plain ASCII for all. */
static void
detail_clean(char *detail)
{
	for (; *detail != '\0'; detail++)
		if (*detail < ' ' || *detail > '~')
			*detail = '?';
}

/* What was due and is not there is unknown. */
static void
fill_up(struct probe_run *r, enum probe_reason reason)
{
	const enum probe_got got = reason == PROBE_FAIL_TIMEOUT ? PROBE_LATE : PROBE_MISSING;

	for (unsigned s = 0; s < PROBE_SERIES; s++)
		if ((r->due_values & probe_bit(s)) != 0 && r->result.value[s].got == PROBE_ABSENT)
			r->result.value[s].got = got;
	for (unsigned i = 0; i < r->n_points; i++)
		if (r->point[i].got == PROBE_ABSENT)
			r->point[i].got = got;
	r->result.n_points = r->n_points;
	r->result.point = r->point;
}

void
probe_run_done(struct probe_run *r, enum probe_reason reason)
{
	struct probe_result *res = &r->result;

	res->reason = reason;
	if (reason == PROBE_OK)
		res->detail[0] = '\0';
	detail_clean(res->detail);
	fill_up(r, reason);
	carry(r);
	/* What we could not try says nothing about the service. */
	if (probe_reason_is_ours(reason))
		res->value[PROBE_UP].got = PROBE_MISSING;
	else
		probe_run_have(r, PROBE_UP, reason == PROBE_OK ? 1 : 0);
	r->phase = PHASE_IDLE;
	r->again = false;
	r->env->result(r->env->ctx, res);
}

void
probe_run_fail(struct probe_run *r, enum probe_reason reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->result.detail, sizeof(r->result.detail), fmt, ap);
	va_end(ap);
	probe_job_drop(r->job);
	r->job = NULL;
	probe_run_close(r);
	probe_run_done(r, reason);
}

/* ---- what prober.c calls ---- */

int
probe_run_init(struct probe_run *r, struct probe_env *env, const struct probe_conf *conf,
    unsigned index, struct bl_err *err)
{
	memset(r, 0, sizeof(*r));
	r->fd = -1;
	r->env = env;
	r->conf = conf;
	r->index = index;
	if ((unsigned)conf->kind >= N_KINDS)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: kind %d is not known", conf->name, conf->kind);
	if (conf->interval_ms <= 0 || conf->timeout_ms <= 0)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: interval and timeout must be > 0", conf->name);
	r->ops = kinds[conf->kind];
	return r->ops->init(r, err);
}

void
probe_run_release(struct probe_run *r)
{
	probe_job_drop(r->job);
	r->job = NULL;
	probe_run_close(r);
	if (r->ops != NULL && r->ops->release != NULL)
		r->ops->release(r);
}

void
probe_run_begin(struct probe_run *r)
{
	memset(&r->result, 0, sizeof(r->result));
	memset(r->before, 0, sizeof(r->before));
	r->result.probe = r->index;
	r->result.boot_ms = bl_boot_ms(r->env->clock);
	for (unsigned i = 0; i < r->n_points; i++)
		r->point[i] = (struct probe_value){ PROBE_ABSENT, 0 };
	r->run_ns = probe_run_now_ns();
	r->ops->begin(r);
	probe_run_step(r);
}

void
probe_run_step(struct probe_run *r)
{
	enum probe_phase before;
	uint32_t generation;

	/* As long as a step leads into another phase, the next one may be possible at once. */
	do {
		before = r->phase;
		generation = r->generation;
		r->again = false;
		switch (r->phase) {
		case PHASE_IDLE:
			return;
		case PHASE_DNS:
			probe_connect_dns(r);
			break;
		case PHASE_CONNECT:
			probe_connect_tcp(r);
			break;
		case PHASE_PROXY:
			r->ops->tunnel(r);
			break;
		case PHASE_TLS:
			probe_connect_tls(r);
			break;
		case PHASE_FIRST_BYTE:
		case PHASE_TRANSFER:
			r->ops->talk(r);
			break;
		}
	} while ((r->phase != before && r->phase != PHASE_TRANSFER) || generation != r->generation);
}

void
probe_run_timeout(struct probe_run *r)
{
	static const char *const doing[] = {
		[PHASE_IDLE] = "nothing",
		[PHASE_DNS] = "the name look-up",
		[PHASE_CONNECT] = "the TCP connect",
		[PHASE_PROXY] = "the answer of the proxy",
		[PHASE_TLS] = "the TLS handshake",
		[PHASE_FIRST_BYTE] = "the first byte of the answer",
		[PHASE_TRANSFER] = "the rest of the answer",
	};
	const char *what = doing[r->phase];

	if (r->phase == PHASE_CONNECT && r->addr_at + 1 < r->n_addrs) {
		r->addr_at++;
		probe_connect_next(r);
		probe_run_step(r);
		return;
	}
	if (r->ops->late != NULL && r->phase >= PHASE_FIRST_BYTE) {
		r->ops->late(r);
		return;
	}
	probe_run_fail(r, PROBE_FAIL_TIMEOUT, "%s%s took longer than %.0f ms", what,
	    r->proxy != NULL && r->phase < PHASE_PROXY ? " of the proxy" : "",
	    probe_run_ms_since(r->phase_ns));
}

void
probe_run_idle_event(struct probe_run *r)
{
	char byte;
	const ssize_t n = recv(r->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	/* An event of bytes that the run itself has read already says nothing. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	probe_run_close(r);
}
