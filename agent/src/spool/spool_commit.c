/*
 * Making what waits durable: transactions of bounded size, one fsync each (one
 * in all but after an outage).
 *
 * The first one of a run is preceded by begin_boot: what an earlier run left
 * open is cut under its own boot, and the time since is named "off".
 */
#include <string.h>

#include "branchline/fault.h"

#include "spool_internal.h"

static int
write_defs(struct spool *s, unsigned n, struct bl_err *err)
{
	const struct spool_def *def = s->p.defs;
	int rc = BL_OK;

	for (unsigned i = 0; i < n && rc == BL_OK; i++, def = def->next) {
		rc = db_run(s, Q_DICT_ADD, err, "iib", (int64_t)def->id, def->hash,
		    (const void *)def->data, def->len);
		s->d.dict = def->id;
	}
	return rc;
}

static int
write_clocks(struct spool *s, unsigned n, struct bl_err *err)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < n && rc == BL_OK; i++) {
		const struct bl_clock_segment *c = &s->p.clock[i];

		rc = db_run(s, Q_CLOCK_ADD, err, "idiiii", (int64_t)c->id, &c->boot,
		    c->from_boot_ms, c->offset_ms, (int64_t)c->uncertainty_ms, (int64_t)c->source);
		s->d.clock = c->id;
	}
	return rc;
}

static int
write_id(struct spool *s, const struct spool_row *row, struct bl_err *err)
{
	if (row->id[0] == '\0')
		return BL_OK;
	return db_run(s, Q_SEEN_ADD, err, "ti", row->id, bl_unix_ms(s->clock));
}

static int
write_row(struct spool *s, const struct spool_row *row, struct bl_err *err)
{
	struct spool_stream *m = &s->d.stream[stream_index(row->stream)];
	int rc;

	rc = db_run(s, Q_OPEN_ADD, err, "iiiiib", (int64_t)row->stream, (int64_t)row->kind,
	    row->boot_ms, (int64_t)row->n,
	    row_crc(row->stream, row->kind, row->boot_ms, row->n, row->data, row->len),
	    (const void *)row->data, row->len);
	if (rc == BL_OK)
		rc = write_id(s, row, err);
	m->open_rows++;
	m->open_bytes += (int64_t)row->len;
	m->open_samples += row->n;
	if (row->kind == ROW_EVENT)
		s->d.events++;
	else
		s->d.samples += row->n;
	return rc;
}

/* What has been appended but rows. */
static int
write_names(struct spool *s, const struct pending_chunk *c, struct bl_err *err)
{
	int rc;

	if ((rc = write_defs(s, c->defs, err)) < 0 || (rc = write_clocks(s, c->clocks, err)) < 0)
		return rc;
	for (unsigned i = 0; i < c->gaps && rc == BL_OK; i++)
		rc = ledger_add(s, &s->p.gap[i], err);
	s->d.connections += c->connections;
	return rc == BL_OK ? usage_write(s, err) : rc;
}

/* More than came: whatever is too much gets less. */
static int
prune_seen(struct spool *s, int64_t came, struct bl_err *err)
{
	const int64_t most = s->max_bytes / 1024;

	if (came == 0)
		return BL_OK;
	return db_run(s, Q_SEEN_PRUNE, err, "iii",
	    wall_set_within(s, SPOOL_SEEN_MS) ? INT64_MIN : bl_unix_ms(s->clock) - SPOOL_SEEN_MS,
	    most < SPOOL_SEEN_ROWS ? most : (int64_t)SPOOL_SEEN_ROWS, came + 16);
}

static int
write_chunk(struct spool *s, const struct pending_chunk *c, struct bl_err *err)
{
	const struct spool_row *row = s->p.head;
	int64_t ids = 0;
	int rc = write_names(s, c, err);

	for (unsigned i = 0; i < c->rows && rc == BL_OK; i++, row = row->next) {
		rc = write_row(s, row, err);
		ids += row->id[0] != '\0';
	}
	return rc == BL_OK ? prune_seen(s, ids, err) : rc;
}

static struct pending_chunk
all_of(const struct spool_pending *p)
{
	struct pending_chunk c = {
		.gaps = p->n_gaps,
		.clocks = p->n_clocks,
		.defs = p->n_defs,
		.connections = p->connections,
	};

	for (const struct spool_row *row = p->head; row != NULL; row = row->next)
		c.rows++;
	return c;
}

int
commit_for_cut(struct spool *s, struct bl_err *err)
{
	const struct pending_chunk all = all_of(&s->p);
	int64_t ids = 0;
	int rc = write_names(s, &all, err);

	for (const struct spool_row *row = s->p.head; row != NULL && rc == BL_OK; row = row->next) {
		ids += row->id[0] != '\0';
		if (row->kind == ROW_TICK) {
			s->d.samples += row->n;
			rc = write_id(s, row, err);
			continue;
		}
		rc = write_row(s, row, err);
	}
	if (rc == BL_OK && s->covered_ms > s->d.covered_ms)
		s->d.covered_ms = s->covered_ms;
	return rc == BL_OK ? prune_seen(s, ids, err) : rc;
}

void
commit_for_cut_done(struct spool *s, int rc)
{
	const struct pending_chunk all = all_of(&s->p);

	if (rc == BL_OK) {
		s->usage_dirty = false;
		pending_release(&s->p, &all);
	} else if (s->log_unsure) {
		s->p.doubt_no = s->attempted_no;
		s->p.doubt = all;
	}
}

/* After a commit whose fate was unknown: it is in the file, or it is not. */
static int
settle_doubt(struct spool *s, struct bl_err *err)
{
	int rc;

	if (s->p.doubt_no == 0)
		return BL_OK;
	s->suspect = true; /* txn_begin opens again, and settles it */
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	txn_rollback(s);
	return BL_OK;
}

static int
commit_chunk(struct spool *s, bool last, struct bl_err *err)
{
	const struct pending_chunk c = pending_chunk(&s->p);
	int rc;

	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	if ((rc = write_chunk(s, &c, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	if (last && s->covered_ms > s->d.covered_ms)
		s->d.covered_ms = s->covered_ms;
	if ((rc = txn_commit(s, err)) < 0) {
		if (s->log_unsure) {
			s->p.doubt_no = s->attempted_no;
			s->p.doubt = c;
		}
		return rc;
	}
	s->usage_dirty = false;
	pending_release(&s->p, &c);
	return BL_OK;
}

/*
 * The end of the former run: what it left open is cut under its own boot up to
 * its last commit.  Every stream gets an "off" entry, the quiet ones too:
 * each has coverage, and a hole in it without a name would be unexplained.
 */
static int
off_gaps(struct spool *s, const int64_t end_ms[BL_STREAMS], int64_t now_ms, struct bl_err *err)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const struct bl_gap gap = {
			.reason = BL_GAP_OFF,
			.stream = (enum bl_stream)(i + 1),
			.begin_boot = s->d.boot,
			.begin_boot_ms = end_ms[i],
			.end_boot = s->boot,
			.end_boot_ms = now_ms,
		};

		rc = ledger_add(s, &gap, err);
	}
	return rc;
}

/*
 * Where the former run ends in a stream: what it said was covered, or a row that a commit of the
 * thread itself took in before the loop could say so: "off" must not claim what there is.
 */
static int
run_end(struct spool *s, enum bl_stream stream, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st = db_select(s, Q_OPEN_NEWEST, err, "i", (int64_t)stream);
	int rc;

	*out = s->d.covered_ms;
	if (st == NULL)
		return err->code;
	rc = db_step(s, st, err);
	if (rc == 1 && sqlite3_column_type(st, 0) != SQLITE_NULL &&
	    sqlite3_column_int64(st, 0) > *out)
		*out = sqlite3_column_int64(st, 0);
	db_done(st);
	return rc < 0 ? rc : BL_OK;
}

static int
cut_former(struct spool *s, enum bl_stream stream, int64_t *end_ms, struct bl_err *err)
{
	const int64_t covered = s->d.covered_ms;
	unsigned cut = 0;
	int rc;

	if ((rc = run_end(s, stream, end_ms, err)) < 0)
		return rc;
	s->d.covered_ms = *end_ms;
	rc = cut_stream(s, stream, &cut, err);
	s->d.covered_ms = covered;
	return rc;
}

int
begin_boot(struct spool *s, struct bl_err *err)
{
	int64_t end_ms[BL_STREAMS] = { 0 };
	int rc;

	if (s->begun)
		return BL_OK;
	for (unsigned i = 0; i < BL_STREAMS && !bl_id_is_zero(&s->d.boot); i++)
		if ((rc = cut_former(s, (enum bl_stream)(i + 1), &end_ms[i], err)) < 0)
			return rc;
	(void)bl_fault_hit("spool.beginning");
	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	if (!bl_id_is_zero(&s->d.boot) && (rc = off_gaps(s, end_ms, s->opened_ms, err)) < 0) {
		txn_rollback(s);
		return rc;
	}
	s->d.boot = s->boot;
	s->d.covered_ms = s->opened_ms;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		struct spool_stream *m = &s->d.stream[i];

		m->begin_ms = s->opened_ms;
		if (m->fork_seq == INT64_MAX)
			m->fork_seq = m->next_seq;
	}
	if ((rc = txn_commit(s, err)) < 0)
		return rc;
	s->begun = true;
	return BL_OK;
}

int
commit_all(struct spool *s, struct bl_err *err)
{
	int rc = BL_OK;

	do {
		const struct pending_chunk c = pending_chunk(&s->p);
		unsigned rows = 0, freed = 0;

		for (const struct spool_row *row = s->p.head; row != NULL; row = row->next)
			rows++;
		if ((rc = settle_doubt(s, err)) < 0 || (rc = begin_boot(s, err)) < 0 ||
		    (rc = commit_chunk(s, c.rows == rows, err)) < 0) {
			/* The cap of the file: make room and go on.  The disk's: come again. */
			if (rc == BL_EFULL && trim_for_room(s, &freed, err) == BL_OK && freed > 0)
				continue;
			if (rc == BL_EFULL && s->trouble == SPOOL_DISK_FULL && ballast_release(s))
				continue;
			return rc;
		}
	} while (!s->begun || !pending_empty(s));
	return BL_OK;
}

int
spool_commit(struct spool *s, uint64_t *lost, struct bl_err *err)
{
	struct bl_err local = { 0 };
	int rc = BL_OK;

	if (err == NULL)
		err = &local;
	*lost = s->p.lost;
	s->p.lost = 0;
	if (bl_boot_ms(s->clock) > s->covered_ms && !s->covered_told)
		s->covered_ms = bl_boot_ms(s->clock);
	wall_look(s);
	s->grouped_mono_ms = bl_mono_ms(s->clock);
	if (!s->begun || !pending_empty(s) || s->usage_dirty || s->p.doubt_no != 0)
		rc = commit_all(s, err);
	return rc;
}

bool
spool_group_waits(const struct spool *s)
{
	return s->begun && bl_mono_ms(s->clock) - s->grouped_mono_ms < s->group_ms &&
	       s->p.bytes < s->memory_bytes / 2;
}
