/*
 * The tree meets the tables: what stands in the file is checked and stored in
 * the order of the file, then what is missing is reported.  Every value that
 * is not in the file gets its default first, so that a struct is complete
 * whatever happens after.
 */
#include "conf_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GOT_SIZE  128u /* what is said of a value that is wrong */
#define NOT_SHOWN "text that is not shown"

const struct bl_conf_key *
conf_find_key(const struct bl_conf_section *s, const char *name)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

struct conf_node *
conf_find_member(const struct conf_node *map, const char *name)
{
	if (map == NULL || map->kind != CONF_MAPPING)
		return NULL;
	for (struct conf_node *c = map->child; c != NULL; c = c->next)
		if (strcmp(c->key, name) == 0)
			return c;
	return NULL;
}

bool
conf_is_nothing(const struct conf_node *n)
{
	return n->kind == CONF_SCALAR && n->plain &&
	       (n->text[0] == '\0' || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}

/* ---- defaults ---- */

static bool
add_text(struct bl_conf_strlist *list, const char *text, size_t len)
{
	char **grown = realloc(list->item, (list->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	list->item = grown;
	if ((grown[list->n] = strndup(text, len)) == NULL)
		return false;
	list->n++;
	return true;
}

/* "[a, b]" of a table, as it would stand in the file. */
static bool
default_strlist(struct bl_conf_strlist *list, const char *text)
{
	text += strspn(text, "[ ");
	while (*text != '\0' && *text != ']') {
		const size_t len = strcspn(text, ",]");
		size_t used = len;

		while (used > 0 && text[used - 1] == ' ')
			used--;
		if (!add_text(list, text, used))
			return false;
		text += len;
		text += strspn(text, ", ");
	}
	return true;
}

static void fill_defaults(struct conf_run *run, const struct bl_conf_section *s, void *conf);

static void
fill_default(struct conf_run *run, const struct bl_conf_key *key, void *conf)
{
	struct bl_conf_strlist *list;
	enum conf_value got;

	switch (key->type) {
	case BL_CONF_SECTION:
		fill_defaults(run, key->section, conf_field(conf, key));
		return;
	case BL_CONF_INCLUDE:
	case BL_CONF_LIST:
	case BL_CONF_MAP:
		return; /* empty */
	case BL_CONF_STRLIST:
		list = conf_field(conf, key);
		if (key->dflt != NULL && list->n == 0 && !default_strlist(list, key->dflt))
			run->no_memory = true;
		return;
	default:
		if (key->dflt == NULL || (key->dflt[0] == '\0' && key->type == BL_CONF_STR))
			return;
		got = conf_value_read(key, key->dflt, conf_field(conf, key));
		if (got == CONF_VALUE_NO_MEMORY)
			run->no_memory = true;
		/* A default that its own table refuses is a mistake in the table. */
		assert(got != CONF_VALUE_WRONG);
	}
}

static void
fill_defaults(struct conf_run *run, const struct bl_conf_section *s, void *conf)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++)
		fill_default(run, k, conf);
}

/* ---- values ---- */

/* An address without its query. */
static const char *
quote_address(const char *text, char *buf, size_t size)
{
	const char *query = strchr(text, '?');
	char *address;

	/* With an @ behind it, it may be a password that goes on there. */
	if (query != NULL && strchr(query, '@') != NULL)
		return NOT_SHOWN;
	if ((address = strndup(text, strcspn(text, "?"))) == NULL)
		return NOT_SHOWN;
	conf_quote_got(address, buf, size);
	if (query != NULL)
		(void)strncat(buf, " and a query that is not shown", size - strlen(buf) - 1);
	free(address);
	return buf;
}

/* key: of the value; NULL: it has none of its own. */
static const char *
got_name(const struct bl_conf_key *key, const struct conf_node *n, char *buf, size_t size)
{
	const enum bl_conf_secret secret = key != NULL ? key->secret : BL_CONF_SHOWN;

	if (n->kind == CONF_MAPPING)
		return "a section";
	if (n->kind == CONF_SEQUENCE)
		return "a list";
	if (n->text[0] == '\0')
		return "nothing";
	if (secret == BL_CONF_HIDDEN)
		return NOT_SHOWN;
	if (secret == BL_CONF_HIDDEN_QUERY)
		return quote_address(n->text, buf, size);
	conf_quote_got(n->text, buf, size);
	return buf;
}

static void
wrong_value(struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n)
{
	char expected[320], got[GOT_SIZE], near[96];

	conf_value_expected(key, expected, sizeof(expected));
	if (n->kind == CONF_SCALAR && conf_value_near(key, n->text, near, sizeof(near)))
		conf_error(run, n->at, "expected %s, got %s; did you mean \"%s\"?", expected,
		    got_name(key, n, got, sizeof(got)), near);
	else
		conf_error(run, n->at, "expected %s, got %s", expected,
		    got_name(key, n, got, sizeof(got)));
}

static void
apply_scalar(
    struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n, void *field)
{
	const char *expected;
	char got[GOT_SIZE];

	if (n->kind != CONF_SCALAR || conf_is_nothing(n)) {
		wrong_value(run, key, n);
		return;
	}
	switch (conf_value_read(key, n->text, field)) {
	case CONF_VALUE_WRONG:
		wrong_value(run, key, n);
		return;
	case CONF_VALUE_NO_MEMORY:
		run->no_memory = true;
		return;
	case CONF_VALUE_OK:
		break;
	}
	if (key->check == NULL || (key->type == BL_CONF_STR && *(char **)field == NULL))
		return;
	if ((expected = key->check(field)) != NULL)
		conf_error(run, n->at, "expected %s, got %s", expected,
		    got_name(key, n, got, sizeof(got)));
}

/* True when n is a collection of at most and at least so many; else the error is reported. */
static bool
check_collection(struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n,
    enum conf_kind kind)
{
	if (n->kind != kind) {
		wrong_value(run, key, n);
		return false;
	}
	if (key->max > 0 && n->n > key->max) {
		conf_error(run, n->at, "expected at most %.0f entries, got %u", key->max, n->n);
		return false;
	}
	if (n->n < key->min) {
		conf_error(run, n->at, "expected at least %.0f entries, got %u", key->min, n->n);
		return false;
	}
	return true;
}

/* An entry of a list or map of texts: a scalar, not empty. */
static bool
is_text(struct conf_run *run, const struct conf_node *n)
{
	char got[80];

	if (n->kind == CONF_SCALAR && !conf_is_nothing(n))
		return true;
	if (n->kind != CONF_REFUSED)
		conf_error(
		    run, n->at, "expected text, got %s", got_name(NULL, n, got, sizeof(got)));
	return false;
}

static void
apply_check(struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n,
    const void *field)
{
	const char *expected;

	if (key->check != NULL && (expected = key->check(field)) != NULL)
		conf_error(run, n->at, "expected %s", expected);
}

/* The first entry with which the list is wrong is named, with its own place. */
static void
check_strlist(struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n,
    const struct bl_conf_strlist *list)
{
	struct bl_conf_strlist part = { 0, list->item };
	const struct conf_node *c = n->child;
	const char *expected = NULL;
	char got[GOT_SIZE];
	size_t at;

	if (key->check == NULL || key->check(list) == NULL)
		return;
	for (; c != NULL; c = c->next) {
		part.n++;
		if ((expected = key->check(&part)) != NULL)
			break;
	}
	if (c == NULL) {
		apply_check(run, key, n, list); /* an empty one */
		return;
	}
	at = conf_path_push_index(run, part.n - 1);
	conf_error(
	    run, c->at, "expected %s, got %s", expected, got_name(NULL, c, got, sizeof(got)));
	conf_path_pop(run, at);
}

static void
apply_strlist(
    struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n, void *field)
{
	struct bl_conf_strlist *list = field;
	const size_t before = run->errors->n;
	size_t at, i = 0;

	if (!check_collection(run, key, n, CONF_SEQUENCE))
		return;
	for (size_t k = 0; k < list->n; k++) /* what the default put there */
		free(list->item[k]);
	list->n = 0;
	for (const struct conf_node *c = n->child; c != NULL; c = c->next, i++) {
		at = conf_path_push_index(run, i);
		if (is_text(run, c) && !add_text(list, c->text, strlen(c->text)))
			run->no_memory = true;
		conf_path_pop(run, at);
	}
	if (run->errors->n == before)
		check_strlist(run, key, n, list);
}

static void
apply_map(
    struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n, void *field)
{
	struct bl_conf_strmap *map = field;
	const size_t before = run->errors->n;
	size_t at;

	if (!check_collection(run, key, n, CONF_MAPPING) || n->n == 0)
		return;
	map->key = calloc(n->n, sizeof(*map->key));
	map->value = calloc(n->n, sizeof(*map->value));
	if (map->key == NULL || map->value == NULL) {
		run->no_memory = true;
		return;
	}
	for (const struct conf_node *c = n->child; c != NULL; c = c->next) {
		at = conf_path_push(run, c->key);
		if (is_text(run, c)) {
			map->key[map->n] = strdup(c->key);
			map->value[map->n] = strdup(c->text);
			if (map->key[map->n] == NULL || map->value[map->n] == NULL)
				run->no_memory = true;
			map->n++;
		}
		conf_path_pop(run, at);
	}
	if (run->errors->n == before)
		apply_check(run, key, n, field);
}

/* No two entries of a list may have the same text under the key that names them. */
static void
check_unique(struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n,
    const struct bl_conf_list *list)
{
	const struct bl_conf_key *by = conf_find_key(key->section, key->unique);
	const char *const item = list->item;
	const struct conf_node *a = n->child, *b;
	char got[80], where[CONF_PATH_SIZE];
	size_t len;

	for (size_t i = 0; i < list->n; i++, a = a->next) {
		const char *const *name = conf_field_const(item + i * key->section->size, by);

		b = n->child;
		for (size_t k = 0; k < i; k++, b = b->next) {
			const char *const *other =
			    conf_field_const(item + k * key->section->size, by);
			const struct conf_node *at = conf_find_member(a, by->name);

			if (*name == NULL || *other == NULL || at == NULL ||
			    strcmp(*name, *other) != 0)
				continue;
			conf_quote_got(*name, got, sizeof(got));
			conf_where(run, b->at, at->at.file, where, sizeof(where));
			len = conf_path_push_index(run, i);
			(void)conf_path_push(run, by->name);
			conf_error(run, at->at,
			    "%s %s is taken by the entry on %s; they have to differ", by->name, got,
			    where);
			conf_path_pop(run, len);
			break;
		}
	}
}

static void
apply_list(
    struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n, void *field)
{
	struct bl_conf_list *list = field;
	const size_t before = run->errors->n;
	size_t at, i = 0;

	if (!check_collection(run, key, n, CONF_SEQUENCE) || n->n == 0)
		return;
	if ((list->item = calloc(n->n, key->section->size)) == NULL) {
		run->no_memory = true;
		return;
	}
	list->n = n->n;
	for (const struct conf_node *c = n->child; c != NULL; c = c->next, i++) {
		at = conf_path_push_index(run, i);
		conf_apply(run, key->section, c, (char *)list->item + i * key->section->size);
		conf_path_pop(run, at);
	}
	if (run->errors->n == before && key->unique != NULL)
		check_unique(run, key, n, list);
	if (run->errors->n == before)
		apply_check(run, key, n, field);
}

static void
apply_value(
    struct conf_run *run, const struct bl_conf_key *key, const struct conf_node *n, void *conf)
{
	void *field = conf_field(conf, key);

	if (n->kind == CONF_REFUSED)
		return;
	if (key->type != BL_CONF_SECTION)
		conf_source_note(run, n->at);
	switch (key->type) {
	case BL_CONF_INCLUDE:
		return; /* done */
	case BL_CONF_SECTION:
		conf_apply(run, key->section, n, field);
		return;
	/* A key with everything below it commented out is an empty list, not a mistake. */
	case BL_CONF_STRLIST:
		if (!conf_is_nothing(n) || key->dflt == NULL)
			apply_strlist(run, key, n, field);
		return;
	case BL_CONF_MAP:
		if (!conf_is_nothing(n) || key->dflt == NULL)
			apply_map(run, key, n, field);
		return;
	case BL_CONF_LIST:
		if (!conf_is_nothing(n) || key->dflt == NULL)
			apply_list(run, key, n, field);
		return;
	default:
		apply_scalar(run, key, n, field);
	}
}

/* ---- keys ---- */

static bool
needs_something(const struct bl_conf_section *s)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++)
		if (k->dflt == NULL || (k->type == BL_CONF_SECTION && needs_something(k->section)))
			return true;
	return false;
}

/* Required keys that are not in the file.  at: where the section begins. */
static void
report_missing(struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *map,
    struct conf_pos begin)
{
	char expected[320];
	size_t at;

	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		if (conf_find_member(map, k->name) != NULL)
			continue;
		at = conf_path_push(run, k->name);
		if (k->type == BL_CONF_SECTION && needs_something(k->section)) {
			report_missing(run, k->section, NULL, begin);
		} else if (k->dflt == NULL) {
			conf_value_expected(k, expected, sizeof(expected));
			conf_error(run, begin, "required key is missing; expected %s (%s)",
			    expected, k->help != NULL ? k->help : k->name);
		}
		conf_path_pop(run, at);
	}
}

static void
check_section(struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *map,
    const void *conf, struct conf_pos begin)
{
	const char *key = NULL, *wrong;
	const struct conf_node *member;
	size_t at;

	if (s->check == NULL || (wrong = s->check(conf, &key)) == NULL)
		return;
	if (key == NULL) {
		conf_error(run, begin, "%s", wrong);
		return;
	}
	member = conf_find_member(map, key);
	at = conf_path_push(run, key);
	conf_error(run, member != NULL ? member->at : begin, "%s", wrong);
	conf_path_pop(run, at);
}

/* Checks of the sections that the file does not mention, which stand with their defaults. */
static void
check_absent(struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *map,
    const void *conf, struct conf_pos begin)
{
	size_t at;

	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		if (k->type != BL_CONF_SECTION || conf_find_member(map, k->name) != NULL)
			continue;
		at = conf_path_push(run, k->name);
		check_absent(run, k->section, NULL, conf_field_const(conf, k), begin);
		check_section(run, k->section, NULL, conf_field_const(conf, k), begin);
		conf_path_pop(run, at);
	}
}

void
conf_apply(
    struct conf_run *run, const struct bl_conf_section *s, const struct conf_node *node, void *conf)
{
	const size_t before = run->errors->n;
	const struct bl_conf_key *key;
	struct conf_pos begin = { 0, 1, 1 };
	char got[80];
	size_t at;

	if (node != NULL) /* what is missing is missing below the section's own key */
		begin = node->key != NULL ? node->key_at : node->at;
	fill_defaults(run, s, conf);
	if (node != NULL && node->kind == CONF_REFUSED)
		return;
	if (node != NULL && node->kind != CONF_MAPPING && !conf_is_nothing(node)) {
		conf_error(run, node->at, "expected a section of keys and values, got %s",
		    got_name(NULL, node, got, sizeof(got)));
		return;
	}
	for (const struct conf_node *c = node != NULL ? node->child : NULL; c != NULL;
	     c = c->next) {
		at = conf_path_push(run, c->key);
		if ((key = conf_find_key(s, c->key)) == NULL) {
			conf_unknown_key(run, s, c);
		} else {
			apply_value(run, key, c, conf);
		}
		conf_path_pop(run, at);
	}
	if (run->broken)
		return;
	report_missing(run, s, node, begin);
	if (run->errors->n == before) {
		check_absent(run, s, node, conf, begin);
		check_section(run, s, node, conf, begin);
	}
}
