/*
 * HTTP as the rest of this folder sees it, free of the server library: only
 * http_mhd.c knows libmicrohttpd.
 */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#define HTTP_URI_MAX     4096u
#define HTTP_BODY_MAX    (64u * 1024u)
#define HTTP_HEADERS_MAX 16u /* of an answer */
#define HTTP_PARAMS_MAX  24u /* of a query string */

struct api;

struct http_param {
	const char *name, *value; /* decoded; value is "" when there is none */
};

struct http_request {
	const char *method;           /* as it came: "GET" */
	char path[HTTP_URI_MAX + 1];  /* decoded, begins with '/', no NUL, no control characters */
	char query[HTTP_URI_MAX + 1]; /* what param[] points into */
	struct http_param param[HTTP_PARAMS_MAX];
	size_t n_params;
	char *body; /* NUL-terminated, NULL when there is none */
	size_t body_len;
	char address[64];       /* of the peer, numeric; "unix uid=0" */
	bool local_socket;      /* came through the Unix socket */
	bool loopback;          /* from 127.0.0.0/8 or ::1 */
	bool peer_allowed;      /* local_socket: its uid may administrate */
	const void *connection; /* the server library's own */
};

/* A header of the request, NULL when absent.  Owned by the connection. */
const char *http_header(const struct http_request *q, const char *name);

/*
 * A body that is made while it is sent, piece by piece, as fast as the peer takes it: so an
 * answer may be larger than memory.  Any of the server's threads, one at a time.
 */
struct http_stream {
	void *ctx;
	/*
	 * Appends a piece (some KiB) to out: 1; nothing more comes: 0.  Negative: it failed;
	 * the connection then ends in the middle, so that the peer knows.  Borrows out.
	 * 1 with nothing appended: it is called again when others have had their turn, so a
	 * step takes about 100 ms at most.
	 */
	int (*next)(void *ctx, struct bl_buf *out);
	void (*end)(void *ctx); /* always, once */
};

struct http_answer {
	unsigned status;
	const char *content_type; /* NULL: no body */
	char *body;               /* taken; freed with free() */
	const void *shared;       /* instead of body: kept by its owner for good */
	size_t len;
	struct http_stream stream; /* instead of both, when next is there; taken */
	struct {
		const char *name;
		char value[512];
	} header[HTTP_HEADERS_MAX];
	size_t n_headers;
	bool close;
};

/* Ends a stream that will not be sent. */
void http_answer_drop_stream(struct http_answer *a);
/* The value is cut at its room; headers beyond the cap are our bug (assert). */
void http_answer_header(struct http_answer *a, const char *name, const char *value);

/* ---- parsing: http_parse.c, pure */

/*
 * Splits and decodes a raw request target into path, query and param[].  False:
 * not in origin form, a malformed or forbidden escape (%00, control
 * characters, invalid UTF-8 is left to those who read the value), too many parameters.
 */
bool http_parse_target(struct http_request *q, const char *target);
/* The value of a cookie; false when it is absent, empty or longer than size - 1. */
bool http_cookie(const char *header, const char *name, char *out, size_t size);
/* Does Accept-Encoding accept that coding (q=0 refuses)? */
bool http_accepts_coding(const char *header, const char *coding);
/* Is tag in a list such as If-None-Match ("*" matches; W/ is ignored)? */
bool http_etag_listed(const char *header, const char *tag);
/* "application/json", with charset=utf-8 at most. */
bool http_is_json(const char *content_type);

/* ---- the server: http_mhd.c */

struct http_server;

struct http_opts {
	int listen_fd; /* taken, also on failure */
	bool unix_socket;
	const char *cert_pem, *key_pem; /* NULL on the Unix socket */
	unsigned threads, connections_max, per_address_max, timeout_s;
	unsigned stream_max_s; /* of an answer that is made while it is sent; 0: an hour */
	/* Fills the answer; any of the server's threads. */
	void (*handle)(struct api *api, const struct http_request *q, struct http_answer *a);
	/* An answer to a request that is refused before it is read. */
	void (*refuse)(struct api *api, const struct http_request *q, unsigned status,
	    const char *code, const char *detail, struct http_answer *a);
	struct api *api;
};

int http_start(struct http_server **out, const struct http_opts *opts, struct bl_err *err);
void http_stop(struct http_server *s);

struct http_counters {
	uint64_t connections; /* open now */
	uint64_t timed_out;   /* closed because a request or an answer took too long */
	uint64_t malformed;   /* refused for how they were framed */
};
void http_counters(struct http_server *s, struct http_counters *out);

/* ---- listening: http_listen.c */

/* Both give a listening descriptor. */
int http_listen_tcp(
    int *fd, const char *address, uint16_t port, uint16_t *port_out, struct bl_err *err);
/* 0600; a dead socket file of an earlier run is removed, a live one is BL_EBUSY. */
int http_listen_unix(int *fd, const char *path, struct bl_err *err);

#endif
