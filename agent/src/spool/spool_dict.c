/*
 * The dictionary of series and the clock map: append-only, versioned by their
 * number of entries, never trimmed.  New entries wait in memory like samples
 * do and are durable with the next commit.
 */
#include <stdlib.h>
#include <string.h>

#include "spool_internal.h"

/* A step of a wall clock that nobody vouches for is not worth a segment below this. */
#define CLOCK_STEP_MS 20

static struct spool_def *
def_new(uint32_t id, const struct bl_buf *b)
{
	struct spool_def *def = malloc(sizeof(*def) + b->len);

	if (def == NULL)
		return NULL;
	def->next = NULL;
	def->id = id;
	def->hash = hash_bytes(b->data, b->len);
	def->len = b->len;
	memcpy(def->data, b->data, b->len);
	return def;
}

/* Remembers a definition for the life of the process: a replaced spool needs it. */
static int
def_remember(struct spool *s, struct spool_def *def, struct bl_err *err)
{
	if (def->id >= s->defs_size) {
		const size_t size = def->id + 64;
		struct spool_def **more = realloc(s->defs, size * sizeof(*more));

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "spool: series: out of memory");
		memset(more + s->defs_size, 0, (size - s->defs_size) * sizeof(*more));
		s->defs = more;
		s->defs_size = size;
	}
	s->defs[def->id] = def;
	return BL_OK;
}

/* 0: not in the file. */
static int
find_in_file(
    struct spool *s, int64_t hash, const struct bl_buf *b, uint32_t *id, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*id = 0;
	if ((st = db_select(s, Q_DICT_FIND, err, "i", hash)) == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1 && *id == 0)
		if ((size_t)sqlite3_column_bytes(st, 1) == b->len &&
		    memcmp(sqlite3_column_blob(st, 1), b->data, b->len) == 0)
			*id = (uint32_t)sqlite3_column_int64(st, 0);
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

static uint32_t
find_pending(const struct spool *s, int64_t hash, const struct bl_buf *b)
{
	for (const struct spool_def *def = s->p.defs; def != NULL; def = def->next)
		if (def->hash == hash && def->len == b->len &&
		    memcmp(def->data, b->data, b->len) == 0)
			return def->id;
	return 0;
}

/*
 * The last entry that has an id, written or waiting.  Counted from the first that waits: while a
 * commit is in doubt, d counts what of them may be in the file as well.
 */
int64_t
dict_last(const struct spool *s)
{
	return (s->p.n_defs > 0 ? (int64_t)s->p.defs->id - 1 : s->d.dict) + s->p.n_defs;
}

static int
series_of_buf(struct spool *s, const struct bl_buf *b, uint32_t *id, struct bl_err *err)
{
	const int64_t hash = hash_bytes(b->data, b->len);
	struct spool_def *def;
	bool added = false;
	int rc;

	if ((*id = find_pending(s, hash, b)) != 0)
		return BL_OK;
	if ((rc = find_in_file(s, hash, b, id, err)) < 0)
		return rc;
	if (*id == 0) {
		if (dict_last(s) >= BL_DICT_ENTRIES_MAX)
			return bl_fail(err, BL_EFULL,
			    "spool %s: the dictionary is full (%u series)", s->path,
			    BL_DICT_ENTRIES_MAX);
		*id = (uint32_t)(dict_last(s) + 1);
		added = true;
	}
	if (*id < s->defs_size && s->defs[*id] != NULL)
		return BL_OK;
	if ((def = def_new(*id, b)) == NULL)
		return bl_fail(err, BL_ENOMEM, "spool: series: out of memory");
	if ((rc = def_remember(s, def, err)) < 0) {
		free(def);
		return rc;
	}
	if (added) {
		*s->p.defs_tail = def;
		s->p.defs_tail = &def->next;
		s->p.n_defs++;
	}
	return BL_OK;
}

int
spool_series(struct spool *s, const struct bl_series_def *def, uint32_t *id, struct bl_err *err)
{
	struct bl_err local = { 0 };
	struct bl_buf b;
	int rc;

	*id = 0;
	if (err == NULL)
		err = &local;
	bl_buf_init(&b, 8192);
	if ((rc = def_encode(def, &b, err)) == BL_OK)
		rc = series_of_buf(s, &b, id, err);
	bl_buf_free(&b);
	return rc;
}

void
defs_free(struct spool *s)
{
	for (size_t i = 0; i < s->defs_size; i++)
		free(s->defs[i]);
	free(s->defs);
	s->defs = NULL;
	s->defs_size = 0;
}

/* ---- a replaced spool ---- */

struct renumber {
	uint32_t *to;
	size_t size;
};

static uint32_t
renumber_id(void *ctx, uint32_t id)
{
	const struct renumber *r = ctx;

	return id < r->size ? r->to[id] : 0;
}

/*
 * The new file has an empty dictionary.  Every definition of this process is
 * declared anew, and what waits gets the new ids.  Holders of ids ask again.
 */
int
pending_renumber(struct spool *s, struct bl_err *err)
{
	struct spool_def **old = s->defs;
	const size_t n = s->defs_size;
	struct renumber r = { calloc(n > 0 ? n : 1, sizeof(uint32_t)), n };
	int rc = BL_OK;

	if (r.to == NULL)
		return bl_fail(err, BL_ENOMEM, "spool: replace: out of memory");
	s->defs = NULL;
	s->defs_size = 0;
	s->p.defs = NULL;
	s->p.defs_tail = &s->p.defs;
	s->p.n_defs = 0;
	for (size_t i = 0; i < n; i++) {
		struct bl_buf b;

		if (old[i] == NULL)
			continue;
		bl_buf_init(&b, 8192);
		bl_buf_bytes(&b, old[i]->data, old[i]->len);
		if (b.failed)
			rc = bl_fail(err, BL_ENOMEM, "spool: replace: out of memory");
		else if (rc == BL_OK)
			rc = series_of_buf(s, &b, &r.to[i], err);
		bl_buf_free(&b);
		free(old[i]);
	}
	free(old);
	for (struct spool_row **at = &s->p.head; *at != NULL; at = &(*at)->next) {
		struct spool_row *row = *at, *fresh;

		if (row->kind != ROW_TICK || (fresh = row_renumber(row, renumber_id, &r)) == NULL)
			continue;
		s->p.bytes += fresh->len;
		s->p.bytes -= row->len;
		fresh->next = row->next;
		if (s->p.tail == &row->next)
			s->p.tail = &fresh->next;
		*at = fresh;
		free(row);
	}
	free(r.to);
	return rc;
}

/* ---- clock map ---- */

static void
clock_read_row(sqlite3_stmt *st, struct bl_clock_segment *c)
{
	c->id = (uint32_t)sqlite3_column_int64(st, 0);
	c->boot = db_column_id(st, 1);
	c->from_boot_ms = sqlite3_column_int64(st, 2);
	c->offset_ms = sqlite3_column_int64(st, 3);
	c->uncertainty_ms = (uint32_t)sqlite3_column_int64(st, 4);
	c->source = (enum bl_clock_source)sqlite3_column_int(st, 5);
}

/* The newest segment of a boot, waiting ones included.  1, 0 or negative. */
static int
clock_last(
    struct spool *s, const struct bl_id *boot, struct bl_clock_segment *c, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	for (unsigned i = s->p.n_clocks; i > 0; i--)
		if (bl_id_equal(&s->p.clock[i - 1].boot, boot)) {
			*c = s->p.clock[i - 1];
			return 1;
		}
	if ((st = db_select(s, Q_CLOCK_OF_BOOT, err, "d", boot)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1)
		clock_read_row(st, c);
	db_done(st);
	return rc;
}

static bool
says_nothing_new(const struct bl_clock_segment *last, const struct bl_clock_segment *seg)
{
	/* Who knew the time knows better than a wall clock that nobody vouches for. */
	if (last->source != BL_CLOCK_UNTRUSTED && seg->source == BL_CLOCK_UNTRUSTED)
		return true;
	if (last->source == BL_CLOCK_UNTRUSTED && seg->source == BL_CLOCK_UNTRUSTED)
		return llabs(last->offset_ms - seg->offset_ms) <= CLOCK_STEP_MS;
	return last->source == seg->source && last->offset_ms == seg->offset_ms &&
	       last->uncertainty_ms == seg->uncertainty_ms &&
	       last->from_boot_ms <= seg->from_boot_ms;
}

int
clock_add(struct spool *s, const struct bl_clock_segment *seg, struct bl_err *err)
{
	/* As dict_last. */
	const int64_t last =
	    (s->p.n_clocks > 0 ? (int64_t)s->p.clock[0].id - 1 : s->d.clock) + s->p.n_clocks;

	if (last >= BL_CLOCK_SEGMENTS_MAX || s->p.n_clocks == SPOOL_PENDING_CLOCKS)
		return bl_fail(err, BL_EFULL, "spool %s: the clock map is full", s->path);
	s->p.clock[s->p.n_clocks] = *seg;
	s->p.clock[s->p.n_clocks].id = (uint32_t)(last + 1);
	s->p.n_clocks++;
	return BL_OK;
}

int
spool_clock(struct spool *s, const struct bl_clock_segment *seg, struct bl_err *err)
{
	struct bl_err local = { 0 };
	struct bl_clock_segment last;
	bool first;
	int rc;

	if (err == NULL)
		err = &local;
	if (bl_id_is_zero(&seg->boot) || seg->source < BL_CLOCK_UNTRUSTED ||
	    seg->source > BL_CLOCK_CENTRE)
		return bl_fail(err, BL_EINVAL, "spool: clock: no boot id, or no such source");
	if ((rc = clock_last(s, &seg->boot, &last, err)) < 0)
		return rc;
	if (rc == 1 && says_nothing_new(&last, seg))
		return BL_OK;
	first = seg->source != BL_CLOCK_UNTRUSTED && (rc == 0 || last.source == BL_CLOCK_UNTRUSTED);
	/* Boots that never knew the time; only the present one can say more of them. */
	if (first && bl_id_equal(&seg->boot, &s->boot) &&
	    (rc = boots_tell(s, seg, rc == 1 ? &last : NULL, err)) < 0)
		return rc;
	return clock_add(s, seg, err);
}

int
spool_clock_newest(
    struct spool *s, const struct bl_id *boot, struct bl_clock_segment *out, struct bl_err *err)
{
	return clock_last(s, boot, out, err);
}

/* Up to max segments from id on.  How many, or negative. */
int
clock_read(
    struct spool *s, uint32_t from, struct bl_clock_segment *out, unsigned max, struct bl_err *err)
{
	sqlite3_stmt *st;
	unsigned n = 0;
	int rc = 0;

	if ((st = db_select(s, Q_CLOCK_READ, err, "i", (int64_t)from)) == NULL)
		return err != NULL ? err->code : BL_EIO;
	while (n < max && (rc = db_step(s, st, err)) == 1)
		clock_read_row(st, &out[n++]);
	db_done(st);
	return rc < 0 ? rc : (int)n;
}

int
clock_newest_first(struct spool *s, struct bl_clock_segment *out, unsigned max, struct bl_err *err)
{
	sqlite3_stmt *st;
	unsigned n = 0;
	int rc = 0;

	if ((st = db_select(s, Q_CLOCK_NEWEST, err, "")) == NULL)
		return err->code;
	while (n < max && (rc = db_step(s, st, err)) == 1)
		clock_read_row(st, &out[n++]);
	db_done(st);
	return rc < 0 ? rc : (int)n;
}

int
clock_of_boot(struct spool *s, const struct bl_id *boot, struct bl_clock_segment *out, unsigned max,
    struct bl_err *err)
{
	sqlite3_stmt *st;
	unsigned n = 0;
	int rc = 0;

	if ((st = db_select(s, Q_CLOCK_OF_BOOT, err, "d", boot)) == NULL)
		return err != NULL ? err->code : BL_EIO;
	while (n < max && (rc = db_step(s, st, err)) == 1)
		clock_read_row(st, &out[n++]);
	db_done(st);
	/* Newest first in the file's index; a map ascends. */
	for (unsigned i = 0; i < n / 2; i++) {
		const struct bl_clock_segment c = out[i];

		out[i] = out[n - 1 - i];
		out[n - 1 - i] = c;
	}
	return rc < 0 ? rc : (int)n;
}
