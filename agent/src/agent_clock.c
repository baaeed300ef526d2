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

#define LOOK_MS 5000

static struct clockmap_now
now_of(const struct agent *a)
{
	const struct bl_clock *c = a->clock;

	return (struct clockmap_now){
		.boot_ms = bl_boot_ms(c), .unix_ms = bl_unix_ms(c), .synced = c->synced(c->ctx)
	};
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

/* Small, seldom, and worth nothing when lost: no fsync, but never half a file. */
void
agent_clock_save(struct agent *a)
{
	const int64_t now = bl_unix_ms(a->clock);
	char path[CONFIG_PATH_MAX], tmp[CONFIG_PATH_MAX];
	FILE *f;

	a->next_save_mono_ms = bl_mono_ms(a->clock) + AGENT_CLOCK_SAVE_MS;
	if (a->clock_floor_broken || !clockmap_trusted(&a->clockmap))
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

static void
apply(struct agent *a, const struct clockmap_result *r)
{
	const bool trusted = clockmap_trusted(&a->clockmap);

	if (r->has_segment) {
		(void)spool_thread_clock(a->spool, &r->segment);
		bl_info("clock", "wall time of this boot is %s source=%s offset_ms=%lld",
		    trusted ? "known" : "not known yet", clockmap_source_name(r->segment.source),
		    (long long)r->segment.offset_ms);
	}
	if (r->stepped) {
		const struct agent_attr attrs[] = { { "before_ms", NULL,
							(double)r->step_before_ms },
			{ "after_ms", NULL, (double)r->step_after_ms }, { NULL, NULL, 0 } };

		agent_event(a, "clock.step", attrs);
		bl_info("clock", "wall clock was set by_ms=%lld",
		    (long long)(r->step_after_ms - r->step_before_ms));
	}
	if (a->mqtt != NULL)
		bl_mqtt_clock_untrusted(a->mqtt, agent_clock_untrusted(a));
}

static void
check_floor(struct agent *a)
{
	const int64_t built = (int64_t)BUILD_DATE_UNIX * 1000, saved = saved_time(a);

	if (a->clock_floor_unix_ms < built)
		a->clock_floor_unix_ms = built;
	if (a->clock_floor_unix_ms < saved)
		a->clock_floor_unix_ms = saved;
	a->clock_floor_broken = bl_unix_ms(a->clock) < a->clock_floor_unix_ms;
}

void
agent_clock_server_begins(struct agent *a, int64_t not_before_unix_ms)
{
	char from[BL_TIME_SIZE];

	if (not_before_unix_ms <= a->clock_floor_unix_ms)
		return;
	a->clock_floor_unix_ms = not_before_unix_ms;
	check_floor(a);
	if (!a->clock_floor_broken)
		return;
	bl_time_utc(not_before_unix_ms, from);
	bl_warn("clock",
	    "the clock is wrong: the broker's certificate begins later; it is after %s", from);
	if (a->mqtt != NULL)
		bl_mqtt_clock_untrusted(a->mqtt, agent_clock_untrusted(a));
}

void
agent_clock_init(struct agent *a)
{
	clockmap_init(&a->clockmap, &a->boot);
	check_floor(a);
	if (a->clock_floor_broken)
		bl_warn("clock", "the clock stands before the last time this agent knows of; "
				 "certificates are not refused for their dates until it is set");
	agent_clock_look(a);
	a->next_save_mono_ms = bl_mono_ms(a->clock) + 60000;
}

void
agent_clock_look(struct agent *a)
{
	const struct clockmap_now now = now_of(a);
	const struct clockmap_result r = clockmap_look(&a->clockmap, &now);

	a->next_clock_mono_ms = bl_mono_ms(a->clock) + LOOK_MS;
	if (r.stepped)
		check_floor(a);
	if (r.has_segment || r.stepped)
		apply(a, &r);
}

void
agent_clock_centre(struct agent *a, int64_t server_unix_ms, int64_t rtt_ms)
{
	const struct clockmap_now now = now_of(a);
	const struct clockmap_result r =
	    clockmap_centre(&a->clockmap, &now, server_unix_ms, rtt_ms);

	if (r.has_segment)
		apply(a, &r);
}
