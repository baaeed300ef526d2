/*
 * The store as a log: what is read from it depends on what came, never on when
 * or in which order; and what a batch or an entry settles is told with it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "nomem.h"
#include "store.h"
#include "store_fixture.h"
#include "store_log.h"

#define OFFSET   1700000000000 /* a whole minute is 20 s into it; unix = boot + this */
#define INTERVAL 10000
#define MINUTE   60000
#define STREAM   BL_STREAM_HOST
#define DEVICE   "kiosk-1"
#define BACK     (35 * MINUTE) /* how far the clock is set back */

struct ctx {
	char *folder;
	char path[600];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
};

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

static void
open_all(struct ctx *c)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };

	c->folder = fixture_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->folder);
	fixture_clock_init(&c->clock);
	must(store_open(&c->s, &opts, &err), &err);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
}

static void
close_all(struct ctx *c)
{
	store_read_close(c->r);
	store_close(c->s);
	fixture_folder_remove(c->folder);
}

static int
setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));

	open_all(c);
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	close_all(*state);
	free(*state);
	return 0;
}

/* ---- what comes ---- */

enum what { BATCH, CLOCK, DICT, GONE };

struct op {
	enum what what;
	uint8_t spool, boot; /* fills of their ids */
	/* BATCH; seqs also GONE */
	uint64_t seq, last;
	int64_t begin_ms, end_ms;
	bool empty;
	uint64_t supersedes_first, supersedes_last;
	bool has_gap;
	struct bl_gap gap;
	/* CLOCK, DICT: entries count up, so that of one spool these stay in order */
	uint32_t entry;
	int64_t from_ms, offset_ms;
	uint32_t series; /* its name */
};

static struct store_spool *
spool(struct ctx *c, uint8_t fill)
{
	const struct bl_id id = fixture_id(fill);
	struct bl_err err = { 0 };
	struct store_spool *sp;

	must(store_spool(c->s, &id, DEVICE, &sp, &err), &err);
	return sp;
}

static int
put_batch(struct ctx *c, const struct op *o)
{
	const struct fixture_batch b = { .spool = fixture_id(o->spool),
		.boot = fixture_id(o->boot),
		.stream = STREAM,
		.seq = o->seq,
		.begin_ms = o->begin_ms,
		.end_ms = o->end_ms,
		.interval_ms = INTERVAL,
		.n_series = o->empty ? 0 : 2,
		.gap = o->has_gap ? &o->gap : NULL,
		.supersedes_first = o->supersedes_first,
		.supersedes_last = o->supersedes_last };
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(&b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	rc = store_batch_put(c->s, spool(c, o->spool), &h, body, len, raw.data, raw.len, &err);
	must(rc, &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	return rc;
}

static void
put_series(struct ctx *c, const struct op *o)
{
	struct bl_series_def def;
	char name[16], value[16];
	struct bl_err err = { 0 };

	fixture_series(&def, name, value, o->series, STREAM);
	def.id = o->entry;
	must(store_dict(c->s, spool(c, o->spool), &def, &err), &err);
}

static void
put_clock(struct ctx *c, const struct op *o)
{
	const struct bl_clock_segment seg = { .id = o->entry,
		.boot = fixture_id(o->boot),
		.from_boot_ms = o->from_ms,
		.offset_ms = o->offset_ms,
		.source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };

	must(store_clock(c->s, spool(c, o->spool), &seg, &err), &err);
}

static void
begin(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(store_begin(c->s, &err), &err);
}

static void
commit(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(store_commit(c->s, &err), &err);
}

/* Inside a transaction. */
static void
take(struct ctx *c, const struct op *o)
{
	struct bl_err err = { 0 };

	if (o->what == BATCH)
		(void)put_batch(c, o);
	else if (o->what == CLOCK)
		put_clock(c, o);
	else if (o->what == DICT)
		put_series(c, o);
	else
		must(store_gone(c->s, spool(c, o->spool), STREAM, o->seq, o->last,
			 BL_GAP_LOST_AT_CENTRE, &err),
		    &err);
}

static void
apply(struct ctx *c, const struct op *o)
{
	begin(c);
	take(c, o);
	commit(c);
}

static void
place_all(struct ctx *c)
{
	struct bl_err err = { 0 };
	int rc;

	do {
		must(store_begin(c->s, &err), &err);
		rc = store_place(c->s, 7, &err);
		must(rc, &err);
		must(store_commit(c->s, &err), &err);
	} while (rc > 0);
}

static struct op
minute_of(uint8_t fill, uint8_t boot, uint64_t seq, int64_t i)
{
	return (struct op){ .what = BATCH,
		.spool = fill,
		.boot = boot,
		.seq = seq,
		.begin_ms = i * MINUTE,
		.end_ms = (i + 1) * MINUTE };
}

/* ---- what is read, as text ---- */

struct text {
	char *p;
	size_t len, size;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	if (t->size - t->len < 256) {
		t->size = t->size * 2 + 4096;
		t->p = realloc(t->p, t->size);
		assert_non_null(t->p);
	}
	va_start(args, format);
	n = vsnprintf(t->p + t->len, t->size - t->len, format, args);
	va_end(args);
	assert_true(n >= 0 && n < 256);
	t->len += (size_t)n;
}

struct read_ctx {
	struct text *t;
	int64_t boot[8]; /* numbers as they come up */
	size_t n_boots, n;
	double last_t[2];
};

static bool
say_sample(void *ctx, const struct store_log_sample *s)
{
	struct read_ctx *x = ctx;
	size_t b = 0;

	while (b < x->n_boots && x->boot[b] != s->boot)
		b++;
	if (b == x->n_boots)
		x->boot[x->n_boots++] = s->boot;
	assert_true(s->series < 2);
	assert_true(x->last_t[s->series] <= (double)s->unix_ms);
	x->last_t[s->series] = (double)s->unix_ms;
	say(x->t, "%zu %lld %.3f %u b%zu\n", s->series, (long long)(s->unix_ms - OFFSET), s->value,
	    s->unknown, b);
	x->n++;
	return true;
}

static void
say_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	say(ctx, "%s %lld %lld\n", gone ? "gone" : "covered", (long long)(begin - OFFSET),
	    (long long)(end - OFFSET));
}

static bool
keep_id(void *ctx, const struct store_log_series *s)
{
	*(int64_t *)ctx = s->id;
	return true;
}

/* Ids of m1 and m2; by name, since they depend on arrival. */
static void
find_ids(struct ctx *c, int64_t ids[2])
{
	struct bl_err err = { 0 };

	ids[0] = ids[1] = 0;
	must(store_log_series(c->r, DEVICE, "m1", keep_id, &ids[0], &err), &err);
	must(store_log_series(c->r, DEVICE, "m2", keep_id, &ids[1], &err), &err);
}

static size_t
say_samples(struct ctx *c, struct text *t, int64_t from_ms, int64_t to_ms)
{
	struct read_ctx x = { .t = t };
	struct bl_err err = { 0 };
	int64_t ids[2];

	find_ids(c, ids);
	must(store_log_samples(c->r, DEVICE, STREAM, ids, 2, OFFSET + from_ms, OFFSET + to_ms,
		 say_sample, &x, &err),
	    &err);
	return x.n;
}

static void
say_coverage(struct ctx *c, struct text *t, int64_t from_ms, int64_t to_ms)
{
	struct bl_err err = { 0 };

	must(store_log_coverage(
		 c->r, DEVICE, STREAM, OFFSET + from_ms, OFFSET + to_ms, say_span, t, &err),
	    &err);
}

static void
assert_coverage(struct ctx *c, int64_t from_ms, int64_t to_ms, const char *expected)
{
	struct text t = { 0 };

	say(&t, "%s", "");
	say_coverage(c, &t, from_ms, to_ms);
	assert_string_equal(t.p, expected);
	free(t.p);
}

/* ---- one history in many orders ---- */

/*
 * Spool a: two boots; the clock is set back in the middle of the first; seqs 11..13
 * were evicted (with times), 17..18 lost at the centre (without), 21 stands for 21..23, thinned.
 * Spool b: the file was set back, so that the last minutes of the first boot are in both, cut in
 * another way, and the names have other numbers.
 */
static size_t
history(struct op *o)
{
	const struct bl_gap evicted = { .reason = BL_GAP_EVICTED,
		.stream = STREAM,
		.seq_first = 11,
		.seq_last = 13,
		.begin_boot = fixture_id(1),
		.begin_boot_ms = (int64_t)10 * MINUTE,
		.end_boot = fixture_id(1),
		.end_boot_ms = (int64_t)13 * MINUTE };
	size_t n = 0;

	for (uint32_t i = 1; i <= 2; i++) {
		o[n++] = (struct op){ .what = DICT, .spool = 0xa, .entry = i, .series = i };
		o[n++] = (struct op){ .what = DICT, .spool = 0xb, .entry = i, .series = 3 - i };
	}
	o[n++] =
	    (struct op){ .what = CLOCK, .spool = 0xa, .boot = 1, .entry = 1, .offset_ms = OFFSET };
	o[n++] = (struct op){ .what = CLOCK,
		.spool = 0xa,
		.boot = 1,
		.entry = 2,
		.from_ms = 30 * MINUTE + 15000,
		.offset_ms = OFFSET - BACK };
	o[n++] = (struct op){ .what = CLOCK,
		.spool = 0xa,
		.boot = 2,
		.entry = 3,
		.offset_ms = OFFSET + (int64_t)45 * MINUTE };
	o[n++] = (struct op){ .what = CLOCK,
		.spool = 0xb,
		.boot = 1,
		.entry = 1,
		.from_ms = 30 * MINUTE + 15000,
		.offset_ms = OFFSET - BACK };
	for (int64_t i = 0; i < 40; i++) {
		const uint64_t seq = (uint64_t)i + 1;

		if ((seq >= 11 && seq <= 13) || seq == 17 || seq == 18 || (seq >= 21 && seq <= 23))
			continue;
		o[n] = minute_of(0xa, 1, seq, i);
		o[n].has_gap = seq == 30;
		o[n++].gap = evicted;
	}
	o[n++] = (struct op){ .what = GONE, .spool = 0xa, .seq = 17, .last = 18 };
	o[n] = minute_of(0xa, 1, 60, 20);
	o[n].end_ms = 23 * MINUTE;
	o[n].supersedes_first = 21;
	o[n++].supersedes_last = 23;
	for (int64_t i = 0; i < 5; i++)
		o[n++] = minute_of(0xa, 2, (uint64_t)i + 41, i);
	for (int64_t i = 0; i < 3; i++) {
		o[n] = minute_of(0xb, 1, (uint64_t)i + 1, 37 + 2 * i);
		o[n].begin_ms = (36 + 2 * i) * MINUTE + 30000;
		o[n].end_ms = o[n].begin_ms + (int64_t)2 * MINUTE;
		n++;
	}
	return n;
}

static void
shuffle(struct op *o, size_t n, uint64_t *random)
{
	for (size_t i = n; i-- > 1;) {
		struct op x;
		size_t k;

		*random = *random * 6364136223846793005u + 1442695040888963407u;
		k = (size_t)(*random >> 33) % (i + 1);
		x = o[i];
		o[i] = o[k];
		o[k] = x;
	}
	/* What counts up within a spool keeps its order: the places stay, the entries are sorted.
	 */
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if ((o[i].what == DICT || o[i].what == CLOCK) && o[k].what == o[i].what &&
			    o[k].spool == o[i].spool && o[k].entry < o[i].entry) {
				const struct op x = o[i];

				o[i] = o[k];
				o[k] = x;
			}
}

static void
say_all(struct ctx *c, struct text *t)
{
	(void)say_samples(c, t, -(int64_t)10 * MINUTE, (int64_t)60 * MINUTE);
	say_coverage(c, t, -(int64_t)10 * MINUTE, (int64_t)60 * MINUTE);
	/* Windows that cut through holes, batches and the step of the clock. */
	for (int64_t i = 0; i < 60; i += 3) {
		say(t, "from %lld\n", (long long)i);
		(void)say_samples(c, t, i * MINUTE + 20000, (i + 3) * MINUTE + 20000);
		say_coverage(c, t, i * MINUTE + 20000, (i + 3) * MINUTE + 20000);
	}
}

/* One to five in a transaction, seldom more than two minutes apart: coverage joins now and then. */
static void
arrive(struct ctx *c, const struct op *o, size_t n, bool place, uint64_t *random)
{
	for (size_t i = 0; i < n;) {
		*random = *random * 6364136223846793005u + 1442695040888963407u;
		c->clock.unix_ms += (int64_t)(*random >> 33) % 100000;
		begin(c);
		for (size_t k = (size_t)(*random >> 60) % 5 + 1; k > 0 && i < n; k--)
			take(c, &o[i++]);
		commit(c);
		if (place)
			place_all(c);
	}
	place_all(c);
}

static void
the_order_of_arrival_does_not_show(void **state)
{
	struct text first = { 0 };
	struct op o[80];
	uint64_t random = 4711;
	const size_t n = history(o);
	const unsigned n_rounds = rounds(24, 200);

	(void)state;
	assert_true(n < 80);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct text t = { 0 };
		struct ctx c = { 0 };

		open_all(&c);
		if (round > 0)
			shuffle(o, n, &random);
		arrive(&c, o, n, round % 3 == 0, &random);
		say_all(&c, &t);
		if (round == 0)
			first = t;
		else if (strcmp(first.p, t.p) != 0)
			fail_msg("round %u differs", round);
		if (round > 0)
			free(t.p);
		close_all(&c);
	}
	free(first.p);
}

static void
every_sample_comes_once(void **state)
{
	struct ctx *c = *state;
	struct text t = { 0 };
	struct op o[80];
	const size_t n = history(o);

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
	/* Boot 1: 42.5 minutes without the five that are gone; boot 2: five minutes; two series. */
	assert_int_equal(say_samples(c, &t, -(int64_t)10 * MINUTE, (int64_t)60 * MINUTE),
	    2 * ((42 * 6 + 3) - 5 * 6 + 5 * 6));
	/* The clock was set back, so that there are two of the same time. */
	t.len = 0;
	assert_int_equal(say_samples(c, &t, (int64_t)5 * MINUTE, 5 * MINUTE + 30000), 2 * 2 * 3);
	free(t.p);
	/* A hole is gone when the ledger has its time, or every seq between its neighbours. */
	assert_coverage(c, 9 * MINUTE, (int64_t)14 * MINUTE,
	    "covered 540000 600000\ngone 600000 780000\ncovered 780000 840000\n");
	assert_coverage(c, 16 * MINUTE + 20000, (int64_t)17 * MINUTE, "gone 980000 1020000\n");
	assert_coverage(c, (int64_t)17 * MINUTE, (int64_t)19 * MINUTE,
	    "gone 1020000 1080000\ncovered 1080000 1140000\n");
}

/* ---- what is told of a batch ---- */

struct told {
	struct store_log_batch b;
	char device[64];
	size_t n;
};

static bool
keep_batch(void *ctx, const struct store_log_batch *b)
{
	struct told *t = ctx;

	t->b = *b;
	(void)snprintf(t->device, sizeof(t->device), "%s", b->device);
	t->n++;
	return true;
}

static struct told
newest(struct ctx *c)
{
	struct store_log_head head;
	struct told t = { .n = 0 };
	struct bl_err err = { 0 };

	must(store_log_head(c->r, &head, &err), &err);
	must(store_log_batch(c->r, head.batch_id, keep_batch, &t, &err), &err);
	assert_int_equal(t.n, 1);
	return t;
}

static void
know_clock(struct ctx *c)
{
	const struct op o = {
		.what = CLOCK, .spool = 0xa, .boot = 1, .entry = 1, .offset_ms = OFFSET
	};

	apply(c, &o);
}

static void
put_minute(struct ctx *c, uint64_t seq, int64_t i)
{
	const struct op o = minute_of(0xa, 1, seq, i);

	apply(c, &o);
}

static void
batches_come_in_order_of_commit(void **state)
{
	struct ctx *c = *state;
	struct told t = { .n = 0 };
	struct store_log_head head;
	struct bl_err err = { 0 };

	must(store_log_head(c->r, &head, &err), &err);
	assert_int_equal(head.batch_id, 0);
	assert_memory_equal(&head.epoch, store_epoch(c->s), sizeof(head.epoch));
	know_clock(c);
	for (int64_t i = 0; i < 150; i++)
		put_minute(c, (uint64_t)i + 1, i);
	must(store_log_batches(c->r, 0, 1000, keep_batch, &t, &err), &err);
	assert_int_equal(t.n, 150);
	must(store_log_head(c->r, &head, &err), &err);
	assert_int_equal(t.b.id, head.batch_id);
	assert_string_equal(t.device, DEVICE);
	t.n = 0;
	must(store_log_batches(c->r, head.batch_id - 70, 65, keep_batch, &t, &err), &err);
	assert_int_equal(t.n, 65);
	assert_int_equal(t.b.id, head.batch_id - 5);
	assert_int_equal(
	    store_log_batch(c->r, head.batch_id + 1, keep_batch, &t, &err), BL_ENOTFOUND);
}

static void
a_batch_waits_for_its_clock_and_its_dictionary(void **state)
{
	struct ctx *c = *state;
	struct told t;

	put_minute(c, 1, 0);
	t = newest(c);
	assert_true(t.b.begin_unix_ms == STORE_TIME_NONE && t.b.end_unix_ms == STORE_TIME_NONE);
	assert_true(t.b.dict_missing);
	assert_int_equal(t.b.n_samples, 12);
	know_clock(c);
	assert_int_equal(newest(c).b.end_unix_ms, OFFSET + MINUTE);
	for (uint32_t i = 1; i <= 2; i++) {
		const struct op o = { .what = DICT, .spool = 0xa, .entry = i, .series = i };

		assert_true(newest(c).b.dict_missing);
		apply(c, &o);
	}
	assert_false(newest(c).b.dict_missing);
}

static void
a_span_reaches_over_what_its_batch_settles(void **state)
{
	struct ctx *c = *state;
	const struct op gone = { .what = GONE, .spool = 0xa, .seq = 3, .last = 4 };
	struct told t;

	know_clock(c);
	put_minute(c, 1, 0);
	/* Nothing before it: another spool's last tick may be there. */
	assert_int_equal(newest(c).b.begin_unix_ms, OFFSET - 2000);
	put_minute(c, 2, 1);
	t = newest(c);
	assert_int_equal(t.b.begin_unix_ms, OFFSET + MINUTE);
	assert_int_equal(t.b.end_unix_ms, OFFSET + 2 * MINUTE);
	/* What is missing may still come: the hole is not in the span, a tick of it is. */
	put_minute(c, 5, 4);
	t = newest(c);
	assert_int_equal(t.b.begin_unix_ms, OFFSET + 4 * MINUTE - 2000);
	/* Known gone: the next batch that stands at its edge tells it. */
	apply(c, &gone);
	assert_int_equal(newest(c).b.begin_unix_ms, OFFSET + 2 * MINUTE);
}

/* ---- the ledger ---- */

struct gaps {
	struct store_gap g[8];
	size_t n;
};

static bool
keep_gap(void *ctx, const struct store_gap *g)
{
	struct gaps *l = ctx;

	assert_true(l->n < 8);
	assert_string_equal(g->device, DEVICE);
	l->g[l->n++] = *g;
	return true;
}

static void
an_entry_without_times_gets_them_from_its_neighbours(void **state)
{
	struct ctx *c = *state;
	const struct op gone = { .what = GONE, .spool = 0xa, .seq = 3, .last = 4 };
	struct gaps l = { .n = 0 };
	struct bl_err err = { 0 };

	know_clock(c);
	put_minute(c, 2, 1);
	apply(c, &gone);
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_true(l.g[0].from_unix_ms == STORE_TIME_NONE && l.g[0].to_unix_ms == STORE_TIME_NONE);
	assert_coverage(c, 0, (int64_t)6 * MINUTE, "covered 60000 120000\n");
	/* Seq 5 is missing between: it may still come. */
	put_minute(c, 6, 5);
	l.n = 0;
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_true(l.g[0].from_unix_ms == STORE_TIME_NONE);
	assert_coverage(c, 0, (int64_t)6 * MINUTE, "covered 60000 120000\ncovered 300000 360000\n");
	put_minute(c, 5, 4);
	l.n = 0;
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.g[0].from_unix_ms, OFFSET + 2 * MINUTE - 2000);
	assert_int_equal(l.g[0].to_unix_ms, OFFSET + 4 * MINUTE + 2000);
	assert_coverage(c, 0, (int64_t)6 * MINUTE,
	    "covered 60000 120000\ngone 120000 240000\ncovered 240000 360000\n");
	/* In the middle of the hole, far from its ends. */
	assert_coverage(
	    c, (int64_t)2 * MINUTE + 30000, (int64_t)3 * MINUTE, "gone 150000 180000\n");
	l.n = 0;
	must(store_log_gaps(c->r, l.g[0].id, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 0);
}

static void
an_entry_with_times_explains_its_time(void **state)
{
	struct ctx *c = *state;
	struct op o = minute_of(0xa, 1, 2, 10);
	struct gaps l = { .n = 0 };
	struct bl_err err = { 0 };

	know_clock(c);
	put_minute(c, 1, 0);
	/* The agent was off, says its next start: from its last commit, a tick after the batch. */
	o.has_gap = true;
	o.gap = (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = STREAM,
		.begin_boot = fixture_id(1),
		.begin_boot_ms = MINUTE + 1000,
		.end_boot = fixture_id(1),
		.end_boot_ms = (int64_t)5 * MINUTE };
	apply(c, &o);
	must(store_log_gaps(c->r, 0, 100, keep_gap, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.g[0].reason, BL_GAP_OFF);
	assert_int_equal(l.g[0].from_unix_ms, OFFSET + MINUTE + 1000 - 2000);
	assert_int_equal(l.g[0].to_unix_ms, OFFSET + 5 * MINUTE + 2000);
	/* Seqs 1 and 2 are neighbours: nothing can come between them at all. */
	assert_coverage(c, 0, (int64_t)11 * MINUTE,
	    "covered 0 60000\ngone 60000 600000\ncovered 600000 660000\n");
}

static void
time_that_may_still_come_is_neither(void **state)
{
	struct ctx *c = *state;
	struct op o = minute_of(0xa, 1, 3, 10);

	know_clock(c);
	put_minute(c, 1, 0);
	o.has_gap = true;
	o.gap = (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = STREAM,
		.begin_boot = fixture_id(1),
		.begin_boot_ms = MINUTE + 1000,
		.end_boot = fixture_id(1),
		.end_boot_ms = (int64_t)5 * MINUTE };
	apply(c, &o);
	assert_coverage(c, 0, (int64_t)11 * MINUTE,
	    "covered 0 60000\ngone 60000 300000\ncovered 600000 660000\n");
	assert_coverage(c, -(int64_t)5 * MINUTE, 0, "");
	assert_coverage(c, (int64_t)11 * MINUTE, (int64_t)20 * MINUTE, "");
	assert_coverage(c, (int64_t)6 * MINUTE, (int64_t)8 * MINUTE, "");
}

/* ---- events ---- */

static bool
say_event(void *ctx, uint32_t index, int64_t unix_ms, const struct bl_event *ev)
{
	say(ctx, "%u %lld %.*s\n", index,
	    unix_ms == STORE_TIME_NONE ? -1LL : (long long)(unix_ms - OFFSET), (int)ev->type.len,
	    ev->type.p);
	return true;
}

static void
events_of_a_batch_are_placed(void **state)
{
	struct ctx *c = *state;
	const struct bl_event ev = { .boot_ms = 90000, .type = { "step.begin", 10 } };
	const struct fixture_batch b = { .spool = fixture_id(0xa),
		.boot = fixture_id(1),
		.stream = BL_STREAM_EVENTS,
		.seq = 1,
		.begin_ms = 0,
		.end_ms = MINUTE,
		.interval_ms = INTERVAL,
		.event = &ev };
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	struct text t = { 0 };
	const uint8_t *body;
	size_t len;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(&b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	must(store_begin(c->s, &err), &err);
	must(store_batch_put(c->s, spool(c, 0xa), &h, body, len, raw.data, raw.len, &err), &err);
	must(store_commit(c->s, &err), &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	must(store_log_events(c->r, 1, say_event, &t, &err), &err);
	assert_string_equal(t.p, "0 -1 step.begin\n");
	know_clock(c);
	t.len = 0;
	must(store_log_events(c->r, 1, say_event, &t, &err), &err);
	assert_string_equal(t.p, "0 90000 step.begin\n");
	/* An event behind the collection interval is inside the span. */
	assert_int_equal(newest(c).b.end_unix_ms, OFFSET + 90001);
	assert_int_equal(newest(c).b.n_events, 1);
	assert_int_equal(store_log_events(c->r, 2, say_event, &t, &err), BL_ENOTFOUND);
	free(t.p);
}

/* ---- clock maps that come late ---- */

struct moved {
	struct store_log_moved m[8];
	size_t n;
};

static bool
keep_moved(void *ctx, const struct store_log_moved *m)
{
	struct moved *l = ctx;

	assert_true(l->n < 8);
	assert_string_equal(m->device, DEVICE);
	l->m[l->n++] = *m;
	return true;
}

static void
what_a_late_map_moves_is_told(void **state)
{
	struct ctx *c = *state;
	struct op o = minute_of(0xa, 1, 3, 2);
	const struct op step = { .what = CLOCK,
		.spool = 0xa,
		.boot = 1,
		.entry = 2,
		.from_ms = MINUTE + 30000,
		.offset_ms = OFFSET + (int64_t)60 * MINUTE };
	const struct op other = {
		.what = CLOCK, .spool = 0xa, .boot = 2, .entry = 3, .offset_ms = OFFSET
	};
	struct store_log_head head;
	struct moved l = { .n = 0 };
	struct bl_err err = { 0 };

	know_clock(c);
	put_minute(c, 1, 0);
	put_minute(c, 2, 1);
	o.has_gap = true;
	o.gap = (struct bl_gap){ .reason = BL_GAP_OFF,
		.stream = BL_STREAM_EVENTS,
		.begin_boot = fixture_id(2),
		.begin_boot_ms = 0,
		.end_boot = fixture_id(2),
		.end_boot_ms = MINUTE };
	apply(c, &o);
	place_all(c);
	must(store_log_moved(c->r, 0, 10, keep_moved, NULL, &l, &err), &err);
	assert_int_equal(l.n, 0);
	apply(c, &step);
	place_all(c);
	must(store_log_moved(c->r, 0, 10, keep_moved, NULL, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.m[0].stream, STREAM);
	/* From the step on, where it stood; to the end, where it stands. */
	assert_int_equal(l.m[0].begin_unix_ms, OFFSET + MINUTE + 30000 - 2000);
	assert_int_equal(l.m[0].end_unix_ms, OFFSET + (int64_t)63 * MINUTE + 1 + 2000);
	must(store_log_head(c->r, &head, &err), &err);
	assert_int_equal(head.moved_id, l.m[0].id);
	/* The ledger entry of another boot gets its times. */
	apply(c, &other);
	place_all(c);
	l.n = 0;
	must(store_log_moved(c->r, head.moved_id, 10, keep_moved, NULL, &l, &err), &err);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.m[0].stream, BL_STREAM_EVENTS);
	assert_int_equal(l.m[0].begin_unix_ms, OFFSET - 2000);
	assert_int_equal(l.m[0].end_unix_ms, OFFSET + MINUTE + 2000);
}

/* ---- memory ends ---- */

static bool
ignore_sample(void *ctx, const struct store_log_sample *s)
{
	(void)ctx;
	(void)s;
	return true;
}

static void
ignore_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	(void)ctx;
	(void)gone;
	(void)begin;
	(void)end;
}

static bool
ignore_batch(void *ctx, const struct store_log_batch *b)
{
	(void)ctx;
	(void)b;
	return true;
}

/* One of the questions about the whole history, by a reader of its own. */
static int
ask(struct ctx *c, int question, const int64_t ids[2], struct bl_err *err)
{
	const int64_t from = OFFSET - (int64_t)10 * MINUTE, to = OFFSET + (int64_t)60 * MINUTE;

	switch (question) {
	case 0:
		return store_log_samples(
		    c->r, DEVICE, STREAM, ids, 2, from, to, ignore_sample, NULL, err);
	case 1:
		return store_log_coverage(c->r, DEVICE, STREAM, from, to, ignore_span, NULL, err);
	case 2:
		return store_log_batches(c->r, 0, 1000, ignore_batch, NULL, err);
	default:
		return store_log_series(c->r, DEVICE, "m1", keep_id, &(int64_t){ 0 }, err);
	}
}

static void
memory_that_ends_is_told(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct op o[80];
	const size_t n = history(o);
	int64_t ids[2];

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
	find_ids(c, ids);
	for (int question = 0; question < 4; question++) {
		unsigned failed = 0;
		int rc;

		for (;; failed++) {
			store_read_close(c->r);
			must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
			err = (struct bl_err){ 0 };
			nomem_arm(failed + 1);
			rc = ask(c, question, ids, &err);
			assert_int_equal(nomem_disarm(), rc < 0);
			if (rc == BL_OK)
				break;
			assert_int_equal(rc, BL_ENOMEM);
			assert_int_equal(err.code, BL_ENOMEM);
		}
		assert_true(failed >= 1);
	}
}

/* ---- small things ---- */

static bool
stop_after(void *ctx, const struct store_log_sample *s)
{
	(void)s;
	return --*(int *)ctx > 0;
}

static void
a_visitor_can_stop(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct op o[80];
	const size_t n = history(o);
	int64_t ids[2];
	int left = 3;

	for (size_t i = 0; i < n; i++)
		apply(c, &o[i]);
	place_all(c);
	find_ids(c, ids);
	must(store_log_samples(
		 c->r, DEVICE, STREAM, ids, 2, OFFSET, OFFSET + 600000, stop_after, &left, &err),
	    &err);
	assert_int_equal(left, 0);
}

static void
a_device_never_heard_of_has_nothing(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct text t = { 0 };
	int64_t id = 7;

	say(&t, "%s", "");
	must(store_log_series(c->r, "nobody", "m1", keep_id, &id, &err), &err);
	assert_int_equal(id, 7);
	must(store_log_samples(c->r, "nobody", STREAM, &id, 1, 0, MINUTE, say_sample, NULL, &err),
	    &err);
	must(store_log_coverage(c->r, "nobody", STREAM, 0, MINUTE, say_span, &t, &err), &err);
	assert_string_equal(t.p, "");
	free(t.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_arrival_does_not_show),
		cmocka_unit_test_setup_teardown(every_sample_comes_once, setup, teardown),
		cmocka_unit_test_setup_teardown(batches_come_in_order_of_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_batch_waits_for_its_clock_and_its_dictionary, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_span_reaches_over_what_its_batch_settles, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_entry_without_times_gets_them_from_its_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_entry_with_times_explains_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    time_that_may_still_come_is_neither, setup, teardown),
		cmocka_unit_test_setup_teardown(events_of_a_batch_are_placed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_late_map_moves_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_that_ends_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_visitor_can_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_device_never_heard_of_has_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
