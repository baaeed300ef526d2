/* REST over the admin socket; see the header. */
#include "client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/buf.h"

#define ANSWER_MAX (16u * 1024u * 1024u)
#define TIMEOUT_S  30L

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct bl_buf *b = arg;

	bl_buf_bytes(b, data, size * n);
	return b->failed ? 0 : size * n;
}

const char *
client_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

/* RFC 9457: the detail, and what is wrong with which field. */
static int
problem(const char *method, const char *path, long status, const json_t *p, struct bl_err *err)
{
	static const struct {
		long status;
		int code;
	} codes[] = { { 401, BL_EDENIED }, { 403, BL_EDENIED }, { 404, BL_ENOTFOUND },
		{ 409, BL_EEXIST }, { 503, BL_EBUSY } };
	const json_t *first = json_array_get(json_object_get(p, "errors"), 0);
	const char *detail = client_text(p, "detail");
	int code = BL_EINVAL;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].status == status)
			code = codes[i].code;
	if (detail[0] == '\0')
		return bl_fail(
		    err, code, "%s %s: the collector answered %ld", method, path, status);
	if (first == NULL)
		return bl_fail(err, code, "%s", detail);
	return bl_fail(err, code, "%s (%s: expected %s, got %s)", detail,
	    client_text(first, "field"), client_text(first, "expected"), client_text(first, "got"));
}

static int
take_answer(const char *method, const char *path, CURL *curl, struct bl_buf *b, long *status,
    json_t **answer, struct bl_err *err)
{
	json_error_t why;

	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
	if (b->len > 0)
		*answer = json_loadb((const char *)b->data, b->len, JSON_REJECT_DUPLICATES, &why);
	if (b->len > 0 && *answer == NULL && *status >= 200 && *status <= 299)
		return bl_fail(
		    err, BL_ECORRUPT, "%s %s: the answer is not JSON: %s", method, path, why.text);
	return BL_OK;
}

int
client_ask(const struct org *o, const char *method, const char *path, json_t *body, long *status,
    json_t **answer, struct bl_err *err)
{
	char socket_path[ORG_PATH_MAX], url[1024], *text = NULL;
	struct curl_slist *headers = NULL;
	struct bl_buf b;
	CURLcode cc;
	CURL *curl;
	int rc;

	*answer = NULL;
	*status = 0;
	org_path(o, "collector/admin.sock", socket_path);
	if ((size_t)snprintf(url, sizeof(url), "http://localhost/api/v1%s", path) >= sizeof(url))
		return bl_fail(err, BL_EINVAL, "%s: path too long", method);
	bl_buf_init(&b, ANSWER_MAX);
	if ((curl = curl_easy_init()) == NULL)
		return bl_fail(err, BL_ENOMEM, "%s %s: out of memory", method, path);
	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		headers = curl_slist_append(NULL, "Content-Type: application/json");
		if (text == NULL || headers == NULL) {
			rc = bl_fail(err, BL_ENOMEM, "%s %s: out of memory", method, path);
			goto out;
		}
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	}
	(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
	cc = curl_easy_perform(curl);
	if (cc == CURLE_OK)
		rc = take_answer(method, path, curl, &b, status, answer, err);
	else
		rc = bl_fail(err, BL_ENET,
		    "ask the collector at %s: %s; is branchline-collector running, and are you its "
		    "user "
		    "or root?",
		    socket_path, curl_easy_strerror(cc));
out:
	curl_slist_free_all(headers);
	free(text);
	bl_buf_free(&b);
	curl_easy_cleanup(curl);
	return rc;
}

int
client_call(const struct org *o, const char *method, const char *path, json_t *body,
    json_t **answer, struct bl_err *err)
{
	long status;
	int rc = client_ask(o, method, path, body, &status, answer, err);

	if (rc == BL_OK && (status < 200 || status > 299)) {
		rc = problem(method, path, status, *answer, err);
		json_decref(*answer);
		*answer = NULL;
	}
	return rc;
}

int
client_list(const struct org *o, const char *path, json_t **items, struct bl_err *err)
{
	char page[512], after[128] = "";
	json_t *answer = NULL;
	int rc;

	if ((*items = json_array()) == NULL)
		return bl_fail(err, BL_ENOMEM, "GET %s: out of memory", path);
	do {
		(void)snprintf(page, sizeof(page), "%s?limit=1000%s%s", path,
		    after[0] != '\0' ? "&after=" : "", after);
		if ((rc = client_call(o, "GET", page, NULL, &answer, err)) == BL_OK &&
		    json_array_extend(*items, json_object_get(answer, "items")) != 0)
			rc = bl_fail(err, BL_ENOMEM, "GET %s: out of memory", path);
		/* A cursor is an id or a number. */
		(void)snprintf(after, sizeof(after), "%s", client_text(answer, "next"));
		json_decref(answer);
		answer = NULL;
	} while (rc == BL_OK && after[0] != '\0');
	if (rc < 0) {
		json_decref(*items);
		*items = NULL;
	}
	return rc;
}
