/*
 * One series over 24 h in steps of a minute, as a chart asks for it, warm.
 *
 *   bench_series [FOLDER [AGENTS]]
 *
 * 26 h of the mix (mix.h: 100 series every 10 s, a batch a minute and agent) go straight into
 * a store, as if they had come live; then hours that are closed (half an hour past their
 * end) are packed, and the last 24 h are asked for, series after series: what is in parts and
 * the hour or more that is not yet.  Prints `name value unit` lines; CPU time of the thread that
 * asks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "branchline/batch.h"
#include "branchline/log.h"

#include "compact.h"
#include "mix.h"
#include "store.h"
#include "store_fresh.h"
#include "store_fixture.h"
#include "store_read.h"

#define OFFSET  1700002800000 /* a full hour */
#define MINUTES (26 * 60 + 50)
#define DAY_MS  86400000
#define ASKED   200
/* As a collector has unless it is told otherwise (store.open_hours). */
#define FRESH_BYTES (32u << 20)

struct bench {
	struct fixture_clock clock;
	struct store *s;
	char path[600];
	unsigned agents;
	struct mix mix;
	struct bl_batch_enc *enc;
	struct bl_buf msg, raw;
};

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_series: %s\n", err->msg);
	exit(1);
}

static struct store_spool *
spool_of(struct bench *b, unsigned agent, struct bl_id *id)
{
	const uint64_t h = (agent + 1) * 0x9e3779b97f4a7c15u;
	struct store_spool *sp;
	struct bl_err err = { 0 };
	char device[32];

	memset(id, 0x5a, sizeof(*id));
	memcpy(id->b, &h, sizeof(h));
	(void)snprintf(device, sizeof(device), "agent-%u", agent);
	check(store_spool(b->s, id, device, &sp, &err), &err);
	return sp;
}

static void
tell_names(struct bench *b)
{
	struct bl_series_def def[MIX_SERIES];
	struct bl_err err = { 0 };

	mix_defs(def, false);
	for (unsigned a = 0; a < b->agents; a++) {
		struct bl_clock_segment seg = {
			.id = 1, .offset_ms = OFFSET, .source = BL_CLOCK_NTP
		};
		struct store_spool *sp;

		check(store_begin(b->s, &err), &err);
		sp = spool_of(b, a, &seg.boot);
		for (unsigned i = 0; i < MIX_SERIES; i++)
			check(store_dict(b->s, sp, &def[i], &err), &err);
		check(store_clock(b->s, sp, &seg, &err), &err);
		while (store_placing(b->s))
			check(store_place(b->s, 100, &err), &err);
		check(store_commit(b->s, &err), &err);
	}
}

/* A minute of one agent; all others have the same, under their own ids. */
static void
encode_minute(struct bench *b, uint64_t minute, struct bl_batch_header *h)
{
	struct bl_err err = { 0 };
	double v[MIX_SERIES];

	*h = (struct bl_batch_header){ .stream = BL_STREAM_HOST,
		.seq = minute + 1,
		.next_seq = minute + 2,
		.lowest_held = minute + 1,
		.collect_begin_ms = (int64_t)minute * 60000,
		.collect_end_ms = (int64_t)(minute + 1) * 60000 };
	bl_batch_enc_reset(b->enc);
	for (int t = 0; t < 6; t++) {
		const int64_t at = h->collect_begin_ms + t * 10000 + mix_jitter_ms(&b->mix);

		mix_tick(&b->mix, v);
		for (unsigned i = 0; i < MIX_SERIES; i++)
			check(bl_batch_enc_sample(b->enc, i + 1, at, v[i], BL_KNOWN), &err);
	}
	bl_buf_reset(&b->msg);
	check(bl_batch_enc_finish(b->enc, h, &b->msg, &err), &err);
}

static void
fill(struct bench *b)
{
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;

	for (uint64_t m = 0; m < MINUTES; m++) {
		encode_minute(b, m, &h);
		check(bl_batch_header_decode(b->msg.data, b->msg.len, &h, &body, &len, &err), &err);
		check(bl_batch_inflate(&h, body, len, &b->raw, &err), &err);
		b->clock.unix_ms = OFFSET + (int64_t)(m + 1) * 60000;
		b->clock.mono_ms += 60000;
		check(store_begin(b->s, &err), &err);
		for (unsigned a = 0; a < b->agents; a++) {
			struct store_spool *sp = spool_of(b, a, &h.spool);

			h.boot = h.spool;
			check(
			    store_batch_put(b->s, sp, &h, body, len, b->raw.data, b->raw.len, &err),
			    &err);
		}
		check(store_commit(b->s, &err), &err);
	}
}

/* ---- packing ---- */

static int
write_now(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct bench *b = ctx;
	int rc;

	if ((rc = store_begin(b->s, err)) < 0)
		return rc;
	if ((rc = fn(b->s, arg, err)) < 0) {
		store_rollback(b->s);
		return rc;
	}
	check(store_commit(b->s, err), err);
	return rc;
}

static void
pack(struct bench *b, struct parts *parts)
{
	const struct compact_opts opts = { .telemetry_path = b->path,
		.parts = parts,
		.clock = &b->clock.clock,
		.write = write_now,
		.ctx = b };
	struct compact *c;
	struct bl_err err = { 0 };
	int rc;

	check(compact_open(&c, &opts, STORE_OPENED, &err), &err);
	for (unsigned i = 0; i < 2; i++) {
		while ((rc = compact_step(c, &err)) == 1)
			;
		check(rc, &err);
		b->clock.unix_ms += 180000; /* readers have let go */
		b->clock.mono_ms += 180000;
	}
	b->clock.unix_ms -= 360000; /* two steps of it */
	compact_close(c);
}

/* ---- asking ---- */

static double
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint64_t
ask(struct bench *b, struct store_read *r, int64_t series, int64_t to)
{
	const struct store_query q = { .series = &series,
		.n_series = 1,
		.from_unix_ms = to - DAY_MS,
		.to_unix_ms = to,
		.step_ms = 60000 };
	struct store_query_result *res;
	struct bl_err err = { 0 };
	uint64_t n = 0;

	(void)b;
	check(store_read_query(r, &q, &res, &err), &err);
	for (size_t i = 0; i < res->n_steps; i++)
		n += res->series[0].n[i];
	if (res->series[0].n_gaps > 0)
		n = 0;
	store_query_free(res);
	return n;
}

/* Median of single questions, in ms; samples: what each has to have. */
static int
ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* CPU time of one question, in ms. */
static double
ask_timed(struct bench *b, struct store_read *r, int64_t series, int64_t to)
{
	const double begun = cpu_ms();
	const uint64_t n = ask(b, r, series, to);
	const double took = cpu_ms() - begun;

	if (n == 8640)
		return took;
	(void)fprintf(stderr, "bench_series: %llu samples of a day\n", (unsigned long long)n);
	exit(1);
}

static void
print_median(const char *name, double *took, unsigned n)
{
	qsort(took, n, sizeof(took[0]), ascending);
	printf("%s %.3f ms\n", name, took[n / 2]);
}

static void
measure(struct bench *b, struct store_read *r, const char *name, unsigned n_asked, int64_t to)
{
	double took[ASKED];

	for (unsigned i = 0; i < n_asked + 20; i++) {
		const double ms =
		    ask_timed(b, r, 1 + (int64_t)(i * 37 % (MIX_SERIES * b->agents)), to);

		if (i >= 20)
			took[i - 20] = ms;
	}
	print_median(name, took, n_asked);
}

/* Each agent's first question: nothing of it is remembered by the reader, or for it. */
static void
measure_first(struct bench *b, struct store_read *r, const char *name, int64_t to)
{
	const unsigned n = b->agents < ASKED ? b->agents : ASKED;
	double took[ASKED];

	for (unsigned i = 0; i < n; i++)
		took[i] = ask_timed(b, r, 1 + (int64_t)i * MIX_SERIES, to);
	print_median(name, took, n);
}

static void
print_fresh(struct store_fresh *fresh)
{
	struct store_fresh_stats s;

	store_fresh_stats(fresh, &s);
	printf("open_hours %.1f MiB, %llu pieces, %llu hits, %llu misses, %llu refused\n",
	    (double)s.bytes / (1 << 20), (unsigned long long)s.pieces, (unsigned long long)s.hits,
	    (unsigned long long)s.misses, (unsigned long long)s.refused);
}

int
main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".";
	struct bench b = { .agents = argc > 2 ? (unsigned)atoi(argv[2]) : 100 };
	struct store_opts opts = { .path = b.path, .clock = &b.clock.clock };
	struct parts *parts;
	struct store_fresh *fresh;
	struct store_read *r;
	char parts_folder[700];
	struct bl_err err = { 0 };

	bl_log_level_set(BL_LOG_ERROR);
	fixture_clock_init(&b.clock);
	b.clock.unix_ms = OFFSET;
	b.enc = bl_batch_enc_create();
	if (b.enc == NULL)
		return 1;
	bl_buf_init(&b.msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&b.raw, BL_BATCH_RAW_MAX);
	mix_init(&b.mix, 1, 0);
	(void)snprintf(b.path, sizeof(b.path), "%s/telemetry.db", folder);
	(void)snprintf(parts_folder, sizeof(parts_folder), "%s/parts", folder);
	check(store_open(&b.s, &opts, &err), &err);
	check(parts_open(&parts, parts_folder, 0, &err), &err);
	tell_names(&b);
	fill(&b);
	check(store_read_open(&r, b.path, &b.clock.clock, &err), &err);
	store_read_use_parts(r, parts);
	check(store_fresh_open(&fresh, FRESH_BYTES, &err), &err);
	store_read_use_fresh(r, fresh);
	measure(&b, r, "query_series_24h_batches_ms", 5, b.clock.unix_ms);
	pack(&b, parts);
	measure_first(&b, r, "query_series_24h_first_ms", b.clock.unix_ms);
	measure(&b, r, "query_series_24h_ms", ASKED, b.clock.unix_ms);
	measure(&b, r, "query_series_24h_closed_ms", ASKED, OFFSET + 25 * (int64_t)3600000);
	print_fresh(fresh);
	store_read_close(r);
	store_fresh_close(fresh);
	store_close(b.s);
	parts_close(parts);
	return 0;
}
