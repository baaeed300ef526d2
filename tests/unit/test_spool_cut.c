/* Append, commit, cut: what is accepted becomes batches that touch, by the policy's clock. */
#include "spool_kit.h"

#include <sqlite3.h>

static void
accepted_samples_arrive_once_and_are_receipted(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct spool_status st;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 50; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		kit_commit(k);
	}
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 50);
	centre_assert_exact(c, BL_STREAM_PROBES, 50);
	assert_int_equal(c->duplicates, 0);
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	assert_int_equal(st.accepted_samples, 2 * 50 * KIT_SERIES);
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		assert_int_equal(st.stream[i].waiting_batches, 0);
		assert_int_equal(st.stream[i].waiting_bytes, 0);
		assert_int_equal(st.stream[i].held_batches, 1);
		assert_int_equal(st.stream[i].receipted_contiguous, 1);
		assert_int_equal(st.stream[i].open_samples, 0);
	}
	free(c);
}

static void
what_is_not_committed_is_lost_by_a_crash_and_what_is_committed_is_not(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 10; i++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	kit_tick(k, BL_STREAM_HOST); /* not committed */
	kit_crash(k);
	assert_int_equal(k->appended[2], 10);
	kit_pass(&k->time, 60000);
	kit_open(k, SPOOL_OPENED);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 11);
	free(c);
}

/* The gap "off": from the last commit to the start, for every stream, once. */
static void
a_restart_names_the_time_it_was_off(void **state)
{
	static const struct {
		const char *name;
		bool reboot;
	} rows[] = { { "same boot", false }, { "another boot", true } };
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_id boot;
	int64_t begin, end;

	kit_open(k, SPOOL_CREATED);
	for (size_t row = 0; row < 2; row++) {
		const unsigned before = c->n_gaps;

		kit_tick(k, BL_STREAM_HOST);
		kit_commit(k);
		begin = k->time.boot_ms;
		boot = k->opts.boot;
		kit_crash(k);
		kit_pass(&k->time, 600000);
		if (rows[row].reboot)
			kit_reboot(k);
		end = k->time.boot_ms;
		kit_open(k, SPOOL_OPENED);
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		centre_drain(c, k);
		assert_int_equal(c->n_gaps, before + 3);
		for (unsigned i = before; i < c->n_gaps; i++) {
			assert_int_equal(c->gap[i].reason, BL_GAP_OFF);
			assert_int_equal(c->gap[i].stream, i - before + 1);
			assert_int_equal(c->gap[i].begin_boot_ms, begin);
			assert_int_equal(c->gap[i].end_boot_ms, end);
			assert_true(bl_id_equal(&c->gap[i].begin_boot, &boot));
			assert_true(bl_id_equal(&c->gap[i].end_boot, &k->opts.boot));
		}
	}
	centre_assert_exact(c, BL_STREAM_HOST, 2);
	free(c);
}

/* A commit of the thread itself may take a tick in before the loop has said that it is covered. */
static void
off_does_not_claim_what_was_committed(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	int64_t covered, tick;

	kit_open(k, SPOOL_CREATED);
	covered = k->time.boot_ms;
	spool_covered(k->s, covered);
	kit_tick(k, BL_STREAM_HOST);
	tick = k->time.boot_ms;
	kit_commit(k);
	kit_crash(k);
	kit_pass(&k->time, 600000);
	kit_open(k, SPOOL_OPENED);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(c->n_gaps, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
		    c->gap[i].begin_boot_ms, c->gap[i].stream == BL_STREAM_HOST ? tick : covered);
	centre_assert_exact(c, BL_STREAM_HOST, 1);
	free(c);
}

static void
a_batch_never_mixes_boots(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	const struct bl_id first = k->opts.boot;
	unsigned of_first = 0, of_second = 0;

	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	kit_crash(k);
	kit_reboot(k);
	kit_open(k, SPOOL_OPENED);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	for (unsigned i = 0; i < c->n; i++) {
		const struct bl_batch_header *h = &c->batch[i].h;

		if (h->stream != BL_STREAM_HOST)
			continue;
		assert_int_equal(h->n_samples, KIT_SERIES);
		of_first += bl_id_equal(&h->boot, &first);
		of_second += bl_id_equal(&h->boot, &k->opts.boot);
	}
	assert_int_equal(of_first, 1);
	assert_int_equal(of_second, 1);
	free(c);
}

/* With a link 60 s, alone (5 min without receipt) 1 h; quiet streams, too. */
static void
cutting_follows_link_and_receipts(void **state)
{
	static const struct {
		const char *name;
		bool link;
		int minutes, receipts_every_min, expected_batches; /* of each stream */
	} rows[] = {
		{ "link and receipts", true, 10, 1, 10 },
		{ "never a link", false, 130, 0, 2 },
		{ "link, no receipt: five minutes of grace", true, 66, 0, 6 },
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct bl_err err = { 0 };
		struct spool_status st;
		struct bl_receipt r;
		struct kit *k;
		struct centre *c;
		unsigned cut, total = 0;
		int64_t next;
		bool hello;

		if (row == 0)
			k = *state;
		else
			assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		kit_open(k, SPOOL_CREATED);
		for (int s = 0; s < rows[row].minutes * 60; s += 10) {
			kit_pass(&k->time, 10000);
			assert_int_equal(
			    spool_cut_due(k->s, rows[row].link, &cut, &next, &err), BL_OK);
			assert_true(next > 0);
			total += cut;
			if (rows[row].receipts_every_min == 0 || s % 60 != 0)
				continue;
			assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
			centre_receipt(c, &st.spool, false, &r);
			assert_true(spool_on_receipt(k->s, &r, &hello, &err) >= 0);
			c->epoch = (struct bl_id){ { 0 } }; /* no epoch known yet: no hello */
		}
		if (total != 3u * (unsigned)rows[row].expected_batches)
			fail_msg("%s: %u batches, expected %d", rows[row].name, total,
			    3 * rows[row].expected_batches);
		free(c);
		if (row > 0)
			kit_teardown((void **)&k);
	}
}

static void
intervals_of_a_run_touch_and_cover_quiet_time(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	const int64_t begin = k->time.boot_ms;
	struct bl_err err = { 0 };
	struct spool_status st;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 30; i++) {
		if (i % 3 == 0)
			kit_tick(k, BL_STREAM_HOST);
		kit_pass(&k->time, 7000);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		int64_t covered = 0;

		assert_int_equal(centre_assert_touching(c, &st.spool, (enum bl_stream)(i + 1)), 30);
		for (unsigned b = 0; b < c->n; b++)
			if ((unsigned)c->batch[b].stream == i + 1)
				covered +=
				    c->batch[b].h.collect_end_ms - c->batch[b].h.collect_begin_ms;
		assert_int_equal(covered, k->time.boot_ms - begin);
	}
	free(c);
}

/* What began before is not covered before it has come; other streams do not wait for it. */
static void
an_interval_ends_where_something_is_still_to_come(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	const int64_t begin = k->time.boot_ms;
	static const struct {
		int64_t open_from_s, ends_s; /* after the begin; 0: nothing is to come */
	} rows[] = {
		{ 0, 10 },
		{ 17, 17 },  /* a run that began then goes on */
		{ 17, 17 },  /* it still does: nothing more is covered */
		{ 36, 36 },  /* it has ended, another one goes on */
		{ 900, 50 }, /* later than what was said */
		{ 5, 50 },   /* what was covered stays so */
		{ 0, 70 },
	};

	kit_open(k, SPOOL_CREATED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ends[BL_STREAMS] = { 0 };

		kit_pass(&k->time, 9000);
		kit_tick(k, BL_STREAM_PROBES);
		spool_covered(k->s, k->time.boot_ms);
		spool_open_from(k->s, BL_STREAM_PROBES,
		    rows[i].open_from_s == 0 ? INT64_MAX : begin + rows[i].open_from_s * 1000);
		kit_cut_all(k);
		centre_drain(c, k);
		for (unsigned b = 0; b < c->n; b++)
			if (c->batch[b].h.collect_end_ms > ends[c->batch[b].stream - 1])
				ends[c->batch[b].stream - 1] = c->batch[b].h.collect_end_ms;
		assert_int_equal((ends[BL_STREAM_PROBES - 1] - begin) / 1000, (int)rows[i].ends_s);
		assert_int_equal(ends[BL_STREAM_HOST - 1], k->time.boot_ms);
		assert_int_equal(ends[BL_STREAM_EVENTS - 1], k->time.boot_ms);
	}
	centre_assert_exact(c, BL_STREAM_PROBES, 7);
	free(c);
}

static void
a_long_span_becomes_batches_within_the_size(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	unsigned cut = 0, due = 0;
	int64_t next;

	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 19000; i++) {
		kit_tick(k, BL_STREAM_HOST);
		if (i % 50 != 0)
			continue;
		kit_commit(k);
		k->time.mono_ms = 100000; /* by size alone */
		assert_int_equal(spool_cut_due(k->s, false, &cut, &next, &err), BL_OK);
		due += cut;
	}
	assert_true(due >= 1); /* 76,000 samples pass the 65,536 of a batch */
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 19000);
	for (unsigned i = 0; i < c->n; i++) {
		assert_true(c->batch[i].h.n_samples <= BL_BATCH_SAMPLES_MAX);
		assert_true(c->batch[i].h.raw_bytes <= BL_CUT_RAW_BYTES + 4096);
	}
	free(c);
}

static struct bl_event
event(const char *id)
{
	struct bl_event ev = { .type = { "step.end", 8 }, .id = { id, strlen(id) } };

	ev.n_attrs = 2;
	ev.attr[0] =
	    (struct bl_attr){ .key = { "amount", 6 }, .type = BL_ATTR_NUMBER, .number = 12.5 };
	ev.attr[1] = (struct bl_attr){
		.key = { "step", 4 }, .type = BL_ATTR_TEXT, .text = { "picking", 7 }
	};
	return ev;
}

static void
an_event_id_is_one_event_for_a_day(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct bl_event ev = event("order-7");

	kit_open(k, SPOOL_CREATED);
	ev.boot_ms = k->time.boot_ms;
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED); /* waits */
	kit_commit(k);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED); /* on disk */
	kit_cut_all(k);
	kit_crash(k);
	kit_pass(&k->time, 23 * 3600000);
	kit_open(k, SPOOL_OPENED);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED); /* cut, and another run */
	kit_pass(&k->time, 2 * 3600000);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
	ev = event("");
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED); /* without an id */
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(c->events, 4);
	free(c);
}

#define YEARS_56 (INT64_C(56) * 365 * 24 * 3600000)

/* A machine begins in 1970 and hears the time; a day is a day all the same. */
static void
a_clock_that_is_set_makes_no_second_event(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct bl_event ev = event("order-7"), other = event("order-8");

	k->time.unix_ms = 600000;
	kit_open(k, SPOOL_CREATED);
	ev.boot_ms = other.boot_ms = k->time.boot_ms;
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
	kit_commit(k);
	kit_pass(&k->time, 2 * 3600000);
	kit_commit(k);
	k->time.unix_ms += YEARS_56;
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED);
	/* Nor does the next commit forget it. */
	assert_int_equal(spool_event(k->s, &other, &err), SPOOL_ACCEPTED);
	kit_commit(k);
	kit_pass(&k->time, 21 * 3600000);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED);
	kit_pass(&k->time, 2 * 3600000);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
	assert_int_equal(spool_event(k->s, &other, &err), SPOOL_REPEATED);
	/* Twenty years ahead, and back. */
	kit_commit(k);
	k->time.unix_ms += YEARS_56;
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED);
	kit_commit(k);
	k->time.unix_ms -= YEARS_56;
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_REPEATED);
	kit_pass(&k->time, 25 * 3600000);
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
	kit_cut_all(k);
}

/* However many come in one commit: ids must not take the room of batches. */
static void
remembered_ids_keep_to_their_cap_in_a_flood(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	sqlite3_stmt *st;
	sqlite3 *db;

	k->opts.max_bytes = 1024 * 1024; /* 1,024 ids */
	kit_open(k, SPOOL_CREATED);
	for (unsigned n = 0; n < 6000; n++) {
		char id[24];
		struct bl_event ev = event("");

		(void)snprintf(id, sizeof(id), "order-%u", n);
		ev.id = (struct bl_str){ id, strlen(id) };
		ev.boot_ms = k->time.boot_ms;
		assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
		if (n % 100 == 99)
			kit_commit(k);
		if (n % 1000 == 999)
			kit_cut_all(k);
	}
	kit_crash(k);
	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT count(*),max(n)-min(n) FROM seen", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0), 1024);
	assert_int_equal(sqlite3_column_int(st, 1), 1023); /* the newest */
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
}

/* With a link an event is on its way after 5 s, with its stream alone; without one it can wait. */
static void
an_event_is_cut_soon_while_there_is_a_link(void **state)
{
	static const struct {
		const char *name;
		bool link;
		int events_at_s[3];    /* 0: no more */
		unsigned cut_by_s[13]; /* batches after 5 s, 10 s, ... */
	} rows[] = {
		{ "no event", true, { 0 }, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3 } },
		{ "one", true, { 3 }, { 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 4 } },
		{ "two in one batch, one later", true, { 3, 7, 24 },
		    { 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 5, 5 } },
		{ "without a link", false, { 3, 7, 24 }, { 0 } },
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct bl_err err = { 0 };
		unsigned cut, total = 0, n = 0;
		int64_t next;
		struct kit *k;

		if (row == 0)
			k = *state;
		else
			assert_int_equal(kit_setup((void **)&k), 0);
		kit_open(k, SPOOL_CREATED);
		assert_int_equal(spool_cut_due(k->s, rows[row].link, &cut, &next, &err), BL_OK);
		for (int s = 1; s <= 65; s++) {
			struct bl_event ev = event("");

			kit_pass(&k->time, 1000);
			ev.boot_ms = k->time.boot_ms;
			if (n < 3 && rows[row].events_at_s[n] == s) {
				assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
				n++;
			}
			assert_int_equal(
			    spool_cut_due(k->s, rows[row].link, &cut, &next, &err), BL_OK);
			assert_true(next > 0);
			total += cut;
			if (s % 5 == 0 && total != rows[row].cut_by_s[s / 5 - 1])
				fail_msg("%s: %u batches after %d s, expected %u", rows[row].name,
				    total, s, rows[row].cut_by_s[s / 5 - 1]);
		}
		if (row > 0)
			kit_teardown((void **)&k);
	}
}

static void
bad_input_is_refused_and_changes_nothing(void **state)
{
	struct kit *k = *state;
	struct spool_sample sm = { 999, BL_KNOWN, 1 };
	struct bl_series_def def = { .stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.name = { "CPU used", 8 },
		.unit = { "1", 1 } };
	struct bl_event ev = event("x");
	struct bl_gap gap = { .reason = 99, .stream = BL_STREAM_HOST };
	struct bl_clock_segment seg = { .source = BL_CLOCK_NTP };
	struct bl_err err = { 0 };
	uint32_t id;

	kit_open(k, SPOOL_CREATED);
	kit_commit(k);
	assert_int_equal(spool_append(k->s, BL_STREAM_HOST, 1, &sm, 1, &err), BL_EINVAL);
	assert_int_equal(spool_append(k->s, 7, 1, &sm, 0, &err), BL_EINVAL);
	assert_int_equal(spool_series(k->s, &def, &id, &err), BL_EINVAL);
	ev.type.p = "\xff\xfe";
	ev.type.len = 2;
	assert_int_equal(spool_event(k->s, &ev, &err), BL_EINVAL);
	ev = event("x");
	ev.n_attrs = BL_ATTRS_MAX + 1;
	assert_int_equal(spool_event(k->s, &ev, &err), BL_EINVAL);
	assert_int_equal(spool_gap(k->s, &gap, &err), BL_EINVAL);
	assert_int_equal(spool_clock(k->s, &seg, &err), BL_EINVAL);
	assert_int_equal(spool_memory_bytes(k->s), 0);
}

static void
a_series_keeps_its_id(void **state)
{
	struct kit *k = *state;
	uint32_t before[BL_STREAMS][KIT_SERIES];

	kit_open(k, SPOOL_CREATED);
	memcpy(before, k->series, sizeof(before));
	assert_int_equal(before[0][0], 1);
	kit_declare(k); /* waiting for its commit */
	assert_memory_equal(before, k->series, sizeof(before));
	kit_commit(k);
	kit_declare(k); /* on disk */
	assert_memory_equal(before, k->series, sizeof(before));
	kit_crash(k);
	kit_open(k, SPOOL_OPENED);
	assert_memory_equal(before, k->series, sizeof(before));
}

static void
a_trusted_clock_segment_is_added_once(void **state)
{
	static const struct {
		const char *name;
		enum bl_clock_source source;
		int64_t offset_ms;
		uint32_t uncertainty_ms;
		uint32_t version;
	} rows[] = {
		{ "untrusted", BL_CLOCK_UNTRUSTED, 1000, 0, 1 },
		{ "untrusted, the same", BL_CLOCK_UNTRUSTED, 1010, 0, 1 },
		{ "first trusted, same offset", BL_CLOCK_NTP, 1010, 5, 2 },
		{ "the same again", BL_CLOCK_NTP, 1010, 5, 2 },
		{ "less sure than before", BL_CLOCK_NTP, 1010, 60, 3 },
		{ "untrusted is no news", BL_CLOCK_UNTRUSTED, 99000, 0, 3 },
		{ "a step", BL_CLOCK_NTP, 5000, 5, 4 },
	};
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	struct spool_status st;

	kit_open(k, SPOOL_CREATED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bl_clock_segment seg = { .boot = k->opts.boot,
			.from_boot_ms = k->time.boot_ms,
			.offset_ms = rows[i].offset_ms,
			.uncertainty_ms = rows[i].uncertainty_ms,
			.source = rows[i].source };

		assert_int_equal(spool_clock(k->s, &seg, &err), BL_OK);
		kit_commit(k);
		assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
		if (st.clock_version != rows[i].version)
			fail_msg("%s: version %u", rows[i].name, st.clock_version);
		assert_int_equal(st.clock_trusted, i >= 2);
	}
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	/* Placed by the first trusted segment, which is for what lies before it, too. */
	assert_int_equal(st.stream[0].oldest_waiting_unix_ms, k->time.boot_ms - 1000 + 5000);
	centre_drain(c, k);
	assert_int_equal(c->spool[0].clock_known, 4);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(accepted_samples_arrive_once_and_are_receipted),
		T(what_is_not_committed_is_lost_by_a_crash_and_what_is_committed_is_not),
		T(a_restart_names_the_time_it_was_off),
		T(off_does_not_claim_what_was_committed),
		T(a_batch_never_mixes_boots),
		T(cutting_follows_link_and_receipts),
		T(intervals_of_a_run_touch_and_cover_quiet_time),
		T(an_interval_ends_where_something_is_still_to_come),
		T(a_long_span_becomes_batches_within_the_size),
		T(an_event_id_is_one_event_for_a_day),
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(accepted_samples_arrive_once_and_are_receipted),
		T(what_is_not_committed_is_lost_by_a_crash_and_what_is_committed_is_not),
		T(a_restart_names_the_time_it_was_off),
		T(off_does_not_claim_what_was_committed),
		T(a_batch_never_mixes_boots),
		T(cutting_follows_link_and_receipts),
		T(intervals_of_a_run_touch_and_cover_quiet_time),
		T(an_interval_ends_where_something_is_still_to_come),
		T(a_long_span_becomes_batches_within_the_size),
		T(a_clock_that_is_set_makes_no_second_event),
		T(remembered_ids_keep_to_their_cap_in_a_flood),
		T(an_event_is_cut_soon_while_there_is_a_link),
		T(bad_input_is_refused_and_changes_nothing),
		T(a_series_keeps_its_id),
		T(a_trusted_clock_segment_is_added_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
