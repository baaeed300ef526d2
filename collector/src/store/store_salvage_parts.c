/*
 * Taking over the manifest of parts: closed hours lie in files of their own, beside the one
 * that is damaged, and stay where they are.
 *
 * A part keeps the numbers that it was written with; they become a space, and table
 * part_alias says what they are called here.  Pages hold rows of the past as well: of a device's
 * hour that stands in several parts the newest part is right.  A file that is not there any more
 * was deleted by its age when all that are there are younger.  Else it is lost: its rows are taken
 * over all the same, so that the daily look finds it missing and the ledger names its hours, until
 * it is put back.  Hours whose part has no readable row are named here, for good.
 *
 * What is settled rests on coverage, which has no sum: a row of it is believed as far as
 * checks of packed batches, which have one, say that its seqs were packed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store_salvage.h"

#define ALIAS_AT_ONCE 512u

/* ---- parts ---- */

static bool
file_has(const struct store *s, int level, int64_t hour, int64_t offset, int64_t bytes)
{
	char name[PARTS_NAME_SIZE], path[STORE_PATH_MAX + PARTS_NAME_SIZE];
	struct stat sb;

	parts_name((enum parts_level)level, hour, name);
	(void)snprintf(path, sizeof(path), "%.*sparts/%s",
	    (int)(store_file_name(s->path) - s->path), s->path, name);
	return stat(path, &sb) == 0 && offset >= 0 && bytes > 0 && sb.st_size - bytes >= offset;
}

static bool
older(void *ctx, enum parts_level level, int64_t hour, int64_t bytes, int64_t blocks)
{
	struct salvage_files *f = ctx;
	int64_t from, to;

	(void)bytes;
	(void)blocks;
	parts_period(level, hour, &from, &to);
	if (from < f->oldest[level])
		f->oldest[level] = from;
	return true;
}

/* What files there are, once. */
static int
look_at_files(struct store *s, struct salvage_files *f, struct bl_err *err)
{
	char folder[STORE_PATH_MAX];
	struct parts *parts;
	int rc;

	if (f->known)
		return BL_OK;
	for (int i = 0; i < PARTS_LEVELS; i++)
		f->oldest[i] = INT64_MAX;
	(void)snprintf(folder, sizeof(folder), "%.*sparts",
	    (int)(store_file_name(s->path) - s->path), s->path);
	if ((rc = parts_open(&parts, folder, 0, err)) < 0)
		return rc;
	rc = parts_files(parts, older, f, err);
	parts_close(parts);
	f->known = rc == BL_OK;
	return rc;
}

/* Retention takes the oldest files first: it has not come to the hour's while an older one is
 * there, and never takes all. */
static bool
by_age(const struct salvage_files *f, int level, int64_t hour)
{
	int64_t from, to;

	parts_period((enum parts_level)level, hour, &from, &to);
	return f->oldest[level] != INT64_MAX && to <= f->oldest[level];
}

static int
take_part(struct store *s, const struct salvaged_part *p, int64_t space, struct salvage_files *f,
    struct bl_err *err)
{
	int64_t bytes[PARTS_LEVELS];
	bool any = false;
	int rc;

	if ((rc = look_at_files(s, f, err)) < 0)
		return rc;
	for (int i = 0; i < PARTS_LEVELS; i++) {
		bytes[i] = p->bytes[i] > 0 &&
				   (!by_age(f, i, p->hour_unix_ms) ||
				       file_has(s, i, p->hour_unix_ms, p->offset[i], p->bytes[i]))
			       ? p->bytes[i]
			       : 0;
		any = any || bytes[i] > 0;
	}
	if (!any)
		return BL_OK;
	return store_run(s, SQL_SALVAGE_PART, err, "iiiiiiiiiiii", p->hour_unix_ms,
	    space + p->space, p->devices, p->series, p->samples, p->offset[0], bytes[0],
	    p->offset[1], bytes[1], p->offset[2], bytes[2], s->now_unix_ms);
}

/* The number that a part of the damaged store has here: 1, 0: it was not taken over. */
static int
part_here(struct store *s, const struct names *n, int64_t old, int64_t space, int64_t *out,
    struct bl_err *err)
{
	const struct salvaged_part *const p = names_part(n, old);
	sqlite3_stmt *st;
	int rc;

	if (p == NULL)
		return 0;
	st = store_bind(s, SQL_SALVAGE_PART_ID, err, "iiii", p->hour_unix_ms, space + p->space,
	    p->offset[PARTS_H1], p->offset[PARTS_RAW]);
	if ((rc = store_step(s, st, err)) != 1)
		return rc;
	*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return 1;
}

/* ---- numbers ---- */

static int
device_here(struct store *s, const struct names *n, int64_t old, int64_t *out, struct bl_err *err)
{
	const struct salvaged_device *const d = names_device(n, old);
	const int rc = d == NULL ? 0 : store_device_id(s, d->name, out, err);

	return d == NULL || rc < 0 ? rc : 1;
}

static int
series_here(struct store *s, const struct names *n, int64_t old, int64_t *out, struct bl_err *err)
{
	const struct salvaged_series *const x = names_series(n, old);
	int64_t device_id;
	sqlite3_stmt *st;
	int rc;

	if (x == NULL || (rc = device_here(s, n, x->device_id, &device_id, err)) == 0)
		return 0;
	if (rc < 0)
		return rc;
	st = store_bind(s, SQL_SERIES_GET, err, "itt", device_id, x->text.name, x->text.labels);
	if ((rc = store_step(s, st, err)) != 1)
		return rc;
	*out = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return 1;
}

static int
boot_here(struct store *s, const struct names *n, int64_t old, int64_t *out, struct bl_err *err)
{
	const struct salvaged_boot *const b = names_boot(n, old);
	sqlite3_stmt *st;
	int rc;

	if (b == NULL)
		return 0;
	for (unsigned i = 0; i < 2; i++) {
		st = store_bind(s, SQL_BOOT_GET, err, "d", &b->uuid);
		if ((rc = store_step(s, st, err)) < 0)
			return rc;
		if (rc == 1) {
			*out = sqlite3_column_int64(st, 0);
			(void)sqlite3_reset(st);
			return 1;
		}
		if ((rc = store_run(s, SQL_BOOT_ADD, err, "d", &b->uuid)) < 0)
			return rc;
	}
	return 0;
}

static int
number_here(struct store *s, const struct names *n, enum store_alias kind, int64_t old,
    int64_t *out, struct bl_err *err)
{
	return kind == STORE_ALIAS_DEVICE   ? device_here(s, n, old, out, err)
	       : kind == STORE_ALIAS_SERIES ? series_here(s, n, old, out, err)
					    : boot_here(s, n, old, out, err);
}

static int
add_alias(struct store *s, const struct names *n, int64_t space, enum store_alias kind, int64_t old,
    int64_t in_damaged, struct bl_err *err)
{
	int64_t here;
	const int rc = number_here(s, n, kind, in_damaged, &here, err);

	return rc <= 0
		   ? rc
		   : store_run(s, SQL_SALVAGE_ALIAS, err, "iiii", space, (int64_t)kind, old, here);
}

int
store_salvage_space(struct store *s, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_META_GET, err, "t", "salvage_space");
	int rc = store_step(s, st, err);

	if (rc == 0) {
		st = store_bind(s, SQL_SALVAGE_SPACE, err, "");
		rc = store_step(s, st, err);
	}
	if (rc < 0)
		return rc;
	*out = rc == 1 ? sqlite3_column_int64(st, 0) : 1;
	(void)sqlite3_reset(st);
	return store_run(s, SQL_META_SET, err, "ti", "salvage_space", *out);
}

uint64_t
store_salvage_lists(const struct names *n)
{
	return n->part.n + n->device.n + n->series.n + n->boot.n;
}

/* Element i of a list that holds rows of the past, too: only the last of each id. */
static const int64_t *
element(const struct salvaged *l, uint64_t i)
{
	const int64_t *const x = (const void *)((const uint8_t *)l->at + i * l->each);

	return i + 1 < l->n && *(const int64_t *)(const void *)((const uint8_t *)x + l->each) == *x
		   ? NULL
		   : x;
}

int
store_salvage_list(struct store *s, const struct names *n, struct salvage_files *f, int64_t space,
    uint64_t *at, struct bl_err *err)
{
	const struct salvaged *const lists[] = { &n->part, &n->device, &n->series, &n->boot };
	uint64_t i = *at;
	unsigned which = 0;
	int rc = BL_OK;

	while (which < 3 && i >= lists[which]->n)
		i -= lists[which++]->n;
	for (unsigned k = 0; k < ALIAS_AT_ONCE && i < lists[which]->n && rc >= 0;
	     k++, i++, (*at)++) {
		const int64_t *const x = element(lists[which], i);

		if (x == NULL)
			continue;
		rc = which == 0 ? take_part(s, names_part(n, *x), space, f, err)
				: add_alias(s, n, space, (enum store_alias)which, *x, *x, err);
	}
	return rc < 0 ? rc : BL_OK;
}

/* ---- rows of pages ---- */

/* A device's hour: the newest part that has it; what stands here already came later. */
static int
take_place(struct store *s, const struct names *n, struct salvage_files *f, int64_t space,
    const struct pages_row *row, struct bl_err *err)
{
	const int64_t hour = row->v[1].i;
	int64_t device_id, part;
	int rc;

	if ((rc = device_here(s, n, row->v[0].i, &device_id, err)) <= 0 ||
	    (rc = part_here(s, n, row->v[2].i, space, &part, err)) < 0 ||
	    (rc == 0 && names_part(n, row->v[2].i) != NULL))
		return rc; /* too old */
	if (rc == 1)
		return (rc = store_pack_found_hour(s, device_id, hour, 0, err)) < 0
			   ? rc
			   : store_run(s, SQL_SALVAGE_PLACE, err, "iii", device_id, hour, part);
	if ((rc = look_at_files(s, f, err)) < 0 || by_age(f, PARTS_H1, hour))
		return rc;
	rc = store_pack_lost_hour(s, device_id, hour, err);
	return rc == BL_EFULL ? BL_OK : rc; /* counted by the entries that there are */
}

static int
take_hidden(struct store *s, const struct names *n, int64_t space, const struct pages_row *row,
    struct bl_err *err)
{
	int64_t part;
	const int rc = part_here(s, n, row->v[0].i, space, &part, err);

	return rc <= 0 ? rc : store_run(s, SQL_PART_HIDE, err, "ii", part, row->v[1].i);
}

static int
take_checks(
    struct store *s, struct store_spool *sp, const struct pages_row *row, struct bl_err *err)
{
	const uint64_t first = (uint64_t)row->v[2].i, last = (uint64_t)row->v[3].i;
	const uint64_t count = last - first + 1;
	const uint8_t *p = row->v[4].p;
	struct store_pack_seq *q;
	int rc;

	if (first < 1 || last < first || last > STORE_SEQ_MAX)
		return BL_OK;
	if (row->v[4].n == 0)
		return store_pack_bare(s, sp->id, (enum bl_stream)row->v[1].i, first, last, err);
	if (count > 1024 || row->v[4].n != 4 * count)
		return BL_OK;
	if ((q = calloc(count, sizeof(*q))) == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	for (uint64_t i = 0; i < count; i++, p += 4)
		q[i] = (struct store_pack_seq){ .spool_id = sp->id,
			.stream = (enum bl_stream)row->v[1].i,
			.seq = first + i,
			.check = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				 (uint32_t)p[3] << 24 };
	rc = store_pack_keep_checks(s, q, (size_t)count, err);
	free(q);
	return rc;
}

int
store_salvage_manifest(struct store *s, const struct names *n, struct salvage_files *f,
    int64_t space, const struct pages_row *row, struct bl_err *err)
{
	struct store_spool *sp;
	int rc;

	if (row->has_rowid)
		return BL_OK;
	if (row->n == 5 && row_holds(row, "place", false, 0, 3, 4))
		return take_place(s, n, f, space, row, err);
	if (row->n == 3 && row_holds(row, "hidden", false, 0, 1, 2))
		return take_hidden(s, n, space, row, err);
	if (row->n == 5 && row_holds(row, "alias", false, 0, 3, 4))
		return add_alias(s, n, space + row->v[0].i, (enum store_alias)row->v[1].i,
		    row->v[2].i, row->v[3].i, err);
	if (row->n != 6 || !row_holds(row, "packed", false, 0, 4, 5) || row->v[1].i < 1 ||
	    row->v[1].i > BL_STREAMS)
		return BL_OK;
	if ((rc = store_salvage_spool(s, row->v[0].i, &sp, err)) < 0 || sp == NULL)
		return rc;
	return take_checks(s, sp, row, err);
}

/* ---- coverage of what was packed ---- */

#define COVER_COLUMNS 18u

static bool
looks_like_cover(const struct names *n, const struct pages_row *row)
{
	const struct pages_value *const v = row->v;
	const struct salvaged_spool *sp;

	if (!row->has_rowid || row->n != COVER_COLUMNS || v[0].type != PAGES_NULL)
		return false;
	for (unsigned i = 1; i < COVER_COLUMNS; i++)
		if (v[i].type != PAGES_INT && !(i >= 11 && i <= 14 && v[i].type == PAGES_NULL))
			return false;
	sp = names_spool(n, v[1].i);
	return sp != NULL && sp->device_id == v[2].i && v[3].i >= 1 && v[3].i <= BL_STREAMS &&
	       v[4].i >= 1 && v[5].i >= v[4].i && v[5].i - v[4].i < 1000000 &&
	       names_boot(n, v[6].i) != NULL && v[7].i <= v[8].i && v[9].i <= v[7].i &&
	       v[10].i >= v[8].i;
}

/* Where the row ends (begins) when only its first (last) part is taken: where the neighbour
 * begins (ends), as far as that is known. */
static int
edge(struct store *s, struct store_spool *sp, enum bl_stream stream, uint64_t seq, bool above,
    int64_t *ms, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_BATCH_GET, err, "iiu", sp->id, (int64_t)stream, seq);
	int64_t boot, begin, end;
	int rc = store_step(s, st, err);

	if (rc < 0)
		return rc;
	if (rc == 1) {
		*ms = sqlite3_column_int64(st, above ? 3 : 4);
		(void)sqlite3_reset(st);
		return BL_OK;
	}
	rc = store_packed_span(s, sp, stream, seq, &boot, &begin, &end, err);
	if (rc == 1)
		*ms = above ? begin : end;
	return rc < 0 ? rc : BL_OK;
}

static int
add_cover(struct store *s, struct store_spool *sp, const struct pages_row *row,
    const struct salvaged_boot *boot, const struct bl_range *piece, struct bl_err *err)
{
	const enum bl_stream stream = (enum bl_stream)row->v[3].i;
	struct coverage_row c = { .used = true,
		.dirty = true,
		.seq_first = piece->first,
		.seq_last = piece->last,
		.boot = boot->uuid,
		.begin_ms = row->v[7].i,
		.end_ms = row->v[8].i,
		.first_arrived_unix_ms = row->v[15].i,
		.arrived_unix_ms = row->v[16].i };
	int rc;

	if ((rc = store_boot_id(s, sp, &boot->uuid, &c.boot_id, err)) < 0)
		return rc;
	if ((piece->first > (uint64_t)row->v[4].i &&
		(rc = edge(s, sp, stream, piece->first - 1, false, &c.begin_ms, err)) < 0) ||
	    (piece->last < (uint64_t)row->v[5].i &&
		(rc = edge(s, sp, stream, piece->last + 1, true, &c.end_ms, err)) < 0))
		return rc;
	if (c.begin_ms > c.end_ms || c.begin_ms < row->v[7].i || c.end_ms > row->v[8].i)
		return BL_OK;
	c.lo_ms = piece->first == (uint64_t)row->v[4].i ? row->v[9].i : c.begin_ms;
	c.hi_ms = piece->last == (uint64_t)row->v[5].i ? row->v[10].i : c.end_ms;
	if ((rc = store_cover_flush(s, sp, stream, &c, err)) < 0)
		return rc;
	rc = store_settle(sp, stream, piece->first, piece->last);
	return rc == BL_EFULL ? BL_OK : rc;
}

int
store_salvage_cover(
    struct store *s, const struct names *n, const struct pages_row *row, struct bl_err *err)
{
	struct seqs pieces = { 0 }, other = { 0 };
	const struct seqs *settled;
	struct store_spool *sp;
	uint64_t first, last;
	int rc;

	if (!looks_like_cover(n, row))
		return BL_OK;
	if ((rc = store_salvage_spool(s, row->v[1].i, &sp, err)) < 0 || sp == NULL)
		return rc;
	first = (uint64_t)row->v[4].i;
	last = (uint64_t)row->v[5].i;
	settled = &sp->stream[row->v[3].i - 1].settled;
	/* What of it was packed is all of it without what was not. */
	rc = seqs_add(&other, first, last, STORE_RANGES_MAX);
	if (rc == BL_OK)
		rc = store_packed_remove(
		    s, sp, (enum bl_stream)row->v[3].i, first, last, &other, err);
	if (rc == BL_OK)
		rc = seqs_add(&pieces, first, last, STORE_RANGES_MAX);
	for (size_t i = 0; rc == BL_OK && i < other.n; i++)
		rc = seqs_remove(&pieces, other.r[i].first, other.r[i].last);
	for (size_t i = 0; rc == BL_OK && i < settled->n; i++)
		rc = seqs_remove(&pieces, settled->r[i].first, settled->r[i].last);
	for (size_t i = 0; rc == BL_OK && i < pieces.n; i++)
		rc = add_cover(s, sp, row, names_boot(n, row->v[6].i), &pieces.r[i], err);
	seqs_free(&pieces);
	seqs_free(&other);
	return rc == BL_ENOMEM ? bl_fail(err, rc, "telemetry store: out of memory") : rc;
}
