/*
 * Samples as the store's readers give them: of what is in parts no batch tells any more.
 */
#include "sim_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store_samples.h"

#define SERIES_MAX 256u

struct of_stream {
	struct judge *j;
	enum bl_stream stream;
	int64_t id[SERIES_MAX];
	int k[SERIES_MAX]; /* which of a machine's it is */
	size_t n;
};

static bool
judge_some(void *ctx, const struct samples *l)
{
	const struct of_stream *o = ctx;

	for (size_t i = 0; i < l->n; i++) {
		const struct sample *s = &l->s[i];
		const struct bl_thin one = { s->value, s->value, 1 };

		judge_stored(o->j, &l->boot[s->boot].uuid, o->stream, s->value, s->boot_ms,
		    o->k[l->series], s->thin > 0 ? &l->thin[s->thin - 1].thin : &one);
	}
	return true;
}

static void
find_series(struct of_stream *o, int64_t device_id)
{
	char sql[160];
	sqlite3_stmt *st;

	(void)snprintf(sql, sizeof(sql),
	    "SELECT id, labels FROM series WHERE device_id=%lld AND stream=%d",
	    (long long)device_id, (int)o->stream);
	st = judge_query(o->j, o->j->db, sql);
	o->n = 0;
	while (judge_row(o->j, st)) {
		const char *labels = (const char *)sqlite3_column_text(st, 1);
		char k = 0, s = 0;

		assert(o->n < SERIES_MAX);
		if (sscanf(labels, "{\"k\":\"%c\",\"s\":\"%c", &k, &s) != 2)
			sim_fail(o->j->w, "a series that nobody made: %s", labels);
		o->id[o->n] = sqlite3_column_int64(st, 0);
		o->k[o->n++] = (k - 'a') + 4 * ((int)o->stream - 1);
	}
}

static void
judge_stream(struct judge *j, struct store_read *r, int64_t device_id, enum bl_stream stream)
{
	struct of_stream o = { .j = j, .stream = stream };
	struct samples_ask ask = { .device_id = device_id,
		.stream = stream,
		.ids = o.id,
		.from_unix_ms = INT64_MIN / 8,
		.to_unix_ms = INT64_MAX / 8,
		.deadline_mono_ms = INT64_MAX };
	struct bl_err err = { 0 };

	find_series(&o, device_id);
	ask.n = o.n;
	if (samples_of(r, &ask, judge_some, &o, NULL, &err) < 0)
		sim_fail(j->w, "samples cannot be read: %s", err.msg);
}

void
judge_samples(struct judge *j)
{
	struct store_read *r = NULL;
	struct bl_err err = { 0 };
	sqlite3_stmt *st = judge_query(j, j->db, "SELECT id FROM device");

	if (store_read_open(&r, j->w->centre.path, &j->w->clock, &err) < 0)
		sim_fail(j->w, "the store cannot be read: %s", err.msg);
	while (judge_row(j, st))
		for (int i = 1; r != NULL && i <= BL_STREAMS; i++)
			judge_stream(j, r, sqlite3_column_int64(st, 0), (enum bl_stream)i);
	store_read_close(r);
}
