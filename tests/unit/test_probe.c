/*
 * The pure parts of the prober: addresses, status sets, the option table, the
 * reader of HTTP answers, and results as samples and events.
 */
#include "probe_http_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- addresses ---- */

static void
addresses_are_taken_apart_or_refused(void **state)
{
	static const struct {
		const char *text, *host, *authority, *target; /* host NULL: refused */
		unsigned port;
		bool tls, literal;
	} c[] = {
		{ "http://shop", "shop", "shop", "/", 80, false, false },
		{ "https://shop.example/", "shop.example", "shop.example", "/", 443, true, false },
		{ "http://a:8080/x?y=z", "a", "a:8080", "/x?y=z", 8080, false, false },
		{ "https://a:443/x", "a", "a", "/x", 443, true, false },
		{ "http://a:443/x", "a", "a:443", "/x", 443, false, false },
		{ "http://a?x=1", "a", "a", "/?x=1", 80, false, false },
		{ "http://10.0.0.1/", "10.0.0.1", "10.0.0.1", "/", 80, false, true },
		{ "http://[::1]:81/", "::1", "[::1]:81", "/", 81, false, true },
		{ "https://[2001:db8::5]", "2001:db8::5", "[2001:db8::5]", "/", 443, true, true },
		{ "http://a/x@y", "a", "a", "/x@y", 80, false, false },
		{ "http://under_score-1/", "under_score-1", "under_score-1", "/", 80, false,
		    false },
		{ "", NULL, NULL, NULL, 0, false, false },
		{ "shop", NULL, NULL, NULL, 0, false, false },
		{ "ftp://shop/", NULL, NULL, NULL, 0, false, false },
		{ "http://", NULL, NULL, NULL, 0, false, false },
		{ "http:///x", NULL, NULL, NULL, 0, false, false },
		{ "http://:80/", NULL, NULL, NULL, 0, false, false },
		{ "http://a:/", NULL, NULL, NULL, 0, false, false },
		{ "http://a:0/", NULL, NULL, NULL, 0, false, false },
		{ "http://a:65536/", NULL, NULL, NULL, 0, false, false },
		{ "http://a:80x/", NULL, NULL, NULL, 0, false, false },
		{ "http://user:pass@a/", NULL, NULL, NULL, 0, false, false },
		{ "http://a b/", NULL, NULL, NULL, 0, false, false },
		{ "http://a/b c", NULL, NULL, NULL, 0, false, false },
		{ "http://a/\r\nEvil: 1", NULL, NULL, NULL, 0, false, false },
		{ "http://a/#f", NULL, NULL, NULL, 0, false, false },
		{ "http://[::1", NULL, NULL, NULL, 0, false, false },
		{ "http://[::1]x/", NULL, NULL, NULL, 0, false, false },
		{ "http://[zz]/", NULL, NULL, NULL, 0, false, false },
		{ "http://[]/", NULL, NULL, NULL, 0, false, false },
		{ "http://-a/", NULL, NULL, NULL, 0, false, false },
		{ "http://sh\xc3\xb6p/", NULL, NULL, NULL, 0, false, false },
	};
	char longest[PROBE_TARGET_MAX + 64];
	struct probe_url u;

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		const char *expected = probe_url_parse(c[i].text, &u);

		if ((expected == NULL) != (c[i].host != NULL))
			fail_msg("%s: %s", c[i].text, expected != NULL ? expected : "accepted");
		if (expected != NULL)
			continue;
		assert_string_equal(u.host, c[i].host);
		assert_string_equal(u.authority, c[i].authority);
		assert_string_equal(u.target, c[i].target);
		assert_int_equal(u.port, c[i].port);
		assert_int_equal(u.tls, c[i].tls);
		assert_int_equal(u.literal, c[i].literal);
	}
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "http://a/", 9);
	longest[8 + PROBE_TARGET_MAX] = '\0';
	assert_null(probe_url_parse(longest, &u));
	longest[8 + PROBE_TARGET_MAX] = 'x';
	longest[9 + PROBE_TARGET_MAX] = '\0';
	assert_non_null(probe_url_parse(longest, &u));
	memset(longest, 'h', 400);
	memcpy(longest, "http://", 7);
	longest[400] = '\0';
	assert_non_null(probe_url_parse(longest, &u));
}

static void
status_sets_hold_what_they_say(void **state)
{
	static const struct {
		const char *set;
		int status;
		bool valid, in;
	} c[] = {
		{ "200-399", 200, true, true },
		{ "200-399", 399, true, true },
		{ "200-399", 400, true, false },
		{ "200", 201, true, false },
		{ "200, 204, 300-399", 204, true, true },
		{ "200,204,300 - 399", 301, true, true },
		{ "200, 204, 300-399", 250, true, false },
		{ "", 200, false, false },
		{ "200,", 201, false, false },
		{ "399-200", 300, false, false },
		{ "20", 200, false, false },
		{ "2000", 200, false, false },
		{ "099", 99, false, false },
		{ "abc", 200, false, false },
		{ "200;204", 204, false, false },
		{ "200-", 204, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		assert_int_equal(probe_status_check(c[i].set) == NULL, c[i].valid);
		assert_int_equal(probe_status_in(c[i].set, c[i].status), c[i].in);
	}
}

/* ---- options ---- */

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

static void
options_are_checked(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* part of the first message; NULL: fine */
	} c[] = {
		{ "probes: [{name: a, url: \"http://a/\"}]", NULL },
		{ "probes: [{name: a, url: \"http://a/\", expect_status: 204}]", NULL },
		{ "probes: [{name: a, url: \"http://a/\", headers: {X-Key: abc}}]", NULL },
		{ "probes: [{name: a, url: \"http://a/\", method: HEAD}]", NULL },
		{ "probes: [{name: a}]", "url" },
		{ "probes: [{name: a, url: a}]", "http://" },
		{ "probes: [{name: a, url: \"http://a/\"}, {name: a, url: \"http://b/\"}]",
		    "name \"a\" is taken" },
		{ "probes: [{name: a, url: \"http://a/\", expect_status: \"1-2\"}]",
		    "status codes" },
		{ "probes: [{name: a, url: \"http://a/\", headers: {\"X Y\": a}}]",
		    "header names" },
		{ "probes: [{name: a, url: \"http://a/\", headers: {X: \"a\\r\\nB: c\"}}]",
		    "header values" },
		{ "probes: [{name: a, url: \"http://a/\", headers: {content-length: 5}}]",
		    "other headers" },
		{ "probes: [{name: a, url: \"http://a/\", method: HEAD, expect_body: x}]", "HEAD" },
		{ "probes: [{name: a, url: \"http://a/\", interval: 2s, timeout: 3s}]",
		    "not longer" },
		{ "probes: [{name: \"a\\tb\", url: \"http://a/\"}]", "control" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct list_conf conf = { 0 };
		struct bl_conf_errors errors = { 0 };
		struct bl_err err = { 0 };
		const int rc = bl_conf_parse(
		    "t.yaml", c[i].text, strlen(c[i].text), &list_section, &conf, &errors, &err);

		if (c[i].error == NULL) {
			if (rc < 0)
				fail_msg("%s: %s", c[i].text,
				    errors.n_kept > 0 ? errors.line[0] : err.msg);
			assert_int_equal(conf.probes.n, 1);
			bl_conf_release(&list_section, &conf);
		} else if (rc == BL_OK || errors.n_kept == 0 ||
			   strstr(errors.line[0], c[i].error) == NULL) {
			fail_msg("%s: got: %s", c[i].text,
			    errors.n_kept > 0 ? errors.line[0] : "accepted");
		}
		bl_conf_errors_free(&errors);
	}
}

/* ---- answers ---- */

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

struct answer {
	const char *text;
	bool head;
	enum probe_http_verdict verdict; /* after the text and, for MORE, after the end */
	int status;
	unsigned body;
	bool match; /* of "needle" */
	bool reusable;
	bool until_close; /* the body ends with the connection */
	unsigned rest;    /* bytes behind the answer */
};

#define DONE  PROBE_HTTP_DONE
#define WRONG PROBE_HTTP_WRONG
#define CUT   PROBE_HTTP_CUT

static const struct answer answers[] = {
	/* lengths */
	{ OK_HEAD "Content-Length: 5\r\n\r\nhello", false, DONE, 200, 5, false, true, false, 0 },
	{ OK_HEAD "content-LENGTH:\t5 \r\n\r\nhello", false, DONE, 200, 5, false, true, false, 0 },
	{ OK_HEAD "Content-Length: 0\r\n\r\n", false, DONE, 200, 0, false, true, false, 0 },
	{ OK_HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, DONE, 200, 5, false,
	    true, false, 0 },
	{ OK_HEAD "Content-Length: 5\r\n\r\nhelloHTTP/1.1", false, DONE, 200, 5, false, true, false,
	    8 },
	{ OK_HEAD "Content-Length: 12\r\n\r\na needle her", false, DONE, 200, 12, true, true, false,
	    0 },
	{ OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", false, WRONG, 200, 0,
	    false, false, false, 0 },
	{ OK_HEAD "Content-Length: 5, 5\r\n\r\nhello", false, WRONG, 200, 0, false, false, false,
	    0 },
	{ OK_HEAD "Content-Length: -1\r\n\r\n", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "Content-Length: +5\r\n\r\nhello", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "Content-Length: 0x5\r\n\r\nhello", false, WRONG, 200, 0, false, false, false,
	    0 },
	{ OK_HEAD "Content-Length:\r\n\r\n", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "Content-Length: 99999999999999999999999\r\n\r\n", false, WRONG, 200, 0, false,
	    false, false, 0 },
	/* no body */
	{ OK_HEAD "Content-Length: 5\r\n\r\n", true, DONE, 200, 0, false, true, false, 0 },
	{ "HTTP/1.1 204 No Content\r\n\r\n", false, DONE, 204, 0, false, true, false, 0 },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, DONE, 304, 0, false,
	    true, false, 0 },
	/* until the end of the connection */
	{ OK_HEAD "\r\nhello needle", false, DONE, 200, 12, true, false, true, 0 },
	{ "HTTP/1.0 200 OK\r\n\r\nhello", false, DONE, 200, 5, false, false, true, 0 },
	/* connections */
	{ OK_HEAD "Connection: close\r\nContent-Length: 1\r\n\r\nx", false, DONE, 200, 1, false,
	    false, false, 0 },
	{ OK_HEAD "Connection: upgrade, Close\r\nContent-Length: 1\r\n\r\nx", false, DONE, 200, 1,
	    false, false, false, 0 },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false, DONE, 200, 1, false, false, false,
	    0 },
	{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", false, DONE,
	    200, 1, false, true, false, 0 },
	/* chunks */
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false, DONE, 200, 5,
	    false, true, false, 0 },
	{ OK_HEAD "Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nnee\r\n3\r\ndle\r\n0\r\nA: b\r\n\r\n",
	    false, DONE, 200, 6, true, true, false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n00\r\n\r\n", false, DONE,
	    200, 10, false, true, false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\ng\r\n", false, WRONG, 200, 0, false, false,
	    false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n", false, WRONG, 200, 0, false, false,
	    false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", false, WRONG, 200, 0, false,
	    false, false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n", false, WRONG, 200, 5, false,
	    false, false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1000000000000000a\r\n0123456789\r\n0\r\n\r\n",
	    false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false, WRONG, 200, 0, false,
	    false, false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	    false, WRONG, 200, 0, false, false, false, 0 },
	/* a chunk that is nearly 2^64 long is cut like any long body */
	{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
		  "0123456789012345678901234567890123456789",
	    false, CUT, 200, 32, false, false, false, 0 },
	{ OK_HEAD "Content-Length: 40\r\n\r\n0123456789012345678901234567890123456789", false, CUT,
	    200, 32, false, false, false, 0 },
	{ OK_HEAD "Content-Length: 32\r\n\r\n01234567890123456789012345needle", false, DONE, 200,
	    32, true, true, false, 0 },
	{ OK_HEAD "Content-Length: 33\r\n\r\n012345678901234567890123456needle", false, CUT, 200,
	    32, false, false, false, 0 },
	/* interim answers */
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 1\r\n\r\nx", false, DONE, 200, 1,
	    false, true, false, 0 },
	{ "HTTP/1.1 103 Early\r\nContent-Length: 7\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\n"
	  "Content-Length: 0\r\n\r\n",
	    false, DONE, 404, 0, false, true, false, 0 },
	{ "HTTP/1.1 101 Switching\r\n\r\n", false, WRONG, 101, 0, false, false, false, 0 },
	/* status lines */
	{ "HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", false, DONE, 500, 0, false, true, false, 0 },
	{ "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, DONE, 200, 0, false, true, false,
	    0 },
	{ "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", false, DONE, 200, 1, false, true, false, 0 },
	{ "HTTP/2 200\r\n\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "HTTP/1.1 20\r\n\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "HTTP/1.1 2000\r\n\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "HTTP/1.1 099 x\r\n\r\n", false, WRONG, 99, 0, false, false, false, 0 },
	{ "HTTP/1.1  200 OK\r\n\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "http/1.1 200 OK\r\n\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "SSH-2.0-OpenSSH_9.2\r\n", false, WRONG, 0, 0, false, false, false, 0 },
	{ "<!DOCTYPE html>", false, WRONG, 0, 0, false, false, false, 0 },
	{ "", false, WRONG, 0, 0, false, false, false, 0 },
	/* headers */
	{ OK_HEAD "Folded: a\r\n b\r\n\r\n", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "No colon\r\n\r\n", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD ": empty\r\n\r\n", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "Blank : x\r\n\r\n", false, WRONG, 200, 0, false, false, false, 0 },
	{ OK_HEAD "X:\xff\x01\r\nContent-Length: 0\r\n\r\n", false, DONE, 200, 0, false, true,
	    false, 0 },
};

static struct probe_want wanted; /* "needle" */
static struct probe_body body;

static void
start(struct probe_http *h, const struct answer *a)
{
	memset(h, 0xa5, sizeof(*h)); /* nothing may depend on what was there */
	probe_body_begin(&body);
	probe_http_init(h, a->head, 32, &body);
}

/* Feeds a heap copy of exactly len bytes, so that reading beyond it is seen. */
static enum probe_http_verdict
feed(struct probe_http *h, const char *data, size_t len, size_t *used)
{
	char *copy = malloc(len > 0 ? len : 1);
	enum probe_http_verdict v;

	assert_non_null(copy);
	memcpy(copy, data, len);
	v = probe_http_feed(h, copy, len, used);
	free(copy);
	return v;
}

static void
check(const struct answer *a, const struct probe_http *h, enum probe_http_verdict v, size_t used)
{
	if (v != a->verdict || h->status != a->status || h->reusable != a->reusable)
		fail_msg("%s: verdict %d status %d reusable %d (%s)", a->text, (int)v, h->status,
		    h->reusable, h->error != NULL ? h->error : "");
	assert_int_equal(h->error != NULL, v == WRONG);
	if (v != WRONG) {
		assert_int_equal(h->body_bytes, a->body);
		assert_int_equal(body.text_found, a->match);
	}
	if (v == DONE)
		assert_int_equal(strlen(a->text) - used, a->rest);
}

static void
answers_are_read_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		const struct answer *a = &answers[i];
		const size_t len = strlen(a->text);

		/* In two pieces cut at every place, the whole in one included. */
		for (size_t cut = 0; cut <= len; cut++) {
			struct probe_http h;
			enum probe_http_verdict v;
			size_t used;
			size_t more = 0;

			start(&h, a);
			v = feed(&h, a->text, cut, &used);
			if (v == PROBE_HTTP_MORE) {
				assert_int_equal(used, cut);
				v = feed(&h, a->text + cut, len - cut, &more);
			}
			if (v == PROBE_HTTP_MORE)
				v = probe_http_end(&h);
			check(a, &h, v, used + more);
		}
		/* Byte by byte. */
		struct probe_http h;
		enum probe_http_verdict v = PROBE_HTTP_MORE;
		size_t at = 0;

		start(&h, a);
		for (; at < len && v == PROBE_HTTP_MORE; at++) {
			size_t used;

			v = feed(&h, a->text + at, 1, &used);
		}
		if (v == PROBE_HTTP_MORE)
			v = probe_http_end(&h);
		check(a, &h, v, at);
	}
}

static void
a_cut_off_answer_is_never_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		const struct answer *a = &answers[i];

		if (a->verdict != DONE || a->until_close)
			continue;
		for (size_t len = 0; len < strlen(a->text) - a->rest; len++) {
			struct probe_http h;
			size_t used;

			start(&h, a);
			assert_int_equal(feed(&h, a->text, len, &used), PROBE_HTTP_MORE);
			assert_int_equal(probe_http_end(&h), WRONG);
			assert_false(h.reusable);
		}
	}
}

static enum probe_http_verdict
feed_repeated(struct probe_http *h, const char *first, const char *again, size_t bytes)
{
	enum probe_http_verdict v;
	size_t used;

	probe_http_init(h, false, 1u << 20, NULL);
	v = feed(h, first, strlen(first), &used);
	for (size_t n = 0; n < bytes && v == PROBE_HTTP_MORE; n += strlen(again))
		v = feed(h, again, strlen(again), &used);
	return v;
}

static void
endless_answers_come_to_an_end(void **state)
{
	static const struct {
		const char *first, *again;
	} c[] = {
		{ OK_HEAD, "X: y\r\n" },                                /* headers */
		{ OK_HEAD "X: ", "yyyyyyyyyyyyyyyy" },                  /* one header */
		{ "HTTP/1.1 200 ", "OK OK OK OK " },                    /* a reason */
		{ "HTTP/1.1 100 x\r\n\r\n", "HTTP/1.1 100 x\r\n\r\n" }, /* interim answers */
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n" }, /* trailers */
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", "0000000000000000" },
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5;", "extension=x;" },
		/* a byte of the body in a line that is long: body_max alone would let 64 times as
		 * much come */
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n",
		    "1;extension=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe_http h;

		assert_int_equal(feed_repeated(&h, c[i].first, c[i].again, 1u << 20), WRONG);
		assert_non_null(h.error);
	}
}

/* Chunks of a byte each are a waste, and allowed; so is a signature at each that is of a size. */
static void
small_chunks_are_no_attack(void **state)
{
	char chunk[1200];
	struct probe_http h;
	size_t used;

	(void)state;
	assert_int_equal(
	    feed_repeated(&h, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 360000),
	    PROBE_HTTP_MORE);
	assert_int_equal(feed(&h, "0\r\n\r\n", 5, &used), DONE);
	assert_int_equal(h.body_bytes, 60000);
	(void)snprintf(chunk, sizeof(chunk), "400;chunk-signature=%064d\r\n%01024d\r\n", 7, 7);
	assert_int_equal(feed_repeated(&h, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", chunk,
			     500 * strlen(chunk)),
	    PROBE_HTTP_MORE);
}

/* The cap counts bytes of headers, not the pieces in which they come. */
static void
headers_may_be_as_long_in_small_pieces(void **state)
{
	static const char end[] = "\r\nContent-Length: 0\r\n\r\n";
	struct probe_http h;
	size_t used;

	(void)state;
	assert_int_equal(
	    feed_repeated(&h, OK_HEAD "X: ", "y", PROBE_HTTP_HEAD - 100), PROBE_HTTP_MORE);
	assert_int_equal(feed(&h, end, strlen(end), &used), DONE);
	assert_int_equal(feed_repeated(&h, OK_HEAD "X: ", "y", PROBE_HTTP_HEAD), WRONG);
}

static void
a_long_header_matters_only_when_it_rules_the_connection(void **state)
{
	char text[4096];
	struct probe_http h;
	size_t used;

	(void)state;
	memset(text, 0, sizeof(text));
	strcpy(text, OK_HEAD "Set-Cookie: ");
	memset(text + strlen(text), 'c', 2000);
	strcat(text, "\r\nContent-Length: 1\r\n\r\nx");
	probe_http_init(&h, false, 32, NULL);
	assert_int_equal(feed(&h, text, strlen(text), &used), DONE);

	memset(text, 0, sizeof(text));
	strcpy(text, OK_HEAD "Connection: ");
	memset(text + strlen(text), 'c', 2000);
	strcat(text, ", close\r\nContent-Length: 1\r\n\r\nx");
	probe_http_init(&h, false, 32, NULL);
	assert_int_equal(feed(&h, text, strlen(text), &used), WRONG);
}

static void
the_needle_is_found_like_strstr_finds_it(void **state)
{
	static const char *const needles[] = { "a", "aab", "abab", "aaaa", "abcabd", "b" };
	uint32_t seed = 12345;

	(void)state;
	for (size_t k = 0; k < COUNT(needles); k++) {
		struct probe_want want = { .regex = NULL };
		struct probe_body found;

		probe_needle_init(&want.needle, needles[k]);
		assert_int_equal(probe_body_init(&found, &want, 1000, NULL), BL_OK);
		for (unsigned round = 0; round < 2000; round++) {
			char hay[32] = { 0 };
			struct probe_http h;
			size_t used;

			for (size_t i = 0; i < sizeof(hay) - 1; i++) {
				seed = seed * 1664525 + 1013904223;
				hay[i] = (char)('a' + (seed >> 24) % 3);
			}
			probe_body_begin(&found);
			probe_http_init(&h, false, 1000, &found);
			(void)feed(&h, OK_HEAD "\r\n", strlen(OK_HEAD "\r\n"), &used);
			(void)feed(&h, hay, 13, &used);
			(void)feed(&h, hay + 13, strlen(hay) - 13, &used);
			assert_int_equal(found.text_found, strstr(hay, needles[k]) != NULL);
		}
	}
}

static void
a_needle_that_overlaps_itself_is_found(void **state)
{
	static const struct {
		const char *needle, *hay;
	} c[] = {
		{ "aabaaac", "aabaaabaaac" },
		{ "aaab", "aaaaaab" },
		{ "abcabcabd", "abcabcabcabcabd" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe_want want = { .regex = NULL };
		struct probe_body found;
		struct probe_http h;
		size_t used;

		probe_needle_init(&want.needle, c[i].needle);
		assert_int_equal(probe_body_init(&found, &want, 1000, NULL), BL_OK);
		probe_http_init(&h, false, 1000, &found);
		(void)feed(&h, OK_HEAD "\r\n", strlen(OK_HEAD "\r\n"), &used);
		(void)feed(&h, c[i].hay, strlen(c[i].hay), &used);
		assert_true(found.text_found);
	}
}

/* Mutations of the cases, a fixed seed: no crash, no verdict out of range, bounds kept. */
static void
mutated_answers_do_no_harm(void **state)
{
	uint32_t seed = 20261122;

	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		const struct answer *a = &answers[round % COUNT(answers)];
		char text[256];
		size_t len = strlen(a->text);
		struct probe_http h;
		enum probe_http_verdict v;
		size_t used;

		assert_true(len <= sizeof(text));
		memcpy(text, a->text, len);
		for (unsigned k = 0; k < 3 && len > 0; k++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % len] = (char)(seed >> 24);
		}
		start(&h, a);
		v = feed(&h, text, len, &used);
		if (v == PROBE_HTTP_MORE)
			v = probe_http_end(&h);
		assert_in_range(v, PROBE_HTTP_DONE, PROBE_HTTP_WRONG);
		assert_true(h.body_bytes <= 32);
		assert_true(used <= len);
	}
}

/* ---- results ---- */

struct sink_log {
	char text[4096];
};

static void
log_add(struct sink_log *l, const char *text)
{
	strncat(l->text, text, sizeof(l->text) - strlen(l->text) - 1);
}

static const char *const series_name[PROBE_SERIES] = { "up", "dns", "connect", "tls", "first",
	"transfer", "total", "status", "bytes", "match", "days", "answer", "resumed" };

static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	static const char *const name[PROBE_SERIES] = { "probe_up", "probe_dns_ms",
		"probe_connect_ms", "probe_tls_ms", "probe_first_byte_ms", "probe_transfer_ms",
		"probe_total_ms", "probe_status_code", "probe_body_bytes", "probe_body_match",
		"probe_certificate_days", "probe_answer_match", "probe_tls_resumed" };

	(void)ctx;
	assert_int_equal(def->stream, BL_STREAM_PROBES);
	assert_int_equal(def->kind, BL_GAUGE);
	assert_int_equal(def->interval_ms, 30000);
	assert_int_equal(def->n_labels, 1);
	assert_memory_equal(def->label[0].key.p, "probe", 5);
	assert_memory_equal(def->label[0].value.p, "shop", 4);
	assert_true(def->unit.len > 0);
	for (int32_t i = 0; i < PROBE_SERIES; i++)
		if (strlen(name[i]) == def->name.len &&
		    memcmp(name[i], def->name.p, def->name.len) == 0)
			return i;
	fail_msg("series %.*s", (int)def->name.len, def->name.p);
	return -1;
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%g ", series_name[handle], value);
	log_add(ctx, text);
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	char text[64];

	snprintf(text, sizeof(text), "%s?%d ", series_name[handle], (int)reason);
	log_add(ctx, text);
}

static void
sink_event(void *ctx, const struct bl_event *ev)
{
	char text[512];

	assert_int_equal(ev->boot_ms, 4711);
	assert_int_equal(ev->n_attrs, 4);
	snprintf(text, sizeof(text), "%.*s(%.*s %d %.*s \"%.*s\") ", (int)ev->type.len, ev->type.p,
	    (int)ev->attr[0].text.len, ev->attr[0].text.p, ev->attr[1].boolean,
	    (int)ev->attr[2].text.len, ev->attr[2].text.p, (int)ev->attr[3].text.len,
	    ev->attr[3].text.p);
	log_add(ctx, text);
}

static const char *
put(struct probe_state *s, struct sink_log *l, enum probe_reason reason, const char *detail)
{
	struct sample_sink sink = { l, sink_declare, sink_put, sink_unknown, NULL, sink_event };
	struct probe_result r = { .boot_ms = 4711, .reason = reason };

	snprintf(r.detail, sizeof(r.detail), "%s", detail);
	r.value[PROBE_UP].got = reason == PROBE_FAIL_INTERNAL ? PROBE_MISSING : PROBE_HAVE;
	r.value[PROBE_UP].v = reason == PROBE_OK ? 1 : 0;
	r.value[PROBE_CONNECT_MS] = (struct probe_value){ PROBE_HAVE, 1.25 };
	if (reason != PROBE_OK)
		r.value[PROBE_TOTAL_MS].got =
		    reason == PROBE_FAIL_TIMEOUT ? PROBE_LATE : PROBE_MISSING;
	l->text[0] = '\0';
	probe_result_put(&r, s, &sink);
	return l->text;
}

static void
a_result_becomes_samples_and_an_event_when_up_changes(void **state)
{
	static char name[] = "shop";
	struct probe_conf conf = { .name = name, .interval_ms = 30000 };
	struct probe_state s;
	struct sink_log l;

	(void)state;
	probe_state_init(&s, &conf);
	assert_string_equal(
	    put(&s, &l, PROBE_OK, ""), "up=1 connect=1.25 probe.state(shop 1 ok \"\") ");
	assert_string_equal(put(&s, &l, PROBE_OK, ""), "up=1 connect=1.25 ");
	assert_string_equal(put(&s, &l, PROBE_FAIL_TIMEOUT, "late"),
	    "up=0 connect=1.25 total?2 probe.state(shop 0 timeout \"late\") ");
	assert_string_equal(put(&s, &l, PROBE_FAIL_DNS, "x"), "up=0 connect=1.25 total?1 ");
	/* What could not be tried is neither up nor down. */
	assert_string_equal(put(&s, &l, PROBE_FAIL_INTERNAL, "x"), "up?1 connect=1.25 total?1 ");
	assert_string_equal(put(&s, &l, PROBE_FAIL_DNS, "x"), "up=0 connect=1.25 total?1 ");
	assert_string_equal(
	    put(&s, &l, PROBE_OK, ""), "up=1 connect=1.25 probe.state(shop 1 ok \"\") ");
}

static void
every_reason_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= PROBE_FAIL_INTERNAL; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(probe_reason_name((enum probe_reason)i),
			    probe_reason_name((enum probe_reason)k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_apart_or_refused),
		cmocka_unit_test(status_sets_hold_what_they_say),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(answers_are_read_in_any_pieces),
		cmocka_unit_test(a_cut_off_answer_is_never_whole),
		cmocka_unit_test(endless_answers_come_to_an_end),
		cmocka_unit_test(small_chunks_are_no_attack),
		cmocka_unit_test(headers_may_be_as_long_in_small_pieces),
		cmocka_unit_test(a_long_header_matters_only_when_it_rules_the_connection),
		cmocka_unit_test(the_needle_is_found_like_strstr_finds_it),
		cmocka_unit_test(a_needle_that_overlaps_itself_is_found),
		cmocka_unit_test(mutated_answers_do_no_harm),
		cmocka_unit_test(a_result_becomes_samples_and_an_event_when_up_changes),
		cmocka_unit_test(every_reason_has_its_own_name),
	};

	int failed;

	probe_needle_init(&wanted.needle, "needle");
	assert_int_equal(probe_body_init(&body, &wanted, 1000, NULL), BL_OK);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	probe_body_release(&body);
	return failed;
}
