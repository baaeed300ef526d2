/*
 * What the codec costs: bytes a sample and ns a sample, on the mix (mix.h: 100
 * series every 10 s), and what a plain columnar coder makes of the same data,
 * which is how the mix is calibrated.
 *
 * Prints `name value unit` lines; decoding is the best of its rounds.  Not part
 * of the test run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zlib.h>

#include "branchline/batch.h"
#include "mix.h"

#define SERIES    MIX_SERIES
#define SPOOL     0x5a
#define PER_AGENT 10u /* batches of one agent, then comes the next one's */

static double
cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_codec: %s\n", err->msg);
	exit(1);
}

/*
 * ---- a plain coder to compare with, the check of the mix's calibration ----
 * Times as delta of delta once a batch; a series as scaled integers: a byte that says how, the
 * first one, zigzag varints of the differences or of their differences, whichever is shorter; a
 * constant one nothing behind its first; zlib-6 over all.
 */
enum how { CONSTANT, DELTA, DELTA2 };

static void
plain_differences(struct bl_buf *out, const int64_t *m, unsigned n, enum how how)
{
	int64_t last = 0;

	for (unsigned i = 1; i < n; i++) {
		const int64_t d = m[i] - m[i - 1];

		bl_buf_zigzag(out, how == DELTA2 ? d - last : d);
		last = d;
	}
}

static void
plain_column(struct bl_buf *out, const double *v, unsigned n)
{
	double scale = 1;
	int64_t m[512];
	unsigned e = 0;
	size_t first, delta;

	for (unsigned i = 0; i < n; i++)
		for (; e < 6 && fabs(v[i] * scale - round(v[i] * scale)) > 1e-6; e++)
			scale *= 10;
	for (unsigned i = 0; i < n; i++)
		m[i] = llround(v[i] * scale);
	bl_buf_u8(out, (uint8_t)e);
	bl_buf_zigzag(out, m[0]);
	if (memcmp(m, m + 1, (n - 1) * sizeof(m[0])) == 0)
		return;
	first = out->len;
	plain_differences(out, m, n, DELTA);
	delta = out->len - first;
	plain_differences(out, m, n, DELTA2);
	if (out->len - first - delta < delta) {
		out->len = first;
		plain_differences(out, m, n, DELTA2);
	} else {
		out->len = first + delta;
	}
}

static double
plain_bytes(double (*v)[512], const int64_t *at, unsigned ticks)
{
	static uint8_t packed[1 << 20];
	uLongf len = sizeof(packed);
	struct bl_buf out;

	bl_buf_init(&out, sizeof(packed));
	bl_buf_zigzag(&out, at[0]);
	plain_differences(&out, at, ticks, DELTA2);
	for (unsigned i = 0; i < SERIES; i++)
		plain_column(&out, v[i], ticks);
	if (compress2(packed, &len, out.data, out.len, 6) != Z_OK)
		exit(1);
	bl_buf_free(&out);
	return (double)len;
}

/* ---- runs ---- */

struct shape {
	const char *name;
	unsigned ticks, batches, rounds;
};

struct result {
	double samples, wire_bytes, raw_bytes, guess_bytes, plain_bytes;
	double add_ns, finish_ns, decode_ns, verify_ns;
};

static void
decode(const struct bl_buf *msg, struct bl_buf *raw, bool verify)
{
	static int64_t times[BL_BATCH_SAMPLES_MAX];
	static double values[BL_BATCH_SAMPLES_MAX];
	struct bl_batch_reader r;
	struct bl_batch_header h;
	const uint8_t *body;
	struct bl_column c;
	struct bl_err err;
	int32_t have = -1;
	size_t len;
	int rc;

	check(bl_batch_header_decode(msg->data, msg->len, &h, &body, &len, &err), &err);
	check(bl_batch_inflate(&h, body, len, raw, &err), &err);
	if (verify) {
		check(bl_batch_verify(&h, raw->data, raw->len, &err), &err);
		return;
	}
	check(bl_batch_reader_init(&r, &h, raw->data, raw->len, &err), &err);
	while ((rc = bl_batch_next_column(&r, &c, &err)) > 0) {
		const bool known = c.time_index >= 0 && c.time_index == have;

		check(bl_column_decode(&r, &c, known ? NULL : times, values, NULL, &err), &err);
		have = c.time_index;
	}
	check(rc, &err);
}

static void
encode(struct bl_batch_enc *e, struct mix *g, unsigned ticks, int64_t now, struct bl_buf *msg,
    struct result *res)
{
	static double v[SERIES][512];
	struct bl_batch_header h = { .stream = BL_STREAM_HOST, .seq = 1000 };
	int64_t at[512];
	struct bl_err err;
	double t0;

	memset(h.spool.b, SPOOL, sizeof(h.spool.b));
	memset(h.boot.b, 7, sizeof(h.boot.b));
	h.collect_begin_ms = now;
	h.collect_end_ms = now + 10000 * (int64_t)ticks;
	for (unsigned t = 0; t < ticks; t++) {
		at[t] = now + 10000 * (int64_t)t + mix_jitter_ms(g);
		for (unsigned i = 0; i < SERIES; i++)
			v[i][t] = mix_next(g, i);
	}
	t0 = cpu_ns();
	bl_batch_enc_reset(e);
	for (unsigned t = 0; t < ticks; t++)
		for (unsigned i = 0; i < SERIES; i++)
			check(bl_batch_enc_sample(e, i + 1, at[t], v[i][t], BL_KNOWN), &err);
	res->add_ns += cpu_ns() - t0;
	res->guess_bytes += (double)bl_batch_enc_raw_guess(e);
	t0 = cpu_ns();
	check(bl_batch_enc_finish(e, &h, msg, &err), &err);
	res->finish_ns += cpu_ns() - t0;
	res->plain_bytes += plain_bytes(v, at, ticks);
	res->wire_bytes += (double)msg->len;
	res->raw_bytes += h.raw_bytes;
	res->samples += h.n_samples;
}

static void
print(const char *name, const char *what, double value, const char *unit)
{
	printf("codec_%s_%s %.3f %s\n", name, what, value, unit);
}

static void
run(const struct shape *shape)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf *msg = calloc(shape->batches, sizeof(*msg)), raw;
	struct result res = { 0 };
	int64_t now = 123456789;
	struct mix g;
	double n, t0;

	if (e == NULL || msg == NULL)
		exit(1);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	for (unsigned b = 0; b < shape->batches; b++, now += 10000 * (int64_t)shape->ticks) {
		if (b % PER_AGENT == 0)
			mix_init(&g, 1, b / PER_AGENT);
		bl_buf_init(&msg[b], BL_BATCH_WIRE_MAX);
		encode(e, &g, shape->ticks, now, &msg[b], &res);
	}
	res.decode_ns = res.verify_ns = INFINITY;
	for (unsigned k = 0; k < shape->rounds; k++)
		for (int verify = 0; verify < 2; verify++) {
			double *best = verify ? &res.verify_ns : &res.decode_ns;

			t0 = cpu_ns();
			for (unsigned b = 0; b < shape->batches; b++)
				decode(&msg[b], &raw, verify);
			*best = fmin(*best, cpu_ns() - t0);
		}
	n = res.samples;
	print(shape->name, "wire", res.wire_bytes / n, "B/sample");
	print(shape->name, "raw", res.raw_bytes / n, "B/sample");
	print(shape->name, "plain_zlib6", res.plain_bytes / n, "B/sample");
	print(shape->name, "guess_over_raw", res.guess_bytes / res.raw_bytes, "ratio");
	print(shape->name, "add", res.add_ns / n, "ns/sample");
	print(shape->name, "finish", res.finish_ns / n, "ns/sample");
	print(shape->name, "decode", res.decode_ns / n, "ns/sample");
	print(shape->name, "verify", res.verify_ns / n, "ns/sample");
	for (unsigned b = 0; b < shape->batches; b++)
		bl_buf_free(&msg[b]);
	free(msg);
	bl_buf_free(&raw);
	bl_batch_enc_free(e);
}

int
main(void)
{
	static const struct shape shapes[] = {
		{ "60s", 6, 500, 20 },
		{ "10min", 60, 100, 20 },
		{ "1h", 360, 20, 20 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		run(&shapes[i]);
	return 0;
}
