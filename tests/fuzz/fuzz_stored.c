/*
 * libFuzzer target: JSON texts that the collector stored itself and reads
 * again: a case's attributes, a message's facts, a member of a body.  A file can
 * be damaged, so whatever stands there is an error in words or a value.
 *
 * The first byte chooses: '0' attributes, '1' to '9' facts of one kind of
 * message, else a member of an object.
 */
#include "api_internal.h"
#include "cases.h"
#include "deliver_render.h"
#include "fuzz.h"

static void
attributes(const char *text)
{
	static const char *const names[] = { "status", "amount", "case", "" };
	struct cases_attrs *a = NULL;
	struct bl_err err = { 0 };
	struct bl_value v;

	if (cases_attrs_parse(&a, text, &err) < 0) {
		CHECK(a == NULL && err.msg[0] != '\0');
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cases_attr(a, names[i], &v);
		CHECK(v.type != BL_VALUE_TEXT || v.text != NULL);
	}
	cases_attrs_free(a);
}

static void
facts(const char *text, unsigned which)
{
	static const char *const kinds[] = { "page", "ended", "withdrawn", "digest", "test",
		"other" };
	const char *const language = which % 2 == 0 ? "en" : "zh-CN";
	struct deliver_text out = { .text = NULL };
	struct bl_err err = { 0 };

	if (deliver_render(&out, kinds[which % 6], text, language, "https://b.example", &err) < 0) {
		CHECK(err.msg[0] != '\0');
		return;
	}
	CHECK(out.text != NULL && strlen(out.subject) <= DELIVER_SUBJECT_MAX);
	for (const char *p = out.subject; *p != '\0'; p++)
		CHECK(*p != '\n' && *p != '\r'); /* it becomes a header of a letter */
	deliver_text_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, out[64];

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	if (data[0] == '0')
		attributes(text);
	else if (data[0] >= '1' && data[0] <= '9')
		facts(text, (unsigned)(data[0] - '1'));
	else
		member_text(text, "name", out, sizeof(out));
	free(text);
	return 0;
}
