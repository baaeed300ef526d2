/*
 * Damage at rest, at random: one bit flipped or the end cut off, in the spool's
 * file, its log, the log's index or its lock.  Every time the spool opens within
 * five seconds, goes on, says what happened, doubles nothing, and loses no more
 * than the damaged pages held; every loss has a name.
 *
 * What a page holds comes from SQLite's own dbstat, not from our reader.
 * 300 cases, 2,000 with BL_LONG=1; BL_SEED=n repeats one.
 */
#include "spool_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#define TICKS_A_BATCH 10
#define PAGES_MOST    4096
#define BATCH_SAMPLES (TICKS_A_BATCH * KIT_SERIES)

/* Where a tick is: its time, and the batch that holds it (0: it is open). */
struct place {
	int64_t ms;
	uint64_t seq;
};

/* A spool as its machine left it, and what the centre had by then. */
struct base {
	const char *name;
	bool closed; /* in order: all is in the file; else killed, with a log */
	int64_t page_bytes;
	char dir[FOLDER_MAX], path[96];
	struct kit_clock time;
	struct bl_id boot, spool;
	struct centre *c;
	int64_t accepted[BL_STREAMS];
	int64_t logged_from[BL_STREAMS]; /* ticks from here on are in the log, if at all */
	struct place at[BL_STREAMS][2000];
	struct {
		int64_t holds; /* samples at most */
		bool names;    /* of series: without them samples mean nothing */
	} page[PAGES_MOST];
	int64_t pages;
};

#define BASES 3

static struct base bases[BASES] = { { .name = "closed", .closed = true, .page_bytes = 1024 },
	{ .name = "killed", .page_bytes = 1024 },
	/* As they were made before pages became small, and are still gone on with. */
	{ .name = "killed, large pages", .page_bytes = 4096 } };

/* ---- the spool that is damaged ---- */

static void
ticks(struct kit *k, struct base *b, int n)
{
	for (int i = 0; i < n; i++)
		for (unsigned s = 0; s < BL_STREAMS; s++) {
			kit_tick(k, (enum bl_stream)(s + 1));
			b->at[s][k->appended[s]].ms = k->time.boot_ms;
		}
}

static void
cut(struct kit *k, struct base *b)
{
	struct spool_status st;
	struct bl_err err = { 0 };

	kit_cut_all(k);
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	for (unsigned s = 0; s < BL_STREAMS; s++)
		for (int64_t n = k->appended[s]; n > 0 && b->at[s][n].seq == 0; n--)
			b->at[s][n].seq = st.stream[s].next_seq - 1;
}

static void
look_at_pages(struct base *b)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(
		db, "SELECT name,pageno,pagetype,ncell FROM dbstat", -1, &st, NULL) != SQLITE_OK)
		fail_msg("this SQLite has no dbstat");
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		const int64_t page = sqlite3_column_int64(st, 1);
		const bool leaf = strcmp((const char *)sqlite3_column_text(st, 2), "leaf") == 0;
		const int64_t cells = leaf ? sqlite3_column_int64(st, 3) : 1;

		assert_true(page > 0 && page < PAGES_MOST);
		if (page > b->pages)
			b->pages = page;
		if (strcmp(name, "body") == 0 &&
		    strcmp((const char *)sqlite3_column_text(st, 2), "internal") != 0)
			b->page[page].holds = cells * BATCH_SAMPLES;
		/* Of a row with a bit flipped: its batch's checksum may be what does not fit. */
		if (strcmp(name, "batch") == 0 && leaf)
			b->page[page].holds = BATCH_SAMPLES;
		if (strcmp(name, "open") == 0 && leaf)
			b->page[page].holds = cells * KIT_SERIES;
		b->page[page].names = strcmp(name, "dict") == 0;
	}
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	/* It was only read, but closing would work the log off: the copy goes, see below. */
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
copy_all(const char *from, const char *to)
{
	static const char *const suffix[] = { "", "-wal", "-shm", ".lock" };

	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		char a[160], c[160];

		(void)snprintf(a, sizeof(a), "%s%s", from, suffix[i]);
		(void)snprintf(c, sizeof(c), "%s%s", to, suffix[i]);
		kit_copy_file(a, c);
	}
}

/* The file that is about to be made has pages of 4096 bytes. */
static void
large_pages(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA page_size=4096;CREATE TABLE t(a);DROP TABLE t",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* 40 batches a stream of which the centre has three quarters, then some that only the log has. */
static void
make_base(struct base *b)
{
	struct kit *k;
	char scratch[160];

	assert_int_equal(kit_setup((void **)&k), 0);
	b->c = centre_new(k);
	if (b->page_bytes == 4096)
		large_pages(k->path);
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 40; i++) {
		ticks(k, b, TICKS_A_BATCH);
		cut(k, b);
		if (i == 29)
			centre_drain(b->c, k);
	}
	ticks(k, b, 7);
	kit_commit(k);
	if (!b->closed) {
		kit_close(k); /* into the file, all of it */
		kit_open(k, SPOOL_OPENED);
		for (unsigned s = 0; s < BL_STREAMS; s++) {
			/* Starting cut what was open. */
			for (int64_t n = k->appended[s]; b->at[s][n].seq == 0; n--)
				b->at[s][n].seq = 41;
			b->logged_from[s] = k->appended[s] - 6;
		}
		ticks(k, b, 3);
		cut(k, b);
		centre_drain(b->c, k);
		ticks(k, b, 2);
		cut(k, b);
		ticks(k, b, 2);
		kit_commit(k);
	}
	memcpy(b->accepted, k->accepted, sizeof(b->accepted));
	b->boot = k->opts.boot;
	folder_make(b->dir, "rot");
	(void)snprintf(b->path, sizeof(b->path), "%s/spool.db", b->dir);
	if (!b->closed)
		copy_all(k->path, b->path); /* this process has no lock on the copies */
	kit_close(k);
	if (b->closed)
		copy_all(k->path, b->path);
	b->time = k->time;
	(void)snprintf(scratch, sizeof(scratch), "%s/keep", b->dir);
	copy_all(b->path, scratch);
	look_at_pages(b);
	copy_all(scratch, b->path);
	kit_teardown((void **)&k);
}

/* ---- one case ---- */

struct damage {
	uint64_t seed;
	const struct base *b;
	const char *suffix;
	bool cut_off;
	int64_t at, size;
	int bit;
};

static struct damage
draw(struct kit_clock *r, uint64_t seed)
{
	static const char *const suffix[] = { "", "", "", "", "", "", "-wal", "-wal", "-shm",
		".lock" };
	struct damage d = { .seed = seed };

	kit_clock_init(r, seed * 2654435761u + 1);
	d.b = &bases[kit_random(r, BASES)];
	d.suffix = suffix[kit_random(r, sizeof(suffix) / sizeof(suffix[0]))];
	if (d.b->closed && d.suffix[0] == '-')
		d.suffix = "";
	d.cut_off = kit_random(r, 3) == 0;
	return d;
}

static void
hurt(struct kit_clock *r, const struct kit *k, struct damage *d)
{
	char path[160];
	struct stat sb;
	uint8_t byte;
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s", k->path, d->suffix);
	assert_int_equal(stat(path, &sb), 0);
	d->size = sb.st_size;
	d->at = (int64_t)kit_random(r, (uint64_t)sb.st_size);
	d->bit = (int)kit_random(r, 8);
	if (d->cut_off) {
		assert_int_equal(truncate(path, d->at), 0);
		return;
	}
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, d->at), 1);
	byte = (uint8_t)(byte ^ 1 << d->bit);
	assert_int_equal(pwrite(fd, &byte, 1, d->at), 1);
	assert_int_equal(close(fd), 0);
}

/* How many samples the damaged pages held. */
static int64_t
held(const struct damage *d)
{
	const struct base *b = d->b;
	int64_t all = 0, n = 0;

	for (unsigned s = 0; s < BL_STREAMS; s++)
		all += b->accepted[s] * KIT_SERIES;
	if (strcmp(d->suffix, "-wal") == 0)
		for (unsigned s = 0; s < BL_STREAMS; s++)
			n += (b->accepted[s] - b->logged_from[s] + 1) * KIT_SERIES;
	if (d->suffix[0] != '\0')
		return n;
	for (int64_t page = d->at / b->page_bytes + 1; page <= b->pages; page++) {
		n += b->page[page].holds;
		if (b->page[page].names)
			return all;
		if (!d->cut_off)
			break;
	}
	return n;
}

static bool
is_named(const struct centre *c, const struct base *b, unsigned s, int64_t n)
{
	const struct place *p = &b->at[s][n];

	for (unsigned i = 0; i < c->n_gaps; i++) {
		const struct bl_gap *g = &c->gap[i];

		if (g->stream != (enum bl_stream)(s + 1))
			continue;
		if (g->seq_first != 0
			? p->seq >= g->seq_first && p->seq <= g->seq_last &&
			      bl_id_equal(&g->spool, &b->spool)
			: (bl_id_is_zero(&g->begin_boot) || g->begin_boot_ms <= p->ms) &&
			      p->ms <= g->end_boot_ms)
			return true;
	}
	return false;
}

static void
judge(const struct kit *k, const struct centre *c, const struct damage *d, bool replaced)
{
	const struct base *b = d->b;
	int64_t lost = 0;
	char what[200];

	(void)snprintf(what, sizeof(what),
	    "seed %llu: %s, file \"%s\", %s byte %lld of %lld bit %d", (unsigned long long)d->seed,
	    b->name, d->suffix, d->cut_off ? "cut off at" : "flipped in", (long long)d->at,
	    (long long)d->size, d->bit);
	for (unsigned s = 0; s < BL_STREAMS; s++)
		for (unsigned j = 0; j < KIT_SERIES; j++)
			for (int64_t n = 1; n <= k->appended[s]; n++) {
				const unsigned seen = c->seen[s][j][n];

				if (seen > 1)
					fail_msg("%s: stream %u tick %lld came %u times", what,
					    s + 1, (long long)n, seen);
				if (seen == 0 && n > b->accepted[s])
					fail_msg("%s: tick %lld after it did not come", what,
					    (long long)n);
				if (seen == 0 && !is_named(c, b, s, n))
					fail_msg("%s: stream %u tick %lld is lost without a name",
					    what, s + 1, (long long)n);
				lost += seen == 0;
			}
	if (lost > held(d))
		fail_msg("%s: %lld samples lost, the pages held %lld%s", what, (long long)lost,
		    (long long)held(d), replaced ? " (replaced)" : "");
	if (c->conflicts != 0)
		fail_msg("%s: conflicts", what);
}

/* True: a new spool began. */
static bool
run_one(uint64_t seed, struct centre *c)
{
	struct kit_clock r;
	struct damage d = draw(&r, seed);
	struct bl_err err = { 0 };
	clock_t began;
	struct kit *k;
	int rc;

	assert_int_equal(kit_setup((void **)&k), 0);
	k->time = d.b->time;
	k->time.clock.ctx = &k->time;
	k->opts.boot = d.b->boot;
	copy_all(d.b->path, k->path);
	hurt(&r, k, &d);
	kit_pass(&k->time, 60000);
	began = clock(); /* of this process, whatever else the machine does */
	rc = spool_open(&k->s, &k->opts, &err);
	if (rc < 0)
		fail_msg("seed %llu: does not open: %s", (unsigned long long)seed, err.msg);
	assert_true(clock() - began < 5 * CLOCKS_PER_SEC);
	if (rc == SPOOL_REPLACED)
		assert_non_null(strstr(err.msg, "a new spool begins"));
	k->may_be_damaged = true;
	kit_declare(k);
	memcpy(c, d.b->c, sizeof(*c));
	memcpy(k->appended, d.b->accepted, sizeof(k->appended));
	for (int i = 0; i < 3; i++)
		for (unsigned s = 0; s < BL_STREAMS; s++)
			kit_tick(k, (enum bl_stream)(s + 1));
	kit_cut_all(k);
	centre_drain(c, k);
	/* What the ledger says travels with the next ones. */
	for (int i = 0; i < 2; i++) {
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		centre_drain(c, k);
	}
	rc = rc == SPOOL_REPLACED || k->replaced > 0;
	judge(k, c, &d, rc);
	kit_teardown((void **)&k);
	return rc;
}

static void
a_bit_or_an_end_costs_no_more_than_its_pages(void **state)
{
	const unsigned cases = rounds(300, 2000);
	const char *one = getenv("BL_SEED");
	struct centre *c = calloc(1, sizeof(*c));
	unsigned replaced = 0;

	(void)state;
	assert_non_null(c);
	for (unsigned i = 0; i < BASES; i++) {
		make_base(&bases[i]);
		bases[i].spool = bases[i].c->batch[0].spool;
	}
	for (uint64_t seed = 1; one == NULL && seed <= cases; seed++)
		replaced += run_one(seed, c);
	if (one != NULL)
		replaced = run_one(strtoull(one, NULL, 10), c);
	print_message("%u cases, %u new spools\n", one != NULL ? 1 : cases, replaced);
	assert_true(one != NULL || replaced > cases / 6);
	for (unsigned i = 0; i < BASES; i++) {
		folder_remove(bases[i].dir);
		free(bases[i].c);
	}
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bit_or_an_end_costs_no_more_than_its_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
