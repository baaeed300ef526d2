/*
 * The centre: real ingest, store, control database and evaluator on a played clock; and
 * what must be the same afterwards, as text.
 */
#include "late.h"

#include <assert.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "define.h"
#include "eval.h"
#include "fleet.h"
#include "ingest_core.h"
#include "store.h"

#define DRAIN_MS (30 * LATE_MINUTE) /* the evaluator works at least so often in played time */

struct centre {
	int64_t unix_ms, mono_ms;
	uint64_t random;
	struct bl_clock clock;
	char folder[256], telemetry[300], control_path[300];
	struct store *store;
	struct ingest_core *core;
	struct control *control;
	struct eval *eval;
};

static void
must(int rc, const char *what, const struct bl_err *err)
{
	if (rc >= 0)
		return;
	(void)fprintf(stderr, "sim_late: %s: %s\n", what, err->msg);
	abort();
}

/* ---- clock ---- */

static int64_t
fake_mono(void *ctx)
{
	/* Work takes no time here: each look moves it a little, so that slices end. */
	return ((struct centre *)ctx)->mono_ms;
}

static int64_t
fake_unix(void *ctx)
{
	return ((struct centre *)ctx)->unix_ms;
}

static void
fake_random(void *ctx, void *out, size_t len)
{
	struct centre *c = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(late_random(&c->random) >> 32);
}

static bool
fake_synced(void *ctx)
{
	(void)ctx;
	return true;
}

static void
set_time(struct centre *c, int64_t unix_ms)
{
	if (unix_ms <= c->unix_ms)
		return;
	c->mono_ms += unix_ms - c->unix_ms;
	c->unix_ms = unix_ms;
}

/* ---- fleet and definitions ---- */

static const struct control_actor actor = { "sim", "" };

static void
add_fleet(struct centre *c, const struct late_history *h)
{
	struct bl_err err = { 0 };

	for (unsigned s = 0; s < h->sites; s++) {
		struct fleet_site_edit e = { .name = "Site", .zone = late_zone(s) };
		struct fleet_site site;
		char id[32];

		late_site_id(s, id);
		must(fleet_site_create(c->control, &actor, id, &e, &site, &err), "site", &err);
	}
	for (unsigned i = 0; i < h->n_devices; i++) {
		struct fleet_device d;
		char site[32];

		late_site_id(h->device[i].site, site);
		must(fleet_device_create(
			 c->control, &actor, h->device[i].id, site, h->device[i].id, &d, &err),
		    "device", &err);
	}
}

static void
add_definition(struct centre *c, enum define_kind kind, const char *id, const char *body)
{
	struct define_edit e = { .name = id, .has_enabled = true, .enabled = true, .body = body,
		.from_unix_ms = c->unix_ms };
	struct define_errors errs = { 0 };
	char made[BL_ID_TEXT_MAX + 1];
	struct bl_err err = { 0 };
	const int rc = define_create(c->control, &actor, kind, id, &e, made, &errs, &err);

	must(rc, id, &err);
	if (rc == DEFINE_DONE)
		return;
	for (size_t i = 0; i < errs.n && i < DEFINE_ERRORS_MAX; i++)
		(void)fprintf(stderr, "sim_late: %s: %s: expected %s, got %s\n", id, errs.e[i].field,
		    errs.e[i].expected, errs.e[i].got);
	abort();
}

/* Minutes are many: on eight sites, one of each zone. */
#define MINUTE_SITES                                                                               \
	"\"sites\":[\"site-00\",\"site-01\",\"site-02\",\"site-03\",\"site-04\",\"site-05\","     \
	"\"site-06\",\"site-07\"]"

static void
add_definitions(struct centre *c, bool all_minutes)
{
	static const struct {
		enum define_kind kind;
		const char *id, *body;
	} all[] = {
		{ DEFINE_PROCESS, "order", "{\"steps\":[\"review\",\"picking\",\"shipping\"]}" },
		{ DEFINE_CHANNEL, "ops", "{\"kind\":\"email\",\"to\":[\"ops@example.org\"]}" },
		{ DEFINE_KPI, "api-failures",
		    "{\"source\":\"probe\",\"metric\":\"probe_up\",\"probe\":\"orders-api\","
		    "\"function\":\"share\",\"condition\":\"value < 1\",\"resolution\":\"1m\"}" },
		{ DEFINE_KPI, "api-failures",
		    "{\"source\":\"probe\",\"metric\":\"probe_up\",\"probe\":\"orders-api\","
		    "\"function\":\"share\",\"condition\":\"value < 1\",\"resolution\":\"1m\","
		    MINUTE_SITES "}" },
		{ DEFINE_KPI, "cpu-mean",
		    "{\"source\":\"series\",\"metric\":\"cpu_used_pct\",\"function\":\"mean\","
		    "\"resolution\":\"5m\"}" },
		{ DEFINE_KPI, "cpu-p95",
		    "{\"source\":\"series\",\"metric\":\"cpu_used_pct\",\"function\":\"percentile\","
		    "\"percentile\":95,\"resolution\":\"1h\"}" },
		{ DEFINE_KPI, "net-rate",
		    "{\"source\":\"series\",\"metric\":\"net_rx_bytes\",\"function\":\"rate\","
		    "\"resolution\":\"5m\"}" },
		{ DEFINE_KPI, "picking-mean",
		    "{\"source\":\"step\",\"process\":\"order\",\"step\":\"picking\","
		    "\"function\":\"mean\",\"resolution\":\"1h\"}" },
		{ DEFINE_KPI, "late-share",
		    "{\"source\":\"case\",\"process\":\"order\",\"function\":\"share\","
		    "\"condition\":\"value > 30min\",\"where\":\"amount > 10\",\"resolution\":\"1h\"}" },
		{ DEFINE_RULE, "api-down",
		    "{\"kind\":\"threshold\",\"severity\":\"critical\",\"kpi\":\"api-failures\","
		    "\"window\":\"1m\",\"op\":\">\",\"value\":2,\"for\":5,\"channels\":[\"ops\"]}" },
		{ DEFINE_RULE, "cpu-high",
		    "{\"kind\":\"threshold\",\"severity\":\"warning\",\"kpi\":\"cpu-mean\","
		    "\"window\":\"5m\",\"op\":\">=\",\"value\":60,\"for\":3,\"channels\":[\"ops\"]}" },
		{ DEFINE_RULE, "slow-day",
		    "{\"kind\":\"threshold\",\"severity\":\"info\",\"kpi\":\"late-share\","
		    "\"window\":\"1d\",\"op\":\">\",\"value\":20,\"for\":1,\"channels\":[\"ops\"]}" },
		{ DEFINE_RULE, "order-late",
		    "{\"kind\":\"case_open\",\"severity\":\"warning\",\"process\":\"order\","
		    "\"limit_ms\":1800000,\"where\":\"status != \\\"completed\\\" or is_null(status)\","
		    "\"channels\":[\"ops\"]}" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (i != (all_minutes ? 3 : 2))
			add_definition(c, all[i].kind, all[i].id, all[i].body);
}

/* ---- opening and closing ---- */

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	out->part = 1;
	out->retired = false;
	return 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	(void)ctx;
	(void)topic;
	(void)payload;
	(void)len;
	(void)retained;
	return true;
}

static void
open_centre(struct centre *c, const struct late_opts *o, const struct late_history *h)
{
	struct store_opts store = { .clock = &c->clock };
	struct control_opts control = { .clock = &c->clock };
	struct ingest_core_opts core = { .clock = &c->clock, .lookup = lookup, .publish = publish };
	struct eval_opts eval = { .clock = &c->clock };
	struct bl_err err = { 0 };

	*c = (struct centre){ .unix_ms = o->start_unix_ms - 3600000, .mono_ms = 1000000, .random = 1 };
	c->clock =
	    (struct bl_clock){ c, fake_mono, fake_mono, fake_unix, fake_random, fake_synced };
	(void)snprintf(c->folder, sizeof(c->folder), "%s/branchline-sim-XXXXXX", o->folder);
	if (mkdtemp(c->folder) == NULL) {
		perror("sim_late: mkdtemp");
		abort();
	}
	(void)snprintf(c->telemetry, sizeof(c->telemetry), "%s/telemetry.db", c->folder);
	(void)snprintf(c->control_path, sizeof(c->control_path), "%s/control.db", c->folder);
	store.path = c->telemetry;
	control.path = c->control_path;
	must(store_open(&c->store, &store, &err), "store", &err);
	must(control_open(&c->control, &control, &err), "control", &err);
	core.store = c->store;
	must(ingest_core_create(&c->core, &core, &err), "ingest", &err);
	add_fleet(c, h);
	add_definitions(c, h->sites < 8);
	eval.control = c->control;
	eval.telemetry_path = c->telemetry;
	must(eval_open(&c->eval, &eval, &err), "evaluator", &err);
}

static void
remove_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char file[600];

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		(void)unlink(file);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(path);
}

static void
close_centre(struct centre *c, bool keep)
{
	eval_close(c->eval);
	ingest_core_free(c->core);
	control_close(c->control);
	store_close(c->store);
	if (keep)
		(void)fprintf(stderr, "kept %s\n", c->folder);
	else
		remove_folder(c->folder);
}

/* ---- running ---- */

static void
take(struct centre *c, const struct late_history *h, const struct late_message *m)
{
	struct ingest_msg msg = { .payload = m->msg.data, .len = m->msg.len };
	struct bl_err err = { 0 };
	char topic[128];

	(void)snprintf(topic, sizeof(topic), "bl/1/up/01/%s/%s", h->device[m->device].id,
	    m->past ? "past" : "live");
	msg.topic = topic;
	must(ingest_core_take(c->core, &msg, &err), "take", &err);
}

/* Until the evaluator has nothing to do. */
static void
evaluate(struct centre *c)
{
	struct bl_err err = { 0 };
	int rc;

	c->mono_ms += 2000;
	c->unix_ms += 2000;
	for (unsigned n = 0; (rc = eval_step(c->eval, &err)) != 0; n++) {
		must(rc, "evaluate", &err);
		if (n > 1000000) {
			(void)fprintf(stderr, "sim_late: the evaluator does not come to rest\n");
			abort();
		}
	}
}

static void
deliver(struct centre *c, const struct late_history *h, const struct late_plan *p)
{
	struct bl_err err = { 0 };
	size_t i = 0;

	while (i < p->n) {
		const int64_t until = p->at_ms[i] / DRAIN_MS * DRAIN_MS + DRAIN_MS;

		must(ingest_core_begin(c->core, &err), "begin", &err);
		for (; i < p->n && p->at_ms[i] < until; i++) {
			set_time(c, h->start_unix_ms + p->at_ms[i]);
			take(c, h, &p->m[i]);
		}
		must(ingest_core_commit(c->core, &err), "commit", &err);
		(void)ingest_core_due(c->core);
		set_time(c, h->start_unix_ms + until);
		evaluate(c);
	}
}

/* Every limit passes: windows that were waited for, digests, the seven days of a hole. */
static void
let_time_pass(struct centre *c, const struct late_history *h)
{
	static const int64_t days[] = { 0, 1, 3, 8, 9, 10 };
	struct bl_err err = { 0 };

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		set_time(c, h->start_unix_ms + h->length_ms + 86400000 + days[i] * 86400000);
		/* The store places late rows with its commits. */
		for (int k = 0; k < 20; k++) {
			must(ingest_core_begin(c->core, &err), "begin", &err);
			must(ingest_core_commit(c->core, &err), "commit", &err);
		}
		evaluate(c);
	}
}

/* ---- what must be the same ---- */

static const char *const compared[] = {
	"SELECT 'cell', kpi, window, site, begin_unix_ms, end_unix_ms, version,"
	" ifnull(printf('%!.17g', value), 'null'), n, printf('%.9f', completeness), ready, state"
	" FROM kpi_cell ORDER BY 2, 3, 4, 5",
	"SELECT 'part', kpi, window, site, begin_unix_ms, device, version, expected_ms, covered_ms,"
	" gone_ms, hex(data) FROM kpi_part ORDER BY 2, 3, 4, 5, 6",
	"SELECT 'run', rule, subject, begin_unix_ms, end_unix_ms, outcome, windows,"
	" printf('%.9f', completeness), ifnull(printf('%!.17g', value_min), 'null'),"
	" ifnull(printf('%!.17g', value_max), 'null'), version FROM rule_run ORDER BY 2, 3, 4",
	"SELECT 'case', site, process, case_id, begin_unix_ms, ifnull(end_unix_ms, 'open'), status,"
	" attrs, events FROM case_head ORDER BY 2, 3, 4",
	"SELECT 'step', h.site, h.process, h.case_id, s.n, s.step, ifnull(s.begin_unix_ms, '-'),"
	" ifnull(s.end_unix_ms, '-'), s.device, s.attrs FROM case_step s JOIN case_head h ON"
	" h.id = s.case_no ORDER BY 2, 3, 4, 5",
	"SELECT 'incident', rule, rule_version, site, subject, severity, begin_unix_ms,"
	" ifnull(end_unix_ms, 'open'), last_true_unix_ms, explanation FROM incident"
	" WHERE state NOT IN ('withdrawn', 'merged') ORDER BY 2, 4, 5, 7",
};

static void
add_row(FILE *f, sqlite3_stmt *st)
{
	for (int i = 0; i < sqlite3_column_count(st); i++)
		(void)fprintf(f, "%s%s", i > 0 ? " " : "", (const char *)sqlite3_column_text(st, i));
	(void)fputc('\n', f);
}

static size_t
add_rows(struct centre *c, FILE *f, const char *sql)
{
	struct sqlite3 *db;
	struct bl_err err = { 0 };
	sqlite3_stmt *st;
	size_t n = 0;
	int rc;

	must(control_reader_open(c->control, &db, &err), "read", &err);
	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc != SQLITE_OK)
		(void)fprintf(stderr, "sim_late: %s\n", sqlite3_errmsg(db));
	assert(rc == SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		add_row(f, st);
		n++;
	}
	(void)sqlite3_finalize(st);
	control_reader_close(db);
	return n;
}

static void
write_down(struct centre *c, struct late_result *out)
{
	FILE *f = open_memstream(&out->text, &out->len);

	assert(f != NULL);
	out->cells = add_rows(c, f, compared[0]);
	for (size_t i = 1; i + 1 < sizeof(compared) / sizeof(compared[0]); i++)
		(void)add_rows(c, f, compared[i]);
	out->incidents = add_rows(c, f, compared[sizeof(compared) / sizeof(compared[0]) - 1]);
	(void)fclose(f);
}

void
late_run(const struct late_opts *o, unsigned seed, struct late_result *out)
{
	struct late_history h;
	struct late_plan p;
	struct centre *c = calloc(1, sizeof(*c));

	assert(c != NULL);
	memset(out, 0, sizeof(*out));
	late_history_make(&h, o);
	late_plan_make(&p, &h, seed);
	open_centre(c, o, &h);
	deliver(c, &h, &p);
	let_time_pass(c, &h);
	write_down(c, out);
	close_centre(c, o->keep);
	late_plan_free(&p);
	late_history_free(&h);
	free(c);
}

void
late_result_free(struct late_result *r)
{
	free(r->text);
}

static size_t
line_end(const char *s, size_t from, size_t len)
{
	while (from < len && s[from] != '\n')
		from++;
	return from;
}

bool
late_same(const struct late_result *live, const struct late_result *torn, unsigned seed)
{
	size_t at = 0, begin = 0;

	if (live->len == torn->len && memcmp(live->text, torn->text, live->len) == 0)
		return true;
	while (at < live->len && at < torn->len && live->text[at] == torn->text[at]) {
		if (live->text[at] == '\n')
			begin = at + 1;
		at++;
	}
	(void)fprintf(stderr,
	    "sim_late: seed %u differs from the live delivery:\n  live: %.*s\n  torn: %.*s\n", seed,
	    (int)(line_end(live->text, begin, live->len) - begin), live->text + begin,
	    (int)(line_end(torn->text, begin, torn->len) - begin), torn->text + begin);
	return false;
}
