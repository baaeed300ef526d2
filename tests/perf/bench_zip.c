/*
 * What the levels of zlib cost and bring for the bodies of batches, with the window and memory of
 * shared/codec/zip.c: steps of business processes, and samples of the mix (mix.h), which are stored
 * as they are.  Prints `name value unit` lines: bytes out of a hundred, and us of CPU for a body.
 * Not part of the test run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zlib.h>

#include "branchline/batch.h"
#include "mix.h"

#define WINDOW_BITS 12
#define MEM_LEVEL   5
#define ROUNDS      40u

static double
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_zip: %s\n", err->msg);
	exit(1);
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* The n-th step of an order: begun or ended, every other one with what a till says of it. */
static void
add_step(struct bl_batch_enc *e, unsigned n)
{
	static const char *const step[] = { "review", "picking", "packing", "shipping" };
	char id[24], order[24];
	struct bl_event ev = { .boot_ms = 1000 + n * INT64_C(1731),
		.type = str(n % 2 == 0 ? "step.begin" : "step.end"),
		.n_attrs = n % 2 == 0 ? 5 : 3 };

	(void)snprintf(id, sizeof(id), "%08x", n * 2654435761u);
	(void)snprintf(order, sizeof(order), "A-%u", 4711 + n / 8);
	ev.id = str(id);
	ev.attr[0] = (struct bl_attr){ str("process"), BL_ATTR_TEXT, str("order"), 0, false };
	ev.attr[1] = (struct bl_attr){ str("case"), BL_ATTR_TEXT, str(order), 0, false };
	ev.attr[2] = (struct bl_attr){ str("step"), BL_ATTR_TEXT, str(step[n / 2 % 4]), 0, false };
	ev.attr[3] = (struct bl_attr){ str("owner"), BL_ATTR_TEXT,
		str(n % 3 == 0   ? "li"
		    : n % 3 == 1 ? "wang"
				 : "schmidt"),
		0, false };
	ev.attr[4] = (struct bl_attr){ str("amount"), BL_ATTR_NUMBER, { 0 },
		(double)(n * 7919 % 100000) / 100, false };
	if (bl_batch_enc_event(e, &ev) != BL_OK)
		exit(1);
}

static void
add_ticks(struct bl_batch_enc *e, unsigned n)
{
	struct bl_series_def def[MIX_SERIES];
	double value[MIX_SERIES];
	struct mix m;

	mix_init(&m, 1, 1);
	mix_defs(def, false);
	for (unsigned t = 0; t < n; t++) {
		const int64_t at = 1000 + t * INT64_C(10000) + mix_jitter_ms(&m);

		mix_tick(&m, value);
		for (uint32_t i = 0; i < MIX_SERIES; i++)
			if (bl_batch_enc_sample(e, i + 1, at, value[i], BL_KNOWN) != BL_OK)
				exit(1);
	}
}

/* The inflated body of a batch of so many steps or ticks. */
static void
body_of(unsigned steps, unsigned ticks, struct bl_buf *raw)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header h = { .spool = { .b = { 1 } },
		.boot = { .b = { 2 } },
		.stream = steps > 0 ? BL_STREAM_EVENTS : BL_STREAM_HOST,
		.seq = 1,
		.collect_end_ms = 4000000 };
	struct bl_err err = { 0 };
	struct bl_buf msg;
	const uint8_t *body;
	size_t len;

	if (e == NULL)
		exit(1);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	for (unsigned i = 0; i < steps; i++)
		add_step(e, i);
	add_ticks(e, ticks);
	check(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	check(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	check(bl_batch_inflate(&h, body, len, raw, &err), &err);
	bl_buf_free(&msg);
	bl_batch_enc_free(e);
}

/* us for one, the best of the rounds; *bytes: what comes out. */
static double
deflate_once(const struct bl_buf *raw, int level, uint8_t *to, size_t size, size_t *bytes)
{
	double best = 1e9;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const double begin = cpu_us();
		z_stream z = { .next_in = raw->data,
			.avail_in = (uInt)raw->len,
			.next_out = to,
			.avail_out = (uInt)size };

		if (deflateInit2(&z, level, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
			Z_DEFAULT_STRATEGY) != Z_OK ||
		    deflate(&z, Z_FINISH) != Z_STREAM_END)
			exit(1);
		*bytes = z.total_out;
		(void)deflateEnd(&z);
		if (cpu_us() - begin < best)
			best = cpu_us() - begin;
	}
	return best;
}

int
main(void)
{
	static const struct {
		const char *name;
		unsigned steps, ticks;
	} bodies[] = { { "steps_10", 10, 0 }, { "steps_100", 100, 0 }, { "steps_1000", 1000, 0 },
		{ "samples_60s", 0, 6 }, { "samples_1h", 0, 360 } };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct bl_buf raw;
		uint8_t *to;
		size_t size, bytes;

		bl_buf_init(&raw, BL_BATCH_RAW_MAX);
		body_of(bodies[i].steps, bodies[i].ticks, &raw);
		size = compressBound((uLong)raw.len) + 64;
		if ((to = malloc(size)) == NULL)
			return 1;
		(void)printf("zip_%s_raw %zu bytes\n", bodies[i].name, raw.len);
		for (int level = 1; level <= 9; level++) {
			const double us = deflate_once(&raw, level, to, size, &bytes);

			(void)printf("zip_%s_level%d %.1f %%\nzip_%s_level%d_us %.1f us\n",
			    bodies[i].name, level, 100.0 * (double)bytes / (double)raw.len,
			    bodies[i].name, level, us);
		}
		free(to);
		bl_buf_free(&raw);
	}
	return 0;
}
