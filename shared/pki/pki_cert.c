/*
 * Keys and certificates.  The CA decides every extension itself: nothing is
 * taken over from a request.  SAN and extended key usage are written as DER by
 * hand because mbedTLS 2.28 has no writer for them.
 */
#include "pki_internal.h"

#include <arpa/inet.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEM_MAX 8192

int
bl_pki_key_create(struct bl_buf *key_pem, struct bl_err *err)
{
	unsigned char pem[512];
	mbedtls_pk_context pk;
	struct pki_rng rng;
	int rc;

	if ((rc = pki_rng_open(&rng, err)) < 0)
		return rc;
	mbedtls_pk_init(&pk);
	rc = mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (rc == 0)
		rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk),
		    mbedtls_ctr_drbg_random, &rng.drbg);
	if (rc == 0)
		rc = mbedtls_pk_write_key_pem(&pk, pem, sizeof(pem));
	mbedtls_pk_free(&pk);
	pki_rng_close(&rng);
	if (rc != 0)
		return pki_fail(err, "make a key", rc);
	bl_buf_bytes(key_pem, pem, strlen((const char *)pem));
	mbedtls_platform_zeroize(pem, sizeof(pem));
	return key_pem->failed ? bl_fail(err, BL_ENOMEM, "make a key: out of memory") : BL_OK;
}

void
bl_pki_wipe(struct bl_buf *b)
{
	if (b->data != NULL)
		mbedtls_platform_zeroize(b->data, b->size);
	bl_buf_free(b);
}

static size_t
names_count(const char *const names[BL_PKI_NAMES_MAX])
{
	size_t n = 0;

	while (n < BL_PKI_NAMES_MAX && names[n] != NULL)
		n++;
	return n;
}

/* GeneralNames in reverse, as mbedTLS's writers go from the end of the buffer. */
static int
san_write(unsigned char **p, unsigned char *start, const struct bl_pki_request *rq)
{
	int len = 0, ret;

	for (size_t i = names_count(rq->ip); i-- > 0;) {
		unsigned char addr[16];
		size_t n = 0;

		if (inet_pton(AF_INET, rq->ip[i], addr) == 1)
			n = 4;
		else if (inet_pton(AF_INET6, rq->ip[i], addr) == 1)
			n = 16;
		else
			return MBEDTLS_ERR_X509_BAD_INPUT_DATA;
		MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_raw_buffer(p, start, addr, n));
		MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_len(p, start, n));
		MBEDTLS_ASN1_CHK_ADD(
		    len, mbedtls_asn1_write_tag(p, start, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7));
	}
	for (size_t i = names_count(rq->dns); i-- > 0;) {
		const size_t n = strlen(rq->dns[i]);

		MBEDTLS_ASN1_CHK_ADD(len,
		    mbedtls_asn1_write_raw_buffer(p, start, (const unsigned char *)rq->dns[i], n));
		MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_len(p, start, n));
		MBEDTLS_ASN1_CHK_ADD(
		    len, mbedtls_asn1_write_tag(p, start, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2));
	}
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_len(p, start, (size_t)len));
	MBEDTLS_ASN1_CHK_ADD(len,
	    mbedtls_asn1_write_tag(p, start, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE));
	return len;
}

static int
eku_write(unsigned char **p, unsigned char *start, bool server)
{
	const char *oid = server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
	const size_t oid_len = server ? MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)
				      : MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH);
	int len = 0, ret;

	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_oid(p, start, oid, oid_len));
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_len(p, start, (size_t)len));
	MBEDTLS_ASN1_CHK_ADD(len,
	    mbedtls_asn1_write_tag(p, start, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE));
	return len;
}

static int
leaf_extensions(mbedtls_x509write_cert *w, const struct bl_pki_request *rq)
{
	unsigned char der[2048], *p = der + sizeof(der);
	int rc, len;

	if ((rc = mbedtls_x509write_crt_set_basic_constraints(w, 0, -1)) != 0 ||
	    (rc = mbedtls_x509write_crt_set_key_usage(w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE)) != 0)
		return rc;
	if ((len = eku_write(&p, der, rq->server)) < 0)
		return len;
	rc = mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_EXTENDED_KEY_USAGE,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, p, (size_t)len);
	if (rc != 0 || (rq->dns[0] == NULL && rq->ip[0] == NULL))
		return rc;
	p = der + sizeof(der);
	if ((len = san_write(&p, der, rq)) < 0)
		return len;
	return mbedtls_x509write_crt_set_extension(w, MBEDTLS_OID_SUBJECT_ALT_NAME,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, p, (size_t)len);
}

static int
ca_extensions(mbedtls_x509write_cert *w)
{
	int rc;

	if ((rc = mbedtls_x509write_crt_set_basic_constraints(w, 1, 0)) != 0)
		return rc;
	return mbedtls_x509write_crt_set_key_usage(
	    w, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
}

/* Serial, dates, key identifiers and the signature: the same for every certificate. */
static int
sign_to_pem(mbedtls_x509write_cert *w, const struct bl_pki_validity *validity, struct pki_rng *rng,
    struct bl_buf *cert_pem, struct bl_err *err)
{
	unsigned char serial[BL_PKI_SERIAL_BYTES], pem[PEM_MAX];
	char from[16], to[16];
	mbedtls_mpi number;
	int rc;

	mbedtls_mpi_init(&number);
	if ((rc = mbedtls_ctr_drbg_random(&rng->drbg, serial, sizeof(serial))) != 0)
		goto out;
	/* Positive and of full length, whatever was drawn. */
	serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40);
	pki_time_text(validity->not_before_unix_ms, from);
	pki_time_text(validity->not_after_unix_ms, to);
	mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
	if ((rc = mbedtls_mpi_read_binary(&number, serial, sizeof(serial))) != 0 ||
	    (rc = mbedtls_x509write_crt_set_serial(w, &number)) != 0 ||
	    (rc = mbedtls_x509write_crt_set_validity(w, from, to)) != 0 ||
	    (rc = mbedtls_x509write_crt_set_subject_key_identifier(w)) != 0 ||
	    (rc = mbedtls_x509write_crt_set_authority_key_identifier(w)) != 0)
		goto out;
	rc = mbedtls_x509write_crt_pem(w, pem, sizeof(pem), mbedtls_ctr_drbg_random, &rng->drbg);
	if (rc == 0)
		bl_buf_bytes(cert_pem, pem, strlen((const char *)pem));
out:
	mbedtls_mpi_free(&number);
	if (rc != 0)
		return pki_fail(err, "sign a certificate", rc);
	return cert_pem->failed ? bl_fail(err, BL_ENOMEM, "certificate: out of memory") : BL_OK;
}

int
bl_pki_ca_create(const struct bl_buf *key_pem, const struct bl_pki_name *name,
    const struct bl_pki_validity *validity, struct bl_buf *cert_pem, struct bl_err *err)
{
	mbedtls_x509write_cert w;
	mbedtls_pk_context key;
	struct pki_rng rng;
	char subject[160];
	int rc;

	if ((rc = pki_subject_text(name, subject, sizeof(subject), err)) < 0)
		return rc;
	if ((rc = pki_rng_open(&rng, err)) < 0)
		return rc;
	mbedtls_pk_init(&key);
	mbedtls_x509write_crt_init(&w);
	if ((rc = pki_key_parse(&key, key_pem, "CA key", err)) < 0)
		goto out;
	mbedtls_x509write_crt_set_subject_key(&w, &key);
	mbedtls_x509write_crt_set_issuer_key(&w, &key);
	if ((rc = mbedtls_x509write_crt_set_subject_name(&w, subject)) != 0 ||
	    (rc = mbedtls_x509write_crt_set_issuer_name(&w, subject)) != 0 ||
	    (rc = ca_extensions(&w)) != 0) {
		rc = pki_fail(err, "CA certificate", rc);
		goto out;
	}
	rc = sign_to_pem(&w, validity, &rng, cert_pem, err);
out:
	mbedtls_x509write_crt_free(&w);
	mbedtls_pk_free(&key);
	pki_rng_close(&rng);
	return rc;
}

/*
 * The issuer's name, attribute by attribute with its own string type.  Going
 * through text would not do: mbedTLS prints every byte beyond ASCII as '?'.
 */
static int
issuer_name(mbedtls_x509write_cert *w, const mbedtls_x509_crt *ca)
{
	mbedtls_asn1_named_data *at;

	for (const mbedtls_x509_name *n = &ca->subject; n != NULL; n = n->next) {
		at = mbedtls_asn1_store_named_data(
		    &w->issuer, (const char *)n->oid.p, n->oid.len, n->val.p, n->val.len);
		if (at == NULL)
			return MBEDTLS_ERR_X509_ALLOC_FAILED;
		at->val.tag = n->val.tag;
	}
	return 0;
}

int
bl_pki_issue(const struct bl_buf *ca_cert_pem, const struct bl_buf *ca_key_pem,
    const struct bl_buf *subject_key_pem, const struct bl_pki_request *request,
    struct bl_buf *cert_pem, struct bl_err *err)
{
	char subject[160];
	mbedtls_pk_context ca_key, key;
	mbedtls_x509write_cert w;
	mbedtls_x509_crt ca;
	struct pki_rng rng;
	int rc;

	if ((rc = pki_subject_text(&request->name, subject, sizeof(subject), err)) < 0)
		return rc;
	if ((rc = pki_rng_open(&rng, err)) < 0)
		return rc;
	mbedtls_pk_init(&ca_key);
	mbedtls_pk_init(&key);
	mbedtls_x509_crt_init(&ca);
	mbedtls_x509write_crt_init(&w);
	if ((rc = pki_key_parse(&ca_key, ca_key_pem, "CA key", err)) < 0 ||
	    (rc = pki_key_parse(&key, subject_key_pem, "subject key", err)) < 0 ||
	    (rc = pki_crt_parse(&ca, ca_cert_pem, "CA certificate", err)) < 0)
		goto out;
	if ((rc = mbedtls_pk_check_pair(&ca.pk, &ca_key)) != 0) {
		rc = bl_fail(err, BL_EINVAL, "CA key and CA certificate do not belong together");
		goto out;
	}
	mbedtls_x509write_crt_set_subject_key(&w, &key);
	mbedtls_x509write_crt_set_issuer_key(&w, &ca_key);
	if ((rc = mbedtls_x509write_crt_set_subject_name(&w, subject)) != 0 ||
	    (rc = issuer_name(&w, &ca)) != 0 || (rc = leaf_extensions(&w, request)) != 0) {
		rc = pki_fail(err, "certificate request", rc);
		goto out;
	}
	rc = sign_to_pem(&w, &request->validity, &rng, cert_pem, err);
out:
	mbedtls_x509write_crt_free(&w);
	mbedtls_x509_crt_free(&ca);
	mbedtls_pk_free(&key);
	mbedtls_pk_free(&ca_key);
	pki_rng_close(&rng);
	return rc;
}

static int64_t
x509_time_ms(const mbedtls_x509_time *t)
{
	struct tm tm = { .tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec };

	return (int64_t)timegm(&tm) * 1000;
}

static void
hex_text(const unsigned char *p, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

int
bl_pki_info(const struct bl_buf *cert_pem, struct bl_pki_info *out, struct bl_err *err)
{
	unsigned char hash[32];
	const unsigned char *serial;
	mbedtls_x509_crt crt;
	size_t len;
	int rc;

	memset(out, 0, sizeof(*out));
	mbedtls_x509_crt_init(&crt);
	if ((rc = pki_crt_parse(&crt, cert_pem, "certificate", err)) < 0)
		goto done;
	for (const mbedtls_x509_name *n = &crt.subject; n != NULL; n = n->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
			(void)snprintf(out->common_name, sizeof(out->common_name), "%.*s",
			    (int)n->val.len, (const char *)n->val.p);
	for (serial = crt.serial.p, len = crt.serial.len; len > 1 && *serial == 0; len--)
		serial++;
	if (len > 20) {
		rc = bl_fail(err, BL_EINVAL, "certificate: serial longer than 20 bytes");
		goto done;
	}
	hex_text(serial, len, out->serial_hex);
	if ((rc = mbedtls_sha256_ret(crt.raw.p, crt.raw.len, hash, 0)) != 0) {
		rc = pki_fail(err, "fingerprint", rc);
		goto done;
	}
	hex_text(hash, sizeof(hash), out->fingerprint_sha256);
	out->not_before_unix_ms = x509_time_ms(&crt.valid_from);
	out->not_after_unix_ms = x509_time_ms(&crt.valid_to);
	out->is_ca = crt.ca_istrue != 0;
done:
	mbedtls_x509_crt_free(&crt);
	return rc;
}
