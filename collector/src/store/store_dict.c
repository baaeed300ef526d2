/*
 * Dictionaries: what a spool's series numbers mean.
 *
 * Entries are append-only and taken in order; each names one row of table
 * series, which is unique by (device, metric, labels), so that a new spool of
 * the same device goes on with the same series.
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
	struct bl_buf labels;
	sqlite3_stmt *st;
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
	st = store_bind(
	    s, SQL_SERIES_GET, err, "itt", sp->device_id, name, (const char *)labels.data);
	rc = store_step(s, st, err);
	*id = 0;
	if (rc == 1) {
		*id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
		/* The newest definition counts. */
		rc = store_run(s, SQL_SERIES_SET, err, "tiiii", unit, (int64_t)def->kind,
		    (int64_t)def->stream, (int64_t)def->interval_ms, *id);
	} else if (rc == 0 && create) {
		rc = store_run(s, SQL_SERIES_ADD, err, "itttiii", sp->device_id, name,
		    (const char *)labels.data, unit, (int64_t)def->kind, (int64_t)def->stream,
		    (int64_t)def->interval_ms);
		*id = sqlite3_last_insert_rowid(s->db);
	}
	bl_buf_free(&labels);
	return rc;
}

int
store_dict_salvaged(struct store *s, struct store_spool *sp,
    const struct store_salvaged_series *row, struct bl_err *err)
{
	sqlite3_stmt *st =
	    store_bind(s, SQL_SERIES_GET, err, "itt", sp->device_id, row->name, row->labels);
	int64_t id = 0;
	int rc = store_step(s, st, err);

	if (rc == 1) {
		id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	} else if (rc == 0) {
		rc = store_run(s, SQL_SERIES_ADD, err, "itttiii", sp->device_id, row->name,
		    row->labels, row->unit, row->kind, row->stream, row->interval_ms);
		id = sqlite3_last_insert_rowid(s->db);
	}
	if (rc < 0 || (rc = store_run(s, SQL_DICT_ADD, err, "iii", sp->id, row->entry, id)) < 0)
		return rc;
	sp->dict_version = (uint32_t)row->entry;
	sp->dirty = sp->row_dirty = true;
	return BL_OK;
}

int
store_dict(
    struct store *s, struct store_spool *sp, const struct bl_series_def *def, struct bl_err *err)
{
	int64_t id = 0, known = 0;
	sqlite3_stmt *st;
	int rc;

	if (def->id < 1 || def->id > BL_DICT_ENTRIES_MAX)
		return bl_fail(err, BL_EINVAL, "a dictionary entry's number is impossible");
	if (def->id > sp->dict_version + 1)
		return STORE_ENTRY_EARLY;
	if ((rc = series_id(s, sp, def, def->id > sp->dict_version, &id, err)) < 0)
		return rc;
	if (def->id <= sp->dict_version) {
		st = store_bind(s, SQL_DICT_GET, err, "ii", sp->id, (int64_t)def->id);
		if ((rc = store_step(s, st, err)) < 0)
			return rc;
		if (rc == 1) {
			known = sqlite3_column_int64(st, 0);
			(void)sqlite3_reset(st);
		}
		return known == id && id != 0 ? STORE_ENTRY_KNOWN : STORE_ENTRY_CONFLICT;
	}
	if ((rc = store_run(s, SQL_DICT_ADD, err, "iii", sp->id, (int64_t)def->id, id)) < 0)
		return rc;
	sp->dict_version = def->id;
	sp->dirty = sp->row_dirty = true;
	return STORE_ENTRY_NEW;
}
