/* The history of a link out of a real store: arrival, ledger, backlog that was announced. */
#include "branchline/wire.h"

#include "store_kit.h"
#include "store_link.h"

static void
arrives(struct ctx *c, int64_t minute)
{
	c->clock.unix_ms = OFFSET + minute * MINUTE + 2000;
	c->clock.mono_ms = minute * MINUTE + 2000;
}

/* Minutes [from, to), each as soon as it is over. */
static void
live(struct ctx *c, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		arrives(c, (int64_t)i + 1);
		put_minutes(c, i, i + 1);
	}
}

static struct store_link_spans
history(struct ctx *c, int64_t to_minute, bool online)
{
	const struct store_link_query q = { .device = "kiosk-1",
		.stream = BL_STREAM_HOST,
		.from_unix_ms = OFFSET,
		.to_unix_ms = OFFSET + to_minute * MINUTE,
		.now_unix_ms = OFFSET + to_minute * MINUTE,
		.late_ms = 3 * MINUTE,
		.online = online };
	struct store_link_spans out = { 0 };
	struct bl_err err = { 0 };

	must(store_read_link(c->r, &q, &out, &err), &err);
	return out;
}

static void
expect(struct ctx *c, int64_t to_minute, bool online, size_t n, const struct store_link_span *want)
{
	struct store_link_spans l = history(c, to_minute, online);

	for (size_t i = 0; l.n != n && i < l.n; i++)
		print_message("%lld-%lld %s %s\n",
		    (long long)(l.s[i].from_unix_ms - OFFSET) / MINUTE,
		    (long long)(l.s[i].to_unix_ms - OFFSET) / MINUTE,
		    store_link_state_name(l.s[i].state),
		    l.s[i].reason != 0 ? store_gap_reason_name(l.s[i].reason) : "");
	assert_int_equal(l.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(l.s[i].from_unix_ms - OFFSET, want[i].from_unix_ms * MINUTE);
		assert_int_equal(l.s[i].to_unix_ms - OFFSET, want[i].to_unix_ms * MINUTE);
		assert_int_equal(l.s[i].state, want[i].state);
		assert_int_equal(l.s[i].reason, want[i].reason);
	}
	store_link_free(&l);
}

static uint64_t
waiting(struct ctx *c)
{
	struct store_device d;
	struct bl_err err = { 0 };

	must(store_read_device(c->r, "kiosk-1", &d, &err), &err);
	return d.waiting;
}

static void
outage_is_waited_for_and_then_filled_in(void **state)
{
	struct ctx *c = *state;

	know_clock(c, 1, 0, OFFSET);
	live(c, 0, 20);
	live(c, 80, 100); /* an hour without a link; the newest go first */
	expect(c, 101, true, 3,
	    (const struct store_link_span[]){ { 0, 20, STORE_LINK_ONLINE, 0, 0, 0 },
		{ 20, 80, STORE_LINK_WAITING, 0, 0, 0 }, { 80, 101, STORE_LINK_ONLINE, 0, 0, 0 } });
	assert_int_equal(waiting(c), 60);
	arrives(c, 100);
	put_minutes(c, 50, 80);
	assert_int_equal(waiting(c), 30);
	expect(c, 101, true, 4,
	    (const struct store_link_span[]){ { 0, 20, STORE_LINK_ONLINE, 0, 0, 0 },
		{ 20, 50, STORE_LINK_WAITING, 0, 0, 0 }, { 50, 80, STORE_LINK_FILLED_IN, 0, 0, 0 },
		{ 80, 101, STORE_LINK_ONLINE, 0, 0, 0 } });
	put_minutes(c, 20, 50);
	assert_int_equal(waiting(c), 0);
	expect(c, 101, true, 3,
	    (const struct store_link_span[]){ { 0, 20, STORE_LINK_ONLINE, 0, 0, 0 },
		{ 20, 80, STORE_LINK_FILLED_IN, 0, 0, 0 },
		{ 80, 101, STORE_LINK_ONLINE, 0, 0, 0 } });
}

static void
ledger_names_the_gap(void **state)
{
	struct ctx *c = *state;
	const struct bl_gap off = { .reason = BL_GAP_OFF,
		.stream = BL_STREAM_HOST,
		.begin_boot = c->boot,
		.begin_boot_ms = 20 * MINUTE,
		.end_boot = c->boot,
		.end_boot_ms = 40 * MINUTE };
	struct fixture_batch b;

	know_clock(c, 1, 0, OFFSET);
	live(c, 0, 20);
	b = minute(c, 20);
	b.begin_ms = 40 * MINUTE;
	b.end_ms = 41 * MINUTE;
	b.gap = &off;
	arrives(c, 41);
	begin(c);
	assert_int_equal(put(c, &b), STORE_NEW);
	commit(c);
	expect(c, 42, true, 3,
	    (const struct store_link_span[]){ { 0, 20, STORE_LINK_ONLINE, 0, 0, 0 },
		{ 20, 40, STORE_LINK_GAP, BL_GAP_OFF, 0, 0 },
		{ 40, 42, STORE_LINK_ONLINE, 0, 0, 0 } });
}

static void
device_that_is_away_is_unknown(void **state)
{
	struct ctx *c = *state;

	know_clock(c, 1, 0, OFFSET);
	live(c, 0, 20);
	expect(c, 60, false, 2,
	    (const struct store_link_span[]){ { 0, 20, STORE_LINK_ONLINE, 0, 0, 0 },
		{ 20, 60, STORE_LINK_UNKNOWN, STORE_GAP_OFFLINE, 0, 0 } });
}

static void
device_never_heard_of_is_unknown(void **state)
{
	expect(*state, 60, false, 1,
	    (const struct store_link_span[]){
		{ 0, 60, STORE_LINK_UNKNOWN, STORE_GAP_OFFLINE, 0, 0 } });
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(outage_is_waited_for_and_then_filled_in),
		T(ledger_names_the_gap),
		T(device_that_is_away_is_unknown),
		T(device_never_heard_of_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
