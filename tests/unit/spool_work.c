/* See spool_work.h. */
#include "spool_work.h"

#include <sqlite3.h>

#include "branchline/log.h"

#define SMALL_PACKET 104 /* three ticks of a stream do not fit */
#define TRIES        6   /* a fault hits three operations in a row at most */

struct work *
work_new(void)
{
	struct work *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	bl_log_level_set((enum bl_log_level)0); /* faults are expected here */
	return w;
}

void
work_free(struct work *w)
{
	free(w);
}

void
work_begin(struct work *w)
{
	const struct work before = *w;

	memset(w, 0, sizeof(*w));
	w->f = before.f;
	w->damage_allowed = before.damage_allowed;
	w->told = before.told;
	w->no_kill = before.no_kill;
	w->enter = before.enter;
	w->leave = before.leave;
	assert_int_equal(kit_setup((void **)&w->k), 0);
	w->k->opts.keep_receipted_ms = 5000;
	w->k->time.boot_ms = 5000;
	w->c = centre_new(w->k);
	(void)snprintf(w->below, sizeof(w->below), "%s/", w->k->dir);
}

static bool
is_up(void)
{
	return !shim_power_is_off();
}

/* The code under test begins, and what it said. */
static void
enter(const struct work *w)
{
	if (w->enter != NULL)
		w->enter();
}

static int
leave(const struct work *w, int rc)
{
	if (w->leave != NULL)
		w->leave();
	return rc;
}

/* ---- the steps ---- */

static void
open_spool(struct work *w)
{
	struct bl_err err = { 0 };
	int rc = -1;

	for (int i = 0; i < TRIES && rc < 0 && is_up(); i++) {
		enter(w);
		rc = leave(w, spool_open(&w->k->s, &w->k->opts, &err));
	}
	if (rc == SPOOL_REPLACED && !w->damage_allowed)
		w->f.damaged++;
	if (rc < 0 && is_up())
		fail_msg("%s: does not open: %s", w->what, err.msg);
	if (rc >= 0)
		kit_declare(w->k);
}

static void
mark_accepted(struct work *w)
{
	for (unsigned i = 0; i < BL_STREAMS; i++)
		for (int64_t n = w->marked[i] + 1; n <= w->k->appended[i]; n++) {
			w->accepted[i][n] = true;
			w->marked[i] = n;
		}
	w->events_accepted = w->events;
}

static void
commit(struct work *w)
{
	struct bl_err err = { 0 };
	uint64_t lost = 0;
	int rc = -1;

	for (int i = 0; i < TRIES && rc < 0 && is_up(); i++) {
		if (i > 0 && w->then == WORK_KILL_CUT)
			return;
		enter(w);
		rc = leave(w, spool_commit(w->k->s, &lost, &err));
		assert_int_equal(lost, 0);
		if (rc == BL_ECORRUPT)
			fail_msg("%s: taken for damage: %s", w->what, err.msg);
	}
	if (rc < 0 && is_up())
		fail_msg("%s: never recovered: %s", w->what, err.msg);
	if (rc >= 0)
		mark_accepted(w);
}

static void
event(struct work *w)
{
	char id[16];
	int rc = -1;
	struct bl_event ev = { .type = { "order.done", 10 } };
	struct bl_err err = { 0 };

	(void)snprintf(id, sizeof(id), "e%u", ++w->event_ids);
	ev.boot_ms = w->k->time.boot_ms;
	ev.id = (struct bl_str){ id, strlen(id) };
	for (int i = 0; i < TRIES && rc < 0 && is_up(); i++) {
		enter(w);
		rc = leave(w, spool_event(w->k->s, &ev, &err));
	}
	w->events += rc == SPOOL_ACCEPTED;
}

/* A frame that was on its way all the time. */
static void
comes_late(struct work *w)
{
	if (w->late.msg.data != NULL)
		centre_take(w->c, &w->late);
	bl_buf_free(&w->late.msg);
	memset(&w->late, 0, sizeof(w->late));
}

/* What fails is tried again, as the thread does. */
static void
exchange(struct work *w)
{
	/* Every other time by a broker of small packets; a frame stays on its way for long. */
	struct spool_want want = { .live = true,
		.past_bytes = 65536,
		.max_frames = 4,
		.max_packet = w->exchanges % 2 == 0 ? SMALL_PACKET : 0 };
	struct spool_frame f[4];
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	unsigned n = 0;
	bool hello;

	enter(w);
	if (leave(w, spool_hello(w->k->s, &h, &err)) < 0)
		return;
	centre_receipt(w->c, &h.spool, w->c->n % 2 == 0, &r);
	want.dict_known = r.dict_version;
	enter(w);
	if (r.is_answer)
		(void)spool_on_answer(w->k->s, &r, &err);
	if (leave(w, spool_offer(w->k->s, &want, f, &n, &err)) < 0)
		return;
	w->exchanges++;
	for (unsigned i = 0; i < n; i++) {
		if (w->frames++ % 5 == 3 && w->late.msg.data == NULL) {
			w->late = f[i];
			continue;
		}
		centre_take(w->c, &f[i]);
		bl_buf_free(&f[i].msg);
	}
	if (w->exchanges % 2 == 0)
		comes_late(w);
	centre_receipt(w->c, &h.spool, false, &r);
	enter(w);
	(void)leave(w, spool_on_receipt(w->k->s, &r, &hello, &err));
}

static void
cut(struct work *w)
{
	struct bl_err err = { 0 };
	unsigned n;

	enter(w);
	if (leave(w, spool_cut_all(w->k->s, &n, &err)) == BL_OK)
		mark_accepted(w);
}

static void
close_spool(struct work *w)
{
	enter(w);
	kit_close(w->k);
	(void)leave(w, 0);
	/* Closing commits what waits, but says nothing: the next commit's word counts. */
}

static void
upkeep(struct work *w, int i)
{
	struct bl_err err = { 0 };
	bool more;

	if (i % 3 == 2)
		cut(w);
	if (i % 4 == 3 && is_up())
		exchange(w);
	if (i % 6 == 5 && is_up()) {
		enter(w);
		(void)leave(w, spool_trim(w->k->s, &more, &err));
	}
}

/* False: the machine stops here. */
static bool
tick(struct work *w, int i)
{
	const bool before = shim_fired();

	kit_tick(w->k, BL_STREAM_HOST);
	kit_tick(w->k, BL_STREAM_PROBES);
	if (i % 3 == 0)
		event(w);
	if (is_up())
		commit(w);
	/* The failed operation was this commit's or one before: now it is settled. */
	if (w->then == WORK_CUT && (before || shim_fired()))
		return false;
	if (w->then == WORK_KILL_CUT && shim_fired())
		return false; /* work_run kills it */
	if (is_up())
		upkeep(w, i);
	return is_up();
}

static bool
ticks(struct work *w, int from, int to)
{
	for (int i = from; i < to; i++)
		if (!tick(w, i))
			return false;
	return true;
}

static void
run(struct work *w)
{
	open_spool(w);
	if (!is_up() || !ticks(w, 0, 6))
		return;
	close_spool(w);
	if (is_up())
		open_spool(w);
	if (!is_up() || !ticks(w, 6, 11))
		return;
	if (w->no_kill)
		return;
	/* Killed with a log that was not copied yet. */
	work_restart(w, SHIM_LOSE_NONE);
	if (is_up())
		(void)ticks(w, 11, 14);
}

void
work_run(struct work *w)
{
	run(w);
	if (w->then == WORK_KILL_CUT) {
		w->then = WORK_GOES_ON;
		work_restart(w, SHIM_LOSE_NONE);
		(void)ticks(w, 1, 3);
	}
}

void
work_restart(struct work *w, enum shim_loss how)
{
	shim_power_off(w->below);
	kit_close(w->k); /* gives its memory back; what waits there is gone */
	shim_power_cut(w->below, how);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		w->marked[i] = w->k->appended[i];
	w->events_doubtful += w->events - w->events_accepted;
	w->events = w->events_accepted;
	kit_pass(&w->k->time, 60000);
	if (how != SHIM_LOSE_NONE)
		kit_reboot(w->k);
	open_spool(w);
}

/* ---- the judge ---- */

static bool
is_sound(const char *path)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	bool sound = false;

	if (sqlite3_open(path, &db) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		sound = strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return sound;
}

static void
judge_stream(struct work *w, unsigned i)
{
	for (int64_t n = 1; n < WORK_TICKS; n++)
		for (unsigned s = 0; s < KIT_SERIES; s++) {
			const unsigned came = w->c->seen[i][s][n];

			w->f.accepted += w->accepted[i][n];
			w->f.stored += came > 0;
			w->f.doubled += came > 1;
			w->f.lost += w->accepted[i][n] && came == 0;
			if ((came > 1 || (w->accepted[i][n] && came == 0)) && w->told++ < 8)
				print_message("%s: stream %u series %u sample %lld came %u times\n",
				    w->what, i + 1, s, (long long)n, came);
		}
}

static void
judge(struct work *w)
{
	const unsigned most = w->events + w->events_doubtful;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		judge_stream(w, i);
	w->f.accepted += w->events_accepted;
	w->f.stored += w->c->events;
	w->f.doubled += w->c->events > most ? w->c->events - most : 0;
	w->f.lost += w->c->events < w->events_accepted ? w->events_accepted - w->c->events : 0;
	w->f.damaged += w->c->conflicts + !is_sound(w->k->path);
	w->f.runs++;
}

void
work_end(struct work *w)
{
	w->then = WORK_GOES_ON;
	comes_late(w);
	(void)ticks(w, 0, 2);
	kit_cut_all(w->k);
	mark_accepted(w);
	centre_drain(w->c, w->k);
	kit_close(w->k);
	judge(w);
	free(w->c);
	kit_teardown((void **)&w->k);
	shim_power_cut(w->below, SHIM_LOSE_NONE); /* the folder is gone: forget its files */
}

void
work_print(const struct work *w, const char *name)
{
	print_message(
	    "%s: %llu runs, accepted %llu stored %llu doubled %llu lost %llu damaged %llu\n", name,
	    (unsigned long long)w->f.runs, (unsigned long long)w->f.accepted,
	    (unsigned long long)w->f.stored, (unsigned long long)w->f.doubled,
	    (unsigned long long)w->f.lost, (unsigned long long)w->f.damaged);
}

void
work_assert_clean(const struct work *w, const char *name)
{
	work_print(w, name);
	assert_true(w->f.runs > 0 && w->f.accepted > 0);
	assert_int_equal(w->f.lost + w->f.doubled + w->f.damaged, 0);
}
