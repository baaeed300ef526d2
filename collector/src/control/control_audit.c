/*
 * The audit log: a hash chain inside the control database.
 *
 * An edited, removed, inserted or reordered entry breaks the chain at its
 * place.  What a chain cannot show is that its newest entries were cut off
 * together; that needs signed checkpoints kept elsewhere (not part of this yet).
 */
#include "control_internal.h"

#include <string.h>

#include <mbedtls/sha256.h>

#include "control_sql.h"

#define HASH_BYTES 32

struct entry {
	int64_t n;
	int64_t unix_ms;
	const char *text[6]; /* actor, address, action, subject, before, after */
};

static int
hash_u64(mbedtls_sha256_context *h, uint64_t v)
{
	unsigned char b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	return mbedtls_sha256_update_ret(h, b, sizeof(b));
}

/* Each text with its length before it (all ones for NULL), so that none can lean on another. */
static int
hash_text(mbedtls_sha256_context *h, const char *text)
{
	int rc;

	if (text == NULL)
		return hash_u64(h, UINT64_MAX);
	if ((rc = hash_u64(h, strlen(text))) != 0)
		return rc;
	return mbedtls_sha256_update_ret(h, (const unsigned char *)text, strlen(text));
}

static int
hash_entry(
    const unsigned char previous[HASH_BYTES], const struct entry *e, unsigned char out[HASH_BYTES])
{
	static const unsigned char domain[] = "branchline audit 1";
	mbedtls_sha256_context h;
	int bad;

	mbedtls_sha256_init(&h);
	bad = mbedtls_sha256_starts_ret(&h, 0);
	bad |= mbedtls_sha256_update_ret(&h, domain, sizeof(domain));
	bad |= mbedtls_sha256_update_ret(&h, previous, HASH_BYTES);
	bad |= hash_u64(&h, (uint64_t)e->n);
	bad |= hash_u64(&h, (uint64_t)e->unix_ms);
	for (size_t i = 0; i < sizeof(e->text) / sizeof(e->text[0]); i++)
		bad |= hash_text(&h, e->text[i]);
	bad |= mbedtls_sha256_finish_ret(&h, out);
	mbedtls_sha256_free(&h);
	return bad;
}

static int
newest(sqlite3 *db, int64_t *n, unsigned char hash[HASH_BYTES], struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	*n = 0;
	memset(hash, 0, HASH_BYTES);
	rc = control_sql_prepare(
	    &st, db, err, "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1", "");
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1) {
		*n = sqlite3_column_int64(st, 0);
		if (sqlite3_column_bytes(st, 1) == HASH_BYTES)
			memcpy(hash, sqlite3_column_blob(st, 1), HASH_BYTES);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

int
control_audit(struct control_tx *tx, const char *action, const char *subject, const char *before,
    const char *after, struct bl_err *err)
{
	unsigned char previous[HASH_BYTES], hash[HASH_BYTES];
	struct entry e = {
		.unix_ms = tx->unix_ms,
		.text = { tx->actor->name, tx->actor->address, action, subject, before, after },
	};
	int rc;

	if ((rc = newest(tx->db, &e.n, previous, err)) < 0)
		return rc;
	e.n++;
	if (hash_entry(previous, &e, hash) != 0)
		return bl_fail(err, BL_EIO, "audit: SHA-256 failed; the change is not made");
	rc = control_sql_run(tx->db, err,
	    "INSERT INTO audit (n, unix_ms, actor, address, action, subject, before, after, hash) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    "iittttttb", e.n, e.unix_ms, e.text[0], e.text[1], e.text[2], e.text[3], e.text[4],
	    e.text[5], (const void *)hash, (size_t)HASH_BYTES);
	if (rc == BL_OK)
		tx->audit_entries++;
	return rc;
}

int
control_audit_verify(sqlite3 *db, struct control_audit_report *out, struct bl_err *err)
{
	unsigned char previous[HASH_BYTES] = { 0 }, hash[HASH_BYTES];
	sqlite3_stmt *st;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = control_sql_prepare(&st, db, err,
	    "SELECT n, unix_ms, actor, address, action, subject, before, after, hash "
	    "FROM audit ORDER BY n",
	    "");
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, err)) == 1) {
		struct entry e = {
			.n = sqlite3_column_int64(st, 0),
			.unix_ms = sqlite3_column_int64(st, 1),
		};
		for (int i = 0; i < 6; i++)
			e.text[i] = (const char *)sqlite3_column_text(st, 2 + i);
		out->entries++;
		if (hash_entry(previous, &e, hash) != 0) {
			rc = bl_fail(err, BL_EIO, "audit: SHA-256 failed");
			break;
		}
		if (e.n != out->entries || sqlite3_column_bytes(st, 8) != HASH_BYTES ||
		    memcmp(hash, sqlite3_column_blob(st, 8), HASH_BYTES) != 0) {
			out->bad_entry = e.n;
			break;
		}
		memcpy(previous, hash, HASH_BYTES);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}
