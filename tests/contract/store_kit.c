#include "store_kit.h"

void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

void
reopen(struct ctx *c, int expect)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	int rc;

	store_read_close(c->r);
	c->r = NULL;
	store_close(c->s);
	rc = store_open(&c->s, &opts, &err);
	must(rc, &err);
	assert_int_equal(rc, expect);
	must(store_read_open(&c->r, c->path, &c->clock.clock, &err), &err);
}

int
setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));

	c->folder = fixture_folder();
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->folder);
	fixture_clock_init(&c->clock);
	c->spool = fixture_id(0x11);
	c->boot = fixture_id(0xb0);
	reopen(c, STORE_CREATED);
	*state = c;
	return 0;
}

int
teardown(void **state)
{
	struct ctx *c = *state;

	store_read_close(c->r);
	store_close(c->s);
	fixture_folder_remove(c->folder);
	free(c);
	return 0;
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

struct store_spool *
spool(struct ctx *c)
{
	struct store_spool *sp;
	struct bl_err err = { 0 };
	int rc = store_spool(c->s, &c->spool, "kiosk-1", &sp, &err);

	must(rc, &err);
	assert_true(rc == STORE_SPOOL_OK || rc == STORE_SPOOL_NEW);
	return sp;
}

int
put(struct ctx *c, const struct fixture_batch *b)
{
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t len;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	fixture_encode(b, &msg, &h);
	must(bl_batch_header_decode(msg.data, msg.len, &h, &body, &len, &err), &err);
	must(bl_batch_inflate(&h, body, len, &raw, &err), &err);
	rc = store_batch_put(c->s, spool(c), &h, body, len, raw.data, raw.len, &err);
	bl_buf_free(&msg);
	bl_buf_free(&raw);
	return rc;
}

struct fixture_batch
minute(const struct ctx *c, uint64_t i)
{
	return (struct fixture_batch){ .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = i + 1,
		.begin_ms = (int64_t)i * MINUTE,
		.end_ms = (int64_t)(i + 1) * MINUTE,
		.interval_ms = INTERVAL,
		.n_series = 3 };
}

int
put_minute(struct ctx *c, uint64_t i)
{
	const struct fixture_batch b = minute(c, i);

	return put(c, &b);
}

void
put_minutes(struct ctx *c, uint64_t from, uint64_t to)
{
	begin(c);
	for (uint64_t i = from; i < to; i++)
		assert_int_equal(put_minute(c, i), STORE_NEW);
	commit(c);
}

void
know_clock(struct ctx *c, uint32_t id, int64_t from, int64_t offset)
{
	const struct bl_clock_segment seg = { .id = id,
		.boot = c->boot,
		.from_boot_ms = from,
		.offset_ms = offset,
		.source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };

	begin(c);
	assert_int_equal(store_clock(c->s, spool(c), &seg, &err), STORE_ENTRY_NEW);
	commit(c);
}

void
know_series(struct ctx *c, uint32_t n)
{
	struct bl_err err = { 0 };

	begin(c);
	for (uint32_t i = 1; i <= n; i++) {
		struct bl_series_def def;
		char name[16], value[16];

		fixture_series(&def, name, value, i, BL_STREAM_HOST);
		must(store_dict(c->s, spool(c), &def, &err), &err);
	}
	commit(c);
}

struct bl_receipt
receipt(struct ctx *c)
{
	struct bl_receipt r = { 0 };

	store_receipt(c->s, spool(c), &r);
	return r;
}

struct store_totals
totals(struct ctx *c)
{
	struct store_totals t;
	struct bl_err err = { 0 };

	must(store_read_totals(c->r, &t, &err), &err);
	return t;
}

bool
see_gap(void *ctx, const struct store_gap *g)
{
	struct gap_seen *s = ctx;

	s->n++;
	s->last = *g;
	if (g->seq_first != 0)
		s->seqs += g->seq_last - g->seq_first + 1;
	return true;
}

struct gap_seen
gaps(struct ctx *c)
{
	const struct store_gap_filter f = { .device = "kiosk-1",
		.from_unix_ms = STORE_TIME_NONE,
		.to_unix_ms = STORE_TIME_NONE,
		.limit = 1000 };
	struct gap_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_gaps(c->r, &f, see_gap, &seen, &err), &err);
	return seen;
}

bool
see_cover(void *ctx, const struct store_coverage *c)
{
	struct cover_seen *s = ctx;

	s->c[s->n++] = *c;
	return s->n < 64;
}

struct cover_seen
coverage(struct ctx *c)
{
	struct cover_seen seen = { 0 };
	struct bl_err err = { 0 };

	must(store_read_coverage(
		 c->r, "kiosk-1", OFFSET - MINUTE, OFFSET + 100 * MINUTE, see_cover, &seen, &err),
	    &err);
	return seen;
}

void
place_all(struct ctx *c)
{
	struct bl_err err = { 0 };
	int rc;

	do {
		begin(c);
		rc = store_place(c->s, 3, &err);
		must(rc, &err);
		commit(c);
	} while (rc > 0);
}
