/*
 * Lists for people: coverage, the ledger, what was set aside.
 *
 * Rows are read a page at a time and copied, so that a slow visitor holds no
 * transaction open.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

const char *
store_gap_reason_name(int reason)
{
	static const char *const names[] = { "other", "off", "evicted", "disk_full", "damaged",
		"clock", "lost_at_centre", "rolled_back", "overload", "vanished", "thinned" };

	if (reason == STORE_GAP_NOT_ARRIVED)
		return "not_arrived";
	if (reason == STORE_GAP_UNKNOWN_VALUE)
		return "unknown_value";
	if (reason == STORE_GAP_HELD)
		return "held";
	if (reason == STORE_GAP_OFFLINE)
		return "offline";
	if (reason == STORE_GAP_NOT_IN_SERVICE)
		return "not_in_service";
	if (reason == STORE_GAP_NOT_KEPT)
		return "not_kept";
	return reason >= 1 && reason <= BL_GAP_LAST ? names[reason] : "other";
}

/* ---- coverage ---- */

struct cover_list {
	struct store_coverage *c;
	size_t n, size;
};

static int
cover_by_begin(const void *a, const void *b)
{
	const struct store_coverage *x = a, *y = b;

	return (x->from_unix_ms > y->from_unix_ms) - (x->from_unix_ms < y->from_unix_ms);
}

static int
cover_add(struct cover_list *l, sqlite3_stmt *st, enum bl_stream stream)
{
	struct store_coverage *c;

	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 256 : l->size * 2;

		if (size > (1u << 20) || (c = realloc(l->c, size * sizeof(*c))) == NULL)
			return BL_EFULL;
		l->c = c;
		l->size = size;
	}
	l->c[l->n++] = (struct store_coverage){
		.stream = stream,
		.from_unix_ms = sqlite3_column_int64(st, 3),
		.to_unix_ms = sqlite3_column_int64(st, 4),
		.arrived_unix_ms = sqlite3_column_int64(st, 5),
		.seq_first = (uint64_t)sqlite3_column_int64(st, 1),
		.seq_last = (uint64_t)sqlite3_column_int64(st, 2),
	};
	return BL_OK;
}

static int
cover_load(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from, int64_t to,
    struct cover_list *l, struct bl_err *err)
{
	int64_t at, at_id = 0, reach;
	size_t page;
	int rc;

	if ((rc = read_reach_from(r, device_id, stream, from, &reach, err)) < 0)
		return rc;
	at = from - reach;
	do {
		sqlite3_stmt *st = read_bind(r, READ_COVERAGE, err, "iiiiii", device_id,
		    (int64_t)stream, at, at_id, to, from);

		for (page = 0; (rc = read_step(r, st, err)) == 1; page++) {
			at = sqlite3_column_int64(st, 6);
			at_id = sqlite3_column_int64(st, 7);
			if (sqlite3_column_int64(st, 3) < to &&
			    sqlite3_column_int64(st, 4) > from && cover_add(l, st, stream) < 0) {
				(void)sqlite3_reset(st);
				return bl_fail(err, BL_EFULL,
				    "the range has too many coverage rows: ask for a shorter one");
			}
		}
		if (rc < 0)
			return rc;
	} while (page == 1024);
	return BL_OK;
}

int
store_read_coverage(struct store_read *r, const char *device, int64_t from_unix_ms,
    int64_t to_unix_ms, store_coverage_cb cb, void *ctx, struct bl_err *err)
{
	struct cover_list l = { 0 };
	int64_t device_id;
	int rc;

	if (from_unix_ms < -INT64_MAX / 4)
		from_unix_ms = -INT64_MAX / 4;
	if (to_unix_ms > INT64_MAX / 4)
		to_unix_ms = INT64_MAX / 4;
	if ((rc = read_device_id(r, device, &device_id, err)) <= 0)
		return rc;
	for (int stream = 1; stream <= BL_STREAMS; stream++) {
		l.n = 0;
		if ((rc = cover_load(r, device_id, (enum bl_stream)stream, from_unix_ms, to_unix_ms,
			 &l, err)) < 0)
			break;
		if (l.n > 1)
			qsort(l.c, l.n, sizeof(*l.c), cover_by_begin);
		for (size_t i = 0; i < l.n; i++)
			if (!cb(ctx, &l.c[i]))
				goto done;
	}
done:
	free(l.c);
	return rc < 0 ? rc : BL_OK;
}

/* ---- the ledger ---- */

#define PAGE       256  /* as the statements' LIMIT */
#define BOUNDS_MAX 100u /* each is a walk through the coverage of a stream: */
#define BOUNDS_MS  250  /* a year's take 0.1 s, more where they are not in memory */

struct gap_copy {
	struct store_gap g;
	struct read_gap_of of;
	char device[BL_DEVICE_ID_MAX + 1];
};

static void
gap_row(sqlite3_stmt *st, struct gap_copy *c)
{
	store_column_text(st, 1, c->device, sizeof(c->device));
	c->g = (struct store_gap){
		.id = sqlite3_column_int64(st, 0),
		.stream = (enum bl_stream)sqlite3_column_int(st, 2),
		.reason = sqlite3_column_int(st, 3),
		.seq_first = (uint64_t)sqlite3_column_int64(st, 4),
		.seq_last = (uint64_t)sqlite3_column_int64(st, 5),
		.from_unix_ms = store_column_time(st, 6),
		.to_unix_ms = store_column_time(st, 7),
		.not_before_unix_ms = STORE_TIME_NONE,
		.not_after_unix_ms = STORE_TIME_NONE,
		.samples = (uint64_t)sqlite3_column_int64(st, 8),
		.known_unix_ms = sqlite3_column_int64(st, 9),
	};
	c->of = (struct read_gap_of){ sqlite3_column_int64(st, 10), sqlite3_column_int64(st, 11) };
}

struct bounds {
	unsigned left;
	int64_t until_mono_ms;
};

/* What an entry without times is between. */
static int
bound(struct store_read *r, struct gap_copy *c, struct bounds *b, struct bl_err *err)
{
	if ((c->g.from_unix_ms != STORE_TIME_NONE && c->g.to_unix_ms != STORE_TIME_NONE) ||
	    b->left == 0 || bl_mono_ms(r->clock) > b->until_mono_ms)
		return BL_OK;
	b->left--;
	return read_gap_bounds(r, &c->of, &c->g, err);
}

int
store_read_gaps(struct store_read *r, const struct store_gap_filter *f, store_gap_cb cb, void *ctx,
    struct bl_err *err)
{
	int64_t before = f->before_id > 0 ? f->before_id : INT64_MAX, device_id = 0;
	size_t left = f->limit, n;
	struct bounds bounds = { BOUNDS_MAX, bl_mono_ms(r->clock) + BOUNDS_MS };
	struct gap_copy *page;
	int rc;

	if (f->limit < 1 || f->limit > 1000)
		return bl_fail(err, BL_EINVAL, "gaps: a limit from 1 to 1000");
	if (f->device != NULL && (rc = read_device_id(r, f->device, &device_id, err)) <= 0)
		return rc;
	if ((page = malloc(PAGE * sizeof(*page))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	do {
		sqlite3_stmt *st = f->device != NULL
				       ? read_bind(r, READ_GAPS_DEVICE, err, "ooii",
					     f->from_unix_ms, f->to_unix_ms, before, device_id)
				       : read_bind(r, READ_GAPS_ALL, err, "ooi", f->from_unix_ms,
					     f->to_unix_ms, before);

		for (n = 0; (rc = read_step(r, st, err)) == 1; n++)
			gap_row(st, &page[n]);
		for (size_t i = 0; rc == 0 && i < n && left > 0; i++, left--) {
			page[i].g.device = page[i].device;
			if ((rc = bound(r, &page[i], &bounds, err)) < 0 || !cb(ctx, &page[i].g))
				goto done;
		}
		if (n > 0)
			before = page[n - 1].g.id;
	} while (rc == 0 && n == PAGE && left > 0);
done:
	free(page);
	return rc < 0 ? rc : BL_OK;
}

/* ---- set aside ---- */

struct aside_copy {
	struct store_aside_row a;
	char topic[192], device[BL_DEVICE_ID_MAX + 1], detail[256];
};

static void
aside_row(sqlite3_stmt *st, struct aside_copy *c)
{
	memset(&c->a, 0, sizeof(c->a));
	store_column_text(st, 2, c->topic, sizeof(c->topic));
	store_column_text(st, 3, c->device, sizeof(c->device));
	store_column_text(st, 6, c->detail, sizeof(c->detail));
	c->a.id = sqlite3_column_int64(st, 0);
	c->a.arrived_unix_ms = sqlite3_column_int64(st, 1);
	c->a.part = sqlite3_column_type(st, 4) == SQLITE_NULL ? -1 : sqlite3_column_int(st, 4);
	c->a.reason = store_aside_reason_name((enum store_aside_reason)sqlite3_column_int(st, 5));
	c->a.bytes = (uint64_t)sqlite3_column_int64(st, 7);
	c->a.repeats = (uint64_t)sqlite3_column_int64(st, 8);
	c->a.kept = sqlite3_column_int(st, 9) != 0;
	c->a.tried_unix_ms = store_column_time(st, 10);
}

int
store_read_aside(struct store_read *r, const char *device, int64_t before_id, size_t limit,
    store_aside_cb cb, void *ctx, struct bl_err *err)
{
	int64_t before = before_id > 0 ? before_id : INT64_MAX;
	struct aside_copy *page;
	size_t n;
	int rc;

	if (limit < 1 || limit > 1000)
		return bl_fail(err, BL_EINVAL, "set aside: a limit from 1 to 1000");
	if ((page = malloc(PAGE * sizeof(*page))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	do {
		sqlite3_stmt *st = device != NULL
				       ? read_bind(r, READ_ASIDE_DEVICE, err, "it", before, device)
				       : read_bind(r, READ_ASIDE, err, "i", before);

		for (n = 0; (rc = read_step(r, st, err)) == 1; n++)
			aside_row(st, &page[n]);
		for (size_t i = 0; rc == 0 && i < n && limit > 0; i++, limit--) {
			struct aside_copy *c = &page[i];

			c->a.topic = c->topic;
			c->a.device = c->device[0] != '\0' ? c->device : NULL;
			c->a.detail = c->detail;
			if (!cb(ctx, &c->a))
				goto done;
		}
		if (n > 0)
			before = page[n - 1].a.id;
	} while (rc == 0 && n == PAGE && limit > 0);
done:
	free(page);
	return rc < 0 ? rc : BL_OK;
}

int
store_read_aside_count(struct store_read *r, int reason, const char *device, int64_t id,
    uint64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st =
	    read_bind(r, READ_ASIDE_MATCHING, err, "iti", (int64_t)reason, device, id);
	int rc = read_step(r, st, err);

	*out = 0;
	if (rc == 1) {
		*out = (uint64_t)sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}
