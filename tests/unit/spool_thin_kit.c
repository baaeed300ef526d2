/* See spool_thin_kit.h. */
#include "spool_thin_kit.h"

#define SMALL (1024 * 1024)

int
setup(void **state)
{
	struct kit *k;
	const int rc = kit_setup(state);

	k = *state;
	k->opts.max_bytes = SMALL;
	return rc;
}

void
fill(struct kit *k)
{
	static char text[8][1000];
	static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct bl_event ev = {
		.boot_ms = k->time.boot_ms, .type = { "step.event", 10 }, .n_attrs = 8
	};
	struct bl_err err = { 0 };

	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < sizeof(text[i]); j++)
			text[i][j] = (char)('!' + kit_random(&k->time, 90));
		ev.attr[i] = (struct bl_attr){ .key = { keys[i], 1 },
			.type = BL_ATTR_TEXT,
			.text = { text[i], sizeof(text[i]) } };
	}
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
}

void
assert_under_cap(const struct kit *k)
{
	assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
}

int64_t
number(const struct kit *k, const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(k->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

int64_t
without(const struct kit *k, enum bl_stream stream, int bits)
{
	char sql[160];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM batch WHERE (id>>48)&3=%d AND offered&%d=0", (int)stream, bits);
	return number(k, sql);
}

int64_t
with(const struct kit *k, enum bl_stream stream, int bits)
{
	char sql[160];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM batch WHERE (id>>48)&3=%d AND offered&%d", (int)stream, bits);
	return number(k, sql);
}

void
trim(struct kit *k)
{
	struct bl_err err = { 0 };
	bool more = true;

	while (more) {
		if (spool_trim(k->s, &more, &err) < 0)
			fail_msg("trim: %s", err.msg);
		assert_under_cap(k);
	}
}

void
press_until(struct kit *k, bool (*enough)(const struct kit *k))
{
	for (int i = 0; i < STEPS_MAX && !enough(k); i++) {
		fill(k);
		if (i % 4 == 3)
			kit_cut_all(k);
		assert_under_cap(k);
		trim(k);
	}
	assert_true(enough(k));
}

bool
host_is_5min(const struct kit *k)
{
	return with(k, BL_STREAM_HOST, 4 | 8) > 0;
}

bool
something_was_dropped(const struct kit *k)
{
	return number(k, "SELECT count(*) FROM ledger WHERE reason=2") > 0;
}

void
hours(struct kit *k, int ticks)
{
	for (int i = 1; i <= ticks; i++) {
		kit_pass(&k->time, 8000);
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		if (i % PART == 0)
			kit_cut_all(k);
	}
}

int64_t
means_of(const struct centre *c, unsigned stream)
{
	int64_t n = 0;

	for (unsigned s = 0; s < KIT_SERIES; s++)
		for (int64_t i = 1; i < KIT_SAMPLES; i++)
			n += c->thinned[stream][s][i];
	return n;
}

void
assert_all_there(const struct centre *c, enum bl_stream stream, int64_t upto)
{
	const unsigned i = (unsigned)stream - 1;

	for (unsigned s = 0; s < KIT_SERIES; s++)
		for (int64_t n = 1; n < KIT_SAMPLES; n++)
			if (c->seen[i][s][n] + c->thinned[i][s][n] != (n <= upto))
				fail_msg(
				    "stream %u series %u sample %lld: came %u times, %u in means",
				    i + 1, s, (long long)n, c->seen[i][s][n], c->thinned[i][s][n]);
	/* The ledger counts exactly those. */
	assert_int_equal(centre_lost(c, stream, BL_GAP_THINNED), means_of(c, i));
	assert_int_equal(centre_lost(c, stream, BL_GAP_EVICTED), 0);
}
