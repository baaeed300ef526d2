/*
 * A telemetry store that an earlier release made, opened by this one: everything that it
 * says it still says, what was damaged in it is not passed off as whole, and what is left
 * of a broken one is taken over.
 *
 * The store is text (tests/data/store), made by that release itself.
 */
#include "store_kit.h"

#include <fcntl.h>

#define SERIES_SQL                                                                                 \
	"SELECT s.id || ' ' || v.name || ' ' || s.name || s.labels || s.unit || s.kind ||"         \
	" s.stream || ' ' || s.interval_ms FROM series s JOIN device v ON v.id = s.device_id"      \
	" ORDER BY s.id"
#define DICT_SQL                                                                                   \
	"SELECT spool_id || ' ' || entry || ' ' || series_id FROM dict ORDER BY spool_id, entry"
/* Without the ids, which another store gives anew. */
#define NAMES_SQL                                                                                  \
	"SELECT DISTINCT hex(p.uuid) || ' ' || d.entry || v.name || ' ' || s.name || s.labels ||"  \
	" s.unit || s.kind || s.stream || ' ' || s.interval_ms FROM dict d JOIN series s"          \
	" ON s.id = d.series_id JOIN device v ON v.id = s.device_id"                               \
	" JOIN spool p ON p.id = d.spool_id ORDER BY 1"

/* All rows of a query, one below the other; owned. */
static char *
text_of(const char *path, const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	char *all = calloc(1, 1 << 20);
	size_t n = 0;

	assert_non_null(all);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW)
		n += (size_t)snprintf(
		    all + n, (1 << 20) - n, "%s\n", (const char *)sqlite3_column_text(st, 0));
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_true(n > 0);
	return all;
}

static void
same_text(struct ctx *c, const char *sql, char *before)
{
	char *after = text_of(c->path, sql);

	assert_string_equal(after, before);
	free(after);
	free(before);
}

static void
close_store(struct ctx *c)
{
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
}

/* The old store stands where the fixture's was; change: what is done to it, or NULL. */
static void
lay_out(struct ctx *c, const char *change)
{
	char name[700], *sql, *why = NULL;
	struct stat sb;
	sqlite3 *db;
	FILE *f;

	close_store(c);
	(void)snprintf(name, sizeof(name), "rm -f %s/*", c->folder);
	assert_int_equal(system(name), 0); /* NOLINT: a path of the test's own */
	assert_non_null(f = fopen(BL_TEST_DATA "/store/008.sql", "rb"));
	assert_int_equal(fstat(fileno(f), &sb), 0);
	assert_non_null(sql = calloc(1, (size_t)sb.st_size + 1));
	assert_int_equal(fread(sql, 1, (size_t)sb.st_size, f), sb.st_size);
	(void)fclose(f);
	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK ||
	    (change != NULL && sqlite3_exec(db, change, NULL, NULL, &why) != SQLITE_OK))
		fail_msg("the old store: %s", why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	free(sql);
}

static int
scrub_all(struct ctx *c, struct bl_err *err)
{
	int rc;

	while ((rc = store_scrub(c->s, 100, err)) == 1)
		;
	return rc;
}

static void
upgraded_store_says_what_it_said(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	char *series, *dict, *maps, *batches;

	lay_out(c, NULL);
	series = text_of(c->path, SERIES_SQL);
	dict = text_of(c->path, DICT_SQL);
	maps = text_of(c->path, "SELECT maps FROM total");
	batches = text_of(c->path, "SELECT group_concat(hex(body) || sum) FROM batch");
	reopen(c, STORE_OPENED);
	same_text(c, SERIES_SQL, series);
	same_text(c, DICT_SQL, dict);
	same_text(c, "SELECT maps FROM total", maps);
	same_text(c, "SELECT group_concat(hex(body) || sum) FROM batch", batches);
	assert_int_equal(scrub_all(c, &err), 0);
}

struct found {
	int64_t id[400];
	size_t n;
};

static bool
note_series(void *ctx, const struct store_series *s)
{
	struct found *f = ctx;

	f->id[f->n++] = s->last_unix_ms != STORE_TIME_NONE ? s->id : 0;
	return true;
}

/* Agent 2 announced its series in an order of its own: entry 1 + i is series (i * 7) % 40. */
static void
upgraded_store_is_read(void **state)
{
	struct ctx *c = *state;
	struct store_query q = {
		.from_unix_ms = OFFSET, .to_unix_ms = OFFSET + 6 * MINUTE, .step_ms = INTERVAL
	};
	struct store_query_result *r;
	struct bl_err err = { 0 };
	struct found f = { .n = 0 };
	double sum = 0;
	size_t told = 0;

	lay_out(c, NULL);
	reopen(c, STORE_OPENED);
	must(store_read_series(c->r, "agent-2", note_series, &f, &err), &err);
	assert_int_equal(f.n, 40);
	for (size_t i = 0; i < f.n; i++) {
		if (f.id[i] == 0)
			continue;
		q.series = &f.id[i];
		q.n_series = 1;
		must(store_read_query(c->r, &q, &r, &err), &err);
		assert_int_equal(r->n_steps, 36);
		for (size_t k = 0; k < r->n_steps; k++)
			sum += r->series[0].mean[k] - (double)k / 8;
		store_query_free(r);
		told++;
	}
	assert_int_equal(told, 20);
	/* 36 times 200 + 0, ... 200 + 19. */
	assert_float_equal(sum, 36.0 * (200 * 20 + 190), 1e-6);
}

static void
announce(struct ctx *c, struct store_spool *sp, uint32_t entry, const char *name, const char *unit,
    int expect)
{
	const struct bl_series_def def = { .id = entry,
		.stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = 10000,
		.name = { name, strlen(name) },
		.unit = { unit, strlen(unit) } };
	struct bl_err err = { 0 };

	assert_int_equal(store_dict(c->s, sp, &def, &err), expect);
}

/* Agent 1 has entries 1 to 20, and 21 to 40 after others': a new one follows. */
static void
upgraded_dictionary_goes_on(void **state)
{
	struct ctx *c = *state;
	struct store_spool *sp;
	struct bl_err err = { 0 };
	struct bl_id uuid;

	lay_out(c, NULL);
	reopen(c, STORE_OPENED);
	memset(&uuid, 0x5a, sizeof(uuid));
	memcpy(&uuid, &(uint64_t){ 2 * 0x9e3779b97f4a7c15u }, 8);
	begin(c);
	must(store_spool(c->s, &uuid, "agent-1", &sp, &err), &err);
	assert_int_equal(store_spool_dict_version(sp), 40);
	announce(c, sp, 13, "metric_6", "B/s", STORE_ENTRY_KNOWN);
	announce(c, sp, 33, "metric_16", "B/s", STORE_ENTRY_KNOWN);
	announce(c, sp, 13, "metric_16", "B/s", STORE_ENTRY_CONFLICT);
	announce(c, sp, 42, "new_one", "B/s", STORE_ENTRY_EARLY);
	announce(c, sp, 41, "new_one", "B/s", STORE_ENTRY_NEW);
	announce(c, sp, 42, "new_two", "B/s", STORE_ENTRY_NEW);
	/* The newest definition counts, and only for this device. */
	announce(c, sp, 33, "metric_16", "kB/s", STORE_ENTRY_KNOWN);
	announce(c, sp, 33, "metric_16", "MB/s", STORE_ENTRY_KNOWN);
	commit(c);
	reopen(c, STORE_OPENED);
	same_text(c, "SELECT group_concat(entry || '+' || n) FROM dict_run WHERE spool_id = 2",
	    strdup("1+20,21+22\n"));
	same_text(c,
	    "SELECT v.name || ' ' || s.unit FROM series s JOIN device v ON v.id = s.device_id"
	    " WHERE s.name = 'metric_16' AND s.labels = '{}' ORDER BY 1",
	    strdup("agent-0 B/s\nagent-1 MB/s\nagent-2 B/s\n"));
	same_text(c, "SELECT count(*) FROM series_def WHERE unit LIKE '%B/s' AND unit <> 'B/s'",
	    strdup("1\n"));
	assert_int_equal(scrub_all(c, &err), 0);
}

/* A bit that flipped before the upgrade is still found after it. */
static void
upgrade_passes_no_damage_off(void **state)
{
	static const char *const damage[] = {
		"UPDATE series SET unit = 'C/s' WHERE id = 17",
		"UPDATE series SET device_id = 9 WHERE id = 18",
		"UPDATE dict SET series_id = 19 WHERE spool_id = 3 AND entry = 5",
		"UPDATE dict SET entry = 77 WHERE spool_id = 3 AND entry = 40",
	};
	struct ctx *c = *state;

	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct bl_err err = { 0 };

		lay_out(c, damage[i]);
		reopen(c, STORE_OPENED);
		assert_int_equal(scrub_all(c, &err), BL_ECORRUPT);
	}
}

static void
break_header(const char *path)
{
	const int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "not a database, not any more", 28, 0), 28);
	assert_int_equal(close(fd), 0);
}

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A store was here: whole or not, it says so. */
static void
leave_mark(const struct ctx *c)
{
	char name[700];
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s.mark", c->path);
	assert_non_null(f = fopen(name, "wb"));
	assert_int_equal(fputs("a mark that is not whole", f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

static void
salvage_all(struct ctx *c)
{
	struct bl_err err = { 0 };

	while (store_salvaging(c->s)) {
		begin(c);
		must(store_salvage(c->s, 100, &err), &err);
		commit(c);
	}
}

/* The newest batch as the last draft of the wire wrote it. */
static void
draft_is_refused_and_left(void **state)
{
	static const char draft[] =
	    "UPDATE batch SET crc32 = 2581741380, raw_bytes = 153, body = x'"
	    "488963646364636098e0c7d4c72832aba1a74bf5172383c39d99606acd4a30f56707983a73024ccd"
	    "b901a6de3c07537bbe83a99e7635b0be69606acd3230f5672b983a73144ccdb90aa6de3c01537bbe"
	    "80a99e1675b0bec9606acd6230f5671388020034d23ba4"
	    "' WHERE id = 24";
	struct ctx *c = *state;
	struct store_opts o = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	char *before;

	lay_out(c, draft);
	before = text_of(c->path, "SELECT group_concat(hex(body)) FROM batch");
	assert_int_equal(store_open(&c->s, &o, &err), BL_ENEWER);
	assert_non_null(strstr(err.msg, "a draft of the wire's format"));
	same_text(c, "SELECT group_concat(hex(body)) FROM batch", before);
	before = text_of(c->path, "PRAGMA user_version");
	assert_string_equal(before, "8\n");
	free(before);
}

/* Of the old form, and of the new one. */
static void
broken_store_is_taken_over(void **state)
{
	struct ctx *c = *state;

	for (int upgraded = 0; upgraded < 2; upgraded++) {
		char *names, *batches;

		lay_out(c, NULL);
		names = text_of(c->path, NAMES_SQL);
		batches = text_of(c->path, "SELECT hex(body) FROM batch ORDER BY 1");
		if (upgraded) {
			reopen(c, STORE_OPENED);
			close_store(c);
		} else {
			leave_mark(c);
		}
		break_header(c->path);
		reopen(c, STORE_REPLACED);
		salvage_all(c);
		same_text(c, NAMES_SQL, names);
		same_text(c, "SELECT hex(body) FROM batch ORDER BY 1", batches);
	}
}

/* The page with what all devices' series say of themselves, or its copy, is lost. */
static void
lost_definitions_stand_in_the_copy(void **state)
{
	static const char *const lost[] = { "series_def", "series_def_copy" };
	struct ctx *c = *state;

	for (int i = 0; i < 2; i++) {
		char sql[200], *names, *pages, *at;
		static const char nothing[8192];
		int fd;

		lay_out(c, NULL);
		reopen(c, STORE_OPENED);
		close_store(c);
		run_sql(c->path, "VACUUM"); /* free pages still have the old form */
		names = text_of(c->path, NAMES_SQL);
		(void)snprintf(
		    sql, sizeof(sql), "SELECT pageno FROM dbstat WHERE name = '%s'", lost[i]);
		pages = text_of(c->path, sql);
		assert_true((fd = open(c->path, O_WRONLY)) >= 0);
		for (at = pages; *at != '\0'; at = strchr(at, '\n') + 1)
			assert_int_equal(pwrite(fd, nothing, sizeof(nothing),
					     (strtoll(at, NULL, 10) - 1) * 8192),
			    sizeof(nothing));
		(void)close(fd);
		free(pages);
		break_header(c->path);
		reopen(c, STORE_REPLACED);
		salvage_all(c);
		same_text(c, NAMES_SQL, names);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(upgraded_store_says_what_it_said, setup, teardown),
		cmocka_unit_test_setup_teardown(upgraded_store_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(upgraded_dictionary_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(upgrade_passes_no_damage_off, setup, teardown),
		cmocka_unit_test_setup_teardown(draft_is_refused_and_left, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_store_is_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    lost_definitions_stand_in_the_copy, setup, teardown),
	};

	bl_log_level_set(BL_LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
