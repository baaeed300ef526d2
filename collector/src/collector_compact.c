/*
 * The compactor in the collector: ingest's writer makes true what it has written, the evaluator
 * says how far the log has been taken in.
 */
#include "collector_internal.h"

#include <stdio.h>

#include "control_sql.h"

/* Left free by packing, which gives back more than it takes, but later. */
#define ROOM_BYTES (16 << 20)

/* On the compactor's thread, all of these. */
static int
write_store(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	const struct collector *c = ctx;

	return ingest_write(c->ingest, fn, arg, err);
}

static int64_t
passed(void *ctx, const struct bl_id *epoch)
{
	const struct collector *c = ctx;

	return eval_passed(c->compact_control, epoch);
}

static bool
awaited(void *ctx, int64_t batch_id)
{
	const struct collector *c = ctx;
	struct bl_err err = { 0 };
	int64_t n = 0;

	return control_sql_int(c->compact_control, &err, 0, &n,
		   "SELECT count(*) FROM eval_waiting WHERE batch_id = ?", "i", batch_id) < 0 ||
	       n > 0;
}

static int
room(void *ctx, int64_t bytes, struct bl_err *err)
{
	const struct collector *c = ctx;
	struct disk_status disk;

	disk_status(c->disk, &disk);
	if (disk.free_bytes < 0 || disk.free_bytes >= bytes + ROOM_BYTES)
		return BL_OK;
	return bl_fail(err, BL_EFULL,
	    "the disk of %s is full: %.1f MiB are free, %.1f MiB are needed to pack an hour",
	    c->cfg->state_dir, (double)disk.free_bytes / 1048576,
	    (double)(bytes + ROOM_BYTES) / 1048576);
}

int
collector_compact_start(struct collector *c, struct bl_err *err)
{
	const struct config_retention *r = &c->cfg->retention;
	const struct compact_opts opts = {
		.telemetry_path = c->telemetry_path,
		.parts = c->parts,
		.clock = c->clock,
		.write = write_store,
		.passed = passed,
		.awaited = awaited,
		.room = room,
		.damaged = collector_store_damaged,
		.ctx = c,
		.after_ms = c->cfg->compact.after_ms,
		.retention = { .raw_ms = r->raw_ms,
		    .five_minutes_ms = r->five_minutes_ms,
		    .hours_ms = r->hours_ms,
		    .events_ms = r->events_ms },
		.age = c->age,
		.keep_unpacked = !c->cfg->compact.pack,
	};
	int rc;

	if ((rc = control_reader_open(c->control, &c->compact_control, err)) < 0 ||
	    (rc = compact_open(&c->compact, &opts, c->opened, err)) < 0)
		return rc;
	return compact_start(c->compact, err);
}

void
collector_compact_stop(struct collector *c)
{
	compact_close(c->compact);
	c->compact = NULL;
	if (c->compact_control != NULL)
		control_reader_close(c->compact_control);
	c->compact_control = NULL;
}

/* ---- what the API asks ---- */

#ifdef COLLECTOR_HAS_API
#include "api.h"

static void
level_of(const struct compact_level *l, int64_t keep_ms, struct api_storage_level *out)
{
	*out = (struct api_storage_level){ .parts = l->parts,
		.files = l->files,
		.bytes = l->disk_bytes,
		.samples = (int64_t)l->samples,
		.from_unix_ms = l->from_unix_ms,
		.to_unix_ms = l->to_unix_ms,
		.keep_ms = keep_ms };
}

static void
damage_of(const struct compact_status *s, struct api_storage *out)
{
	_Static_assert(COMPACT_DAMAGED <= API_DAMAGED_MAX, "there is room for all that is listed");
	out->damaged = s->damaged;
	out->checked_unix_ms = s->checked_unix_ms;
	out->n_damaged = s->damaged_listed;
	for (unsigned i = 0; i < s->damaged_listed; i++) {
		const struct compact_damage *d = &s->damaged_at[i];
		struct api_damaged *to = &out->damaged_at[i];

		to->part = d->part;
		to->hour_unix_ms = d->hour_unix_ms;
		(void)snprintf(to->file, sizeof(to->file), "%s", d->file);
		(void)snprintf(to->why, sizeof(to->why), "%s", d->why);
	}
}

void
collector_storage(void *ctx, struct api_storage *out)
{
	const struct collector *c = ctx;
	const struct config_retention *r = &c->cfg->retention;
	struct compact_status s;
	struct disk_status disk;

	compact_status(c->compact, &s);
	disk_status(c->disk, &disk);
	level_of(&s.level[PARTS_RAW], r->raw_ms, &out->raw);
	level_of(&s.level[PARTS_M5], r->five_minutes_ms, &out->five_minutes);
	level_of(&s.level[PARTS_H1], r->hours_ms, &out->hours);
	out->events_keep_ms = r->events_ms;
	out->compaction = !c->cfg->compact.pack ? API_COMPACTION_OFF
			  : !s.ok               ? API_COMPACTION_FAILING
			  : s.working           ? API_COMPACTION_WORKING
						: API_COMPACTION_IDLE;
	(void)snprintf(out->compaction_why, sizeof(out->compaction_why), "%s", s.why);
	out->packed_until_unix_ms = s.due_oldest_unix_ms;
	out->packed_last_unix_ms = s.packed_last_unix_ms;
	out->packed_samples = s.samples;
	out->parts_written = s.parts;
	out->parts_rewritten = s.rewritten;
	out->late_hours = s.late;
	out->files_deleted = s.forgotten_files;
	out->bytes_written = s.bytes;
	out->bytes_given_back = s.given_back;
	out->due_hours = s.due;
	out->age_held_ms = s.age_left_ms;
	out->waiting_batches = (int64_t)s.rows;
	out->disk_free_bytes = disk.free_bytes;
	damage_of(&s, out);
	collector_latest_storage(c, out);
}

void
collector_compact_metrics(const struct collector *c, struct api_metrics *m)
{
	static const char *const name[PARTS_LEVELS] = { "raw", "five_minutes", "hours" };
	struct compact_status s;

	compact_status(c->compact, &s);
#define COUNT(suffix, help, value)                                                                 \
	api_metric(m, "branchline_compact_" suffix, API_COUNTER, help, NULL, (double)(value))
#define GAUGE(suffix, help, value)                                                                 \
	api_metric(m, "branchline_compact_" suffix, API_GAUGE, help, NULL, (double)(value))
	GAUGE("ok", "1: the compactor's last step went well.", s.ok);
	GAUGE(
	    "due_hours", "Hours of a device's stream of which something is in no part yet.", s.due);
	GAUGE("due_oldest_unix_seconds", "The oldest of them; 0: there is none.",
	    s.due_oldest_unix_ms / 1000);
	GAUGE("batch_rows", "Batches that are rows of the database.", s.rows);
	COUNT("parts_total", "Parts written since the start.", s.parts);
	COUNT("samples_total", "Samples in them.", s.samples);
	COUNT("bytes_total", "Bytes of them.", s.bytes);
	COUNT("given_back_bytes_total",
	    "Bytes given back to the disk since the start: of files, regions of files, pages.",
	    s.given_back);
	COUNT("late_hours_total", "Devices' hours that were packed again.", s.late);
	COUNT("rewritten_total", "Parts written anew to give space back.", s.rewritten);
	COUNT("left_alone_total",
	    "Devices' hours that could not be packed: something does not hold, or it is too much.",
	    s.left_alone);
	COUNT("too_late_total",
	    "Devices' hours of which data came after their samples were deleted: they stay as they "
	    "came.",
	    s.too_late);
	GAUGE("lost_refused", "Damaged parts of which the ledger has no room to name all hours.",
	    s.lost_refused);
	GAUGE("age_held",
	    "1: the clock is too far ahead of the newest samples; nothing is deleted by its age.",
	    s.age_held);
	COUNT("files_deleted_total", "Files deleted by their age.", s.forgotten_files);
	GAUGE("longest_write_ms", "The longest that the writer was kept by one slice.",
	    s.longest_write_ms);
	GAUGE("checked_unix_seconds",
	    "When every byte of every part had been looked at last; 0: not since the start.",
	    s.checked_unix_ms / 1000);
#undef COUNT
#undef GAUGE
	for (int i = 0; i < PARTS_LEVELS; i++) {
		char labels[48];

		(void)snprintf(labels, sizeof(labels), "level=\"%s\"", name[i]);
		api_metric(m, "branchline_parts_disk_bytes", API_GAUGE,
		    "Files of parts, as the disk counts them.", labels,
		    (double)s.level[i].disk_bytes);
	}
	api_metric(m, "branchline_parts_damaged", API_GAUGE,
	    "Regions of parts that cannot be read; /api/v1/storage says which.", NULL,
	    (double)s.damaged);
	for (unsigned i = 0; i < s.damaged_listed; i++) {
		char labels[160];

		(void)snprintf(labels, sizeof(labels), "file=\"%s\",hour=\"%lld\",part=\"%lld\"",
		    s.damaged_at[i].file, (long long)(s.damaged_at[i].hour_unix_ms / 1000),
		    (long long)s.damaged_at[i].part);
		api_metric(m, "branchline_parts_damaged_hour", API_GAUGE,
		    "1: the part of that hour (Unix seconds) cannot be read; the first of them.",
		    labels, 1);
	}
}
#endif
