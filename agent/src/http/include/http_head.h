/*
 * The head of an HTTP/1 request, as far as servers for programs of this machine
 * need it: one Host, a body in one way or none.  What is not understood is
 * refused rather than guessed.  Pure; which methods, names and types are
 * good is the server's to say.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/conf.h"

#define HTTP_HEAD_MAX 4096u /* bytes of a head */

struct http_head {
	char method[16]; /* "GET" */
	char path[128];  /* without the query */
	/* The name or address, without its port, in lower case; no brackets.  The target's, where
	 * it has one. */
	char host[256];
	char accept[512];
	char content_type[128];   /* "" none; in lower case up to its parameters */
	char authorization[1100]; /* "" none, or more than has room */
	char fetch_site[16];      /* Sec-Fetch-Site: a browser says whose page asks */
	int http_minor;
	bool has_origin; /* a page of some site asks */
	bool has_length;
	uint64_t length; /* of the body */
	bool chunked;
	bool encoded;           /* Content-Encoding: another one than identity */
	bool expects;           /* Expect: 100-continue */
	bool expects_other;     /* Expect: what nobody here knows */
	bool close, keep_alive; /* Connection, as the client says it */
};

/* Bytes of the head with the empty line at its end; 0: it has not come whole. */
size_t http_head_end(const char *text, size_t len);
/*
 * 0: *out is the request; else the status that it is refused with (400, 414, 501,
 * 505).  text is a whole head.  A body that is told of in two ways is refused.
 */
int http_head_parse(const char *text, size_t len, struct http_head *out);
/*
 * May a client ask under this name?  Yes for localhost, the loopback addresses
 * and the names in more.  Any other name was made to lead here by somebody
 * else (DNS rebinding).
 */
bool http_host_ok(const char *host, const struct bl_conf_strlist *more);
/* For tables, of a list of such names: they stand alone, without brackets and port, as http_host_ok
 * compares them. */
const char *http_hosts_check(const void *value);
/* "Not Found" ... */
const char *http_reason(int status);

#endif
