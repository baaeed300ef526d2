/*
 * Parsing, randomness and names for the CA.  Nothing here keeps state.
 */
#include "pki_internal.h"

#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int
pki_rng_open(struct pki_rng *r, struct bl_err *err)
{
	static const unsigned char label[] = "branchline-pki";
	int rc;

	mbedtls_entropy_init(&r->entropy);
	mbedtls_ctr_drbg_init(&r->drbg);
	rc = mbedtls_ctr_drbg_seed(
	    &r->drbg, mbedtls_entropy_func, &r->entropy, label, sizeof(label) - 1);
	if (rc == 0)
		return BL_OK;
	pki_rng_close(r);
	return pki_fail(err, "seed the random generator", rc);
}

void
pki_rng_close(struct pki_rng *r)
{
	mbedtls_ctr_drbg_free(&r->drbg);
	mbedtls_entropy_free(&r->entropy);
}

int
pki_fail(struct bl_err *err, const char *what, int rc)
{
	char why[160] = "";

	mbedtls_strerror(rc, why, sizeof(why));
	return bl_fail(err, BL_EINVAL, "%s: %s (-0x%04x)", what, why, (unsigned)-rc);
}

unsigned char *
pki_terminated(const struct bl_buf *pem, size_t *len)
{
	unsigned char *copy = malloc(pem->len + 1);

	if (copy == NULL)
		return NULL;
	if (pem->len != 0)
		memcpy(copy, pem->data, pem->len);
	copy[pem->len] = '\0';
	*len = pem->len + 1;
	return copy;
}

int
pki_key_parse(
    mbedtls_pk_context *pk, const struct bl_buf *pem, const char *what, struct bl_err *err)
{
	size_t len;
	unsigned char *text = pki_terminated(pem, &len);
	int rc;

	if (text == NULL)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
	rc = mbedtls_pk_parse_key(pk, text, len, NULL, 0);
	mbedtls_platform_zeroize(text, len);
	free(text);
	return rc == 0 ? BL_OK : pki_fail(err, what, rc);
}

int
pki_crt_parse(mbedtls_x509_crt *crt, const struct bl_buf *pem, const char *what, struct bl_err *err)
{
	size_t len;
	unsigned char *text = pki_terminated(pem, &len);
	int rc;

	if (text == NULL)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
	rc = mbedtls_x509_crt_parse(crt, text, len);
	free(text);
	/* A positive count means that some certificates of the text were refused. */
	if (rc > 0)
		return bl_fail(err, BL_EINVAL, "%s: %d certificates do not parse", what, rc);
	return rc == 0 ? BL_OK : pki_fail(err, what, rc);
}

static bool
name_part_valid(const char *s)
{
	const size_t len = strlen(s);

	if (len == 0 || len > 64)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || strchr(",=+\"\\<>;#", s[i]) != NULL)
			return false;
	return true;
}

int
pki_subject_text(const struct bl_pki_name *name, char *out, size_t size, struct bl_err *err)
{
	if (!name_part_valid(name->organisation))
		return bl_fail(err, BL_EINVAL,
		    "organisation \"%.64s\": expected 1 to 64 bytes without , = + \" \\ < > ; #",
		    name->organisation);
	if (!name_part_valid(name->common_name))
		return bl_fail(err, BL_EINVAL,
		    "common name \"%.64s\": expected 1 to 64 bytes without , = + \" \\ < > ; #",
		    name->common_name);
	(void)snprintf(out, size, "O=%s,CN=%s", name->organisation, name->common_name);
	return BL_OK;
}

void
pki_time_text(int64_t unix_ms, char out[16])
{
	const time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, 16, "%Y%m%d%H%M%S", &tm) == 0)
		memcpy(out, "19700101000000", 15);
}
