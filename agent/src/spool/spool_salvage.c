/*
 * What a damaged file still holds and the centre may not have.
 *
 * Bounded and simple: batches without a receipt are read upwards until the
 * first page that fails, then downwards from the end; the dictionary and the
 * clock map by id.  What is read and decodes comes into the new file under the
 * OLD id and its old seqs, as a former generation that nobody has asked the
 * centre about: the next hello asks (spool_hello.c), and only what the centre
 * does not have is then cut again under the new id.  So nothing doubles.
 *
 * Seqs of the old id between what was read stay named by the "damaged" gap.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool_internal.h"

struct wreck {
	sqlite3 *db;
	uint32_t *series; /* old id -> new id */
	size_t n_series;
	int64_t gen;  /* of the wreck's own rows */
	int64_t into; /* generation in the new file */
	struct bl_id spool;
	unsigned kept, lost;
};

static int
read_series(struct spool *s, struct wreck *w, struct bl_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (sqlite3_prepare_v2(w->db, "SELECT id,def FROM dict ORDER BY id", -1, &st, NULL) !=
	    SQLITE_OK)
		return BL_ECORRUPT;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const int64_t id = sqlite3_column_int64(st, 0);
		struct bl_series_def def;
		uint32_t fresh;

		if (id < 1 || (size_t)id >= w->n_series ||
		    def_decode(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1),
			&def) < 0 ||
		    spool_series(s, &def, &fresh, err) < 0)
			continue;
		w->series[id] = fresh;
	}
	(void)sqlite3_finalize(st); /* what could be read has been read */
	return BL_OK;
}

static void
read_clock(struct spool *s, struct wreck *w)
{
	sqlite3_stmt *st = NULL;
	unsigned n = 0;

	if (sqlite3_prepare_v2(w->db,
		"SELECT boot,from_ms,offset_ms,uncertainty_ms,source FROM clock ORDER BY id", -1,
		&st, NULL) != SQLITE_OK)
		return;
	while (sqlite3_step(st) == SQLITE_ROW && n++ < 1024) {
		struct bl_clock_segment seg = { .boot = db_column_id(st, 0) };
		uint64_t lost;

		seg.from_boot_ms = sqlite3_column_int64(st, 1);
		seg.offset_ms = sqlite3_column_int64(st, 2);
		seg.uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 3);
		seg.source = (enum bl_clock_source)sqlite3_column_int(st, 4);
		if (spool_clock(s, &seg, NULL) == BL_EFULL && spool_commit(s, &lost, NULL) == BL_OK)
			(void)spool_clock(s, &seg, NULL); /* a lost segment: "clock unknown" */
	}
	(void)sqlite3_finalize(st); /* what could be read has been read */
}

static uint32_t
renamed(void *ctx, uint32_t id)
{
	const struct wreck *w = ctx;

	return id < w->n_series ? w->series[id] : 0;
}

/* 1: taken; 0: it does not decode; negative: the new file failed. */
static int
take(struct spool *s, struct wreck *w, int64_t id, const void *msg, size_t len, struct bl_err *err)
{
	const enum bl_stream stream = batch_stream(id);
	struct bl_batch_header h = { .spool = w->spool, .seq = batch_seq(id) };
	struct bl_buf out;
	int rc;

	if (msg == NULL || !stream_valid(stream) || id >> BATCH_GEN_BITS != w->gen)
		return 0;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	if (recode(msg, len, renamed, w, &h, &out, err) < 0 || h.stream != stream) {
		bl_buf_free(&out);
		return 0;
	}
	if ((rc = txn_begin(s, err)) == BL_OK) {
		if ((rc = batch_insert(
			 s, batch_id(w->into, stream, h.seq), &h, out.data, out.len, err)) < 0)
			txn_rollback(s);
		else
			rc = txn_commit(s, err);
	}
	bl_buf_free(&out);
	return rc < 0 ? rc : 1;
}

/* In one direction until the first failure.  *last: the last id seen. */
static int
sweep(struct spool *s, struct wreck *w, const char *sql, int64_t down_to, int64_t *last,
    struct bl_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc, taken = 0;

	if ((rc = sqlite3_prepare_v2(w->db, sql, -1, &st, NULL)) != SQLITE_OK)
		return rc;
	while (taken >= 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const int64_t id = sqlite3_column_int64(st, 0);

		if (id <= down_to) {
			rc = SQLITE_DONE;
			break;
		}
		*last = id;
		taken = take(
		    s, w, id, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), err);
		w->kept += taken == 1;
		w->lost += taken == 0;
	}
	(void)sqlite3_finalize(st);          /* repeats the code above */
	return taken < 0 ? SQLITE_DONE : rc; /* the new file is full: enough */
}

/* From the beginning to the damage, and from the end to the damage. */
static void
sweep_both(struct spool *s, struct wreck *w, const char *up, const char *down, struct bl_err *err)
{
	int64_t reached = 0, ignored = 0;

	if (sweep(s, w, up, 0, &reached, err) != SQLITE_DONE)
		(void)sweep(s, w, down, reached, &ignored, err); /* what fails is the damage */
}

static void
sweep_all(struct spool *s, struct wreck *w, struct bl_err *err)
{
	sweep_both(s, w,
	    "SELECT b.id,m.msg FROM batch b NOT INDEXED JOIN body m ON m.id=b.id"
	    " WHERE b.receipted_unix_ms IS NULL ORDER BY b.id",
	    "SELECT b.id,m.msg FROM batch b NOT INDEXED JOIN body m ON m.id=b.id"
	    " WHERE b.receipted_unix_ms IS NULL ORDER BY b.id DESC",
	    err);
	/* Without the list of batches the bodies speak for themselves, receipted or not. */
	if (w->kept == 0)
		sweep_both(s, w, "SELECT id,msg FROM body ORDER BY id",
		    "SELECT id,msg FROM body ORDER BY id DESC", err);
}

/* The former generation goes in below the new file's own. */
static int
make_room_below(
    struct spool *s, struct wreck *w, const struct spool_durable *old, struct bl_err *err)
{
	int rc;

	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	w->into = s->d.gen;
	s->d.gen++;
	if ((rc = db_run(s, Q_GEN_DROP, err, "i", w->into)) < 0 ||
	    (rc = db_run(s, Q_GEN_ADD, err, "idiiii", w->into, &old->spool, INT64_C(0),
		 old->stream[0].next_seq, old->stream[1].next_seq, old->stream[2].next_seq)) < 0 ||
	    (rc = db_run(s, Q_GEN_ADD, err, "idiiii", s->d.gen, &s->d.spool, INT64_C(1), INT64_C(0),
		 INT64_C(0), INT64_C(0))) < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

/* Reading made an index of the log; it can be made again. */
static void
forget_index(const char *from)
{
	char name[4096 + 8];

	(void)snprintf(name, sizeof(name), "%s-shm", from);
	if (unlink(name) < 0 && errno != ENOENT)
		bl_debug("spool", "%s stays", name);
}

int
salvage(struct spool *s, const char *from, struct bl_err *err)
{
	struct wreck w = { .n_series = BL_DICT_ENTRIES_MAX + 1 };
	char device[BL_DEVICE_ID_MAX + 1];
	struct spool_durable old;
	int rc;

	if ((rc = db_open_to_read(&w.db, from, err)) < 0)
		return rc;
	if (durable_load(w.db, &old, device, sizeof(device)) != SQLITE_OK ||
	    strcmp(device, s->device) != 0) {
		rc = bl_fail(err, BL_ECORRUPT, "its state cannot be read");
		goto out;
	}
	w.gen = old.gen;
	w.spool = old.spool;
	if ((w.series = calloc(w.n_series, sizeof(*w.series))) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "out of memory");
		goto out;
	}
	if ((rc = make_room_below(s, &w, &old, err)) < 0 || (rc = read_series(s, &w, err)) < 0)
		goto out;
	read_clock(s, &w);
	/* The dictionary before the first batch that names it. */
	if ((rc = commit_all(s, err)) == BL_OK)
		sweep_all(s, &w, err);
	bl_warn(
	    "spool", "recovered from the damaged spool batches=%u unreadable=%u", w.kept, w.lost);
out:
	free(w.series);
	(void)sqlite3_close(w.db); /* only read */
	forget_index(from);
	return rc;
}
