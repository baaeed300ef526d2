/*
 * libFuzzer target: the set-up file of a device with its certificate, as
 * `branchline-agent setup` takes it in.  The command's own source stands here,
 * for its table and its check are nobody else's.
 */
#include "cmd_setup.c"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct file in = { 0 };

	if (bl_conf_parse("file", text, size, &file_section, &in, &errors, &err) == BL_OK) {
		if (check_certificate(&in, &err) < 0)
			CHECK(err.msg[0] != '\0');
		bl_conf_release(&file_section, &in);
	} else {
		CHECK(err.msg[0] != '\0');
	}
	bl_conf_errors_free(&errors);
	free(text);
	return 0;
}
