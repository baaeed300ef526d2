/*
 * The table of inlets, and their life in the loop: opening, trying again, what a reload changes,
 * turns, samples, counters.  Every inlet is a row; nothing else of the agent knows one by name but
 * its status of the step socket, which is older.
 *
 * One that cannot be opened (a port or folder that another has, a file that is wrong) is said in
 * the status and tried again every minute; nothing else depends on it.  Of safe mode: agent_safe.c.
 */
#include "agent_internal.h"

#include <string.h>

#include "inlet_http.h"
#include "drop.h"
#include "inlet_steps.h"
#include "loglines.h"
#include "statsd.h"
#include "scrape.h"

/* A new source goes to scrape_conf.c, too: no exporter is called like it. */
/* clang-format off */
static const struct agent_inlet_row rows[] = {
	/* ops, section, its place, source of reported metrics, reports and bytes under way, safe */
	{ &steps_ops, &steps_conf_section, offsetof(struct config_inlets, steps), "socket", 64, 160 * 1024, true },
	{ &loglines_ops, &loglines_conf_section, offsetof(struct config_inlets, loglines), "loglines", 32, 32 * 1024, false },
	{ &statsd_ops, &statsd_conf_section, offsetof(struct config_inlets, statsd), "statsd", 16, 32 * 1024, false },
	{ &scrape_ops, &scrape_conf_section, offsetof(struct config_inlets, scrape), "scrape", 0, 0, false },
	{ &inlet_http_ops, &inlet_http_conf_section, offsetof(struct config_inlets, http), "http", 64, 64 * 1024, true },
	{ &drop_ops, &drop_conf_section, offsetof(struct config_inlets, drop), "drop", 32, 32 * 1024, false },
};
/* clang-format on */

#define N_ROWS ((unsigned)(sizeof(rows) / sizeof(rows[0])))
_Static_assert(sizeof(rows) / sizeof(rows[0]) <= AGENT_INLETS_MAX, "struct agent has no more room");

/* A report in the queue beside its texts: see spool_post.c. */
#define QUEUED_BYTES (sizeof(struct bl_event) + 256)

size_t
agent_inlets_queue_bytes(void)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < N_ROWS; i++)
		bytes += rows[i].bytes + rows[i].reports * QUEUED_BYTES;
	return bytes;
}

unsigned
agent_inlets_n(void)
{
	return N_ROWS;
}

static const void *
conf_of(const struct config *c, unsigned i)
{
	return (const char *)&c->v->inlets + rows[i].offset;
}

const void *
agent_inlet_conf(const struct agent *a, unsigned i)
{
	return conf_of(a->config, i);
}

/* ---- what an inlet is given ---- */

static void
host_problem(void *ctx, char *out, size_t size)
{
	const struct agent *a = ((struct agent_inlet *)ctx)->agent;
	int64_t still;

	if (a->spool == NULL) {
		(void)snprintf(out, size, "the agent ends");
		return;
	}
	still = bl_mono_ms(a->clock) - spool_thread_turned_mono_ms(a->spool);
	/* The thread turns every 5 s at the latest. */
	if (still > 7000)
		(void)snprintf(
		    out, size, "the disk has not answered for %lld s", (long long)(still / 1000));
	else
		spool_thread_problem(a->spool, out, size);
}

static void
host_flush(void *ctx, int64_t boot_ms)
{
	agent_sink_flush(&((struct agent_inlet *)ctx)->agent->inlet_sink, boot_ms);
}

static void
host_lost(void *ctx, enum bl_stream stream, uint64_t n)
{
	struct agent_inlet *x = ctx;
	struct agent *a = x->agent;
	unsigned swallowed;

	if (n == 0)
		return;
	x->lost += n;
	limits_lost(&a->limits, stream, bl_boot_ms(a->clock));
	if (bl_log_allow(&x->lost_log, bl_mono_ms(a->clock), 3600000, &swallowed))
		bl_warn("inlet",
		    "more came than was taken in: lost, and named in the ledger inlet=%s n=%llu "
		    "suppressed=%u",
		    x->row->ops->name, (unsigned long long)n, swallowed);
}

static void
host_init(struct agent *a, struct agent_inlet *x)
{
	x->host = (struct inlet_host){ .ctx = x,
		.clock = a->clock,
		.state_dir = x->config->v->state_dir,
		.interval_ms = (uint32_t)x->config->v->interval_ms,
		.report = agent_inlet_report,
		.problem = host_problem,
		.sink = &a->inlet_sink.sink,
		.flush = host_flush,
		.lost = host_lost };
}

/* ---- life ---- */

static void
inlet_failed(struct agent_inlet *x, const struct bl_err *err)
{
	const int64_t now = bl_mono_ms(x->agent->clock);
	unsigned swallowed;

	if (strcmp(x->problem, err->msg) != 0)
		x->failed_log = (struct bl_log_limit){ 0 };
	(void)snprintf(x->problem, sizeof(x->problem), "%s", err->msg);
	x->retry_mono_ms = now + AGENT_INLETS_MS;
	if (bl_log_allow(&x->failed_log, now, 3600000, &swallowed))
		bl_error("inlet",
		    "nothing is taken by this inlet, will try again in %d s: %s inlet=%s",
		    AGENT_INLETS_MS / 1000, err->msg, x->row->ops->name);
}

static void
forget_config(struct agent_inlet *x)
{
	config_free(x->config);
	x->config = NULL;
}

static void
open_one(struct agent *a, unsigned i)
{
	struct agent_inlet *x = &a->inlet[i];
	const struct inlet_ops *ops = rows[i].ops;
	struct bl_err err = { 0 };
	int rc;

	x->retry_mono_ms = INT64_MAX;
	x->opening++;
	if (a->safe.active && !rows[i].safe) {
		x->problem[0] = '\0';
		return; /* when safe mode ends, agent_inlets_reload comes */
	}
	x->config = config_keep(a->config);
	host_init(a, x);
	if ((rc = ops->open(&x->in, conf_of(x->config, i), &x->host, &err)) == BL_OK &&
	    x->in != NULL && (x->fd = ops->fd(x->in)) >= 0 &&
	    (rc = agent_watch(a, x->fd, &err)) < 0) {
		ops->close(x->in);
		x->in = NULL;
	}
	if (rc < 0)
		inlet_failed(x, &err);
	else
		x->problem[0] = '\0';
	if (x->in == NULL) {
		x->fd = -1;
		forget_config(x);
	}
}

/* Those of the inlet that is open, or none. */
static unsigned
count_now(const struct agent_inlet *x, struct inlet_count *out)
{
	return x->in == NULL ? 0 : x->row->ops->count(x->in, out);
}

static void
close_one(struct agent_inlet *x)
{
	const struct inlet_ops *ops = x->row->ops;
	struct inlet_count now[INLET_COUNTS_MAX];
	unsigned n;

	if (x->in == NULL)
		return;
	if (ops->finish != NULL)
		ops->finish(x->in);
	ops->serve(x->in); /* the last answers */
	n = count_now(x, now);
	for (unsigned k = 0; k < n; k++) {
		x->counted[k] = now[k];
		x->before[k] += now[k].n;
	}
	x->n_counted = n;
	ops->close(x->in);
	x->in = NULL;
	x->fd = -1;
	forget_config(x);
}

void
agent_inlets_open(struct agent *a)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		struct agent_inlet *x = &a->inlet[i];

		x->agent = a;
		x->row = &rows[i];
		x->fd = -1;
		memset(x->handle, 0xff, sizeof(x->handle)); /* -1 */
		open_one(a, i);
	}
}

void
agent_inlets_finish(struct agent *a)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		const struct agent_inlet *x = &a->inlet[i];

		if (x->in != NULL && x->row->ops->finish != NULL)
			x->row->ops->finish(x->in);
	}
}

void
agent_inlets_close(struct agent *a)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (a->inlet[i].row == NULL)
			continue;
		close_one(&a->inlet[i]);
		agent_inlet_reports_free(&a->inlet[i]);
	}
}

void
agent_inlets_ask_again(struct agent *a)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		struct agent_inlet *x = &a->inlet[i];

		if (rows[i].ops->tick != NULL)
			close_one(x);
		intake_close(x->metrics);
		x->metrics = NULL;
	}
}

/* It goes on with what it has: nothing that concerns it was changed. */
static bool
stays(const struct agent *a, const struct agent_inlet *x, unsigned i)
{
	return x->in != NULL && x->config->v->interval_ms == a->config->v->interval_ms &&
	       config_section_same(rows[i].section, conf_of(x->config, i), conf_of(a->config, i));
}

void
agent_inlets_reload(struct agent *a)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (stays(a, &a->inlet[i], i))
			continue;
		close_one(&a->inlet[i]);
		a->inlet[i].failed_log = (struct bl_log_limit){ 0 }; /* somebody looks */
		open_one(a, i);
	}
}

/* ---- turns ---- */

static void
serve(struct agent_inlet *x)
{
	const struct bl_clock *clock = x->agent->clock;
	const int64_t began = bl_mono_ms(clock);
	int64_t took;

	x->row->ops->serve(x->in);
	took = bl_mono_ms(clock) - began;
	x->longest_ms = took > x->longest_ms ? took : x->longest_ms;
}

bool
agent_inlets_serve(struct agent *a, int fd)
{
	for (unsigned i = 0; i < N_ROWS; i++)
		if (a->inlet[i].in != NULL && a->inlet[i].fd == fd) {
			serve(&a->inlet[i]);
			return true;
		}
	return false;
}

void
agent_inlets_tick(struct agent *a)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		struct agent_inlet *x = &a->inlet[i];
		const int64_t now = bl_mono_ms(a->clock);

		if (x->in == NULL && now >= x->retry_mono_ms)
			open_one(a, i);
		if (x->in != NULL && now >= rows[i].ops->deadline(x->in))
			serve(x);
	}
}

int64_t
agent_inlets_deadline(const struct agent *a)
{
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < N_ROWS; i++) {
		const struct agent_inlet *x = &a->inlet[i];
		const int64_t own = x->in != NULL ? rows[i].ops->deadline(x->in) : x->retry_mono_ms;

		at = own < at ? own : at;
	}
	return at;
}

void
agent_inlets_sample(struct agent *a, int64_t boot_ms)
{
	for (unsigned i = 0; i < N_ROWS; i++)
		if (a->inlet[i].in != NULL && rows[i].ops->tick != NULL)
			rows[i].ops->tick(a->inlet[i].in, boot_ms);
	agent_sink_flush(&a->inlet_sink, boot_ms);
}

/* ---- counters ---- */

unsigned
agent_inlet_count(const struct agent *a, unsigned i, struct inlet_count *out)
{
	const struct agent_inlet *x = &a->inlet[i];
	unsigned n = count_now(x, out);

	if (x->in == NULL) {
		n = x->n_counted;
		memcpy(out, x->counted, n * sizeof(*out));
	}
	for (unsigned k = 0; k < n; k++)
		out[k].n = (x->in != NULL ? out[k].n : 0) + x->before[k];
	return n;
}
