/*
 * A decoded message as one line of JSON.  The keys are those of
 * wire_decoder.py.  Doubles have all their digits and always a point or an
 * exponent, so that -0.0 stays what it is.
 */
#include "wire_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"
#include "branchline/message.h"
#include "branchline/report.h"

static void
put_id(FILE *to, const char *key, const struct bl_id *id)
{
	char hex[BL_ID_HEX_SIZE];

	bl_id_hex(id, hex);
	(void)fprintf(to, ", \"%s\": \"%s\"", key, hex);
}

static void
put_u(FILE *to, const char *key, uint64_t v)
{
	(void)fprintf(to, ", \"%s\": %" PRIu64, key, v);
}

static void
put_i(FILE *to, const char *key, int64_t v)
{
	(void)fprintf(to, ", \"%s\": %" PRId64, key, v);
}

static void
put_text(FILE *to, struct bl_str s)
{
	(void)fputc('"', to);
	for (size_t i = 0; i < s.len; i++) {
		const unsigned char ch = (unsigned char)s.p[i];

		if (ch == '"' || ch == '\\' || ch < 0x20)
			(void)fprintf(to, "\\u%04x", ch);
		else
			(void)fputc(ch, to);
	}
	(void)fputc('"', to);
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static void
put_str(FILE *to, const char *key, struct bl_str s)
{
	(void)fprintf(to, ", \"%s\": ", key);
	put_text(to, s);
}

static void
put_double(FILE *to, double v)
{
	char text[40];

	if (isinf(v)) { /* which JSON has no number for */
		(void)fputs(v > 0 ? "\"inf\"" : "\"-inf\"", to);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.17g", v);
	(void)fprintf(to, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static void
put_range_list(FILE *to, const struct bl_ranges *rs)
{
	(void)fputc('[', to);
	for (uint32_t i = 0; i < rs->n; i++)
		(void)fprintf(to, "%s[%" PRIu64 ", %" PRIu64 "]", i ? ", " : "", rs->r[i].first,
		    rs->r[i].last);
	(void)fputc(']', to);
}

static void
put_ranges(FILE *to, const char *key, const struct bl_ranges *rs)
{
	(void)fprintf(to, ", \"%s\": ", key);
	put_range_list(to, rs);
}

/* ---- messages ---- */

static int
json_hello(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_hello h;
	int rc;

	if ((rc = bl_hello_decode(msg, len, &h, err)) != BL_OK)
		return rc;
	(void)fputs("{\"type\": \"hello\"", to);
	put_u(to, "nonce", h.nonce);
	put_str(to, "device", str(h.device));
	put_id(to, "spool", &h.spool);
	put_id(to, "predecessor", &h.predecessor);
	put_id(to, "boot", &h.boot);
	put_i(to, "boot_ms", h.boot_ms);
	put_i(to, "unix_ms", h.unix_ms);
	put_u(to, "dict_version", h.dict_version);
	put_u(to, "clock_version", h.clock_version);
	put_str(to, "software", str(h.software));
	put_str(to, "config_hash", str(h.config_hash));
	(void)fputs(", \"streams\": {", to);
	for (int i = 0; i < BL_STREAMS; i++) {
		(void)fprintf(to, "%s\"%d\": {\"next_seq\": %" PRIu64, i ? ", " : "", i + 1,
		    h.stream[i].next_seq);
		put_u(to, "lowest_held", h.stream[i].lowest_held);
		put_ranges(to, "held", &h.stream[i].held);
		(void)fputc('}', to);
	}
	(void)fputc('}', to);
	put_u(to, "unknown_sections", h.unknown_sections);
	return BL_OK;
}

static int
json_receipt(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_receipt r;
	int rc;

	if ((rc = bl_receipt_decode(msg, len, &r, err)) != BL_OK)
		return rc;
	(void)fprintf(to, "{\"type\": \"%s\"", r.is_answer ? "answer" : "receipt");
	if (r.is_answer) {
		put_u(to, "nonce", r.nonce);
		put_u(to, "verdict", (uint64_t)r.verdict);
	}
	put_id(to, "spool", &r.spool);
	put_id(to, "epoch", &r.epoch);
	put_i(to, "server_unix_ms", r.server_unix_ms);
	put_u(to, "credit", r.credit_bytes_per_s);
	put_u(to, "dict_version", r.dict_version);
	put_u(to, "clock_version", r.clock_version);
	(void)fputs(", \"streams\": {", to);
	for (int i = 0; i < BL_STREAMS; i++) {
		(void)fprintf(to, "%s\"%d\": {\"contiguous\": %" PRIu64, i ? ", " : "", i + 1,
		    r.stream[i].contiguous);
		put_ranges(to, "beyond", &r.stream[i].beyond);
		put_ranges(to, "aside", &r.stream[i].aside);
		(void)fputc('}', to);
	}
	(void)fputc('}', to);
	if (r.takes > 0)
		put_u(to, "takes", r.takes);
	if (r.rival_known)
		put_u(to, "rival", r.rival);
	put_u(to, "unknown_sections", r.unknown_sections);
	return BL_OK;
}

static void
put_version(FILE *to, const char *key, bool there, uint32_t from)
{
	if (there)
		put_u(to, key, from);
	else
		(void)fprintf(to, ", \"%s\": null", key);
}

static int
json_question(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_question q;
	const char *comma = "";
	int rc;

	if ((rc = bl_question_decode(msg, len, &q, err)) != BL_OK)
		return rc;
	(void)fputs("{\"type\": \"question\"", to);
	put_id(to, "spool", &q.spool);
	(void)fputs(", \"need\": {", to);
	for (int i = 0; i < BL_STREAMS; i++) {
		if (q.need[i].n == 0)
			continue;
		(void)fprintf(to, "%s\"%d\": ", comma, i + 1);
		put_range_list(to, &q.need[i]);
		comma = ", ";
	}
	(void)fputc('}', to);
	put_version(to, "dict_from", q.need_dict, q.dict_from);
	put_version(to, "clock_from", q.need_clock, q.clock_from);
	put_u(to, "unknown_sections", q.unknown_sections);
	return BL_OK;
}

static int
json_gone(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_gone g;
	int rc;

	if ((rc = bl_gone_decode(msg, len, &g, err)) != BL_OK)
		return rc;
	(void)fputs("{\"type\": \"gone\"", to);
	put_id(to, "spool", &g.spool);
	(void)fputs(", \"gone\": [", to);
	for (uint32_t i = 0; i < g.n; i++) {
		(void)fprintf(to, "%s{\"stream\": %d", i ? ", " : "", (int)g.gone[i].stream);
		put_u(to, "reason", (uint64_t)g.gone[i].reason);
		put_u(to, "first", g.gone[i].range.first);
		put_u(to, "last", g.gone[i].range.last);
		(void)fputc('}', to);
	}
	(void)fputc(']', to);
	put_u(to, "unknown_sections", g.unknown_sections);
	return BL_OK;
}

static int
json_presence(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_presence p;
	int rc;

	if ((rc = bl_presence_decode(msg, len, &p, err)) != BL_OK)
		return rc;
	(void)fprintf(to, "{\"type\": \"presence\", \"online\": %s", p.online ? "true" : "false");
	put_id(to, "boot", &p.boot);
	put_u(to, "connections", p.connections);
	put_str(to, "software", str(p.software));
	put_u(to, "unknown_sections", p.unknown_sections);
	return BL_OK;
}

static int
json_centre(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_centre c;
	int rc;

	if ((rc = bl_centre_decode(msg, len, &c, err)) != BL_OK)
		return rc;
	(void)fputs("{\"type\": \"centre\"", to);
	put_id(to, "epoch", &c.epoch);
	put_id(to, "start", &c.start);
	put_i(to, "server_unix_ms", c.server_unix_ms);
	put_u(to, "reconnect_floor_ms", c.reconnect_floor_ms);
	put_u(to, "unknown_sections", c.unknown_sections);
	return BL_OK;
}

static void
put_def(FILE *to, const struct bl_series_def *def)
{
	(void)fprintf(to, "{\"id\": %u", def->id);
	put_u(to, "stream", (uint64_t)def->stream);
	put_u(to, "kind", (uint64_t)def->kind);
	put_u(to, "interval_ms", def->interval_ms);
	put_str(to, "name", def->name);
	put_str(to, "unit", def->unit);
	(void)fputs(", \"labels\": [", to);
	for (uint32_t i = 0; i < def->n_labels; i++) {
		(void)fputs(i ? ", [" : "[", to);
		put_text(to, def->label[i].key);
		(void)fputs(", ", to);
		put_text(to, def->label[i].value);
		(void)fputc(']', to);
	}
	(void)fputs("]}", to);
}

static int
json_dict(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_series_def def;
	struct bl_dict_reader r;
	struct bl_buf raw;
	int rc;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if ((rc = bl_dict_decode(msg, len, &r, &raw, err)) == BL_OK) {
		(void)fputs("{\"type\": \"dictionary\"", to);
		put_id(to, "spool", &r.spool);
		put_u(to, "first", r.first);
		(void)fputs(", \"entries\": [", to);
		while ((rc = bl_dict_next(&r, &def, err)) > 0) {
			put_def(to, &def);
			if (r.left > 0)
				(void)fputs(", ", to);
		}
		(void)fputc(']', to);
	}
	bl_buf_free(&raw);
	return rc;
}

static int
json_clock(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_clockmap_reader r;
	struct bl_clock_segment s;
	int rc;

	if ((rc = bl_clockmap_decode(msg, len, &r, err)) != BL_OK)
		return rc;
	(void)fputs("{\"type\": \"clock map\"", to);
	put_id(to, "spool", &r.spool);
	put_u(to, "first", r.first);
	(void)fputs(", \"segments\": [", to);
	while ((rc = bl_clockmap_next(&r, &s, err)) > 0) {
		(void)fprintf(to, "{\"id\": %u", s.id);
		put_id(to, "boot", &s.boot);
		put_u(to, "source", (uint64_t)s.source);
		put_i(to, "from_boot_ms", s.from_boot_ms);
		put_i(to, "offset_ms", s.offset_ms);
		put_u(to, "uncertainty_ms", s.uncertainty_ms);
		(void)fputs(r.left > 0 ? "}, " : "}", to);
	}
	(void)fputc(']', to);
	return rc;
}

/* ---- batch ---- */

static void
put_header(FILE *to, const struct bl_batch_header *h)
{
	(void)fputs("{\"type\": \"batch\"", to);
	put_id(to, "spool", &h->spool);
	put_id(to, "boot", &h->boot);
	put_u(to, "stream", (uint64_t)h->stream);
	put_u(to, "kind", (uint64_t)h->kind);
	put_u(to, "seq", h->seq);
	(void)fprintf(to, ", \"collect\": [%" PRId64 ", %" PRId64 "]", h->collect_begin_ms,
	    h->collect_end_ms);
	(void)fprintf(
	    to, ", \"event\": [%" PRId64 ", %" PRId64 "]", h->event_begin_ms, h->event_end_ms);
	put_u(to, "dict_version", h->dict_version);
	(void)fprintf(to, ", \"counts\": [%u, %u, %u]", h->n_samples, h->n_events, h->n_gaps);
	if (h->kind == BL_BATCH_SUPERSEDES)
		(void)fprintf(to, ", \"supersedes\": [%" PRIu64 ", %" PRIu64 "]",
		    h->supersedes_first, h->supersedes_last);
	else
		(void)fputs(", \"supersedes\": null", to);
	put_u(to, "raw_size", h->raw_bytes);
	put_u(to, "crc32", h->crc32);
	put_u(to, "next_seq", h->next_seq);
	put_u(to, "lowest_held", h->lowest_held);
}

/* Only of a series that has thinned samples. */
static int
put_thin(FILE *to, const struct bl_batch_reader *r, const struct bl_column *c, const double *values,
    const uint8_t *unknown, struct bl_err *err)
{
	static struct bl_thin thin[BL_BATCH_SAMPLES_MAX];
	int rc;

	if ((rc = bl_column_thin(r, c, values, unknown, thin, err)) != BL_OK ||
	    !bl_column_is_thin(c))
		return rc;
	(void)fputs(", \"thin\": [", to);
	for (uint32_t i = 0; i < c->n; i++) {
		(void)fputs(i ? ", " : "", to);
		if (thin[i].count == 0) {
			(void)fputs("null", to);
			continue;
		}
		(void)fputc('[', to);
		put_double(to, thin[i].min);
		(void)fputs(", ", to);
		put_double(to, thin[i].max);
		(void)fprintf(to, ", %u]", thin[i].count);
	}
	(void)fputc(']', to);
	return BL_OK;
}

static int
put_column(FILE *to, const struct bl_batch_reader *r, const struct bl_column *c, struct bl_err *err)
{
	static int64_t times[BL_BATCH_SAMPLES_MAX];
	static double values[BL_BATCH_SAMPLES_MAX];
	static uint8_t unknown[BL_BATCH_SAMPLES_MAX];
	int rc;

	if ((rc = bl_column_decode(r, c, times, values, unknown, err)) != BL_OK)
		return rc;
	(void)fprintf(to, "{\"id\": %u, \"times\": [", c->series_id);
	for (uint32_t i = 0; i < c->n; i++)
		(void)fprintf(to, "%s%" PRId64, i ? ", " : "", times[i]);
	(void)fputs("], \"unknown\": [", to);
	for (uint32_t i = 0; i < c->n; i++)
		(void)fprintf(to, "%s%u", i ? ", " : "", unknown[i]);
	(void)fputs("], \"values\": [", to);
	for (uint32_t i = 0; i < c->n; i++) {
		(void)fputs(i ? ", " : "", to);
		if (isnan(values[i]))
			(void)fputs("null", to);
		else
			put_double(to, values[i]);
	}
	(void)fputc(']', to);
	rc = put_thin(to, r, c, values, unknown, err);
	(void)fputc('}', to);
	return rc;
}

static void
put_event(FILE *to, const struct bl_event *ev)
{
	(void)fprintf(to, "{\"boot_ms\": %" PRId64, ev->boot_ms);
	put_str(to, "type", ev->type);
	put_str(to, "id", ev->id);
	(void)fputs(", \"attrs\": [", to);
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		const struct bl_attr *a = &ev->attr[i];

		(void)fputs(i ? ", [" : "[", to);
		put_text(to, a->key);
		(void)fputs(", ", to);
		if (a->type == BL_ATTR_TEXT)
			put_text(to, a->text);
		else if (a->type == BL_ATTR_NUMBER)
			put_double(to, a->number);
		else if (a->type == BL_ATTR_BOOL)
			(void)fputs(a->boolean ? "true" : "false", to);
		else
			(void)fputs("null", to);
		(void)fputc(']', to);
	}
	(void)fputs("]}", to);
}

static void
put_gap(FILE *to, const struct bl_gap *gap)
{
	(void)fprintf(to, "{\"reason\": %d", (int)gap->reason);
	put_u(to, "stream", (uint64_t)gap->stream);
	put_id(to, "spool", &gap->spool);
	put_u(to, "seq_first", gap->seq_first);
	put_u(to, "seq_last", gap->seq_last);
	put_id(to, "begin_boot", &gap->begin_boot);
	put_i(to, "begin_boot_ms", gap->begin_boot_ms);
	put_id(to, "end_boot", &gap->end_boot);
	put_i(to, "end_boot_ms", gap->end_boot_ms);
	put_u(to, "samples", gap->samples);
	(void)fputc('}', to);
}

static int
put_body(FILE *to, const struct bl_batch_header *h, const struct bl_buf *raw, struct bl_err *err)
{
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_event ev;
	struct bl_gap gap;
	int rc;

	if ((rc = bl_batch_reader_init(&r, h, raw->data, raw->len, err)) != BL_OK)
		return rc;
	(void)fputs(", \"series\": [", to);
	while ((rc = bl_batch_next_column(&r, &c, err)) > 0) {
		if ((rc = put_column(to, &r, &c, err)) != BL_OK)
			return rc;
		(void)fputs(r.columns_left > 0 ? ", " : "", to);
	}
	(void)fputs("], \"events\": [", to);
	while (rc == BL_OK && (rc = bl_batch_next_event(&r, &ev, err)) > 0) {
		put_event(to, &ev);
		(void)fputs(r.events_left > 0 ? ", " : "", to);
		rc = BL_OK;
	}
	(void)fputs("], \"gaps\": [", to);
	while (rc == BL_OK && (rc = bl_batch_next_gap(&r, &gap, err)) > 0) {
		put_gap(to, &gap);
		(void)fputs(r.gaps_left > 0 ? ", " : "", to);
		rc = BL_OK;
	}
	(void)fputc(']', to);
	put_u(to, "unknown_sections", r.unknown_sections);
	return rc;
}

static int
json_batch(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_batch_header h;
	const uint8_t *body;
	struct bl_buf raw;
	size_t body_len;
	int rc, verified;

	if ((rc = bl_batch_header_decode(msg, len, &h, &body, &body_len, err)) != BL_OK)
		return rc;
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if ((rc = bl_batch_inflate(&h, body, body_len, &raw, err)) == BL_OK) {
		verified = bl_batch_verify(&h, raw.data, raw.len, err);
		put_header(to, &h);
		rc = put_body(to, &h, &raw, verified == BL_OK ? err : NULL);
		/* What is verified never fails later; it also looks at times that no column has. */
		if (verified == BL_OK && rc != BL_OK)
			abort();
		rc = verified;
	}
	bl_buf_free(&raw);
	return rc;
}

static void
report_backlog(FILE *to, const struct bl_report *r)
{
	const char *comma = ", \"backlog\": {";

	for (int i = 0; i < BL_STREAMS; i++) {
		const struct bl_report_backlog *b = &r->backlog[i];

		if (!b->has)
			continue;
		(void)fprintf(to,
		    "%s\"%d\": {\"batches\": %" PRIu64 ", \"bytes\": %" PRIu64
		    ", \"samples\": %" PRIu64 ", \"age_ms\": %" PRIu64 "}",
		    comma, i + 1, b->batches, b->bytes, b->samples, b->age_ms);
		comma = ", ";
	}
	if (comma[2] == '\0')
		(void)fputc('}', to);
}

static void
report_clock(FILE *to, const struct bl_report_clock *k)
{
	(void)fprintf(to, ", \"clock\": {\"source\": %d", (int)k->source);
	put_i(to, "wall_minus_map_ms", k->wall_minus_map_ms);
	put_u(to, "uncertainty_ms", k->uncertainty_ms);
	put_u(to, "flags", (uint64_t)(k->wall_usable ? 1 : 0) + (k->floor_lifted ? 2 : 0));
	put_i(to, "drift_ppb", k->drift_ppb);
	put_u(to, "steps", k->steps);
	(void)fputc('}', to);
}

static void
report_sampling(FILE *to, const struct bl_report_sampling *s)
{
	(void)fprintf(to, ", \"sampling\": {\"flags\": %d", s->safe_mode);
	put_u(to, "whole_in_ms", s->whole_in_ms);
	put_u(to, "series_refused", s->series_refused);
	put_u(to, "samples_refused", s->samples_refused);
	put_u(to, "results_dropped", s->results_dropped);
	(void)fputc('}', to);
}

static void
report_link(FILE *to, const struct bl_report_link *l)
{
	(void)fprintf(to, ", \"link\": {\"transport\": %d", (int)l->transport);
	put_u(to, "via_proxy", l->via_proxy);
	put_str(to, "local_address", str(l->local_address));
	put_u(to, "max_packet_bytes", l->max_packet_bytes);
	put_u(to, "connections", l->connections);
	put_u(to, "rtt_ms", l->rtt_ms);
	put_u(to, "rate_bytes_per_s", l->rate_bytes_per_s);
	(void)fputc('}', to);
}

static void
report_usage(FILE *to, const struct bl_report *r)
{
	(void)fputs(", \"usage\": [", to);
	for (uint32_t i = 0; i < r->n_months; i++) {
		const struct bl_report_month *m = &r->month[i];

		(void)fprintf(to, "%s{\"month\": %" PRIu32, i ? ", " : "", m->month);
		put_u(to, "in_bytes", m->in_bytes);
		put_u(to, "out_bytes", m->out_bytes);
		(void)fprintf(to, ", \"class_bytes\": [%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]",
		    m->class_bytes[0], m->class_bytes[1], m->class_bytes[2]);
		put_u(to, "other_bytes", m->other_bytes);
		(void)fputc('}', to);
	}
	(void)fputc(']', to);
}

static int
json_report(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	struct bl_report r;
	int rc;

	if ((rc = bl_report_decode(msg, len, &r, err)) != BL_OK)
		return rc;
	(void)fputs("{\"type\": \"report\"", to);
	put_id(to, "spool", &r.spool);
	put_id(to, "boot", &r.boot);
	put_i(to, "boot_ms", r.boot_ms);
	report_backlog(to, &r);
	if (r.clock.has)
		report_clock(to, &r.clock);
	if (r.link.has)
		report_link(to, &r.link);
	if (r.n_months > 0)
		report_usage(to, &r);
	if (r.budget.has) {
		(void)fprintf(
		    to, ", \"budget\": {\"bytes_per_hour\": %" PRIu64, r.budget.bytes_per_hour);
		put_u(to, "used_bytes", r.budget.used_bytes);
		put_u(to, "held", r.budget.held);
		put_u(to, "opens_in_ms", r.budget.opens_in_ms);
		(void)fputc('}', to);
	}
	if (r.sampling.has)
		report_sampling(to, &r.sampling);
	put_u(to, "unknown_sections", r.unknown_sections);
	return BL_OK;
}

/* What is in a bundle is a batch, or is refused by itself. */
static void
put_bundled(FILE *to, const uint8_t *msg, size_t len)
{
	const int type = bl_msg_type(msg, len);
	struct bl_err err = { 0 };
	char *text = NULL;
	size_t text_len;
	FILE *one;
	int rc;

	if ((one = open_memstream(&text, &text_len)) == NULL)
		abort();
	if (type < 0 || type == BL_MSG_BATCH)
		rc = type < 0 ? type : json_batch(one, msg, len, &err);
	else
		rc = BL_ECORRUPT;
	if (fclose(one) != 0)
		abort();
	if (rc == BL_OK)
		(void)fprintf(to, "%s}", text);
	else
		(void)fprintf(to, "{\"refused\": \"%s\"}", bl_code_name(rc));
	free(text);
}

static int
json_bundle(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	static uint8_t room[BL_BATCH_WIRE_MAX];
	struct bl_bundle b;
	int rc;

	if ((rc = bl_bundle_decode(msg, len, &b, room, err)) != BL_OK)
		return rc;
	(void)fprintf(to, "{\"type\": \"%s\", \"batches\": [", b.packed ? "pack" : "bundle");
	for (unsigned i = 0; i < b.n; i++) {
		(void)fputs(i > 0 ? ", " : "", to);
		put_bundled(to, b.batch[i].msg, b.batch[i].len);
	}
	(void)fputc(']', to);
	put_u(to, "unknown_sections", b.unknown_sections);
	return BL_OK;
}

static int
json_any(FILE *to, const uint8_t *msg, size_t len, struct bl_err *err)
{
	const int type = bl_msg_type(msg, len);

	switch (type) {
	case BL_MSG_HELLO:
		return json_hello(to, msg, len, err);
	case BL_MSG_ANSWER:
	case BL_MSG_RECEIPT:
		return json_receipt(to, msg, len, err);
	case BL_MSG_BATCH:
		return json_batch(to, msg, len, err);
	case BL_MSG_DICT:
		return json_dict(to, msg, len, err);
	case BL_MSG_CLOCK:
		return json_clock(to, msg, len, err);
	case BL_MSG_PRESENCE:
		return json_presence(to, msg, len, err);
	case BL_MSG_CENTRE:
		return json_centre(to, msg, len, err);
	case BL_MSG_GONE:
		return json_gone(to, msg, len, err);
	case BL_MSG_QUESTION:
		return json_question(to, msg, len, err);
	case BL_MSG_REPORT:
		return json_report(to, msg, len, err);
	case BL_MSG_BUNDLE:
	case BL_MSG_PACK:
		return json_bundle(to, msg, len, err);
	default:
		return bl_fail(err, type, "prefix");
	}
}

void
wire_json(FILE *to, const uint8_t *msg, size_t len)
{
	struct bl_err err = { 0 };
	char *text = NULL;
	size_t text_len;
	FILE *line;
	int rc;

	/* A message may turn out corrupt half-way: nothing of it is shown then. */
	if ((line = open_memstream(&text, &text_len)) == NULL)
		abort();
	rc = json_any(line, msg, len, &err);
	if (fclose(line) != 0)
		abort();
	if (rc == BL_OK) {
		(void)fprintf(to, "%s}\n", text);
	} else {
		(void)fprintf(to, "{\"refused\": \"%s\"", bl_code_name(rc));
		put_str(to, "reason", str(err.msg));
		(void)fputs("}\n", to);
	}
	free(text);
}
