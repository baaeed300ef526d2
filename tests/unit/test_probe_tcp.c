/*
 * Probes of kind tcp: greeting, something to send, an answer to it, and every
 * way in which a server can do otherwise.
 */
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

#define STEPS 6

struct tcp_case {
	const char *name;
	struct play_step step[STEPS];
	const char *greeting, *send, *expect;
	enum probe_reason reason;
	const char *values, *detail;
	const char *heard; /* by the server */
};

static const struct tcp_case cases[] = {
	{ "connect alone", { { PLAY_END, NULL, 0 } }, NULL, NULL, NULL, PROBE_OK,
	    "up=1 connect total", "", "" },
	{ "send alone", { { PLAY_HEAR, "bye", 0 } }, NULL, "bye", NULL, PROBE_OK,
	    "up=1 connect total", "", "bye" },
	{ "greeting", { { PLAY_SAY, "220 mail ESMTP\r\n", 0 } }, "220 ", NULL, NULL, PROBE_OK,
	    "up=1 connect first total match=1", "", "" },
	{ "greeting in bytes", { { PLAY_SAY_BYTES, "220 mail ESMTP\r\n", 0 } }, "ESMTP", NULL, NULL,
	    PROBE_OK, "up=1 connect first total match=1", "", "" },
	{ "greeting, send, answer",
	    { { PLAY_SAY, "220 mail\r\n", 0 }, { PLAY_HEAR, "QUIT\r\n", 0 },
		{ PLAY_SAY, "221 bye\r\n", 0 } },
	    "220 mail\r\n", "QUIT\r\n", "221", PROBE_OK, "up=1 connect first total match=1", "",
	    "QUIT\r\n" },
	{ "send first", { { PLAY_HEAR, "PING\r\n", 0 }, { PLAY_SAY, "+PONG\r\n", 0 } }, NULL,
	    "PING\r\n", "+PONG", PROBE_OK, "up=1 connect first total match=1", "", "PING\r\n" },
	{ "two texts without sending", { { PLAY_SAY, "one two", 0 } }, "one", NULL, "two", PROBE_OK,
	    "up=1 connect first total match=1", "", "" },
	{ "two texts the other way round", { { PLAY_SAY, "two one", 0 }, { PLAY_CLOSE, NULL, 0 } },
	    "one", NULL, "two", PROBE_FAIL_PROTOCOL, "up=0 connect first total? match?",
	    "without the expected answer", "" },
	{ "the greeting is not the answer",
	    { { PLAY_SAY, "220 250 ", 0 }, { PLAY_HEAR, "EHLO", 0 }, { PLAY_SAY, "502", 0 },
		{ PLAY_CLOSE, NULL, 0 } },
	    "220", "EHLO", "250", PROBE_FAIL_PROTOCOL, "up=0 connect first total? match=0",
	    "closed the connection without the expected answer (3 other bytes)", "EHLO" },
	{ "text after a zero byte", { { PLAY_SAY, "\0\1ready", 7 } }, "ready", NULL, NULL, PROBE_OK,
	    "up=1 connect first total match=1", "", "" },
	{ "another greeting", { { PLAY_SAY, "554 go\1away\r\n", 0 }, { PLAY_CLOSE, NULL, 0 } },
	    "220", NULL, NULL, PROBE_FAIL_PROTOCOL, "up=0 connect first total? match=0",
	    "it began \"554 go?away??\"", "" },
	{ "closed without a word", { { PLAY_CLOSE, NULL, 0 } }, "220", NULL, NULL,
	    PROBE_FAIL_PROTOCOL, "up=0 connect first? total? match?",
	    "closed the connection without the expected greeting (0 other bytes)", "" },
	{ "reset", { { PLAY_SAY, "22", 0 }, { PLAY_HEAR, "x", 0 }, { PLAY_RESET, NULL, 0 } }, "22",
	    "x", "1", PROBE_FAIL_PROTOCOL, "up=0 connect first total? match?", "reset", "x" },
	{ "too much", { { PLAY_FLOOD, NULL, 0 } }, "220", NULL, NULL, PROBE_FAIL_ANSWER,
	    "up=0 connect first total? match=0", "4096 bytes without the expected greeting", "" },
	{ "silence", { { PLAY_END, NULL, 0 } }, "220", NULL, NULL, PROBE_FAIL_TIMEOUT,
	    "up=0 connect first... total... match...", "first byte", "" },
	{ "half a greeting", { { PLAY_SAY, "22", 0 } }, "220", NULL, NULL, PROBE_FAIL_TIMEOUT,
	    "up=0 connect first total... match...", "rest of the answer", "" },
};

static char *
text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static void
each_server_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct tcp_case *c = &cases[i];
		static struct play play;
		struct probe p;

		play_start(&play, c->step);
		kind_set(&p, PROBE_TCP, "127.0.0.1", play.port);
		p.conf.tcp.greeting = text(c->greeting);
		p.conf.tcp.send = text(c->send);
		p.conf.tcp.expect = text(c->expect);
		if (c->reason == PROBE_FAIL_TIMEOUT)
			p.conf.timeout_ms = 1500; /* a server that says something has that long */
		(void)expect_run(&p, c->name, c->reason, c->values, c->detail);
		play_stop(&play);
		assert_string_equal(play.heard, c->heard);
	}
}

static void
the_way_is_the_same_as_for_http(void **state)
{
	struct probe p;

	(void)state;
	kind_set(&p, PROBE_TCP, "127.0.0.2", server.port);
	(void)expect_run(
	    &p, "refused", PROBE_FAIL_REFUSED, "up=0 connect? total?", "connect 127.0.0.2");
	kind_set(&p, PROBE_TCP, "two.test", server.port);
	(void)expect_run(&p, "second address", PROBE_OK, "up=1 dns connect total", "");
	kind_set(&p, PROBE_TCP, "nowhere.test", server.port);
	(void)expect_run(&p, "no name", PROBE_FAIL_DNS, "up=0 dns? connect? total?", "nowhere");
	kind_set(&p, PROBE_TCP, "silent.test", server.port);
	p.conf.timeout_ms = 1000; /* names are looked up within it */
	(void)expect_run(
	    &p, "silent", PROBE_FAIL_TIMEOUT, "up=0 dns connect... total...", "TCP connect");
}

static int
set_up(void **state)
{
	(void)state;
	names_start();
	server_start();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	server_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_server_gets_its_verdict),
		cmocka_unit_test(the_way_is_the_same_as_for_http),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
