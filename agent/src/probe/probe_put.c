/*
 * A result as samples and events.  Pure but for the sink; the sink's thread.
 */
#include "probe_internal.h"

#include <string.h>

#include "sample.h"

#define NEW     (-1) /* a handle: to be declared when first put */
#define REFUSED (-2) /* the sink did not take it: not asked again */

static const struct {
	const char *name;
	const char *unit;
} series[PROBE_SERIES] = {
	[PROBE_UP] = { "probe_up", "1" },
	[PROBE_DNS_MS] = { "probe_dns_ms", "ms" },
	[PROBE_CONNECT_MS] = { "probe_connect_ms", "ms" },
	[PROBE_PROXY_MS] = { "probe_proxy_ms", "ms" },
	[PROBE_TLS_MS] = { "probe_tls_ms", "ms" },
	[PROBE_FIRST_BYTE_MS] = { "probe_first_byte_ms", "ms" },
	[PROBE_TRANSFER_MS] = { "probe_transfer_ms", "ms" },
	[PROBE_TOTAL_MS] = { "probe_total_ms", "ms" },
	[PROBE_STATUS_CODE] = { "probe_status_code", "1" },
	[PROBE_BODY_BYTES] = { "probe_body_bytes", "bytes" },
	[PROBE_BODY_MATCH] = { "probe_body_match", "1" },
	[PROBE_CERTIFICATE_DAYS] = { "probe_certificate_days", "days" },
	[PROBE_ANSWER_MATCH] = { "probe_answer_match", "1" },
	[PROBE_TLS_RESUMED] = { "probe_tls_resumed", "1" },
	[PROBE_DNS_RECORDS] = { "probe_dns_records", "1" },
	[PROBE_DNS_TTL_S] = { "probe_dns_ttl_s", "s" },
	[PROBE_RTT_MS] = { "probe_rtt_ms", "ms" },
	[PROBE_RTT_MIN_MS] = { "probe_rtt_min_ms", "ms" },
	[PROBE_RTT_MAX_MS] = { "probe_rtt_max_ms", "ms" },
	[PROBE_LOSS_PCT] = { "probe_loss_pct", "pct" },
	[PROBE_CHAIN_DAYS] = { "probe_chain_days", "days" },
	[PROBE_CHAIN_LENGTH] = { "probe_chain_length", "1" },
	[PROBE_TLS_VERSION] = { "probe_tls_version", "1" },
	[PROBE_REDIRECTS] = { "probe_redirects", "1" },
};

const char *
probe_reason_name(enum probe_reason r)
{
	static const char *const name[] = {
		[PROBE_OK] = "ok",
		[PROBE_FAIL_DNS] = "dns",
		[PROBE_FAIL_REFUSED] = "refused",
		[PROBE_FAIL_UNREACHABLE] = "unreachable",
		[PROBE_FAIL_TIMEOUT] = "timeout",
		[PROBE_FAIL_TLS] = "tls",
		[PROBE_FAIL_CERTIFICATE] = "certificate",
		[PROBE_FAIL_STATUS] = "status",
		[PROBE_FAIL_BODY] = "body",
		[PROBE_FAIL_HTTP] = "http",
		[PROBE_FAIL_ANSWER] = "answer",
		[PROBE_FAIL_PROTOCOL] = "protocol",
		[PROBE_FAIL_NOT_ALLOWED] = "not_allowed",
		[PROBE_FAIL_PROXY] = "proxy",
		[PROBE_FAIL_REDIRECT] = "redirect",
		[PROBE_FAIL_INTERNAL] = "internal",
	};

	return (unsigned)r < sizeof(name) / sizeof(name[0]) ? name[r] : "internal";
}

void
probe_state_init(struct probe_state *s, const struct probe_conf *conf)
{
	s->conf = conf;
	s->last_up = -1;
	s->told = false;
	for (unsigned i = 0; i < PROBE_SERIES; i++)
		s->handle[i] = NEW;
	for (unsigned i = 0; i < PROBE_POINTS_MAX; i++)
		s->point_handle[i] = NEW;
}

static struct bl_str
str(const char *text)
{
	return (struct bl_str){ text, strlen(text) };
}

static bool
declared(const struct probe_state *s, int32_t *handle, const char *name, const char *unit,
    struct sample_sink *sink)
{
	struct bl_series_def def;

	if (*handle >= 0 || *handle == REFUSED)
		return *handle >= 0;
	memset(&def, 0, sizeof(def));
	def.stream = BL_STREAM_PROBES;
	def.kind = BL_GAUGE;
	def.interval_ms = (uint32_t)s->conf->interval_ms;
	def.name = str(name);
	def.unit = str(unit);
	def.n_labels = 1;
	def.label[0].key = str("probe");
	def.label[0].value = str(s->conf->name);
	*handle = sink->declare(sink->ctx, &def);
	if (*handle < 0) /* memory may be there at the next run; a cap stays reached */
		*handle = *handle == BL_ENOMEM ? NEW : REFUSED;
	return *handle >= 0;
}

static void
value_put(const struct probe_value *v, int32_t handle, struct sample_sink *sink)
{
	if (v->got == PROBE_HAVE)
		sink->put(sink->ctx, handle, v->v);
	else
		sink->unknown(sink->ctx, handle,
		    v->got == PROBE_LATE ? BL_UNKNOWN_TIMEOUT : BL_UNKNOWN_UNREADABLE);
}

/* The values whose names the configuration gives. */
static void
points_put(const struct probe_result *r, struct probe_state *s, struct sample_sink *sink)
{
	const struct probe_register_conf *reg = s->conf->modbus.registers.item;
	const unsigned n = probe_points(s->conf);

	for (unsigned i = 0; i < n && i < r->n_points; i++)
		if (r->point[i].got != PROBE_ABSENT &&
		    declared(s, &s->point_handle[i], reg[i].name,
			reg[i].unit != NULL ? reg[i].unit : "1", sink))
			value_put(&r->point[i], s->point_handle[i], sink);
}

static struct bl_attr
text_attr(const char *key, const char *text)
{
	return (struct bl_attr){ .key = str(key), .type = BL_ATTR_TEXT, .text = str(text) };
}

static void
tell(const struct probe_result *r, const struct probe_state *s, const char *type,
    struct sample_sink *sink)
{
	const bool tried = !probe_reason_is_ours(r->reason);
	struct bl_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.boot_ms = r->boot_ms;
	ev.type = str(type);
	ev.attr[ev.n_attrs++] = text_attr("probe", s->conf->name);
	if (tried)
		ev.attr[ev.n_attrs++] = (struct bl_attr){
			.key = str("up"), .type = BL_ATTR_BOOL, .boolean = r->reason == PROBE_OK
		};
	ev.attr[ev.n_attrs++] = text_attr("reason", probe_reason_name(r->reason));
	ev.attr[ev.n_attrs++] = text_attr("detail", r->detail);
	sink->event(sink->ctx, &ev);
}

void
probe_result_put(const struct probe_result *r, struct probe_state *s, struct sample_sink *sink)
{
	const int up = r->reason == PROBE_OK ? 1 : 0;

	for (unsigned i = 0; i < PROBE_SERIES; i++)
		if (r->value[i].got != PROBE_ABSENT &&
		    declared(s, &s->handle[i], series[i].name, series[i].unit, sink))
			value_put(&r->value[i], s->handle[i], sink);
	points_put(r, s, sink);

	/* What we could not try changes nothing that is known; that we may not, somebody can
	 * change. */
	if (probe_reason_is_ours(r->reason)) {
		if (r->reason == PROBE_FAIL_NOT_ALLOWED && !s->told)
			tell(r, s, "probe.unable", sink);
		s->told = s->told || r->reason == PROBE_FAIL_NOT_ALLOWED;
		return;
	}
	s->told = false;
	if (up == s->last_up)
		return;
	s->last_up = up;
	tell(r, s, "probe.state", sink);
}
