/*
 * libFuzzer target: the agent's configuration.  What is accepted prints to a
 * text that is accepted and means the same; what is refused says why.
 */
#include "config.h"
#include "fuzz.h"

static void
check_printed(const struct config *c)
{
	struct bl_conf_errors errors;
	struct config *again;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	CHECK(f != NULL && config_print(c, f) == BL_OK && fclose(f) == 0);
	CHECK(config_parse(&again, "/etc/branchline-agent/agent.yaml", text, len, &errors, NULL) ==
	      BL_OK);
	CHECK(strcmp(c->hash, again->hash) == 0);
	bl_conf_errors_free(&errors);
	config_free(again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct bl_err err = { 0 };
	struct bl_conf_errors errors;
	struct config *c;

	if (config_parse(&c, "/etc/branchline-agent/agent.yaml", text, size, &errors, &err) ==
	    BL_OK) {
		CHECK(errors.n == 0);
		check_printed(c);
		config_free(c);
	} else {
		CHECK(c == NULL && err.msg[0] != '\0' && errors.n >= errors.n_kept);
	}
	bl_conf_errors_free(&errors);
	free(text);
	return 0;
}
