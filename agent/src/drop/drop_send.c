/*
 * The rows of a file, one after another: reports on their way, and how far
 * everything is on disk.
 *
 * A row enters the ring when it is begun and leaves it, in order, when all its
 * reports are answered; `at` follows.  A report that was not stored stops
 * everything, and the file is read again from `at`: ids make that harmless.
 */
#include "drop_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GENERATIONS 0xffffffu
#define FULL_MS     100 /* the disk does not keep up, and nothing of ours is under way */

static struct drop_flight *
newest(struct drop_file *file)
{
	return &file->flight[(file->first + file->n_flight - 1) % DROP_FLIGHT];
}

/* ---- what is done ---- */

static void
confirm(struct drop_lane *l)
{
	struct drop_file *file = &l->file;

	while (!file->failed && file->n_flight > 0) {
		const struct drop_flight *head = &file->flight[file->first];

		if (!head->sent || head->left > 0)
			return;
		l->of->in->count[DROP_N_BAD_LINES] += head->bad;
		l->of->in->count[DROP_N_OTHER_ROWS] += head->reports == 0 && !head->bad;
		file->at = head->behind;
		file->first = (file->first + 1) % DROP_FLIGHT;
		file->n_flight--;
		l->dirty = true;
	}
}

void
drop_send_done(struct drop_lane *l, uint64_t token, int rc)
{
	struct drop_file *file = &l->file;

	if (!file->open || (token >> 8 & GENERATIONS) != (l->generation & GENERATIONS))
		return;
	file->under_way--;
	file->flight[token % DROP_FLIGHT].left--;
	l->of->in->count[rc == 0   ? DROP_N_ACCEPTED
			 : rc == 1 ? DROP_N_REPEATED
				   : DROP_N_NOT_STORED]++;
	if (rc < 0) {
		file->failed = true;
		l->wait_mono_ms = bl_mono_ms(l->of->in->host->clock) + DROP_RETRY_MS;
	}
	confirm(l);
	file->due_mono_ms = 0;
}

/* ---- a row ---- */

static void
begin_row(struct drop_file *file)
{
	file->n_flight++;
	*newest(file) = (struct drop_flight){ .sent = false };
	file->have_row = true;
	file->map = file->report = 0;
}

/* It has been dealt with, as far as it is up to us; the next one begins behind it. */
static void
end_row(struct drop_lane *l, bool bad)
{
	struct drop_file *file = &l->file;
	struct drop_flight *row = newest(file);

	drop_text_pass(file, file->row.used, file->row.lines);
	file->next.bad_bytes = file->bad.bytes;
	file->next.bad_lines = file->bad.lines;
	file->next.rest = file->row.rest;
	file->have_row = false;
	row->behind = file->next;
	row->bad = bad;
	row->sent = true;
	confirm(l);
}

/* The row goes to bad/.  False: that cannot be written now. */
static bool
set_aside(struct drop_lane *l, const char *why)
{
	struct drop_file *file = &l->file;
	const struct bl_str text = { file->buf + file->from, file->row.used };
	struct bl_err err = { 0 };

	if (drop_bad_put(&file->bad, l->of->fd, file->name, file->at.identity, file->next.line, why,
		text, &err) == BL_OK) {
		end_row(l, true);
		return true;
	}
	drop_warn(l->of, DROP_WARN_FILE, "%s", err.msg);
	file->failed = true;
	l->wait_mono_ms = bl_mono_ms(l->of->in->host->clock) + DROP_RETRY_MS;
	file->due_mono_ms = file->under_way > 0 ? INT64_MAX : l->wait_mono_ms;
	return false;
}

static int
apply(struct drop_lane *l, unsigned map, struct bl_err *err)
{
	char *id = l->of->in->id;
	int n = snprintf(id, sizeof(l->of->in->id), "%016" PRIx64 ".%" PRIu64, l->file.at.identity,
	    l->file.next.line);

	if (map > 0)
		n += snprintf(id + n, sizeof(l->of->in->id) - (size_t)n, ".%u", map);
	return drop_rows_apply(&l->rows, map, &l->file.row, (struct bl_str){ id, (size_t)n },
	    bl_unix_ms(l->of->in->host->clock), &l->of->in->out, err);
}

/* Nothing of a row is reported when a part of it is wrong. */
static int
check(struct drop_lane *l, struct bl_err *err)
{
	const struct drop_csv_row *row = &l->file.row;
	char why[80];
	int rc = drop_text_wrong(&l->file, row->used, row->lines, why, sizeof(why)) != NULL
		     ? bl_fail(err, BL_EINVAL, "%s", why)
		     : drop_rows_take(&l->rows, row, err);

	for (unsigned k = 0; rc == BL_OK && l->rows.n_maps > 1 && k < l->rows.n_maps; k++)
		rc = apply(l, k, err);
	return rc;
}

static int
report(struct drop_lane *l, const struct bl_rowmap_report *from, struct bl_err *err)
{
	struct drop_file *file = &l->file;
	struct inlet_report *r = &l->of->in->report;
	const uint64_t token = (uint64_t)l->place << 32 |
			       (uint64_t)(l->generation & GENERATIONS) << 8 |
			       (uint64_t)(newest(file) - file->flight);
	int rc;

	inlet_report_of_row(r, from);
	if ((rc = l->of->in->host->report(l->of->in->host->ctx, r, token, err)) < 0)
		return rc;
	newest(file)->left++;
	newest(file)->reports++;
	file->under_way++;
	return BL_OK;
}

/* The reports of a row from where it was left. */
static int
send_row(struct drop_lane *l, struct bl_err *err)
{
	struct drop_file *file = &l->file;
	int rc;

	for (; file->map < l->rows.n_maps; file->map++, file->report = 0) {
		if ((rc = apply(l, file->map, err)) < 0)
			return rc;
		for (; file->report < l->of->in->out.n; file->report++)
			if ((rc = report(l, &l->of->in->out.report[file->report], err)) < 0)
				return rc;
	}
	return BL_OK;
}

static enum drop_step
go_on(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	struct bl_err err = { 0 };
	const int rc = send_row(l, &err);

	if (rc == BL_OK) {
		end_row(l, false);
		return DROP_STEP_MORE;
	}
	if (rc == BL_EINVAL)
		return set_aside(l, err.msg) ? DROP_STEP_MORE : DROP_STEP_WAIT;
	/* Room comes with an answer. */
	file->due_mono_ms =
	    file->under_way > 0 ? INT64_MAX : bl_mono_ms(l->of->in->host->clock) + FULL_MS;
	return DROP_STEP_WAIT;
}

/* ---- from the file's bytes to a row ---- */

/* What stands before the first row: Excel's "sep=;". */
static void
begin_text(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	const char *p = file->buf + file->from;
	const size_t len = file->len - file->from;

	if (file->next.offset == file->text.mark && file->header && len >= 7 &&
	    memcmp(p, "sep=", 4) == 0 && (p[5] == '\n' || (p[5] == '\r' && p[6] == '\n'))) {
		l->rows.separator = p[4];
		drop_text_pass(file, p[5] == '\n' ? 6 : 7, 1);
	}
}

static void
take_header(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	struct bl_err err = { 0 };
	char why[80];

	file->header = false;
	if (drop_text_wrong(file, file->row.used, file->row.lines, why, sizeof(why)) != NULL) {
		drop_file_refuse(l, why);
		return;
	}
	if (drop_rows_header(&l->rows, &file->row, &err) < 0) {
		drop_file_refuse(l, err.msg);
		return;
	}
	drop_text_pass(file, file->row.used, file->row.lines);
	if (file->at.offset > file->next.offset) { /* it is further already */
		file->next = file->at;
		drop_text_empty(file);
		file->end = false;
	}
}

static bool
is_empty(const struct drop_csv_row *row)
{
	const struct bl_str s = row->cell[0];

	if (row->n != 1)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != ' ' && s.p[i] != '\t')
			return false;
	return true;
}

/* The rest of a line that was not taken. */
static void
skip_rest(struct drop_file *file)
{
	const char *p = file->buf + file->from;
	const char *at = memchr(p, '\n', file->len - file->from);
	const size_t n = at != NULL ? (size_t)(at - p) + 1 : file->len - file->from;

	drop_text_pass(file, n, at != NULL);
	file->next.rest = at == NULL;
}

static enum drop_csv
parse(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	const char *p = file->buf + file->from;
	const size_t len = file->len - file->from;

	if (len == 0)
		return DROP_CSV_MORE;
	return l->of->conf->format == DROP_CSV
		   ? drop_csv_next(p, len, file->end, l->rows.separator, file->scratch, &file->row)
		   : drop_line_next(p, len, file->end, &file->row);
}

/* A row is there. */
static enum drop_step
on_row(struct drop_lane *l, enum drop_csv is)
{
	struct drop_file *file = &l->file;
	struct bl_err err = { 0 };
	int rc;

	if (is == DROP_CSV_ROW && is_empty(&file->row)) {
		drop_text_pass(file, file->row.used, file->row.lines);
		return DROP_STEP_MORE;
	}
	if (file->header && is == DROP_CSV_ROW) {
		take_header(l);
		return DROP_STEP_MORE;
	}
	if (file->header) {
		drop_file_refuse(l, file->row.why);
		return DROP_STEP_MORE;
	}
	begin_row(file);
	if (is == DROP_CSV_WRONG)
		return set_aside(l, file->row.why) ? DROP_STEP_MORE : DROP_STEP_WAIT;
	if ((rc = check(l, &err)) == BL_ENOMEM) { /* nothing of it is wrong: it is read again */
		file->n_flight--;
		file->have_row = false;
		file->due_mono_ms = bl_mono_ms(l->of->in->host->clock) + FULL_MS;
		return DROP_STEP_WAIT;
	}
	if (rc < 0)
		return set_aside(l, err.msg) ? DROP_STEP_MORE : DROP_STEP_WAIT;
	return go_on(l);
}

static enum drop_step
next_row(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	const bool begins = file->len == 0;
	enum drop_csv is;
	enum drop_step step;

	if (file->n_flight == DROP_FLIGHT) {
		file->due_mono_ms = INT64_MAX;
		return DROP_STEP_WAIT;
	}
	if (file->next.rest)
		skip_rest(file);
	if ((is = parse(l)) != DROP_CSV_MORE)
		return on_row(l, is);
	if (file->end)
		return file->n_flight == 0 ? DROP_STEP_END : DROP_STEP_WAIT;
	step = drop_file_fill(l);
	if (begins && step == DROP_STEP_MORE)
		begin_text(l);
	return step == DROP_STEP_WAIT ? DROP_STEP_WAIT : DROP_STEP_MORE;
}

enum drop_step
drop_send(struct drop_lane *l)
{
	const int64_t until = bl_mono_ms(l->of->in->host->clock) + DROP_TURN_MS;
	enum drop_step step = DROP_STEP_MORE;

	for (unsigned i = 0; i < DROP_TURN_ROWS && step == DROP_STEP_MORE; i++) {
		step = l->file.have_row ? go_on(l) : next_row(l);
		if (bl_mono_ms(l->of->in->host->clock) >= until)
			break;
	}
	return step;
}
