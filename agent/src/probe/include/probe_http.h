/*
 * HTTP as this module reads it, for other parts of the agent that ask a server
 * of this machine for something: addresses, and answers as they come.
 *
 * Pure: whoever has a connection feeds what it reads.  Any thread.
 */
#ifndef PROBE_HTTP_H
#define PROBE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- addresses in text (probe_url.c); pure ---- */

#define PROBE_HOST_MAX   253u
#define PROBE_TARGET_MAX 1024u

struct probe_url {
	bool tls;
	bool literal; /* host is an IP address: nothing to look up, no SNI */
	uint16_t port;
	char host[PROBE_HOST_MAX + 1]; /* without brackets */
	char authority[PROBE_HOST_MAX +
		       10]; /* for Host: brackets and a port that is not the usual one */
	char target[PROBE_TARGET_MAX + 1]; /* path and query, begins with "/" */
};

/* NULL, or what was expected (*out is then undefined). */
const char *probe_url_parse(const char *text, struct probe_url *out);

/* ---- answers (probe_http.c); pure ---- */

#define PROBE_LOCATION_MAX 1024u
#define PROBE_TYPE_MAX     127u
#define PROBE_HTTP_LINE                                                                            \
	(PROBE_LOCATION_MAX + 64u)    /* of a line that we read; others may be longer */
#define PROBE_HTTP_HEAD (16u * 1024u) /* status line and headers, or trailers, together */

enum probe_http_verdict {
	PROBE_HTTP_MORE,  /* wants more bytes */
	PROBE_HTTP_DONE,  /* whole; what follows in the stream is not part of it */
	PROBE_HTTP_CUT,   /* body_max bytes are read and there is more: enough for us */
	PROBE_HTTP_WRONG, /* not HTTP, or malformed; error says what */
};

enum probe_http_at {
	PROBE_AT_STATUS,
	PROBE_AT_HEADER,
	PROBE_AT_BODY_LENGTH,
	PROBE_AT_BODY_END,
	PROBE_AT_CHUNK_SIZE,
	PROBE_AT_CHUNK_DATA,
	PROBE_AT_CHUNK_END,
	PROBE_AT_TRAILER,
	PROBE_AT_DONE,
	PROBE_AT_CUT,
	PROBE_AT_WRONG,
};

/* How a body is encoded (Content-Encoding). */
enum probe_coding {
	PROBE_CODING_NONE,
	PROBE_CODING_GZIP,
	PROBE_CODING_DEFLATE,
	PROBE_CODING_OTHER
};

struct probe_http;

/* Where a body goes. */
struct probe_http_sink {
	/* The headers are read, and a body follows. */
	void (*begin)(void *ctx, const struct probe_http *h);
	void (*data)(void *ctx, const char *data, size_t len);
	void (*cut)(void *ctx); /* body_max is reached, and there is more */
};

struct probe_http {
	/* of the request */
	bool head;
	uint64_t body_max;
	const struct probe_http_sink *sink;
	void *sink_ctx;
	/* what is known so far */
	int status; /* 0: not yet; of the last, final answer */
	bool reusable;
	enum probe_coding coding;
	uint64_t body_bytes; /* as they were sent */
	const char *error;
	/* where we are */
	enum probe_http_at at;
	bool minor_0; /* HTTP/1.0 */
	bool has_length, chunked, close, keep;
	uint64_t left; /* of the body or of the chunk */
	unsigned interim;
	uint32_t head_bytes;
	uint16_t line_len;
	bool line_long;
	char type[PROBE_TYPE_MAX + 1]; /* of the body, as it was said; empty: none, or too long */
	char location[PROBE_LOCATION_MAX + 1]; /* empty: none, or too long */
	char line[PROBE_HTTP_LINE];
};

/* Keeps sink and ctx, which get what comes of the body; sink NULL: nobody looks at it. */
void probe_http_into(struct probe_http *h, bool head, uint64_t body_max,
    const struct probe_http_sink *sink, void *ctx);
/* *used: how many bytes were taken; all of them while the verdict is MORE. */
enum probe_http_verdict probe_http_feed(
    struct probe_http *h, const char *data, size_t len, size_t *used);
/* The server closed its side. */
enum probe_http_verdict probe_http_end(struct probe_http *h);

#endif
