/*
 * E-mail through the organisation's own server: SMTP with STARTTLS (RFC 3207), TLS, or plain.
 *
 * The Message-ID follows from the message's key, so a repeated letter is recognised as the same.
 * Text goes as base64 in UTF-8: no line is too long, no word is misread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <mbedtls/base64.h>

#include "branchline/buf.h"
#include "branchline/secret.h"

#include "deliver_internal.h"

#define LETTER_MAX (256u * 1024u)
#define WORD_BYTES 42 /* of UTF-8 in one encoded word: 75 characters at most (RFC 2047) */

static void
add(struct bl_buf *b, const char *s)
{
	bl_buf_bytes(b, s, strlen(s));
}

static void
add_base64(struct bl_buf *b, const char *data, size_t len)
{
	char text[128];
	size_t n = 0;

	if (mbedtls_base64_encode(
		(uint8_t *)text, sizeof(text), &n, (const uint8_t *)data, len) == 0)
		bl_buf_bytes(b, text, n);
	else
		b->failed = true;
}

/* Words of at most 42 bytes, cut between characters. */
static void
add_subject(struct bl_buf *b, const char *s)
{
	const size_t len = strlen(s);

	add(b, "Subject: ");
	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < WORD_BYTES ? len - at : WORD_BYTES;
		while (n > 1 && at + n < len && ((unsigned char)s[at + n] & 0xc0) == 0x80)
			n--;
		add(b, at > 0 ? "\r\n =?utf-8?B?" : "=?utf-8?B?");
		add_base64(b, s + at, n);
		add(b, "?=");
	}
	add(b, "\r\n");
}

static void
add_body(struct bl_buf *b, const char *text)
{
	struct bl_buf crlf;

	bl_buf_init(&crlf, LETTER_MAX);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\n')
			bl_buf_u8(&crlf, '\r');
		bl_buf_u8(&crlf, (uint8_t)*p);
	}
	b->failed = b->failed || crlf.failed;
	for (size_t at = 0; at < crlf.len && !crlf.failed; at += 57) { /* lines of 76 */
		add_base64(b, (const char *)crlf.data + at, crlf.len - at < 57 ? crlf.len - at : 57);
		add(b, "\r\n");
	}
	bl_buf_free(&crlf);
}

static void
add_date(struct bl_buf *b, int64_t unix_ms)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	const time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;
	char line[64];

	(void)gmtime_r(&t, &tm); /* names as RFC 5322 has them, whatever the locale */
	(void)snprintf(line, sizeof(line), "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
	add(b, line);
}

char *
deliver_mail_text(const struct deliver_opts *o, const struct deliver_letter *l)
{
	const char *at = strrchr(o->smtp_from, '@');
	char id[40], line[512], *out = NULL;
	struct bl_buf b;

	deliver_webhook_id(l->key, id);
	bl_buf_init(&b, LETTER_MAX);
	add_date(&b, l->created_unix_ms);
	(void)snprintf(line, sizeof(line), "From: Branchline <%s>\r\nTo: ", o->smtp_from);
	add(&b, line);
	for (size_t i = 0; i < l->channel->n_to; i++) {
		add(&b, i > 0 ? ",\r\n <" : "<");
		add(&b, l->channel->to[i]);
		add(&b, ">");
	}
	add(&b, "\r\n");
	add_subject(&b, l->text->subject);
	(void)snprintf(line, sizeof(line),
	    "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n"
	    "X-Branchline-Kind: %s\r\n\r\n",
	    id, at != NULL ? at + 1 : "localhost", l->kind);
	add(&b, line);
	add_body(&b, l->text->text);
	bl_buf_u8(&b, 0);
	if (!b.failed)
		out = strdup((const char *)b.data);
	bl_buf_free(&b);
	return out;
}

/* ---- sending ---- */

struct upload {
	const char *at;
	size_t left;
};

static size_t
give(char *to, size_t size, size_t n, void *ctx)
{
	struct upload *u = ctx;
	const size_t k = u->left < size * n ? u->left : size * n;

	memcpy(to, u->at, k);
	u->at += k;
	u->left -= k;
	return k;
}

struct hearing {
	struct deliver_try *out;
	char refused[DELIVER_ANSWER_MAX / 2 + 1]; /* its newest 4xx or 5xx; "": none */
};

static void
copy_line(char *to, size_t max, const char *data, size_t len)
{
	if (len > max)
		len = max;
	while (len > 0 && (data[len - 1] == '\r' || data[len - 1] == '\n'))
		len--;
	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)data[i] < 0x20 || data[i] == 0x7f ? ' ' : data[i];
	to[len] = '\0';
}

/* The server's newest line: what it said to the letter, or why it did not want it. */
static size_t
keep_line(char *data, size_t size, size_t n, void *ctx)
{
	const size_t len = size * n;
	struct hearing *h = ctx;

	copy_line(h->out->answer, DELIVER_ANSWER_MAX, data, len);
	if (len > 0 && (data[0] == '4' || data[0] == '5'))
		copy_line(h->refused, sizeof(h->refused) - 1, data, len);
	if (len >= 3 && memcmp(data, "235", 3) == 0)
		h->refused[0] = '\0'; /* a way of signing in that it did not know, before one that it does */
	return len;
}

static bool
read_password(const char *path, char out[256], char *why, size_t size)
{
	struct stat sb;
	FILE *f = fopen(path, "re");
	bool ok;

	if (f == NULL || fstat(fileno(f), &sb) != 0) {
		(void)snprintf(why, size, "read the mail password %s: %s", path, strerror(errno));
		if (f != NULL)
			(void)fclose(f);
		return false;
	}
	ok = !bl_secret_is_open(path, &sb) && fgets(out, 256, f) != NULL;
	(void)fclose(f);
	if (!ok)
		(void)snprintf(why, size,
		    "the mail password %s is empty, or others may read it (its mode must be 0600)",
		    path);
	else
		out[strcspn(out, "\r\n")] = '\0';
	return ok;
}

static bool
sign_in(CURL *h, const struct deliver_opts *o, struct deliver_try *out)
{
	char password[256];

	if (o->smtp_user == NULL)
		return true;
	if (!read_password(o->smtp_password_file, password, out->answer, sizeof(out->answer)))
		return false;
	(void)curl_easy_setopt(h, CURLOPT_USERNAME, o->smtp_user);
	(void)curl_easy_setopt(h, CURLOPT_PASSWORD, password);
	explicit_bzero(password, sizeof(password));
	return true;
}

static void
judge(CURL *h, CURLcode rc, const char *curl_error, const struct hearing *heard)
{
	struct deliver_try *out = heard->out;
	char said[DELIVER_ANSWER_MAX + 1];
	long code = 0;

	(void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &code);
	/* Behind a refusal it still says goodbye. */
	(void)snprintf(said, sizeof(said), "%s",
	    rc != CURLE_OK && heard->refused[0] != '\0' ? heard->refused : out->answer);
	if (rc == CURLE_OK) {
		out->outcome = DELIVER_SENT;
		if (heard->refused[0] != '\0')
			(void)snprintf(out->answer, sizeof(out->answer),
			    "%.*s; not to all addresses: %s", 240, said, heard->refused);
		return;
	}
	/* 5xx to an address or to the letter is for good; to signing in it is a setting that an
	 * administrator will mend. */
	out->outcome = code >= 500 && code < 600 && (rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR ||
						       rc == CURLE_WEIRD_SERVER_REPLY)
	    ? DELIVER_REFUSED
	    : DELIVER_RETRY;
	(void)snprintf(out->answer, sizeof(out->answer), "%.*s%s%.*s", 240,
	    curl_error[0] != '\0' ? curl_error : curl_easy_strerror(rc), said[0] != '\0' ? ": " : "",
	    240, said);
}

static void
configure(CURL *h, const struct deliver_opts *o, struct upload *u, struct hearing *heard)
{
	char url[320], from[300];

	(void)snprintf(url, sizeof(url), "%s://%s:%u", o->smtp_security == DELIVER_TLS ? "smtps" : "smtp",
	    o->smtp_host, (unsigned)o->smtp_port);
	(void)snprintf(from, sizeof(from), "<%s>", o->smtp_from);
	(void)curl_easy_setopt(h, CURLOPT_URL, url);
	(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void)curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(h, CURLOPT_USE_SSL,
	    (long)(o->smtp_security == DELIVER_STARTTLS ? CURLUSESSL_ALL : CURLUSESSL_NONE));
	if (o->smtp_ca != NULL) {
		(void)curl_easy_setopt(h, CURLOPT_CAINFO, o->smtp_ca);
		/* In place of the system's, which libcurl would trust beside it. */
		(void)curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	}
	(void)curl_easy_setopt(h, CURLOPT_MAIL_FROM, from);
	/* One bad address must not keep the letter from the others. */
	(void)curl_easy_setopt(h, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)DELIVER_CONNECT_MS);
	(void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)DELIVER_TOTAL_MS);
	(void)curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(h, CURLOPT_READFUNCTION, give);
	(void)curl_easy_setopt(h, CURLOPT_READDATA, u);
	(void)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, keep_line);
	(void)curl_easy_setopt(h, CURLOPT_HEADERDATA, heard);
}

static struct curl_slist *
recipients(const struct define_channel *c)
{
	struct curl_slist *list = NULL, *more;
	char address[DEFINE_ADDRESS_MAX + 3];

	for (size_t i = 0; i < c->n_to; i++) {
		(void)snprintf(address, sizeof(address), "<%s>", c->to[i]);
		if ((more = curl_slist_append(list, address)) == NULL) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = more;
	}
	return list;
}

void
deliver_mail(const struct deliver_opts *o, const struct deliver_letter *l, struct deliver_try *out)
{
	char error[CURL_ERROR_SIZE] = "", *letter = NULL;
	struct hearing heard = { .out = out };
	struct curl_slist *to = NULL;
	struct upload u;
	CURL *h = NULL;

	memset(out, 0, sizeof(*out));
	out->outcome = DELIVER_RETRY;
	if (o->smtp_host == NULL) {
		(void)snprintf(out->answer, sizeof(out->answer),
		    "no mail server is configured: section mail of collector.yaml");
		return;
	}
	if ((h = curl_easy_init()) == NULL || (to = recipients(l->channel)) == NULL ||
	    (letter = deliver_mail_text(o, l)) == NULL) {
		(void)snprintf(out->answer, sizeof(out->answer), "out of memory");
	} else {
		u = (struct upload){ letter, strlen(letter) };
		configure(h, o, &u, &heard);
		(void)curl_easy_setopt(h, CURLOPT_MAIL_RCPT, to);
		(void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
		if (sign_in(h, o, out))
			judge(h, curl_easy_perform(h), error, &heard);
	}
	curl_easy_cleanup(h);
	curl_slist_free_all(to);
	free(letter);
}
