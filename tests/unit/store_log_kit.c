#include "store_log_kit.h"

void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

void
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

void
close_all(struct ctx *c)
{
	store_read_close(c->r);
	store_close(c->s);
	fixture_folder_remove(c->folder);
}

int
setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));

	open_all(c);
	*state = c;
	return 0;
}

int
teardown(void **state)
{
	close_all(*state);
	free(*state);
	return 0;
}

struct store_spool *
spool(struct ctx *c, uint8_t fill)
{
	const struct bl_id id = fixture_id(fill);
	struct bl_err err = { 0 };
	struct store_spool *sp;

	must(store_spool(c->s, &id, DEVICE, &sp, &err), &err);
	return sp;
}

int
put_batch(struct ctx *c, const struct op *o)
{
	const struct fixture_batch b = { .spool = fixture_id(o->spool),
		.boot = fixture_id(o->boot),
		.stream = o->stream != 0 ? o->stream : STREAM,
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

void
put_series(struct ctx *c, const struct op *o)
{
	struct bl_series_def def;
	char name[16], value[16];
	struct bl_err err = { 0 };

	fixture_series(&def, name, value, o->series, STREAM);
	def.id = o->entry;
	must(store_dict(c->s, spool(c, o->spool), &def, &err), &err);
}

void
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

void
begin(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(store_begin(c->s, &err), &err);
}

void
commit(struct ctx *c)
{
	struct bl_err err = { 0 };

	must(store_commit(c->s, &err), &err);
}

void
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

void
apply(struct ctx *c, const struct op *o)
{
	begin(c);
	take(c, o);
	commit(c);
}

void
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

struct op
minute_of(uint8_t fill, uint8_t boot, uint64_t seq, int64_t i)
{
	return (struct op){ .what = BATCH,
		.spool = fill,
		.boot = boot,
		.seq = seq,
		.begin_ms = i * MINUTE,
		.end_ms = (i + 1) * MINUTE };
}

void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...)
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

bool
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

void
say_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	say(ctx, "%s %lld %lld\n", gone ? "gone" : "covered", (long long)(begin - OFFSET),
	    (long long)(end - OFFSET));
}

bool
keep_id(void *ctx, const struct store_log_series *s)
{
	*(int64_t *)ctx = s->id;
	return true;
}

void
find_ids(struct ctx *c, int64_t ids[2])
{
	struct bl_err err = { 0 };

	ids[0] = ids[1] = 0;
	must(store_log_series(c->r, DEVICE, "m1", keep_id, &ids[0], &err), &err);
	must(store_log_series(c->r, DEVICE, "m2", keep_id, &ids[1], &err), &err);
}

size_t
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

void
say_coverage(struct ctx *c, struct text *t, int64_t from_ms, int64_t to_ms)
{
	struct bl_err err = { 0 };

	must(store_log_coverage(
		 c->r, DEVICE, STREAM, OFFSET + from_ms, OFFSET + to_ms, say_span, t, &err),
	    &err);
}

void
assert_coverage(struct ctx *c, int64_t from_ms, int64_t to_ms, const char *expected)
{
	struct text t = { 0 };

	say(&t, "%s", "");
	say_coverage(c, &t, from_ms, to_ms);
	assert_string_equal(t.p, expected);
	free(t.p);
}

size_t
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

void
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

void
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

void
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

bool
keep_batch(void *ctx, const struct store_log_batch *b)
{
	struct told *t = ctx;

	t->b = *b;
	(void)snprintf(t->device, sizeof(t->device), "%s", b->device);
	t->n++;
	return true;
}

struct told
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

void
know_clock(struct ctx *c)
{
	const struct op o = {
		.what = CLOCK, .spool = 0xa, .boot = 1, .entry = 1, .offset_ms = OFFSET
	};

	apply(c, &o);
}

void
put_minute(struct ctx *c, uint64_t seq, int64_t i)
{
	const struct op o = minute_of(0xa, 1, seq, i);

	apply(c, &o);
}
