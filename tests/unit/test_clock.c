/* Clocks and ids: taken from outside, unbiased, printed the same everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/clock.h"

/* A "random" source that plays back what it is given. */
struct tape {
	const uint8_t *bytes;
	size_t left;
};

static void
tape_random(void *ctx, void *out, size_t len)
{
	struct tape *t = ctx;

	assert_true(len <= t->left);
	memcpy(out, t->bytes, len);
	t->bytes += len;
	t->left -= len;
}

static void
an_id_is_never_all_zero(void **state)
{
	uint8_t bytes[32] = { 0 };
	struct tape t = { bytes, sizeof(bytes) };
	const struct bl_clock c = { .ctx = &t, .random = tape_random };
	struct bl_id id;

	(void)state;
	bytes[31] = 7;
	id = bl_id_random(&c);
	assert_int_equal(id.b[15], 7);
	assert_false(bl_id_is_zero(&id));
}

static void
below_rejects_the_uneven_tail(void **state)
{
	uint64_t words[2] = { UINT64_MAX, 10 };
	struct tape t = { (const uint8_t *)words, sizeof(words) };
	const struct bl_clock c = { .ctx = &t, .random = tape_random };

	(void)state;
	assert_int_equal(bl_random_below(&c, 0), 0);
	assert_int_equal(bl_random_below(&c, 7), 3);
	assert_int_equal(t.left, 0);
}

static void
below_stays_below_on_the_real_clock(void **state)
{
	bool seen[3] = { false };

	(void)state;
	for (int i = 0; i < 300; i++) {
		const uint64_t v = bl_random_below(bl_clock_real(), 3);

		assert_true(v < 3);
		seen[v] = true;
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	assert_int_equal(bl_random_below(bl_clock_real(), 1), 0);
}

static void
the_real_clocks_run_forward(void **state)
{
	const struct bl_clock *c = bl_clock_real();
	/* In this order: without a suspend both are the same, and time passes in between. */
	const int64_t mono = bl_mono_ms(c), boot = bl_boot_ms(c);

	(void)state;
	assert_true(boot > 0 && boot >= mono);
	assert_true(bl_boot_ms(c) >= boot);
	assert_true(bl_mono_ms(c) >= mono);
	assert_true(bl_unix_ms(c) > 0);
	(void)c->synced(c->ctx);
}

static void
one_boot_has_one_id(void **state)
{
	const struct bl_id a = bl_boot_id(bl_clock_real());
	const struct bl_id b = bl_boot_id(bl_clock_real());

	(void)state;
	assert_false(bl_id_is_zero(&a));
	assert_true(bl_id_equal(&a, &b));
}

static void
ids_print_and_parse(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "00112233445566778899aabbccddeeff", true },
		{ "00112233445566778899AABBCCDDEEFF", true },
		{ "00000000000000000000000000000000", true },
		{ "00112233445566778899aabbccddeef", false },
		{ "00112233445566778899aabbccddeeff0", false },
		{ "00112233-4455-6677-8899-aabbccddeeff", false },
		{ "0g112233445566778899aabbccddeeff", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bl_id id, before;
		char hex[BL_ID_HEX_SIZE];

		memset(&id, 0x5a, sizeof(id));
		before = id;
		assert_int_equal(bl_id_parse(cases[i].text, &id), cases[i].ok);
		bl_id_hex(&id, hex);
		if (!cases[i].ok)
			assert_true(bl_id_equal(&id, &before));
		else
			assert_int_equal(strcasecmp(hex, cases[i].text), 0);
	}
}

static void
times_print_in_utc(void **state)
{
	static const struct {
		int64_t unix_ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ -1000, "1969-12-31T23:59:59.000Z" },
		{ 1795343672123, "2026-11-22T10:34:32.123Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 253402300799999, "9999-12-31T23:59:59.999Z" },
		{ 253402300800000, "?" },
		{ -62167219200000, "0000-01-01T00:00:00.000Z" },
		{ -62167219200001, "?" },
		{ INT64_MAX, "?" },
		{ INT64_MIN, "?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[BL_TIME_SIZE];

		bl_time_utc(cases[i].unix_ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* What is read back is what was printed, and what is no instant is refused. */
static void
times_are_read_with_their_zone(void **state)
{
	static const struct {
		const char *text;
		int64_t unix_ms; /* -1: refused */
	} cases[] = {
		{ "1970-01-01T00:00:00.001Z", 1 },
		{ "2026-11-28T10:00:00+08:00", 1795831200000 },
		{ "2026-11-28t02:00:00z", 1795831200000 },
		{ "2026-11-27 20:30:00.25-05:30", 1795831200250 },
		{ "2024-02-29T23:59:60.999999Z", 1709251200999 },
		{ "2026-11-28T10:00:00", -1 },
		{ "2026-11-28", -1 },
		{ "2026-02-29T10:00:00Z", -1 },
		{ "2026-11-28T24:00:00Z", -1 },
		{ "2026-11-28T10:00:00.Z", -1 },
		{ "2026-11-28T10:00:00+8:00", -1 },
		{ "2026-11-28T10:00:00Z ", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = 0;
		const bool good = bl_time_parse(cases[i].text, strlen(cases[i].text), &ms);

		assert_int_equal(good, cases[i].unix_ms >= 0);
		if (good)
			assert_int_equal(ms, cases[i].unix_ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_never_all_zero),
		cmocka_unit_test(below_rejects_the_uneven_tail),
		cmocka_unit_test(below_stays_below_on_the_real_clock),
		cmocka_unit_test(the_real_clocks_run_forward),
		cmocka_unit_test(one_boot_has_one_id),
		cmocka_unit_test(ids_print_and_parse),
		cmocka_unit_test(times_print_in_utc),
		cmocka_unit_test(times_are_read_with_their_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
