/*
 * Credentials: PEM files into one TLS configuration.
 *
 * A set is loaded and checked as a whole beside the one in force, so that a
 * bad file never takes a working connection down.  Errors name the file.
 * The CA is parsed once per set, not per connection.
 */
#include "link_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/error.h>

#include "branchline/log.h"
#include "branchline/secret.h"

/* The kernel's generator through the owner's clock: no pool of our own to seed, share or wipe. */
static int
random_cb(void *ctx, unsigned char *out, size_t len)
{
	const struct bl_clock *clock = ctx;

	clock->random(clock->ctx, out, len);
	return 0;
}

static int
file_failed(int rc, const char *what, const char *path, struct bl_err *err)
{
	char reason[128] = "";

	if (rc > 0)
		return bl_fail(
		    err, BL_EINVAL, "%s %s: %d of its entries cannot be read", what, path, rc);
	if (access(path, R_OK) != 0)
		return bl_fail_errno(err, BL_EINVAL, "%s %s", what, path);
	mbedtls_strerror(rc, reason, sizeof(reason));
	return bl_fail(err, BL_EINVAL, "%s %s: %s", what, path, reason);
}

static void
warn_of_open_key(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && bl_secret_is_open(path, &st))
		bl_warn("link", "key %s can be read by others (mode %03o); make it 0600", path,
		    (unsigned)st.st_mode & 0777);
}

static int
creds_read(struct link_creds *c, const struct bl_link_cfg *cfg, struct bl_err *err)
{
	int rc;

	if (cfg->ca_file == NULL || cfg->cert_file == NULL || cfg->key_file == NULL)
		return bl_fail(err, BL_EINVAL, "link: a CA, a certificate and a key are needed");
	if ((rc = mbedtls_x509_crt_parse_file(&c->ca, cfg->ca_file)) != 0)
		return file_failed(rc, "CA certificate", cfg->ca_file, err);
	if ((rc = mbedtls_x509_crt_parse_file(&c->own, cfg->cert_file)) != 0)
		return file_failed(rc, "certificate", cfg->cert_file, err);
	if ((rc = mbedtls_pk_parse_keyfile(&c->key, cfg->key_file, NULL)) != 0)
		return file_failed(rc, "key", cfg->key_file, err);
	warn_of_open_key(cfg->key_file);
	if (mbedtls_pk_check_pair(&c->own.pk, &c->key) != 0)
		return bl_fail(err, BL_EINVAL, "certificate and key do not belong together: %s, %s",
		    cfg->cert_file, cfg->key_file);
	if (cfg->crl_file == NULL)
		return BL_OK;
	if ((rc = mbedtls_x509_crl_parse_file(&c->crl, cfg->crl_file)) != 0)
		return file_failed(rc, "list of revoked certificates", cfg->crl_file, err);
	c->has_crl = true;
	return BL_OK;
}

static int
creds_configure(struct link_creds *c, struct bl_link *l, bool resume, struct bl_err *err)
{
	int rc;

	rc = mbedtls_ssl_config_defaults(&c->conf, MBEDTLS_SSL_IS_CLIENT,
	    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (rc == 0)
		rc = mbedtls_ssl_conf_own_cert(&c->conf, &c->own, &c->key);
	if (rc != 0)
		return bl_fail(err, BL_ENOMEM, "TLS configuration: error -0x%04x", (unsigned)-rc);
	mbedtls_ssl_conf_min_version(
	    &c->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_rng(&c->conf, random_cb, (void *)(uintptr_t)l->clock);
	mbedtls_ssl_conf_ca_chain(&c->conf, &c->ca, c->has_crl ? &c->crl : NULL);
	mbedtls_ssl_conf_verify(&c->conf, link_verify_cb, l);
	mbedtls_ssl_conf_session_tickets(&c->conf,
	    resume ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED : MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	return BL_OK;
}

int
link_creds_load(
    struct link_creds **out, struct bl_link *l, const struct bl_link_cfg *cfg, struct bl_err *err)
{
	struct link_creds *c;
	int rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return bl_fail(err, BL_ENOMEM, "link: out of memory");
	mbedtls_ssl_config_init(&c->conf);
	mbedtls_x509_crt_init(&c->ca);
	mbedtls_x509_crt_init(&c->own);
	mbedtls_x509_crl_init(&c->crl);
	mbedtls_pk_init(&c->key);
	if ((rc = creds_read(c, cfg, err)) < 0 ||
	    (rc = creds_configure(c, l, cfg->resume, err)) < 0) {
		link_creds_free(c);
		return rc;
	}
	*out = c;
	return BL_OK;
}

void
link_creds_free(struct link_creds *c)
{
	if (c == NULL)
		return;
	mbedtls_ssl_config_free(&c->conf);
	mbedtls_x509_crt_free(&c->ca);
	mbedtls_x509_crt_free(&c->own);
	mbedtls_x509_crl_free(&c->crl);
	mbedtls_pk_free(&c->key);
	free(c);
}
