/*
 * MQTT without a broker: options, back-off, mailbox, reason codes, and an
 * attempt that fails before Paho is called.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mqtt_internal.h"

static char folder[64];
static char ca[96], cert[96], key[96];

static int
make_pki(void **state)
{
	char script[1024];

	(void)state;
	(void)unsetenv("http_proxy");
	strcpy(folder, "/tmp/bl-test-mqtt-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(script, sizeof(script),
	    "cd %s && exec >log 2>&1 && openssl ecparam -name prime256v1 -genkey -noout -out key "
	    "&& openssl req -x509 -new -key key -days 30 -subj /CN=dev -out crt",
	    folder);
	(void)snprintf(ca, sizeof(ca), "%s/crt", folder);
	(void)snprintf(cert, sizeof(cert), "%s/crt", folder);
	(void)snprintf(key, sizeof(key), "%s/key", folder);
	return system(script);
}

static int
remove_pki(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static struct bl_mqtt_opts
options(void)
{
	return (struct bl_mqtt_opts){ .link = { .host = "127.0.0.1",
					  .port = 1,
					  .ca_file = ca,
					  .cert_file = cert,
					  .key_file = key },
		.client_id = "dev",
		.keepalive_s = 10,
		.backoff_min_ms = 10,
		.backoff_max_ms = 40,
		.window = 16,
		.window_bytes = 65536,
		.mailbox = 4,
		.mailbox_bytes = 100 };
}

static void
options_are_checked(void **state)
{
	const struct bl_mqtt_handlers none = { 0 };
	struct bl_mqtt_opts o[8];
	struct bl_mqtt *m;
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		o[i] = options();
	o[0].client_id = "";
	o[1].keepalive_s = 31;
	o[2].window = 17;
	o[3].window_bytes = 256 * 1024 + 1;
	o[4].backoff_max_ms = 5;
	o[5].mailbox = 0;
	o[6].will_topic = "t";
	o[6].will = "";
	o[6].will_len = 65536;
	o[7].link.cert_file = "/nowhere/crt";
	for (size_t i = 0; i < 8; i++) {
		err.msg[0] = '\0';
		assert_int_equal(
		    bl_mqtt_create(&m, &o[i], bl_clock_real(), &none, NULL, &err), BL_EINVAL);
		assert_null(m);
		assert_true(err.msg[0] != '\0');
	}
}

static void
proxy_of_the_environment_is_refused(void **state)
{
	const struct bl_mqtt_handlers none = { 0 };
	struct bl_mqtt_opts o = options();
	struct bl_mqtt *m;
	struct bl_err err;

	(void)state;
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:3128", 1), 0);
	assert_int_equal(bl_mqtt_create(&m, &o, bl_clock_real(), &none, NULL, &err), BL_EINVAL);
	assert_non_null(strstr(err.msg, "http_proxy"));
	assert_int_equal(unsetenv("http_proxy"), 0);
	assert_int_equal(bl_mqtt_create(&m, &o, bl_clock_real(), &none, NULL, &err), BL_OK);
	/* Set later, it is refused at the start. */
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:3128", 1), 0);
	assert_int_equal(bl_mqtt_start(m, &err), BL_EINVAL);
	assert_int_equal(unsetenv("http_proxy"), 0);
	bl_mqtt_free(m);
}

static void
proxies_are_forgotten_however_they_are_spelled(void **state)
{
	static const char *const gone[] = { "http_proxy", "https_proxy", "HTTP_PROXY",
		"HTTPS_PROXY", "Http_Proxy" };
	const struct bl_mqtt_handlers none = { 0 };
	struct bl_mqtt_opts o = options();
	struct bl_mqtt *m;
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_int_equal(setenv(gone[i], "http://127.0.0.1:3128", 1), 0);
	assert_int_equal(setenv("http_proxy_not", "stays", 1), 0);
	bl_mqtt_forget_proxies();
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_null(getenv(gone[i]));
	assert_non_null(getenv("http_proxy_not"));
	assert_int_equal(unsetenv("http_proxy_not"), 0);
	bl_mqtt_forget_proxies(); /* nothing to do */
	assert_int_equal(bl_mqtt_create(&m, &o, bl_clock_real(), &none, NULL, &err), BL_OK);
	bl_mqtt_free(m);
}

/* ---- an attempt that fails before Paho is called ---- */

struct seen {
	unsigned downs;
	int64_t retry_ms[16];
	char why[320];
	struct bl_mqtt *mqtt;
	struct bl_mqtt_stats stats; /* as they were in the handler: the next attempt may be near */
};

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct seen *seen = ctx;

	if (seen->downs < 16)
		seen->retry_ms[seen->downs] = retry_ms;
	seen->downs++;
	(void)snprintf(seen->why, sizeof(seen->why), "%s", why);
	bl_mqtt_stats(seen->mqtt, &seen->stats);
}

static void
run_until_downs(struct bl_mqtt *m, struct seen *seen, unsigned downs)
{
	struct pollfd pfd = { .fd = bl_mqtt_fd(m), .events = POLLIN };

	while (seen->downs < downs) {
		(void)poll(&pfd, 1, bl_mqtt_timeout_ms(m));
		bl_mqtt_step(m);
	}
}

static void
refused_connections_are_retried_with_reasons(void **state)
{
	const struct bl_mqtt_handlers handlers = { .down = on_down };
	struct bl_mqtt_opts o = options();
	struct bl_mqtt_stats stats;
	struct seen seen = { 0 };
	struct bl_mqtt *m;
	struct bl_err err;

	(void)state;
	assert_int_equal(bl_mqtt_create(&m, &o, bl_clock_real(), &handlers, &seen, &err), BL_OK);
	seen.mqtt = m;
	assert_int_equal(bl_mqtt_publish(m, "t", "", 0, false, 1, &err), BL_ENET);
	assert_int_equal(bl_mqtt_timeout_ms(m), -1);
	assert_int_equal(bl_mqtt_start(m, &err), BL_OK);
	run_until_downs(m, &seen, 5);
	assert_non_null(strstr(seen.why, "TCP connect to 127.0.0.1:1: Connection refused"));
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(seen.retry_ms[i], 0, i == 0 ? 10 : i == 1 ? 20 : 40);
	assert_int_equal(seen.stats.state, BL_MQTT_WAITING);
	assert_int_equal(seen.stats.attempts, 5);
	assert_int_equal(seen.stats.connects, 0);
	assert_int_equal(seen.stats.fault, BL_FAULT_REFUSED);
	assert_string_equal(seen.stats.why, seen.why);

	bl_mqtt_set_reconnect_floor(m, 60);
	run_until_downs(m, &seen, 6);
	assert_in_range(seen.retry_ms[5], 60, 120);
	bl_mqtt_stop(m);
	bl_mqtt_stats(m, &stats);
	assert_int_equal(stats.state, BL_MQTT_STOPPED);
	assert_int_equal(bl_mqtt_timeout_ms(m), -1);
	bl_mqtt_free(m);
	bl_mqtt_free(NULL);
}

static void
dropping_an_attempt_names_our_reason(void **state)
{
	const struct bl_mqtt_handlers handlers = { .down = on_down };
	struct bl_mqtt_opts o = options();
	struct seen seen = { 0 };
	struct bl_mqtt *m;
	struct bl_err err;

	(void)state;
	o.link.host = "no-such-host.invalid"; /* so that the attempt is still under way */
	assert_int_equal(bl_mqtt_create(&m, &o, bl_clock_real(), &handlers, &seen, &err), BL_OK);
	seen.mqtt = m;
	assert_int_equal(bl_mqtt_start(m, &err), BL_OK);
	bl_mqtt_step(m);
	bl_mqtt_drop(m, "new certificate");
	assert_int_equal(bl_mqtt_timeout_ms(m), 0);
	bl_mqtt_step(m);
	assert_int_equal(seen.downs, 1);
	assert_string_equal(seen.why, "new certificate");
	bl_mqtt_drop(m, "nothing to drop");
	assert_int_equal(seen.downs, 1);
	bl_mqtt_free(m);
}

/* ---- back-off ---- */

static void
backoff_stays_within_floor_and_ceiling(void **state)
{
	static const struct {
		unsigned min_ms, max_ms, failures, floor_ms, low, high;
	} cases[] = {
		{ 1000, 60000, 0, 0, 0, 1000 },
		{ 1000, 60000, 1, 0, 0, 2000 },
		{ 1000, 60000, 5, 0, 0, 32000 },
		{ 1000, 60000, 6, 0, 0, 60000 },
		{ 1000, 60000, 4000000000u, 0, 0, 60000 },
		{ 1000, 60000, 5, 10000, 10000, 32000 },
		{ 1000, 60000, 0, 30000, 30000, 60000 },
		{ 1000, 60000, 9, 300000, 300000, 600000 },
		{ 1, 4000000000u, 40, 0, 0, INT32_MAX },
		{ 1, 1, 0, 4000000000u, INT32_MAX, INT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t least = UINT64_MAX, most = 0;
		const uint64_t width = cases[i].high - cases[i].low;

		for (int n = 0; n < 2000; n++) {
			const unsigned ms = mqtt_backoff_ms(bl_clock_real(), cases[i].min_ms,
			    cases[i].max_ms, cases[i].failures, cases[i].floor_ms);

			assert_in_range(ms, cases[i].low, cases[i].high);
			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		/* Full jitter: 2,000 draws reach both ends' tenths (missing one: below 1e-90). */
		assert_true(least <= cases[i].low + width / 10);
		assert_true(most >= cases[i].high - width / 10);
	}
}

/* ---- mailbox ---- */

static void
mailbox_keeps_order_over_both_kinds(void **state)
{
	struct mqtt_letter *letter = NULL;
	struct mqtt_mailbox box;
	struct mqtt_note note = { .kind = MQTT_NOTE_SUBSCRIBED }, got;

	(void)state;
	assert_int_equal(mqtt_mailbox_open(&box, 4, 100, NULL), BL_OK);
	mqtt_mailbox_note(&box, &note);
	mqtt_mailbox_letter(&box, "a", "1234", 4, true);
	note.kind = MQTT_NOTE_LOST;
	mqtt_mailbox_note(&box, &note);
	assert_int_equal(mqtt_mailbox_take(&box, &got, &letter), MQTT_MAIL_NOTE);
	assert_int_equal(got.kind, MQTT_NOTE_SUBSCRIBED);
	assert_int_equal(mqtt_mailbox_take(&box, &got, &letter), MQTT_MAIL_LETTER);
	assert_string_equal(letter->bytes, "a");
	assert_int_equal(letter->len, 4);
	assert_true(letter->retained);
	assert_memory_equal(letter->bytes + letter->topic_size, "1234", 4);
	free(letter);
	assert_int_equal(mqtt_mailbox_take(&box, &got, &letter), MQTT_MAIL_NOTE);
	assert_int_equal(got.kind, MQTT_NOTE_LOST);
	assert_int_equal(mqtt_mailbox_take(&box, &got, &letter), MQTT_MAIL_NONE);
	mqtt_mailbox_close(&box);
}

static void
mailbox_drops_and_counts_beyond_its_caps(void **state)
{
	struct mqtt_letter *letter = NULL;
	struct mqtt_mailbox box;
	struct mqtt_note note = { .kind = MQTT_NOTE_ACK }, got;
	char big[100] = { 0 };

	(void)state;
	assert_int_equal(mqtt_mailbox_open(&box, 4, 100, NULL), BL_OK);
	for (int i = 0; i < 6; i++)
		mqtt_mailbox_letter(&box, "t", "x", 1, false);
	assert_int_equal(mqtt_mailbox_dropped(&box), 2); /* by number */
	mqtt_mailbox_clear(&box);
	mqtt_mailbox_letter(&box, "t", big, 98, false); /* 2 + 98 fit */
	assert_int_equal(mqtt_mailbox_dropped(&box), 2);
	mqtt_mailbox_letter(&box, "", "", 0, false); /* not one byte more */
	assert_int_equal(mqtt_mailbox_dropped(&box), 3);
	assert_int_equal(mqtt_mailbox_take(&box, &got, &letter), MQTT_MAIL_LETTER);
	free(letter);
	mqtt_mailbox_letter(&box, "", "", 0, false); /* there is room again */
	assert_int_equal(mqtt_mailbox_dropped(&box), 3);
	/* Acknowledgements find a place however full it is of messages. */
	for (int i = 0; i < MQTT_NOTES_MAX; i++)
		mqtt_mailbox_note(&box, &note);
	assert_false(mqtt_mailbox_notes_lost(&box));
	mqtt_mailbox_note(&box, &note);
	assert_true(mqtt_mailbox_notes_lost(&box));
	mqtt_mailbox_close(&box);
}

static void
mailbox_wakes_its_owner(void **state)
{
	struct mqtt_mailbox box;
	struct pollfd pfd = { .events = POLLIN };

	(void)state;
	assert_int_equal(mqtt_mailbox_open(&box, 4, 100, NULL), BL_OK);
	pfd.fd = box.wake_fd;
	assert_int_equal(poll(&pfd, 1, 0), 0);
	mqtt_mailbox_letter(&box, "t", "", 0, false);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	mqtt_mailbox_rest(&box);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	mqtt_mailbox_close(&box);
}

static void
reasons_have_words(void **state)
{
	(void)state;
	assert_string_equal(mqtt_reason_text(0x87), "not authorised");
	assert_string_equal(mqtt_reason_text(0x88), "server unavailable");
	assert_string_equal(mqtt_reason_text(0x85), "the client id is not acceptable");
	assert_non_null(strstr(mqtt_reason_text(0x8e), "session taken over"));
	assert_string_equal(mqtt_reason_text(0xff), "unknown reason");
	assert_string_equal(mqtt_reason_text(-1), "unknown reason");
}

/* Two batches behind 64 kbit/s take six seconds, and a box on the way has long acknowledged them.
 */
static void
outstanding_bytes_have_their_time(void **state)
{
	struct bl_mqtt m = {
		.stage = MQTT_UP, .puback_ms = 5000, .ack_mono_ms = 1000, .outstanding = 1
	};

	(void)state;
	m.outstanding_bytes = 100;
	assert_in_range(mqtt_window_deadline(&m), 6000, 6100);
	m.outstanding_bytes = 49152;
	assert_int_equal(mqtt_window_deadline(&m), 18000);
	/* A dead link is to be found within 45 s, whatever is outstanding. */
	m.outstanding_bytes = 262144;
	assert_int_equal(mqtt_window_deadline(&m), 31000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outstanding_bytes_have_their_time),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(proxy_of_the_environment_is_refused),
		cmocka_unit_test(proxies_are_forgotten_however_they_are_spelled),
		cmocka_unit_test(refused_connections_are_retried_with_reasons),
		cmocka_unit_test(dropping_an_attempt_names_our_reason),
		cmocka_unit_test(backoff_stays_within_floor_and_ceiling),
		cmocka_unit_test(mailbox_keeps_order_over_both_kinds),
		cmocka_unit_test(mailbox_drops_and_counts_beyond_its_caps),
		cmocka_unit_test(mailbox_wakes_its_owner),
		cmocka_unit_test(reasons_have_words),
	};

	return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
