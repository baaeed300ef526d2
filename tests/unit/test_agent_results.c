/*
 * The ring between the prober and the loop: order, what is dropped, and that what
 * a result points to is copied with it.
 */
#include "agent_results.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <sys/eventfd.h>
#include <unistd.h>

static struct agent_results *
results(unsigned each)
{
	static struct agent_results q;

	q = (struct agent_results){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	pthread_mutex_init(&q.lock, NULL);
	assert_true(agent_results_room(&q, each));
	return &q;
}

static void
end(struct agent_results *q)
{
	agent_results_free(q);
	pthread_mutex_destroy(&q->lock);
	(void)close(q->fd);
}

static bool
is_woken(const struct agent_results *q)
{
	uint64_t n;

	return read(q->fd, &n, sizeof(n)) == sizeof(n);
}

/* The nth result, with n % 4 values n, n + 0.5 ... that are overwritten afterwards. */
static void
put(struct agent_results *q, unsigned n)
{
	struct probe_value v[4];
	const struct probe_result r = { .probe = n, .n_points = n % 4, .point = v };

	for (unsigned i = 0; i < 4; i++)
		v[i] = (struct probe_value){ PROBE_HAVE, n + i / 2.0 };
	agent_results_put(q, &r);
	for (unsigned i = 0; i < 4; i++)
		v[i] = (struct probe_value){ PROBE_LATE, -1 };
}

static void
take(struct agent_results *q, unsigned n, unsigned points)
{
	struct probe_result r;

	assert_true(agent_results_take(q, &r));
	assert_int_equal(r.probe, n);
	assert_int_equal(r.n_points, points);
	for (unsigned i = 0; i < points; i++) {
		assert_int_equal(r.point[i].got, PROBE_HAVE);
		assert_true(r.point[i].v >= n + i / 2.0 && r.point[i].v <= n + i / 2.0);
	}
}

static void
results_come_out_as_they_went_in(void **state)
{
	struct agent_results *q = results(3);
	struct probe_result r;
	unsigned in = 0, out = 0;

	(void)state;
	/* Round and round: 3 in, 2 out, until it is full. */
	while (q->n + 3 <= AGENT_RESULTS) {
		for (unsigned k = 0; k < 3; k++)
			put(q, in++);
		for (unsigned k = 0; k < 2; k++, out++)
			take(q, out, out % 4);
	}
	assert_int_equal(q->dropped, 0);
	assert_true(is_woken(q));
	while (out < in) {
		take(q, out, out % 4);
		out++;
	}
	assert_false(agent_results_take(q, &r));
	end(q);
}

static void
what_does_not_fit_is_dropped_and_counted(void **state)
{
	struct agent_results *q = results(3);
	unsigned n = 0;

	(void)state;
	for (; n < AGENT_RESULTS / 2 - 1; n++)
		put(q, n);
	assert_false(is_woken(q));
	for (; n < AGENT_RESULTS + 5; n++)
		put(q, n);
	assert_true(is_woken(q));
	assert_int_equal(q->dropped, 5);
	for (unsigned i = 0; i < AGENT_RESULTS; i++)
		take(q, i, i % 4);
	end(q);
}

static void
the_room_for_values_is_a_bound(void **state)
{
	struct agent_results *q = results(0);

	(void)state;
	put(q, 3);
	take(q, 3, 0);
	assert_true(agent_results_room(q, 2));
	put(q, 7);
	take(q, 7, 2);
	end(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_come_out_as_they_went_in),
		cmocka_unit_test(what_does_not_fit_is_dropped_and_counted),
		cmocka_unit_test(the_room_for_values_is_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
