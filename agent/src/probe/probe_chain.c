/*
 * The kind "tls": the handshake alone, and what the server shows in it: until
 * when its certificates are valid, for which names, who signed them, which
 * version of the protocol it speaks.  Nothing is sent after the handshake.
 *
 * Sessions are not resumed, since a resumed one shows no certificates.  Versions
 * down to TLS 1.0 are let in, so that an old server is found out instead of
 * being out of reach; the newest that is offered is 1.2, mbedTLS 2.28's newest.
 */
#include "probe_tls_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS_PORT 443

struct chain {
	unsigned length;
	int64_t not_after_unix_s; /* the first of its certificates to end */
	double version;           /* 1.2 */
};

/* ---- what mbedTLS knows of the connection ---- */

static void
let_old_ones_in(struct probe_tls *t)
{
	mbedtls_ssl_conf_min_version(
	    &t->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_1);
}

static void
chain_read(const struct probe_tls *t, struct chain *out)
{
	memset(out, 0, sizeof(*out));
	for (const mbedtls_x509_crt *c = mbedtls_ssl_get_peer_cert(&t->ssl); c != NULL;
	     c = c->next) {
		const int64_t end = probe_tls_unix_s(&c->valid_to);

		if (out->length == 0 || end < out->not_after_unix_s)
			out->not_after_unix_s = end;
		out->length++;
	}
	out->version = 1.0 + (t->ssl.minor_ver - MBEDTLS_SSL_MINOR_VERSION_1) / 10.0;
}

/* Is the server's certificate for this name, too?  Who signed it is judged elsewhere. */
static bool
is_for(const struct probe_tls *t, const char *name)
{
	/* The functions change neither certificate; their parameters lack the const. */
	mbedtls_x509_crt *c = (mbedtls_x509_crt *)(uintptr_t)mbedtls_ssl_get_peer_cert(&t->ssl);
	uint32_t flags = 0;

	if (c == NULL)
		return false;
	(void)mbedtls_x509_crt_verify(c, c, NULL, name, &flags, NULL, NULL);
	return (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) == 0;
}

/* ---- the kind ---- */

static int
tls_init(struct probe_run *r, struct bl_err *err)
{
	const struct probe_conf *c = r->conf;
	const uint16_t port = c->port != 0 ? (uint16_t)c->port : TLS_PORT;
	const char *expected = probe_host_set(&r->url, c->host, port);
	struct probe_url *name;

	if (expected != NULL)
		return bl_fail(err, BL_EINVAL, "probe %s: host: expected %s", c->name, expected);
	r->url.tls = true;
	if (c->tls.server_name == NULL)
		return BL_OK;
	if ((r->kind = name = malloc(sizeof(*name))) == NULL)
		return bl_fail(err, BL_ENOMEM, "probe %s: out of memory", c->name);
	if ((expected = probe_host_set(name, c->tls.server_name, port)) != NULL)
		return bl_fail(
		    err, BL_EINVAL, "probe %s: tls.server_name: expected %s", c->name, expected);
	r->tls_name = name;
	return BL_OK;
}

static void
tls_release(struct probe_run *r)
{
	free(r->kind);
	r->kind = NULL;
	r->tls_name = NULL;
}

static uint32_t
tls_due(const struct probe_run *r, bool reused)
{
	return probe_run_due_way(r, reused) | probe_bit(PROBE_TOTAL_MS) |
	       probe_bit(PROBE_CERTIFICATE_DAYS) | probe_bit(PROBE_CHAIN_DAYS) |
	       probe_bit(PROBE_CHAIN_LENGTH) | probe_bit(PROBE_TLS_VERSION);
}

/* A name that is wanted and that the certificate is not for; NULL: none. */
static const char *
lacks(const struct probe_run *r)
{
	for (size_t i = 0; i < r->conf->tls.names.n; i++)
		if (!is_for(r->tls, r->conf->tls.names.item[i]))
			return r->conf->tls.names.item[i];
	return NULL;
}

static enum probe_reason
judge(struct probe_run *r, const struct chain *chain)
{
	const struct probe_tls_conf *c = &r->conf->tls;
	const double days = probe_connect_days(r, chain->not_after_unix_s);
	const double least = c->min_version == 0 ? 1.0 : c->min_version == 1 ? 1.1 : 1.2;
	char *detail = r->result.detail;
	const size_t size = sizeof(r->result.detail);
	const char *missing;

	if (r->peer.bad) {
		snprintf(detail, size, "%s", r->peer.why);
		return PROBE_FAIL_CERTIFICATE;
	}
	if ((missing = lacks(r)) != NULL) {
		snprintf(detail, size, "the certificate is not for %.100s", missing);
		return PROBE_FAIL_CERTIFICATE;
	}
	if (!r->peer.undated && days < (double)c->min_days) {
		snprintf(detail, size,
		    "a certificate of the chain ends in %.1f days, at least %lld are wanted", days,
		    (long long)c->min_days);
		return PROBE_FAIL_CERTIFICATE;
	}
	if (chain->version < least - 0.05) {
		snprintf(detail, size, "the server speaks TLS %.1f, at least %.1f is wanted",
		    chain->version, least);
		return PROBE_FAIL_TLS;
	}
	return PROBE_OK;
}

/* The handshake is through. */
static void
tls_talk(struct probe_run *r)
{
	struct chain chain;
	enum probe_reason reason;

	chain_read(r->tls, &chain);
	probe_run_have(r, PROBE_TLS_VERSION, chain.version);
	probe_run_have(r, PROBE_CHAIN_LENGTH, chain.length);
	if (chain.length > 0 && !r->peer.undated)
		probe_run_have(r, PROBE_CHAIN_DAYS, probe_connect_days(r, chain.not_after_unix_s));
	probe_run_have(r, PROBE_TOTAL_MS, probe_run_ms_since(r->run_ns));
	reason = judge(r, &chain);
	probe_run_close(r);
	probe_run_done(r, reason);
}

const struct probe_kind_ops probe_kind_tls = {
	.name = "tls",
	.init = tls_init,
	.release = tls_release,
	.due = tls_due,
	.begin = probe_connect_begin,
	.handshake = let_old_ones_in,
	.talk = tls_talk,
};
