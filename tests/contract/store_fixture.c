#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "store_fixture.h"

static int64_t
fake_boot(void *ctx)
{
	return ((struct fixture_clock *)ctx)->mono_ms;
}

static int64_t
fake_mono(void *ctx)
{
	return ((struct fixture_clock *)ctx)->mono_ms;
}

static int64_t
fake_unix(void *ctx)
{
	return ((struct fixture_clock *)ctx)->unix_ms;
}

static void
fake_random(void *ctx, void *out, size_t len)
{
	struct fixture_clock *c = ctx;

	for (size_t i = 0; i < len; i++) {
		c->random = c->random * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)out)[i] = (uint8_t)(c->random >> 56);
	}
}

static bool
fake_synced(void *ctx)
{
	(void)ctx;
	return true;
}

void
fixture_clock_init(struct fixture_clock *c)
{
	*c = (struct fixture_clock){
		.clock = { c, fake_boot, fake_mono, fake_unix, fake_random, fake_synced },
		.mono_ms = 1000000,
		.unix_ms = 1790000000000,
		.random = 42,
	};
}

double
fixture_value(uint32_t series, uint64_t n)
{
	return (double)series * 1000.0 + (double)((n * 7919u + series) % 1000u) / 10.0;
}

struct bl_id
fixture_id(uint8_t fill)
{
	struct bl_id id;

	memset(id.b, fill, sizeof(id.b));
	return id;
}

/* What there is of the series from begin on, within one window; moves *t behind it. */
static void
put_window(struct bl_batch_enc *e, const struct fixture_batch *b, uint32_t series, int64_t *t)
{
	const int64_t end = *t / b->thin_ms * b->thin_ms + b->thin_ms;
	struct bl_thin w = { 0 };
	double sum = 0, v = 0;
	int64_t last = *t;
	int rc;

	for (; *t < end && *t < b->end_ms; *t += b->interval_ms) {
		v = fixture_value(series, (uint64_t)(*t / b->interval_ms)) + b->twist;
		w.min = w.count == 0 || v < w.min ? v : w.min;
		w.max = w.count == 0 || v > w.max ? v : w.max;
		w.count++;
		sum += v;
		last = *t;
	}
	if (!b->counter)
		v = bl_thin_round(sum / w.count, w.min, w.max);
	rc = bl_batch_enc_thin(e, series, last, v, &w);
	assert(rc == BL_OK);
	(void)rc;
}

static void
put_series(struct bl_batch_enc *e, const struct fixture_batch *b, uint32_t series)
{
	int64_t t = b->begin_ms;
	int rc;

	while (b->thin_ms > 0 && t < b->end_ms)
		put_window(e, b, series, &t);
	for (; t < b->end_ms; t += b->interval_ms) {
		rc = bl_batch_enc_sample(e, series, t,
		    fixture_value(series, (uint64_t)(t / b->interval_ms)) + b->twist, BL_KNOWN);
		assert(rc == BL_OK);
		(void)rc;
	}
}

void
fixture_encode(const struct fixture_batch *b, struct bl_buf *out, struct bl_batch_header *h)
{
	struct bl_batch_enc *e = bl_batch_enc_create();
	struct bl_err err = { 0 };
	struct bl_batch_header decoded;
	const uint8_t *body;
	size_t body_len;
	int rc;

	assert(e != NULL);
	for (uint32_t s = 1; s <= b->n_series; s++)
		put_series(e, b, s);
	if (b->gap != NULL) {
		rc = bl_batch_enc_gap(e, b->gap);
		assert(rc == BL_OK);
	}
	if (b->event != NULL) {
		rc = bl_batch_enc_event(e, b->event);
		assert(rc == BL_OK);
	}
	memset(h, 0, sizeof(*h));
	h->spool = b->spool;
	h->boot = b->boot;
	h->stream = b->stream;
	h->seq = b->seq;
	h->collect_begin_ms = b->begin_ms;
	h->collect_end_ms = b->end_ms;
	h->next_seq = b->next_seq != 0 ? b->next_seq : b->seq + 1;
	h->lowest_held = b->lowest_held != 0 ? b->lowest_held : 1;
	if (b->supersedes_first != 0) {
		h->kind = BL_BATCH_SUPERSEDES;
		h->supersedes_first = b->supersedes_first;
		h->supersedes_last = b->supersedes_last;
	}
	bl_buf_reset(out);
	rc = bl_batch_enc_finish(e, h, out, &err);
	if (rc != BL_OK)
		fprintf(stderr, "fixture: %s\n", err.msg);
	assert(rc == BL_OK);
	rc = bl_batch_header_decode(out->data, out->len, &decoded, &body, &body_len, &err);
	assert(rc == BL_OK);
	(void)rc;
	*h = decoded;
	bl_batch_enc_free(e);
}

void
fixture_series(
    struct bl_series_def *def, char name[16], char value[16], uint32_t id, enum bl_stream stream)
{
	(void)snprintf(name, 16, "m%u", id);
	(void)snprintf(value, 16, "%u", id);
	memset(def, 0, sizeof(*def));
	def->id = id;
	def->stream = stream;
	def->kind = BL_GAUGE;
	def->interval_ms = 10000;
	def->name = (struct bl_str){ name, strlen(name) };
	def->unit = (struct bl_str){ "1", 1 };
	def->n_labels = 1;
	def->label[0].key = (struct bl_str){ "n", 1 };
	def->label[0].value = (struct bl_str){ value, strlen(value) };
}

char *
fixture_folder(void)
{
	char path[FOLDER_MAX];

	folder_make(path, "store");
	return strdup(path);
}

void
fixture_folder_remove(char *path)
{
	folder_remove(path);
	free(path);
}
