/*
 * The CA of a state folder.  The CA's key lies in ca/ca.key (0600) and is read
 * only while something is signed.  The list of revoked serials is a text file,
 * one "serial unix_ms" a line: the revocation list is always made anew from it.
 * ca/issued has a line "serial unix_ms name" for every certificate ever made.
 */
#include "ca.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/clock.h"

#include "files.h"

/*
 * Twenty years: a list that runs out locks out every device at once, and
 * freshness is the collector's matter (a revoked device is refused there, too).
 */
#define CRL_DAYS   7300
#define CA_DAYS    7300
#define RENEW_DAYS 30

struct ca_pair {
	struct bl_buf key, cert;
};

static int64_t
now_ms(void)
{
	return bl_unix_ms(bl_clock_real());
}

static void
pair_close(struct ca_pair *p)
{
	bl_pki_wipe(&p->key);
	bl_buf_free(&p->cert);
}

static int
pair_open(struct ca_pair *p, const struct org *o, struct bl_err *err)
{
	char path[ORG_PATH_MAX];
	int rc;

	bl_buf_init(&p->key, CA_PEM_MAX);
	bl_buf_init(&p->cert, CA_PEM_MAX);
	org_path(o, "ca/ca.key", path);
	if ((rc = files_read(path, &p->key, err)) < 0)
		goto fail;
	org_path(o, "ca/ca.pem", path);
	if ((rc = files_read(path, &p->cert, err)) < 0)
		goto fail;
	return BL_OK;
fail:
	pair_close(p);
	return rc;
}

/* ---- revocation ---- */

struct revoked_list {
	struct bl_pki_revoked *item;
	size_t n;
};

static int
revoked_read(const struct org *o, struct revoked_list *list, struct bl_err *err)
{
	char path[ORG_PATH_MAX], *save = NULL;
	struct bl_buf text;
	size_t lines = 1;
	int rc;

	*list = (struct revoked_list){ 0 };
	org_path(o, "ca/revoked", path);
	if (!files_exists(path))
		return BL_OK;
	bl_buf_init(&text, CA_LIST_MAX);
	if ((rc = files_read(path, &text, err)) < 0)
		goto out;
	bl_buf_u8(&text, 0);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	rc = BL_ENOMEM;
	if (text.failed || (list->item = calloc(lines, sizeof(*list->item))) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
		goto out;
	}
	for (char *line = strtok_r((char *)text.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		struct bl_pki_revoked *r = &list->item[list->n];

		if (sscanf(line, "%40[0-9a-f] %" SCNd64, r->serial_hex, &r->when_unix_ms) != 2) {
			rc = bl_fail(err, BL_ECORRUPT,
			    "%s, entry %zu: expected \"serial unix_ms\"; the list was not changed",
			    path, list->n + 1);
			free(list->item);
			*list = (struct revoked_list){ 0 };
			goto out;
		}
		list->n++;
	}
	rc = BL_OK;
out:
	bl_buf_free(&text);
	return rc;
}

static int
crl_write(const struct org *o, const struct revoked_list *list, struct bl_err *err)
{
	const int64_t now = now_ms();
	const struct bl_pki_validity validity = { now - CA_DAY_MS / 24,
		now + CRL_DAYS * CA_DAY_MS };
	char path[ORG_PATH_MAX];
	struct bl_buf crl;
	struct ca_pair ca;
	int rc;

	if ((rc = pair_open(&ca, o, err)) < 0)
		return rc;
	bl_buf_init(&crl, CA_LIST_MAX);
	/* The number must grow: milliseconds do, and a revocation takes longer than one. */
	rc = bl_pki_crl_create(
	    &ca.cert, &ca.key, list->item, list->n, (uint64_t)now, &validity, &crl, err);
	if (rc == BL_OK) {
		org_path(o, "ca/crl.pem", path);
		rc = files_write(path, crl.data, crl.len, 0644, err);
	}
	bl_buf_free(&crl);
	pair_close(&ca);
	return rc;
}

/* A list file as one terminated text, empty when there is none; the caller frees it. */
static int
list_read(const char *path, struct bl_buf *text, struct bl_err *err)
{
	int rc = BL_OK;

	bl_buf_init(text, CA_LIST_MAX);
	if (files_exists(path) && (rc = files_read(path, text, err)) < 0)
		goto fail;
	bl_buf_u8(text, 0);
	if (text->failed) {
		rc = bl_fail(err, BL_EFULL, "%s: the list is full", path);
		goto fail;
	}
	text->len--; /* terminated for strstr, not part of the text */
	return BL_OK;
fail:
	bl_buf_free(text);
	return rc;
}

/* Appends a serial to the terminated text of ca/revoked unless it is there. */
static size_t
list_serial(struct bl_buf *revoked, const char *serial)
{
	char line[80];

	if (serial == NULL || serial[0] == '\0' ||
	    strstr((const char *)revoked->data, serial) != NULL)
		return 0;
	(void)snprintf(line, sizeof(line), "%s %" PRId64 "\n", serial, now_ms());
	bl_buf_bytes(revoked, line, strlen(line));
	bl_buf_u8(revoked, 0);
	revoked->len -= !revoked->failed;
	return revoked->failed ? 0 : 1;
}

int
ca_revoke(const struct org *o, const char *common_name, const char *serial_hex, size_t *n,
    struct bl_err *err)
{
	char path[ORG_PATH_MAX], serial[41], name[65], *save = NULL;
	struct bl_buf issued = { 0 }, revoked = { 0 };
	struct revoked_list list;
	int rc;

	*n = 0;
	/* A list that is damaged is not added to. */
	if ((rc = revoked_read(o, &list, err)) < 0)
		return rc;
	free(list.item);
	org_path(o, "ca/issued", path);
	if ((rc = list_read(path, &issued, err)) < 0)
		return rc;
	org_path(o, "ca/revoked", path);
	if ((rc = list_read(path, &revoked, err)) < 0)
		goto out;
	*n = list_serial(&revoked, serial_hex);
	for (char *line = strtok_r((char *)issued.data, "\n", &save);
	     line != NULL && !revoked.failed; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%40[0-9a-f] %*d %64s", serial, name) == 2 &&
		    strcmp(name, common_name) == 0)
			*n += list_serial(&revoked, serial);
	if (revoked.failed) {
		rc = bl_fail(err, BL_EFULL, "%s: the list is full", path);
		goto out;
	}
	if ((rc = files_write(path, revoked.data, revoked.len, 0644, err)) < 0 ||
	    (rc = revoked_read(o, &list, err)) < 0)
		goto out;
	rc = crl_write(o, &list, err);
	free(list.item);
out:
	bl_buf_free(&issued);
	bl_buf_free(&revoked);
	return rc;
}

/* Notes a new certificate in ca/issued, so that all of a device's can be revoked later. */
static int
note_issued(
    const struct org *o, const struct bl_buf *cert, const char *common_name, struct bl_err *err)
{
	char path[ORG_PATH_MAX], line[160];
	struct bl_pki_info info;
	int rc;

	if ((rc = bl_pki_info(cert, &info, err)) < 0)
		return rc;
	org_path(o, "ca/issued", path);
	(void)snprintf(
	    line, sizeof(line), "%s %" PRId64 " %.64s", info.serial_hex, now_ms(), common_name);
	return files_append_line(path, line, CA_LIST_MAX - 1, 0600, err);
}

/* ---- the CA itself ---- */

static int
ca_make(const struct org *o, struct bl_err *err)
{
	const int64_t now = now_ms();
	const struct bl_pki_validity validity = { now - CA_DAY_MS, now + CA_DAYS * CA_DAY_MS };
	const struct bl_pki_name name = { o->name, "Branchline CA" };
	char path[ORG_PATH_MAX];
	struct ca_pair ca;
	int rc;

	bl_buf_init(&ca.key, CA_PEM_MAX);
	bl_buf_init(&ca.cert, CA_PEM_MAX);
	if ((rc = bl_pki_key_create(&ca.key, err)) < 0 ||
	    (rc = bl_pki_ca_create(&ca.key, &name, &validity, &ca.cert, err)) < 0)
		goto out;
	org_path(o, "ca/ca.key", path);
	if ((rc = files_write(path, ca.key.data, ca.key.len, 0600, err)) < 0)
		goto out;
	/* The certificate last: its presence says that the CA is complete. */
	org_path(o, "ca/ca.pem", path);
	rc = files_write(path, ca.cert.data, ca.cert.len, 0644, err);
out:
	pair_close(&ca);
	return rc;
}

int
ca_init(const struct org *o, bool *made, struct bl_err *err)
{
	char cert[ORG_PATH_MAX], crl[ORG_PATH_MAX];
	struct revoked_list list;
	int rc;

	*made = false;
	org_path(o, "ca/ca.pem", cert);
	org_path(o, "ca/crl.pem", crl);
	if (!files_exists(cert)) {
		if ((rc = ca_make(o, err)) < 0)
			return rc;
		*made = true;
	} else if (files_exists(crl)) {
		return BL_OK;
	}
	if ((rc = revoked_read(o, &list, err)) < 0)
		return rc;
	rc = crl_write(o, &list, err);
	free(list.item);
	return rc;
}

int
ca_issue(const struct org *o, struct bl_pki_request *request, int days, struct bl_buf *key,
    struct bl_buf *cert, struct bl_err *err)
{
	const int64_t now = now_ms();
	struct ca_pair ca;
	int rc;

	if ((rc = pair_open(&ca, o, err)) < 0)
		return rc;
	request->name.organisation = o->name;
	request->validity.not_before_unix_ms = now - CA_DAY_MS / 24;
	request->validity.not_after_unix_ms = now + days * CA_DAY_MS;
	bl_buf_init(key, CA_PEM_MAX);
	bl_buf_init(cert, CA_PEM_MAX);
	if ((rc = bl_pki_key_create(key, err)) == BL_OK)
		rc = bl_pki_issue(&ca.cert, &ca.key, key, request, cert, err);
	if (rc == BL_OK)
		rc = note_issued(o, cert, request->name.common_name, err);
	if (rc < 0) {
		bl_pki_wipe(key);
		bl_buf_free(cert);
	}
	pair_close(&ca);
	return rc;
}

/* What a certificate was made for: written beside it, compared before it is kept. */
static void
names_text(const struct bl_pki_request *rq, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%s", rq->name.common_name);

	for (size_t i = 0; i < BL_PKI_NAMES_MAX && rq->dns[i] != NULL && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, " DNS:%s", rq->dns[i]);
	for (size_t i = 0; i < BL_PKI_NAMES_MAX && rq->ip[i] != NULL && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, " IP:%s", rq->ip[i]);
}

static bool
still_good(const char *pem_path, const char *names_path, const char *names)
{
	struct bl_buf pem, text;
	struct bl_pki_info info;
	bool good = false;

	bl_buf_init(&pem, CA_PEM_MAX);
	bl_buf_init(&text, 4096);
	if (files_read(pem_path, &pem, NULL) == BL_OK && bl_pki_info(&pem, &info, NULL) == BL_OK &&
	    files_read(names_path, &text, NULL) == BL_OK)
		good = info.not_after_unix_ms - now_ms() > RENEW_DAYS * CA_DAY_MS &&
		       text.len == strlen(names) && memcmp(text.data, names, text.len) == 0;
	bl_buf_free(&pem);
	bl_buf_free(&text);
	return good;
}

int
ca_ensure(const struct org *o, const char *folder, const char *name, struct bl_pki_request *request,
    int days, struct bl_err *err)
{
	char relative[160], pem[ORG_PATH_MAX], keyfile[ORG_PATH_MAX], namesfile[ORG_PATH_MAX];
	char names[2048];
	struct bl_buf key, cert;
	int rc;

	(void)snprintf(relative, sizeof(relative), "%s/%s.pem", folder, name);
	org_path(o, relative, pem);
	(void)snprintf(relative, sizeof(relative), "%s/%s.key", folder, name);
	org_path(o, relative, keyfile);
	(void)snprintf(relative, sizeof(relative), "%s/%s.names", folder, name);
	org_path(o, relative, namesfile);
	names_text(request, names, sizeof(names));
	if (files_exists(keyfile) && still_good(pem, namesfile, names))
		return BL_OK;
	if ((rc = ca_issue(o, request, days, &key, &cert, err)) < 0)
		return rc;
	if ((rc = files_write(keyfile, key.data, key.len, 0600, err)) == BL_OK &&
	    (rc = files_write(pem, cert.data, cert.len, 0644, err)) == BL_OK)
		rc = files_write(namesfile, names, strlen(names), 0644, err);
	bl_pki_wipe(&key);
	bl_buf_free(&cert);
	return rc;
}
