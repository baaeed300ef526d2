/* Tables of fields: values, errors, suggestions; the query string.  Pure. */
#include "schema_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
field_error_add(struct field_errors *errs, const char *field, const char *expected, const char *got,
    const char *suggestion)
{
	struct field_error *e;

	if (errs->n++ >= SCHEMA_ERRORS_MAX)
		return;
	e = &errs->e[errs->n - 1];
	e->column = 0;
	(void)snprintf(e->field, sizeof(e->field), "%s", field);
	(void)snprintf(e->expected, sizeof(e->expected), "%s", expected);
	(void)snprintf(e->got, sizeof(e->got), "%s", got);
	(void)snprintf(e->suggestion, sizeof(e->suggestion), "%s", suggestion ? suggestion : "");
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	const size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* How many letters to insert, drop or change; both at most 31 long, else far. */
static size_t
distance(const char *a, const char *b)
{
	const size_t n = strlen(a), m = strlen(b);
	size_t row[33];

	if (n > 31 || m > 31)
		return 99;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			const size_t change =
			    diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, change);
		}
	}
	return row[m];
}

const char *
near_name(const char *name, const struct field *fields, size_t n)
{
	const char *best = NULL;
	size_t best_distance = strlen(name) / 2 + 1;

	for (size_t i = 0; i < n; i++) {
		const size_t d = distance(name, fields[i].name);
		if (d < best_distance) {
			best_distance = d;
			best = fields[i].name;
		}
	}
	return best;
}

static void
quote(const char *text, char *out, size_t size)
{
	(void)snprintf(out, size, strlen(text) > 60 ? "\"%.60s\" and more" : "\"%.60s\"", text);
}

static void
join_choices(const char *const *choices, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; choices[i] != NULL && n < size; i++)
		n += (size_t)snprintf(
		    out + n, size - n, "%s\"%s\"", i == 0 ? "" : " or ", choices[i]);
}

static void
take_choice(const struct field *f, const char *text, void *at, struct field_errors *errs)
{
	char expected[sizeof(errs->e[0].expected)], got[sizeof(errs->e[0].got)];

	for (int i = 0; f->choices[i] != NULL; i++) {
		if (strcmp(f->choices[i], text) == 0) {
			*(struct given_enum *)at = (struct given_enum){ true, i };
			return;
		}
	}
	join_choices(f->choices, expected, sizeof(expected));
	quote(text, got, sizeof(got));
	field_error_add(errs, f->name, expected, got, NULL);
}

/* What a password or a secret was is nobody's business, nor is it in a log. */
bool
field_is_secret(const struct field *f)
{
	return strstr(f->name, "password") != NULL || strcmp(f->name, "secret") == 0 ||
	       strcmp(f->name, "new") == 0 || strcmp(f->name, "old") == 0;
}

void
field_take_text(const struct api *api, const struct field *f, const char *text, void *out,
    struct field_errors *errs)
{
	void *at = (char *)out + f->offset;
	char expected[128], got[96];
	const char *problem;

	if (f->type == FIELD_ENUM) {
		take_choice(f, text, at, errs);
		return;
	}
	if (field_is_secret(f))
		(void)snprintf(got, sizeof(got), "(not shown)");
	else
		quote(text, got, sizeof(got));
	if ((f->max > 0 && (double)strlen(text) > f->max) || (double)strlen(text) < f->min) {
		(void)snprintf(
		    expected, sizeof(expected), "%.0f to %.0f bytes of text", f->min, f->max);
		field_error_add(errs, f->name, expected, got, NULL);
		return;
	}
	if (f->check != NULL && (problem = f->check(api, text)) != NULL) {
		field_error_add(errs, f->name, problem, got, NULL);
		return;
	}
	*(struct given_str *)at = (struct given_str){ true, text };
}

static bool
in_bounds(const struct field *f, double v, const char *got, struct field_errors *errs)
{
	char expected[128];

	if ((f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max))
		return true;
	(void)snprintf(expected, sizeof(expected), "a number from %.15g to %.15g", f->min, f->max);
	field_error_add(errs, f->name, expected, got, NULL);
	return false;
}

void
field_take_int(const struct field *f, int64_t v, void *out, struct field_errors *errs)
{
	char got[32];

	(void)snprintf(got, sizeof(got), "%lld", (long long)v);
	if (in_bounds(f, (double)v, got, errs))
		*(struct given_int *)((char *)out + f->offset) = (struct given_int){ true, v };
}

void
field_take_num(const struct field *f, double v, void *out, struct field_errors *errs)
{
	char got[32];

	(void)snprintf(got, sizeof(got), "%.15g", v);
	if (in_bounds(f, v, got, errs))
		*(struct given_num *)((char *)out + f->offset) =
		    (struct given_num){ true, false, v };
}

/* ---- query strings ----------------------------------------------------- */

static void
query_int(const struct field *f, const char *text, void *out, struct field_errors *errs)
{
	const size_t digits = strspn(text + (*text == '-'), "0123456789");
	char got[96];
	long long v;

	errno = 0;
	v = strtoll(text, NULL, 10);
	if (digits == 0 || text[(*text == '-') + digits] != '\0' || errno != 0) {
		quote(text, got, sizeof(got));
		field_error_add(errs, f->name, "a whole number", got, NULL);
		return;
	}
	field_take_int(f, v, out, errs);
}

static void
query_take(const struct api *api, const struct field *f, const char *text, void *out,
    struct field_errors *errs)
{
	struct given_bool *flag = (struct given_bool *)((char *)out + f->offset);
	char got[96];

	switch (f->type) {
	case FIELD_INT:
		query_int(f, text, out, errs);
		return;
	case FIELD_BOOL:
		/* "?verbose" alone stands for true */
		if (strcmp(text, "true") == 0 || text[0] == '\0') {
			*flag = (struct given_bool){ true, true };
		} else if (strcmp(text, "false") == 0) {
			*flag = (struct given_bool){ true, false };
		} else {
			quote(text, got, sizeof(got));
			field_error_add(errs, f->name, "true or false", got, NULL);
		}
		return;
	default:
		field_take_text(api, f, text, out, errs);
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

bool
query_parse(const struct api *api, const struct schema *schema, const struct http_request *q,
    void *out, struct field_errors *errs)
{
	uint64_t seen = 0;

	memset(out, 0, schema->size);
	for (size_t i = 0; i < q->n_params; i++) {
		const struct http_param *p = &q->param[i];
		const struct field *f = find_field(schema, p->name);
		if (f == NULL) {
			field_error_add(errs, p->name, "no such parameter", "it",
			    near_name(p->name, schema->fields, schema->n));
			continue;
		}
		if (seen & UINT64_C(1) << (f - schema->fields)) {
			field_error_add(errs, p->name, "once", "it again", NULL);
			continue;
		}
		seen |= UINT64_C(1) << (f - schema->fields);
		query_take(api, f, p->value, out, errs);
	}
	for (size_t i = 0; i < schema->n; i++)
		if (schema->fields[i].required && (seen & UINT64_C(1) << i) == 0)
			field_error_add(
			    errs, schema->fields[i].name, schema->fields[i].help, "nothing", NULL);
	return errs->n == 0;
}
