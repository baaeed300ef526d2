/*
 * libFuzzer target: JSON from outside, and every getter asked of every member.
 * A getter that refuses says which field, what was expected and what came.
 */
#include "branchline/json.h"

#include "fuzz.h"

static const char *const choices[] = { "red", "green", NULL };
static const char *const known[] = { "id", "name", "value", "tags", NULL };

static void
check_fault(bool fine, const struct bl_json_fault *fault)
{
	struct bl_err err = { 0 };

	if (fine)
		return;
	CHECK(fault->expected[0] != '\0' && fault->got[0] != '\0');
	CHECK(bl_json_fault_err(fault, "text", &err) == BL_EINVAL && err.msg[0] != '\0');
}

static void
ask(const struct bl_json_obj *o, const char *key, unsigned depth)
{
	struct bl_json_fault f = { 0 };
	struct bl_json_obj inner;
	json_t *array = NULL;
	const char *text = NULL;
	unsigned at = 0;
	int64_t i = 5;
	double d = 5;
	bool b = false;

	check_fault(bl_json_get_str(o, key, BL_JSON_NULLABLE, 1, 20, &text, &f), &f);
	check_fault(bl_json_get_int(o, key, BL_JSON_OPTIONAL, 1, 1000, &i, &f), &f);
	check_fault(bl_json_get_num(o, key, BL_JSON_REQUIRED, 1, 1000, &d, &f), &f);
	CHECK(i >= 1 && i <= 1000 && d >= 1 && d <= 1000);
	check_fault(bl_json_get_bool(o, key, BL_JSON_REQUIRED, &b, &f), &f);
	check_fault(bl_json_get_choice(o, key, BL_JSON_REQUIRED, choices, &at, &f), &f);
	CHECK(at < 2);
	if (bl_json_get_obj(o, key, BL_JSON_REQUIRED, &inner, &f) && depth < 4) {
		const char *member;
		json_t *value;

		json_object_foreach(inner.json, member, value) ask(&inner, member, depth + 1);
	}
	check_fault(bl_json_get_array(o, key, BL_JSON_REQUIRED, 10, &array, &f), &f);
	for (size_t n = 0; array != NULL && n < json_array_size(array); n++)
		check_fault(bl_json_item_obj(o, key, array, n, &inner, &f), &f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_json_fault f = { 0 };
	struct bl_err err = { 0 };
	struct bl_json_obj o;
	const char *key;
	json_t *root, *value;

	if (bl_json_parse(&root, data, size, 4096, "text", &err) < 0) {
		CHECK(root == NULL && err.msg[0] != '\0');
		return 0;
	}
	if (bl_json_root(root, &o, &f)) {
		check_fault(bl_json_only(&o, known, &f), &f);
		json_object_foreach(root, key, value) ask(&o, key, 0);
		ask(&o, "missing", 0);
	}
	json_decref(root);
	return 0;
}
