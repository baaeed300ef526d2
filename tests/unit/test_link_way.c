/* Answers of HTTP proxies and servers, and WebSocket frames: the pure parts of the link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "link_http.h"
#include "link_ws.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- HTTP ---- */

static void
heads_end_at_their_blank_line(void **state)
{
	static const struct {
		const char *text;
		size_t head;
	} cases[] = {
		{ "", 0 },
		{ "HTTP/1.1 200 OK\r\n", 0 },
		{ "HTTP/1.1 200 OK\r\n\r", 0 },
		{ "HTTP/1.1 200 OK\r\n\r\n", 19 },
		{ "HTTP/1.1 200 OK\r\n\r\n\x16\x03", 19 },
		{ "HTTP/1.1 200 OK\n\n", 17 },
		{ "HTTP/1.1 200 OK\nA: b\n\r\nrest", 23 },
		{ "\r\n", 2 },
		{ "a\r\r\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(
		    link_http_head_len(cases[i].text, strlen(cases[i].text)), cases[i].head);
}

static void
answers_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		int status; /* 0: refused */
		const char *reason, *location, *schemes;
		bool portal, basic;
	} cases[] = {
		{ "HTTP/1.1 200 Connection established\r\n\r\n", 200, "Connection established", "",
		    "", false, false },
		{ "HTTP/1.0 200\r\n\r\n", 200, "", "", "", false, false },
		{ "HTTP/1.1 302 Found\r\nLocation: http://login.hotel:80/a?b=c\r\n\r\n", 302,
		    "Found", "login.hotel:80", "", true, false },
		{ "HTTP/1.1 307 x\r\nlocation:\t//u:secret@portal#x\r\n\r\n", 307, "x", "portal",
		    "", true, false },
		{ "HTTP/1.1 302 x\r\nLocation: /go?to=http://elsewhere/\r\n\r\n", 302, "x", "", "",
		    true, false },
		{ "HTTP/1.1 511 Network Authentication Required\r\n\r\n", 511,
		    "Network Authentication Required", "", "", true, false },
		{ "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Negotiate\r\n"
		  "Proxy-Authenticate: NTLM, basic realm=\"a, b\", charset=\"UTF-8\"\r\n\r\n",
		    407, "Auth", "", "Negotiate, NTLM, basic", false, true },
		{ "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Digest realm=\"x\", Basic=1\r\n\r\n",
		    407, "Auth", "", "Digest", false, false },
		{ "HTTP/1.1 403 No\x1b[31m\xff\r\n\r\n", 403, "No?[31m?", "", "", false, false },
		{ "HTTP/1.1 403 folded\r\n Location: http://a/\r\n: b\r\nc\r\n\r\n", 403, "folded",
		    "", "", false, false },
		{ "HTTP/2 200 OK\r\n\r\n", 0, "", "", "", false, false },
		{ "HTTP/1.1 99 x\r\n\r\n", 0, "", "", "", false, false },
		{ "HTTP/1.1 099 x\r\n\r\n", 0, "", "", "", false, false },
		{ "HTTP/1.1 2000 x\r\n\r\n", 0, "", "", "", false, false },
		{ "HTTP/1.1  200 x\r\n\r\n", 0, "", "", "", false, false },
		{ "SSH-2.0-x\r\n\r\n", 0, "", "", "", false, false },
		{ "\r\n", 0, "", "", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link_http h;

		assert_int_equal(link_http_parse(cases[i].text, strlen(cases[i].text), &h),
		    cases[i].status != 0);
		assert_int_equal(h.status, cases[i].status);
		assert_string_equal(h.reason, cases[i].reason);
		assert_string_equal(h.location, cases[i].location);
		assert_string_equal(h.schemes, cases[i].schemes);
		assert_int_equal(link_http_is_portal(&h), cases[i].portal);
		assert_int_equal(h.basic, cases[i].basic);
	}
}

static void
fields_of_an_upgrade_are_found(void **state)
{
	static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nUPGRADE: WebSocket\r\n"
				   "Connection: keep-alive,  Upgrade\r\n"
				   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
				   "Sec-WebSocket-Protocol: mqtt \r\n\r\n";
	char accept[32], key[32];
	struct link_http h;

	(void)state;
	assert_true(link_http_parse(text, sizeof(text) - 1, &h));
	assert_true(h.upgrade && h.connection_upgrade && !h.extensions);
	assert_string_equal(h.protocol, "mqtt");
	/* RFC 6455, section 1.3 */
	assert_true(link_ws_key((const unsigned char *)"the sample nonce", key));
	assert_string_equal(key, "dGhlIHNhbXBsZSBub25jZQ==");
	assert_true(link_ws_accept(key, accept));
	assert_string_equal(accept, h.accept);
}

/* ---- WebSocket ---- */

/* Feeds bytes in pieces of every size; out gets the payload, the rest is in *w. */
static size_t
feed(struct link_ws *w, const char *bytes, size_t len, size_t piece, unsigned char *out)
{
	unsigned char chunk[512];
	size_t n = 0, got;

	memset(w, 0, sizeof(*w));
	for (size_t at = 0; at < len; at += piece) {
		const size_t k = len - at < piece ? len - at : piece;

		memcpy(chunk, bytes + at, k);
		got = link_ws_read(w, chunk, k);
		memcpy(out + n, chunk, got);
		n += got;
	}
	return n;
}

#define FRAME(bytes) bytes, sizeof(bytes) - 1

static void
frames_become_a_stream_however_they_are_cut(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *payload;
		bool ping, closed;
		unsigned code;
		const char *fault; /* part of it */
	} cases[] = {
		{ FRAME("\x82\x03"
			"abc"
			"\x82\x00\x82\x01"
			"d"),
		    "abcd", false, false, 0, NULL },
		{ FRAME("\x02\x02"
			"ab"
			"\x89\x02"
			"hi"
			"\x00\x01"
			"c"
			"\x80\x01"
			"d"
			"\x82\x01"
			"e"),
		    "abcde", true, false, 0, NULL },
		{ FRAME("\x8a\x01"
			"x"
			"\x82\x01"
			"y"),
		    "y", false, false, 0, NULL },
		{ FRAME("\x82\x01"
			"a"
			"\x88\x04\x03\xe9"
			"go"
			"\x82\x01"
			"b"),
		    "a", false, true, 1001, NULL },
		{ FRAME("\x88\x00"), "", false, true, 1005, NULL },
		{ FRAME("\x88\x01"
			"x"),
		    "", false, true, 1005, "half a code" },
		{ FRAME("\xc2\x01"
			"a"),
		    "", false, false, 0, "extension" },
		{ FRAME("\x82\x81"
			"mmmm"
			"a"),
		    "", false, false, 0, "masked" },
		{ FRAME("\x81\x01"
			"a"),
		    "", false, false, 0, "text" },
		{ FRAME("\x83\x01"
			"a"),
		    "", false, false, 0, "unknown" },
		{ FRAME("\x8b\x01"
			"a"),
		    "", false, false, 0, "unknown" },
		{ FRAME("\x09\x01"
			"a"),
		    "", false, false, 0, "control" },
		{ FRAME("\x89\x7e\x00\x7e"), "", false, false, 0, "control" },
		{ FRAME("\x80\x01"
			"a"),
		    "", false, false, 0, "continuation" },
		{ FRAME("\x02\x01"
			"a"
			"\x82\x01"
			"b"),
		    "a", false, false, 0, "inside" },
		{ FRAME("\x82\x7e\x00\x7d"), "", false, false, 0, "longer than it has to be" },
		{ FRAME("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "", false, false, 0,
		    "longer than it has to be" },
		{ FRAME("\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01"), "", false, false, 0,
		    "longer than any" },
		{ FRAME("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), "", false, false, 0,
		    "longer than any" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t piece = 1; piece <= cases[i].len; piece++) {
			unsigned char out[512];
			struct link_ws w;
			const size_t n = feed(&w, cases[i].bytes, cases[i].len, piece, out);

			assert_int_equal(n, strlen(cases[i].payload));
			assert_memory_equal(out, cases[i].payload, n);
			assert_int_equal(w.ping, cases[i].ping);
			assert_int_equal(w.closed, cases[i].closed);
			assert_int_equal(w.close_code, cases[i].code);
			assert_int_equal(w.fault != NULL, cases[i].fault != NULL);
			if (w.fault != NULL)
				assert_non_null(strstr(w.fault, cases[i].fault));
			if (w.ping)
				assert_memory_equal(w.echo, "hi", w.echo_len);
		}
	}
}

/* What we write is what a server would take: masked, minimal length, and the same bytes behind it.
 */
static void
what_is_written_is_masked_and_of_minimal_length(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 65535, 65536, 70000 };
	static const unsigned char mask[4] = { 1, 0x80, 0xff, 7 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		const size_t len = sizes[i];
		const size_t expected = (len < 126 ? 2 : len < 65536 ? 4 : 10) + 4u;
		unsigned char head[LINK_WS_HEAD_MAX], *data = malloc(len + 1);
		uint64_t said;
		size_t n;

		assert_non_null(data);
		for (size_t k = 0; k < len; k++)
			data[k] = (unsigned char)(k * 7);
		n = link_ws_write(head, LINK_WS_BINARY, data, len, mask);
		assert_int_equal(n, expected);
		assert_int_equal(head[0], 0x82);
		assert_true(head[1] & 0x80);
		said = head[1] & 0x7f;
		if (n > 6) {
			said = 0;
			for (size_t k = 2; k < n - 4; k++)
				said = said << 8 | head[k];
		}
		assert_int_equal(said, len);
		assert_memory_equal(head + n - 4, mask, 4);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(data[k] ^ mask[k % 4], (unsigned char)(k * 7));
		free(data);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_end_at_their_blank_line),
		cmocka_unit_test(answers_are_told_apart),
		cmocka_unit_test(fields_of_an_upgrade_are_found),
		cmocka_unit_test(frames_become_a_stream_however_they_are_cut),
		cmocka_unit_test(what_is_written_is_masked_and_of_minimal_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
