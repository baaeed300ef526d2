/*
 * A body that comes in chunks (RFC 9112, 7.1), piece by piece as it arrives.
 * What stands between chunks is bounded; extensions and trailers are skipped.
 * Pure.
 */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"

enum http_chunk_at {
	HTTP_CHUNK_SIZE, /* begins here: zero the struct */
	HTTP_CHUNK_EXTENSION,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_END,
	HTTP_CHUNK_TRAILER,
	HTTP_CHUNK_END, /* the body is whole; no more is taken */
	HTTP_CHUNK_WRONG,
};

struct http_chunk {
	enum http_chunk_at at;
	uint64_t left;    /* of this chunk */
	unsigned digits;  /* of its size */
	unsigned line;    /* bytes of this line: an extension, a trailer */
	unsigned trailer; /* of all trailers */
	bool cr;
};

/* Appends what belongs to the body.  Returns the bytes taken: less than len at the end, when it
 * is wrong, or when out failed. */
size_t http_chunk_feed(struct http_chunk *c, const char *in, size_t len, struct bl_buf *out);

#endif
