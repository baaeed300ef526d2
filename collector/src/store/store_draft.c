/*
 * Stores from before the wire's format was final.
 *
 * Batches are kept as they came.  What the drafts of the format wrote, this
 * version does not read; so a store that holds some is refused before anything
 * in it is changed, instead of being shown as empty.  Schema versions after
 * STORE_LAST_DRAFT never held any.
 */
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

#define STORE_LAST_DRAFT 8

static void
header_of(sqlite3_stmt *st, struct bl_batch_header *h)
{
	memset(h, 0, sizeof(*h));
	memset(&h->spool, 1, sizeof(h->spool)); /* none may be zero; the body names neither */
	memset(&h->boot, 1, sizeof(h->boot));
	h->stream = (enum bl_stream)sqlite3_column_int(st, 0);
	h->kind = (enum bl_batch_kind)sqlite3_column_int(st, 1);
	h->event_begin_ms = sqlite3_column_int64(st, 2);
	h->event_end_ms = sqlite3_column_int64(st, 3);
	h->dict_version = (uint32_t)sqlite3_column_int64(st, 4);
	h->n_samples = (uint32_t)sqlite3_column_int64(st, 5);
	h->n_events = (uint32_t)sqlite3_column_int64(st, 6);
	h->n_gaps = (uint32_t)sqlite3_column_int64(st, 7);
	h->raw_bytes = (uint32_t)sqlite3_column_int64(st, 8);
	h->crc32 = (uint32_t)sqlite3_column_int64(st, 9);
}

/* Whole by its checksum, and yet not what the format says. */
static int
is_draft(sqlite3_stmt *st, bool *draft, struct bl_err *err)
{
	struct bl_batch_header h;
	struct bl_buf raw;
	struct bl_err why = { 0 };
	int rc;

	header_of(st, &h);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	rc = bl_batch_inflate(
	    &h, sqlite3_column_blob(st, 10), (size_t)sqlite3_column_bytes(st, 10), &raw, &why);
	*draft = rc == BL_OK && bl_batch_verify(&h, raw.data, raw.len, &why) == BL_ECORRUPT;
	bl_buf_free(&raw);
	return rc == BL_ENOMEM ? bl_fail(err, rc, "telemetry store: out of memory") : BL_OK;
}

int
store_refuse_draft(sqlite3 *db, int64_t version, const char *path, struct bl_err *err)
{
	static const char sql[] =
	    "SELECT stream, kind, event_begin_ms, event_end_ms, dict_version, n_samples, n_events,"
	    " n_gaps, raw_bytes, crc32, body FROM batch WHERE n_samples > 0 ORDER BY id DESC LIMIT "
	    "1";
	sqlite3_stmt *st = NULL;
	bool draft = false;
	int rc;

	if (version == 0 || version > STORE_LAST_DRAFT)
		return BL_OK;
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return store_sql_fail(db, err, "look for batches of a draft");
	rc = sqlite3_step(st) == SQLITE_ROW ? is_draft(st, &draft, err) : BL_OK;
	(void)sqlite3_finalize(st);
	if (rc < 0 || !draft)
		return rc;
	return bl_fail(err, BL_ENEWER,
	    "%s holds batches in a draft of the wire's format, from before it was final; this "
	    "version"
	    " cannot read them and left the file as it is. Move it away to begin anew; the version"
	    " that wrote it still reads it",
	    path);
}
