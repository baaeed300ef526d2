/*
 * libFuzzer target: a mapping (its configuration, up to the first NUL) and the
 * fields of a row behind it, a NUL between two.  Looked for, besides what the
 * sanitizers see: a report that a batch would not take, a message that is none.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"
#include "branchline/rowmap.h"

#define NOW_UNIX_MS 1795874400000ll

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_report(const struct bl_rowmap_report *r)
{
	struct bl_batch_enc *enc;

	check(r->id.len <= BL_EVENT_ID_MAX && bl_wire_utf8(r->id.p, r->id.len));
	if (r->metric) {
		check(isfinite(r->value) && r->def.name.len > 0 && r->def.name.len <= BL_NAME_MAX);
		check(r->def.n_labels < BL_LABELS_MAX);
		for (uint32_t i = 0; i < r->def.n_labels; i++) {
			const struct bl_label *l = &r->def.label[i];

			check(l->value.len > 0 && l->value.len <= BL_LABEL_VALUE_MAX);
			check(bl_wire_utf8(l->value.p, l->value.len));
		}
		return;
	}
	check((enc = bl_batch_enc_create()) != NULL);
	check(bl_batch_enc_event(enc, &r->ev) == BL_OK);
	bl_batch_enc_free(enc);
}

/* The next text, up to a NUL, and how it is to be taken by its first byte. */
static struct bl_rowmap_value
next_value(const char **at, const char *end)
{
	const char *from = *at, *stop = memchr(from, '\0', (size_t)(end - from));
	struct bl_rowmap_value v = { .type = BL_ROWMAP_BARE };

	stop = stop != NULL ? stop : end;
	*at = stop < end ? stop + 1 : end;
	v.text = (struct bl_str){ from, (size_t)(stop - from) };
	if (v.text.len == 0)
		v.type = BL_ROWMAP_ABSENT;
	else if (from[0] == '"')
		v.type = BL_ROWMAP_TEXT;
	else if (from[0] == '#')
		v = (struct bl_rowmap_value){ BL_ROWMAP_NUMBER, { "1.5", 3 }, 1.5, false };
	else if (from[0] == '?')
		v = (struct bl_rowmap_value){ BL_ROWMAP_BOOL, { "true", 4 }, 0, true };
	return v;
}

static void
map_row(const struct bl_rowmap *m, const char *at, const char *end)
{
	struct bl_rowmap_value row[BL_ROWMAP_FIELDS_MAX];
	static struct bl_rowmap_out out;
	struct bl_err err = { 0 };
	int rc;

	for (size_t i = 0; bl_rowmap_field(m, i) != NULL; i++)
		row[i] = next_value(&at, end);
	rc = bl_rowmap_apply(m, row, (struct bl_str){ "row", 3 }, NOW_UNIX_MS, &out, &err);
	check(rc == BL_OK || (rc == BL_EINVAL && strstr(err.msg, ": ") != NULL &&
				 strpbrk(err.msg, "\r\n") == NULL));
	if (rc < 0)
		return;
	check(out.n <= BL_ROWMAP_REPORTS_MAX);
	for (unsigned i = 0; i < out.n; i++)
		check_report(&out.report[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size;
	const char *conf_end = size > 0 ? memchr(text, '\0', size) : NULL;
	struct bl_conf_errors errors = { 0 };
	struct bl_rowmap_conf conf = { 0 };
	struct bl_rowmap *m = NULL;
	struct bl_err err = { 0 };

	if (conf_end == NULL)
		return 0;
	if (bl_conf_parse("map", text, (size_t)(conf_end - text), &bl_rowmap_section, &conf,
		&errors, &err) == BL_OK) {
		if (bl_rowmap_create(&m, &conf, &err) == BL_OK)
			map_row(m, conf_end + 1, end);
		bl_rowmap_free(m);
		bl_conf_release(&bl_rowmap_section, &conf);
	}
	bl_conf_errors_free(&errors);
	return 0;
}
