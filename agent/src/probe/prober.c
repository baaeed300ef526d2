/*
 * The prober: one thread, one epoll, a schedule.
 *
 * First runs are spread at random over at most ten seconds, so that probes
 * (and agents that start together) do not all fire at once; from then on each
 * keeps its own grid on the monotonic clock.  A run that could not begin in its
 * slot (the machine slept, the process was stopped) is skipped: no burst of
 * catching up.  The list of runs is walked at every wake-up; 64 of them cost
 * less than a heap would be to read.
 */
#include "probe_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SPREAD_MS   10000
#define EVENTS      32
#define STACK_BYTES (512u * 1024u)

/* Indices that are no probe's, in the low half of an event's data. */
#define EVENT_STOP     0xfffffffeu
#define EVENT_RESOLVER 0xffffffffu

struct prober {
	struct probe_env env;
	unsigned n;
	struct probe_run *run; /* owned */
	int stop_fd;
	atomic_bool stopping;
	atomic_bool forget_sessions;
	_Atomic int64_t open_from_ms; /* see prober_open_from_ms */
	_Atomic int64_t awake_by_ms;  /* see prober_awake_by_mono_ms */
	bool started;
	pthread_t thread;
};

/* ---- the thread ---- */

static int
wait_ms(const struct prober *p)
{
	const int64_t now = bl_mono_ms(p->env.clock);
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < p->n; i++) {
		const struct probe_run *r = &p->run[i];
		const int64_t at = r->phase == PHASE_IDLE ? r->due_mono_ms : r->deadline_mono_ms;

		if (r->again)
			return 0;
		next = at < next ? at : next;
	}
	if (next <= now)
		return 0;
	return next - now < 60000 ? (int)(next - now) : 60000;
}

static void
resolver_event(struct prober *p)
{
	probe_resolver_drain(p->env.resolver);
	for (unsigned i = 0; i < p->n; i++)
		if (p->run[i].phase == PHASE_DNS)
			probe_run_step(&p->run[i]);
}

static void
event(struct prober *p, uint64_t data)
{
	const uint32_t index = (uint32_t)data;
	struct probe_run *r;

	if (index == EVENT_RESOLVER) {
		resolver_event(p);
		return;
	}
	if (index >= p->n)
		return; /* EVENT_STOP: the flag says it */
	r = &p->run[index];
	if (r->fd < 0 || r->generation != (uint32_t)(data >> 32))
		return; /* of a connection that is closed already */
	if (r->phase == PHASE_IDLE)
		probe_run_idle_event(r);
	else if (r->phase != PHASE_DNS)
		probe_run_step(r);
}

/* When the oldest run that is under way began. */
static int64_t
oldest_run(const struct prober *p)
{
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < p->n; i++)
		if (p->run[i].phase != PHASE_IDLE && p->run[i].result.boot_ms < at)
			at = p->run[i].result.boot_ms;
	return at;
}

static void
begin(struct prober *p, struct probe_run *r, int64_t now)
{
	const int64_t oldest = oldest_run(p), boot = bl_boot_ms(p->env.clock);

	do
		r->due_mono_ms += r->conf->interval_ms;
	while (r->due_mono_ms <= now);
	/* Before the run looks at the clock: nobody can have covered a time it then gets. */
	atomic_store(&p->open_from_ms, oldest < boot ? oldest : boot);
	probe_run_begin(r);
}

static void
timers(struct prober *p)
{
	const int64_t now = bl_mono_ms(p->env.clock);
	const bool forget = atomic_exchange(&p->forget_sessions, false);

	for (unsigned i = 0; i < p->n; i++) {
		struct probe_run *r = &p->run[i];

		if (forget)
			probe_sessions_forget_all(r->sessions);
		if (r->again)
			probe_run_step(r);
		if (r->phase != PHASE_IDLE && now >= r->deadline_mono_ms)
			probe_run_timeout(r);
		if (r->phase == PHASE_IDLE && now >= r->due_mono_ms)
			begin(p, r, now);
	}
}

static void *
thread_main(void *arg)
{
	struct prober *p = arg;
	struct epoll_event ev[EVENTS];

	while (!atomic_load(&p->stopping)) {
		const int ms = wait_ms(p);
		int n;

		atomic_store(&p->awake_by_ms, bl_mono_ms(p->env.clock) + ms);
		n = epoll_wait(p->env.epoll_fd, ev, EVENTS, ms);
		atomic_store(&p->awake_by_ms, bl_mono_ms(p->env.clock));
		for (int i = 0; i < n; i++)
			event(p, ev[i].data.u64);
		timers(p);
		/* The results of those that have ended have been handed over. */
		atomic_store(&p->open_from_ms, oldest_run(p));
	}
	return NULL;
}

/* ---- start and stop ---- */

static void
prober_free(struct prober *p)
{
	for (unsigned i = 0; i < p->n; i++)
		probe_run_release(&p->run[i]);
	free(p->run);
	probe_resolver_free(p->env.resolver);
	probe_tls_env_free(p->env.tls);
	if (p->stop_fd >= 0)
		(void)close(p->stop_fd);
	if (p->env.epoll_fd >= 0)
		(void)close(p->env.epoll_fd);
	free(p);
}

static int
watch(struct prober *p, int fd, uint32_t what, struct bl_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = what };

	if (epoll_ctl(p->env.epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return bl_fail_errno(err, BL_EIO, "probe: watch a descriptor");
	return BL_OK;
}

static int
runs_init(struct prober *p, const struct bl_conf_list *probes, struct bl_err *err)
{
	const struct probe_conf *conf = probes->item;
	const int64_t now = bl_mono_ms(p->env.clock);
	int rc;

	p->run = calloc(probes->n, sizeof(*p->run));
	if (p->run == NULL)
		return bl_fail(err, BL_ENOMEM, "probe: out of memory");
	for (unsigned i = 0; i < probes->n; i++) {
		struct probe_run *r = &p->run[i];
		const int64_t spread =
		    conf[i].interval_ms < SPREAD_MS ? conf[i].interval_ms : SPREAD_MS;

		p->n = i + 1; /* what is begun is released, also when it fails */
		if ((rc = probe_run_init(r, &p->env, &conf[i], i, err)) < 0)
			return rc;
		r->due_mono_ms = now + (int64_t)bl_random_below(p->env.clock, (uint64_t)spread);
		if ((r->url.tls || r->needs_tls) && p->env.tls == NULL &&
		    (rc = probe_tls_env_create(&p->env.tls, err)) < 0)
			return rc;
	}
	return BL_OK;
}

/* All signals are for other threads; look-up threads inherit that. */
static int
thread_start(struct prober *p, struct bl_err *err)
{
	sigset_t all;
	sigset_t before;
	pthread_attr_t attr;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_attr_init(&attr);
	if (rc == 0) {
		(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
		rc = pthread_create(&p->thread, &attr, thread_main, p);
		pthread_attr_destroy(&attr);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	p->started = rc == 0;
	if (rc == 0)
		(void)pthread_setname_np(p->thread, "probes"); /* a help in top */
	errno = rc;
	return rc == 0 ? BL_OK : bl_fail_errno(err, BL_ENOMEM, "probe: start the thread");
}

static int
set_up(
    struct prober *p, const struct bl_conf_list *probes, probe_lookup_fn lookup, struct bl_err *err)
{
	int rc;

	p->env.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->env.epoll_fd < 0 || p->stop_fd < 0)
		return bl_fail_errno(err, BL_EIO, "probe: make an event descriptor");
	if ((rc = probe_resolver_create(&p->env.resolver, lookup, err)) < 0)
		return rc;
	if ((rc = runs_init(p, probes, err)) < 0)
		return rc;
	if ((rc = watch(p, p->stop_fd, EVENT_STOP, err)) < 0)
		return rc;
	if ((rc = watch(p, probe_resolver_fd(p->env.resolver), EVENT_RESOLVER, err)) < 0)
		return rc;
	return probes->n > 0 ? thread_start(p, err) : BL_OK;
}

int
prober_start_with(struct prober **out, const struct bl_conf_list *probes,
    const struct bl_clock *clock, probe_lookup_fn lookup, prober_result_cb result, void *ctx,
    struct bl_err *err)
{
	struct prober *p;
	int rc;

	*out = NULL;
	if (probes->n > PROBES_MAX)
		return bl_fail(err, BL_EFULL, "probe: %zu probes, at most %u are possible",
		    probes->n, PROBES_MAX);
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe: out of memory");
	p->env.clock = clock;
	p->env.result = result;
	p->env.ctx = ctx;
	p->env.epoll_fd = -1;
	p->stop_fd = -1;
	atomic_store(&p->open_from_ms, INT64_MAX);
	atomic_store(&p->awake_by_ms, INT64_MAX);
	if ((rc = set_up(p, probes, lookup, err)) < 0) {
		prober_free(p);
		return rc;
	}
	*out = p;
	return BL_OK;
}

int
prober_start(struct prober **out, const struct bl_conf_list *probes, const struct bl_clock *clock,
    prober_result_cb result, void *ctx, struct bl_err *err)
{
	return prober_start_with(out, probes, clock, NULL, result, ctx, err);
}

void
prober_forget_sessions(struct prober *p)
{
	if (p != NULL)
		atomic_store(&p->forget_sessions, true);
}

void
prober_clock_wrong(struct prober *p, bool wrong)
{
	if (p != NULL && atomic_exchange(&p->env.clock_wrong, wrong) != wrong)
		prober_forget_sessions(p); /* they hold verdicts */
}

int64_t
prober_open_from_ms(const struct prober *p)
{
	return p != NULL ? atomic_load(&p->open_from_ms) : INT64_MAX;
}

int64_t
prober_awake_by_mono_ms(const struct prober *p)
{
	return p != NULL ? atomic_load(&p->awake_by_ms) : INT64_MAX;
}

void
prober_stop(struct prober *p)
{
	const uint64_t one = 1;

	if (p == NULL)
		return;
	if (p->started) {
		atomic_store(&p->stopping, true);
		(void)!write(p->stop_fd, &one, sizeof(one));
		(void)pthread_join(p->thread, NULL);
	}
	prober_free(p);
}
