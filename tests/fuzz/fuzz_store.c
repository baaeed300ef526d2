/*
 * libFuzzer target: a stored batch that is not what it was when it was stored:
 * numbers of its row and its body.  Ingest lets no bad one in, but a disk may.
 * Every reader says what is wrong, or gives values that may be.
 *
 * The input: flags (1 the row of events, else of samples; 2 the checksum is put
 * right; 4 the body is as large as the row says), seven numbers of eight bytes
 * (samples, events, gaps, event begin, event end, dictionary version, raw size),
 * the body.
 */
#include <sqlite3.h>

#include "branchline/log.h"

#include "codec_internal.h"
#include "fuzz.h"
#include "fuzz_centre.h"
#include "store_log.h"

#define NUMBERS 7

static struct fuzz_centre centre;
static struct store_read *reader;
static sqlite3 *db;
static sqlite3_stmt *change;

static void
end(void)
{
	(void)sqlite3_finalize(change);
	(void)sqlite3_close(db);
	store_read_close(reader);
	fuzz_centre_close(&centre);
}

static void
begin(void)
{
	bl_log_level_set(BL_LOG_ERROR);
	fuzz_centre_open(&centre);
	CHECK(store_read_open(&reader, centre.store_path, bl_clock_real(), NULL) == BL_OK);
	CHECK(sqlite3_open(centre.store_path, &db) == SQLITE_OK);
	CHECK(sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) == SQLITE_OK);
	CHECK(sqlite3_prepare_v2(db,
		  "UPDATE batch SET n_samples = ?, n_events = ?, n_gaps = ?, event_begin_ms = ?,"
		  " event_end_ms = ?, dict_version = ?, raw_bytes = ?, crc32 = ?, body = ?"
		  " WHERE stream = ? AND seq = 2",
		  -1, &change, NULL) == SQLITE_OK);
	(void)atexit(end);
}

static void
put(const uint8_t *data, size_t size)
{
	const unsigned flags = data[0];
	const uint8_t *body = data + 1 + NUMBERS * 8;
	const size_t len = size - 1 - NUMBERS * 8;
	int64_t n[NUMBERS];

	memcpy(n, data + 1, sizeof(n));
	if ((flags & 4) != 0)
		n[NUMBERS - 1] = (int64_t)len;
	for (int i = 0; i < NUMBERS; i++)
		CHECK(sqlite3_bind_int64(change, i + 1, n[i]) == SQLITE_OK);
	CHECK(sqlite3_bind_int64(change, NUMBERS + 1,
		  (flags & 2) != 0 ? codec_crc32(body, len) : (int64_t)1) == SQLITE_OK);
	CHECK(sqlite3_bind_blob(change, NUMBERS + 2, len > 0 ? (const void *)body : "", (int)len,
		  SQLITE_STATIC) == SQLITE_OK);
	CHECK(sqlite3_bind_int(change, NUMBERS + 3,
		  (flags & 1) != 0 ? BL_STREAM_EVENTS : BL_STREAM_HOST) == SQLITE_OK);
	CHECK(sqlite3_step(change) == SQLITE_DONE && sqlite3_changes(db) == 1);
	(void)sqlite3_reset(change);
}

/* ---- readers ---- */

static void
told(int rc, const struct bl_err *err)
{
	CHECK(rc >= 0 || err->msg[0] != '\0' || rc == BL_ENOTFOUND);
}

static int64_t series;

static bool
see_series(void *ctx, const struct store_series *s)
{
	(void)ctx;
	series = s->id;
	return true;
}

static bool
see_event(void *ctx, const struct store_event *e)
{
	(void)ctx;
	CHECK(e->ev->n_attrs <= BL_ATTRS_MAX && e->ev->type.len <= BL_NAME_MAX);
	return true;
}

static bool
see_log_event(void *ctx, uint32_t index, int64_t unix_ms, const struct bl_event *ev)
{
	(void)ctx;
	(void)unix_ms;
	CHECK(index < BL_BATCH_EVENTS_MAX && ev->n_attrs <= BL_ATTRS_MAX);
	return true;
}

static bool
see_sample(void *ctx, const struct store_log_sample *s)
{
	(void)ctx;
	CHECK(s->series == 0);
	return true;
}

static bool
see_latest(void *ctx, const struct store_latest *l)
{
	(void)ctx;
	CHECK(l->series == series);
	return true;
}

static void
read_all(void)
{
	static const char *const metric[] = { "cpu_used_pct" };
	struct store_query q = { .series = &series,
		.n_series = 1,
		.from_unix_ms = 1790000000000,
		.to_unix_ms = 1790000600000,
		.step_ms = 60000,
		.rate = true };
	struct store_query_result *result = NULL;
	struct bl_err err = { 0 };
	int rc;

	if (series == 0)
		CHECK(store_read_series(reader, "till", see_series, NULL, &err) == BL_OK);
	told(rc = store_read_query(reader, &q, &result, &err), &err);
	store_query_free(result);
	told(store_read_latest(reader, metric, 1, see_latest, NULL, &err), &err);
	told(store_read_events(
		 reader, "till", INT64_MIN / 4, INT64_MAX / 4, 100, see_event, NULL, &err),
	    &err);
	told(store_log_samples(reader, "till", BL_STREAM_HOST, &series, 1, 1790000000000,
		 1790000600000, see_sample, NULL, &err),
	    &err);
	for (int64_t id = 1; id <= 8; id++)
		told(store_log_events(reader, id, see_log_event, NULL, &err), &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (db == NULL)
		begin();
	if (size < 1 + NUMBERS * 8)
		return 0;
	put(data, size);
	read_all();
	return 0;
}
