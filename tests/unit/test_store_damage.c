/*
 * A telemetry store that a disk has damaged, at rest and under way: it always starts,
 * what can be read is taken over, agents give the rest again, and in the end every batch
 * is there once with the values that it had.
 *
 * An agent here is a loop that offers every batch there ever was, as a real one does with
 * what it still holds.
 */
#include "store_kit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"

#define MINUTES 150u
#define LONG    40u /* this one is long enough to fill pages of its own */
#define PAGE    8192u
#define START_S 5

struct image {
	uint8_t *p;
	size_t n;
};

#define IN_LOG     30u /* of the batches; in two transactions, of which the second has */
#define IN_LOG_END 10u
#define PAGES_MOST 512u

/* As a collector that was killed leaves it: batches in the file and in its log. */
struct master {
	struct image db, wal, mark, early_mark; /* early: of the file alone, without its log */
	size_t first_in_log;                    /* bytes of the log's first transaction */
	unsigned held[PAGES_MOST];              /* batches of which a page of the file has a part */
	bool names[PAGES_MOST];                 /* the page says whose batches they are */
};

static void
read_image(const char *path, const char *suffix, struct image *out)
{
	char name[700];
	struct stat sb;
	int fd;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	assert_true((fd = open(name, O_RDONLY)) >= 0);
	assert_int_equal(fstat(fd, &sb), 0);
	out->n = (size_t)sb.st_size;
	out->p = malloc(out->n + 1);
	assert_int_equal(read(fd, out->p, out->n), out->n);
	(void)close(fd);
}

static void
write_image(const char *path, const char *suffix, const struct image *in)
{
	char name[700];
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	assert_non_null(f = fopen(name, "wb"));
	assert_int_equal(fwrite(in->p, 1, in->n, f), in->n);
	assert_int_equal(fclose(f), 0);
}

/* Every batch as it was cut, once for all tests. */
static struct cut {
	struct bl_buf msg, raw;
	struct bl_batch_header h;
	const uint8_t *body;
	size_t len;
} cuts[MINUTES];

/* Values that do not compress, so that batches are as large as real ones: f(series, n). */
static double
value_of(uint32_t series, uint64_t n)
{
	uint64_t h = (n * 1000 + series) * 0x9e3779b97f4a7c15u;

	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
	return (double)(h >> 24) / 1e6;
}

static void
cut_one(const struct ctx *c, struct bl_batch_enc *e, uint64_t i)
{
	const uint32_t series = i == LONG ? 600 : 12;
	struct cut *k = &cuts[i];
	struct bl_err err = { 0 };

	bl_batch_enc_reset(e);
	for (uint32_t id = 1; id <= series; id++)
		for (uint64_t n = 0; n < 6; n++)
			must(bl_batch_enc_sample(e, id, (int64_t)i * MINUTE + (int64_t)n * INTERVAL,
				 value_of(id, i * 6 + n), BL_KNOWN),
			    &err);
	k->h = (struct bl_batch_header){ .spool = c->spool,
		.boot = c->boot,
		.stream = BL_STREAM_HOST,
		.seq = i + 1,
		.collect_begin_ms = (int64_t)i * MINUTE,
		.collect_end_ms = (int64_t)(i + 1) * MINUTE,
		.next_seq = i + 2,
		.lowest_held = 1 };
	bl_buf_init(&k->msg, BL_BATCH_WIRE_MAX);
	bl_buf_init(&k->raw, BL_BATCH_RAW_MAX);
	must(bl_batch_enc_finish(e, &k->h, &k->msg, &err), &err);
	must(bl_batch_header_decode(k->msg.data, k->msg.len, &k->h, &k->body, &k->len, &err), &err);
	must(bl_batch_inflate(&k->h, k->body, k->len, &k->raw, &err), &err);
}

static void
cut_all(const struct ctx *c)
{
	struct bl_batch_enc *e;

	if (cuts[0].len > 0)
		return;
	assert_non_null(e = bl_batch_enc_create());
	for (uint64_t i = 0; i < MINUTES; i++)
		cut_one(c, e, i);
	bl_batch_enc_free(e);
	assert_true(cuts[LONG].len > 2 * PAGE);
	assert_in_range(cuts[0].len, 300, 2000);
}

static void
free_cuts(void)
{
	for (unsigned i = 0; i < MINUTES; i++) {
		bl_buf_free(&cuts[i].msg);
		bl_buf_free(&cuts[i].raw);
	}
}

static int
offer(struct ctx *c, uint64_t i)
{
	const struct cut *k = &cuts[i];
	struct bl_err err = { 0 };
	const int rc =
	    store_batch_put(c->s, spool(c), &k->h, k->body, k->len, k->raw.data, k->raw.len, &err);

	if (rc != BL_ECORRUPT)
		must(rc, &err);
	return rc;
}

/*
 * Every batch, and what its dictionary and clock map say: what is known already stays.
 * False: the store found itself damaged meanwhile; it is another one from now on.
 */
static bool
offer_all(struct ctx *c)
{
	const struct bl_clock_segment seg = {
		.id = 1, .boot = c->boot, .offset_ms = OFFSET, .source = BL_CLOCK_NTP
	};
	struct bl_err err = { 0 };

	begin(c);
	for (uint32_t i = 1; i <= 3; i++) {
		struct bl_series_def def;
		char name[16], value[16];
		int rc;

		fixture_series(&def, name, value, i, BL_STREAM_HOST);
		must(rc = store_dict(c->s, spool(c), &def, &err), &err);
		assert_true(rc == STORE_ENTRY_NEW || rc == STORE_ENTRY_KNOWN);
	}
	must(store_clock(c->s, spool(c), &seg, &err), &err);
	for (uint64_t i = 0; i < MINUTES; i++) {
		const int rc = offer(c, i);

		if (rc == BL_ECORRUPT) {
			store_rollback(c->s);
			return false;
		}
		if (rc != STORE_NEW && rc != STORE_DUPLICATE)
			fail_msg("batch %u: %d", (unsigned)i, rc);
	}
	commit(c);
	return true;
}

/* To the end, in slices, as ingest's writer does it. */
static void
salvage(struct ctx *c)
{
	struct bl_err err = { 0 };

	for (int n = 0; store_salvaging(c->s); n++) {
		assert_true(n < 10000);
		begin(c);
		must(store_salvage(c->s, 4, &err), &err);
		commit(c);
	}
}

/* True: a whole round found nothing. */
static bool
scrubbed(struct ctx *c)
{
	struct bl_err err = { 0 };
	int rc;

	c->clock.mono_ms += 86400001; /* a round is due */
	while ((rc = store_scrub(c->s, 16, &err)) == 1)
		;
	if (rc < 0 && rc != BL_ECORRUPT)
		must(rc, &err);
	return rc == 0;
}

static void
count_wrong(struct ctx *c, unsigned *n, unsigned *wrong)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	*n = *wrong = 0;
	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"SELECT b.seq, b.crc32, b.raw_bytes, b.collect_begin_ms, b.collect_end_ms,"
		" b.n_samples, d.name, s.uuid, o.uuid, b.body FROM batch b"
		" LEFT JOIN device d ON d.id = b.device_id LEFT JOIN spool s ON s.id = b.spool_id"
		" LEFT JOIN boot o ON o.id = b.boot_id ORDER BY b.seq",
		-1, &st, NULL),
	    SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
		const struct cut *k;

		++*n;
		if (seq < 1 || seq > MINUTES) {
			++*wrong;
			continue;
		}
		k = &cuts[seq - 1];
		*wrong += sqlite3_column_int64(st, 1) != k->h.crc32 ||
			  sqlite3_column_int64(st, 2) != k->h.raw_bytes ||
			  sqlite3_column_int64(st, 3) != k->h.collect_begin_ms ||
			  sqlite3_column_int64(st, 4) != k->h.collect_end_ms ||
			  sqlite3_column_int64(st, 5) != k->h.n_samples ||
			  sqlite3_column_type(st, 6) == SQLITE_NULL ||
			  strcmp((const char *)sqlite3_column_text(st, 6), "kiosk-1") != 0 ||
			  memcmp(sqlite3_column_blob(st, 7), c->spool.b, 16) != 0 ||
			  memcmp(sqlite3_column_blob(st, 8), c->boot.b, 16) != 0 ||
			  (size_t)sqlite3_column_bytes(st, 9) != k->len ||
			  memcmp(sqlite3_column_blob(st, 9), k->body, k->len) != 0;
	}
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* After a start and a scrub: the batches that are there before any agent offers one. */
static unsigned
still_there(struct ctx *c)
{
	unsigned n, wrong;

	salvage(c);
	if (!scrubbed(c)) {
		begin(c); /* what was found damaged is replaced now */
		commit(c);
		salvage(c);
	}
	count_wrong(c, &n, &wrong);
	assert_int_equal(wrong, 0);
	return n;
}

/* Whatever was found until then: in the end every batch is there once, as it was. */
static void
comes_right(struct ctx *c)
{
	unsigned n, wrong;

	for (int i = 0; i < 4; i++) {
		salvage(c);
		if (offer_all(c) && scrubbed(c))
			break;
		begin(c); /* what was found damaged is replaced now */
		commit(c);
	}
	salvage(c);
	assert_true(offer_all(c));
	count_wrong(c, &n, &wrong);
	assert_int_equal(wrong, 0);
	assert_int_equal(n, MINUTES);
	assert_int_equal(receipt(c).stream[2].contiguous, MINUTES);
}

static void
close_store(struct ctx *c)
{
	store_read_close(c->r);
	store_close(c->s);
	c->r = NULL;
	c->s = NULL;
}

/* Returns what store_open said. */
static int
start(struct ctx *c)
{
	const struct store_opts opts = { .path = c->path, .clock = &c->clock.clock };
	struct bl_err err = { 0 };
	clock_t took;
	int rc;

	took = clock(); /* of this process, whatever else the machine does */
	rc = store_open(&c->s, &opts, &err);
	took = clock() - took;
	must(rc, &err);
	assert_true(took < START_S * CLOCKS_PER_SEC);
	return rc;
}

/* What each page of the file holds, by SQLite's own dbstat and not by our reader. */
static void
look_at_pages(struct ctx *c, struct master *m)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	unsigned n = 0;

	memset(m->held, 0, sizeof(m->held));
	memset(m->names, 0, sizeof(m->names));
	assert_int_equal(sqlite3_open(c->path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db,
		"SELECT pageno, CASE pagetype WHEN 'leaf' THEN ncell ELSE 1 END, name = 'batch'"
		" FROM dbstat WHERE name IN ('batch', 'device', 'spool', 'boot')"
		" AND pagetype <> 'internal'",
		-1, &st, NULL) != SQLITE_OK)
		fail_msg("this SQLite has no dbstat");
	for (; sqlite3_step(st) == SQLITE_ROW; n++) {
		const int64_t page = sqlite3_column_int64(st, 0) - 1;

		assert_in_range(page, 0, PAGES_MOST - 1);
		if (sqlite3_column_int(st, 2) != 0)
			m->held[page] = (unsigned)sqlite3_column_int(st, 1);
		else
			m->names[page] = true;
	}
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_in_range(n, 8, PAGES_MOST);
}

static void
make_master(struct ctx *c, struct master *m)
{
	struct image first;

	cut_all(c);
	know_clock(c, 1, 0, OFFSET);
	know_series(c, 3);
	begin(c);
	for (uint64_t i = 0; i < MINUTES - IN_LOG; i++)
		assert_int_equal(offer(c, i), STORE_NEW);
	commit(c);
	reopen(c, STORE_OPENED); /* closing empties the log into the file */
	read_image(c->path, ".mark", &m->early_mark);
	look_at_pages(c, m);
	begin(c);
	for (uint64_t i = MINUTES - IN_LOG; i < MINUTES - IN_LOG_END; i++)
		assert_int_equal(offer(c, i), STORE_NEW);
	commit(c);
	read_image(c->path, "-wal", &first);
	m->first_in_log = first.n;
	free(first.p);
	begin(c);
	for (uint64_t i = MINUTES - IN_LOG_END; i < MINUTES; i++)
		assert_int_equal(offer(c, i), STORE_NEW);
	commit(c);
	read_image(c->path, "", &m->db);
	read_image(c->path, "-wal", &m->wal);
	read_image(c->path, ".mark", &m->mark);
	close_store(c);
}

static void
free_master(struct master *m)
{
	free(m->db.p);
	free(m->wal.p);
	free(m->mark.p);
	free(m->early_mark.p);
}

/* A folder as it was, with nothing set aside. */
static void
lay_out(struct ctx *c, const struct master *m)
{
	char command[700];

	(void)snprintf(command, sizeof(command), "rm -f %s/*", c->folder);
	assert_int_equal(system(command), 0); /* NOLINT: a path of the test's own */
	write_image(c->path, "", &m->db);
	write_image(c->path, "-wal", &m->wal);
	write_image(c->path, ".mark", &m->mark);
}

/* ---- one bit, one length ---- */

static uint64_t
next_random(uint64_t *r)
{
	*r = *r * 6364136223846793005u + 1442695040888963407u;
	return *r >> 33;
}

/* A header that claims a newer version is believed and refused: bits 2 to 9 of user_version. */
static bool
claims_newer(size_t at)
{
	return at >= 60 && at <= 63;
}

/* Returns how many batches it may cost. */
static unsigned
damage(struct master *m, uint64_t *r, char *what, size_t size)
{
	struct image *const files[] = { &m->db, &m->db, &m->wal, &m->mark };
	static const char *const names[] = { "db", "db", "wal", "mark" };
	const unsigned k = (unsigned)(next_random(r) % 4);
	struct image *f = files[k];
	size_t at = next_random(r) % f->n;
	unsigned cost = 0;

	if (f == &m->wal)
		cost = at < m->first_in_log ? IN_LOG : IN_LOG_END;

	if (next_random(r) % 8 == 0) {
		for (size_t page = at / PAGE; f == &m->db && page < m->db.n / PAGE; page++)
			cost += m->names[page] ? MINUTES : m->held[page];
		f->n = at;
		(void)snprintf(what, size, "%s cut to %zu", names[k], at);
		return cost;
	}
	if (f == &m->db && claims_newer(at))
		at += 8;
	if (f == &m->db)
		cost = m->held[at / PAGE];
	f->p[at] ^= (uint8_t)(1u << next_random(r) % 8);
	(void)snprintf(what, size, "%s: a bit at %zu", names[k], at);
	return cost;
}

static void
copy_master(const struct master *from, struct master *to)
{
	const struct image *const a[] = { &from->db, &from->wal, &from->mark, &from->early_mark };
	struct image *const b[] = { &to->db, &to->wal, &to->mark, &to->early_mark };

	*to = *from;
	for (int i = 0; i < 4; i++) {
		b[i]->n = a[i]->n;
		b[i]->p = malloc(a[i]->n + 1);
		memcpy(b[i]->p, a[i]->p, a[i]->n);
	}
}

static void
whatever_bit_flips_it_starts_and_comes_right(void **state)
{
	const char *env = getenv("BL_SEED");
	const uint64_t first = env != NULL ? strtoull(env, NULL, 10) : 1;
	const unsigned n = env != NULL ? 1 : rounds(150, 20000);
	struct ctx *c = *state;
	struct master master, m;
	unsigned replaced = 0, set_back = 0, dear = 0;

	make_master(c, &master);
	for (uint64_t seed = first; seed < first + n; seed++) {
		uint64_t r = seed * 0x9e3779b97f4a7c15u;
		unsigned cost, lost;
		char what[80];
		int rc;

		copy_master(&master, &m);
		cost = damage(&m, &r, what, sizeof(what));
		lay_out(c, &m);
		rc = start(c);
		replaced += rc == STORE_REPLACED;
		set_back += rc == STORE_SET_BACK;
		lost = MINUTES - still_there(c);
		dear += lost > 0;
		print_message("seed %u: %s: %u of at most %u batches lost\n", (unsigned)seed, what,
		    lost, cost < MINUTES ? cost : MINUTES);
		assert_true(lost <= cost);
		comes_right(c);
		close_store(c);
		/* The same met by agents first, not by a scrub. */
		if (seed % 2 == 0) {
			lay_out(c, &m);
			assert_int_equal(start(c), rc);
			comes_right(c);
			close_store(c);
		}
		free_master(&m);
	}
	print_message("%u starts, %u with a new store, %u behind their mark, %u lost batches\n", n,
	    replaced, set_back, dear);
	free_master(&master);
}

/* ---- whole pages ---- */

static void
only_what_stood_on_a_damaged_page_is_lost(void **state)
{
	struct ctx *c = *state;
	struct master master, m;
	unsigned most = 0;

	make_master(c, &master);
	for (size_t page = 0; page < master.db.n / PAGE; page++) {
		unsigned lost;

		copy_master(&master, &m);
		memset(m.db.p + page * PAGE, 0xa5, PAGE);
		/* The log covers some pages with newer ones; without it the file alone counts. */
		m.wal.n = 0;
		memcpy(m.mark.p, m.early_mark.p, m.early_mark.n);
		lay_out(c, &m);
		free_master(&m);
		(void)start(c);
		/* Some pages hold no rows that are looked at: their damage costs nothing. */
		lost = MINUTES - IN_LOG - still_there(c);
		if (lost > master.held[page])
			fail_msg(
			    "page %zu had %u batches, %u are lost", page, master.held[page], lost);
		if (lost > most)
			most = lost;
		comes_right(c);
		close_store(c);
	}
	print_message("a damaged page cost %u of %u batches at most\n", most, MINUTES - IN_LOG);
	assert_in_range(most, 1, 16);
	free_master(&master);
}

/* ---- a replacement that is cut short ---- */

/* A bit of a batch's body, so that only its checksum tells. */
static void
flip_in_body(struct master *m, unsigned i)
{
	for (size_t at = 0; at + cuts[i].len <= m->db.n; at++)
		if (memcmp(m->db.p + at, cuts[i].body, 64) == 0) {
			m->db.p[at + 32] ^= 1;
			return;
		}
	fail_msg("batch %u is not in the file", i);
}

/* The damaged file is set aside, and there is no descriptor (or room) for a new one yet. */
static void
a_replacement_that_fails_half_way_is_gone_on_with_once(void **state)
{
	struct ctx *c = *state;
	struct store_aside_files files;
	struct master master, m;
	struct bl_err err = { 0 };
	struct store_damage d;
	struct rlimit was, none;

	make_master(c, &master);
	copy_master(&master, &m);
	m.wal.n = 0;
	memcpy(m.mark.p, m.early_mark.p, m.early_mark.n);
	flip_in_body(&m, 7);
	lay_out(c, &m);
	free_master(&m);
	free_master(&master);
	assert_int_equal(start(c), STORE_OPENED);
	assert_false(scrubbed(c));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(store_begin(c->s, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	store_aside_files(c->path, &files);
	assert_int_equal(files.n, 1);
	begin(c);
	commit(c);
	salvage(c);
	store_aside_files(c->path, &files);
	assert_int_equal(files.n, 1);
	store_damage(c->s, &d);
	assert_int_equal(d.batches, MINUTES - 30 - 1);
	comes_right(c);
}

/* A store with one damaged page, replaced; what of the batches can be read is to come over. */
static void
start_replaced(struct ctx *c)
{
	struct master master, m;

	make_master(c, &master);
	copy_master(&master, &m);
	memset(m.db.p, 0xa5, 100); /* the header: no row is hurt */
	m.wal.n = 0;
	memcpy(m.mark.p, m.early_mark.p, m.early_mark.n);
	lay_out(c, &m);
	free_master(&m);
	free_master(&master);
	assert_int_equal(start(c), STORE_REPLACED);
}

static void
all_came_over(struct ctx *c)
{
	struct store_damage d;

	salvage(c);
	store_damage(c->s, &d);
	assert_false(d.salvaging);
	assert_int_equal(d.batches, MINUTES - 30);
}

/* A full disk, for one: what was read into memory stays there, what was written does not. */
static void
a_slice_that_is_rolled_back_is_done_again(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };

	start_replaced(c);
	for (int i = 0; i < 4; i++) {
		begin(c);
		must(store_salvage(c->s, 100000, &err), &err);
		store_rollback(c->s);
	}
	all_came_over(c);
}

static void
a_file_that_cannot_be_read_stops_nothing(void **state)
{
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct store_damage d;
	char file[800], away[800];

	start_replaced(c);
	store_damage(c->s, &d);
	(void)snprintf(file, sizeof(file), "%s/%s", c->folder, d.file);
	(void)snprintf(away, sizeof(away), "%s/away", c->folder);
	assert_int_equal(rename(file, away), 0);
	assert_int_equal(symlink(file, file), 0); /* leads to itself */
	begin(c);
	assert_int_equal(offer(c, 0), STORE_NEW);
	must(store_salvage(c->s, 4, &err), &err);
	commit(c);
	assert_false(store_salvaging(c->s));
	/* At the next start it is tried again. */
	assert_int_equal(rename(away, file), 0);
	close_store(c);
	assert_int_equal(start(c), STORE_OPENED);
	salvage(c);
	store_damage(c->s, &d);
	assert_int_equal(d.batches, MINUTES - 30 - 1);
	assert_int_equal(d.known, 1);
}

/* ---- an index that does not fit its table ---- */

static void
run(const char *path, const char *sql)
{
	char *why = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* SQLite says so with a code of its own, and a check of the structure finds nothing. */
static void
an_index_without_its_entry_is_damage(void **state)
{
	const struct store_aside a = { .reason = STORE_ASIDE_UNKNOWN_DEVICE,
		.topic = "bl/1/up/0/kiosk-1/live",
		.device = "kiosk-1",
		.part = -1,
		.detail = "of a device that nobody knows",
		.payload = "x",
		.len = 1 };
	const struct store_aside_filter all = { 0 };
	struct store_aside_msg row;
	struct ctx *c = *state;
	struct bl_err err = { 0 };
	struct store_damage d;

	begin(c);
	assert_int_equal(store_aside(c->s, &a, &err), STORE_ASIDE_NEW);
	commit(c);
	close_store(c);
	run(c->path, "CREATE TABLE hidden AS SELECT * FROM sqlite_schema WHERE name='aside_device';"
		     "PRAGMA writable_schema=ON;"
		     "DELETE FROM sqlite_schema WHERE name='aside_device'");
	run(c->path, "UPDATE aside SET device='kiosk-2'");
	run(c->path, "PRAGMA writable_schema=ON;"
		     "INSERT INTO sqlite_schema SELECT * FROM hidden; DROP TABLE hidden");
	assert_int_equal(start(c), STORE_OPENED);
	for (int i = 0; i < 4; i++) {
		begin(c);
		if (store_aside_next(c->s, &all, 0, &row, &err) == 1) {
			assert_int_equal(store_aside_leaves(c->s, &row, true, &err), BL_ECORRUPT);
			store_aside_msg_free(&row);
		}
		store_rollback(c->s);
	}
	store_damage(c->s, &d);
	assert_int_equal(d.replaced, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(only_what_stood_on_a_damaged_page_is_lost),
		T(a_replacement_that_fails_half_way_is_gone_on_with_once),
		T(a_slice_that_is_rolled_back_is_done_again),
		T(a_file_that_cannot_be_read_stops_nothing),
		T(an_index_without_its_entry_is_damage),
		T(whatever_bit_flips_it_starts_and_comes_right),
	};

	int failed;

	bl_log_level_set(BL_LOG_ERROR);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free_cuts();
	return failed;
}
