/*
 * A body as it comes: decoded, looked at for what it must hold, and thrown away.
 *
 * Only JSON is kept until its end, up to 256 KiB.  What a server compressed is
 * looked at decoded, and never more of it than body_max: a bomb is a long body.
 * Where nothing is wanted, nothing is decoded.
 */
#include "probe_http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 4096u /* decoded at a time */

/* ---- what is wanted ---- */

void
probe_needle_init(struct probe_needle *n, const char *text)
{
	const size_t len = text != NULL ? strlen(text) : 0;
	uint16_t k = 0;

	memset(n, 0, sizeof(*n));
	n->len = (uint16_t)(len < PROBE_NEEDLE_MAX ? len : PROBE_NEEDLE_MAX);
	if (n->len > 0)
		memcpy(n->text, text, n->len);
	for (uint16_t i = 1; i < n->len; i++) {
		while (k > 0 && n->text[i] != n->text[k])
			k = n->fall[k - 1];
		if (n->text[i] == n->text[k])
			k++;
		n->fall[i] = k;
	}
}

int
probe_want_init(struct probe_want *w, const struct probe_conf *conf, struct bl_err *err)
{
	const bool head = conf->method == PROBE_HEAD;
	const struct bl_conf_strmap *json = &conf->expect_json;
	int rc;

	memset(w, 0, sizeof(*w));
	probe_needle_init(&w->needle, head ? "" : conf->expect_body);
	if (head)
		return BL_OK;
	if (conf->expect_regex != NULL && conf->expect_regex[0] != '\0' &&
	    (rc = bl_regex_compile(&w->regex, conf->expect_regex, err)) < 0) {
		bl_err_prefix(err, "probe %s", conf->name);
		return rc;
	}
	for (size_t i = 0; i < json->n && i < PROBE_JSON_WANTS_MAX; i++) {
		const char *expected =
		    probe_json_want_parse(&w->json[w->n_json++], json->key[i], json->value[i]);

		if (expected != NULL)
			return bl_fail(err, BL_EINVAL, "probe %s: expect_json: expected %s",
			    conf->name, expected);
	}
	return BL_OK;
}

void
probe_want_release(struct probe_want *w)
{
	bl_regex_free(w->regex);
	w->regex = NULL;
}

bool
probe_want_any(const struct probe_want *w)
{
	return w->needle.len > 0 || w->regex != NULL || w->n_json > 0;
}

/* ---- one body ---- */

int
probe_body_init(
    struct probe_body *b, const struct probe_want *want, uint64_t max, struct bl_err *err)
{
	memset(b, 0, sizeof(*b));
	b->want = want;
	b->max = max;
	return want->regex != NULL ? bl_regex_scan_create(&b->scan, want->regex, err) : BL_OK;
}

/* What belongs to one answer. */
static void
answer_free(struct probe_body *b)
{
	if (b->inflating)
		(void)inflateEnd(&b->z);
	b->inflating = false;
	free(b->kept);
	b->kept = NULL;
	b->kept_len = b->kept_size = 0;
}

void
probe_body_release(struct probe_body *b)
{
	answer_free(b);
	bl_regex_scan_free(b->scan);
	b->scan = NULL;
}

void
probe_body_begin(struct probe_body *b)
{
	answer_free(b);
	b->seen = 0;
	b->text_found = b->regex_found = b->cut = b->inflated = false;
	b->match = 0;
	b->error = NULL;
	if (b->scan != NULL)
		bl_regex_scan_begin(b->scan);
}

void
probe_body_coding(struct probe_body *b, enum probe_coding coding)
{
	if (coding == PROBE_CODING_NONE || !probe_want_any(b->want))
		return;
	if (coding == PROBE_CODING_OTHER) {
		b->error = "the body is encoded in another way than gzip or deflate";
		return;
	}
	memset(&b->z, 0, sizeof(b->z));
	/* 32: gzip or zlib, whichever it is; the largest window. */
	if (inflateInit2(&b->z, MAX_WBITS + 32) != Z_OK)
		b->error = "there was no memory to decode the body";
	else
		b->inflating = true;
	b->unwrapped = coding == PROBE_CODING_DEFLATE;
}

static void
search(struct probe_body *b, const char *data, size_t len)
{
	const struct probe_needle *n = &b->want->needle;

	if (b->text_found || n->len == 0)
		return;
	for (size_t i = 0; i < len; i++) {
		while (b->match > 0 && data[i] != n->text[b->match])
			b->match = n->fall[b->match - 1];
		if (data[i] == n->text[b->match])
			b->match++;
		if (b->match == n->len) {
			b->text_found = true;
			return;
		}
	}
}

static void
keep(struct probe_body *b, const char *data, size_t len)
{
	if (b->want->n_json == 0 || len == 0)
		return;
	if (b->kept_len + len > PROBE_JSON_MAX) {
		b->error = "the body is too long to be read as JSON (256 KiB)";
		return;
	}
	if (b->kept_len + len > b->kept_size) {
		const size_t size = 2 * (b->kept_len + len) + 1024;
		char *more = realloc(b->kept, size);

		if (more == NULL) {
			b->error = "there was no memory to keep the body";
			return;
		}
		b->kept = more;
		b->kept_size = size;
	}
	memcpy(b->kept + b->kept_len, data, len);
	b->kept_len += len;
}

/* Bytes as the server meant them. */
static void
look(struct probe_body *b, const char *data, size_t len)
{
	if (len > b->max - b->seen) {
		len = (size_t)(b->max - b->seen);
		b->cut = true;
	}
	b->seen += len;
	search(b, data, len);
	if (b->scan != NULL)
		b->regex_found = bl_regex_scan_feed(b->scan, data, len);
	keep(b, data, len);
}

/* A gzip body may have several members, one after another (RFC 1952, 2.2). */
static void
decode(struct probe_body *b, const char *data, size_t len)
{
	unsigned char piece[PIECE_BYTES];
	int rc;

	/* "deflate" without its header, as some old servers send it: a stream that does not begin
	 * as zlib or gzip does. */
	if (b->unwrapped && (data[0] & 15) != 8 && data[0] != 0x1f)
		(void)inflateReset2(&b->z, -MAX_WBITS);
	b->unwrapped = false;
	b->z.next_in = (z_const Bytef *)(uintptr_t)data;
	b->z.avail_in = (uInt)len;
	do {
		if (b->inflated && (b->z.avail_in == 0 || inflateReset(&b->z) != Z_OK))
			return;
		b->z.next_out = piece;
		b->z.avail_out = sizeof(piece);
		rc = inflate(&b->z, Z_NO_FLUSH);
		look(b, (const char *)piece, sizeof(piece) - b->z.avail_out);
		b->inflated = rc == Z_STREAM_END;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			b->error = "the compressed body is damaged";
	} while (b->error == NULL && !b->cut && rc != Z_BUF_ERROR &&
		 (b->z.avail_in > 0 || b->z.avail_out == 0));
}

void
probe_body_feed(struct probe_body *b, const char *data, size_t len)
{
	if (b->error != NULL || b->cut)
		return;
	if (b->inflating)
		decode(b, data, len);
	else
		look(b, data, len);
}

static const char *
verdict(struct probe_body *b, char *out, size_t size)
{
	const struct probe_want *w = b->want;

	if (b->error != NULL) {
		snprintf(out, size, "%s", b->error);
		return out;
	}
	if (w->needle.len > 0 && !b->text_found) {
		snprintf(out, size, "the expected text is not in the first %llu bytes of the body",
		    (unsigned long long)b->seen);
		return out;
	}
	/* Where the body goes on, $ and \b do not hold at the place where we stopped. */
	if (b->scan != NULL && !b->regex_found && (b->cut || !bl_regex_scan_end(b->scan))) {
		snprintf(out, size,
		    "the expected expression does not match in the first %llu bytes of the body",
		    (unsigned long long)b->seen);
		return out;
	}
	if (w->n_json == 0)
		return NULL;
	if (b->cut) {
		snprintf(out, size, "the body is longer than body_max, so its JSON is not whole");
		return out;
	}
	return probe_json_check(
	    b->kept != NULL ? b->kept : "", b->kept_len, w->json, w->n_json, out, size);
}

const char *
probe_body_end(struct probe_body *b, char *out, size_t size)
{
	const char *why;

	if (b->inflating && !b->inflated && !b->cut && b->error == NULL)
		b->error = "the compressed body ends too early";
	why = probe_want_any(b->want) ? verdict(b, out, size) : NULL;
	answer_free(b);
	return why;
}
