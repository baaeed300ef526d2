/* Parsing with caps; see the header. */
#include "branchline/json.h"

#include <string.h>

/* Nesting is counted before jansson sees the text; strings are skipped. */
static bool
too_deep(const char *text, size_t len)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		const char ch = text[i];

		if (in_string) {
			if (ch == '\\')
				i++;
			else if (ch == '"')
				in_string = false;
		} else if (ch == '"') {
			in_string = true;
		} else if (ch == '{' || ch == '[') {
			if (++depth > BL_JSON_DEPTH_MAX)
				return true;
		} else if ((ch == '}' || ch == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

int
bl_json_parse(json_t **out, const void *text, size_t len, size_t max_bytes, const char *what,
    struct bl_err *err)
{
	json_error_t e;

	*out = NULL;
	if (len > max_bytes)
		return bl_fail(err, BL_EFULL, "%s: %zu bytes of JSON, at most %zu are taken", what,
		    len, max_bytes);
	if (len == 0)
		return bl_fail(err, BL_EINVAL, "%s: empty, expected JSON", what);
	if (too_deep(text, len))
		return bl_fail(err, BL_EINVAL, "%s: JSON is nested deeper than %u levels", what,
		    BL_JSON_DEPTH_MAX);
	if ((*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e)) != NULL)
		return BL_OK;
	if (json_error_code(&e) == json_error_out_of_memory)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory for JSON", what);
	return bl_fail(err, BL_EINVAL, "%s: not valid JSON: line %d, column %d: %s", what, e.line,
	    e.column, e.text);
}

int
bl_json_fault_err(const struct bl_json_fault *fault, const char *what, struct bl_err *err)
{
	return bl_fail(err, BL_EINVAL, "%s: %s%sexpected %s, got %s%s%s%s", what, fault->field,
	    fault->field[0] != '\0' ? ": " : "", fault->expected, fault->got,
	    fault->suggestion[0] != '\0' ? "; did you mean \"" : "", fault->suggestion,
	    fault->suggestion[0] != '\0' ? "\"?" : "");
}
