/*
 * The head of an HTTP request, as far as the local page needs it: GET alone,
 * no body, one Host.  What is not understood is refused.  Pure.
 */
#ifndef LOCAL_HTTP_H
#define LOCAL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/conf.h"

#define LOCAL_HEAD_MAX 4096u /* bytes of a request */

struct local_request {
	char path[128]; /* without the query */
	char host[256]; /* the name or address, without its port, in lower case; no brackets */
	char accept[512];
	int http_minor;
};

/* Bytes of the head with the empty line at its end; 0: it has not come whole. */
size_t local_http_head(const char *text, size_t len);
/*
 * 0: *out is the request; else the status that it is refused with (400, 405,
 * 414, 505).  text is a whole head.
 */
int local_http_parse(const char *text, size_t len, struct local_request *out);
/*
 * May a page be shown under this name?  Yes for localhost, the loopback
 * addresses and the names in more.  Any other name was made to lead here by
 * somebody else (DNS rebinding).
 */
bool local_http_host_ok(const char *host, const struct bl_conf_strlist *more);
/* "Not Found" ... */
const char *local_http_reason(int status);

#endif
