/*
 * What the agent says of itself to the centre: built from a fresh word of the
 * spool after each welcome, and every few minutes while there is a link.
 *
 * A section is one function of the table below; it fills its part of the report
 * and leaves out what is not known.  A report that finds no room in the window is
 * said again soon; one that is lost is made good by the next.
 */
#include "agent_link_internal.h"

#include "branchline/report.h"

#define REPORT_EVERY_MS   300000
#define REPORT_METERED_MS 3600000 /* it is paid for by the byte */
#define REPORT_AGAIN_MS   5000
#define REPORT_APART_MS   1000 /* a centre does not look at one that comes right behind another */

struct report_ctx {
	const struct agent *a;
	const struct spool_thread_status *spool;
};

/* ---- sections ---- */

/* Of the oldest that waits; 0: none, or no time is known for it. */
static uint64_t
age_ms(const struct agent *a, const struct spool_stream_status *s)
{
	const struct bl_clock_segment *map = &a->clockmap.newest;
	int64_t age;

	if (s->waiting_batches == 0 || s->oldest_waiting_unix_ms == 0 ||
	    !clockmap_trusted(&a->clockmap))
		return 0;
	age = bl_boot_ms(a->clock) + map->offset_ms - s->oldest_waiting_unix_ms;
	return age > 0 ? (uint64_t)age : 1;
}

static void
backlog(const struct report_ctx *c, struct bl_report *r)
{
	if (!c->spool->spool_valid)
		return;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const struct spool_stream_status *s = &c->spool->spool.stream[i];

		r->backlog[i] = (struct bl_report_backlog){ .has = true,
			.batches = s->waiting_batches,
			.bytes = s->waiting_bytes,
			.samples = s->open_samples,
			.age_ms = age_ms(c->a, s) };
	}
}

static void
clock_map(const struct report_ctx *c, struct bl_report *r)
{
	agent_clock_report(c->a, &r->clock);
}

static void
link_options(const struct report_ctx *c, struct bl_report *r)
{
	agent_link_report(c->a, &r->link);
}

static void
usage_and_budget(const struct report_ctx *c, struct bl_report *r)
{
	agent_meter_report(c->a, r);
}

static void
sampling(const struct report_ctx *c, struct bl_report *r)
{
	const struct limits *l = &c->a->limits;

	r->sampling = (struct bl_report_sampling){ .has = true,
		.series_refused = limits_refused_now(l),
		.samples_refused = l->refused_samples,
		.results_dropped = l->dropped_results };
	agent_safe_report(c->a, &r->sampling);
}

static void (*const sections[])(const struct report_ctx *c, struct bl_report *r) = {
	backlog,
	clock_map,
	link_options,
	usage_and_budget,
	sampling,
};

/* ---- when ---- */

void
agent_report_want(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);
	const int64_t apart = a->reported_mono_ms + REPORT_APART_MS;

	a->report_mono_ms = a->reported_mono_ms != 0 && apart > now ? apart : now;
}

static bool
may_report(const struct agent *a)
{
	struct uplink_status st;

	if (a->mqtt == NULL || !a->link_up)
		return false;
	delivery_status(a->delivery, &st);
	return st.state == UPLINK_READY;
}

int64_t
agent_report_deadline(const struct agent *a)
{
	return may_report(a) ? a->report_mono_ms : INT64_MAX;
}

void
agent_report_tick(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);

	if (now < a->report_mono_ms || !may_report(a))
		return;
	a->report_mono_ms = now + REPORT_AGAIN_MS; /* until it was said */
	(void)spool_thread_status(a->spool, AGENT_TOKEN_REPORT);
}

void
agent_report_say(struct agent *a, const struct spool_thread_status *st)
{
	struct bl_report r = { .boot = a->boot, .boot_ms = bl_boot_ms(a->clock) };
	const struct report_ctx c = { a, st };
	struct bl_buf b;

	if (!may_report(a) || !st->spool_valid)
		return;
	r.spool = st->spool.spool;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		sections[i](&c, &r);
	bl_buf_init(&b, BL_REPORT_WIRE_MAX);
	if (bl_report_encode(&r, &b) == BL_OK &&
	    link_publish(a, BL_TOPIC_HELLO, &b, false, DELIVERY_TOKEN_OTHER) == BL_OK) {
		a->reported_mono_ms = bl_mono_ms(a->clock);
		a->report_mono_ms = a->reported_mono_ms +
				    (a->meter.budget.metered ? REPORT_METERED_MS : REPORT_EVERY_MS);
	}
	bl_buf_free(&b);
}
