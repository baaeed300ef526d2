/*
 * What is wrong with the server's certificate, in words, and by which clock.
 *
 * mbedTLS judges dates by the system's clock.  Ours may know better (a floor
 * that was lifted) or know that it knows nothing, so the date complaints are
 * taken back and made anew: never while the clock is untrusted, by the
 * owner's clock otherwise.  Chain, name and revocation are never waived.
 *
 * mbedTLS 2.28 knows no IP addresses in certificates; a broker addressed by
 * its number is checked against them here.
 */
#include "link_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mbedtls/oid.h>

#include "branchline/log.h"

#define DATE_FLAGS     ((uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))
#define CRL_DATE_FLAGS ((uint32_t)(MBEDTLS_X509_BADCRL_EXPIRED | MBEDTLS_X509_BADCRL_FUTURE))
/* [2] dNSName and [7] iPAddress of a GeneralName, RFC 5280 section 4.2.1.6. */
#define SAN_DNS (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2)
#define SAN_IP  (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7)

static const struct {
	uint32_t flag;
	const char *text;
} complaints[] = {
	{ MBEDTLS_X509_BADCERT_REVOKED, "has been revoked" },
	{ MBEDTLS_X509_BADCERT_EXPIRED, "its validity has expired" },
	{ MBEDTLS_X509_BADCERT_FUTURE, "is not valid yet" },
	{ MBEDTLS_X509_BADCERT_CN_MISMATCH, "is for another host" },
	{ MBEDTLS_X509_BADCERT_NOT_TRUSTED, "not correctly signed by the trusted CA" },
	{ MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "is not meant for a server" },
	{ MBEDTLS_X509_BADCERT_KEY_USAGE, "its key is not meant for this" },
	{ MBEDTLS_X509_BADCERT_BAD_MD, "is signed with a weak hash" },
	{ MBEDTLS_X509_BADCERT_BAD_PK, "is signed with a weak kind of key" },
	{ MBEDTLS_X509_BADCERT_BAD_KEY, "its key is too weak" },
	{ MBEDTLS_X509_BADCRL_NOT_TRUSTED,
	    "the list of revoked certificates is not signed by its CA" },
};

static int64_t
unix_ms_of(const mbedtls_x509_time *t)
{
	struct tm tm = { .tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec };

	return (int64_t)timegm(&tm) * 1000;
}

void
link_common_name(const mbedtls_x509_crt *crt, char *out, size_t size)
{
	(void)snprintf(out, size, "?");
	for (const mbedtls_x509_name *n = &crt->subject; n != NULL; n = n->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
			(void)snprintf(out, size, "%.*s", (int)n->val.len, (const char *)n->val.p);
	/* From the network, into logs and status. */
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static bool
address_matches(const mbedtls_x509_crt *crt, const char *name)
{
	unsigned char address[16];
	size_t len = 0;

	if (inet_pton(AF_INET, name, address) == 1)
		len = 4;
	else if (inet_pton(AF_INET6, name, address) == 1)
		len = 16;
	if (len == 0)
		return false;
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next)
		if (s->buf.tag == SAN_IP && s->buf.len == len &&
		    memcmp(s->buf.p, address, len) == 0)
			return true;
	return false;
}

static size_t
append_names(const mbedtls_x509_crt *crt, char *out, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	size_t used = 0;

	out[0] = '\0';
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next) {
		const char *text = NULL;
		int len = 0;

		if (s->buf.tag == SAN_DNS) {
			text = (const char *)s->buf.p;
			len = (int)strnlen(text, s->buf.len);
		} else if (s->buf.tag == SAN_IP && (s->buf.len == 4 || s->buf.len == 16)) {
			text = inet_ntop(s->buf.len == 4 ? AF_INET : AF_INET6, s->buf.p, address,
			    sizeof(address));
			len = text == NULL ? 0 : (int)strlen(text);
		}
		if (len > 0 && used + (size_t)len + 3 < size)
			used += (size_t)snprintf(
			    out + used, size - used, "%s%.*s", used == 0 ? "" : ", ", len, text);
	}
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return used;
}

static void
append_details(
    const struct bl_link *l, const mbedtls_x509_crt *crt, uint32_t flags, char *out, size_t size)
{
	char names[160], now[BL_TIME_SIZE], ours[96];

	if (flags & DATE_FLAGS) {
		bl_time_utc(bl_unix_ms(l->clock), now);
		(void)snprintf(out, size,
		    " (valid %04d-%02d-%02d to %04d-%02d-%02d, our clock says %.10s)",
		    crt->valid_from.year, crt->valid_from.mon, crt->valid_from.day,
		    crt->valid_to.year, crt->valid_to.mon, crt->valid_to.day, now);
	} else if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
		if (append_names(crt, names, sizeof(names)) == 0)
			link_common_name(crt, names, sizeof(names));
		(void)snprintf(out, size, " (it names %s; expected %s)", names, l->verify_name);
	} else if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
		link_common_name(&l->creds->ca, ours, sizeof(ours));
		(void)snprintf(out, size, " (we trust \"%s\")", ours);
	}
}

/* The most telling complaint about this certificate becomes the report's text. */
static void
describe(struct bl_link *l, const mbedtls_x509_crt *crt, int depth, uint32_t flags)
{
	const char *what = "is not acceptable";
	char cn[96], details[320] = "";

	for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
		if (flags & complaints[i].flag) {
			what = complaints[i].text;
			flags = complaints[i].flag;
			break;
		}
	}
	link_common_name(crt, cn, sizeof(cn));
	append_details(l, crt, flags, details, sizeof(details));
	(void)snprintf(l->report.text, sizeof(l->report.text), "%s certificate \"%s\": %s%s",
	    depth > 0 ? "issuer" : "server", cn, what, details);
}

/*
 * A list that is out of date still revokes what it names, but does not by its
 * age cut the device off: the fresh list comes through this very link.
 */
static void
stale_crl(struct bl_link *l, uint32_t flags)
{
	if (!(flags & CRL_DATE_FLAGS) || l->clock_untrusted || l->creds->told_stale_crl)
		return;
	l->creds->told_stale_crl = true;
	bl_warn("link", "the list of revoked certificates is out of date; it is used as it is");
}

int
link_verify_cb(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct bl_link *l = ctx;
	const int64_t now = bl_unix_ms(l->clock);
	const int64_t begins = unix_ms_of(&crt->valid_from);

	stale_crl(l, *flags);
	*flags &= ~(DATE_FLAGS | CRL_DATE_FLAGS);
	if (begins > l->chain_begins_unix_ms)
		l->chain_begins_unix_ms = begins;
	if (!l->clock_untrusted && now > unix_ms_of(&crt->valid_to))
		*flags |= MBEDTLS_X509_BADCERT_EXPIRED;
	if (!l->clock_untrusted && now < begins)
		*flags |= MBEDTLS_X509_BADCERT_FUTURE;
	if (depth == 0) {
		link_common_name(crt, l->report.server_subject, sizeof(l->report.server_subject));
		if (address_matches(crt, l->verify_name))
			*flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_CN_MISMATCH;
	}
	/* The first complaint, nearest to the root, explains those below it. */
	if (*flags != 0 && l->verify_flags == 0)
		describe(l, crt, depth, *flags);
	l->verify_flags |= *flags;
	return 0;
}
