/*
 * The tables of the spool file and the rows that hold its counters.
 *
 * user_version is the version of this schema.  A file with a higher one is
 * refused untouched.  Tables are described in README.md.
 */
#include <string.h>

#include "spool_internal.h"

#define STATE_COLUMNS                                                                              \
	"device,spool,predecessor,epoch,boot,gen,commit_no,covered_ms,commit_unix_ms,"             \
	"receipt_unix_ms,samples,events,gaps,forgotten,connections,dict,clock"

static const char schema_sql[] =
    "CREATE TABLE state("
    " one INTEGER PRIMARY KEY CHECK(one=1), device TEXT NOT NULL,"
    " spool BLOB NOT NULL, predecessor BLOB, epoch BLOB, boot BLOB, gen INTEGER NOT NULL,"
    " commit_no INTEGER NOT NULL, covered_ms INTEGER NOT NULL, commit_unix_ms INTEGER NOT NULL,"
    " receipt_unix_ms INTEGER NOT NULL, samples INTEGER NOT NULL, events INTEGER NOT NULL,"
    " gaps INTEGER NOT NULL, forgotten INTEGER NOT NULL, connections INTEGER NOT NULL,"
    " dict INTEGER NOT NULL, clock INTEGER NOT NULL, seal INTEGER, layout INTEGER);"
    "CREATE TABLE stream("
    " stream INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, contiguous INTEGER NOT NULL,"
    " begin_ms INTEGER NOT NULL, held INTEGER NOT NULL, held_bytes INTEGER NOT NULL,"
    " waiting INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL, open_rows INTEGER NOT NULL,"
    " open_samples INTEGER NOT NULL, open_bytes INTEGER NOT NULL,"
    " dropped_batches INTEGER NOT NULL, dropped_samples INTEGER NOT NULL,"
    " fork_seq INTEGER NOT NULL);"
    "CREATE TABLE open("
    " n INTEGER PRIMARY KEY, stream INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " boot_ms INTEGER NOT NULL, samples INTEGER NOT NULL, crc INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE TABLE batch("
    " id INTEGER PRIMARY KEY, boot BLOB NOT NULL, begin_ms INTEGER NOT NULL,"
    " end_ms INTEGER NOT NULL, samples INTEGER NOT NULL, events INTEGER NOT NULL,"
    " gaps INTEGER NOT NULL, bytes INTEGER NOT NULL, crc INTEGER NOT NULL,"
    " offered INTEGER NOT NULL, receipted_unix_ms INTEGER);"
    "CREATE INDEX batch_waiting ON batch(id) WHERE receipted_unix_ms IS NULL;"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, msg BLOB NOT NULL);"
    "CREATE TABLE dict(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, def BLOB NOT NULL);"
    "CREATE INDEX dict_hash ON dict(hash);"
    "CREATE TABLE clock("
    " id INTEGER PRIMARY KEY, boot BLOB NOT NULL, from_ms INTEGER NOT NULL,"
    " offset_ms INTEGER NOT NULL, uncertainty_ms INTEGER NOT NULL, source INTEGER NOT NULL);"
    "CREATE TABLE seen(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, unix_ms INTEGER NOT NULL);"
    "CREATE TABLE ledger("
    " id INTEGER PRIMARY KEY, spool BLOB NOT NULL, reason INTEGER NOT NULL,"
    " stream INTEGER NOT NULL, seq_first INTEGER NOT NULL, seq_last INTEGER NOT NULL,"
    " begin_boot BLOB, begin_ms INTEGER NOT NULL, end_boot BLOB, end_ms INTEGER NOT NULL,"
    " samples INTEGER NOT NULL, travel INTEGER);"
    "CREATE INDEX ledger_untold ON ledger(id) WHERE travel IS NULL;"
    "CREATE TABLE trimmed(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "CREATE TABLE spool_gen("
    " gen INTEGER PRIMARY KEY, spool BLOB NOT NULL, asked INTEGER NOT NULL,"
    " next_events INTEGER NOT NULL, next_probes INTEGER NOT NULL, next_host INTEGER NOT NULL,"
    " aside TEXT, page INTEGER NOT NULL, end_boot BLOB, end_ms INTEGER NOT NULL);";

static int
run_sql(struct spool *s, const char *sql, struct bl_err *err)
{
	const int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? BL_OK : db_fail(s, rc, err, "make the tables");
}

/*
 * A checksum over the tables as SQLite knows them: it believes every text that it
 * can parse, and a flipped bit can turn one table into another.
 */
static const char layout_sql[] =
    "SELECT group_concat(type||name||tbl_name||rootpage||ifnull(sql,'')) FROM"
    " (SELECT * FROM sqlite_schema ORDER BY rowid)";

static int
layout_crc(struct spool *s, int64_t *crc, struct bl_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, layout_sql, -1, &st, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const void *text = sqlite3_column_text(st, 0);

		*crc = text == NULL ? 0
				    : (int64_t)crc_bytes(text, (size_t)sqlite3_column_bytes(st, 0));
		rc = SQLITE_OK;
	}
	(void)sqlite3_finalize(st); /* its code is in rc */
	return rc == SQLITE_OK ? BL_OK : db_fail(s, rc, err, "look at the tables");
}

int
layout_note(struct spool *s, struct bl_err *err)
{
	char sql[64];
	int64_t crc;
	int rc;

	if ((rc = layout_crc(s, &crc, err)) < 0)
		return rc;
	(void)snprintf(sql, sizeof(sql), "UPDATE state SET layout=%lld", (long long)crc);
	return run_sql(s, sql, err);
}

int
layout_check(struct spool *s, struct bl_err *err)
{
	int64_t crc, noted;
	int rc;

	if ((rc = layout_crc(s, &crc, err)) < 0 ||
	    (rc = db_number(s, "SELECT layout FROM state", &noted, err)) < 0)
		return rc;
	if (crc == noted)
		return BL_OK;
	s->damaged = true;
	s->trouble = SPOOL_IS_DAMAGED;
	return bl_fail(
	    err, BL_ECORRUPT, "spool %s: damaged: its tables are not what was made", s->path);
}

/* What of a damaged file is to come over (spool_salvage.c), and when it was given up. */
static int
salvage_row_make(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = sqlite3_prepare_v2(
	    s->db, "INSERT INTO spool_gen VALUES(?1,?2,0,0,0,0,?3,0,?4,?5)", -1, &st, NULL);
	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "note what is to be salvaged");
	sqlite3_bind_int64(st, 1, s->d.gen - 1);
	sqlite3_bind_blob(st, 2, s->d.predecessor.b, BL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, s->aside, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, s->boot.b, BL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(st, 5, s->opened_ms);
	rc = sqlite3_step(st);
	(void)sqlite3_finalize(st); /* its code is the step's */
	return rc == SQLITE_DONE ? BL_OK : db_fail(s, rc, err, "note what is to be salvaged");
}

/* The rows that are there from the beginning. */
static int
rows_make(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = sqlite3_prepare_v2(s->db,
	    "INSERT INTO state VALUES(1,?1,?2,?3,NULL,NULL,?4,0,0,0,0,0,0,0,0,0,0,0,NULL,NULL)", -1,
	    &st, NULL);
	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "make the state row");
	sqlite3_bind_text(st, 1, s->device, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, s->d.spool.b, BL_ID_BYTES, SQLITE_STATIC);
	if (!bl_id_is_zero(&s->d.predecessor))
		sqlite3_bind_blob(st, 3, s->d.predecessor.b, BL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(st, 4, s->d.gen);
	rc = sqlite3_step(st);
	(void)sqlite3_finalize(st); /* its code is the step's */
	if (rc != SQLITE_DONE)
		return db_fail(s, rc, err, "make the state row");
	if (s->salvage_wanted && (rc = salvage_row_make(s, err)) < 0)
		return rc;
	return run_sql(s,
	    "INSERT INTO stream VALUES(1,1,0,0,0,0,0,0,0,0,0,0,0,1),(2,1,0,0,0,0,0,0,0,0,0,0,0,1),"
	    "(3,1,0,0,0,0,0,0,0,0,0,0,0,1);"
	    "INSERT INTO spool_gen SELECT gen,spool,1,0,0,0,NULL,0,NULL,0 FROM state;",
	    err);
}

/*
 * Version 1 had no seal, no salvage in slices, and checksums over the bytes of
 * open rows alone.  One transaction.
 */
static int
upgrade_open_rows(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *in = NULL, *out = NULL;
	int rc;

	rc = sqlite3_prepare_v2(
	    s->db, "SELECT n,stream,kind,boot_ms,samples,crc,data FROM open", -1, &in, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(s->db, "UPDATE open SET crc=?2 WHERE n=?1", -1, &out, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(in)) == SQLITE_ROW) {
		const void *data = sqlite3_column_blob(in, 6);
		const size_t len = (size_t)sqlite3_column_bytes(in, 6);

		rc = SQLITE_OK;
		if (crc_bytes(data, len) != (uint32_t)sqlite3_column_int64(in, 5))
			continue; /* damaged before: stays so */
		sqlite3_bind_int64(out, 1, sqlite3_column_int64(in, 0));
		sqlite3_bind_int64(out, 2,
		    row_crc(sqlite3_column_int64(in, 1), sqlite3_column_int64(in, 2),
			sqlite3_column_int64(in, 3), sqlite3_column_int64(in, 4), data, len));
		if ((rc = sqlite3_step(out)) == SQLITE_DONE)
			rc = sqlite3_reset(out);
	}
	(void)sqlite3_finalize(in); /* their codes are in rc */
	(void)sqlite3_finalize(out);
	return rc == SQLITE_DONE ? BL_OK : db_fail(s, rc, err, "bring the spool up to date");
}

int
schema_upgrade(struct spool *s, struct bl_err *err)
{
	int64_t version;
	int rc;

	if ((rc = db_number(s, "PRAGMA user_version", &version, err)) < 0 ||
	    version >= SPOOL_SCHEMA)
		return rc;
	if ((rc = run_sql(s, "BEGIN IMMEDIATE", err)) < 0)
		return rc;
	rc = run_sql(s,
	    "ALTER TABLE state ADD COLUMN seal INTEGER;"
	    "ALTER TABLE state ADD COLUMN layout INTEGER;"
	    "ALTER TABLE spool_gen ADD COLUMN aside TEXT;"
	    "ALTER TABLE spool_gen ADD COLUMN page INTEGER NOT NULL DEFAULT 0;"
	    "ALTER TABLE spool_gen ADD COLUMN end_boot BLOB;"
	    "ALTER TABLE spool_gen ADD COLUMN end_ms INTEGER NOT NULL DEFAULT 0;"
	    "UPDATE spool_gen SET page=0,end_ms=0;PRAGMA user_version=2",
	    err);
	if (rc == BL_OK && (rc = upgrade_open_rows(s, err)) == BL_OK &&
	    (rc = layout_note(s, err)) == BL_OK)
		rc = run_sql(s, "COMMIT", err);
	if (rc < 0 && !sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* as it was */
	if (rc == BL_OK)
		bl_info("spool", "brought up to date from=%lld to=%d", (long long)version,
		    SPOOL_SCHEMA);
	return rc;
}

/*
 * One transaction from an empty file to a spool: a crash leaves either.
 * s->d.spool, .predecessor and .gen are the new spool's; s->aside names what is
 * to be salvaged into it.
 */
int
schema_make(struct spool *s, struct bl_err *err)
{
	char sql[96];
	int rc;

	if ((rc = run_sql(s, "BEGIN IMMEDIATE", err)) < 0)
		return rc;
	(void)snprintf(sql, sizeof(sql), "PRAGMA application_id=%d;PRAGMA user_version=%d",
	    SPOOL_APPLICATION_ID, SPOOL_SCHEMA);
	if ((rc = run_sql(s, schema_sql, err)) == BL_OK && (rc = rows_make(s, err)) == BL_OK &&
	    (rc = run_sql(s, sql, err)) == BL_OK && (rc = layout_note(s, err)) == BL_OK)
		rc = run_sql(s, "COMMIT", err);
	if (rc < 0 && !sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* the file stays empty */
	return rc;
}

int64_t
durable_seal(const struct spool_durable *d, const char *device)
{
	_Static_assert(sizeof(*d) == 4 * BL_ID_BYTES + (12 + BL_STREAMS * 13) * sizeof(int64_t),
	    "nothing between the members");
	return (int64_t)(crc_bytes(d, sizeof(*d)) ^ crc_bytes(device, strlen(device)));
}

static void
stream_load(sqlite3_stmt *st, struct spool_stream *m)
{
	int64_t *const field[] = { &m->next_seq, &m->contiguous, &m->begin_ms, &m->held,
		&m->held_bytes, &m->waiting, &m->waiting_bytes, &m->open_rows, &m->open_samples,
		&m->open_bytes, &m->dropped_batches, &m->dropped_samples, &m->fork_seq };

	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		*field[i] = sqlite3_column_int64(st, (int)i + 1);
}

static void
state_load(sqlite3_stmt *st, struct spool_durable *d, char *device, size_t device_size)
{
	int64_t *const field[] = { &d->gen, &d->commit_no, &d->covered_ms, &d->commit_unix_ms,
		&d->receipt_unix_ms, &d->samples, &d->events, &d->gaps, &d->forgotten,
		&d->connections, &d->dict, &d->clock };
	const unsigned char *name = sqlite3_column_text(st, 0);

	(void)snprintf(device, device_size, "%s", name != NULL ? (const char *)name : "");
	d->spool = db_column_id(st, 1);
	d->predecessor = db_column_id(st, 2);
	d->epoch = db_column_id(st, 3);
	d->boot = db_column_id(st, 4);
	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		*field[i] = sqlite3_column_int64(st, (int)i + 5);
}

static int
state_query(sqlite3 *db, sqlite3_stmt **st)
{
	int rc;

	rc = sqlite3_prepare_v2(db, "SELECT " STATE_COLUMNS ",seal FROM state", -1, st, NULL);
	if (rc == SQLITE_ERROR) /* a file of version 1 that is only read */
		rc = sqlite3_prepare_v2(
		    db, "SELECT " STATE_COLUMNS ",NULL FROM state", -1, st, NULL);
	return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc;
}

/* An SQLite code.  A missing row, or one that is not what was written, is damage: SQLITE_CORRUPT.
 */
int
durable_load(sqlite3 *db, struct spool_durable *d, char *device, size_t device_size)
{
	sqlite3_stmt *st = NULL;
	unsigned streams = 0;
	int64_t seal = -1; /* none: nothing was committed yet, or version 1 */
	int rc;

	memset(d, 0, sizeof(*d));
	if ((rc = state_query(db, &st)) != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		state_load(st, d, device, device_size);
		if (sqlite3_column_type(st, 17) != SQLITE_NULL)
			seal = sqlite3_column_int64(st, 17);
	}
	(void)sqlite3_finalize(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;

	rc = sqlite3_prepare_v2(db,
	    "SELECT stream,next_seq,contiguous,begin_ms,held,held_bytes,waiting,waiting_bytes,"
	    "open_rows,open_samples,open_bytes,dropped_batches,dropped_samples,fork_seq FROM "
	    "stream",
	    -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const enum bl_stream id = (enum bl_stream)sqlite3_column_int(st, 0);

		if (!stream_valid(id))
			continue;
		stream_load(st, &d->stream[stream_index(id)]);
		streams++;
	}
	(void)sqlite3_finalize(st);
	if (rc != SQLITE_DONE)
		return rc;
	if (streams != BL_STREAMS || bl_id_is_zero(&d->spool))
		return SQLITE_CORRUPT;
	return seal == -1 || seal == durable_seal(d, device) ? SQLITE_OK : SQLITE_CORRUPT;
}

/* Writes the state row, and the stream rows that changed.  Inside a transaction. */
int
durable_save(struct spool *s, struct bl_err *err)
{
	const struct spool_durable *d = &s->d;
	int rc;

	rc = db_run(s, Q_STATE_SAVE, err, "ddddiiiiiiiiiiiii", &d->spool, &d->predecessor,
	    &d->epoch, &d->boot, d->gen, d->commit_no, d->covered_ms, d->commit_unix_ms,
	    d->receipt_unix_ms, d->samples, d->events, d->gaps, d->forgotten, d->connections,
	    d->dict, d->clock, durable_seal(d, s->device));
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const struct spool_stream *m = &d->stream[i];

		if (memcmp(m, &s->saved.stream[i], sizeof(*m)) == 0)
			continue;
		rc = db_run(s, Q_STREAM_SAVE, err, "iiiiiiiiiiiiii", (int64_t)i + 1, m->next_seq,
		    m->contiguous, m->begin_ms, m->held, m->held_bytes, m->waiting,
		    m->waiting_bytes, m->open_rows, m->open_samples, m->open_bytes,
		    m->dropped_batches, m->dropped_samples, m->fork_seq);
	}
	return rc;
}
