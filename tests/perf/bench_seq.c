/*
 * What sequences cost: hours of the mix, as they come out of an agent's batches
 * of a minute, written and read again.  Bytes and ns a number, best of the
 * rounds.
 *
 * Prints `name value unit` lines.  Not part of the test run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "branchline/seq.h"
#include "mix.h"

#define AGENTS 8u
#define ROUNDS 20u
#define TICKS  6u
#define N      360u

struct hour {
	int64_t i[MIX_SERIES][N];
	double d[MIX_SERIES][N];
	struct bl_seq seq[MIX_SERIES];
};

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
	(void)fprintf(stderr, "bench_seq: %s\n", err->msg);
	exit(1);
}

static void
take(struct hour *hour, const struct bl_buf *msg, struct bl_buf *raw)
{
	int64_t i[TICKS];
	double d[TICKS];
	struct bl_batch_reader r;
	struct bl_batch_header h;
	const uint8_t *body;
	struct bl_column c;
	struct bl_err err;
	unsigned at = 0;
	size_t len;

	check(bl_batch_header_decode(msg->data, msg->len, &h, &body, &len, &err), &err);
	check(bl_batch_inflate(&h, body, len, raw, &err), &err);
	check(bl_batch_reader_init(&r, &h, raw->data, raw->len, &err), &err);
	while (bl_batch_next_column(&r, &c, &err) > 0) {
		struct bl_seq s = { .i = i, .d = d };

		check(bl_column_seq(&r, &c, NULL, &s, NULL, &err), &err);
		bl_seq_join(&hour->seq[at++], &s);
	}
}

/* An hour of one agent, minute by minute. */
static void
fill(struct hour *hour, uint32_t agent, struct bl_buf *raw)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf msg;
	struct bl_err err;
	struct mix mix;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	mix_init(&mix, 1, agent);
	for (unsigned s = 0; s < MIX_SERIES; s++)
		hour->seq[s] = (struct bl_seq){ .i = hour->i[s], .d = hour->d[s] };
	for (unsigned t = 0; e != NULL && t < N; t++) {
		struct bl_batch_header h = { .stream = BL_STREAM_HOST, .seq = 1 };

		for (unsigned s = 0; s < MIX_SERIES; s++)
			check(bl_batch_enc_sample(
				  e, s + 1, 10000 * (int64_t)t, mix_next(&mix, s), BL_KNOWN),
			    &err);
		if (t % TICKS != TICKS - 1)
			continue;
		bl_buf_reset(&msg);
		h.collect_end_ms = 10000 * (int64_t)t;
		check(bl_batch_enc_finish(e, &h, &msg, &err), &err);
		bl_batch_enc_reset(e);
		take(hour, &msg, raw);
	}
	bl_batch_enc_free(e);
	bl_buf_free(&msg);
}

/* CPU time for all series of the hour; what was written is in out. */
static double
put(const struct hour *hour, enum bl_effort effort, struct bl_buf *out)
{
	const double t0 = cpu_ns();
	struct bl_err err;

	bl_buf_reset(out);
	for (unsigned s = 0; s < MIX_SERIES; s++)
		check(bl_seq_put(out, &hour->seq[s], effort, &err), &err);
	return cpu_ns() - t0;
}

static double
get(const struct bl_buf *from)
{
	static int64_t i[N];
	static double d[N];
	const double t0 = cpu_ns();
	struct bl_err err;
	struct bl_rd rd;

	bl_rd_init(&rd, from->data, from->len);
	for (unsigned s = 0; s < MIX_SERIES; s++) {
		struct bl_seq seq = { .i = i, .d = d };

		check(bl_seq_get(&rd, N, &seq, &err), &err);
	}
	return cpu_ns() - t0;
}

int
main(void)
{
	const double all = AGENTS * MIX_SERIES * N;
	double bytes[2] = { 0, 0 }, ns[2] = { 0, 0 }, get_ns = 0;
	static struct hour hour;
	struct bl_buf out, raw;

	bl_buf_init(&out, 1u << 22);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	for (uint32_t agent = 0; agent < AGENTS; agent++) {
		double best[3] = { INFINITY, INFINITY, INFINITY };

		fill(&hour, agent, &raw);
		for (unsigned round = 0; round < ROUNDS; round++) {
			for (int effort = 0; effort < 2; effort++)
				best[effort] =
				    fmin(best[effort], put(&hour, (enum bl_effort)effort, &out));
			best[2] = fmin(best[2], get(&out));
		}
		for (int effort = 0; effort < 2; effort++) {
			ns[effort] += best[effort];
			(void)put(&hour, (enum bl_effort)effort, &out);
			bytes[effort] += (double)out.len;
		}
		get_ns += best[2];
	}
	printf("seq_full %.4f B/number\nseq_quick %.4f B/number\n", bytes[0] / all, bytes[1] / all);
	printf("seq_full_put %.2f ns/number\nseq_quick_put %.2f ns/number\n", ns[0] / all,
	    ns[1] / all);
	printf("seq_get %.2f ns/number\n", get_ns / all);
	bl_buf_free(&out);
	bl_buf_free(&raw);
	return 0;
}
