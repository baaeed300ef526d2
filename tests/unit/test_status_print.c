/* The state in words: whatever its texts hold, nothing of it steers the terminal that shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "status.h"

/* An escape, a new line, a bell, C1's CSI, a mark that turns the direction of writing. */
#define EVIL "a\\u001b[31mb\\nc\\u0007d\\u009be\\u202ef"
#define TAME "a?[31mb?c?d?e?f"

static char *
printed(const char *json)
{
	json_t *status = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(status);
	assert_non_null(to);
	status_print(status, to);
	assert_int_equal(fclose(to), 0);
	json_decref(status);
	return text;
}

static void
nothing_steers_the_terminal(void **state)
{
	static const struct {
		const char *name, *json;
	} rows[] = {
		{ "device", "{\"device\":\"" EVIL "\"}" },
		{ "site", "{\"device\":\"d\",\"site\":\"" EVIL "\"}" },
		{ "reason", "{\"daemon\":\"alive\",\"health\":{\"state\":\"degraded\",\"reasons\":"
			    "[\"" EVIL "\"]}}" },
		{ "host", "{\"link\":{\"state\":\"up\",\"host\":\"" EVIL "\"}}" },
		{ "why", "{\"link\":{\"why\":\"" EVIL "\"}}" },
		{ "software", "{\"software\":\"" EVIL "\",\"link\":{}}" },
		{ "problem", "{\"spool\":{\"problem\":\"" EVIL "\"}}" },
		{ "gap", "{\"gaps\":[{\"stream\":\"host\",\"reason\":\"" EVIL "\"}]}" },
		{ "inlet's problem",
		    "{\"inlets\":{\"http\":{\"state\":\"open\",\"problem\":\"" EVIL "\"}}}" },
		{ "inlet's name", "{\"inlets\":{\"" EVIL "\":{\"state\":\"open\"}}}" },
		{ "refused for",
		    "{\"inlets\":{\"http\":{\"state\":\"open\",\"refused\":{\"" EVIL "\":3}}}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = printed(rows[i].json);

		if (strstr(text, TAME) == NULL)
			fail_msg("%s: %s", rows[i].name, text);
		for (const char *p = text; *p != '\0'; p++)
			if ((*p > 0 && *p < ' ' && *p != '\n') || *p == '\x7f')
				fail_msg("%s: byte %d", rows[i].name, *p);
		free(text);
	}
}

static void
other_texts_stay_as_they_are(void **state)
{
	char *text = printed("{\"device\":\"a (b) [c] ~\",\"site\":\"Müller 上海一店\"}");

	(void)state;
	assert_non_null(strstr(text, "device a (b) [c] ~ at site Müller 上海一店: "));
	free(text);
}

/* Each inlet says what it refused and why; the step socket, too, whose line is its own. */
static void
what_was_refused_is_said_by_reason(void **state)
{
	char *text = printed("{\"steps\":{\"enabled\":true,\"socket\":\"/s\",\"clients\":1,"
			     "\"accepted\":7,\"repeated\":2},\"inlets\":{"
			     "\"steps\":{\"state\":\"open\",\"refused\":{\"bad_lines\":3,"
			     "\"late\":0,\"refused_clients\":1}},"
			     "\"drop\":{\"state\":\"open\",\"counts\":{\"accepted\":4},"
			     "\"refused\":{\"bad_files\":1}},"
			     "\"http\":{\"state\":\"open\",\"refused\":{\"busy\":0}}}}");

	(void)state;
	assert_non_null(
	    strstr(text, "\nsteps      at /s, 1 connections; 7 accepted, 2 repeated, 4 refused"
			 " (bad_lines 3, refused_clients 1)\n"));
	assert_non_null(strstr(text, "\ndrop       open; 4 taken, 1 refused (bad_files 1)\n"));
	assert_non_null(strstr(text, "\nhttp       open; 0 taken, 0 refused\n"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_steers_the_terminal),
		cmocka_unit_test(other_texts_stay_as_they_are),
		cmocka_unit_test(what_was_refused_is_said_by_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
