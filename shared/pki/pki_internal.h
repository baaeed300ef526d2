/* What the files of this folder share; see pki.h for the contracts. */
#ifndef PKI_INTERNAL_H
#define PKI_INTERNAL_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "branchline/pki.h"

struct pki_rng {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
};

int pki_rng_open(struct pki_rng *r, struct bl_err *err);
void pki_rng_close(struct pki_rng *r);

/* "what: mbedTLS's own words" as BL_EINVAL. */
int pki_fail(struct bl_err *err, const char *what, int rc);

/* mbedTLS wants PEM text terminated inside the given length: a terminated copy, or NULL. */
unsigned char *pki_terminated(const struct bl_buf *pem, size_t *len);

int pki_key_parse(
    mbedtls_pk_context *pk, const struct bl_buf *pem, const char *what, struct bl_err *err);
int pki_crt_parse(
    mbedtls_x509_crt *crt, const struct bl_buf *pem, const char *what, struct bl_err *err);

/* "O=...,CN=..." for mbedTLS; refuses what would change the structure of the name. */
int pki_subject_text(const struct bl_pki_name *name, char *out, size_t size, struct bl_err *err);

/* Seconds-resolution UTC text: "YYYYMMDDhhmmss". */
void pki_time_text(int64_t unix_ms, char out[16]);

#endif
