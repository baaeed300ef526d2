/*
 * What the daemon says of itself: one JSON object.  Health is judged here, by
 * what a person who is responsible for this machine would want to act on.
 */
#include "agent_internal.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "inlet_steps.h"
#include "status.h"
#include "status_meter.h"

#define CLOCK_DOUBT_MS 60000  /* minutes are wrong from there on */
#define QUIET_MS       180000 /* no receipt for so long, with data waiting, is worth a word */

json_t *
agent_text_or_null(const char *text)
{
	/* Reasons come from other machines, too: not always UTF-8. */
	json_t *s = text[0] != '\0' ? json_string(text) : json_null();

	return s != NULL ? s : json_string("(a reason that is no text)");
}

static void reason(json_t *reasons, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* code: one word for programs, and for words of other languages (local_words.c: "health.CODE"). */
static void
reason(json_t *reasons, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(
	    reasons, json_pack("{s:s,s:o}", "code", code, "text", agent_text_or_null(text)));
}

static const char *
link_state(const struct agent *a, const struct bl_mqtt_stats *st)
{
	if (a->mqtt == NULL)
		return "unusable";
	switch (st->state) {
	case BL_MQTT_UP:
		return "up";
	case BL_MQTT_CONNECTING:
		return "connecting";
	case BL_MQTT_WAITING:
		return "waiting";
	case BL_MQTT_STOPPED:
		break;
	}
	return "stopped";
}

static json_t *
link_json(const struct agent *a, const struct bl_mqtt_stats *st)
{
	const struct config_broker *b = &a->config->v->broker;
	const int64_t now = bl_mono_ms(a->clock);
	const bool up = a->mqtt != NULL && st->state == BL_MQTT_UP;
	const char *why = a->mqtt == NULL ? a->mqtt_problem : up ? "" : st->why;
	const int64_t retry = a->mqtt == NULL ? a->mqtt_retry_mono_ms : a->retry_at_mono_ms;
	const struct bl_link_report *r = a->mqtt != NULL ? bl_mqtt_link_report(a->mqtt) : NULL;

	return json_pack("{s:s,s:o,s:s,s:I,s:s,s:o,s:o,s:o,s:s,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
	    "state", link_state(a, st), "since_unix_ms",
	    a->mqtt != NULL ? json_integer(bl_unix_ms(a->clock) - (now - st->since_mono_ms))
			    : json_null(),
	    "host", b->host, "port", (json_int_t)b->port, "transport",
	    config_transports[b->transport], "proxy",
	    agent_text_or_null(b->proxy.url != NULL ? b->proxy.url : ""), "address",
	    agent_text_or_null(up && r != NULL ? r->peer : ""), "why", agent_text_or_null(why),
	    "fault", a->mqtt == NULL ? "files" : bl_link_fault_name(up ? BL_FAULT_NONE : st->fault),
	    "retry_in_ms",
	    !up && retry >= 0 ? json_integer(retry > now ? retry - now : 0) : json_null(),
	    "connects", (json_int_t)st->connects, "attempts", (json_int_t)st->attempts,
	    "sent_bytes", (json_int_t)st->wire_out_bytes, "received_bytes",
	    (json_int_t)st->wire_in_bytes, "mailbox_dropped", (json_int_t)st->mailbox_dropped,
	    "bad_messages", (json_int_t)a->bad_messages, "rival_returns_per_hour",
	    (json_int_t)a->rival_returns);
}

static json_t *
uplink_json(const struct agent *a, const struct uplink_status *u)
{
	static const char *const verdicts[] = { "ok", "conflict", "retired" };
	const int64_t wall = bl_unix_ms(a->clock) - bl_mono_ms(a->clock);

	return json_pack("{s:s,s:I,s:s,s:i,s:i,s:I,s:I,s:I,s:o,s:I,s:I,s:I,s:I,s:o}", "state",
	    uplink_state_name(u->state), "since_unix_ms", (json_int_t)(u->since_mono_ms + wall),
	    "verdict", verdicts[u->verdict < 3 ? u->verdict : 0], "window", (int)u->window,
	    "in_flight", (int)u->in_flight, "in_flight_bytes", (json_int_t)u->in_flight_bytes,
	    "credit_bytes_per_s", (json_int_t)u->credit_bytes_per_s, "rate_bytes_per_s",
	    (json_int_t)u->rate_bytes_per_s, "last_receipt_unix_ms",
	    u->last_receipt_mono_ms >= 0 ? json_integer(u->last_receipt_mono_ms + wall)
					 : json_null(),
	    "published", (json_int_t)u->published, "receipted", (json_int_t)u->receipted, "overdue",
	    (json_int_t)u->overdue, "hellos", (json_int_t)u->hellos, "refused_reason",
	    u->refused_reason != 0 ? json_integer(u->refused_reason) : json_null());
}

static json_t *
clock_json(const struct agent *a)
{
	const struct clockmap *m = &a->clockmap;
	const bool known = clockmap_trusted(m);
	const int64_t now = bl_boot_ms(a->clock);

	return json_pack("{s:b,s:s,s:o,s:b,s:b,s:I,s:b,s:o,s:o,s:o,s:I,s:b,s:o}", "trusted", known,
	    "source", clockmap_source_name(known ? m->source : BL_CLOCK_UNTRUSTED),
	    "uncertainty_ms", known ? json_integer(clockmap_doubt_ms(m, now)) : json_null(),
	    "kernel_synced", m->synced, "before_known_time", a->clock_floor_broken, "floor_unix_ms",
	    (json_int_t)a->clock_floor_unix_ms, "floor_by_certificate", a->clock_floor_lifted,
	    "measured_ms_ago", known ? json_integer(now - m->measured_boot_ms) : json_null(),
	    "wall_less_known_ms", known ? json_integer(clockmap_wall_less_map_ms(m)) : json_null(),
	    "drift_ppb", m->rate_known ? json_integer(clockmap_drift_ppb(m)) : json_null(), "steps",
	    (json_int_t)m->steps, "wild", m->wild, "centre_less_wall_ms",
	    m->disagrees ? json_integer(m->centre_less_wall_ms) : json_null());
}

static json_t *
sampling_json(const struct agent *a)
{
	const struct limits *l = &a->limits;

	return json_pack("{s:I,s:I,s:I,s:I,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "interval_ms",
	    (json_int_t)a->config->v->interval_ms, "ticks", (json_int_t)a->ticks, "missed_ticks",
	    (json_int_t)a->missed_ticks, "failures", (json_int_t)a->sampler_failures, "problem",
	    agent_text_or_null(a->sampler_problem), "probes", (json_int_t)a->n_probes,
	    "probe_results_dropped", (json_int_t)a->limits.dropped_results, "refused_samples",
	    (json_int_t)l->refused_samples, "series",
	    (json_int_t)spool_thread_series_count(a->spool), "max_series",
	    (json_int_t)a->config->v->max_series, "refused_series",
	    (json_int_t)limits_refused_now(l), "newest_refused_series",
	    agent_text_or_null(l->newest));
}

static json_t *
memory_json(const struct agent *a)
{
	const struct memory *m = &a->memory;

	return json_pack("{s:o,s:I,s:b,s:I,s:I}", "ceiling_bytes",
	    m->ceiling_bytes > 0 ? json_integer((json_int_t)m->ceiling_bytes) : json_null(),
	    "used_bytes", (json_int_t)m->used_bytes, "high", m->high, "relieved",
	    (json_int_t)m->relieved, "left_out", (json_int_t)m->failed);
}

static void
judge_memory(const struct agent *a, json_t *reasons)
{
	const struct memory *m = &a->memory;

	if (memory_short(m, bl_mono_ms(a->clock)))
		reason(reasons, "memory_short",
		    "no memory: %" PRIu64
		    " samples or events were left out (in the ledger); raise max_memory, or "
		    "sample less",
		    m->failed);
	else if (m->high)
		reason(reasons, "memory_high",
		    "the agent uses %u %% of the memory that max_memory lets it have (%" PRIu64
		    " of %" PRIu64 " KiB): raise it, or sample less",
		    memory_pct(m), m->used_bytes / 1024, m->ceiling_bytes / 1024);
}

static json_t *
safe_json(const struct agent *a)
{
	const int64_t left = a->safe.until_mono_ms - bl_mono_ms(a->clock);

	return json_pack("{s:b,s:o,s:b}", "active", a->safe.active, "ends_in_ms",
	    a->safe.active ? json_integer(left > 0 ? left : 0) : json_null(), "starts_counted",
	    a->safe.counts);
}

static json_t *
steps_json(const struct agent *a)
{
	const struct steps_conf *conf = &a->config->v->inlets.steps;
	struct inlet_counters n;

	agent_steps_count(a, &n);
	return json_pack("{s:b,s:s,s:o,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "enabled", conf->enabled,
	    "socket", conf->socket, "problem", agent_text_or_null(agent_steps_problem(a)),
	    "clients", (int)n.clients, "accepted", (json_int_t)n.accepted, "repeated",
	    (json_int_t)n.repeated, "bad_lines", (json_int_t)n.bad_lines, "not_stored",
	    (json_int_t)n.not_stored, "late", (json_int_t)n.late, "refused_clients",
	    (json_int_t)n.refused_clients, "idle_clients", (json_int_t)n.idle_clients);
}

static json_t *
local_json(const struct agent *a)
{
	const struct config_local *conf = &a->config->v->local;
	struct local_counters n = { 0 };

	if (a->local != NULL)
		local_count(a->local, &n);
	return json_pack("{s:o,s:o,s:i,s:I,s:I,s:I}", "listen",
	    agent_text_or_null(conf->listen != NULL ? conf->listen : ""), "problem",
	    agent_text_or_null(a->local_problem), "clients", (int)n.clients, "answers",
	    (json_int_t)n.answers, "refused", (json_int_t)n.refused, "busy", (json_int_t)n.busy);
}

static void
judge_link(const struct agent *a, const struct bl_mqtt_stats *st, const struct uplink_status *u,
    json_t *reasons)
{
	if (a->mqtt == NULL)
		reason(reasons, "link_none", "no connection can be made: %s",
		    a->mqtt_problem[0] != '\0' ? a->mqtt_problem : "just started");
	else if (st->state != BL_MQTT_UP)
		reason(reasons, "link_down", "not connected to the broker: %s",
		    st->why[0] != '\0' ? st->why : "the first attempt is under way");
	else if (u->state == UPLINK_REFUSED && u->verdict == BL_VERDICT_RETIRED)
		reason(reasons, "retired", "the collector takes nothing: this device was retired");
	else if (u->state == UPLINK_REFUSED)
		reason(reasons, "copied",
		    "the collector takes nothing: this spool belongs to another device "
		    "(a copied disk image?)");
	else if (u->state != UPLINK_READY)
		reason(reasons, "centre_silent",
		    "connected to the broker, but the collector has not answered yet");
	if (u->refused_reason != 0)
		reason(reasons, "broker_refuses",
		    "the broker refuses messages of this device (MQTT reason %d): part or id "
		    "differ "
		    "from its certificate",
		    u->refused_reason);
}

static void
judge_disk(const struct agent *a, const struct spool_thread_status *st, json_t *reasons)
{
	char words[400];

	if (!st->committing && st->trouble != SPOOL_FINE) {
		agent_disk_words(a, st, words, sizeof(words));
		reason(reasons, "disk", "%s", words);
	} else if (st->problem[0] != '\0') {
		reason(reasons, "spool", "the spool: %s", st->problem);
	} else if (st->spool_valid && st->spool.reserve_gone) {
		reason(reasons, "disk_reserve",
		    "the disk is (nearly) full: the reserve that the spool kept for this is in "
		    "use; "
		    "make room in %s",
		    a->config->v->state_dir);
	}
	if (st->recovery.running)
		reason(reasons, "spool_recovering",
		    "a damaged spool was set aside as %s/%s; what can be read of it is being "
		    "recovered (%u %%), the rest will be named in the ledger",
		    a->config->v->state_dir, st->aside, st->recovery.pct);
}

static void
judge_spool(const struct agent *a, const struct spool_thread_status *st,
    const struct uplink_status *u, json_t *reasons)
{
	const int64_t quiet = bl_mono_ms(a->clock) - u->last_receipt_mono_ms;
	uint64_t waiting = 0;

	judge_disk(a, st, reasons);
	if (!st->spool_valid)
		return;
	/* What a budget holds back waits as it should. */
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((a->meter.held >> i & 1) == 0)
			waiting += st->spool.stream[i].waiting_batches;
	if (u->state == UPLINK_READY && waiting > 0 && quiet > QUIET_MS)
		reason(reasons, "no_receipt",
		    "no receipt for %" PRId64 " s, %" PRIu64 " batches wait", quiet / 1000,
		    waiting);
	if (st->spool.file_bytes * 10 > st->spool.max_bytes * 9 && waiting > 0)
		reason(reasons, "spool_nearly_full",
		    "the spool is over 90 %% full: the oldest data will be dropped");
	if (st->refused_events > 0 || st->refused_samples > 0)
		reason(reasons, "disk_slow",
		    "the disk is too slow: %" PRIu64 " samples, %" PRIu64
		    " events were refused (in the ledger)",
		    st->refused_samples, st->refused_events);
}

static void
judge_clock(const struct agent *a, json_t *reasons)
{
	const struct clockmap *m = &a->clockmap;
	const uint32_t doubt = clockmap_doubt_ms(m, bl_boot_ms(a->clock));

	if (!clockmap_trusted(m))
		reason(reasons, "clock_unknown",
		    "the clock is not known: no time synchronisation, and no answer "
		    "of the collector yet");
	else if (doubt > CLOCK_DOUBT_MS)
		reason(reasons, "clock_doubt",
		    "nobody has told this machine the time for %" PRId64
		    " h: times are uncertain by %u s",
		    (bl_boot_ms(a->clock) - m->measured_boot_ms) / 3600000, doubt / 1000);
	if (m->wild)
		reason(reasons, "clock_wild",
		    "the machine's clock stands, or runs at a wrong speed; it is not "
		    "used");
	if (m->disagrees)
		reason(reasons, "clock_disagrees",
		    "the time service of this machine and the centre disagree by %" PRId64 " s",
		    m->centre_less_wall_ms / 1000);
}

static json_t *
texts_of(const json_t *reasons)
{
	json_t *texts = json_array();

	for (size_t i = 0; i < json_array_size(reasons); i++)
		(void)json_array_append(texts, json_object_get(json_array_get(reasons, i), "text"));
	return texts;
}

static json_t *
health_json(const struct agent *a, const struct bl_mqtt_stats *m, const struct uplink_status *u,
    const struct spool_thread_status *st)
{
	json_t *reasons = json_array();

	if (a->safe.active)
		reason(reasons, "safe_mode",
		    "safe mode: the last %u starts ended before three minutes, so nothing is "
		    "probed "
		    "and little is sampled; all of it is tried again in %lld min, or at once after "
		    "a "
		    "reload or restart",
		    SAFE_STARTS,
		    (long long)((a->safe.until_mono_ms - bl_mono_ms(a->clock)) / 60000 + 1));
	judge_link(a, m, u, reasons);
	judge_spool(a, st, u, reasons);
	judge_clock(a, reasons);
	if (a->sampler_problem[0] != '\0')
		reason(reasons, "sample_unknown", "a sample is unknown: %s", a->sampler_problem);
	if (limits_refused_now(&a->limits) > 0)
		reason(reasons, "series_refused",
		    "%u series are refused and not sampled, the newest is %s: raise max_series, or "
		    "shorten names and labels",
		    limits_refused_now(&a->limits), a->limits.newest);
	judge_memory(a, reasons);
	if (agent_steps_problem(a)[0] != '\0')
		reason(reasons, "steps_closed", "no steps of processes are taken: %s",
		    agent_steps_problem(a));
	for (unsigned i = 0; i < agent_inlets_n(); i++)
		if (a->inlet[i].row->ops != &steps_ops && a->inlet[i].problem[0] != '\0')
			reason(reasons, "inlet_closed", "nothing is taken by inlets.%s: %s",
			    a->inlet[i].row->ops->name, a->inlet[i].problem);
	if (a->local_problem[0] != '\0')
		reason(reasons, "local_closed", "no status page and no /metrics: %s",
		    a->local_problem);
	return json_pack("{s:s,s:o,s:o}", "state",
	    json_array_size(reasons) == 0 ? "healthy" : "degraded", "reasons", texts_of(reasons),
	    "problems", reasons);
}

static json_t *
spool_json(const struct spool_thread_status *st)
{
	json_t *spool = st->spool_valid ? status_spool_json(&st->spool) : json_object();
	const struct spool_recovery *r = &st->recovery;
	json_t *more = json_pack(
	    "{s:b,s:s,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:o,s:{s:b,s:i,s:i,s:i,s:I}}", "committing",
	    st->committing, "disk", status_trouble_name(st->committing ? SPOOL_FINE : st->trouble),
	    "problem", agent_text_or_null(st->problem), "failing_since_unix_ms",
	    st->failing_since_unix_ms > 0 ? json_integer(st->failing_since_unix_ms) : json_null(),
	    "memory_bytes", (json_int_t)st->memory_bytes, "memory_max", (json_int_t)st->memory_max,
	    "refused_samples", (json_int_t)st->refused_samples, "refused_events",
	    (json_int_t)st->refused_events, "replaced", (json_int_t)st->replaced, "set_aside",
	    agent_text_or_null(st->aside), "recovery", "running", r->running, "percent",
	    (int)r->pct, "batches", (int)r->batches, "unreadable_batches", (int)r->lost,
	    "open_samples", (json_int_t)r->samples);

	(void)json_object_update(spool, more);
	json_decref(more);
	return spool;
}

static json_t *
meter_json(const struct agent *a)
{
	const struct config_metered *m = &a->config->v->metered;
	const struct config_metered_class *conf[BL_STREAMS] = { &m->classes.events,
		&m->classes.probes, &m->classes.host };
	struct agent_meter_state s;
	struct status_budget b;

	agent_meter_say(a, &s);
	b = (struct status_budget){ .bytes_per_hour = m->bytes_per_hour,
		.window_ms = s.window_ms,
		.ends_in_ms = s.ends_in_ms,
		.window_bytes = s.window_bytes,
		.used_bytes = s.used_bytes };
	for (unsigned i = 0; i < BL_STREAMS; i++)
		b.class[i] =
		    (struct status_budget_class){ .bytes_per_hour = conf[i]->bytes_per_hour,
			    .hours = conf[i]->hours,
			    .used_bytes = s.class_bytes[i],
			    .held = (s.held >> i & 1) != 0,
			    .opens_in_ms = s.class_opens_in_ms[i] };
	return json_pack("{s:s,s:o,s:o}", "zone", s.zone, "budget",
	    s.metered ? status_budget_json(&b) : json_null(), "months",
	    status_usage_json(&s.usage));
}

char *
agent_status_text(const struct agent *a, const struct spool_thread_status *st)
{
	struct bl_mqtt_stats m = { 0 };
	struct uplink_status u;
	/* By today's clock: the one of the start may have been wrong. */
	const int64_t started = bl_unix_ms(a->clock) - (bl_mono_ms(a->clock) - a->started_mono_ms);
	json_t *all;
	char *text;

	if (a->mqtt != NULL)
		bl_mqtt_stats(a->mqtt, &m);
	delivery_status(a->delivery, &u);
	all = json_pack("{s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:s,s:s,s:I,"
			"s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
	    "daemon", "running", "software", BL_VERSION, "device", a->config->v->device.id, "site",
	    a->config->v->device.site, "pid", (int)getpid(), "started_unix_ms", (json_int_t)started,
	    "now_unix_ms", (json_int_t)bl_unix_ms(a->clock), "config_file", a->config->path,
	    "config_hash", a->config->hash, "config_loaded_unix_ms",
	    (json_int_t)a->config_loaded_unix_ms, "link", link_json(a, &m), "uplink",
	    uplink_json(a, &u), "spool", spool_json(st), "clock", clock_json(a), "sampling",
	    sampling_json(a), "memory", memory_json(a), "steps", steps_json(a), "inlets",
	    agent_inlets_json(a), "local", local_json(a), "gaps",
	    status_gaps_json(st->gap, st->n_gaps), "safe_mode", safe_json(a), "meter",
	    meter_json(a), "health", health_json(a, &m, &u, st));
	text = all != NULL ? json_dumps(all, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
	json_decref(all);
	return text;
}
