/* Chunks; see the header. */
#include "http_chunk.h"

#define SIZE_DIGITS 8u    /* 4 GiB: no body is as large */
#define LINE_MAX    1024u /* of an extension */
#define TRAILER_MAX 4096u

static int
hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)(ch | 0x20);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* The line with the size has ended. */
static enum http_chunk_at
sized(struct http_chunk *c)
{
	if (c->digits == 0)
		return HTTP_CHUNK_WRONG;
	c->digits = c->line = 0;
	return c->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
}

static enum http_chunk_at
size_byte(struct http_chunk *c, char ch)
{
	const int n = hex(ch);

	if (n >= 0 && c->digits < SIZE_DIGITS && !c->cr) {
		c->left = c->left << 4 | (unsigned)n;
		c->digits++;
		return HTTP_CHUNK_SIZE;
	}
	if (ch == '\r' && !c->cr) {
		c->cr = true;
		return HTTP_CHUNK_SIZE;
	}
	if (ch == '\n')
		return sized(c);
	return !c->cr && c->digits > 0 && (ch == ';' || ch == ' ' || ch == '\t')
		   ? HTTP_CHUNK_EXTENSION
		   : HTTP_CHUNK_WRONG;
}

static enum http_chunk_at
extension_byte(struct http_chunk *c, char ch)
{
	if (ch == '\n')
		return sized(c);
	return ++c->line > LINE_MAX ? HTTP_CHUNK_WRONG : HTTP_CHUNK_EXTENSION;
}

static enum http_chunk_at
data_end_byte(struct http_chunk *c, char ch)
{
	if (ch == '\r' && !c->cr) {
		c->cr = true;
		return HTTP_CHUNK_DATA_END;
	}
	return ch == '\n' ? HTTP_CHUNK_SIZE : HTTP_CHUNK_WRONG;
}

/* Lines until an empty one. */
static enum http_chunk_at
trailer_byte(struct http_chunk *c, char ch)
{
	if (++c->trailer > TRAILER_MAX)
		return HTTP_CHUNK_WRONG;
	if (ch == '\n' && c->line == 0)
		return HTTP_CHUNK_END;
	if (ch == '\n')
		c->line = 0;
	else if (ch != '\r')
		c->line++;
	return HTTP_CHUNK_TRAILER;
}

static void
step(struct http_chunk *c, char ch)
{
	const enum http_chunk_at before = c->at;

	switch (before) {
	case HTTP_CHUNK_SIZE:
		c->at = size_byte(c, ch);
		break;
	case HTTP_CHUNK_EXTENSION:
		c->at = extension_byte(c, ch);
		break;
	case HTTP_CHUNK_DATA_END:
		c->at = data_end_byte(c, ch);
		break;
	case HTTP_CHUNK_TRAILER:
		c->at = trailer_byte(c, ch);
		break;
	default:
		break;
	}
	if (c->at != before)
		c->cr = false;
}

size_t
http_chunk_feed(struct http_chunk *c, const char *in, size_t len, struct bl_buf *out)
{
	size_t at = 0;

	while (at < len && c->at != HTTP_CHUNK_END && c->at != HTTP_CHUNK_WRONG && !out->failed) {
		size_t n = len - at;

		if (c->at != HTTP_CHUNK_DATA) {
			step(c, in[at++]);
			continue;
		}
		if (n > c->left)
			n = (size_t)c->left;
		bl_buf_bytes(out, in + at, n);
		at += n;
		c->left -= n;
		if (c->left == 0)
			c->at = HTTP_CHUNK_DATA_END;
	}
	return at;
}
