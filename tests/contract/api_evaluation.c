/* Rows of evaluation for the contract tests; see the header. */
#include "api_evaluation.h"

#include <stdio.h>
#include <string.h>

#include "branchline/window.h"

#include "control_sql.h"
#include "incident.h"
#include "outbox.h"

#define M INT64_C(60000)

struct evaluation {
	const char *site, *device, *other;
	int64_t base;
	struct sqlite3 *db;
};

/* ---- KPIs -------------------------------------------------------------------- */

static int
put_cells(const struct evaluation *e, struct bl_err *err)
{
	const struct {
		const char *site;
		int window;
		int64_t begin, end;
		bool known;
		double value, completeness;
		int64_t n, ready, state, revisions;
	} cells[] = {
		{ e->site, BL_WINDOW_1M, 0, M, true, 1.5, 1, 60, 1, 1, 0 },
		{ e->site, BL_WINDOW_1M, M, 2 * M, false, 0, 0.2, 0, 0, 0, 0 },
		{ e->site, BL_WINDOW_1M, 2 * M, 3 * M, true, 3.25, 0.8, 2, 0, 2, 1 },
		{ e->other, BL_WINDOW_1M, 0, M, true, 7, 1, 1, 1, 1, 0 },
		{ e->other, BL_WINDOW_1M, M, 2 * M, true, 8, 1, 1, 1, 1, 0 },
		{ e->site, BL_WINDOW_1H, 0, 60 * M, true, 2, 0.5, 62, 0, 0, 0 },
	};
	int rc = BL_OK;

	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]) && rc >= 0; i++)
		rc = control_sql_run(e->db, err,
		    "INSERT INTO kpi_cell VALUES ('failures', ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
		    "itiioidiiii", (int64_t)cells[i].window, cells[i].site,
		    e->base + cells[i].begin, e->base + cells[i].end, (int)cells[i].known,
		    cells[i].value, cells[i].n, cells[i].completeness, cells[i].ready,
		    cells[i].state, cells[i].revisions, e->base + cells[i].end + 500);
	return rc;
}

/* The device's part in the third cell, and that cell's correction. */
static int
put_part(const struct evaluation *e, struct bl_err *err)
{
	struct bl_part part;
	struct bl_buf data;
	int rc;

	bl_buf_init(&data, 65536);
	if ((rc = bl_part_init(&part, false)) < 0 || (rc = bl_part_add(&part, 3, false)) < 0 ||
	    (rc = bl_part_add(&part, 3.5, false)) < 0 || (rc = bl_part_encode(&part, &data)) < 0)
		rc = bl_fail(err, rc, "part");
	else
		rc = control_sql_run(e->db, err,
		    "INSERT INTO kpi_part VALUES ('failures', 1, ?, ?, ?, ?, 1, 60000, 48000, "
		    "12000, "
		    "?)",
		    "ittib", e->base + 2 * M, e->site, e->device, e->base + 3 * M, data.data,
		    data.len);
	bl_part_free(&part);
	bl_buf_free(&data);
	return rc < 0 ? rc
		      : control_sql_run(e->db, err,
			    "INSERT INTO kpi_revision VALUES ('failures', 1, ?, ?, 1, NULL, 0.6, "
			    "2, ?, "
			    "?, 'late data')",
			    "tiii", e->site, e->base + 2 * M, e->base + 4 * M, e->base + 5 * M);
}

static int
put_runs(const struct evaluation *e, struct bl_err *err)
{
	static const struct {
		int64_t begin, end, outcome, windows;
		double completeness, low, high;
	} runs[] = {
		{ 0, 10, BL_OUTCOME_FALSE, 10, 1, 0, 1.5 },
		{ 10, 16, BL_OUTCOME_TRUE, 6, 0.9, 2.5, 8 },
		{ 16, 18, BL_OUTCOME_UNKNOWN, 2, 0.1, 0, 0 },
	};
	int rc = BL_OK;

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]) && rc >= 0; i++) {
		const int known = runs[i].outcome != BL_OUTCOME_UNKNOWN;

		rc = control_sql_run(e->db, err,
		    "INSERT INTO rule_run VALUES ('too-many', ?, ?, ?, ?, ?, ?, ?, ?, 1)",
		    "tiiiidoo", e->site, e->base + runs[i].begin * M, e->base + runs[i].end * M,
		    runs[i].outcome, runs[i].windows, runs[i].completeness, known, runs[i].low,
		    known, runs[i].high);
	}
	return rc;
}

/* ---- cases --------------------------------------------------------------------- */

static int
put_events(const struct evaluation *e, struct bl_err *err)
{
	static const struct {
		int64_t no, at, batch;
		const char *type, *step, *attrs;
	} events[] = {
		{ 1, 0, 1, "step.begin", "review", "{\"owner\":\"li.na\"}" },
		{ 1, 5, 2, "step.end", "review", "{}" },
		{ 1, 6, 3, "step.event", "", "{\"status\":\"completed\"}" },
		{ 2, 7, 4, "step.begin", "<b>pick</b>",
		    "{\"amount\":12.5,\"gift\":true,\"note\":null}" },
	};
	int rc = BL_OK;

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]) && rc >= 0; i++)
		rc = control_sql_run(e->db, err,
		    "INSERT INTO case_event VALUES (?, ?, ?, ?, 0, 0, ?, ?, '', ?)", "iitittt",
		    events[i].no, e->base + events[i].at * M, e->device, events[i].batch,
		    events[i].type, events[i].step, events[i].attrs);
	return rc;
}

static int
put_cases(const struct evaluation *e, struct bl_err *err)
{
	int rc;

	if ((rc = control_sql_run(e->db, err,
		 "INSERT INTO case_head VALUES (1, ?, 'orders', 'A-1', ?, ?, ?, 'completed', "
		 "'{\"owner\":\"li.na\",\"status\":\"completed\"}', 3)",
		 "tiit", e->site, e->base, e->base + 6 * M, e->device)) < 0 ||
	    (rc = control_sql_run(e->db, err,
		 "INSERT INTO case_head VALUES (2, ?, 'orders', '<i>\"B\"</i>; --', ?, NULL, '', "
		 "'', "
		 "'{\"amount\":12.5,\"gift\":true,\"note\":null}', 1)",
		 "ti", e->site, e->base + 7 * M)) < 0 ||
	    (rc = control_sql_run(e->db, err,
		 "INSERT INTO case_step VALUES (1, 1, 'review', ?, ?, ?, '{\"owner\":\"li.na\"}')",
		 "iit", e->base, e->base + 5 * M, e->device)) < 0 ||
	    (rc = control_sql_run(e->db, err,
		 "INSERT INTO case_step VALUES (2, 1, '<b>pick</b>', ?, NULL, ?, '{}')", "it",
		 e->base + 7 * M, e->device)) < 0 ||
	    (rc = control_sql_run(e->db, err,
		 "INSERT INTO rule_case VALUES ('overdue', 2, ?, ?, ?, 1, 0)", "tii", e->site,
		 e->base + 8 * M, (int64_t)BL_OUTCOME_UNKNOWN)) < 0)
		return rc;
	return put_events(e, err);
}

/* ---- incidents ------------------------------------------------------------------ */

static int
put_incident(const struct evaluation *e, int64_t id, const char *rule, const char *site,
    const char *subject, const char *severity, int64_t end, const char *state, int64_t merged_into,
    enum incident_notice notice, const char *facts, struct bl_err *err)
{
	const int64_t begin = e->base + 10 * M;
	int rc;

	rc = control_sql_run(e->db, err,
	    "INSERT INTO incident VALUES (?, ?, 1, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?, '', "
	    "nullif(?, 0), ?, ?, ?, 1)",
	    "ittttiiiitiiti", id, rule, site, subject, severity, begin, end, begin + 6 * M,
	    begin + 7 * M, state, merged_into, (int64_t)notice, facts, begin + 7 * M);
	return rc < 0 ? rc : incident_note(e->db, id, begin + 7 * M, "opened", "{}", err);
}

static int
put_incidents(const struct evaluation *e, struct bl_err *err)
{
	const int64_t b = e->base;
	char threshold[1024], late[512], silent[160];
	int rc;

	(void)snprintf(threshold, sizeof(threshold),
	    "{\"kind\":\"threshold\",\"kpi\":\"failures\",\"kpi_name\":\"Failures\",\"unit\":\"%%"
	    "\","
	    "\"window\":\"1m\",\"op\":\">\",\"threshold\":2,\"for\":3,\"worst\":8,\"windows\":["
	    "{\"begin_unix_ms\":%lld,\"end_unix_ms\":%lld,\"value\":2.5,\"completeness\":1}],"
	    "\"true_windows\":6,\"unknown_ms\":120000}",
	    (long long)(b + 10 * M), (long long)(b + 11 * M));
	(void)snprintf(late, sizeof(late),
	    "{\"kind\":\"case_open\",\"process\":\"orders\",\"process_name\":\"Orders\",\"case\":"
	    "\"A-1\",\"limit_ms\":60000,\"begin_unix_ms\":%lld,\"deadline_unix_ms\":%lld,"
	    "\"end_unix_ms\":%lld,\"status\":\"\",\"attrs\":{\"owner\":\"li.na\"}}",
	    (long long)b, (long long)(b + M), (long long)(b + 6 * M));
	(void)snprintf(silent, sizeof(silent),
	    "{\"kind\":\"no_data\",\"device\":\"%s\",\"last_unix_ms\":null,\"after_ms\":600000}",
	    e->device);
	if ((rc = put_incident(e, 1, "too-many", e->site, e->site, "critical", 0, "open", 0,
		 INCIDENT_PAGED, threshold, err)) < 0 ||
	    (rc = put_incident(e, 2, "overdue", e->site, "orders/A-1", "warning", b + 20 * M,
		 "resolved", 0, INCIDENT_IN_DIGEST, late, err)) < 0 ||
	    (rc = put_incident(e, 3, "silent", e->other, e->device, "info", b + 20 * M, "withdrawn",
		 0, INCIDENT_NOT_TOLD, silent, err)) < 0 ||
	    (rc = put_incident(e, 4, "too-many", e->site, e->site, "critical", b + 20 * M, "merged",
		 1, INCIDENT_NOT_TOLD, threshold, err)) < 0)
		return rc;
	return put_incident(e, 5, "silent", e->other, e->device, "warning", 0, "acknowledged", 0,
	    INCIDENT_UNDECIDED, silent, err);
}

/* ---- messages ------------------------------------------------------------------- */

static int
put_messages(const struct evaluation *e, struct bl_err *err)
{
	const int64_t at = e->base + 20 * M;
	char one[512], page[640], digest[640];
	struct outbox_new m = { .channel = "ops", .site = e->site };
	int rc;

	(void)snprintf(one, sizeof(one),
	    "{\"id\":1,\"rule_name\":\"<b>Too "
	    "many</b>\",\"severity\":\"critical\",\"subject\":\"%s\","
	    "\"begin_unix_ms\":%lld,\"end_unix_ms\":null,\"facts\":{\"kind\":\"no_data\","
	    "\"device\":"
	    "\"%s\",\"last_unix_ms\":null,\"after_ms\":600000}}",
	    e->site, (long long)at, e->device);
	(void)snprintf(page, sizeof(page),
	    "{\"site\":\"%s\",\"site_name\":\"West\",\"zone\":\"UTC\",\"incident\":%s}", e->site,
	    one);
	(void)snprintf(digest, sizeof(digest),
	    "{\"site\":\"%s\",\"site_name\":\"West\",\"zone\":\"UTC\",\"incidents\":[%s]}", e->site,
	    one);
	m.key = "page/1/ops";
	m.kind = "page";
	m.incident = 1;
	m.facts = page;
	if ((rc = outbox_put(e->db, &m, at, err)) < 0)
		return rc;
	m.key = "digest/west/1-2-2/ops";
	m.kind = "digest";
	m.incident = 0;
	m.facts = digest;
	if ((rc = outbox_put(e->db, &m, at, err)) < 0)
		return rc;
	m.key = "ended/1/gone";
	m.channel = "gone";
	m.kind = "ended";
	m.facts = "[]"; /* no facts of any kind */
	if ((rc = outbox_put(e->db, &m, at, err)) < 0)
		return rc;
	return control_sql_run(e->db, err,
	    "UPDATE outbox SET state = 'sent', sent_unix_ms = ?, tries = 1, answer = '250 <ok>' "
	    "WHERE key = 'page/1/ops'",
	    "i", at + 900);
}

/* ---- all of it ------------------------------------------------------------------- */

static int
put_all(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	struct evaluation *e = ctx;
	int rc;

	e->db = control_tx_db(tx);
	control_tx_unaudited(tx);
	if ((rc = put_cells(e, err)) < 0 || (rc = put_part(e, err)) < 0 ||
	    (rc = put_runs(e, err)) < 0 || (rc = put_cases(e, err)) < 0 ||
	    (rc = put_incidents(e, err)) < 0)
		return rc;
	return put_messages(e, err);
}

int
api_evaluation_put(struct control *c, const char *site, const char *device, const char *other_site,
    int64_t base_unix_ms, struct bl_err *err)
{
	const struct control_actor system = { "system", "" };
	struct evaluation e = {
		.site = site, .device = device, .other = other_site, .base = base_unix_ms
	};

	return control_write(c, &system, put_all, &e, err);
}
