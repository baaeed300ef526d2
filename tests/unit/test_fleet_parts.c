/*
 * The fleet simulator's own parts: MQTT packets held against bytes by hand, cut short anywhere
 * and broken; set-up files; data that follow from the seed; a spool that offers, settles and
 * offers again; quantiles; the heap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet_figures.h"
#include "fleet_heap.h"
#include "fleet_identity.h"
#include "fleet_mqtt.h"
#include "fleet_opts.h"
#include "fleet_spool.h"

/* ---- MQTT ---- */

static void
test_packets_out_have_their_bytes(void **state)
{
	static const uint8_t connect[] = { 0x10, 32, 0, 4, 'M', 'Q', 'T', 'T', 5, 0x2e, 0, 30, 5,
		0x27, 0, 8, 0, 0, 0, 2, 'd', '1', 0, 0, 5, 'b', 'l', '/', 'w', 'x', 0, 2, 7, 8 };
	static const uint8_t subscribe[] = { 0x82, 13, 0, 1, 0, 0, 2, 'a', 'b', 8, 0, 2, 'c', 'd',
		9 };
	static const uint8_t publish[] = { 0x33, 10, 0, 2, 'a', 'b', 1, 2, 0, 9, 8, 7 };
	const char *const topics[] = { "ab", "cd" };
	const struct fleet_connect c = { "d1", "bl/wx", "\x07\x08", 2, 30 };
	struct bl_buf b;

	(void)state;
	bl_buf_init(&b, 1024);
	fleet_mqtt_connect(&b, &c);
	assert_int_equal(b.len, sizeof(connect));
	assert_memory_equal(b.data, connect, sizeof(connect));
	bl_buf_reset(&b);
	fleet_mqtt_subscribe(&b, 1, topics, 2, 1);
	assert_int_equal(b.len, sizeof(subscribe));
	assert_memory_equal(b.data, subscribe, sizeof(subscribe));
	bl_buf_reset(&b);
	fleet_mqtt_publish(&b, 0x102, "ab", "\x09\x08\x07", 3, true);
	assert_int_equal(b.len, sizeof(publish));
	assert_memory_equal(b.data, publish, sizeof(publish));
	bl_buf_free(&b);
}

static void
test_packets_in_are_read_whole_or_not_at_all(void **state)
{
	/* CONNACK with receive maximum, maximum packet size and a text; PUBACK short and long;
	 * SUBACK; PUBLISH of 130 bytes. */
	uint8_t bytes[256] = { 0x20, 16, 0, 0, 13, 0x21, 0, 20, 0x27, 0, 4, 0x20, 0, 0x12, 0, 2,
		'i', 'd', 0x40, 2, 1, 2, 0x40, 3, 1, 3, 0x10, 0x90, 5, 0, 1, 0, 1, 0x87, 0x32, 0x82,
		1, 0, 2, 'a', 'b', 0, 9, 0 };
	const size_t head = 44, len = 36 + 1 + 130;
	struct fleet_packet p[5];
	size_t at = 0;

	(void)state;
	memset(bytes + head, 'x', len - head);
	for (unsigned i = 0; i < 5; i++) {
		int64_t took;

		for (size_t cut = 0; at + cut < len; cut++)
			if ((took = fleet_mqtt_parse(bytes + at, cut, 1000, &p[i])) != 0)
				break;
		took = fleet_mqtt_parse(bytes + at, len - at, 1000, &p[i]);
		assert_true(took > 0);
		/* Not before its last byte is there. */
		assert_int_equal(fleet_mqtt_parse(bytes + at, (size_t)took - 1, 1000, &p[i]), 0);
		assert_int_equal(fleet_mqtt_parse(bytes + at, (size_t)took, 1000, &p[i]), took);
		at += (size_t)took;
	}
	assert_int_equal(at, len);
	assert_int_equal(p[0].type, FLEET_CONNACK);
	assert_int_equal(p[0].max_packet, 270336);
	assert_int_equal(p[1].id, 0x102);
	assert_int_equal(p[1].reason, 0);
	assert_int_equal(p[2].reason, 0x10);
	assert_int_equal(p[3].reason, 0x87);
	assert_int_equal(p[4].qos, 1);
	assert_int_equal(p[4].id, 9);
	assert_int_equal(p[4].len, 123);
	assert_memory_equal(p[4].topic, "ab", 2);
}

static void
test_what_is_no_packet_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t len;
	} bad[] = {
		{ { 0x20, 0xff, 0xff, 0xff, 0xff, 1 }, 6 }, /* a length of five bytes */
		{ { 0x20, 0x88, 0x08 }, 3 },                /* more than 1,000 */
		{ { 0x40, 1, 1 }, 3 },                      /* half an id */
		{ { 0x32, 4, 0, 9, 'a', 'b' }, 6 },         /* a topic beyond the end */
		{ { 0x20, 3, 0, 0, 9 }, 5 },                /* properties beyond the end */
		{ { 0x10, 0 }, 2 },                         /* nothing that a broker sends */
	};
	struct fleet_packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fleet_mqtt_parse(bad[i].bytes, bad[i].len, 1000, &p), -1);
}

/* ---- identities ---- */

static void
test_a_set_up_file_is_read(void **state)
{
	char good[] = "# comment\nversion: 1\ndevice: \"till-1\"\nsite: \"north\"\npart: 17\n"
		      "broker:\n  host: \"127.0.0.1\"\n  port: 8883\n  verify_name: \"broker\"\n"
		      "ca: |\n  A\n  B\ncertificate: |\n  C\nkey: |\n  D\n";
	char bad[] = "device: \"till-1\"\npart: 17\nca: |\n  A\n";
	struct fleet_identity id;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(fleet_identity_parse(good, &id, &err), BL_OK);
	assert_string_equal(id.device, "till-1");
	assert_int_equal(id.part, 17);
	assert_int_equal(id.port, 8883);
	assert_string_equal(id.host, "127.0.0.1");
	assert_string_equal(id.ca, "A\nB\n");
	assert_string_equal(id.certificate, "C\n");
	assert_string_equal(id.key, "D\n");
	free(id.ca);
	free(id.certificate);
	free(id.key);
	assert_int_equal(fleet_identity_parse(bad, &id, &err), BL_EINVAL);
}

/* ---- the command line ---- */

static int
parsed(struct fleet_opts *o, const char *past_cut)
{
	char *argv[] = { "fleet", "run", "--devices", "d", "--backlog", "2", "--past-cut",
		(char *)past_cut };

	return fleet_opts_parse(o, past_cut != NULL ? 8 : 6, argv);
}

static void
test_a_backlog_is_cut_as_asked(void **state)
{
	struct fleet_opts o;
	struct fleet_shape s;

	(void)state;
	assert_int_equal(parsed(&o, NULL), 0);
	s = fleet_shape_of(&o);
	assert_int_equal(s.past_batches, 2);
	assert_int_equal(s.past_cut_ms, 3600000);
	assert_int_equal(parsed(&o, "60"), 0);
	s = fleet_shape_of(&o);
	assert_int_equal(s.past_batches, 120);
	assert_int_equal(s.past_cut_ms, 60000);
	/* Shorter than a tick; hours would end within a batch. */
	assert_int_equal(parsed(&o, "5"), 2);
	assert_int_equal(parsed(&o, "70"), 2);
}

/* ---- data and spool ---- */

static const struct fleet_shape shape = { .seed = 7,
	.tick_ms = 10000,
	.cut_ms = 60000,
	.past_batches = 3,
	.past_cut_ms = 600000,
	.variants = 2,
	.split = true,
	.quiet = true };

/* The values of a batch's columns, one after the other. */
static size_t
values_of(const struct bl_buf *msg, struct bl_batch_header *h, double *out, size_t max)
{
	struct bl_batch_reader r;
	struct bl_err err = { 0 };
	struct bl_column c;
	const uint8_t *body;
	struct bl_buf raw;
	size_t body_len, n = 0;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(
	    bl_batch_header_decode(msg->data, msg->len, h, &body, &body_len, &err), BL_OK);
	assert_int_equal(bl_batch_inflate(h, body, body_len, &raw, &err), BL_OK);
	assert_int_equal(bl_batch_verify(h, raw.data, raw.len, &err), BL_OK);
	assert_int_equal(bl_batch_reader_init(&r, h, raw.data, raw.len, &err), BL_OK);
	while (bl_batch_next_column(&r, &c, &err) == 1) {
		int64_t at[FLEET_TICKS_MAX];

		assert_true(n + c.n <= max);
		assert_int_equal(bl_column_decode(&r, &c, at, out + n, NULL, &err), BL_OK);
		n += c.n;
	}
	bl_buf_free(&raw);
	return n;
}

static void
test_backlogs_are_the_agents_own_and_follow_from_the_seed(void **state)
{
	static double one[60 * MIX_SERIES], other[60 * MIX_SERIES];
	static struct fleet_ticks t;
	struct fleet_data *d = NULL;
	struct bl_err err = { 0 };
	struct bl_batch_header h;
	struct bl_buf msg;
	struct mix m;
	size_t n;

	(void)state;
	assert_int_equal(fleet_data_create(&d, &shape, &err), BL_OK);
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	for (unsigned agent = 0; agent < 3; agent++) {
		const struct fleet_past p = { agent, BL_STREAM_HOST, 2, 9, 1,
			fleet_spool_id(7, agent), fleet_boot_id(7, agent) };

		assert_int_equal(fleet_past_batch(d, &p, &msg, &err), BL_OK);
		n = values_of(&msg, &h, agent == 1 ? other : one, 60 * MIX_SERIES);
		assert_memory_equal(h.spool.b, p.spool.b, 16);
		assert_memory_equal(h.boot.b, p.boot.b, 16);
		assert_int_equal(h.next_seq, 9);
		assert_int_equal(h.collect_begin_ms, FLEET_BOOT_MS + 600000);
		assert_int_equal(n, 60 * 80);
		/* Two variants: the third agent has the first one's values. */
		if (agent > 0)
			assert_true(memcmp(one, other, n * sizeof(double)) != 0);
	}
	/* The same from the seed alone, as `check` does it: the second batch's last tick. */
	fleet_past_mix(&shape, 2, &m);
	fleet_ticks_make(&m, &shape, FLEET_BOOT_MS, 60, &t);
	fleet_ticks_make(&m, &shape, FLEET_BOOT_MS + 600000, 60, &t);
	assert_true(t.value[0][0] == one[0]);
	assert_true(t.value[59][0] == one[59]);
	bl_buf_free(&msg);
	fleet_data_free(d);
}

static unsigned
offer(struct fleet_spool *s, struct uplink_offer *want, struct fleet_frame *frames)
{
	struct bl_err err = { 0 };
	unsigned n = 0;

	assert_int_equal(fleet_spool_offer(s, want, frames, &n, &err), BL_OK);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&frames[i].msg);
	return n;
}

static void
settle(struct fleet_spool *s, bool answer, uint64_t contiguous)
{
	struct bl_receipt r = { .is_answer = answer, .spool = s->spool };
	struct uplink_outcome o;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		r.stream[i].contiguous = contiguous;
	fleet_spool_receipt(s, &r, &o);
	assert_true(o.taken);
}

static void
test_a_spool_offers_until_the_receipt(void **state)
{
	struct uplink_offer want = { .live = true, .max_frames = 8, .past_bytes = 1 };
	struct fleet_spool_tally tally = { 0 };
	struct fleet_frame f[FLEET_FRAMES_MAX];
	struct bl_err err = { 0 };
	struct fleet_data *d = NULL;
	struct fleet_record rec;
	struct fleet_spool s;
	int64_t end;

	(void)state;
	assert_int_equal(fleet_data_create(&d, &shape, &err), BL_OK);
	assert_int_equal(fleet_spool_open(&s, d, &tally, 0, 1700000000000, &err), BL_OK);
	fleet_spool_link_up(&s);
	/* Names and clock first, then the oldest of the past, the events' before the others'. */
	assert_int_equal(offer(&s, &want, f), 3);
	assert_int_equal(f[0].f.type, BL_MSG_DICT);
	assert_int_equal(f[1].f.type, BL_MSG_CLOCK);
	assert_true(f[2].f.past && f[2].f.stream == BL_STREAM_EVENTS && f[2].f.seq == 1);
	/* Live goes ahead of it, the newest first. */
	want.dict_known = MIX_SERIES;
	want.clock_known = 1;
	fleet_spool_begin(&s, FLEET_BOOT_MS + 3 * 600000 + 5000);
	end = s.live_begin_ms + 60000;
	assert_int_equal(fleet_spool_cut(&s, end, 1, &err), BL_OK);
	assert_int_equal(fleet_spool_cut(&s, end + 60000, 2, &err), BL_OK);
	assert_int_equal(tally.cut_samples, 1200);
	want.max_frames = 7;
	assert_int_equal(offer(&s, &want, f), 7);
	assert_true(!f[0].f.past && f[0].f.seq == 5 && f[3].f.seq == 4 && f[6].f.past);
	assert_int_equal(f[6].f.seq, 2);
	/* Nothing twice, until it is given back or the link was lost. */
	want.past_bytes = 0;
	assert_int_equal(offer(&s, &want, f), 0);
	fleet_spool_clear(&s, BL_STREAM_HOST, 5);
	assert_int_equal(offer(&s, &want, f), 1);
	/* A receipt ends it; what an answer does not settle goes out again, as backlog. */
	settle(&s, false, 4);
	assert_int_equal(fleet_spool_waiting(&s), 3);
	fleet_spool_link_up(&s);
	settle(&s, true, 4);
	assert_int_equal(offer(&s, &want, f), 0);
	want.past_bytes = 1000000;
	assert_int_equal(offer(&s, &want, f), 3);
	assert_true(f[0].f.past);
	settle(&s, false, 5);
	assert_int_equal(fleet_spool_waiting(&s), 0);
	fleet_spool_record(&s, "d", &rec);
	assert_int_equal(rec.batches, 15);
	assert_int_equal(rec.samples, 3 * 60 * 100 + 1200);
	assert_int_equal(tally.settled_samples, rec.samples);
	fleet_spool_close(&s);
	fleet_data_free(d);
}

/* ---- figures, heap ---- */

static void
test_quantiles(void **state)
{
	static struct fleet_histogram h;

	(void)state;
	assert_int_equal(fleet_histogram_quantile(&h, 0.99), 0);
	for (int64_t i = 1; i <= 10000; i++)
		fleet_histogram_add(&h, i * 100);
	for (unsigned q = 1; q < 100; q++) {
		const double want = q * 10000.0;
		const double is = (double)fleet_histogram_quantile(&h, q / 100.0);

		assert_true(is >= want && is <= want * 1.04 + 100);
	}
	assert_int_equal(h.max_us, 1000000);
	assert_int_equal(fleet_histogram_quantile(&h, 1), 1000000);
}

static void
test_the_heap_gives_what_is_due_first(void **state)
{
	struct fleet_heap h;
	int64_t at, due[50];
	uint64_t rng = 1;

	(void)state;
	assert_int_equal(fleet_heap_open(&h, 50), 0);
	for (unsigned i = 0; i < 50; i++)
		due[i] = INT64_MAX;
	for (unsigned k = 0; k < 5000; k++) {
		const unsigned i = (unsigned)(rng >> 33) % 50;
		int64_t least = INT64_MAX;

		rng = rng * 6364136223846793005u + 1442695040888963407u;
		due[i] = (int64_t)(rng >> 40);
		fleet_heap_set(&h, i, due[i]);
		for (unsigned j = 0; j < 50; j++)
			least = due[j] < least ? due[j] : least;
		assert_int_equal(due[fleet_heap_first(&h, &at)], least);
		assert_int_equal(at, least);
	}
	fleet_heap_close(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_out_have_their_bytes),
		cmocka_unit_test(test_packets_in_are_read_whole_or_not_at_all),
		cmocka_unit_test(test_what_is_no_packet_is_refused),
		cmocka_unit_test(test_a_set_up_file_is_read),
		cmocka_unit_test(test_a_backlog_is_cut_as_asked),
		cmocka_unit_test(test_backlogs_are_the_agents_own_and_follow_from_the_seed),
		cmocka_unit_test(test_a_spool_offers_until_the_receipt),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_the_heap_gives_what_is_due_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
