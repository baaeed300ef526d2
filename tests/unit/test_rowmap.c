/*
 * Mappings of rows, by a table (tests/data/rowmap/cases.json): a configuration, a
 * row, and what is reported, written as one line a report; or what is wrong with
 * either.  In values, "#" stands before a number and "?" before a boolean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "branchline/rowmap.h"

#define NOW_UNIX_MS 1795874400000ll /* 2026-11-28T14:00:00Z */

static const char *
text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static struct bl_str
str(const char *text)
{
	return (struct bl_str){ text, strlen(text) };
}

/* ---- rows ---- */

static struct bl_rowmap_value
from_object(const json_t *v, char *bytes)
{
	const char *hex = text_of(v, "hex");
	struct bl_rowmap_value out = { .type = BL_ROWMAP_BARE };

	if (hex != NULL) {
		for (; hex[0] != '\0'; hex += 2, out.text.len++) {
			unsigned byte;

			assert_int_equal(sscanf(hex, "%2x", &byte), 1);
			bytes[out.text.len] = (char)byte;
		}
		out.text.p = bytes;
		return out;
	}
	out.text = str(text_of(v, "text"));
	out.type = BL_ROWMAP_TEXT;
	if (json_object_get(v, "number") != NULL) {
		out.type = BL_ROWMAP_NUMBER;
		out.number = json_number_value(json_object_get(v, "number"));
	}
	return out;
}

static struct bl_rowmap_value
value_of(const json_t *v, char *bytes)
{
	struct bl_rowmap_value out = { .type = BL_ROWMAP_ABSENT };

	if (json_is_string(v))
		out = (struct bl_rowmap_value){ .type = BL_ROWMAP_BARE,
			.text = str(json_string_value(v)) };
	else if (json_is_boolean(v))
		out = (struct bl_rowmap_value){ .type = BL_ROWMAP_BOOL,
			.boolean = json_is_true(v),
			.text = str(json_is_true(v) ? "true" : "false") };
	else if (json_is_object(v))
		out = from_object(v, bytes);
	return out;
}

/* ---- what came out, as a line ---- */

static void
say_attr(FILE *to, const struct bl_attr *a)
{
	(void)fprintf(to, " %.*s=", (int)a->key.len, a->key.p);
	if (a->type == BL_ATTR_NUMBER)
		(void)fprintf(to, "#%.15g", a->number);
	else if (a->type == BL_ATTR_BOOL)
		(void)fprintf(to, "?%s", a->boolean ? "true" : "false");
	else
		(void)fprintf(to, "%.*s", (int)a->text.len, a->text.p);
}

static void
say(FILE *to, const struct bl_rowmap_report *r)
{
	if (r->metric)
		(void)fprintf(to, "metric %.*s=%.15g %.*s %s", (int)r->def.name.len, r->def.name.p,
		    r->value, (int)r->def.unit.len, r->def.unit.p,
		    r->def.kind == BL_COUNTER ? "counter" : "gauge");
	else
		(void)fprintf(to, "%.*s", (int)r->ev.type.len, r->ev.type.p);
	(void)fprintf(to, " id=%.*s", (int)r->id.len, r->id.p);
	if (r->at_unix_ms != 0)
		(void)fprintf(to, " at=%lld", (long long)r->at_unix_ms);
	for (uint32_t i = 0; !r->metric && i < r->ev.n_attrs; i++)
		say_attr(to, &r->ev.attr[i]);
	for (uint32_t i = 0; r->metric && i < r->def.n_labels; i++)
		(void)fprintf(to, " %.*s=%.*s", (int)r->def.label[i].key.len, r->def.label[i].key.p,
		    (int)r->def.label[i].value.len, r->def.label[i].value.p);
}

static void
expect(const char *name, const struct bl_rowmap_out *out, const json_t *want)
{
	char text[8192];

	if (out->n != json_array_size(want))
		fail_msg("%s: %u reports", name, out->n);
	for (unsigned i = 0; i < out->n; i++) {
		FILE *to = fmemopen(text, sizeof(text), "w");

		assert_non_null(to);
		say(to, &out->report[i]);
		assert_int_equal(fclose(to), 0);
		if (strcmp(text, json_string_value(json_array_get(want, i))) != 0)
			fail_msg("%s: got  %s", name, text);
	}
}

/* ---- cases ---- */

/* False: the configuration is refused, as expected. */
static bool
read_conf(const json_t *row, const char *name, struct bl_rowmap_conf *conf)
{
	const char *config = text_of(row, "config");
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	char *text = json_dumps(json_object_get(row, "map"), 0);
	int rc;

	assert_non_null(text);
	memset(conf, 0, sizeof(*conf));
	rc = bl_conf_parse("map", text, strlen(text), &bl_rowmap_section, conf, &errors, &err);
	free(text);
	if (rc < 0 && config == NULL)
		fail_msg("%s: %s", name, errors.n_kept > 0 ? errors.line[0] : err.msg);
	if (config != NULL) {
		if (rc == BL_OK || errors.n_kept != 1)
			fail_msg("%s: %zu errors", name, errors.n_kept);
		if (strstr(errors.line[0], config) == NULL ||
		    strcmp(strstr(errors.line[0], config), config) != 0)
			fail_msg("%s: got  %s", name, errors.line[0]);
	}
	bl_conf_errors_free(&errors);
	return rc == BL_OK;
}

static int
map(const json_t *row, const struct bl_rowmap *m, struct bl_rowmap_out *out, struct bl_err *err)
{
	const json_t *now = json_object_get(row, "now"), *fields = json_object_get(row, "row");
	struct bl_rowmap_value values[BL_ROWMAP_FIELDS_MAX];
	static char bytes[BL_ROWMAP_FIELDS_MAX][64];
	const char *field;

	for (size_t i = 0; (field = bl_rowmap_field(m, i)) != NULL; i++) {
		const json_t *v = json_object_get(fields, field);

		if (v == NULL)
			fail_msg("asks for %s", field);
		values[i] = value_of(v, bytes[i]);
	}
	return bl_rowmap_apply(m, values, str("row"),
	    now != NULL ? (int64_t)json_integer_value(now) : NOW_UNIX_MS, out, err);
}

static void
check_case(const json_t *row)
{
	const char *name = text_of(row, "name"), *error = text_of(row, "error");
	static struct bl_rowmap_out out;
	struct bl_rowmap_conf conf;
	struct bl_rowmap *m = NULL;
	struct bl_err err = { 0 };
	int rc;

	if (!read_conf(row, name, &conf))
		return;
	rc = bl_rowmap_create(&m, &conf, &err);
	if (rc == BL_OK && json_object_get(row, "row") != NULL)
		rc = map(row, m, &out, &err);
	else if (rc == BL_OK)
		fail_msg("%s: the mapping is taken", name);
	if (error != NULL && (rc != BL_EINVAL || strcmp(err.msg, error) != 0))
		fail_msg("%s: got  %d %s", name, rc, err.msg);
	if (error == NULL && rc < 0)
		fail_msg("%s: %s", name, err.msg);
	if (error == NULL)
		expect(name, &out, json_object_get(row, "want"));
	bl_rowmap_free(m);
	bl_conf_release(&bl_rowmap_section, &conf);
}

static void
rows_become_reports(void **state)
{
	json_error_t e;
	json_t *cases = json_load_file(BL_TEST_DATA "/rowmap/cases.json", 0, &e), *row;
	size_t i;

	(void)state;
	if (cases == NULL)
		fail_msg("line %d: %s", e.line, e.text);
	json_array_foreach(cases, i, row) check_case(row);
	assert_true(i > 100);
	json_decref(cases);
}

static void
too_many_fields_are_refused(void **state)
{
	struct bl_rowmap_conf conf = { .report = BL_ROWMAP_EVENT, .type = NULL };
	struct bl_rowmap *m;
	struct bl_err err = { 0 };
	char text[1024] = "";

	(void)state;
	for (unsigned i = 0; i <= BL_ROWMAP_FIELDS_MAX; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "{%u}", i);
	conf.type = text;
	assert_int_equal(bl_rowmap_create(&m, &conf, &err), BL_EINVAL);
	assert_string_equal(err.msg, "type: expected at most 64 fields in a mapping");
	assert_null(m);
	text[strlen(text) - strlen("{64}")] = '\0';
	assert_int_equal(bl_rowmap_create(&m, &conf, &err), BL_OK);
	assert_string_equal(bl_rowmap_field(m, 63), "63");
	assert_null(bl_rowmap_field(m, 64));
	bl_rowmap_free(m);
}

/* This machine's zone is tzdata's or UTC: whatever it is, a time has a place. */
static void
a_zone_of_the_machine_is_there(void **state)
{
	struct bl_rowmap_conf conf = { .report = BL_ROWMAP_EVENT, .type = (char[]){ "t" } };
	struct bl_rowmap *m;
	struct bl_err err = { 0 };

	(void)state;
	if (bl_rowmap_create(&m, &conf, &err) != BL_OK)
		fail_msg("%s", err.msg);
	assert_null(bl_rowmap_field(m, 0));
	bl_rowmap_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_become_reports),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(a_zone_of_the_machine_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
