/*
 * A machine with an agent: sampling like agent_tick.c, and the real spool thread and
 * delivery, turned by hand.
 *
 * Time goes from one thing that happens to the next, so a tick may be minutes long and
 * the thread gets a turn when something was posted, or a tick came.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EVENT_ATTRS 3u
#define EVENT_FAT   900u /* bytes of each text of a fat event */

/* ---- what delivery wants ---- */

static void
note_sent(void *ctx, const void *msg, size_t len)
{
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t body_len;

	if (bl_batch_header_decode(msg, len, &h, &body, &body_len, &err) == BL_OK)
		sim_note_sent(ctx, &h);
}

static int
do_publish(void *ctx, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token)
{
	struct sim_machine *m = ctx;
	struct sim *w = m->w;

	if (m->crashing)
		return BL_ENET;
	sim_trace_bytes(w, msg->data, msg->len);
	if (kind == BL_TOPIC_LIVE || kind == BL_TOPIC_PAST)
		sim_each_batch(msg->data, msg->len, note_sent, w);
	w->bundles += bl_msg_type(msg->data, msg->len) == BL_MSG_BUNDLE;
	w->packs += bl_msg_type(msg->data, msg->len) == BL_MSG_PACK;
	return broker_publish(m, kind, msg, token);
}

static void
do_drop(void *ctx, const char *why)
{
	struct sim_machine *m = ctx;

	(void)why;
	/* Like bl_mqtt_drop: the loss is told later, not from in here. */
	m->out_until = m->w->now;
	m->drop_wanted = true;
}

static void
do_time(void *ctx, int64_t server_unix_ms, int64_t rtt_ms)
{
	machine_centre_time(ctx, server_unix_ms, rtt_ms);
}

static void
do_hello(void *ctx, struct bl_hello *hello, uint64_t connections)
{
	(void)ctx;
	(void)hello;
	(void)connections;
}

static void
do_answered(void *ctx)
{
	(void)ctx;
}

/* ---- what the spool says ---- */

static void
on_event_done(void *ctx, uint64_t token, int rc)
{
	struct sim_machine *m = ctx;
	struct sim_source *src = &m->source[0];

	if (token > src->n)
		return;
	if (rc >= 0 && src->s[token].state == SIM_MADE)
		src->s[token].state = SIM_ACCEPTED;
	if (rc < 0)
		src->s[token].state = SIM_REFUSED;
}

static void
on_replaced(void *ctx, const char *why)
{
	struct sim_machine *m = ctx;

	(void)why;
	m->replaced++;
	if (m->running)
		machine_map_tell_again(m);
	sim_trace(m->w, "machine %u: spool replaced", m->no);
	/* What was damaged in it was noted then; what came into it since may be gone with it. */
	if (m->deleted) {
		m->deleted = false;
		return;
	}
	if (m->damaged_at == 0 && m->w->acts[ACT_RENAME] > 0)
		return; /* it is kept, as another device's */
	if (m->damaged_at == 0)
		m->w->given_up = m->no + 1;
	else
		sim_erase(m->w, m->no, m->damaged_at, m->w->now);
	m->damaged_at = 0;
}

static void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	(void)token;
	((struct sim_machine *)ctx)->status = *st;
}

/* ---- a process ---- */

static int32_t
declare(struct sim_machine *m, enum bl_stream stream, struct bl_str what, unsigned k)
{
	char label[2] = { (char)('a' + k), '\0' };
	struct bl_series_def def = { .stream = stream,
		.kind = BL_GAUGE,
		.interval_ms = (uint32_t)m->tick_ms,
		.name = { "sim", 3 },
		.unit = { "1", 1 },
		.n_labels = 2 };

	def.label[0].key = (struct bl_str){ "k", 1 };
	def.label[0].value = (struct bl_str){ label, 1 };
	def.label[1].key = (struct bl_str){ "s", 1 };
	def.label[1].value = what;
	return spool_thread_series(m->spool, &def);
}

static void
turn_soon(struct sim_machine *m, int64_t in_ms)
{
	const int64_t at = m->w->now + in_ms;

	if (m->turn_at >= m->w->now && m->turn_at <= at)
		return;
	m->turn_at = at;
	sim_at(m->w, at, SIM_TURN, m->no, m->life, NULL);
}

/* Its disk did not let it: power that goes while it starts, or a fault. */
static void
not_started(struct sim_machine *m, const struct bl_err *err)
{
	struct sim *w = m->w;

	m->life++;
	if (w->armed == m->no + 1 && shim_power_is_off()) {
		w->acts[ACT_CUT]++;
		sim_trace(w, "machine %u: power goes at its start", m->no);
		w->armed = 0;
		shim_power_cut(m->dir, w->armed_loss);
		shim_plan(NULL);
		machine_boot(m);
	} else if (w->disk_well_at <= w->now) {
		sim_fail(w, "machine %u does not start: %s", m->no, err->msg);
	}
	sim_at(w, w->now + sim_between(w, SIM_SECOND, SIM_MINUTE), SIM_START, m->no, m->life, NULL);
}

void
machine_start(struct sim_machine *m)
{
	struct sim *w = m->w;
	const struct delivery_out out = { .ctx = m,
		.publish = do_publish,
		.drop = do_drop,
		.time = do_time,
		.hello = do_hello,
		.answered = do_answered };
	const struct spool_calls own = {
		.ctx = m, .event_done = on_event_done, .status = on_status, .replaced = on_replaced
	};
	const struct spool_thread_opts opts = { .spool = { .path = m->path,
						    .device = m->device,
						    .max_bytes = w->sc.max_bytes,
						    .keep_receipted_ms = w->sc.keep_receipted_ms,
						    .group_ms = m->group_ms,
						    .boot = m->boot,
						    .clock = &m->clock,
						    .software = "sim" } };
	const struct bl_str probe = { "probe", 5 }, host = { "host", 4 }, slow = { "slow", 4 };
	struct spool_calls calls;
	struct bl_err err = { 0 };
	int opened = 0, rc;

	m->life++;
	m->crashing = false;
	rc = delivery_create(&m->delivery, &m->clock, sim_random(w), &out, &err);
	assert(rc == BL_OK);
	delivery_calls(m->delivery, &own, &calls);
	rc = spool_thread_open(&m->spool, &opts, &calls, &opened, &err);
	sim_trace(w, "machine %u: starts rc=%d opened=%d", m->no, rc, opened);
	if (rc < 0) {
		delivery_free(m->delivery);
		m->delivery = NULL;
		not_started(m, &err);
		return;
	}
	if (opened == SPOOL_REPLACED)
		on_replaced(m, err.msg);
	delivery_spool(m->delivery, m->spool);
	machine_map_begins(m);
	m->running = true;
	m->up = m->was_up = false;
	m->deadline_at = m->turn_at = -1;
	m->drop_wanted = false;
	m->last_tick_boot_ms = machine_boot_ms(m);
	m->probe_from_ms = INT64_MAX;
	for (unsigned i = 1; i < BL_STREAMS; i++)
		for (unsigned k = 0; k < SIM_SERIES; k++)
			m->handle[i][k] =
			    declare(m, (enum bl_stream)(i + 1), i == 1 ? probe : host, k);
	for (unsigned k = 0; k < SIM_SERIES && w->sc.probe_ms != 0; k++)
		m->slow[k] = declare(m, BL_STREAM_PROBES, slow, k);
	sim_at(w, w->now + sim_between(w, 100, m->tick_ms), SIM_TICK, m->no, m->life, NULL);
	sim_at(w, w->now + sim_between(w, 100, 20000), SIM_CONNECT, m->no, m->life, NULL);
	machine_after(m);
}

static void
end_process(struct sim_machine *m)
{
	m->crashing = true;
	if (m->up)
		sim_trace(m->w, "machine %u: gone", m->no);
	m->up = false;
	m->running = false;
	m->unacked = 0;
	spool_thread_stop(m->spool);
	m->spool = NULL;
	delivery_free(m->delivery);
	m->delivery = NULL;
	m->life++;
	m->crashing = false;
}

/* What was made and is not known to be on the disk: nobody was promised it. */
static void
forget_unsafe(struct sim_machine *m)
{
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		m->w->acts[ACT_UNSAFE] += m->source[i].unsafe <= m->source[i].n;
		m->source[i].unsafe = m->source[i].n + 1;
	}
}

static void
note_safe(struct sim_machine *m)
{
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		struct sim_source *src = &m->source[i];

		for (; src->unsafe <= src->n; src->unsafe++)
			if (src->s[src->unsafe].state == SIM_MADE)
				src->s[src->unsafe].state = SIM_ACCEPTED;
	}
}

void
machine_stop(struct sim_machine *m)
{
	if (!m->running)
		return;
	(void)spool_thread_turn(m->spool);
	(void)spool_thread_commit(m->spool, machine_boot_ms(m));
	(void)spool_thread_turn(m->spool);
	if (spool_thread_unsafe(m->spool) == 0)
		note_safe(m);
	machine_after(m);
	if (!m->running)
		return; /* the power went meanwhile */
	end_process(m);
	forget_unsafe(m);
}

void
machine_kill(struct sim_machine *m, enum shim_loss how)
{
	const struct shim_plan now = { .kind = SHIM_CUT, .at_op = 1, .below = m->dir };
	struct sim *w = m->w;

	if (!m->running)
		return;
	sim_trace(w, "machine %u: killed, %s", m->no, shim_loss_name(how));
	if (w->armed == m->no + 1)
		w->armed = 0;
	if (w->armed == 0)
		shim_plan(&now);
	m->crashing = true;
	end_process(m);
	shim_power_cut(m->dir, how);
	if (w->armed == 0)
		shim_plan(NULL);
	forget_unsafe(m);
}

static void
look_at_deadline(struct sim_machine *m)
{
	struct sim *w = m->w;
	const int64_t deadline = delivery_deadline(m->delivery);
	int64_t at;

	if (deadline == INT64_MAX)
		return;
	at = machine_true_at(m, deadline);
	if (at < w->now)
		at = w->now;
	if (m->deadline_at > w->now && m->deadline_at <= at)
		return;
	m->deadline_at = at;
	sim_at(w, at, SIM_DEADLINE, m->no, m->life, NULL);
}

void
machine_after(struct sim_machine *m)
{
	struct sim *w = m->w;

	if (!m->running)
		return;
	if (w->armed == m->no + 1 && shim_power_is_off()) {
		w->acts[ACT_CUT]++;
		sim_trace(w, "machine %u: power goes at %s", m->no, strrchr(shim_fired_at(), '/'));
		w->armed = 0;
		end_process(m);
		shim_power_cut(m->dir, w->armed_loss);
		shim_plan(NULL);
		forget_unsafe(m);
		if (w->armed_loss != SHIM_LOSE_NONE || sim_chance(w, 300))
			machine_boot(m);
		sim_at(w, w->now + sim_between(w, SIM_SECOND, 20 * SIM_MINUTE), SIM_START, m->no,
		    m->life, NULL);
		return;
	}
	if (m->drop_wanted) {
		m->drop_wanted = false;
		if (m->up) {
			broker_disconnect(m, sim_between(w, SIM_SECOND, SIM_MINUTE));
			return;
		}
	}
	if (!spool_thread_idle(m->spool))
		turn_soon(m, sim_between(w, 0, 3));
	look_at_deadline(m);
}

void
machine_deadline(struct sim_machine *m)
{
	m->deadline_at = -1;
	delivery_tick(m->delivery);
	machine_after(m);
}

void
machine_turn(struct sim_machine *m)
{
	struct sim *w = m->w;
	int64_t due;

	m->turn_at = -1;
	due = spool_thread_turn(m->spool);
	if (spool_thread_unsafe(m->spool) == 0)
		note_safe(m);
	spool_thread_dispatch(m->spool);
	/* A commit that is tried again; a step's batch that is cut soon, now and then. */
	if (w->sc.limit.live_p99_ms != 0 && due > 0 && due <= SIM_MINUTE)
		turn_soon(m, due); /* cuts are on time */
	else if (due <= 5000 && (spool_thread_unsafe(m->spool) > 0 || sim_chance(w, 300)))
		turn_soon(m, due + sim_between(w, 1, 50));
	machine_after(m);
}

/* ---- sampling ---- */

/* The next number of a stream, of that time. */
static unsigned
make(struct sim_machine *m, unsigned i, int64_t boot_ms)
{
	struct sim_source *src = &m->source[i];

	if (src->n + 2 >= src->size) {
		src->size = src->size * 2 + 256;
		src->s = realloc(src->s, src->size * sizeof(*src->s));
		assert(src->s != NULL);
	}
	src->n++;
	memset(&src->s[src->n], 0, sizeof(src->s[0]));
	src->s[src->n].at = machine_true_at(m, boot_ms);
	src->s[src->n].came = m->w->now;
	src->s[src->n].state = SIM_MADE;
	return src->n;
}

static void
sample(
    struct sim_machine *m, enum bl_stream stream, const int32_t handle[SIM_SERIES], int64_t boot_ms)
{
	const unsigned i = (unsigned)stream - 1, n = make(m, i, boot_ms);
	struct spool_thread_sample s[SIM_SERIES];

	for (unsigned k = 0; k < SIM_SERIES; k++)
		s[k] = (struct spool_thread_sample){ handle[k], BL_KNOWN,
			sim_value(m->no, k + 4 * i, n) };
	if (spool_thread_append(m->spool, stream, boot_ms, s, SIM_SERIES) < 0)
		m->source[i].s[n].state = SIM_REFUSED; /* named as overload */
}

static void
happen(struct sim_machine *m)
{
	struct sim *w = m->w;
	const unsigned n = make(m, 0, machine_boot_ms(m));
	const bool waits = sim_chance(w, 200);
	char text[EVENT_ATTRS][EVENT_FAT];
	struct bl_event ev = {
		.boot_ms = machine_boot_ms(m), .type = { "sim.event", 9 }, .n_attrs = 1
	};

	ev.attr[0].key = (struct bl_str){ "a", 1 };
	ev.attr[0].type = BL_ATTR_NUMBER;
	ev.attr[0].number = sim_value(m->no, 0, n);
	for (unsigned i = 0; w->sc.fat && i < EVENT_ATTRS; i++) {
		struct bl_attr *a = &ev.attr[ev.n_attrs++];
		static const char keys[] = "bcdefgh";

		for (unsigned k = 0; k < EVENT_FAT; k++)
			text[i][k] = (char)('!' + sim_below(w, 90));
		a->key = (struct bl_str){ &keys[i], 1 };
		a->type = BL_ATTR_TEXT;
		a->text = (struct bl_str){ text[i], EVENT_FAT };
	}
	if (spool_thread_event(m->spool, &ev, waits ? n : 0) < 0)
		m->source[0].s[n].state = SIM_REFUSED;
}

/* As in agent_tick.c: the time in which nobody sampled. */
static void
name_missed(struct sim_machine *m, int64_t from, int64_t to)
{
	struct bl_gap gap = { .reason = BL_GAP_OFF,
		.begin_boot = m->boot,
		.begin_boot_ms = from,
		.end_boot = m->boot,
		.end_boot_ms = to };

	for (int i = BL_STREAM_PROBES; i <= BL_STREAM_HOST; i++) {
		gap.stream = (enum bl_stream)i;
		(void)spool_thread_gap(m->spool, &gap);
	}
}

static int64_t
tick_length(const struct sim_machine *m)
{
	const struct sim_scenario *sc = &m->w->sc;

	if (sc->tick_after_ms != 0 && m->w->now >= m->w->begin + SIM_OFFLINE_AT + sc->offline_ms)
		return sc->tick_after_ms;
	return m->tick_ms;
}

/* A probe that lasts for ticks: its result has the time at which it began. */
static void
slow_probe(struct sim_machine *m, int64_t now)
{
	struct sim *w = m->w;

	if (w->sc.probe_ms == 0)
		return;
	if (m->probe_from_ms != INT64_MAX && now >= m->probe_to_ms) {
		sample(m, BL_STREAM_PROBES, m->slow, m->probe_from_ms + 1);
		w->acts[ACT_SLOW]++;
		m->probe_from_ms = INT64_MAX;
	} else if (m->probe_from_ms == INT64_MAX && sim_chance(w, 150)) {
		m->probe_from_ms = now;
		m->probe_to_ms = now + sim_between(w, SIM_SECOND, w->sc.probe_ms);
	}
}

void
machine_tick(struct sim_machine *m)
{
	struct sim *w = m->w;
	const int64_t now = machine_boot_ms(m);
	const unsigned events =
	    m->group_ms != 0 ? 40 : 400; /* each is committed at once, and what waits with it */
	int64_t probes_from_ms = m->probe_from_ms; /* before its result */

	machine_look_at_clock(m);
	if (now - m->last_tick_boot_ms >= 2 * m->tick_ms + 1000)
		name_missed(m, m->last_tick_boot_ms, now - m->tick_ms);
	m->last_tick_boot_ms = now;
	if (!w->settling) {
		if (sim_chance(w, 600))
			sample(m, BL_STREAM_PROBES, m->handle[1], now);
		for (unsigned n = sim_chance(w, events) ? (unsigned)sim_below(w, w->sc.fat ? 8 : 3)
							: 0;
		     n > 0; n--)
			happen(m);
		sample(m, BL_STREAM_HOST, m->handle[2], now);
	}
	if (!w->settling || m->probe_from_ms != INT64_MAX)
		slow_probe(m, now);
	if (probes_from_ms > m->probe_from_ms)
		probes_from_ms = m->probe_from_ms;
	(void)spool_thread_commit_probes(m->spool, now, probes_from_ms);
	turn_soon(m, sim_chance(w, 30) ? sim_between(w, 100, 20000) : sim_between(w, 0, 20));
	sim_at(w, w->now + tick_length(m) + sim_between(w, 0, 500), SIM_TICK, m->no, m->life, NULL);
	machine_after(m);
}

/* ---- life ---- */

void
machine_make(struct sim *w, const char *device, const char *copy_of)
{
	char name[sizeof(((struct sim_machine *)NULL)->device)], from[SIM_PATH_MAX];
	char dir[SIM_PATH_MAX];
	struct sim_machine *m;

	(void)snprintf(name, sizeof(name), "%s", device); /* they may be another machine's */
	(void)snprintf(from, sizeof(from), "%s", copy_of != NULL ? copy_of : "");
	if (w->n_machines == SIM_MACHINES_MAX) {
		sim_fail(w, "too many machines");
		return;
	}
	m = &w->machine[w->n_machines];
	memset(m, 0, sizeof(*m));
	m->w = w;
	m->no = w->n_machines++;
	machine_clock_make(m);
	(void)snprintf(m->device, sizeof(m->device), "%s", name);
	(void)snprintf(dir, sizeof(dir), "%s/m%02u", w->folder, m->no);
	memcpy(m->dir, dir, sizeof(m->dir));
	(void)snprintf(m->path, sizeof(m->path), "%s/spool.db", dir);
	(void)mkdir(m->dir, 0700);
	if (from[0] != '\0')
		sim_copy_files(from, m->dir, "spool.db");
	m->tick_ms =
	    w->sc.tick_ms != 0 ? w->sc.tick_ms : sim_between(w, SIM_MINUTE, 8 * SIM_MINUTE);
	if (w->sc.group_ms != 0)
		m->group_ms = sim_between(w, 2 * SIM_MINUTE, w->sc.group_ms);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		m->source[i].unsafe = 1;
	machine_boot(m);
	m->life++;
	sim_at(w, w->now + sim_between(w, 0, 5 * SIM_MINUTE), SIM_START, m->no, m->life, NULL);
}

bool
machine_refused(const struct sim_machine *m)
{
	struct uplink_status st;

	if (m->delivery == NULL)
		return false;
	delivery_status(m->delivery, &st);
	return st.state == UPLINK_REFUSED;
}

bool
machine_quiet(struct sim_machine *m)
{
	uint64_t waiting = 0;

	if (!m->running)
		return false;
	if (machine_refused(m))
		return true;
	if (!m->up)
		return false;
	m->status.spool_valid = false;
	(void)spool_thread_status(m->spool, 1);
	(void)spool_thread_turn(m->spool);
	spool_thread_dispatch(m->spool);
	machine_after(m);
	if (!m->running || !m->status.spool_valid)
		return false;
	if (m->group_ms != 0)
		waiting += spool_thread_unsafe(m->spool);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		waiting += m->status.spool.stream[i].waiting_batches +
			   m->status.spool.stream[i].open_samples;
	return waiting == 0;
}

void
machine_free(struct sim_machine *m)
{
	if (m->running) {
		end_process(m);
		m->running = false;
	}
	for (unsigned i = 0; i < BL_STREAMS; i++)
		free(m->source[i].s);
}
