/*
 * The configuration of probes of other kinds than http: what each kind needs,
 * and that no key is given to a kind that does not use it; what is told when a
 * kind may not be tried.
 */
#include "probe_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct list_conf {
	struct bl_conf_list probes;
};

static const struct bl_conf_key list_keys[] = {
	{ .name = "probes",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct list_conf, probes),
	    .max = PROBES_MAX,
	    .help = "probes",
	    .section = &probe_conf_section,
	    .unique = "name" },
	{ 0 },
};

static const struct bl_conf_section list_section = { "agent", sizeof(struct list_conf), list_keys,
	NULL };

static const struct {
	const char *probe; /* its keys, in braces */
	const char *error; /* part of the only message; NULL: fine */
} cases[] = {
	/* which key goes with which kind */
	{ "name: a, kind: http, url: 'http://a/'", NULL },
	{ "name: a, kind: http", "url: expected an http://" },
	{ "name: a, kind: gopher, host: b", "kind: expected one of" },
	{ "name: a, kind: http, url: 'http://a/', host: a", "host: a key that this kind" },
	{ "name: a, kind: http, url: 'http://a/', tcp: {expect: x}", "tcp: a key that this kind" },
	{ "name: a, kind: http, url: 'http://a/', port: 80", "port: a key that this kind" },
	{ "name: a, kind: tcp, host: b, port: 1, url: 'http://a/'", "url: a key that this kind" },
	{ "name: a, kind: tcp, host: b, port: 1, keep_alive: yes", "keep_alive: a key" },
	{ "name: a, kind: tcp, host: b, port: 1, body_max: 2KiB", "body_max: a key" },
	{ "name: a, kind: tcp, host: b, port: 1, method: HEAD", "method: a key" },
	{ "name: a, kind: tcp, host: b, port: 1, headers: {A: b}", "headers: a key" },
	{ "name: a, kind: tcp, host: b, port: 1, verify: no", "verify: a key" },
	/* tcp */
	{ "name: a, kind: tcp, host: b, port: 1", NULL },
	{ "name: a, kind: tcp, host: '::1', port: 1, interval: 10s, timeout: 1s", NULL },
	{ "name: a, kind: tcp, host: 10.0.0.1, port: 65535, tcp: {greeting: 'x', send: "
	  "\"y\\r\\n\"}",
	    NULL },
	{ "name: a, kind: tcp, host: b", "port: expected a port" },
	{ "name: a, kind: tcp, port: 1", "host: expected a host name" },
	{ "name: a, kind: tcp, host: 'b c', port: 1", "host: expected a host name" },
	{ "name: a, kind: tcp, host: '[::1]', port: 1", "host: expected a host name" },
	{ "name: a, kind: tcp, host: b, port: 65536", "port: expected" },
	{ "name: a, kind: tcp, host: b, port: 1, tcp: {expct: x}", "did you mean \"expect\"" },
	/* dns */
	{ "name: a, kind: dns, host: b, dns: {name: shop.ex}", NULL },
	{ "name: a, kind: dns, host: b, dns: {name: shop.ex, expect: [10.0.0.1, 10.0.0.2]}", NULL },
	{ "name: a, kind: dns, host: '::1', port: 54, dns: {name: s.ex., type: AAAA, expect: "
	  "['::1']}",
	    NULL },
	{ "name: a, kind: dns, host: b, dns: {name: s.ex, type: TXT, expect: [v=spf1], recursion: "
	  "no}",
	    NULL },
	{ "name: a, kind: dns, host: b", "dns: expected dns.name" },
	{ "name: a, kind: dns, host: b, dns: {type: A}", "dns: expected dns.name" },
	{ "name: a, kind: dns, host: b, dns: {name: a..b}", "dns.name: expected a name of" },
	{ "name: a, kind: dns, host: b, dns: {name: a, type: SRV}", "dns.type: expected one of" },
	{ "name: a, kind: dns, host: b, dns: {name: a, expect: [a.ex]}",
	    "dns.expect: expected IPv4 addresses" },
	{ "name: a, kind: dns, host: b, dns: {name: a}, tcp: {send: x}", "tcp: a key that" },
	{ "name: a, kind: tcp, host: b, port: 1, dns: {recursion: no}", "dns: a key that" },
	/* ping */
	{ "name: a, kind: ping, host: b", NULL },
	{ "name: a, kind: ping, host: b, interval: 4400ms, timeout: 4s", NULL },
	{ "name: a, kind: ping, host: b, ping: {count: 20, gap: 10ms, size: 1400}", NULL },
	{ "name: a, kind: ping, host: b, interval: 4399ms, timeout: 4s",
	    "ping: expected that all" },
	{ "name: a, kind: ping, host: b, ping: {count: 21}", "ping.count: expected" },
	{ "name: a, kind: ping, host: b, ping: {size: 15}", "ping.size: expected" },
	{ "name: a, kind: ping, host: b, port: 7", "port: a key that" },
	{ "name: a, kind: http, url: 'http://a/', ping: {gap: 20ms}", "ping: a key that" },
	/* tls */
	{ "name: a, kind: tls, host: b", NULL },
	{ "name: a, kind: tls, host: b, port: 465, verify: no, ca_file: x.pem", NULL },
	{ "name: a, kind: tls, host: b, tls: {server_name: c, names: [d, e], min_days: 14, "
	  "min_version: "
	  "'1.1'}",
	    NULL },
	{ "name: a, kind: tls, host: b, tls: {names: [d e]}", "tls.names[0]: expected host names" },
	{ "name: a, kind: tls, host: b, tls: {names: [10.0.0.1]}",
	    "tls.names[0]: expected host names" },
	{ "name: a, kind: tls, host: b, tls: {server_name: 'x y'}", "tls.server_name: expected" },
	{ "name: a, kind: tls, host: b, tls: {min_version: '1.3'}", "tls.min_version: expected" },
	{ "name: a, kind: tls, host: b, keep_alive: yes", "keep_alive: a key that" },
	{ "name: a, kind: dns, host: b, dns: {name: c}, verify: no", "verify: a key that" },
	/* modbus */
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 0}]}", NULL },
	{ "name: a, kind: modbus, host: b, port: 1502, modbus: {unit: 7, at_once: 10, registers: "
	  "[{name: temp_1, table: input, address: 65534, type: float32, order: CDAB, scale: 0.1, "
	  "offset: -40, unit: degC}, {name: door, table: coil, address: 65535}]}",
	    NULL },
	{ "name: a, kind: modbus, host: b", "modbus: expected modbus.registers" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t}]}", "address: required" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: T, address: 0}]}",
	    "name: expected a name of a-z" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: probe_up, address: 0}]}",
	    "name: expected a name of a-z" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 0}, {name: t, "
	  "address: 1}]}",
	    "modbus.registers[1].name: name \"t\" is taken" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 65536}]}",
	    "address: expected" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 65535, type: "
	  "int32}]}",
	    "address: expected an address whose" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 1, table: coil, "
	  "type: int16}]}",
	    "type: expected no type" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 1, table: "
	  "discrete, scale: 2}]}",
	    "type: expected no type" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 1, scale: 0}]}",
	    "scale: expected a scale" },
	{ "name: a, kind: modbus, host: b, modbus: {registers: [{name: t, address: 1, unit: 'a "
	  "b'}]}",
	    "unit: expected a unit" },
	{ "name: a, kind: modbus, host: b, modbus: {unit: 256, registers: [{name: t, address: 1}]}",
	    "modbus.unit: expected" },
	{ "name: a, kind: tcp, host: b, port: 1, modbus: {unit: 2}", "modbus: a key that" },
};

static void
options_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct list_conf conf = { 0 };
		struct bl_conf_errors errors = { 0 };
		struct bl_err err = { 0 };
		char text[512];
		const int len = snprintf(text, sizeof(text), "probes: [{%s}]", cases[i].probe);
		const int rc =
		    bl_conf_parse("t.yaml", text, (size_t)len, &list_section, &conf, &errors, &err);

		if (cases[i].error == NULL && rc < 0)
			fail_msg("%s: %s", text, errors.n_kept > 0 ? errors.line[0] : err.msg);
		if (cases[i].error != NULL && (rc == BL_OK || errors.n_kept != 1 ||
						  strstr(errors.line[0], cases[i].error) == NULL))
			fail_msg(
			    "%s: got: %s", text, errors.n_kept > 0 ? errors.line[0] : "accepted");
		bl_conf_release(&list_section, &conf);
		bl_conf_errors_free(&errors);
	}
}

/* What is printed parses back to the same, for every kind. */
static void
what_is_printed_is_what_was_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct list_conf conf[2] = { 0 };
		struct bl_conf_errors errors = { 0 };
		struct bl_err err = { 0 };
		char text[512];
		char *printed[2] = { NULL, NULL };
		size_t size[2];

		if (cases[i].error != NULL)
			continue;
		snprintf(text, sizeof(text), "probes: [{%s}]", cases[i].probe);
		for (unsigned k = 0; k < 2; k++) {
			const char *from = k == 0 ? text : printed[0];
			FILE *f;

			if (bl_conf_parse("t.yaml", from, strlen(from), &list_section, &conf[k],
				&errors, &err) < 0)
				fail_msg(
				    "%s: %s", from, errors.n_kept > 0 ? errors.line[0] : err.msg);
			f = open_memstream(&printed[k], &size[k]);
			assert_int_equal(bl_conf_print(&list_section, &conf[k], f), BL_OK);
			assert_int_equal(fclose(f), 0);
			bl_conf_release(&list_section, &conf[k]);
			bl_conf_errors_free(&errors);
		}
		assert_string_equal(printed[0], printed[1]);
		free(printed[0]);
		free(printed[1]);
	}
}

/* ---- results: values of configured names, and what may not be tried ---- */

static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	char *text = ctx;

	assert_int_equal(def->n_labels, 1);
	if (def->name.len < 6 || memcmp(def->name.p, "probe_", 6) != 0)
		snprintf(text + strlen(text), 256, "%.*s[%.*s] ", (int)def->name.len, def->name.p,
		    (int)def->unit.len, def->unit.p);
	return 0;
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	(void)handle;
	(void)value;
	strcat(ctx, "known ");
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)handle;
	(void)reason;
	strcat(ctx, "unknown ");
}

static void
sink_event(void *ctx, const struct bl_event *ev)
{
	char *text = ctx;

	snprintf(text + strlen(text), 256, "%.*s(", (int)ev->type.len, ev->type.p);
	for (unsigned i = 0; i < ev->n_attrs; i++)
		snprintf(text + strlen(text), 256, "%.*s%s", (int)ev->attr[i].key.len,
		    ev->attr[i].key.p, i + 1 < ev->n_attrs ? " " : ") ");
}

static const char *
put(struct probe_state *s, enum probe_reason reason)
{
	static char text[2048];
	struct sample_sink sink = { text, sink_declare, sink_put, sink_unknown, NULL, sink_event };
	struct probe_result r = { .reason = reason };

	r.value[PROBE_UP].got = probe_reason_is_ours(reason) ? PROBE_MISSING : PROBE_HAVE;
	text[0] = '\0';
	probe_result_put(&r, s, &sink);
	return text;
}

/* Up is unknown, no state changes; somebody can change it, so it is said, once. */
static void
what_may_not_be_tried_is_told_once(void **state)
{
	static char name[] = "router";
	const struct probe_conf conf = { .name = name };
	struct probe_state s;

	(void)state;
	probe_state_init(&s, &conf);
	assert_string_equal(
	    put(&s, PROBE_FAIL_NOT_ALLOWED), "unknown probe.unable(probe reason detail) ");
	assert_string_equal(put(&s, PROBE_FAIL_NOT_ALLOWED), "unknown ");
	assert_string_equal(put(&s, PROBE_FAIL_INTERNAL), "unknown ");
	assert_string_equal(put(&s, PROBE_OK), "known probe.state(probe up reason detail) ");
	assert_string_equal(
	    put(&s, PROBE_FAIL_NOT_ALLOWED), "unknown probe.unable(probe reason detail) ");
	assert_string_equal(put(&s, PROBE_OK), "known ");
}

static void
values_of_configured_names_are_gauges_of_their_probe(void **state)
{
	static char name[] = "meter", volts[] = "line_volts", unit[] = "V", door[] = "door_open";
	struct probe_register_conf reg[] = { { .name = volts, .unit = unit }, { .name = door } };
	const struct probe_conf conf = {
		.name = name, .kind = PROBE_MODBUS, .modbus = { .registers = { COUNT(reg), reg } }
	};
	struct probe_value point[] = { { PROBE_HAVE, 230 }, { PROBE_MISSING, 0 } };
	struct probe_result r = { .reason = PROBE_OK, .n_points = 2, .point = point };
	char text[2048] = "";
	struct sample_sink sink = { text, sink_declare, sink_put, sink_unknown, NULL, sink_event };
	struct probe_state s;

	(void)state;
	assert_int_equal(probe_points(&conf), 2);
	assert_int_equal(
	    probe_points_most(&(struct bl_conf_list){ 1, (void *)(uintptr_t)&conf }), 2);
	probe_state_init(&s, &conf);
	s.last_up = 1;
	probe_result_put(&r, &s, &sink);
	assert_string_equal(text, "line_volts[V] known door_open[1] unknown ");
	text[0] = '\0'; /* declared once */
	probe_result_put(&r, &s, &sink);
	assert_string_equal(text, "known unknown ");
	r.n_points = 1; /* never beyond what there is */
	text[0] = '\0';
	probe_result_put(&r, &s, &sink);
	assert_string_equal(text, "known ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(what_is_printed_is_what_was_read),
		cmocka_unit_test(what_may_not_be_tried_is_told_once),
		cmocka_unit_test(values_of_configured_names_are_gauges_of_their_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
