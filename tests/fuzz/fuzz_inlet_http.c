/*
 * libFuzzer target: bodies of requests to the HTTP inlet, and chunks.  The first
 * byte says what the body is.  Looked for, besides what the sanitizers see: a
 * report that the codec would refuse, an answer that is no JSON or has not one
 * result a report, a broken body of which something was taken, a body in
 * chunks that depends on how it arrives.
 */
#include <math.h>

#include "branchline/batch.h"

#include "fuzz.h"
#include "http_chunk.h"
#include "inlet_http_batch.h"

struct told {
	unsigned n, room;
};

/* What is taken now must not be refused when a batch is made of it. */
static void
check_event(const struct inlet_report *r)
{
	struct bl_batch_enc *enc = bl_batch_enc_create();
	struct bl_event ev = r->ev;

	ev.id = r->id;
	ev.boot_ms = 1;
	CHECK(enc != NULL && bl_batch_enc_event(enc, &ev) == BL_OK);
	bl_batch_enc_free(enc);
}

static void
check_metric(const struct inlet_report *r)
{
	CHECK(isfinite(r->value) && r->id.len <= BL_EVENT_ID_MAX);
	CHECK(r->def.name.len >= 1 && r->def.name.len <= BL_NAME_MAX);
	for (size_t i = 0; i < r->def.name.len; i++)
		CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789_", r->def.name.p[i]) != NULL);
	CHECK(r->def.unit.len >= 1 && r->def.unit.len <= BL_NAME_MAX);
	CHECK(r->def.n_labels < BL_LABELS_MAX);
	for (uint32_t i = 0; i < r->def.n_labels; i++) {
		CHECK(r->def.label[i].key.len >= 1 && r->def.label[i].key.len <= BL_NAME_MAX);
		CHECK(r->def.label[i].value.len <= BL_LABEL_VALUE_MAX);
		CHECK(i == 0 || strcmp(r->def.label[i - 1].key.p, r->def.label[i].key.p) < 0);
	}
}

static int
report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct told *t = ctx;

	if (t->room == 0)
		return bl_fail(err, BL_EFULL, "full");
	t->room--;
	CHECK(token == 7u + t->n);
	t->n++;
	CHECK(r->at_unix_ms >= 0);
	if (r->kind == INLET_EVENT)
		check_event(r);
	else
		check_metric(r);
	return BL_OK;
}

static void
check_answer(const struct inlet_http_batch *b, int want)
{
	struct bl_buf out;
	json_t *root;

	bl_buf_init(&out, INLET_HTTP_ANSWER_MAX);
	CHECK(inlet_http_batch_answer(b, &out) == want && !out.failed);
	root = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_array_size(json_object_get(root, "results")) == b->n);
	json_decref(root);
	bl_buf_free(&out);
}

static void
try_body(enum inlet_http_form form, const char *text, size_t len)
{
	struct inlet_http_batch *b = calloc(1, sizeof(*b));
	struct told t = { .n = 0, .room = 3 };
	const struct inlet_host host = { .ctx = &t, .report = report };
	struct bl_err err = { 0 };
	enum inlet_http_step got;
	unsigned refused = 0;

	CHECK(b != NULL);
	inlet_http_batch_begin(b, form, text, len);
	do {
		got = inlet_http_batch_step(b, &host, UINT64_C(7) + t.n - b->n, &err);
		if (got == INLET_HTTP_STEP_NO_ROOM)
			t.room = 3;
	} while (got == INLET_HTTP_STEP_DONE || got == INLET_HTTP_STEP_NO_ROOM);
	if (got == INLET_HTTP_STEP_BROKEN || got == INLET_HTTP_STEP_LARGE) {
		CHECK(t.n == 0 && err.msg[0] != '\0');
	} else {
		/* Of lines one more: that the rest is left out. */
		CHECK(b->n <= INLET_HTTP_REPORTS_MAX + (form == INLET_HTTP_LINES));
		CHECK(b->waiting == t.n);
		for (unsigned i = 0; i < b->n; i++) {
			refused += b->result[i] == INLET_HTTP_REFUSED;
			inlet_http_batch_done(b, i, (int)(i & 1));
		}
		CHECK(b->waiting == 0 && refused + t.n == b->n);
		check_answer(b, refused > 0 ? 422 : 200);
	}
	inlet_http_batch_free(b);
	free(b);
}

static void
try_chunks(const char *text, size_t len)
{
	struct http_chunk whole = { 0 }, bits = { 0 };
	struct bl_buf a, b;
	size_t at, n = 1;

	bl_buf_init(&a, 1u << 16);
	bl_buf_init(&b, 1u << 16);
	at = http_chunk_feed(&whole, text, len, &a);
	CHECK(at <= len && a.len <= at);
	for (size_t i = 0; i < len && n == 1; i++)
		n = http_chunk_feed(&bits, text + i, 1, &b);
	CHECK(whole.at == bits.at && a.len == b.len);
	CHECK(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
	bl_buf_free(&a);
	bl_buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	if (data[0] % 4 == 3)
		try_chunks(text, size - 1);
	else
		try_body((enum inlet_http_form)(data[0] % 4), text, size - 1);
	free(text);
	return 0;
}
