/*
 * `fleet run`: all agents in one thread, one epoll, one heap of deadlines.
 *
 *   connect  agents begin to connect at a steady rate, until all are welcome
 *   settle   until each has cut once; not with a backlog, which is measured from the start
 *   measure  the window of the figures
 *   drain    no more cuts; until every batch has its receipt
 *
 * A latency runs from the instant at which a batch was due to be cut, not from when this
 * process got round to it, to the receipt that settles it: what this process is late with
 * counts against the figure, and stands beside it as loop_lag.
 */
#include "fleet_run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "fleet_agent.h"
#include "fleet_heap.h"
#include "fleet_record.h"

#define EVENTS  64  /* a handshake takes 10 ms: what is due is looked at between them */
#define SLICE   256 /* deadlines between two looks at the sockets */
#define TELL_US INT64_C(5000000)

enum phase { CONNECT, SETTLE, MEASURE, DRAIN, DONE };

static const char *const phase_names[] = { "connect", "settle", "measure", "drain", "done" };

struct run {
	const struct fleet_opts *o;
	struct fleet fleet;
	struct fleet_identity *ids;
	size_t n;
	struct fleet_agent *agent;
	struct fleet_heap heap;
	int signal_fd;
	bool interrupted, late;
	enum phase phase;
	int64_t phase_us, told_us;
	int64_t from_us, to_us; /* the window */
	struct fleet_histogram receipt, lag;
	/* At the ends of the window. */
	uint64_t in_bytes, out_bytes, samples;
	uint64_t bytes[FLEET_BYTES]; /* in the window, by what they are for */
	unsigned ready_least;
	double connect_s, drain_s, window_s, past_s;
	uint64_t window_samples, window_in, window_out, window_batches;
};

static int64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* A receipt that settles a batch of the window. */
static void
settled(void *ctx, int64_t cut_us, int64_t end_boot_ms, unsigned agent)
{
	struct run *r = ctx;

	(void)end_boot_ms;
	(void)agent;
	if (cut_us >= r->from_us && cut_us < r->to_us)
		fleet_histogram_add(&r->receipt, now_us() - cut_us);
}

/* ---- setting up ---- */

static int
raise_files(unsigned agents, struct bl_err *err)
{
	struct rlimit l;
	const rlim_t need = agents + 64;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return bl_fail_errno(err, BL_EIO, "ask for the limit of descriptors");
	if (l.rlim_cur >= need)
		return BL_OK;
	l.rlim_cur = need;
	if (l.rlim_max < need)
		l.rlim_max = need; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &l) != 0)
		return bl_fail_errno(err, BL_EDENIED,
		    "raise the limit of descriptors to %u (as root, or `ulimit -n`)",
		    (unsigned)need);
	return BL_OK;
}

static int
watch_signals(struct run *r, struct bl_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (r->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0 ||
	    epoll_ctl(r->fleet.tls.epoll_fd, EPOLL_CTL_ADD, r->signal_fd, &ev) != 0)
		return bl_fail_errno(err, BL_EIO, "watch signals");
	return BL_OK;
}

static int
open_agents(struct run *r, struct bl_err *err)
{
	struct timespec t;
	int rc = BL_OK;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	r->fleet.began_unix_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	r->fleet.began_us = now_us();
	r->fleet.dialling_max = r->o->together;
	r->fleet.tally.settled = settled;
	r->fleet.tally.ctx = r;
	r->agent = calloc(r->n, sizeof(*r->agent));
	if (r->agent == NULL || fleet_heap_open(&r->heap, (unsigned)r->n) != 0)
		return bl_fail(err, BL_ENOMEM, "%zu agents: out of memory", r->n);
	for (size_t i = 0; i < r->n && rc == BL_OK; i++) {
		rc = fleet_agent_open(&r->agent[i], &r->fleet, (unsigned)i, &r->ids[i], err);
		fleet_agent_start(
		    &r->agent[i], r->fleet.began_us + (int64_t)i * 1000000 / r->o->connects_per_s);
		fleet_heap_set(&r->heap, (unsigned)i, fleet_agent_deadline(&r->agent[i]));
	}
	return rc;
}

static int
open_run(struct run *r, struct bl_err *err)
{
	const struct fleet_shape shape = fleet_shape_of(r->o);
	int rc;

	r->signal_fd = -1;
	r->fleet.tls.epoll_fd = -1;
	if ((rc = fleet_identities_read(r->o->devices, r->o->agents, &r->ids, &r->n, err)) < 0)
		return rc;
	if (r->n < r->o->agents)
		return bl_fail(err, BL_ENOTFOUND, "%s has %zu set-up files, %u agents need as many",
		    r->o->devices, r->n, r->o->agents);
	if ((rc = raise_files(r->o->agents, err)) < 0)
		return rc;
	if (shape.past_batches > 0)
		fleet_say("making %u backlogs of %u h", shape.variants, r->o->past_hours);
	if ((rc = fleet_data_create(&r->fleet.data, &shape, err)) < 0 ||
	    (rc = fleet_tls_open(&r->fleet.tls, r->ids[0].ca, err)) < 0 ||
	    (rc = watch_signals(r, err)) < 0)
		return rc;
	return open_agents(r, err);
}

static void
close_run(struct run *r)
{
	for (size_t i = 0; r->agent != NULL && i < r->n; i++)
		fleet_agent_close(&r->agent[i]);
	free(r->agent);
	fleet_heap_close(&r->heap);
	if (r->signal_fd >= 0)
		(void)close(r->signal_fd);
	if (r->fleet.tls.epoll_fd >= 0)
		fleet_tls_close(&r->fleet.tls);
	fleet_data_free(r->fleet.data);
	fleet_identities_free(r->ids, r->n);
}

/* ---- phases ---- */

/* Batches without a receipt. */
static uint64_t
waiting(const struct run *r)
{
	const struct fleet_spool_tally *t = &r->fleet.tally;

	return t->cut_batches - t->settled_live + t->past_left;
}

static void
enter(struct run *r, int64_t now, enum phase phase)
{
	r->phase = phase;
	r->phase_us = now;
	(void)printf("phase %s\n", phase_names[phase]);
	(void)fflush(stdout);
}

static void
begin_window(struct run *r, int64_t now)
{
	r->from_us = now;
	r->to_us = INT64_MAX;
	r->in_bytes = r->fleet.tls.in_bytes;
	r->out_bytes = r->fleet.tls.out_bytes;
	memcpy(r->bytes, r->fleet.bytes, sizeof(r->bytes));
	r->samples = r->fleet.tally.cut_samples;
	r->window_batches = r->fleet.tally.cut_batches;
	r->ready_least = r->fleet.ready;
	enter(r, now, MEASURE);
}

static void
end_window(struct run *r, int64_t now)
{
	r->to_us = now;
	r->window_s = (double)(now - r->from_us) / 1e6;
	r->window_in = r->fleet.tls.in_bytes - r->in_bytes;
	r->window_out = r->fleet.tls.out_bytes - r->out_bytes;
	r->window_samples = r->fleet.tally.cut_samples - r->samples;
	r->window_batches = r->fleet.tally.cut_batches - r->window_batches;
	for (unsigned i = 0; i < FLEET_BYTES; i++)
		r->bytes[i] = r->fleet.bytes[i] - r->bytes[i];
	r->fleet.stopping = true;
	enter(r, now, DRAIN);
}

/* When the last of the agents has cut for the first time. */
static bool
all_cut(const struct run *r, int64_t now)
{
	return r->fleet.begun == r->n && now >= r->phase_us + 2 * r->o->cut_ms * 1000;
}

/* Whether every backlog has its receipts; notes when that was. */
static bool
past_is_gone(struct run *r, int64_t now)
{
	if (r->past_s > 0 || r->o->past_hours == 0)
		return true;
	if (r->phase < MEASURE || r->fleet.tally.past_left > 0)
		return false;
	r->past_s = (double)(now - r->fleet.began_us) / 1e6;
	return true;
}

static void
go_on(struct run *r, int64_t now)
{
	const bool backlog = r->o->past_hours > 0, gone = past_is_gone(r, now);
	const int64_t spent_ms = (now - r->phase_us) / 1000;

	if (r->phase == CONNECT && r->fleet.ready == r->n) {
		r->connect_s = (double)(now - r->fleet.began_us) / 1e6;
		if (backlog)
			begin_window(r, now);
		else
			enter(r, now, SETTLE);
	} else if (r->phase == SETTLE && all_cut(r, now)) {
		begin_window(r, now);
	} else if (r->phase == MEASURE &&
		   (r->interrupted || (spent_ms >= r->o->measure_ms && gone))) {
		end_window(r, now);
	} else if (r->phase == DRAIN && (r->interrupted || waiting(r) == 0)) {
		r->drain_s = (double)(now - r->phase_us) / 1e6;
		enter(r, now, DONE);
	} else if (r->phase != DONE && (r->interrupted || spent_ms > r->o->limit_ms)) {
		r->late = true;
		enter(r, now, DONE);
	}
}

static void
tell(struct run *r, int64_t now)
{
	const struct fleet_spool_tally *t = &r->fleet.tally;

	if (now < r->told_us + TELL_US)
		return;
	r->told_us = now;
	fleet_say("%s %.0f s: %u of %zu welcome, %" PRIu64 " live and %" PRIu64
		  " past batches settled, %" PRIu64 " wait, receipt p99 %.0f ms%s%s",
	    phase_names[r->phase], (double)(now - r->phase_us) / 1e6, r->fleet.ready, r->n,
	    t->settled_live, t->settled_past, waiting(r),
	    (double)fleet_histogram_quantile(&r->receipt, 0.99) / 1000.0,
	    r->fleet.why[0] != '\0' ? "; " : "", r->fleet.why);
	r->fleet.why[0] = '\0';
}

/* ---- the loop ---- */

static void
due_ones(struct run *r, int64_t now)
{
	for (unsigned k = 0; k < SLICE; k++) {
		int64_t at;
		const unsigned i = fleet_heap_first(&r->heap, &at);

		if (at > now)
			return;
		if (r->phase == MEASURE)
			fleet_histogram_add(&r->lag, now - at);
		fleet_agent_tick(&r->agent[i], now);
		fleet_heap_set(&r->heap, i, fleet_agent_deadline(&r->agent[i]));
	}
}

static void
take_signal(struct run *r)
{
	struct signalfd_siginfo info;

	if (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		r->interrupted = true;
}

static void
sockets(struct run *r, int wait_ms)
{
	struct epoll_event ev[EVENTS];
	const int n = epoll_wait(r->fleet.tls.epoll_fd, ev, EVENTS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct fleet_agent *a = ev[i].data.ptr;

		if (a == NULL) {
			take_signal(r);
			continue;
		}
		fleet_agent_io(a, now_us());
		fleet_agent_tick(a, now_us());
		fleet_heap_set(&r->heap, a->index, fleet_agent_deadline(a));
	}
}

static void
loop(struct run *r)
{
	enter(r, now_us(), CONNECT);
	while (r->phase != DONE) {
		int64_t now = now_us(), at;
		int wait_ms = 100;

		due_ones(r, now);
		(void)fleet_heap_first(&r->heap, &at);
		now = now_us();
		if (at < now + 100000)
			wait_ms = at <= now ? 0 : (int)((at - now) / 1000);
		sockets(r, wait_ms);
		if (r->phase == MEASURE && r->fleet.ready < r->ready_least)
			r->ready_least = r->fleet.ready;
		now = now_us();
		go_on(r, now);
		tell(r, now);
	}
}

/* ---- what came of it ---- */

static void
number(const char *name, double value, const char *unit)
{
	(void)printf("fleet_%s %.6g %s\n", name, value, unit);
}

static void
count(const char *name, uint64_t value)
{
	(void)printf("fleet_%s %" PRIu64 "\n", name, value);
}

static void
print_bytes(const struct run *r)
{
	static const char *const names[FLEET_BYTES] = { "out_data", "out_quiet", "out_past",
		"out_maps", "out_hello", "out_puback", "out_ping", "in_receipt", "in_puback",
		"in_other" };
	const double samples = (double)r->window_samples;
	uint64_t sum = 0;

	for (unsigned i = 0; i < FLEET_BYTES; i++) {
		(void)printf("fleet_%s_bytes_per_sample %.4f bytes\n", names[i],
		    (double)r->bytes[i] / samples);
		sum += r->bytes[i];
	}
	number("tls_bytes_per_sample", (double)(r->window_in + r->window_out - sum) / samples,
	    "bytes");
	number("out_bytes_per_sample", (double)r->window_out / samples, "bytes");
	number("in_bytes_per_sample", (double)r->window_in / samples, "bytes");
	number("link_bytes_per_sample", (double)(r->window_in + r->window_out) / samples, "bytes");
}

static void
print_usage(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	number("cpu_s",
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
	    "s");
	number("rss_mib", (double)u.ru_maxrss / 1024.0, "MiB");
}

static void
print(const struct run *r)
{
	const struct fleet_spool_tally *t = &r->fleet.tally;

	count("agents", r->n);
	count("held", r->ready_least);
	number("connect_s", r->connect_s, "s");
	fleet_histogram_print(&r->fleet.handshake, "fleet_handshake", stdout);
	fleet_histogram_print(&r->receipt, "fleet_receipt", stdout);
	fleet_histogram_print(&r->lag, "fleet_loop_lag", stdout);
	number("measured_s", r->window_s, "s");
	number("drain_s", r->drain_s, "s");
	number("past_s", r->past_s, "s");
	count("window_batches", r->window_batches);
	count("window_samples", r->window_samples);
	if (r->window_samples > 0)
		print_bytes(r);
	count("settled_live", t->settled_live);
	count("settled_past", t->settled_past);
	count("settled_samples", t->settled_samples);
	count("past_bytes", t->past_offered_bytes);
	count("unsettled", waiting(r));
	count("offered_again", r->fleet.duplicates_out);
	count("connections", r->fleet.connects);
	count("lost", r->fleet.lost);
	count("failed", r->fleet.failed);
	count("refused", r->fleet.refused);
	count("bad_messages", r->fleet.bad_messages);
	count("dropped", t->dropped);
	count("aside", t->aside);
	count("foreign", t->foreign);
	count("gone", t->gone);
	print_usage();
}

static int
write_record(const struct run *r, struct bl_err *err)
{
	const struct fleet_shape *shape = fleet_data_shape(r->fleet.data);
	struct fleet_record *rec = calloc(r->n, sizeof(*rec));
	int rc;

	if (rec == NULL)
		return bl_fail(err, BL_ENOMEM, "write %s: out of memory", r->o->record);
	for (size_t i = 0; i < r->n; i++)
		fleet_spool_record(&r->agent[i].spool, r->ids[i].device, &rec[i]);
	rc = fleet_record_write(r->o->record, shape, rec, r->n, err);
	free(rec);
	return rc;
}

static void
say_goodbye(struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		fleet_agent_bye(&r->agent[i], now_us());
}

int
fleet_run(const struct fleet_opts *o)
{
	struct run *r = calloc(1, sizeof(*r));
	struct bl_err err = { 0 };
	int rc = BL_ENOMEM;

	if (r == NULL)
		return 1;
	r->o = o;
	if ((rc = open_run(r, &err)) == BL_OK) {
		loop(r);
		print(r);
		if (r->late)
			rc = bl_fail(&err, BL_ETIMEDOUT, "given up: %s",
			    r->interrupted ? "interrupted" : "a phase took longer than --limit");
		if (o->record != NULL && write_record(r, rc < 0 ? NULL : &err) < 0)
			rc = BL_EIO;
		say_goodbye(r);
	}
	if (rc < 0)
		fleet_say("%s", err.msg);
	close_run(r);
	free(r);
	return rc < 0 ? 1 : 0;
}
