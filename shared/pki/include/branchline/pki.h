/*
 * The organisation's certificate authority: keys, certificates, revocation
 * lists (mbedTLS 2.28; ECDSA P-256 with SHA-256; RFC 5280 profiles).
 *
 * Pure but for randomness: PEM text in, PEM text out; files are the caller's.
 * Any thread.  All out buffers are appended to and end without a NUL; their
 * content is wiped by bl_pki_wipe where it was secret.
 */
#ifndef BRANCHLINE_PKI_H
#define BRANCHLINE_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#define BL_PKI_SERIAL_BYTES 16
#define BL_PKI_SERIAL_HEX   (2 * BL_PKI_SERIAL_BYTES + 1)
#define BL_PKI_NAMES_MAX    16

/* A new P-256 private key as PEM (SEC 1).  Secret: wipe when done. */
int bl_pki_key_create(struct bl_buf *key_pem, struct bl_err *err);
void bl_pki_wipe(struct bl_buf *b); /* overwrites, then frees */

struct bl_pki_name {
	const char *organisation; /* O; no comma, no control characters; <= 64 bytes */
	const char *common_name;  /* CN; the same */
};

struct bl_pki_validity {
	int64_t not_before_unix_ms;
	int64_t not_after_unix_ms;
};

/* A self-signed CA certificate (pathlen 0, keyCertSign and cRLSign) for the key. */
int bl_pki_ca_create(const struct bl_buf *key_pem, const struct bl_pki_name *name,
    const struct bl_pki_validity *validity, struct bl_buf *cert_pem, struct bl_err *err);

struct bl_pki_request {
	struct bl_pki_name name;
	bool server;                       /* else client: the extended key usage */
	const char *dns[BL_PKI_NAMES_MAX]; /* subjectAltName; NULL ends */
	const char *ip[BL_PKI_NAMES_MAX];  /* IPv4 or IPv6 text; NULL ends */
	struct bl_pki_validity validity;
};

/* A certificate for subject_key_pem's public half, signed by the CA, with a random serial. */
int bl_pki_issue(const struct bl_buf *ca_cert_pem, const struct bl_buf *ca_key_pem,
    const struct bl_buf *subject_key_pem, const struct bl_pki_request *request,
    struct bl_buf *cert_pem, struct bl_err *err);

struct bl_pki_info {
	char common_name[65];
	char serial_hex[2 * 20 + 1]; /* lower case, no leading zero byte */
	char fingerprint_sha256[65]; /* lower-case hex of the DER */
	int64_t not_before_unix_ms;
	int64_t not_after_unix_ms;
	bool is_ca;
};

/* About the first certificate of a PEM text. */
int bl_pki_info(const struct bl_buf *cert_pem, struct bl_pki_info *out, struct bl_err *err);

struct bl_pki_revoked {
	char serial_hex[2 * 20 + 1];
	int64_t when_unix_ms;
};

/* A version 2 revocation list; number must grow from list to list. */
int bl_pki_crl_create(const struct bl_buf *ca_cert_pem, const struct bl_buf *ca_key_pem,
    const struct bl_pki_revoked *revoked, size_t n, uint64_t number,
    const struct bl_pki_validity *validity, struct bl_buf *crl_pem, struct bl_err *err);

#endif
