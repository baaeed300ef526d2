/*
 * What a part costs: bytes a sample by level and what they are made of, and ns
 * of CPU a sample to write and to read.  Data of the mix (mix.h), every 10 s,
 * jitter 0-20 ms, as batches give it: integers at a scale.
 *
 *     bench_chunk [DEVICES [ROUNDS [ROUNDS OF READING]]]
 *
 * Prints `name value unit` lines.  Not part of the test run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chunk.h"
#include "mix.h"

#define SERIES 100u
#define TICKS  360u
#define HOUR   (INT64_C(1790000) * 1000000 / CHUNK_HOUR_MS * CHUNK_HOUR_MS)

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
	(void)fprintf(stderr, "bench_chunk: %s\n", err->msg);
	exit(1);
}

/* The coarsest scale that holds all values, as a batch's column has it. */
static void
to_seq(const double *v, unsigned n, struct bl_seq *s)
{
	double scale = 1;
	unsigned e = 0;
	uint64_t all = 0;

	for (unsigned i = 0; i < n; i++)
		for (; e < 6 && round(v[i] * scale) / scale != v[i]; e++)
			scale *= 10;
	for (unsigned i = 0; i < n; i++) {
		s->i[i] = llround(v[i] * scale);
		all |= (uint64_t)s->i[i];
	}
	s->n = n;
	s->integers = true;
	s->scale = (uint8_t)e;
	s->shift = 0;
	s->hint = 0;
	if (e > 0 || all == 0 || __builtin_ctzll(all) < 3)
		return;
	s->scale = BL_SEQ_SCALE_SHIFT;
	s->shift = (uint8_t)__builtin_ctzll(all);
	for (unsigned i = 0; i < n; i++)
		s->i[i] >>= s->shift;
}

struct device {
	struct mix mix;
	int64_t ms[TICKS];
	int64_t value[SERIES][TICKS];
	struct bl_seq seq[SERIES];
};

static void
make_hour(struct device *d, unsigned id, int64_t hour)
{
	static double v[SERIES][TICKS];

	for (unsigned t = 0; t < TICKS; t++) {
		double tick[MIX_SERIES];

		d->ms[t] =
		    hour + (int64_t)(id * 37 % 9900) + 10000 * (int64_t)t + mix_jitter_ms(&d->mix);
		mix_tick(&d->mix, tick);
		for (unsigned i = 0; i < SERIES; i++)
			v[i][t] = tick[i];
	}
	for (unsigned i = 0; i < SERIES; i++) {
		d->seq[i] = (struct bl_seq){ .i = d->value[i] };
		to_seq(v[i], TICKS, &d->seq[i]);
	}
}

static void
add_device(struct chunk_enc *e, const struct device *d, unsigned id, const char *only)
{
	const struct chunk_run run = { id + 1, HOUR - 86400000, TICKS };
	struct bl_err err;
	int times;

	times = chunk_enc_times(e, id + 1, BL_STREAM_HOST, d->ms, TICKS, &run, 1, &err);
	check(times, &err);
	for (unsigned i = 0; i < SERIES; i++) {
		struct chunk_in in = { .series = (int64_t)id * SERIES + i + 1,
			.kind = mix_series(i)->kind,
			.interval_ms = 10000,
			.times = times,
			.values = &d->seq[i] };

		if (only != NULL && strcmp(mix_series(i)->group, only) != 0)
			continue;
		in.metric.p = mix_series(i)->metric;
		in.metric.len = strlen(in.metric.p);
		check(chunk_enc_column(e, &in, &err), &err);
	}
}

/* ns a sample of the values alone, which is the codec's. */
static double
values_alone(const struct device *d, unsigned devices, double *bytes)
{
	struct bl_buf out;
	struct bl_err err;
	double t0;

	bl_buf_init(&out, CHUNK_REGION_MAX);
	t0 = cpu_ns();
	for (unsigned k = 0; k < devices; k++)
		for (unsigned i = 0; i < SERIES; i++)
			check(bl_seq_put(&out, &d[k].seq[i], BL_EFFORT_QUICK, &err), &err);
	t0 = cpu_ns() - t0;
	*bytes = (double)out.len / ((double)devices * SERIES * TICKS);
	bl_buf_free(&out);
	return t0 / ((double)devices * SERIES * TICKS);
}

/* A line of /proc/self/status in MiB. */
static double
status_mib(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	double kib = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtod(line + strlen(key), NULL);
	if (f != NULL)
		(void)fclose(f);
	return kib / 1024;
}

static void
init_out(struct bl_buf out[CHUNK_LEVELS])
{
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&out[l], CHUNK_REGION_MAX);
}

/* ---- reading everything back ---- */

typedef void (*column_fn)(const struct chunk_column *c);
static double sum_of_all;
static struct bl_sketch *sketch;

static void
read_raw(const struct chunk_column *c)
{
	static double v[CHUNK_SAMPLES_MAX];
	static int64_t scratch[CHUNK_SAMPLES_MAX];
	struct bl_err err;

	check(chunk_raw_doubles(c, v, NULL, scratch, &err), &err);
	sum_of_all += v[c->n - 1];
}

static void
read_sums(const struct chunk_column *c)
{
	struct chunk_window w[CHUNK_WINDOWS];
	struct bl_err err;

	check(chunk_m5_sums(c, w, &err), &err);
	sum_of_all += (double)w[3].count;
}

static void
read_m5(const struct chunk_column *c)
{
	struct chunk_window w[CHUNK_WINDOWS];
	struct bl_err err;

	check(chunk_m5_get(c, w, NULL, &err), &err);
	sum_of_all += w[3].max;
}

static void
read_h1(const struct chunk_column *c)
{
	struct chunk_window w;
	struct bl_err err;

	check(chunk_h1_get(c, &w, NULL, &err), &err);
	sum_of_all += w.max;
}

static void
read_sketch(const struct chunk_column *c)
{
	struct bl_err err;

	if (c->kind == BL_GAUGE)
		check(chunk_h1_sketch(c, sketch, &err), &err);
}

static unsigned
read_section(const struct chunk_index *ix, const uint8_t *region, uint32_t metric, column_fn fn)
{
	struct chunk_block_it it;
	struct chunk_metric m;
	struct chunk_column c;
	struct chunk_block b;
	struct chunk_dir d;
	struct bl_err err;
	unsigned n = 0;

	chunk_metric_at(ix, metric, &m);
	check(chunk_dir_open(&d, ix, &m, region + m.dir.offset, &err), &err);
	while (chunk_dir_next(&d, &b, &err) == 1) {
		check(chunk_block_open(&it, ix, &b, region + b.span.offset, &err), &err);
		for (; chunk_block_next(&it, &c, &err) == 1; n++)
			fn(&c);
	}
	return n;
}

/* ns a column. */
static double
read_all(const struct bl_buf *region, column_fn fn)
{
	struct chunk_index *ix;
	struct chunk_head head;
	struct bl_err err;
	unsigned n = 0;
	double t0;

	check(chunk_head_parse(region->data, region->len, &head, &err), &err);
	check(chunk_index_parse(&ix, &head, region->data + head.index.offset, &err), &err);
	t0 = cpu_ns();
	for (uint32_t i = 0; i < chunk_metrics(ix); i++) {
		bl_sketch_reset(sketch);
		n += read_section(ix, region->data, i, fn);
	}
	t0 = cpu_ns() - t0;
	chunk_index_free(ix);
	return t0 / n;
}

static double
times_bytes(const struct bl_buf *region)
{
	struct chunk_index *ix;
	struct chunk_source s;
	struct chunk_head head;
	struct bl_err err;
	double n = 0;

	check(chunk_head_parse(region->data, region->len, &head, &err), &err);
	check(chunk_index_parse(&ix, &head, region->data + head.index.offset, &err), &err);
	for (uint32_t i = 0; i < chunk_sources(ix); i++) {
		chunk_source_at(ix, i, &s);
		n += s.times.len;
	}
	chunk_index_free(ix);
	return n;
}

/* ---- figures ---- */

struct figures {
	double samples, ns, finish_ns;
	double bytes[CHUNK_LEVELS], head[CHUNK_LEVELS];
};

static void
write_part(struct chunk_enc *e, const struct device *d, unsigned devices, const char *only,
    struct bl_buf out[CHUNK_LEVELS], struct figures *f)
{
	struct chunk_counts counts;
	struct chunk_head head;
	struct bl_err err;
	double t0 = cpu_ns();

	chunk_enc_reset(e, HOUR);
	for (unsigned i = 0; i < devices; i++)
		add_device(e, &d[i], i, only);
	f->ns = cpu_ns() - t0;
	check(chunk_enc_finish(e, out, &counts, &err), &err);
	f->finish_ns = cpu_ns() - t0 - f->ns;
	f->samples = (double)counts.samples;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		check(chunk_head_parse(out[l].data, out[l].len, &head, &err), &err);
		f->bytes[l] = (double)out[l].len;
		f->head[l] = CHUNK_HEAD_BYTES + head.index.len;
	}
}

static void
print_sizes(const char *name, const struct figures *f)
{
	const double n = f->samples;

	(void)printf("%s_raw %.4f B/sample\n", name, f->bytes[CHUNK_RAW] / n);
	(void)printf("%s_m5 %.4f B/sample\n", name, f->bytes[CHUNK_M5] / n);
	(void)printf("%s_h1 %.4f B/sample\n", name, f->bytes[CHUNK_H1] / n);
	(void)printf(
	    "%s_rollup %.4f B/sample\n", name, (f->bytes[CHUNK_M5] + f->bytes[CHUNK_H1]) / n);
}

int
main(int argc, char **argv)
{
	const unsigned devices = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50;
	const unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
	const unsigned reads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : rounds;
	struct device *d = calloc(devices, sizeof(*d));
	struct chunk_enc *e = chunk_enc_create(HOUR);
	struct bl_buf out[CHUNK_LEVELS];
	struct figures f;
	double resident, values = 0;

	sketch = bl_sketch_create();
	if (d == NULL || e == NULL || sketch == NULL)
		return 1;
	for (unsigned i = 0; i < devices; i++) {
		mix_init(&d[i].mix, 1, i);
		make_hour(&d[i], i, HOUR);
	}
	init_out(out);
	resident = status_mib("VmRSS:");
	write_part(e, d, devices, NULL, out, &f);
	(void)printf("part_memory %.1f MiB for %.1f MiB of part\n", status_mib("VmHWM:") - resident,
	    (f.bytes[CHUNK_RAW] + f.bytes[CHUNK_M5] + f.bytes[CHUNK_H1]) / 0x1p20);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_reset(&out[l]);
	for (unsigned k = 0; k < SERIES; k++) {
		if (k > 0 && strcmp(mix_series(k)->group, mix_series(k - 1)->group) == 0)
			continue;
		write_part(e, d, devices, mix_series(k)->group, out, &f);
		print_sizes(mix_series(k)->group, &f);
		for (unsigned l = 0; l < CHUNK_LEVELS; l++)
			bl_buf_reset(&out[l]);
	}
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned l = 0; l < CHUNK_LEVELS; l++)
			bl_buf_reset(&out[l]);
		write_part(e, d, devices, NULL, out, &f);
		(void)printf("encode %.2f ns/sample\n", f.ns / f.samples);
		(void)printf("encode_values %.2f ns/sample\n", values_alone(d, devices, &values));
		(void)printf("finish %.2f ns/sample\n", f.finish_ns / f.samples);
	}
	print_sizes("part", &f);
	(void)printf("raw_values %.4f B/sample\n", values);
	(void)printf("raw_times %.4f B/sample\n", times_bytes(&out[CHUNK_RAW]) / f.samples);
	(void)printf("raw_head %.4f B/sample\n", f.head[CHUNK_RAW] / f.samples);
	(void)printf("m5_head %.4f B/sample\n", f.head[CHUNK_M5] / f.samples);
	(void)printf("h1_head %.4f B/sample\n", f.head[CHUNK_H1] / f.samples);
	for (unsigned r = 0; r < reads; r++) {
		(void)printf("read_raw %.0f ns/series-hour\n", read_all(&out[CHUNK_RAW], read_raw));
		(void)printf("read_m5 %.0f ns/series-hour\n", read_all(&out[CHUNK_M5], read_m5));
		(void)printf(
		    "read_sums %.0f ns/series-hour\n", read_all(&out[CHUNK_M5], read_sums));
		(void)printf("read_h1 %.0f ns/series-hour\n", read_all(&out[CHUNK_H1], read_h1));
		(void)printf(
		    "read_sketch %.0f ns/series-hour\n", read_all(&out[CHUNK_H1], read_sketch));
	}
	(void)fprintf(stderr, "(%g)\n", sum_of_all);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&out[l]);
	bl_sketch_free(sketch);
	chunk_enc_free(e);
	free(d);
	return 0;
}
