/*
 * Secrets of webhooks, as Standard Webhooks writes them: "whsec_" and base64.
 * They stand in a table of their own, read by what signs and by the one answer
 * that shows a made one; no list, log line or audit entry has them.
 */
#include "define_internal.h"

#include <stdio.h>
#include <string.h>

#include <mbedtls/base64.h>
#include <mbedtls/platform_util.h>

#include "branchline/clock.h"

#include "control_sql.h"

#define LEAD       "whsec_"
#define LEAD_LEN   (sizeof(LEAD) - 1)
#define BYTES_MIN  24u
#define BYTES_MAX  64u
#define MADE_BYTES 32u

bool
define_secret_ok(const char *s)
{
	unsigned char raw[BYTES_MAX], again[DEFINE_SECRET_MAX + 1];
	size_t n = 0, len;
	bool ok = false;

	if (strncmp(s, LEAD, LEAD_LEN) != 0 || strlen(s) > DEFINE_SECRET_MAX)
		return false;
	len = strlen(s + LEAD_LEN);
	/* There and back: the decoder forgives line breaks, which a receiver may not. */
	if (mbedtls_base64_decode(raw, sizeof(raw), &n, (const unsigned char *)s + LEAD_LEN, len) ==
		0 &&
	    n >= BYTES_MIN) {
		size_t back = 0;

		ok = mbedtls_base64_encode(again, sizeof(again), &back, raw, n) == 0 &&
		     back == len && memcmp(again, s + LEAD_LEN, len) == 0;
	}
	mbedtls_platform_zeroize(raw, sizeof(raw));
	mbedtls_platform_zeroize(again, sizeof(again));
	return ok;
}

void
define_secret_make(char out[DEFINE_SECRET_MAX + 1])
{
	const struct bl_clock *clock = bl_clock_real();
	unsigned char raw[MADE_BYTES];
	size_t n = 0;

	clock->random(clock->ctx, raw, sizeof(raw));
	(void)snprintf(out, DEFINE_SECRET_MAX + 1, LEAD);
	/* cannot fail: 44 characters and a NUL into 122 */
	(void)mbedtls_base64_encode((unsigned char *)out + LEAD_LEN,
	    DEFINE_SECRET_MAX + 1 - LEAD_LEN, &n, raw, sizeof(raw));
	mbedtls_platform_zeroize(raw, sizeof(raw));
}

int
define_secret_store(struct sqlite3 *db, const char *channel, const char *secret, struct bl_err *err)
{
	return control_sql_run(db, err,
	    "INSERT INTO channel_secret (channel, secret) VALUES (?, ?) "
	    "ON CONFLICT (channel) DO UPDATE SET secret = excluded.secret",
	    "tt", channel, secret);
}

int
define_secret(
    struct sqlite3 *db, const char *channel, char out[DEFINE_SECRET_MAX + 1], struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	out[0] = '\0';
	rc = control_sql_prepare(
	    &st, db, err, "SELECT secret FROM channel_secret WHERE channel = ?", "t", channel);
	if (rc < 0)
		return rc;
	if ((rc = control_sql_step(st, err)) == 1)
		control_sql_text(st, 0, out, DEFINE_SECRET_MAX + 1);
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	if (rc < 0)
		return rc;
	return rc == 1 ? BL_OK : BL_ENOTFOUND;
}
