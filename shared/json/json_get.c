/* Getters that say which field is wrong, what belongs there and what came. */
#include "branchline/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* "path.key", or just one of them. */
static void
join(char *out, size_t size, const char *path, const char *key)
{
	(void)snprintf(
	    out, size, "%s%s%s", path, path[0] != '\0' && key[0] != '\0' ? "." : "", key);
}

/* What came, for people; long texts are cut at a whole character. */
static void
describe(const json_t *v, char *out, size_t size)
{
	const char *s;
	size_t len;

	if (v == NULL) {
		(void)snprintf(out, size, "nothing");
		return;
	}
	switch (json_typeof(v)) {
	case JSON_STRING:
		s = json_string_value(v);
		len = json_string_length(v) < 24 ? json_string_length(v) : 24;
		while (len > 0 && len < json_string_length(v) && (s[len] & 0xc0) == 0x80)
			len--;
		(void)snprintf(out, size, "text \"%.*s\"%s", (int)len, s,
		    len < json_string_length(v) ? "..." : "");
		break;
	case JSON_INTEGER:
		(void)snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		(void)snprintf(out, size, "%.12g", json_real_value(v));
		break;
	case JSON_OBJECT:
		(void)snprintf(out, size, "an object");
		break;
	case JSON_ARRAY:
		(void)snprintf(out, size, "a list of %zu", json_array_size(v));
		break;
	case JSON_NULL:
		(void)snprintf(out, size, "null");
		break;
	default:
		(void)snprintf(out, size, json_is_true(v) ? "true" : "false");
		break;
	}
}

static bool wrong(struct bl_json_fault *fault, const struct bl_json_obj *o, const char *key,
    const json_t *got, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static bool
wrong(struct bl_json_fault *fault, const struct bl_json_obj *o, const char *key, const json_t *got,
    const char *fmt, ...)
{
	va_list ap;

	join(fault->field, sizeof(fault->field), o->path, key);
	describe(got, fault->got, sizeof(fault->got));
	fault->suggestion[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(fault->expected, sizeof(fault->expected), fmt, ap);
	va_end(ap);
	return false;
}

bool
bl_json_root(json_t *root, struct bl_json_obj *o, struct bl_json_fault *fault)
{
	o->json = root;
	o->path[0] = '\0';
	return json_is_object(root) || wrong(fault, o, "", root, "an object");
}

/* The value, or NULL when it may be missing and is. */
static json_t *
find(const struct bl_json_obj *o, const char *key, enum bl_json_need need)
{
	json_t *v = json_object_get(o->json, key);

	return need == BL_JSON_NULLABLE && json_is_null(v) ? NULL : v;
}

bool
bl_json_get_str(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    size_t min_bytes, size_t max_bytes, const char **out, struct bl_json_fault *fault)
{
	const json_t *v = find(o, key, need);

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	if (!json_is_string(v) || json_string_length(v) < min_bytes ||
	    json_string_length(v) > max_bytes)
		return wrong(fault, o, key, v, "a text of %zu to %zu bytes", min_bytes, max_bytes);
	*out = json_string_value(v);
	return true;
}

bool
bl_json_get_int(const struct bl_json_obj *o, const char *key, enum bl_json_need need, int64_t min,
    int64_t max, int64_t *out, struct bl_json_fault *fault)
{
	const json_t *v = find(o, key, need);

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return wrong(fault, o, key, v, "a whole number from %lld to %lld", (long long)min,
		    (long long)max);
	*out = json_integer_value(v);
	return true;
}

bool
bl_json_get_num(const struct bl_json_obj *o, const char *key, enum bl_json_need need, double min,
    double max, double *out, struct bl_json_fault *fault)
{
	const json_t *v = find(o, key, need);

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	if (!json_is_number(v) || !(json_number_value(v) >= min && json_number_value(v) <= max))
		return wrong(fault, o, key, v, "a number from %.12g to %.12g", min, max);
	*out = json_number_value(v);
	return true;
}

bool
bl_json_get_bool(const struct bl_json_obj *o, const char *key, enum bl_json_need need, bool *out,
    struct bl_json_fault *fault)
{
	const json_t *v = find(o, key, need);

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	if (!json_is_boolean(v))
		return wrong(fault, o, key, v, "true or false");
	*out = json_is_true(v);
	return true;
}

bool
bl_json_get_choice(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    const char *const *choices, unsigned *out, struct bl_json_fault *fault)
{
	const json_t *v = find(o, key, need);
	char list[80] = "";

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	for (unsigned i = 0; choices[i] != NULL; i++) {
		const size_t len = strlen(list);

		if (json_is_string(v) && strcmp(json_string_value(v), choices[i]) == 0) {
			*out = i;
			return true;
		}
		(void)snprintf(
		    list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "", choices[i]);
	}
	return wrong(fault, o, key, v, "one of %s", list);
}

bool
bl_json_get_obj(const struct bl_json_obj *o, const char *key, enum bl_json_need need,
    struct bl_json_obj *out, struct bl_json_fault *fault)
{
	json_t *v = find(o, key, need);

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	if (!json_is_object(v))
		return wrong(fault, o, key, v, "an object");
	out->json = v;
	join(out->path, sizeof(out->path), o->path, key);
	return true;
}

bool
bl_json_get_array(const struct bl_json_obj *o, const char *key, enum bl_json_need need, size_t max,
    json_t **out, struct bl_json_fault *fault)
{
	json_t *v = find(o, key, need);

	if (v == NULL && need != BL_JSON_REQUIRED)
		return true;
	if (!json_is_array(v) || json_array_size(v) > max)
		return wrong(fault, o, key, v, "a list of at most %zu", max);
	*out = v;
	return true;
}

bool
bl_json_item_obj(const struct bl_json_obj *o, const char *key, json_t *array, size_t i,
    struct bl_json_obj *out, struct bl_json_fault *fault)
{
	json_t *v = json_array_get(array, i);
	char place[BL_JSON_PATH_MAX];

	(void)snprintf(place, sizeof(place), "%s[%zu]", key, i);
	if (!json_is_object(v))
		return wrong(fault, o, place, v, "an object");
	out->json = v;
	join(out->path, sizeof(out->path), o->path, place);
	return true;
}

/* Edits between two keys, up to a few; enough to find a slip of the finger. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[BL_JSON_PATH_MAX];
	const size_t m = strnlen(a, 64), n = strnlen(b, 64);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= m; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			const unsigned above = row[j];
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[n];
}

static void
suggest(struct bl_json_fault *fault, const char *key, const char *const *known)
{
	unsigned best = 3;

	for (; *known != NULL; known++) {
		const unsigned d = distance(key, *known);

		if (d >= best || d >= strlen(*known))
			continue;
		best = d;
		(void)snprintf(fault->suggestion, sizeof(fault->suggestion), "%s", *known);
	}
}

bool
bl_json_only(const struct bl_json_obj *o, const char *const *known, struct bl_json_fault *fault)
{
	const char *key;
	json_t *v;

	json_object_foreach(o->json, key, v)
	{
		const char *const *k = known;

		while (*k != NULL && strcmp(*k, key) != 0)
			k++;
		if (*k != NULL)
			continue;
		(void)wrong(fault, o, key, v, "no field of this name");
		suggest(fault, key, known);
		return false;
	}
	return true;
}
