/*
 * Looking into files: what lies on the disks of machines in the end, and what is about to
 * be replaced, deleted or copied while the run goes on.
 */
#include "sim_oracle.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static void
note_open(struct sim *w, unsigned machine, unsigned stream, int64_t at, enum where where)
{
	struct sim_source *src = &w->machine[machine].source[stream];
	unsigned lo = 1, hi = src->n + 1;

	while (lo < hi) {
		const unsigned mid = lo + (hi - lo) / 2;

		if (src->s[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo <= src->n && src->s[lo].at == at; lo++)
		judge_mark(&src->s[lo], where);
}

void
judge_open_rows(struct judge *j, sqlite3 *db, enum where where)
{
	sqlite3_stmt *st =
	    judge_query(j, db, "SELECT o.stream, o.boot_ms, s.boot FROM open o JOIN state s");
	unsigned machine = 0;

	while (judge_row(j, st)) {
		const struct bl_id boot = judge_column_id(st, 2);
		const int64_t at =
		    machine_true_time(j->w, &boot, sqlite3_column_int64(st, 1), &machine);

		if (at == INT64_MIN)
			sim_fail(j->w, "an open row of a boot that nobody had");
		else
			note_open(
			    j->w, machine, (unsigned)sqlite3_column_int(st, 0) - 1, at, where);
	}
}

/* ---- what was set apart on the machines' own disks ---- */

static void
read_bodies(struct judge *j, const char *path)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK) {
		st = judge_query(j, db, "SELECT msg FROM body");
		while (judge_row(j, st))
			judge_message(j, ON_DISK, sqlite3_column_blob(st, 0),
			    (size_t)sqlite3_column_bytes(st, 0));
		judge_open_rows(j, db, ON_DISK);
	}
	(void)sqlite3_close(db); /* only read */
}

void
judge_disks(struct judge *j)
{
	for (unsigned i = 0; i < j->w->n_machines; i++) {
		struct sim_machine *m = &j->w->machine[i];
		const bool refused = machine_refused(m) || m->set_apart;
		char path[1024];
		struct dirent *e;
		DIR *d;

		machine_stop(m);
		if (refused && !judge_two_lives(j->w))
			sim_fail(j->w, "machine %u is refused for good", i);
		else if (refused)
			read_bodies(j, m->path);
		d = opendir(m->dir);
		while (d != NULL && (e = readdir(d)) != NULL) {
			const size_t n = strlen(e->d_name);

			if (n < 8 || strcmp(e->d_name + n - 8, "-foreign") != 0 ||
			    !judge_two_lives(j->w))
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", m->dir, e->d_name);
			read_bodies(j, path);
		}
		if (d != NULL)
			(void)closedir(d);
	}
}

/* ---- looking into files while the run goes on ---- */

/* Opens a copy of a database, not through the shim, so that the run does not notice. */
static sqlite3 *
peek(struct sim *w, const char *dir, const char *base, char to[SIM_PATH_MAX])
{
	char path[SIM_PATH_MAX + 32];
	sqlite3 *db = NULL;

	(void)snprintf(to, SIM_PATH_MAX, "%s/peek", w->folder);
	sim_remove_files(to, base);
	sim_copy_files(dir, to, base);
	(void)snprintf(path, sizeof(path), "%s/%s", to, base);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "unix") !=
	    SQLITE_OK)
		sim_fail(w, "%s does not open: %s", path, sqlite3_errmsg(db));
	return db;
}

static void
peek_end(sqlite3 *db, const char *to, const char *base)
{
	(void)sqlite3_close(db); /* only read */
	sim_remove_files(to, base);
}

void
oracle_copied(struct sim *w, const char *dir)
{
	struct judge j = { .w = w };
	char to[SIM_PATH_MAX];
	sqlite3 *db = peek(w, dir, "spool.db", to);

	judge_open_rows(&j, db, COPIED);
	peek_end(db, to, "spool.db");
}

void
oracle_exposed(struct sim *w, const char *dir)
{
	struct judge j = { .w = w };
	char to[SIM_PATH_MAX];
	sqlite3 *db = peek(w, dir, "spool.db", to);
	sqlite3_stmt *st;

	bl_buf_init(&j.raw, BL_BATCH_RAW_MAX);
	judge_open_rows(&j, db, EXPOSED);
	st = judge_query(&j, db,
	    "SELECT y.msg FROM body y JOIN batch b ON b.id=y.id WHERE b.receipted_unix_ms IS NULL");
	while (judge_row(&j, st))
		judge_message(
		    &j, EXPOSED, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
	bl_buf_free(&j.raw);
	peek_end(db, to, "spool.db");
}

void
oracle_store_goes(struct sim *w)
{
	struct judge *j = calloc(1, sizeof(*j));
	char to[SIM_PATH_MAX];

	assert(j != NULL);
	j->w = w;
	j->db = peek(w, w->centre.dir, "telemetry.db", to);
	bl_buf_init(&j->raw, BL_BATCH_RAW_MAX);
	judge_dict(j);
	judge_batches(j, WAS_STORED);
	bl_buf_free(&j->raw);
	peek_end(j->db, to, "telemetry.db");
	free(j);
}
