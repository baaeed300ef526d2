/*
 * Values, wherever they are: in batches of the store, in what was set aside, on disks.
 */
#include "sim_oracle.h"

#include <math.h>
#include <string.h>

#define COLUMN_MAX 4096u

void
judge_wrong(struct judge *j, const char *what, unsigned machine, unsigned stream, unsigned n)
{
	const struct sim_source *src = &j->w->machine[machine].source[stream];

	sim_fail(j->w, "%s: machine %u stream %u sample %u of %u, made at %.3f s", what, machine,
	    stream + 1, n, src->n, (double)(src->s[n].at - j->w->begin) / 1000.0);
}

/* Two lives under one identity, or a disk of another device: conflicts are kept apart. */
bool
judge_two_lives(const struct sim *w)
{
	return w->acts[ACT_CLONE] + w->acts[ACT_FREEZE] + w->acts[ACT_RENAME] > 0;
}

/* ---- reading a database ---- */

sqlite3_stmt *
judge_query(struct judge *j, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		sim_fail(j->w, "%s: %s", sql, sqlite3_errmsg(db));
	return st;
}

bool
judge_row(struct judge *j, sqlite3_stmt *st)
{
	const int rc = st != NULL ? sqlite3_step(st) : SQLITE_DONE;

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		sim_fail(j->w, "the store cannot be read: %s", sqlite3_errstr(rc));
	if (rc != SQLITE_ROW)
		(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW;
}

struct bl_id
judge_column_id(sqlite3_stmt *st, int i)
{
	struct bl_id id = { { 0 } };

	if (sqlite3_column_bytes(st, i) == BL_ID_BYTES)
		memcpy(id.b, sqlite3_column_blob(st, i), BL_ID_BYTES);
	return id;
}

/* ---- batches, wherever they are ---- */

void
judge_mark(struct sim_sample *s, enum where where)
{
	s->aside |= where == IN_ASIDE || where == IN_CONFLICT;
	s->conflict |= where == IN_CONFLICT;
	s->held |= where == ON_DISK;
	s->exposed |= where == EXPOSED;
	s->was_stored |= where == WAS_STORED;
	s->copied |= where == COPIED;
}

/* A batch that was found. */
struct found {
	enum where where;
	const struct bl_batch_header *h;
	const int8_t *dict; /* names of its spool's series; NULL: not known */
	int64_t spool, batch;
};

static void
note_row(struct sim_sample *s, int64_t batch)
{
	if (batch == 0 || s->batch[0] == batch || s->batch[1] == batch)
		return;
	s->more_batches |= s->batch[1] != 0;
	s->batch[1] = batch > s->batch[0] ? batch : s->batch[0];
	s->batch[0] = batch > s->batch[0] && s->batch[0] != 0 ? s->batch[0] : batch;
	if (s->batch[0] == s->batch[1])
		s->batch[1] = 0;
}

static void
note(struct judge *j, const struct found *f, double value, int64_t boot_ms, int series)
{
	const int64_t at = machine_true_time(j->w, &f->h->boot, boot_ms, NULL);
	const unsigned stream = (unsigned)f->h->stream - 1;
	unsigned machine, k, n;
	struct sim_sample *s;

	if (!sim_value_parse(value, &machine, &k, &n) || machine >= j->w->n_machines ||
	    k / 4 != stream || k % 4 >= SIM_SERIES || n == 0 ||
	    n > j->w->machine[machine].source[stream].n) {
		sim_fail(j->w, "a value that nobody made: %.17g", value);
		return;
	}
	s = &j->w->machine[machine].source[stream].s[n];
	judge_mark(s, f->where);
	if (f->where != IN_STORE)
		return;
	if (s->at != at)
		judge_wrong(j, "wrong time", machine, stream, n);
	if (series >= 0 && (unsigned)series != k)
		judge_wrong(j, "wrong series", machine, stream, n);
	if (j->reading) {
		if (s->read[k % 4] < UINT8_MAX)
			s->read[k % 4]++;
		return;
	}
	note_row(s, f->batch);
	if (s->stored[k % 4] < UINT8_MAX)
		s->stored[k % 4]++;
	j->any_twice |= s->stored[k % 4] == 2;
	judge_place(j, f->spool, &f->h->boot, boot_ms, at);
}

/*
 * A thinned sample stands for those from its minimum to its maximum: values rise with their
 * numbers.  What was not accepted in between may be among them or not.
 */
static void
note_thin(struct judge *j, const struct found *f, double value, int64_t boot_ms, int series,
    const struct bl_thin *thin)
{
	const unsigned stream = (unsigned)f->h->stream - 1;
	unsigned machine, k, lo, hi, k_hi, machine_hi, accepted = 0;
	struct sim_sample *s;
	double sum = 0;

	if (!sim_value_parse(thin->min, &machine, &k, &lo) ||
	    !sim_value_parse(thin->max, &machine_hi, &k_hi, &hi) || machine_hi != machine ||
	    k_hi != k || machine >= j->w->n_machines || k / 4 != stream || lo == 0 || lo > hi ||
	    hi > j->w->machine[machine].source[stream].n) {
		sim_fail(j->w, "a thinned sample of values that nobody made: %.17g .. %.17g",
		    thin->min, thin->max);
		return;
	}
	s = j->w->machine[machine].source[stream].s;
	for (unsigned n = lo; n <= hi; n++) {
		if (s[n].state == SIM_ACCEPTED || thin->count == hi - lo + 1) {
			accepted++;
			sum += sim_value(machine, k, n);
			judge_mark(&s[n], f->where);
			if (f->where == IN_STORE && s[n].thinned[k % 4] < UINT8_MAX)
				s[n].thinned[k % 4]++;
		}
	}
	if (f->where != IN_STORE)
		return;
	if (thin->count < accepted || thin->count > hi - lo + 1)
		judge_wrong(j, "a thinned sample counts wrongly", machine, stream, hi);
	if (thin->count == accepted && fabs(value - sum / accepted) > 0.01)
		judge_wrong(j, "a thinned sample has another mean", machine, stream, hi);
	if (s[hi].at != machine_true_time(j->w, &f->h->boot, boot_ms, NULL))
		judge_wrong(j, "a thinned sample has a wrong time", machine, stream, hi);
	if (series >= 0 && (unsigned)series != k)
		judge_wrong(j, "wrong series", machine, stream, hi);
	j->w->acts[ACT_THIN]++;
}

void
judge_stored(struct judge *j, const struct bl_id *boot, enum bl_stream stream, double value,
    int64_t boot_ms, int series, const struct bl_thin *thin)
{
	const struct bl_batch_header h = { .boot = *boot, .stream = stream };
	/* Whose spool it was nobody knows any more: no clock map to compare with. */
	const struct found f = { .where = IN_STORE, .h = &h, .spool = SPOOLS_MAX - 1 };

	if (thin->count > 1 && j->reading)
		return;
	if (thin->count > 1)
		note_thin(j, &f, value, boot_ms, series, thin);
	else
		note(j, &f, value, boot_ms, series);
}

static void
note_column(struct judge *j, const struct found *f, struct bl_batch_reader *rd,
    const struct bl_column *c, int series)
{
	static struct bl_thin thin[COLUMN_MAX];
	static int64_t ms[COLUMN_MAX];
	static double value[COLUMN_MAX];
	struct bl_err err = { 0 };

	if (c->n > COLUMN_MAX || bl_column_decode(rd, c, ms, value, NULL, &err) < 0 ||
	    bl_column_thin(rd, c, value, NULL, thin, &err) < 0) {
		sim_fail(j->w, "a column does not decode: %s", err.msg);
		return;
	}
	for (uint32_t i = 0; i < c->n; i++)
		if (thin[i].count > 1)
			note_thin(j, f, value[i], ms[i], series, &thin[i]);
		else
			note(j, f, value[i], ms[i], series);
}

static void
note_columns(struct judge *j, const struct found *f, struct bl_batch_reader *rd)
{
	struct bl_err err = { 0 };
	struct bl_column c;
	int rc;

	while ((rc = bl_batch_next_column(rd, &c, &err)) == 1) {
		const int series =
		    f->dict == NULL || c.series_id >= ENTRIES_MAX ? -1 : f->dict[c.series_id];

		if (f->dict != NULL && series < 0)
			sim_fail(j->w, "series %u of a spool has no name", c.series_id);
		note_column(j, f, rd, &c, series);
	}
	if (rc < 0)
		sim_fail(j->w, "a batch does not decode: %s", err.msg);
}

/* Nobody has told its boot the time: no reader asks by a time that it does not have. */
static bool
is_placed(const struct judge *j, const struct found *f)
{
	const size_t first = j->segments_of[f->spool].first, n = j->segments_of[f->spool].n;
	uint32_t uncertainty_ms;
	int64_t unix_ms;

	return n > 0 && bl_clock_place(&j->segment[first], n, &f->h->boot, f->h->event_begin_ms,
			    &unix_ms, &uncertainty_ms);
}

static void
note_batch(struct judge *j, const struct found *f, const void *body, size_t len)
{
	struct bl_batch_reader rd;
	struct bl_event ev;
	struct bl_err err = { 0 };

	if (bl_batch_inflate(f->h, body, len, &j->raw, &err) < 0 ||
	    bl_batch_reader_init(&rd, f->h, j->raw.data, j->raw.len, &err) < 0) {
		sim_fail(j->w, "a batch does not inflate: %s", err.msg);
		return;
	}
	/* What of these is in parts may be here as well: readers tell. */
	if (j->w->sc.pack_ms == 0 || f->where != IN_STORE || !is_placed(j, f))
		note_columns(j, f, &rd);
	while (bl_batch_next_event(&rd, &ev, &err) == 1)
		if (ev.n_attrs > 0 && ev.attr[0].type == BL_ATTR_NUMBER)
			note(j, f, ev.attr[0].number, ev.boot_ms, -1);
}

struct judged {
	struct judge *j;
	enum where where;
};

static void
judge_one(void *ctx, const void *msg, size_t len)
{
	const struct judged *to = ctx;
	struct bl_batch_header h;
	const struct found f = { .where = to->where, .h = &h };
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t body_len;

	if (bl_batch_header_decode(msg, len, &h, &body, &body_len, &err) == BL_OK)
		note_batch(to->j, &f, body, body_len);
}

void
judge_message(struct judge *j, enum where where, const void *msg, size_t len)
{
	struct judged to = { j, where };

	sim_each_batch(msg, len, judge_one, &to);
}

/* ---- the store ---- */

void
judge_dict(struct judge *j)
{
	sqlite3_stmt *st = judge_query(j, j->db,
	    "SELECT d.spool_id, d.entry, s.labels, s.name FROM dict d JOIN series s ON"
	    " s.id=d.series_id");

	memset(j->series, -1, sizeof(j->series));
	while (judge_row(j, st)) {
		const int64_t spool = sqlite3_column_int64(st, 0),
			      entry = sqlite3_column_int64(st, 1);
		const char *labels = (const char *)sqlite3_column_text(st, 2);
		char k = 0, s = 0;

		if (spool >= SPOOLS_MAX || entry >= ENTRIES_MAX ||
		    sscanf(labels, "{\"k\":\"%c\",\"s\":\"%c", &k, &s) != 2)
			sim_fail(j->w, "a dictionary entry that nobody made: %s", labels);
		else
			j->series[spool][entry] =
			    (int8_t)((k - 'a') +
				     4 * (s == 'h' ? BL_STREAM_HOST - 1 : BL_STREAM_PROBES - 1));
	}
}

void
judge_batches(struct judge *j, enum where where)
{
	sqlite3_stmt *st = judge_query(j, j->db,
	    "SELECT b.spool_id, b.stream, b.seq, b.crc32, o.uuid, b.kind, b.event_begin_ms,"
	    " b.event_end_ms, b.collect_begin_ms, b.collect_end_ms, b.dict_version, b.n_samples,"
	    " b.n_events, b.n_gaps, b.raw_bytes, b.body, b.id FROM batch b JOIN boot o ON "
	    "o.id=b.boot_id");

	while (judge_row(j, st)) {
		struct bl_batch_header h = { .stream = (enum bl_stream)sqlite3_column_int(st, 1),
			.seq = (uint64_t)sqlite3_column_int64(st, 2),
			.crc32 = (uint32_t)sqlite3_column_int64(st, 3),
			.boot = judge_column_id(st, 4),
			.kind = (enum bl_batch_kind)sqlite3_column_int(st, 5),
			.event_begin_ms = sqlite3_column_int64(st, 6),
			.event_end_ms = sqlite3_column_int64(st, 7),
			.collect_begin_ms = sqlite3_column_int64(st, 8),
			.collect_end_ms = sqlite3_column_int64(st, 9),
			.dict_version = (uint32_t)sqlite3_column_int64(st, 10),
			.n_samples = (uint32_t)sqlite3_column_int64(st, 11),
			.n_events = (uint32_t)sqlite3_column_int64(st, 12),
			.n_gaps = (uint32_t)sqlite3_column_int64(st, 13),
			.raw_bytes = (uint32_t)sqlite3_column_int64(st, 14) };
		const int64_t spool = sqlite3_column_int64(st, 0);
		const struct found f = { where, &h, j->series[spool % SPOOLS_MAX],
			spool % SPOOLS_MAX, sqlite3_column_int64(st, 16) };

		if (j->w->verbose && where == IN_STORE)
			sim_trace(j->w,
			    "stored: spool %lld stream %d seq %llu %.3f .. %.3f s samples %u "
			    "events %u",
			    (long long)spool, (int)h.stream, (unsigned long long)h.seq,
			    (double)(machine_true_time(j->w, &h.boot, h.collect_begin_ms, NULL) -
				     j->w->begin) /
				1000.0,
			    (double)(machine_true_time(j->w, &h.boot, h.collect_end_ms, NULL) -
				     j->w->begin) /
				1000.0,
			    h.n_samples, h.n_events);
		note_batch(
		    j, &f, sqlite3_column_blob(st, 15), (size_t)sqlite3_column_bytes(st, 15));
	}
}
