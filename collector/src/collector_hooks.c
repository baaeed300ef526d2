/*
 * What the API asks of the rest: readers of the store, how it goes, figures.
 * Called on the API's threads.
 */
#include "collector_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

#ifdef COLLECTOR_HAS_API
#include "api.h"

/* A writer that has not gone round its loop for this long is stuck. */
#define WRITER_STUCK_MS 30000

static int
open_reader(void *ctx, struct store_read **out, struct bl_err *err)
{
	struct collector *c = ctx;
	const int rc = store_read_open(out, c->telemetry_path, c->clock, err);

	if (rc == BL_OK) {
		store_read_watch(*out, collector_store_damaged, c);
		store_read_use_parts(*out, c->parts);
		store_read_use_fresh(*out, c->fresh);
	}
	return rc;
}

static void
close_reader(void *ctx, struct store_read *r)
{
	(void)ctx;
	store_read_close(r);
}

/* A log longer than this is one that a reader keeps from being emptied. */
#define WAL_ALARM_BYTES 134217728

static void
disk_and_damage(const struct collector *c, const struct ingest_status *s, struct api_status *out)
{
	const struct store_damage *const d = &s->damage;
	struct store_aside_files files;
	struct disk_status disk;

	disk_status(c->disk, &disk);
	store_aside_files(c->telemetry_path, &files);
	out->disk_free_bytes = disk.free_bytes;
	out->disk_full = disk.full;
	out->wal_bytes = s->store.wal_bytes;
	out->commit_failures = s->commit_failures;
	(void)snprintf(out->damaged_file, sizeof(out->damaged_file), "%s", d->file);
	out->salvaging = d->salvaging;
	out->salvaged_percent = !d->salvaging   ? 100
				: d->pages == 0 ? 0
						: (int)(d->pages_done * 100 / d->pages);
	out->salvaged_batches = d->batches;
	out->salvaged_samples = d->samples;
	out->salvaged_known = d->known;
	out->salvaged_conflicts = d->conflicts;
	out->salvaged_unreadable = d->unreadable;
	out->damaged_files = files.n;
	out->damaged_bytes = files.bytes;
	if (out->store_ok && out->wal_bytes > WAL_ALARM_BYTES) {
		out->store_ok = false;
		(void)snprintf(out->store_why, sizeof(out->store_why),
		    "the write-ahead log has %lld MiB: something reads telemetry.db for a long time"
		    " and keeps it from being emptied",
		    (long long)out->wal_bytes >> 20);
	}
}

static void
evaluation_status(const struct collector *c, struct api_status *out)
{
	struct deliver_status d;
	struct eval_status e;

	eval_status(c->eval, &e);
	deliver_status(c->deliver, &d);
	out->eval_ok = e.ok;
	(void)snprintf(out->eval_why, sizeof(out->eval_why), "%s", e.why);
	out->eval_behind_batches = e.behind_batches;
	out->eval_dirty_spans = e.dirty;
	out->eval_waiting_batches = e.waiting;
	out->messages_waiting = d.waiting;
	out->oldest_message_unix_ms = d.waiting > 0 ? d.oldest_waiting_unix_ms : 0;
	(void)snprintf(out->delivery_problem, sizeof(out->delivery_problem), "%s", d.problem);
}

static void
status(void *ctx, struct api_status *out)
{
	const struct collector *c = ctx;
	struct ingest_status s;

	ingest_status(c->ingest, &s);
	out->live_up = s.live_up;
	out->past_up = s.past_up;
	(void)snprintf(out->broker_why, sizeof(out->broker_why), "%s", s.why);
	out->broker_dropped = s.broker_dropped;
	out->store_ok = s.store_ok && s.since_progress_ms < WRITER_STUCK_MS;
	if (!s.store_ok)
		(void)snprintf(out->store_why, sizeof(out->store_why), "%s", s.store_why);
	else if (!out->store_ok)
		(void)snprintf(out->store_why, sizeof(out->store_why),
		    "the writer has not moved for %lld s", (long long)s.since_progress_ms / 1000);
	disk_and_damage(c, &s, out);
	if (s.last_commit_mono_ms > 0)
		out->last_commit_unix_ms =
		    bl_unix_ms(c->clock) - (bl_mono_ms(c->clock) - s.last_commit_mono_ms);
	out->batches = s.core.batches;
	out->samples = s.core.samples;
	evaluation_status(c, out);
}

/* What becomes of it after it was stored. */
static void
evaluation_metrics(const struct collector *c, struct api_metrics *m)
{
	struct deliver_status d;
	struct eval_status e;

	eval_status(c->eval, &e);
	deliver_status(c->deliver, &d);
#define COUNT(name, help, value)                                                                   \
	api_metric(m, "branchline_" name, API_COUNTER, help, NULL, (double)(value))
#define GAUGE(name, help, value)                                                                   \
	api_metric(m, "branchline_" name, API_GAUGE, help, NULL, (double)(value))
	GAUGE("eval_ok", "1: the evaluator's last step went well.", e.ok);
	GAUGE("eval_behind_batches", "Batches stored and not evaluated yet.", e.behind_batches);
	GAUGE("eval_dirty_spans", "Spans of a device's data still to be worked out.", e.dirty);
	GAUGE("eval_waiting_batches", "Batches without a clock map or dictionary entries yet.",
	    e.waiting);
	COUNT("eval_steps_total", "Pieces of work since the start.", e.steps);
	COUNT("eval_cells_changed_total", "KPI values that changed.", e.cells_changed);
	COUNT(
	    "eval_findings_total", "Answers of rules that were matched to incidents.", e.findings);
	COUNT("eval_step_events_refused_total",
	    "Step events of a bad form, of a device in service nowhere then, or over a case's cap.",
	    e.events_refused);
	COUNT("eval_kpi_rows_forgotten_total",
	    "KPI parts, values and revisions whose time was over.", e.kpi_rows_forgotten);
	GAUGE("eval_longest_transaction_ms", "The longest that people's changes waited for it.",
	    e.longest_tx_ms);
	GAUGE("messages_waiting", "Messages in the outbox that are not sent yet.", d.waiting);
	COUNT("messages_sent_total", "Messages that the other side took.", d.sent);
	COUNT("messages_retried_total", "Tries that failed and are repeated.", d.retried);
	COUNT(
	    "messages_refused_total", "Messages that the other side refused for good.", d.refused);
	COUNT("messages_given_up_total", "Messages given up after days of trying.", d.given_up);
#undef COUNT
#undef GAUGE
}

static void
fresh_metrics(const struct collector *c, struct api_metrics *m)
{
	struct store_fresh_stats s;

	if (c->fresh == NULL)
		return;
	store_fresh_stats(c->fresh, &s);
#define COUNT(name, help, value)                                                                   \
	api_metric(m, "branchline_open_hours_" name, API_COUNTER, help, NULL, (double)(value))
#define GAUGE(name, help, value)                                                                   \
	api_metric(m, "branchline_open_hours_" name, API_GAUGE, help, NULL, (double)(value))
	GAUGE("bytes", "Memory with what questions have decoded of hours in no part yet.", s.bytes);
	GAUGE("max_bytes", "As much as it may have.", s.max_bytes);
	GAUGE("pieces", "Runs of batches of which something is in it.", s.pieces);
	COUNT("hits_total", "Runs of batches that were asked for and there.", s.hits);
	COUNT("misses_total", "Those that were not there.", s.misses);
	COUNT("refused_total", "Those that found no room.", s.refused);
	COUNT("dropped_total", "Those that went: for others, or no more asked for.", s.dropped);
#undef COUNT
#undef GAUGE
}

static void
metrics(void *ctx, struct api_metrics *m)
{
	const struct collector *c = ctx;
	struct ingest_status s;
	struct disk_status disk;

	ingest_status(c->ingest, &s);
#define COUNT(name, help, value)                                                                   \
	api_metric(m, "branchline_ingest_" name, API_COUNTER, help, NULL, (double)(value))
#define GAUGE(name, help, value)                                                                   \
	api_metric(m, "branchline_ingest_" name, API_GAUGE, help, NULL, (double)(value))
	COUNT("batches_total", "Batches stored since the start.", s.core.batches);
	COUNT("samples_total", "Samples stored since the start.", s.core.samples);
	COUNT("bundles_total", "Messages with several batches since the start.", s.core.bundles);
	COUNT("duplicates_total", "Batches that were stored already.", s.core.duplicates);
	COUNT("set_aside_total", "Messages set aside, repeats too.", s.core.set_aside);
	COUNT("hellos_total", "Handshakes begun by agents.", s.core.hellos);
	COUNT("receipts_total", "Receipts sent.", s.core.receipts);
	COUNT("questions_total", "Questions sent for what is missing.", s.core.questions);
	COUNT("queue_dropped_total", "Messages dropped because a queue was full; they come again.",
	    s.queue_dropped + s.mailbox_dropped);
	if (s.broker_dropped >= 0)
		GAUGE("broker_dropped_messages",
		    "Messages that the broker dropped since it began; they come again.",
		    s.broker_dropped);
	COUNT("lookup_failures_total", "Messages dropped because devices could not be looked up.",
	    s.core.lookup_failures);
	COUNT("holes_refused_total", "Batches dropped because a stream has too many holes.",
	    s.core.refused_holes);
	GAUGE("queue_messages", "Messages waiting for the writer.", s.queued_messages);
	GAUGE("queue_bytes", "Their bytes.", s.queued_bytes);
	GAUGE("devices", "Devices heard of since the start.", s.core.devices);
	GAUGE("devices_with_backlog", "Devices that are catching up.", s.core.with_backlog);
	GAUGE("broker_live_up", "1: the connection for live data is up.", s.live_up);
	GAUGE("broker_past_up", "1: the connection for backlog is up.", s.past_up);
	GAUGE("store_ok", "1: the last commit went well.", s.store_ok);
	COUNT("commits_total", "Transactions of the telemetry store since the start.",
	    s.store.commits);
	COUNT(
	    "commit_failures_total", "Groups that did not get into the store.", s.commit_failures);
	COUNT("store_due_seen_total",
	    "Batches of an earlier program that were looked at for what is due to be packed.",
	    s.store.due_seen);
	COUNT("store_due_found_total", "Hours of theirs that were due and not noted.",
	    s.store.due_found);
	COUNT("store_reopened_total", "How often the store was opened again after a failure.",
	    s.store.reopened);
	COUNT(
	    "store_replaced_total", "How often a damaged store was set aside.", s.damage.replaced);
	COUNT("store_checkpoint_failures_total",
	    "How often the log could not be written back; it is tried again.",
	    s.store.checkpoint_failures);
	GAUGE("store_wal_bytes", "The telemetry store's write-ahead log.", s.store.wal_bytes);
	GAUGE("salvaging", "1: what can be read of a damaged store is being taken over.",
	    s.damage.salvaging);
	GAUGE("salvaged_batches", "Batches taken over from the damaged store set aside last.",
	    s.damage.batches);
#undef COUNT
#undef GAUGE
	disk_status(c->disk, &disk);
	if (disk.free_bytes >= 0)
		api_metric(m, "branchline_disk_free_bytes", API_GAUGE,
		    "Free for the collector on the disk of its state folder.", NULL,
		    (double)disk.free_bytes);
	api_metric(m, "branchline_disk_full", API_GAUGE,
	    "1: telemetry waits with the agents until there is room.", NULL, disk.full);
	evaluation_metrics(c, m);
	collector_compact_metrics(c, m);
	collector_latest_metrics(c, m);
	fresh_metrics(c, m);
}

static void
devices_changed(void *ctx)
{
	const struct collector *c = ctx;

	ingest_devices_changed(c->ingest);
	eval_fleet_changed(c->eval);
}

static void
definitions_changed(void *ctx)
{
	const struct collector *c = ctx;

	eval_wake(c->eval);
}

static void
messages_put(void *ctx)
{
	const struct collector *c = ctx;

	deliver_wake(c->deliver);
}

static int
requeue(void *ctx, const struct api_requeue *what, struct bl_err *err)
{
	const struct collector *c = ctx;
	struct ingest_requeue *q = calloc(1, sizeof(*q));
	int rc;

	if (q == NULL)
		return bl_fail(err, BL_ENOMEM, "requeue: out of memory");
	q->reason = what->reason;
	(void)snprintf(
	    q->device, sizeof(q->device), "%s", what->device != NULL ? what->device : "");
	q->n_ids = what->n_ids < INGEST_REQUEUE_IDS ? (unsigned)what->n_ids : INGEST_REQUEUE_IDS;
	memcpy(q->id, what->id, q->n_ids * sizeof(q->id[0]));
	rc = ingest_requeue(c->ingest, q, err);
	free(q);
	return rc;
}

static void
requeue_status(void *ctx, struct api_requeue_status *out)
{
	const struct collector *c = ctx;
	struct ingest_requeue_status s;

	ingest_requeue_status(c->ingest, &s);
	*out = (struct api_requeue_status){
		.running = s.running,
		.begun_unix_ms = s.begun_unix_ms,
		.ended_unix_ms = s.ended_unix_ms,
		.tried = s.sums.tried,
		.taken = s.sums.taken,
		.kept = s.sums.kept,
		.expired = s.sums.expired,
		.later = s.sums.later,
	};
}

int
collector_api_start(struct collector *c, struct bl_err *err)
{
	const struct config_web *w = &c->cfg->web;
	const char *origins[17] = { NULL };
	struct api_opts opts = {
		.listen_address = w->certificate != NULL ? w->listen : NULL,
		.port = (uint16_t)w->port,
		.cert_file = w->certificate,
		.key_file = w->key,
		.web_root = w->root,
		.admin_socket = c->socket_path,
		.exports_per_user = (unsigned)w->exports_per_user,
		.default_zone = c->cfg->zone,
		.board_url = c->cfg->board_url,
		.control = c->control,
		.clock = c->clock,
		.latest = c->latest,
		.hooks = { .ctx = c,
		    .store_open = open_reader,
		    .store_close = close_reader,
		    .status = status,
		    .metrics = metrics,
		    .devices_changed = devices_changed,
		    .definitions_changed = definitions_changed,
		    .messages_put = messages_put,
		    .requeue = requeue,
		    .requeue_status = requeue_status,
		    .storage = collector_storage },
	};
	int rc;

	for (size_t i = 0; i < w->origins.n && i < 16; i++)
		origins[i] = w->origins.item[i];
	opts.origins = origins;
	if ((rc = api_start(&c->api, &opts, err)) < 0)
		return rc;
	if (opts.listen_address != NULL)
		bl_info("collector", "board and API answer address=https://%s:%u",
		    opts.listen_address, (unsigned)api_port(c->api));
	return BL_OK;
}

void
collector_api_stop(struct collector *c)
{
	api_stop(c->api);
	c->api = NULL;
}

#else

int
collector_api_start(struct collector *c, struct bl_err *err)
{
	(void)c;
	(void)err;
	bl_warn("collector", "this build has no API");
	return BL_OK;
}

void
collector_api_stop(struct collector *c)
{
	(void)c;
}

#endif
