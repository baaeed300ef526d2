/* The organisation's CA on disk: keys, certificates and the revocation list of a state folder. */
#ifndef CA_H
#define CA_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/pki.h"

#include "org.h"

#define CA_PEM_MAX  (256u * 1024u)
#define CA_LIST_MAX (16u * 1024u * 1024u)
#define CA_DAY_MS   86400000LL

/* Makes ca/ca.key, ca/ca.pem and an empty ca/crl.pem where they are missing.  *made: a new CA. */
int ca_init(const struct org *o, bool *made, struct bl_err *err);

/*
 * A new key and certificate; the caller wipes key and frees cert.  The request
 * comes without organisation and validity; both are filled in here: an hour
 * of slack before now, days after it.
 */
int ca_issue(const struct org *o, struct bl_pki_request *request, int days, struct bl_buf *key,
    struct bl_buf *cert, struct bl_err *err);

/* Writes FOLDER/NAME.key (0600) and FOLDER/NAME.pem unless they are there, fit names and last
 * another 30 days. */
int ca_ensure(const struct org *o, const char *folder, const char *name,
    struct bl_pki_request *request, int days, struct bl_err *err);

/*
 * Revokes every certificate ever issued for a name (ca/issued knows them) and, when not NULL or
 * empty, serial_hex: adds them to ca/revoked, each once, and writes a new ca/crl.pem.  *n is how
 * many were not revoked before.
 */
int ca_revoke(const struct org *o, const char *common_name, const char *serial_hex, size_t *n,
    struct bl_err *err);

#endif
