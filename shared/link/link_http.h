/*
 * The head of an HTTP/1 answer, as a proxy (CONNECT) or a broker (WebSocket)
 * gives it, or whoever stands in between.  Pure: no I/O, no allocation, any
 * thread.  Bodies are nobody's business here.
 */
#ifndef LINK_HTTP_H
#define LINK_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define LINK_HTTP_HEAD_MAX 4096u

struct link_http {
	int status;
	char reason[64];    /* all texts: printable ASCII, cut */
	char location[128]; /* host of a redirect, without path and query; "": none */
	bool basic;         /* Proxy-Authenticate offers Basic */
	char schemes[64];   /* what it offers, separated by ", " */
	bool upgrade, connection_upgrade;
	char protocol[32]; /* Sec-WebSocket-Protocol */
	char accept[32];   /* Sec-WebSocket-Accept */
	bool extensions;   /* Sec-WebSocket-Extensions is there: we asked for none */
};

/* Bytes of the head with its blank line; 0: it is not complete yet. */
size_t link_http_head_len(const char *data, size_t len);

/* Whether these first bytes can be the beginning of an answer ("HTTP/1."). */
bool link_http_begins(const char *data, size_t len);

/* Reads a complete head.  false: it is no HTTP/1 answer; *out is zeroed. */
bool link_http_parse(const char *head, size_t len, struct link_http *out);

/* A redirect or 511: whoever answers so to CONNECT wants somebody to sign in. */
bool link_http_is_portal(const struct link_http *h);

/* Copies printable ASCII, everything else becomes '?'. */
void link_http_printable(char *out, size_t size, const char *from, size_t len);

#endif
