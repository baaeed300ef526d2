/* The spool thread: posts never wait, results come on the caller's thread, nothing is lost
 * silently. */
#include "spool_kit.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "spool_thread.h"

#include <sqlite3.h>

struct seen {
	struct spool_thread *t;
	struct centre *c;
	unsigned events_ok, events_repeated, events_refused;
	unsigned hellos, frames_calls, frames, answers, receipts, questions, cuts, statuses;
	uint64_t connections;
	struct bl_hello hello;
	struct spool_outcome outcome;
	struct bl_gone gone;
	struct spool_thread_status status;
};

static void
on_event(void *ctx, uint64_t token, int rc)
{
	struct seen *s = ctx;

	assert_true(token > 0);
	s->events_ok += rc == SPOOL_ACCEPTED;
	s->events_repeated += rc == SPOOL_REPEATED;
	s->events_refused += rc < 0;
}

static void
on_hello(void *ctx, const struct bl_hello *hello, uint64_t connections)
{
	struct seen *s = ctx;

	s->hellos++;
	s->hello = *hello;
	s->connections = connections;
}

static void
on_frames(void *ctx, struct spool_frame *frames, unsigned n)
{
	struct seen *s = ctx;

	s->frames_calls++;
	for (unsigned i = 0; i < n; i++) {
		s->frames++;
		centre_take(s->c, &frames[i]);
		bl_buf_free(&frames[i].msg);
	}
}

static void
on_answered(void *ctx, const struct spool_outcome *o)
{
	struct seen *s = ctx;

	s->answers++;
	s->outcome = *o;
}

static void
on_receipted(void *ctx, const struct spool_outcome *o)
{
	struct seen *s = ctx;

	s->receipts++;
	s->outcome = *o;
}

static void
on_questioned(void *ctx, const struct spool_outcome *o, const struct bl_gone *gone)
{
	struct seen *s = ctx;

	s->questions++;
	s->outcome = *o;
	s->gone = *gone;
}

static void
on_cut(void *ctx, unsigned n)
{
	((struct seen *)ctx)->cuts += n;
}

static void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	struct seen *s = ctx;

	assert_int_equal(token, 77);
	s->statuses++;
	s->status = *st;
}

static void
start(struct kit *k, struct seen *s, size_t queue_bytes)
{
	const struct spool_calls calls = { s, on_event, on_hello, on_frames, on_answered,
		on_receipted, on_questioned, on_cut, on_status, NULL, NULL, NULL };
	struct spool_thread_opts opts = { .spool = k->opts, .queue_bytes = queue_bytes };
	struct bl_err err = { 0 };
	int opened;

	/* Several threads read this clock; it stands still while they run. */
	opts.spool.clock = bl_clock_real();
	if (spool_thread_start(&s->t, &opts, &calls, &opened, &err) != BL_OK)
		fail_msg("start: %s", err.msg);
}

/* Dispatches until *what reaches n; a condition with a deadline, not a sleep. */
static void
await(struct seen *s, const unsigned *what, unsigned n)
{
	struct pollfd p = { spool_thread_fd(s->t), POLLIN, 0 };

	while (*what < n) {
		assert_int_equal(poll(&p, 1, 20000), 1);
		spool_thread_dispatch(s->t);
	}
}

static int32_t
series(struct seen *s, enum bl_stream stream, unsigned j)
{
	char label[2] = { (char)('0' + j), '\0' };
	struct bl_series_def def = { .stream = stream,
		.kind = BL_GAUGE,
		.interval_ms = 10000,
		.name = { "x", 1 },
		.unit = { "1", 1 },
		.n_labels = 1 };

	def.label[0].key = (struct bl_str){ "k", 1 };
	def.label[0].value = (struct bl_str){ label, 1 };
	return spool_thread_series(s->t, &def);
}

static int
tick(struct seen *s, enum bl_stream stream, int64_t n)
{
	struct spool_thread_sample sm[KIT_SERIES];

	for (unsigned j = 0; j < KIT_SERIES; j++)
		sm[j] =
		    (struct spool_thread_sample){ series(s, stream, j), BL_KNOWN, kit_value(j, n) };
	return spool_thread_append(s->t, stream, bl_boot_ms(bl_clock_real()), sm, KIT_SERIES);
}

static void
ask_status(struct seen *s)
{
	assert_int_equal(spool_thread_status(s->t, 77), BL_OK);
	await(s, &s->statuses, s->statuses + 1);
}

/* A cap on new series; the ones that are there are found whatever the cap is. */
static void
further_series_than_the_cap_are_refused(void **state)
{
	struct kit *k = *state;
	struct seen s = { 0 };
	struct bl_series_def def = { .stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = 10000,
		.name = { "y", 1 },
		.unit = { "1", 1 } };
	int32_t first;

	start(k, &s, 0);
	assert_int_equal(spool_thread_series_count(s.t), 0);
	first = spool_thread_series_within(s.t, &def, 1);
	assert_int_equal(first, 0);
	def.name = (struct bl_str){ "z", 1 };
	assert_int_equal(spool_thread_series_within(s.t, &def, 1), BL_EFULL);
	assert_int_equal(spool_thread_series_within(s.t, &def, 2), 1);
	def.name = (struct bl_str){ "y", 1 };
	assert_int_equal(spool_thread_series_within(s.t, &def, 1), first);
	def.name = (struct bl_str){ "Not a name", 10 };
	assert_true(spool_thread_series_within(s.t, &def, 99) < 0);
	assert_int_equal(spool_thread_series_count(s.t), 2);
	spool_thread_stop(s.t);
}

/* Each is answered once, by its own id; what cannot be taken is said at once. */
static void
reported_values_are_answered_like_events(void **state)
{
	struct kit *k = *state;
	struct seen s = { 0 };
	struct spool_thread_report r = { .value = 1.5, .id = { "a", 1 } };
	char longer[BL_EVENT_ID_MAX + 1];
	unsigned taken = 0;
	int rc;

	start(k, &s, 4096);
	memset(longer, 'i', sizeof(longer));
	r.handle = series(&s, BL_STREAM_HOST, 0);
	assert_int_equal(spool_thread_report(s.t, &r, 1), BL_OK);
	await(&s, &s.events_ok, 1);
	assert_int_equal(spool_thread_report(s.t, &r, 2), BL_OK);
	await(&s, &s.events_repeated, 1);
	r.id.len = 0;
	r.boot_ms = -86400000;
	assert_int_equal(spool_thread_report(s.t, &r, 3), BL_OK);
	await(&s, &s.events_ok, 2);
	assert_int_equal(spool_thread_report(s.t, &r, 0), BL_OK); /* nobody waits */
	r.value = INFINITY;
	assert_int_equal(spool_thread_report(s.t, &r, 4), BL_EINVAL);
	r.value = 1;
	r.handle++;
	assert_int_equal(spool_thread_report(s.t, &r, 4), BL_EINVAL);
	r.handle--;
	r.id = (struct bl_str){ longer, sizeof(longer) };
	assert_int_equal(spool_thread_report(s.t, &r, 4), BL_EINVAL);
	r.id.len = 0;
	ask_status(&s);
	assert_int_equal(s.status.refused_samples, 0);
	/* The queue is bounded, and who is refused hears nothing more. */
	while ((rc = spool_thread_report(s.t, &r, 5)) == BL_OK)
		assert_true(++taken < 1000000);
	assert_int_equal(rc, BL_EFULL);
	await(&s, &s.events_ok, 2 + taken);
	ask_status(&s);
	assert_int_equal(s.events_ok, 2 + taken);
	assert_int_equal(s.events_refused, 0);
	assert_int_equal(s.status.refused_samples, 1);
	assert_int_equal(s.status.spool.gaps, 0); /* its giver knows */
	assert_int_equal(s.status.spool.accepted_samples, 3 + taken);
	spool_thread_stop(s.t);
}

static void
the_whole_way_from_tick_to_receipt(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 99 };
	struct bl_receipt r;

	start(k, &s, 0);
	for (int n = 1; n <= 20; n++) {
		assert_int_equal(tick(&s, BL_STREAM_HOST, n), BL_OK);
		assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	}
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	assert_int_equal(spool_thread_hello(s.t), BL_OK);
	await(&s, &s.hellos, 1);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.hello.stream[2].next_seq, 2); /* the open span was cut */
	centre_receipt(s.c, &s.hello.spool, true, &r);
	assert_int_equal(spool_thread_answer(s.t, &r), BL_OK);
	await(&s, &s.answers, 1);
	assert_int_equal(s.outcome.rc, SPOOL_ANSWER_OK);
	assert_true(s.outcome.more);
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
	await(&s, &s.frames_calls, 1);
	assert_true(s.frames >= 2);
	centre_assert_exact(s.c, BL_STREAM_HOST, 20);
	centre_receipt(s.c, &s.hello.spool, false, &r);
	assert_int_equal(spool_thread_receipt(s.t, &r), BL_OK);
	await(&s, &s.receipts, 1);
	want.dict_known = r.dict_version;
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK); /* answered with nothing */
	await(&s, &s.frames_calls, 2);
	ask_status(&s);
	assert_true(s.status.spool_valid && s.status.committing);
	assert_int_equal(s.status.spool.stream[2].waiting_batches, 0);
	assert_int_equal(s.status.spool.accepted_samples, 20 * KIT_SERIES);
	assert_int_equal(s.c->duplicates, 0);
	spool_thread_stop(s.t);
	free(s.c);
}

/* The simulator's way: the same body, turned by hand. */
static void
without_a_thread_it_does_the_same(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = {
		.ctx = &s, .hello = on_hello, .frames = on_frames, .status = on_status
	};
	const struct spool_thread_opts opts = { .spool = k->opts };
	const struct spool_want want = { .live = true, .max_frames = 8 };
	struct bl_err err = { 0 };
	int opened;

	assert_int_equal(spool_thread_open(&s.t, &opts, &calls, &opened, &err), BL_OK);
	kit_pass(&k->time, 10000);
	for (unsigned j = 0; j < KIT_SERIES; j++) {
		const struct spool_thread_sample sm = { series(&s, BL_STREAM_HOST, j), BL_KNOWN,
			kit_value(j, 1) };

		assert_int_equal(
		    spool_thread_append(s.t, BL_STREAM_HOST, bl_boot_ms(k->opts.clock), &sm, 1),
		    BL_OK);
	}
	assert_true(spool_thread_unsafe(s.t) > 0);
	(void)spool_thread_turn(s.t);
	assert_true(spool_thread_unsafe(s.t) > 0); /* not asked for, and not a second old */
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(k->opts.clock)), BL_OK);
	assert_false(spool_thread_idle(s.t));
	(void)spool_thread_turn(s.t);
	assert_true(spool_thread_idle(s.t));
	assert_int_equal(spool_thread_unsafe(s.t), 0);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	assert_int_equal(spool_thread_hello(s.t), BL_OK);
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
	(void)spool_thread_turn(s.t);
	assert_int_equal(s.hellos + s.frames_calls, 0); /* only dispatch calls back */
	spool_thread_dispatch(s.t);
	assert_int_equal(s.hellos, 1);
	assert_int_equal(s.frames_calls, 1);
	centre_assert_exact(s.c, BL_STREAM_HOST, 1);
	spool_thread_stop(s.t);
	free(s.c);
}

static struct bl_event
event(const char *id)
{
	return (struct bl_event){ .type = { "step.end", 8 }, .id = { id, strlen(id) } };
}

/* "ok" comes after the commit, without anybody asking for one. */
static void
an_event_is_answered_after_its_commit(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct spool_status st;
	struct bl_err err = { 0 };
	struct bl_event ev = event("a-1"), bad = event("");

	start(k, &s, 0);
	assert_int_equal(spool_thread_event(s.t, &ev, 1), BL_OK);
	assert_int_equal(spool_thread_event(s.t, &ev, 2), BL_OK);
	bad.type.len = 0;
	assert_int_equal(spool_thread_event(s.t, &bad, 3), BL_OK);
	await(&s, &s.events_refused, 1);
	await(&s, &s.events_ok, 1);
	await(&s, &s.events_repeated, 1);
	/* On the disk: another process sees it. */
	assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
	assert_int_equal(st.accepted_events, 1);
	spool_thread_stop(s.t);
	free(s.c);
}

static void post_bulk(struct kit *k, struct seen *s, unsigned n);

static int64_t
latest_interval_end(const struct kit *k, enum bl_stream stream, unsigned *batches)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t end;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(
		db, "SELECT count(*),max(end_ms) FROM batch WHERE (id>>48)&3=?1", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_bind_int(st, 1, (int)stream), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	*batches = (unsigned)sqlite3_column_int(st, 0);
	end = sqlite3_column_int64(st, 1);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return end;
}

/*
 * What was posted before may still lie in the queue when the thread commits by
 * itself: only whoever posts knows up to when everything has been.
 */
static void
no_interval_goes_beyond_what_the_loop_said(void **state)
{
	const int64_t begin = bl_boot_ms(bl_clock_real());
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_event ev = event("");
	unsigned batches;
	int64_t told;

	start(k, &s, 0);
	told = bl_boot_ms(bl_clock_real()); /* the first interval begins at the latest now */
	while (bl_boot_ms(bl_clock_real()) < told + 20)
		;
	assert_int_equal(spool_thread_event(s.t, &ev, 1), BL_OK);
	await(&s, &s.events_ok, 1);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	ask_status(&s);
	assert_in_range(latest_interval_end(k, BL_STREAM_EVENTS, &batches), begin, told);
	assert_int_equal(batches, 1);
	told = bl_boot_ms(bl_clock_real());
	assert_int_equal(spool_thread_commit_probes(s.t, told, told - 7), BL_OK);
	spool_thread_stop(s.t);
	assert_int_equal(latest_interval_end(k, BL_STREAM_EVENTS, &batches), told);
	assert_int_equal(latest_interval_end(k, BL_STREAM_PROBES, &batches), told - 7);
	assert_int_equal(latest_interval_end(k, BL_STREAM_HOST, &batches), told);
	free(s.c);
}

/* Ten seconds on played time: a sample, and a commit asked for. */
static void
play_tick(struct kit *k, struct seen *s)
{
	const struct spool_thread_sample sm = { series(s, BL_STREAM_HOST, 0), BL_KNOWN, 1 };
	int64_t boot_ms;

	for (int i = 0; i < 10; i++) {
		kit_pass(&k->time, 1000);
		(void)spool_thread_turn(s->t);
	}
	boot_ms = bl_boot_ms(k->opts.clock);
	assert_int_equal(spool_thread_append(s->t, BL_STREAM_HOST, boot_ms, &sm, 1), BL_OK);
	assert_int_equal(spool_thread_commit(s->t, boot_ms), BL_OK);
	(void)spool_thread_turn(s->t);
}

/* The clock stands still: nothing that is due by time can be what commits. */
static void
an_event_waits_for_the_disk_and_for_no_clock(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = { .ctx = &s, .event_done = on_event };
	struct spool_thread_opts opts = { .spool = k->opts };
	struct spool_status st;
	struct bl_err err = { 0 };
	int opened;

	assert_int_equal(spool_thread_start(&s.t, &opts, &calls, &opened, &err), BL_OK);
	for (unsigned n = 1; n <= 50; n++) {
		struct bl_event ev = event("");

		assert_int_equal(spool_thread_event(s.t, &ev, n), BL_OK);
		if (n % 10 == 0) {
			await(&s, &s.events_ok, n);
			assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
			assert_true(st.accepted_events == n);
		}
	}
	spool_thread_stop(s.t);
	assert_int_equal(s.events_refused, 0);
	free(s.c);
}

/*
 * Ticks wait for each other, though a commit is asked for with each; an event waits for the disk
 * alone, whether anybody waits for its answer or not, and takes with it what waits.
 */
static void
in_a_group_ticks_wait_and_events_do_not(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = { .ctx = &s, .event_done = on_event };
	struct spool_thread_opts opts = { .spool = k->opts };
	struct spool_status st;
	struct bl_err err = { 0 };
	uint64_t ticks = 0;
	int opened;

	opts.spool.group_ms = 600000;
	assert_int_equal(spool_thread_open(&s.t, &opts, &calls, &opened, &err), BL_OK);
	for (uint64_t n = 1; n <= 3; n++) {
		struct bl_event ev = event("");

		for (int i = 0; i < 6; i++, ticks++)
			play_tick(k, &s);
		assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
		assert_int_equal(st.accepted_samples, ticks - 6);
		assert_int_equal(spool_thread_event(s.t, &ev, n == 3 ? 0 : n), BL_OK);
		(void)spool_thread_turn(s.t);
		assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
		assert_int_equal(st.accepted_events, n);
		assert_int_equal(st.accepted_samples, ticks);
		spool_thread_dispatch(s.t);
		assert_int_equal(s.events_ok, n < 3 ? n : 2);
	}
	spool_thread_stop(s.t);
	free(s.c);
}

static int64_t
commits(const struct kit *k)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT commit_no FROM state", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

/* One commit for each, which is its cut: nothing is left that seems to wait. */
static void
a_group_is_written_once(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct spool_calls calls = { .ctx = &s };
	struct spool_thread_opts opts = { .spool = k->opts };
	struct bl_err err = { 0 };
	int64_t before;
	int opened;

	opts.spool.group_ms = 120000;
	assert_int_equal(spool_thread_open(&s.t, &opts, &calls, &opened, &err), BL_OK);
	play_tick(k, &s);
	kit_pass(&k->time, 4500);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	(void)spool_thread_turn(s.t);
	kit_pass(&k->time, 5500);
	before = commits(k);
	for (int i = 0; i < 48; i++) /* eight minutes */
		play_tick(k, &s);
	assert_int_equal(commits(k) - before, 4);
	spool_thread_stop(s.t);
	free(s.c);
}

/* Many are under way: nothing waits for the end of a period to become a batch. */
static void
a_flood_of_events_is_cut_while_it_comes(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };

	start(k, &s, 0);
	post_bulk(k, &s, 400); /* 400 KiB */
	ask_status(&s);
	assert_true(s.status.spool.stream[0].waiting_batches >= 4);
	spool_thread_stop(s.t);
	free(s.c);
}

static void
stopping_commits_and_cuts_and_answers(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_event ev = event("a-1");
	struct spool_status st;
	struct bl_err err = { 0 };

	start(k, &s, 0);
	for (int n = 1; n <= 5; n++)
		assert_int_equal(tick(&s, BL_STREAM_PROBES, n), BL_OK);
	assert_int_equal(spool_thread_event(s.t, &ev, 9), BL_OK);
	spool_thread_stop(s.t);
	assert_int_equal(s.events_ok, 1);
	assert_int_equal(spool_status_of_file(k->path, &st, &err), BL_OK);
	assert_int_equal(st.accepted_samples, 5 * KIT_SERIES);
	assert_int_equal(st.stream[1].open_samples, 0);
	assert_int_equal(st.stream[1].waiting_batches, 1);
	free(s.c);
}

static void
a_full_queue_refuses_counts_and_names(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_receipt r;
	struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 32 };
	uint64_t refused = 0, taken = 0;

	/* Room for every tick between two commits: what is refused here, the queue refused. */
	k->opts.memory_bytes = 4u << 20;
	start(k, &s, 2000); /* a few ticks */
	for (int n = 1; n <= 5000; n++) {
		const int rc = tick(&s, BL_STREAM_HOST, n);

		assert_true(rc == BL_OK || rc == BL_EFULL);
		refused += rc == BL_EFULL ? KIT_SERIES : 0;
		taken += rc == BL_OK ? KIT_SERIES : 0;
	}
	assert_true(refused > 0 && taken > 0);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	assert_int_equal(spool_thread_hello(s.t), BL_OK);
	await(&s, &s.hellos, 1);
	ask_status(&s);
	assert_int_equal(s.status.refused_samples, refused);
	centre_receipt(s.c, &s.hello.spool, true, &r);
	assert_int_equal(spool_thread_answer(s.t, &r), BL_OK);
	assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
	await(&s, &s.frames_calls, 1);
	/* What came and what is named is all there was. */
	assert_int_equal(s.status.spool.accepted_samples, taken);
	assert_int_equal(centre_lost(s.c, BL_STREAM_HOST, BL_GAP_OVERLOAD), refused);
	spool_thread_stop(s.t);
	free(s.c);
}

/* While a disk hangs commits and the like pile up; a gap must not be lost for that. */
static void
what_must_not_be_lost_gets_through_a_full_queue(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	const struct bl_gap gap = { .reason = BL_GAP_OFF,
		.stream = BL_STREAM_HOST,
		.begin_boot = k->opts.boot,
		.begin_boot_ms = 1000,
		.end_boot = k->opts.boot,
		.end_boot_ms = 2000 };
	struct bl_gap read[4];
	struct bl_err err = { 0 };
	unsigned posted = 0;
	sqlite3 *other;

	start(k, &s, 0);
	ask_status(&s);
	assert_int_equal(sqlite3_open(k->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(tick(&s, BL_STREAM_HOST, 1), BL_OK);
	while (posted < 100000 && spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())) == BL_OK)
		posted++;
	assert_true(posted < 100000);
	assert_int_equal(spool_thread_status(s.t, 77), BL_EFULL);
	assert_int_equal(spool_thread_gap(s.t, &gap), BL_OK);
	assert_int_equal(spool_thread_clear(s.t, BL_STREAM_HOST, 1), BL_OK);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	spool_thread_stop(s.t);
	assert_int_equal(spool_recent_gaps_of_file(k->path, read, 4, &err), 1);
	assert_int_equal(read[0].reason, BL_GAP_OFF);
	free(s.c);
}

static void
handles_are_stable_and_checked(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_series_def bad = { .stream = BL_STREAM_HOST, .kind = BL_GAUGE };
	struct spool_thread_sample sm = { 0, BL_KNOWN, 1 };
	int32_t a, b;

	start(k, &s, 0);
	a = series(&s, BL_STREAM_HOST, 0);
	b = series(&s, BL_STREAM_PROBES, 0);
	assert_true(a >= 0 && b >= 0 && a != b);
	assert_int_equal(series(&s, BL_STREAM_HOST, 0), a);
	assert_int_equal(spool_thread_series(s.t, &bad), BL_EINVAL);
	sm.handle = b;
	assert_int_equal(spool_thread_append(s.t, BL_STREAM_HOST, 1, &sm, 1), BL_EINVAL);
	sm.handle = 99;
	assert_int_equal(spool_thread_append(s.t, BL_STREAM_HOST, 1, &sm, 1), BL_EINVAL);
	sm.handle = -1;
	assert_int_equal(spool_thread_append(s.t, BL_STREAM_HOST, 1, &sm, 1), BL_EINVAL);
	spool_thread_stop(s.t);
	free(s.c);
}

/* Events of about 1 KiB that do not compress, so that the file outgrows the page cache. */
static void
post_bulk(struct kit *k, struct seen *s, unsigned n)
{
	char text[1000];

	for (unsigned i = 0; i < n; i++) {
		struct bl_event ev = event("");

		for (size_t j = 0; j < sizeof(text); j++)
			text[j] = (char)('0' + kit_random(&k->time, 75));
		ev.n_attrs = 1;
		ev.attr[0] = (struct bl_attr){ .key = { "t", 1 }, .type = BL_ATTR_TEXT };
		ev.attr[0].text = (struct bl_str){ text, sizeof(text) };
		assert_int_equal(spool_thread_event(s->t, &ev, i + 1), BL_OK);
		if (i % 40 != 39 && i + 1 != n)
			continue;
		assert_int_equal(spool_thread_commit(s->t, bl_boot_ms(bl_clock_real())), BL_OK);
		await(s, &s->events_ok, i + 1);
	}
}

/* The file is overwritten under the running thread: it is replaced, and sampling goes on. */
static void
damage_while_running_is_survived(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	char junk[65536];
	int64_t n = 0, at;
	int fd;

	start(k, &s, 0);
	post_bulk(k, &s, 800);
	assert_int_equal(spool_thread_link_up(s.t), BL_OK);
	ask_status(&s);
	memset(junk, 0x5a, sizeof(junk));
	fd = open(k->path, O_WRONLY);
	assert_true(fd >= 0);
	for (at = 0; at < 2 * 1024 * 1024; at += (int64_t)sizeof(junk))
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	(void)snprintf(junk, sizeof(junk), "%s-wal", k->path);
	assert_int_equal(truncate(junk, 0), 0);
	while (s.status.replaced == 0 && n < 200) {
		const struct spool_want want = { .past_bytes = 1u << 20, .max_frames = 32 };

		assert_int_equal(tick(&s, BL_STREAM_HOST, ++n), BL_OK);
		assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
		assert_int_equal(spool_thread_offer(s.t, &want), BL_OK);
		assert_int_equal(spool_thread_link_up(s.t), BL_OK);
		ask_status(&s);
	}
	assert_int_equal(s.status.replaced, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tick(&s, BL_STREAM_HOST, ++n), BL_OK);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	ask_status(&s);
	assert_true(s.status.committing);
	assert_true(s.status.spool.accepted_samples >= 3 * KIT_SERIES);
	/* A status asked in between slices of the recovery. */
	while (s.status.recovery.running)
		ask_status(&s);
	assert_true(s.status.n_gaps >= 3);
	assert_int_equal(s.status.gap[0].reason, BL_GAP_DAMAGED);
	assert_int_equal(close(fd), 0);
	spool_thread_stop(s.t);
	free(s.c);
}

static void
limit_file_size(rlim_t bytes)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

/* The disk is full for a while: the status says so, the event's "ok" waits, nothing is lost. */
static void
a_full_disk_is_shown_and_waited_out(void **state)
{
	struct kit *k = *state;
	struct seen s = { .c = centre_new(k) };
	struct bl_event ev = event("order-1");

	(void)signal(SIGXFSZ, SIG_IGN);
	start(k, &s, 0);
	assert_int_equal(tick(&s, BL_STREAM_HOST, 1), BL_OK);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	ask_status(&s);
	assert_true(s.status.committing);
	limit_file_size(4096);
	assert_int_equal(spool_thread_event(s.t, &ev, 5), BL_OK);
	for (int n = 2; n <= 30; n++) {
		assert_int_equal(tick(&s, BL_STREAM_HOST, n), BL_OK);
		assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	}
	ask_status(&s);
	assert_false(s.status.committing);
	assert_true(s.status.failing_since_unix_ms > 0);
	assert_true(s.status.memory_bytes > 0);
	assert_true(s.status.problem[0] != '\0');
	assert_int_equal(s.events_ok, 0);
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(spool_thread_commit(s.t, bl_boot_ms(bl_clock_real())), BL_OK);
	await(&s, &s.events_ok, 1);
	ask_status(&s);
	assert_true(s.status.committing);
	assert_int_equal(s.status.memory_bytes, 0);
	assert_int_equal(s.status.spool.accepted_samples, 30 * KIT_SERIES);
	assert_int_equal(s.status.spool.gaps, 0);
	spool_thread_stop(s.t);
	free(s.c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(further_series_than_the_cap_are_refused),
		T(reported_values_are_answered_like_events),
		T(the_whole_way_from_tick_to_receipt),
		T(without_a_thread_it_does_the_same),
		T(an_event_is_answered_after_its_commit),
		T(no_interval_goes_beyond_what_the_loop_said),
		T(an_event_waits_for_the_disk_and_for_no_clock),
		T(in_a_group_ticks_wait_and_events_do_not),
		T(a_group_is_written_once),
		T(a_flood_of_events_is_cut_while_it_comes),
		T(stopping_commits_and_cuts_and_answers),
		T(a_full_queue_refuses_counts_and_names),
		T(what_must_not_be_lost_gets_through_a_full_queue),
		T(handles_are_stable_and_checked),
		T(damage_while_running_is_survived),
		T(a_full_disk_is_shown_and_waited_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
