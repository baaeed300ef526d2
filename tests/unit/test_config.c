/* The agent's own tables: defaults, paths, errors, and the hash that hello carries. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "inlet_socket.h"
#include "probe.h"
#include "sample.h"
#include "sample_conf.h"
#include "sample_watch_conf.h"

static const char least[] = "device: {id: dev-1, site: shop, part: 3}\n"
			    "broker: {host: broker.example}\n";

static struct config *
good(const char *name, const char *text)
{
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct config *c;

	if (config_parse(&c, name, text, strlen(text), &errors, &err) != BL_OK)
		fail_msg("%s: %s", err.msg, errors.n_kept > 0 ? errors.line[0] : "");
	return c;
}

static void
defaults_make_a_complete_configuration(void **state)
{
	struct config *c = good("/etc/x/agent.yaml", least);
	struct bl_link_cfg link;

	(void)state;
	assert_int_equal(c->v->interval_ms, 10000);
	assert_int_equal(c->v->spool.keep_receipted_ms, 72 * 3600000);
	assert_string_equal(c->v->broker.ca, "/etc/x/ca.pem");
	assert_string_equal(c->v->broker.key, "/etc/x/key.pem");
	assert_string_equal(c->v->state_dir, CONFIG_STATE_DEFAULT);
	assert_true(c->v->inlets.steps.enabled);
	assert_string_equal(c->v->inlets.steps.socket, CONFIG_STATE_DEFAULT "/steps.sock");
	assert_int_equal(inlet_mode(c->v->inlets.steps.mode), 0660);
	assert_null(c->v->inlets.steps.group);
	assert_int_equal(strlen(c->hash), 64);
	config_link(c, &link);
	assert_int_equal(link.port, 8883);
	assert_null(link.verify_name);
	assert_null(link.crl_file);
	for (size_t i = 0; samplers[i] != NULL; i++)
		if (samplers[i]->options != NULL)
			assert_non_null(config_sampler(c, i));
	config_free(c);
}

static void
the_way_to_the_broker_is_told_to_the_link(void **state)
{
	static const struct {
		const char *broker;
		const char *proxy; /* NULL: none */
		unsigned port;
		const char *path; /* NULL: no WebSocket */
	} cases[] = {
		{ "", NULL, 0, NULL },
		{ "transport: websocket", NULL, 0, "/mqtt" },
		{ "transport: websocket, path: /a/b", NULL, 0, "/a/b" },
		{ "path: /a", NULL, 0, NULL },
		{ "proxy: {url: 'http://proxy.example:3128'}", "proxy.example", 3128, NULL },
		{ "proxy: {url: 'http://[2001:db8::1]:80/'}", "2001:db8::1", 80, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_link_cfg link;
		struct config *c;
		char text[300];

		(void)snprintf(text, sizeof(text),
		    "device: {id: dev-1, site: shop, part: 3}\nbroker: {host: b, %s}\n",
		    cases[i].broker);
		c = good("/etc/x/agent.yaml", text);
		config_link(c, &link);
		assert_int_equal(link.proxy_host != NULL, cases[i].proxy != NULL);
		if (cases[i].proxy != NULL)
			assert_string_equal(link.proxy_host, cases[i].proxy);
		assert_int_equal(link.proxy_port, cases[i].port);
		assert_int_equal(link.websocket_path != NULL, cases[i].path != NULL);
		if (cases[i].path != NULL)
			assert_string_equal(link.websocket_path, cases[i].path);
		config_free(c);
	}
}

static void
a_way_that_cannot_be_gone_is_refused(void **state)
{
	static const struct {
		const char *broker, *says;
	} cases[] = {
		{ "transport: udp", "broker.transport" },
		{ "path: mqtt", "a path that begins with /" },
		{ "path: '/a b'", "a path that begins with /" },
		{ "proxy: {url: 'https://p:1'}", "the address of an HTTP proxy" },
		{ "proxy: {url: 'http://p'}", "the address of an HTTP proxy" },
		{ "proxy: {url: 'http://p:0'}", "the address of an HTTP proxy" },
		{ "proxy: {url: 'http://p:65536'}", "the address of an HTTP proxy" },
		{ "proxy: {url: 'http://p:1/x'}", "the address of an HTTP proxy" },
		{ "proxy: {url: 'http://u:s@p:1'}", "the address of an HTTP proxy" },
		{ "proxy: {url: 'http://[::1:1'}", "the address of an HTTP proxy" },
		{ "proxy: {user: a, password_file: b}", "set url" },
		{ "proxy: {url: 'http://p:1', user: a}", "needs password_file" },
		{ "proxy: {url: 'http://p:1', user: 'a:b', password_file: c}", "without colon" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_conf_errors errors;
		struct bl_err err = { 0 };
		struct config *c;
		char text[300];

		(void)snprintf(text, sizeof(text),
		    "device: {id: dev-1, site: shop, part: 3}\nbroker: {host: b, %s}\n",
		    cases[i].broker);
		assert_int_equal(
		    config_parse(&c, "agent.yaml", text, strlen(text), &errors, &err), BL_EINVAL);
		assert_true(errors.n_kept > 0);
		if (strstr(errors.line[0], cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].broker, errors.line[0]);
		bl_conf_errors_free(&errors);
	}
}

static void
samplers_get_their_own_options(void **state)
{
	char text[512];
	struct config *c;

	(void)state;
	snprintf(text, sizeof(text),
	    "%sstate_dir: /s\nsamplers:\n  cpu: {enabled: no}\n  disk: {max_mounts: 3}\n", least);
	c = good("agent.yaml", text);
	for (size_t i = 0; samplers[i] != NULL; i++) {
		const void *conf = config_sampler(c, i);

		if (strcmp(samplers[i]->kind, "cpu") == 0)
			assert_false(((const struct sample_cpu_conf *)conf)->enabled);
		if (strcmp(samplers[i]->kind, "memory") == 0)
			assert_true(((const struct sample_memory_conf *)conf)->enabled);
		if (strcmp(samplers[i]->kind, "disk") == 0)
			assert_int_equal(((const struct sample_disk_conf *)conf)->max_mounts, 3);
		if (strcmp(samplers[i]->kind, "logs") == 0)
			assert_string_equal(((const struct sample_logs_conf *)conf)->state_file,
			    "/s/logs.places"); /* what samplers keep lies in the state folder */
	}
	config_free(c);
}

static void
relative_paths_begin_at_the_file(void **state)
{
	static const char more[] = "state_dir: var/state\n"
				   "probes:\n"
				   "  - {name: shop, url: 'https://a.test/', ca_file: a.pem}\n"
				   "  - {name: api, url: 'https://b.test/', ca_file: /b.pem}\n";
	const struct probe_conf *p;
	char text[512];
	struct config *c;

	(void)state;
	snprintf(text, sizeof(text), "%s%s", least, more);
	c = good("/srv/agent/agent.yaml", text);
	p = c->v->probes.item;
	assert_string_equal(c->v->state_dir, "/srv/agent/var/state");
	assert_string_equal(p[0].ca_file, "/srv/agent/a.pem");
	assert_string_equal(p[1].ca_file, "/b.pem");
	assert_string_equal(c->v->inlets.steps.socket, "/srv/agent/var/state/steps.sock");
	config_free(c);
	snprintf(
	    text, sizeof(text), "%sinlets: {steps: {socket: run/s.sock, mode: '0606'}}\n", least);
	c = good("/srv/agent/agent.yaml", text);
	assert_string_equal(c->v->inlets.steps.socket, "/srv/agent/run/s.sock");
	assert_int_equal(inlet_mode(c->v->inlets.steps.mode), 0606);
	config_free(c);
}

static void
what_is_printed_reads_back_as_the_same(void **state)
{
	struct config *c = good("/srv/agent.yaml", least), *again;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(config_print(c, f), BL_OK);
	fclose(f);
	again = good("/elsewhere/x.yaml", text);
	assert_string_equal(again->hash, c->hash);
	config_free(again);
	config_free(c);
	free(text);
}

static void
the_hash_follows_the_values_not_the_text(void **state)
{
	struct config *a = good("/x/agent.yaml", least), *b, *c;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "# a remark\n%sinterval: 10s\n", least);
	b = good("/x/agent.yaml", text);
	snprintf(text, sizeof(text), "%sinterval: 20s\n", least);
	c = good("/x/agent.yaml", text);
	assert_string_equal(a->hash, b->hash);
	assert_string_not_equal(a->hash, c->hash);
	config_free(a);
	config_free(b);
	config_free(c);
}

/* A socket that the agent itself could not use, or that means something else than it looks like. */
static void
a_mode_is_octal_and_has_the_owners_own(void **state)
{
	static const char *const bad[] = { "0060", "660", "rw-rw----", "0668", "1660", "00660",
		"0x66", "0400" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bl_conf_errors errors;
		struct bl_err err = { 0 };
		struct config *c;
		char text[512];

		snprintf(text, sizeof(text), "%sinlets: {steps: {mode: '%s'}}\n", least, bad[i]);
		if (config_parse(&c, "f.yaml", text, strlen(text), &errors, &err) != BL_EINVAL)
			fail_msg("mode %s was taken", bad[i]);
		assert_int_equal(errors.n, 1);
		assert_non_null(strstr(errors.line[0], "f.yaml:3:24: inlets.steps.mode: expected"));
		bl_conf_errors_free(&errors);
	}
}

static void
mistakes_are_named_all_at_once(void **state)
{
	static const char text[] = "device: {id: Dev_1, site: shop, part: 64}\n"
				   "brokr: {host: x}\n"
				   "interval: 100ms\n"
				   "samplers: {cpuu: {}}\n";
	static const char *const wanted[] = { "f.yaml:1:14: device.id: expected an id",
		"f.yaml:1:39: device.part: expected a number from 0 to 63",
		"f.yaml:2:1: brokr: unknown key; did you mean \"broker\"?",
		"f.yaml:3:11: interval: expected a duration from 1s to 1h",
		"f.yaml:4:12: samplers.cpuu: unknown key; did you mean \"cpu\"?",
		"broker.host: required key is missing" };
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct config *c;

	(void)state;
	assert_int_equal(
	    config_parse(&c, "f.yaml", text, sizeof(text) - 1, &errors, &err), BL_EINVAL);
	assert_null(c);
	for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
		bool found = false;

		for (size_t i = 0; i < errors.n_kept; i++)
			found = found || strstr(errors.line[i], wanted[w]) != NULL;
		if (!found)
			fail_msg("no \"%s\"", wanted[w]);
	}
	bl_conf_errors_free(&errors);
}

/* Requests carry names without anything around them: what could match none is a mistake. */
static void
names_of_the_page_are_as_browsers_send_them(void **state)
{
	static const char *const bad[] = { "till:9480", "http://till", "till/", "[fd00::1]",
		"*.shop", "a b", "" };
	char text[300];

	(void)state;
	(void)snprintf(text, sizeof(text),
	    "%slocal: {hosts: [Till-7.shop_1.example, fd00::1, 10.0.0.7]}\n", least);
	config_free(good("f.yaml", text));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bl_conf_errors errors;
		struct bl_err err = { 0 };
		struct config *c;

		(void)snprintf(text, sizeof(text), "%slocal: {hosts: ['%s']}\n", least, bad[i]);
		if (config_parse(&c, "f.yaml", text, strlen(text), &errors, &err) != BL_EINVAL)
			fail_msg("%s", bad[i]);
		assert_int_equal(errors.n, 1);
		assert_non_null(strstr(errors.line[0], "local.hosts[0]: expected "));
		bl_conf_errors_free(&errors);
	}
}

static void
the_wrong_entry_of_a_list_is_named(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "inlets: {statsd: {listen: ['127.0.0.1:8125', '0.0.0.0:8125']}}\n",
		    "a.yaml:3:46: inlets.statsd.listen[1]: expected 127.0.0.1:PORT" },
		{ "inlets:\n  statsd:\n    listen:\n      - /run/a.sock\n      - b.sock\n",
		    "a.yaml:7:9: inlets.statsd.listen[1]: expected 127.0.0.1:PORT" },
		{ "local: {listen: '127.0.0.1:1', hosts: [a.example, b.example, 'a b']}\n",
		    "a.yaml:3:62: local.hosts[2]: expected " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_conf_errors errors;
		struct bl_err err = { 0 };
		struct config *c;
		char text[512];

		(void)snprintf(text, sizeof(text), "%s%s", least, cases[i].text);
		assert_int_equal(
		    config_parse(&c, "a.yaml", text, strlen(text), &errors, &err), BL_EINVAL);
		if (errors.n != 1 ||
		    strncmp(errors.line[0], cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%zu: %s", i, errors.line[0]);
		bl_conf_errors_free(&errors);
	}
}

static void
reports_find_their_socket_whatever_else_is_wrong(void **state)
{
	static const struct {
		const char *text, *socket;
		size_t errors;
	} cases[] = {
		{ "inlets: {steps: {socket: /run/a.sock}}\n", "/run/a.sock", 0 },
		{ "inlets: {steps: {socket: a.sock}}\nnonsense: 1\n", "/tmp/a.sock", 1 },
		{ "inlets: {steps: {socket: a.sock, mod: 1}}\n", "/tmp/a.sock", 1 },
		{ "state_dir: there\nspool: {max_bytes: 1}\n", "/tmp/there/steps.sock", 1 },
		{ "state_dir: there\ninlets: {steps: {socket: [a]}}\n", "/tmp/there/steps.sock",
		    1 },
		{ "state_dir: there\ninlets: {steps: {socket: 'a", "/tmp/there/steps.sock", 1 },
		{ "state_dir: [a]\n", CONFIG_STATE_DEFAULT "/steps.sock", 1 },
		{ "probes: [{name: 1}, {url: x}]\n", CONFIG_STATE_DEFAULT "/steps.sock", 3 },
		{ "\t", CONFIG_STATE_DEFAULT "/steps.sock", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[64], *socket;
		struct bl_conf_errors errors;
		struct bl_err err = { 0 };
		bool enabled = false;
		FILE *f;

		(void)snprintf(path, sizeof(path), "/tmp/test_config.%d", (int)getpid());
		assert_non_null(f = fopen(path, "w"));
		assert_true(
		    fprintf(f, "%s%s", cases[i].text[0] == '\t' ? "" : least, cases[i].text) > 0);
		assert_int_equal(fclose(f), 0);
		if (config_steps_socket(path, &socket, &enabled, &errors, &err) != BL_OK)
			fail_msg("%s: %s", cases[i].text, err.msg);
		(void)unlink(path);
		if (strcmp(socket, cases[i].socket) != 0 || errors.n != cases[i].errors || !enabled)
			fail_msg("%s: got %s and %zu errors: %s", cases[i].text, socket, errors.n,
			    errors.n > 0 ? errors.line[0] : "");
		free(socket);
		bl_conf_errors_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_make_a_complete_configuration),
		cmocka_unit_test(the_way_to_the_broker_is_told_to_the_link),
		cmocka_unit_test(a_way_that_cannot_be_gone_is_refused),
		cmocka_unit_test(samplers_get_their_own_options),
		cmocka_unit_test(relative_paths_begin_at_the_file),
		cmocka_unit_test(what_is_printed_reads_back_as_the_same),
		cmocka_unit_test(the_hash_follows_the_values_not_the_text),
		cmocka_unit_test(a_mode_is_octal_and_has_the_owners_own),
		cmocka_unit_test(names_of_the_page_are_as_browsers_send_them),
		cmocka_unit_test(mistakes_are_named_all_at_once),
		cmocka_unit_test(the_wrong_entry_of_a_list_is_named),
		cmocka_unit_test(reports_find_their_socket_whatever_else_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
