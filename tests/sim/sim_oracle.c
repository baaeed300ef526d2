/*
 * What must hold when all has come to rest: every sample that a spool accepted is in the
 * store once, with the right value, time and name; or the ledger says, with a reason that
 * fits what happened, that it will never come; or it is where a conflict puts it, visibly.
 */
#include "sim.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store_read.h"

#define SPOOLS_MAX  4096
#define ENTRIES_MAX 32

/* A ledger entry, in true time. */
struct entry {
	unsigned device; /* the number in its name */
	uint8_t stream;
	int reason;
	int64_t from, to; /* a sample in (from, to] is claimed */
	bool by_seq;
	uint64_t samples; /* as it counts them */
	uint64_t missing; /* as we find them */
};

struct judge {
	struct sim *w;
	struct sim_result *r;
	sqlite3 *db;
	int8_t series[SPOOLS_MAX][ENTRIES_MAX]; /* of a spool's dictionary; -1: not known */
	struct entry *entry;
	size_t n_entries, size_entries;
	struct bl_buf raw;
};

static void
wrong(struct judge *j, const char *what, unsigned machine, unsigned stream, unsigned n)
{
	const struct sim_source *src = &j->w->machine[machine].source[stream];

	sim_fail(j->w, "%s: machine %u stream %u sample %u of %u, made at %.3f s", what, machine,
	    stream + 1, n, src->n, (double)(src->s[n].at - j->w->begin) / 1000.0);
}

/* Two lives under one identity, or a disk of another device: conflicts are kept apart. */
static bool
had_two_lives(const struct sim *w)
{
	return w->acts[ACT_CLONE] + w->acts[ACT_FREEZE] + w->acts[ACT_RENAME] > 0;
}

/* ---- batches, wherever they are ---- */

enum where { IN_STORE, IN_ASIDE, ON_DISK, EXPOSED, WAS_STORED, COPIED };

static void
mark(struct sim_sample *s, enum where where)
{
	s->aside |= where == IN_ASIDE;
	s->held |= where == ON_DISK;
	s->exposed |= where == EXPOSED;
	s->was_stored |= where == WAS_STORED;
	s->copied |= where == COPIED;
}

static void
note(struct judge *j, enum where where, double value, unsigned stream, int64_t at, int series)
{
	unsigned machine, k, n;
	struct sim_sample *s;

	if (!sim_value_parse(value, &machine, &k, &n) || machine >= j->w->n_machines ||
	    k / 4 != stream || k % 4 >= SIM_SERIES || n == 0 ||
	    n > j->w->machine[machine].source[stream].n) {
		sim_fail(j->w, "a value that nobody made: %.17g", value);
		return;
	}
	s = &j->w->machine[machine].source[stream].s[n];
	mark(s, where);
	if (where != IN_STORE)
		return;
	if (s->at != at)
		wrong(j, "wrong time", machine, stream, n);
	if (series >= 0 && (unsigned)series != k)
		wrong(j, "wrong series", machine, stream, n);
	if (s->stored[k % 4] < UINT8_MAX)
		s->stored[k % 4]++;
}

static void
note_columns(struct judge *j, enum where where, struct bl_batch_reader *rd,
    const struct bl_batch_header *h, const int8_t *dict)
{
	const int64_t boot_at = machine_true_time(j->w, &h->boot, 0, NULL);
	int64_t ms[4096];
	double value[4096];
	struct bl_err err = { 0 };
	struct bl_column c;
	int rc;

	while ((rc = bl_batch_next_column(rd, &c, &err)) == 1) {
		const int series =
		    dict == NULL || c.series_id >= ENTRIES_MAX ? -1 : dict[c.series_id];

		if (dict != NULL && series < 0)
			sim_fail(j->w, "series %u of a spool has no name", c.series_id);
		if (c.n > 4096 || bl_column_decode(rd, &c, ms, value, NULL, &err) < 0) {
			sim_fail(j->w, "a column does not decode: %s", err.msg);
			return;
		}
		for (uint32_t i = 0; i < c.n; i++)
			note(j, where, value[i], (unsigned)h->stream - 1, boot_at + ms[i], series);
	}
	if (rc < 0)
		sim_fail(j->w, "a batch does not decode: %s", err.msg);
}

static void
note_batch(struct judge *j, enum where where, const struct bl_batch_header *h, const void *body,
    size_t len, const int8_t *dict)
{
	struct bl_batch_reader rd;
	struct bl_event ev;
	struct bl_err err = { 0 };

	if (bl_batch_inflate(h, body, len, &j->raw, &err) < 0 ||
	    bl_batch_reader_init(&rd, h, j->raw.data, j->raw.len, &err) < 0) {
		sim_fail(j->w, "a batch does not inflate: %s", err.msg);
		return;
	}
	note_columns(j, where, &rd, h, dict);
	while (bl_batch_next_event(&rd, &ev, &err) == 1)
		if (ev.n_attrs > 0 && ev.attr[0].type == BL_ATTR_NUMBER)
			note(j, where, ev.attr[0].number, 0,
			    machine_true_time(j->w, &h->boot, ev.boot_ms, NULL), -1);
}

static void
note_message(struct judge *j, enum where where, const void *msg, size_t len)
{
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t body_len;

	if (bl_msg_type(msg, len) == BL_MSG_BATCH &&
	    bl_batch_header_decode(msg, len, &h, &body, &body_len, &err) == BL_OK)
		note_batch(j, where, &h, body, body_len, NULL);
}

/* ---- the store ---- */

static sqlite3_stmt *
query(struct judge *j, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		sim_fail(j->w, "%s: %s", sql, sqlite3_errmsg(db));
	return st;
}

static bool
row(struct judge *j, sqlite3_stmt *st)
{
	const int rc = st != NULL ? sqlite3_step(st) : SQLITE_DONE;

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		sim_fail(j->w, "the store cannot be read: %s", sqlite3_errstr(rc));
	if (rc != SQLITE_ROW)
		(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW;
}

static struct bl_id
column_id(sqlite3_stmt *st, int i)
{
	struct bl_id id = { { 0 } };

	if (sqlite3_column_bytes(st, i) == BL_ID_BYTES)
		memcpy(id.b, sqlite3_column_blob(st, i), BL_ID_BYTES);
	return id;
}

static void
read_dict(struct judge *j)
{
	sqlite3_stmt *st = query(j, j->db,
	    "SELECT d.spool_id, d.entry, s.labels, s.name FROM dict d JOIN series s ON"
	    " s.id=d.series_id");

	memset(j->series, -1, sizeof(j->series));
	while (row(j, st)) {
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

static void
read_batches(struct judge *j, enum where where)
{
	sqlite3_stmt *st = query(j, j->db,
	    "SELECT b.spool_id, b.stream, b.seq, b.crc32, o.uuid, b.kind, b.event_begin_ms,"
	    " b.event_end_ms, b.collect_begin_ms, b.collect_end_ms, b.dict_version, b.n_samples,"
	    " b.n_events, b.n_gaps, b.raw_bytes, b.body FROM batch b JOIN boot o ON "
	    "o.id=b.boot_id");

	while (row(j, st)) {
		struct bl_batch_header h = { .stream = (enum bl_stream)sqlite3_column_int(st, 1),
			.seq = (uint64_t)sqlite3_column_int64(st, 2),
			.crc32 = (uint32_t)sqlite3_column_int64(st, 3),
			.boot = column_id(st, 4),
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
		note_batch(j, where, &h, sqlite3_column_blob(st, 15),
		    (size_t)sqlite3_column_bytes(st, 15), j->series[spool % SPOOLS_MAX]);
	}
}

/* ---- the ledger ---- */

static void
add_entry(struct judge *j, const struct entry *e)
{
	if (j->n_entries == j->size_entries) {
		j->size_entries = j->size_entries * 2 + 256;
		j->entry = realloc(j->entry, j->size_entries * sizeof(*j->entry));
		assert(j->entry != NULL);
	}
	j->entry[j->n_entries++] = *e;
}

/* Only seqs are known: the batches that left under them say which times those were. */
static void
add_by_seq(
    struct judge *j, struct entry e, const struct bl_id *spool, uint64_t first, uint64_t last)
{
	const struct sim *w = j->w;

	for (size_t i = 0; i < w->size_sent; i++) {
		const struct sim_sent *s = &w->sent[i];

		if (s->seq < first || s->seq > last || s->stream != e.stream ||
		    !bl_id_equal(&s->spool, spool))
			continue;
		e.from = machine_true_time(w, &s->boot, s->begin_ms, NULL);
		e.to = machine_true_time(w, &s->boot, s->end_ms, NULL);
		e.by_seq = true;
		add_entry(j, &e);
	}
}

static void
read_ledger(struct judge *j)
{
	sqlite3_stmt *st = query(j, j->db,
	    "SELECT d.name, g.stream, g.reason, g.seq_first, g.seq_last, g.begin_boot, g.begin_ms,"
	    " g.end_boot, g.end_ms, g.samples, s.uuid FROM gap g JOIN device d ON d.id=g.device_id"
	    " JOIN spool s ON s.id=g.spool_id ORDER BY g.id");

	while (row(j, st)) {
		const struct bl_id begin = column_id(st, 5), end = column_id(st, 7),
				   spool = column_id(st, 10);
		struct entry e = { .stream = (uint8_t)sqlite3_column_int(st, 1),
			.reason = sqlite3_column_int(st, 2),
			.from = INT64_MIN };

		if (sscanf((const char *)sqlite3_column_text(st, 0), "dev-%u", &e.device) != 1)
			continue;
		e.samples = (uint64_t)sqlite3_column_int64(st, 9);
		j->w->acts[ACT_EVICT] += e.reason == BL_GAP_EVICTED;
		if (bl_id_is_zero(&end)) {
			add_by_seq(j, e, &spool, (uint64_t)sqlite3_column_int64(st, 3),
			    (uint64_t)sqlite3_column_int64(st, 4));
			continue;
		}
		if (!bl_id_is_zero(&begin))
			e.from = machine_true_time(j->w, &begin, sqlite3_column_int64(st, 6), NULL);
		e.to = machine_true_time(j->w, &end, sqlite3_column_int64(st, 8), NULL);
		sim_trace(j->w, "ledger: dev-%u stream %u reason %d %.3f .. %.3f s seq %lld..%lld",
		    e.device, e.stream, e.reason, ((double)e.from - (double)j->w->begin) / 1000.0,
		    ((double)e.to - (double)j->w->begin) / 1000.0,
		    (long long)sqlite3_column_int64(st, 3), (long long)sqlite3_column_int64(st, 4));
		add_entry(j, &e);
	}
}

/* Ledger entries that travelled in a batch which was set aside are shown with it. */
static void
note_gaps_aside(struct judge *j, const void *msg, size_t len, unsigned device)
{
	struct bl_batch_header h;
	struct bl_batch_reader rd;
	struct bl_gap g;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t body_len;

	if (bl_msg_type(msg, len) != BL_MSG_BATCH ||
	    bl_batch_header_decode(msg, len, &h, &body, &body_len, &err) < 0 ||
	    bl_batch_inflate(&h, body, body_len, &j->raw, &err) < 0 ||
	    bl_batch_reader_init(&rd, &h, j->raw.data, j->raw.len, &err) < 0)
		return;
	while (bl_batch_next_gap(&rd, &g, &err) == 1) {
		struct entry e = { .device = device,
			.stream = (uint8_t)g.stream,
			.reason = (int)g.reason,
			.from = INT64_MIN };

		if (bl_id_is_zero(&g.end_boot))
			continue;
		if (!bl_id_is_zero(&g.begin_boot))
			e.from = machine_true_time(j->w, &g.begin_boot, g.begin_boot_ms, NULL);
		e.to = machine_true_time(j->w, &g.end_boot, g.end_boot_ms, NULL);
		add_entry(j, &e);
	}
}

static void
read_aside(struct judge *j)
{
	sqlite3_stmt *st = query(j, j->db, "SELECT payload, topic, detail FROM aside");

	while (row(j, st)) {
		const char *topic = (const char *)sqlite3_column_text(st, 1);
		const char *name = strstr(topic, "/dev-");
		unsigned device;

		sim_trace(
		    j->w, "set aside: %s %s", topic, (const char *)sqlite3_column_text(st, 2));
		if (sqlite3_column_type(st, 0) == SQLITE_NULL)
			continue;
		if (!had_two_lives(j->w) && j->w->acts[ACT_BACK] == 0)
			continue;
		note_message(
		    j, IN_ASIDE, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		if (name != NULL && sscanf(name, "/dev-%u", &device) == 1)
			note_gaps_aside(j, sqlite3_column_blob(st, 0),
			    (size_t)sqlite3_column_bytes(st, 0), device);
	}
}

/* The samples that were made at a time: events of one instant are told apart by nobody. */
static void
note_open(struct sim *w, unsigned machine, unsigned stream, int64_t at, enum where where)
{
	struct sim_source *src = &w->machine[machine].source[stream];
	unsigned lo = 1, hi = src->n + 1;

	while (lo < hi) {
		const unsigned mid = lo + (hi - lo) / 2;

		if (src->s[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo <= src->n && src->s[lo].at == at; lo++)
		mark(&src->s[lo], where);
}

static void
note_open_rows(struct judge *j, sqlite3 *db, enum where where)
{
	sqlite3_stmt *st =
	    query(j, db, "SELECT o.stream, o.boot_ms, s.boot FROM open o JOIN state s");
	unsigned machine = 0;

	while (row(j, st)) {
		const struct bl_id boot = column_id(st, 2);
		const int64_t at =
		    machine_true_time(j->w, &boot, sqlite3_column_int64(st, 1), &machine);

		if (at == INT64_MIN)
			sim_fail(j->w, "an open row of a boot that nobody had");
		else
			note_open(
			    j->w, machine, (unsigned)sqlite3_column_int(st, 0) - 1, at, where);
	}
}

/* ---- what was set apart on the machines' own disks ---- */

static void
read_bodies(struct judge *j, const char *path)
{
	sqlite3_stmt *st;
	sqlite3 *db;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK) {
		st = query(j, db, "SELECT msg FROM body");
		while (row(j, st))
			note_message(j, ON_DISK, sqlite3_column_blob(st, 0),
			    (size_t)sqlite3_column_bytes(st, 0));
		note_open_rows(j, db, ON_DISK);
	}
	(void)sqlite3_close(db); /* only read */
}

static void
read_disks(struct judge *j)
{
	for (unsigned i = 0; i < j->w->n_machines; i++) {
		struct sim_machine *m = &j->w->machine[i];
		const bool refused = machine_refused(m) || m->set_apart;
		char path[1024];
		struct dirent *e;
		DIR *d;

		machine_stop(m);
		if (refused && !had_two_lives(j->w))
			sim_fail(j->w, "machine %u is refused for good", i);
		else if (refused)
			read_bodies(j, m->path);
		d = opendir(m->dir);
		while (d != NULL && (e = readdir(d)) != NULL) {
			const size_t n = strlen(e->d_name);

			if (n < 8 || strcmp(e->d_name + n - 8, "-foreign") != 0 ||
			    !had_two_lives(j->w))
				continue;
			(void)snprintf(path, sizeof(path), "%s/%s", m->dir, e->d_name);
			read_bodies(j, path);
		}
		if (d != NULL)
			(void)closedir(d);
	}
}

/* ---- looking into files while the run goes on ---- */

/* Opens a copy of a database, not through the shim, so that the run does not notice. */
static sqlite3 *
peek(struct sim *w, const char *dir, const char *base, char to[SIM_PATH_MAX])
{
	char path[SIM_PATH_MAX + 32];
	sqlite3 *db = NULL;

	(void)snprintf(to, SIM_PATH_MAX, "%s/peek", w->folder);
	sim_remove_files(to, base);
	sim_copy_files(dir, to, base);
	(void)snprintf(path, sizeof(path), "%s/%s", to, base);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "unix") !=
	    SQLITE_OK)
		sim_fail(w, "%s does not open: %s", path, sqlite3_errmsg(db));
	return db;
}

static void
peek_end(sqlite3 *db, const char *to, const char *base)
{
	(void)sqlite3_close(db); /* only read */
	sim_remove_files(to, base);
}

void
oracle_copied(struct sim *w, const char *dir)
{
	struct judge j = { .w = w };
	char to[SIM_PATH_MAX];
	sqlite3 *db = peek(w, dir, "spool.db", to);

	note_open_rows(&j, db, COPIED);
	peek_end(db, to, "spool.db");
}

void
oracle_exposed(struct sim *w, const char *dir)
{
	struct judge j = { .w = w };
	char to[SIM_PATH_MAX];
	sqlite3 *db = peek(w, dir, "spool.db", to);
	sqlite3_stmt *st;

	bl_buf_init(&j.raw, BL_BATCH_RAW_MAX);
	note_open_rows(&j, db, EXPOSED);
	st = query(&j, db,
	    "SELECT y.msg FROM body y JOIN batch b ON b.id=y.id WHERE b.receipted_unix_ms IS NULL");
	while (row(&j, st))
		note_message(
		    &j, EXPOSED, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
	bl_buf_free(&j.raw);
	peek_end(db, to, "spool.db");
}

void
oracle_store_goes(struct sim *w)
{
	struct judge *j = calloc(1, sizeof(*j));
	char to[SIM_PATH_MAX];

	assert(j != NULL);
	j->w = w;
	j->db = peek(w, w->centre.dir, "telemetry.db", to);
	bl_buf_init(&j->raw, BL_BATCH_RAW_MAX);
	read_dict(j);
	read_batches(j, WAS_STORED);
	bl_buf_free(&j->raw);
	peek_end(j->db, to, "telemetry.db");
	free(j);
}

/* ---- the verdict ---- */

static bool
was_erased(const struct sim *w, unsigned machine, int64_t at)
{
	const int64_t damaged_at = w->machine[machine].damaged_at;

	if (damaged_at != 0 && at >= damaged_at)
		return true;
	for (unsigned i = 0; i < w->n_erased; i++)
		if (w->erased[i].machine == machine && at >= w->erased[i].from &&
		    at <= w->erased[i].to)
			return true;
	return false;
}

/* Whether this reason may be given for a sample that was on the disk once. */
static bool
fits(const struct sim *w, int reason, unsigned machine, const struct sim_sample *s)
{
	switch (reason) {
	case BL_GAP_EVICTED:
		return w->sc.max_bytes < 8 << 20;
	case BL_GAP_LOST_AT_CENTRE:
		return s->was_stored;
	case BL_GAP_OFF:
	case BL_GAP_DAMAGED:
	case BL_GAP_ROLLED_BACK:
		return s->exposed || was_erased(w, machine, s->at);
	default:
		return false;
	}
}

/* The entry that says why it will never come; NULL: there is none. */
static struct entry *
explained(const struct judge *j, unsigned machine, unsigned stream, const struct sim_sample *s)
{
	unsigned device = 0;
	struct entry *found = NULL;

	(void)sscanf(j->w->machine[machine].device, "dev-%u", &device);
	for (size_t i = 0; i < j->n_entries; i++) {
		struct entry *e = &j->entry[i];

		if (e->stream == stream + 1 && e->device == device && s->at > e->from &&
		    s->at <= e->to && fits(j->w, e->reason, machine, s) &&
		    (found == NULL || e->reason != BL_GAP_EVICTED || e->missing < e->samples))
			found = e;
	}
	return found;
}

static void
judge_sample(struct judge *j, unsigned machine, unsigned stream, unsigned n)
{
	const struct sim_sample *s = &j->w->machine[machine].source[stream].s[n];
	const unsigned series = stream == 0 ? 1 : SIM_SERIES;
	struct sim_result *r = j->r;
	struct entry *e;
	unsigned stored = 0;

	r->generated += series;
	for (unsigned k = 0; k < series; k++) {
		stored += s->stored[k] > 0;
		if (s->stored[k] == 2 && s->copied) {
			r->twice++;
		} else if (s->stored[k] > 1) {
			r->doubled++;
			wrong(j, "doubled", machine, stream, n);
		}
	}
	r->stored += stored;
	if (stored > 0 && stored < series)
		wrong(j, "torn", machine, stream, n);
	if (s->state != SIM_ACCEPTED)
		return;
	r->accepted += series;
	if (stored > 0)
		return;
	e = explained(j, machine, stream, s);
	if (e != NULL) {
		r->explained += series;
		e->missing += series;
	} else if (s->aside &&
		   (had_two_lives(j->w) || s->exposed || was_erased(j->w, machine, s->at)))
		r->aside += series;
	else if (s->held)
		r->held += series;
	else if (j->w->machine[machine].gone && was_erased(j->w, machine, s->at))
		r->undone += series; /* the life of a snapshot's twin, thrown away */
	else {
		r->lost += series;
		wrong(j, "lost", machine, stream, n);
	}
}

static void
judge_totals(struct judge *j)
{
	sqlite3_stmt *st = query(j, j->db, "SELECT ifnull(sum(unexplained), 0) FROM stream");
	const bool one_id = !had_two_lives(j->w) && j->w->acts[ACT_BACK] == 0;

	while (row(j, st))
		if (sqlite3_column_int64(st, 0) != 0)
			sim_fail(
			    j->w, "unexplained gaps: %lld", (long long)sqlite3_column_int64(st, 0));
	if (j->w->given_up != 0)
		sim_fail(
		    j->w, "machine %u gave up a spool that nobody damaged", j->w->given_up - 1);
	st = query(j, j->db,
	    "SELECT s.id, m.stream, m.next_seq, m.contiguous, m.unexplained, s.closed FROM stream m"
	    " JOIN spool s ON s.id=m.spool_id WHERE m.unexplained>0");
	while (row(j, st))
		sim_trace(j->w,
		    "unexplained: spool %lld stream %d next %lld contiguous %lld missing %lld "
		    "closed "
		    "%d",
		    (long long)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1),
		    (long long)sqlite3_column_int64(st, 2), (long long)sqlite3_column_int64(st, 3),
		    (long long)sqlite3_column_int64(st, 4), sqlite3_column_int(st, 5));
	st = query(j, j->db, "SELECT count(*) FROM aside");
	while (row(j, st))
		if (one_id && sqlite3_column_int64(st, 0) != 0)
			sim_fail(j->w, "%lld messages set aside without a reason to",
			    (long long)sqlite3_column_int64(st, 0));
	st = query(j, j->db,
	    "SELECT count(*), min(g.reason) FROM gap g JOIN batch b ON b.spool_id=g.spool_id AND"
	    " b.stream=g.stream AND b.seq BETWEEN g.seq_first AND g.seq_last WHERE g.seq_first>0"
	    " AND length(g.end_boot)=0");
	while (row(j, st))
		if (sqlite3_column_int64(st, 0) != 0)
			sim_fail(j->w, "%lld stored batches are named as missing, reason %d",
			    (long long)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1));
	/* A boot that ended before anybody told it the time has none for good. */
	st = query(j, j->db,
	    "SELECT count(*) FROM coverage c JOIN boot b ON b.id=c.boot_id WHERE c.lo_unix_ms IS "
	    "NULL"
	    " AND EXISTS (SELECT 1 FROM clock_segment g WHERE g.boot_uuid=b.uuid AND g.source>0"
	    " AND g.spool_id=c.spool_id)");
	while (row(j, st))
		if (sqlite3_column_int64(st, 0) != 0)
			sim_fail(j->w, "%lld spans have no time",
			    (long long)sqlite3_column_int64(st, 0));
}

/*
 * What the cap dropped cannot account for more than its entries count.  All entries of a
 * stream together: an event may lie after the interval of its batch, inside the next entry.
 */
static void
judge_counts(struct judge *j)
{
	for (size_t i = 0; i < j->n_entries; i++) {
		const struct entry *first = &j->entry[i];
		uint64_t samples = 0, missing = 0;
		bool seen = false;

		for (size_t k = 0; k < j->n_entries && !seen; k++) {
			const struct entry *e = &j->entry[k];

			if (e->reason != BL_GAP_EVICTED || e->device != first->device ||
			    e->stream != first->stream)
				continue;
			seen = k < i; /* summed with that one */
			samples += e->samples;
			missing += e->missing;
		}
		if (first->reason == BL_GAP_EVICTED && !seen && missing > samples)
			sim_fail(j->w, "evicted: dev-%u stream %u counts %llu and lacks %llu",
			    first->device, first->stream, (unsigned long long)samples,
			    (unsigned long long)missing);
	}
}

/* What the product itself shows as unexplained. */
static void
judge_unexplained(struct judge *j)
{
	struct store_unexplained u = { 0 };
	struct store_read *r = NULL;
	struct bl_err err = { 0 };

	if (store_read_open(&r, j->w->centre.path, &j->w->clock, &err) < 0 ||
	    store_read_unexplained(r, NULL, &u, &err) < 0)
		sim_fail(j->w, "unexplained gaps cannot be read: %s", err.msg);
	else if (u.gaps != 0)
		sim_fail(j->w, "unexplained: %llu gaps, %llu batches, %llu not answered",
		    (unsigned long long)u.gaps, (unsigned long long)u.batches,
		    (unsigned long long)u.unanswered);
	store_read_close(r);
}

void
oracle_judge(struct sim *w, struct sim_result *out)
{
	struct judge *j = calloc(1, sizeof(*j));

	assert(j != NULL);
	j->w = w;
	j->r = out;
	bl_buf_init(&j->raw, BL_BATCH_RAW_MAX);
	read_disks(j);
	centre_stop(w);
	if (sqlite3_open_v2(w->centre.path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK)
		sim_fail(w, "the store does not open: %s", sqlite3_errmsg(j->db));
	read_dict(j);
	read_batches(j, IN_STORE);
	read_aside(j);
	read_ledger(j);
	for (unsigned i = 0; i < w->n_machines; i++)
		for (unsigned k = 0; k < BL_STREAMS; k++)
			for (unsigned n = 1; n <= w->machine[i].source[k].n; n++)
				judge_sample(j, i, k, n);
	judge_counts(j);
	judge_totals(j);
	judge_unexplained(j);
	memcpy(out->acts, w->acts, sizeof(out->acts));
	(void)sqlite3_close(j->db); /* only read */
	bl_buf_free(&j->raw);
	free(j->entry);
	free(j);
	(void)snprintf(out->why, sizeof(out->why), "%s", w->fail);
}

/* ---- batches that left ---- */

static size_t
sent_slot(const struct sim *w, const struct bl_batch_header *h)
{
	uint64_t x;
	size_t i;

	memcpy(&x, h->spool.b, sizeof(x));
	x = (x ^ h->seq * 4 ^ (uint64_t)h->stream) * UINT64_C(0x9e3779b97f4a7c15);
	x ^= (uint64_t)h->crc32 * UINT64_C(0xff51afd7ed558ccd);
	i = (size_t)(x >> 20) & (w->size_sent - 1);
	while (w->sent[i].seq != 0) {
		const struct sim_sent *s = &w->sent[i];

		if (s->seq == h->seq && s->stream == h->stream && s->crc32 == h->crc32 &&
		    s->end_ms == h->collect_end_ms && bl_id_equal(&s->spool, &h->spool) &&
		    bl_id_equal(&s->boot, &h->boot))
			break;
		i = (i + 1) & (w->size_sent - 1);
	}
	return i;
}

static void
grow_sent(struct sim *w)
{
	struct sim_sent *old = w->sent;
	const size_t n = w->size_sent;

	w->size_sent = n == 0 ? 4096 : n * 2;
	w->sent = calloc(w->size_sent, sizeof(*w->sent));
	assert(w->sent != NULL);
	for (size_t i = 0; i < n; i++) {
		const struct bl_batch_header h = { .spool = old[i].spool,
			.stream = (enum bl_stream)old[i].stream,
			.seq = old[i].seq,
			.crc32 = old[i].crc32,
			.boot = old[i].boot,
			.collect_end_ms = old[i].end_ms };

		if (old[i].seq != 0)
			w->sent[sent_slot(w, &h)] = old[i];
	}
	free(old);
}

void
sim_note_sent(struct sim *w, const struct bl_batch_header *h)
{
	struct sim_sent *s;

	if (w->n_sent * 2 >= w->size_sent)
		grow_sent(w);
	s = &w->sent[sent_slot(w, h)];
	if (s->seq != 0)
		return;
	*s = (struct sim_sent){ .spool = h->spool,
		.stream = (uint8_t)h->stream,
		.seq = h->seq,
		.crc32 = h->crc32,
		.boot = h->boot,
		.begin_ms = h->collect_begin_ms,
		.end_ms = h->collect_end_ms };
	w->n_sent++;
}
