/*
 * What the codec costs: bytes a sample and ns a sample, on data of the mix that
 * servers, probes and process steps have (100 series every 10 s), and on what
 * this machine's counters would look like in bytes.
 *
 * Prints `name value unit` lines.  Not part of the test run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zlib.h>

#include "branchline/batch.h"

#define SERIES 100u
#define SPOOL  0x5a

static uint64_t rng_state = 88172645463325252u;

static double
uniform(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (double)(rng_state >> 11) / 9007199254740992.0;
}

static double
normal(void)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += uniform();
	return sum - 6;
}

static double
rounded(double v, double unit)
{
	return round(v / unit) * unit;
}

/* To decimals as a sampler would state them: the double nearest to the text. */
static double
decimals(double v, int places)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.*f", places, v);
	return strtod(text, NULL);
}

struct gen {
	double state[SERIES];
	double rate[SERIES];
};

static void
gen_init(struct gen *g)
{
	for (unsigned i = 0; i < SERIES; i++) {
		g->state[i] = uniform() * 1e9;
		g->rate[i] = 50 + uniform() * 5000;
		if (i < 12)
			g->state[i] = uniform() * 60;
		else if (i < 15)
			g->state[i] = uniform() * 4;
		else if (i < 21)
			g->state[i] = uniform() * 8e9;
	}
}

static double
walk(struct gen *g, unsigned i, double step, double low, double high)
{
	g->state[i] += normal() * step;
	g->state[i] = fmin(fmax(g->state[i], low), high);
	return g->state[i];
}

/* The mix: 12 CPU %, 3 load, 6 memory, 12 file system, 10 disk, 16 net (half constant), 5 process,
 * 20 probe, 12 steps, 4 others. */
static double
gen_next(struct gen *g, unsigned i)
{
	if (i < 12)
		return decimals(walk(g, i, 1.5, 0, 100), 2);
	if (i < 15)
		return decimals(walk(g, i, 0.05, 0, 64), 2);
	if (i < 21)
		return rounded(walk(g, i, 4e6, 1e8, 16e9), 4096);
	if (i < 33)
		return i % 3 != 0 ? floor(g->state[i]) : rounded(walk(g, i, 1e5, 1e6, 5e11), 4096);
	if (i < 43 || (i < 59 && i % 2 == 0))
		return floor(g->state[i] += g->rate[i] * (1 + 0.3 * normal()) + 0.5);
	if (i < 59)
		return floor(g->state[i]);
	if (i < 64)
		return i % 2 ? decimals(walk(g, i, 0.3, 0, 100), 1) : rounded(g->state[i], 1);
	if (i < 84)
		return i % 4 == 0 ? 200 : decimals(20 * exp(0.5 * normal()) + g->rate[i] / 50, 3);
	if (i < 96)
		return i % 2 ? floor(exp(normal()) * 3) : decimals(30 * exp(0.8 * normal()), 2);
	return decimals(walk(g, i, 0.4, -20, 1e9), 1);
}

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

/* ---- a plain coder to compare with: varints of differences, zlib over all ---- */

static void
plain_column(struct bl_buf *out, const double *v, unsigned n)
{
	double scale = 1;
	int64_t m[512], last = 0;
	unsigned e = 0;

	for (unsigned i = 0; i < n; i++)
		for (; e < 6 && fabs(v[i] * scale - round(v[i] * scale)) > 1e-6; e++)
			scale *= 10;
	for (unsigned i = 0; i < n; i++)
		m[i] = llround(v[i] * scale);
	bl_buf_u8(out, (uint8_t)e);
	for (unsigned i = 0; i < n; i++) {
		if (i == 1 && memcmp(m, m + 1, (n - 1) * sizeof(m[0])) == 0)
			return;
		bl_buf_zigzag(out, m[i] - last);
		last = m[i];
	}
}

static double
plain_bytes(double (*v)[512], unsigned ticks)
{
	static uint8_t packed[1 << 20];
	uLongf len = sizeof(packed);
	struct bl_buf out;

	bl_buf_init(&out, sizeof(packed));
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
encode(struct bl_batch_enc *e, struct gen *g, unsigned ticks, int64_t now, struct bl_buf *msg,
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
		at[t] = now + 10000 * (int64_t)t + (int64_t)(uniform() * 20);
		for (unsigned i = 0; i < SERIES; i++)
			v[i][t] = gen_next(g, i);
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
	res->plain_bytes += plain_bytes(v, ticks);
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
	struct gen g;
	double n, t0;

	if (e == NULL || msg == NULL)
		exit(1);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	gen_init(&g);
	for (unsigned b = 0; b < shape->batches; b++, now += 10000 * (int64_t)shape->ticks) {
		bl_buf_init(&msg[b], BL_BATCH_WIRE_MAX);
		encode(e, &g, shape->ticks, now, &msg[b], &res);
	}
	for (int verify = 0; verify < 2; verify++) {
		t0 = cpu_ns();
		for (unsigned k = 0; k < shape->rounds; k++)
			for (unsigned b = 0; b < shape->batches; b++)
				decode(&msg[b], &raw, verify);
		*(verify ? &res.verify_ns : &res.decode_ns) = (cpu_ns() - t0) / shape->rounds;
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
