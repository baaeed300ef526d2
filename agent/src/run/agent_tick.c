/*
 * Sampling: the tick, and the results that the prober's thread hands over.
 *
 * The first tick is at the start; then they stand on the monotonic clock, aligned to
 * whole intervals.  A late loop leaves ticks out and never makes up for them in a burst.  What was
 * left out (suspend, SIGSTOP, a stalled machine) becomes a ledger entry "off".
 */
#include "agent_internal.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- samplers ---- */

/* Its part of the configuration is the same as when it was opened. */
static bool
sampler_stays(const struct agent *a, size_t i)
{
	return a->sampler[i] != NULL &&
	       a->sampler_config[i]->v->interval_ms == a->config->v->interval_ms &&
	       config_sampler_same(a->sampler_config[i], a->config, i);
}

static void
sampler_close(struct agent *a, size_t i)
{
	samplers[i]->close(a->sampler[i]);
	a->sampler[i] = NULL;
	config_free(a->sampler_config[i]);
	a->sampler_config[i] = NULL;
}

static void
sampler_open(struct agent *a, size_t i)
{
	struct bl_err err = { 0 };

	if (a->safe.active && !safe_sampler(samplers[i]->kind))
		return;
	if (samplers[i]->open(&a->sampler[i], config_sampler(a->config, i), "",
		(uint32_t)a->config->v->interval_ms, &err) < 0) {
		/* One that cannot begin does not keep the others from it. */
		bl_error("agent", "%s sampler does not start, the others go on: %s",
		    samplers[i]->kind, err.msg);
		a->sampler[i] = NULL;
		return;
	}
	a->sampler_config[i] = config_keep(a->config);
}

void
agent_samplers_open(struct agent *a)
{
	for (size_t i = 0; samplers[i] != NULL && i < CONFIG_SAMPLERS_MAX; i++) {
		if (sampler_stays(a, i))
			continue;
		sampler_close(a, i);
		sampler_open(a, i);
	}
}

void
agent_samplers_close(struct agent *a)
{
	agent_limits_tell(a, true);
	for (size_t i = 0; samplers[i] != NULL && i < CONFIG_SAMPLERS_MAX; i++)
		sampler_close(a, i);
}

static void
sample_all(struct agent *a, int64_t boot_ms)
{
	const int64_t mono = bl_mono_ms(a->clock);
	unsigned swallowed;

	a->sampler_problem[0] = '\0';
	for (size_t i = 0; samplers[i] != NULL && i < CONFIG_SAMPLERS_MAX; i++) {
		struct bl_err err = { 0 };

		if (a->sampler[i] == NULL ||
		    samplers[i]->sample(a->sampler[i], boot_ms, &a->sink.sink, &err) >= 0)
			continue;
		a->sampler_failures++;
		(void)snprintf(a->sampler_problem, sizeof(a->sampler_problem), "%s", err.msg);
		if (bl_log_allow(&a->sampler_log[i], mono, 600000, &swallowed))
			bl_warn(
			    "agent", "a sample is unknown: %s suppressed=%u", err.msg, swallowed);
	}
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static void
put_own(struct agent *a, const char *name, const char *unit, enum bl_series_kind kind, double value)
{
	const struct bl_series_def def = { .stream = BL_STREAM_HOST,
		.kind = kind,
		.interval_ms = (uint32_t)a->config->v->interval_ms,
		.name = str(name),
		.unit = str(unit) };
	const int32_t handle = spool_thread_series(a->spool, &def); /* beside max_series */

	if (handle >= 0)
		a->sink.sink.put(&a->sink, handle, value);
}

/* They exist from the first time that something was refused. */
static void
sample_limits(struct agent *a)
{
	if (a->limits.refused_series > 0)
		put_own(a, "agent_series_refused", "1", BL_GAUGE,
		    (double)limits_refused_now(&a->limits));
	if (a->limits.refused_samples > 0)
		put_own(a, "agent_samples_refused_total", "1", BL_COUNTER,
		    (double)a->limits.refused_samples);
	if (a->limits.dropped_results > 0)
		put_own(a, "agent_probe_results_dropped_total", "1", BL_COUNTER,
		    (double)a->limits.dropped_results);
}

/* The same: from the first time that it was near the ceiling. */
static void
sample_memory(struct agent *a)
{
	if (a->memory.relieved == 0)
		return;
	put_own(a, "agent_memory_ceiling_pct", "pct", BL_GAUGE, memory_pct(&a->memory));
	put_own(a, "agent_memory_relieved_total", "1", BL_COUNTER, (double)a->memory.relieved);
}

/* What only the agent as a whole knows of itself. */
static void
sample_own(struct agent *a)
{
	const struct spool_status *s = &a->spool_status.spool;
	struct inlet_counters steps;
	double waiting = 0;

	sample_limits(a);
	sample_memory(a);
	if (a->safe.counts)
		put_own(a, "agent_safe_mode", "1", BL_GAUGE, a->safe.active);
	if (a->config->v->inlets.steps.enabled) {
		agent_steps_count(a, &steps);
		put_own(a, "agent_step_events", "1", BL_COUNTER,
		    (double)(steps.accepted + steps.repeated));
		put_own(a, "agent_step_refused", "1", BL_COUNTER,
		    (double)(steps.bad_lines + steps.not_stored + steps.late));
	}
	agent_inlets_put_own(a);
	if (!a->spool_status_known || !a->spool_status.spool_valid)
		return;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		waiting += (double)s->stream[i].waiting_batches;
	put_own(a, "agent_spool_bytes", "bytes", BL_GAUGE, (double)s->file_bytes);
	put_own(a, "agent_waiting_batches", "1", BL_GAUGE, waiting);
}

/* ---- memory ---- */

void
agent_memory_apply(struct agent *a)
{
	struct bl_err err = { 0 };

	if (memory_ceiling(&a->memory, a->config->v->max_memory, &err) < 0)
		bl_error("agent", "max_memory is not in force, the rest goes on: %s", err.msg);
}

/* What can be done without: it costs time later, and no data. */
static void
look_at_memory(struct agent *a)
{
	struct memory *m = &a->memory;
	const bool was_high = m->high;

	memory_look(m);
	if (m->ceiling_bytes == 0) {
		m->high = false;
		return;
	}
	if (!memory_judge(m, memory_used(), bl_mono_ms(a->clock)))
		return;
	prober_forget_sessions(a->prober);
	spool_thread_shrink(a->spool);
	(void)malloc_trim(0);
	if (!was_high)
		bl_warn("agent", "memory is near its ceiling used_kib=%llu ceiling_kib=%llu",
		    (unsigned long long)m->used_bytes / 1024,
		    (unsigned long long)m->ceiling_bytes / 1024);
}

/* ---- the tick ---- */

void
agent_tick_align(struct agent *a)
{
	const int64_t interval = a->config->v->interval_ms;

	a->next_tick_mono_ms = (bl_mono_ms(a->clock) / interval + 1) * interval;
}

/* The time in which nobody sampled, for both streams that tick. */
static void
name_missed(struct agent *a, int64_t from_boot_ms, int64_t to_boot_ms)
{
	static const enum bl_stream streams[] = { BL_STREAM_HOST, BL_STREAM_PROBES };
	struct bl_gap gap = { .reason = BL_GAP_OFF,
		.begin_boot = a->boot,
		.begin_boot_ms = from_boot_ms,
		.end_boot = a->boot,
		.end_boot_ms = to_boot_ms };

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		gap.stream = streams[i];
		(void)spool_thread_gap(a->spool, &gap);
	}
	bl_warn("agent",
	    "nothing was sampled for a while (suspended, stopped or overloaded) ms=%lld",
	    (long long)(to_boot_ms - from_boot_ms));
}

void
agent_tick(struct agent *a)
{
	const int64_t interval = a->config->v->interval_ms;
	const int64_t boot_ms = bl_boot_ms(a->clock);
	const int64_t probes_from_ms = prober_open_from_ms(a->prober); /* before their results */

	/* Boot time goes on in suspend, when the monotonic clock of the schedule stands. */
	if (boot_ms - a->last_tick_boot_ms >= 2 * interval + 1000) {
		a->missed_ticks += (uint64_t)((boot_ms - a->last_tick_boot_ms) / interval) - 1;
		name_missed(a, a->last_tick_boot_ms, boot_ms - interval);
	}
	a->last_tick_boot_ms = boot_ms;
	a->ticks++;
	look_at_memory(a);
	agent_probe_results(a);
	a->sink.n = 0;
	a->sink.stream = BL_STREAM_HOST;
	sample_all(a, boot_ms);
	sample_own(a);
	agent_sink_flush(&a->sink, boot_ms);
	agent_inlets_sample(a, boot_ms);
	agent_limits_tell(a, false);
	/* Full: it commits by itself within a second. */
	agent_meter_tick(a);
	(void)spool_thread_commit_probes(a->spool, boot_ms, probes_from_ms);
	agent_tick_align(a);
}

void
agent_tick_first(struct agent *a)
{
	const int64_t interval = a->config->v->interval_ms;

	a->last_tick_boot_ms = bl_boot_ms(a->clock);
	agent_tick(a);
	/* Percentages of a moment would say nothing of the machine. */
	if (a->next_tick_mono_ms - bl_mono_ms(a->clock) < interval / 4)
		a->next_tick_mono_ms += interval;
}

/* ---- probes ---- */

int
agent_probes_start(struct agent *a, struct bl_err *err)
{
	const struct bl_conf_list *probes = &a->config->v->probes;
	int rc;

	a->n_probes = a->safe.active ? 0 : probes->n;
	a->next_results_mono_ms = INT64_MAX;
	current_probes(a->current, a->n_probes > 0 ? probes : NULL);
	if (a->n_probes == 0)
		return BL_OK;
	a->next_results_mono_ms = bl_mono_ms(a->clock) + AGENT_RESULTS_MS;
	a->probe_state = calloc(probes->n, sizeof(*a->probe_state));
	if (a->probe_state == NULL || !agent_results_room(&a->results, probe_points_most(probes)))
		return bl_fail(err, BL_ENOMEM, "start probes: out of memory");
	for (size_t i = 0; i < probes->n; i++)
		probe_state_init(&a->probe_state[i], &((const struct probe_conf *)probes->item)[i]);
	a->probes_config = config_keep(a->config);
	a->results_boot_ms = bl_boot_ms(a->clock);
	if ((rc = prober_start(
		 &a->prober, probes, a->clock, agent_results_put, &a->results, err)) == BL_OK)
		prober_clock_wrong(a->prober, agent_clock_wrong(a));
	return rc;
}

bool
agent_probes_stay(const struct agent *a)
{
	return a->prober != NULL && !a->safe.active &&
	       config_probes_same(a->probes_config, a->config);
}

void
agent_probes_stop(struct agent *a)
{
	prober_stop(a->prober);
	a->prober = NULL;
	agent_probe_results(a);
	current_probes(a->current, NULL);
	free(a->probe_state);
	a->probe_state = NULL;
	a->n_probes = 0;
	config_free(a->probes_config);
	a->probes_config = NULL;
}

/* In the log, in the ledger, as a series, and in what the device says of itself. */
static void
name_dropped(struct agent *a)
{
	const int64_t boot_ms = bl_boot_ms(a->clock);
	const uint64_t n = agent_results_dropped(&a->results) - a->limits.dropped_results;
	unsigned swallowed;

	if (n > 0)
		limits_results(&a->limits, n, a->results_boot_ms, boot_ms);
	if (n > 0 && bl_log_allow(&a->dropped_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_warn("agent",
		    "results of probes were dropped: more came than were taken in n=%llu "
		    "suppressed=%u",
		    (unsigned long long)n, swallowed);
	a->results_boot_ms = boot_ms;
}

void
agent_probe_results(struct agent *a)
{
	struct probe_result r;
	uint64_t count;

	a->next_results_mono_ms =
	    a->n_probes > 0 ? bl_mono_ms(a->clock) + AGENT_RESULTS_MS : INT64_MAX;
	(void)!read(a->results.fd, &count, sizeof(count)); /* EAGAIN: nothing was counted */
	while (agent_results_take(&a->results, &r)) {
		if (r.probe >= a->n_probes)
			continue; /* of a list that a reload replaced */
		a->sink.n = 0;
		a->sink.stream = BL_STREAM_PROBES;
		probe_result_put(&r, &a->probe_state[r.probe], &a->sink.sink);
		agent_sink_flush(&a->sink, r.boot_ms);
		current_result(a->current, &r);
	}
	name_dropped(a);
}
