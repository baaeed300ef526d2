/* The route table: nothing unclassified, nothing undescribed, nobody beyond their role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api_internal.h"

#define OPENAPI BL_SOURCE_DIR "/collector/src/api/openapi.json"

static const struct route *
route_at(const char *method, const char *path, enum route_match expected, const char *allow)
{
	char param[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE] = { "" }, allowed[64];
	const struct route *r = NULL;

	if (route_find(api_routes, api_n_routes, method, path, &r, param, allowed,
		sizeof(allowed)) != expected)
		fail_msg("%s %s", method, path);
	if (allow != NULL)
		assert_string_equal(allowed, allow);
	return r;
}

static void
paths_match_whole_segments_only(void **state)
{
	static const struct {
		const char *method, *path;
		enum route_match match;
		const char *allow;
	} cases[] = {
		{ "GET", "/api/v1/sites", ROUTE_FOUND, NULL },
		{ "HEAD", "/api/v1/sites", ROUTE_FOUND, NULL },
		{ "GET", "/api/v1/sites/a", ROUTE_FOUND, NULL },
		{ "GET", "/api/v1/sites/", ROUTE_NO_PATH, NULL },
		{ "GET", "/api/v1/sites//", ROUTE_NO_PATH, NULL },
		{ "GET", "/api/v1/sites/a/", ROUTE_NO_PATH, NULL },
		{ "GET", "/api/v1/sites/a/b", ROUTE_NO_PATH, NULL },
		{ "GET", "/api/v1/site", ROUTE_NO_PATH, NULL },
		{ "GET", "/api/v1/sitesx", ROUTE_NO_PATH, NULL },
		{ "GET", "/api/v2/sites", ROUTE_NO_PATH, NULL },
		{ "GET", "api/v1/sites", ROUTE_NO_PATH, NULL },
		{ "GET", "", ROUTE_NO_PATH, NULL },
		{ "DELETE", "/api/v1/sites/a", ROUTE_NO_VERB, "GET, HEAD, PATCH" },
		{ "OPTIONS", "/api/v1/sites", ROUTE_NO_VERB, "GET, HEAD, POST" },
		{ "get", "/api/v1/sites", ROUTE_NO_VERB, "GET, HEAD, POST" },
		{ "POST", "/livez", ROUTE_NO_VERB, "GET, HEAD" },
		{ "GET",
		    "/api/v1/sites/a23456789012345678901234567890123456789012345678901234567890123",
		    ROUTE_FOUND, NULL },
		{ "GET",
		    "/api/v1/sites/"
		    "a234567890123456789012345678901234567890123456789012345678901234",
		    ROUTE_NO_PATH, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		(void)route_at(cases[i].method, cases[i].path, cases[i].match, cases[i].allow);
	assert_string_equal(
	    route_at("PUT", "/api/v1/devices/x/certificate", ROUTE_FOUND, NULL)->pattern,
	    "/api/v1/devices/{id}/certificate");
}

static void
every_route_is_classified_and_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_n_routes; i++) {
		const struct route *r = &api_routes[i];
		assert_int_not_equal(r->permission, PERMIT_NOBODY);
		assert_non_null(r->handler);
		if (r->body != NULL)
			assert_true(r->body->size <= SCHEMA_SIZE_MAX && r->body->n <= 64);
		if (r->query != NULL)
			assert_true(r->query->size <= SCHEMA_SIZE_MAX && r->query->n <= 64);
		assert_true(r->verb == VERB_GET ? r->body == NULL : r->query == NULL);
		for (size_t j = 0; j < i; j++)
			assert_false(api_routes[j].verb == r->verb &&
				     strcmp(api_routes[j].pattern, r->pattern) == 0);
	}
}

static void
roles_may_do_these(void **state)
{
	size_t viewers = 0, operators = 0;

	(void)state;
	for (size_t i = 0; i < api_n_routes; i++) {
		const struct route *r = &api_routes[i];
		const bool reads = r->verb == VERB_GET;
		const bool private = r->resource == ON_USERS || r->resource == ON_CHANNELS;
		const bool acts = strncmp(r->pattern, "/api/v1/incidents/", 18) == 0;
		const bool channels = strncmp(r->pattern, "/api/v1/channels", 16) == 0;

		if (r->permission != PERMIT_ROLE)
			continue;
		/* resources are as the paths say */
		assert_int_equal(r->resource == ON_CHANNELS, channels);
		assert_int_equal(
		    r->resource == ON_USERS, strncmp(r->pattern, "/api/v1/users", 13) == 0);
		assert_true(api_permits(AUTH_ADMINISTRATOR, r));
		assert_int_equal(api_permits(AUTH_VIEWER, r), reads && !private);
		assert_int_equal(
		    api_permits(AUTH_OPERATOR, r), reads ? r->resource != ON_USERS : acts);
		viewers += api_permits(AUTH_VIEWER, r);
		operators += api_permits(AUTH_OPERATOR, r);
	}
	/* channels: list, one, versions; incidents: acknowledge, assign, resolve, comment */
	assert_int_equal(operators, viewers + 7);
}

/* What needs no session is this list and no more. */
static void
open_routes_are_these(void **state)
{
	static const char *const open[] = { "POST /api/v1/session", "GET /api/v1/openapi.json",
		"GET /livez", "GET /readyz" };
	char name[96];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < api_n_routes; i++) {
		if (api_routes[i].permission != PERMIT_ANYONE)
			continue;
		(void)snprintf(name, sizeof(name), "%s %s", verb_name(api_routes[i].verb),
		    api_routes[i].pattern);
		assert_true(n < sizeof(open) / sizeof(open[0]));
		assert_string_equal(name, open[n++]);
	}
	assert_int_equal(n, sizeof(open) / sizeof(open[0]));
}

/* ---- the OpenAPI document ---------------------------------------------- */

static json_t *
document(void)
{
	json_error_t e;
	json_t *doc = json_load_file(OPENAPI, JSON_REJECT_DUPLICATES, &e);

	if (doc == NULL)
		fail_msg("%s:%d: %s", e.source, e.line, e.text);
	return doc;
}

static json_t *
operation(json_t *doc, const struct route *r)
{
	char verb[16];
	size_t n = 0;

	for (const char *p = verb_name(r->verb); *p != '\0'; p++)
		verb[n++] = (char)(*p | 0x20);
	verb[n] = '\0';
	return json_object_get(json_object_get(json_object_get(doc, "paths"), r->pattern), verb);
}

static void
every_route_is_described_and_every_description_is_a_route(void **state)
{
	json_t *doc = document(), *path, *op;
	const char *pattern, *verb;
	size_t described = 0;

	(void)state;
	for (size_t i = 0; i < api_n_routes; i++)
		if (operation(doc, &api_routes[i]) == NULL)
			fail_msg("not described: %s %s", verb_name(api_routes[i].verb),
			    api_routes[i].pattern);
	json_object_foreach(json_object_get(doc, "paths"), pattern, path)
	{
		json_object_foreach(path, verb, op)
		{
			described++;
		}
	}
	assert_int_equal(described, api_n_routes);
	json_decref(doc);
}

/* "integer" in "integer" or ["integer", "null"] */
static bool
has_type(json_t *schema, const char *type)
{
	json_t *t = json_object_get(schema, "type"), *one;
	size_t i;

	if (json_is_string(t))
		return strcmp(json_string_value(t), type) == 0;
	json_array_foreach(t, i, one)
	{
		if (strcmp(json_string_value(one), type) == 0)
			return true;
	}
	return false;
}

static bool
listed(json_t *list, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
			return true;
	}
	return false;
}

static void
check_field(const struct field *f, json_t *schema, const char *where)
{
	static const char *const types[] = {
		[FIELD_STR] = "string",
		[FIELD_INT] = "integer",
		[FIELD_NUM] = "number",
		[FIELD_BOOL] = "boolean",
		[FIELD_ENUM] = "string",
		[FIELD_TAGS] = "object",
		[FIELD_LIST] = "array",
	};
	json_t *choices = json_object_get(schema, "enum");
	size_t n = 0;

	if (schema == NULL || !has_type(schema, types[f->type]))
		fail_msg("%s: %s is not described as %s", where, f->name, types[f->type]);
	assert_int_equal(has_type(schema, "null"), f->nullable);
	for (; f->choices != NULL && f->choices[n] != NULL; n++)
		;
	if (n > 0 && f->nullable)
		n++; /* null is a choice, too */
	if (json_array_size(choices) != n)
		fail_msg("%s: %s has %zu choices", where, f->name, n);
	for (size_t i = 0; f->choices != NULL && f->choices[i] != NULL; i++)
		assert_true(listed(choices, f->choices[i]));
	if (f->type == FIELD_LIST)
		assert_true(has_type(json_object_get(schema, "items"), "string"));
	/* a table has to say of each whether it is stored or left to `define` */
	assert_true(f->raw || f->type != FIELD_LIST);
}

static void
check_body(json_t *doc, const struct route *r, json_t *op)
{
	json_t *body = json_object_get(op, "requestBody"), *schema;
	char ref[64];

	if (r->body == NULL) {
		assert_null(body);
		return;
	}
	(void)snprintf(ref, sizeof(ref), "#/components/schemas/%s", r->body->name);
	schema = json_object_get(
	    json_object_get(
		json_object_get(json_object_get(body, "content"), "application/json"), "schema"),
	    "$ref");
	assert_string_equal(json_string_value(schema), ref);
	schema = json_object_get(
	    json_object_get(json_object_get(doc, "components"), "schemas"), r->body->name);
	assert_int_equal(json_object_size(json_object_get(schema, "properties")), r->body->n);
	assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
	for (size_t i = 0; i < r->body->n; i++) {
		const struct field *f = &r->body->fields[i];
		check_field(f, json_object_get(json_object_get(schema, "properties"), f->name),
		    r->body->name);
		assert_int_equal(listed(json_object_get(schema, "required"), f->name), f->required);
	}
}

static void
check_params(const struct route *r, json_t *op)
{
	json_t *param;
	size_t i, n = 0;
	bool if_match = false;

	json_array_foreach(json_object_get(op, "parameters"), i, param)
	{
		const char *name = json_string_value(json_object_get(param, "name"));
		const char *in = json_string_value(json_object_get(param, "in"));
		if_match |= strcmp(in, "header") == 0 && strcmp(name, "If-Match") == 0;
		if (strcmp(in, "query") != 0)
			continue;
		n++;
		assert_non_null(r->query);
		for (size_t k = 0; k < r->query->n; k++) {
			if (strcmp(r->query->fields[k].name, name) != 0)
				continue;
			check_field(
			    &r->query->fields[k], json_object_get(param, "schema"), r->pattern);
			assert_int_equal(json_is_true(json_object_get(param, "required")),
			    r->query->fields[k].required);
		}
	}
	if (n != (r->query != NULL ? r->query->n : 0))
		fail_msg("%s: %zu parameters described", r->pattern, n);
	assert_int_equal(if_match, r->if_match);
}

static void
bodies_and_parameters_are_described_as_they_are_checked(void **state)
{
	json_t *doc = document();

	(void)state;
	for (size_t i = 0; i < api_n_routes; i++) {
		json_t *op = operation(doc, &api_routes[i]);
		const bool open = api_routes[i].permission == PERMIT_ANYONE;
		check_body(doc, &api_routes[i], op);
		check_params(&api_routes[i], op);
		assert_int_equal(json_object_get(op, "security") != NULL, open);
	}
	json_decref(doc);
}

static void
problem_codes_are_described(void **state)
{
	json_t *doc = document();
	json_t *codes = json_object_get(
	    json_object_get(
		json_object_get(
		    json_object_get(
			json_object_get(json_object_get(doc, "components"), "schemas"), "Problem"),
		    "properties"),
		"code"),
	    "enum");

	(void)state;
	assert_int_equal(json_array_size(codes), API_PROBLEM_CODES);
	for (size_t i = 0; i < API_PROBLEM_CODES; i++)
		assert_true(listed(codes, api_problem_code(i)));
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_match_whole_segments_only),
		cmocka_unit_test(every_route_is_classified_and_fits),
		cmocka_unit_test(roles_may_do_these),
		cmocka_unit_test(open_routes_are_these),
		cmocka_unit_test(every_route_is_described_and_every_description_is_a_route),
		cmocka_unit_test(bodies_and_parameters_are_described_as_they_are_checked),
		cmocka_unit_test(problem_codes_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
