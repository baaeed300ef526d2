/* The step socket with a real spool behind it: ok means on disk. */
#include "inlet_kit.h"

/* ---- with a real spool ---- */

struct whole {
	char dir[64], socket[96], file[96];
	struct inlet *in;
	struct spool_thread *spool;
};

static int
whole_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct spool_thread *spool = ((struct whole *)ctx)->spool;
	struct spool_thread_report value = { .value = r->value, .id = r->id };
	struct bl_series_def def = r->def;
	struct bl_event ev = r->ev;
	int rc = inlet_report_place(r, bl_clock_real(), &ev.boot_ms, err);

	ev.id = r->id;
	if (rc < 0 || r->kind == INLET_EVENT)
		return rc < 0 ? rc : spool_thread_event(spool, &ev, token);
	value.boot_ms = ev.boot_ms;
	def.stream = BL_STREAM_HOST;
	value.handle = spool_thread_series(spool, &def);
	return spool_thread_report(spool, &value, token);
}

static void
whole_problem(void *ctx, char *out, size_t size)
{
	spool_thread_problem(((struct whole *)ctx)->spool, out, size);
}

static void
whole_done(void *ctx, uint64_t token, int rc)
{
	inlet_done(((struct whole *)ctx)->in, token, rc);
}

static void
whole_open(struct whole *w)
{
	struct spool_thread_opts so = { .spool = { .path = w->file,
					    .device = "dev-1",
					    .max_bytes = 8 << 20,
					    .keep_receipted_ms = 1000,
					    .boot = { { 1 } },
					    .clock = bl_clock_real(),
					    .software = "test" } };
	const struct spool_calls calls = { .ctx = w, .event_done = whole_done };
	const struct inlet_opts io = { .path = w->socket,
		.mode = 0600,
		.clock = bl_clock_real(),
		.sink = { w, whole_report, whole_problem } };
	struct bl_err err = { 0 };
	int opened;

	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/bl-inlet-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->file, sizeof(w->file), "%s/spool.db", w->dir);
	(void)snprintf(w->socket, sizeof(w->socket), "%s/steps.sock", w->dir);
	if (spool_thread_start(&w->spool, &so, &calls, &opened, &err) < 0 ||
	    inlet_open(&w->in, &io, &err) < 0)
		fail_msg("%s", err.msg);
}

/* One turn of a loop like the agent's. */
static void
whole_turn(struct whole *w)
{
	struct pollfd p[2] = { { inlet_fd(w->in), POLLIN, 0 },
		{ spool_thread_fd(w->spool), POLLIN, 0 } };

	if (inlet_deadline(w->in) > bl_mono_ms(bl_clock_real()))
		assert_true(poll(p, 2, 20000) > 0);
	if (p[1].revents != 0)
		spool_thread_dispatch(w->spool);
	inlet_serve(w->in);
}

static void
ok_means_on_disk(void **state)
{
	struct whole w = { 0 };
	struct spool_status st;
	struct bl_err err = { 0 };
	unsigned oks = 0, repeated = 0;
	char line[100], remove[160];
	int fd;

	(void)state;
	whole_open(&w);
	fd = dial_path(w.socket);
	for (unsigned i = 0; i < 500; i++) {
		const char *text;
		bool end;

		(void)snprintf(
		    line, sizeof(line), "step event %u id=%u amount=%u.5\n", i, i % 250, i);
		say(fd, line);
		whole_turn(&w);
		text = heard(fd, &end);
		assert_false(end);
		for (; *text != '\0'; text = strchr(text, '\n') + 1) {
			oks += strncmp(text, "ok\n", 3) == 0;
			repeated += strncmp(text, "ok repeated\n", 12) == 0;
			assert_memory_equal(text, "ok", 2);
		}
		/* What was answered is in the file, for everybody who looks. */
		if (i % 50 == 0) {
			assert_int_equal(spool_status_of_file(w.file, &st, &err), BL_OK);
			assert_true(st.accepted_events >= oks);
		}
	}
	while (oks + repeated < 500) {
		const char *text;
		bool end;

		whole_turn(&w);
		for (text = heard(fd, &end); *text != '\0'; text = strchr(text, '\n') + 1) {
			oks += strncmp(text, "ok\n", 3) == 0;
			repeated += strncmp(text, "ok repeated\n", 12) == 0;
		}
	}
	assert_int_equal(oks, 250);
	assert_int_equal(repeated, 250);
	assert_int_equal(spool_status_of_file(w.file, &st, &err), BL_OK);
	assert_int_equal(st.accepted_events, 250);
	assert_int_equal(close(fd), 0);
	inlet_finish(w.in);
	spool_thread_stop(w.spool);
	inlet_close(w.in);
	(void)snprintf(remove, sizeof(remove), "rm -r %s", w.dir);
	assert_int_equal(system(remove), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ok_means_on_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
