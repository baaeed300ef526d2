/*
 * Messages but the batch: what encoders refuse, sets of ranges, placing by the
 * clock map.  That both sides read the same bytes is the golden vectors' part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/message.h"

static struct bl_id
id_of(uint8_t byte)
{
	struct bl_id id;

	memset(id.b, byte, sizeof(id.b));
	return id;
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static struct bl_hello
hello(void)
{
	return (struct bl_hello){ .device = "till-1",
		.software = "0.1.0",
		.stream = { { 1, 1, { 0 } }, { 1, 1, { 0 } }, { 9, 3, { 1, { { 3, 8 } } } } } };
}

static void
hello_survives_the_wire(void **state)
{
	struct bl_hello h = hello(), got;
	struct bl_buf out;

	(void)state;
	h.spool = id_of(1);
	h.predecessor = id_of(2);
	h.boot = id_of(3);
	h.nonce = 77;
	h.boot_ms = -5;
	h.unix_ms = INT64_C(1) << 53;
	h.dict_version = BL_DICT_ENTRIES_MAX;
	h.clock_version = 9;
	memset(h.config_hash, 'f', 64);
	bl_buf_init(&out, 4096);
	assert_int_equal(bl_hello_encode(&h, &out), BL_OK);
	assert_int_equal(bl_msg_type(out.data, out.len), BL_MSG_HELLO);
	assert_int_equal(bl_hello_decode(out.data, out.len, &got, NULL), BL_OK);
	assert_memory_equal(&got, &h, sizeof(h));
	bl_buf_free(&out);
}

static void
hello_refuses_what_cannot_be(void **state)
{
	struct bl_hello h;
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 4096);
	h = hello();
	h.stream[0].next_seq = 0;
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	h = hello();
	h.stream[2].lowest_held = 10;
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	h = hello();
	h.stream[2].held.r[0].last = 9;
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	h = hello();
	h.boot_ms = INT64_MIN;
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	h = hello();
	h.dict_version = BL_DICT_ENTRIES_MAX + 1;
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	h = hello();
	h.device[0] = '\xff';
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	h = hello();
	memset(h.software, 'x', sizeof(h.software));
	assert_int_equal(bl_hello_encode(&h, &out), BL_EINVAL);
	assert_int_equal(out.len, 0);
	bl_buf_free(&out);
}

static void
texts_are_utf8_in_its_shortest_form(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "", true },
		{ "plain", true },
		{ "\x7f\t\n", true },
		{ "\xc2\x80 \xdf\xbf", true },
		{ "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true },
		{ "\x80", false },
		{ "\xc0\x80", false },     /* U+0000, made longer */
		{ "\xc1\xbf", false },     /* "\x7f", made longer */
		{ "\xc2", false },         /* cut off */
		{ "\xc2 ", false },        /* no second byte */
		{ "\xe0\x9f\xbf", false }, /* longer than need be */
		{ "\xed\xa0\x80", false }, /* a surrogate */
		{ "\xed\xbf\xbf", false },
		{ "\xe4\xba", false },
		{ "\xe4\xba\x41", false },
		{ "\xf0\x8f\xbf\xbf", false }, /* longer than need be */
		{ "\xf4\x90\x80\x80", false }, /* past U+10FFFF */
		{ "\xf5\x80\x80\x80", false },
		{ "\xf0\x9f\x93", false },
		{ "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_presence p = { .online = true }, got;
		struct bl_buf out;
		int rc;

		(void)snprintf(p.software, sizeof(p.software), "%s", cases[i].text);
		bl_buf_init(&out, 4096);
		rc = bl_presence_encode(&p, &out);
		if (rc != (cases[i].ok ? BL_OK : BL_EINVAL))
			fail_msg("case %zu: %d", i, rc);
		if (rc == BL_OK) {
			assert_int_equal(bl_presence_decode(out.data, out.len, &got, NULL), BL_OK);
			assert_string_equal(got.software, cases[i].text);
		}
		bl_buf_free(&out);
	}
}

static void
a_full_output_is_left_as_it_was(void **state)
{
	const struct bl_hello h = hello();
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 40);
	bl_buf_str(&out, "before");
	assert_int_equal(bl_hello_encode(&h, &out), BL_ENOMEM);
	assert_int_equal(out.len, 7);
	assert_false(out.failed);
	bl_buf_free(&out);
}

static void
a_receipt_is_no_answer(void **state)
{
	struct bl_receipt r = { .spool = id_of(1), .epoch = id_of(2), .nonce = 5 }, got;
	struct bl_buf out;

	(void)state;
	bl_buf_init(&out, 65536);
	assert_true(bl_ranges_add(&r.stream[0].beyond, 5, 9));
	assert_int_equal(bl_receipt_encode(&r, &out), BL_OK);
	assert_int_equal(bl_msg_type(out.data, out.len), BL_MSG_RECEIPT);
	assert_int_equal(bl_receipt_decode(out.data, out.len, &got, NULL), BL_OK);
	assert_false(got.is_answer);
	assert_int_equal(got.nonce, 0);
	/* The same bytes under the other type lack the answer. */
	out.data[3] = BL_MSG_ANSWER;
	assert_int_equal(bl_receipt_decode(out.data, out.len, &got, NULL), BL_ECORRUPT);
	r.is_answer = true;
	bl_buf_reset(&out);
	assert_int_equal(bl_receipt_encode(&r, &out), BL_OK);
	out.data[3] = BL_MSG_RECEIPT;
	assert_int_equal(bl_receipt_decode(out.data, out.len, &got, NULL), BL_OK);
	assert_int_equal(got.unknown_sections, 1);
	bl_buf_free(&out);
}

static void
the_largest_receipt_fits(void **state)
{
	struct bl_receipt r = { .is_answer = true }, got;
	struct bl_buf out;

	(void)state;
	for (int s = 0; s < BL_STREAMS; s++)
		for (uint64_t i = 0; i < BL_RANGES_MAX; i++) {
			const uint64_t at = UINT64_MAX / 2 + i * (UINT64_MAX / 200);

			assert_true(bl_ranges_add(&r.stream[s].beyond, at, at + (1u << 30)));
			assert_true(bl_ranges_add(&r.stream[s].aside, at, at + 5));
		}
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	assert_int_equal(bl_receipt_encode(&r, &out), BL_OK);
	assert_int_equal(bl_receipt_decode(out.data, out.len, &got, NULL), BL_OK);
	assert_memory_equal(&got, &r, sizeof(r));
	bl_buf_free(&out);
}

static void
prefixes_are_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int type;
	} cases[] = {
		{ "", 0, BL_ECORRUPT },
		{ "BL\1", 3, BL_ECORRUPT },
		{ "BL\1\3", 4, BL_MSG_BATCH },
		{ "BL\1\12", 4, BL_MSG_QUESTION },
		{ "BL\1\13", 4, BL_MSG_REPORT },
		{ "BL\1\14", 4, BL_MSG_BUNDLE },
		{ "BL\1\15", 4, BL_MSG_PACK },
		{ "BL\1\16", 4, BL_ECORRUPT },
		{ "BL\1\0", 4, BL_ECORRUPT },
		{ "BL\2\3", 4, BL_ENEWER },
		{ "BL\0\3", 4, BL_ECORRUPT },
		{ "bl\1\3", 4, BL_ECORRUPT },
		{ "{\"a\"", 4, BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(bl_msg_type(cases[i].bytes, cases[i].len), cases[i].type);
}

static void
ranges_merge_what_touches(void **state)
{
	static const struct {
		uint64_t first, last;
		const char *after;
	} steps[] = {
		{ 10, 12, "10-12" },
		{ 20, 20, "10-12 20-20" },
		{ 14, 15, "10-12 14-15 20-20" },
		{ 13, 13, "10-15 20-20" },
		{ 11, 14, "10-15 20-20" },
		{ 1, 3, "1-3 10-15 20-20" },
		{ 4, 9, "1-15 20-20" },
		{ 30, 40, "1-15 20-20 30-40" },
		{ 16, 35, "1-40" },
		{ UINT64_MAX, UINT64_MAX, "1-40 18446744073709551615-18446744073709551615" },
		{ 41, UINT64_MAX - 1, "1-18446744073709551615" },
		{ 5, 4, "1-18446744073709551615" },
	};
	struct bl_ranges rs = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char text[256] = "";
		size_t len = 0;

		assert_int_equal(bl_ranges_add(&rs, steps[i].first, steps[i].last),
		    steps[i].first <= steps[i].last);
		for (uint32_t k = 0; k < rs.n; k++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu-%llu",
			    k > 0 ? " " : "", (unsigned long long)rs.r[k].first,
			    (unsigned long long)rs.r[k].last);
		assert_string_equal(text, steps[i].after);
	}
}

static void
full_ranges_take_only_what_merges(void **state)
{
	struct bl_ranges rs = { 0 }, before;

	(void)state;
	for (uint64_t i = 0; i < BL_RANGES_MAX; i++)
		assert_true(bl_ranges_add(&rs, 10 * i + 1, 10 * i + 2));
	before = rs;
	assert_false(bl_ranges_add(&rs, 5, 5));
	assert_memory_equal(&rs, &before, sizeof(rs));
	assert_true(bl_ranges_add(&rs, 3, 10));
	assert_int_equal(rs.n, BL_RANGES_MAX - 1);
	assert_true(bl_ranges_has(&rs, 1) && bl_ranges_has(&rs, 12));
	assert_false(bl_ranges_has(&rs, 13) || bl_ranges_has(&rs, 0));
	assert_false(bl_ranges_has(&rs, UINT64_MAX));
}

static void
a_long_dictionary_goes_in_parts(void **state)
{
	enum { N = 3000 };
	static struct bl_series_def defs[N];
	static char labels[N][BL_LABEL_VALUE_MAX];
	const struct bl_id spool = id_of(7);
	uint32_t done = 0, encoded, rounds = 0;
	struct bl_series_def def;
	struct bl_dict_reader r;
	struct bl_buf out, raw;

	(void)state;
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	for (uint32_t i = 0; i < N; i++) {
		memset(labels[i], (int)('a' + i % 26), sizeof(labels[i]));
		defs[i] = (struct bl_series_def){ .id = 5 + i,
			.stream = BL_STREAM_HOST,
			.kind = BL_GAUGE,
			.name = str("x_1"),
			.n_labels = 1,
			.label = { { str("k"), { labels[i], sizeof(labels[i]) } } } };
	}
	for (; done < N; done += encoded, rounds++) {
		bl_buf_reset(&out);
		assert_int_equal(
		    bl_dict_encode(&spool, defs + done, N - done, &out, &encoded, NULL), BL_OK);
		assert_true(encoded >= 1);
		assert_true(out.len <= BL_BATCH_WIRE_MAX);
		assert_int_equal(bl_dict_decode(out.data, out.len, &r, &raw, NULL), BL_OK);
		assert_int_equal(r.first, 5 + done);
		assert_int_equal(r.n, encoded);
		for (uint32_t i = 0; i < encoded; i++) {
			assert_int_equal(bl_dict_next(&r, &def, NULL), 1);
			assert_int_equal(def.id, 5 + done + i);
			assert_memory_equal(
			    def.label[0].value.p, labels[done + i], BL_LABEL_VALUE_MAX);
		}
		assert_int_equal(bl_dict_next(&r, &def, NULL), 0);
	}
	assert_true(rounds > 1);
	bl_buf_free(&out);
	bl_buf_free(&raw);
}

static void
dictionaries_refuse_invalid_series(void **state)
{
	static const struct {
		const char *name, *key0, *key1;
		uint32_t id;
		bool ok;
	} cases[] = {
		{ "cpu_used_pct", "a", "b", 1, true },
		{ "x", "", NULL, 1, false },
		{ "", "a", "b", 1, false },
		{ "Cpu", "a", "b", 1, false },
		{ "1cpu", "a", "b", 1, false },
		{ "cpu.used", "a", "b", 1, false },
		{ "cpu", "b", "a", 1, false },
		{ "cpu", "a", "a", 1, false },
		{ "cpu", "a", "aa", 1, true },
		{ "cpu", "a\xff", "b", 1, false },
		{ "cpu", "a", "b", 0, false },
		{ "cpu", "a", "b", BL_DICT_ENTRIES_MAX, true },
		{ "cpu", "a", "b", BL_DICT_ENTRIES_MAX + 1, false },
	};
	const struct bl_id spool = id_of(7);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_series_def def = { .id = cases[i].id,
			.stream = BL_STREAM_HOST,
			.kind = BL_COUNTER,
			.name = str(cases[i].name),
			.unit = str("1"),
			.n_labels = cases[i].key1 != NULL ? 2 : 1 };
		struct bl_buf out;
		uint32_t encoded = 9;
		int rc;

		def.label[0] = (struct bl_label){ str(cases[i].key0), str("v") };
		def.label[1] =
		    (struct bl_label){ str(cases[i].key1 ? cases[i].key1 : ""), str("") };
		bl_buf_init(&out, BL_BATCH_WIRE_MAX);
		rc = bl_dict_encode(&spool, &def, 1, &out, &encoded, NULL);
		if (rc != (cases[i].ok ? BL_OK : BL_EINVAL))
			fail_msg("case %zu: %d", i, rc);
		assert_int_equal(encoded, cases[i].ok);
		assert_int_equal(out.len > 0, cases[i].ok);
		bl_buf_free(&out);
	}
}

static void
empty_dictionaries_and_maps_are_fine(void **state)
{
	const struct bl_id spool = id_of(7);
	struct bl_clockmap_reader c;
	struct bl_clock_segment seg;
	struct bl_series_def def;
	struct bl_dict_reader d;
	struct bl_buf out, raw;
	uint32_t encoded;

	(void)state;
	bl_buf_init(&out, 4096);
	bl_buf_init(&raw, 4096);
	assert_int_equal(bl_dict_encode(&spool, &def, 0, &out, &encoded, NULL), BL_OK);
	assert_int_equal(bl_dict_decode(out.data, out.len, &d, &raw, NULL), BL_OK);
	assert_int_equal(bl_dict_next(&d, &def, NULL), 0);
	bl_buf_reset(&out);
	assert_int_equal(bl_clockmap_encode(&spool, &seg, 0, &out, &encoded, NULL), BL_OK);
	assert_int_equal(bl_clockmap_decode(out.data, out.len, &c, NULL), BL_OK);
	assert_int_equal(bl_clockmap_next(&c, &seg, NULL), 0);
	bl_buf_free(&out);
	bl_buf_free(&raw);
}

static void
boot_times_are_placed_by_the_trusted_segment_before_them(void **state)
{
	const struct bl_clock_segment segs[] = {
		{ 1, id_of(1), 0, 1000, 900, BL_CLOCK_UNTRUSTED },
		{ 2, id_of(1), 500, 2000, 20, BL_CLOCK_NTP },
		{ 3, id_of(2), 0, 7000, 7, BL_CLOCK_CENTRE },
		{ 4, id_of(1), 800, 3000, 30, BL_CLOCK_CENTRE },
		{ 5, id_of(3), 0, 9000, 9, BL_CLOCK_UNTRUSTED },
	};
	static const struct {
		uint8_t boot;
		int64_t boot_ms, unix_ms;
		uint32_t uncertainty_ms;
		bool ok;
	} cases[] = {
		{ 1, 100, 2100, 20, true }, /* before the first trusted one */
		{ 1, 500, 2500, 20, true },
		{ 1, 799, 2799, 20, true },
		{ 1, 800, 3800, 30, true },
		{ 1, 99999, 102999, 30, true },
		{ 2, -5, 6995, 7, true },
		{ 3, 100, 0, 0, false },
		{ 4, 100, 0, 0, false },
	};
	struct bl_clock_segment reversed[5];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		reversed[i] = segs[4 - i];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bl_id boot = id_of(cases[i].boot);
		int64_t a = 0, b = 0;
		uint32_t ua = 0, ub = 0;

		assert_int_equal(
		    bl_clock_place(segs, 5, &boot, cases[i].boot_ms, &a, &ua), cases[i].ok);
		assert_int_equal(
		    bl_clock_place(reversed, 5, &boot, cases[i].boot_ms, &b, &ub), cases[i].ok);
		assert_true(a == cases[i].unix_ms && b == a);
		assert_true(ua == cases[i].uncertainty_ms && ub == ua);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_survives_the_wire),
		cmocka_unit_test(hello_refuses_what_cannot_be),
		cmocka_unit_test(texts_are_utf8_in_its_shortest_form),
		cmocka_unit_test(a_full_output_is_left_as_it_was),
		cmocka_unit_test(a_receipt_is_no_answer),
		cmocka_unit_test(the_largest_receipt_fits),
		cmocka_unit_test(prefixes_are_told_apart),
		cmocka_unit_test(ranges_merge_what_touches),
		cmocka_unit_test(full_ranges_take_only_what_merges),
		cmocka_unit_test(a_long_dictionary_goes_in_parts),
		cmocka_unit_test(dictionaries_refuse_invalid_series),
		cmocka_unit_test(empty_dictionaries_and_maps_are_fine),
		cmocka_unit_test(boot_times_are_placed_by_the_trusted_segment_before_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
