/*
 * Packet limits: whatever the broker takes, all of it gets through, in parts that
 * fit, and nothing twice, whichever of a batch and its parts the centre has.
 */
#include "spool_kit.h"

#define LIMIT 600

struct state {
	struct kit *k;
	struct centre *c;
};

static int
setup(void **state)
{
	struct state *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_int_equal(kit_setup((void **)&t->k), 0);
	t->c = centre_new(t->k);
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct state *t = *state;

	free(t->c);
	assert_int_equal(kit_teardown((void **)&t->k), 0);
	free(t);
	return 0;
}

static void
event(struct kit *k, const char *text, size_t len)
{
	struct bl_event ev = {
		.boot_ms = k->time.boot_ms, .type = { "order.done", 10 }, .n_attrs = 1
	};
	struct bl_err err = { 0 };

	ev.attr[0] =
	    (struct bl_attr){ .key = { "note", 4 }, .type = BL_ATTR_TEXT, .text = { text, len } };
	assert_int_equal(spool_event(k->s, &ev, &err), SPOOL_ACCEPTED);
}

/* Text that does not compress. */
static void
noise(struct kit *k, char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('!' + kit_random(&k->time, 90));
}

/* A batch of each stream that is much larger than the limit. */
static void
large_batches(struct kit *k)
{
	char text[250];

	for (int i = 0; i < 900; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		if (i % 60 != 0)
			continue;
		noise(k, text, sizeof(text));
		event(k, text, sizeof(text));
		kit_commit(k);
	}
	kit_cut_all(k);
}

static unsigned
offer(struct kit *k, size_t limit, struct spool_frame *f, unsigned max)
{
	struct spool_want want = {
		.live = true, .past_bytes = 1 << 20, .max_packet = limit, .max_frames = max
	};
	struct bl_err err = { 0 };
	unsigned n = 0;

	if (spool_offer(k->s, &want, f, &n, &err) != BL_OK)
		fail_msg("offer: %s", err.msg);
	return n;
}

/* Everything to the centre by a broker with this limit, 0: none; returns how many batches came. */
static unsigned
drain(struct state *t, size_t limit)
{
	struct spool_frame f[8];
	struct bl_err err = { 0 };
	const unsigned before = t->c->n;
	struct bl_receipt r;
	struct bl_hello h;
	unsigned n = 1;
	bool hello;

	centre_handshake(t->c, t->k);
	assert_int_equal(spool_hello(t->k->s, &h, &err), BL_OK);
	while ((n = offer(t->k, limit, f, 8)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			if (f[i].type == BL_MSG_BATCH && limit > 0)
				assert_true(f[i].msg.len <= limit);
			centre_take(t->c, &f[i]);
			bl_buf_free(&f[i].msg);
		}
		centre_receipt(t->c, &h.spool, false, &r);
		assert_int_equal(spool_on_receipt(t->k->s, &r, &hello, &err), SPOOL_ANSWER_OK);
		assert_false(hello);
	}
	return t->c->n - before;
}

static void
assert_all_came(const struct state *t, int64_t upto, unsigned events)
{
	centre_assert_exact(t->c, BL_STREAM_HOST, upto);
	centre_assert_exact(t->c, BL_STREAM_PROBES, upto);
	assert_int_equal(t->c->events, events);
	assert_int_equal(t->c->conflicts, 0);
}

static void
assert_nothing_waits(struct kit *k)
{
	struct spool_status st;
	struct bl_err err = { 0 };

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		assert_int_equal(st.stream[i].waiting_batches, 0);
		assert_int_equal(st.stream[i].waiting_bytes, 0);
	}
}

static int
by_begin(const void *a, const void *b)
{
	const struct bl_batch_header *x = &((const struct centre_batch *)a)->h;
	const struct bl_batch_header *y = &((const struct centre_batch *)b)->h;

	if (x->collect_begin_ms != y->collect_begin_ms)
		return x->collect_begin_ms < y->collect_begin_ms ? -1 : 1;
	return (x->collect_end_ms > y->collect_end_ms) - (x->collect_end_ms < y->collect_end_ms);
}

/* The parts' intervals are the batch's, in pieces. */
static void
assert_covered(const struct state *t, enum bl_stream stream)
{
	struct centre_batch *b = calloc(t->c->n, sizeof(*b));
	unsigned n = 0;

	assert_non_null(b);
	for (unsigned i = 0; i < t->c->n; i++)
		if (t->c->batch[i].stream == stream && t->c->batch[i].stored)
			b[n++] = t->c->batch[i];
	qsort(b, n, sizeof(*b), by_begin);
	for (unsigned i = 1; i < n; i++)
		assert_int_equal(b[i - 1].h.collect_end_ms, b[i].h.collect_begin_ms);
	free(b);
}

static void
a_batch_of_before_the_limit_is_split(void **state)
{
	struct state *t = *state;
	unsigned came;

	kit_open(t->k, SPOOL_CREATED);
	large_batches(t->k);
	came = drain(t, LIMIT);
	assert_true(came > 9);
	assert_all_came(t, 900, 15);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		assert_covered(t, (enum bl_stream)(i + 1));
	assert_nothing_waits(t->k);
	/* Never offered whole: nobody else can have it, so nothing is superseded. */
	for (unsigned i = 0; i < t->c->n; i++)
		assert_int_equal(t->c->batch[i].h.kind, BL_BATCH_NORMAL);
}

static void
what_is_cut_fits_the_last_limit_known(void **state)
{
	struct state *t = *state;
	struct spool_status st;
	struct bl_err err = { 0 };

	kit_open(t->k, SPOOL_CREATED);
	(void)drain(t, 3000);
	large_batches(t->k);
	assert_int_equal(spool_status(t->k->s, &st, &err), BL_OK);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		assert_true(st.stream[i].waiting_bytes <= 3000 * st.stream[i].waiting_batches);
	/* Nothing had to be split: what is there now is what comes. */
	assert_int_equal(drain(t, 3000), st.stream[0].waiting_batches +
					     st.stream[1].waiting_batches +
					     st.stream[2].waiting_batches);
	assert_all_came(t, 900, 15);
}

/* Offered whole, and nobody knows what became of it; then the broker takes less. */
static unsigned
offered_whole(struct state *t, struct spool_frame *f)
{
	struct spool_frame all[16];
	unsigned n, kept = 0;

	kit_open(t->k, SPOOL_CREATED);
	large_batches(t->k);
	centre_handshake(t->c, t->k);
	n = offer(t->k, 0, all, 16);
	for (unsigned i = 0; i < n; i++)
		if (all[i].type == BL_MSG_BATCH) {
			f[kept++] = all[i];
		} else {
			centre_take(t->c, &all[i]);
			bl_buf_free(&all[i].msg);
		}
	assert_true(kept >= BL_STREAMS);
	spool_outstanding_clear_all(t->k->s);
	return kept;
}

static void
late(struct state *t, struct spool_frame *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		centre_take(t->c, &f[i]);
		bl_buf_free(&f[i].msg);
	}
}

static void
parts_of_an_offered_one_supersede_it(void **state)
{
	struct state *t = *state;
	struct spool_frame f[16];
	const unsigned n = offered_whole(t, f);
	unsigned superseding = 0;

	(void)drain(t, LIMIT);
	late(t, f, n); /* they come last, and are not wanted any more */
	assert_all_came(t, 900, 15);
	assert_nothing_waits(t->k);
	for (unsigned i = 0; i < t->c->n; i++)
		superseding += t->c->batch[i].h.kind == BL_BATCH_SUPERSEDES;
	assert_true(superseding > 6);
}

static void
parts_of_one_that_came_are_settled_and_not_doubled(void **state)
{
	struct state *t = *state;
	struct spool_frame part[8], f[16];
	const unsigned n = offered_whole(t, f);
	unsigned parts;

	/* Split, but what goes out is the whole after all: it was on its way. */
	parts = offer(t->k, LIMIT, part, 8);
	assert_true(parts > 0);
	late(t, f, n);
	late(t, part, parts);
	(void)drain(t, LIMIT);
	assert_all_came(t, 900, 15);
	assert_nothing_waits(t->k);
}

static void
the_whole_between_its_parts_is_ignored(void **state)
{
	struct state *t = *state;
	struct spool_frame part[8], f[16];
	const unsigned n = offered_whole(t, f);
	unsigned parts = offer(t->k, LIMIT, part, 3);

	late(t, part, parts);
	late(t, f, n);
	(void)drain(t, LIMIT);
	assert_all_came(t, 900, 15);
	assert_nothing_waits(t->k);
}

static void
a_smaller_limit_still_splits_once_more(void **state)
{
	struct state *t = *state;

	kit_open(t->k, SPOOL_CREATED);
	large_batches(t->k);
	for (unsigned i = 0; i < 2; i++) {
		struct spool_frame f[2];
		unsigned n;

		/* Parts that never left are split in their place again. */
		centre_handshake(t->c, t->k);
		n = offer(t->k, i == 0 ? 2000 : 1200, f, 1);
		for (unsigned j = 0; j < n; j++) {
			centre_take(t->c, &f[j]);
			bl_buf_free(&f[j].msg);
		}
	}
	(void)drain(t, LIMIT);
	assert_all_came(t, 900, 15);
	assert_nothing_waits(t->k);
}

static void
what_cannot_be_split_waits_and_holds_nobody_up(void **state)
{
	struct state *t = *state;
	struct spool_status st;
	struct bl_err err = { 0 };
	char text[1000];

	kit_open(t->k, SPOOL_CREATED);
	noise(t->k, text, sizeof(text));
	event(t->k, text, sizeof(text));
	event(t->k, text, 100);
	kit_cut_all(t->k);
	event(t->k, text, 120);
	kit_cut_all(t->k);
	(void)drain(t, 800);
	assert_int_equal(t->c->events, 2);
	assert_int_equal(spool_status(t->k->s, &st, &err), BL_OK);
	assert_int_equal(st.stream[0].waiting_batches, 1);
	/* Until the limit is raised. */
	(void)drain(t, 0);
	assert_int_equal(t->c->events, 3);
	assert_nothing_waits(t->k);
}

/* More of them than the spool remembers. */
static void
many_that_cannot_be_split_hold_nobody_up(void **state)
{
	struct state *t = *state;
	struct spool_status st;
	struct bl_err err = { 0 };
	char text[1000];

	kit_open(t->k, SPOOL_CREATED);
	for (int i = 0; i < 70; i++) {
		noise(t->k, text, sizeof(text));
		event(t->k, text, sizeof(text));
		if (i % 20 == 19)
			kit_cut_all(t->k);
	}
	event(t->k, text, 120);
	kit_cut_all(t->k);
	(void)drain(t, 800);
	assert_int_equal(t->c->events, 1);
	assert_int_equal(spool_status(t->k->s, &st, &err), BL_OK);
	assert_int_equal(st.stream[0].waiting_batches, 70);
	(void)drain(t, 0);
	assert_int_equal(t->c->events, 71);
	assert_nothing_waits(t->k);
}

static void
a_part_of_the_past_is_no_news(void **state)
{
	struct state *t = *state;
	struct spool_frame f[8];
	unsigned n;

	kit_open(t->k, SPOOL_CREATED);
	large_batches(t->k);
	centre_handshake(t->c, t->k);
	spool_live_begins(t->k->s);
	kit_tick(t->k, BL_STREAM_HOST);
	kit_cut_all(t->k);
	while ((n = offer(t->k, LIMIT, f, 8)) > 0)
		for (unsigned i = 0; i < n; i++) {
			struct bl_batch_header h;
			struct bl_err err = { 0 };
			const uint8_t *body;
			size_t len;

			if (f[i].type == BL_MSG_BATCH) {
				assert_int_equal(bl_batch_header_decode(f[i].msg.data, f[i].msg.len,
						     &h, &body, &len, &err),
				    BL_OK);
				/* The last part of the past may end where the present begins. */
				if (h.collect_end_ms != t->k->time.boot_ms - 1000)
					assert_int_equal(
					    f[i].past, h.collect_end_ms < t->k->time.boot_ms);
			}
			bl_buf_free(&f[i].msg);
		}
}

static void
a_question_about_one_that_was_replaced_is_no_loss(void **state)
{
	struct state *t = *state;
	struct spool_frame part[8], f[16];
	const unsigned n = offered_whole(t, f);
	struct bl_question q = { .need = { { .n = 1, .r = { { 1, 1 } } } } };
	struct bl_gone gone;
	struct bl_err err = { 0 };
	struct bl_hello h;
	unsigned parts = offer(t->k, LIMIT, part, 8);

	assert_int_equal(spool_hello(t->k->s, &h, &err), BL_OK);
	q.spool = h.spool;
	q.need[2] = q.need[0];
	assert_int_equal(spool_on_question(t->k->s, &q, &gone, &err), SPOOL_ANSWER_OK);
	assert_int_equal(gone.n, 0);
	late(t, part, parts);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&f[i].msg);
}

/* ---- the other frames ---- */

static void
names_fit_whatever_they_say(void **state)
{
	struct state *t = *state;
	struct spool_frame f[64];
	struct bl_err err = { 0 };
	char text[BL_LABELS_MAX][BL_LABEL_VALUE_MAX], key[BL_LABELS_MAX][BL_NAME_MAX],
	    name[BL_NAME_MAX];
	unsigned n, names = 0;

	kit_open(t->k, SPOOL_CREATED);
	for (unsigned i = 0; i < 200; i++) {
		struct bl_series_def def = { .stream = BL_STREAM_HOST,
			.kind = BL_GAUGE,
			.interval_ms = 1000,
			.unit = { "1", 1 },
			.n_labels = BL_LABELS_MAX };
		uint32_t id;

		memset(name, 'a' + (int)(i % 26), sizeof(name));
		def.name = (struct bl_str){ name, sizeof(name) };
		for (unsigned j = 0; j < BL_LABELS_MAX; j++) {
			noise(t->k, text[j], sizeof(text[j]));
			memset(key[j], 'a' + (int)j, sizeof(key[j]));
			def.label[j] = (struct bl_label){ { key[j], sizeof(key[j]) },
				{ text[j], sizeof(text[j]) } };
		}
		assert_int_equal(spool_series(t->k->s, &def, &id, &err), BL_OK);
	}
	kit_commit(t->k);
	n = offer(t->k, 4096, f, 64);
	for (unsigned i = 0; i < n; i++) {
		assert_true(f[i].msg.len <= 4096);
		names += f[i].type == BL_MSG_DICT;
		bl_buf_free(&f[i].msg);
	}
	assert_true(names > 40);
}

/* A clock map of all that one frame takes. */
static void
clock_maps_fit(void **state)
{
	struct state *t = *state;
	struct spool_frame f[64];
	struct bl_err err = { 0 };
	unsigned n, clocks = 0;

	kit_open(t->k, SPOOL_CREATED);
	for (unsigned i = 0; i < 130; i++) {
		struct bl_clock_segment seg = { .from_boot_ms = INT64_C(1) << 40,
			.uncertainty_ms = UINT32_MAX,
			.source = BL_CLOCK_NTP };

		seg.boot = bl_id_random(&t->k->time.clock);
		seg.offset_ms = (int64_t)kit_random(&t->k->time, UINT64_C(1) << 44);
		assert_int_equal(spool_clock(t->k->s, &seg, &err), BL_OK);
		kit_commit(t->k);
	}
	n = offer(t->k, 20000, f, 64);
	for (unsigned i = 0; i < n; i++) {
		assert_true(f[i].msg.len <= 16384);
		clocks += f[i].type == BL_MSG_CLOCK;
		bl_buf_free(&f[i].msg);
	}
	assert_true(clocks >= 2);
}

static void
worst_ranges(struct bl_ranges *r)
{
	r->n = BL_RANGES_MAX;
	for (unsigned i = 0; i < BL_RANGES_MAX; i++) {
		r->r[i].first = (UINT64_C(1) << 47) + ((uint64_t)i << 40) + 1;
		r->r[i].last = r->r[i].first + (UINT64_C(1) << 39);
	}
}

/* What is said beside batches is small by its caps. */
static void
hello_and_gone_fit(void **state)
{
	static struct bl_hello h;
	static struct bl_gone gone;
	struct bl_ranges ranges;
	struct bl_buf out;

	(void)state;
	worst_ranges(&ranges);
	memset(h.device, 'd', BL_DEVICE_ID_MAX);
	memset(h.software, 's', sizeof(h.software) - 1);
	h.spool.b[0] = h.boot.b[0] = gone.spool.b[0] = 1;
	h.boot_ms = h.unix_ms = INT64_C(1) << 44;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		h.stream[i].held = ranges;
		h.stream[i].lowest_held = ranges.r[0].first;
		h.stream[i].next_seq = ranges.r[BL_RANGES_MAX - 1].last + 1;
	}
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	assert_int_equal(bl_hello_encode(&h, &out), BL_OK);
	assert_true(out.len > 1000 && out.len <= 16384);
	bl_buf_reset(&out);
	gone.n = BL_RANGES_MAX;
	for (unsigned i = 0; i < BL_RANGES_MAX; i++)
		gone.gone[i] =
		    (struct bl_gone_range){ BL_STREAM_HOST, ranges.r[i], BL_GAP_EVICTED };
	assert_int_equal(bl_gone_encode(&gone, &out), BL_OK);
	assert_true(out.len > 500 && out.len <= 16384);
	bl_buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_batch_of_before_the_limit_is_split, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_cut_fits_the_last_limit_known, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    parts_of_an_offered_one_supersede_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    parts_of_one_that_came_are_settled_and_not_doubled, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_whole_between_its_parts_is_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_smaller_limit_still_splits_once_more, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_cannot_be_split_waits_and_holds_nobody_up, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    many_that_cannot_be_split_hold_nobody_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_part_of_the_past_is_no_news, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_question_about_one_that_was_replaced_is_no_loss, setup, teardown),
		cmocka_unit_test_setup_teardown(names_fit_whatever_they_say, setup, teardown),
		cmocka_unit_test_setup_teardown(clock_maps_fit, setup, teardown),
		cmocka_unit_test(hello_and_gone_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
