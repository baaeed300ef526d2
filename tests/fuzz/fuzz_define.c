/*
 * libFuzzer target: the body of a process, a KPI, a rule or a channel.  What is
 * accepted is written again in its canonical form, which is accepted and
 * written the same; what is refused says which field and why.
 */
#include "define_internal.h"
#include "fuzz.h"

static char *
canonical(enum define_kind kind, const union define_any *a)
{
	struct jsonw w;
	const char *text;
	char *copy;

	jsonw_init(&w, 1 << 20);
	jsonw_object(&w, NULL);
	define_write_members(&w, kind, a);
	jsonw_object_end(&w);
	CHECK((text = jsonw_text(&w, NULL)) != NULL && (copy = strdup(text)) != NULL);
	jsonw_free(&w);
	return copy;
}

static void
check_faults(const struct define_errors *errs)
{
	for (size_t i = 0; i < errs->n && i < DEFINE_ERRORS_MAX; i++)
		CHECK(errs->e[i].expected[0] != '\0'); /* a member may be named "" */
}

static char *
read_one(enum define_kind kind, json_t *body, json_t *given)
{
	static union define_any any;
	struct define_errors errs = { 0 };
	struct bl_err err = { 0 };
	char *text = NULL;

	CHECK(define_parse(kind, body, given, &any, &errs, &err) == BL_OK);
	check_faults(&errs);
	if (errs.n == 0)
		text = canonical(kind, &any);
	define_any_release(kind, &any);
	return text;
}

static void
again(enum define_kind kind, const char *text)
{
	char *second;
	json_t *body;

	CHECK(bl_json_parse(&body, text, strlen(text), 1 << 20, "body", NULL) == BL_OK);
	second = read_one(kind, body, NULL);
	CHECK(second != NULL && strcmp(text, second) == 0);
	free(second);
	json_decref(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum define_kind kind;
	char *text;
	json_t *body;

	if (size == 0)
		return 0;
	kind = (enum define_kind)(data[0] % DEFINE_KINDS);
	if (bl_json_parse(&body, data + 1, size - 1, DEFINE_BODY_MAX, "body", NULL) < 0)
		return 0;
	if (json_is_object(body)) {
		text = read_one(kind, body, body);
		if (text != NULL)
			again(kind, text);
		free(text);
	}
	json_decref(body);
	return 0;
}
