/* JSON bodies by their tables: the only file of this folder that knows jansson.  Pure. */
#include "schema_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fleet.h"
#include "jsonw.h"

#define DEPTH_MAX 8 /* jansson allows 2048 levels; a body of ours has two */

struct parsed_body {
	json_t *root;
	char *tags; /* canonical text of the one tags field */
};

/* What somebody sent, in a few words. */
static void
describe(const json_t *v, char *out, size_t size)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		(void)snprintf(out, size, "an object");
		return;
	case JSON_ARRAY:
		(void)snprintf(out, size, "a list");
		return;
	case JSON_STRING:
		(void)snprintf(out, size, "\"%.60s\"", json_string_value(v));
		return;
	case JSON_INTEGER:
		(void)snprintf(out, size, "%lld", (long long)json_integer_value(v));
		return;
	case JSON_REAL:
		(void)snprintf(out, size, "%.15g", json_real_value(v));
		return;
	default:
		(void)snprintf(out, size, "%s",
		    json_is_null(v)   ? "null"
		    : json_is_true(v) ? "true"
				      : "false");
		return;
	}
}

static void
wrong_type(const struct field *f, const char *expected, const json_t *v, struct field_errors *errs)
{
	char got[96];

	describe(v, got, sizeof(got));
	if (field_is_secret(f))
		(void)snprintf(got, sizeof(got), "(not shown)");
	field_error_add(errs, f->name, expected, got, NULL);
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each key and value a short text; keys ascending, so that equal tags are equal text. */
static bool
tags_text(json_t *v, char **out)
{
	const char *keys[FLEET_TAGS_MAX];
	const char *key, *text;
	struct jsonw w;
	size_t n = 0;
	json_t *value;

	if (json_object_size(v) > FLEET_TAGS_MAX)
		return false;
	json_object_foreach(v, key, value)
	{
		if (!json_is_string(value) || !fleet_name_valid(key, 64) ||
		    strlen(json_string_value(value)) > 128 ||
		    (json_string_length(value) > 0 &&
			!fleet_name_valid(json_string_value(value), 128)))
			return false;
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(keys[0]), compare_keys);
	jsonw_init(&w, FLEET_TAGS_JSON_MAX);
	jsonw_object(&w, NULL);
	for (size_t i = 0; i < n; i++)
		jsonw_str(&w, keys[i], json_string_value(json_object_get(v, keys[i])));
	jsonw_object_end(&w);
	text = jsonw_text(&w, NULL);
	*out = text != NULL ? strdup(text) : NULL;
	jsonw_free(&w);
	return *out != NULL;
}

static void
take_tags(struct parsed_body *body, const struct field *f, json_t *v, void *out,
    struct field_errors *errs)
{
	struct given_str *at = (struct given_str *)((char *)out + f->offset);

	if (!json_is_object(v) || body->tags != NULL || !tags_text(v, &body->tags)) {
		wrong_type(f, "an object of at most 32 short texts", v, errs);
		return;
	}
	*at = (struct given_str){ true, body->tags };
}

/* Of a definition: what it means is not known here. */
static void
check_raw(const struct field *f, json_t *v, struct field_errors *errs)
{
	static const char *const expected[] = { [FIELD_STR] = "a text",
		[FIELD_INT] = "a whole number",
		[FIELD_NUM] = "a number",
		[FIELD_BOOL] = "true or false",
		[FIELD_ENUM] = "a text",
		[FIELD_TAGS] = "an object",
		[FIELD_LIST] = "a list of texts" };
	bool ok = false;
	json_t *one;
	size_t i;

	switch (f->type) {
	case FIELD_STR:
	case FIELD_ENUM:
		ok = json_is_string(v);
		break;
	case FIELD_INT:
		ok = json_is_integer(v);
		break;
	case FIELD_NUM:
		ok = json_is_number(v);
		break;
	case FIELD_BOOL:
		ok = json_is_boolean(v);
		break;
	case FIELD_TAGS:
		ok = json_is_object(v);
		break;
	case FIELD_LIST:
		ok = json_is_array(v);
		json_array_foreach(v, i, one)
		{
			ok = ok && json_is_string(one);
		}
		break;
	}
	if (!ok && !(f->nullable && json_is_null(v)))
		wrong_type(f, expected[f->type], v, errs);
}

static void
take(const struct api *api, struct parsed_body *body, const struct field *f, json_t *v, void *out,
    struct field_errors *errs)
{
	void *at = (char *)out + f->offset;

	if (f->raw) {
		check_raw(f, v, errs);
		return;
	}
	if (json_is_null(v) && f->nullable && f->type == FIELD_NUM) {
		*(struct given_num *)at = (struct given_num){ true, true, 0 };
		return;
	}
	if (json_is_null(v) && f->nullable && f->type == FIELD_STR) {
		*(struct given_str *)at = (struct given_str){ true, NULL };
		return;
	}
	switch (f->type) {
	case FIELD_STR:
	case FIELD_ENUM:
		if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
			wrong_type(f, f->nullable ? "a text or null" : "a text", v, errs);
		else
			field_take_text(api, f, json_string_value(v), out, errs);
		return;
	case FIELD_INT:
		if (!json_is_integer(v))
			wrong_type(f, "a whole number", v, errs);
		else
			field_take_int(f, json_integer_value(v), out, errs);
		return;
	case FIELD_NUM:
		if (!json_is_number(v))
			wrong_type(f, f->nullable ? "a number or null" : "a number", v, errs);
		else
			field_take_num(f, json_number_value(v), out, errs);
		return;
	case FIELD_BOOL:
		if (!json_is_boolean(v))
			wrong_type(f, "true or false", v, errs);
		else
			*(struct given_bool *)at = (struct given_bool){ true, json_is_true(v) };
		return;
	case FIELD_TAGS:
		take_tags(body, f, v, out, errs);
		return;
	case FIELD_LIST: /* raw only */
		return;
	}
}

static const struct field *
find_field(const struct schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->n; i++)
		if (strcmp(schema->fields[i].name, name) == 0)
			return &schema->fields[i];
	return NULL;
}

static void
take_all(const struct api *api, const struct schema *schema, struct parsed_body *body, void *out,
    struct field_errors *errs)
{
	const char *key;
	json_t *v;

	json_object_foreach(body->root, key, v)
	{
		const struct field *f = find_field(schema, key);
		if (f == NULL)
			field_error_add(errs, key, "no such field", "it",
			    near_name(key, schema->fields, schema->n));
		else
			take(api, body, f, v, out, errs);
	}
	for (size_t i = 0; i < schema->n; i++)
		if (schema->fields[i].required &&
		    json_object_get(body->root, schema->fields[i].name) == NULL)
			field_error_add(
			    errs, schema->fields[i].name, schema->fields[i].help, "nothing", NULL);
}

/* Brackets outside of strings: told before jansson builds anything. */
static bool
too_deep(const char *text, size_t len)
{
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		if (depth > DEPTH_MAX)
			return true;
	}
	return false;
}

enum body_outcome
body_parse(const struct api *api, const struct schema *schema, const char *text, size_t len,
    void *out, struct parsed_body **body, struct field_errors *errs, char *why, size_t why_size)
{
	json_error_t e;

	memset(out, 0, schema->size);
	(void)snprintf(why, why_size, "out of memory");
	if ((*body = calloc(1, sizeof(**body))) == NULL)
		return BODY_NOT_JSON;
	if (too_deep(text, len)) {
		(void)snprintf(why, why_size, "nested deeper than %d levels", DEPTH_MAX);
		return BODY_NOT_JSON;
	}
	(*body)->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if ((*body)->root == NULL) {
		(void)snprintf(why, why_size, "line %d, column %d: %s", e.line, e.column, e.text);
		return BODY_NOT_JSON;
	}
	if (!json_is_object((*body)->root)) {
		(void)snprintf(why, why_size, "it has to be an object");
		return BODY_NOT_JSON;
	}
	take_all(api, schema, *body, out, errs);
	return errs->n == 0 ? BODY_OK : BODY_INVALID;
}

char *
body_rest(const struct parsed_body *body, const struct schema *schema)
{
	json_t *rest = json_object();
	char *text = NULL;
	bool ok = rest != NULL;

	for (size_t i = 0; i < schema->n && ok; i++) {
		json_t *v = json_object_get(body->root, schema->fields[i].name);

		if (schema->fields[i].raw && v != NULL)
			ok = json_object_set(rest, schema->fields[i].name, v) == 0;
	}
	if (ok)
		text = json_dumps(rest, JSON_COMPACT);
	json_decref(rest);
	return text;
}

void
member_text(const char *object, const char *member, char *out, size_t size)
{
	json_t *root = json_loads(object, 0, NULL);
	const char *text = json_string_value(json_object_get(root, member));

	(void)snprintf(out, size, "%s", text != NULL ? text : "");
	json_decref(root);
}

void
body_free(struct parsed_body *body)
{
	if (body == NULL)
		return;
	json_decref(body->root);
	free(body->tags);
	free(body);
}
