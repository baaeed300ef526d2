/* Files that cannot be gone on with: damaged, foreign, newer, held; and reading one from outside.
 */
#include "spool_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "branchline/fault.h"

static struct spool_status
status(struct kit *k)
{
	struct bl_err err = { 0 };
	struct spool_status st;

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st;
}

static unsigned
files_aside(const struct kit *k)
{
	struct dirent *e;
	DIR *d = opendir(k->dir);
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += strstr(e->d_name, ".aside-") != NULL && strstr(e->d_name, "-wal") == NULL &&
		     strstr(e->d_name, "-shm") == NULL;
	(void)closedir(d);
	return n;
}

/* 60 host ticks in 20 batches of which the centre has the first half, and an open span. */
static void
fill(struct kit *k, struct centre *c)
{
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 3; j++)
			kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
		if (i == 9)
			centre_drain(c, k);
	}
	for (int j = 0; j < 3; j++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
}

struct damage {
	const char *name;
	const char *suffix; /* of the file that is hurt */
	int percent;        /* of its length: where */
	int bytes;          /* overwritten; 0: truncated there */
	bool checkpointed;  /* closed in order, so that all is in the main file */
};

static void
hurt(const struct kit *k, const struct damage *d)
{
	char path[128], junk[8192];
	struct stat sb;
	off_t at;
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s", k->path, d->suffix);
	assert_int_equal(stat(path, &sb), 0);
	at = sb.st_size * d->percent / 100;
	if (d->bytes == 0) {
		assert_int_equal(truncate(path, at), 0);
		return;
	}
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	memset(junk, 0xa5, sizeof(junk));
	assert_int_equal(pwrite(fd, junk, (size_t)d->bytes, at), d->bytes);
	assert_int_equal(close(fd), 0);
}

/*
 * Whatever is hurt: the spool opens, goes on, says so, doubles nothing, and
 * what the centre does not get is covered by a gap.
 */
static void
damage_never_stops_the_start(void **state)
{
	static const struct damage rows[] = {
		{ "empty file", "", 0, 0, true },
		{ "first byte", "", 0, 1, true },
		{ "first page", "", 0, 4096, true },
		{ "header's page size", "", 0, 17, true },
		{ "half of it is gone", "", 50, 0, true },
		{ "the end is gone", "", 95, 0, true },
		{ "a page at 10 %", "", 10, 4096, true },
		{ "a page at 20 %", "", 20, 4096, true },
		{ "a page at 30 %", "", 30, 4096, true },
		{ "a page at 40 %", "", 40, 4096, true },
		{ "a page at 50 %", "", 50, 4096, true },
		{ "a page at 60 %", "", 60, 4096, true },
		{ "a page at 70 %", "", 70, 4096, true },
		{ "a page at 80 %", "", 80, 4096, true },
		{ "a page at 90 %", "", 90, 4096, true },
		{ "a byte at 35 %", "", 35, 1, true },
		{ "a byte at 66 %", "", 66, 1, true },
		{ "a byte at 99 %", "", 99, 1, true },
		{ "main file under a log", "", 50, 4096, false },
		{ "log: header", "-wal", 0, 32, false },
		{ "log: truncated in the middle", "-wal", 50, 0, false },
		{ "log: a frame in the middle", "-wal", 50, 4096, false },
		{ "log: a byte near the end", "-wal", 98, 1, false },
		{ "log: gone", "-wal", 0, 0, false },
	};
	unsigned replaced = 0, recovered = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bl_err err = { 0 };
		struct centre *c;
		struct kit *k;
		int64_t from;
		int rc;

		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		fill(k, c);
		if (rows[i].checkpointed)
			kit_close(k);
		else
			kit_crash(k);
		hurt(k, &rows[i]);
		kit_pass(&k->time, 60000);
		rc = spool_open(&k->s, &k->opts, &err);
		if (rc < 0)
			fail_msg("%s: did not open: %s", rows[i].name, err.msg);
		if (rc == SPOOL_REPLACED) {
			replaced++;
			assert_int_equal(files_aside(k), 1);
			kit_salvage(k);
			assert_true(status(k).gaps >= 3);
			assert_non_null(strstr(err.msg, "set aside"));
			assert_false(bl_id_is_zero((struct bl_id[]){ status(k).predecessor }));
		}
		kit_declare(k);
		from = k->appended[2] + 1;
		for (int j = 0; j < 5; j++)
			kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
		centre_drain(c, k);
		for (unsigned s = 0; s < KIT_SERIES; s++)
			for (int64_t n = 1; n <= k->appended[2]; n++) {
				const unsigned seen = c->seen[2][s][n];

				if (seen > 1 || (seen == 0 && (n >= from || n <= 30)))
					fail_msg("%s: sample %lld came %u times", rows[i].name,
					    (long long)n, seen);
				recovered += s == 0 && seen == 1 && n > 30 && n < from &&
					     rc == SPOOL_REPLACED;
			}
		assert_int_equal(c->conflicts, 0);
		free(c);
		kit_teardown((void **)&k);
	}
	print_message("replaced %u of %zu, recovered %u of %u samples of series 0 then\n", replaced,
	    sizeof(rows) / sizeof(rows[0]), recovered, replaced * 33);
	assert_true(replaced >= 8);
	assert_true(recovered > 0);
	(void)state;
}

/* The list of free pages is followed by us when SQLite will not: it may lead anywhere. */
static void
a_list_of_free_pages_may_lead_anywhere(void **state)
{
	static const uint8_t heads[][8] = { { 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 5 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0, 0, 0, 1, 0, 0, 0, 1 },
		{ 0x20, 0, 0, 0, 0, 0, 0, 1 } };

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct bl_err err = { 0 };
		struct centre *c;
		struct kit *k;
		int fd;

		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		fill(k, c);
		kit_close(k);
		assert_true((fd = open(k->path, O_RDWR)) >= 0);
		assert_int_equal(pwrite(fd, heads[i], 8, 32), 8);
		assert_int_equal(close(fd), 0);
		assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
		kit_salvage(k);
		kit_declare(k);
		kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
		centre_drain(c, k);
		for (int64_t n = 1; n <= k->appended[2]; n++)
			assert_int_equal(c->seen[2][0][n], 1);
		free(c);
		kit_teardown((void **)&k);
	}
	(void)state;
}

/* Opens the hurt spool and dies at the nth commit after it; false: there was no nth. */
static bool
killed_while_replacing(struct kit *k, unsigned nth)
{
	struct bl_err err = { 0 };
	int code = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (!bl_fault_arm_action("spool.commit.after", nth, BL_FAULT_KILL) ||
		    spool_open(&k->s, &k->opts, &err) < 0)
			_exit(2);
		kit_salvage(k);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &code, 0), pid);
	if (WIFSIGNALED(code)) {
		assert_int_equal(WTERMSIG(code), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(code), 0);
	return false;
}

static bool
is_named(const struct centre *c, const struct bl_id *spool, uint64_t seq)
{
	for (unsigned i = 0; i < c->n_gaps; i++)
		if (bl_id_equal(&c->gap[i].spool, spool) && c->gap[i].stream == BL_STREAM_HOST &&
		    c->gap[i].reason == BL_GAP_DAMAGED && c->gap[i].seq_first <= seq &&
		    seq <= c->gap[i].seq_last)
			return true;
	return false;
}

/* A second misfortune: what was not recovered is named all the same, nothing doubles. */
static void
a_death_while_replacing_leaves_no_loss_without_a_name(void **state)
{
	const struct damage d = { "a page at 50 %", "", 50, 4096, true };
	bool died = true;

	(void)state;
	for (unsigned nth = 1; died; nth++) {
		struct bl_err err = { 0 };
		struct centre *c;
		struct bl_id old;
		struct kit *k;
		bool open_named = false;

		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		fill(k, c);
		old = status(k).spool;
		kit_close(k);
		hurt(k, &d);
		kit_pass(&k->time, 60000);
		died = killed_while_replacing(k, nth);
		assert_true(spool_open(&k->s, &k->opts, &err) >= 0);
		assert_int_equal(files_aside(k), 1);
		kit_declare(k);
		kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
		centre_drain(c, k);
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		centre_drain(c, k);
		for (int64_t n = 1; n <= 60; n++) {
			const uint64_t seq = (uint64_t)(n - 1) / 3 + 1;

			if (c->seen[2][0][n] > 1)
				fail_msg("killed at commit %u: sample %lld came %u times", nth,
				    (long long)n, c->seen[2][0][n]);
			if (c->seen[2][0][n] == 0 && !is_named(c, &old, seq))
				fail_msg("killed at commit %u: seq %llu is lost without a name",
				    nth, (unsigned long long)seq);
		}
		for (unsigned i = 0; i < c->n_gaps; i++)
			open_named = open_named || (c->gap[i].stream == BL_STREAM_HOST &&
						       c->gap[i].reason == BL_GAP_DAMAGED &&
						       c->gap[i].seq_first == 0);
		if (!open_named)
			fail_msg("killed at commit %u: the open span is not named", nth);
		assert_int_equal(c->conflicts, 0);
		assert_true(died || nth > 5);
		free(c);
		kit_teardown((void **)&k);
	}
}

static bool
is_in_ledger(const struct centre *c, const struct bl_id *spool, uint64_t seq)
{
	for (unsigned i = 0; i < c->n_gaps; i++)
		if (bl_id_equal(&c->gap[i].spool, spool) && c->gap[i].stream == BL_STREAM_HOST &&
		    c->gap[i].seq_first <= seq && seq <= c->gap[i].seq_last)
			return true;
	return false;
}

/* What came over from a damaged file and the centre had, for its receipt was lost. */
static void
what_came_over_is_named_when_the_centre_is_set_back(void **state)
{
	const struct damage d = { "a page at 50 %", "", 50, 4096, true };
	struct kit *k = *state;
	struct centre *c = centre_new(k), *backup = malloc(sizeof(*backup));
	char copy[128];
	struct bl_id old;

	assert_non_null(backup);
	(void)snprintf(copy, sizeof(copy), "%s/copy", k->dir);
	fill(k, c);
	old = status(k).spool;
	kit_close(k);
	kit_copy_spool(k, copy);
	memcpy(backup, c, sizeof(*c));
	kit_open(k, SPOOL_OPENED);
	centre_drain(c, k);
	kit_close(k);
	kit_restore_spool(k, copy);
	hurt(k, &d);
	kit_open(k, SPOOL_REPLACED);
	kit_salvage(k);
	centre_drain(c, k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	memcpy(c, backup, sizeof(*c));
	centre_handshake(c, k);
	for (int i = 0; i < 2; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
		centre_drain(c, k);
	}
	for (int64_t n = 1; n <= 60; n++) {
		const uint64_t seq = (uint64_t)(n - 1) / 3 + 1;

		if (c->seen[2][0][n] == 0 && !is_in_ledger(c, &old, seq))
			fail_msg("seq %llu is lost without a name", (unsigned long long)seq);
		assert_true(c->seen[2][0][n] <= 1);
	}
	free(backup);
	free(c);
}

/*
 * The centre refuses the former id (it knows it as another device's, or closed):
 * what was recovered of it is named, and the spool goes on with its own.
 */
static void
a_former_id_that_the_centre_refuses_is_given_up(void **state)
{
	const struct damage d = { "a page at 50 %", "", 50, 4096, true };
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;

	fill(k, c);
	kit_close(k);
	hurt(k, &d);
	assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
	kit_declare(k);
	/* Until all has come over the new id speaks, and does not close the old one at the centre.
	 */
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_true(bl_id_equal(&h.spool, (struct bl_id[]){ status(k).spool }));
	assert_true(bl_id_is_zero(&h.predecessor));
	kit_salvage(k);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_false(bl_id_equal(&h.spool, (struct bl_id[]){ status(k).spool }));
	centre_receipt(c, &h.spool, true, &r);
	r.verdict = BL_VERDICT_CONFLICT;
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_true(bl_id_equal(&h.spool, (struct bl_id[]){ status(k).spool }));
	assert_false(bl_id_is_zero(&h.predecessor));
	/* About its own id it is a refusal, and nothing moves. */
	centre_receipt(c, &h.spool, true, &r);
	r.verdict = BL_VERDICT_CONFLICT;
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_OTHER);
	/* The least that a centre says of an id which is its own. */
	r.clock_version = 1;
	assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_ROLLED_BACK);
	free(c);
}

/* Somebody deletes the file, or the file and its log; the lock file beside it stays. */
static void
delete_spool(const struct kit *k, bool with_log)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };

	for (unsigned i = 0; i < (with_log ? 3 : 1); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s%s", k->path, suffix[i]);
		(void)unlink(path);
	}
}

/* Nothing is left to be recovered, but the lock file knows whose file is gone: named. */
static void
a_file_that_is_gone_is_named(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	bool named[BL_STREAMS] = { false };
	struct bl_hello h;
	struct bl_id old;
	int64_t began;

	fill(k, c);
	old = status(k).spool;
	kit_crash(k);
	delete_spool(k, true);
	kit_pass(&k->time, 60000);
	began = k->time.boot_ms;
	assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
	assert_non_null(strstr(err.msg, "deleted"));
	kit_declare(k);
	assert_true(bl_id_equal((struct bl_id[]){ status(k).predecessor }, &old));
	/* Naming it closes it at the centre, which is to be asked first how far it had come. */
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_true(bl_id_is_zero(&h.predecessor));
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_true(bl_id_equal(&h.predecessor, &old));
	for (unsigned i = 0; i < c->n_gaps; i++) {
		const struct bl_gap *g = &c->gap[i];

		if (g->reason == BL_GAP_DAMAGED && g->seq_first == 0 &&
		    bl_id_equal(&g->spool, &old) && bl_id_equal(&g->end_boot, &k->opts.boot) &&
		    g->end_boot_ms >= began)
			named[g->stream - 1] = true;
	}
	for (unsigned i = 0; i < BL_STREAMS; i++)
		assert_true(named[i]);
	assert_int_equal(c->seen[2][0][k->appended[2]], 1);
	assert_int_equal(c->conflicts, 0);
	kit_close(k);
	kit_open(k, SPOOL_OPENED); /* and that was all of it */
	free(c);
}

/* What SQLite would delete as the log of another file is looked through first. */
static void
of_a_file_that_is_gone_the_log_is_salvaged(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 2; i++)
		kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	kit_crash(k);
	delete_spool(k, false);
	kit_pass(&k->time, 60000);
	kit_open(k, SPOOL_REPLACED);
	assert_int_equal(files_aside(k), 0); /* but its log is */
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 4);
	free(c);
}

/* A folder copied to another machine without the file: what is gone there was never its own. */
static void
a_lock_file_of_another_device_names_nothing(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	fill(k, c);
	kit_close(k);
	delete_spool(k, true);
	k->opts.device = "till-2";
	kit_open(k, SPOOL_CREATED);
	assert_true(bl_id_is_zero((struct bl_id[]){ status(k).predecessor }));
	free(c);
}

/* A stored batch with a flipped bit is not sent: it is named and dropped. */
static void
a_batch_with_a_flipped_bit_is_named(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	sqlite3 *db;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 5; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
	kit_close(k);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
			     "UPDATE body SET msg=CAST(substr(msg,1,length(msg)-3)||x'00ff00'"
			     " AS BLOB) WHERE id=(SELECT max(id)-1 FROM body)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	kit_open(k, SPOOL_OPENED);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(centre_lost(c, BL_STREAM_HOST, BL_GAP_DAMAGED), KIT_SERIES);
	assert_int_equal(status(k).stream[2].dropped_batches, 1);
	assert_false(spool_damaged(k->s));
	(void)err;
	free(c);
}

static void
another_devices_spool_is_set_aside_whole(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct spool_status st, before;
	struct bl_err err = { 0 };
	char aside[256] = "";
	struct dirent *e;
	DIR *d;

	fill(k, c);
	before = status(k);
	kit_close(k);
	k->opts.device = "till-2";
	assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
	assert_non_null(strstr(err.msg, "till-1"));
	st = status(k);
	assert_string_equal(st.device, "till-2");
	assert_true(bl_id_equal(&st.predecessor, &before.spool));
	assert_int_equal(st.stream[2].held_batches, 0);
	d = opendir(k->dir);
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".aside-") != NULL && strstr(e->d_name, "-wal") == NULL &&
		    strstr(e->d_name, "-shm") == NULL)
			(void)snprintf(aside, sizeof(aside), "%s/%s", k->dir, e->d_name);
	(void)closedir(d);
	/* Nothing of it was lost: it can be imported later. */
	assert_int_equal(spool_status_of_file(aside, &st, &err), BL_OK);
	assert_string_equal(st.device, "till-1");
	assert_int_equal(st.stream[2].waiting_batches, before.stream[2].waiting_batches);
	free(c);
}

static uint64_t
hash_of_files(const struct kit *k)
{
	static const char *const suffix[] = { "", "-wal" };
	uint64_t h = 14695981039346656037u;

	for (unsigned i = 0; i < 2; i++) {
		char path[128], buf[4096];
		size_t n;
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s%s", k->path, suffix[i]);
		if ((f = fopen(path, "re")) == NULL)
			continue;
		while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
			for (size_t j = 0; j < n; j++)
				h = (h ^ (uint8_t)buf[j]) * 1099511628211u;
		(void)fclose(f);
	}
	return h;
}

/* Also while the newer version's log lies beside it, as after its crash. */
static void
a_newer_file_is_refused_and_left_untouched(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct spool_status st;
	struct bl_err err = { 0 };
	char copy[128];
	uint64_t before;
	sqlite3 *db;

	(void)snprintf(copy, sizeof(copy), "%s/newer", k->dir);
	fill(k, c);
	kit_close(k);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	kit_copy_spool(k, copy); /* its log with it */
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	for (int with_log = 0; with_log < 2; with_log++) {
		if (with_log)
			kit_restore_spool(k, copy);
		before = hash_of_files(k);
		assert_int_equal(spool_open(&k->s, &k->opts, &err), BL_ENEWER);
		assert_null(k->s);
		assert_non_null(strstr(err.msg, "newer version"));
		assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_ENEWER);
		assert_true(hash_of_files(k) == before);
		assert_int_equal(files_aside(k), 0);
	}
	free(c);
}

static void
a_file_that_is_no_spool_is_set_aside(void **state)
{
	struct kit *k = *state;
	struct spool_status st;
	struct bl_err err = { 0 };
	sqlite3 *db;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE cats(name)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_ECORRUPT);
	assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
	assert_int_equal(files_aside(k), 1);
}

static void
the_set_aside_do_not_pile_up(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	int fd;

	for (int i = 0; i < 8; i++) {
		fd = open(k->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, "not a database at all", 21), 21);
		assert_int_equal(close(fd), 0);
		kit_pass(&k->time, 1000);
		assert_int_equal(spool_open(&k->s, &k->opts, &err), SPOOL_REPLACED);
		kit_close(k);
	}
	assert_int_equal(files_aside(k), 3);
}

/* In a child, because two spools in one process would share its locks. */
static void
a_second_daemon_is_kept_out(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct spool *second = NULL;

	kit_open(k, SPOOL_CREATED);
	assert_int_equal(spool_open(&second, &k->opts, &err), BL_EBUSY);
	assert_null(second);
	assert_non_null(strstr(err.msg, "another agent"));
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k); /* the first is not disturbed */
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
}

static void
status_of_a_file_alive_dead_and_read_only(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct spool_status live, read;
	struct bl_gap gap[8];
	struct bl_err err = { 0 };
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s/copy", k->dir);
	assert_int_equal(spool_status_of_file(k->path, &read, &err), BL_ENOTFOUND);
	fill(k, c);
	kit_close(k);
	kit_pass(&k->time, 1000);
	kit_open(k, SPOOL_OPENED);
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	live = status(k);

	/* alive */
	assert_int_equal(spool_status_of_file(k->path, &read, &err), BL_OK);
	assert_int_equal(read.accepted_samples, live.accepted_samples);
	assert_true(bl_id_equal(&read.spool, &live.spool));
	assert_memory_equal(read.stream, live.stream, sizeof(live.stream));
	assert_int_equal(spool_recent_gaps_of_file(k->path, gap, 8, &err), 3);
	assert_int_equal(gap[0].reason, BL_GAP_OFF);

	/* dead by kill -9: a log is left behind */
	kit_copy_spool(k, copy);
	kit_close(k);
	kit_restore_spool(k, copy);
	assert_int_equal(spool_status_of_file(k->path, &read, &err), BL_OK);
	assert_int_equal(read.accepted_samples, live.accepted_samples);
	assert_memory_equal(read.stream, live.stream, sizeof(live.stream));

	/* dead after an orderly end, in a folder that cannot be written */
	kit_open(k, SPOOL_OPENED);
	live = status(k);
	kit_close(k);
	(void)snprintf(copy, sizeof(copy), "%s-shm", k->path);
	(void)unlink(copy);
	assert_int_equal(chmod(k->path, 0400), 0);
	assert_int_equal(chmod(k->dir, 0500), 0);
	if (geteuid() == 0) {
		/* root passes every permission: the same as somebody else */
		int code = 0;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			if (chmod(k->dir, 0555) != 0 || chmod(k->path, 0444) != 0 ||
			    setuid(65534) != 0)
				_exit(2);
			if (spool_status_of_file(k->path, &read, &err) == BL_OK &&
			    read.accepted_samples == live.accepted_samples)
				_exit(0);
			(void)fprintf(stderr, "as nobody: %s\n", err.msg);
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &code, 0), pid);
		assert_int_equal(code, 0);
	} else {
		assert_int_equal(spool_status_of_file(k->path, &read, &err), BL_OK);
		assert_int_equal(read.accepted_samples, live.accepted_samples);
	}
	assert_int_equal(chmod(k->dir, 0700), 0);
	free(c);
}

static void
bad_options_are_refused(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct spool_opts o = k->opts;

	o.max_bytes = 4096;
	assert_int_equal(spool_open(&k->s, &o, &err), BL_EINVAL);
	o = k->opts;
	o.device = "";
	assert_int_equal(spool_open(&k->s, &o, &err), BL_EINVAL);
	o = k->opts;
	o.path = "/nonexistent/folder/spool.db";
	assert_true(spool_open(&k->s, &o, &err) < 0);
	assert_non_null(strstr(err.msg, "/nonexistent/folder"));
	assert_null(k->s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		cmocka_unit_test(damage_never_stops_the_start),
		cmocka_unit_test(a_list_of_free_pages_may_lead_anywhere),
		T(a_death_while_replacing_leaves_no_loss_without_a_name),
		T(what_came_over_is_named_when_the_centre_is_set_back),
		T(a_former_id_that_the_centre_refuses_is_given_up),
		T(a_file_that_is_gone_is_named),
		T(of_a_file_that_is_gone_the_log_is_salvaged),
		T(a_lock_file_of_another_device_names_nothing),
		T(a_batch_with_a_flipped_bit_is_named),
		T(another_devices_spool_is_set_aside_whole),
		T(a_newer_file_is_refused_and_left_untouched),
		T(a_file_that_is_no_spool_is_set_aside),
		T(the_set_aside_do_not_pile_up),
		T(a_second_daemon_is_kept_out),
		T(status_of_a_file_alive_dead_and_read_only),
		T(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
