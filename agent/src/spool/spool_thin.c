/*
 * Thinning: when the cap presses, samples that never left become means.
 *
 * Of each series the known samples of one window (5 min, then 1 h, by boot time)
 * become one: mean (of a counter the last value), least, largest and how many,
 * at the time of the last of them.  A run of a probe that failed stays as it was,
 * all its series, and so does what is alone in its window.  The new batch has a
 * seq of its own and supersedes those that it was made of; the ledger says of
 * their seqs how many accepted samples are not there one by one any more.
 *
 * Only of batches that were never offered, nor their content under another seq:
 * the centre would take raw ones and means for two things.  One slice is one
 * transaction of few batches, so that log, memory and time stay small.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

#define GROUP_MOST  16
#define GROUP_BYTES (96 * 1024) /* of messages that one slice takes in */

struct level {
	enum bl_stream stream;
	int flag;      /* what comes of it */
	int not_flags; /* and what has one of these is not for it */
	int64_t window_ms;
};

static const struct level levels[] = {
	{ BL_STREAM_HOST, BATCH_THIN_5MIN, BATCH_THIN_5MIN | BATCH_THIN_1H, 300 * 1000 },
	{ BL_STREAM_HOST, BATCH_THIN_1H, BATCH_THIN_1H, 3600 * 1000 },
	{ BL_STREAM_PROBES, BATCH_THIN_5MIN, BATCH_THIN_5MIN | BATCH_THIN_1H, 300 * 1000 },
	{ BL_STREAM_PROBES, BATCH_THIN_1H, BATCH_THIN_1H, 3600 * 1000 },
};

struct group {
	const struct level *level;
	unsigned n;
	struct {
		int64_t id, bytes;
		uint32_t crc;
	} in[GROUP_MOST];
	int64_t bytes;
	struct bl_id boot;
	int64_t begin_ms, end_ms, first_end_ms;
};

/* What is known of a series. */
struct series {
	bool counter;
	bool up;     /* it says whether a probe's run failed */
	int64_t key; /* of its labels: which probe */
};

/* One series' window that is still open. */
struct window {
	int64_t at, last_ms;
	double sum, min, max, last;
	uint32_t known;   /* samples that it stands for */
	uint32_t entries; /* that came in for it, known or not */
	uint32_t ones;    /* of them one by one */
	uint8_t unknown;  /* why the last one was */
};

struct failed_run {
	int64_t key, ms;
};

struct thinner {
	const struct level *level;
	struct bl_batch_enc *enc;
	uint32_t n_series;
	struct series *series;
	struct window *window;
	struct failed_run *failed; /* of the batch in work */
	size_t n_failed, size_failed;
	int64_t gone;  /* samples that were there one by one */
	int64_t kept;  /* and those that are */
	int64_t fewer; /* than there were, of either kind */
};

/* ---- which batches ---- */

/* True: it goes with what the group has. */
static bool
joins(const struct group *g, sqlite3_stmt *st)
{
	const struct bl_id boot = db_column_id(st, 1);

	return g->n == 0 ||
	       (g->n < GROUP_MOST && g->in[g->n - 1].id + 1 == sqlite3_column_int64(st, 0) &&
		   g->bytes + sqlite3_column_int64(st, 7) <= GROUP_BYTES &&
		   g->end_ms == sqlite3_column_int64(st, 2) && bl_id_equal(&g->boot, &boot));
}

static void
join(struct group *g, sqlite3_stmt *st)
{
	if (g->n == 0) {
		g->boot = db_column_id(st, 1);
		g->begin_ms = sqlite3_column_int64(st, 2);
		g->first_end_ms = sqlite3_column_int64(st, 3);
	}
	g->in[g->n].id = sqlite3_column_int64(st, 0);
	g->in[g->n].bytes = sqlite3_column_int64(st, 7);
	g->in[g->n].crc = (uint32_t)sqlite3_column_int64(st, 8);
	g->bytes += g->in[g->n].bytes;
	g->end_ms = sqlite3_column_int64(st, 3);
	g->n++;
}

/* Never left, not thinned so far, and nothing in it but samples. */
static bool
is_for(const struct spool *s, const struct level *level, sqlite3_stmt *st)
{
	return (sqlite3_column_int(st, 9) & (BATCH_OFFERED | BATCH_ELSEWHERE | level->not_flags)) ==
		   0 &&
	       sqlite3_column_int64(st, 5) == 0 && sqlite3_column_int64(st, 6) == 0 &&
	       !outstanding_has(s, sqlite3_column_int64(st, 0));
}

/* The oldest of a stream that are neighbours. */
static int
find_group(struct spool *s, const struct level *level, struct group *g, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	memset(g, 0, sizeof(*g));
	g->level = level;
	st = db_select(s, Q_WAITING_UP, err, "ii", batch_id(s->d.gen, level->stream, 0),
	    batch_id(s->d.gen, level->stream, UINT64_MAX));
	if (st == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1) {
		const bool one = is_for(s, level, st);

		if (one && joins(g, st))
			join(g, st);
		else if (g->n > 0)
			break;
	}
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

/* ---- what the series are ---- */

static bool
says_up(const struct bl_series_def *def)
{
	static const char name[] = "probe_up";

	return def->stream == BL_STREAM_PROBES && def->name.len == sizeof(name) - 1 &&
	       memcmp(def->name.p, name, sizeof(name) - 1) == 0;
}

static int64_t
key_of(const struct bl_series_def *def)
{
	uint64_t key = 0;

	for (uint32_t i = 0; i < def->n_labels; i++)
		key = key * 31 +
		      (uint64_t)hash_bytes(def->label[i].key.p, def->label[i].key.len) * 7 +
		      (uint64_t)hash_bytes(def->label[i].value.p, def->label[i].value.len);
	return (int64_t)(key >> 1);
}

static int
read_series(struct spool *s, struct thinner *t, struct bl_err *err)
{
	struct bl_series_def def;
	sqlite3_stmt *st;
	int rc;

	t->n_series = (uint32_t)s->d.dict;
	t->series = calloc(t->n_series + 1u, sizeof(*t->series));
	t->window = calloc(t->n_series + 1u, sizeof(*t->window));
	t->enc = bl_batch_enc_create();
	if (t->series == NULL || t->window == NULL || t->enc == NULL)
		return bl_fail(err, BL_ENOMEM, "thin: out of memory");
	if ((st = db_select(s, Q_DICT_READ, err, "i", INT64_C(1))) == NULL)
		return err->code;
	while ((rc = db_step(s, st, err)) == 1) {
		const int64_t id = sqlite3_column_int64(st, 0);

		if (id > t->n_series || def_decode(sqlite3_column_blob(st, 1),
					    (size_t)sqlite3_column_bytes(st, 1), &def) < 0)
			continue;
		t->series[id] =
		    (struct series){ def.kind == BL_COUNTER, says_up(&def), key_of(&def) };
	}
	db_done(st);
	return rc;
}

static void
thinner_free(struct thinner *t)
{
	free(t->series);
	free(t->window);
	free(t->failed);
	bl_batch_enc_free(t->enc);
}

/* ---- runs that failed ---- */

static int
failed_add(struct thinner *t, int64_t key, int64_t ms, struct bl_err *err)
{
	if (t->n_failed == t->size_failed) {
		const size_t size = t->size_failed == 0 ? 64 : t->size_failed * 2;
		struct failed_run *more = realloc(t->failed, size * sizeof(*more));

		if (more == NULL)
			return bl_fail(err, BL_ENOMEM, "thin: out of memory");
		t->failed = more;
		t->size_failed = size;
	}
	t->failed[t->n_failed++] = (struct failed_run){ key, ms };
	return BL_OK;
}

static int
note_failed(void *ctx, const struct content_column *c, struct bl_err *err)
{
	struct thinner *t = ctx;
	int rc = BL_OK;

	if (c->series_id > t->n_series || !t->series[c->series_id].up)
		return BL_OK;
	for (uint32_t i = 0; i < c->n && rc == BL_OK; i++)
		if (content_count(c, i) == 0 || (content_count(c, i) == 1 && c->value[i] == 0))
			rc = failed_add(t, t->series[c->series_id].key, c->ms[i], err);
	return rc;
}

static int
by_run(const void *a, const void *b)
{
	const struct failed_run *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->ms > y->ms) - (x->ms < y->ms);
}

static bool
has_failed(const struct thinner *t, const struct series *series, int64_t ms)
{
	const struct failed_run run = { series->key, ms };

	return t->n_failed > 0 &&
	       bsearch(&run, t->failed, t->n_failed, sizeof(run), by_run) != NULL;
}

/* ---- windows ---- */

/* Of a counter the last one; so it is where a sum of doubles overflows. */
static double
value_of(const struct window *w, bool counter)
{
	const double mean = w->sum / w->known;

	return counter || !isfinite(mean) ? w->last : bl_thin_round(mean, w->min, w->max);
}

/* The mean of several, or the one that there was. */
static int
window_close(struct thinner *t, uint32_t id)
{
	struct window *w = &t->window[id];
	const struct bl_thin thin = { w->min, w->max, w->known };
	int rc = BL_OK;

	if (w->entries > 0 && w->known > 1) {
		rc = bl_batch_enc_thin(
		    t->enc, id, w->last_ms, value_of(w, t->series[id].counter), &thin);
		t->gone += w->ones;
	} else if (w->entries > 0) {
		rc = bl_batch_enc_sample(t->enc, id, w->last_ms, w->last,
		    w->known > 0 ? BL_KNOWN : (enum bl_unknown)w->unknown);
		t->gone += w->ones - 1;
		t->kept++;
	}
	t->fewer += w->entries > 0 ? w->entries - 1 : 0;
	w->entries = w->known = w->ones = 0;
	return rc;
}

static void
window_add(struct window *w, const struct content_column *c, uint32_t i)
{
	const uint32_t count = content_count(c, i);
	const double v = c->value[i];

	w->entries++;
	w->ones += count <= 1;
	if (count == 0) {
		w->unknown = c->unknown[i];
		if (w->known == 0)
			w->last_ms = c->ms[i];
		return;
	}
	if (w->known == 0) {
		w->sum = 0;
		w->min = w->max = v;
	}
	if (count > 1) {
		w->min = c->thin[i].min < w->min || w->known == 0 ? c->thin[i].min : w->min;
		w->max = c->thin[i].max > w->max || w->known == 0 ? c->thin[i].max : w->max;
	} else {
		w->min = v < w->min ? v : w->min;
		w->max = v > w->max ? v : w->max;
	}
	w->sum += v * count;
	w->known += count;
	w->last = v;
	w->last_ms = c->ms[i];
}

static int64_t
window_of(const struct thinner *t, int64_t ms)
{
	const int64_t w = t->level->window_ms;

	return ms >= 0 ? ms / w : -((w - 1 - ms) / w);
}

static int
thin_column(void *ctx, const struct content_column *c, struct bl_err *err)
{
	struct thinner *t = ctx;
	struct window *w;
	int rc = BL_OK;

	if (c->series_id > t->n_series)
		return bl_fail(err, BL_ECORRUPT, "thin: series %u is not known", c->series_id);
	w = &t->window[c->series_id];
	for (uint32_t i = 0; i < c->n && rc == BL_OK; i++) {
		const int64_t at = window_of(t, c->ms[i]);
		const bool raw =
		    content_count(c, i) <= 1 && has_failed(t, &t->series[c->series_id], c->ms[i]);

		if (raw || w->at != at || w->known > BL_THIN_COUNT_MAX / 2)
			rc = window_close(t, c->series_id);
		w->at = at;
		if (rc == BL_OK && raw) {
			rc = content_put(t->enc, c, i, c->series_id);
			t->kept++;
		} else {
			window_add(w, c, i);
		}
	}
	return rc < 0 ? bl_fail(err, rc, "thin: %s", bl_code_name(rc)) : BL_OK;
}

/* ---- a group ---- */

static int
feed_content(struct thinner *t, const struct content *c, struct bl_err *err)
{
	struct bl_batch_reader r;
	int rc = BL_OK;

	t->n_failed = 0;
	if (t->level->stream == BL_STREAM_PROBES) {
		if ((rc = bl_batch_reader_init(&r, &c->h, c->raw.data, c->raw.len, err)) < 0 ||
		    (rc = content_columns(&r, note_failed, t, err)) < 0)
			return rc;
		if (t->n_failed > 0)
			qsort(t->failed, t->n_failed, sizeof(*t->failed), by_run);
	}
	if ((rc = bl_batch_reader_init(&r, &c->h, c->raw.data, c->raw.len, err)) < 0)
		return rc;
	return content_columns(&r, thin_column, t, err);
}

/* 1: all of it is in the encoder; 0: a batch was damaged, was named, and is gone. */
static int
feed_group(struct spool *s, const struct group *g, struct thinner *t, struct bl_err *err)
{
	int rc = 1;

	for (unsigned i = 0; i < g->n && rc == 1; i++) {
		struct content c;

		if ((rc = content_load(s, g->in[i].id, g->in[i].crc, &c, err)) != 1)
			return rc;
		rc = feed_content(t, &c, err);
		content_free(&c);
		rc = rc < 0 ? rc : 1;
	}
	for (uint32_t id = 1; id <= t->n_series && rc == 1; id++)
		if (window_close(t, id) < 0)
			rc = bl_fail(err, BL_ENOMEM, "thin: out of memory");
	return rc;
}

static int
name_thinned(struct spool *s, const struct group *g, const struct thinner *t, struct bl_err *err)
{
	const struct bl_gap gap = {
		.reason = BL_GAP_THINNED,
		.stream = g->level->stream,
		.seq_first = batch_seq(g->in[0].id),
		.seq_last = batch_seq(g->in[g->n - 1].id),
		.begin_boot = g->boot,
		.begin_boot_ms = g->begin_ms,
		.end_boot = g->boot,
		.end_boot_ms = g->end_ms,
		.samples = (uint64_t)t->gone,
	};

	/* Told also when nothing more is gone (means of means): until then the seqs are holes
	 * there. */
	return ledger_add(s, &gap, err);
}

static int
replace(struct spool *s, const struct group *g, const struct thinner *t,
    const struct bl_batch_header *h, const struct bl_buf *msg, struct bl_err *err)
{
	int rc;

	if ((rc = txn_begin_for(s, g->bytes + (int64_t)msg->len, err)) < 0)
		return rc;
	/* Room first: the file may be at its cap. */
	for (unsigned i = 0; i < g->n && rc == BL_OK; i++)
		rc = batch_delete(s, g->in[i].id, true, g->in[i].bytes, err);
	if (rc == BL_OK)
		rc = batch_insert(
		    s, batch_id(s->d.gen, h->stream, h->seq), h, g->level->flag, t->kept, msg, err);
	(void)bl_fault_hit("spool.thinning");
	if (rc < 0 || (rc = name_thinned(s, g, t, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	s->d.stream[stream_index(h->stream)].next_seq++;
	rc = txn_commit(s, err);
	(void)bl_fault_hit("spool.thinned");
	return rc;
}

/* It would hardly be smaller: it stays, and is not looked at again. */
static int
leave_as_is(struct spool *s, const struct group *g, struct bl_err *err)
{
	int rc;

	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < g->n && rc == BL_OK; i++)
		rc = db_run(s, Q_BATCH_FLAGS, err, "ii", g->in[i].id, (int64_t)g->level->flag);
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

static int
finish(struct spool *s, const struct group *g, struct thinner *t, struct bl_err *err)
{
	const uint64_t seq = (uint64_t)s->d.stream[stream_index(g->level->stream)].next_seq;
	struct bl_batch_header h = {
		.spool = s->d.spool,
		.boot = g->boot,
		.stream = g->level->stream,
		.kind = BL_BATCH_SUPERSEDES,
		.seq = seq,
		.next_seq = seq + 1,
		.lowest_held = seq,
		.collect_begin_ms = g->begin_ms,
		.collect_end_ms = g->end_ms,
		.supersedes_first = batch_seq(g->in[0].id),
		.supersedes_last = batch_seq(g->in[g->n - 1].id),
	};
	struct bl_buf msg;
	int rc;

	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	rc = bl_batch_enc_finish(t->enc, &h, &msg, err);
	if (rc == BL_EFULL || t->fewer == 0 || (rc == BL_OK && (int64_t)msg.len * 8 > g->bytes * 7))
		rc = leave_as_is(s, g, err);
	else if (rc == BL_OK)
		rc = replace(s, g, t, &h, &msg, err);
	bl_buf_free(&msg);
	return rc;
}

static int
thin_group(struct spool *s, const struct group *g, struct bl_err *err)
{
	struct thinner t = { .level = g->level };
	int rc;

	if ((rc = read_series(s, &t, err)) == BL_OK && (rc = feed_group(s, g, &t, err)) == 1)
		rc = finish(s, g, &t, err);
	thinner_free(&t);
	return rc;
}

/* All of it, or as much as one batch can hold. */
static int
thin_some(struct spool *s, struct group *g, struct bl_err *err)
{
	int rc = thin_group(s, g, err);

	if (rc != BL_EFULL || g->n == 1)
		return rc;
	g->n = 1;
	g->bytes = g->in[0].bytes;
	g->end_ms = g->first_end_ms;
	return thin_group(s, g, err);
}

int
thin_slice(struct spool *s, unsigned *n, struct bl_err *err)
{
	struct group g;
	int rc;

	*n = 0;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if ((rc = find_group(s, &levels[i], &g, err)) < 0)
			return rc;
		if (g.n == 0)
			continue;
		if ((rc = thin_some(s, &g, err)) == BL_OK)
			*n = g.n;
		return rc;
	}
	return BL_OK;
}
