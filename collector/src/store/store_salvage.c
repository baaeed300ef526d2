/*
 * Taking over what can be read of a store that was set aside: the writer does it in
 * slices, each in the transaction of a group, while it takes in what agents send.
 *
 * Walks over the same pages, and over what they told:
 *   names     the small tables into memory
 *   maps      spools, clock maps and dictionaries into the new store
 *   parts     where closed hours lie, what they call things, checks of packed batches
 *   batches   each by its own sum and the checksum of its body, through the same
 *             dedupe as one that an agent sends: whoever comes first, it is there once
 *   cover     coverage of packed batches, which settles them
 *   rest      what closed spools miss: nobody is left to be asked
 *
 * The place reached is in table meta and commits with what was taken over.  After a
 * restart the names are read again and the rest goes on from there.  What is known
 * already, or has another batch in its place by now, is counted and left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_salvage.h"

#include "branchline/log.h"

/* Numbers stand in table meta (READ_PARTS_COME knows those before BATCHES); they go MAPS, PARTS, BATCHES, COVER, REST. */
enum phase {
	PHASE_NAMES = 0,
	PHASE_MAPS = 1,
	PHASE_BATCHES = 2,
	PHASE_REST = 3,
	PHASE_DONE = 4,
	PHASE_PARTS = 5,
	PHASE_COVER = 6,
};

/* What is undone with its transaction. */
struct progress {
	enum phase phase;
	uint64_t at; /* page, or spool */
	uint64_t batches, samples, known, conflicts, unreadable;
};

struct salvage {
	char file[256];
	struct pages *pages; /* NULL: not opened yet in this run */
	struct names names;
	struct salvage_files files;
	struct bl_buf raw;
	uint64_t n_pages;
	bool loaded;  /* the names are in memory */
	bool put_off; /* it cannot be read: until the next start */
	uint64_t names_at;
	struct progress now, committed;
};

static const struct {
	const char *key;
	size_t offset;
} kept[] = {
	{ "salvage_at", offsetof(struct progress, at) },
	{ "salvage_batches", offsetof(struct progress, batches) },
	{ "salvage_samples", offsetof(struct progress, samples) },
	{ "salvage_known", offsetof(struct progress, known) },
	{ "salvage_conflicts", offsetof(struct progress, conflicts) },
	{ "salvage_unreadable", offsetof(struct progress, unreadable) },
};

static uint64_t *
field(struct progress *p, size_t i)
{
	return (uint64_t *)(void *)((char *)p + kept[i].offset);
}

/* ---- where it stands, in table meta ---- */

static int
meta_int(struct store *s, const char *key, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_META_GET, err, "t", key);
	const int rc = store_step(s, st, err);

	*out = 0;
	if (rc == 1) {
		*out = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

static int
write_progress(struct store *s, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	int rc;

	rc = store_run(s, SQL_META_SET, err, "ti", "salvage_phase", (int64_t)v->now.phase);
	for (size_t i = 0; rc == BL_OK && i < sizeof(kept) / sizeof(kept[0]); i++)
		rc = store_run(s, SQL_META_SET, err, "tu", kept[i].key, *field(&v->now, i));
	return rc;
}

static struct salvage *
salvage_create(const char *file)
{
	struct salvage *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	(void)snprintf(v->file, sizeof(v->file), "%s", file);
	names_init(&v->names);
	bl_buf_init(&v->raw, BL_BATCH_RAW_MAX);
	return v;
}

static void
close_file(struct salvage *v)
{
	pages_close(v->pages);
	v->pages = NULL;
	names_free(&v->names);
	v->loaded = false;
	v->names_at = 0;
}

void
store_salvage_stop(struct store *s)
{
	if (s->salvage == NULL)
		return;
	close_file(s->salvage);
	bl_buf_free(&s->salvage->raw);
	free(s->salvage);
	s->salvage = NULL;
}

int
store_salvage_of(struct store *s, const char *file, struct bl_err *err)
{
	int rc;

	store_salvage_stop(s);
	if ((s->salvage = salvage_create(file)) == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	/* Before the epoch, which ends what has to be done again after a crash. */
	if ((rc = store_exec(s->db, "BEGIN IMMEDIATE", err)) < 0)
		return rc;
	if ((rc = store_run(s, SQL_META_SET_TEXT, err, "tt", "salvage_file", file)) < 0 ||
	    (rc = write_progress(s, err)) < 0 || (rc = store_exec(s->db, "COMMIT", err)) < 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* err says what failed */
	return rc;
}

int
store_salvage_load(struct store *s, struct bl_err *err)
{
	char file[256] = "";
	int64_t n;
	sqlite3_stmt *st = store_bind(s, SQL_META_GET, err, "t", "salvage_file");
	int rc = store_step(s, st, err);

	if (rc == 1) {
		store_column_text(st, 0, file, sizeof(file));
		(void)sqlite3_reset(st);
	}
	store_salvage_stop(s);
	if (rc <= 0 || file[0] == '\0')
		return rc < 0 ? rc : BL_OK;
	if ((s->salvage = salvage_create(file)) == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	if ((rc = meta_int(s, "salvage_phase", &n, err)) < 0)
		return rc;
	s->salvage->now.phase = n >= PHASE_NAMES && n <= PHASE_COVER ? (enum phase)n : PHASE_NAMES;
	for (size_t i = 0; rc == BL_OK && i < sizeof(kept) / sizeof(kept[0]); i++) {
		rc = meta_int(s, kept[i].key, &n, err);
		*field(&s->salvage->now, i) = (uint64_t)n;
	}
	s->salvage->committed = s->salvage->now;
	return rc;
}

void
store_salvage_committed(struct store *s)
{
	if (s->salvage == NULL)
		return;
	s->salvage->committed = s->salvage->now;
	if (s->salvage->now.phase == PHASE_DONE && s->salvage->pages != NULL) {
		close_file(s->salvage);
		store_forget_aside(s->path);
	}
}

void
store_salvage_rolled_back(struct store *s)
{
	if (s->salvage != NULL)
		s->salvage->now = s->salvage->committed;
}

bool
store_salvaging(const struct store *s)
{
	return s->salvage != NULL && !s->salvage->put_off && s->salvage->now.phase != PHASE_DONE;
}

void
store_damage(const struct store *s, struct store_damage *out)
{
	const struct salvage *const v = s->salvage;

	memset(out, 0, sizeof(*out));
	out->replaced = s->replaced;
	if (v == NULL)
		return;
	out->salvaging = v->committed.phase != PHASE_DONE && !v->put_off;
	(void)snprintf(out->file, sizeof(out->file), "%s", v->file);
	out->pages = 2 * v->n_pages; /* once for the names, once for the batches */
	out->pages_done = v->committed.phase == PHASE_BATCHES ? v->n_pages + v->committed.at
			  : v->committed.phase == PHASE_COVER || v->committed.phase == PHASE_REST ||
				  v->committed.phase == PHASE_DONE
			      ? out->pages
			      : v->names_at;
	out->batches = v->committed.batches;
	out->samples = v->committed.samples;
	out->known = v->committed.known;
	out->conflicts = v->committed.conflicts;
	out->unreadable = v->committed.unreadable;
}

/* ---- names ---- */

static bool
take_name(void *ctx, const struct pages_row *row)
{
	names_take(ctx, row);
	return true;
}

static int
read_names(struct salvage *v, unsigned pages, struct bl_err *err)
{
	/* Most pages hold no name, and are only looked at. */
	for (pages *= 16; pages > 0 && v->names_at < v->n_pages; pages--)
		(void)pages_rows(v->pages, v->names_at++, take_name, &v->names);
	if (v->names.failed)
		return bl_fail(err, BL_ENOMEM, "read damaged store: out of memory");
	if (v->names_at < v->n_pages)
		return BL_OK;
	names_sort(&v->names);
	v->loaded = true;
	return BL_OK;
}

/* ---- maps ---- */

int
store_salvage_spool(struct store *s, int64_t id, struct store_spool **out, struct bl_err *err)
{
	const struct names *const n = &s->salvage->names;
	const struct salvaged_spool *const sp = names_spool(n, id);
	const struct salvaged_device *const d = sp == NULL ? NULL : names_device(n, sp->device_id);
	int rc;

	*out = NULL;
	if (d == NULL || bl_id_is_zero(&sp->uuid))
		return BL_OK;
	if ((rc = store_spool(s, &sp->uuid, d->name, out, err)) < 0)
		return rc;
	if (rc != STORE_SPOOL_OK && rc != STORE_SPOOL_NEW)
		*out = NULL;
	return BL_OK;
}

static int
take_clock_map(struct store *s, struct store_spool *sp, int64_t id, struct bl_err *err)
{
	const struct salvaged_entry *e;
	size_t n;
	int rc = BL_OK;

	e = names_entries(
	    &s->salvage->names.clock, id, (int64_t)store_spool_clock_version(sp) + 1, &n);
	for (; n > 0 && e->spool_id == id && rc >= 0; e++, n--) {
		if ((rc = store_clock(s, sp, &e->seg, err)) == BL_EINVAL)
			rc = BL_OK;
		if (rc == STORE_ENTRY_EARLY)
			break; /* the one before it is lost: the agent is asked */
	}
	return rc < 0 ? rc : BL_OK;
}

static int
take_dictionary(struct store *s, struct store_spool *sp, int64_t id, struct bl_err *err)
{
	const struct salvaged_entry *e;
	size_t n;
	int rc = BL_OK;

	e = names_entries(
	    &s->salvage->names.dict, id, (int64_t)store_spool_dict_version(sp) + 1, &n);
	for (; n > 0 && e->spool_id == id && rc >= 0; e++, n--) {
		const struct salvaged_series *const def =
		    names_series(&s->salvage->names, e->series_id);

		if (e->entry == (int64_t)store_spool_dict_version(sp))
			continue; /* the same row from another page */
		if (def == NULL || e->entry != (int64_t)store_spool_dict_version(sp) + 1)
			break;
		rc = store_dict_salvaged(s, sp, e->entry, &def->text, err);
	}
	return rc < 0 ? rc : BL_OK;
}

/* A spool that another one names as its predecessor goes on no more. */
static int
close_if_succeeded(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	const struct names *const n = &s->salvage->names;
	const struct salvaged_spool *const all = n->spool.at;
	sqlite3_stmt *st;
	int rc;

	for (size_t i = 0; i < n->spool.n && !sp->closed; i++)
		if (bl_id_equal(&all[i].predecessor, &sp->uuid) &&
		    !bl_id_equal(&all[i].uuid, &sp->uuid))
			sp->closed = sp->dirty = sp->row_dirty = true;
	if (sp->closed)
		return BL_OK;
	st = store_bind(s, SQL_SPOOL_SUCCESSOR, err, "di", &sp->uuid, sp->device_id);
	if ((rc = store_step(s, st, err)) == 1) {
		(void)sqlite3_reset(st);
		sp->closed = sp->dirty = sp->row_dirty = true;
	}
	return rc < 0 ? rc : BL_OK;
}

static int
take_maps(struct store *s, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	const struct salvaged_spool *const all = v->names.spool.at;
	struct store_spool *sp;
	int rc;

	if (v->now.at >= v->names.spool.n) {
		v->now.phase = PHASE_PARTS;
		v->now.at = 0;
		return BL_OK;
	}
	/* Its clock map before its batches: they have their place at once. */
	if ((rc = store_salvage_spool(s, all[v->now.at].id, &sp, err)) < 0)
		return rc;
	if (sp != NULL && ((rc = take_clock_map(s, sp, all[v->now.at].id, err)) < 0 ||
			      (rc = take_dictionary(s, sp, all[v->now.at].id, err)) < 0 ||
			      (rc = close_if_succeeded(s, sp, err)) < 0))
		return rc;
	v->now.at++;
	return BL_OK;
}

/* ---- parts ---- */

struct take_manifest {
	struct store *s;
	int64_t space;
	struct bl_err *err;
	int rc;
};

static bool
take_manifest_row(void *ctx, const struct pages_row *row)
{
	struct take_manifest *t = ctx;

	t->rc = t->s->salvage->now.phase == PHASE_COVER
		    ? store_salvage_cover(t->s, &t->s->salvage->names, row, t->err)
		    : store_salvage_manifest(t->s, &t->s->salvage->names, &t->s->salvage->files,
			  t->space, row, t->err);
	return t->rc >= 0;
}

/* Pages from `first` on are elements first.. of the phase. */
static int
take_manifest_pages(struct take_manifest *t, uint64_t first, unsigned pages, enum phase next)
{
	struct salvage *const v = t->s->salvage;

	for (; pages > 0 && v->now.at - first < v->n_pages; pages--, v->now.at++)
		if (!pages_rows(v->pages, v->now.at - first, take_manifest_row, t))
			return t->rc;
	if (v->now.at - first < v->n_pages)
		return BL_OK;
	v->now.phase = next;
	v->now.at = 0;
	return BL_OK;
}

static int
take_parts(struct store *s, unsigned pages, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	const uint64_t lists = store_salvage_lists(&v->names);
	struct take_manifest t = { .s = s, .err = err };
	int rc;

	if (v->names.part.n == 0) { /* nothing was packed */
		v->now.phase = PHASE_BATCHES;
		v->now.at = 0;
		return BL_OK;
	}
	if ((rc = store_salvage_space(s, &t.space, err)) < 0)
		return rc;
	if (v->now.at < lists)
		return store_salvage_list(s, &v->names, &v->files, t.space, &v->now.at, err);
	return take_manifest_pages(&t, lists, pages, PHASE_BATCHES);
}

static int
take_covers(struct store *s, unsigned pages, struct bl_err *err)
{
	struct take_manifest t = { .s = s, .err = err };

	return take_manifest_pages(&t, 0, pages, PHASE_REST);
}

/* ---- batches ---- */

#define BATCH_COLUMNS     22u /* of a row from before there were sums */
#define BATCH_COLUMN_BODY 21u

struct take {
	struct store *s;
	struct bl_err *err;
	int rc;
};

/* Integers where they belong, and a body: nothing else in the file looks like it. */
static bool
looks_like_batch(const struct pages_row *row)
{
	if (!row->has_rowid || (row->n != BATCH_COLUMNS && row->n != BATCH_COLUMNS + 1) ||
	    row->v[0].type != PAGES_NULL || row->v[BATCH_COLUMN_BODY].type != PAGES_BYTE_STRING)
		return false;
	for (unsigned i = 1; i < BATCH_COLUMN_BODY; i++)
		if (row->v[i].type != PAGES_INT)
			return false;
	return true;
}

static bool
header_of(const struct names *n, const struct pages_row *row, struct bl_batch_header *h)
{
	const struct pages_value *const v = row->v;
	const struct salvaged_spool *const sp = names_spool(n, v[1].i);
	const struct salvaged_boot *const boot = names_boot(n, v[6].i);

	if (sp == NULL || boot == NULL || sp->device_id != v[5].i)
		return false;
	*h = (struct bl_batch_header){ .spool = sp->uuid,
		.boot = boot->uuid,
		.stream = (enum bl_stream)v[2].i,
		.kind = (enum bl_batch_kind)v[7].i,
		.seq = (uint64_t)v[3].i,
		.collect_begin_ms = v[10].i,
		.collect_end_ms = v[11].i,
		.event_begin_ms = v[8].i,
		.event_end_ms = v[9].i,
		.dict_version = (uint32_t)v[12].i,
		.next_seq = (uint64_t)v[3].i + 1,
		.lowest_held = 1,
		.n_samples = (uint32_t)v[13].i,
		.n_events = (uint32_t)v[14].i,
		.n_gaps = (uint32_t)v[15].i,
		.supersedes_first = (uint64_t)v[17].i,
		.supersedes_last = (uint64_t)v[18].i,
		.raw_bytes = (uint32_t)v[16].i,
		.crc32 = (uint32_t)v[4].i };
	return true;
}

/* It holds in all its parts; h and the inflated body are filled then. */
static bool
batch_holds(struct salvage *v, const struct pages_row *row, struct bl_batch_header *h)
{
	const struct pages_value *const body = &row->v[BATCH_COLUMN_BODY];
	struct bl_err why = { 0 };

	if (row->n > BATCH_COLUMNS && row->v[BATCH_COLUMNS].type != PAGES_NULL &&
	    !row_holds(row, "batch", false, 1, 19, BATCH_COLUMNS))
		return false;
	return header_of(&v->names, row, h) &&
	       bl_batch_inflate(h, body->p, body->n, &v->raw, &why) == BL_OK &&
	       bl_batch_verify(h, v->raw.data, v->raw.len, &why) == BL_OK;
}

static int
put_batch(struct take *t, const struct pages_row *row, const struct bl_batch_header *h)
{
	struct store *const s = t->s;
	struct salvage *const v = s->salvage;
	const struct pages_value *const body = &row->v[BATCH_COLUMN_BODY];
	const int64_t now = s->now_unix_ms;
	struct store_spool *sp;
	int rc;

	if ((rc = store_salvage_spool(s, row->v[1].i, &sp, t->err)) < 0 || sp == NULL)
		return rc;
	s->now_unix_ms = row->v[19].i; /* it came when it came */
	s->lifting = true;
	rc = store_batch_peek(s, sp, h, t->err);
	if (rc == STORE_NEW || rc == STORE_SUPERSEDED)
		rc = store_batch_put(s, sp, h, body->p, body->n, v->raw.data, v->raw.len, t->err);
	s->lifting = false;
	s->now_unix_ms = now;
	if (rc == STORE_NEW) {
		v->now.batches++;
		v->now.samples += h->n_samples;
	}
	v->now.known += rc == STORE_DUPLICATE || rc == STORE_SUPERSEDED;
	v->now.conflicts += rc == STORE_CONFLICT || rc == STORE_REFUSED;
	v->now.unreadable += rc == BL_EINVAL;
	return rc == BL_EINVAL ? BL_OK : rc;
}

static bool
take_row(void *ctx, const struct pages_row *row)
{
	struct take *t = ctx;
	struct bl_batch_header h;

	if (!looks_like_batch(row))
		return true;
	if (!batch_holds(t->s->salvage, row, &h)) {
		t->s->salvage->now.unreadable++;
		return true;
	}
	t->rc = put_batch(t, row, &h);
	return t->rc >= 0;
}

static int
take_batches(struct store *s, unsigned pages, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	struct take t = { .s = s, .err = err };

	for (; pages > 0 && v->now.at < v->n_pages; pages--, v->now.at++)
		if (!pages_rows(v->pages, v->now.at, take_row, &t))
			return t.rc;
	if (v->now.at < v->n_pages)
		return BL_OK;
	v->now.phase = v->names.part.n > 0 ? PHASE_COVER : PHASE_REST;
	v->now.at = 0;
	return BL_OK;
}

/* ---- the rest ---- */

/* Settled by entries "lost at the centre"; one that comes after all is taken out of them. */
static int
name_lost(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	struct bl_ranges missing;
	int rc = BL_OK;

	for (int i = 0; i < BL_STREAMS; i++) {
		const struct store_stream *m = &sp->stream[i];

		memset(&missing, 0, sizeof(missing));
		if (m->next_seq > 1)
			seqs_missing_ranges(&m->settled, 1, m->next_seq - 1, &missing);
		for (uint32_t k = 0; k < missing.n && rc == BL_OK; k++)
			rc = store_gone(s, sp, (enum bl_stream)(i + 1), missing.r[k].first,
			    missing.r[k].last, BL_GAP_LOST_AT_CENTRE, err);
	}
	return rc;
}

static void
tell_done(const struct salvage *v)
{
	bl_info("store",
	    "all that could be read of the damaged store was taken over file=%s batches=%llu"
	    " samples=%llu known_already=%llu conflicts=%llu unreadable=%llu%s",
	    v->file, (unsigned long long)v->now.batches, (unsigned long long)v->now.samples,
	    (unsigned long long)v->now.known, (unsigned long long)v->now.conflicts,
	    (unsigned long long)v->now.unreadable,
	    v->names.full ? "; its dictionaries only in part" : "");
}

static int
take_rest(struct store *s, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	const struct salvaged_spool *const all = v->names.spool.at;
	struct store_spool *sp;
	int rc;

	if (v->now.at >= v->names.spool.n) {
		v->now.phase = PHASE_DONE;
		tell_done(v);
		return BL_OK;
	}
	if ((rc = store_salvage_spool(s, all[v->now.at].id, &sp, err)) < 0 ||
	    (sp != NULL && sp->closed && (rc = name_lost(s, sp, err)) < 0))
		return rc;
	v->now.at++;
	return BL_OK;
}

/* ---- a slice ---- */

static int
open_file(struct store *s, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	char path[STORE_PATH_MAX];
	int rc;

	(void)snprintf(path, sizeof(path), "%.*s%s", (int)(store_file_name(s->path) - s->path),
	    s->path, v->file);
	rc = pages_open(&v->pages, path, err);
	if (rc == BL_ENOTFOUND) {
		bl_warn("store", "%s; nothing more is taken over", err->msg);
		v->now.phase = PHASE_DONE;
		return BL_OK;
	}
	if (rc < 0)
		return rc;
	v->n_pages = pages_count(v->pages);
	return BL_OK;
}

/* What comes in must not wait for a file that cannot be read, nor for its names. */
static int
put_off(struct salvage *v, const struct bl_err *why)
{
	bl_error("store", "%s; it is gone on with at the next start", why->msg);
	close_file(v);
	v->put_off = true;
	return 0;
}

int
store_salvage(struct store *s, unsigned pages, struct bl_err *err)
{
	struct salvage *const v = s->salvage;
	struct bl_err why = { 0 };
	int rc;

	if (!store_salvaging(s))
		return 0;
	if ((v->pages == NULL && open_file(s, &why) < 0) ||
	    (v->now.phase != PHASE_DONE && !v->loaded && read_names(v, pages, &why) < 0))
		return put_off(v, &why);
	if (v->now.phase == PHASE_DONE)
		return (rc = write_progress(s, err)) < 0 ? rc : 0;
	/* The names stay in memory when the transaction in which they were read is rolled back. */
	if (v->loaded && v->now.phase == PHASE_NAMES)
		v->now.phase = PHASE_MAPS;
	if (!v->loaded)
		rc = BL_OK;
	else if (v->now.phase == PHASE_MAPS)
		rc = take_maps(s, err);
	else if (v->now.phase == PHASE_PARTS)
		rc = take_parts(s, pages, err);
	else if (v->now.phase == PHASE_BATCHES)
		rc = take_batches(s, pages, err);
	else if (v->now.phase == PHASE_COVER)
		rc = take_covers(s, pages, err);
	else
		rc = take_rest(s, err);
	if (rc >= 0)
		rc = write_progress(s, err);
	return rc < 0 ? rc : v->now.phase != PHASE_DONE;
}
