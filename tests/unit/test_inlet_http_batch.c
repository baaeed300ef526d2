/*
 * What a body becomes: reports in the host's words, results in the sender's
 * (tests/data/inlet_http/bodies.json); and that no body is read past its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inlet_host.h"
#include "inlet_http_batch.h"

static const char *const results[] = { "waits", "accepted", "repeated", "refused", "failed" };

/* A copy of exactly that size, so that a byte too far is seen. */
static char *
exact(const char *text, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

static enum inlet_http_form
form_of(const char *name)
{
	return strcmp(name, "lines") == 0      ? INLET_HTTP_LINES
	       : strcmp(name, "collectd") == 0 ? INLET_HTTP_COLLECTD
					       : INLET_HTTP_JSON;
}

/* All of it; what the host was told is in h. */
static enum inlet_http_step
run(struct inlet_http_batch *b, struct fake_host *h, struct bl_err *err)
{
	enum inlet_http_step got;

	do {
		got = inlet_http_batch_step(b, &h->host, 0, err);
	} while (got == INLET_HTTP_STEP_DONE);
	return got;
}

/* "refused: reports[0]: ..." or "waits", a line each. */
static void
said(const struct inlet_http_batch *b, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < b->n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s%s\n", results[b->result[i]],
		    b->why[i] > 0 ? ": " : "",
		    b->why[i] > 0 ? (const char *)b->words.data + b->why[i] - 1 : "");
	assert_true(n < size);
}

static void
check_case(const json_t *c)
{
	const char *name = json_string_value(json_object_get(c, "name"));
	const json_t *body = json_object_get(c, "body");
	char *dumped = json_is_string(body) ? NULL : json_dumps(body, JSON_COMPACT);
	const char *text = dumped != NULL ? dumped : json_string_value(body);
	struct inlet_http_batch *b = calloc(1, sizeof(*b));
	struct fake_host *h = fake_host_create("/nowhere");
	struct bl_err err = { 0 };
	static char got[65536];
	char *copy = exact(text, strlen(text));
	enum inlet_http_step end;

	assert_non_null(b);
	inlet_http_batch_begin(
	    b, form_of(json_string_value(json_object_get(c, "form"))), copy, strlen(text));
	end = run(b, h, &err);
	if (json_object_get(c, "broken") != NULL) {
		const char *want = json_string_value(json_object_get(c, "broken"));

		if (end != INLET_HTTP_STEP_BROKEN && end != INLET_HTTP_STEP_LARGE)
			fail_msg("%s: it is taken", name);
		if (strncmp(err.msg, want, strlen(want)) != 0) /* the rest is jansson's */
			fail_msg("%s: \"%s\"", name, err.msg);
		assert_int_equal(h->reports, 0); /* nothing was taken */
	} else {
		const char *want = json_string_value(json_object_get(c, "results"));
		const char *host = json_string_value(json_object_get(c, "host"));
		const char *told = fake_host_said(h);

		if (end != INLET_HTTP_STEP_ENDED)
			fail_msg("%s: %d, \"%s\"", name, (int)end, err.msg);
		said(b, got, sizeof(got));
		if (strcmp(got, want) != 0)
			fail_msg("%s: results\n%s", name, got);
		if (strcmp(told, host) != 0)
			fail_msg("%s: host\n%s", name, told);
	}
	inlet_http_batch_free(b);
	free(b);
	free(copy);
	free(dumped);
	fake_host_free(h);
}

static void
bodies_become_what_the_table_says(void **state)
{
	json_error_t e;
	json_t *cases = json_load_file(BL_TEST_DATA "/inlet_http/bodies.json", 0, &e);
	const json_t *c;
	size_t i;

	(void)state;
	if (cases == NULL)
		fail_msg("line %d: %s", e.line, e.text);
	json_array_foreach(cases, i, c) check_case(c);
	assert_true(json_array_size(cases) > 60);
	json_decref(cases);
}

/* ---- how much ---- */

static char *
many(unsigned n, const char *one)
{
	char *text = malloc(n * (strlen(one) + 1) + 3), *at = text;

	assert_non_null(text);
	*at++ = '[';
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%s%s", i > 0 ? "," : "", one);
	(void)strcpy(at, "]");
	return text;
}

static enum inlet_http_step
run_text(enum inlet_http_form form, const char *text, struct fake_host *h, struct bl_err *err,
    struct inlet_http_batch *b)
{
	memset(b, 0, sizeof(*b));
	inlet_http_batch_begin(b, form, text, strlen(text));
	return run(b, h, err);
}

static void
more_than_a_thousand_are_refused_as_a_whole(void **state)
{
	static const char one[] = "{\"report\":\"event\",\"type\":\"a\"}";
	struct inlet_http_batch *b = calloc(1, sizeof(*b));
	struct fake_host *h = fake_host_create("/nowhere");
	struct bl_err err = { 0 };
	char *text = many(1001, one);

	(void)state;
	assert_non_null(b);
	assert_int_equal(run_text(INLET_HTTP_JSON, text, h, &err, b), INLET_HTTP_STEP_LARGE);
	assert_int_equal(h->reports, 0);
	assert_non_null(strstr(err.msg, "1000"));
	inlet_http_batch_free(b);
	free(text);

	text = many(1000, one);
	assert_int_equal(run_text(INLET_HTTP_JSON, text, h, &err, b), INLET_HTTP_STEP_NO_ROOM);
	assert_int_equal(h->reports, FAKE_HOST_HELD); /* as many as it takes */
	inlet_http_batch_free(b);
	free(text);
	free(b);
	fake_host_free(h);
}

static void
one_that_is_too_long_is_refused(void **state)
{
	struct inlet_http_batch *b = calloc(1, sizeof(*b));
	struct fake_host *h = fake_host_create("/nowhere");
	struct bl_err err = { 0 };
	char *text = malloc(70000);

	(void)state;
	assert_non_null(b);
	assert_non_null(text);
	(void)sprintf(
	    text, "[{\"report\":\"event\",\"type\":\"a\",\"attributes\":{\"x\":\"%065536d\"}}]", 0);
	assert_int_equal(run_text(INLET_HTTP_JSON, text, h, &err, b), INLET_HTTP_STEP_LARGE);
	assert_non_null(strstr(err.msg, "reports[0]"));
	inlet_http_batch_free(b);
	free(text);
	free(b);
	fake_host_free(h);
}

/* Results as JSON, read back. */
static json_t *
answer(const struct inlet_http_batch *b, int want)
{
	struct bl_buf out;
	json_t *root;

	bl_buf_init(&out, INLET_HTTP_ANSWER_MAX);
	assert_int_equal(inlet_http_batch_answer(b, &out), want);
	assert_false(out.failed);
	root = json_loadb((const char *)out.data, out.len, 0, NULL);
	assert_non_null(root);
	bl_buf_free(&out);
	return root;
}

static const char *
field(const json_t *root, size_t i, const char *key)
{
	return json_string_value(
	    json_object_get(json_array_get(json_object_get(root, "results"), i), key));
}

static void
results_tell_of_each(void **state)
{
	static const char text[] = "[{\"report\":\"event\",\"type\":\"a\"},{\"report\":\"event\"},"
				   "{\"report\":\"event\",\"type\":\"b\"},{\"report\":\"event\","
				   "\"type\":\"c\"}]";
	struct inlet_http_batch *b = calloc(1, sizeof(*b));
	struct fake_host *h = fake_host_create("/nowhere");
	struct bl_err err = { 0 };
	json_t *root;

	(void)state;
	assert_non_null(b);
	assert_int_equal(run_text(INLET_HTTP_JSON, text, h, &err, b), INLET_HTTP_STEP_ENDED);
	assert_int_equal(b->waiting, 3);
	inlet_http_batch_done(b, 0, 0);
	inlet_http_batch_done(b, 0, 0); /* once is enough */
	inlet_http_batch_done(b, 2, 1);
	inlet_http_batch_done(b, 1, 0); /* it never waited */
	inlet_http_batch_done(b, 999, 0);
	assert_int_equal(b->waiting, 1);
	inlet_http_batch_done(b, 3, 0);
	root = answer(b, 422);
	assert_int_equal(json_array_size(json_object_get(root, "results")), 4);
	assert_string_equal(field(root, 0, "result"), "accepted");
	assert_null(field(root, 0, "message"));
	assert_string_equal(field(root, 1, "result"), "refused");
	assert_non_null(strstr(field(root, 1, "message"), "reports[1].type"));
	assert_string_equal(field(root, 2, "result"), "repeated");
	json_decref(root);
	b->result[3] = INLET_HTTP_FAILED;
	root = answer(b, 503); /* try again is what matters */
	assert_string_equal(field(root, 3, "result"), "failed");
	json_decref(root);
	inlet_http_batch_free(b);
	free(b);
	fake_host_free(h);
}

/* A thousand mistakes with as much to say of each. */
static void
an_answer_has_its_size(void **state)
{
	char one[256], *text;
	struct inlet_http_batch *b = calloc(1, sizeof(*b));
	struct fake_host *h = fake_host_create("/nowhere");
	struct bl_err err = { 0 };
	json_t *root;

	(void)state;
	assert_non_null(b);
	(void)snprintf(one, sizeof(one), "{\"report\":\"event\",\"\\u0001\\\"\\\"%0100d\":1}", 0);
	text = many(1000, one);
	assert_int_equal(run_text(INLET_HTTP_JSON, text, h, &err, b), INLET_HTTP_STEP_ENDED);
	root = answer(b, 422);
	assert_string_equal(field(root, 999, "message"), "there is no room for more messages");
	assert_non_null(strstr(field(root, 0, "message"), "no field of this name"));
	json_decref(root);
	inlet_http_batch_free(b);
	free(b);
	free(text);
	fake_host_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_become_what_the_table_says),
		cmocka_unit_test(more_than_a_thousand_are_refused_as_a_whole),
		cmocka_unit_test(one_that_is_too_long_is_refused),
		cmocka_unit_test(results_tell_of_each),
		cmocka_unit_test(an_answer_has_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
