/*
 * Reading an HTTP/1.x answer from a stream, as far as a probe needs it.
 *
 * Pure and incremental: it takes the bytes in whatever pieces they come, keeps
 * one line at most and no body (probe_body.c looks at it).  Written against hostile servers: every
 * count is bounded, a length that does not parse is an error rather than a guess, and what would
 * make two readers disagree about the end of the answer (two lengths, a length together with
 * chunks, folded headers) is refused. RFC 9112; interim answers (1xx) are skipped, upgrades
 * refused.
 */
#include "probe_http_internal.h"

#include <string.h>
#include <strings.h>

#define INTERIM_MAX 8u /* 1xx answers before the final one */
#define CHUNK_EARNS 8u /* bytes of framing by byte of the body */

/* ---- ends ---- */

static void
wrong(struct probe_http *h, const char *error)
{
	h->error = error;
	h->at = PROBE_AT_WRONG;
	h->reusable = false;
}

static void
done(struct probe_http *h)
{
	h->reusable = !h->close && (!h->minor_0 || h->keep);
	h->at = PROBE_AT_DONE;
}

static enum probe_http_verdict
verdict(const struct probe_http *h)
{
	switch (h->at) {
	case PROBE_AT_DONE:
		return PROBE_HTTP_DONE;
	case PROBE_AT_CUT:
		return PROBE_HTTP_CUT;
	case PROBE_AT_WRONG:
		return PROBE_HTTP_WRONG;
	default:
		return PROBE_HTTP_MORE;
	}
}

void
probe_http_into(struct probe_http *h, bool head, uint64_t body_max,
    const struct probe_http_sink *sink, void *ctx)
{
	memset(h, 0, offsetof(struct probe_http, location));
	h->location[0] = '\0';
	h->head = head;
	h->body_max = body_max;
	h->sink = sink;
	h->sink_ctx = ctx;
	h->at = PROBE_AT_STATUS;
}

static void
body_begin(void *ctx, const struct probe_http *h)
{
	probe_body_coding(ctx, h->coding);
}

static void
body_data(void *ctx, const char *data, size_t len)
{
	probe_body_feed(ctx, data, len);
}

static void
body_cut(void *ctx)
{
	((struct probe_body *)ctx)->cut = true;
}

void
probe_http_init(struct probe_http *h, bool head, uint64_t body_max, struct probe_body *body)
{
	static const struct probe_http_sink into = { body_begin, body_data, body_cut };

	probe_http_into(h, head, body_max, body != NULL ? &into : NULL, body);
}

/* ---- status line ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; a long reason is cut and does not matter. */
static void
status_line(struct probe_http *h)
{
	const char *p = h->line;

	if (h->line_len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) || p[8] != ' ' ||
	    !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) ||
	    (h->line_len > 12 && p[12] != ' ')) {
		wrong(h, "the answer does not begin with an HTTP/1 status line");
		return;
	}
	h->minor_0 = p[7] == '0';
	h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	if (h->status < 100) {
		wrong(h, "the status code is below 100");
		return;
	}
	h->has_length = false;
	h->chunked = false;
	h->close = false;
	h->keep = false;
	h->left = 0;
	h->coding = PROBE_CODING_NONE;
	h->type[0] = '\0';
	h->location[0] = '\0';
	h->at = PROBE_AT_HEADER;
}

/* ---- headers ---- */

struct text {
	const char *p;
	size_t len;
};

static bool
equals(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp(t.p, word, t.len) == 0;
}

static struct text
trim(struct text t)
{
	while (t.len > 0 && (t.p[0] == ' ' || t.p[0] == '\t')) {
		t.p++;
		t.len--;
	}
	while (t.len > 0 && (t.p[t.len - 1] == ' ' || t.p[t.len - 1] == '\t'))
		t.len--;
	return t;
}

static void
content_length(struct probe_http *h, struct text value)
{
	uint64_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.p[i]) || n > (UINT64_MAX - 9) / 10) {
			wrong(h, "Content-Length is not a number");
			return;
		}
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (value.len == 0)
		wrong(h, "Content-Length is empty");
	else if (h->has_length && h->left != n)
		wrong(h, "there are two different Content-Length");
	h->has_length = true;
	h->left = n;
}

static void
connection(struct probe_http *h, struct text value)
{
	while (value.len > 0) {
		const char *comma = memchr(value.p, ',', value.len);
		const size_t n = comma != NULL ? (size_t)(comma - value.p) : value.len;
		const struct text item = trim((struct text){ value.p, n });
		const size_t step = n + (comma != NULL ? 1 : 0);

		if (equals(item, "close"))
			h->close = true;
		else if (equals(item, "keep-alive"))
			h->keep = true;
		value.p += step;
		value.len -= step;
	}
}

/* The first one; where two differ, that is what others take, too. */
static void
location(struct probe_http *h, struct text value)
{
	if (h->line_long || h->location[0] != '\0' || value.len > PROBE_LOCATION_MAX)
		return;
	if (memchr(value.p, '\0', value.len) != NULL)
		return;
	memcpy(h->location, value.p, value.len);
	h->location[value.len] = '\0';
}

static void
coding(struct probe_http *h, struct text value)
{
	if (equals(value, "identity") || (value.len == 0 && !h->line_long))
		return;
	if (h->line_long || h->coding != PROBE_CODING_NONE)
		h->coding = PROBE_CODING_OTHER; /* one in another */
	else if (equals(value, "gzip") || equals(value, "x-gzip"))
		h->coding = PROBE_CODING_GZIP;
	else
		h->coding = equals(value, "deflate") ? PROBE_CODING_DEFLATE : PROBE_CODING_OTHER;
}

static void
type(struct probe_http *h, struct text value)
{
	h->type[0] = '\0';
	if (h->line_long || value.len > PROBE_TYPE_MAX || memchr(value.p, '\0', value.len) != NULL)
		return;
	memcpy(h->type, value.p, value.len);
	h->type[value.len] = '\0';
}

/* Headers that say where else to look, and what the body is made of. */
static void
header_useful(struct probe_http *h, struct text name, struct text value)
{
	if (equals(name, "Location"))
		location(h, value);
	else if (equals(name, "Content-Encoding"))
		coding(h, value);
	else if (equals(name, "Content-Type"))
		type(h, value);
}

static void
header_known(struct probe_http *h, struct text name, struct text value)
{
	const bool length = equals(name, "Content-Length");
	const bool encoding = equals(name, "Transfer-Encoding");

	if (!length && !encoding && !equals(name, "Connection")) {
		header_useful(h, name, value);
		return;
	}
	if (h->line_long) {
		wrong(h, "a header that rules the connection is too long");
	} else if (length) {
		content_length(h, value);
	} else if (encoding) {
		if (!equals(value, "chunked") || h->chunked)
			wrong(h, "the transfer encoding is not just \"chunked\"");
		h->chunked = true;
	} else {
		connection(h, value);
	}
}

static bool
is_name(struct text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.p[i] <= ' ' || t.p[i] > '~')
			return false;
	return t.len > 0;
}

static void
header_line(struct probe_http *h)
{
	const char *colon = memchr(h->line, ':', h->line_len);
	struct text name;
	struct text value;

	if (colon == NULL) {
		wrong(h, h->line_long ? "a header name is too long" : "a header has no colon");
		return;
	}
	name = (struct text){ h->line, (size_t)(colon - h->line) };
	value = trim((struct text){ colon + 1, (size_t)(h->line + h->line_len - colon - 1) });
	if (!is_name(name))
		wrong(h, "a header's name is malformed or folded");
	else
		header_known(h, name, value);
}

/* The empty line: what follows depends on what was said. */
static void
headers_end(struct probe_http *h)
{
	h->head_bytes = 0;
	if (h->status == 101)
		wrong(h, "the server switched protocols without being asked");
	else if (h->status < 200 && ++h->interim > INTERIM_MAX)
		wrong(h, "there are too many interim answers");
	else if (h->status < 200)
		h->at = PROBE_AT_STATUS;
	else if (h->chunked && h->has_length)
		wrong(h, "there are both a Content-Length and chunks");
	else if (h->head || h->status == 204 || h->status == 304)
		done(h);
	else if (h->chunked)
		h->at = PROBE_AT_CHUNK_SIZE;
	else if (h->has_length && h->left == 0)
		done(h);
	else
		h->at = h->has_length ? PROBE_AT_BODY_LENGTH : PROBE_AT_BODY_END;
	if (h->sink != NULL && h->at > PROBE_AT_HEADER && h->at < PROBE_AT_DONE)
		h->sink->begin(h->sink_ctx, h);
}

/* ---- chunks ---- */

static int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * What stands between chunks counts like headers, but each byte of the body makes up for eight of
 * it: lines of any length around bodies of a byte would let far more than body_max come.
 */
static void
chunk_earns(struct probe_http *h, uint64_t n)
{
	if (n == 0 || n > h->head_bytes / CHUNK_EARNS)
		h->head_bytes = 0;
	else
		h->head_bytes -= (uint32_t)n * CHUNK_EARNS;
}

/* "1a2b" or "1a2b;extension" */
static void
chunk_line(struct probe_http *h)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < h->line_len && hex_digit(h->line[i]) >= 0; i++) {
		if (n >> 60 != 0) {
			wrong(h, "a chunk's size does not fit into 64 bits");
			return;
		}
		n = n << 4 | (uint64_t)hex_digit(h->line[i]);
	}
	if (i == 0 ||
	    (i < h->line_len && h->line[i] != ';' && h->line[i] != ' ' && h->line[i] != '\t')) {
		wrong(h, "a chunk's size is not a hexadecimal number");
		return;
	}
	chunk_earns(h, n);
	h->left = n;
	h->at = n > 0 ? PROBE_AT_CHUNK_DATA : PROBE_AT_TRAILER;
}

/* ---- lines ---- */

static void
line_end(struct probe_http *h)
{
	if (h->line_len > 0 && !h->line_long && h->line[h->line_len - 1] == '\r')
		h->line_len--;
	switch (h->at) {
	case PROBE_AT_STATUS:
		status_line(h);
		break;
	case PROBE_AT_HEADER:
		if (h->line_len == 0)
			headers_end(h);
		else
			header_line(h);
		break;
	case PROBE_AT_CHUNK_SIZE:
		chunk_line(h);
		break;
	case PROBE_AT_CHUNK_END:
		if (h->line_len > 0)
			wrong(h, "a chunk is longer than its size says");
		else
			h->at = PROBE_AT_CHUNK_SIZE;
		break;
	default: /* PROBE_AT_TRAILER: read over */
		if (h->line_len == 0)
			done(h);
		break;
	}
	h->line_len = 0;
	h->line_long = false;
}

/* Something that cannot become a status line is told at once, not when 16 KiB have come. */
static bool
can_be_status(const struct probe_http *h)
{
	static const char begin[] = "HTTP/1.";
	const size_t n = h->line_len < sizeof(begin) - 1 ? h->line_len : sizeof(begin) - 1;

	return memcmp(h->line, begin, n) == 0;
}

/* Takes bytes up to and with the next newline. */
static size_t
feed_line(struct probe_http *h, const char *data, size_t len)
{
	const char *nl = memchr(data, '\n', len);
	const size_t n = nl != NULL ? (size_t)(nl - data) : len;
	const size_t room = PROBE_HTTP_LINE - h->line_len;
	const size_t keep = n < room ? n : room;

	h->head_bytes += (uint32_t)(n < PROBE_HTTP_HEAD ? n : PROBE_HTTP_HEAD) + (nl != NULL);
	if (h->head_bytes > PROBE_HTTP_HEAD) {
		wrong(h, h->at == PROBE_AT_CHUNK_SIZE || h->at == PROBE_AT_CHUNK_END
			     ? "there is far more between chunks than in them"
			     : "headers are longer than 16 KiB");
		return n;
	}
	memcpy(h->line + h->line_len, data, keep);
	h->line_len = (uint16_t)(h->line_len + keep);
	h->line_long = h->line_long || keep < n;
	if (h->at == PROBE_AT_STATUS && !can_be_status(h))
		wrong(h, "the answer does not begin with an HTTP/1 status line");
	else if (nl != NULL)
		line_end(h);
	return nl != NULL ? n + 1 : n;
}

/* ---- bodies ---- */

static void
body_take(struct probe_http *h, const char *data, size_t len)
{
	if (h->sink != NULL)
		h->sink->data(h->sink_ctx, data, len);
}

static size_t
feed_body(struct probe_http *h, const char *data, size_t len)
{
	const uint64_t room = h->body_max - h->body_bytes;
	size_t n = len;

	if (h->at != PROBE_AT_BODY_END && n > h->left)
		n = (size_t)h->left;
	if (n > room) {
		body_take(h, data, (size_t)room);
		if (h->sink != NULL)
			h->sink->cut(h->sink_ctx);
		h->body_bytes = h->body_max;
		h->at = PROBE_AT_CUT;
		return n;
	}
	body_take(h, data, n);
	h->body_bytes += n;
	if (h->at == PROBE_AT_BODY_END)
		return n;
	h->left -= n;
	if (h->left == 0 && h->at == PROBE_AT_BODY_LENGTH)
		done(h);
	else if (h->left == 0)
		h->at = PROBE_AT_CHUNK_END;
	return n;
}

enum probe_http_verdict
probe_http_feed(struct probe_http *h, const char *data, size_t len, size_t *used)
{
	size_t at = 0;

	while (at < len && h->at < PROBE_AT_DONE) {
		const bool body = h->at == PROBE_AT_BODY_LENGTH || h->at == PROBE_AT_BODY_END ||
				  h->at == PROBE_AT_CHUNK_DATA;

		at += body ? feed_body(h, data + at, len - at) : feed_line(h, data + at, len - at);
	}
	*used = at;
	return verdict(h);
}

enum probe_http_verdict
probe_http_end(struct probe_http *h)
{
	if (h->at == PROBE_AT_BODY_END) {
		h->close = true; /* there is nothing left to reuse */
		done(h);
	} else if (h->at < PROBE_AT_DONE) {
		wrong(h, h->status == 0 ? "the connection ended before an answer"
					: "the connection ended in the middle of the answer");
	}
	return verdict(h);
}
