/* Current values as JSON; see the header. */
#include "local_now.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "local_text.h"

static void
member(struct bl_buf *b, const char *key, struct bl_str text)
{
	local_text_printf(b, "\"%s\":", key);
	local_text_json(b, text.p, text.len);
	local_text_put(b, ",");
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* JSON has no infinity: text then. */
static void
number(struct bl_buf *b, double v)
{
	if (isfinite(v)) {
		local_text_number(b, v);
		return;
	}
	local_text_put(b, "\"");
	local_text_number(b, v);
	local_text_put(b, "\"");
}

static void
series(struct bl_buf *b, const struct current_row *row, int64_t unix_less_boot_ms)
{
	static const char *const unknown[] = { "", "unreadable", "timeout", "unsupported", "late" };
	static const char *const stream[] = { "?", "events", "probes", "host" };
	const struct bl_series_def *d = &row->def;

	local_text_put(b, "{");
	member(b, "name", d->name);
	local_text_put(b, "\"labels\":{");
	for (uint32_t i = 0; i < d->n_labels; i++) {
		local_text_put(b, i > 0 ? "," : "");
		local_text_json(b, d->label[i].key.p, d->label[i].key.len);
		local_text_put(b, ":");
		local_text_json(b, d->label[i].value.p, d->label[i].value.len);
	}
	local_text_put(b, "},");
	member(b, "unit", d->unit);
	member(b, "kind", str(d->kind == BL_COUNTER ? "counter" : "gauge"));
	member(b, "stream", str(stream[d->stream <= BL_STREAM_HOST ? d->stream : 0]));
	local_text_printf(b, "\"interval_ms\":%" PRIu32 ",\"unix_ms\":%" PRId64 ",", d->interval_ms,
	    row->boot_ms + unix_less_boot_ms);
	if (row->unknown == BL_KNOWN) {
		local_text_put(b, "\"value\":");
		number(b, row->value);
	} else {
		local_text_printf(b, "\"value\":null,\"unknown\":\"%s\"",
		    unknown[row->unknown <= BL_UNKNOWN_LATE ? row->unknown : 1]);
	}
	local_text_put(b, "}");
}

static void
probe(struct bl_buf *b, const struct current_probe *p, int64_t unix_less_boot_ms)
{
	static const char *const kind[] = { "http", "tcp", "dns", "ping", "tls", "modbus" };
	const size_t n_kinds = sizeof(kind) / sizeof(kind[0]);

	local_text_put(b, "{");
	member(b, "name", str(p->name));
	member(b, "kind", str((size_t)p->kind < n_kinds ? kind[p->kind] : "?"));
	member(b, "state",
	    str(!p->ran     ? "waiting"
		: p->up < 0 ? "unknown"
		: p->up > 0 ? "up"
			    : "down"));
	local_text_printf(b, "\"interval_ms\":%" PRId64, p->interval_ms);
	if (p->ran) {
		local_text_printf(b, ",\"unix_ms\":%" PRId64 ",\"since_unix_ms\":%" PRId64 ",",
		    p->boot_ms + unix_less_boot_ms, p->since_boot_ms + unix_less_boot_ms);
		member(b, "reason", str(probe_reason_name(p->reason)));
		member(b, "detail", str(p->detail));
		local_text_put(b, "\"total_ms\":");
		if (isfinite(p->total_ms))
			local_text_number(b, p->total_ms);
		else
			local_text_put(b, "null");
	}
	local_text_put(b, "}");
}

void
local_now(const struct current_snapshot *s, int64_t unix_less_boot_ms, const char *status,
    struct bl_buf *out)
{
	local_text_printf(out,
	    "{\"old_series\":%zu,\"missing_values\":%" PRIu64 ",\"status\":", s->old, s->missing);
	local_text_put(out, status);
	local_text_put(out, ",\n\"probes\":[");
	for (size_t i = 0; i < s->n_probes; i++) {
		local_text_put(out, i > 0 ? ",\n" : "\n");
		probe(out, &s->probe[i], unix_less_boot_ms);
	}
	local_text_put(out, "],\n\"series\":[");
	for (size_t i = 0; i < s->n; i++) {
		local_text_put(out, i > 0 ? ",\n" : "\n");
		series(out, &s->row[i], unix_less_boot_ms);
	}
	local_text_put(out, "]}\n");
}
