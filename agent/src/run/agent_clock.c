/*
 * Time: feeds the clock map, keeps the floor under a clock that is not known,
 * saves the time now and then so that the floor rises.
 */
#include "agent_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "build_date.h"

#define LOOK_MS    5000
#define RECEIPT_MS 600000 /* without one for so long, nothing arrives */

static struct clockmap_now
now_of(const struct agent *a)
{
	const struct bl_clock *c = a->clock;

	/* A date that cannot be is nobody's discipline, whatever the kernel says. */
	return (struct clockmap_now){ .boot_ms = bl_boot_ms(c),
		.mono_ms = bl_mono_ms(c),
		.unix_ms = bl_unix_ms(c),
		.synced = c->synced(c->ctx) && bl_unix_ms(c) >= a->clock_floor_unix_ms };
}

/*
 * It stands there twice: a digit that a bad disk changed would put the floor
 * centuries ahead, for good.  Older versions wrote it once.
 */
static int64_t
saved_time(const struct agent *a)
{
	char path[CONFIG_PATH_MAX], text[64] = "";
	long long v = 0, again = 0;
	int n;
	FILE *f;

	config_state_path(a->config, "time", path);
	if ((f = fopen(path, "re")) == NULL)
		return 0; /* the first start */
	n = fgets(text, sizeof(text), f) == NULL ? 0 : sscanf(text, "%lld %lld", &v, &again);
	(void)fclose(f); /* only read */
	if (n < 1 || (n == 2 && v != again)) {
		bl_warn("clock", "the saved time is damaged and not believed file=%s", path);
		return 0;
	}
	return v;
}

/* What the map says: a wall clock that was ahead must not become the floor. */
static int64_t
map_unix_ms(const struct agent *a)
{
	return clockmap_trusted(&a->clockmap) ? clockmap_unix_ms(&a->clockmap, bl_boot_ms(a->clock))
					      : bl_unix_ms(a->clock);
}

/* Small, seldom, and worth nothing when lost: no fsync, but never half a file. */
void
agent_clock_save(struct agent *a)
{
	const int64_t now = map_unix_ms(a);
	char path[CONFIG_PATH_MAX], tmp[CONFIG_PATH_MAX];
	FILE *f;

	a->next_save_mono_ms = bl_mono_ms(a->clock) + AGENT_CLOCK_SAVE_MS;
	if (!clockmap_trusted(&a->clockmap) || now < a->clock_floor_unix_ms)
		return;
	config_state_path(a->config, "time", path);
	config_state_path(a->config, "time.new", tmp);
	if ((f = fopen(tmp, "we")) == NULL)
		return; /* a full or read-only disk is reported by the spool */
	(void)fprintf(f, "%" PRId64 " %" PRId64 "\n", now, now);
	if (fclose(f) != 0 || rename(tmp, path) != 0)
		(void)unlink(tmp);
}

/*
 * Whether certificates must not be judged by the machine's clock.  The centre's
 * word makes the map trusted, not that clock: one that stands 20 years ahead
 * would find every certificate expired at the next connection.
 */
bool
agent_clock_untrusted(const struct agent *a)
{
	return a->clock_floor_broken || !clockmap_wall_usable(&a->clockmap);
}

bool
agent_clock_wrong(const struct agent *a)
{
	return a->clock_floor_broken || a->clockmap.wild ||
	       (clockmap_trusted(&a->clockmap) && !clockmap_wall_usable(&a->clockmap));
}

/* To those who judge the dates of certificates. */
static void
tell_untrusted(struct agent *a)
{
	if (a->mqtt != NULL)
		bl_mqtt_clock_untrusted(a->mqtt, agent_clock_untrusted(a));
	prober_clock_wrong(a->prober, agent_clock_wrong(a));
}

static void
say_step(struct agent *a, const struct clockmap_result *r)
{
	const struct agent_attr attrs[] = { { "before_ms", NULL, (double)r->step_before_ms },
		{ "after_ms", NULL, (double)r->step_after_ms }, { NULL, NULL, 0 } };

	agent_event(a, "clock.step", attrs);
	bl_info("clock", "wall clock was set by_ms=%lld",
	    (long long)(r->step_after_ms - r->step_before_ms));
}

static void
say_number(struct agent *a, const char *type, const char *key, double value)
{
	const struct agent_attr attrs[] = { { key, NULL, value }, { NULL, NULL, 0 } };

	agent_event(a, type, attrs);
}

/* Events that a person may have to act on, each once when it begins or ends. */
static void
say_events(struct agent *a, const struct clockmap_result *r)
{
	const struct clockmap *m = &a->clockmap;

	if (r->stepped)
		say_step(a, r);
	if (r->went_wild) {
		agent_event(a, "clock.wild", NULL);
		bl_warn("clock", "the wall clock stands, or runs at a wrong speed; it is not used");
	}
	if (r->went_steady) {
		agent_event(a, "clock.steady", NULL);
		bl_info("clock", "the wall clock runs as it should again");
	}
	if (r->lost_sync) {
		agent_event(a, "clock.unsynced", NULL);
		bl_warn("clock", "the clock is not synchronised any more; what is not known better "
				 "gets more uncertain with time");
	}
	if (r->found_sync) {
		agent_event(a, "clock.synced", NULL);
		bl_info("clock", "the clock is synchronised");
	}
	if (r->jumped) {
		say_number(a, "clock.jump", "by_ms", (double)r->jump_ms);
		bl_warn("clock",
		    "this machine's time jumped (paused as a virtual machine?) by_ms=%lld",
		    (long long)r->jump_ms);
	}
	if (r->disagrees) {
		say_number(
		    a, "clock.disagrees", "centre_less_wall_ms", (double)m->centre_less_wall_ms);
		bl_warn("clock",
		    "the time service of this machine and the centre disagree "
		    "centre_less_wall_ms=%lld",
		    (long long)m->centre_less_wall_ms);
	}
}

static void
apply(struct agent *a, const struct clockmap_result *r, bool was_trusted)
{
	for (unsigned i = 0; i < r->n_segments; i++)
		if (spool_thread_clock(a->spool, &r->segment[i]) < 0)
			bl_warn("clock", "a segment of the clock map was not stored");
	if (r->n_segments > 0 &&
	    (was_trusted != clockmap_trusted(&a->clockmap) || !a->clock_told)) {
		a->clock_told = true;
		bl_info("clock", "wall time of this boot is %s source=%s offset_ms=%lld",
		    clockmap_trusted(&a->clockmap) ? "known" : "not known yet",
		    clockmap_source_name(a->clockmap.source),
		    (long long)a->clockmap.newest.offset_ms);
	}
	say_events(a, r);
	tell_untrusted(a);
}

static void
judge_floor(struct agent *a)
{
	const int64_t built = (int64_t)BUILD_DATE_UNIX * 1000;

	/* Who is trusted says that it was wrong: by a disk, or by a clock that was believed. */
	if (clockmap_trusted(&a->clockmap) &&
	    map_unix_ms(a) < a->clock_floor_unix_ms - CLOCKMAP_DATE_MS)
		a->clock_floor_unix_ms = map_unix_ms(a) > built ? map_unix_ms(a) : built;
	a->clock_floor_broken = bl_unix_ms(a->clock) < a->clock_floor_unix_ms;
}

static void
find_floor(struct agent *a)
{
	const int64_t built = (int64_t)BUILD_DATE_UNIX * 1000, saved = saved_time(a);

	a->clock_floor_unix_ms = saved > built ? saved : built;
	judge_floor(a);
}

void
agent_clock_server_begins(struct agent *a, int64_t not_before_unix_ms)
{
	char from[BL_TIME_SIZE];

	if (not_before_unix_ms <= a->clock_floor_unix_ms)
		return;
	a->clock_floor_unix_ms = not_before_unix_ms;
	a->clock_floor_lifted = true;
	a->clock_floor_broken = bl_unix_ms(a->clock) < a->clock_floor_unix_ms;
	if (!a->clock_floor_broken)
		return;
	bl_time_utc(not_before_unix_ms, from);
	bl_warn("clock",
	    "the clock is wrong: the broker's certificate begins later; it is after %s", from);
	tell_untrusted(a);
}

void
agent_clock_init(struct agent *a)
{
	struct bl_clock_segment told;

	clockmap_init(&a->clockmap, &a->boot);
	if (spool_thread_clock_told(a->spool, &told))
		clockmap_resume(&a->clockmap, &told, bl_boot_ms(a->clock));
	find_floor(a);
	if (a->clock_floor_broken)
		bl_warn("clock", "the clock stands before the last time this agent knows of; "
				 "certificates are not refused for their dates until it is set");
	agent_clock_look(a);
	a->next_save_mono_ms = bl_mono_ms(a->clock) + 60000;
}

/* What is sampled now may be placed at the centre before the next word on the time. */
static bool
delivers(const struct agent *a)
{
	struct uplink_status st;

	delivery_status(a->delivery, &st);
	return st.state == UPLINK_READY && st.last_receipt_mono_ms >= 0 &&
	       bl_mono_ms(a->clock) - st.last_receipt_mono_ms < RECEIPT_MS;
}

void
agent_clock_look(struct agent *a)
{
	const bool trusted = clockmap_trusted(&a->clockmap);
	const struct clockmap_now now = now_of(a);
	struct clockmap_result r;

	clockmap_look(&a->clockmap, &now, &r);
	if (delivers(a))
		clockmap_contact(&a->clockmap, now.boot_ms);
	a->next_clock_mono_ms = bl_mono_ms(a->clock) + LOOK_MS;
	judge_floor(a);
	apply(a, &r, trusted);
}

void
agent_clock_centre(struct agent *a, int64_t server_unix_ms, int64_t rtt_ms)
{
	const bool trusted = clockmap_trusted(&a->clockmap);
	const struct clockmap_now now = now_of(a);
	struct clockmap_result r;

	clockmap_centre(&a->clockmap, &now, server_unix_ms, rtt_ms, &r);
	clockmap_contact(&a->clockmap, now.boot_ms);
	apply(a, &r, trusted);
}

void
agent_clock_link_down(struct agent *a)
{
	clockmap_contact(&a->clockmap, bl_boot_ms(a->clock));
}

/* Another spool does not know what the one before was told. */
void
agent_clock_tell_again(struct agent *a)
{
	if (a->clockmap.told)
		(void)spool_thread_clock(a->spool, &a->clockmap.newest);
}

void
agent_clock_report(const struct agent *a, struct bl_report_clock *out)
{
	const struct clockmap *m = &a->clockmap;
	const bool known = clockmap_trusted(m);

	*out = (struct bl_report_clock){ .has = true,
		.source = known ? m->source : BL_CLOCK_UNTRUSTED,
		.wall_minus_map_ms = clockmap_wall_less_map_ms(m),
		.uncertainty_ms = clockmap_doubt_ms(m, bl_boot_ms(a->clock)),
		.wall_usable = !agent_clock_untrusted(a),
		.floor_lifted = a->clock_floor_lifted,
		.drift_ppb = clockmap_drift_ppb(m),
		.steps = m->steps };
}
