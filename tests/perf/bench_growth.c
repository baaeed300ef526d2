/*
 * Whether ingest and queries cost more when more is stored: two stores of the same agents, one
 * with an hour of them, one with many, take the same live hour in turns, group by group, and
 * answer the same questions about it in turns.
 *
 *   bench_growth FOLDER AGENTS HOURS
 *
 * The past is made by the straight path, packing included, in batches of an hour; a few agents'
 * batches stand for all, with the ids of each put in their place.  CPU time of this process.
 * Prints `name value unit` lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "branchline/batch.h"
#include "parts.h"
#include "query.h"
#include "query_store.h"
#include "store_read.h"
#include "straight.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define END_MS    INT64_C(1790002800000) /* a whole hour: the past ends, the live hour begins */
#define PATTERNS  8u                     /* agents whose batches stand for all */
#define ASKED     25u
#define METRIC    "load_l1"

enum which { SMALL, LARGE, BOTH };

struct bench {
	char folder[BOTH][600];
	unsigned agents, hours[BOTH];
	struct straight *s[BOTH];
	struct bl_batch_enc *enc;
	double ingest_s[BOTH], pack_s[BOTH];
};

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_growth: %s\n", err->msg);
	exit(1);
}

/* ---- the past ---- */

/* The agent's ids in place of the pattern's, in the header: nothing of it is compressed. */
static void
make_own(struct bl_buf *msg, unsigned from, unsigned to)
{
	const size_t header = msg->len < 128 ? msg->len : 128;
	struct bl_id old, own;
	unsigned n = 0;

	straight_spool(from, &old);
	straight_spool(to, &own);
	for (size_t i = 0; i + BL_ID_BYTES <= header; i++)
		if (memcmp(msg->data + i, old.b, BL_ID_BYTES) == 0) {
			memcpy(msg->data + i, own.b, BL_ID_BYTES);
			n++;
		}
	if (n == 0) {
		(void)fprintf(stderr, "bench_growth: no id in a batch's header\n");
		exit(1);
	}
}

static void
fill_hour(struct bench *b, enum which w, struct mix *mix, unsigned hour)
{
	const int64_t begin = hour * HOUR_MS;
	struct bl_buf msg[PATTERNS];

	for (unsigned p = 0; p < PATTERNS; p++) {
		bl_buf_init(&msg[p], BL_BATCH_WIRE_MAX);
		straight_encode(b->enc, &mix[p], p, hour + 1, begin, 360, true, &msg[p]);
	}
	straight_at(b->s[w], END_MS - (int64_t)(b->hours[w] - hour - 1) * HOUR_MS + 1000);
	for (unsigned a = 0; a < b->agents; a++) {
		struct bl_buf own;

		bl_buf_init(&own, BL_BATCH_WIRE_MAX);
		bl_buf_bytes(&own, msg[a % PATTERNS].data, msg[a % PATTERNS].len);
		make_own(&own, a % PATTERNS, a);
		straight_take(b->s[w], a, own.data, own.len);
		bl_buf_free(&own);
	}
	(void)straight_compact(b->s[w]);
	for (unsigned p = 0; p < PATTERNS; p++)
		bl_buf_free(&msg[p]);
}

static void
fill(struct bench *b, enum which w)
{
	const double cpu = straight_cpu_s();
	struct mix mix[PATTERNS];

	for (unsigned p = 0; p < PATTERNS; p++)
		mix_init(&mix[p], 1 + w, p);
	(void)mkdir(b->folder[w], 0700);
	b->s[w] = straight_open(b->folder[w], b->agents, END_MS - b->hours[w] * HOUR_MS);
	for (unsigned h = 0; h < b->hours[w]; h++) {
		fill_hour(b, w, mix, h);
		if (h % 10 == 9)
			(void)fprintf(stderr, "bench_growth: %u of %u hours, %.0f CPU s\n", h + 1,
			    b->hours[w], straight_cpu_s() - cpu);
	}
	/* The last hour, too, is packed; what it leaves is gone. */
	straight_at(b->s[w], END_MS + 35 * MINUTE_MS);
	(void)straight_compact(b->s[w]);
	straight_at(b->s[w], END_MS + 40 * MINUTE_MS);
	(void)straight_compact(b->s[w]);
}

/* ---- the live hour ---- */

static void
take_group(struct bench *b, enum which w, const struct bl_buf *msg, unsigned from, unsigned to)
{
	const double cpu = straight_cpu_s();

	for (unsigned a = from; a < to; a++)
		straight_take(b->s[w], a, msg[a].data, msg[a].len);
	straight_commit(b->s[w]);
	b->ingest_s[w] += straight_cpu_s() - cpu;
}

/* One minute of all agents: as both have it, but for its place in boot time and among seqs. */
static void
live_minute(struct bench *b, struct mix *mix, struct bl_buf *msg[BOTH], unsigned minute)
{
	for (unsigned a = 0; a < b->agents; a++)
		for (int w = 0; w < BOTH; w++) {
			struct mix same = mix[a];

			bl_buf_reset(&msg[w][a]);
			straight_encode(b->enc, &same, a, b->hours[w] + minute + 1,
			    b->hours[w] * HOUR_MS + minute * MINUTE_MS, 6, true, &msg[w][a]);
			if (w == LARGE)
				mix[a] = same;
		}
	for (unsigned a = 0; a < b->agents; a += STRAIGHT_GROUP) {
		const unsigned to = a + STRAIGHT_GROUP < b->agents ? a + STRAIGHT_GROUP : b->agents;
		const enum which first = (minute + a / STRAIGHT_GROUP) % 2 ? SMALL : LARGE;

		for (int k = 0; k < BOTH; k++) {
			const enum which w = k == 0 ? first : first == SMALL ? LARGE : SMALL;

			straight_at(b->s[w], END_MS + (minute + 1) * MINUTE_MS + 1000);
			take_group(b, w, msg[w], a, to);
		}
	}
}

static void
pack_live(struct bench *b, enum which w)
{
	const double cpu = straight_cpu_s();

	straight_at(b->s[w], END_MS + HOUR_MS + 35 * MINUTE_MS);
	(void)straight_compact(b->s[w]);
	b->pack_s[w] += straight_cpu_s() - cpu;
}

static void
live_hour(struct bench *b)
{
	struct mix *mix = calloc(b->agents, sizeof(*mix));
	struct bl_buf *msg[BOTH] = { calloc(b->agents, sizeof(**msg)),
		calloc(b->agents, sizeof(**msg)) };

	if (mix == NULL || msg[SMALL] == NULL || msg[LARGE] == NULL)
		exit(1);
	for (unsigned a = 0; a < b->agents; a++) {
		mix_init(&mix[a], 9, a);
		bl_buf_init(&msg[SMALL][a], BL_BATCH_WIRE_MAX);
		bl_buf_init(&msg[LARGE][a], BL_BATCH_WIRE_MAX);
	}
	for (unsigned m = 0; m < 60; m++)
		live_minute(b, mix, msg, m);
	pack_live(b, SMALL);
	pack_live(b, LARGE);
	for (unsigned a = 0; a < b->agents; a++) {
		bl_buf_free(&msg[SMALL][a]);
		bl_buf_free(&msg[LARGE][a]);
	}
	free(msg[SMALL]);
	free(msg[LARGE]);
	free(mix);
}

/* ---- questions about the live hour ---- */

struct asker {
	struct store_read *r;
	int64_t series; /* of METRIC, of the first agent */
	size_t found;
};

static bool
note_series(void *ctx, const struct store_series *s)
{
	struct asker *q = ctx;

	if (strcmp(s->name, METRIC) == 0)
		q->series = s->id;
	return true;
}

static bool
count_latest(void *ctx, const struct store_latest *l)
{
	struct asker *q = ctx;

	q->found += l->known;
	return true;
}

/* Each returns how much it was told, so that both stores can be held against each other. */
static size_t
ask_series(struct asker *q)
{
	const struct store_query what = { .series = &q->series,
		.n_series = 1,
		.from_unix_ms = END_MS,
		.to_unix_ms = END_MS + HOUR_MS,
		.step_ms = MINUTE_MS };
	struct store_query_result *res;
	struct bl_err err = { 0 };
	size_t n = 0;

	check(store_read_query(q->r, &what, &res, &err), &err);
	for (size_t i = 0; i < res->n_steps; i++)
		n += res->series[0].n[i];
	store_query_free(res);
	return n;
}

static size_t
ask_latest(struct asker *q)
{
	static const char *const names[] = { METRIC };
	struct bl_err err = { 0 };

	q->found = 0;
	check(store_read_latest(q->r, names, 1, count_latest, q, &err), &err);
	return q->found;
}

static size_t
ask_fleet(struct asker *q, enum query_agg agg, int64_t step_ms)
{
	struct query_filter f = {
		.from_unix_ms = END_MS, .to_unix_ms = END_MS + HOUR_MS, .agg = agg
	};
	struct query_grid g = { END_MS, END_MS + HOUR_MS, step_ms, agg };
	struct query_limits limits = { 0 };
	struct query_store *source;
	struct query_result *res;
	struct query_kept kept;
	struct query_set *set;
	struct bl_err err = { 0 };
	size_t n;

	check(query_store_open(&source, q->r, bl_clock_real(), &err), &err);
	check(query_set_create(&set, &f, &err), &err);
	check(query_store_series(source, METRIC, set, NULL, &n, &err), &err);
	check(query_set_end(set, &err), &err);
	check(query_store_source(source)->kept(
		  query_store_source(source)->ctx, f.from_unix_ms, &kept, &err),
	    &err);
	check(query_plan(&g, &kept, false, &err), &err);
	check(query_run(&res, &g, set, query_store_source(source), &limits, &err), &err);
	n = res->n;
	query_result_free(res);
	query_set_free(set);
	query_store_close(source);
	return n;
}

static size_t
ask_average(struct asker *q)
{
	return ask_fleet(q, QUERY_AVG, 5 * MINUTE_MS);
}

static size_t
ask_p95(struct asker *q)
{
	return ask_fleet(q, QUERY_P95, HOUR_MS);
}

static int
by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of each store, asked in turns; the first time of both does not count. */
static double
compare(struct asker q[BOTH], const char *name, size_t (*ask)(struct asker *))
{
	double ms[BOTH][ASKED];

	if (ask(&q[SMALL]) != ask(&q[LARGE])) {
		(void)fprintf(stderr, "bench_growth: %s: the two do not answer alike\n", name);
		exit(1);
	}
	for (unsigned i = 0; i < ASKED; i++)
		for (int w = 0; w < BOTH; w++) {
			const double cpu = straight_cpu_s();

			if (ask(&q[w]) == 0)
				exit(1);
			ms[w][i] = (straight_cpu_s() - cpu) * 1e3;
		}
	qsort(ms[SMALL], ASKED, sizeof(double), by_size);
	qsort(ms[LARGE], ASKED, sizeof(double), by_size);
	printf("growth_%s_small_ms %.3f ms\n", name, ms[SMALL][ASKED / 2]);
	printf("growth_%s_large_ms %.3f ms\n", name, ms[LARGE][ASKED / 2]);
	printf("growth_%s_ratio %.4f ratio\n", name, ms[LARGE][ASKED / 2] / ms[SMALL][ASKED / 2]);
	return ms[LARGE][ASKED / 2] / ms[SMALL][ASKED / 2];
}

static void
ask_all(struct bench *b)
{
	struct asker q[BOTH] = { { 0 } };
	struct bl_err err = { 0 };
	double worst = 0, x;

	for (int w = 0; w < BOTH; w++) {
		check(store_read_open(&q[w].r, straight_database(b->s[w]), bl_clock_real(), &err),
		    &err);
		store_read_use_parts(q[w].r, straight_parts(b->s[w]));
		check(store_read_series(q[w].r, "agent-00000", note_series, &q[w], &err), &err);
	}
	worst = compare(q, "series", ask_series);
	worst = (x = compare(q, "latest", ask_latest)) > worst ? x : worst;
	worst = (x = compare(q, "average", ask_average)) > worst ? x : worst;
	worst = (x = compare(q, "p95", ask_p95)) > worst ? x : worst;
	printf("query_growth_ratio %.4f ratio\n", worst);
	for (int w = 0; w < BOTH; w++)
		store_read_close(q[w].r);
}

int
main(int argc, char **argv)
{
	struct bench b = { .enc = bl_batch_enc_create() };
	double samples;

	if (argc != 4 || atoi(argv[2]) < (int)PATTERNS || atoi(argv[3]) < 1 || b.enc == NULL) {
		(void)fprintf(stderr, "usage: bench_growth FOLDER AGENTS HOURS\n");
		return 2;
	}
	b.agents = (unsigned)atoi(argv[2]);
	b.hours[SMALL] = 1;
	b.hours[LARGE] = (unsigned)atoi(argv[3]);
	for (int w = 0; w < BOTH; w++) {
		(void)snprintf(b.folder[w], sizeof(b.folder[w]), "%s/%s", argv[1],
		    w == SMALL ? "small" : "large");
		fill(&b, (enum which)w);
	}
	samples = b.agents * 60.0 * 6 * MIX_SERIES;
	printf("growth_small_samples %.0f samples\n", samples * b.hours[SMALL]);
	printf("growth_large_samples %.0f samples\n", samples * b.hours[LARGE]);
	live_hour(&b);
	for (int w = 0; w < BOTH; w++)
		printf("growth_%s_ns %.2f + %.2f ns/sample\n", w == SMALL ? "small" : "large",
		    b.ingest_s[w] / samples * 1e9, b.pack_s[w] / samples * 1e9);
	printf("ingest_growth_ratio %.4f ratio\n",
	    (b.ingest_s[LARGE] + b.pack_s[LARGE]) / (b.ingest_s[SMALL] + b.pack_s[SMALL]));
	ask_all(&b);
	straight_close(b.s[SMALL]);
	straight_close(b.s[LARGE]);
	bl_batch_enc_free(b.enc);
	return 0;
}
