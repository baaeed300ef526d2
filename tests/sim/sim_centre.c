/*
 * The collector's writer, as in ingest_write.c: groups of messages in one transaction, then
 * what is due is said.  It may die anywhere, in particular between commit and receipt.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compact.h"

#define GROUP_MESSAGES 100u
#define CENTRE_MS      (20 * SIM_MINUTE) /* between two bl/1/centre; 60 s in life */

static int64_t
mono_ms(void *ctx)
{
	const struct sim *w = ((struct sim_centre *)ctx)->w;

	return w->now - w->begin + 1000000;
}

static int64_t
unix_ms(void *ctx)
{
	return ((struct sim_centre *)ctx)->w->now;
}

static void
get_random(void *ctx, void *out, size_t len)
{
	sim_clock_random(((struct sim_centre *)ctx)->w, out, len);
}

static bool
is_synced(void *ctx)
{
	(void)ctx;
	return true;
}

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	*out = (struct ingest_device){ .part = 1 };
	return 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	return broker_centre_publish(((struct sim_centre *)ctx)->w, topic, payload, len, retained);
}

void
centre_make(struct sim *w)
{
	struct sim_centre *c = &w->centre;

	c->w = w;
	c->clock = (struct bl_clock){ c, mono_ms, mono_ms, unix_ms, get_random, is_synced };
	c->inbox_tail = &c->inbox;
	c->turn_at = -1;
	(void)snprintf(c->dir, sizeof(c->dir), "%s/centre", w->folder);
	(void)snprintf(c->path, sizeof(c->path), "%s/telemetry.db", c->dir);
	(void)mkdir(c->dir, 0700);
}

void
centre_wake(struct sim *w, int64_t in_ms)
{
	struct sim_centre *c = &w->centre;
	const int64_t at = w->now + (in_ms > 0 ? in_ms : 0);

	if (c->turn_at >= w->now && c->turn_at <= at)
		return;
	c->turn_at = at;
	sim_at(w, at, SIM_CENTRE_TURN, 0, c->life, NULL);
}

static void
forget_inbox(struct sim_centre *c)
{
	struct sim_inbox *x, *next;

	for (x = c->inbox; x != NULL; x = next) {
		next = x->next;
		free(x);
	}
	c->inbox = NULL;
	c->inbox_tail = &c->inbox;
}

/* ---- closed hours ---- */

static int
write_now(void *ctx, compact_write_fn fn, void *arg, struct bl_err *err)
{
	struct sim_centre *c = ctx;
	int rc;

	if ((rc = store_begin(c->store, err)) < 0)
		return rc;
	if ((rc = fn(c->store, arg, err)) < 0) {
		store_rollback(c->store);
		return rc;
	}
	return store_commit(c->store, err) < 0 ? err->code : rc;
}

static void
packing_open(struct sim *w, int opened)
{
	struct sim_centre *c = &w->centre;
	struct compact_opts opts = {
		.telemetry_path = c->path, .clock = &c->clock, .write = write_now, .ctx = c
	};
	struct bl_err err = { 0 };
	char folder[SIM_PATH_MAX + 16];

	(void)snprintf(folder, sizeof(folder), "%s/parts", c->dir);
	if (parts_open(&c->parts, folder, 0, &err) < 0) {
		sim_trace(w, "centre: no parts: %s", err.msg);
		return;
	}
	opts.parts = c->parts;
	if (compact_open(&c->compact, &opts, opened, &err) < 0)
		sim_trace(w, "centre: nothing is packed: %s", err.msg);
}

static void
packing_close(struct sim_centre *c)
{
	compact_close(c->compact);
	parts_close(c->parts);
	c->compact = NULL;
	c->parts = NULL;
}

/* A round of it, now and then. */
static void
pack_some(struct sim *w)
{
	struct sim_centre *c = &w->centre;
	struct compact_status before, after;
	struct bl_err err = { 0 };
	int rc;

	if (c->compact == NULL || w->now < c->pack_at || c->inbox != NULL)
		return;
	c->pack_at = w->now + w->sc.pack_ms;
	compact_status(c->compact, &before);
	while ((rc = compact_step(c->compact, &err)) == 1 && !shim_power_is_off())
		continue;
	compact_status(c->compact, &after);
	w->acts[ACT_PACK] += (unsigned)(after.parts - before.parts);
	sim_trace(w, "centre: packed rc=%d parts=%llu", rc,
	    (unsigned long long)(after.parts - before.parts));
}

static void
let_go(struct sim *w)
{
	struct sim_centre *c = &w->centre;

	c->running = false;
	packing_close(c);
	c->life++;
	broker_centre_gone(w);
	forget_inbox(c);
	ingest_core_free(c->core);
	store_close(c->store);
	c->core = NULL;
	c->store = NULL;
}

static void
start_again(struct sim *w, int64_t in_ms)
{
	sim_at(w, w->now + in_ms, SIM_CENTRE_START, 0, w->centre.life, NULL);
}

/* True: the power that was to go at an operation of its disk has gone. */
static bool
power_went(struct sim *w)
{
	struct sim_centre *c = &w->centre;

	if (w->armed != SIM_ARMED_CENTRE || !shim_power_is_off())
		return false;
	w->acts[ACT_CENTRE_CUT]++;
	sim_trace(w, "centre: power goes at %s", strrchr(shim_fired_at(), '/'));
	w->armed = 0;
	if (c->running)
		let_go(w);
	else
		c->life++;
	shim_power_cut(c->dir, w->armed_loss);
	shim_plan(NULL);
	start_again(w, sim_between(w, SIM_SECOND, 10 * SIM_MINUTE));
	return true;
}

void
centre_start(struct sim *w)
{
	struct sim_centre *c = &w->centre;
	const struct store_opts opts = { .path = c->path, .clock = &c->clock };
	struct ingest_core_opts core = { .clock = &c->clock,
		.lookup = lookup,
		.publish = publish,
		.publish_ctx = c,
		.credit_bytes_per_s = w->sc.credit != 0 ? w->sc.credit : 256 << 10 };
	struct bl_err err = { 0 };
	int opened, rc;

	c->life++;
	rc = store_open(&c->store, &opts, &err);
	sim_trace(w, "centre: starts rc=%d", rc);
	if (rc < 0) {
		if (power_went(w))
			return;
		if (w->disk_well_at <= w->now)
			sim_fail(w, "the store does not open: %s", err.msg);
		start_again(w, SIM_MINUTE);
		return;
	}
	opened = rc;
	core.store = c->store;
	rc = ingest_core_create(&c->core, &core, &err);
	assert(rc == BL_OK);
	if (w->sc.pack_ms != 0)
		packing_open(w, opened);
	c->running = true;
	c->turn_at = -1;
	c->centre_at = w->now;
	c->connected = false;
	centre_wake(w, 10);
}

void
centre_stop(struct sim *w)
{
	if (!w->centre.running)
		return;
	sim_trace(w, "centre: stops");
	let_go(w);
}

void
centre_kill(struct sim *w, enum shim_loss how, int64_t out_ms)
{
	struct sim_centre *c = &w->centre;
	const struct shim_plan now = { .kind = SHIM_CUT, .at_op = 1, .below = c->dir };

	if (!c->running)
		return;
	sim_trace(w, "centre: killed, %s", shim_loss_name(how));
	if (w->armed == SIM_ARMED_CENTRE)
		w->armed = 0;
	if (w->armed == 0)
		shim_plan(&now);
	let_go(w);
	shim_power_cut(c->dir, how);
	if (w->armed == 0)
		shim_plan(NULL);
	start_again(w, out_ms);
}

struct measured {
	struct sim *w;
	bool past;
};

static void
measure_one(void *ctx, const void *msg, size_t len)
{
	const struct measured *to = ctx;
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t body_len;

	if (bl_batch_header_decode(msg, len, &h, &body, &body_len, &err) == BL_OK)
		measure_arrived(to->w, to->past, &h, len);
}

static void
measure(struct sim *w, const char *topic, const void *payload, size_t len)
{
	struct bl_topic t;
	struct measured to = { .w = w };

	if ((w->sc.limit.live_p99_ms == 0 && w->sc.limit.jain_pct == 0) ||
	    !bl_topic_parse(topic, strlen(topic), &t))
		return;
	to.past = t.kind == BL_TOPIC_PAST;
	sim_each_batch(payload, len, measure_one, &to);
}

void
centre_arrived(struct sim *w, const char *topic, const void *payload, size_t len)
{
	struct sim_centre *c = &w->centre;
	struct sim_inbox *x = calloc(1, sizeof(*x) + len);

	assert(x != NULL);
	(void)snprintf(x->topic, sizeof(x->topic), "%s", topic);
	x->len = len;
	memcpy(x->payload, payload, len);
	*c->inbox_tail = x;
	c->inbox_tail = &x->next;
	centre_wake(w, sim_between(w, 0, 100));
	measure(w, topic, payload, len);
}

static void
die(struct sim *w)
{
	const int64_t out_ms = sim_between(w, SIM_SECOND, SIM_MINUTE);

	centre_kill(w, (enum shim_loss)sim_below(w, SHIM_LOSSES), out_ms);
}

static bool
idle_work_waits(const struct sim_centre *c)
{
	return store_placing(c->store) || store_salvaging(c->store);
}

/* 1: a group was committed; 0: there was nothing; negative: the store failed, or it died (-100). */
static int
take_group(struct sim *w)
{
	struct sim_centre *c = &w->centre;
	struct bl_err err = { 0 };
	unsigned n = 0;
	int rc = BL_OK;

	if (c->inbox == NULL && !idle_work_waits(c))
		return 0;
	rc = ingest_core_begin(c->core, &err);
	/* As the writer's thread does when nothing comes. */
	if (rc == BL_OK && c->inbox == NULL)
		rc = ingest_core_salvage(c->core, &err) < 0 ? err.code : BL_OK;
	while (rc == BL_OK && c->inbox != NULL && n++ < GROUP_MESSAGES) {
		struct sim_inbox *x = c->inbox;
		const struct ingest_msg m = { x->topic, x->payload, x->len, x->retained };

		if ((c->inbox = x->next) == NULL)
			c->inbox_tail = &c->inbox;
		rc = ingest_core_take(c->core, &m, &err);
		free(x);
	}
	if (rc < 0) {
		ingest_core_rollback(c->core);
		return rc;
	}
	if (!w->settling && sim_chance(w, c->die_before_commit)) {
		die(w);
		return -100;
	}
	return (rc = ingest_core_commit(c->core, &err)) < 0 ? rc : 1;
}

static void
look_for_broker(struct sim *w)
{
	struct sim_centre *c = &w->centre;

	if (c->connected || !w->broker.up)
		return;
	c->connected = true;
	c->centre_at = w->now;
}

void
centre_turn(struct sim *w)
{
	struct sim_centre *c = &w->centre;
	int64_t next = CENTRE_MS;
	int rc;

	c->turn_at = -1;
	look_for_broker(w);
	rc = take_group(w);
	if (rc == -100 || power_went(w))
		return;
	if (rc > 0 && !w->settling && sim_chance(w, c->die_after_commit)) {
		die(w);
		return;
	}
	if (rc < 0)
		next = SIM_SECOND;
	else
		next = ingest_core_due(c->core);
	if (rc >= 0)
		pack_some(w);
	if (power_went(w))
		return;
	if (c->connected && w->now >= c->centre_at)
		c->centre_at = w->now + (ingest_core_centre(c->core) ? CENTRE_MS : SIM_SECOND);
	if (c->inbox != NULL || (rc > 0 && idle_work_waits(c)))
		next = 1;
	if (c->connected && c->centre_at - w->now < next)
		next = c->centre_at - w->now;
	centre_wake(w, next > 0 ? next : 1);
}
