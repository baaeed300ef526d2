/*
 * The batch: what goes in comes out bit for bit, and what is broken is refused.
 * Random cases print their seed when they fail.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"
#include "codec_change.h"

#define N_SERIES_MAX 40u
#define N_TICKS_MAX  200u

struct model_sample {
	uint32_t series_id;
	int64_t boot_ms;
	double value;
	uint8_t unknown;
};

static uint64_t rng_state;

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static uint64_t
below(uint64_t n)
{
	return rng() % n;
}

static struct bl_batch_header
header(void)
{
	struct bl_batch_header h = { .stream = BL_STREAM_HOST,
		.seq = 7,
		.collect_begin_ms = 1000,
		.collect_end_ms = 61000,
		.next_seq = 9,
		.lowest_held = 3 };

	memset(h.spool.b, 0xa1, sizeof(h.spool.b));
	memset(h.boot.b, 0xb2, sizeof(h.boot.b));
	return h;
}

/* A value of one of the kinds that the encoder treats differently. */
static double
value_of(unsigned kind, double *state)
{
	static const double odd[] = { 0.0, -0.0, 1e300, -1e300, 4.9e-324, 9007199254740992.0,
		9007199254740993.0, -9007199254740992.0, 1.7976931348623157e308, 1.0 / 3, 1e-7,
		0.1 + 0.2, 123456.789012, 1e15 + 0.3, 18446744073709551616.0, INFINITY, -INFINITY };
	uint64_t bits;
	double v;

	switch (kind) {
	case 0:
		return *state;
	case 1:
		return *state += (double)below(1000);
	case 2:
		return *state = (double)(int64_t)below(10000) / 100;
	case 3:
		return (double)(int64_t)(below(2000001) - 1000000) / 1e6;
	case 4:
		return (double)below(1u << 20) * 4096;
	case 5:
		return (double)(below(10) == 0);
	case 6:
		return odd[below(sizeof(odd) / sizeof(odd[0]))];
	case 7:
		do {
			bits = rng();
			memcpy(&v, &bits, sizeof(v));
		} while (isnan(v));
		return v;
	case 8:
		return below(20) == 0 ? 1e12 : (double)below(8);
	default:
		return *state += 0.1;
	}
}

static bool
same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Finds the model's k-th sample of a series; the model is in order of arrival. */
static const struct model_sample *
model_find(const struct model_sample *m, size_t n, uint32_t series_id, uint32_t k)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].series_id == series_id && k-- == 0)
			return &m[i];
	return NULL;
}

static void
compare(const struct bl_buf *msg, const struct model_sample *m, size_t n)
{
	static int64_t times[BL_BATCH_SAMPLES_MAX];
	static double values[BL_BATCH_SAMPLES_MAX];
	static uint8_t unknown[BL_BATCH_SAMPLES_MAX];
	struct bl_batch_header h;
	struct bl_batch_reader r;
	struct bl_column c;
	struct bl_buf raw;
	struct bl_err err;
	const uint8_t *body;
	size_t body_len, seen = 0;
	int rc;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(
	    bl_batch_header_decode(msg->data, msg->len, &h, &body, &body_len, &err), BL_OK);
	assert_int_equal(h.n_samples, n);
	assert_int_equal(bl_batch_inflate(&h, body, body_len, &raw, &err), BL_OK);
	assert_int_equal(bl_batch_verify(&h, raw.data, raw.len, &err), BL_OK);
	assert_int_equal(bl_batch_reader_init(&r, &h, raw.data, raw.len, &err), BL_OK);
	while ((rc = bl_batch_next_column(&r, &c, &err)) > 0) {
		assert_int_equal(bl_column_decode(&r, &c, times, values, unknown, &err), BL_OK);
		for (uint32_t i = 0; i < c.n; i++) {
			const struct model_sample *want = model_find(m, n, c.series_id, i);

			assert_non_null(want);
			assert_true(times[i] == want->boot_ms);
			assert_int_equal(unknown[i], want->unknown);
			if (want->unknown != BL_KNOWN)
				assert_true(isnan(values[i]));
			else if (!same_bits(values[i], want->value))
				fail_msg("series %u[%u]: %.17g became %.17g", c.series_id, i,
				    want->value, values[i]);
		}
		seen += c.n;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(seen, n);
	bl_buf_free(&raw);
}

static int64_t
next_time(unsigned pattern, int64_t t)
{
	switch (pattern) {
	case 0:
		return t + 10000;
	case 1:
		return t + 9990 + (int64_t)below(20);
	case 2:
		return t + (int64_t)below(3) * 1000;
	default:
		return t + (below(10) == 0 ? 3600000 : 10000);
	}
}

static size_t
make_model(struct bl_batch_enc *e, struct model_sample *m)
{
	const unsigned series = 1 + (unsigned)below(N_SERIES_MAX);
	const unsigned ticks = 1 + (unsigned)below(below(4) == 0 ? N_TICKS_MAX : 8);
	const unsigned pattern = (unsigned)below(4), misses = (unsigned)below(3);
	int64_t t = (int64_t)below(1u << 30) - (1 << 20);
	unsigned kind[N_SERIES_MAX];
	double state[N_SERIES_MAX];
	size_t n = 0;

	for (unsigned s = 0; s < series; s++) {
		kind[s] = (unsigned)below(10);
		state[s] = (double)below(1000000);
	}
	for (unsigned k = 0; k < ticks; k++) {
		t = next_time(pattern, t);
		for (unsigned s = 0; s < series; s++) {
			struct model_sample *one = &m[n];

			if (misses == 2 && below(10) == 0)
				continue;
			one->series_id = 1 + s * (s % 7 == 6 ? 3 : 1) + (s > 20 ? 1000 + s : 0);
			one->boot_ms = t;
			one->unknown = misses > 0 && below(8) == 0 ? (uint8_t)(1 + below(4)) : 0;
			one->value = value_of(kind[s], &state[s]);
			assert_int_equal(bl_batch_enc_sample(e, one->series_id, t, one->value,
					     (enum bl_unknown)one->unknown),
			    BL_OK);
			n++;
		}
	}
	return n;
}

static void
samples_come_back_bit_for_bit(void **state)
{
	static struct model_sample model[N_SERIES_MAX * N_TICKS_MAX];
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf out;
	struct bl_err err;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (unsigned seed = 1; seed <= 400; seed++) {
		struct bl_batch_header h = header();
		size_t n;

		rng_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		bl_batch_enc_reset(e);
		bl_buf_reset(&out);
		n = make_model(e, model);
		if (bl_batch_enc_finish(e, &h, &out, &err) != BL_OK)
			fail_msg("seed %u: %s", seed, err.msg);
		compare(&out, model, n);
	}
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

/* Reports tell of the past: each series comes out by time, of one instant in the order of arrival.
 */
static void
samples_of_any_order_come_out_by_time(void **state)
{
	static struct model_sample model[3000], one;
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	struct bl_buf out;
	struct bl_err err;

	(void)state;
	rng_state = 7;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (size_t n = 0, at; n < 3000; n++) {
		one.series_id = 1 + (uint32_t)below(3);
		/* Series 3 is in order, 2 sometimes not, 1 never. */
		one.boot_ms = one.series_id == 1
				  ? (int64_t)below(1000) - 500
				  : (int64_t)n - (one.series_id == 2 && below(9) == 0 ? 40 : 0);
		one.unknown = below(9) == 0;
		one.value = (double)n;
		assert_int_equal(bl_batch_enc_sample(e, one.series_id, one.boot_ms, one.value,
				     (enum bl_unknown)one.unknown),
		    BL_OK);
		for (at = n; at > 0 && model[at - 1].boot_ms > one.boot_ms; at--)
			model[at] = model[at - 1];
		model[at] = one;
	}
	assert_int_equal(bl_batch_enc_finish(e, &h, &out, &err), BL_OK);
	assert_true(h.event_begin_ms == model[0].boot_ms && h.event_end_ms == model[2999].boot_ms);
	compare(&out, model, 3000);
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

static void
what_the_encoder_refuses(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_event ev = { .boot_ms = 1, .type = { "t", 1 } };
	struct bl_gap gap = { .reason = BL_GAP_OFF, .stream = BL_STREAM_HOST };

	(void)state;
	assert_int_equal(bl_batch_enc_sample(e, 0, 1, 1, BL_KNOWN), BL_EINVAL);
	assert_int_equal(
	    bl_batch_enc_sample(e, BL_DICT_ENTRIES_MAX + 1, 1, 1, BL_KNOWN), BL_EINVAL);
	assert_int_equal(bl_batch_enc_sample(e, 1, INT64_MAX, 1, BL_KNOWN), BL_EINVAL);
	assert_int_equal(bl_batch_enc_sample(e, 1, 1, 1, (enum bl_unknown)9), BL_EINVAL);
	assert_int_equal(bl_batch_enc_sample(e, 1, 10, 1, BL_KNOWN), BL_OK);
	assert_int_equal(bl_batch_enc_sample(e, 2, 9, 1, BL_KNOWN), BL_OK);
	assert_int_equal(bl_batch_enc_sample(e, 1, 10, 1, BL_KNOWN), BL_OK);
	assert_int_equal(bl_batch_enc_samples(e), 3);

	assert_int_equal(bl_batch_enc_event(e, &ev), BL_OK);
	ev.type.len = 0;
	assert_int_equal(bl_batch_enc_event(e, &ev), BL_EINVAL);
	ev.type = (struct bl_str){ "\xff", 1 };
	assert_int_equal(bl_batch_enc_event(e, &ev), BL_EINVAL);
	ev.type = (struct bl_str){ "a\0b", 3 };
	assert_int_equal(bl_batch_enc_event(e, &ev), BL_EINVAL);
	ev.type = (struct bl_str){ "t", 1 };
	ev.n_attrs = 1;
	ev.attr[0] = (struct bl_attr){ .key = { "k", 1 }, .type = BL_ATTR_NUMBER, .number = NAN };
	assert_int_equal(bl_batch_enc_event(e, &ev), BL_EINVAL);
	ev.n_attrs = BL_ATTRS_MAX + 1;
	assert_int_equal(bl_batch_enc_event(e, &ev), BL_EINVAL);

	assert_int_equal(bl_batch_enc_gap(e, &gap), BL_OK);
	gap.reason = (enum bl_gap_reason)0;
	assert_int_equal(bl_batch_enc_gap(e, &gap), BL_EINVAL);
	gap = (struct bl_gap){
		.reason = BL_GAP_OFF, .stream = BL_STREAM_HOST, .seq_first = 5, .seq_last = 4
	};
	assert_int_equal(bl_batch_enc_gap(e, &gap), BL_EINVAL);
	bl_batch_enc_free(e);
	bl_batch_enc_free(NULL);
}

/* Up to four samples of one series, each a second after the one before. */
struct few {
	unsigned n;
	double v[4];
};

static void
encode_few(const struct few *f, struct model_sample *model, struct bl_buf *out)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();

	for (unsigned i = 0; i < f->n; i++) {
		const bool nan = isnan(f->v[i]) != 0;

		model[i] = (struct model_sample){ 1, 2000 + 1000 * i, nan ? 0 : f->v[i],
			nan ? BL_UNKNOWN_UNREADABLE : BL_KNOWN };
		assert_int_equal(
		    bl_batch_enc_sample(e, 1, model[i].boot_ms, f->v[i], BL_KNOWN), BL_OK);
	}
	assert_int_equal(bl_batch_enc_finish(e, &h, out, NULL), BL_OK);
	bl_batch_enc_free(e);
}

static void
infinite_values_come_back_and_no_numbers_are_unreadable(void **state)
{
	static const struct few rows[] = {
		{ 3, { NAN, INFINITY, -INFINITY } },
		{ 2, { NAN, NAN } },
		{ 1, { INFINITY } },
		{ 1, { -INFINITY } },
		{ 4, { INFINITY, INFINITY, INFINITY, INFINITY } },
		{ 4, { 1, 2, INFINITY, 4 } },
		{ 4, { -INFINITY, 0.25, 0.5, NAN } },
		{ 4, { 1.0 / 3, -INFINITY, -0.0, INFINITY } },
		{ 4, { 4096, 8192, 12288, -INFINITY } },
		{ 2, { 1.7976931348623157e308, INFINITY } },
	};
	struct model_sample model[4];
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		bl_buf_reset(&out);
		encode_few(&rows[k], model, &out);
		compare(&out, model, rows[k].n);
	}
	bl_buf_free(&out);
}

/* A first double of a column that no encoder writes. */
static void
a_stream_may_hold_an_infinite_value_and_nothing_that_is_no_number(void **state)
{
	static const struct few constant = { 1, { 1.0 / 3 } }, xored = { 2, { 1.0 / 3, 1.0 / 7 } };
	static const struct {
		const struct few *from;
		uint64_t bits;
		int rc;
	} rows[] = {
		{ &constant, UINT64_C(0x7ff0000000000000), BL_OK },
		{ &constant, UINT64_C(0xfff0000000000000), BL_OK },
		{ &constant, UINT64_C(0x7ff0000000000001), BL_ECORRUPT },
		{ &constant, UINT64_C(0x7ff8000000000000), BL_ECORRUPT },
		{ &constant, UINT64_C(0xffffffffffffffff), BL_ECORRUPT },
		{ &xored, UINT64_C(0x7ff8000000000000), BL_ECORRUPT },
		{ &xored, UINT64_C(0xfff0000000000001), BL_ECORRUPT },
	};
	struct model_sample model[4];
	struct bl_batch_header h;
	struct bl_buf msg, raw;
	const uint8_t *body;
	size_t len;

	(void)state;
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		bl_buf_reset(&msg);
		encode_few(rows[k].from, model, &msg);
		assert_int_equal(
		    bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, NULL), BL_OK);
		assert_int_equal(bl_batch_inflate(&h, body, len, &raw, NULL), BL_OK);
		change_double(&raw, 1.0 / 3, rows[k].bits);
		assert_int_equal(bl_batch_verify(&h, raw.data, raw.len, NULL), rows[k].rc);
	}
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
the_header_says_what_is_inside(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_event ev = { .boot_ms = 70000, .type = { "t", 1 } };
	struct bl_batch_header h = header(), got;
	const uint8_t *body;
	struct bl_buf out;
	size_t len;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	h.next_seq = h.lowest_held = 0;
	assert_int_equal(bl_batch_enc_sample(e, 9, 5000, 1, BL_KNOWN), BL_OK);
	assert_int_equal(bl_batch_enc_sample(e, 12, 900, 1, BL_KNOWN), BL_OK);
	assert_int_equal(bl_batch_enc_event(e, &ev), BL_OK);
	assert_int_equal(bl_batch_enc_finish(e, &h, &out, NULL), BL_OK);
	assert_int_equal(bl_batch_header_decode(out.data, out.len, &got, &body, &len, NULL), BL_OK);
	assert_true(bl_id_equal(&got.spool, &h.spool) && bl_id_equal(&got.boot, &h.boot));
	assert_int_equal(got.stream, BL_STREAM_HOST);
	assert_int_equal(got.kind, BL_BATCH_NORMAL);
	assert_int_equal(got.seq, 7);
	assert_int_equal(got.collect_begin_ms, 1000);
	assert_int_equal(got.collect_end_ms, 61000);
	assert_int_equal(got.event_begin_ms, 900);
	assert_int_equal(got.event_end_ms, 70000);
	assert_int_equal(got.dict_version, 12);
	assert_int_equal(got.n_samples, 2);
	assert_int_equal(got.n_events, 1);
	assert_int_equal(got.n_gaps, 0);
	assert_int_equal(got.next_seq, 8);
	assert_int_equal(got.lowest_held, 7);
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

static void
headers_out_of_bounds_are_refused_with_a_name(void **state)
{
	static const struct {
		const char *field;
		struct bl_batch_header change; /* what is not zero replaces */
	} cases[] = {
		{ "stream", { .stream = (enum bl_stream)4 } },
		{ "kind", { .kind = (enum bl_batch_kind)2 } },
		{ "seq", { .seq = UINT64_MAX } },
		{ "collection interval", { .collect_end_ms = 999 } },
		{ "collection interval", { .collect_end_ms = INT64_MAX } },
		{ "superseded range", { .kind = BL_BATCH_SUPERSEDES } },
		{ "superseded range",
		    { .kind = BL_BATCH_SUPERSEDES, .supersedes_first = 5, .supersedes_last = 4 } },
		{ "superseded range",
		    { .kind = BL_BATCH_SUPERSEDES, .supersedes_first = 5, .supersedes_last = 7 } },
		{ "next seq", { .next_seq = 7 } },
		{ "lowest held", { .lowest_held = 10 } },
	};
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bl_batch_header *c = &cases[i].change;
		struct bl_batch_header h = header();
		struct bl_err err;

		h.stream = c->stream != 0 ? c->stream : h.stream;
		h.kind = c->kind;
		h.seq = c->seq != 0 ? c->seq : h.seq;
		h.collect_end_ms = c->collect_end_ms != 0 ? c->collect_end_ms : h.collect_end_ms;
		h.supersedes_first = c->supersedes_first;
		h.supersedes_last = c->supersedes_last;
		h.next_seq = c->next_seq != 0 ? c->next_seq : h.next_seq;
		h.lowest_held = c->lowest_held != 0 ? c->lowest_held : h.lowest_held;
		assert_int_equal(bl_batch_enc_finish(e, &h, &out, &err), BL_EINVAL);
		if (strstr(err.msg, cases[i].field) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", err.msg, cases[i].field);
		assert_int_equal(out.len, 0);
	}
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

static void
another_offer_differs_in_two_fields_only(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header(), got;
	struct bl_buf first, again;
	const uint8_t *body;
	size_t len, before = 0;

	(void)state;
	bl_buf_init(&first, BL_BATCH_WIRE_MAX);
	bl_buf_init(&again, BL_BATCH_WIRE_MAX);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(bl_batch_enc_sample(e, 1 + i % 3, 1000 + i, i, BL_KNOWN), BL_OK);
	assert_int_equal(bl_batch_enc_finish(e, &h, &first, NULL), BL_OK);
	assert_int_equal(
	    bl_batch_reoffer(first.data, first.len, UINT64_MAX, 8, &again, NULL), BL_OK);
	while (again.data[before] == first.data[before])
		before++;
	assert_int_equal(
	    bl_batch_header_decode(again.data, again.len, &got, &body, &len, NULL), BL_OK);
	/* Two varints of up to ten bytes, right before the body. */
	assert_in_range((size_t)(body - again.data) - before, 2, 20);
	assert_memory_equal(body, first.data + first.len - len, len);
	assert_true(got.next_seq == UINT64_MAX && got.lowest_held == 8);
	got.next_seq = h.next_seq;
	got.lowest_held = h.lowest_held;
	assert_memory_equal(&got, &h, sizeof(h));
	bl_buf_reset(&again);
	assert_int_equal(
	    bl_batch_reoffer(first.data, first.len, h.seq, 1, &again, NULL), BL_EINVAL);
	assert_int_equal(bl_batch_reoffer(first.data, before, 9, 1, &again, NULL), BL_ECORRUPT);
	assert_int_equal(again.len, 0);
	bl_batch_enc_free(e);
	bl_buf_free(&first);
	bl_buf_free(&again);
}

static void
caps_hold_and_leave_the_output_alone(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	struct bl_buf out;
	double v;

	(void)state;
	rng_state = 99;
	bl_buf_init(&out, 2 * BL_BATCH_WIRE_MAX);
	bl_buf_str(&out, "before");
	for (uint32_t i = 0; i < BL_BATCH_SAMPLES_MAX; i++) {
		double nothing = 0;

		v = value_of(7, &nothing);
		assert_int_equal(
		    bl_batch_enc_sample(e, 1 + i % 100, 1000 + i / 100, v, BL_KNOWN), BL_OK);
	}
	assert_int_equal(bl_batch_enc_sample(e, 1, 999999, 1, BL_KNOWN), BL_EFULL);
	assert_true(bl_batch_enc_raw_guess(e) > BL_CUT_RAW_BYTES);
	/* Noise of 64 bits a sample fits no message. */
	assert_int_equal(bl_batch_enc_finish(e, &h, &out, NULL), BL_EFULL);
	assert_int_equal(out.len, 7);
	assert_false(out.failed);
	bl_batch_enc_reset(e);
	assert_int_equal(bl_batch_enc_samples(e), 0);
	assert_int_equal(bl_batch_enc_raw_guess(e), 0);
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

static void
verify_body(const struct bl_buf *out)
{
	struct bl_batch_header h;
	const uint8_t *body;
	struct bl_buf raw;
	size_t len;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(bl_batch_header_decode(out->data, out->len, &h, &body, &len, NULL), BL_OK);
	assert_int_equal(bl_batch_inflate(&h, body, len, &raw, NULL), BL_OK);
	assert_int_equal(bl_batch_verify(&h, raw.data, raw.len, NULL), BL_OK);
	bl_buf_free(&raw);
}

static void
a_full_batch_of_ordinary_samples_fits(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	struct bl_buf out;

	(void)state;
	rng_state = 5;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (uint32_t i = 0; i < BL_BATCH_SAMPLES_MAX; i++)
		assert_int_equal(bl_batch_enc_sample(e, 1 + i % 200, 1000 + i / 200 * 10000,
				     (double)below(10000) / 100, BL_KNOWN),
		    BL_OK);
	assert_int_equal(bl_batch_enc_finish(e, &h, &out, NULL), BL_OK);
	verify_body(&out);
	/* 13.3 bits of noise each. */
	assert_in_range(out.len, 65536 * 13 / 8, 65536 * 15 / 8);
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

/* Nothing that the encoder writes may be what the decoder takes for a bomb. */
static void
what_compresses_too_well_is_still_taken(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = header();
	char text[BL_ATTR_VALUE_MAX];
	struct bl_event ev = { .boot_ms = 2000,
		.type = { "t", 1 },
		.n_attrs = 1,
		.attr = { { .key = { "k", 1 }, .type = BL_ATTR_TEXT } } };
	struct bl_buf out;
	int rc;

	(void)state;
	memset(text, 'x', sizeof(text));
	ev.attr[0].text = (struct bl_str){ text, sizeof(text) };
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(bl_batch_enc_event(e, &ev), BL_OK);
	assert_int_equal(bl_batch_enc_finish(e, &h, &out, NULL), BL_OK);
	verify_body(&out);
	while ((rc = bl_batch_enc_event(e, &ev)) == BL_OK)
		;
	assert_int_equal(rc, BL_EFULL);
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

static void
series_that_share_no_times_have_their_own(void **state)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	static struct model_sample model[4000];
	struct bl_batch_header h = header();
	struct bl_buf out;
	size_t n = 0;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	/* 200 pairs: more shared patterns than the table holds. */
	for (uint32_t s = 0; s < 400; s++)
		for (uint32_t k = 0; k < 4; k++) {
			model[n] =
			    (struct model_sample){ 400 - s, 5000 + s / 2 * (k + 1), s * k, 0 };
			assert_int_equal(bl_batch_enc_sample(e, model[n].series_id,
					     model[n].boot_ms, model[n].value, BL_KNOWN),
			    BL_OK);
			n++;
		}
	assert_int_equal(bl_batch_enc_finish(e, &h, &out, NULL), BL_OK);
	compare(&out, model, n);
	bl_batch_enc_free(e);
	bl_buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_come_back_bit_for_bit),
		cmocka_unit_test(samples_of_any_order_come_out_by_time),
		cmocka_unit_test(what_the_encoder_refuses),
		cmocka_unit_test(infinite_values_come_back_and_no_numbers_are_unreadable),
		cmocka_unit_test(a_stream_may_hold_an_infinite_value_and_nothing_that_is_no_number),
		cmocka_unit_test(the_header_says_what_is_inside),
		cmocka_unit_test(headers_out_of_bounds_are_refused_with_a_name),
		cmocka_unit_test(another_offer_differs_in_two_fields_only),
		cmocka_unit_test(caps_hold_and_leave_the_output_alone),
		cmocka_unit_test(a_full_batch_of_ordinary_samples_fits),
		cmocka_unit_test(what_compresses_too_well_is_still_taken),
		cmocka_unit_test(series_that_share_no_times_have_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
