/*
 * Bodies by table: reading one into its struct with every error in it, and
 * writing the canonical members back.  Pure; any thread.
 *
 * A field may apply to some variants only (a KPI's source, a rule's kind): the
 * table's order has what decides before what depends.  Once such a decision
 * could not be read, what depends on it is checked for its form alone.
 */
#include "define_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX  12u
#define FIELDS_MAX 24u

/* ---- errors ---------------------------------------------------------------- */

void
define_fault(
    struct define_errors *errs, const char *field, const char *got, const char *expected, ...)
{
	struct define_error *e;
	va_list ap;

	if (errs->n++ >= DEFINE_ERRORS_MAX)
		return;
	e = &errs->e[errs->n - 1];
	memset(e, 0, sizeof(*e));
	(void)snprintf(e->field, sizeof(e->field), "%s", field);
	(void)snprintf(e->got, sizeof(e->got), "%s", got);
	va_start(ap, expected);
	(void)vsnprintf(e->expected, sizeof(e->expected), expected, ap);
	va_end(ap);
}

/* By the same distance as for unknown keys. */
void
define_suggest(struct define_errors *errs, const char *text, const char *const *words)
{
	struct bl_json_fault fault = { 0 };
	struct bl_json_obj o = { .json = json_pack("{s:n}", text) };
	struct define_error *e = &errs->e[errs->n - 1];

	if (errs->n <= DEFINE_ERRORS_MAX && o.json != NULL && !bl_json_only(&o, words, &fault))
		(void)snprintf(e->suggestion, sizeof(e->suggestion), "%s", fault.suggestion);
	json_decref(o.json);
}

/* As the getters describe it: a getter that it does not suit is asked. */
static void
describe(json_t *v, char *out, size_t size)
{
	struct bl_json_fault fault = { .got = "nothing" };
	struct bl_json_obj o = { .json = json_pack("{s:O}", "v", v) }, inner;
	const char *text;

	if (o.json != NULL) {
		if (json_is_object(v))
			(void)bl_json_get_str(&o, "v", BL_JSON_REQUIRED, 0, 0, &text, &fault);
		else
			(void)bl_json_get_obj(&o, "v", BL_JSON_REQUIRED, &inner, &fault);
	}
	(void)snprintf(out, size, "%s", fault.got);
	json_decref(o.json);
}

static void
fault_value(struct define_errors *errs, const char *field, json_t *v, const char *expected)
{
	char got[sizeof(((struct define_error *)0)->got)];

	describe(v, got, sizeof(got));
	define_fault(errs, field, got, "%s", expected);
}

void
define_fault_text(
    struct define_errors *errs, const char *field, const char *text, const char *expected)
{
	json_t *v = json_string(text);

	fault_value(errs, field, v, expected);
	json_decref(v);
}

static bool
fault_json(struct define_errors *errs, const struct bl_json_fault *f)
{
	define_fault(errs, f->field, f->got, "%s", f->expected);
	return false;
}

static void
check_names(const struct define_table *t, json_t *body, struct define_errors *errs)
{
	const char *names[FIELDS_MAX + 1] = { 0 };
	const char *key;
	json_t *v;

	for (size_t i = 0; i < t->n && i < FIELDS_MAX; i++)
		names[i] = t->field[i].name;
	json_object_foreach(body, key, v)
	{
		char got[sizeof(((struct define_error *)0)->got)];
		size_t i = 0;

		while (i < t->n && strcmp(t->field[i].name, key) != 0)
			i++;
		if (i < t->n)
			continue;
		describe(v, got, sizeof(got));
		define_fault(errs, key, got, "no field of this name");
		define_suggest(errs, key, names);
	}
}

/* ---- reading --------------------------------------------------------------- */

struct reading {
	union define_any *out;
	struct bl_json_obj body;
	struct define_errors *errs;
	bool unsure; /* a choice could not be read: what depends on it cannot be judged */
	int rc;      /* no memory */
	struct bl_err *err;
};

static void *
place(union define_any *a, size_t offset)
{
	return (char *)a + offset;
}

static bool
printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static bool
text_ok(const struct define_field *f, const char *s)
{
	return f->check != NULL ? f->check(s) : printable(s);
}

static bool
read_text(struct reading *r, const struct define_field *f)
{
	struct bl_json_fault fault;
	const char *s = NULL;

	if (!bl_json_get_str(&r->body, f->name, BL_JSON_REQUIRED, 1, f->size - 1, &s, &fault)) {
		if (f->expected != NULL)
			(void)snprintf(fault.expected, sizeof(fault.expected), "%s", f->expected);
		return fault_json(r->errs, &fault);
	}
	if (!text_ok(f, s)) {
		fault_value(r->errs, f->name, json_object_get(r->body.json, f->name),
		    f->expected != NULL ? f->expected : "a text without control characters");
		return false;
	}
	(void)snprintf(place(r->out, f->offset), f->size, "%s", s);
	return true;
}

/* The words of an enum, ended with NULL. */
static void
word_list(const struct define_words *w, const char *out[WORDS_MAX + 1])
{
	size_t n = 0;

	for (unsigned v = w->first; v <= w->last && n < WORDS_MAX; v++)
		out[n++] = w->name(v);
	out[n] = NULL;
}

static bool
read_choice(struct reading *r, const struct define_field *f)
{
	const char *words[WORDS_MAX + 1];
	struct bl_json_fault fault;
	unsigned v = 0;

	word_list(f->words, words);
	if (!bl_json_get_choice(&r->body, f->name, BL_JSON_REQUIRED, words, &v, &fault)) {
		const char *s = json_string_value(json_object_get(r->body.json, f->name));

		(void)fault_json(r->errs, &fault);
		if (s != NULL)
			define_suggest(r->errs, s, words);
		r->unsure = r->unsure || f->decides;
		return false;
	}
	if (f->type == FIELD_LANG) {
		(void)snprintf(place(r->out, f->offset), f->size, "%s", words[v]);
	} else {
		v += f->words->first;
		memcpy(place(r->out, f->offset), &v, sizeof(v));
	}
	return true;
}

static bool
read_number(struct reading *r, const struct define_field *f)
{
	struct bl_json_fault fault;
	int64_t whole = 0;
	double num = 0;

	if (f->type == FIELD_F64) {
		if (!bl_json_get_num(
			&r->body, f->name, BL_JSON_REQUIRED, f->min, f->max, &num, &fault))
			return fault_json(r->errs, &fault);
		memcpy(place(r->out, f->offset), &num, sizeof(num));
		if (f->second != 0)
			*(bool *)place(r->out, f->second) = true;
		return true;
	}
	if (!bl_json_get_int(&r->body, f->name, BL_JSON_REQUIRED, (int64_t)f->min, (int64_t)f->max,
		&whole, &fault))
		return fault_json(r->errs, &fault);
	if (f->type == FIELD_I64)
		memcpy(place(r->out, f->offset), &whole, sizeof(whole));
	else
		*(uint32_t *)place(r->out, f->offset) = (uint32_t)whole;
	return true;
}

static bool
read_bool(struct reading *r, const struct define_field *f)
{
	struct bl_json_fault fault;

	return bl_json_get_bool(
		   &r->body, f->name, BL_JSON_REQUIRED, place(r->out, f->offset), &fault) ||
	       fault_json(r->errs, &fault);
}

static bool
read_expr(struct reading *r, const struct define_field *f)
{
	struct bl_expr_scope scope;
	struct bl_expr_error wrong = { 0 };
	struct bl_expr *compiled = NULL;
	struct bl_json_fault fault;
	const char *s = NULL;
	int rc;

	if (!bl_json_get_str(&r->body, f->name, BL_JSON_REQUIRED, 1, BL_EXPR_TEXT_MAX, &s, &fault))
		return fault_json(r->errs, &fault);
	f->scope(r->out, &scope);
	rc = bl_expr_compile(&compiled, s, strlen(s), &scope, BL_VALUE_BOOL, &wrong, r->err);
	if (rc == BL_EINVAL) {
		define_expr_fault(r->errs, f->name, &wrong);
		return false;
	}
	if (rc < 0) {
		r->rc = rc;
		return false;
	}
	(void)snprintf(place(r->out, f->offset), BL_EXPR_TEXT_MAX + 1, "%s", s);
	*(struct bl_expr **)place(r->out, f->second) = compiled;
	return true;
}

static void
read_item(struct reading *r, const struct define_field *f, json_t *v, size_t i)
{
	char *items = place(r->out, f->offset), name[64];
	size_t *n = place(r->out, f->second);
	const char *s = json_string_value(v);

	(void)snprintf(name, sizeof(name), "%s[%zu]", f->name, i);
	if (s == NULL || s[0] == '\0' || json_string_length(v) >= f->size || !text_ok(f, s)) {
		fault_value(r->errs, name, v, f->expected);
		return;
	}
	for (size_t k = 0; k < *n; k++)
		if (strcmp(items + k * f->size, s) == 0) {
			fault_value(r->errs, name, v, "each only once");
			return;
		}
	(void)snprintf(items + *n * f->size, f->size, "%s", s);
	++*n;
}

static bool
read_list(struct reading *r, const struct define_field *f)
{
	struct bl_json_fault fault;
	json_t *list = NULL, *v;
	size_t i;

	if (!bl_json_get_array(&r->body, f->name, BL_JSON_REQUIRED, (size_t)f->max, &list, &fault))
		return fault_json(r->errs, &fault);
	if (f->needed != 0 && json_array_size(list) == 0) {
		fault_value(r->errs, f->name, list, "at least one");
		return false;
	}
	json_array_foreach(list, i, v)
	{
		read_item(r, f, v, i);
	}
	return true;
}

static bool
read_field(struct reading *r, const struct define_field *f)
{
	switch (f->type) {
	case FIELD_TEXT:
		return read_text(r, f);
	case FIELD_CHOICE:
	case FIELD_LANG:
		return read_choice(r, f);
	case FIELD_I64:
	case FIELD_U32:
	case FIELD_F64:
		return read_number(r, f);
	case FIELD_BOOL:
		return read_bool(r, f);
	case FIELD_EXPR:
		return read_expr(r, f);
	default:
		return read_list(r, f);
	}
}

/* Missing, null, or what a form sends for an empty field. */
static bool
absent(const struct define_field *f, json_t *object)
{
	const json_t *v = json_object_get(object, f->name);

	if (v == NULL || json_is_null(v))
		return true;
	if (f->type == FIELD_LIST)
		return json_is_array(v) && json_array_size(v) == 0;
	return (f->type == FIELD_TEXT || f->type == FIELD_EXPR) && json_is_string(v) &&
	       json_string_length(v) == 0;
}

static unsigned
variant_of(const struct define_table *t, const union define_any *a)
{
	unsigned v = 0;

	if (t->has_variants)
		memcpy(&v, (const char *)a + t->field[0].offset, sizeof(v));
	return v;
}

static bool
applies(const struct define_table *t, const struct define_field *f, const union define_any *a)
{
	return (f->variants == 0 || (f->variants & 1u << variant_of(t, a)) != 0) &&
	       (f->when == NULL || f->when(a));
}

static void
set_default(struct reading *r, const struct define_field *f)
{
	json_t *object = r->body.json, *v;

	if (strcmp(f->dflt, "\"\"") == 0)
		return; /* as it is */
	v = json_loads(f->dflt, JSON_DECODE_ANY, NULL);
	r->body.json = json_object();
	if (v == NULL || r->body.json == NULL || json_object_set(r->body.json, f->name, v) != 0)
		r->rc = bl_fail(r->err, BL_ENOMEM, "definition: out of memory");
	else
		(void)read_field(r, f);
	json_decref(v);
	json_decref(r->body.json);
	r->body.json = object;
}

static void
take_field(
    struct reading *r, const struct define_table *t, const struct define_field *f, json_t *given)
{
	const bool depends = f->variants != 0 || f->when != NULL;

	if (!(depends && r->unsure) && !applies(t, f, r->out)) {
		if (given != NULL && !absent(f, given)) {
			char expected[96];

			(void)snprintf(expected, sizeof(expected), "nothing: %s has none",
			    t->field[0].words != NULL
				? t->field[0].words->name(variant_of(t, r->out))
				: "it");
			fault_value(r->errs, f->name, json_object_get(given, f->name), expected);
		}
		return;
	}
	if (!absent(f, r->body.json))
		(void)read_field(r, f);
	else if ((f->needed & 1u << variant_of(t, r->out)) != 0) {
		if (!(depends && r->unsure))
			(void)read_field(r, f); /* which says what belongs there */
	} else if (f->dflt != NULL)
		set_default(r, f);
}

int
define_parse(enum define_kind kind, json_t *body, json_t *given, union define_any *out,
    struct define_errors *errs, struct bl_err *err)
{
	const struct define_table *t = &define_tables[kind];
	struct reading r = { .out = out, .body = { .json = body }, .errs = errs, .err = err };
	const size_t before = errs->n;

	memset(out, 0, sizeof(*out));
	check_names(t, given != NULL ? given : body, errs);
	for (size_t i = 0; i < t->n && r.rc == BL_OK; i++)
		take_field(&r, t, &t->field[i], given);
	if (r.rc == BL_OK && t->check != NULL)
		t->check(out, errs);
	if (r.rc == BL_OK && errs->n == before && t->derive != NULL)
		t->derive(out);
	return r.rc;
}

void
define_any_release(enum define_kind kind, union define_any *a)
{
	const struct define_table *t = &define_tables[kind];

	for (size_t i = 0; i < t->n; i++)
		if (t->field[i].type == FIELD_EXPR) {
			struct bl_expr **e = place(a, t->field[i].second);

			bl_expr_free(*e);
			*e = NULL;
		}
}

/* ---- writing --------------------------------------------------------------- */

static void
write_list(struct jsonw *w, const struct define_field *f, const union define_any *a)
{
	const char *items = (const char *)a + f->offset;
	size_t n;

	memcpy(&n, (const char *)a + f->second, sizeof(n));
	jsonw_array(w, f->name);
	for (size_t i = 0; i < n; i++)
		jsonw_str(w, NULL, items + i * f->size);
	jsonw_array_end(w);
}

static void
write_number(struct jsonw *w, const struct define_field *f, const union define_any *a)
{
	const void *at = (const char *)a + f->offset;
	uint32_t u32;
	int64_t i64;
	double f64;

	if (f->type == FIELD_U32) {
		memcpy(&u32, at, sizeof(u32));
		jsonw_int(w, f->name, u32);
	} else if (f->type == FIELD_I64) {
		memcpy(&i64, at, sizeof(i64));
		jsonw_int(w, f->name, i64);
	} else if (f->second != 0 && !*((const bool *)a + f->second)) {
		jsonw_null(w, f->name);
	} else {
		memcpy(&f64, at, sizeof(f64));
		jsonw_num(w, f->name, f64);
	}
}

static void
write_field(struct jsonw *w, const struct define_field *f, const union define_any *a)
{
	const void *at = (const char *)a + f->offset;
	const char *text = at;
	unsigned v;

	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_LANG:
	case FIELD_EXPR:
		jsonw_str(w, f->name, text[0] != '\0' || f->dflt != NULL ? text : NULL);
		break;
	case FIELD_CHOICE:
		memcpy(&v, at, sizeof(v));
		jsonw_str(w, f->name, v >= f->words->first ? f->words->name(v) : NULL);
		break;
	case FIELD_BOOL:
		jsonw_bool(w, f->name, *(const bool *)at);
		break;
	case FIELD_LIST:
		write_list(w, f, a);
		break;
	default:
		write_number(w, f, a);
	}
}

void
define_write_members(struct jsonw *w, enum define_kind kind, const union define_any *a)
{
	const struct define_table *t = &define_tables[kind];

	for (size_t i = 0; i < t->n; i++) {
		const struct define_field *f = &t->field[i];

		if (f->type != FIELD_LIST && !applies(t, f, a))
			jsonw_null(w, f->name);
		else
			write_field(w, f, a);
	}
}
