/* The fields of a row by place: columns of CSV, keys of JSON. */
#include "drop_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/json.h"

#define MISSING (-1)
#define EXACT_DIGITS                                                                               \
	1000000000000000ll /* whole numbers below are numbers, others name something               \
			    */

int
drop_rows_open(struct drop_rows *r, const struct drop_folder_conf *conf, struct bl_err *err)
{
	const struct bl_rowmap_conf *maps = conf->reports.item;
	int rc;

	memset(r, 0, sizeof(*r));
	r->conf = conf;
	for (size_t i = 0; i < conf->reports.n && i < DROP_REPORTS_MAX; i++) {
		struct drop_map *m = &r->map[i];

		if ((rc = bl_rowmap_create(&m->map, &maps[i], err)) < 0) {
			bl_err_prefix(err, "reports[%zu]", i);
			return rc;
		}
		r->n_maps++;
		while (bl_rowmap_field(m->map, m->n) != NULL)
			m->n++;
	}
	return BL_OK;
}

void
drop_rows_close(struct drop_rows *r)
{
	json_decref(r->json);
	r->json = NULL;
	for (unsigned i = 0; i < r->n_maps; i++)
		bl_rowmap_free(r->map[i].map);
	r->n_maps = 0;
}

/* ---- columns ---- */

static struct bl_str
trim(struct bl_str s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The names that there are, for a message; cut where it is full. */
static void
say_names(const struct bl_str *names, unsigned n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		const struct bl_str s = trim(names[i]);

		if (!bl_wire_utf8(s.p, s.len)) {
			(void)snprintf(out, size,
			    "names that are no text in the folder's `encoding` (utf-8 where none "
			    "is said); say the file's");
			return;
		}
		if (used + s.len + 6 > size) {
			(void)snprintf(out + used, size - used, " ...");
			return;
		}
		used += (size_t)snprintf(
		    out + used, size - used, "%s%.*s", i > 0 ? ", " : "", (int)s.len, s.p);
	}
}

static int
find(const struct bl_str *names, unsigned n, const char *field, int *column, struct bl_err *err)
{
	char all[120];

	*column = MISSING;
	for (unsigned i = 0; i < n; i++) {
		const struct bl_str s = trim(names[i]);

		if (s.len != strlen(field) || memcmp(s.p, field, s.len) != 0)
			continue;
		if (*column != MISSING)
			return bl_fail(err, BL_EINVAL, "column \"%.60s\" stands twice", field);
		*column = (int)i;
	}
	if (*column != MISSING)
		return BL_OK;
	say_names(names, n, all, sizeof(all));
	return bl_fail(err, BL_EINVAL, "no column \"%.60s\"; there are: %s", field, all);
}

static int
place_columns(struct drop_rows *r, const struct bl_str *names, unsigned n, struct bl_err *err)
{
	int rc;

	for (unsigned k = 0; k < r->n_maps; k++)
		for (unsigned i = 0; i < r->map[k].n; i++)
			if ((rc = find(names, n, bl_rowmap_field(r->map[k].map, i),
				 &r->map[k].column[i], err)) < 0)
				return rc;
	r->n_columns = n;
	return BL_OK;
}

int
drop_rows_begin(struct drop_rows *r, bool *header, struct bl_err *err)
{
	const struct bl_conf_strlist *given = &r->conf->columns;
	struct bl_str names[DROP_CELLS_MAX];
	unsigned n = 0;

	r->n_columns = 0;
	r->separator = strcmp(r->conf->separator, "tab") == 0 ? '\t' : r->conf->separator[0];
	*header = r->conf->format == DROP_CSV && given->n == 0;
	if (r->conf->format != DROP_CSV || *header)
		return BL_OK;
	for (; n < given->n && n < DROP_CELLS_MAX; n++)
		names[n] = (struct bl_str){ given->item[n], strlen(given->item[n]) };
	return place_columns(r, names, n, err);
}

int
drop_rows_header(struct drop_rows *r, const struct drop_csv_row *row, struct bl_err *err)
{
	unsigned n = row->n;

	while (n > 1 && row->cell[n - 1].len == 0)
		n--; /* a separator at the end of each line */
	return place_columns(r, row->cell, n, err);
}

/* ---- rows ---- */

static void
leave_out(char *text, const char *words)
{
	char *at = strstr(text, words);

	if (at != NULL)
		memmove(at, at + strlen(words), strlen(at + strlen(words)) + 1);
}

int
drop_rows_take(struct drop_rows *r, const struct drop_csv_row *row, struct bl_err *err)
{
	unsigned n = row->n;
	int rc;

	if (r->conf->format == DROP_CSV) {
		while (n > r->n_columns && row->cell[n - 1].len == 0)
			n--;
		if (n == r->n_columns)
			return BL_OK;
		return bl_fail(err, BL_EINVAL,
		    "expected %u columns, got %u; a separator within a value wants the value in "
		    "double quotes",
		    r->n_columns, n);
	}
	json_decref(r->json);
	r->json = NULL;
	rc = bl_json_parse(&r->json, row->cell[0].p, row->cell[0].len, DROP_ROW_MAX, "line", err);
	if (rc < 0) {
		leave_out(err->msg, "line: "); /* the number of this one stands before it */
		leave_out(err->msg, "line 1, ");
	}
	if (rc < 0 || json_is_object(r->json))
		return rc;
	return bl_fail(err, BL_EINVAL, "expected a JSON object, {\"name\": value, ...}");
}

/* "a.b" is a key of that name, or b in the object a. */
static const json_t *
member(const json_t *o, const char *field)
{
	const json_t *v = json_object_get(o, field);
	const char *dot = strchr(field, '.');
	char key[256];

	if (v != NULL || dot == NULL || (size_t)(dot - field) >= sizeof(key))
		return v;
	memcpy(key, field, (size_t)(dot - field));
	key[dot - field] = '\0';
	o = json_object_get(o, key);
	return json_is_object(o) ? member(o, dot + 1) : NULL;
}

static void
from_number(const json_t *v, char text[32], struct bl_rowmap_value *out)
{
	const double d = json_number_value(v);
	int n;

	out->type = BL_ROWMAP_NUMBER;
	out->number = d;
	if (json_is_integer(v)) {
		const long long whole = json_integer_value(v);

		n = snprintf(text, 32, "%lld", whole);
		if (whole <= -EXACT_DIGITS || whole >= EXACT_DIGITS)
			out->type = BL_ROWMAP_TEXT;
	} else {
		n = snprintf(text, 32, "%.15g", d);
		if (strtod(text, NULL) != d)
			n = snprintf(text, 32, "%.17g", d);
	}
	out->text = (struct bl_str){ text, (size_t)n };
}

/* False: it is a list or an object. */
static bool
from_json(const json_t *v, char text[32], struct bl_rowmap_value *out)
{
	*out = (struct bl_rowmap_value){ .type = BL_ROWMAP_ABSENT, .text = { "", 0 } };
	if (json_is_string(v)) {
		out->type = BL_ROWMAP_TEXT;
		out->text = (struct bl_str){ json_string_value(v), json_string_length(v) };
	} else if (json_is_number(v)) {
		from_number(v, text, out);
	} else if (json_is_boolean(v)) {
		out->type = BL_ROWMAP_BOOL;
		out->boolean = json_is_true(v);
		out->text =
		    out->boolean ? (struct bl_str){ "true", 4 } : (struct bl_str){ "false", 5 };
	} else if (v != NULL && !json_is_null(v)) {
		return false;
	}
	return true;
}

int
drop_rows_apply(struct drop_rows *r, unsigned k, const struct drop_csv_row *row, struct bl_str id,
    int64_t now_unix_ms, struct bl_rowmap_out *out, struct bl_err *err)
{
	const struct drop_map *m = &r->map[k];

	for (unsigned i = 0; i < m->n; i++) {
		const char *field = bl_rowmap_field(m->map, i);

		if (r->conf->format == DROP_CSV)
			r->value[i] = (struct bl_rowmap_value){ .type = BL_ROWMAP_BARE,
				.text = row->cell[m->column[i]] };
		else if (!from_json(member(r->json, field), r->number[i], &r->value[i]))
			return bl_fail(err, BL_EINVAL,
			    "\"%.60s\": expected text, a number, true, false or null, got a list "
			    "or an object",
			    field);
	}
	return bl_rowmap_apply(m->map, r->value, id, now_unix_ms, out, err);
}
