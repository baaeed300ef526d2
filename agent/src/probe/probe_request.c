/*
 * Requests as bytes.
 *
 * The headers and secrets of the configuration are for the address of the
 * configuration: a redirect to another origin gets none of them.
 */
#include "probe_http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <mbedtls/base64.h>

#define REQUEST_MAX (64u * 1024u)

const char *
probe_method_name(int method)
{
	static const char *const name[] = { [PROBE_GET] = "GET",
		[PROBE_HEAD] = "HEAD",
		[PROBE_POST] = "POST",
		[PROBE_PUT] = "PUT",
		[PROBE_PATCH] = "PATCH",
		[PROBE_DELETE] = "DELETE",
		[PROBE_OPTIONS] = "OPTIONS" };

	return name[method];
}

bool
probe_method_repeatable(int method)
{
	return method != PROBE_POST && method != PROBE_PATCH;
}

static bool
has_header(const struct probe_conf *c, const char *name)
{
	for (size_t i = 0; i < c->headers.n; i++)
		if (strcasecmp(c->headers.key[i], name) == 0)
			return true;
	return false;
}

static int
basic_put(FILE *f, const char *header, const char *user, const char *file, struct bl_err *err)
{
	char secret[PROBE_SECRET_MAX + 1];
	unsigned char plain[PROBE_USER_MAX + PROBE_SECRET_MAX + 2];
	unsigned char text[2 * sizeof(plain)];
	size_t n = 0;
	int rc = probe_secret_read(secret, file, err);

	if (rc == BL_OK) {
		const int len =
		    snprintf((char *)plain, sizeof(plain), "%.*s:%s", PROBE_USER_MAX, user, secret);

		(void)mbedtls_base64_encode(text, sizeof(text), &n, plain, (size_t)len);
		fprintf(f, "%s: Basic %s\r\n", header, (const char *)text);
	}
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(plain, sizeof(plain));
	explicit_bzero(text, sizeof(text));
	return rc;
}

int
probe_request_proxy_put(FILE *f, const struct probe_proxy_conf *c, struct bl_err *err)
{
	if (c->user == NULL)
		return BL_OK;
	return basic_put(f, "Proxy-Authorization", c->user, c->secret_file, err);
}

static int
bearer_put(FILE *f, const char *file, struct bl_err *err)
{
	char secret[PROBE_SECRET_MAX + 1];
	const int rc = probe_secret_read(secret, file, err);

	if (rc == BL_OK)
		fprintf(f, "Authorization: Bearer %s\r\n", secret);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

/* What is for the origin of the configuration alone. */
static int
ours_put(FILE *f, const struct probe_conf *c, struct bl_err *err)
{
	for (size_t i = 0; i < c->headers.n; i++)
		fprintf(f, "%s: %s\r\n", c->headers.key[i], c->headers.value[i]);
	if (c->auth == PROBE_AUTH_BASIC)
		return basic_put(f, "Authorization", c->user, c->secret_file, err);
	if (c->auth == PROBE_AUTH_BEARER)
		return bearer_put(f, c->secret_file, err);
	return BL_OK;
}

static int
request_put(FILE *f, const struct probe_request *q, struct bl_err *err)
{
	const struct probe_conf *c = q->conf;
	const size_t body = strlen(q->body);
	int rc = BL_OK;

	fprintf(f, "%s ", probe_method_name(q->method));
	if (q->to_proxy)
		fprintf(f, "http://%s", q->url->authority);
	fprintf(f, "%s HTTP/1.1\r\n", q->url->target);
	if (!q->ours || !has_header(c, "Host"))
		fprintf(f, "Host: %s\r\n", q->url->authority);
	if (!q->ours || !has_header(c, "User-Agent"))
		fprintf(f, "User-Agent: branchline/%s\r\n", BL_VERSION);
	if (!q->ours || !has_header(c, "Accept"))
		fprintf(f, "Accept: */*\r\n");
	if (c->compressed && (!q->ours || !has_header(c, "Accept-Encoding")))
		fprintf(f, "Accept-Encoding: gzip, deflate\r\n");
	if (!c->keep_alive)
		fprintf(f, "Connection: close\r\n");
	if (body > 0 || q->method == PROBE_POST || q->method == PROBE_PUT ||
	    q->method == PROBE_PATCH)
		fprintf(f, "Content-Length: %zu\r\n", body);
	if (q->to_proxy)
		rc = probe_request_proxy_put(f, &c->proxy, err);
	if (q->ours && rc == BL_OK)
		rc = ours_put(f, c, err);
	fprintf(f, "\r\n%s", q->body);
	return rc;
}

/* The text is the caller's, or gone. */
static int
finish(FILE *f, int rc, const struct probe_conf *c, char **out, size_t *len, struct bl_err *err)
{
	if (fclose(f) != 0 && rc == BL_OK)
		rc = bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	if (rc == BL_OK && *len > REQUEST_MAX)
		rc = bl_fail(err, BL_EINVAL, "probe %s: its request is longer than %u bytes",
		    c->name, REQUEST_MAX);
	if (rc == BL_OK)
		return BL_OK;
	probe_request_free(*out, *len);
	*out = NULL;
	*len = 0;
	return rc;
}

int
probe_request_make(const struct probe_request *q, char **out, size_t *len, struct bl_err *err)
{
	FILE *f = open_memstream(out, len);

	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", q->conf->name);
	return finish(f, request_put(f, q, err), q->conf, out, len, err);
}

void
probe_request_free(char *text, size_t len)
{
	if (text == NULL)
		return;
	explicit_bzero(text, len);
	free(text);
}
