/*
 * Parts at their limits: what is no column is refused, changed bytes are
 * noticed, buffers and memory may end, and a part stays as small as it is said
 * to be.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "chunk_part.h"
#include "folder.h"
#include "mix.h"
#include "nomem.h"

/* ---- what is refused ---- */

static void
wrong_columns_are_refused_and_change_nothing(void **state)
{
	static struct kit_column c, good;
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err;
	uint64_t s = 5;
	struct part p;
	size_t bytes;

	(void)state;
	assert_non_null(e);
	do {
		kit_fill(&good, &s);
	} while (good.n < 10 || good.any_unknown || good.seq.integers || good.n_runs > 1);
	good.device = 1;
	good.stream = BL_STREAM_HOST;
	(void)strcpy(good.metric, "m");
	assert_int_equal(kit_add(e, &good, &err), BL_OK);
	bytes = chunk_enc_bytes(e);
	for (unsigned i = 0; i < 11; i++) {
		c = good;
		c.series = 1 + i;
		c.seq.d = c.doubles;
		switch (i) {
		case 0:
			c.unix_ms[0] = KIT_HOUR - 1;
			break;
		case 1:
			c.unix_ms[c.n - 1] = KIT_HOUR + CHUNK_HOUR_MS;
			break;
		case 2:
			c.unix_ms[4] = c.unix_ms[3] - 1;
			break;
		case 3:
			c.run[0].n--;
			break;
		case 4:
			c.metric[0] = '\0';
			break;
		case 5:
			c.doubles[3] = INFINITY;
			break;
		case 6:
			c.seq.n--;
			break;
		case 7:
			c.kind = (enum bl_series_kind)3;
			break;
		case 8:
			c.any_unknown = true;
			c.unknown[3] = BL_UNKNOWN_LATE + 1;
			c.seq.n--;
			break;
		case 9:
			c.any_thin = true;
			c.thin[3].thin = (struct bl_thin){ 2, 1, 2 };
			break;
		default:
			c.stream = (enum bl_stream)4;
			break;
		}
		assert_int_equal(kit_add(e, &c, &err), BL_EINVAL);
		assert_int_equal(chunk_enc_bytes(e), bytes);
	}
	part_begin(&p, 0);
	assert_int_equal(chunk_enc_finish(e, p.out, &p.counts, &err), BL_OK);
	assert_int_equal(p.counts.series, 1);
	part_check(&p, &good);

	/* A handle of the device before; one that was never given. */
	for (int handle = 0; handle < 3; handle += 2) {
		struct chunk_in in = { { "m", 1 }, 5, BL_GAUGE, 0, handle, &good.seq, NULL, NULL };

		assert_int_equal(chunk_enc_times(e, 2, BL_STREAM_HOST, good.unix_ms, good.n,
				     good.run, good.n_runs, &err),
		    1);
		assert_int_equal(chunk_enc_column(e, &in, &err), BL_EINVAL);
	}

	/* A series twice; a device in two pieces; nothing at all. */
	chunk_enc_reset(e, KIT_HOUR);
	assert_int_equal(kit_add(e, &good, &err), BL_OK);
	assert_int_equal(kit_add(e, &good, &err), BL_OK);
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EINVAL);
	chunk_enc_reset(e, KIT_HOUR);
	c = good;
	c.seq.d = c.doubles;
	for (int64_t device = 1; device < 4; device++) {
		c.device = device % 2;
		c.series = device;
		assert_int_equal(kit_add(e, &c, &err), BL_OK);
	}
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EINVAL);
	chunk_enc_reset(e, KIT_HOUR);
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EINVAL);
	chunk_enc_free(e);
	part_free(&p);
}

/* ---- changed bytes ---- */

static void
changed_bytes_are_noticed(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	const unsigned places = rounds(200, 20000);
	uint64_t s = 7;
	struct part p;

	(void)state;
	assert_non_null(e);
	part_random(&p, 12, &s);
	part_write(&p, e);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		struct bl_buf *b = &p.out[l];
		const size_t step = b->len / places + 1;

		assert_int_equal(kit_read_region(b->data, b->len), 0);
		for (size_t at = 0; at < b->len; at += 1 + kit_below(&s, (uint32_t)step * 2)) {
			const uint8_t bit = (uint8_t)(1u << kit_below(&s, 8));

			b->data[at] ^= bit;
			if (kit_read_region(b->data, b->len) == 0)
				fail_msg("level %u: byte %zu may change", l, at);
			b->data[at] ^= bit;
		}
		assert_true(kit_read_region(b->data, b->len - 1) > 0);
	}
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- caps ---- */

static void
a_full_buffer_is_said_and_left_as_it_was(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err = { 0 };
	uint64_t s = 13;
	struct part p;

	(void)state;
	assert_non_null(e);
	part_random(&p, 8, &s);
	for (unsigned i = 0; i < p.n; i++)
		assert_true(kit_add(e, &p.c[i], &err) >= 0);
	p.out[CHUNK_M5].cap = 300;
	bl_buf_u32(&p.out[CHUNK_RAW], 7);
	bl_buf_u32(&p.out[CHUNK_M5], 8);
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_EFULL);
	assert_true(p.out[CHUNK_RAW].len == 4 && p.out[CHUNK_M5].len == 4);
	assert_false(p.out[CHUNK_M5].failed);
	/* What stands before a region stays there. */
	p.out[CHUNK_M5].cap = CHUNK_REGION_MAX;
	assert_int_equal(chunk_enc_finish(e, p.out, NULL, &err), BL_OK);
	assert_int_equal(p.out[CHUNK_M5].data[0], 8);
	assert_int_equal(kit_read_region(p.out[CHUNK_M5].data + 4, p.out[CHUNK_M5].len - 4), 0);
	assert_int_equal(kit_read_region(p.out[CHUNK_RAW].data + 4, p.out[CHUNK_RAW].len - 4), 0);
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- memory that ends ---- */

static void
memory_that_ends_leaves_the_encoder_usable(void **state)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err = { 0 };
	uint64_t s = 11;
	struct part p;
	bool fired = true;

	(void)state;
	assert_non_null(e);
	part_random(&p, 6, &s);
	for (unsigned nth = 1; fired; nth++) {
		struct chunk_enc *fresh;
		int rc = BL_OK;

		nomem_arm(nth);
		fresh = chunk_enc_create(KIT_HOUR);
		for (unsigned i = 0; fresh != NULL && rc >= 0 && i < p.n; i++)
			rc = kit_add(fresh, &p.c[i], &err);
		if (fresh != NULL && rc >= 0)
			rc = chunk_enc_finish(fresh, p.out, NULL, &err);
		fired = nomem_disarm();
		assert_true(fired ? fresh == NULL || rc == BL_ENOMEM : rc == BL_OK);
		assert_true(!fired || p.out[CHUNK_RAW].len == 0);
		chunk_enc_free(fresh);
	}
	for (unsigned k = 0; k < p.n; k++)
		part_check(&p, &p.c[k]);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		fired = true;
		for (unsigned nth = 1; fired; nth++) {
			unsigned failed;

			nomem_arm(nth);
			failed = kit_read_region(p.out[l].data, p.out[l].len);
			fired = nomem_disarm();
			/* Counts of sketches that find no memory take the other way, with the same
			 * result. */
			assert_true(l == CHUNK_H1 ? failed == 0 || fired : (failed > 0) == fired);
		}
	}
	part_free(&p);
	chunk_enc_free(e);
}

/* ---- sizes ---- */

/* A fleet of the mix: the parts stay as small as README.md says. */
static void
a_part_is_as_small_as_it_is_said_to_be(void **state)
{
	enum { DEVICES = 4, SERIES = 100, TICKS = 360 };
	struct mix mix;
	static int64_t ints[TICKS], ms[TICKS];
	static double v[DEVICES][SERIES][TICKS];
	const struct chunk_run run = { 1, 0, TICKS };
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_err err = { 0 };
	struct part p;
	double rollup, guess;

	(void)state;
	assert_non_null(e);
	part_begin(&p, 0);
	for (unsigned d = 0; d < DEVICES; d++) {
		int times;

		mix_init(&mix, 1, d);
		for (unsigned t = 0; t < TICKS; t++) {
			double tick[MIX_SERIES];

			ms[t] = KIT_HOUR + 10000 * (int64_t)t + mix_jitter_ms(&mix);
			mix_tick(&mix, tick);
			for (unsigned i = 0; i < SERIES; i++)
				v[d][i][t] = tick[i];
		}
		times = chunk_enc_times(e, d, BL_STREAM_HOST, ms, TICKS, &run, 1, &err);
		assert_true(times >= 0);
		for (unsigned i = 0; i < SERIES; i++) {
			struct bl_seq q = { .i = ints, .d = v[d][i], .n = TICKS };
			const char *name = mix_series(i)->metric;
			struct chunk_in in = { .series = d * SERIES + i,
				.kind = mix_series(i)->kind,
				.interval_ms = 10000,
				.times = times,
				.values = &q };

			in.metric = (struct bl_str){ name, strlen(name) };
			kit_seq(&q);
			assert_int_equal(chunk_enc_column(e, &in, &err), BL_OK);
		}
	}
	guess = (double)chunk_enc_bytes(e);
	assert_int_equal(chunk_enc_finish(e, p.out, &p.counts, &err), BL_OK);
	guess /= (double)(p.out[CHUNK_RAW].len + p.out[CHUNK_M5].len + p.out[CHUNK_H1].len);
	(void)printf("guess of the size: %.3f\n", guess);
	assert_true(guess > 0.85 && guess < 1.1);
	assert_int_equal(p.counts.samples, DEVICES * SERIES * TICKS);
	rollup = (double)(p.out[CHUNK_M5].len + p.out[CHUNK_H1].len) / (double)p.counts.samples;
	(void)printf("roll-ups: %.4f B a sample\n", rollup);
	/* Were times not shared, they alone would weigh 1.2. */
	assert_true((double)p.out[CHUNK_RAW].len / (double)p.counts.samples <= 0.95);
	assert_true(rollup <= 0.28); /* four devices: what 100 metrics have once weighs 0.04 */
	part_free(&p);
	chunk_enc_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_columns_are_refused_and_change_nothing),
		cmocka_unit_test(changed_bytes_are_noticed),
		cmocka_unit_test(a_full_buffer_is_said_and_left_as_it_was),
		cmocka_unit_test(memory_that_ends_leaves_the_encoder_usable),
		cmocka_unit_test(a_part_is_as_small_as_it_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
