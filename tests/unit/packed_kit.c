/*
 * The history and the two stores; packed_kit_say.c asks them.
 */
#include "packed_kit.h"

#include <math.h>

#include <sqlite3.h>

#define SPOOL_A 0xa
#define SPOOL_B 0xb

uint64_t
history_random(struct history *h)
{
	h->random = h->random * 6364136223846793005u + 1442695040888963407u;
	return h->random >> 33;
}

static struct tell *
add(struct history *h, enum tell_what what, uint8_t spool)
{
	struct tell *t = &h->t[h->n++];

	assert_true(h->n <= HISTORY_MAX);
	*t = (struct tell){ .what = what, .spool = spool, .stream = STREAM };
	return t;
}

static void
add_names(struct history *h, uint8_t spool)
{
	for (uint32_t i = 1; i <= HISTORY_SERIES; i++)
		add(h, TOLD_DICT, spool)->entry = i;
}

static void
add_clock(struct history *h, uint8_t spool, uint8_t boot, uint32_t entry, int64_t from_ms,
    int64_t offset_ms)
{
	struct tell *t = add(h, TOLD_CLOCK, spool);

	t->boot = boot;
	t->entry = entry;
	t->from_ms = from_ms;
	t->offset_ms = offset_ms;
}

/* Batches of one boot from begin on, one behind the other; returns where they end. */
static int64_t
add_batches(
    struct history *h, uint8_t spool, uint8_t boot, int64_t begin, int64_t end, uint64_t *seq)
{
	while (begin < end) {
		const uint64_t dice = history_random(h) % 20;
		const int64_t len = dice < 12   ? MINUTE * (int64_t)(1 + dice % 5)
				    : dice < 17 ? 11 * (int64_t)MINUTE
						: HOUR;
		struct tell *t = add(h, TOLD_BATCH, spool);

		t->boot = boot;
		t->seq = (*seq)++;
		t->begin_ms = begin;
		t->end_ms = begin + len < end ? begin + len : end;
		t->event = history_random(h) % 16 == 0;
		t->gap = history_random(h) % 32 == 0;
		begin = t->end_ms;
		if (history_random(h) % 12 == 0) { /* it never comes */
			t->what = TOLD_GONE;
			t->last = t->seq;
			if (history_random(h) % 3 == 0) { /* or stands thinned for itself */
				t->what = TOLD_BATCH;
				t->thin = true;
				t->supersedes = t->last = t->seq;
				t->seq = (*seq)++;
			}
		}
	}
	return begin;
}

void
history_make(struct history *h, uint64_t seed)
{
	const int64_t step_at = 3 * HOUR + 15000, boot2 = 6 * HOUR;
	int64_t step, end, again;
	uint64_t seq = 1, other = 1;

	memset(h, 0, sizeof(*h));
	h->random = seed * 2654435761u + 17;
	h->swapped = history_random(h) % 2 == 0;
	step = ((int64_t)(history_random(h) % 80) - 50) * MINUTE + 1700;
	add_names(h, SPOOL_A);
	add_names(h, SPOOL_B);
	add_clock(h, SPOOL_A, 1, 1, 0, OFFSET);
	add_clock(h, SPOOL_A, 1, 2, step_at, OFFSET + step);
	add_clock(h, SPOOL_A, 2, 3, 0, OFFSET + boot2);
	add_clock(h, SPOOL_B, 1, 1, 0, OFFSET);
	/* Two maps of one boot may differ by a little. */
	add_clock(
	    h, SPOOL_B, 1, 2, step_at, OFFSET + step + (int64_t)(history_random(h) % 3) * 400);
	end = add_batches(h, SPOOL_A, 1, 0, 5 * HOUR, &seq);
	(void)add_batches(h, SPOOL_A, 2, 0, 2 * HOUR, &seq);
	again = end - (int64_t)(1 + history_random(h) % 100) * MINUTE - 30000;
	(void)add_batches(h, SPOOL_B, 1, again, end + 20 * (int64_t)MINUTE, &other);
}

static bool
in_step(const struct tell *a, const struct tell *b)
{
	return a->what == b->what && a->spool == b->spool &&
	       (a->what == TOLD_DICT || a->what == TOLD_CLOCK);
}

void
history_shuffle(struct history *h)
{
	for (size_t i = h->n; i-- > 1;) {
		const size_t k = history_random(h) % (i + 1);
		const struct tell x = h->t[i];

		h->t[i] = h->t[k];
		h->t[k] = x;
	}
	for (size_t i = 0; i < h->n; i++)
		for (size_t k = i + 1; k < h->n; k++)
			if (in_step(&h->t[i], &h->t[k]) && h->t[k].entry < h->t[i].entry) {
				const struct tell x = h->t[i];

				h->t[i] = h->t[k];
				h->t[k] = x;
			}
}

/* ---- values ---- */

static uint64_t
mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u + b;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return x ^ x >> 32;
}

/*
 * Number k of a series: a constant, hundredths, a counter with a fall, a full double, large.  The
 * last of them is infinite for whole batches, the full double and the counter now and then.
 */
static double
value(uint32_t series, int64_t k, uint32_t twist)
{
	const uint64_t r = mix(series, (uint64_t)k);
	const bool infinite = series == 6   ? k / 30 % 4 == 3
			      : series == 3 ? k % 6 == 2
			      : series == 4 ? r % 5 == 0
					    : false;

	if (infinite)
		return r % 2 == 0 ? INFINITY : -INFINITY;

	switch (series) {
	case 1:
		return 42 + twist;
	case 2:
		return (double)(int64_t)(r % 20000) / 100.0 - 50 + twist;
	case 3:
		return (double)((k + 900) % 1000) * 17 + twist;
	case 4:
		return (double)r / 3.0e15 + twist;
	case 5:
		return (double)(r % 9007199254740000u) + twist;
	default:
		return (double)(r % 7) / 10.0 + twist;
	}
}

static int64_t
interval_of(uint32_t series)
{
	return series == 6 ? 70000 : INTERVAL;
}

static enum bl_unknown
unknown_of(uint32_t series, int64_t k)
{
	return mix(series + 77, (uint64_t)k) % 23 == 0 ? BL_UNKNOWN_TIMEOUT : BL_KNOWN;
}

/* When number k was taken: a few ms late, all of a tick alike. */
static int64_t
time_of(int64_t k, int64_t interval)
{
	return k * interval + (int64_t)(mix(5, (uint64_t)(k * interval / INTERVAL)) % 20);
}

static void
put_plain(struct bl_batch_enc *e, uint32_t number, uint32_t series, const struct tell *t)
{
	const int64_t step = interval_of(series);

	for (int64_t k = (t->begin_ms + step - 1) / step; k * step < t->end_ms; k++)
		if (time_of(k, step) < t->end_ms)
			assert_int_equal(bl_batch_enc_sample(e, number, time_of(k, step),
					     value(series, k, t->twist), unknown_of(series, k)),
			    BL_OK);
}

static void
put_thin(struct bl_batch_enc *e, uint32_t number, uint32_t series, const struct tell *t)
{
	const int64_t step = interval_of(series);
	struct bl_thin w = { 0 };
	double sum = 0;

	for (int64_t k = (t->begin_ms + step - 1) / step; k * step < t->end_ms; k++) {
		const double v = value(series, k, t->twist);
		const bool last = (k + 1) * step >= t->end_ms || k % 30 == 29;

		if (time_of(k, step) >= t->end_ms)
			break;
		if (isinf(v) && !last) /* by itself, between those that stand for several */
			assert_int_equal(bl_batch_enc_sample(
					     e, number, time_of(k, step), v, unknown_of(series, k)),
			    BL_OK);
		if (unknown_of(series, k) == BL_KNOWN && !isinf(v)) {
			w.min = w.count == 0 || v < w.min ? v : w.min;
			w.max = w.count == 0 || v > w.max ? v : w.max;
			w.count++;
			sum += v;
		}
		if (!last)
			continue;
		if (w.count == 0)
			assert_int_equal(
			    bl_batch_enc_sample(e, number, time_of(k, step), 0, BL_UNKNOWN_TIMEOUT),
			    BL_OK);
		else
			assert_int_equal(
			    bl_batch_enc_thin(e, number, time_of(k, step),
				series == 3 ? w.max : bl_thin_round(sum / w.count, w.min, w.max),
				&w),
			    BL_OK);
		w = (struct bl_thin){ 0 };
		sum = 0;
	}
}

static uint32_t
series_of(const struct history *h, uint8_t spool, uint32_t number)
{
	return h->swapped && spool == SPOOL_B ? HISTORY_SERIES + 1 - number : number;
}

static void
encode(const struct history *h, const struct tell *t, struct bl_buf *out)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_batch_header head = { .spool = fixture_id(t->spool),
		.boot = fixture_id(t->boot),
		.stream = t->stream,
		.seq = t->seq,
		.collect_begin_ms = t->begin_ms,
		.collect_end_ms = t->end_ms,
		.next_seq = t->seq + 1,
		.lowest_held = 1 };
	struct bl_err err = { 0 };

	for (uint32_t i = 1; i <= HISTORY_SERIES; i++)
		(t->thin ? put_thin : put_plain)(e, i, series_of(h, t->spool, i), t);
	if (t->event) {
		const struct bl_event ev = { .boot_ms = t->begin_ms + 5, .type = { "tick", 4 } };

		assert_int_equal(bl_batch_enc_event(e, &ev), BL_OK);
	}
	if (t->gap) {
		const struct bl_gap g = { .reason = BL_GAP_OFF,
			.stream = t->stream,
			.begin_boot = head.boot,
			.begin_boot_ms = t->begin_ms - 90000,
			.end_boot = head.boot,
			.end_boot_ms = t->begin_ms };

		assert_int_equal(bl_batch_enc_gap(e, &g), BL_OK);
	}
	if (t->supersedes != 0) {
		head.kind = BL_BATCH_SUPERSEDES;
		head.supersedes_first = t->supersedes;
		head.supersedes_last = t->last;
	}
	must(bl_batch_enc_finish(e, &head, out, &err), &err);
	bl_batch_enc_free(e);
}

/* ---- telling ---- */

static int
tell_batch(struct ctx *c, const struct history *h, const struct tell *t)
{
	struct bl_batch_header head;
	struct bl_buf msg, raw;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	encode(h, t, &msg);
	must(bl_batch_header_decode(msg.data, msg.len, &head, &body, &len, &err), &err);
	must(bl_batch_inflate(&head, body, len, &raw, &err), &err);
	rc = store_batch_put(c->s, spool(c, t->spool), &head, body, len, raw.data, raw.len, &err);
	must(rc, &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	return rc;
}

static void
tell_name(struct ctx *c, const struct history *h, const struct tell *t)
{
	struct bl_series_def def;
	char name[16], label[16];
	struct bl_err err = { 0 };
	const uint32_t series = series_of(h, t->spool, t->entry);

	/* Two and two have one metric. */
	fixture_series(&def, name, label, series, t->stream);
	(void)snprintf(name, sizeof(name), "m%u", (series + 1) / 2);
	def.name.len = strlen(name);
	def.id = t->entry;
	def.kind = series == 3 ? BL_COUNTER : BL_GAUGE;
	def.interval_ms = (uint32_t)interval_of(series);
	must(store_dict(c->s, spool(c, t->spool), &def, &err), &err);
}

static void
tell_clock(struct ctx *c, const struct tell *t)
{
	const struct bl_clock_segment seg = { .id = t->entry,
		.boot = fixture_id(t->boot),
		.from_boot_ms = t->from_ms,
		.offset_ms = t->offset_ms,
		.source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };

	must(store_clock(c->s, spool(c, t->spool), &seg, &err), &err);
}

static int
tell_one(struct ctx *c, const struct history *h, const struct tell *t)
{
	struct bl_err err = { 0 };
	int rc = 0;

	begin(c);
	switch (t->what) {
	case TOLD_BATCH:
		rc = tell_batch(c, h, t);
		break;
	case TOLD_CLOCK:
		tell_clock(c, t);
		break;
	case TOLD_DICT:
		tell_name(c, h, t);
		break;
	case TOLD_GONE:
		must(store_gone(c->s, spool(c, t->spool), t->stream, t->seq, t->last,
			 BL_GAP_LOST_AT_CENTRE, &err),
		    &err);
		break;
	}
	commit(c);
	place_all(c);
	return rc;
}

void
twin_tell(struct twin *w, const struct history *h, const struct tell *t)
{
	const int a = tell_one(&w->plain, h, t), b = tell_one(&w->packed, h, t);

	if (a != b)
		fail_msg("what became of seq %llu of spool %x: %d, packed %d",
		    (unsigned long long)t->seq, t->spool, a, b);
}

void
twin_later(struct twin *w, int64_t ms)
{
	w->plain.clock.unix_ms += ms;
	w->plain.clock.mono_ms += ms;
	w->packed.clock.unix_ms += ms;
	w->packed.clock.mono_ms += ms;
}

/* ---- packing ---- */

static int
write_now(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct twin *w = ctx;
	int rc;

	if ((rc = store_begin(w->packed.s, err)) < 0)
		return rc;
	if ((rc = fn(w->packed.s, arg, err)) < 0) {
		store_rollback(w->packed.s);
		return rc;
	}
	return store_commit(w->packed.s, err) < 0 ? BL_EIO : rc;
}

static void
step_all(struct twin *w)
{
	struct bl_err err = { 0 };
	int rc;

	while ((rc = compact_step(w->compact, &err)) == 1)
		w->n_packed++;
	must(rc, &err);
}

void
twin_pack(struct twin *w)
{
	step_all(w);
	twin_later(w, 3 * MINUTE); /* readers have let go */
	step_all(w);
}

void
twin_open(struct twin *w)
{
	struct compact_opts opts = { .write = write_now, .ctx = w, .after_ms = 1000 };
	char folder[700];
	struct bl_err err = { 0 };

	memset(w, 0, sizeof(*w));
	open_all(&w->plain);
	open_all(&w->packed);
	(void)snprintf(folder, sizeof(folder), "%s/parts", w->packed.folder);
	must(parts_open(&w->parts, folder, 0, &err), &err);
	store_read_use_parts(w->packed.r, w->parts);
	opts.telemetry_path = w->packed.path;
	opts.parts = w->parts;
	opts.clock = &w->packed.clock.clock;
	must(compact_open(&w->compact, &opts, STORE_OPENED, &err), &err);
}

void
twin_close(struct twin *w)
{
	compact_close(w->compact);
	close_all(&w->plain);
	store_read_close(w->packed.r);
	w->packed.r = NULL;
	close_all(&w->packed);
	parts_close(w->parts);
}

int64_t
twin_rows(const struct ctx *c)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(c->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT count(*) FROM batch", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}
