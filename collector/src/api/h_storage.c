/* What is stored, for how long it is kept, how compaction goes. */
#include "api_internal.h"

#include <string.h>

static void
write_level(struct jsonw *w, const char *key, const struct api_storage_level *l)
{
	jsonw_object(w, key);
	jsonw_int(w, "parts", (int64_t)l->parts);
	jsonw_int(w, "files", (int64_t)l->files);
	jsonw_int(w, "bytes", l->bytes);
	jsonw_int_or_null(w, "samples", l->samples >= 0, l->samples);
	api_time(w, "from_unix_ms", l->parts > 0 ? l->from_unix_ms : STORE_TIME_NONE);
	api_time(w, "to_unix_ms", l->parts > 0 ? l->to_unix_ms : STORE_TIME_NONE);
	jsonw_int_or_null(w, "keep_ms", l->keep_ms > 0, l->keep_ms);
	jsonw_object_end(w);
}

static void
write_compaction(struct jsonw *w, const struct api_storage *s)
{
	static const char *const state[] = {
		[API_COMPACTION_OFF] = "off",
		[API_COMPACTION_IDLE] = "idle",
		[API_COMPACTION_WORKING] = "working",
		[API_COMPACTION_FAILING] = "failing",
	};

	jsonw_object(w, "compaction");
	jsonw_str(w, "state", state[s->compaction]);
	jsonw_str(w, "why", s->compaction_why[0] != '\0' ? s->compaction_why : NULL);
	jsonw_int_or_null(
	    w, "packed_until_unix_ms", s->packed_until_unix_ms > 0, s->packed_until_unix_ms);
	jsonw_int_or_null(w, "last_unix_ms", s->packed_last_unix_ms > 0, s->packed_last_unix_ms);
	jsonw_int(w, "samples", (int64_t)s->packed_samples);
	jsonw_int(w, "parts_written", (int64_t)s->parts_written);
	jsonw_int(w, "parts_rewritten", (int64_t)s->parts_rewritten);
	jsonw_int(w, "late_hours", (int64_t)s->late_hours);
	jsonw_int(w, "files_deleted", (int64_t)s->files_deleted);
	jsonw_int(w, "bytes_written", (int64_t)s->bytes_written);
	jsonw_int(w, "bytes_given_back", (int64_t)s->bytes_given_back);
	jsonw_int(w, "due_hours", (int64_t)s->due_hours);
	jsonw_object_end(w);
}

static void
write_damaged(struct jsonw *w, const struct api_storage *s)
{
	jsonw_object(w, "damaged");
	jsonw_int(w, "count", (int64_t)s->damaged);
	jsonw_int_or_null(w, "checked_unix_ms", s->checked_unix_ms > 0, s->checked_unix_ms);
	jsonw_array(w, "items");
	for (unsigned i = 0; i < s->n_damaged; i++) {
		const struct api_damaged *d = &s->damaged_at[i];

		jsonw_object(w, NULL);
		jsonw_int(w, "part", d->part);
		jsonw_str(w, "file", d->file);
		jsonw_int(w, "hour_unix_ms", d->hour_unix_ms);
		jsonw_str(w, "why", d->why);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}

int
get_storage(struct api_req *r, struct bl_err *err)
{
	struct api_storage s;
	struct store_totals t;
	struct store_read *reader;
	struct jsonw *w = &r->w;
	int rc;

	memset(&s, 0, sizeof(s));
	s.raw.samples = s.five_minutes.samples = s.hours.samples = -1;
	s.waiting_batches = s.disk_free_bytes = -1;
	if (r->api->opts.hooks.storage != NULL)
		r->api->opts.hooks.storage(r->api->opts.hooks.ctx, &s);
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = store_read_totals(reader, &t, err);
	api_reader_give(r->api, reader);
	if (rc < 0)
		return rc;
	jsonw_object(w, NULL);
	write_level(w, "raw", &s.raw);
	write_level(w, "five_minutes", &s.five_minutes);
	write_level(w, "hours", &s.hours);
	jsonw_int_or_null(w, "events_keep_ms", s.events_keep_ms > 0, s.events_keep_ms);
	jsonw_object(w, "database");
	jsonw_int(w, "bytes", t.store_bytes);
	jsonw_int(w, "batches", (int64_t)t.batches);
	jsonw_int_or_null(w, "waiting_batches", s.waiting_batches >= 0, s.waiting_batches);
	jsonw_object_end(w);
	write_compaction(w, &s);
	write_damaged(w, &s);
	jsonw_int_or_null(w, "age_held_ms", s.age_held_ms > 0, s.age_held_ms);
	jsonw_int_or_null(w, "disk_free_bytes", s.disk_free_bytes >= 0, s.disk_free_bytes);
	jsonw_object(w, "latest");
	jsonw_int(w, "series", (int64_t)s.latest_series);
	jsonw_int(w, "refused", (int64_t)s.latest_refused);
	jsonw_int(w, "bytes", (int64_t)s.latest_bytes);
	jsonw_object_end(w);
	jsonw_object_end(w);
	return api_json_send(r, 200);
}
