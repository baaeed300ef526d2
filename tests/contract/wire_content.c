/*
 * What the messages to test with hold: every encoding and every optional part.
 */
#include "wire_content.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
wire_must(int rc)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "wire_samples: %s\n", bl_code_name(rc));
	abort();
}

struct bl_id
wire_id(uint8_t byte)
{
	struct bl_id id;

	memset(id.b, byte, sizeof(id.b));
	return id;
}

static struct bl_str
wire_str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

struct bl_batch_header
wire_header(enum bl_stream stream)
{
	return (struct bl_batch_header){ .spool = wire_id(0x11),
		.boot = wire_id(0x22),
		.stream = stream,
		.seq = 41,
		.collect_begin_ms = 1000000,
		.collect_end_ms = 1060000,
		.next_seq = 43,
		.lowest_held = 7 };
}

void
wire_add(struct bl_batch_enc *e, uint32_t id, int64_t at, double v, enum bl_unknown u)
{
	wire_must(bl_batch_enc_sample(e, id, at, v, u));
}

/* ---- the contents of golden batches ---- */

void
wire_fill_nothing(struct bl_batch_enc *e)
{
	(void)e;
}

void
wire_fill_ticks(struct bl_batch_enc *e)
{
	for (int t = 0; t < 6; t++)
		for (int i = 0; i < 10; i++) {
			/* Walks at two places, counters, constants, pages. */
			const double kinds[] = { (i * 977 + t * (37 + i) % 53) / 100.0,
				1e9 + t * 5000.0 + (t * t * i) % 17, 1234567.0 + i,
				4096.0 * (100000 + (t * 31 + i * 7) % 64) };

			wire_add(e, 1 + (uint32_t)i, 1000123 + t * 10000 + (t * 7) % 5,
			    kinds[i % 4], BL_KNOWN);
		}
}

void
wire_fill_encodings(struct bl_batch_enc *e)
{
	for (int t = 0; t < 40; t++) {
		const int64_t at = 1000000 + t * 1000;

		wire_add(e, 1, at, 3.5, BL_KNOWN);                       /* constant, decimal */
		wire_add(e, 2, at, 1.0 / 3, BL_KNOWN);                   /* constant, other */
		wire_add(e, 3, at, -0.0, BL_KNOWN);                      /* constant, no decimal */
		wire_add(e, 5, at, 50 + (t * 37) % 11 / 10.0, BL_KNOWN); /* Rice, level */
		wire_add(e, 6, at, t * 1e5 + (t * 13) % 7, BL_KNOWN);    /* slope */
		wire_add(e, 7, at, t % 9 == 4 ? 1e7 : (t * 5) % 4, BL_KNOWN); /* Exp-Golomb */
		wire_add(e, 9, at, t < 25 ? 1e6 : -7e5, BL_KNOWN);            /* runs */
		wire_add(e, 10, at, sin(t), BL_KNOWN);                        /* XOR */
		wire_add(e, 11, at, t % 3 ? 1e300 : 4.9e-324, BL_KNOWN); /* XOR, wide windows */
		wire_add(e, 300, at, 512.0 * ((t * 29) % 50), BL_KNOWN); /* shift */
		wire_add(
		    e, 301, at, 9007199254740992.0 - t % 2, BL_KNOWN); /* the largest integers */
	}
}

/* What servers have most of: counters of nothing, families of a kind, a hole in the ids. */
void
wire_fill_families(struct bl_batch_enc *e)
{
	for (int t = 0; t < 6; t++) {
		const int64_t at = 1000017 + t * 10000 + (t * 11) % 7;

		for (int i = 0; i < 5; i++) {
			const uint32_t id = 1 + (uint32_t)i;

			wire_add(e, id, at, 0, BL_KNOWN);
			wire_add(e, 10 + id, at, -18.5 - i + (t * 7 + i) % 5 / 10.0, BL_KNOWN);
			wire_add(e, 20 + id, at, 3e6 + i * 1e5 + t * (900.0 + i) + t % 2, BL_KNOWN);
			wire_add(e, 30 + id, at, 4096.0 * (1000 + i), BL_KNOWN);
			wire_add(e, 40 + id, at, t < 2 + i % 3 ? 5 : 6, BL_KNOWN);
		}
		wire_add(e, 50, at, -1, BL_KNOWN);
	}
}

void
wire_fill_unknown(struct bl_batch_enc *e)
{
	for (int t = 0; t < 12; t++) {
		const int64_t at = 1000000 + t * 5000;

		wire_add(e, 1, at, t * 1.5, t == 3 || t == 4 ? BL_UNKNOWN_TIMEOUT : BL_KNOWN);
		wire_add(e, 2, at, 0, BL_UNKNOWN_UNSUPPORTED);
		wire_add(e, 3, at, 7, t % 2 ? BL_UNKNOWN_LATE : BL_KNOWN);
		if (t == 5)
			wire_add(e, 4, at, 2.25, BL_KNOWN);
		if (t % 3 == 0)
			wire_add(e, 5, at + t, t, t == 0 ? BL_UNKNOWN_UNREADABLE : BL_KNOWN);
		if (t % 4 == 0) {
			wire_add(e, 6, at + t, t, BL_KNOWN);
			wire_add(e, 7, at + t, -t, BL_KNOWN);
		}
	}
}

/* Alone, among decimals, among other doubles, from one end to the other; by itself beside means. */
void
wire_fill_infinite(struct bl_batch_enc *e)
{
	const struct bl_thin window = { 18.5, 22.25, 30 };

	for (int t = 0; t < 12; t++) {
		const int64_t at = 1000000 + t * 5000;

		wire_add(e, 1, at, INFINITY, BL_KNOWN);
		wire_add(e, 2, at, -INFINITY, BL_KNOWN);
		wire_add(e, 3, at, t == 5 ? INFINITY : t * 2.5, BL_KNOWN);
		wire_add(
		    e, 4, at, t % 4 == 1 ? -INFINITY : sin(t), t == 7 ? BL_UNKNOWN_LATE : BL_KNOWN);
		wire_add(e, 5, at, t % 2 ? INFINITY : -INFINITY, BL_KNOWN);
		wire_add(e, 6, at, t == 3 ? NAN : 21.5, BL_KNOWN); /* unreadable */
		if (t % 3 == 2)
			wire_add(e, 7, at, INFINITY, BL_KNOWN);
		else
			wire_must(bl_batch_enc_thin(e, 7, at, 20.5 + t % 2, &window));
	}
	wire_add(e, 300, 1000000, -INFINITY, BL_KNOWN);
}

void
wire_add_thin(struct bl_batch_enc *e, uint32_t id, int64_t at, double value, double min, double max,
    uint32_t count)
{
	const struct bl_thin t = { min, max, count };

	wire_must(bl_batch_enc_thin(e, id, at, value, &t));
}

/* Windows of 5 min, then samples every 10 s; series without and with unknown ones between. */
void
wire_fill_thin(struct bl_batch_enc *e)
{
	for (int t = 0; t < 12; t++) {
		const int64_t at = 1000000 + t * 300000;

		wire_add_thin(e, 1, at, 20.55 + t % 3 / 100.0, 18.5 - t % 2, 30.25 + t % 4, 30);
		wire_add(e, 2, at, t, BL_KNOWN);
		wire_add_thin(e, 3, at, 4096.0 * (t + 1), 0, 4096.0 * (t + 1), t == 7 ? 1 : 29);
		if (t % 4 == 1)
			wire_add(e, 4, at, 0, BL_UNKNOWN_TIMEOUT);
		else
			wire_add_thin(e, 4, at, sin(t), -1.0 / 3, t / 7.0 + 1,
			    t == 0 ? BL_THIN_COUNT_MAX : 2);
	}
	for (int t = 0; t < 5; t++) {
		wire_add(e, 1, 5000000 + t * 10000, 21.5, BL_KNOWN);
		wire_add(e, 4, 5000000 + t * 10000, sin(t), t == 2 ? BL_UNKNOWN_LATE : BL_KNOWN);
	}
	wire_add_thin(e, 300, 5000000, -0.0, -5, 9007199254740992.0, 360);
}

void
wire_fill_events(struct bl_batch_enc *e)
{
	struct bl_event ev = { .boot_ms = 1000500,
		.type = wire_str("step.begin"),
		.id = wire_str("order-77/\xe6\xa3\x80\xe8\xb4\xa7"),
		.n_attrs = 8 };

	ev.attr[0] = (struct bl_attr){ .key = wire_str("none"), .type = BL_ATTR_NULL };
	ev.attr[1] = (struct bl_attr){ .key = wire_str("text"),
		.type = BL_ATTR_TEXT,
		.text = wire_str("\xe4\xbb\x93\xe5\xba\x93 \"A\"\n\xf0\x9f\x93\xa6") };
	ev.attr[2] =
	    (struct bl_attr){ .key = wire_str("ten"), .type = BL_ATTR_NUMBER, .number = 10 };
	ev.attr[3] =
	    (struct bl_attr){ .key = wire_str("cents"), .type = BL_ATTR_NUMBER, .number = -12.34 };
	ev.attr[4] =
	    (struct bl_attr){ .key = wire_str("third"), .type = BL_ATTR_NUMBER, .number = 1.0 / 3 };
	ev.attr[5] = (struct bl_attr){
		.key = wire_str("minus zero"), .type = BL_ATTR_NUMBER, .number = -0.0
	};
	ev.attr[6] =
	    (struct bl_attr){ .key = wire_str("yes"), .type = BL_ATTR_BOOL, .boolean = true };
	ev.attr[7] = (struct bl_attr){ .key = wire_str("no"), .type = BL_ATTR_BOOL };
	wire_must(bl_batch_enc_event(e, &ev));
	ev = (struct bl_event){ .boot_ms = 1000400, .type = wire_str("probe.state") };
	wire_must(bl_batch_enc_event(e, &ev));
}

void
wire_fill_many_events(struct bl_batch_enc *e)
{
	char id[32];

	for (int i = 0; i < 60; i++) {
		struct bl_event ev = {
			.boot_ms = 1000000 + i * 300, .type = wire_str("step.end"), .n_attrs = 1
		};

		(void)snprintf(id, sizeof(id), "order-%d", 1000 + i);
		ev.id = wire_str(id);
		ev.attr[0] = (struct bl_attr){ .key = wire_str("result"),
			.type = BL_ATTR_TEXT,
			.text = wire_str(i % 7 ? "shipped" : "returned to sender") };
		wire_must(bl_batch_enc_event(e, &ev));
	}
}

void
wire_fill_gaps(struct bl_batch_enc *e)
{
	const struct bl_gap gaps[] = {
		{ .reason = BL_GAP_OFF,
		    .stream = BL_STREAM_HOST,
		    .begin_boot = wire_id(0x33),
		    .begin_boot_ms = 5000,
		    .end_boot = wire_id(0x22),
		    .end_boot_ms = 12000 },
		{ .spool = wire_id(0x44),
		    .reason = BL_GAP_DAMAGED,
		    .stream = BL_STREAM_EVENTS,
		    .seq_first = 5,
		    .seq_last = 9 },
		{ .reason = BL_GAP_EVICTED,
		    .stream = BL_STREAM_PROBES,
		    .seq_first = 1,
		    .seq_last = 1,
		    .begin_boot = wire_id(0x22),
		    .begin_boot_ms = -5,
		    .end_boot = wire_id(0x22),
		    .end_boot_ms = 1000,
		    .samples = UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++)
		wire_must(bl_batch_enc_gap(e, &gaps[i]));
}

void
wire_fill_all(struct bl_batch_enc *e)
{
	wire_fill_ticks(e);
	wire_fill_events(e);
	wire_fill_gaps(e);
}

void
wire_batch(void (*fill)(struct bl_batch_enc *), struct bl_batch_header h, struct bl_buf *out)
{
	struct bl_batch_enc *e = bl_batch_enc_create();

	if (e == NULL)
		abort();
	fill(e);
	wire_must(bl_batch_enc_finish(e, &h, out, NULL));
	bl_batch_enc_free(e);
}

void
wire_dict(uint32_t first, uint32_t n, struct bl_buf *out)
{
	static const char *const names[] = { "cpu_used_pct", "disk_free_bytes", "probe_ms" };
	struct bl_series_def *defs = calloc(n, sizeof(*defs));
	struct bl_id spool = wire_id(0x11);
	uint32_t encoded;

	if (defs == NULL)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		struct bl_series_def *d = &defs[i];

		*d = (struct bl_series_def){ .id = first + i,
			.stream = (enum bl_stream)(1 + i % 3),
			.kind = (enum bl_series_kind)(1 + i % 2),
			.interval_ms = i * 5000,
			.name = wire_str(names[i % 3]),
			.unit = wire_str(i % 4 ? "bytes" : ""),
			.n_labels = i % 3 };
		d->label[0] =
		    (struct bl_label){ wire_str("host"), wire_str("\xe9\x97\xa8\xe5\xba\x97") };
		d->label[1] = (struct bl_label){ wire_str("mount"), wire_str(i % 2 ? "/var" : "") };
	}
	wire_must(bl_dict_encode(&spool, defs, n, out, &encoded, NULL));
	free(defs);
}

/* n messages in a bundle or a pack; frees them. */
void
wire_bundle(struct bl_buf *of, unsigned n, bool packed, struct bl_buf *out)
{
	struct bl_bundle b = { .n = n, .packed = packed };

	for (unsigned i = 0; i < n; i++)
		b.batch[i] = (struct bl_bundle_batch){ of[i].data, of[i].len };
	wire_must(bl_bundle_encode(&b, out));
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&of[i]);
}
