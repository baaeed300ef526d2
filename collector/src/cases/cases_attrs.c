/*
 * Attributes: of an event as they come, of a case as the last writer left them,
 * and as values of an expression's names.
 *
 * Text is JSON with ascending keys, so that equal attributes are equal text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/topic.h"

#include "cases_internal.h"

static bool
is(const struct bl_str *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->p, text, s->len) == 0;
}

static bool
is_name(const struct bl_str *key)
{
	return is(key, "process") || is(key, "case") || is(key, "step");
}

/* ---- names ---- */

/* A number stands for its digits: callers number their cases.  False: too long, or no such thing.
 */
static bool
name_text(const struct bl_attr *a, char *out, size_t size)
{
	int n;

	if (a->type == BL_ATTR_NUMBER) {
		n = snprintf(out, size, "%.15g", a->number);
		return n > 0 && (size_t)n < size;
	}
	if (a->type != BL_ATTR_TEXT || a->text.len >= size ||
	    (a->text.len > 0 && memchr(a->text.p, '\0', a->text.len) != NULL))
		return false;
	if (a->text.len > 0)
		memcpy(out, a->text.p, a->text.len);
	out[a->text.len] = '\0';
	return true;
}

int
cases_names_of(const struct bl_event *ev, struct cases_names *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->process, "default", sizeof("default"));
	for (uint32_t i = 0; i < ev->n_attrs; i++) {
		const struct bl_attr *a = &ev->attr[i];

		if (a->type == BL_ATTR_NULL)
			continue;
		if ((is(&a->key, "process") && !name_text(a, out->process, sizeof(out->process))) ||
		    (is(&a->key, "case") && !name_text(a, out->case_id, sizeof(out->case_id))) ||
		    (is(&a->key, "step") && !name_text(a, out->step, sizeof(out->step))))
			return 0;
	}
	if (out->case_id[0] == '\0' || !bl_id_text_valid(out->process))
		return 0;
	return out->step[0] != '\0' || is(&ev->type, "step.event");
}

/* ---- writing ---- */

static int
by_key(const void *a, const void *b)
{
	const struct bl_str *x = &(*(const struct bl_attr *const *)a)->key;
	const struct bl_str *y = &(*(const struct bl_attr *const *)b)->key;
	const int d = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

	return d != 0 ? d : (x->len > y->len) - (x->len < y->len);
}

static void
put_attr(struct jsonw *w, const struct bl_attr *a)
{
	char key[BL_NAME_MAX + 1], value[BL_ATTR_VALUE_MAX + 1];

	(void)snprintf(key, sizeof(key), "%.*s", (int)a->key.len, a->key.p);
	switch (a->type) {
	case BL_ATTR_TEXT:
		(void)snprintf(value, sizeof(value), "%.*s", (int)a->text.len,
		    a->text.len > 0 ? a->text.p : "");
		jsonw_str(w, key, value);
		break;
	case BL_ATTR_NUMBER:
		jsonw_num(w, key, a->number);
		break;
	case BL_ATTR_BOOL:
		jsonw_bool(w, key, a->boolean);
		break;
	default:
		jsonw_null(w, key);
		break;
	}
}

/* A key ends at a NUL when it is written: so it is compared like that, too. */
static bool
same_key(const struct bl_attr *a, const struct bl_attr *b)
{
	return strnlen(a->key.p, a->key.len) == strnlen(b->key.p, b->key.len) &&
	       memcmp(a->key.p, b->key.p, strnlen(a->key.p, a->key.len)) == 0;
}

const char *
cases_attrs_json(struct jsonw *w, const struct bl_event *ev)
{
	const struct bl_attr *sorted[BL_ATTRS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < ev->n_attrs && i < BL_ATTRS_MAX; i++) {
		size_t k = 0;

		if (is_name(&ev->attr[i].key) || ev->attr[i].key.len == 0)
			continue;
		while (k < n && !same_key(sorted[k], &ev->attr[i]))
			k++;
		sorted[k] = &ev->attr[i]; /* the last of a key counts */
		n += k == n;
	}
	if (n > 1)
		qsort(sorted, n, sizeof(sorted[0]), by_key);
	bl_buf_reset(&w->buf);
	w->depth = 0;
	w->comma[0] = false;
	jsonw_object(w, NULL);
	for (size_t i = 0; i < n; i++)
		put_attr(w, sorted[i]);
	jsonw_object_end(w);
	return jsonw_text(w, NULL);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *
cases_object_json(struct jsonw *w, json_t *o)
{
	const char *key, *keys[CASES_ATTRS_MAX];
	json_t *v;
	size_t n = 0;

	json_object_foreach(o, key, v) if (n < CASES_ATTRS_MAX) keys[n++] = key;
	if (n > 1)
		qsort(keys, n, sizeof(keys[0]), by_text);
	bl_buf_reset(&w->buf);
	w->depth = 0;
	w->comma[0] = false;
	jsonw_object(w, NULL);
	for (size_t i = 0; i < n; i++) {
		v = json_object_get(o, keys[i]);
		if (json_is_string(v))
			jsonw_str(w, keys[i], json_string_value(v));
		else if (json_is_number(v))
			jsonw_num(w, keys[i], json_number_value(v));
		else if (json_is_boolean(v))
			jsonw_bool(w, keys[i], json_is_true(v));
		else
			jsonw_null(w, keys[i]);
	}
	jsonw_object_end(w);
	return jsonw_text(w, NULL);
}

/* ---- reading ---- */

json_t *
cases_object(const char *json, struct bl_err *err)
{
	json_error_t e;
	json_t *o = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &e);

	if (json_is_object(o))
		return o;
	json_decref(o);
	(void)bl_fail(
	    err, BL_ECORRUPT, "attributes of a case: %s", o == NULL ? e.text : "no object");
	return NULL;
}

/* Cut between characters. */
static json_t *
cut_text(const char *text)
{
	size_t len = CASES_TEXT_MAX;

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return json_stringn(text, len);
}

bool
cases_attrs_fold(json_t *into, json_t *event)
{
	const char *key;
	json_t *v;

	json_object_foreach(event, key, v)
	{
		int rc;

		if (json_object_get(into, key) == NULL && json_object_size(into) >= CASES_ATTRS_MAX)
			continue;
		if (json_is_string(v) && json_string_length(v) > CASES_TEXT_MAX)
			rc = json_object_set_new(into, key, cut_text(json_string_value(v)));
		else
			rc = json_object_set(into, key, v);
		if (rc != 0)
			return false;
	}
	return true;
}

void
cases_value(const json_t *o, const char *name, struct bl_value *out)
{
	const json_t *v = json_object_get(o, name);

	memset(out, 0, sizeof(*out));
	if (json_is_string(v)) {
		out->type = BL_VALUE_TEXT;
		out->text = json_string_value(v);
		out->text_len = json_string_length(v);
	} else if (json_is_number(v)) {
		out->type = BL_VALUE_NUMBER;
		out->number = json_number_value(v);
	} else if (json_is_boolean(v)) {
		out->type = BL_VALUE_BOOL;
		out->boolean = json_is_true(v);
	}
}

struct cases_attrs {
	json_t *o;
};

int
cases_attrs_make(struct cases_attrs **out, json_t *o, struct bl_err *err)
{
	if ((*out = calloc(1, sizeof(**out))) == NULL) {
		json_decref(o);
		return bl_fail(err, BL_ENOMEM, "cases: out of memory");
	}
	(*out)->o = o;
	return BL_OK;
}

int
cases_attrs_parse(struct cases_attrs **out, const char *json, struct bl_err *err)
{
	json_t *o = cases_object(json, err);

	*out = NULL;
	return o != NULL ? cases_attrs_make(out, o, err) : BL_ECORRUPT;
}

void
cases_attrs_free(struct cases_attrs *a)
{
	if (a == NULL)
		return;
	json_decref(a->o);
	free(a);
}

void
cases_attr(const struct cases_attrs *a, const char *name, struct bl_value *out)
{
	cases_value(a->o, name, out);
}
