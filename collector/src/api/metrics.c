/* /metrics: Prometheus' text exposition.  Any thread; one writer object a request. */
#include "api_internal.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "control_sql.h"

#define PREFIX "branchline_"

struct api_metrics {
	struct bl_buf *out;
	char last[96]; /* HELP and TYPE stand once before the samples of a name */
};

static void
put(struct api_metrics *m, const char *text)
{
	bl_buf_bytes(m->out, text, strlen(text));
}

static void
put_head(struct api_metrics *m, const char *name, enum api_metric_type type, const char *help)
{
	char line[512];

	if (strcmp(m->last, name) == 0)
		return;
	(void)snprintf(m->last, sizeof(m->last), "%s", name);
	(void)snprintf(line, sizeof(line), "# HELP %s %.300s\n# TYPE %s %s\n", name, help, name,
	    type == API_COUNTER ? "counter" : "gauge");
	put(m, line);
}

void
api_metric(struct api_metrics *m, const char *name, enum api_metric_type type, const char *help,
    const char *labels, double value)
{
	char line[640], number[40];

	if (isnan(value))
		return;
	put_head(m, name, type, help);
	(void)snprintf(number, sizeof(number), "%.15g", value);
	if (labels != NULL && labels[0] != '\0')
		(void)snprintf(line, sizeof(line), "%s{%.400s} %s\n", name, labels, number);
	else
		(void)snprintf(line, sizeof(line), "%s %s\n", name, number);
	put(m, line);
}

static void
count(struct api_metrics *m, const char *name, const char *help, const char *labels, uint64_t v)
{
	api_metric(m, name, API_COUNTER, help, labels, (double)v);
}

static void
gauge(struct api_metrics *m, const char *name, const char *help, double v)
{
	api_metric(m, name, API_GAUGE, help, NULL, v);
}

static void
http_part(struct api_metrics *m, struct api *api)
{
	struct http_counters c = { 0 }, local = { 0 };
	unsigned exports;
	uint64_t refused;
	char labels[64];

	for (int i = 1; i < 6; i++) {
		(void)snprintf(labels, sizeof(labels), "status=\"%dxx\"", i);
		count(m, PREFIX "http_requests_total", "Answers by class of status.", labels,
		    atomic_load_explicit(&api->requests[i], memory_order_relaxed));
	}
	for (size_t i = 0; i < API_PROBLEM_CODES; i++) {
		(void)snprintf(labels, sizeof(labels), "code=\"%s\"", api_problem_code(i));
		count(m, PREFIX "http_problems_total", "Refused or failed requests by code.",
		    labels, atomic_load_explicit(&api->problems[i], memory_order_relaxed));
	}
	if (api->https != NULL)
		http_counters(api->https, &c);
	if (api->local != NULL)
		http_counters(api->local, &local);
	export_turns_count(&api->exports, &exports, &refused);
	gauge(m, PREFIX "exports", "Exports on their way.", exports);
	count(m, PREFIX "exports_refused_total",
	    "Exports refused because their user, or all, had as many as there may be.", NULL,
	    refused);
	gauge(m, PREFIX "http_connections", "Open connections.",
	    (double)(c.connections + local.connections));
	count(m, PREFIX "http_timed_out_total",
	    "Connections closed because a request or its answer took too long.", NULL,
	    c.timed_out + local.timed_out);
	count(m, PREFIX "http_malformed_total", "Requests refused for their framing.", NULL,
	    c.malformed + local.malformed);
}

static int
auth_part(struct api_metrics *m, struct api *api, struct bl_err *err)
{
	struct auth_counters c;
	uint64_t commits, busy;
	struct sqlite3 *db;
	int64_t sessions = 0;
	int rc;

	auth_counters(api->auth, &c);
	count(m, PREFIX "sign_ins_total", "Tries to sign in by result.", "result=\"ok\"",
	    c.signed_in);
	count(m, PREFIX "sign_ins_total", "", "result=\"wrong\"", c.refused);
	count(m, PREFIX "sign_ins_total", "", "result=\"limited\"", c.limited);
	count(m, PREFIX "sign_ins_total", "", "result=\"busy\"", c.busy);
	if ((rc = control_read_begin(api->opts.control, &db, err)) < 0)
		return rc;
	rc = control_sql_int(db, err, 0, &sessions,
	    "SELECT count(*) FROM session WHERE expires_unix_ms > ?1 AND last_seen_unix_ms > ?2",
	    "ii", bl_unix_ms(api->opts.clock), bl_unix_ms(api->opts.clock) - AUTH_IDLE_MS);
	control_read_end(api->opts.control, db);
	if (rc < 0)
		return rc;
	gauge(m, PREFIX "sessions", "Sessions that hold.", (double)sessions);
	control_counters(api->opts.control, &commits, &busy);
	count(m, PREFIX "control_commits_total", "Changes of the control database.", NULL, commits);
	count(m, PREFIX "control_busy_total", "Changes refused because no turn came.", NULL, busy);
	return BL_OK;
}

static void
aside_part(struct api_metrics *m, const struct store_totals *t)
{
	static const char *const reasons[STORE_ASIDE_REASONS] = { "not_ours", "undecodable",
		"foreign_identity", "wrong_part", "retained", "oversized", "conflict",
		"unknown_device", "retired" };
	char labels[64];

	for (int i = 0; i < STORE_ASIDE_REASONS; i++) {
		(void)snprintf(labels, sizeof(labels), "reason=\"%s\"", reasons[i]);
		count(m, PREFIX "set_aside_total", "Messages set aside, repeats too.", labels,
		    t->set_aside_by[i]);
	}
	count(m, PREFIX "set_aside_refused_total",
	    "Messages that the set-aside list had no room for.", NULL, t->set_aside_refused);
}

/* Entries may be taken back when something comes after all: gauges. */
static void
gaps_part(struct api_metrics *m, const struct store_totals *t)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} sums[] = {
		{ PREFIX "store_gap_entries", "Entries in the ledger of gaps by reason.",
		    offsetof(struct store_gap_sum, entries) },
		{ PREFIX "store_gap_batches", "Batches that will never come, by reason.",
		    offsetof(struct store_gap_sum, batches) },
		{ PREFIX "store_gap_samples", "Samples that will never come, as far as known.",
		    offsetof(struct store_gap_sum, samples) },
	};
	char labels[64];

	for (size_t k = 0; k < sizeof(sums) / sizeof(sums[0]); k++)
		for (int i = 0; i < STORE_GAP_REASONS; i++) {
			const char *at = (const char *)&t->gaps_by[i] + sums[k].at;

			(void)snprintf(
			    labels, sizeof(labels), "reason=\"%s\"", store_gap_reason_name(i + 1));
			api_metric(m, sums[k].name, API_GAUGE, sums[k].help, labels,
			    (double)*(const uint64_t *)(const void *)at);
		}
	gauge(m, PREFIX "store_gaps_unexplained",
	    "Gaps that nothing explains: missing ranges, holes in time.",
	    (double)t->unexplained.gaps);
	gauge(m, PREFIX "store_batches_unexplained", "Batches in them.",
	    (double)t->unexplained.batches);
	gauge(m, PREFIX "store_batches_unanswered",
	    "Of these, the agent has been asked about and has not answered yet.",
	    (double)t->unexplained.unanswered);
}

static int
store_part(struct api_metrics *m, struct api *api, struct bl_err *err)
{
	struct store_read *reader;
	struct store_totals t;
	int rc;

	if ((rc = api_reader_take(api, &reader, err)) < 0)
		return rc;
	rc = store_read_totals(reader, &t, err);
	api_reader_give(api, reader);
	if (rc < 0)
		return rc;
	count(m, PREFIX "store_batches_total", "Batches stored.", NULL, t.batches);
	count(m, PREFIX "store_samples_total", "Samples stored.", NULL, t.samples);
	count(m, PREFIX "store_events_total", "Events stored.", NULL, t.events);
	count(m, PREFIX "store_duplicates_total", "Batches that came again.", NULL, t.duplicates);
	count(m, PREFIX "store_conflicts_total", "Batches whose seq was known with other content.",
	    NULL, t.conflicts);
	aside_part(m, &t);
	gauge(m, PREFIX "store_gaps", "Entries in the ledger of gaps.", (double)t.gaps);
	gaps_part(m, &t);
	gauge(m, PREFIX "store_unplaced_batches", "Batches whose clock is not known yet.",
	    (double)t.unplaced_batches);
	gauge(m, PREFIX "store_series", "Series known.", (double)t.series);
	gauge(m, PREFIX "store_bytes", "Database and write-ahead log.", (double)t.store_bytes);
	if (t.last_commit_unix_ms != STORE_TIME_NONE)
		gauge(m, PREFIX "store_last_commit_timestamp_seconds", "When the last commit was.",
		    (double)t.last_commit_unix_ms / 1000);
	return BL_OK;
}

int
api_metrics_write(struct api *api, struct bl_buf *out, struct bl_err *err)
{
	struct api_metrics m = { .out = out };
	struct api_status s = { 0 };
	int rc;

	api_metric(&m, PREFIX "build_info", API_GAUGE, "Always 1.",
	    "program=\"collector\",version=\"" BL_VERSION "\"", 1);
	gauge(&m, PREFIX "start_time_seconds", "When the collector started.",
	    (double)api->started_unix_ms / 1000);
	if (api->opts.hooks.status != NULL)
		api->opts.hooks.status(api->opts.hooks.ctx, &s);
	api_metric(&m, PREFIX "broker_up", API_GAUGE, "1 while the connection is up.",
	    "connection=\"live\"", s.live_up);
	api_metric(&m, PREFIX "broker_up", API_GAUGE, "", "connection=\"past\"", s.past_up);
	http_part(&m, api);
	if ((rc = auth_part(&m, api, err)) < 0 || (rc = store_part(&m, api, err)) < 0)
		return rc;
	if (api->opts.hooks.metrics != NULL)
		api->opts.hooks.metrics(api->opts.hooks.ctx, &m);
	return out->failed ? bl_fail(err, BL_EFULL, "metrics: more than fit") : BL_OK;
}
