/*
 * The tables of the spool file and the rows that hold its counters.
 *
 * user_version is the version of this schema.  A file with a higher one is
 * refused untouched.  Tables are described in README.md.
 */
#include <string.h>

#include "spool_internal.h"

static const char schema_sql[] =
    "CREATE TABLE state("
    " one INTEGER PRIMARY KEY CHECK(one=1), device TEXT NOT NULL,"
    " spool BLOB NOT NULL, predecessor BLOB, epoch BLOB, boot BLOB, gen INTEGER NOT NULL,"
    " commit_no INTEGER NOT NULL, covered_ms INTEGER NOT NULL, commit_unix_ms INTEGER NOT NULL,"
    " receipt_unix_ms INTEGER NOT NULL, samples INTEGER NOT NULL, events INTEGER NOT NULL,"
    " gaps INTEGER NOT NULL, forgotten INTEGER NOT NULL, connections INTEGER NOT NULL,"
    " dict INTEGER NOT NULL, clock INTEGER NOT NULL);"
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
    "CREATE TABLE spool_gen("
    " gen INTEGER PRIMARY KEY, spool BLOB NOT NULL, asked INTEGER NOT NULL,"
    " next_events INTEGER NOT NULL, next_probes INTEGER NOT NULL, next_host INTEGER NOT NULL);";

static int
run_sql(struct spool *s, const char *sql, struct bl_err *err)
{
	const int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? BL_OK : db_fail(s, rc, err, "make the tables");
}

/* The rows that are there from the beginning. */
static int
rows_make(struct spool *s, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = sqlite3_prepare_v2(s->db,
	    "INSERT INTO state VALUES(1,?1,?2,?3,NULL,NULL,1,0,0,0,0,0,0,0,0,0,0,0)", -1, &st,
	    NULL);
	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "make the state row");
	sqlite3_bind_text(st, 1, s->device, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, s->d.spool.b, BL_ID_BYTES, SQLITE_STATIC);
	if (!bl_id_is_zero(&s->d.predecessor))
		sqlite3_bind_blob(st, 3, s->d.predecessor.b, BL_ID_BYTES, SQLITE_STATIC);
	rc = sqlite3_step(st);
	(void)sqlite3_finalize(st); /* its code is the step's */
	if (rc != SQLITE_DONE)
		return db_fail(s, rc, err, "make the state row");
	return run_sql(s,
	    "INSERT INTO stream VALUES(1,1,0,0,0,0,0,0,0,0,0,0,0,1),(2,1,0,0,0,0,0,0,0,0,0,0,0,1),"
	    "(3,1,0,0,0,0,0,0,0,0,0,0,0,1);"
	    "INSERT INTO spool_gen SELECT 1,spool,1,0,0,0 FROM state;",
	    err);
}

/*
 * One transaction from an empty file to a spool: a crash leaves either.
 * s->d.spool and .predecessor are the new spool's.
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
	    (rc = run_sql(s, sql, err)) == BL_OK)
		rc = run_sql(s, "COMMIT", err);
	if (rc < 0 && !sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* the file stays empty */
	return rc;
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

/* An SQLite code.  A missing row is damage: SQLITE_CORRUPT. */
int
durable_load(sqlite3 *db, struct spool_durable *d, char *device, size_t device_size)
{
	sqlite3_stmt *st = NULL;
	unsigned streams = 0;
	int rc;

	memset(d, 0, sizeof(*d));
	rc = sqlite3_prepare_v2(db,
	    "SELECT device,spool,predecessor,epoch,boot,gen,commit_no,covered_ms,commit_unix_ms,"
	    "receipt_unix_ms,samples,events,gaps,forgotten,connections,dict,clock FROM state",
	    -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		state_load(st, d, device, device_size);
	(void)sqlite3_finalize(st);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;

	rc = sqlite3_prepare_v2(db,
	    "SELECT stream,next_seq,contiguous,begin_ms,held,held_bytes,waiting,waiting_bytes,"
	    "open_rows,open_samples,open_bytes,dropped_batches,dropped_samples,fork_seq FROM "
	    "stream",
	    -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
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
	return streams == BL_STREAMS && !bl_id_is_zero(&d->spool) ? SQLITE_OK : SQLITE_CORRUPT;
}

/* Writes the state row, and the stream rows that changed.  Inside a transaction. */
int
durable_save(struct spool *s, struct bl_err *err)
{
	const struct spool_durable *d = &s->d;
	int rc;

	rc = db_run(s, Q_STATE_SAVE, err, "ddddiiiiiiiiiiii", &d->spool, &d->predecessor, &d->epoch,
	    &d->boot, d->gen, d->commit_no, d->covered_ms, d->commit_unix_ms, d->receipt_unix_ms,
	    d->samples, d->events, d->gaps, d->forgotten, d->connections, d->dict, d->clock);
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
