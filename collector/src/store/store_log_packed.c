/*
 * The log of what has no rows any more: closed hours whose batches are in parts.
 *
 * Whoever follows the log has passed a batch before it is packed, so only who begins
 * anew (another store, or results of another one) needs this: coverage outlives batches, and its
 * spans say where something is to be worked out.
 */
#include "store_log.h"
#include "store_read_internal.h"

#define LOOK_AT_ONCE 4096
#define SLICE        64

int
store_log_retained(struct store_read *r, int64_t *from_unix_ms, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOG_RETAINED, err, "");
	const int rc = read_step(r, st, err);

	*from_unix_ms = INT64_MIN;
	if (rc <= 0)
		return rc;
	if (sqlite3_column_type(st, 0) != SQLITE_NULL)
		*from_unix_ms = sqlite3_column_int64(st, 0) + STORE_HOUR_MS;
	(void)sqlite3_reset(st);
	return BL_OK;
}

struct cover_row {
	struct store_log_moved m;
	char device[BL_DEVICE_ID_MAX + 1];
};

/* Rows of [after_id, upto_id] behind after_id; returns how many, or negative. */
static int
load(struct store_read *r, int64_t after_id, int64_t upto_id, int64_t retained, size_t max,
    struct cover_row *row, struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(r, READ_LOG_PACKED, err, "iiii", after_id, upto_id, retained, (int64_t)max);
	size_t n = 0;
	int rc = 0;

	while (n < max && (rc = read_step(r, st, err)) == 1) {
		struct cover_row *w = &row[n++];

		w->m = (struct store_log_moved){ .id = sqlite3_column_int64(st, 0),
			.stream = (enum bl_stream)sqlite3_column_int(st, 2),
			.begin_unix_ms = sqlite3_column_int64(st, 3) - STORE_EDGE_MS,
			.end_unix_ms = sqlite3_column_int64(st, 4) + STORE_EDGE_MS };
		store_column_text(st, 1, w->device, sizeof(w->device));
	}
	if (rc == 1)
		(void)sqlite3_reset(st);
	return rc < 0 ? rc : (int)n;
}

static int
newest_cover(struct store_read *r, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_LOG_COVER_LAST, err, "");
	const int rc = read_step(r, st, err);

	*out = 0;
	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_log_covers(struct store_read *r, int64_t after_id, size_t limit, store_log_moved_cb cb,
    void *ctx, int64_t *reached, struct bl_err *err)
{
	struct cover_row row[SLICE];
	int64_t last, retained, upto;
	int n = SLICE, rc;

	*reached = after_id;
	if ((rc = newest_cover(r, &last, err)) < 0 ||
	    (rc = store_log_retained(r, &retained, err)) < 0)
		return rc;
	upto = last - after_id > LOOK_AT_ONCE ? after_id + LOOK_AT_ONCE : last;
	while (n == SLICE && limit > 0) {
		const size_t want = limit < SLICE ? limit : SLICE;

		if ((n = load(r, *reached, upto, retained, want, row, err)) < 0)
			return n;
		for (int i = 0; i < n; i++) {
			row[i].m.device = row[i].device;
			*reached = row[i].m.id;
			if (!cb(ctx, &row[i].m))
				return BL_OK;
		}
		limit -= (size_t)n;
		if ((size_t)n < want) {
			*reached = upto == last ? INT64_MAX : upto;
			break;
		}
	}
	return BL_OK;
}
