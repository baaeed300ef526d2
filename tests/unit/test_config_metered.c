/* The section `metered`: defaults, what it takes, what it refuses and how that is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"

#define HEAD                                                                                       \
	"device: {id: till-1, site: shop, part: 3}\n"                                              \
	"broker: {host: broker}\n"

static struct config *
parse(const char *metered, struct bl_conf_errors *errors)
{
	struct bl_err err = { 0 };
	struct config *c = NULL;
	char text[1024];

	(void)snprintf(text, sizeof(text), HEAD "%s", metered);
	(void)config_parse(&c, "/etc/agent.yaml", text, strlen(text), errors, &err);
	return c;
}

static void
without_it_nothing_is_limited(void **state)
{
	struct bl_conf_errors errors;
	struct config *c = parse("", &errors);
	const struct config_metered *m;

	(void)state;
	assert_non_null(c);
	m = &c->v->metered;
	assert_int_equal(m->bytes_per_hour, 0);
	assert_int_equal(m->window_ms, 3600000);
	assert_null(m->zone);
	assert_int_equal(m->classes.host.bytes_per_hour, 0);
	assert_null(m->classes.events.hours);
	config_free(c);
	bl_conf_errors_free(&errors);
}

static void
limits_are_taken(void **state)
{
	static const char text[] = "metered:\n"
				   "  bytes_per_hour: 2MiB\n"
				   "  zone: Asia/Shanghai\n"
				   "  window: 10m\n"
				   "  classes:\n"
				   "    host: {bytes_per_hour: 200KiB, hours: \"22:00-06:00\"}\n"
				   "    events: {hours: \"00:00-24:00\"}\n";
	struct bl_conf_errors errors;
	struct config *c = parse(text, &errors);
	const struct config_metered *m;

	(void)state;
	assert_non_null(c);
	m = &c->v->metered;
	assert_int_equal(m->bytes_per_hour, 2 << 20);
	assert_int_equal(m->window_ms, 600000);
	assert_string_equal(m->zone, "Asia/Shanghai");
	assert_int_equal(m->classes.host.bytes_per_hour, 200 << 10);
	assert_string_equal(m->classes.host.hours, "22:00-06:00");
	assert_string_equal(m->classes.events.hours, "00:00-24:00");
	assert_int_equal(m->classes.probes.bytes_per_hour, 0);
	config_free(c);
	bl_conf_errors_free(&errors);
}

static void
mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "metered: {zone: Mars/Base}\n", "metered.zone: expected a time zone" },
		{ "metered: {zone: ../../etc/passwd}\n", "metered.zone: expected a time zone" },
		{ "metered: {classes: {host: {hours: \"10pm\"}}}\n",
		    "metered.classes.host.hours: expected hours like" },
		{ "metered: {classes: {disk: {}}}\n", "metered.classes.disk: unknown key" },
		{ "metered: {window: 1s}\n", "metered.window" },
		{ "metered: {window: 2h}\n", "metered.window" },
		{ "metered: {bytes_per_hour: -1}\n", "metered.bytes_per_hour" },
		/* So little that no message would ever have room. */
		{ "metered: {bytes_per_hour: 10KiB}\n",
		    "metered.bytes_per_hour: a window has room for no message" },
		{ "metered: {bytes_per_hour: 2MiB, window: 10s}\n",
		    "metered.bytes_per_hour: a window has room for no message" },
		{ "metered: {classes: {probes: {bytes_per_hour: 5000}}}\n",
		    "metered.classes.probes.bytes_per_hour: a window has room for no message" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_conf_errors errors;
		struct config *c = parse(cases[i].text, &errors);

		assert_null(c);
		assert_int_equal(errors.n_kept, 1);
		if (strstr(errors.line[0], cases[i].said) == NULL)
			fail_msg("%s: %s", cases[i].text, errors.line[0]);
		bl_conf_errors_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_it_nothing_is_limited),
		cmocka_unit_test(limits_are_taken),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests_name("configuration, metered", tests, NULL, NULL);
}
