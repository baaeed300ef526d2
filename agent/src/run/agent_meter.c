/*
 * What the link carries: counted by the kernel, booked by month in the spool, held
 * against the budget of `metered`.  The budget decides (agent/src/budget); this file
 * tells it the time and what went, and passes its word to uplink and spool.
 */
#include "agent_internal.h"

#include <string.h>
#include <unistd.h>

#include "branchline/tz.h"

#include "budget.h"

/* Between handshakes when the budget is spent: a link that breaks again and again costs some
 * 4 KB each time. */
#define SPENT_FLOOR_MS 600000
#define TELL_MS        600000 /* between words to the centre about what is held */
#define BOOK_MS        60000  /* without limits: a page of the file less with each tick */

static struct budget_now
now_of(const struct agent *a)
{
	struct budget_now n = { .boot_ms = bl_boot_ms(a->clock),
		.trusted = clockmap_trusted(&a->clockmap) };

	if (n.trusted)
		n.unix_ms = n.boot_ms + a->clockmap.newest.offset_ms;
	return n;
}

/* ---- configuration ---- */

/* The name of this machine's zone, from where /etc/localtime leads; "UTC" when it does not tell. */
static void
machine_zone(char *out, size_t size)
{
	static const char mark[] = "/zoneinfo/";
	char to[256];
	const ssize_t n = readlink("/etc/localtime", to, sizeof(to) - 1);
	const char *at;

	to[n > 0 ? n : 0] = '\0';
	at = strstr(to, mark);
	(void)snprintf(out, size, "%s", at != NULL ? at + sizeof(mark) - 1 : "UTC");
}

static struct bl_tz *
load_zone(const char *configured)
{
	struct bl_err err = { 0 };
	struct bl_tz *tz;
	char name[256];

	if (configured != NULL && configured[0] != '\0')
		(void)snprintf(name, sizeof(name), "%s", configured);
	else
		machine_zone(name, sizeof(name));
	if (bl_tz_load(&tz, name, NULL, &err) == BL_OK)
		return tz;
	bl_warn("meter", "hours and months are those of UTC: %s", err.msg);
	return bl_tz_utc();
}

static void
take_class(const struct config_metered_class *from, struct budget_class *to)
{
	to->bytes_per_hour = (uint64_t)from->bytes_per_hour;
	/* Checked when it was loaded. */
	(void)budget_hours_parse(from->hours != NULL ? from->hours : "", &to->hours);
}

static struct budget_conf
conf_of(const struct config_metered *m, const struct bl_tz *tz)
{
	struct budget_conf c = { .bytes_per_hour = (uint64_t)m->bytes_per_hour,
		.window_ms = m->window_ms,
		.tz = tz,
		.keepalive_ms = AGENT_KEEPALIVE_S * 1000 };

	take_class(&m->classes.events, &c.class[BL_STREAM_EVENTS - 1]);
	take_class(&m->classes.probes, &c.class[BL_STREAM_PROBES - 1]);
	take_class(&m->classes.host, &c.class[BL_STREAM_HOST - 1]);
	return c;
}

/* ---- counting ---- */

/*
 * A message is handed over at once and may wait in the socket for minutes: its class
 * is charged with what has left only, so that classes are never more than their sum.
 */
static void
share(struct agent_meter *m)
{
	uint64_t room = m->unbooked.out_bytes;

	for (int i = 0; i < BL_STREAMS; i++)
		room -= m->unbooked.class_bytes[i];
	for (int i = 0; i < BL_STREAMS; i++) {
		const uint64_t left = m->queued_bytes[i] < room ? m->queued_bytes[i] : room;

		m->unbooked.class_bytes[i] += left;
		m->queued_bytes[i] -= left;
		room -= left;
	}
}

static void
look(struct agent *a)
{
	struct agent_meter *m = &a->meter;
	const struct budget_now now = now_of(a);
	struct bl_link_bytes at;
	uint64_t in, out;

	if (a->mqtt == NULL)
		return;
	bl_mqtt_link_bytes(a->mqtt, &at);
	in = at.in_bytes > m->seen.in_bytes ? at.in_bytes - m->seen.in_bytes : 0;
	out = at.out_bytes > m->seen.out_bytes ? at.out_bytes - m->seen.out_bytes : 0;
	m->seen = at;
	m->unbooked.in_bytes += in;
	m->unbooked.out_bytes += out;
	share(m);
	budget_carried(&m->budget, &now, in + out);
}

void
agent_meter_sent(struct agent *a, enum bl_stream stream, size_t bytes)
{
	if (stream >= BL_STREAM_EVENTS && stream <= BL_STREAM_HOST)
		a->meter.queued_bytes[stream - 1] += bytes;
}

void
agent_meter_down(struct agent *a)
{
	look(a);
	memset(a->meter.queued_bytes, 0, sizeof(a->meter.queued_bytes));
}

static uint32_t
month_of(const struct agent *a)
{
	const struct budget_now now = now_of(a);
	struct bl_civil c;

	if (!now.trusted || a->meter.tz == NULL)
		return 0;
	bl_tz_civil(a->meter.tz, now.unix_ms, &c);
	return c.year > 0 ? (uint32_t)(c.year * 12 + c.month - 1) : 0;
}

static void
book(struct agent *a)
{
	struct agent_meter *m = &a->meter;
	struct spool_usage_add *add = &m->unbooked;

	add->month = month_of(a);
	if (m->budget.metered) {
		add->hour = (struct spool_hour){ .has = true,
			.boot = m->budget.at.boot,
			.ends_boot_ms = m->budget.at.ends_boot_ms,
			.hour = m->budget.at.window,
			.used_bytes = m->budget.at.used_bytes };
		memcpy(
		    add->hour.class_bytes, m->budget.at.class_bytes, sizeof(add->hour.class_bytes));
	}
	if (spool_thread_usage(a->spool, add) != BL_OK)
		return; /* its queue is full: with the next one */
	spool_usage_book(&m->usage, add);
	memset(add, 0, sizeof(*add));
	m->book_mono_ms = bl_mono_ms(a->clock) + BOOK_MS;
}

/* ---- reconnections ---- */

static bool
spent(const struct agent *a)
{
	const struct budget *b = &a->meter.budget;

	return b->conf.bytes_per_hour > 0 && b->at.used_bytes >= budget_window_bytes(b);
}

void
agent_meter_floor(struct agent *a, uint32_t centre_floor_ms)
{
	const uint32_t least = spent(a) ? SPENT_FLOOR_MS : 0;

	a->meter.centre_floor_ms = centre_floor_ms;
	if (a->mqtt != NULL)
		bl_mqtt_set_reconnect_floor(
		    a->mqtt, centre_floor_ms > least ? centre_floor_ms : least);
}

/* ---- room ---- */

static void
hold(struct agent *a, uint8_t held)
{
	const int64_t now = bl_mono_ms(a->clock);

	if (held == a->meter.held || spool_thread_hold(a->spool, held) != BL_OK)
		return;
	a->meter.held = held;
	/* The centre is to know why it hears nothing; but a word costs, too. */
	if (now < a->meter.tell_mono_ms)
		return;
	a->meter.tell_mono_ms = now + TELL_MS;
	agent_report_want(a);
}

static void
room(void *ctx, uint64_t under_way, struct uplink_room *out)
{
	struct agent *a = ctx;
	struct agent_meter *m = &a->meter;
	struct budget_now now;
	struct budget_room r;

	look(a);
	now = now_of(a);
	budget_room(&m->budget, &now, under_way, &r);
	hold(a, r.held);
	memcpy(out->live, r.live, sizeof(out->live));
	memcpy(out->past, r.past, sizeof(out->past));
	out->frame_bytes = BUDGET_FRAME_BYTES;
	out->max_packet = budget_packet(&m->budget);
	out->again_mono_ms = r.again_boot_ms == BUDGET_NEVER
				 ? INT64_MAX
				 : bl_mono_ms(a->clock) + (r.again_boot_ms - now.boot_ms);
}

static void
charge(void *ctx, enum bl_stream stream, size_t bytes, bool shares, bool went)
{
	struct agent *a = ctx;
	const struct budget_now now = now_of(a);

	if (went)
		budget_sent(&a->meter.budget, &now, stream, bytes, shares);
	else
		budget_unsent(&a->meter.budget, &now, stream, bytes, shares);
}

static void
meter_delivery(struct agent *a)
{
	if (a->meter.budget.metered)
		delivery_meter(a->delivery, room, charge, a);
	else
		delivery_meter(a->delivery, NULL, NULL, NULL);
}

/* ---- life ---- */

int
agent_meter_init(struct agent *a, struct bl_err *err)
{
	const struct budget_now now = now_of(a);
	struct budget_conf c;

	if ((a->meter.tz = load_zone(a->config->v->metered.zone)) == NULL)
		return bl_fail(err, BL_ENOMEM, "start: out of memory");
	c = conf_of(&a->config->v->metered, a->meter.tz);
	budget_init(&a->meter.budget, &c, &a->boot, &now);
	meter_delivery(a);
	return BL_OK;
}

void
agent_meter_reload(struct agent *a)
{
	const struct budget_now now = now_of(a);
	struct bl_tz *tz = load_zone(a->config->v->metered.zone), *old = a->meter.tz;
	struct budget_conf c;

	if (tz == NULL) {
		bl_error("meter", "the limits of the link stay what they were: out of memory");
		return;
	}
	a->meter.tz = tz;
	c = conf_of(&a->config->v->metered, tz);
	budget_change(&a->meter.budget, &c, &now);
	bl_tz_free(old);
	if (!a->meter.budget.metered)
		hold(a, 0);
	meter_delivery(a);
	agent_report_want(a);
}

void
agent_meter_free(struct agent *a)
{
	bl_tz_free(a->meter.tz);
	a->meter.tz = NULL;
}

void
agent_meter_restored(struct agent *a, const struct spool_usage *u)
{
	struct agent_meter *m = &a->meter;
	const struct budget_now now = now_of(a);
	struct budget_saved s;

	if (m->restored)
		return;
	m->restored = true;
	m->usage = *u;
	if (!u->hour.has)
		return;
	s = (struct budget_saved){ .boot = u->hour.boot,
		.ends_boot_ms = u->hour.ends_boot_ms,
		.window = u->hour.hour,
		.used_bytes = u->hour.used_bytes };
	memcpy(s.class_bytes, u->hour.class_bytes, sizeof(s.class_bytes));
	budget_restore(&m->budget, &s, &now);
}

void
agent_meter_tick(struct agent *a)
{
	struct agent_meter *m = &a->meter;
	const struct budget_now now = now_of(a);
	struct budget_room r;

	look(a);
	/* What earlier processes spent is added to, not forgotten. */
	if (!m->restored)
		return;
	budget_room(&m->budget, &now, 0, &r);
	hold(a, r.held);
	agent_meter_floor(a, m->centre_floor_ms);
	if (m->budget.metered || bl_mono_ms(a->clock) >= m->book_mono_ms)
		book(a);
}

void
agent_meter_end(struct agent *a)
{
	look(a);
	if (a->meter.restored && a->spool != NULL)
		book(a);
}

/* ---- for people ---- */

void
agent_meter_say(const struct agent *a, struct agent_meter_state *out)
{
	const struct agent_meter *m = &a->meter;
	const struct budget_now now = now_of(a);
	struct spool_usage_add unbooked = m->unbooked;
	struct budget b = m->budget;
	struct budget_room r;

	budget_room(&b, &now, 0, &r);
	*out = (struct agent_meter_state){ .metered = b.metered,
		.window_bytes = budget_window_bytes(&b),
		.window_ms = b.conf.window_ms,
		.used_bytes = b.at.used_bytes,
		.ends_in_ms = b.at.ends_boot_ms - now.boot_ms,
		.held = r.held,
		.zone = bl_tz_name(m->tz),
		.opens_in_ms = BUDGET_NEVER };
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const int64_t at = budget_opens(&b, &now, (enum bl_stream)(i + 1));

		out->class_bytes[i] = b.at.class_bytes[i];
		out->class_opens_in_ms[i] = -1;
		if ((r.held >> i & 1) == 0 || at == BUDGET_NEVER)
			continue;
		out->class_opens_in_ms[i] = at - now.boot_ms;
		if (at - now.boot_ms < out->opens_in_ms)
			out->opens_in_ms = at - now.boot_ms;
	}
	/* As in the file, with what is on its way there. */
	out->usage = m->usage;
	unbooked.month = month_of(a);
	spool_usage_book(&out->usage, &unbooked);
}

void
agent_meter_report(const struct agent *a, struct bl_report *r)
{
	struct agent_meter_state s;
	const struct bl_report_month *from;

	agent_meter_say(a, &s);
	from = s.usage.month;
	if (s.usage.n > 0 && from->month == 0) {
		from++;
		s.usage.n--;
	}
	memcpy(r->month, from, s.usage.n * sizeof(*from));
	r->n_months = s.usage.n;
	if (!s.metered)
		return;
	r->budget = (struct bl_report_budget){ .has = true,
		.bytes_per_hour = (uint64_t)a->config->v->metered.bytes_per_hour,
		.used_bytes = s.used_bytes,
		.held = s.held,
		.opens_in_ms = s.opens_in_ms == BUDGET_NEVER ? 0 : (uint64_t)s.opens_in_ms };
}
