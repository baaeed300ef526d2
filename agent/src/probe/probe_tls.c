/*
 * TLS for probes over mbedTLS 2.28: a handshake in steps, and what is wrong
 * with the server's certificate in words.
 *
 * The certificate is judged but never stops the handshake
 * (MBEDTLS_SSL_VERIFY_OPTIONAL): a probe measures a service with an expired
 * certificate too, and says so.  Trusted certificates are parsed when first
 * needed (7 ms for a system's bundle) and again when the file has changed.
 * Sessions that are resumed: probe_session.c.  Prober thread only.
 */
#include "probe_tls_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/error.h>
#include <mbedtls/oid.h>

#define SAN_DNS 0x82 /* context-specific tags of GeneralName (RFC 5280, 4.2.1.6) */
#define SAN_IP  0x87

static const char *const system_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
};

/* ---- trusted certificates ---- */

void
probe_trust_drop(struct trust *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	mbedtls_x509_crt_free(&t->chain);
	free(t->path);
	free(t);
}

static const char *
bundle_path(const char *configured)
{
	struct stat st;

	if (configured[0] != '\0')
		return configured;
	for (size_t i = 0; i < sizeof(system_bundles) / sizeof(system_bundles[0]); i++)
		if (stat(system_bundles[i], &st) == 0)
			return system_bundles[i];
	return system_bundles[0];
}

static struct trust *
trust_load(const char *path, const struct stat *st)
{
	struct trust *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return NULL;
	t->refs = 1;
	t->file = *st;
	mbedtls_x509_crt_init(&t->chain);
	if ((t->path = strdup(path)) == NULL) {
		probe_trust_drop(t);
		return NULL;
	}
	/* Positive: how many certificates in it did not parse; the rest is good. */
	rc = mbedtls_x509_crt_parse_file(&t->chain, path);
	if (rc < 0 || t->chain.version == 0)
		snprintf(t->problem, sizeof(t->problem), "CA file %.80s cannot be read", path);
	return t;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The certificates of this path as they are now, with a reference; NULL: out of memory. */
static struct trust *
trust_take(struct probe_tls_env *e, const char *configured)
{
	const char *path = bundle_path(configured);
	struct stat st = { 0 };
	struct trust **at = &e->trusted;

	(void)stat(path, &st);
	while (*at != NULL && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	if (*at == NULL || (*at)->problem[0] != '\0' || !same_file(&(*at)->file, &st)) {
		struct trust *fresh = trust_load(path, &st);
		struct trust *old = *at;

		if (fresh == NULL)
			return NULL;
		fresh->next = old != NULL ? old->next : NULL;
		*at = fresh;
		probe_trust_drop(old); /* connections made with it keep it */
	}
	(*at)->refs++;
	return *at;
}

/* ---- environment ---- */

static void
describe(char *out, size_t size, int rc)
{
	mbedtls_strerror(rc, out, size);
}

int
probe_tls_env_create(struct probe_tls_env **out, struct bl_err *err)
{
	struct probe_tls_env *e = calloc(1, sizeof(*e));
	int rc;

	*out = NULL;
	if (e == NULL)
		return bl_fail(err, BL_ENOMEM, "probe: out of memory");
	mbedtls_entropy_init(&e->entropy);
	mbedtls_ctr_drbg_init(&e->random);
	rc = mbedtls_ctr_drbg_seed(&e->random, mbedtls_entropy_func, &e->entropy, NULL, 0);
	if (rc != 0) {
		char why[96];

		describe(why, sizeof(why), rc);
		probe_tls_env_free(e);
		return bl_fail(err, BL_EIO, "probe: seed the random numbers for TLS: %s", why);
	}
	*out = e;
	return BL_OK;
}

void
probe_tls_env_free(struct probe_tls_env *e)
{
	if (e == NULL)
		return;
	while (e->trusted != NULL) {
		struct trust *next = e->trusted->next;

		probe_trust_drop(e->trusted);
		e->trusted = next;
	}
	mbedtls_ctr_drbg_free(&e->random);
	mbedtls_entropy_free(&e->entropy);
	free(e);
}

/* ---- raw bytes ---- */

/*
 * A server that refuses us resets the connection while we still send; its
 * alert is then in our receive queue.  Treating the send as done makes the
 * next read find it.
 */
static int
raw_send(void *ctx, const unsigned char *data, size_t len)
{
	struct probe_tls *t = ctx;
	ssize_t n;

	if (t->send_dead)
		return (int)len;
	n = send(t->fd, data, len, MSG_NOSIGNAL);
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	if (errno != EPIPE && errno != ECONNRESET)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	t->send_dead = true;
	return (int)len;
}

static int
raw_recv(void *ctx, unsigned char *data, size_t size)
{
	struct probe_tls *t = ctx;
	const ssize_t n = recv(t->fd, data, size, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (n <= 0)
		return MBEDTLS_ERR_SSL_CONN_EOF;
	for (ssize_t i = 0; i < n && t->bytes_in + (uint64_t)i < sizeof(t->first); i++)
		t->first[t->bytes_in + (uint64_t)i] = (char)data[i];
	t->bytes_in += (uint64_t)n;
	return (int)n;
}

/* ---- one connection ---- */

void
probe_tls_free(struct probe_tls *t)
{
	if (t == NULL)
		return;
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	probe_trust_drop(t->trust);
	free(t);
}

static int
set_up(struct probe_tls *t, struct probe_tls_env *e, bool verify)
{
	int rc = mbedtls_ssl_config_defaults(&t->conf, MBEDTLS_SSL_IS_CLIENT,
	    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	if (rc != 0)
		return rc;
	mbedtls_ssl_conf_min_version(
	    &t->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_session_tickets(&t->conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	mbedtls_ssl_conf_rng(&t->conf, mbedtls_ctr_drbg_random, &e->random);
	mbedtls_ssl_conf_authmode(
	    &t->conf, verify ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_NONE);
	if (t->trust != NULL && t->trust->problem[0] == '\0')
		mbedtls_ssl_conf_ca_chain(&t->conf, &t->trust->chain, NULL);
	if ((rc = mbedtls_ssl_setup(&t->ssl, &t->conf)) != 0)
		return rc;
	mbedtls_ssl_set_bio(&t->ssl, t, raw_send, raw_recv, NULL);
	return t->literal ? 0 : mbedtls_ssl_set_hostname(&t->ssl, t->host);
}

int
probe_tls_create(struct probe_tls **out, struct probe_tls_env *e, int fd,
    const struct probe_url *url, const char *ca_file, bool verify, struct bl_err *err)
{
	struct probe_tls *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (t == NULL)
		return bl_fail(err, BL_ENOMEM, "TLS: out of memory");
	mbedtls_ssl_config_init(&t->conf);
	mbedtls_ssl_init(&t->ssl);
	t->fd = fd;
	t->judged = verify;
	t->literal = url->literal;
	t->port = url->port;
	memcpy(t->host, url->host, sizeof(t->host));
	if (verify && (t->trust = trust_take(e, ca_file)) == NULL) {
		probe_tls_free(t);
		return bl_fail(err, BL_ENOMEM, "TLS: out of memory");
	}
	if ((rc = set_up(t, e, verify)) != 0) {
		char why[96];

		describe(why, sizeof(why), rc);
		probe_tls_free(t);
		return bl_fail(err, BL_ENOMEM, "TLS: %s", why);
	}
	*out = t;
	return BL_OK;
}

/* What a TLS error means to somebody who looks after the server. */
static int
fail_tls(const struct probe_tls *t, int rc, struct bl_err *err)
{
	char why[96];

	if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
		return bl_fail(err, BL_ENET, "TLS: the server refused with alert %u",
		    t->ssl.in_msg != NULL ? t->ssl.in_msg[1] : 0);
	if (rc == MBEDTLS_ERR_SSL_CONN_EOF)
		return bl_fail(err, BL_ENET, "TLS: the server closed the connection");
	if (t->bytes_in >= sizeof(t->first) &&
	    (memcmp(t->first, "HTTP/", 5) == 0 || memcmp(t->first, "<!DOC", 5) == 0 ||
		memcmp(t->first, "<html", 5) == 0))
		return bl_fail(err, BL_ENET, "TLS: the server does not speak TLS but plain HTTP");
	if (rc == MBEDTLS_ERR_SSL_INVALID_RECORD && t->ssl.state <= MBEDTLS_SSL_SERVER_HELLO)
		return bl_fail(err, BL_ENET, "TLS: the server does not speak TLS");
	describe(why, sizeof(why), rc);
	return bl_fail(err, BL_ENET, "TLS: %s", why);
}

enum probe_io
probe_tls_step(struct probe_tls *t, struct bl_err *err)
{
	const int rc = mbedtls_ssl_handshake(&t->ssl);

	if (rc == 0)
		return PROBE_IO_OK;
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return PROBE_IO_AGAIN;
	fail_tls(t, rc, err);
	return PROBE_IO_FAIL;
}

enum probe_io
probe_tls_send(struct probe_tls *t, const char *data, size_t len, size_t *n, struct bl_err *err)
{
	const int rc = mbedtls_ssl_write(&t->ssl, (const unsigned char *)data, len);

	*n = rc > 0 ? (size_t)rc : 0;
	if (rc > 0)
		return PROBE_IO_OK;
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return PROBE_IO_AGAIN;
	fail_tls(t, rc, err);
	return PROBE_IO_FAIL;
}

enum probe_io
probe_tls_recv(struct probe_tls *t, char *data, size_t size, size_t *n, struct bl_err *err)
{
	const int rc = mbedtls_ssl_read(&t->ssl, (unsigned char *)data, size);

	*n = rc > 0 ? (size_t)rc : 0;
	if (rc > 0)
		return PROBE_IO_OK;
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return PROBE_IO_AGAIN;
	if (rc == 0 || rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || rc == MBEDTLS_ERR_SSL_CONN_EOF)
		return PROBE_IO_END;
	fail_tls(t, rc, err);
	return PROBE_IO_FAIL;
}

/* ---- the server's certificate ---- */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
static int64_t
days_from_civil(int64_t year, int64_t month, int64_t day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = (y >= 0 ? y : y - 399) / 400;
	const int64_t of_era = y - era * 400;
	const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t
probe_tls_unix_s(const mbedtls_x509_time *t)
{
	return days_from_civil(t->year, t->mon, t->day) * 86400 + t->hour * 3600 + t->min * 60 +
	       t->sec;
}

/* mbedTLS 2.28 compares names but not addresses. */
static bool
address_in(const mbedtls_x509_crt *crt, const char *host)
{
	unsigned char want[16];
	const bool v6 = strchr(host, ':') != NULL;
	const size_t len = v6 ? 16 : 4;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, want) != 1)
		return false;
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next)
		if (s->buf.tag == SAN_IP && s->buf.len == len && memcmp(s->buf.p, want, len) == 0)
			return true;
	return false;
}

/* Copies bytes of a certificate for people to read: printable ASCII, the rest as "?". */
static void
text_copy(char *out, size_t size, const unsigned char *p, size_t len)
{
	size_t n = 0;

	for (; n < len && n + 1 < size; n++)
		out[n] = (char)(p[n] >= ' ' && p[n] <= '~' ? p[n] : '?');
	out[n] = '\0';
}

/* The common name, or the first DNS name, or "(no name)". */
static void
name_of(const mbedtls_x509_crt *crt, const mbedtls_x509_name *name, char *out, size_t size)
{
	for (; name != NULL; name = name->next) {
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) {
			text_copy(out, size, name->val.p, name->val.len);
			return;
		}
	}
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next) {
		if (s->buf.tag == SAN_DNS) {
			text_copy(out, size, s->buf.p, s->buf.len);
			return;
		}
	}
	snprintf(out, size, "(no name)");
}

static void
judge(const struct probe_tls *t, const mbedtls_x509_crt *crt, struct probe_tls_peer *out)
{
	const uint32_t dates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
	const uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl) & ~(out->undated ? dates : 0);
	const bool wrong_name = (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0 ||
				(t->literal && !address_in(crt, t->host));
	const mbedtls_x509_time *from = &crt->valid_from;
	const mbedtls_x509_time *to = &crt->valid_to;
	char subject[48];
	char issuer[48];

	out->bad = flags != 0 || wrong_name;
	if (!out->bad)
		return;
	name_of(crt, &crt->subject, subject, sizeof(subject));
	name_of(crt, &crt->issuer, issuer, sizeof(issuer));
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		snprintf(out->why, sizeof(out->why),
		    "certificate \"%s\" or its issuer has expired (valid until %04d-%02d-%02d)",
		    subject, to->year, to->mon, to->day);
	else if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		snprintf(out->why, sizeof(out->why),
		    "certificate \"%s\" or its issuer is not valid yet (from %04d-%02d-%02d)",
		    subject, from->year, from->mon, from->day);
	else if (t->trust->problem[0] != '\0')
		snprintf(
		    out->why, sizeof(out->why), "%s, so nothing is trusted", t->trust->problem);
	else if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		snprintf(out->why, sizeof(out->why),
		    "certificate \"%s\" is not signed by a trusted CA (issuer \"%s\")", subject,
		    issuer);
	else if (wrong_name)
		snprintf(out->why, sizeof(out->why),
		    "certificate \"%s\" is for another host than %.60s", subject, t->host);
	else
		snprintf(out->why, sizeof(out->why),
		    "certificate \"%s\" is not acceptable (mbedTLS flags 0x%x)", subject, flags);
}

void
probe_tls_peer(const struct probe_tls *t, bool undated, struct probe_tls_peer *out)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);

	memset(out, 0, sizeof(*out));
	out->undated = undated;
	if (crt == NULL) {
		out->bad = t->judged;
		snprintf(out->why, sizeof(out->why), "the server showed no certificate");
		return;
	}
	out->not_after_unix_s = probe_tls_unix_s(&crt->valid_to);
	if (t->judged)
		judge(t, crt, out);
}
