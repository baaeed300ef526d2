/*
 * libFuzzer target: the collector's configuration.  What is accepted prints to
 * a text that is accepted and prints the same again; what is refused says why.
 */
#include "config.h"
#include "fuzz.h"

static char *
printed(const struct config *c, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	CHECK(f != NULL && bl_conf_print(&config_section, c, f) == BL_OK && fclose(f) == 0);
	return text;
}

static void
check_printed(const struct config *c)
{
	struct bl_conf_errors errors;
	struct config again = { 0 };
	size_t len = 0, len_again = 0;
	char *text = printed(c, &len), *text_again;

	CHECK(bl_conf_parse("c.yaml", text, len, &config_section, &again, &errors, NULL) == BL_OK);
	text_again = printed(&again, &len_again);
	CHECK(len == len_again && memcmp(text, text_again, len) == 0);
	bl_conf_errors_free(&errors);
	bl_conf_release(&config_section, &again);
	free(text);
	free(text_again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct bl_err err = { 0 };
	struct bl_conf_errors errors;
	struct config c = { 0 };

	if (bl_conf_parse("c.yaml", text, size, &config_section, &c, &errors, &err) == BL_OK) {
		CHECK(errors.n == 0);
		check_printed(&c);
		bl_conf_release(&config_section, &c);
	} else {
		CHECK(err.msg[0] != '\0' && errors.n >= errors.n_kept);
	}
	bl_conf_errors_free(&errors);
	free(text);
	return 0;
}
