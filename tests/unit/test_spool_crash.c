/*
 * kill -9: a child appends, commits, cuts and offers as fast as it can and says
 * over a pipe what has been accepted; it is killed at any moment.  Nothing that
 * was accepted is missing afterwards, nothing came twice.
 */
#include "spool_kit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "branchline/fault.h"

#define KILLS 20

/*
 * A child's life in ticks, however fast the build is: the fake centre holds
 * CENTRE_BATCHES, and three batches are cut every third tick.
 */
#define LIFE_TICKS     240
#define LIFE_TICKS_MAX 300

/* Never returns.  Says the number of each accepted tick, and takes part in a handshake. */
static void
child(struct kit *k, int say)
{
	struct bl_err err = { 0 };
	struct spool_frame f[4];
	unsigned n;
	uint64_t lost;
	const int64_t last = k->appended[2] + LIFE_TICKS_MAX;

	kit_declare(k);
	for (;;) {
		struct spool_want want = { .live = true, .past_bytes = 1u << 20, .max_frames = 4 };
		struct spool_status st;
		const int64_t now = k->appended[2] + 1;

		if (now > last)
			(void)pause(); /* the parent is late */
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		if (spool_commit(k->s, &lost, &err) != BL_OK)
			_exit(3);
		if (write(say, &now, sizeof(now)) != (ssize_t)sizeof(now))
			_exit(4);
		if (now % 3 == 0 && spool_cut_all(k->s, &n, &err) != BL_OK)
			_exit(5);
		if (now % 5 != 0)
			continue;
		/* Offered, but the frames are lost on the way. */
		if (spool_status(k->s, &st, &err) != BL_OK ||
		    spool_offer(k->s, &want, f, &n, &err) != BL_OK)
			_exit(6);
		for (unsigned i = 0; i < n; i++)
			bl_buf_free(&f[i].msg);
	}
}

/*
 * Reads what was accepted until the child is dead.  Kills it after ms, or it
 * dies by itself at the nth hit of a place.
 */
static int64_t
run_and_kill(struct kit *k, int64_t ms, const char *place, unsigned nth)
{
	struct timespec begin, now;
	struct bl_err err = { 0 };
	struct pollfd p = { .events = POLLIN };
	int64_t accepted = k->accepted[2], n, spent = 0;
	int say[2], status = 0;
	bool killed = false;
	pid_t pid;

	assert_int_equal(pipe(say), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(say[0]);
		if (place != NULL && !bl_fault_arm_action(place, nth, BL_FAULT_KILL))
			_exit(7);
		if (spool_open(&k->s, &k->opts, &err) < 0)
			_exit(2);
		child(k, say[1]);
	}
	(void)close(say[1]);
	p.fd = say[0];
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		assert_true(poll(&p, 1, killed ? 10000 : (int)(ms - spent)) >= 0);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		spent =
		    (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
		if (!killed && (spent >= ms || accepted - k->accepted[2] >= LIFE_TICKS)) {
			assert_int_equal(kill(pid, SIGKILL), 0);
			killed = true;
		}
		if ((p.revents & (POLLIN | POLLHUP)) == 0)
			continue;
		if (read(say[0], &n, sizeof(n)) != (ssize_t)sizeof(n))
			break;
		accepted = n;
	}
	(void)close(say[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("the child ended by itself: %x", (unsigned)status);
	return accepted;
}

/* After a death: what was accepted is there, the tick in doubt may be, nothing came twice. */
static void
check(struct kit *k, struct centre *c, int64_t accepted)
{
	struct bl_err err = { 0 };
	int64_t top = 0;
	int rc;

	kit_pass(&k->time, INT64_C(1000) * 3600); /* the child's clock went on, too */
	rc = spool_open(&k->s, &k->opts, &err);
	if (rc != SPOOL_OPENED && rc != SPOOL_CREATED)
		fail_msg("opened with %d: %s", rc, err.msg);
	kit_declare(k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(c, k);
	kit_close(k);
	for (int64_t n = 1; n < KIT_SAMPLES; n++)
		if (c->seen[2][0][n] != 0)
			top = n;
	assert_true(top == accepted || top == accepted + 1);
	centre_assert_exact(c, BL_STREAM_HOST, top);
	centre_assert_exact(c, BL_STREAM_PROBES, top);
	assert_int_equal(c->conflicts, 0);
	for (unsigned s = 0; s < BL_STREAMS; s++)
		k->appended[s] = k->accepted[s] = top;
}

static void
nothing_accepted_is_lost_by_kill_9(void **state)
{
	const char *text = getenv("SPOOL_KILLS");
	const int kills = text != NULL ? atoi(text) : KILLS;
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	k->time.rng = (uint64_t)time(NULL);
	print_message("seed %llu\n", (unsigned long long)k->time.rng);
	for (int i = 0; i < kills; i++)
		check(k, c, run_and_kill(k, 20 + (int64_t)kit_random(&k->time, 200), NULL, 0));
	print_message("ticks accepted over %d kills: %lld\n", kills, (long long)k->accepted[2]);
	assert_true(k->accepted[2] > kills);
	free(c);
}

/* Every transaction of a run, from its first: before and after its commit. */
static void
dying_at_any_transaction_loses_nothing(void **state)
{
	static const char *const places[] = { "spool.commit.before", "spool.commit.after" };
	struct kit *k = *state;
	struct centre *c = centre_new(k);

	for (unsigned nth = 1; nth <= 20; nth++)
		for (unsigned i = 0; i < 2; i++)
			check(k, c, run_and_kill(k, 60000, places[i], nth));
	assert_true(k->accepted[2] > 50);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    nothing_accepted_is_lost_by_kill_9, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    dying_at_any_transaction_loses_nothing, kit_setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
