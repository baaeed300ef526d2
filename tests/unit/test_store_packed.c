/*
 * Closed hours in parts: whoever asks gets the same answer as from the batches, to the last
 * byte, whatever came when and whatever was packed in between.
 */
#include "packed_kit.h"

static void
tell_again(struct twin *w, const struct history *h)
{
	struct history dice = *h;

	for (unsigned i = 0; i < 20; i++) {
		struct tell t = h->t[history_random(&dice) % h->n];

		if (t.what != TOLD_BATCH)
			continue;
		twin_tell(w, h, &t);
		t.twist = 3; /* the same number, something else */
		twin_tell(w, h, &t);
	}
}

static void
run(uint64_t seed)
{
	struct history h;
	struct twin w;
	char when[64];

	history_make(&h, seed);
	twin_open(&w);
	if (seed % 2 == 0)
		history_shuffle(&h);
	twin_later(&w, 12 * HOUR);
	for (size_t i = 0; i < h.n; i++) {
		twin_tell(&w, &h, &h.t[i]);
		twin_later(&w, (int64_t)(history_random(&h) % 50000));
		if (history_random(&h) % 40 != 0)
			continue;
		twin_later(&w, HOUR);
		twin_pack(&w);
		(void)snprintf(when, sizeof(when), "seed %llu, told %zu of %zu",
		    (unsigned long long)seed, i + 1, h.n);
		twin_compare(&w, history_random(&h), when);
	}
	twin_later(&w, 2 * HOUR);
	twin_pack(&w);
	(void)snprintf(when, sizeof(when), "seed %llu, at the end", (unsigned long long)seed);
	twin_compare(&w, seed, when);
	assert_true(w.n_packed > 0);
	assert_true(twin_rows(&w.packed) < twin_rows(&w.plain) / 2);
	tell_again(&w, &h);
	twin_compare(&w, seed + 1, "told again");
	twin_close(&w);
}

static void
packing_does_not_show(void **state)
{
	const unsigned n = rounds(5, 300);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		run(i + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packing_does_not_show),
	};

	return cmocka_run_group_tests_name("packed and not packed", tests, NULL, NULL);
}
