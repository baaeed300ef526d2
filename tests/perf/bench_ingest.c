/*
 * The collector's writer path without a network: header, dedupe, inflate,
 * verify, store, commit with synchronous=FULL, receipts; groups of 100.
 *
 *   bench_ingest [FOLDER [AGENTS [MINUTES [1970]]]]
 *
 * With 1970: the same batches into two stores in turns, group by group; of the second
 * one no agent has told the time yet.  When all are there the clock maps come and
 * everything is placed.
 *
 * Data of the mix (mix.h): 100 series every 10 s, one batch a minute and agent,
 * made before the clock starts; so are dictionaries and clock maps.  Prints `name value unit`
 * lines; samples per second of CPU time (user and system) of this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "branchline/batch.h"
#include "branchline/message.h"

#include "ingest_core.h"
#include "mix.h"
#include "store.h"

#define SERIES MIX_SERIES
#define TICKS  6
#define GROUP  100
#define OFFSET 1700000000000

static uint64_t receipts;

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_ingest: %s\n", err->msg);
	exit(1);
}

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	out->part = 1;
	out->retired = false;
	return 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	(void)ctx;
	(void)topic;
	(void)payload;
	(void)len;
	(void)retained;
	receipts++;
	return true;
}

static void
spool_of(unsigned agent, struct bl_id *id)
{
	memset(id, 0x5a, sizeof(*id));
	/* Spread like random ids. */
	const uint64_t h = (agent + 1) * 0x9e3779b97f4a7c15u;

	memcpy(id->b, &h, sizeof(h));
}

static void
encode(struct bl_batch_enc *e, unsigned agent, uint64_t minute, struct mix *mix, struct bl_buf *msg)
{
	struct bl_batch_header h = { .stream = BL_STREAM_HOST,
		.seq = minute + 1,
		.next_seq = minute + 2,
		.lowest_held = 1,
		.collect_begin_ms = (int64_t)minute * 60000,
		.collect_end_ms = (int64_t)(minute + 1) * 60000 };
	struct bl_err err = { 0 };
	double v[SERIES];

	spool_of(agent, &h.spool);
	h.boot = h.spool;
	bl_batch_enc_reset(e);
	for (int t = 0; t < TICKS; t++) {
		const int64_t at = h.collect_begin_ms + t * 10000 + mix_jitter_ms(mix);

		mix_tick(mix, v);
		for (unsigned i = 0; i < SERIES; i++)
			check(bl_batch_enc_sample(e, i + 1, at, v[i], BL_KNOWN), &err);
	}
	bl_buf_init(msg, BL_BATCH_WIRE_MAX);
	check(bl_batch_enc_finish(e, &h, msg, &err), &err);
}

static void
take(struct ingest_core *core, unsigned agent, const void *payload, size_t len)
{
	struct ingest_msg m = { NULL, payload, len, false };
	struct bl_err err = { 0 };
	char topic[64];

	(void)snprintf(topic, sizeof(topic), "bl/1/up/01/agent-%u/live", agent);
	m.topic = topic;
	check(ingest_core_take(core, &m, &err), &err);
}

static void
tell_names(struct ingest_core *core, unsigned agents)
{
	struct bl_series_def def[SERIES];
	struct bl_buf msg;
	struct bl_err err = { 0 };
	uint32_t encoded;

	mix_defs(def, false);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	check(ingest_core_begin(core, &err), &err);
	for (unsigned a = 0; a < agents; a++) {
		struct bl_id spool;

		spool_of(a, &spool);
		bl_buf_reset(&msg);
		check(bl_dict_encode(&spool, def, SERIES, &msg, &encoded, &err), &err);
		take(core, a, msg.data, msg.len);
	}
	check(ingest_core_commit(core, &err), &err);
	bl_buf_free(&msg);
}

/* The id-th segment of each agent's clock map. */
static void
tell_clocks(struct ingest_core *core, unsigned agents, uint32_t id, enum bl_clock_source source)
{
	struct bl_err err = { 0 };
	struct bl_buf msg;
	uint32_t encoded;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	check(ingest_core_begin(core, &err), &err);
	for (unsigned a = 0; a < agents; a++) {
		struct bl_clock_segment seg = { .id = id,
			.offset_ms = source == BL_CLOCK_UNTRUSTED ? 3000 : OFFSET,
			.source = source };

		spool_of(a, &seg.boot);
		bl_buf_reset(&msg);
		check(bl_clockmap_encode(&seg.boot, &seg, 1, &msg, &encoded, &err), &err);
		take(core, a, msg.data, msg.len);
	}
	check(ingest_core_commit(core, &err), &err);
	bl_buf_free(&msg);
}

static double
seconds(clockid_t which)
{
	struct timespec t;

	(void)clock_gettime(which, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
measure(struct ingest_core *core, struct bl_buf *msg, unsigned agents, unsigned minutes)
{
	const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	const double samples = (double)agents * minutes * TICKS * SERIES;
	struct bl_err err = { 0 };
	double bytes = 0, cpu_s, wall_s;
	unsigned n = 0;

	for (size_t i = 0; i < (size_t)agents * minutes; i++) {
		if (n == 0)
			check(ingest_core_begin(core, &err), &err);
		take(core, (unsigned)(i % agents), msg[i].data, msg[i].len);
		bytes += (double)msg[i].len;
		if (++n == GROUP) {
			check(ingest_core_commit(core, &err), &err);
			(void)ingest_core_due(core);
			n = 0;
		}
	}
	if (n > 0)
		check(ingest_core_commit(core, &err), &err);
	cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall_s = seconds(CLOCK_MONOTONIC) - wall;
	printf("ingest_samples_per_cpu_s %.0f samples/s\n", samples / cpu_s);
	printf("ingest_samples_per_wall_s %.0f samples/s\n", samples / wall_s);
	printf("ingest_batches_per_cpu_s %.0f batches/s\n", (double)agents * minutes / cpu_s);
	printf("ingest_wire_bytes_per_sample %.3f bytes\n", bytes / samples);
	printf("ingest_receipts %.0f messages\n", (double)receipts);
}

/* CPU time of one group. */
static double
take_group(
    struct ingest_core *core, const struct bl_buf *msg, size_t from, size_t to, unsigned agents)
{
	const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct bl_err err = { 0 };

	check(ingest_core_begin(core, &err), &err);
	for (size_t i = from; i < to; i++)
		take(core, (unsigned)(i % agents), msg[i].data, msg[i].len);
	check(ingest_core_commit(core, &err), &err);
	(void)ingest_core_due(core);
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

static double
place_all(struct ingest_core *core, struct store *s, unsigned agents)
{
	const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct bl_err err = { 0 };

	tell_clocks(core, agents, 2, BL_CLOCK_NTP);
	while (store_placing(s)) {
		check(ingest_core_begin(core, &err), &err);
		check(ingest_core_commit(core, &err), &err);
	}
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

/* core[0]: clocks known; core[1]: 1970. */
static void
compare(struct ingest_core *core[2], struct store *unknown, const struct bl_buf *msg,
    unsigned agents, unsigned minutes)
{
	const size_t n = (size_t)agents * minutes;
	double cpu[2] = { 0, 0 }, placing;

	for (size_t i = 0; i < n; i += GROUP)
		for (unsigned k = 0; k < 2; k++) {
			const unsigned which = (unsigned)(i / GROUP + k) % 2;

			cpu[which] +=
			    take_group(core[which], msg, i, i + GROUP < n ? i + GROUP : n, agents);
		}
	placing = place_all(core[1], unknown, agents);
	printf("clock_1970_cpu_ratio %.4f ratio\n", (cpu[1] + placing) / cpu[0]);
	printf("clock_1970_take_ratio %.4f ratio\n", cpu[1] / cpu[0]);
	printf("clock_1970_place_us %.3f us a batch\n", placing / (double)n * 1e6);
}

static double
file_bytes(const char *path, const char *suffix)
{
	char name[700];
	struct stat sb;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &sb) == 0 ? (double)sb.st_size : 0;
}

static struct ingest_core *
open_core(const char *folder, const char *name, struct store **s, char path[600])
{
	struct store_opts sopts = { .path = path, .clock = bl_clock_real() };
	struct ingest_core_opts copts = {
		.clock = bl_clock_real(), .lookup = lookup, .publish = publish
	};
	struct ingest_core *core;
	struct bl_err err = { 0 };

	(void)snprintf(path, 600, "%s/%s", folder, name);
	check(store_open(s, &sopts, &err), &err);
	copts.store = *s;
	check(ingest_core_create(&core, &copts, &err), &err);
	return core;
}

static void
with_1970(const char *folder, struct ingest_core *known, const struct bl_buf *msg, unsigned agents,
    unsigned minutes)
{
	struct ingest_core *core[2] = { known, NULL };
	struct store *s;
	char path[600];

	core[1] = open_core(folder, "unknown.db", &s, path);
	tell_names(core[1], agents);
	tell_clocks(core[1], agents, 1, BL_CLOCK_UNTRUSTED);
	compare(core, s, msg, agents, minutes);
	ingest_core_free(core[1]);
	store_close(s);
}

int
main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".";
	const unsigned agents = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	const unsigned minutes = argc > 3 ? (unsigned)atoi(argv[3]) : 20;
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_buf *msg = calloc((size_t)agents * minutes, sizeof(*msg));
	struct mix *mix = calloc(agents, sizeof(*mix));
	struct ingest_core *core;
	struct store *s;
	char path[600];

	if (e == NULL || msg == NULL || mix == NULL) {
		(void)fprintf(stderr, "bench_ingest: out of memory\n");
		return 1;
	}
	for (unsigned a = 0; a < agents; a++)
		mix_init(&mix[a], 1, a);
	for (unsigned m = 0; m < minutes; m++)
		for (unsigned a = 0; a < agents; a++)
			encode(e, a, m, &mix[a], &msg[(size_t)m * agents + a]);
	core = open_core(folder, "telemetry.db", &s, path);
	tell_names(core, agents);
	tell_clocks(core, agents, 1, BL_CLOCK_NTP);
	if (argc > 4)
		with_1970(folder, core, msg, agents, minutes);
	else
		measure(core, msg, agents, minutes);
	ingest_core_free(core);
	store_close(s);
	if (argc <= 4)
		printf("ingest_disk_bytes_per_sample %.3f bytes\n",
		    (file_bytes(path, "") + file_bytes(path, "-wal")) /
			((double)agents * minutes * TICKS * SERIES));
	for (size_t i = 0; i < (size_t)agents * minutes; i++)
		bl_buf_free(&msg[i]);
	free(msg);
	free(mix);
	bl_batch_enc_free(e);
	return 0;
}
