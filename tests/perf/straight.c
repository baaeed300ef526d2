/* See straight.h. */
#include "straight.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "branchline/batch.h"
#include "branchline/message.h"

#include "compact.h"
#include "ingest_core.h"
#include "parts.h"
#include "store.h"

#define TICK_MS   10000
#define MINUTE_MS 60000
#define HOUR_MS   (60 * (int64_t)MINUTE_MS)

struct straight {
	char database[600], folder[600];
	int64_t unix_ms, begin_unix_ms;
	struct bl_clock clock;
	struct store *store;
	struct ingest_core *core;
	struct parts *parts;
	struct compact *compact;
	unsigned waiting; /* messages of the group that is open */
};

static void
check(int rc, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "straight: %s\n", err->msg);
	exit(1);
}

double
straight_cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t
now_unix_ms(void *ctx)
{
	return ((const struct straight *)ctx)->unix_ms;
}

static int64_t
now_mono_ms(void *ctx)
{
	const struct straight *s = ctx;

	return s->unix_ms - s->begin_unix_ms + 1000;
}

static void
chance(void *ctx, void *out, size_t len)
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
	return true;
}

void
straight_spool(unsigned agent, struct bl_id *id)
{
	/* Spread like random ids. */
	const uint64_t h = (agent + 1) * 0x9e3779b97f4a7c15u;

	memset(id, 0x5a, sizeof(*id));
	memcpy(id->b, &h, sizeof(h));
}

void
straight_encode(struct bl_batch_enc *e, struct mix *m, unsigned agent, uint64_t seq,
    int64_t begin_ms, unsigned ticks, bool jitter, struct bl_buf *out)
{
	struct bl_batch_header h = { .stream = BL_STREAM_HOST,
		.seq = seq,
		.next_seq = seq + 1,
		.lowest_held = seq,
		.collect_begin_ms = begin_ms,
		.collect_end_ms = begin_ms + (int64_t)ticks * TICK_MS };
	struct bl_err err = { 0 };
	double v[MIX_SERIES];

	straight_spool(agent, &h.spool);
	h.boot = h.spool;
	bl_batch_enc_reset(e);
	for (unsigned t = 0; t < ticks; t++) {
		const int64_t late = mix_jitter_ms(m);
		const int64_t at = begin_ms + (int64_t)t * TICK_MS + (jitter ? late : 0);

		mix_tick(m, v);
		for (unsigned i = 0; i < MIX_SERIES; i++)
			check(bl_batch_enc_sample(e, i + 1, at, v[i], BL_KNOWN), &err);
	}
	check(bl_batch_enc_finish(e, &h, out, &err), &err);
}

/* ---- messages in ---- */

static void
begin(struct straight *s)
{
	struct bl_err err = { 0 };

	if (s->waiting++ == 0)
		check(ingest_core_begin(s->core, &err), &err);
}

void
straight_commit(struct straight *s)
{
	struct bl_err err = { 0 };

	if (s->waiting == 0)
		return;
	s->waiting = 0;
	check(ingest_core_commit(s->core, &err), &err);
	(void)ingest_core_due(s->core);
}

static void
take(struct straight *s, unsigned agent, const void *payload, size_t len)
{
	char topic[64];
	struct ingest_msg m = { topic, payload, len, false };
	struct bl_err err = { 0 };

	(void)snprintf(topic, sizeof(topic), "bl/1/up/01/agent-%05u/live", agent);
	begin(s);
	check(ingest_core_take(s->core, &m, &err), &err);
	if (s->waiting == STRAIGHT_GROUP)
		straight_commit(s);
}

void
straight_take(struct straight *s, unsigned agent, const void *msg, size_t len)
{
	take(s, agent, msg, len);
}

static void
introduce(struct straight *s, unsigned agent)
{
	struct bl_clock_segment seg = {
		.id = 1, .offset_ms = s->begin_unix_ms, .source = BL_CLOCK_NTP
	};
	struct bl_series_def def[MIX_SERIES];
	struct bl_err err = { 0 };
	struct bl_buf msg;
	struct bl_id spool;
	uint32_t encoded;

	straight_spool(agent, &spool);
	seg.boot = spool;
	mix_defs(def, false);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	check(bl_dict_encode(&spool, def, MIX_SERIES, &msg, &encoded, &err), &err);
	take(s, agent, msg.data, msg.len);
	bl_buf_reset(&msg);
	check(bl_clockmap_encode(&spool, &seg, 1, &msg, &encoded, &err), &err);
	take(s, agent, msg.data, msg.len);
	bl_buf_free(&msg);
}

/* ---- compaction ---- */

static int
write_slice(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct straight *s = ctx;
	int rc;

	if ((rc = store_begin(s->store, err)) < 0)
		return rc;
	if ((rc = fn(s->store, arg, err)) < 0) {
		store_rollback(s->store);
		return rc;
	}
	return store_commit(s->store, err);
}

unsigned
straight_compact(struct straight *s)
{
	struct bl_err err = { 0 };
	unsigned steps = 0;
	int rc;

	straight_commit(s);
	while ((rc = compact_step(s->compact, &err)) > 0)
		steps++;
	check(rc, &err);
	return steps;
}

void
straight_settle(struct straight *s)
{
	/* An hour's end and half an hour more; the grace of rows; that of regions that nobody
	 * names. */
	static const int64_t later[] = { 2 * HOUR_MS, 5 * MINUTE_MS, 5 * MINUTE_MS, 25 * HOUR_MS };

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		straight_at(s, s->unix_ms + later[i]);
		(void)straight_compact(s);
	}
}

/* ---- opening and closing ---- */

struct straight *
straight_open(const char *folder, unsigned agents, int64_t begin_unix_ms)
{
	struct straight *s = calloc(1, sizeof(*s));
	struct store_opts sopts = { 0 };
	struct ingest_core_opts copts = { .lookup = lookup, .publish = publish };
	/* What stays unused after one look at it goes: the clock is played, and far ahead. */
	struct compact_opts popts = { .write = write_slice, .unused_ms = 1 };
	struct bl_err err = { 0 };
	int opened;

	if (s == NULL)
		exit(1);
	s->unix_ms = s->begin_unix_ms = begin_unix_ms;
	s->clock = (struct bl_clock){ s, now_mono_ms, now_mono_ms, now_unix_ms, chance, synced };
	(void)snprintf(s->database, sizeof(s->database), "%s/telemetry.db", folder);
	(void)snprintf(s->folder, sizeof(s->folder), "%s/parts", folder);
	sopts.path = s->database;
	sopts.clock = copts.clock = popts.clock = &s->clock;
	check(opened = store_open(&s->store, &sopts, &err), &err);
	copts.store = s->store;
	check(ingest_core_create(&s->core, &copts, &err), &err);
	check(parts_open(&s->parts, s->folder, 0, &err), &err);
	popts.telemetry_path = s->database;
	popts.parts = s->parts;
	popts.ctx = s;
	check(compact_open(&s->compact, &popts, opened, &err), &err);
	for (unsigned a = 0; a < agents; a++)
		introduce(s, a);
	straight_commit(s);
	return s;
}

void
straight_close(struct straight *s)
{
	straight_commit(s);
	compact_close(s->compact);
	ingest_core_free(s->core);
	store_close(s->store);
	parts_close(s->parts);
	free(s);
}

void
straight_at(struct straight *s, int64_t unix_ms)
{
	if (unix_ms > s->unix_ms)
		s->unix_ms = unix_ms;
}

const char *
straight_database(const struct straight *s)
{
	return s->database;
}

struct parts *
straight_parts(const struct straight *s)
{
	return s->parts;
}

/* ---- bytes ---- */

static double
file_bytes(const char *folder, const char *name)
{
	char path[1200];
	struct stat sb;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (stat(path, &sb) != 0)
		return 0;
	/* A file with holes takes less than its length. */
	return fmin((double)sb.st_blocks * 512, (double)sb.st_size);
}

void
straight_bytes(const char *folder, struct straight_bytes *out)
{
	char parts[600];
	const struct dirent *f;
	DIR *d;

	memset(out, 0, sizeof(*out));
	out->database = file_bytes(folder, "telemetry.db") + file_bytes(folder, "telemetry.db-wal");
	(void)snprintf(parts, sizeof(parts), "%s/parts", folder);
	if ((d = opendir(parts)) == NULL)
		return;
	while ((f = readdir(d)) != NULL) {
		const double bytes = file_bytes(parts, f->d_name);

		if (strncmp(f->d_name, "raw-", 4) == 0)
			out->raw += bytes;
		else if (strncmp(f->d_name, "m5-", 3) == 0)
			out->m5 += bytes;
		else if (strncmp(f->d_name, "h1-", 3) == 0)
			out->h1 += bytes;
	}
	(void)closedir(d);
}
