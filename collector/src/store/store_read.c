/*
 * Read-only connections: opening them, one state of the store, statements.
 *
 * Owned by one thread at a time.  Every statement is short and reset before
 * the caller sees what it read, so no read transaction outlives a call's slice.
 */
#include <stdlib.h>
#include <string.h>

#include "store_part_read.h"

/* By the kernel's clock: the log grows in real time. */
#define READ_STATEMENT_MS 10000
#define READ_HOLD_MS      60000

static int
check_version(struct store_read *r, struct bl_err *err)
{
	int64_t version = 0;
	int rc;

	if ((rc = store_pragma_int(r->db, "PRAGMA user_version", &version, err)) < 0)
		return rc;
	if (version > store_schema_version())
		return bl_fail(err, BL_ENEWER,
		    "%s has schema version %lld; this program knows versions up to %d", r->path,
		    (long long)version, store_schema_version());
	if (version < store_schema_version())
		return bl_fail(err, BL_EBUSY,
		    "%s has schema version %lld, older than this program's; the collector brings it"
		    " up to date when it starts",
		    r->path, (long long)version);
	return BL_OK;
}

/* Ends what runs too long: a reader that stays keeps the write-ahead log from being emptied. */
static int
ran_too_long(void *ctx)
{
	const struct store_read *r = ctx;

	return store_kernel_mono_ms() > r->until_mono_ms;
}

static int
connect_reader(struct store_read *r, struct bl_err *err)
{
	int rc;

	if (sqlite3_open_v2(r->path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return bl_fail(err, BL_ENOTFOUND, "read telemetry store %s: %s", r->path,
		    r->db != NULL ? sqlite3_errmsg(r->db) : "out of memory");
	r->sql.db = r->db;
	if (sqlite3_busy_timeout(r->db, 2000) != SQLITE_OK)
		return store_sql_fail(r->db, err, "open for reading");
	if ((rc = check_version(r, err)) < 0 ||
	    (rc = store_exec(r->db, "PRAGMA query_only = ON; PRAGMA cache_size = -8192", err)) < 0)
		return rc;
	sqlite3_progress_handler(r->db, 10000, ran_too_long, r);
	return BL_OK;
}

static void
disconnect_reader(struct store_read *r)
{
	for (int i = 0; i < READ_COUNT; i++) {
		(void)sqlite3_finalize(r->stmt[i]); /* repeats the last step's code */
		r->stmt[i] = NULL;
	}
	(void)sqlite3_close(r->db); /* read only: nothing can be lost */
	r->db = NULL;
}

int
store_read_open(
    struct store_read **out, const char *path, const struct bl_clock *clock, struct bl_err *err)
{
	struct store_read *r;
	int rc;

	*out = NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL || (r->path = strdup(path)) == NULL) {
		free(r);
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	}
	r->clock = clock;
	bl_buf_init(&r->raw, BL_BATCH_RAW_MAX);
	r->sql = (struct sql_set){ .text = read_text, .stmt = r->stmt };
	r->until_mono_ms = store_kernel_mono_ms() + READ_STATEMENT_MS;
	if ((rc = connect_reader(r, err)) < 0) {
		store_read_close(r);
		return rc;
	}
	*out = r;
	return BL_OK;
}

void
store_read_watch(struct store_read *r, store_damaged_fn fn, void *ctx)
{
	r->sql.damaged = fn;
	r->sql.damaged_ctx = ctx;
}

int
store_read_refresh(struct store_read *r, struct bl_err *err)
{
	int moved = 0, rc;

	if (r->db != NULL &&
	    (sqlite3_file_control(r->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK ||
		moved == 0))
		return BL_OK;
	disconnect_reader(r);
	whole_free(r);
	if (r->part != NULL)
		part_read_forget(r->part);
	r->until_mono_ms = store_kernel_mono_ms() + READ_STATEMENT_MS;
	if ((rc = connect_reader(r, err)) < 0)
		disconnect_reader(r);
	return rc;
}

int
store_read_hold(struct store_read *r, struct bl_err *err)
{
	return store_read_hold_for(r, READ_HOLD_MS, err);
}

int
store_read_hold_for(struct store_read *r, int64_t ms, struct bl_err *err)
{
	int rc;

	if ((rc = store_read_refresh(r, err)) < 0)
		return rc;
	r->held = true;
	r->until_mono_ms = store_kernel_mono_ms() + ms;
	/* A deferred transaction has no state before it has read something. */
	if (sqlite3_exec(r->db, "BEGIN; SELECT count(*) FROM meta", NULL, NULL, NULL) == SQLITE_OK)
		return BL_OK;
	rc = store_sql_fail(r->db, err, "begin to read");
	if (rc == BL_ECORRUPT && r->sql.damaged != NULL)
		r->sql.damaged(r->sql.damaged_ctx, 0);
	store_read_release(r);
	return rc;
}

/* Nothing was written, so nothing can be lost by it. */
static void
let_go(struct store_read *r)
{
	if (r->db != NULL && sqlite3_get_autocommit(r->db) == 0)
		(void)sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
}

void
store_read_release(struct store_read *r)
{
	r->held = false;
	let_go(r);
}

void
store_read_close(struct store_read *r)
{
	if (r == NULL)
		return;
	read_parts_close(r);
	disconnect_reader(r);
	whole_free(r);
	bl_buf_free(&r->raw);
	free(r->boot_ms);
	free(r->value);
	free(r->unknown);
	free(r->thin);
	free(r->path);
	free(r);
}

sqlite3_stmt *
read_bind(struct store_read *r, enum read_sql which, struct bl_err *err, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	if (!r->held) {
		r->until_mono_ms = store_kernel_mono_ms() + READ_STATEMENT_MS;
	} else if (ran_too_long(r)) {
		/* Short statements never ask ran_too_long; the next state is not the one held. */
		let_go(r);
		(void)bl_fail(
		    err, BL_EBUSY, "read telemetry store: one state of it was held for too long");
		return NULL;
	}
	va_start(ap, types);
	st = sql_bind_va(&r->sql, (int)which, err, types, ap);
	va_end(ap);
	return st;
}

int
read_step(struct store_read *r, sqlite3_stmt *st, struct bl_err *err)
{
	return sql_step(&r->sql, st, err);
}

int
read_device_id(struct store_read *r, const char *device, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_DEVICE_ID, err, "t", device);
	int rc = read_step(r, st, err);

	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc;
}

int
read_scratch(struct store_read *r, struct bl_err *err)
{
	if (r->boot_ms == NULL)
		r->boot_ms = malloc(BL_BATCH_SAMPLES_MAX * sizeof(*r->boot_ms));
	if (r->value == NULL)
		r->value = malloc(BL_BATCH_SAMPLES_MAX * sizeof(*r->value));
	if (r->unknown == NULL)
		r->unknown = malloc(BL_BATCH_SAMPLES_MAX);
	if (r->boot_ms == NULL || r->value == NULL || r->unknown == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	return BL_OK;
}

int
read_thin(struct store_read *r, const struct bl_batch_reader *rd, const struct bl_column *c,
    struct bl_err *err)
{
	/* Apart from the others: most stores hold no thinned sample. */
	if (r->thin == NULL && (r->thin = malloc(BL_BATCH_SAMPLES_MAX * sizeof(*r->thin))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	return bl_column_thin(rd, c, r->value, r->unknown, r->thin, err);
}
