/*
 * Certificate revocation lists, version 2 (RFC 5280 section 5), as DER by
 * hand: mbedTLS reads them but has no writer.  Everything is written from the
 * end of the buffer towards its start, as mbedtls_asn1_write_* do.
 */
#include "pki_internal.h"

#include <mbedtls/asn1write.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>

#include <stdlib.h>
#include <string.h>

#define CRL_FIXED_BYTES 2048
#define CRL_ENTRY_BYTES 48
#define CRL_REVOKED_MAX 100000
#define SEQUENCE        (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)

/* Wraps what was written so far (len bytes at *p) in a tag. */
static int
wrap(unsigned char **p, unsigned char *start, int len, unsigned char tag)
{
	int ret;

	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_len(p, start, (size_t)len));
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_tag(p, start, tag));
	return len;
}

/* UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 section 5.1.2.4). */
static int
write_time(unsigned char **p, unsigned char *start, int64_t unix_ms)
{
	const int64_t year_2050_unix_ms = 2524608000000;
	char full[16], text[17];
	const bool utc = unix_ms < year_2050_unix_ms;
	int len = 0, ret;
	size_t n;

	pki_time_text(unix_ms, full);
	n = strlen(full + (utc ? 2 : 0));
	memcpy(text, full + (utc ? 2 : 0), n);
	text[n++] = 'Z';
	MBEDTLS_ASN1_CHK_ADD(
	    len, mbedtls_asn1_write_raw_buffer(p, start, (const unsigned char *)text, n));
	return wrap(p, start, len, utc ? MBEDTLS_ASN1_UTC_TIME : MBEDTLS_ASN1_GENERALIZED_TIME);
}

static int
hex_value(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* A serial as INTEGER; a leading zero byte keeps it positive. */
static int
write_serial(unsigned char **p, unsigned char *start, const char *hex)
{
	const size_t digits = strlen(hex);
	unsigned char bytes[21] = { 0 };
	int len = 0, ret;
	size_t n = digits / 2, from;

	if (digits == 0 || digits > 40 || digits % 2 != 0)
		return MBEDTLS_ERR_X509_BAD_INPUT_DATA;
	for (size_t i = 0; i < n; i++) {
		const int hi = hex_value(hex[2 * i]), lo = hex_value(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return MBEDTLS_ERR_X509_BAD_INPUT_DATA;
		bytes[i + 1] = (unsigned char)(hi << 4 | lo);
	}
	from = bytes[1] & 0x80 ? 0 : 1;
	MBEDTLS_ASN1_CHK_ADD(
	    len, mbedtls_asn1_write_raw_buffer(p, start, bytes + from, n + 1 - from));
	return wrap(p, start, len, MBEDTLS_ASN1_INTEGER);
}

static int
write_revoked(
    unsigned char **p, unsigned char *start, const struct bl_pki_revoked *revoked, size_t n)
{
	int len = 0, ret;

	if (n == 0)
		return 0; /* the field is absent when empty */
	for (size_t i = n; i-- > 0;) {
		int entry = 0;

		MBEDTLS_ASN1_CHK_ADD(entry, write_time(p, start, revoked[i].when_unix_ms));
		MBEDTLS_ASN1_CHK_ADD(entry, write_serial(p, start, revoked[i].serial_hex));
		entry = wrap(p, start, entry, SEQUENCE);
		if (entry < 0)
			return entry;
		len += entry;
	}
	return wrap(p, start, len, SEQUENCE);
}

/* One extension: SEQUENCE { OID, OCTET STRING { len bytes written so far } }. */
static int
wrap_extension(unsigned char **p, unsigned char *start, int len, const char *oid, size_t oid_len)
{
	int ret;

	len = wrap(p, start, len, MBEDTLS_ASN1_OCTET_STRING);
	if (len < 0)
		return len;
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_oid(p, start, oid, oid_len));
	return wrap(p, start, len, SEQUENCE);
}

static int
write_number(unsigned char **p, unsigned char *start, uint64_t number)
{
	unsigned char bytes[9];
	size_t n = 0;
	int len = 0, ret;

	for (size_t i = 0; i < 8; i++)
		bytes[8 - i] = (unsigned char)(number >> (8 * i));
	bytes[0] = 0;
	while (n < 8 && bytes[n] == 0 && (bytes[n + 1] & 0x80) == 0)
		n++;
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_raw_buffer(p, start, bytes + n, 9 - n));
	return wrap(p, start, len, MBEDTLS_ASN1_INTEGER);
}

/* The same key identifier that the certificates carry: SHA-1 of the public key (RFC 5280 4.2.1.2).
 */
static int
write_authority_key(unsigned char **p, unsigned char *start, const mbedtls_x509_crt *ca)
{
	unsigned char key[512], *at = key + sizeof(key), id[20];
	mbedtls_pk_context *pk = (mbedtls_pk_context *)&ca->pk; /* the writer takes no const */
	int len = 0, ret, key_len;

	if ((key_len = mbedtls_pk_write_pubkey(&at, key, pk)) < 0)
		return key_len;
	if ((ret = mbedtls_sha1_ret(at, (size_t)key_len, id)) != 0)
		return ret;
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_raw_buffer(p, start, id, sizeof(id)));
	len = wrap(p, start, len, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0);
	return len < 0 ? len : wrap(p, start, len, SEQUENCE);
}

static int
write_extensions(
    unsigned char **p, unsigned char *start, const mbedtls_x509_crt *ca, uint64_t number)
{
	int len, one;

	if ((len = write_number(p, start, number)) < 0)
		return len;
	len = wrap_extension(
	    p, start, len, MBEDTLS_OID_CRL_NUMBER, MBEDTLS_OID_SIZE(MBEDTLS_OID_CRL_NUMBER));
	if (len < 0)
		return len;
	if ((one = write_authority_key(p, start, ca)) < 0)
		return one;
	one = wrap_extension(p, start, one, MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER));
	if (one < 0)
		return one;
	len = wrap(p, start, len + one, SEQUENCE);
	if (len < 0)
		return len;
	return wrap(p, start, len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0);
}

static int
write_algorithm(unsigned char **p, unsigned char *start)
{
	int len = 0, ret;

	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_oid(p, start, MBEDTLS_OID_ECDSA_SHA256,
				      MBEDTLS_OID_SIZE(MBEDTLS_OID_ECDSA_SHA256)));
	return wrap(p, start, len, SEQUENCE);
}

/* TBSCertList */
static int
write_tbs(unsigned char **p, unsigned char *start, const mbedtls_x509_crt *ca,
    const struct bl_pki_revoked *revoked, size_t n, uint64_t number,
    const struct bl_pki_validity *validity)
{
	int len = 0, ret;

	MBEDTLS_ASN1_CHK_ADD(len, write_extensions(p, start, ca, number));
	MBEDTLS_ASN1_CHK_ADD(len, write_revoked(p, start, revoked, n));
	MBEDTLS_ASN1_CHK_ADD(len, write_time(p, start, validity->not_after_unix_ms));
	MBEDTLS_ASN1_CHK_ADD(len, write_time(p, start, validity->not_before_unix_ms));
	MBEDTLS_ASN1_CHK_ADD(
	    len, mbedtls_asn1_write_raw_buffer(p, start, ca->subject_raw.p, ca->subject_raw.len));
	MBEDTLS_ASN1_CHK_ADD(len, write_algorithm(p, start));
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_int(p, start, 1)); /* v2 */
	return wrap(p, start, len, SEQUENCE);
}

/*
 * Signs the TBS at the end of buf and assembles the list.  The signature is
 * written behind a copy of the TBS in out.  Returns the length at out's end.
 */
static int
assemble(unsigned char *out, size_t size, unsigned char **p, const unsigned char *tbs,
    size_t tbs_len, mbedtls_pk_context *key, struct pki_rng *rng)
{
	unsigned char hash[32], sig[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	int len = 0, ret, rc;
	size_t sig_len = 0;

	*p = out + size;
	if ((rc = mbedtls_sha256_ret(tbs, tbs_len, hash, 0)) != 0)
		return rc;
	rc = mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, sizeof(hash), sig, &sig_len,
	    mbedtls_ctr_drbg_random, &rng->drbg);
	if (rc != 0)
		return rc;
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_bitstring(p, out, sig, sig_len * 8));
	MBEDTLS_ASN1_CHK_ADD(len, write_algorithm(p, out));
	MBEDTLS_ASN1_CHK_ADD(len, mbedtls_asn1_write_raw_buffer(p, out, tbs, tbs_len));
	return wrap(p, out, len, SEQUENCE);
}

static int
to_pem(const unsigned char *der, size_t len, struct bl_buf *pem, struct bl_err *err)
{
	static const char begin[] = "-----BEGIN X509 CRL-----\n",
			  end[] = "-----END X509 CRL-----\n";
	size_t size = len * 2 + 256, written = 0;
	unsigned char *text = malloc(size);
	int rc;

	if (text == NULL)
		return bl_fail(err, BL_ENOMEM, "revocation list: out of memory");
	rc = mbedtls_pem_write_buffer(begin, end, der, len, text, size, &written);
	if (rc == 0)
		bl_buf_bytes(pem, text, written - 1); /* written counts the NUL */
	free(text);
	if (rc != 0)
		return pki_fail(err, "revocation list", rc);
	return pem->failed ? bl_fail(err, BL_ENOMEM, "revocation list: out of memory") : BL_OK;
}

int
bl_pki_crl_create(const struct bl_buf *ca_cert_pem, const struct bl_buf *ca_key_pem,
    const struct bl_pki_revoked *revoked, size_t n, uint64_t number,
    const struct bl_pki_validity *validity, struct bl_buf *crl_pem, struct bl_err *err)
{
	const size_t size = CRL_FIXED_BYTES + n * CRL_ENTRY_BYTES;
	unsigned char *tbs = NULL, *out = NULL, *p;
	mbedtls_pk_context key;
	mbedtls_x509_crt ca;
	struct pki_rng rng;
	int rc, len;

	if (n > CRL_REVOKED_MAX)
		return bl_fail(
		    err, BL_EFULL, "revocation list: more than %d entries", CRL_REVOKED_MAX);
	if ((rc = pki_rng_open(&rng, err)) < 0)
		return rc;
	mbedtls_pk_init(&key);
	mbedtls_x509_crt_init(&ca);
	tbs = malloc(size);
	out = malloc(size + 512);
	if (tbs == NULL || out == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "revocation list: out of memory");
		goto done;
	}
	if ((rc = pki_key_parse(&key, ca_key_pem, "CA key", err)) < 0 ||
	    (rc = pki_crt_parse(&ca, ca_cert_pem, "CA certificate", err)) < 0)
		goto done;
	p = tbs + size;
	len = write_tbs(&p, tbs, &ca, revoked, n, number, validity);
	if (len >= 0)
		len = assemble(out, size + 512, &p, tbs + size - len, (size_t)len, &key, &rng);
	rc = len < 0 ? pki_fail(err, "revocation list", len) : to_pem(p, (size_t)len, crl_pem, err);
done:
	free(out);
	free(tbs);
	mbedtls_x509_crt_free(&ca);
	mbedtls_pk_free(&key);
	pki_rng_close(&rng);
	return rc;
}
