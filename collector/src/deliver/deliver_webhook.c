/*
 * Webhooks by Standard Webhooks 1.0.0: webhook-id, webhook-timestamp, webhook-signature
 * (HMAC-SHA256 over "id.timestamp.body").  The id and the body are the same at every try.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>
#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>

#include "deliver_internal.h"

#define RETRY_AFTER_MAX_S (DELIVER_REST_MAX_MS / 1000)

void
deliver_webhook_id(const char *key, char out[40])
{
	uint8_t digest[32];
	int at;

	(void)mbedtls_sha256_ret((const uint8_t *)key, strlen(key), digest, 0);
	at = snprintf(out, 40, "msg_");
	for (int i = 0; i < 16; i++)
		at += snprintf(out + at, 40 - (size_t)at, "%02x", digest[i]);
}

bool
deliver_sign(const char *secret, const char *id, int64_t unix_s, const char *body, char out[64])
{
	const char *base64 = strncmp(secret, "whsec_", 6) == 0 ? secret + 6 : secret;
	uint8_t key[96], mac[32];
	char head[96], *text = NULL;
	size_t key_len, len = 0;
	bool ok;

	if (mbedtls_base64_decode(
		key, sizeof(key), &key_len, (const uint8_t *)base64, strlen(base64)) != 0)
		return false;
	(void)snprintf(head, sizeof(head), "%s.%lld.", id, (long long)unix_s);
	ok = asprintf(&text, "%s%s", head, body) >= 0 &&
	     mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_len,
		 (const uint8_t *)text, strlen(text), mac) == 0;
	explicit_bzero(key, sizeof(key));
	(void)snprintf(out, 64, "v1,");
	ok = ok && mbedtls_base64_encode((uint8_t *)out + 3, 60, &len, mac, sizeof(mac)) == 0;
	free(text);
	return ok;
}

/* {"type":"incident.page","timestamp":...,"data":{...facts, "subject":..., "text":...}} */
static char *
make_body(const struct deliver_letter *l)
{
	json_t *data = json_loads(l->facts, JSON_REJECT_DUPLICATES, NULL);
	json_t *whole;
	char type[48], *body = NULL;

	(void)snprintf(type, sizeof(type), "incident.%s", l->kind);
	if (data != NULL &&
	    json_object_set_new(data, "subject", json_string(l->text->subject)) == 0 &&
	    json_object_set_new(data, "text", json_string(l->text->text)) == 0 &&
	    (whole = json_pack("{s:s, s:I, s:O}", "type", type, "timestamp_unix_ms",
		 (json_int_t)l->created_unix_ms, "data", data)) != NULL) {
		body = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
		json_decref(whole);
	}
	json_decref(data);
	return body;
}

static size_t
keep_answer(char *data, size_t size, size_t n, void *ctx)
{
	struct deliver_try *t = ctx;
	const size_t have = strlen(t->answer);

	for (size_t i = 0; i < size * n && have + i < DELIVER_ANSWER_MAX; i++) {
		const unsigned char c = (unsigned char)data[i];

		t->answer[have + i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
		t->answer[have + i + 1] = '\0';
	}
	return size * n;
}

static void
judge(CURL *h, CURLcode rc, const char *curl_error, struct deliver_try *out)
{
	curl_off_t after = 0;
	char said[DELIVER_ANSWER_MAX + 1];
	long status = 0;

	if (rc != CURLE_OK) {
		out->outcome = DELIVER_RETRY;
		(void)snprintf(out->answer, sizeof(out->answer), "%s",
		    curl_error[0] != '\0' ? curl_error : curl_easy_strerror(rc));
		return;
	}
	(void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &after);
	(void)snprintf(said, sizeof(said), "%s", out->answer);
	(void)snprintf(out->answer, sizeof(out->answer), "HTTP %ld %.*s", status,
	    (int)(DELIVER_ANSWER_MAX - 16), said);
	/* 410: the receiver is gone for good, and says so. */
	out->outcome = status >= 200 && status < 300 ? DELIVER_SENT
		       : status == 410               ? DELIVER_REFUSED
						     : DELIVER_RETRY;
	if (after > RETRY_AFTER_MAX_S)
		after = RETRY_AFTER_MAX_S;
	out->retry_after_ms = after > 0 ? (int64_t)after * 1000 : 0;
}

static struct curl_slist *
headers(const char *id, int64_t unix_s, const char *signature)
{
	static const char *const fixed[] = { "Content-Type: application/json",
		"Expect:", ("User-Agent: Branchline/" BL_VERSION) };
	struct curl_slist *list = NULL, *more;
	char line[160];

	for (size_t i = 0; i < 6; i++) {
		if (i == 3)
			(void)snprintf(line, sizeof(line), "webhook-id: %s", id);
		else if (i == 4)
			(void)snprintf(
			    line, sizeof(line), "webhook-timestamp: %lld", (long long)unix_s);
		else if (i == 5)
			(void)snprintf(line, sizeof(line), "webhook-signature: %s", signature);
		if ((more = curl_slist_append(list, i < 3 ? fixed[i] : line)) == NULL) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = more;
	}
	return list;
}

static void
post(const struct deliver_letter *l, const char *resolve, const char *body, struct curl_slist *head,
    struct deliver_try *out)
{
	struct curl_slist *to = curl_slist_append(NULL, resolve);
	char error[CURL_ERROR_SIZE] = "";
	CURL *h = curl_easy_init();

	if (h == NULL || to == NULL) {
		out->outcome = DELIVER_RETRY;
		(void)snprintf(out->answer, sizeof(out->answer), "out of memory");
	} else {
		(void)curl_easy_setopt(h, CURLOPT_URL, l->channel->url);
		if (resolve[0] != '\0')
			(void)curl_easy_setopt(h, CURLOPT_RESOLVE, to);
		(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
		(void)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
		(void)curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
		(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
		(void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)DELIVER_CONNECT_MS);
		(void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)DELIVER_TOTAL_MS);
		(void)curl_easy_setopt(h, CURLOPT_MAXFILESIZE, 1048576L);
		(void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, head);
		(void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
		(void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, keep_answer);
		(void)curl_easy_setopt(h, CURLOPT_WRITEDATA, out);
		(void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
		judge(h, curl_easy_perform(h), error, out);
	}
	curl_easy_cleanup(h);
	curl_slist_free_all(to);
}

void
deliver_webhook(const struct deliver_opts *o, const struct deliver_letter *l, const char *secret,
    int64_t now_unix_ms, struct deliver_try *out)
{
	char id[40], signature[64], resolve[1024];
	struct curl_slist *head = NULL;
	char *body = make_body(l);

	memset(out, 0, sizeof(*out));
	out->outcome = DELIVER_RETRY;
	deliver_webhook_id(l->key, id);
	if (body == NULL)
		(void)snprintf(out->answer, sizeof(out->answer), "out of memory");
	else if (!deliver_sign(secret, id, now_unix_ms / 1000, body, signature))
		(void)snprintf(
		    out->answer, sizeof(out->answer), "the channel's secret cannot be used");
	else if (deliver_target(l->channel->url, o->private_webhooks, resolve, sizeof(resolve),
		     out->answer, sizeof(out->answer)) &&
		 (head = headers(id, now_unix_ms / 1000, signature)) != NULL)
		post(l, resolve, body, head, out);
	curl_slist_free_all(head);
	free(body);
}
