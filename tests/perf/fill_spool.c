/*
 * Makes the spool that an agent has after days without a link, in seconds: the real
 * spool on a played clock.
 *
 *   fill_spool PATH DEVICE HOURS SERIES SEED
 *
 * An earlier boot of the machine, which ended just now: the agent that opens the file goes
 * on in another one and names what lies between "off". Values are of the mix that servers,
 * probes and process steps have (of 100 series 68 of the host, 20 of probes, 12 of steps),
 * every 10 s, and twenty events an hour. Cut as without a link; nothing is ever dropped (the cap is
 * the agent's own default: a file that does not fit is an error here).
 *
 * Prints one line: spool ID boot ID samples N events N batches N bytes N
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool.h"

#define TICK_MS      10000
#define COMMIT_TICKS 30 /* of them in one commit: nobody waits for the disk here */
#define CAP_BYTES    (64 << 20)
#define SERIES_MAX   1000u

struct fill {
	int64_t boot_ms, unix0_ms;
	uint64_t rng;
	struct bl_clock clock;
	struct spool *s;
	unsigned series;
	uint32_t id[SERIES_MAX];
	double state[SERIES_MAX];
	uint64_t samples, events, batches;
};

/* ---- a clock and chance of our own ---- */

static int64_t
boot_ms(void *ctx)
{
	return ((struct fill *)ctx)->boot_ms;
}

static int64_t
unix_ms(void *ctx)
{
	const struct fill *f = ctx;

	return f->unix0_ms + f->boot_ms;
}

static uint64_t
next_random(struct fill *f)
{
	f->rng ^= f->rng << 13;
	f->rng ^= f->rng >> 7;
	f->rng ^= f->rng << 17;
	return f->rng * UINT64_C(2685821657736338717);
}

static void
fill_random(void *ctx, void *out, size_t len)
{
	uint8_t *to = out;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(next_random(ctx) >> 40);
}

static bool
synced(void *ctx)
{
	(void)ctx;
	return true;
}

static double
uniform(struct fill *f)
{
	return (double)(next_random(f) >> 11) / 9007199254740992.0;
}

/* ---- values ---- */

static double
walk(struct fill *f, double state, double size)
{
	return state + (uniform(f) + uniform(f) + uniform(f) - 1.5) * size;
}

static double
decimals(double v, double scale)
{
	return round(v * scale) / scale;
}

/* 12 CPU %, 3 load, 6 memory, 12 file system, 10 disk, 16 network (half constant), 9 others of
 * the host; 20 probes; 12 steps. */
static double
next_value(struct fill *f, unsigned series)
{
	const unsigned i = series % 100;
	double *s = &f->state[series];

	if (i < 12)
		return decimals(*s = fabs(fmod(walk(f, *s, 3), 100)), 100);
	if (i < 15)
		return decimals(*s = fabs(walk(f, *s, 0.1)), 100);
	if (i < 33)
		return i % 3 != 0 ? floor(*s) : floor((*s = fabs(walk(f, *s, 4e6))) / 4096) * 4096;
	if (i < 43 || (i < 59 && i % 2 == 0))
		return floor(*s += 50 + uniform(f) * 5000);
	if (i < 59)
		return floor(*s);
	if (i < 68)
		return i % 2 ? decimals(*s = fabs(walk(f, *s, 0.5)), 10) : floor(*s);
	if (i < 88)
		return i % 4 == 0 ? 200 : decimals(20 * exp(uniform(f) - 0.5), 1000);
	return i % 2 ? floor(uniform(f) * 9) : decimals(30 * exp(uniform(f) - 0.5), 100);
}

static enum bl_stream
stream_of(unsigned series)
{
	return series % 100 >= 68 && series % 100 < 88 ? BL_STREAM_PROBES : BL_STREAM_HOST;
}

/* ---- filling ---- */

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "fill_spool: %s\n", err->msg);
	exit(1);
}

static void
declare(struct fill *f)
{
	struct bl_err err = { 0 };
	char name[32];

	for (unsigned i = 0; i < f->series; i++) {
		const int n = snprintf(name, sizeof(name), "fill_%u", i);
		const struct bl_series_def def = { .stream = stream_of(i),
			.kind = BL_GAUGE,
			.interval_ms = TICK_MS,
			.name = { name, (size_t)n },
			.unit = { "1", 1 } };

		check(spool_series(f->s, &def, &f->id[i], &err), &err);
		f->state[i] = uniform(f) * (i % 100 < 15 ? 50 : 1e9);
	}
}

static void
tick(struct fill *f)
{
	struct spool_sample host[SERIES_MAX], probes[SERIES_MAX];
	struct bl_err err = { 0 };
	uint32_t n_host = 0, n_probes = 0;

	for (unsigned i = 0; i < f->series; i++) {
		const struct spool_sample v = { .series_id = f->id[i], .value = next_value(f, i) };

		if (stream_of(i) == BL_STREAM_HOST)
			host[n_host++] = v;
		else
			probes[n_probes++] = v;
	}
	if (n_probes > 0)
		check(
		    spool_append(f->s, BL_STREAM_PROBES, f->boot_ms, probes, n_probes, &err), &err);
	check(spool_append(f->s, BL_STREAM_HOST, f->boot_ms, host, n_host, &err), &err);
	f->samples += f->series;
	if (f->boot_ms % 180000 == 0) {
		const struct bl_event ev = { .boot_ms = f->boot_ms,
			.type = { "fill.event", 10 },
			.n_attrs = 1,
			.attr = { { .key = { "n", 1 },
			    .type = BL_ATTR_NUMBER,
			    .number = (double)f->events } } };

		check(spool_event(f->s, &ev, &err), &err);
		f->events++;
	}
}

static void
commit(struct fill *f)
{
	struct bl_err err = { 0 };
	int64_t next_ms;
	unsigned cut;
	uint64_t lost;
	bool more = true;

	spool_covered(f->s, f->boot_ms);
	check(spool_commit(f->s, &lost, &err), &err);
	if (lost > 0)
		check(bl_fail(&err, BL_EFULL, "%" PRIu64 " samples found no room", lost), &err);
	check(spool_cut_due(f->s, false, &cut, &next_ms, &err), &err);
	while (more)
		check(spool_trim(f->s, &more, &err), &err);
}

static void
print(struct fill *f, const struct spool_opts *opts)
{
	char spool[BL_ID_HEX_SIZE], boot[BL_ID_HEX_SIZE];
	struct spool_status st;
	struct bl_err err = { 0 };
	uint64_t bytes = 0, batches = 0, dropped = 0;

	check(spool_status(f->s, &st, &err), &err);
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		batches += st.stream[i].waiting_batches;
		bytes += st.stream[i].waiting_bytes;
		dropped += st.stream[i].dropped_samples;
	}
	if (dropped > 0)
		check(bl_fail(&err, BL_EFULL, "%" PRIu64 " samples did not fit", dropped), &err);
	bl_id_hex(&st.spool, spool);
	bl_id_hex(&opts->boot, boot);
	printf("spool %s boot %s samples %" PRIu64 " events %" PRIu64 " batches %" PRIu64
	       " bytes %" PRIu64 " file %" PRId64 "\n",
	    spool, boot, f->samples, f->events, batches, bytes, st.file_bytes);
}

int
main(int argc, char **argv)
{
	struct fill f = { .rng = 1 };
	struct bl_err err = { 0 };
	struct bl_clock_segment seg = { .source = BL_CLOCK_NTP, .uncertainty_ms = 5 };
	struct spool_opts opts = { .max_bytes = CAP_BYTES,
		.keep_receipted_ms = 72 * 3600000LL,
		.memory_bytes = 8u << 20,
		.clock = &f.clock,
		.software = "fill_spool" };
	int64_t ticks;
	unsigned cut;

	if (argc != 6) {
		(void)fprintf(stderr, "usage: fill_spool PATH DEVICE HOURS SERIES SEED\n");
		return 2;
	}
	opts.path = argv[1];
	opts.device = argv[2];
	ticks = (int64_t)(atof(argv[3]) * 3600000) / TICK_MS;
	f.series = (unsigned)atoi(argv[4]);
	f.rng += (uint64_t)atoll(argv[5]) * UINT64_C(0x9e3779b97f4a7c15);
	if (f.series == 0 || f.series > SERIES_MAX)
		check(bl_fail(&err, BL_EINVAL, "expected 1 to %u series", SERIES_MAX), &err);
	f.clock = (struct bl_clock){ .ctx = &f,
		.boot_ms = boot_ms,
		.mono_ms = boot_ms,
		.unix_ms = unix_ms,
		.random = fill_random,
		.synced = synced };
	f.unix0_ms = bl_unix_ms(bl_clock_real()) - (ticks + 1) * TICK_MS;
	opts.boot = bl_id_random(&f.clock);
	check(spool_open(&f.s, &opts, &err), &err);
	declare(&f);
	seg.boot = opts.boot;
	seg.offset_ms = f.unix0_ms;
	check(spool_clock(f.s, &seg, &err), &err);
	for (int64_t i = 0; i < ticks; i++) {
		f.boot_ms += TICK_MS;
		tick(&f);
		if (i % COMMIT_TICKS == COMMIT_TICKS - 1 || i == ticks - 1)
			commit(&f);
	}
	check(spool_cut_all(f.s, &cut, &err), &err);
	print(&f, &opts);
	spool_close(f.s);
	return 0;
}
