/*
 * The sinks between samplers, probes and inlets on one side and the spool on the other: series,
 * samples and events go in, what has no room is counted and named.
 */
#include "agent_internal.h"

#include <stdlib.h>
#include <string.h>

/* Samples or events that were left out for want of memory. */
static void
no_memory(struct agent *a, enum bl_stream stream, uint32_t n)
{
	const int64_t boot_ms = bl_boot_ms(a->clock), mono = bl_mono_ms(a->clock);
	unsigned swallowed;

	for (uint32_t i = 0; i < n; i++)
		limits_sample(&a->limits, stream, boot_ms);
	memory_failed(&a->memory, n, mono);
	if (bl_log_allow(&a->memory_log, mono, 600000, &swallowed))
		bl_warn("agent",
		    "no memory: samples or events are left out, and named in the ledger "
		    "suppressed=%u",
		    swallowed);
}

/* Counted, in the log, in the ledger (tell_limits), in status, and as series of the agent's own. */
static void
series_refused(struct agent *a, const struct bl_series_def *def, int32_t why)
{
	const int64_t boot_ms = bl_boot_ms(a->clock);
	unsigned swallowed;

	if (why == BL_ENOMEM) { /* it is asked for again at the next tick */
		no_memory(a, def->stream, 1);
		return;
	}
	limits_series(&a->limits, def, boot_ms);
	if (bl_log_allow(&a->limits_log, bl_mono_ms(a->clock), 600000, &swallowed))
		bl_warn("agent",
		    "a series is refused, it will not be sampled: %s: %s suppressed=%u",
		    a->limits.newest,
		    why == BL_EFULL ? "there are max_series already"
				    : "its name, unit or a label is too long, or not valid",
		    swallowed);
}

/* A tenth is for the agent's own: who reports much is not to keep a new disk from being seen. */
static uint32_t
series_max(const struct agent_sink *s)
{
	const int64_t max = s->agent->config->v->max_series;

	return (uint32_t)(s == &s->agent->inlet_sink ? max - max / 10 : max);
}

static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	struct agent *a = ((struct agent_sink *)ctx)->agent;
	int32_t handle;

	if (a->spool == NULL) /* the agent ends */
		return BL_EFULL;
	if ((handle = spool_thread_series_within(a->spool, def, series_max(ctx))) < 0)
		series_refused(a, def, handle);
	return handle;
}

static void
sink_add(struct agent_sink *s, int32_t handle, double value, enum bl_unknown unknown)
{
	struct spool_thread_sample *grown;

	if (s->n == s->size) {
		const uint32_t size = s->size == 0 ? 256 : s->size * 2;

		if (size > AGENT_SAMPLES_MAX) {
			limits_sample(&s->agent->limits, s->stream, bl_boot_ms(s->agent->clock));
			return;
		}
		if ((grown = realloc(s->sample, size * sizeof(*grown))) == NULL) {
			no_memory(s->agent, s->stream, 1);
			return;
		}
		s->sample = grown;
		s->size = size;
	}
	s->sample[s->n++] = (struct spool_thread_sample){
		.handle = handle, .unknown = (uint8_t)unknown, .value = value
	};
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	sink_add(ctx, handle, value, BL_KNOWN);
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	sink_add(ctx, handle, 0, reason);
}

static void
sink_left_out(void *ctx, const char *name, unsigned n)
{
	struct agent *a = ((struct agent_sink *)ctx)->agent;
	unsigned swallowed;

	limits_left_out(&a->limits, ((struct agent_sink *)ctx)->stream, bl_boot_ms(a->clock));
	if (bl_log_allow(&a->left_out_log, bl_mono_ms(a->clock), 3600000, &swallowed))
		bl_warn("agent", "a sampler's limit leaves things out: %s=%u suppressed=%u", name,
		    n, swallowed);
}

static void
sink_event(void *ctx, const struct bl_event *ev)
{
	struct agent_sink *s = ctx;

	/* A full queue is counted and named in the ledger by the spool thread. */
	if (spool_thread_event(s->agent->spool, ev, 0) == BL_ENOMEM)
		no_memory(s->agent, BL_STREAM_EVENTS, 1);
}

static void
sink_init(struct agent *a, struct agent_sink *s)
{
	s->agent = a;
	s->stream = BL_STREAM_HOST;
	s->sink = (struct sample_sink){ .ctx = s,
		.declare = sink_declare,
		.put = sink_put,
		.unknown = sink_unknown,
		.left_out = sink_left_out,
		.event = sink_event };
}

int
agent_sink_init(struct agent *a)
{
	sink_init(a, &a->sink);
	sink_init(a, &a->inlet_sink);
	a->inlet_sink.sink.event = NULL; /* theirs are reports */
	return BL_OK;
}

void
agent_limits_tell(struct agent *a, bool ending)
{
	struct bl_gap gap;

	while (a->spool != NULL &&
	       limits_due(&a->limits, &a->boot, bl_boot_ms(a->clock), ending, &gap))
		if (spool_thread_gap(a->spool, &gap) < 0) {
			limits_untold(&a->limits, &gap);
			break;
		}
}

void
agent_sink_flush(struct agent_sink *s, int64_t boot_ms)
{
	struct agent *a = s->agent;

	if (s->n == 0 || a->spool == NULL)
		return;
	current_put(a->current, boot_ms, s->sample, s->n);
	/* Full: the spool thread names it. */
	if (spool_thread_append(a->spool, s->stream, boot_ms, s->sample, s->n) == BL_ENOMEM)
		no_memory(a, s->stream, s->n);
	s->n = 0;
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

void
agent_event(struct agent *a, const char *type, const struct agent_attr *attrs)
{
	struct bl_event ev = { .boot_ms = bl_boot_ms(a->clock), .type = str(type) };

	for (; attrs != NULL && attrs->key != NULL && ev.n_attrs < BL_ATTRS_MAX; attrs++) {
		struct bl_attr *attr = &ev.attr[ev.n_attrs++];

		attr->key = str(attrs->key);
		attr->type = attrs->text != NULL ? BL_ATTR_TEXT : BL_ATTR_NUMBER;
		if (attrs->text != NULL)
			attr->text = str(attrs->text);
		attr->number = attrs->number;
	}
	if (spool_thread_event(a->spool, &ev, 0) == BL_ENOMEM)
		no_memory(a, BL_STREAM_EVENTS, 1);
}
