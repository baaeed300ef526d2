/* Nothing that steers a terminal.  Recursion ends where jansson's reading does. */
#include "status_clean.h"

#include <limits.h>
#include <stdbool.h>

#include "branchline/buf.h"

#include "top.h"

#define TEXT_MAX (4u * 1024u * 1024u)

/* NUL at its end; false: out of memory. */
static bool
clean_text(struct bl_buf *b, const char *s)
{
	bl_buf_init(b, TEXT_MAX);
	(void)top_fit(b, s, UINT_MAX, true);
	bl_buf_u8(b, '\0');
	return !b->failed;
}

static json_t *
clean_string(const char *s)
{
	struct bl_buf b;
	json_t *out = clean_text(&b, s) ? json_string((const char *)b.data) : NULL;

	bl_buf_free(&b);
	return out;
}

static json_t *
clean_array(const json_t *in)
{
	json_t *out = json_array();

	for (size_t i = 0; out != NULL && i < json_array_size(in); i++)
		if (json_array_append_new(out, status_clean(json_array_get(in, i))) < 0) {
			json_decref(out);
			return NULL;
		}
	return out;
}

static int
set_clean(json_t *out, const char *name, const json_t *member)
{
	struct bl_buf b;
	int rc = -1;

	if (clean_text(&b, name))
		rc = json_object_set_new(out, (const char *)b.data, status_clean(member));
	bl_buf_free(&b);
	return rc;
}

static json_t *
clean_object(const json_t *in)
{
	json_t *out = json_object(), *member;
	const char *name;

	if (out == NULL)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)in, name, member)
	{
		if (set_clean(out, name, member) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

json_t *
status_clean(const json_t *status)
{
	switch (json_typeof(status)) {
	case JSON_OBJECT:
		return clean_object(status);
	case JSON_ARRAY:
		return clean_array(status);
	case JSON_STRING:
		return clean_string(json_string_value(status));
	default:
		return json_copy((json_t *)(uintptr_t)status);
	}
}
