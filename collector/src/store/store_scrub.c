/*
 * Rounds over every row, in slices while there is nothing else to do.
 *
 * A disk changes bits of what nobody reads for weeks.  An agent holds what was
 * receipted for 72 hours: a round a day finds it while it can still be had again.
 */
#include "store_internal.h"

#include "branchline/log.h"

#define ROUND_EVERY_MS 86400000

static int
scrub_batches(struct store *s, unsigned rows, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_SCRUB, err, "ii", s->scrub.at, (int64_t)(rows > 0 ? rows : 1));
	unsigned n = 0;
	int rc;

	while ((rc = store_step(s, st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);
		const bool holds =
		    sqlite3_column_int(st, 4) != 0 &&
		    store_body_holds((uint32_t)sqlite3_column_int64(st, 1),
			(uint32_t)sqlite3_column_int64(st, 2), sqlite3_column_blob(st, 3),
			(size_t)sqlite3_column_bytes(st, 3));

		if (!holds) {
			(void)sqlite3_reset(st);
			return store_found_damaged(s, err, "batch %lld", (long long)id);
		}
		s->scrub.at = id;
		n++;
	}
	return rc < 0 ? rc : n > 0;
}

static int
scrub_table(struct store *s, struct bl_err *err)
{
	static const struct {
		enum store_sql sql;
		const char *name;
	} tables[] = {
		{ SQL_SCRUB_DEVICES, "table device" },
		{ SQL_SCRUB_BOOTS, "table boot" },
		{ SQL_SCRUB_SPOOLS, "table spool" },
		{ SQL_SCRUB_STREAMS, "table stream" },
		{ SQL_SCRUB_DEFS, "table series_def" },
		{ SQL_SCRUB_SERIES, "table series_row" },
		{ SQL_SCRUB_DICT, "table dict_run" },
		{ SQL_SCRUB_CLOCK, "table clock_segment" },
	};
	sqlite3_stmt *st;
	int64_t bad;
	int rc;

	if (s->scrub.table == sizeof(tables) / sizeof(tables[0]))
		return 0;
	st = store_bind(s, tables[s->scrub.table].sql, err, "");
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	bad = rc == 1 ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	if (bad > 0)
		return store_found_damaged(s, err, "%s", tables[s->scrub.table].name);
	s->scrub.table++;
	return 1;
}

int
store_scrub(struct store *s, unsigned rows, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(s->clock);
	int rc;

	if (s->in_tx || s->db == NULL || s->broken || s->suspect || s->damage[0] != '\0')
		return 0; /* the next transaction sees to it first */
	if (!s->scrub.in_round) {
		if (s->scrub.next_mono_ms != 0 && now < s->scrub.next_mono_ms)
			return 0;
		s->scrub = (struct scrub){ .in_round = true };
	}
	/* The small tables first: without them nothing of the large one can be taken over. */
	if ((rc = scrub_table(s, err)) == 0)
		rc = scrub_batches(s, rows, err);
	if (rc < 0) {
		if (s->sql.failed == BL_ECORRUPT)
			s->suspect = true;
		if (s->sql.failed == BL_EIO)
			s->broken = true;
		s->sql.failed = BL_OK;
		return rc;
	}
	if (rc == 0) {
		s->scrub = (struct scrub){ .next_mono_ms = now + ROUND_EVERY_MS };
		bl_debug("store", "every row agrees with its checksum");
	}
	return rc;
}
