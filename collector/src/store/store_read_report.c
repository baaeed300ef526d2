/* The last report of a device, and its usage by month. */
#include "store_read_internal.h"

int
store_read_report(
    struct store_read *r, const char *device, struct store_report *out, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_REPORT, err, "t", device);
	int rc = read_step(r, st, err);

	if (rc <= 0)
		return rc < 0 ? rc : BL_ENOTFOUND;
	out->arrived_unix_ms = sqlite3_column_int64(st, 0);
	rc = bl_report_decode(
	    sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), &out->report, NULL);
	(void)sqlite3_reset(st);
	/* A row that does not hold is as good as none: the next report replaces it. */
	return rc < 0 ? BL_ENOTFOUND : BL_OK;
}

static void
usage_row(sqlite3_stmt *st, struct store_usage *u)
{
	*u = (struct store_usage){
		.known_unix_ms = sqlite3_column_int64(st, 7),
		.month = {
			.month = (uint32_t)sqlite3_column_int64(st, 0),
			.in_bytes = (uint64_t)sqlite3_column_int64(st, 1),
			.out_bytes = (uint64_t)sqlite3_column_int64(st, 2),
			.class_bytes = { (uint64_t)sqlite3_column_int64(st, 3),
			    (uint64_t)sqlite3_column_int64(st, 4),
			    (uint64_t)sqlite3_column_int64(st, 5) },
			.other_bytes = (uint64_t)sqlite3_column_int64(st, 6),
		},
	};
}

int
store_read_usage(struct store_read *r, const char *device, struct store_usage *out, unsigned max,
    struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_USAGE, err, "ti", device, (int64_t)max);
	unsigned n = 0;
	int rc;

	while ((rc = read_step(r, st, err)) == 1 && n < max)
		usage_row(st, &out[n++]);
	return rc < 0 ? rc : (int)n;
}
