/* The loop: checks that are due, plug-ins that run, lines that go out.  See the header. */
#include "plugins.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "branchline/log.h"

#include "plugins_outbox.h"
#include "plugins_report.h"
#include "plugins_run.h"

#define PARALLEL_MAX 32
#define OWN_MS       300000 /* between values of its own */
#define STOP_MS      2000   /* for what waits to be told, at the end */

struct check {
	const struct plugins_check *conf;
	struct plugins_due due;
	struct plugins_memory memory;
	bool running;
};

struct plugins {
	const struct bl_clock *clock;
	const char *path;
	struct plugins_conf *conf, *next; /* next: holds when nothing runs any more */
	struct check *check;              /* conf->checks.n */
	struct plugins_run run[PARALLEL_MAX];
	struct plugins_outbox *outbox;
	struct plugins_teller teller;
	int signal_fd;
	bool stopping;
	int64_t own_mono_ms;
	/* of its own */
	uint64_t runs, missed, left_behind;
	struct plugins_counted counted;
};

/* ---- reports ---- */

static void
line_cb(void *ctx, const char *line, size_t len, bool event)
{
	const struct plugins *p = ctx;

	plugins_outbox_put(p->outbox, line, len, event);
}

static void
report(struct plugins *p, struct check *c, struct plugins_result *r)
{
	if (!c->memory.known || c->memory.state != r->state)
		bl_info("plugins", "check %s is %s%s%s", r->check, plugins_state_names[r->state],
		    r->why[0] != '\0' ? ": " : "", r->why);
	plugins_report(r, &p->teller, &c->memory, bl_mono_ms(p->clock), &p->counted);
	plugins_result_free(r);
}

static void
report_own(struct plugins *p)
{
	const struct plugins_outbox_counters out = plugins_outbox_count(p->outbox);
	const struct {
		const char *metric;
		uint64_t n;
	} rows[] = {
		{ "plugin_runs_total", p->runs },
		{ "plugin_runs_missed_total", p->missed },
		{ "plugin_processes_left_total", p->left_behind },
		{ "plugin_bad_values_total", p->counted.bad_values + p->counted.bad_limits },
		{ "plugin_reports_dropped_total", out.dropped + p->teller.unmade },
		{ "plugin_reports_refused_total", out.refused },
	};
	const int64_t now = bl_unix_ms(p->clock);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		plugins_report_own(&p->teller, rows[i].metric, true, (double)rows[i].n, now);
	p->own_mono_ms = bl_mono_ms(p->clock) + OWN_MS;
}

/* ---- checks ---- */

static uint32_t
chance(const struct plugins *p)
{
	return (uint32_t)bl_random_below(p->clock, UINT32_MAX);
}

static const struct check *
known(const struct check *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].conf->name, name) == 0)
			return &all[i];
	return NULL;
}

/* What is remembered of a check of the same name goes on. */
static int
set_conf(struct plugins *p, struct plugins_conf *conf, struct bl_err *err)
{
	const size_t n_before = p->conf != NULL ? p->conf->checks.n : 0, n = conf->checks.n;
	const int64_t now = bl_mono_ms(p->clock);
	struct check *check = calloc(n + 1, sizeof(*check));

	if (check == NULL)
		return bl_fail(err, BL_ENOMEM, "take in %s: out of memory", p->path);
	for (size_t i = 0; i < n; i++) {
		const struct plugins_check *c = plugins_conf_check(conf, i);
		const struct check *before = known(p->check, n_before, c->name);

		check[i] = (struct check){ .conf = c };
		if (before != NULL)
			check[i].memory = before->memory;
		check[i].due = before != NULL && before->conf->interval_ms == c->interval_ms
				   ? before->due
				   : plugins_due_first(now, c->interval_ms, i, n, chance(p));
	}
	free(p->check);
	plugins_conf_free(p->conf);
	p->check = check;
	p->conf = conf;
	return BL_OK;
}

static struct check *
check_of(const struct plugins *p, const struct plugins_run *r)
{
	return &p->check[r->check - plugins_conf_check(p->conf, 0)];
}

static void
start(struct plugins *p, struct check *c, struct plugins_run *r)
{
	const int64_t now = bl_mono_ms(p->clock);
	struct bl_err err = { 0 };
	struct plugins_result failed;
	unsigned missed;

	c->due = plugins_due_next(c->due, now, c->conf->interval_ms, chance(p), &missed);
	p->missed += missed;
	p->runs++;
	if (plugins_run_start(r, p->conf, c->conf, now, &err) == BL_OK) {
		c->running = true;
		return;
	}
	plugins_result_failed(&failed, c->conf->name, err.msg, bl_unix_ms(p->clock));
	report(p, c, &failed);
}

/* The one that has waited longest. */
static struct check *
due(const struct plugins *p)
{
	const int64_t now = bl_mono_ms(p->clock);
	struct check *first = NULL;

	for (size_t i = 0; i < p->conf->checks.n; i++) {
		struct check *c = &p->check[i];

		if (c->conf->enabled && !c->running && c->due.mono_ms <= now &&
		    (first == NULL || c->due.mono_ms < first->due.mono_ms))
			first = c;
	}
	return first;
}

static void
start_due(struct plugins *p)
{
	struct check *c;

	for (int64_t i = 0; i < p->conf->parallel && p->next == NULL && !p->stopping; i++)
		while (p->run[i].pid == 0 && (c = due(p)) != NULL)
			start(p, c, &p->run[i]);
}

static void
report_run(struct plugins *p, const struct plugins_run *r)
{
	struct plugins_result result;

	if (plugins_result_of(&result, r, bl_unix_ms(p->clock)) == BL_OK) {
		report(p, check_of(p, r), &result);
	} else {
		p->teller.unmade++;
		plugins_result_free(&result);
	}
}

static void
finish(struct plugins *p, struct plugins_run *r)
{
	if (!r->timed_out)
		report_run(p, r);
	check_of(p, r)->running = false;
	plugins_run_drop(r);
	p->left_behind += plugins_run_sweep(p->run, PARALLEL_MAX);
}

static void
serve_runs(struct plugins *p)
{
	const int64_t now = bl_mono_ms(p->clock);

	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		if (p->run[i].pid != 0)
			plugins_run_read(&p->run[i]);
	if (plugins_run_reap(p->run, PARALLEL_MAX, now) > 0)
		p->left_behind += plugins_run_sweep(p->run, PARALLEL_MAX);
	for (unsigned i = 0; i < PARALLEL_MAX; i++) {
		struct plugins_run *r = &p->run[i];

		if (r->pid != 0 && r->ended) {
			finish(p, r);
		} else if (r->pid != 0 && now >= r->deadline_mono_ms) {
			/* It is said at once: the end may take long, and be there again. */
			plugins_run_time_out(r, now);
			report_run(p, r);
		}
	}
}

/* But what has been ended already, and only the kernel keeps. */
static bool
anything_runs(const struct plugins *p)
{
	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		if (p->run[i].pid != 0 && !p->run[i].timed_out)
			return true;
	return false;
}

/* ---- signals ---- */

static void
read_again(struct plugins *p)
{
	struct plugins_conf *conf;
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };

	if (plugins_conf_load(&conf, p->path, &errors, &err) == BL_OK) {
		plugins_conf_free(p->next);
		p->next = conf;
	} else {
		for (size_t i = 0; i < errors.n_kept; i++)
			bl_error("plugins", "%s", errors.line[i]);
		bl_error(
		    "plugins", "%s is refused, what was read before holds: %s", p->path, err.msg);
	}
	bl_conf_errors_free(&errors);
}

/* Once nothing of the last one runs. */
static void
take_next(struct plugins *p)
{
	struct plugins_conf *conf = p->next;
	struct bl_err err = { 0 };

	if (conf == NULL || anything_runs(p))
		return;
	p->next = NULL;
	if (plugins_outbox_change(p->outbox, conf->socket, (size_t)conf->queue_bytes, &err) < 0 ||
	    set_conf(p, conf, &err) < 0) {
		bl_error("plugins", "%s", err.msg);
		plugins_conf_free(conf);
		return;
	}
	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		plugins_run_drop(&p->run[i]); /* of checks that are no more */
	bl_info("plugins", "reloaded checks=%zu waiting=%zu", conf->checks.n,
	    plugins_outbox_count(p->outbox).waiting);
}

static void
serve_signals(struct plugins *p)
{
	struct signalfd_siginfo s;

	while (read(p->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT)
			p->stopping = true;
		else if (s.ssi_signo == SIGHUP)
			read_again(p);
	}
}

static int
hold_signals(struct plugins *p, struct bl_err *err)
{
	sigset_t set;

	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would leave no exit code behind */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signal_fd >= 0 ? BL_OK : bl_fail_errno(err, BL_EIO, "wait for signals");
}

/* ---- the loop ---- */

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool
place_is_free(const struct plugins *p)
{
	for (int64_t i = 0; i < p->conf->parallel; i++)
		if (p->run[i].pid == 0)
			return true;
	return false;
}

static int64_t
deadline(const struct plugins *p)
{
	int64_t at = least(p->own_mono_ms, plugins_outbox_deadline(p->outbox));

	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		if (p->run[i].pid != 0)
			at = least(at, p->run[i].deadline_mono_ms);
	if (p->next != NULL || !place_is_free(p))
		return at;
	for (size_t i = 0; i < p->conf->checks.n; i++)
		if (p->check[i].conf->enabled && !p->check[i].running)
			at = least(at, p->check[i].due.mono_ms);
	return at;
}

static void
wait_until(struct plugins *p, int64_t mono_ms)
{
	struct pollfd fds[2 + 2 * PARALLEL_MAX];
	int64_t ms = mono_ms - bl_mono_ms(p->clock);
	nfds_t n = 0;

	fds[n++] = (struct pollfd){ .fd = p->signal_fd, .events = POLLIN };
	fds[n++] = plugins_outbox_poll(p->outbox);
	for (unsigned i = 0; i < PARALLEL_MAX; i++) {
		if (p->run[i].pid == 0)
			continue;
		fds[n++] = (struct pollfd){ .fd = p->run[i].out_fd, .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = p->run[i].err_fd, .events = POLLIN };
	}
	ms = ms < 0 ? 0 : ms > 60000 ? 60000 : ms;
	(void)poll(fds, n, (int)ms);
}

static void
turn(struct plugins *p)
{
	serve_signals(p);
	serve_runs(p);
	take_next(p);
	if (bl_mono_ms(p->clock) >= p->own_mono_ms)
		report_own(p);
	start_due(p);
	plugins_outbox_serve(p->outbox);
}

/* Nothing runs on; what is there to be told has a moment. */
static void
wind_up(struct plugins *p)
{
	const int64_t end = bl_mono_ms(p->clock) + STOP_MS;
	size_t waiting;

	for (unsigned i = 0; i < PARALLEL_MAX; i++)
		plugins_run_drop(&p->run[i]);
	(void)plugins_run_sweep(p->run, PARALLEL_MAX);
	while (
	    (waiting = plugins_outbox_count(p->outbox).waiting) > 0 && bl_mono_ms(p->clock) < end) {
		if (plugins_run_reap(p->run, PARALLEL_MAX, 0) > 0)
			(void)plugins_run_sweep(p->run, PARALLEL_MAX);
		serve_signals(p);
		wait_until(p, least(end, plugins_outbox_deadline(p->outbox)));
		plugins_outbox_serve(p->outbox);
	}
	if (waiting > 0)
		bl_warn("plugins", "ends with reports that the agent did not take waiting=%zu",
		    waiting);
	bl_info("plugins", "stopped runs=%" PRIu64, p->runs);
}

static int
open_all(struct plugins *p, struct plugins_conf *conf, struct bl_err *err)
{
	struct bl_id id;
	char hex[BL_ID_HEX_SIZE];
	int rc;

	if ((rc = hold_signals(p, err)) < 0)
		return rc;
	rc =
	    plugins_outbox_open(&p->outbox, conf->socket, (size_t)conf->queue_bytes, p->clock, err);
	if (rc < 0)
		return rc;
	id = bl_id_random(p->clock);
	bl_id_hex(&id, hex);
	memcpy(p->teller.id, hex, 20); /* 80 bits: no other process of this day has them */
	p->teller.ctx = p;
	p->teller.line = line_cb;
	plugins_run_adopt();
	return set_conf(p, conf, err);
}

int
plugins_loop(
    struct plugins_conf *conf, const char *path, const struct bl_clock *clock, struct bl_err *err)
{
	struct plugins *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL) {
		plugins_conf_free(conf);
		return bl_fail(err, BL_ENOMEM, "run plug-ins: out of memory");
	}
	p->clock = clock;
	p->path = path;
	p->signal_fd = -1;
	if ((rc = open_all(p, conf, err)) < 0) {
		plugins_conf_free(conf);
	} else {
		bl_info("plugins", "started checks=%zu", conf->checks.n);
		for (turn(p); !p->stopping; turn(p))
			wait_until(p, deadline(p));
		wind_up(p);
		plugins_conf_free(p->conf);
	}
	plugins_conf_free(p->next);
	plugins_outbox_close(p->outbox);
	if (p->signal_fd >= 0)
		(void)close(p->signal_fd);
	free(p->check);
	free(p);
	return rc;
}
