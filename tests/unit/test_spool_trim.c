/* Caps and trimming: never over the cap, in order of priority, every drop named exactly. */
#include "spool_kit.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sqlite3.h>

static struct spool_status
status(struct kit *k)
{
	struct bl_err err = { 0 };
	struct spool_status st;

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st;
}

static void
trim_all(struct kit *k)
{
	struct bl_err err = { 0 };
	bool more = true;

	while (more)
		if (spool_trim(k->s, &more, &err) != BL_OK)
			fail_msg("trim: %s", err.msg);
}

#define NOISY 64 /* series of a noisy tick */

static uint32_t noise_id[BL_STREAMS][NOISY];

static void
open_noisy(struct kit *k)
{
	char name[16];
	struct bl_err err = { 0 };

	kit_open(k, SPOOL_CREATED);
	for (unsigned i = 0; i < BL_STREAMS * NOISY; i++) {
		struct bl_series_def def = { .stream = (enum bl_stream)(i / NOISY + 1),
			.kind = BL_GAUGE,
			.interval_ms = 1000,
			.unit = { "1", 1 } };

		def.name = (struct bl_str){ name, (size_t)snprintf(name, sizeof(name), "n_%u", i) };
		assert_int_equal(
		    spool_series(k->s, &def, &noise_id[i / NOISY][i % NOISY], &err), BL_OK);
	}
}

/*
 * A tick whose values do not compress, so that batches are big; an hour after the one
 * before, so that thinning finds nothing to put together and what goes is dropped.
 */
static void
noisy_tick(struct kit *k, enum bl_stream stream)
{
	const unsigned i = (unsigned)stream - 1;
	struct spool_sample sm[NOISY];
	struct bl_err err = { 0 };

	kit_pass(&k->time, 3600 * 1000);
	for (unsigned j = 0; j < NOISY; j++) {
		uint64_t r = kit_random(&k->time, UINT64_C(1) << 40) << 12;

		sm[j] = (struct spool_sample){ noise_id[i][j], BL_KNOWN, (double)r / 3.0 };
	}
	assert_int_equal(spool_append(k->s, stream, k->time.boot_ms, sm, NOISY, &err), BL_OK);
}

static void
receipted_batches_go_after_their_time_and_not_before(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	k->opts.keep_receipted_ms = 72 * 3600 * INT64_C(1000);
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 40; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
	centre_drain(c, k);
	kit_pass(&k->time, 71 * 3600000);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k); /* waits: stays whatever its age */
	trim_all(k);
	assert_int_equal(status(k).stream[2].held_batches, 41);
	kit_pass(&k->time, 2 * 3600000);
	trim_all(k);
	assert_int_equal(status(k).stream[2].held_batches, 1);
	assert_int_equal(status(k).stream[2].waiting_batches, 1);
	assert_int_equal(status(k).stream[2].lowest_held, 41);
	assert_int_equal(status(k).gaps, 0); /* nothing was lost */
	free(c);
}

static void
a_clock_that_is_set_does_not_age_them(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	k->opts.keep_receipted_ms = 72 * 3600 * INT64_C(1000);
	k->time.unix_ms = 600000; /* 1970 */
	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_HOST);
	kit_cut_all(k);
	centre_drain(c, k);
	k->time.unix_ms += INT64_C(56) * 365 * 24 * 3600000;
	kit_commit(k);
	trim_all(k);
	assert_int_equal(status(k).stream[2].held_batches, 1);
	kit_pass(&k->time, 73 * 3600000);
	trim_all(k);
	assert_int_equal(status(k).stream[2].held_batches, 0);
	free(c);
}

/* Takes everything that waits; counts samples by header and keeps the gaps. */
static void
count_all(struct kit *k, struct centre *c, uint64_t came[BL_STREAMS])
{
	struct spool_want want = { .past_bytes = 1u << 20, .max_frames = 8 };
	struct bl_receipt receipt = { 0 };
	struct bl_err err = { 0 };
	struct spool_frame f[8];
	unsigned n = 1;
	bool hello;

	receipt.spool = status(k).spool;
	want.dict_known = status(k).dict_version;
	while (n > 0) {
		assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
		for (unsigned i = 0; i < n; i++) {
			struct bl_batch_header h;
			struct bl_batch_reader r;
			const uint8_t *body;
			struct bl_buf raw;
			size_t len;

			assert_int_equal(bl_batch_header_decode(
					     f[i].msg.data, f[i].msg.len, &h, &body, &len, &err),
			    BL_OK);
			came[(unsigned)h.stream - 1] += h.n_samples;
			assert_true(bl_ranges_add(
			    &receipt.stream[(unsigned)h.stream - 1].beyond, h.seq, h.seq));
			bl_buf_init(&raw, BL_BATCH_RAW_MAX);
			assert_int_equal(bl_batch_inflate(&h, body, len, &raw, &err), BL_OK);
			assert_int_equal(
			    bl_batch_reader_init(&r, &h, raw.data, raw.len, &err), BL_OK);
			while (bl_batch_next_gap(&r, &c->gap[c->n_gaps], &err) == 1)
				c->n_gaps++;
			bl_buf_free(&raw);
			bl_buf_free(&f[i].msg);
		}
		assert_int_equal(spool_on_receipt(k->s, &receipt, &hello, &err), SPOOL_ANSWER_OK);
		assert_false(hello);
	}
}

/* Days without a centre at ten times what fits. */
static void
an_overfull_spool_stays_under_its_cap_and_names_every_drop(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	uint64_t given[BL_STREAMS] = { 0 }, came[BL_STREAMS] = { 0 };
	const int64_t share = (1024 - 448) * 1024 / 8;
	struct spool_status st;

	k->opts.max_bytes = 1024 * 1024;
	open_noisy(k);
	for (int round = 0; round < 300; round++) {
		for (int i = 0; i < 12; i++) {
			noisy_tick(k, BL_STREAM_HOST);
			given[2] += NOISY;
			kit_commit(k);
			assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
		}
		noisy_tick(k, BL_STREAM_PROBES);
		given[1] += NOISY;
		kit_cut_all(k);
		assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
		if (round % 7 == 0)
			trim_all(k);
	}
	st = status(k);
	assert_true(st.stream[2].dropped_batches > 0);
	assert_int_equal(st.stream[0].dropped_batches, 0);
	/* Host went before probes: some of these may have gone, only when host had its share, and
	   what came since the last trimming. */
	if (st.stream[1].dropped_batches > 0)
		assert_true(st.stream[2].waiting_bytes <= share + 7 * 6 * 1024);
	/* One growing entry a stream, not one a drop. */
	assert_true(st.gaps <= 40);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	count_all(k, c, came);
	for (unsigned i = 1; i < BL_STREAMS; i++) {
		const uint64_t lost = centre_lost(c, (enum bl_stream)(i + 1), BL_GAP_EVICTED);

		if (came[i] + lost != given[i])
			fail_msg("stream %u: %llu came, %llu named, %llu given", i + 1,
			    (unsigned long long)came[i], (unsigned long long)lost,
			    (unsigned long long)given[i]);
	}
	free(c);
}

/*
 * One stream brings ten times what fits, the others a little: the little stays, whichever floods,
 * and what went is named to the sample.
 */
static void
a_flood_in_one_stream_leaves_the_others_their_share(void **state)
{
	(void)state;
	for (unsigned flood = 0; flood < BL_STREAMS; flood++) {
		uint64_t given[BL_STREAMS] = { 0 }, came[BL_STREAMS] = { 0 };
		struct kit *k;
		struct centre *c;

		assert_int_equal(kit_setup((void **)&k), 0);
		c = centre_new(k);
		k->opts.max_bytes = 1024 * 1024;
		open_noisy(k);
		for (int round = 0; round < 100; round++) {
			for (unsigned i = 0; i < BL_STREAMS; i++)
				for (int n = i == flood ? 160 : round % 3 == 0; n > 0; n--) {
					noisy_tick(k, (enum bl_stream)(i + 1));
					given[i] += NOISY;
				}
			kit_cut_all(k);
			assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
		}
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		count_all(k, c, came);
		for (unsigned i = 0; i < BL_STREAMS; i++) {
			const uint64_t lost =
			    centre_lost(c, (enum bl_stream)(i + 1), BL_GAP_EVICTED);

			if (came[i] + lost != given[i])
				fail_msg("flood %u, stream %u: %llu came, %llu named, %llu given",
				    flood + 1, i + 1, (unsigned long long)came[i],
				    (unsigned long long)lost, (unsigned long long)given[i]);
			if (i == flood)
				assert_true(came[i] * 10 <= given[i] * 2 && lost > 0);
			else if (lost > 0)
				fail_msg("flood %u: stream %u lost %llu of %llu", flood + 1, i + 1,
				    (unsigned long long)lost, (unsigned long long)given[i]);
		}
		free(c);
		kit_teardown((void **)&k);
	}
}

/* Seqs dropped and seqs held are all seqs there are, once. */
static void
ledger_and_held_are_all_seqs(void **state)
{
	struct kit *k = *state;
	struct bl_gap gap[64];
	struct bl_err err = { 0 };
	struct bl_hello h;
	uint64_t named = 0, held = 0;
	int n;

	k->opts.max_bytes = 1024 * 1024;
	open_noisy(k);
	for (int round = 0; round < 150; round++) {
		for (int i = 0; i < 20; i++)
			noisy_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
	n = spool_recent_gaps(k->s, gap, 64, &err);
	assert_in_range(n, 1, 63);
	for (int i = 0; i < n; i++) {
		assert_int_equal(gap[i].reason, BL_GAP_EVICTED);
		assert_int_equal(gap[i].stream, BL_STREAM_HOST);
		assert_int_equal(
		    gap[i].samples, (gap[i].seq_last - gap[i].seq_first + 1) * 20 * NOISY);
		named += gap[i].seq_last - gap[i].seq_first + 1;
	}
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	for (unsigned i = 0; i < h.stream[2].held.n; i++)
		held += h.stream[2].held.r[i].last - h.stream[2].held.r[i].first + 1;
	assert_int_equal(named + held, h.stream[2].next_seq - 1);
	assert_int_equal(named, status(k).stream[2].dropped_batches);
}

static void
what_is_outstanding_is_never_dropped(void **state)
{
	struct kit *k = *state;
	struct spool_want want = { .past_bytes = 1, .max_frames = 1 };
	struct spool_frame f[1];
	struct bl_err err = { 0 };
	struct bl_hello h;
	unsigned n;

	k->opts.max_bytes = 1024 * 1024;
	open_noisy(k);
	for (int i = 0; i < 20; i++)
		noisy_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	want.dict_known = status(k).dict_version;
	/* Host seq 1 is out; only that one: cut host alone is not offered by others. */
	kit_cut_all(k);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
		assert_int_equal(n, 1);
		bl_buf_free(&f[0].msg);
	}
	for (int round = 0; round < 150; round++) {
		for (int i = 0; i < 20; i++)
			noisy_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
	}
	assert_int_equal(spool_hello(k->s, &h, &err), BL_OK);
	assert_int_equal(h.stream[2].lowest_held, 1);
	assert_true(h.stream[2].held.n >= 2); /* 1, a hole, the newest */
	assert_true(h.stream[2].held.r[1].first > 2);
}

static void
receipted_ones_go_before_anything_is_lost(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct spool_status st;

	k->opts.max_bytes = 1024 * 1024;
	open_noisy(k);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 10; i++)
			noisy_tick(k, BL_STREAM_HOST);
		kit_cut_all(k);
		if (round % 5 != 4)
			continue;
		/* Everything is receipted, every five cuts. */
		struct spool_frame f[32];
		struct spool_want want = { .past_bytes = 1u << 20, .max_frames = 32 };
		unsigned n;

		assert_int_equal(spool_offer(k->s, &want, f, &n, &err), BL_OK);
		for (unsigned i = 0; i < n; i++)
			bl_buf_free(&f[i].msg);
		st = status(k);
		memset(&r, 0, sizeof(r));
		r.spool = st.spool;
		for (unsigned i = 0; i < BL_STREAMS; i++)
			r.stream[i].contiguous = st.stream[i].next_seq - 1;
		assert_int_equal(spool_on_answer(k->s, &r, &err), SPOOL_ANSWER_OK);
	}
	st = status(k);
	assert_int_equal(st.gaps, 0);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		assert_int_equal(st.stream[i].dropped_batches, 0);
	assert_true(st.stream[2].lowest_held > 1); /* some went, all of them receipted */
}

/* A gap travels in an events batch; when that is dropped, the gap travels again. */
static void
a_dropped_messenger_does_not_lose_its_message(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	const struct bl_gap gap = {
		.reason = BL_GAP_OVERLOAD, .stream = BL_STREAM_PROBES, .samples = 12345
	};
	struct centre *c = centre_new(k);
	char text[1000];

	k->opts.max_bytes = 1024 * 1024;
	kit_open(k, SPOOL_CREATED);
	assert_int_equal(spool_gap(k->s, &gap, &err), BL_OK);
	kit_pass(&k->time, 1000);
	kit_cut_all(k); /* the gap is in events 1 */
	/* Events alone, until the oldest of them go. */
	for (int round = 0; status(k).stream[0].dropped_batches < 3; round++) {
		assert_true(round < 500);
		for (int i = 0; i < 20; i++) {
			struct bl_event ev = { .type = { "e", 1 }, .n_attrs = 1 };

			for (size_t j = 0; j < sizeof(text); j++)
				text[j] = (char)('0' + kit_random(&k->time, 75));
			ev.boot_ms = k->time.boot_ms;
			ev.attr[0] = (struct bl_attr){ .key = { "t", 1 },
				.type = BL_ATTR_TEXT,
				.text = { text, sizeof(text) } };
			assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
		}
		kit_pass(&k->time, 1000);
		kit_cut_all(k);
		assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
	}
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	assert_int_equal(centre_lost(c, BL_STREAM_PROBES, BL_GAP_OVERLOAD), 12345);
	assert_true(centre_lost(c, BL_STREAM_EVENTS, BL_GAP_EVICTED) >= 60);
	free(c);
}

/* ---- a full disk ---- */

static void
limit_file_size(rlim_t bytes)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

/* A disk that is full for a while: nothing is lost as long as memory holds it. */
static void
a_full_disk_is_waited_out_in_memory(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	unsigned full = 0;
	uint64_t lost;

	(void)signal(SIGXFSZ, SIG_IGN);
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 20; i++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	limit_file_size(4096); /* nothing can be written beyond the first page */
	for (int i = 0; i < 30; i++) {
		int rc;

		kit_tick(k, BL_STREAM_HOST);
		rc = spool_commit(k->s, &lost, &err);
		assert_true(rc == BL_EFULL || rc == BL_EIO || rc == BL_EDENIED);
		assert_int_equal(lost, 0);
		full += rc == BL_EFULL;
	}
	assert_true(full > 0);
	assert_true(spool_memory_bytes(k->s) > 0);
	limit_file_size(RLIM_INFINITY);
	kit_commit(k);
	assert_int_equal(spool_memory_bytes(k->s), 0);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, 50);
	assert_int_equal(c->n_gaps, 0);
	free(c);
}

static void
what_memory_cannot_hold_is_named_exactly(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	struct bl_err err = { 0 };
	uint64_t lost, sum = 0, came = 0;
	int n = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	k->opts.memory_bytes = 8192;
	kit_open(k, SPOOL_CREATED);
	kit_tick(k, BL_STREAM_PROBES);
	kit_commit(k);
	limit_file_size(4096);
	for (n = 0; n < 300; n++) {
		kit_tick(k, n % 10 == 0 ? BL_STREAM_PROBES : BL_STREAM_HOST);
		assert_true(spool_commit(k->s, &lost, &err) < 0);
		sum += lost;
		assert_true(spool_memory_bytes(k->s) <= 8192);
	}
	limit_file_size(RLIM_INFINITY);
	assert_int_equal(spool_commit(k->s, &lost, &err), BL_OK);
	sum += lost;
	assert_true(sum > 0);
	kit_cut_all(k);
	centre_drain(c, k);
	/* Host gives way to probes. */
	centre_assert_exact(c, BL_STREAM_PROBES, 31);
	for (unsigned j = 0; j < KIT_SERIES; j++)
		for (int i = 1; i <= 270; i++) {
			assert_true(c->seen[2][j][i] <= 1);
			came += c->seen[2][j][i];
		}
	assert_int_equal(came + centre_lost(c, BL_STREAM_HOST, BL_GAP_DISK_FULL), 270 * KIT_SERIES);
	assert_int_equal(sum, centre_lost(c, BL_STREAM_HOST, BL_GAP_DISK_FULL));
	free(c);
}

/* A reader that never finishes holds the log back; the cap holds all the same. */
static void
a_reader_that_stays_cannot_make_the_file_grow(void **state)
{
	struct kit *k = *state;
	struct bl_err err = { 0 };
	sqlite3 *reader;
	unsigned full = 0;
	uint64_t lost;

	k->opts.max_bytes = 1024 * 1024;
	kit_open(k, SPOOL_CREATED);
	for (int i = 0; i < 50; i++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
	assert_int_equal(sqlite3_open_v2(k->path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(reader, "BEGIN;SELECT count(*) FROM open", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 1000; i++) {
		kit_tick(k, BL_STREAM_HOST);
		full += spool_commit(k->s, &lost, &err) == BL_EFULL;
		assert_int_equal(lost, 0);
		assert_true(kit_file_bytes(k) <= k->opts.max_bytes);
	}
	assert_true(full > 0);
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	kit_commit(k);
	assert_int_equal(status(k).accepted_samples, 1050 * KIT_SERIES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(receipted_batches_go_after_their_time_and_not_before),
#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
		T(a_clock_that_is_set_does_not_age_them),
		T(an_overfull_spool_stays_under_its_cap_and_names_every_drop),
		cmocka_unit_test(a_flood_in_one_stream_leaves_the_others_their_share),
		T(ledger_and_held_are_all_seqs),
		T(what_is_outstanding_is_never_dropped),
		T(receipted_ones_go_before_anything_is_lost),
		T(a_dropped_messenger_does_not_lose_its_message),
		T(a_full_disk_is_waited_out_in_memory),
		T(what_memory_cannot_hold_is_named_exactly),
		T(a_reader_that_stays_cannot_make_the_file_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
