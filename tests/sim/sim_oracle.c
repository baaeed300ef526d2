/*
 * What must hold when all has come to rest: every sample that a spool accepted is in the
 * store once, with the right value, time and name; or the ledger says, with a reason that
 * fits what happened, that it will never come; or it is where a conflict puts it, visibly.
 */
#include "sim_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store_read.h"

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

/*
 * An entry's times begin after its begin. But of events at one instant some may lie in a batch that is
 * full, and the others in the next, whose interval begins with that instant: the entry's count has room for them.
 */
static bool
begins_before(const struct entry *e, unsigned stream, const struct sim_sample *s)
{
	return s->at > e->from || (s->at == e->from && stream == 0 && e->reason == BL_GAP_EVICTED &&
				      e->missing < e->samples);
}

/*
 * Whether an entry says better than the one found why a sample will never come.  One that counts
 * what was dropped only where no other has it, and one of which the count is not known (a part of
 * an entry) before one that is full: an event may lie in the interval of the batch after its own.
 */
static bool
is_better(const struct entry *e, const struct entry *found)
{
	if (found == NULL || e->reason != BL_GAP_EVICTED)
		return true;
	return found->reason == BL_GAP_EVICTED &&
	       (e->samples == 0 || (found->samples != 0 && e->missing < e->samples));
}

/* Up to when: the events of a batch may come until the tick after its interval. */
static int64_t
ends_at(const struct judge *j, const struct entry *e, unsigned machine)
{
	const bool part = e->reason == BL_GAP_EVICTED && e->samples == 0 && e->has_seqs;

	return part && e->stream == BL_STREAM_EVENTS ? e->to + j->w->machine[machine].tick_ms : e->to;
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

		if (e->stream == stream + 1 && e->device == device && begins_before(e, stream, s) &&
		    s->at <= ends_at(j, e, machine) && fits(j->w, e->reason, machine, s) &&
		    is_better(e, found))
			found = e;
	}
	return found;
}

/*
 * Ticks of a group that were in memory when the machine went down were promised to nobody, and
 * the ledger names their time.  The result of a probe that lasted waited since it came.
 */
static void
judge_waited(struct judge *j, unsigned machine, unsigned stream, unsigned n)
{
	const struct sim_sample *s = &j->w->machine[machine].source[stream].s[n];
	unsigned device = 0;
	bool named = false;

	(void)sscanf(j->w->machine[machine].device, "dev-%u", &device);
	for (size_t i = 0; i < j->n_entries && !named; i++) {
		const struct entry *e = &j->entry[i];

		named = e->stream == stream + 1 && e->device == device && e->reason == BL_GAP_OFF &&
			s->came > e->from && s->came <= e->to;
	}
	if (!named) {
		j->r->lost += stream == 0 ? 1 : SIM_SERIES;
		judge_wrong(j, "not accepted, not named", machine, stream, n);
	}
}

/* Some series of a sample are not there: where their names were damaged, that is said. */
static void
judge_torn(struct judge *j, unsigned machine, unsigned stream, unsigned n, unsigned missing)
{
	struct entry *e =
	    explained(j, machine, stream, &j->w->machine[machine].source[stream].s[n]);

	if (e == NULL || e->reason != BL_GAP_DAMAGED)
		judge_wrong(j, "torn", machine, stream, n);
	else
		j->r->explained += missing;
}

static int64_t
spool_of_row(struct judge *j, int64_t row)
{
	sqlite3_stmt *st = judge_query(j, j->db, "SELECT spool_id FROM batch WHERE id=?1");
	int64_t spool = 0;

	(void)sqlite3_bind_int64(st, 1, row);
	while (judge_row(j, st))
		spool = sqlite3_column_int64(st, 0);
	return spool;
}

/*
 * Two copies of two lives were put back, and both lives cut what was open in the first: the
 * batch that came later holds more than what is here, so it had to be taken, whole.  Whoever reads
 * samples is given each once (cases do the same with events).
 */
static bool
is_shared(struct judge *j, unsigned machine, unsigned stream, unsigned n, unsigned k)
{
	const struct sim_source *src = &j->w->machine[machine].source[stream];
	const struct sim_sample *s = &src->s[n];
	bool more = false;

	if (j->w->machine[machine].backs < 2 || s->stored[k] != 2 || s->thinned[k] > 0 ||
	    s->more_batches || s->batch[1] == 0 || (stream > 0 && s->read[k] != 1) ||
	    spool_of_row(j, s->batch[0]) == spool_of_row(j, s->batch[1]))
		return false;
	for (unsigned i = 1; i <= src->n && !more; i++)
		more = src->s[i].batch[0] == s->batch[1] && src->s[i].batch[1] == 0;
	return more;
}

static void
judge_sample(struct judge *j, unsigned machine, unsigned stream, unsigned n)
{
	const struct sim_sample *s = &j->w->machine[machine].source[stream].s[n];
	const unsigned series = stream == 0 ? 1 : SIM_SERIES;
	struct sim_result *r = j->r;
	struct entry *e;
	unsigned stored = 0, thinned = 0;

	r->generated += series;
	for (unsigned k = 0; k < series; k++) {
		stored += s->stored[k] > 0;
		thinned += s->stored[k] == 0 && s->thinned[k] > 0;
		if ((s->stored[k] + s->thinned[k] == 2 && s->copied) ||
		    (s->stored[k] == 2 && is_shared(j, machine, stream, n, k))) {
			r->twice++;
		} else if (s->stored[k] + s->thinned[k] > 1) {
			r->doubled++;
			judge_wrong(j, "doubled", machine, stream, n);
		}
	}
	r->stored += stored;
	if (stored + thinned > 0 && stored + thinned < series)
		judge_torn(j, machine, stream, n, series - stored - thinned);
	if (s->state == SIM_MADE && stored == 0 && j->w->sc.group_ms != 0)
		judge_waited(j, machine, stream, n);
	if (s->state != SIM_ACCEPTED)
		return;
	r->accepted += series;
	r->explained += thinned;
	j->thinned[machine][stream] += thinned;
	if (stored + thinned > 0)
		return;
	e = explained(j, machine, stream, s);
	if (e != NULL) {
		r->explained += series;
		e->missing += series;
	} else if (s->aside && (judge_two_lives(j->w) || s->exposed || s->conflict ||
				   was_erased(j->w, machine, s->at)))
		r->aside += series;
	else if (s->held)
		r->held += series;
	else if (j->w->machine[machine].gone && was_erased(j->w, machine, s->at))
		r->undone += series; /* the life of a snapshot's twin, thrown away */
	else {
		r->lost += series;
		judge_wrong(j, "lost", machine, stream, n);
	}
}

static void
judge_totals(struct judge *j)
{
	sqlite3_stmt *st = judge_query(j, j->db, "SELECT ifnull(sum(unexplained), 0) FROM stream");
	const bool one_id = !judge_two_lives(j->w) && j->w->acts[ACT_BACK] == 0;

	while (judge_row(j, st))
		if (sqlite3_column_int64(st, 0) != 0)
			sim_fail(
			    j->w, "unexplained gaps: %lld", (long long)sqlite3_column_int64(st, 0));
	if (j->w->given_up != 0)
		sim_fail(
		    j->w, "machine %u gave up a spool that nobody damaged", j->w->given_up - 1);
	st = judge_query(j, j->db,
	    "SELECT s.id, m.stream, m.next_seq, m.contiguous, m.unexplained, s.closed FROM stream m"
	    " JOIN spool s ON s.id=m.spool_id WHERE m.unexplained>0");
	while (judge_row(j, st))
		sim_trace(j->w,
		    "unexplained: spool %lld stream %d next %lld contiguous %lld missing %lld "
		    "closed "
		    "%d",
		    (long long)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1),
		    (long long)sqlite3_column_int64(st, 2), (long long)sqlite3_column_int64(st, 3),
		    (long long)sqlite3_column_int64(st, 4), sqlite3_column_int(st, 5));
	st = judge_query(j, j->db, "SELECT count(*) FROM aside");
	while (judge_row(j, st))
		if (one_id && sqlite3_column_int64(st, 0) != 0)
			sim_fail(j->w, "%lld messages set aside without a reason to",
			    (long long)sqlite3_column_int64(st, 0));
	st = judge_query(j, j->db,
	    "SELECT count(*), min(g.reason) FROM gap g JOIN batch b ON b.spool_id=g.spool_id AND"
	    " b.stream=g.stream AND b.seq BETWEEN g.seq_first AND g.seq_last WHERE g.seq_first>0"
	    " AND length(g.end_boot)=0");
	while (judge_row(j, st))
		if (sqlite3_column_int64(st, 0) != 0)
			sim_fail(j->w, "%lld stored batches are named as missing, reason %d",
			    (long long)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1));
	/* A boot that ended before anybody told it the time has none for good. */
	st = judge_query(j, j->db,
	    "SELECT count(*) FROM coverage c JOIN boot b ON b.id=c.boot_id WHERE c.lo_unix_ms IS "
	    "NULL"
	    " AND EXISTS (SELECT 1 FROM clock_segment g WHERE g.boot_uuid=b.uuid AND g.source>0"
	    " AND g.spool_id=c.spool_id)");
	while (judge_row(j, st))
		if (sqlite3_column_int64(st, 0) != 0)
			sim_fail(j->w, "%lld spans have no time",
			    (long long)sqlite3_column_int64(st, 0));
}

/*
 * What the cap thinned or dropped cannot account for more than the entries count.  All
 * entries of a stream together, with those of batches that were damaged: an event may lie after
 * the interval of its batch, inside the next entry, and what was thinned may be dropped later.
 */
static void
judge_counts_of(struct judge *j, unsigned machine, unsigned stream)
{
	uint64_t samples = 0, missing = j->thinned[machine][stream], in_means = 0;
	bool dropped = false;
	unsigned device = 0;

	(void)sscanf(j->w->machine[machine].device, "dev-%u", &device);
	for (size_t k = 0; k < j->n_entries; k++) {
		const struct entry *e = &j->entry[k];

		if (e->device != device || e->stream != stream + 1 ||
		    (e->reason != BL_GAP_EVICTED && e->reason != BL_GAP_THINNED &&
			!(e->reason == BL_GAP_DAMAGED && e->has_seqs)))
			continue;
		/*
		 * 0: what was dropped were means only, counted when they were made; or a part of
		 * an entry, and the store does not know how many were in it.
		 */
		if (e->samples == 0) {
			in_means += e->missing;
			continue;
		}
		samples += e->samples;
		missing += e->missing;
		dropped |= e->reason == BL_GAP_EVICTED;
	}
	for (size_t k = 0; k < j->n_entries && missing > samples; k++)
		if (j->entry[k].device == device && j->entry[k].stream == stream + 1)
			sim_trace(j->w, "ledger: reason %d %.3f .. %.3f s counts %llu, missing %llu",
			    j->entry[k].reason,
			    ((double)j->entry[k].from - (double)j->w->begin) / 1000.0,
			    ((double)j->entry[k].to - (double)j->w->begin) / 1000.0,
			    (unsigned long long)j->entry[k].samples,
			    (unsigned long long)j->entry[k].missing);
	if (missing > samples)
		sim_fail(j->w,
		    "dev-%u stream %u: the ledger counts %llu and %llu are not there one by one",
		    device, stream + 1, (unsigned long long)samples, (unsigned long long)missing);
	/* To the sample, where nothing was taken away otherwise; what was offered, then dropped,
	 * may be there all the same. */
	missing += in_means;
	if (!dropped &&
	    j->w->acts[ACT_BACK] + j->w->acts[ACT_LOST] + j->w->acts[ACT_DAMAGE] +
		    j->w->acts[ACT_STORE_LOST] + j->w->acts[ACT_STORE_BACK] ==
		0 &&
	    !judge_two_lives(j->w) && missing != samples && j->thinned[machine][stream] > 0)
		sim_fail(j->w,
		    "dev-%u stream %u: the ledger counts %llu, %llu are not there one by one",
		    device, stream + 1, (unsigned long long)samples, (unsigned long long)missing);
}

static void
judge_counts(struct judge *j)
{
	for (unsigned i = 0; i < j->w->n_machines; i++)
		for (unsigned k = 0; k < BL_STREAMS && !judge_two_lives(j->w); k++)
			judge_counts_of(j, i, k);
}

/* A sleep of some ticks is named, for whoever asks why nothing was sampled then. */
static void
judge_naps(struct judge *j)
{
	for (unsigned i = 0; i < j->w->n_naps; i++) {
		const struct sim_nap *nap = &j->w->nap[i];
		const struct sim_machine *m = &j->w->machine[nap->machine];
		const int64_t from = nap->from + m->tick_ms, to = nap->to - 2 * m->tick_ms;
		bool named = false;
		unsigned device = 0;

		(void)sscanf(m->device, "dev-%u", &device);
		if (nap->paused)
			continue; /* it does not know */
		for (size_t k = 0; k < j->n_entries && to - from > m->tick_ms; k++) {
			const struct entry *e = &j->entry[k];

			named |= e->reason == BL_GAP_OFF && e->device == device &&
				 e->stream == BL_STREAM_HOST && e->from <= from && e->to >= to;
		}
		if (!named && to - from > m->tick_ms)
			sim_fail(j->w, "machine %u slept from %.0f to %.0f s, and nothing says so",
			    m->no, (double)(nap->from - j->w->begin) / 1000.0,
			    (double)(nap->to - j->w->begin) / 1000.0);
	}
}

/* Which spans of time: for whoever reads what happened. */
static void
trace_holes(struct judge *j)
{
	sqlite3_stmt *st = judge_query(
	    j, j->db, "SELECT spool_id, stream, boot, begin_ms, end_ms FROM hole");

	while (judge_row(j, st)) {
		const struct bl_id boot = judge_column_id(st, 2);
		const int64_t from =
		    machine_true_time(j->w, &boot, sqlite3_column_int64(st, 3), NULL);
		const int64_t to =
		    machine_true_time(j->w, &boot, sqlite3_column_int64(st, 4), NULL);

		sim_trace(j->w, "unexplained: spool %lld stream %d %.3f .. %.3f s",
		    (long long)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1),
		    (double)(from - j->w->begin) / 1000.0, (double)(to - j->w->begin) / 1000.0);
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
	judge_disks(j);
	centre_stop(w);
	if (sqlite3_open_v2(w->centre.path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK)
		sim_fail(w, "the store does not open: %s", sqlite3_errmsg(j->db));
	judge_dict(j);
	judge_clock_maps(j);
	judge_batches(j, IN_STORE);
	j->reading = w->sc.pack_ms == 0;
	if (!j->reading || j->any_twice)
		judge_samples(j);
	judge_aside(j);
	judge_ledger(j);
	for (unsigned i = 0; i < w->n_machines; i++)
		for (unsigned k = 0; k < BL_STREAMS; k++)
			for (unsigned n = 1; n <= w->machine[i].source[k].n; n++)
				judge_sample(j, i, k, n);
	judge_counts(j);
	judge_naps(j);
	judge_totals(j);
	trace_holes(j);
	judge_unexplained(j);
	/* What is judged here has gone through bundles: three streams are cut at once. */
	if (w->n_sent > 200 && w->packs == 0)
		sim_fail(w, "%zu batches left, and no two of them in one message", w->n_sent);
	memcpy(out->acts, w->acts, sizeof(out->acts));
	(void)sqlite3_close(j->db); /* only read */
	bl_buf_free(&j->raw);
	free(j->entry);
	free(j->segment);
	free(j);
}
