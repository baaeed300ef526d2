/*
 * What days without a link cost on the disk: 200 series every 10 s of the mix,
 * probes that fail now and then, process steps, through spool.h on a clock of
 * its own.  Two runs:
 *
 *   bench_spool FOLDER free DAYS          no cap that matters: largest size of
 *                                         file and log, memory, CPU
 *   bench_spool FOLDER capped DAYS MIB    everything is then delivered to a
 *                                         centre of its own and judged: events
 *                                         and failed probe runs all there, and
 *                                         came + ledger = accepted
 *
 * Prints `name value unit`; exit code 1 when a promise was broken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "branchline/batch.h"
#include "mix.h"
#include "spool.h"

#define SERIES    (2 * MIX_SERIES)
#define TICK_MS   10000
#define DAY_TICKS 8640
#define MIB       (1024.0 * 1024.0)
#define PROBES    10u /* of four series each: up, and three latencies */
#define MAX_TICKS (40u * DAY_TICKS)
#define RECEIVED  65536u /* seqs of a stream that the judge can note */

struct bench {
	int64_t boot_ms;
	struct bl_clock clock;
	struct spool_opts opts;
	struct spool *s;
	char path[512];
	struct mix mix[SERIES / MIX_SERIES];
	uint32_t id[SERIES];
	uint8_t probe_of[SERIES + 1]; /* by series id; PROBES: none */
	uint8_t down[PROBES];         /* runs that it still fails */
	uint64_t accepted[BL_STREAMS], events, failed;
	uint8_t failed_at[PROBES][MAX_TICKS];
	double max_bytes, max_rss, rss0;
	bool over;
	/* the judge */
	uint64_t came[BL_STREAMS], thinned[BL_STREAMS], named[BL_STREAMS], events_came, failed_came;
	uint8_t got[BL_STREAMS][RECEIVED];
	uint64_t batches, bytes;
};

static struct bench b;

static int64_t
now_ms(void *ctx)
{
	(void)ctx;
	return b.boot_ms;
}

static int64_t
unix_ms(void *ctx)
{
	(void)ctx;
	return INT64_C(1790000000000) + b.boot_ms;
}

static void
chance(void *ctx, void *out, size_t len)
{
	uint8_t *p = out;

	(void)ctx;
	while (len-- > 0)
		*p++ = (uint8_t)(mix_uniform(&b.mix[0]) * 256);
}

static bool
synced(void *ctx)
{
	(void)ctx;
	return true;
}

static void
check(int rc, const struct bl_err *err, const char *what)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_spool: %s: %s\n", what, err->msg);
	exit(1);
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static double
cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
rss_mib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size = 0, pages = 0;

	if (f == NULL || fscanf(f, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	if (f != NULL)
		(void)fclose(f); /* only read */
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / MIB;
}

static double
size_of(const char *suffix)
{
	char path[600];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s%s", b.path, suffix);
	return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void
look(void)
{
	const double bytes = size_of("") + size_of("-wal");

	if (bytes > b.max_bytes)
		b.max_bytes = bytes;
	b.over = b.over || bytes > (double)b.opts.max_bytes;
}

static bool
is_probe(unsigned i)
{
	return i % 100 >= 64 && i % 100 < 84;
}

static unsigned
probe_of(unsigned i)
{
	return i / 100 * (PROBES / 2) + (i % 100 - 64) / 4;
}

static void
declare(void)
{
	static const char *const probe[] = { "probe_up", "probe_connect_ms", "probe_first_byte_ms",
		"probe_total_ms" };
	char name[40], label[16];
	struct bl_err err = { 0 };

	for (unsigned i = 0; i < SERIES; i++) {
		struct bl_series_def def = { .kind = BL_GAUGE, .interval_ms = TICK_MS };
		const unsigned kind = i % 100;

		(void)snprintf(name, sizeof(name), "series_%u", i);
		def.stream = BL_STREAM_HOST;
		def.name = str(name);
		def.unit = str("1");
		if (kind >= 33 && kind < 59)
			def.kind = BL_COUNTER;
		if (is_probe(i)) {
			(void)snprintf(label, sizeof(label), "till-%u", probe_of(i));
			def.stream = BL_STREAM_PROBES;
			def.name = str(probe[kind % 4]);
			def.n_labels = 1;
			def.label[0] = (struct bl_label){ str("probe"), str(label) };
		}
		check(spool_series(b.s, &def, &b.id[i], &err), &err, "series");
		b.probe_of[b.id[i]] = (uint8_t)(is_probe(i) ? probe_of(i) : PROBES);
	}
}

/* A probe fails three runs in a thousand, for one to eight runs. */
static void
fail_probes(unsigned tick)
{
	for (unsigned p = 0; p < PROBES; p++) {
		if (b.down[p] > 0)
			b.down[p]--;
		else if (mix_uniform(&b.mix[0]) < 0.001)
			b.down[p] = (uint8_t)(1 + mix_uniform(&b.mix[0]) * 8);
		b.failed_at[p][tick] = b.down[p] > 0;
		b.failed += b.down[p] > 0 ? 4 : 0;
	}
}

static void
append(enum bl_stream stream, unsigned tick)
{
	struct spool_sample sm[SERIES];
	struct bl_err err = { 0 };
	uint32_t n = 0;

	for (unsigned i = 0; i < SERIES; i++) {
		if (is_probe(i) != (stream == BL_STREAM_PROBES))
			continue;
		sm[n] = (struct spool_sample){ b.id[i], BL_KNOWN,
			mix_next(&b.mix[i / MIX_SERIES], i % MIX_SERIES) };
		if (is_probe(i) && i % 4 == 0)
			sm[n].value = b.failed_at[probe_of(i)][tick] ? 0 : 1;
		else if (is_probe(i) && b.failed_at[probe_of(i)][tick])
			sm[n].unknown = BL_UNKNOWN_TIMEOUT;
		n++;
	}
	check(spool_append(b.s, stream, b.boot_ms, sm, n, &err), &err, "append");
	b.accepted[stream - 1] += n;
}

/* A step of an order about every four minutes. */
static void
step(unsigned tick)
{
	struct bl_event ev = { .boot_ms = b.boot_ms, .type = str("step.end"), .n_attrs = 3 };
	struct bl_err err = { 0 };
	char id[32], order[32];

	if (mix_uniform(&b.mix[0]) > 1.0 / 24)
		return;
	(void)snprintf(id, sizeof(id), "e-%u", tick);
	(void)snprintf(order, sizeof(order), "order-%08u", tick * 7919u);
	ev.id = str(id);
	ev.attr[0] =
	    (struct bl_attr){ .key = str("order"), .type = BL_ATTR_TEXT, .text = str(order) };
	ev.attr[1] =
	    (struct bl_attr){ .key = str("process"), .type = BL_ATTR_TEXT, .text = str("cash") };
	ev.attr[2] = (struct bl_attr){
		.key = str("seconds"), .type = BL_ATTR_NUMBER, .number = mix_uniform(&b.mix[0]) * 30
	};
	check(spool_event(b.s, &ev, &err), &err, "event");
	b.events++;
}

static void
tick(unsigned n)
{
	struct bl_err err = { 0 };
	uint64_t lost = 0;
	int64_t next;
	unsigned cut;
	bool more = true;

	b.boot_ms += TICK_MS;
	fail_probes(n);
	append(BL_STREAM_HOST, n);
	append(BL_STREAM_PROBES, n);
	step(n);
	spool_covered(b.s, b.boot_ms);
	check(spool_commit(b.s, &lost, &err), &err, "commit");
	look();
	check(spool_cut_due(b.s, false, &cut, &next, &err), &err, "cut");
	look();
	while (more) {
		check(spool_trim(b.s, &more, &err), &err, "trim");
		look();
	}
}

static void
run_days(unsigned days)
{
	for (unsigned day = 1; day <= days; day++) {
		for (unsigned t = 0; t < DAY_TICKS; t++) {
			const double rss = t % 60 == 0 ? rss_mib() : 0;

			tick((day - 1) * DAY_TICKS + t);
			if (rss > b.max_rss)
				b.max_rss = rss;
		}
		if (day == 1 || day == 7 || day == days)
			(void)fprintf(stderr,
			    "bench_spool: day %u: %.2f MiB, resident +%.2f MiB, %.1f CPU s\n", day,
			    b.max_bytes / MIB, b.max_rss - b.rss0, cpu_s());
		if (day == 7)
			printf("spool_7d_mib %.3f MiB\n", b.max_bytes / MIB);
	}
	if (days == 30)
		printf("spool_30d_mib %.3f MiB\n", b.max_bytes / MIB);
	printf("spool_rss_mib %.3f MiB\n", b.max_rss - b.rss0);
}

static void
begin(const char *folder, int64_t max_bytes)
{
	struct bl_err err = { 0 };

	(void)snprintf(b.path, sizeof(b.path), "%s/spool.db", folder);
	b.boot_ms = 100000;
	b.clock = (struct bl_clock){ NULL, now_ms, now_ms, unix_ms, chance, synced };
	b.opts = (struct spool_opts){ .path = b.path,
		.device = "till-1",
		.max_bytes = max_bytes,
		.keep_receipted_ms = 72 * 3600 * INT64_C(1000),
		.clock = &b.clock,
		.software = "bench" };
	b.opts.boot = bl_id_random(&b.clock);
	for (unsigned k = 0; k < SERIES / MIX_SERIES; k++)
		mix_init(&b.mix[k], 1, k);
	memset(b.failed_at, 1, sizeof(b.failed_at)); /* there from the beginning, for rss0 */
	b.rss0 = rss_mib();
	check(spool_open(&b.s, &b.opts, &err), &err, "open");
	declare();
}

/* ---- the judge ---- */

static void
judge_column(const struct bl_batch_reader *r, const struct bl_column *c)
{
	static int64_t ms[BL_BATCH_SAMPLES_MAX];
	static double v[BL_BATCH_SAMPLES_MAX];
	static uint8_t u[BL_BATCH_SAMPLES_MAX];
	static struct bl_thin thin[BL_BATCH_SAMPLES_MAX];
	const unsigned p = b.probe_of[c->series_id], stream = r->h->stream - 1;
	struct bl_err err = { 0 };

	check(bl_column_decode(r, c, ms, v, u, &err), &err, "decode");
	check(bl_column_thin(r, c, v, u, thin, &err), &err, "decode");
	for (uint32_t i = 0; i < c->n; i++) {
		if (thin[i].count > 1) {
			b.thinned[stream] += thin[i].count;
			continue;
		}
		b.came[stream]++;
		if (p < PROBES)
			b.failed_came += b.failed_at[p][(ms[i] - 100000) / TICK_MS - 1];
	}
}

static void
judge_batch(const struct spool_frame *f)
{
	struct bl_batch_reader r;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	struct bl_column c;
	struct bl_event ev;
	struct bl_gap gap;
	struct bl_buf raw;
	size_t len;

	b.batches++;
	b.bytes += f->msg.len;
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	check(
	    bl_batch_header_decode(f->msg.data, f->msg.len, &h, &body, &len, &err), &err, "header");
	check(bl_batch_inflate(&h, body, len, &raw, &err), &err, "inflate");
	check(bl_batch_reader_init(&r, &h, raw.data, raw.len, &err), &err, "read");
	while (bl_batch_next_column(&r, &c, &err) == 1)
		judge_column(&r, &c);
	while (bl_batch_next_event(&r, &ev, &err) == 1)
		b.events_came++;
	while (bl_batch_next_gap(&r, &gap, &err) == 1) {
		b.named[gap.stream - 1] += gap.samples;
		for (uint64_t seq = gap.seq_first; seq > 0 && seq <= gap.seq_last; seq++)
			b.got[gap.stream - 1][seq] = 1;
	}
	check(err.code, &err, "content");
	if (b.got[h.stream - 1][h.seq] >= 2) {
		(void)fprintf(stderr, "bench_spool: a batch came twice\n");
		exit(1);
	}
	b.got[h.stream - 1][h.seq] = 2;
	for (uint64_t seq = h.supersedes_first; seq > 0 && seq <= h.supersedes_last; seq++)
		b.got[h.stream - 1][seq] |= 1; /* none of them ever left */
	bl_buf_free(&raw);
}

static void
receipt(const struct bl_hello *h, bool answer, struct bl_receipt *r)
{
	memset(r, 0, sizeof(*r));
	r->is_answer = answer;
	r->spool = h->spool;
	r->epoch.b[0] = 1;
	r->dict_version = h->dict_version;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		while (b.got[i][r->stream[i].contiguous + 1] != 0)
			r->stream[i].contiguous++;
}

static void
deliver(void)
{
	struct spool_frame f[64];
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	unsigned n = 1, cut;
	bool hello;

	check(spool_cut_all(b.s, &cut, &err), &err, "cut");
	check(spool_hello(b.s, &h, &err), &err, "hello");
	receipt(&h, true, &r);
	check(spool_on_answer(b.s, &r, &err), &err, "answer");
	while (n > 0) {
		const struct spool_want want = { .live = true,
			.past_bytes = 1 << 20,
			.max_frames = 64,
			.dict_known = UINT32_MAX,
			.clock_known = UINT32_MAX };

		check(spool_offer(b.s, &want, f, &n, &err), &err, "offer");
		for (unsigned i = 0; i < n; i++) {
			judge_batch(&f[i]);
			bl_buf_free(&f[i].msg);
		}
		receipt(&h, false, &r);
		check(spool_on_receipt(b.s, &r, &hello, &err), &err, "receipt");
	}
}

static int
judge(void)
{
	bool exact = true;
	double kept, failed;

	deliver();
	kept = (double)b.events_came / (double)b.events;
	failed = (double)b.failed_came / (double)b.failed;
	for (unsigned i = 1; i < BL_STREAMS; i++) {
		exact = exact && b.came[i] + b.named[i] == b.accepted[i];
		(void)fprintf(stderr,
		    "bench_spool: stream %u: accepted %llu, came %llu one by one and %llu thinned, "
		    "named %llu\n",
		    i + 1, (unsigned long long)b.accepted[i], (unsigned long long)b.came[i],
		    (unsigned long long)b.thinned[i], (unsigned long long)b.named[i]);
	}
	(void)fprintf(stderr,
	    "bench_spool: events %llu of %llu, samples of failed runs %llu of %llu; %llu batches, "
	    "%.2f MiB; largest %.3f MiB%s\n",
	    (unsigned long long)b.events_came, (unsigned long long)b.events,
	    (unsigned long long)b.failed_came, (unsigned long long)b.failed,
	    (unsigned long long)b.batches, (double)b.bytes / MIB, b.max_bytes / MIB,
	    b.over ? ": ABOVE ITS CAP" : "");
	printf("capped_30d_events_kept %.6f ratio\n", kept < failed ? kept : failed);
	printf("capped_30d_ledger_exact %d yes\n", exact);
	printf("capped_30d_under_cap %d yes\n", !b.over);
	return exact && !b.over ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const bool capped = argc == 5 && strcmp(argv[2], "capped") == 0;
	const unsigned days = argc >= 4 ? (unsigned)atoi(argv[3]) : 0;

	if ((!capped && (argc != 4 || strcmp(argv[2], "free") != 0)) || days < 1 || days > 40) {
		(void)fprintf(stderr, "usage: bench_spool FOLDER free DAYS | capped DAYS MIB\n");
		return 2;
	}
	begin(argv[1], capped ? (int64_t)(atof(argv[4]) * MIB) : INT64_C(1) << 30);
	run_days(days);
	if (capped)
		return judge();
	spool_close(b.s);
	return 0;
}
