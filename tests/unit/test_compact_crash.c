/*
 * Kill -9 of the compactor at every named place that it passes (collector/src/compact/README.md
 * explains each), while it packs, packs again, writes anew, follows a clock and forgets.
 *
 * A child works on a copy of a store in which something is due, and dies. Then the store, its parts
 * and the compactor are opened as the collector does it: every sample must be there once, as
 * a store that never packed anything says it, nothing is in the files that no row names,
 * and the work comes to its end.
 */
#include "compact_crash_kit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#define WAITS 6

/* What is due, and what time brings about then. */
struct story {
	const char *name;
	void (*tell)(struct kit *k, bool packs);
	int64_t wait[WAITS];
	struct compact_retention retention;
	bool moves;  /* between two places a sample may be in both */
	bool leaves; /* by age: what a packed store says in the end is what must be said */
};

struct base {
	const struct story *s;
	char folder[FOLDER_MAX];
	int64_t mono_ms, unix_ms;
	char *answers, *values, *all, *manifest;
};

static void
settle_if(struct kit *k, bool packs)
{
	if (packs)
		settle(k);
}

/* ---- what is told ---- */

static void
tell_closed(struct kit *k, bool packs)
{
	const struct put event = { .device = crash_devices[0],
		.spool = 0xa,
		.seq = 101,
		.from_ms = 100 * MINUTE,
		.to_ms = 101 * MINUTE,
		.event = true };

	(void)packs;
	know(k, 0xa, crash_devices[0]);
	know(k, 0xb, crash_devices[1]);
	put_minutes(k, crash_devices[0], 0xa, 1, 100);
	put_minutes(k, crash_devices[1], 0xb, 31, 80);
	assert_int_equal(put(k, &event), STORE_NEW);
}

/* Half of an hour that is packed comes late. */
static void
tell_late(struct kit *k, bool packs)
{
	tell_closed(k, packs);
	pass(k, 2 * (int64_t)HOUR + 15 * MINUTE);
	settle_if(k, packs);
	pass_round(k);
	settle_if(k, packs);
	put_minutes(k, crash_devices[1], 0xb, 1, 30);
}

/* Four small parts of one hour. */
static void
tell_small(struct kit *k, bool packs)
{
	pass(k, HOUR + 15 * MINUTE);
	for (uint8_t i = 0; i < CRASH_DEVICES; i++) {
		know(k, (uint8_t)(0xa + i), crash_devices[i]);
		put_minutes(k, crash_devices[i], (uint8_t)(0xa + i), 1, 20);
		pass(k, 31 * MINUTE);
		settle_if(k, packs);
	}
}

static void
tell_clock_late(struct kit *k, bool packs, bool gone, int64_t from_ms, int64_t step_ms)
{
	know(k, 0xa, crash_devices[0]);
	know(k, 0xb, crash_devices[1]);
	put_minutes(k, crash_devices[0], 0xa, 1, 100);
	put_minutes(k, crash_devices[1], 0xb, 50, 70);
	pass(k, 2 * (int64_t)HOUR + 15 * MINUTE);
	settle_if(k, packs);
	if (gone) {
		pass_round(k);
		settle_if(k, packs);
	}
	begin(k);
	put_clock(k, 0xa, crash_devices[0], 2, 1, from_ms, OFFSET + step_ms);
	commit(k);
}

static void
tell_clock_on(struct kit *k, bool packs)
{
	tell_clock_late(k, packs, false, 45 * MINUTE, 2 * (int64_t)HOUR);
}

static void
tell_clock_back(struct kit *k, bool packs)
{
	tell_clock_late(k, packs, true, 20 * MINUTE + 5000, -35 * MINUTE);
}

/* Parts that were written anew, their regions not given back yet; and an event. */
static void
tell_old(struct kit *k, bool packs)
{
	const struct put event = { .device = crash_devices[0],
		.spool = 0xa,
		.seq = 21,
		.from_ms = 20 * MINUTE,
		.to_ms = 21 * MINUTE,
		.event = true };
	const struct put newest = { .device = crash_devices[1],
		.spool = 0xb,
		.seq = 21,
		.from_ms = 20 * MINUTE,
		.to_ms = 21 * MINUTE };

	tell_small(k, packs);
	assert_int_equal(put(k, &event), STORE_NEW);
	assert_int_equal(put(k, &newest), STORE_NEW);
	for (int i = 0; i < 2; i++) {
		pass(k, 32 * MINUTE);
		settle_if(k, packs);
	}
}

/* The writer fails once bytes are in the files, and then the collector ends; and a file is there
 * that nothing names. */
static void
tell_tail(struct kit *k, bool packs)
{
	struct bl_err err = { 0 };
	int64_t at;

	tell_late(k, packs);
	if (!packs)
		return;
	pass(k, 31 * MINUTE);
	k->fail_write = 1;
	while (compact_step(k->compact, &err) > 0)
		;
	assert_int_equal(k->fail_write, 0);
	must(parts_append(k->parts, PARTS_RAW, OFFSET + 3 * DAY, "x", 1, &at, &err), &err);
}

#define MINUTES(n) ((n) * (int64_t)MINUTE)
#define HOURS(n)   ((n) * (int64_t)HOUR)

static const struct story closed = {
	.name = "closed hours", .tell = tell_closed, .wait = { HOURS(2) + MINUTES(15), MINUTES(15) }
};
static const struct story late = {
	.name = "late data", .tell = tell_late, .wait = { MINUTES(31), MINUTES(15) }
};
static const struct story small = {
	.name = "small parts", .tell = tell_small, .wait = { MINUTES(32), MINUTES(15), HOURS(25) }
};
static const struct story clock_on = { .name = "a clock that was set on",
	.tell = tell_clock_on,
	.wait = { MINUTES(1), HOURS(1), HOURS(2), MINUTES(15) },
	.moves = true };
static const struct story clock_back = { .name = "a clock that was set back",
	.tell = tell_clock_back,
	.wait = { MINUTES(1), HOURS(1), MINUTES(15) },
	.moves = true };
static const struct story raw_old = { .name = "samples past their retention",
	.tell = tell_old,
	.wait = { 3 * DAY, HOURS(2) },
	.retention = { 2 * DAY, 10 * DAY, 40 * DAY, 10 * DAY },
	.leaves = true };
static const struct story all_old = { .name = "everything past its retention",
	.tell = tell_old,
	.wait = { MINUTES(15), 75 * DAY, HOURS(2) }, /* it is there while they pass */
	.retention = { 2 * DAY, 10 * DAY, 40 * DAY, 10 * DAY },
	.leaves = true };
static const struct story tail = {
	.name = "tails at the start", .tell = tell_tail, .wait = { MINUTES(31), MINUTES(15) }
};

/* ---- a run ---- */

static void
be_there(struct kit *k, const struct base *b, const char *folder)
{
	kit_prepare(k, folder);
	k->opts.retention = b->s->retention;
	k->clock.mono_ms = b->mono_ms;
	k->clock.unix_ms = b->unix_ms;
}

static void
live(struct kit *k, const struct story *s)
{
	for (int i = 0; i < WAITS && s->wait[i] > 0; i++) {
		pass(k, s->wait[i]);
		settle(k);
	}
}

static void
run_child(const struct base *b, const char *folder, const char *place, unsigned nth)
{
	struct kit k;

	(void)setenv("CMOCKA_TEST_ABORT", "1", 1); /* one that fails ends, and is not the test */
	be_there(&k, b, folder);
	assert_true(bl_fault_arm_action(place, nth, BL_FAULT_KILL));
	kit_start(&k);
	live(&k, b->s);
	_exit(9);
}

/* False: it came to its end before. */
static bool
dies(const struct base *b, const char *folder, const char *place, unsigned nth)
{
	int status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		run_child(b, folder, place, nth);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 9)
		return false;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("%s, hit %u: the child ended by itself: %x", place, nth, (unsigned)status);
	return true;
}

static void
check_right_after(struct kit *k, const struct base *b, const char *when)
{
	if (b->s->leaves)
		return;
	if (b->s->moves)
		crash_same(crash_values(k), b->values, "values, right after", when);
	else
		crash_same(crash_answers(k), b->answers, "answers, right after", when);
}

static void
check_end(struct kit *k, const struct base *b, const char *when)
{
	crash_same(crash_answers(k), b->answers, "answers in the end", when);
	crash_check_files(k, false, when);
	if (b->s->leaves) {
		crash_same(crash_manifest(k), b->manifest, "what is left", when);
		return;
	}
	crash_same(in_parts(k), b->all, "in parts in the end", when);
	assert_int_equal(count(k, "SELECT count(*) FROM pack_due"), 0);
	/* Who follows the log is told when it has happened, whoever told the compactor. */
	if (b->s->moves)
		assert_true(count(k, "SELECT count(*) FROM moved WHERE boot_id = 0") > 0);
}

/* Opens it as the collector does, looks, lets it come to its end, looks again. */
static void
go_on(const struct base *b, const char *folder, const char *when)
{
	struct kit k;

	be_there(&k, b, folder);
	for (int i = 0; i < WAITS; i++)
		pass(&k, b->s->wait[i]);
	kit_start(&k);
	assert_int_equal(k.opened, STORE_OPENED);
	crash_check_files(&k, true, when);
	check_right_after(&k, b, when);
	settle(&k);
	live(&k, b->s);
	check_end(&k, b, when);
	kit_close(&k);
}

/* ---- what is due, and what must be said ---- */

static void
keep_answers(struct base *b, struct kit *k)
{
	b->answers = crash_answers(k);
	b->values = crash_values(k);
	b->all = everything(k, crash_devices, count(k, "SELECT count(*) FROM device") > 2 ? 4 : 2);
}

/* Never packed. */
static void
know_plainly(struct base *b)
{
	struct kit k;

	kit_open(&k, "crash-plain");
	b->s->tell(&k, false);
	keep_answers(b, &k);
	kit_close(&k);
}

/* Nobody dies. */
static void
undisturbed(struct base *b)
{
	char folder[FOLDER_MAX];
	struct kit k;

	folder_make(folder, "crash-whole");
	crash_copy(b->folder, folder);
	be_there(&k, b, folder);
	kit_start(&k);
	live(&k, b->s);
	if (b->s->leaves) {
		keep_answers(b, &k);
		b->manifest = crash_manifest(&k);
	} else {
		check_end(&k, b, "nobody died");
	}
	kit_close(&k);
}

static void
make_base(struct base *b, const struct story *s)
{
	struct kit k;

	memset(b, 0, sizeof(*b));
	b->s = s;
	folder_make(b->folder, "crash-base");
	kit_open_in(&k, b->folder);
	s->tell(&k, true);
	b->mono_ms = k.clock.mono_ms;
	b->unix_ms = k.clock.unix_ms;
	kit_stop(&k);
	if (!s->leaves)
		know_plainly(b);
	undisturbed(b);
}

static void
drop_base(struct base *b)
{
	folder_remove(b->folder);
	free(b->answers);
	free(b->values);
	free(b->all);
	free(b->manifest);
}

struct place {
	const char *name;
	unsigned usual; /* so many of its hits are died at; all with BL_LONG=1 */
};

static void
die_at_each(const struct story *s, const struct place *place)
{
	unsigned deaths = 0;
	struct base b;

	make_base(&b, s);
	for (; place->name != NULL; place++) {
		const unsigned most = rounds(place->usual, 10000);
		bool died = true;
		for (unsigned nth = 1; died && nth <= most; nth++) {
			char folder[FOLDER_MAX], when[200];

			(void)snprintf(
			    when, sizeof(when), "%s: %s, hit %u", s->name, place->name, nth);
			folder_make(folder, "crash-run");
			crash_copy(b.folder, folder);
			died = dies(&b, folder, place->name, nth);
			if (!died && nth == 1)
				fail_msg("%s is not passed", when);
			if (died) {
				go_on(&b, folder, when);
				deaths++;
			} else {
				folder_remove(folder);
			}
		}
	}
	print_message("%s: %u deaths\n", s->name, deaths);
	drop_base(&b);
}

/* ---- where ---- */

/* In the order in which they are passed. */
#define PACKING                                                                                    \
	{ "compact.encoded", 1 }, { "compact.appended", 2 }, { "compact.synced", 1 },              \
	{                                                                                          \
		"compact.installed", 1                                                             \
	}
#define WRITING                                                                                    \
	{ "store.commit", 2 }, { "store.committed", 1 },                                           \
	{                                                                                          \
		NULL, 0                                                                            \
	}

static void
while_closed_hours_are_packed(void **state)
{
	static const struct place places[] = { PACKING, { "compact.cleaned", 1 },
		{ "store.marked", 1 }, WRITING };

	(void)state;
	die_at_each(&closed, places);
}

static void
while_late_data_join_their_hour(void **state)
{
	static const struct place places[] = { PACKING, { "compact.cleaned", 1 },
		{ "compact.swept", 1 }, WRITING };

	(void)state;
	die_at_each(&late, places);
}

static void
while_worn_hours_are_written_anew(void **state)
{
	static const struct place places[] = { PACKING, { "compact.swept", 1 },
		{ "compact.punched", 2 }, WRITING };

	(void)state;
	die_at_each(&small, places);
}

/* Of the packs here each but the last leaves samples in two places. */
static void
while_a_clock_map_is_followed(void **state)
{
	static const struct place places[] = { { "compact.appended", 4 },
		{ "compact.installed", 4 }, { "compact.following", 1 }, WRITING };

	(void)state;
	die_at_each(&clock_on, places);
	die_at_each(&clock_back, places);
}

static void
while_old_hours_are_forgotten(void **state)
{
	static const struct place some[] = { { "compact.punched", 1 }, { "compact.delete", 1 },
		WRITING };
	static const struct place all[] = { { "compact.forgotten", 3 }, { "compact.delete", 3 },
		{ "store.commit", 4 }, { NULL, 0 } };

	(void)state;
	die_at_each(&raw_old, some);
	die_at_each(&all_old, all);
}

static void
while_the_folder_is_put_right(void **state)
{
	static const struct place places[] = { { "compact.cut", 4 }, { NULL, 0 } };

	(void)state;
	die_at_each(&tail, places);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_closed_hours_are_packed),
		cmocka_unit_test(while_late_data_join_their_hour),
		cmocka_unit_test(while_worn_hours_are_written_anew),
		cmocka_unit_test(while_a_clock_map_is_followed),
		cmocka_unit_test(while_old_hours_are_forgotten),
		cmocka_unit_test(while_the_folder_is_put_right),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("compact crash", tests, NULL, NULL);
}
