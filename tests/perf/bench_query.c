/*
 * Queries over a fleet as the collector answers them: a store with its parts and the real
 * API on a Unix socket in one process, CPU time of that process without the asking thread.
 *
 *   bench_query [FOLDER [AGENTS [HOURS [few|all [FIGURE]]]]]
 *
 * A folder that was filled before is asked again.  Data of the mix (mix.h) at 10 s, in batches of
 * an hour, each hour packed when it is closed: eight of its 100 series (a section of a part holds
 * one metric, so what a query costs does not depend on how many others there are) or all of them.
 * Then LIVE minutes of all 100 in batches of a minute, which no part has yet.
 * Every question is asked 15 times; printed are the median and, on standard error, the first, least
 * and greatest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "branchline/batch.h"
#include "branchline/log.h"
#include "branchline/message.h"

#include "api.h"
#include "compact.h"
#include "control.h"
#include "fleet.h"
#include "latest.h"
#include "mix.h"
#include "parts.h"
#include "store.h"
#include "store_fresh.h"
#include "store_read.h"

#define HOUR    INT64_C(3600000)
#define TICK    10000
#define OFFSET  INT64_C(1795860000000) /* an hour's begin */
#define REPEATS 15
#define SITES   50
#define LIVE    50
#define MINUTE  60000
/* As a collector has unless it is told otherwise (store.open_hours). */
#define FRESH_BYTES (32u << 20)

/* One series an agent each, of every kind; the mix's first of that name. */
static const char *const few[] = { "load_l1", "cpu_user", "mem_used", "fs_used", "io_reads",
	"net_rbytes", "probe_total_ms", "step_took_s" };

struct bench {
	struct bl_clock clock;
	int64_t unix_ms, mono_ms;
	char store_path[600], parts_path[600], control_path[600], socket_path[600];
	/* of the mix: those of closed hours, then the rest */
	unsigned agents, hours, n_series, series[MIX_SERIES];
	struct store *store;
	struct parts *parts;
	struct store_fresh *fresh;
	struct compact *compact;
	struct control *control;
	struct api *api;
	struct latest *latest;
};

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "bench_query: %s\n", err->msg);
	exit(1);
}

/* ---- a clock that is set ---------------------------------------------------- */

static int64_t
mono(void *ctx)
{
	const struct bench *b = ctx;
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return b->mono_ms + (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
wall(void *ctx)
{
	return ((struct bench *)ctx)->unix_ms;
}

static void
random_bytes(void *ctx, void *out, size_t len)
{
	const struct bl_clock *real = bl_clock_real();

	(void)ctx;
	real->random(real->ctx, out, len);
}

static bool
synced(void *ctx)
{
	(void)ctx;
	return true;
}

/* ---- the collector's parts ----------------------------------------------------- */

static int
write_store(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct bench *b = ctx;
	int rc;

	if ((rc = store_begin(b->store, err)) < 0)
		return rc;
	if ((rc = fn(b->store, arg, err)) < 0) {
		store_rollback(b->store);
		return rc;
	}
	return store_commit(b->store, err);
}

static int
reader_open(void *ctx, struct store_read **out, struct bl_err *err)
{
	struct bench *b = ctx;
	const int rc = store_read_open(out, b->store_path, &b->clock, err);

	if (rc >= 0) {
		store_read_use_parts(*out, b->parts);
		store_read_use_fresh(*out, b->fresh);
	}
	return rc;
}

static void
reader_close(void *ctx, struct store_read *r)
{
	(void)ctx;
	store_read_close(r);
}

static void
open_all(struct bench *b)
{
	const struct store_opts sopts = { .path = b->store_path, .clock = &b->clock };
	struct compact_opts copts = {
		.telemetry_path = b->store_path, .clock = &b->clock, .write = write_store, .ctx = b
	};
	const struct control_opts control = { .path = b->control_path, .clock = &b->clock };
	struct api_opts api = { .admin_socket = b->socket_path,
		.clock = &b->clock,
		.hooks = { .ctx = b, .store_open = reader_open, .store_close = reader_close } };
	struct bl_err err = { 0 };
	int opened;

	check(opened = store_open(&b->store, &sopts, &err), &err);
	check(parts_open(&b->parts, b->parts_path, 0, &err), &err);
	check(store_fresh_open(&b->fresh, FRESH_BYTES, &err), &err);
	copts.parts = b->parts;
	check(compact_open(&b->compact, &copts, opened, &err), &err);
	check(control_open(&b->control, &control, &err), &err);
	api.control = b->control;
	if ((api.latest = b->latest = latest_create(&b->clock, 0)) == NULL)
		exit(1);
	check(api_start(&b->api, &api, &err), &err);
}

static void
make_fleet(struct bench *b)
{
	const struct control_actor who = { "bench", "" };
	struct fleet_site site;
	struct fleet_device device;
	struct bl_err err = { 0 };
	char id[64], at[64];

	for (unsigned i = 0; i < SITES; i++) {
		const struct fleet_site_edit e = { .name = "A site",
			.region = i % 2 == 0 ? "Asia/China" : "Europe" };

		(void)snprintf(id, sizeof(id), "site-%u", i);
		check(fleet_site_create(b->control, &who, id, &e, &site, &err), &err);
	}
	for (unsigned a = 0; a < b->agents; a++) {
		(void)snprintf(id, sizeof(id), "agent-%u", a);
		(void)snprintf(at, sizeof(at), "site-%u", a % SITES);
		check(fleet_device_create(b->control, &who, id, at, "A till", &device, &err), &err);
	}
}

/* ---- telemetry ------------------------------------------------------------------ */

static struct store_spool *
spool_of(struct bench *b, unsigned agent, struct bl_id *id)
{
	const uint64_t h = (agent + 1) * UINT64_C(0x9e3779b97f4a7c15);
	struct bl_err err = { 0 };
	struct store_spool *sp;
	char device[64];

	memset(id, 0x5a, sizeof(*id));
	memcpy(id->b, &h, sizeof(h));
	(void)snprintf(device, sizeof(device), "agent-%u", agent);
	check(store_spool(b->store, id, device, &sp, &err), &err);
	return sp;
}

static void
tell_names(struct bench *b)
{
	struct bl_series_def def[MIX_SERIES];
	struct bl_err err = { 0 };
	struct bl_id id;

	mix_defs(def, false);
	check(store_begin(b->store, &err), &err);
	for (unsigned a = 0; a < b->agents; a++) {
		struct store_spool *sp = spool_of(b, a, &id);
		const struct bl_clock_segment seg = {
			.id = 1, .boot = id, .offset_ms = OFFSET, .source = BL_CLOCK_NTP
		};

		for (unsigned i = 0; i < MIX_SERIES; i++) {
			def[b->series[i]].id = i + 1;
			check(store_dict(b->store, sp, &def[b->series[i]], &err), &err);
		}
		check(store_clock(b->store, sp, &seg, &err), &err);
	}
	while (store_placing(b->store))
		check(store_place(b->store, 1000, &err), &err);
	check(store_commit(b->store, &err), &err);
}

/* The first n series over [begin, end). */
static void
put_batch(struct bench *b, struct bl_batch_enc *e, struct mix *mix, unsigned agent, uint64_t seq,
    int64_t begin, int64_t end, unsigned n)
{
	struct bl_batch_header h = { .stream = BL_STREAM_HOST,
		.seq = seq,
		.collect_begin_ms = begin,
		.collect_end_ms = end };
	struct store_spool *sp = spool_of(b, agent, &h.spool);
	struct bl_err err = { 0 };
	struct bl_buf msg, raw;
	const uint8_t *body;
	size_t len;

	h.boot = h.spool;
	bl_batch_enc_reset(e);
	for (int64_t t = h.collect_begin_ms; t < h.collect_end_ms; t += TICK) {
		const int64_t at = t + mix_jitter_ms(mix);

		for (unsigned i = 0; i < n; i++)
			check(bl_batch_enc_sample(
				  e, i + 1, at, mix_next(mix, b->series[i]), BL_KNOWN),
			    &err);
	}
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	check(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	check(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	check(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	check(store_batch_put(b->store, sp, &h, body, len, raw.data, raw.len, &err), &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
}

static void
pack(struct bench *b)
{
	struct bl_err err = { 0 };
	int rc;

	while ((rc = compact_step(b->compact, &err)) > 0)
		continue;
	check(rc, &err);
}

/* As they come: a transaction a minute, nothing packed behind it. */
static void
fill_live(struct bench *b, struct bl_batch_enc *e, struct mix *mix)
{
	const int64_t begin = b->hours * HOUR;
	struct bl_err err = { 0 };

	for (unsigned m = 0; m < LIVE; m++) {
		b->unix_ms = OFFSET + begin + (m + 1) * MINUTE;
		b->mono_ms += MINUTE;
		check(store_begin(b->store, &err), &err);
		for (unsigned a = 0; a < b->agents; a++)
			put_batch(b, e, &mix[a], a, b->hours + m + 1, begin + m * MINUTE,
			    begin + (m + 1) * MINUTE, MIX_SERIES);
		check(store_commit(b->store, &err), &err);
	}
}

static void
fill(struct bench *b)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct mix *mix = calloc(b->agents, sizeof(*mix));
	struct bl_err err = { 0 };

	if (e == NULL || mix == NULL)
		exit(1);
	for (unsigned a = 0; a < b->agents; a++)
		mix_init(&mix[a], 1, a);
	tell_names(b);
	for (unsigned hour = 0; hour < b->hours; hour++) {
		b->unix_ms = OFFSET + (hour + 1) * HOUR;
		check(store_begin(b->store, &err), &err);
		for (unsigned a = 0; a < b->agents; a++)
			put_batch(b, e, &mix[a], a, hour + 1, hour * HOUR, (hour + 1) * HOUR,
			    b->n_series);
		check(store_commit(b->store, &err), &err);
		b->unix_ms += HOUR / 2 + 60000;
		b->mono_ms += HOUR;
		pack(b);
	}
	fill_live(b, e, mix);
	bl_batch_enc_free(e);
	free(mix);
}

/* ---- asking ----------------------------------------------------------------------- */

static double
all_cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double
cpu_ms(void)
{
	struct timespec all, mine;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine);
	return (double)(all.tv_sec - mine.tv_sec) * 1e3 +
	       (double)(all.tv_nsec - mine.tv_nsec) / 1e6;
}

/* The connection to read the answer from. */
static int
send_request(struct bench *b, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char request[1024];
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", b->socket_path);
	(void)snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    write(fd, request, strlen(request)) != (ssize_t)strlen(request)) {
		perror("bench_query: ask");
		exit(1);
	}
	return fd;
}

/* The whole answer; the caller frees. */
static char *
get(struct bench *b, const char *path)
{
	char *text = NULL;
	size_t len = 0, size = 0;
	ssize_t n;
	const int fd = send_request(b, path);

	do {
		if (size - len < 65536 && (text = realloc(text, size += 1u << 20)) == NULL)
			exit(1);
		n = read(fd, text + len, size - len - 1);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	text[len] = '\0';
	(void)close(fd);
	if (strncmp(text, "HTTP/1.1 200", 12) != 0) {
		(void)fprintf(stderr, "bench_query: %s: %.600s\n", path, text);
		exit(1);
	}
	return text;
}

static int
by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
ask(struct bench *b, const char *figure, const char *path)
{
	double ms[REPEATS], first = 0;
	char *text = NULL;

	for (int i = 0; i < REPEATS; i++) {
		const double before = cpu_ms();

		free(text);
		text = get(b, path);
		ms[i] = cpu_ms() - before;
		first = i == 0 ? ms[0] : first;
	}
	qsort(ms, REPEATS, sizeof(ms[0]), by_size);
	printf("%s %.3f ms\n", figure, ms[REPEATS / 2]);
	(void)fprintf(stderr, "%s: first %.3f least %.3f greatest %.3f, %zu bytes: %.300s\n",
	    figure, first, ms[0], ms[REPEATS - 1], strlen(text),
	    strstr(text, "\r\n\r\n") != NULL ? strstr(text, "\r\n\r\n") + 4 : "");
	free(text);
}

/* The last 24 h by five minutes: what is closed, and all minutes that are not. */
static void
ask_now(struct bench *b)
{
	const int64_t to = OFFSET + b->hours * HOUR + LIVE * MINUTE;
	struct store_fresh_stats s;
	char path[512];

	(void)snprintf(path, sizeof(path),
	    "/api/v1/metrics/query?metric=load_l1&agg=avg&from=%lld&to=%lld&step=%lld",
	    (long long)(to - 24 * HOUR), (long long)to, (long long)(HOUR / 12));
	ask(b, "query_fleet_now_24h_ms", path);
	store_fresh_stats(b->fresh, &s);
	(void)fprintf(stderr, "memory of open hours: %.1f MiB, %llu pieces, %llu refused\n",
	    (double)s.bytes / (1 << 20), (unsigned long long)s.pieces,
	    (unsigned long long)s.refused);
}

static void
ask_all(struct bench *b, const char *only)
{
	static const struct {
		const char *figure, *query;
		int64_t step;
	} q[] = {
		{ "query_fleet_avg_24h_ms", "query?metric=load_l1&agg=avg", 24 * HOUR },
		{ "query_fleet_p95_24h_ms", "query?metric=load_l1&agg=p95", 24 * HOUR },
		{ "query_fleet_5min_24h_ms", "query?metric=load_l1&agg=avg", HOUR / 12 },
		{ "query_fleet_max_5min_24h_ms", "query?metric=load_l1&agg=max", HOUR / 12 },
		{ "query_fleet_rate_24h_ms", "query?metric=net_rbytes&labels=if%3Deth0&agg=rate",
		    24 * HOUR },
		{ "query_fleet_rate_5min_24h_ms",
		    "query?metric=net_rbytes&labels=if%3Deth0&agg=rate", HOUR / 12 },
		{ "query_fleet_latency_p95_24h_ms",
		    "query?metric=probe_total_ms&agg=p95&labels=probe%3Dcash", 24 * HOUR },
		{ "query_fleet_sites_hour_ms", "query?metric=load_l1&agg=avg&group=site", HOUR },
		{ "query_fleet_raw_7min_24h_ms", "query?metric=load_l1&agg=avg", 7 * 60000 },
		{ "query_last_1000_ms", "latest?metric=load_l1&limit=50000", 0 },
	};
	char path[512];

	for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		if (only != NULL && strcmp(only, q[i].figure) != 0)
			continue;
		int n = snprintf(path, sizeof(path), "/api/v1/metrics/%s", q[i].query);

		if (q[i].step > 0)
			(void)snprintf(path + n, sizeof(path) - (size_t)n,
			    "&from=%lld&to=%lld&step=%lld&align=false", (long long)OFFSET,
			    (long long)(OFFSET + b->hours * HOUR), (long long)q[i].step);
		ask(b, q[i].figure, path);
	}
	if (only == NULL || strcmp(only, "query_fleet_now_24h_ms") == 0)
		ask_now(b);
}

static void
fill_latest(struct bench *b)
{
	struct store_read *r;
	struct bl_err err = { 0 };
	double cpu;

	check(reader_open(b, &r, &err), &err);
	cpu = all_cpu_ms();
	check(latest_fill(b->latest, r, NULL, NULL, &err), &err);
	(void)fprintf(
	    stderr, "the newest values were filled in within %.0f ms of CPU\n", all_cpu_ms() - cpu);
	store_read_close(r);
}

/* The folder has a store from an earlier run. */
static bool
filled_before(struct bench *b)
{
	struct store_totals t;
	struct store_read *r;
	struct bl_err err = { 0 };

	check(reader_open(b, &r, &err), &err);
	check(store_read_totals(r, &t, &err), &err);
	store_read_close(r);
	b->unix_ms = t.batches > 0 ? OFFSET + b->hours * HOUR + LIVE * MINUTE : b->unix_ms;
	return t.batches > 0;
}

/* ---- what the table of newest values costs the writer --------------------------------- */

#define TAKE_AGENTS  200u
#define TAKE_BATCHES 5u

struct live {
	struct bl_batch_header h;
	struct bl_buf raw;
};

/* A minute of 100 series at 10 s. */
static void
make_live(struct bl_batch_enc *e, unsigned agent, unsigned minute, struct live *out)
{
	struct bl_batch_header h = { .stream = BL_STREAM_HOST,
		.seq = minute + 1,
		.collect_begin_ms = minute * 60000,
		.collect_end_ms = (minute + 1) * 60000 };
	struct bl_err err = { 0 };
	struct bl_buf msg;
	struct mix mix;
	const uint8_t *body;
	size_t len;

	mix_init(&mix, 1, agent);
	memset(&h.spool, (int)agent, sizeof(h.spool));
	bl_batch_enc_reset(e);
	for (int64_t t = h.collect_begin_ms; t < h.collect_end_ms; t += TICK)
		for (unsigned k = 0; k < MIX_SERIES; k++)
			check(bl_batch_enc_sample(e, k + 1, t, mix_next(&mix, k), BL_KNOWN), &err);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&out->raw, BL_BATCH_RAW_MAX);
	check(bl_batch_enc_finish(e, &h, &msg, &err), &err);
	check(bl_batch_header_decode(msg.data, msg.len, &out->h, &body, &len, &err), &err);
	check(bl_batch_inflate(&out->h, body, len, &out->raw, &err), &err);
	bl_buf_free(&msg);
}

/* CPU time a sample of telling it of batches of agents that it knows: one a minute, or all at once.
 */
static void
measure_take(struct bench *b, bool live_pace)
{
	static struct live live[TAKE_AGENTS * TAKE_BATCHES];
	struct latest *l = latest_create(&b->clock, 0);
	struct bl_batch_enc *e = bl_batch_enc_create();
	const unsigned n = TAKE_AGENTS * TAKE_BATCHES;
	double cpu = 0;

	if (l == NULL || e == NULL)
		exit(1);
	for (unsigned i = 0; i < n; i++)
		make_live(e, i % TAKE_AGENTS, i / TAKE_AGENTS, &live[i]);
	for (unsigned i = 0; i < n; i++) {
		b->mono_ms += live_pace ? 60000 / TAKE_AGENTS : 0;
		cpu = i == TAKE_AGENTS ? all_cpu_ms() : cpu;
		latest_take(l, &(struct latest_batch){ &live[i].h, live[i].raw.data,
				   live[i].raw.len, OFFSET + live[i].h.event_end_ms });
	}
	printf("%s %.2f ns\n",
	    live_pace ? "latest_take_ns_per_sample" : "latest_burst_ns_per_sample",
	    (all_cpu_ms() - cpu) * 1e6 / ((n - TAKE_AGENTS) * 6 * MIX_SERIES));
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&live[i].raw);
	bl_batch_enc_free(e);
	latest_free(l);
}

/* ---- exports --------------------------------------------------------------------------- */

/* A day of a metric as CSV, sample by sample, taken as fast as it comes. */
static void
measure_export(struct bench *b)
{
	static char piece[1 << 18];
	const double cpu = cpu_ms();
	struct rusage before, after;
	size_t rows = 0, bytes = 0;
	char path[512];
	ssize_t n;
	int fd;

	(void)getrusage(RUSAGE_SELF, &before);
	(void)snprintf(path, sizeof(path),
	    "/api/v1/metrics/export?metric=load_l1&from=%lld&to=%lld", (long long)OFFSET,
	    (long long)(OFFSET + b->hours * HOUR));
	fd = send_request(b, path);
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		bytes += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			rows += piece[i] == 'Z'; /* one a row: behind its time */
	}
	(void)close(fd);
	(void)getrusage(RUSAGE_SELF, &after);
	printf("export_rows_per_cpu_s %.0f rows/s\n", (double)rows / (cpu_ms() - cpu) * 1000);
	printf("export_24h_added_rss_mib %.1f MiB\n",
	    (double)(after.ru_maxrss - before.ru_maxrss) / 1024);
	(void)fprintf(stderr, "exported %zu rows, %zu MiB\n", rows, bytes >> 20);
}

static void
choose_series(struct bench *b, bool all)
{
	unsigned rest[MIX_SERIES], n_rest = 0;

	for (unsigned i = 0; i < MIX_SERIES; i++) {
		bool wanted = all;

		for (size_t k = 0; k < sizeof(few) / sizeof(few[0]); k++)
			wanted |= strcmp(few[k], mix_series(i)->metric) == 0;
		for (unsigned k = 0; k < b->n_series && !all; k++)
			wanted &=
			    strcmp(mix_series(b->series[k])->metric, mix_series(i)->metric) != 0;
		if (wanted)
			b->series[b->n_series++] = i;
		else
			rest[n_rest++] = i;
	}
	memcpy(b->series + b->n_series, rest, n_rest * sizeof(rest[0]));
}

int
main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".";
	static struct bench b;

	b.clock = (struct bl_clock){ &b, mono, mono, wall, random_bytes, synced };
	b.agents = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	b.hours = argc > 3 ? (unsigned)atoi(argv[3]) : 24;
	choose_series(&b, argc > 4 && strcmp(argv[4], "all") == 0);
	b.unix_ms = OFFSET - HOUR;
	(void)snprintf(b.store_path, sizeof(b.store_path), "%s/telemetry.db", folder);
	(void)snprintf(b.parts_path, sizeof(b.parts_path), "%s/parts", folder);
	(void)snprintf(b.control_path, sizeof(b.control_path), "%s/control.db", folder);
	(void)snprintf(b.socket_path, sizeof(b.socket_path), "%s/admin.sock", folder);
	open_all(&b);
	if (!filled_before(&b)) {
		make_fleet(&b);
		fill(&b);
	}
	fill_latest(&b);
	ask_all(&b, argc > 5 ? argv[5] : NULL);
	if (argc > 5 && strcmp(argv[5], "latest_take") == 0)
		for (int i = 0; i < 30; i++)
			measure_take(&b, i % 2 == 0);
	if (argc <= 5) {
		measure_export(&b);
		measure_take(&b, true);
		measure_take(&b, false);
	}
	api_stop(b.api);
	latest_free(b.latest);
	control_close(b.control);
	compact_close(b.compact);
	parts_close(b.parts);
	store_fresh_close(b.fresh);
	store_close(b.store);
	return 0;
}
