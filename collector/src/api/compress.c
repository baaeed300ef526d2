/*
 * Large answers compressed, for boards that are looked at over slow lines: a
 * query's columns shrink to a tenth.  Any thread; about 10 ms a MiB.
 *
 * An answer with a secret in it (a first password) is small and never gets here,
 * so nothing can be told from a compressed length.
 */
#include "api_internal.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#define LEAST_BYTES 4096u
#define GZIP_WINDOW (15 + 16) /* zlib's way to say gzip */

/* NULL: did not work out; the plain form is as good. */
static char *
gzip(const char *body, size_t len, size_t *out_len)
{
	z_stream z = { 0 };
	char *out;
	uLong bound;

	if (deflateInit2(&z, 1, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	bound = deflateBound(&z, len);
	if ((out = malloc(bound)) != NULL) {
		z.next_in = (z_const Bytef *)body;
		z.avail_in = (uInt)len; /* at most API_ANSWER_MAX */
		z.next_out = (Bytef *)out;
		z.avail_out = (uInt)bound;
		if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
			free(out);
			out = NULL;
		}
		*out_len = z.total_out;
	}
	(void)deflateEnd(&z); /* frees, whatever came before */
	return out;
}

void
api_compress(struct http_answer *a, const struct http_request *q)
{
	char *packed;
	size_t len;

	if (a->body == NULL || a->len < LEAST_BYTES)
		return;
	http_answer_header(a, "Vary", "Accept-Encoding");
	if (!http_accepts_coding(http_header(q, "Accept-Encoding"), "gzip") ||
	    (packed = gzip(a->body, a->len, &len)) == NULL)
		return;
	free(a->body);
	a->body = packed;
	a->len = len;
	http_answer_header(a, "Content-Encoding", "gzip");
}
