/* The reports of one request; see the header. */
#include "inlet_http_batch.h"

#include <stdio.h>
#include <string.h>

#include "branchline/json.h"

#include "local_text.h"

#define WORDS_MAX (96u * 1024u)

void
inlet_http_batch_begin(
    struct inlet_http_batch *b, enum inlet_http_form form, const char *text, size_t len)
{
	const size_t mark = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	b->form = form;
	b->text = text + mark;
	b->len = len - mark;
	b->checked = form == INLET_HTTP_LINES; /* each line stands for itself */
	bl_buf_init(&b->words, WORDS_MAX);
}

void
inlet_http_batch_free(struct inlet_http_batch *b)
{
	bl_buf_free(&b->words);
}

/* ---- items of the text ---- */

static size_t
blanks(const struct inlet_http_batch *b, size_t at)
{
	while (at < b->len && strchr(" \t\r\n", b->text[at]) != NULL && b->text[at] != '\0')
		at++;
	return at;
}

/* Behind the value that begins at `at`, or at what ends it; whether it is one, jansson says. */
static size_t
value_end(const struct inlet_http_batch *b, size_t at)
{
	unsigned depth = 0;
	bool quoted = false;

	for (; at < b->len; at++) {
		const char ch = b->text[at];

		if (quoted && ch == '\\') {
			at++;
			continue;
		}
		if (ch == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		if (ch == '{' || ch == '[')
			depth++;
		else if (depth == 0 && (ch == ',' || ch == '}' || ch == ']'))
			return at;
		else if ((ch == '}' || ch == ']') && --depth == 0)
			return at + 1;
	}
	return b->len;
}

/* 1: the next item; 0: there is none; -1: what stands there is no JSON. */
static int
next_in_json(struct inlet_http_batch *b, size_t *from, size_t *to)
{
	size_t at = blanks(b, b->at);

	if (b->item == 0 && b->sub == 0)
		b->list = at < b->len && b->text[at] == '[';
	if (b->list) {
		const char before = b->item == 0 ? '[' : ',';

		if (at < b->len && b->text[at] == ']' && b->item > 0)
			return blanks(b, at + 1) == b->len ? 0 : -1;
		if (at == b->len || b->text[at] != before)
			return -1;
		at = blanks(b, at + 1);
		if (at < b->len && b->text[at] == ']' && b->item == 0)
			return blanks(b, at + 1) == b->len ? 0 : -1;
	} else if (b->item > 0) {
		return at == b->len ? 0 : -1;
	}
	*from = at;
	*to = value_end(b, at);
	return *to > *from ? 1 : -1;
}

static int
next_line(const struct inlet_http_batch *b, size_t *from, size_t *to)
{
	const size_t at = blanks(b, b->at);
	const char *end = at < b->len ? memchr(b->text + at, '\n', b->len - at) : NULL;

	*from = at;
	*to = end != NULL ? (size_t)(end - b->text) : b->len;
	return at < b->len ? 1 : 0;
}

static int
next_item(struct inlet_http_batch *b, size_t *from, size_t *to)
{
	return b->form == INLET_HTTP_LINES ? next_line(b, from, to) : next_in_json(b, from, to);
}

/* Where the item stands, for messages. */
static void
path_of(const struct inlet_http_batch *b, char out[32])
{
	out[0] = '\0';
	if (b->list || b->form == INLET_HTTP_LINES)
		(void)snprintf(out, 32, "%s[%u]",
		    b->form == INLET_HTTP_COLLECTD ? "lists" : "reports", b->item);
}

static json_t *
tree(const struct inlet_http_batch *b, size_t from, size_t to, struct bl_err *err)
{
	char path[32];
	json_t *out;

	path_of(b, path);
	/* What is no object is refused for that, unless it is no JSON either. */
	if (b->text[from] != '{' && b->text[from] != '[' &&
	    (out = json_loadb(b->text + from, to - from, JSON_DECODE_ANY, NULL)) != NULL)
		return out;
	(void)bl_json_parse(&out, b->text + from, to - from, INLET_HTTP_REPORT_MAX,
	    path[0] != '\0' ? path : "the body", err);
	return out;
}

/* ---- first: is it JSON at all ---- */

static unsigned
reports_of(const struct inlet_http_batch *b, const json_t *item)
{
	const size_t n = b->form == INLET_HTTP_COLLECTD ? inlet_http_collectd_values(item) : 1;

	return n > 0 ? (unsigned)n : 1; /* one without any is wrong, and said so */
}

static enum inlet_http_step
broken(const struct inlet_http_batch *b, struct bl_err *err)
{
	(void)bl_fail(err, BL_EINVAL, "byte %zu: expected %s", blanks(b, b->at) + 1,
	    b->item == 0 ? "an object, or a list of objects"
	    : b->list    ? "\",\" or \"]\" behind an item of the list"
			 : "nothing behind the object");
	return INLET_HTTP_STEP_BROKEN;
}

static enum inlet_http_step
check(struct inlet_http_batch *b, struct bl_err *err)
{
	size_t from, to;
	const int got = next_item(b, &from, &to);
	json_t *item;

	if (got < 0)
		return broken(b, err);
	if (got == 0) {
		b->at = 0;
		b->item = 0;
		b->checked = true;
		b->n = 0;
		return INLET_HTTP_STEP_DONE;
	}
	if ((item = tree(b, from, to, err)) == NULL)
		return err->code == BL_EFULL ? INLET_HTTP_STEP_LARGE : INLET_HTTP_STEP_BROKEN;
	b->n += reports_of(b, item);
	json_decref(item);
	b->item++;
	b->looked += to - b->at;
	b->at = to;
	if (b->n <= INLET_HTTP_REPORTS_MAX)
		return INLET_HTTP_STEP_DONE;
	(void)bl_fail(
	    err, BL_EFULL, "there are more than %u reports in one request", INLET_HTTP_REPORTS_MAX);
	return INLET_HTTP_STEP_LARGE;
}

/* ---- then: one by one ---- */

/* A message once, however many have it in a row.  Where there is no room for so many, some have
 * none. */
static uint32_t
keep_words(struct inlet_http_batch *b, const char *why)
{
	char text[sizeof(((struct bl_err *)NULL)->msg) + 40];
	size_t n = 0;

	for (; why[n] != '\0' && n < sizeof(text) - 1; n++)
		text[n] = (unsigned char)why[n] < 0x20 ? ' ' : why[n];
	text[n] = '\0';
	if (b->words.failed)
		return 0;
	if (b->words.len > 0 && strcmp((const char *)b->words.data + b->last_words, text) == 0)
		return b->last_words + 1;
	b->last_words = (uint32_t)b->words.len;
	bl_buf_bytes(&b->words, text, n + 1);
	return b->words.failed ? 0 : b->last_words + 1;
}

static void
settle(struct inlet_http_batch *b, unsigned i, enum inlet_http_result result, const char *why)
{
	b->result[i] = (uint8_t)result;
	b->why[i] = why != NULL ? keep_words(b, why) : 0;
}

static int
read_one(struct inlet_http_batch *b, json_t *item, struct bl_err *err)
{
	char path[32];
	int rc;

	path_of(b, path);
	if (b->form == INLET_HTTP_COLLECTD)
		return inlet_http_collectd_read(&b->report, item, b->sub, path, err);
	rc = inlet_http_report_read(&b->report, item, path, err);
	return rc < 0 ? rc : 1;
}

/* The host's word on what is well written. */
static enum inlet_http_step
hand_over(struct inlet_http_batch *b, const struct inlet_host *host, uint64_t token)
{
	struct bl_err err = { 0 };
	char path[32], why[sizeof(err.msg) + 40];
	int rc;

	b->report.r.user = b->user;
	rc = host->report(host->ctx, &b->report.r, token + b->n, &err);

	if (rc == BL_EFULL)
		return INLET_HTTP_STEP_NO_ROOM;
	path_of(b, path);
	(void)snprintf(why, sizeof(why), "%s%s%s", path, path[0] != '\0' ? ": " : "", err.msg);
	if (rc == BL_OK)
		b->waiting++;
	settle(b, b->n,
	    rc == BL_OK                                ? INLET_HTTP_WAITS
	    : rc == BL_EINVAL || rc == BL_EUNSUPPORTED ? INLET_HTTP_REFUSED
						       : INLET_HTTP_FAILED,
	    rc == BL_OK ? NULL : why);
	b->n++;
	return INLET_HTTP_STEP_DONE;
}

/* One report of the item that stands at from..to. */
static enum inlet_http_step
take(struct inlet_http_batch *b, json_t *item, const struct inlet_host *host, uint64_t token)
{
	enum inlet_http_step got = INLET_HTTP_STEP_DONE;
	struct bl_err err = { 0 };
	const int rc = read_one(b, item, &err);

	if (rc > 0)
		got = hand_over(b, host, token);
	else if (rc < 0)
		settle(b, b->n++, INLET_HTTP_REFUSED, err.msg);
	return got;
}

static enum inlet_http_step
too_many(struct inlet_http_batch *b)
{
	settle(b, b->n++, INLET_HTTP_REFUSED,
	    "this and what follows is left out: there are more than 1000 reports in one request");
	b->ended = true;
	return INLET_HTTP_STEP_ENDED;
}

static enum inlet_http_step
submit(struct inlet_http_batch *b, const struct inlet_host *host, uint64_t token)
{
	enum inlet_http_step got = INLET_HTTP_STEP_DONE;
	struct bl_err err = { 0 };
	size_t from, to;
	json_t *item;

	if (next_item(b, &from, &to) <= 0) {
		b->ended = true;
		return INLET_HTTP_STEP_ENDED;
	}
	if (b->n == INLET_HTTP_REPORTS_MAX)
		return too_many(b);
	b->looked += to - from;
	if ((item = tree(b, from, to, &err)) != NULL)
		got = take(b, item, host, token);
	else
		settle(b, b->n++, err.code == BL_ENOMEM ? INLET_HTTP_FAILED : INLET_HTTP_REFUSED,
		    err.msg);
	if (got == INLET_HTTP_STEP_DONE && (item == NULL || ++b->sub >= reports_of(b, item))) {
		b->sub = 0;
		b->item++;
		b->at = to;
	}
	json_decref(item);
	return got;
}

enum inlet_http_step
inlet_http_batch_step(
    struct inlet_http_batch *b, const struct inlet_host *host, uint64_t token, struct bl_err *err)
{
	if (b->ended)
		return INLET_HTTP_STEP_ENDED;
	return b->checked ? submit(b, host, token) : check(b, err);
}

/* ---- what became of them ---- */

void
inlet_http_batch_done(struct inlet_http_batch *b, unsigned i, int rc)
{
	if (i >= b->n || b->result[i] != INLET_HTTP_WAITS)
		return;
	b->waiting--;
	if (rc < 0)
		settle(b, i, INLET_HTTP_FAILED,
		    rc == BL_EFULL ? "not stored: disk and memory are full; try again later"
				   : "not stored: the agent could not write it; try again later");
	else
		settle(b, i, rc == 0 ? INLET_HTTP_ACCEPTED : INLET_HTTP_REPEATED, NULL);
}

void
inlet_http_batch_late(struct inlet_http_batch *b, const char *why)
{
	for (unsigned i = 0; b->checked && i < b->n; i++)
		if (b->result[i] == INLET_HTTP_WAITS)
			settle(b, i, INLET_HTTP_FAILED, why);
	b->waiting = 0;
}

void
inlet_http_batch_stop(struct inlet_http_batch *b, const char *why)
{
	size_t from, to;

	if (!b->checked) {
		b->n = b->item = 0;
		b->at = 0;
		b->checked = true;
	}
	while (!b->ended && b->n < INLET_HTTP_REPORTS_MAX && next_item(b, &from, &to) > 0) {
		settle(b, b->n++, INLET_HTTP_FAILED, why);
		b->item++;
		b->at = to;
	}
	b->ended = true;
}

static void
put_result(const struct inlet_http_batch *b, unsigned i, struct bl_buf *out)
{
	static const char *const names[] = { "failed", "accepted", "repeated", "refused",
		"failed" };
	const char *why = b->why[i] > 0 ? (const char *)b->words.data + b->why[i] - 1 : NULL;

	local_text_put(out, i > 0 ? ",\n{\"result\":\"" : "\n{\"result\":\"");
	local_text_put(out, names[b->result[i]]);
	local_text_put(out, "\",\"message\":");
	if (why != NULL)
		local_text_json(out, why, strlen(why));
	else if (b->result[i] == INLET_HTTP_REFUSED || b->result[i] == INLET_HTTP_FAILED)
		local_text_put(out, "\"there is no room for more messages\"");
	else
		local_text_put(out, "null");
	bl_buf_u8(out, '}');
}

int
inlet_http_batch_answer(const struct inlet_http_batch *b, struct bl_buf *out)
{
	unsigned of[INLET_HTTP_FAILED + 1] = { 0 };

	local_text_put(out, "{\"results\":[");
	for (unsigned i = 0; i < b->n; i++) {
		of[b->result[i]]++;
		put_result(b, i, out);
	}
	local_text_put(out, "]}\n");
	return of[INLET_HTTP_FAILED] + of[INLET_HTTP_WAITS] > 0 ? 503
	       : of[INLET_HTTP_REFUSED] > 0                     ? 422
								: 200;
}
