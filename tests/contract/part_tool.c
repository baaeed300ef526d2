/*
 * For test_part_golden.py: parts made at random, and what collector/src/chunk
 * reads in a region.
 *
 *     part_tool random SEED COLUMNS   three regions in hex, a line each
 *     part_tool dump                  regions in hex on standard input, a line each; of each its
 * lines and an empty one, or "refused"
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/chunk_kit.h"

/* ---- writing ---- */

static void
print_hex(const struct bl_buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		(void)printf("%02x", b->data[i]);
	(void)putchar('\n');
}

/* Columns of up to 60 samples: short enough for a golden file. */
static int
make(uint64_t seed, unsigned columns)
{
	static struct kit_column c;
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct bl_buf out[CHUNK_LEVELS];
	struct bl_err err = { 0 };

	c.stream = BL_STREAM_PROBES;
	c.device = 3;
	for (unsigned n = 0; e != NULL && n < columns;) {
		kit_fill(&c, &seed);
		if (c.n > 60)
			continue;
		c.device += kit_below(&seed, 3);
		c.series += 1 + kit_below(&seed, 3);
		(void)snprintf(c.metric, sizeof(c.metric), "m_%u", kit_below(&seed, 3) * 6);
		if (kit_add(e, &c, &err) < 0)
			break;
		n++;
	}
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&out[l], CHUNK_REGION_MAX);
	if (e == NULL || err.code != 0 || chunk_enc_finish(e, out, NULL, &err) < 0) {
		(void)fprintf(stderr, "part_tool: %s\n", err.msg);
		return 1;
	}
	for (unsigned l = 0; l < CHUNK_LEVELS; l++) {
		print_hex(&out[l]);
		bl_buf_free(&out[l]);
	}
	chunk_enc_free(e);
	return 0;
}

/* ---- reading ---- */

#define N_MAX 4096u

struct dump {
	const uint8_t *region;
	struct chunk_index *ix;
	FILE *out;
	bool bad;
};

static void
print_number(FILE *f, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	if (isnan(v))
		(void)fputs("nan", f);
	else
		(void)fprintf(f, "%016" PRIx64, bits);
}

static void
print_sample(FILE *f, double value, uint8_t unknown, const struct chunk_thin *t)
{
	if (unknown != BL_KNOWN) {
		(void)fprintf(f, "u%u", unknown);
		return;
	}
	print_number(f, value);
	if (t->thin.count <= 1)
		return;
	(void)fprintf(f, "/%u/", t->thin.count);
	print_number(f, t->thin.min);
	(void)fputc('/', f);
	print_number(f, t->thin.max);
	(void)fprintf(f, "/%lld/", (long long)t->before_ms);
	if (t->before_ms > 0)
		print_number(f, t->before);
	else
		(void)fputc('-', f);
}

static void
dump_raw(struct dump *d, const struct chunk_column *c)
{
	static struct chunk_thin thin[N_MAX];
	static struct chunk_run runs[N_MAX];
	static int64_t ms[N_MAX], scratch[N_MAX];
	static double value[N_MAX];
	static uint8_t unknown[N_MAX];
	struct chunk_source s;
	uint32_t n_runs;

	chunk_source_at(d->ix, c->source, &s);
	if (c->n > N_MAX ||
	    chunk_times_get(d->ix, c->source, c->times, d->region + s.times.offset, ms, runs, N_MAX,
		&n_runs, NULL) < 0 ||
	    chunk_raw_doubles(c, value, unknown, scratch, NULL) < 0 ||
	    chunk_raw_thin(c, ms, value, thin, NULL) < 0) {
		d->bad = true;
		return;
	}
	for (uint32_t i = 0; i < n_runs; i++)
		(void)fprintf(d->out, " %lld:%lld:%u", (long long)runs[i].boot,
		    (long long)runs[i].offset_ms, runs[i].n);
	for (uint32_t i = 0; i < c->n; i++) {
		(void)fprintf(
		    d->out, " %lld=", (long long)(ms[i] - chunk_index_head(d->ix)->hour_unix_ms));
		print_sample(d->out, value[i], unknown[i], &thin[i]);
	}
}

static void
print_window(FILE *f, const struct chunk_window *w)
{
	(void)fprintf(
	    f, " %llu/%llu", (unsigned long long)w->count, (unsigned long long)w->unknown);
	if (w->count == 0)
		return;
	(void)fputc('/', f);
	print_number(f, isnan(w->sum) ? w->increase : w->sum);
	(void)fputc('/', f);
	print_number(f, w->min);
	(void)fputc('/', f);
	print_number(f, w->max);
}

static void
print_edges(FILE *f, const struct chunk_edges *g)
{
	(void)fputs(" edges/", f);
	print_number(f, g->first);
	(void)fputc('/', f);
	print_number(f, g->last);
	(void)fprintf(f, "/%lld/%lld/%lld/%lld/%d", (long long)g->first_unix_ms,
	    (long long)g->last_unix_ms, (long long)g->first_boot, (long long)g->last_boot,
	    g->first_own);
}

static void
dump_sketch(struct dump *d, const struct chunk_column *c)
{
	static struct bl_sketch_bucket b[CHUNK_BUCKETS_MAX];
	struct bl_sketch *s = bl_sketch_create();
	size_t n;

	if (s == NULL || chunk_h1_sketch(c, s, NULL) < 0) {
		d->bad = true;
		bl_sketch_free(s);
		return;
	}
	n = bl_sketch_buckets(s, b);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(d->out, " %d:%llu", b[i].ordinal, (unsigned long long)b[i].count);
	bl_sketch_free(s);
}

static void
dump_roll(struct dump *d, const struct chunk_column *c)
{
	const bool m5 = chunk_index_head(d->ix)->level == CHUNK_M5;
	struct chunk_window w[CHUNK_WINDOWS];
	struct chunk_edges edges;

	if ((m5 ? chunk_m5_get(c, w, &edges, NULL) : chunk_h1_get(c, w, &edges, NULL)) < 0) {
		d->bad = true;
		return;
	}
	for (unsigned i = 0; i < (m5 ? CHUNK_WINDOWS : 1); i++)
		print_window(d->out, &w[i]);
	if (edges.there)
		print_edges(d->out, &edges);
	if (!m5 && c->kind == BL_GAUGE)
		dump_sketch(d, c);
}

static void
dump_column(struct dump *d, const struct chunk_metric *m, const struct chunk_column *c)
{
	struct chunk_source s;

	chunk_source_at(d->ix, c->source, &s);
	(void)fprintf(d->out, "%.*s %lld %d %lld %s %u", (int)m->name.len, m->name.p,
	    (long long)s.device, s.stream, (long long)c->series,
	    c->kind == BL_COUNTER ? "counter" : "gauge", c->interval_ms);
	if (chunk_index_head(d->ix)->level == CHUNK_RAW)
		dump_raw(d, c);
	else
		dump_roll(d, c);
	(void)fputc('\n', d->out);
}

static void
dump_metric(struct dump *d, uint32_t i)
{
	struct chunk_block_it it;
	struct chunk_metric m;
	struct chunk_column c;
	struct chunk_block b;
	struct chunk_dir dir;
	int rc, in = 0;

	chunk_metric_at(d->ix, i, &m);
	rc = chunk_dir_open(&dir, d->ix, &m, d->region + m.dir.offset, NULL);
	while (rc >= 0 && (rc = chunk_dir_next(&dir, &b, NULL)) == 1) {
		rc = in = chunk_block_open(&it, d->ix, &b, d->region + b.span.offset, NULL);
		while (in >= 0 && (in = chunk_block_next(&it, &c, NULL)) == 1)
			dump_column(d, &m, &c);
		d->bad = d->bad || in < 0;
	}
	d->bad = d->bad || rc < 0;
}

static bool
dump_region(const uint8_t *region, size_t len, FILE *out)
{
	static const char *const levels[] = { "raw", "m5", "h1" };
	struct dump d = { .region = region, .out = out };
	struct chunk_head h;

	if (chunk_head_parse(region, len, &h, NULL) < 0 || h.region_bytes != len ||
	    chunk_index_parse(&d.ix, &h, region + h.index.offset, NULL) < 0)
		return false;
	(void)fprintf(out, "%s %lld %u %llu\n", levels[h.level], (long long)h.hour_unix_ms,
	    h.n_series, (unsigned long long)h.n_samples);
	for (uint32_t i = 0; i < chunk_metrics(d.ix); i++)
		dump_metric(&d, i);
	chunk_index_free(d.ix);
	return !d.bad;
}

static int
dump_lines(void)
{
	char *line = NULL, *text;
	size_t size = 0, text_len;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		const size_t len = (size_t)n / 2;
		uint8_t *region = malloc(len + 1);
		FILE *out = open_memstream(&text, &text_len);
		bool ok;

		if (region == NULL || out == NULL)
			return 1;
		for (size_t i = 0; i < len; i++) {
			const char digits[] = { line[2 * i], line[2 * i + 1], '\0' };

			region[i] = (uint8_t)strtoul(digits, NULL, 16);
		}
		ok = dump_region(region, len, out);
		(void)fclose(out);
		(void)printf("%s\n", ok ? text : "refused\n");
		free(text);
		free(region);
	}
	free(line);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "random") == 0)
		return make(strtoull(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
	if (argc == 2 && strcmp(argv[1], "dump") == 0)
		return dump_lines();
	(void)fputs("usage: part_tool random SEED COLUMNS | dump\n", stderr);
	return 2;
}
