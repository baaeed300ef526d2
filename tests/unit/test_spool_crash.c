/*
 * kill -9: a child appends, commits, cuts and offers as fast as it can and says
 * over a pipe what has been accepted; it is killed at any moment.  Nothing that
 * was accepted is missing afterwards, nothing came twice.
 *
 * And at named places: there the child has a centre to talk to, in memory that
 * outlives it, and times without one in which its cap makes it drop batches.
 */
#include "spool_kit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
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

#define ONE_STEP 9000 /* bytes: a broker that takes one step that fills the spool, not two */

/* Says the number of each accepted tick; never returns. */
typedef void life_fn(struct kit *k, int say, void *ctx);

/* Takes part in no handshake: what it offers is lost on the way. */
static void
offline_life(struct kit *k, int say, void *ctx)
{
	struct bl_err err = { 0 };
	struct spool_frame f[4];
	unsigned n;
	uint64_t lost;
	const int64_t last = k->appended[2] + LIFE_TICKS_MAX;

	(void)ctx;
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
run_and_kill(struct kit *k, int64_t ms, const char *place, unsigned nth, life_fn *live, void *ctx)
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
		live(k, say[1], ctx);
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

	k->time.rng = chance_seed();
	print_message("seed %llu\n", (unsigned long long)k->time.rng);
	for (int i = 0; i < kills; i++)
		check(k, c,
		    run_and_kill(
			k, 20 + (int64_t)kit_random(&k->time, 200), NULL, 0, offline_life, NULL));
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
			check(k, c, run_and_kill(k, 60000, places[i], nth, offline_life, NULL));
	assert_true(k->accepted[2] > 50);
	free(c);
}

/* ---- a life between receipt, trim, cut and offer ---- */

/* Outlives the child; nothing in it is half done when the spool dies at a place. */
struct world {
	struct centre centre;
	int64_t tick_ms[BL_STREAMS][KIT_SAMPLES]; /* when a tick was */
	uint64_t steps_said, steps_accepted;      /* those that fill the spool */
};

/* A step that fills a small spool; not compressible. */
static void
fill(struct kit *k)
{
	static char text[8][1000];
	struct bl_event ev = {
		.boot_ms = k->time.boot_ms, .type = { "step.event", 10 }, .n_attrs = 8
	};
	static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	struct bl_err err = { 0 };

	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < sizeof(text[i]); j++)
			text[i][j] = (char)('!' + kit_random(&k->time, 90));
		ev.attr[i] = (struct bl_attr){ .key = { keys[i], 1 },
			.type = BL_ATTR_TEXT,
			.text = { text[i], sizeof(text[i]) } };
	}
	if (spool_event(k->s, &ev, &err) != SPOOL_ACCEPTED)
		_exit(8);
}

static void
tick(struct kit *k, struct world *w, enum bl_stream stream)
{
	kit_tick(k, stream);
	w->tick_ms[(unsigned)stream - 1][k->appended[(unsigned)stream - 1]] = k->time.boot_ms;
}

static void
trim(struct kit *k)
{
	struct bl_err err = { 0 };
	bool more = true;

	while (more)
		if (spool_trim(k->s, &more, &err) < 0)
			_exit(9);
}

/* What is offered by this broker is lost on the way. */
static void
offer_in_vain(struct kit *k, size_t max_packet)
{
	const struct spool_want want = {
		.live = true, .past_bytes = 1u << 20, .max_frames = 8, .max_packet = max_packet
	};
	struct bl_err err = { 0 };
	struct spool_frame f[8];
	unsigned n;

	if (spool_offer(k->s, &want, f, &n, &err) != BL_OK)
		_exit(6);
	for (unsigned i = 0; i < n; i++)
		bl_buf_free(&f[i].msg);
	spool_outstanding_clear_all(k->s);
}

/* 20 ticks with a centre, 30 without one, and so on: the first begin with one. */
static void
whole_life(struct kit *k, int say, void *ctx)
{
	struct world *w = ctx;
	const int64_t first = k->appended[2] + 1;
	struct bl_err err = { 0 };
	uint64_t lost;
	unsigned n;

	kit_declare(k);
	for (int64_t now = first;; now++) {
		const bool linked = (now - first) % 50 < 20;

		if (now - first > LIFE_TICKS_MAX)
			_exit(10); /* never came to its place */
		tick(k, w, BL_STREAM_HOST);
		tick(k, w, BL_STREAM_PROBES);
		for (unsigned i = 0; !linked && i < 3; i++) {
			fill(k);
			w->steps_said++;
		}
		if (spool_commit(k->s, &lost, &err) != BL_OK || lost != 0)
			_exit(3);
		w->steps_accepted = w->steps_said;
		if (write(say, &now, sizeof(now)) != (ssize_t)sizeof(now))
			_exit(4);
		if (now % 3 == 0 && spool_cut_all(k->s, &n, &err) != BL_OK)
			_exit(5);
		trim(k);
		if (linked && now % 2 == 0) {
			if (now % 4 == 0) {
				offer_in_vain(k, 0);
				offer_in_vain(k, ONE_STEP);
			}
			spool_live_begins(k->s);
			centre_drain(&w->centre, k);
		}
	}
}

/* The ledger, as it was told, says that this tick was dropped for want of room. */
static bool
evicted(const struct world *w, enum bl_stream stream, int64_t n)
{
	const int64_t at = w->tick_ms[(unsigned)stream - 1][n];

	for (unsigned i = 0; i < w->centre.n_gaps; i++) {
		const struct bl_gap *g = &w->centre.gap[i];

		if (g->stream == stream && g->reason == BL_GAP_EVICTED && g->begin_boot_ms <= at &&
		    at <= g->end_boot_ms)
			return true;
	}
	return false;
}

struct account {
	int64_t stored, explained, thinned;
};

/* Every tick 1..top once, or named; nothing beyond. */
static void
account(const struct world *w, enum bl_stream stream, int64_t top, struct account *a)
{
	for (int64_t n = 1; n < KIT_SAMPLES; n++) {
		const uint8_t one = w->centre.seen[(unsigned)stream - 1][0][n];
		const uint8_t mean = w->centre.thinned[(unsigned)stream - 1][0][n];
		const int times = one + mean;

		for (unsigned s = 1; s < KIT_SERIES; s++) {
			assert_int_equal(w->centre.seen[(unsigned)stream - 1][s][n], one);
			assert_int_equal(w->centre.thinned[(unsigned)stream - 1][s][n], mean);
		}
		a->thinned += mean;
		if (times > 1 || (times == 1 && n > top))
			fail_msg("stream %d: tick %lld of %lld came %u times", (int)stream,
			    (long long)n, (long long)top, times);
		if (times == 0 && n <= top && !evicted(w, stream, n))
			fail_msg("stream %d: tick %lld of %lld is neither there nor named",
			    (int)stream, (long long)n, (long long)top);
		a->stored += times;
		a->explained += times == 0 && n <= top;
	}
}

/* After a death at a place: the next life, in this process, tells the centre everything. */
static void
settle(struct kit *k, struct world *w, int64_t accepted, struct account *a)
{
	struct bl_err err = { 0 };
	uint64_t steps;
	int64_t top = 0;
	int rc;

	kit_pass(&k->time, INT64_C(1000) * 3600); /* the child's clock went on, too */
	rc = spool_open(&k->s, &k->opts, &err);
	if (rc != SPOOL_OPENED && rc != SPOOL_CREATED)
		fail_msg("opened with %d: %s", rc, err.msg);
	kit_declare(k);
	kit_pass(&k->time, 1000);
	kit_cut_all(k);
	centre_drain(&w->centre, k);
	kit_close(k);
	/* The newest are the last to go, so the newest is there. */
	for (int64_t n = 1; n < KIT_SAMPLES; n++)
		if (w->centre.seen[2][0][n] + w->centre.thinned[2][0][n] != 0)
			top = n;
	if (top < accepted || top > accepted + 1)
		fail_msg("accepted %lld, the newest is %lld", (long long)accepted, (long long)top);
	memset(a, 0, sizeof(*a));
	account(w, BL_STREAM_HOST, top, a);
	account(w, BL_STREAM_PROBES, top, a);
	/* A flood of steps costs steps: each is there, or in the sum of those dropped. */
	steps = centre_lost(&w->centre, BL_STREAM_EVENTS, BL_GAP_EVICTED);
	assert_true(w->centre.events <= w->steps_said);
	assert_true(w->centre.events + steps >= w->steps_accepted);
	a->explained += (int64_t)steps;
	assert_int_equal(w->centre.conflicts, 0);
	for (unsigned s = 0; s < BL_STREAMS; s++)
		k->appended[s] = k->accepted[s] = top;
}

/* In the order of a batch's life; agent/src/spool/README.md explains each. */
static const char *const life_places[] = {
	"spool.beginning",
	"spool.commit.before",
	"spool.commit.after",
	"spool.cutting",
	"spool.cut",
	"spool.offering",
	"spool.offered",
	"spool.splitting",
	"spool.split",
	"spool.receipting",
	"spool.receipted",
	"spool.thinning",
	"spool.thinned",
	"spool.evicting",
	"spool.trimming",
	"spool.trimmed",
};
#define LIFE_PLACES (sizeof(life_places) / sizeof(life_places[0]))

static struct account
die_at(const char *place, unsigned times)
{
	struct world *w =
	    mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const bool once = strcmp(place, "spool.beginning") == 0; /* a life begins once */
	struct account a = { 0 };
	void *state = NULL;
	struct kit *k;

	assert_true(w != MAP_FAILED);
	assert_int_equal(kit_setup(&state), 0);
	k = state;
	k->opts.max_bytes = 1024 * 1024;
	k->opts.keep_receipted_ms = 60 * INT64_C(1000);
	w->centre.epoch = bl_id_random(&k->time.clock);
	for (unsigned nth = 1; nth <= times; nth++) {
		if (once) /* something to go on from */
			settle(k, w, run_and_kill(k, 120000, "spool.cut", nth, whole_life, w), &a);
		settle(k, w, run_and_kill(k, 120000, place, once ? 1 : nth, whole_life, w), &a);
	}
	assert_int_equal(kit_teardown(&state), 0);
	(void)munmap(w, sizeof(*w));
	return a;
}

static void
dying_between_receipt_trim_cut_and_offer_loses_and_doubles_nothing(void **state)
{
	const unsigned usual = rounds(10, 100), slow = rounds(3, 100);
	int64_t explained = 0, thinned = 0;

	(void)state;
	for (size_t i = 0; i < LIFE_PLACES; i++) {
		/* Half a life goes by until something has to be split. */
		const unsigned times =
		    strncmp(life_places[i], "spool.split", 11) == 0 ? slow : usual;
		const struct account a = die_at(life_places[i], times);

		print_message(
		    "%s: %u deaths, ticks stored %lld, means of %lld, ticks and steps named %lld\n",
		    life_places[i], times, (long long)a.stored, (long long)a.thinned,
		    (long long)a.explained);
		assert_true(a.stored > (int64_t)times);
		explained += a.explained;
		thinned += a.thinned;
	}
	assert_true(explained > 0 && thinned > 0); /* the cap did press */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    nothing_accepted_is_lost_by_kill_9, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
		    dying_at_any_transaction_loses_nothing, kit_setup, kit_teardown),
		cmocka_unit_test(
		    dying_between_receipt_trim_cut_and_offer_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
