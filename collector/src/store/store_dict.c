/*
 * Dictionaries: what a spool's series numbers mean.
 *
 * Entries are append-only and taken in order; each names one series, which is
 * unique by (device, metric, labels), so that a new spool of the same device goes
 * on with the same series.
 *
 * What an agent announces in one go gets numbers in one go: a row of dict_run says
 * it of up to 256 entries.  The last run of a spool stays in memory and is written
 * when it is full, or with the commit.
 */
#include <string.h>

#include "store_internal.h"

/* Name, quotes, colon and comma of every label, each byte escaped as \u00XX at worst. */
#define LABELS_JSON_MAX (BL_LABELS_MAX * (6 * (BL_NAME_MAX + BL_LABEL_VALUE_MAX) + 8) + 8)

static void
json_text(struct bl_buf *b, const struct bl_str *s)
{
	bl_buf_u8(b, '"');
	for (size_t i = 0; i < s->len; i++) {
		const unsigned char c = (unsigned char)s->p[i];

		if (c == '"' || c == '\\') {
			bl_buf_u8(b, '\\');
			bl_buf_u8(b, c);
		} else if (c < 0x20) {
			static const char hex[] = "0123456789abcdef";

			bl_buf_bytes(b, "\\u00", 4);
			bl_buf_u8(b, (uint8_t)hex[c >> 4]);
			bl_buf_u8(b, (uint8_t)hex[c & 15]);
		} else {
			bl_buf_u8(b, c);
		}
	}
	bl_buf_u8(b, '"');
}

/* Labels ascend by key (the decoder saw to it), so equal ones give equal text. */
static void
labels_json(struct bl_buf *b, const struct bl_series_def *def)
{
	bl_buf_u8(b, '{');
	for (uint32_t i = 0; i < def->n_labels; i++) {
		if (i > 0)
			bl_buf_u8(b, ',');
		json_text(b, &def->label[i].key);
		bl_buf_u8(b, ':');
		json_text(b, &def->label[i].value);
	}
	bl_buf_u8(b, '}');
	bl_buf_u8(b, '\0');
}

/* *id is 0 when there is none and none is to be made. */
static int
series_id(struct store *s, const struct store_spool *sp, const struct bl_series_def *def,
    bool create, int64_t *id, struct bl_err *err)
{
	char name[BL_NAME_MAX + 1], unit[BL_NAME_MAX + 1];
	struct series_text t = { .name = name,
		.unit = unit,
		.kind = (int64_t)def->kind,
		.stream = (int64_t)def->stream,
		.interval_ms = (int64_t)def->interval_ms };
	struct bl_buf labels;
	int rc;

	if (def->name.len > BL_NAME_MAX || def->unit.len > BL_NAME_MAX ||
	    def->n_labels > BL_LABELS_MAX)
		return bl_fail(err, BL_EINVAL, "a dictionary entry passes a cap");
	memcpy(name, def->name.p, def->name.len);
	name[def->name.len] = '\0';
	if (def->unit.len > 0)
		memcpy(unit, def->unit.p, def->unit.len);
	unit[def->unit.len] = '\0';
	bl_buf_init(&labels, LABELS_JSON_MAX);
	labels_json(&labels, def);
	if (labels.failed) {
		bl_buf_free(&labels);
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	}
	t.labels = (const char *)labels.data;
	/* The newest definition counts. */
	rc = store_series_set(s, sp->device_id, &t, id, err);
	if (rc == BL_OK && *id == 0 && create)
		rc = store_series_add(s, sp->device_id, &t, id, err);
	bl_buf_free(&labels);
	return rc;
}

/* ---- the dictionary as runs ---- */

int
store_dict_flush(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	struct dict_run *r = &sp->run;
	int rc;

	if (!r->dirty)
		return BL_OK;
	if ((rc = store_run(s, r->put ? SQL_DICT_GROW : SQL_DICT_ADD, err, "iiii", sp->id, r->entry,
		 r->series_id, r->n)) < 0)
		return rc;
	r->put = true;
	r->dirty = false;
	return BL_OK;
}

static int
know_run(struct store *s, struct store_spool *sp, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sp->run.known)
		return BL_OK;
	st = store_bind(s, SQL_DICT_LAST, err, "i", sp->id);
	if ((rc = store_step(s, st, err)) < 0)
		return rc;
	sp->run = (struct dict_run){ .known = true };
	if (rc == 1) {
		sp->run.put = true;
		sp->run.entry = sqlite3_column_int64(st, 0);
		sp->run.series_id = sqlite3_column_int64(st, 1);
		sp->run.n = sqlite3_column_int64(st, 2);
		(void)sqlite3_reset(st);
	}
	return BL_OK;
}

/* The next entry. */
static int
append(
    struct store *s, struct store_spool *sp, int64_t entry, int64_t series_id, struct bl_err *err)
{
	struct dict_run *r = &sp->run;
	int rc;

	if ((rc = know_run(s, sp, err)) < 0)
		return rc;
	if (r->n == 0 || r->n >= STORE_DICT_RUN_MAX || entry != r->entry + r->n ||
	    series_id != r->series_id + r->n) {
		if ((rc = store_dict_flush(s, sp, err)) < 0)
			return rc;
		*r = (struct dict_run){ .known = true, .entry = entry, .series_id = series_id };
	}
	r->n++;
	r->dirty = true;
	sp->dict_version = (uint32_t)entry;
	sp->dirty = sp->row_dirty = true;
	return BL_OK;
}

/* *id 0: it is not there. */
static int
entry_of(struct store *s, struct store_spool *sp, int64_t entry, int64_t *id, struct bl_err *err)
{
	const struct dict_run *r = &sp->run;
	sqlite3_stmt *st;
	int rc;

	*id = 0;
	if (r->n > 0 && entry >= r->entry && entry < r->entry + r->n) {
		*id = r->series_id + entry - r->entry;
		return BL_OK;
	}
	st = store_bind(s, SQL_DICT_GET, err, "ii", sp->id, entry);
	if ((rc = store_step(s, st, err)) == 1) {
		*id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

int
store_dict_salvaged(struct store *s, struct store_spool *sp, int64_t entry,
    const struct series_text *row, struct bl_err *err)
{
	int64_t id = 0;
	int rc = store_series_find(s, sp->device_id, row, &id, err);

	if (rc == BL_OK && id == 0)
		rc = store_series_add(s, sp->device_id, row, &id, err);
	return rc < 0 ? rc : append(s, sp, entry, id, err);
}

int
store_dict(
    struct store *s, struct store_spool *sp, const struct bl_series_def *def, struct bl_err *err)
{
	int64_t id = 0, known = 0;
	int rc;

	if (def->id < 1 || def->id > BL_DICT_ENTRIES_MAX)
		return bl_fail(err, BL_EINVAL, "a dictionary entry's number is impossible");
	if (def->id > sp->dict_version + 1)
		return STORE_ENTRY_EARLY;
	if ((rc = series_id(s, sp, def, def->id > sp->dict_version, &id, err)) < 0)
		return rc;
	if (def->id <= sp->dict_version) {
		if ((rc = entry_of(s, sp, (int64_t)def->id, &known, err)) < 0)
			return rc;
		return known == id && id != 0 ? STORE_ENTRY_KNOWN : STORE_ENTRY_CONFLICT;
	}
	rc = append(s, sp, (int64_t)def->id, id, err);
	return rc < 0 ? rc : STORE_ENTRY_NEW;
}
