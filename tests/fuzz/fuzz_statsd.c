/*
 * libFuzzer target: a packet for the StatsD inlet.  Looked for, besides what the sanitizers
 * see: a line that is counted twice or not at all, a number that strtod reads otherwise, a value
 * that is not finite, a report that the codec would refuse.
 */
#include <math.h>

#include "branchline/batch.h"

#include "fuzz.h"
#include "statsd_internal.h"

static int32_t n_series;

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	(void)ctx;
	CHECK(def->name.len > 0 && def->name.len <= BL_NAME_MAX);
	return n_series++;
}

static void
put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	CHECK(handle >= 0 && handle < n_series && isfinite(value));
}

static void
unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)ctx;
	CHECK(handle >= 0 && handle < n_series && reason != BL_KNOWN);
}

static unsigned under_way;

static int
report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct bl_batch_enc *enc = bl_batch_enc_create();
	struct bl_event ev = r->ev;

	(void)ctx;
	(void)token;
	(void)err;
	if (r->kind == INLET_METRIC) {
		CHECK(isfinite(r->value) && r->at_unix_ms > 0 && r->def.name.len > 0 &&
		      r->def.name.len <= BL_NAME_MAX && r->def.n_labels <= BL_LABELS_MAX);
		ev = (struct bl_event){ .type = { "a", 1 } };
	}
	ev.boot_ms = 1;
	CHECK(enc != NULL && bl_batch_enc_event(enc, &ev) == BL_OK);
	bl_batch_enc_free(enc);
	under_way++;
	return BL_OK;
}

static void
flush(void *ctx, int64_t boot_ms)
{
	(void)ctx;
	(void)boot_ms;
}

static int64_t
stands_still(void *ctx)
{
	(void)ctx;
	return 1000;
}

static void
no_random(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 7, len);
}

static const struct bl_clock clock = { .boot_ms = stands_still,
	.mono_ms = stands_still,
	.unix_ms = stands_still,
	.random = no_random };
static struct sample_sink sink = { .declare = declare, .put = put, .unknown = unknown };
static const struct inlet_host host = {
	.clock = &clock, .interval_ms = 10000, .report = report, .sink = &sink, .flush = flush
};

/* Lines that are not empty; a \r at the end is none of it. */
static uint64_t
lines_of(struct bl_str rest)
{
	struct bl_str line;
	uint64_t n = 0;

	while (statsd_split(&rest, '\n', &line))
		n += line.len > 1 || (line.len == 1 && line.p[0] != '\r');
	return n;
}

/* All that was taken or refused, each once. */
static uint64_t
counted(const struct statsd *s)
{
	struct inlet_count c[INLET_COUNTS_MAX];
	const unsigned n = statsd_ops.count(s, c);
	uint64_t all = 0;

	for (unsigned i = 0; i < n; i++)
		if (c[i].refused || strcmp(c[i].name, "accepted") == 0)
			all += c[i].n;
	return all;
}

static void
check_number(const char *text)
{
	double mine;

	if (!statsd_number(text, strlen(text), &mine))
		return;
	CHECK(isfinite(mine) && mine == strtod(text, NULL));
}

/* As a stream, in two pieces: the same packets as in one, and none behind a length that is none. */
static void
check_stream(struct statsd *s, const char *p, size_t size)
{
	unsigned work = 0;
	const uint64_t before = s->series.count[STATSD_PACKETS];
	const ssize_t whole = statsd_stream_packets(s, p, size, &work);
	const uint64_t packets = s->series.count[STATSD_PACKETS] - before;
	ssize_t first, rest;

	CHECK(whole <= (ssize_t)size && work <= 40 * size + 8);
	if ((first = statsd_stream_packets(s, p, size / 2, &work)) < 0) {
		CHECK(whole < 0);
		return;
	}
	rest = statsd_stream_packets(s, p + first, size - (size_t)first, &work);
	CHECK(whole < 0 ? rest < 0 : first + rest == whole);
	CHECK(s->series.count[STATSD_PACKETS] - before == 2 * packets);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct statsd_conf conf = { .max_series = 40, .hold_ms = 1000 };
	const struct bl_str all = { (const char *)data, size };
	struct statsd s = { .conf = &conf, .host = &host, .epoll_fd = -1 };
	char *text = fuzz_text(data, size);
	struct bl_err err = { 0 };

	check_number(text);
	free(text);
	n_series = 0;
	under_way = 0;
	bl_log_level_set(BL_LOG_ERROR);
	bl_buf_init(&s.wait, STATSD_WAIT_BYTES);
	CHECK(statsd_series_open(&s.series, &conf, &host, &err) == BL_OK);
	(void)statsd_take_packet(&s, (const char *)data, size, false);
	for (; under_way > 0; under_way--)
		statsd_ops.done(&s, 0, 0);
	CHECK(counted(&s) == (size > 0 ? lines_of(all) : 0));
	statsd_series_settle(&s.series);
	statsd_series_tick(&s.series, 2000);
	CHECK(counted(&s) == (size > 0 ? lines_of(all) : 0)); /* nothing that cannot be put */
	check_stream(&s, (const char *)data, size);
	statsd_series_tick(&s.series, 3000);
	statsd_series_close(&s.series);
	bl_buf_free(&s.wait);
	return 0;
}
