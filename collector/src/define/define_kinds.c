/*
 * The fields of each kind, as tables.  Order matters: what decides (source,
 * kind, function) stands before what depends on it.  README.md tells users the same.
 */
#include "define_internal.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ALWAYS   UINT_MAX
#define DAY_MS   86400000.0

#define KPI(m)     offsetof(struct define_kpi, m)
#define RULE(m)    offsetof(struct define_rule, m)
#define PROCESS(m) offsetof(struct define_process, m)
#define CHANNEL(m) offsetof(struct define_channel, m)
#define ROOM(t, m) sizeof(((struct t *)0)->m)

/* A number that people write: exact enough for money of any currency. */
#define VALUE_MAX 1e15

#define ID_EXPECTED   "an id: a-z, 0-9 and '-', at most 63"
#define NAME_EXPECTED "a name of 1 to 64 bytes"
#define SCOPE_FIELDS(of)                                                                           \
	{ "region", FIELD_TEXT, .offset = of(scope.region), .size = ROOM(define_scope, region),    \
		.dflt = "\"\"", .check = define_region_ok,                                         \
		.expected = "a region of 1 to 255 bytes" },                                        \
	{                                                                                          \
		"sites", FIELD_LIST, .offset = of(scope.site), .second = of(scope.n_sites),        \
				     .size = BL_ID_TEXT_MAX + 1, .max = DEFINE_SITES_MAX,          \
				     .check = bl_id_text_valid, .expected = ID_EXPECTED            \
	}

/* ---- processes --------------------------------------------------------------- */

static void
done_scope(const void *thing, struct bl_expr_scope *out)
{
	(void)thing;
	define_done_scope(out);
}

static const struct define_field process_fields[] = {
	{ "steps", FIELD_LIST, .offset = PROCESS(step), .second = PROCESS(n_steps),
	    .size = BL_NAME_MAX + 1, .max = DEFINE_STEPS_MAX, .check = define_name_ok,
	    .expected = NAME_EXPECTED },
	{ "done", FIELD_EXPR, .offset = PROCESS(done_text), .second = PROCESS(done),
	    .scope = done_scope },
};

/* ---- KPIs ---------------------------------------------------------------------- */

#define SERIES (1u << DEFINE_SERIES)
#define PROBE  (1u << DEFINE_PROBE)
#define STEP   (1u << DEFINE_STEP)
#define CASE   (1u << DEFINE_CASE)

static bool
is_percentile(const void *thing)
{
	return ((const struct define_kpi *)thing)->function == BL_FN_PERCENTILE;
}

static bool
is_share(const void *thing)
{
	return ((const struct define_kpi *)thing)->function == BL_FN_SHARE;
}

static void
where_scope(const void *thing, struct bl_expr_scope *out)
{
	define_expr_scope(((const struct define_kpi *)thing)->source, false, out);
}

static void
condition_scope(const void *thing, struct bl_expr_scope *out)
{
	define_expr_scope(((const struct define_kpi *)thing)->source, true, out);
}

static const struct define_field kpi_fields[] = {
	{ "source", FIELD_CHOICE, .offset = KPI(source), .words = &define_sources, .needed = ALWAYS,
	    .decides = true },
	{ "metric", FIELD_TEXT, .offset = KPI(metric), .size = ROOM(define_kpi, metric),
	    .variants = SERIES | PROBE, .needed = SERIES, .dflt = "\"probe_up\"",
	    .check = define_metric_ok, .expected = "a metric: a-z, 0-9 and '_', at most 64" },
	{ "probe", FIELD_TEXT, .offset = KPI(probe), .size = ROOM(define_kpi, probe),
	    .variants = PROBE, .check = define_label_ok, .expected = "a probe of 1 to 128 bytes" },
	{ "process", FIELD_TEXT, .offset = KPI(process), .size = ROOM(define_kpi, process),
	    .variants = STEP | CASE, .dflt = "\"default\"", .check = bl_id_text_valid,
	    .expected = ID_EXPECTED },
	{ "step", FIELD_TEXT, .offset = KPI(step), .size = ROOM(define_kpi, step), .variants = STEP,
	    .check = define_name_ok, .expected = NAME_EXPECTED },
	{ "where", FIELD_EXPR, .offset = KPI(where_text), .second = KPI(where),
	    .scope = where_scope },
	{ "function", FIELD_CHOICE, .offset = KPI(function), .words = &define_functions,
	    .needed = ALWAYS, .decides = true },
	{ "percentile", FIELD_F64, .offset = KPI(percentile), .min = 0, .max = 100,
	    .needed = ALWAYS, .when = is_percentile },
	{ "condition", FIELD_EXPR, .offset = KPI(condition_text), .second = KPI(condition),
	    .needed = ALWAYS, .when = is_share, .scope = condition_scope },
	{ "resolution", FIELD_CHOICE, .offset = KPI(resolution), .words = &define_windows,
	    .dflt = "\"1m\"" },
	{ "unit", FIELD_TEXT, .offset = KPI(unit), .size = ROOM(define_kpi, unit),
	    .expected = "a unit of 1 to 16 bytes" },
	{ "target", FIELD_F64, .offset = KPI(target), .second = KPI(has_target), .min = -VALUE_MAX,
	    .max = VALUE_MAX },
	{ "good", FIELD_CHOICE, .offset = KPI(good), .words = &define_goods },
	SCOPE_FIELDS(KPI),
};

/* What the agent's prober says of a check. */
static const char *const probe_metrics[] = { "probe_up", "probe_dns_ms", "probe_connect_ms",
	"probe_tls_ms", "probe_first_byte_ms", "probe_transfer_ms", "probe_total_ms",
	"probe_status_code", "probe_body_bytes", "probe_body_match", "probe_certificate_days",
	"probe_answer_match", "probe_dns_records", "probe_dns_ttl_s", "probe_rtt_ms",
	"probe_rtt_min_ms", "probe_rtt_max_ms", "probe_loss_pct", "probe_chain_days",
	"probe_chain_length", "probe_tls_version", NULL };

static void
check_kpi(const void *thing, struct define_errors *errs)
{
	const struct define_kpi *k = thing;

	if (k->source == DEFINE_PROBE && k->metric[0] != '\0' &&
	    (strncmp(k->metric, "probe_", 6) != 0 || k->metric[6] == '\0')) {
		define_fault_text(errs, "metric", k->metric, "a probe's metric: probe_up ...");
		define_suggest(errs, k->metric, probe_metrics);
	}
	if (k->function == BL_FN_RATE && k->source > DEFINE_SERIES)
		define_fault_text(
		    errs, "function", "rate", "another function: only a series can be a counter");
}

static void
derive_kpi(void *thing)
{
	struct define_kpi *k = thing;

	k->quantile = k->percentile / 100;
	k->low_is_good = k->good == DEFINE_GOOD_LOW;
	if (k->source == DEFINE_PROBE || strncmp(k->metric, "probe_", 6) == 0)
		k->stream = BL_STREAM_PROBES;
	else
		k->stream = k->source == DEFINE_SERIES ? BL_STREAM_HOST : BL_STREAM_EVENTS;
}

/* ---- rules --------------------------------------------------------------------- */

#define THRESHOLD (1u << DEFINE_THRESHOLD)
#define CASE_OPEN (1u << DEFINE_CASE_OPEN)
#define NO_DATA   (1u << DEFINE_NO_DATA)

static void
open_case_scope(const void *thing, struct bl_expr_scope *out)
{
	(void)thing;
	define_open_case_scope(out);
}

static const struct define_field rule_fields[] = {
	{ "kind", FIELD_CHOICE, .offset = RULE(kind), .words = &define_rule_kinds, .needed = ALWAYS,
	    .decides = true },
	{ "severity", FIELD_CHOICE, .offset = RULE(severity), .words = &define_severities,
	    .dflt = "\"warning\"" },
	SCOPE_FIELDS(RULE),
	{ "kpi", FIELD_TEXT, .offset = RULE(kpi), .size = ROOM(define_rule, kpi),
	    .variants = THRESHOLD, .needed = ALWAYS, .check = bl_id_text_valid,
	    .expected = "the id of a KPI" },
	{ "window", FIELD_CHOICE, .offset = RULE(window), .words = &define_windows,
	    .variants = THRESHOLD, .needed = ALWAYS },
	{ "op", FIELD_CHOICE, .offset = RULE(op), .words = &define_ops, .variants = THRESHOLD,
	    .needed = ALWAYS },
	{ "value", FIELD_F64, .offset = RULE(value), .min = -VALUE_MAX, .max = VALUE_MAX,
	    .variants = THRESHOLD, .needed = ALWAYS },
	{ "for", FIELD_U32, .offset = RULE(for_windows), .min = 1, .max = 1000,
	    .variants = THRESHOLD, .dflt = "1" },
	{ "completeness", FIELD_F64, .offset = RULE(completeness), .min = 0, .max = 1,
	    .variants = THRESHOLD, .dflt = "0.8" },
	{ "wait", FIELD_U32, .offset = RULE(wait_windows), .min = 0, .max = 1000,
	    .variants = THRESHOLD, .dflt = "2" },
	{ "process", FIELD_TEXT, .offset = RULE(process), .size = ROOM(define_rule, process),
	    .variants = CASE_OPEN, .dflt = "\"default\"", .check = bl_id_text_valid,
	    .expected = ID_EXPECTED },
	{ "limit_ms", FIELD_I64, .offset = RULE(limit_ms), .min = 1000, .max = 90 * DAY_MS,
	    .variants = CASE_OPEN, .needed = ALWAYS },
	{ "where", FIELD_EXPR, .offset = RULE(where_text), .second = RULE(where),
	    .variants = CASE_OPEN, .scope = open_case_scope },
	{ "after_ms", FIELD_I64, .offset = RULE(after_ms), .min = 10000, .max = 90 * DAY_MS,
	    .variants = NO_DATA, .needed = ALWAYS },
	{ "channels", FIELD_LIST, .offset = RULE(channel), .second = RULE(n_channels),
	    .size = BL_ID_TEXT_MAX + 1, .max = DEFINE_CHANNELS_MAX, .check = bl_id_text_valid,
	    .expected = "the id of a channel" },
	{ "tell_end", FIELD_BOOL, .offset = RULE(tell_end), .dflt = "true" },
};

/* ---- channels -------------------------------------------------------------------- */

#define EMAIL   (1u << DEFINE_EMAIL)
#define WEBHOOK (1u << DEFINE_WEBHOOK)

static const struct define_field channel_fields[] = {
	{ "kind", FIELD_CHOICE, .offset = CHANNEL(kind), .words = &define_channel_kinds,
	    .needed = ALWAYS, .decides = true },
	{ "language", FIELD_LANG, .offset = CHANNEL(language),
	    .size = ROOM(define_channel, language), .words = &define_languages,
	    .dflt = "\"zh-CN\"" },
	{ "to", FIELD_LIST, .offset = CHANNEL(to), .second = CHANNEL(n_to),
	    .size = DEFINE_ADDRESS_MAX + 1, .max = DEFINE_TO_MAX, .variants = EMAIL,
	    .needed = ALWAYS, .check = define_mail_ok,
	    .expected = "an e-mail address such as ops@example.com" },
	{ "url", FIELD_TEXT, .offset = CHANNEL(url), .size = ROOM(define_channel, url),
	    .variants = WEBHOOK, .needed = ALWAYS, .check = define_url_ok,
	    .expected = "an https URL of at most 512 bytes (http to this machine itself)" },
};

const struct define_table define_tables[DEFINE_KINDS] = {
	[DEFINE_PROCESS] = { process_fields, COUNT(process_fields), false, NULL, NULL },
	[DEFINE_KPI] = { kpi_fields, COUNT(kpi_fields), true, check_kpi, derive_kpi },
	[DEFINE_RULE] = { rule_fields, COUNT(rule_fields), true, NULL, NULL },
	[DEFINE_CHANNEL] = { channel_fields, COUNT(channel_fields), true, NULL, NULL },
};
