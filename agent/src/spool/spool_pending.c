/*
 * What has been appended and not committed yet: kept in memory in the order in
 * which it came, up to a cap.
 *
 * When the disk is full or read-only this is the ring that holds the ticks.
 * Beyond its cap the oldest host tick goes first, then the oldest probes tick,
 * each named by a gap (disk_full); events are refused instead, so that nobody
 * was told "ok".
 */
#include <stdlib.h>
#include <string.h>

#include "spool_internal.h"

void
pending_init(struct spool_pending *p)
{
	memset(p, 0, sizeof(*p));
	p->tail = &p->head;
	p->defs_tail = &p->defs;
}

void
pending_free(struct spool_pending *p)
{
	struct spool_row *row, *next;

	for (row = p->head; row != NULL; row = next) {
		next = row->next;
		free(row);
	}
	pending_init(p); /* the definitions belong to s->defs */
}

bool
pending_empty(const struct spool *s)
{
	return s->p.head == NULL && s->p.defs == NULL && s->p.n_gaps == 0 && s->p.n_clocks == 0 &&
	       s->p.connections == 0;
}

struct pending_chunk
pending_chunk(const struct spool_pending *p)
{
	struct pending_chunk c = { 0 };
	size_t bytes = 0;

	c.gaps = p->n_gaps;
	c.clocks = p->n_clocks;
	c.connections = p->connections;
	for (const struct spool_def *def = p->defs; def != NULL && bytes < SPOOL_TXN_BYTES;
	     def = def->next) {
		bytes += sizeof(*def) + def->len;
		c.defs++;
	}
	/* No row without the series it names: they come after all definitions. */
	if (c.defs < p->n_defs)
		return c;
	for (const struct spool_row *row = p->head; row != NULL && bytes < SPOOL_TXN_BYTES;
	     row = row->next) {
		bytes += sizeof(*row) + row->len;
		c.rows++;
	}
	return c;
}

void
pending_release(struct spool_pending *p, const struct pending_chunk *c)
{
	for (unsigned i = 0; i < c->rows; i++) {
		struct spool_row *row = p->head;

		p->head = row->next;
		p->bytes -= sizeof(*row) + row->len;
		free(row);
	}
	if (p->head == NULL)
		p->tail = &p->head;
	for (unsigned i = 0; i < c->defs; i++)
		p->defs = p->defs->next;
	if (p->defs == NULL)
		p->defs_tail = &p->defs;
	p->n_defs -= c->defs;
	p->n_gaps -= c->gaps;
	memmove(p->gap, p->gap + c->gaps, p->n_gaps * sizeof(p->gap[0]));
	p->n_clocks -= c->clocks;
	memmove(p->clock, p->clock + c->clocks, p->n_clocks * sizeof(p->clock[0]));
	p->connections -= c->connections;
}

/* Widens an entry of the same kind, or adds one.  A full list widens the last of its kind. */
static int
gap_note(struct spool *s, const struct bl_gap *gap)
{
	struct spool_pending *p = &s->p;

	for (unsigned i = p->n_gaps; i > p->doubt.gaps; i--) {
		struct bl_gap *at = &p->gap[i - 1];

		if (at->reason != gap->reason || at->stream != gap->stream || at->seq_first != 0 ||
		    gap->seq_first != 0 || !bl_id_equal(&at->spool, &gap->spool) ||
		    !bl_id_equal(&at->end_boot, &gap->begin_boot))
			continue;
		if (gap->begin_boot_ms < at->begin_boot_ms &&
		    bl_id_equal(&at->begin_boot, &gap->begin_boot))
			at->begin_boot_ms = gap->begin_boot_ms;
		if (gap->end_boot_ms > at->end_boot_ms ||
		    !bl_id_equal(&at->end_boot, &gap->end_boot))
			at->end_boot_ms = gap->end_boot_ms;
		at->end_boot = gap->end_boot;
		at->samples += gap->samples;
		return BL_OK;
	}
	if (p->n_gaps == SPOOL_PENDING_GAPS)
		return BL_EFULL;
	p->gap[p->n_gaps++] = *gap;
	return BL_OK;
}

void
pending_drop_gap(struct spool *s, enum bl_gap_reason reason, const struct spool_row *row)
{
	const struct bl_gap gap = {
		.reason = reason,
		.stream = row->stream,
		.begin_boot = s->boot,
		.begin_boot_ms = row->boot_ms,
		.end_boot = s->boot,
		.end_boot_ms = row->boot_ms,
		.samples = row->n,
	};

	if (gap_note(s, &gap) < 0)
		s->d.forgotten++; /* cannot happen: the kinds are few and merge */
	s->p.lost += row->n;
}

/* Drops the oldest tick of a stream that no doubtful commit carries. */
static bool
drop_oldest(struct spool *s, enum bl_stream stream)
{
	struct spool_pending *p = &s->p;
	struct spool_row **at = &p->head, *row;
	unsigned pinned = p->doubt.rows;

	while ((row = *at) != NULL &&
	       (pinned > 0 || row->stream != stream || row->kind != ROW_TICK || row->promised)) {
		pinned -= pinned > 0;
		at = &row->next;
	}
	if (row == NULL)
		return false;
	*at = row->next;
	if (p->tail == &row->next)
		p->tail = at;
	p->bytes -= sizeof(*row) + row->len;
	pending_drop_gap(s, BL_GAP_DISK_FULL, row);
	free(row);
	return true;
}

/* Takes row. */
static int
pending_add(struct spool *s, struct spool_row *row, struct bl_err *err)
{
	struct spool_pending *p = &s->p;
	const size_t need = sizeof(*row) + row->len;

	while (p->bytes + need > s->memory_bytes) {
		if (drop_oldest(s, BL_STREAM_HOST))
			continue;
		if (row->stream != BL_STREAM_HOST && drop_oldest(s, BL_STREAM_PROBES))
			continue;
		if (row->kind == ROW_TICK && !row->promised)
			pending_drop_gap(s, BL_GAP_DISK_FULL, row);
		free(row);
		return bl_fail(err, BL_EFULL, "spool %s: cannot write and memory is full", s->path);
	}
	*p->tail = row;
	p->tail = &row->next;
	p->bytes += need;
	return BL_OK;
}

int
spool_append(struct spool *s, enum bl_stream stream, int64_t boot_ms,
    const struct spool_sample *samples, uint32_t n, struct bl_err *err)
{
	const int64_t known = dict_last(s);
	struct spool_row *row;
	int rc;

	if (!stream_valid(stream) || n > BL_BATCH_SAMPLES_MAX)
		return bl_fail(
		    err, BL_EINVAL, "spool: append: no such stream, or too many samples");
	for (uint32_t i = 0; i < n; i++)
		if (samples[i].series_id == 0 || samples[i].series_id > known)
			return bl_fail(err, BL_EINVAL, "spool: append: series %u is not known",
			    samples[i].series_id);
	for (uint32_t at = 0; at < n; at += SPOOL_ROW_SAMPLES) {
		const uint32_t part = n - at < SPOOL_ROW_SAMPLES ? n - at : SPOOL_ROW_SAMPLES;

		if ((row = row_of_samples(stream, boot_ms, samples + at, part)) == NULL)
			return bl_fail(err, BL_ENOMEM, "spool: append: out of memory");
		if ((rc = pending_add(s, row, err)) < 0)
			return rc;
	}
	return BL_OK;
}

/* 1: a report with this id was accepted within 24 h, or waits already. */
static int
id_seen(struct spool *s, const char *id, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	for (const struct spool_row *row = s->p.head; row != NULL; row = row->next)
		if (strcmp(row->id, id) == 0)
			return 1;
	if ((st = db_select(s, Q_SEEN_FIND, err, "t", id)) == NULL)
		return err->code;
	rc = db_step(s, st, err);
	if (rc == 1 && wall_older(s, sqlite3_column_int64(st, 0), SPOOL_SEEN_MS))
		rc = 0;
	db_done(st);
	return rc;
}

/* Takes row. */
static int
add_once(struct spool *s, struct spool_row *row, struct bl_err *err)
{
	int rc = 0;

	if (row->id[0] != '\0')
		rc = id_seen(s, row->id, err);
	if (rc != 0) {
		free(row);
		return rc > 0 ? SPOOL_REPEATED : rc;
	}
	return (rc = pending_add(s, row, err)) < 0 ? rc : SPOOL_ACCEPTED;
}

int
spool_event(struct spool *s, const struct bl_event *ev, struct bl_err *err)
{
	struct bl_err local = { 0 };
	struct spool_row *row;
	int rc;

	if (err == NULL)
		err = &local;
	err->code = BL_OK;
	if ((row = row_of_event(ev, err)) == NULL)
		return err->code;
	rc = add_once(s, row, err);
	if (rc == SPOOL_ACCEPTED && s->event_mono_ms == INT64_MAX)
		s->event_mono_ms = bl_mono_ms(s->clock);
	return rc;
}

int
spool_report(struct spool *s, enum bl_stream stream, int64_t boot_ms,
    const struct spool_sample *sample, struct bl_str id, struct bl_err *err)
{
	struct bl_err local = { 0 };
	struct spool_row *row;

	if (err == NULL)
		err = &local;
	if (!stream_valid(stream) || sample->series_id == 0 || sample->series_id > dict_last(s) ||
	    id.len > BL_EVENT_ID_MAX || (id.len > 0 && memchr(id.p, '\0', id.len) != NULL))
		return bl_fail(err, BL_EINVAL, "spool: report: no such stream or series, or no id");
	if ((row = row_of_samples(stream, boot_ms, sample, 1)) == NULL)
		return bl_fail(err, BL_ENOMEM, "spool: report: out of memory");
	if (id.len > 0)
		memcpy(row->id, id.p, id.len);
	row->promised = true;
	return add_once(s, row, err);
}

int
spool_gap(struct spool *s, const struct bl_gap *gap, struct bl_err *err)
{
	if (!stream_valid(gap->stream) || gap->reason < BL_GAP_OFF || gap->reason > BL_GAP_LAST)
		return bl_fail(err, BL_EINVAL, "spool: gap: no such stream or reason");
	if (gap_note(s, gap) < 0)
		return bl_fail(err, BL_EFULL, "spool %s: too many gaps wait for the disk", s->path);
	return BL_OK;
}

void
spool_covered(struct spool *s, int64_t boot_ms)
{
	s->covered_told = true;
	if (boot_ms > s->covered_ms)
		s->covered_ms = boot_ms;
}

void
spool_open_from(struct spool *s, enum bl_stream stream, int64_t boot_ms)
{
	s->open_from_ms[stream_index(stream)] = boot_ms;
}

void
spool_connected(struct spool *s)
{
	s->p.connections++;
}

size_t
spool_memory_max(const struct spool *s)
{
	return s->memory_bytes;
}

size_t
spool_memory_bytes(const struct spool *s)
{
	return s->p.bytes;
}
