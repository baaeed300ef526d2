/*
 * Values of a JSON text by their place: "status", "checks[0].state".  Names in
 * places hold no dots and no brackets.
 *
 * What stands there must be a text, a number, true, false or null.  Pure.
 */
#include "probe_http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/json.h"

/* ---- what is wanted ---- */

static const char *
path_check(const char *path)
{
	static const char expected[] =
	    "places such as status or checks[0].state, at most 128 bytes";
	const char *p = path;

	if (*p == '\0' || strlen(path) > PROBE_JSON_PATH_MAX)
		return expected;
	for (bool first = true; *p != '\0'; first = false) {
		if (*p == '[') {
			const size_t digits = strspn(p + 1, "0123456789");

			if (digits == 0 || digits > 6 || p[1 + digits] != ']')
				return expected;
			p += digits + 2;
			continue;
		}
		if (!first && *p++ != '.')
			return expected;
		if (strcspn(p, ".[]") == 0)
			return expected;
		p += strcspn(p, ".[]");
		if (*p == ']')
			return expected;
	}
	return NULL;
}

static const char *
op_parse(struct probe_json_want *w, const char *value)
{
	static const struct {
		const char *text;
		enum probe_json_op op;
	} ops[] = { { "==", JSON_EQUAL }, { "!=", JSON_OTHER }, { "<=", JSON_AT_MOST },
		{ ">=", JSON_AT_LEAST }, { "<", JSON_LESS }, { ">", JSON_MORE } };

	w->op = JSON_EQUAL;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strncmp(value, ops[i].text, strlen(ops[i].text)) == 0) {
			w->op = ops[i].op;
			value += strlen(ops[i].text);
			break;
		}
	}
	return value + strspn(value, " ");
}

const char *
probe_json_want_parse(struct probe_json_want *w, const char *path, const char *value)
{
	const char *expected = path_check(path);
	char *end;

	if (expected != NULL)
		return expected;
	w->path = path;
	w->text = op_parse(w, value);
	w->number = strtod(w->text, &end);
	w->is_number = end != w->text && *end == '\0' && w->number - w->number == 0;
	if (w->op > JSON_OTHER && !w->is_number)
		return "a number behind <, <=, > and >=";
	return NULL;
}

/* ---- what is there ---- */

/* NULL: there is no such place. */
static const json_t *
find(const json_t *at, const char *path)
{
	while (*path != '\0' && at != NULL) {
		if (*path == '[') {
			at = json_array_get(at, strtoul(path + 1, NULL, 10));
			path = strchr(path, ']') + 1;
		} else {
			char name[PROBE_JSON_PATH_MAX + 1];
			size_t len;

			path += *path == '.' ? 1 : 0;
			len = strcspn(path, ".[");
			snprintf(name, sizeof(name), "%.*s", (int)len, path);
			at = json_object_get(at, name);
			path += len;
		}
	}
	return at;
}

static bool
number_is(enum probe_json_op op, double have, double want)
{
	switch (op) {
	case JSON_LESS:
		return have < want;
	case JSON_AT_MOST:
		return have <= want;
	case JSON_MORE:
		return have > want;
	case JSON_AT_LEAST:
		return have >= want;
	default: /* both are what the texts say, so they are equal when those are */
		return have >= want && have <= want;
	}
}

/* For people and for comparing; false: an object or an array. */
static bool
scalar(const json_t *v, char *out, size_t size)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		snprintf(out, size, "%s", json_string_value(v));
		return true;
	case JSON_INTEGER:
		snprintf(out, size, "%lld", (long long)json_integer_value(v));
		return true;
	case JSON_REAL:
		snprintf(out, size, "%.15g", json_real_value(v));
		return true;
	case JSON_TRUE:
	case JSON_FALSE:
		snprintf(out, size, "%s", json_is_true(v) ? "true" : "false");
		return true;
	case JSON_NULL:
		snprintf(out, size, "null");
		return true;
	default:
		snprintf(out, size, json_is_array(v) ? "an array" : "an object");
		return false;
	}
}

static bool
is_wanted(const json_t *v, const struct probe_json_want *w)
{
	char text[32];
	bool same;

	if (json_is_object(v) || json_is_array(v))
		return false;
	if (json_is_number(v) && w->is_number) {
		same = number_is(w->op, json_number_value(v), w->number);
		return w->op == JSON_OTHER ? !same : same;
	}
	if (w->op > JSON_OTHER)
		return false;
	if (json_is_string(v)) {
		same = strcmp(json_string_value(v), w->text) == 0;
	} else {
		(void)scalar(v, text, sizeof(text));
		same = strcmp(text, w->text) == 0;
	}
	return same == (w->op == JSON_EQUAL);
}

static const char *
one_check(const json_t *root, const struct probe_json_want *w, char *out, size_t size)
{
	static const char *const words[] = { [JSON_EQUAL] = "",
		[JSON_OTHER] = "other than ",
		[JSON_LESS] = "less than ",
		[JSON_AT_MOST] = "at most ",
		[JSON_MORE] = "more than ",
		[JSON_AT_LEAST] = "at least " };
	const json_t *v = find(root, w->path);
	char have[48];

	if (v == NULL) {
		snprintf(out, size, "%.60s is not in the JSON of the body", w->path);
		return out;
	}
	if (is_wanted(v, w))
		return NULL;
	(void)scalar(v, have, sizeof(have));
	snprintf(out, size, "%.60s is %s, expected %s%.50s", w->path, have, words[w->op], w->text);
	return out;
}

const char *
probe_json_check(const char *text, size_t len, const struct probe_json_want *want, unsigned n,
    char *out, size_t size)
{
	struct bl_err err = { 0 };
	json_t *root;
	const char *why = NULL;

	if (bl_json_parse(&root, text, len, PROBE_JSON_MAX, "the body", &err) < 0) {
		snprintf(out, size, "%s", err.msg);
		return out;
	}
	for (unsigned i = 0; i < n && why == NULL; i++)
		why = one_check(root, &want[i], out, size);
	json_decref(root);
	return why;
}
