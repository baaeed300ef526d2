/*
 * The inlets of the agent: their life in the loop, with a spool that is turned by hand and a clock
 * that stands still; and the rules and shares that hold for every report.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_internal.h"
#include "folder.h"
#include "inlet_steps.h"

#define UNIX_MS INT64_C(1790000000000)

struct world {
	struct agent a;
	struct bl_clock clock;
	int64_t ms;
	char dir[FOLDER_MAX];
	unsigned done;
};

static int64_t
boot_and_mono(void *ctx)
{
	return 1000000 + ((struct world *)ctx)->ms;
}

static int64_t
wall(void *ctx)
{
	return UNIX_MS + ((struct world *)ctx)->ms;
}

static void
no_random(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0x5a, len);
}

static struct config *
config_of(const struct world *w, const char *more)
{
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct config *c;
	char text[1024], name[100];

	(void)snprintf(name, sizeof(name), "%s/agent.yaml", w->dir);
	(void)snprintf(text, sizeof(text),
	    "device: {id: dev-1, site: shop, part: 3}\nbroker: {host: broker.example}\n"
	    "state_dir: state\n%s",
	    more);
	if (config_parse(&c, name, text, strlen(text), &errors, &err) < 0)
		fail_msg("%s: %s", err.msg, errors.n_kept > 0 ? errors.line[0] : "");
	bl_conf_errors_free(&errors);
	return c;
}

static void
on_done(void *ctx, uint64_t token, int rc)
{
	struct world *w = ctx;

	w->done++;
	agent_inlets_done(&w->a, token, rc);
}

static void
open_spool(struct world *w)
{
	char path[100];
	const struct spool_thread_opts o = { .spool = { .path = path,
						 .device = "dev-1",
						 .max_bytes = 8 << 20,
						 .keep_receipted_ms = 1000,
						 .boot = { { 1 } },
						 .clock = &w->clock,
						 .software = "test" },
		.queue_bytes = SPOOL_THREAD_QUEUE_BYTES + agent_inlets_queue_bytes() };
	const struct spool_calls calls = { .ctx = w, .event_done = on_done };
	struct bl_err err = { 0 };
	int opened;

	(void)snprintf(path, sizeof(path), "%s/spool.db", w->dir);
	if (spool_thread_open(&w->a.spool, &o, &calls, &opened, &err) < 0)
		fail_msg("%s", err.msg);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct bl_err err = { 0 };

	assert_non_null(w);
	folder_make(w->dir, "agent-inlets");
	w->clock = (struct bl_clock){ .ctx = w,
		.boot_ms = boot_and_mono,
		.mono_ms = boot_and_mono,
		.unix_ms = wall,
		.random = no_random };
	w->a.clock = &w->clock;
	w->a.config = config_of(w, "");
	w->a.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_true(w->a.epoll_fd >= 0);
	assert_int_equal(current_create(&w->a.current, &err), BL_OK);
	assert_int_equal(agent_sink_init(&w->a), BL_OK);
	open_spool(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	agent_inlets_finish(&w->a);
	spool_thread_stop(w->a.spool);
	w->a.spool = NULL;
	agent_inlets_close(&w->a);
	assert_int_equal(close(w->a.epoll_fd), 0);
	current_free(w->a.current);
	config_free(w->a.config);
	free(w->a.sink.sample);
	free(w->a.inlet_sink.sample);
	folder_remove(w->dir);
	free(w);
	return 0;
}

/* The row of the step socket. */
static struct agent_inlet *
steps(struct world *w)
{
	for (unsigned i = 0; i < agent_inlets_n(); i++)
		if (w->a.inlet[i].row->ops == &steps_ops)
			return &w->a.inlet[i];
	fail_msg("no row of the step socket");
	return NULL;
}

static void
turn(struct world *w)
{
	(void)spool_thread_turn(w->a.spool);
	spool_thread_dispatch(w->a.spool);
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static int
report(struct world *w, const char *type, int64_t at_unix_ms, const char *text, struct bl_err *err)
{
	struct inlet_report r = { .kind = INLET_EVENT, .at_unix_ms = at_unix_ms };
	struct agent_inlet *x = steps(w);

	r.ev.type = str(type);
	r.ev.n_attrs = 1;
	r.ev.attr[0] = (struct bl_attr){ .key = str("a"), .type = BL_ATTR_TEXT, .text = str(text) };
	*err = (struct bl_err){ 0 };
	return x->host.report(x->host.ctx, &r, UINT64_MAX, err);
}

/* ---- life ---- */

static void
one_that_cannot_be_opened_is_tried_again_every_minute(void **state)
{
	struct world *w = *state;
	struct agent_inlet *x;
	char path[100];
	FILE *f;

	(void)snprintf(path, sizeof(path), "mkdir %s/state", w->dir);
	assert_int_equal(system(path), 0);
	(void)snprintf(path, sizeof(path), "%s/state/steps.sock", w->dir);
	assert_non_null(f = fopen(path, "w")); /* no socket: it stays */
	assert_int_equal(fclose(f), 0);
	agent_inlets_open(&w->a);
	x = steps(w);
	assert_null(x->in);
	assert_non_null(strstr(x->problem, "no socket"));
	assert_int_equal(agent_inlets_deadline(&w->a), 1000000 + 60000);
	w->ms = 60000;
	agent_inlets_tick(&w->a);
	assert_int_equal(agent_inlets_deadline(&w->a), 1000000 + 120000);
	assert_int_equal(x->failed_log.swallowed, 1); /* the log has it once an hour */
	w->ms = 119999;
	assert_int_equal(unlink(path), 0);
	agent_inlets_tick(&w->a);
	assert_null(x->in);
	w->ms = 120000;
	agent_inlets_tick(&w->a);
	assert_non_null(x->in);
	assert_string_equal(x->problem, "");
	assert_int_equal(access(path, F_OK), 0);
}

static void
a_reload_opens_anew_what_it_concerns(void **state)
{
	struct world *w = *state;
	struct config *old = w->a.config;
	void *before;

	agent_inlets_open(&w->a);
	before = steps(w)->in;
	assert_non_null(before);
	w->a.config = config_of(w, "log_level: warn\n");
	config_free(old);
	agent_inlets_reload(&w->a);
	assert_ptr_equal(steps(w)->in, before);
	old = w->a.config;
	w->a.config = config_of(w, "inlets: {steps: {enabled: no}}\n");
	config_free(old);
	agent_inlets_reload(&w->a);
	assert_null(steps(w)->in);
	assert_string_equal(steps(w)->problem, "");
	assert_int_equal(agent_inlets_deadline(&w->a), INT64_MAX);
	assert_false(agent_inlets_serve(&w->a, steps(w)->fd));
}

/* Only what somebody waits for is open then. */
static void
in_safe_mode_the_step_socket_alone_is_open(void **state)
{
	struct world *w = *state;
	struct config *old = w->a.config;
	char more[200];

	(void)snprintf(
	    more, sizeof(more), "inlets: {statsd: {listen: [\"%s/statsd.sock\"]}}\n", w->dir);
	w->a.config = config_of(w, more);
	config_free(old);
	w->a.safe.active = true;
	agent_inlets_open(&w->a);
	for (unsigned i = 0; i < agent_inlets_n(); i++)
		assert_true((w->a.inlet[i].in != NULL) == (w->a.inlet[i].row->ops == &steps_ops));
	w->a.safe.active = false;
	agent_inlets_reload(&w->a);
	for (unsigned i = 0, open = 0; i < agent_inlets_n(); i++) {
		open += w->a.inlet[i].in != NULL;
		if (i + 1 == agent_inlets_n())
			assert_int_equal(open, 2);
	}
}

/* ---- reports ---- */

static void
what_is_the_agents_own_is_refused(void **state)
{
	static const struct {
		const char *type;
		int rc;
	} cases[] = {
		{ "till.opened", BL_OK },
		{ "打烊", BL_OK },
		{ "step.begin", BL_OK },
		{ "step.end", BL_OK },
		{ "step.event", BL_OK },
		{ "agents", BL_OK },
		{ "step.other", BL_EINVAL },
		{ "agent.start", BL_EINVAL },
		{ "config.loaded", BL_EINVAL },
		{ "probe.state", BL_EINVAL },
		{ "", BL_EINVAL },
		{ "\xff", BL_EINVAL },
		{ "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaa", BL_EINVAL },
	};
	struct world *w = *state;
	struct bl_err err;

	agent_inlets_open(&w->a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (report(w, cases[i].type, 0, "x", &err) != cases[i].rc)
			fail_msg("%s: %s", cases[i].type, err.msg);
		assert_true((err.msg[0] != '\0') == (cases[i].rc < 0));
	}
	turn(w);
	assert_int_equal(w->done, 6);
	assert_int_equal(steps(w)->n_way, 0);
	assert_int_equal(steps(w)->way_bytes, 0);
}

static void
times_have_bounds(void **state)
{
	static const struct {
		int64_t ago_ms;
		int rc;
	} cases[] = {
		{ 1, BL_OK }, { -60000, BL_OK }, { -60001, BL_EINVAL },
		{ INT64_C(7) * 86400000, BL_OK }, /* long before this boot */
		{ INT64_C(7) * 86400000 + 1, BL_EINVAL }, { UNIX_MS - 1, BL_EINVAL },
		{ 1000000, BL_OK }, /* the moment of the boot */
	};
	struct world *w = *state;
	struct bl_err err;

	agent_inlets_open(&w->a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (report(w, "x", UNIX_MS - cases[i].ago_ms, "x", &err) != cases[i].rc)
			fail_msg("row %zu: %s", i, err.msg);
	turn(w);
	assert_int_equal(w->done, 4);
}

static void
a_share_is_used_up_and_comes_back(void **state)
{
	struct world *w = *state;
	const unsigned most = (agent_inlets_open(&w->a), steps(w)->row->reports);
	struct bl_err err;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < most; i++)
			assert_int_equal(report(w, "x", 0, "x", &err), BL_OK);
		assert_int_equal(report(w, "x", 0, "x", &err), BL_EFULL);
		assert_int_equal(steps(w)->n_way, most);
		turn(w);
		assert_int_equal(w->done, (round + 1) * most);
		assert_int_equal(steps(w)->n_way, 0);
	}
}

static void
bytes_are_shared_out_too(void **state)
{
	static char big[1025];
	struct inlet_report r = { .kind = INLET_EVENT };
	struct world *w = *state;
	struct bl_err err = { 0 };
	struct agent_inlet *x;
	char keys[BL_ATTRS_MAX][4];
	unsigned n = 0;
	int rc;

	memset(big, 'x', 1024);
	r.ev.type = str("x");
	r.ev.n_attrs = BL_ATTRS_MAX;
	for (unsigned i = 0; i < BL_ATTRS_MAX; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		r.ev.attr[i] =
		    (struct bl_attr){ .key = str(keys[i]), .type = BL_ATTR_TEXT, .text = str(big) };
	}
	agent_inlets_open(&w->a);
	x = steps(w);
	while ((rc = x->host.report(x->host.ctx, &r, n, &err)) == BL_OK)
		n++;
	assert_int_equal(rc, BL_EFULL);
	assert_in_range(n, 1, x->row->bytes / (32 * 1024));
	assert_in_range(x->way_bytes, 1, x->row->bytes);
	turn(w);
	assert_int_equal(w->done, n);
	assert_int_equal(x->way_bytes, 0);
}

/* What an inlet that was closed had under way is stored; its successor hears nothing of it. */
static void
answers_go_to_who_asked(void **state)
{
	struct world *w = *state;
	struct config *old = w->a.config;
	struct spool_status st;
	char path[100];
	struct bl_err err;

	agent_inlets_open(&w->a);
	assert_int_equal(report(w, "x", 0, "x", &err), BL_OK);
	w->a.config = config_of(w, "inlets: {steps: {mode: \"0600\"}}\n");
	config_free(old);
	agent_inlets_reload(&w->a);
	assert_non_null(steps(w)->in);
	assert_int_equal(steps(w)->n_way, 1);
	turn(w);
	assert_int_equal(w->done, 1);
	assert_int_equal(steps(w)->n_way, 0);
	(void)snprintf(path, sizeof(path), "%s/spool.db", w->dir);
	assert_int_equal(spool_status_of_file(path, &st, &err), BL_OK);
	assert_int_equal(st.accepted_events, 1);
}

/* A token of nobody's, or one that was answered, does nothing. */
static void
strange_answers_are_ignored(void **state)
{
	struct world *w = *state;
	struct bl_err err;

	agent_inlets_open(&w->a);
	assert_int_equal(report(w, "x", 0, "x", &err), BL_OK);
	agent_inlets_done(&w->a, 0, 0);
	agent_inlets_done(&w->a, UINT64_MAX, 0);
	agent_inlets_done(&w->a, (UINT64_C(1) << 56) + 63, 0);
	agent_inlets_done(&w->a, (UINT64_C(1) << 56) + 64, 0);
	assert_int_equal(steps(w)->n_way, 1);
	turn(w);
	assert_int_equal(steps(w)->n_way, 0);
}

/* ---- reported values ---- */

static int
report_value(struct world *w, const char *name, double value, int64_t at_unix_ms, const char *id,
    struct bl_err *err)
{
	struct inlet_report r = { .kind = INLET_METRIC,
		.id = str(id),
		.at_unix_ms = at_unix_ms,
		.def = { .name = str(name),
		    .kind = BL_GAUGE,
		    .n_labels = 1,
		    .label = { { { "till", 4 }, { "2", 1 } } } },
		.value = value };
	struct agent_inlet *x = steps(w);

	*err = (struct bl_err){ 0 };
	return x->host.report(x->host.ctx, &r, 7, err);
}

static bool
series_of(void *ctx, int32_t handle, struct bl_series_def *out)
{
	return spool_thread_series_def(((struct world *)ctx)->a.spool, handle, out);
}

/* The only current value there is; NAN: none. */
static double
shown(struct world *w)
{
	struct current_snapshot s;
	struct bl_err err = { 0 };
	double value = NAN;

	assert_int_equal(
	    current_snapshot(w->a.current, 1000000 + w->ms, series_of, w, &s, &err), BL_OK);
	assert_in_range(s.n, 0, 1);
	if (s.n == 1) {
		const struct bl_series_def *d = &s.row[0].def;

		assert_memory_equal(d->name.p, "queue_length", d->name.len);
		assert_int_equal(d->n_labels, 2);
		assert_memory_equal(d->label[0].key.p, "source", 6);
		assert_memory_equal(d->label[0].value.p, "socket", 6);
		assert_memory_equal(d->label[1].value.p, "2", 1);
		value = s.row[0].value;
	}
	current_snapshot_free(&s);
	return value;
}

/* On disk it is shown, once by its id; and an older one does not hide a newer. */
static void
values_are_shown_when_they_are_on_disk(void **state)
{
	struct world *w = *state;
	struct spool_status st;
	struct bl_err err;
	char path[100];

	agent_inlets_open(&w->a);
	assert_int_equal(report_value(w, "Queue.Length", 3, 0, "a", &err), BL_OK);
	assert_true(isnan(shown(w)));
	turn(w);
	assert_int_equal(w->done, 1);
	assert_true(shown(w) == 3);
	assert_int_equal(report_value(w, "queue_length", 99, 0, "a", &err), BL_OK);
	assert_int_equal(report_value(w, "queue_length", 2, UNIX_MS - 3600000, "b", &err), BL_OK);
	turn(w);
	assert_int_equal(w->done, 3);
	assert_true(shown(w) == 3);
	w->ms = 1;
	assert_int_equal(report_value(w, "queue_length", 4, 0, "", &err), BL_OK);
	turn(w);
	assert_true(shown(w) == 4);
	(void)snprintf(path, sizeof(path), "%s/spool.db", w->dir);
	assert_int_equal(spool_status_of_file(path, &st, &err), BL_OK);
	assert_int_equal(st.accepted_samples, 3);
}

static void
values_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *name;
		double value;
		int64_t ago_ms;
	} cases[] = {
		{ "cpu_used_pct", 1, 0 },
		{ "...", 1, 0 },
		{ "queue_length", NAN, 0 },
		{ "queue_length", INFINITY, 0 },
		{ "queue_length", 1, -60001 },
		{ "queue_length", 1, INT64_C(24) * 3600000 + 1 },
	};
	struct world *w = *state;
	struct bl_err err;

	agent_inlets_open(&w->a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(report_value(w, cases[i].name, cases[i].value,
				     UNIX_MS - cases[i].ago_ms, "", &err),
		    BL_EINVAL);
		assert_true(err.msg[0] != '\0');
	}
	turn(w);
	assert_int_equal(w->done, 0);
	assert_int_equal(steps(w)->n_way, 0);
}

/* ---- samples, and what is lost ---- */

static void
foreign_series_leave_a_tenth_to_the_agent(void **state)
{
	struct world *w = *state;
	struct config *old = w->a.config;
	struct bl_series_def def = {
		.stream = BL_STREAM_HOST, .kind = BL_GAUGE, .interval_ms = 1000, .unit = { "1", 1 }
	};
	struct sample_sink *theirs = &w->a.inlet_sink.sink, *own = &w->a.sink.sink;
	char name[16];
	int n = 0;

	w->a.config = config_of(w, "max_series: 100\n");
	config_free(old);
	agent_inlets_open(&w->a);
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "m%u", i);
		def.name = str(name);
		n += theirs->declare(theirs->ctx, &def) >= 0;
	}
	assert_int_equal(n, 90);
	for (unsigned i = 0; i < 10; i++) {
		(void)snprintf(name, sizeof(name), "own%u", i);
		def.name = str(name);
		assert_true(own->declare(own->ctx, &def) >= 0);
	}
}

static void
say_statsd(struct world *w, struct agent_inlet *x, unsigned n)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64];

	assert_true(fd >= 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/statsd.sock", w->dir);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "m%u:1|g", i);
		assert_int_equal(
		    sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sa, sizeof(sa)),
		    (ssize_t)strlen(text));
		assert_true(agent_inlets_serve(&w->a, x->fd));
	}
	assert_int_equal(close(fd), 0);
	agent_inlets_sample(&w->a, 1000000 + w->ms);
}

/* More room than before: what was refused is asked for once more. */
static void
refused_series_are_asked_for_again(void **state)
{
	struct world *w = *state;
	struct config *old = w->a.config;
	struct agent_inlet *x = NULL;
	char more[200];

	for (unsigned max = 20; max <= 1000; max *= 50, old = w->a.config) {
		(void)snprintf(more, sizeof(more),
		    "max_series: %u\ninlets: {statsd: {listen: [\"%s/statsd.sock\"]}}\n", max,
		    w->dir);
		w->a.config = config_of(w, more);
		config_free(old);
		if (x == NULL)
			agent_inlets_open(&w->a);
		else
			agent_resample(&w->a);
		agent_inlets_reload(&w->a);
		for (unsigned i = 0; i < agent_inlets_n(); i++)
			if (strcmp(w->a.inlet[i].row->ops->name, "statsd") == 0)
				x = &w->a.inlet[i];
		say_statsd(w, x, 30);
		assert_int_equal(limits_refused_now(&w->a.limits), max == 20 ? 12 : 0);
		assert_int_equal(spool_thread_series_count(w->a.spool), max == 20 ? 18 : 30);
	}
	agent_samplers_close(&w->a);
}

static void
what_was_lost_is_named_in_the_ledger(void **state)
{
	const struct bl_id boot = { { 1 } };
	struct world *w = *state;
	struct agent_inlet *x;
	struct bl_gap gap;

	agent_inlets_open(&w->a);
	x = steps(w);
	x->host.lost(x->host.ctx, BL_STREAM_HOST, 0);
	assert_false(limits_due(&w->a.limits, &boot, 1000000, false, &gap));
	x->host.lost(x->host.ctx, BL_STREAM_HOST, 17);
	x->host.lost(x->host.ctx, BL_STREAM_EVENTS, 4);
	assert_int_equal(x->lost, 21);
	assert_true(limits_due(&w->a.limits, &boot, 1000000, false, &gap));
	assert_int_equal(gap.reason, BL_GAP_OVERLOAD);
	assert_int_equal(gap.stream, BL_STREAM_EVENTS);
	assert_int_equal(gap.samples, 0); /* it is not known how many */
	assert_true(limits_due(&w->a.limits, &boot, 1000000, false, &gap));
	assert_int_equal(gap.stream, BL_STREAM_HOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		WORLD(one_that_cannot_be_opened_is_tried_again_every_minute),
		WORLD(a_reload_opens_anew_what_it_concerns),
		WORLD(in_safe_mode_the_step_socket_alone_is_open),
		WORLD(what_is_the_agents_own_is_refused),
		WORLD(times_have_bounds),
		WORLD(a_share_is_used_up_and_comes_back),
		WORLD(bytes_are_shared_out_too),
		WORLD(answers_go_to_who_asked),
		WORLD(strange_answers_are_ignored),
		WORLD(values_are_shown_when_they_are_on_disk),
		WORLD(values_that_cannot_be_are_refused),
		WORLD(foreign_series_leave_a_tenth_to_the_agent),
		WORLD(refused_series_are_asked_for_again),
		WORLD(what_was_lost_is_named_in_the_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
