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
confirm(struct drop_folder *f)
{
	struct drop_file *file = &f->file;

	while (!file->failed && file->n_flight > 0) {
		const struct drop_flight *head = &file->flight[file->first];

		if (!head->sent || head->left > 0)
			return;
		f->in->count[DROP_N_BAD_LINES] += head->bad;
		f->in->count[DROP_N_OTHER_ROWS] += head->reports == 0 && !head->bad;
		file->at = head->behind;
		file->first = (file->first + 1) % DROP_FLIGHT;
		file->n_flight--;
		f->dirty = true;
	}
}

void
drop_send_done(struct drop_folder *f, uint64_t token, int rc)
{
	struct drop_file *file = &f->file;

	if (!file->open || (token >> 8 & GENERATIONS) != (f->generation & GENERATIONS))
		return;
	file->under_way--;
	file->flight[token % DROP_FLIGHT].left--;
	f->in->count[rc == 0 ? DROP_N_ACCEPTED : rc == 1 ? DROP_N_REPEATED : DROP_N_NOT_STORED]++;
	if (rc < 0) {
		file->failed = true;
		f->wait_mono_ms = bl_mono_ms(f->in->host->clock) + DROP_RETRY_MS;
	}
	confirm(f);
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
end_row(struct drop_folder *f, bool bad)
{
	struct drop_file *file = &f->file;
	struct drop_flight *row = newest(file);

	drop_text_pass(file, file->row.used, file->row.lines);
	file->next.bad_bytes = file->bad.bytes;
	file->next.bad_lines = file->bad.lines;
	file->next.rest = file->row.rest;
	file->have_row = false;
	row->behind = file->next;
	row->bad = bad;
	row->sent = true;
	confirm(f);
}

/* The row goes to bad/.  False: that cannot be written now. */
static bool
set_aside(struct drop_folder *f, const char *why)
{
	struct drop_file *file = &f->file;
	const struct bl_str text = { file->buf + file->from, file->row.used };
	struct bl_err err = { 0 };

	if (drop_bad_put(&file->bad, f->fd, file->name, file->at.identity, file->next.line, why,
		text, &err) == BL_OK) {
		end_row(f, true);
		return true;
	}
	drop_warn(f, DROP_WARN_FILE, "%s", err.msg);
	file->failed = true;
	f->wait_mono_ms = bl_mono_ms(f->in->host->clock) + DROP_RETRY_MS;
	file->due_mono_ms = file->under_way > 0 ? INT64_MAX : f->wait_mono_ms;
	return false;
}

static int
apply(struct drop_folder *f, unsigned map, struct bl_err *err)
{
	char *id = f->in->id;
	int n = snprintf(id, sizeof(f->in->id), "%016" PRIx64 ".%" PRIu64, f->file.at.identity,
	    f->file.next.line);

	if (map > 0)
		n += snprintf(id + n, sizeof(f->in->id) - (size_t)n, ".%u", map);
	return drop_rows_apply(&f->rows, map, &f->file.row, (struct bl_str){ id, (size_t)n },
	    bl_unix_ms(f->in->host->clock), &f->in->out, err);
}

/* Nothing of a row is reported when a part of it is wrong. */
static int
check(struct drop_folder *f, struct bl_err *err)
{
	const struct drop_csv_row *row = &f->file.row;
	char why[80];
	int rc = drop_text_wrong(&f->file, row->used, row->lines, why, sizeof(why)) != NULL
		     ? bl_fail(err, BL_EINVAL, "%s", why)
		     : drop_rows_take(&f->rows, row, err);

	for (unsigned k = 0; rc == BL_OK && f->rows.n_maps > 1 && k < f->rows.n_maps; k++)
		rc = apply(f, k, err);
	return rc;
}

static int
report(struct drop_folder *f, const struct bl_rowmap_report *from, struct bl_err *err)
{
	struct drop_file *file = &f->file;
	struct inlet_report *r = &f->in->report;
	const uint64_t token = (uint64_t)f->place << 32 |
			       (uint64_t)(f->generation & GENERATIONS) << 8 |
			       (uint64_t)(newest(file) - file->flight);
	int rc;

	r->kind = from->metric ? INLET_METRIC : INLET_EVENT;
	r->id = from->id;
	r->at_unix_ms = from->at_unix_ms;
	r->ev = from->ev;
	r->def = from->def;
	r->value = from->value;
	if ((rc = f->in->host->report(f->in->host->ctx, r, token, err)) < 0)
		return rc;
	newest(file)->left++;
	newest(file)->reports++;
	file->under_way++;
	return BL_OK;
}

/* The reports of a row from where it was left. */
static int
send_row(struct drop_folder *f, struct bl_err *err)
{
	struct drop_file *file = &f->file;
	int rc;

	for (; file->map < f->rows.n_maps; file->map++, file->report = 0) {
		if ((rc = apply(f, file->map, err)) < 0)
			return rc;
		for (; file->report < f->in->out.n; file->report++)
			if ((rc = report(f, &f->in->out.report[file->report], err)) < 0)
				return rc;
	}
	return BL_OK;
}

static enum drop_step
go_on(struct drop_folder *f)
{
	struct drop_file *file = &f->file;
	struct bl_err err = { 0 };
	const int rc = send_row(f, &err);

	if (rc == BL_OK) {
		end_row(f, false);
		return DROP_STEP_MORE;
	}
	if (rc == BL_EINVAL)
		return set_aside(f, err.msg) ? DROP_STEP_MORE : DROP_STEP_WAIT;
	/* Room comes with an answer. */
	file->due_mono_ms =
	    file->under_way > 0 ? INT64_MAX : bl_mono_ms(f->in->host->clock) + FULL_MS;
	return DROP_STEP_WAIT;
}

/* ---- from the file's bytes to a row ---- */

/* What stands before the first row: Excel's "sep=;". */
static void
begin_text(struct drop_folder *f)
{
	struct drop_file *file = &f->file;
	const char *p = file->buf + file->from;
	const size_t len = file->len - file->from;

	if (file->next.offset == file->text.mark && file->header && len >= 7 &&
	    memcmp(p, "sep=", 4) == 0 && (p[5] == '\n' || (p[5] == '\r' && p[6] == '\n'))) {
		f->rows.separator = p[4];
		drop_text_pass(file, p[5] == '\n' ? 6 : 7, 1);
	}
}

static void
take_header(struct drop_folder *f)
{
	struct drop_file *file = &f->file;
	struct bl_err err = { 0 };
	char why[80];

	file->header = false;
	if (drop_text_wrong(file, file->row.used, file->row.lines, why, sizeof(why)) != NULL) {
		drop_file_refuse(f, why);
		return;
	}
	if (drop_rows_header(&f->rows, &file->row, &err) < 0) {
		drop_file_refuse(f, err.msg);
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
parse(struct drop_folder *f)
{
	struct drop_file *file = &f->file;
	const char *p = file->buf + file->from;
	const size_t len = file->len - file->from;

	if (len == 0)
		return DROP_CSV_MORE;
	return f->conf->format == DROP_CSV
		   ? drop_csv_next(p, len, file->end, f->rows.separator, file->scratch, &file->row)
		   : drop_line_next(p, len, file->end, &file->row);
}

/* A row is there. */
static enum drop_step
on_row(struct drop_folder *f, enum drop_csv is)
{
	struct drop_file *file = &f->file;
	struct bl_err err = { 0 };
	int rc;

	if (is == DROP_CSV_ROW && is_empty(&file->row)) {
		drop_text_pass(file, file->row.used, file->row.lines);
		return DROP_STEP_MORE;
	}
	if (file->header && is == DROP_CSV_ROW) {
		take_header(f);
		return DROP_STEP_MORE;
	}
	if (file->header) {
		drop_file_refuse(f, file->row.why);
		return DROP_STEP_MORE;
	}
	begin_row(file);
	if (is == DROP_CSV_WRONG)
		return set_aside(f, file->row.why) ? DROP_STEP_MORE : DROP_STEP_WAIT;
	if ((rc = check(f, &err)) == BL_ENOMEM) { /* nothing of it is wrong: it is read again */
		file->n_flight--;
		file->have_row = false;
		file->due_mono_ms = bl_mono_ms(f->in->host->clock) + FULL_MS;
		return DROP_STEP_WAIT;
	}
	if (rc < 0)
		return set_aside(f, err.msg) ? DROP_STEP_MORE : DROP_STEP_WAIT;
	return go_on(f);
}

static enum drop_step
next_row(struct drop_folder *f)
{
	struct drop_file *file = &f->file;
	const bool begins = file->len == 0;
	enum drop_csv is;
	enum drop_step step;

	if (file->n_flight == DROP_FLIGHT) {
		file->due_mono_ms = INT64_MAX;
		return DROP_STEP_WAIT;
	}
	if (file->next.rest)
		skip_rest(file);
	if ((is = parse(f)) != DROP_CSV_MORE)
		return on_row(f, is);
	if (file->end)
		return file->n_flight == 0 ? DROP_STEP_END : DROP_STEP_WAIT;
	step = drop_file_fill(f);
	if (begins && step == DROP_STEP_MORE)
		begin_text(f);
	return step == DROP_STEP_WAIT ? DROP_STEP_WAIT : DROP_STEP_MORE;
}

enum drop_step
drop_send(struct drop_folder *f)
{
	const int64_t until = bl_mono_ms(f->in->host->clock) + DROP_TURN_MS;
	enum drop_step step = DROP_STEP_MORE;

	for (unsigned i = 0; i < DROP_TURN_ROWS && step == DROP_STEP_MORE; i++) {
		step = f->file.have_row ? go_on(f) : next_row(f);
		if (bl_mono_ms(f->in->host->clock) >= until)
			break;
	}
	return step;
}
