/*
 * Two machines with one identity, hours of them in played time over the real policy and the real
 * back-off: how often the identity changes hands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt_internal.h"

#define HOUR          3600000
#define TAKEOVERS_MAX 12
#define SESSION_MS    300000 /* a TLS session can be resumed for so long */
#define LOG_MAX       4096

/* What says that there is another one. */
enum teller { NOBODY, BROKER, CENTRE };

struct machine {
	struct mqtt_rival rival;
	bool up, has_session;
	int64_t since_ms; /* up, or session made */
	int64_t next_ms;  /* attempt */
	unsigned failures;
	bool resumed;
};

struct war {
	uint64_t rng;
	struct bl_clock clock;
	enum teller teller;
	int64_t now;
	struct machine m[2];
	int64_t taken[LOG_MAX];
	unsigned n_taken;
	/* the centre: who it saw, and how often somebody came back */
	int last;
	int64_t returned[LOG_MAX];
	unsigned n_returned;
	unsigned known; /* of the two */
};

static void
war_random(void *ctx, void *out, size_t len)
{
	struct war *w = ctx;
	uint8_t *to = out;

	for (size_t i = 0; i < len; i++) {
		w->rng ^= w->rng << 13;
		w->rng ^= w->rng >> 7;
		w->rng ^= w->rng << 17;
		to[i] = (uint8_t)(w->rng * 2685821657736338717u >> 40);
	}
}

static void
end(struct war *w, struct machine *m, bool orderly, int reason)
{
	const struct mqtt_end e = { .was_up = true,
		.orderly = orderly && reason == 0,
		.resumed = m->resumed,
		.reason = reason,
		.held_ms = w->now - m->since_ms };
	unsigned floor_ms = mqtt_rival_ended(&m->rival, &e);

	m->up = false;
	if (e.held_ms >= 30000)
		m->failures = 0;
	m->next_ms = w->now + mqtt_backoff_ms(&w->clock, 1000, 60000, m->failures++, floor_ms);
}

/* As ingest does: a machine that was there before and comes back after another one. */
static void
centre_sees(struct war *w, int who)
{
	unsigned within = 0;

	if (w->last >= 0 && w->last != who && (w->known & 1u << who) != 0)
		w->returned[w->n_returned++] = w->now;
	w->known |= 1u << who;
	w->last = who;
	for (unsigned i = 0; i < w->n_returned; i++)
		within += w->now - w->returned[i] < HOUR;
	w->m[who].rival.word = within >= 2 ? MQTT_RIVAL_SEEN : MQTT_RIVAL_NONE;
}

static void
come(struct war *w, int who)
{
	struct machine *m = &w->m[who], *other = &w->m[!who];

	mqtt_rival_begins(&m->rival);
	m->resumed = m->has_session && w->now - m->since_ms < SESSION_MS;
	m->has_session = m->up = true;
	m->since_ms = w->now;
	if (other->up) {
		assert_true(w->n_taken < LOG_MAX);
		w->taken[w->n_taken++] = w->now;
		end(w, other, true, w->teller == BROKER ? 0x8e : 0);
	}
	if (w->teller == CENTRE)
		centre_sees(w, who);
}

static struct war
war(uint64_t seed, enum teller teller)
{
	return (struct war){ .rng = seed * 0x9e3779b97f4a7c15u + 1, .teller = teller, .last = -1 };
}

static void
run(struct war *w, int64_t until_ms)
{
	w->clock = (struct bl_clock){ .ctx = w, .random = war_random };
	while (w->now < until_ms) {
		int who = w->m[0].up || (!w->m[1].up && w->m[1].next_ms < w->m[0].next_ms);

		if (w->m[who].next_ms > w->now)
			w->now = w->m[who].next_ms;
		come(w, who);
	}
}

static unsigned
most_in_an_hour(const struct war *w)
{
	unsigned most = 0;

	for (unsigned i = 0, from = 0; i < w->n_taken; i++) {
		while (w->taken[i] - w->taken[from] >= HOUR)
			from++;
		if (i - from + 1 > most)
			most = i - from + 1;
	}
	return most;
}

static void
an_identity_changes_hands_twelve_times_an_hour_at_most(void **state)
{
	static const char *const names[] = { "nobody tells", "the broker tells",
		"the centre tells" };

	(void)state;
	for (int teller = NOBODY; teller <= CENTRE; teller++) {
		unsigned most = 0, all = 0;

		for (uint64_t seed = 1; seed <= 300; seed++) {
			struct war w = war(seed, (enum teller)teller);

			w.m[1].next_ms = 60000;
			run(&w, 24 * HOUR);
			all += w.n_taken;
			if (most_in_an_hour(&w) > most)
				most = most_in_an_hour(&w);
		}
		print_message("%s: at most %u in an hour, %.1f an hour\n", names[teller], most,
		    all / 300.0 / 24);
		assert_true(most <= TAKEOVERS_MAX);
	}
}

static void
both_go_on_having_their_turns(void **state)
{
	struct war w = war(7, CENTRE);

	(void)state;
	run(&w, 24 * HOUR);
	assert_true(w.n_taken >= 24 * 3);
}

/* ---- what is none ---- */

static unsigned
ended(struct mqtt_rival *r, bool resumed, bool orderly, int64_t held_ms)
{
	const struct mqtt_end e = {
		.was_up = true, .orderly = orderly, .resumed = resumed, .held_ms = held_ms
	};

	return mqtt_rival_ended(r, &e);
}

static void
a_broker_that_is_restarted_again_and_again_is_no_rival(void **state)
{
	struct mqtt_rival r = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(ended(&r, false, true, 5000), 0);
}

static void
a_network_that_cuts_is_no_rival(void **state)
{
	struct mqtt_rival r = { 0 };

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(ended(&r, true, false, 5000), 0);
	/* One that closes in good order: the centre knows that nobody else was there. */
	for (int i = 0; i < 20; i++) {
		mqtt_rival_begins(&r);
		r.word = MQTT_RIVAL_NONE;
		assert_int_equal(ended(&r, true, true, 60000), 0);
	}
	/* And what it said of the connection before proves nothing of this one. */
	for (int i = 0; i < 2; i++) {
		mqtt_rival_begins(&r);
		assert_int_equal(ended(&r, true, true, 1000), 0);
	}
	mqtt_rival_begins(&r);
	assert_true(ended(&r, true, true, 1000) >= 300000);
}

static void
when_the_other_one_is_gone_all_is_as_ever(void **state)
{
	struct mqtt_rival r = { .word = MQTT_RIVAL_SEEN, .ends = 9 };

	(void)state;
	assert_true(ended(&r, true, true, 1000) >= 300000);
	mqtt_rival_begins(&r);
	assert_true(mqtt_rival_noticed(&r));
	r.word = MQTT_RIVAL_NONE;
	assert_int_equal(ended(&r, true, true, 1000), 0);
	assert_false(mqtt_rival_noticed(&r));
	/* Without a centre: a connection that held for longer than anybody stays away. */
	r = (struct mqtt_rival){ .ends = 9 };
	assert_int_equal(ended(&r, true, true, 3000000), 0);
	assert_false(mqtt_rival_noticed(&r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_changes_hands_twelve_times_an_hour_at_most),
		cmocka_unit_test(both_go_on_having_their_turns),
		cmocka_unit_test(a_broker_that_is_restarted_again_and_again_is_no_rival),
		cmocka_unit_test(a_network_that_cuts_is_no_rival),
		cmocka_unit_test(when_the_other_one_is_gone_all_is_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
