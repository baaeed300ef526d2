/*
 * What a fleet's samples cost from the wire into parts, and what they take there: the straight
 * path, batches of a minute, the compactor an hour behind.
 *
 *   bench_store FOLDER SEED AGENTS HOURS BEGIN_UNIX_MS regular|jitter
 *
 * The samples are those that `mix_lines SEED AGENTS ...` prints.  Batches are made an hour at a
 * time, outside of what is measured: CPU time of this process.  Prints `name value unit` lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "branchline/batch.h"
#include "straight.h"

#define MINUTE_MS 60000
#define MINUTES   60u
#define TICKS     6u

struct bench {
	struct straight *s;
	unsigned agents, hours;
	int64_t begin_unix_ms;
	bool jitter;
	struct mix *mix;
	struct bl_batch_enc *enc;
	struct bl_buf *msg; /* of one hour */
	double wire_bytes, ingest_s, pack_s;
};

static void
make_hour(struct bench *b, unsigned hour)
{
	for (unsigned m = 0; m < MINUTES; m++)
		for (unsigned a = 0; a < b->agents; a++) {
			struct bl_buf *msg = &b->msg[m * b->agents + a];
			const uint64_t minute = (uint64_t)hour * MINUTES + m;

			bl_buf_reset(msg);
			straight_encode(b->enc, &b->mix[a], a, minute + 1,
			    (int64_t)minute * MINUTE_MS, TICKS, b->jitter, msg);
			b->wire_bytes += (double)msg->len;
		}
}

static void
take_hour(struct bench *b, unsigned hour)
{
	double cpu = straight_cpu_s();

	for (unsigned m = 0; m < MINUTES; m++) {
		straight_at(
		    b->s, b->begin_unix_ms + ((int64_t)hour * MINUTES + m + 1) * MINUTE_MS + 1000);
		for (unsigned a = 0; a < b->agents; a++)
			straight_take(
			    b->s, a, b->msg[m * b->agents + a].data, b->msg[m * b->agents + a].len);
	}
	straight_commit(b->s);
	b->ingest_s += straight_cpu_s() - cpu;
	cpu = straight_cpu_s();
	(void)straight_compact(b->s);
	b->pack_s += straight_cpu_s() - cpu;
}

static void
report(const struct bench *b, const char *folder)
{
	const double n = (double)b->agents * b->hours * MINUTES * TICKS * MIX_SERIES;
	struct straight_bytes bytes;

	straight_bytes(folder, &bytes);
	printf("store_samples %.0f samples\n", n);
	printf("store_cpu_s %.3f s\n", b->ingest_s + b->pack_s);
	printf("store_ingest_ns %.2f ns/sample\n", b->ingest_s / n * 1e9);
	printf("store_pack_ns %.2f ns/sample\n", b->pack_s / n * 1e9);
	printf("store_wire_bytes %.4f B/sample\n", b->wire_bytes / n);
	printf("store_raw_bytes %.4f B/sample\n", bytes.raw / n);
	printf("store_5min_bytes %.4f B/sample\n", bytes.m5 / n);
	printf("store_1h_bytes %.4f B/sample\n", bytes.h1 / n);
	printf("store_database_bytes %.4f B/sample\n", bytes.database / n);
}

int
main(int argc, char **argv)
{
	struct bench b = { 0 };
	uint64_t seed;
	double cpu;

	if (argc != 7 || atoi(argv[3]) <= 0 || atoi(argv[4]) <= 0) {
		(void)fprintf(stderr,
		    "usage: bench_store FOLDER SEED AGENTS HOURS BEGIN_UNIX_MS regular|jitter\n");
		return 2;
	}
	seed = strtoull(argv[2], NULL, 10);
	b.agents = (unsigned)atoi(argv[3]);
	b.hours = (unsigned)atoi(argv[4]);
	b.begin_unix_ms = atoll(argv[5]);
	b.jitter = argv[6][0] == 'j';
	b.mix = calloc(b.agents, sizeof(*b.mix));
	b.msg = calloc((size_t)b.agents * MINUTES, sizeof(*b.msg));
	b.enc = bl_batch_enc_create();
	if (b.mix == NULL || b.msg == NULL || b.enc == NULL)
		return 1;
	for (unsigned a = 0; a < b.agents; a++)
		mix_init(&b.mix[a], seed, a);
	for (size_t i = 0; i < (size_t)b.agents * MINUTES; i++)
		bl_buf_init(&b.msg[i], BL_BATCH_WIRE_MAX);
	b.s = straight_open(argv[1], b.agents, b.begin_unix_ms);
	for (unsigned h = 0; h < b.hours; h++) {
		make_hour(&b, h);
		take_hour(&b, h);
		(void)fprintf(stderr, "bench_store: hour %u of %u, %.1f CPU s\n", h + 1, b.hours,
		    b.ingest_s + b.pack_s);
	}
	cpu = straight_cpu_s();
	straight_settle(b.s);
	straight_close(b.s);
	b.pack_s += straight_cpu_s() - cpu;
	report(&b, argv[1]);
	for (size_t i = 0; i < (size_t)b.agents * MINUTES; i++)
		bl_buf_free(&b.msg[i]);
	free(b.msg);
	free(b.mix);
	bl_batch_enc_free(b.enc);
	return 0;
}
