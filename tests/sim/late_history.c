/*
 * The history: what each device saw, as functions of time; and batches of it.
 *
 * Host: cpu_used_pct (every minute), a counter that falls back when the machine starts anew.
 * Probes: probe_up of "orders-api", every 30 s, with breaches of some minutes.
 * Events: an order process of three steps, some orders too slow, some never done.
 */
#include "late.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const zones[] = { "Europe/Berlin", "Asia/Shanghai", "America/New_York",
	"Asia/Kolkata", "Australia/Lord_Howe", "UTC", "Europe/London", "Asia/Kathmandu" };

uint64_t
late_random(uint64_t *state)
{
	/* SplitMix64 (Steele, Lea, Flood 2014). */
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t
mix(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t state = a * 0x100000001b3u ^ b << 20 ^ c;

	return late_random(&state);
}

const char *
late_zone(unsigned site)
{
	return zones[site % (sizeof(zones) / sizeof(zones[0]))];
}

void
late_site_id(unsigned site, char out[32])
{
	(void)snprintf(out, 32, "site-%02u", site);
}

static struct bl_id
id_of(unsigned kind, unsigned number)
{
	struct bl_id id;

	for (size_t i = 0; i < sizeof(id.b); i += 8) {
		const uint64_t v = mix(kind, number, i + 1);

		memcpy(&id.b[i], &v, 8);
	}
	return id;
}

static void
add_device(struct late_history *h, unsigned site, bool orders)
{
	struct late_device *d = &h->device[h->n_devices];

	*d = (struct late_device){ .site = site, .number = h->n_devices, .orders = orders };
	h->n_devices++;
	(void)snprintf(d->id, sizeof(d->id), "site-%02u-%s", site, orders ? "till" : "gate");
	d->spool = id_of(1, d->number);
	d->boot[0] = id_of(2, d->number);
	d->boot[1] = id_of(3, d->number);
	d->off_begin_ms = d->off_end_ms = h->length_ms;
	if (d->number % 5 == 2) { /* off for some minutes once */
		d->off_begin_ms = (int64_t)(mix(7, d->number, 0) % 20 + 4) * 3600000 + 1234;
		d->off_end_ms = d->off_begin_ms + 7 * LATE_MINUTE + 500;
	}
	d->boot_offset_ms[0] = h->start_unix_ms - 1000000 - (int64_t)d->number;
	d->boot_offset_ms[1] = h->start_unix_ms + d->off_end_ms - 20000;
}

void
late_history_make(struct late_history *h, const struct late_opts *o)
{
	*h = (struct late_history){ .sites = o->sites,
		.start_unix_ms = o->start_unix_ms,
		.length_ms = (int64_t)o->days * 86400000 };
	h->device = calloc((size_t)o->sites * 2, sizeof(*h->device));
	assert(h->device != NULL);
	for (unsigned s = 0; s < o->sites; s++) {
		add_device(h, s, true);
		if (s % 3 == 1) /* a second device: the site's windows wait for both */
			add_device(h, s, false);
	}
}

void
late_history_free(struct late_history *h)
{
	free(h->device);
}

/* ---- what was seen ---- */

static unsigned
boot_of(const struct late_device *d, int64_t at_ms)
{
	return at_ms >= d->off_end_ms && d->off_end_ms > d->off_begin_ms;
}

static int64_t
boot_ms(const struct late_history *h, const struct late_device *d, unsigned boot, int64_t at_ms)
{
	return h->start_unix_ms + at_ms - d->boot_offset_ms[boot];
}

static double
cpu(const struct late_device *d, int64_t at_ms)
{
	const int64_t minute = at_ms / LATE_MINUTE;
	const bool busy = mix(11, d->number, (uint64_t)(minute / 47)) % 9 == 0;

	return (double)(mix(12, d->number, (uint64_t)minute) % 4000) / 100 + (busy ? 55.3 : 10.1);
}

static double
counter(const struct late_history *h, const struct late_device *d, int64_t at_ms)
{
	/* Since the boot, so that it begins anew after the machine was off. */
	return (double)(boot_ms(h, d, boot_of(d, at_ms), at_ms) / 1000 * (17 + d->number % 5));
}

/* Some minutes long, some too short to count. */
static bool
probe_up(const struct late_device *d, int64_t at_ms)
{
	const int64_t slot = at_ms / (11 * LATE_MINUTE);
	const uint64_t r = mix(13, d->site, (uint64_t)slot);
	const int64_t into = at_ms % (11 * LATE_MINUTE) / LATE_MINUTE;

	if (r % 10 != 0)
		return true;
	return into >= (int64_t)(r / 10 % 10) + 1;
}

/* ---- orders ---- */

struct order {
	int64_t begin_ms;
	int64_t step_end_ms[3];
	bool never; /* shipping never ends */
};

static const char *const steps[3] = { "review", "picking", "shipping" };

#define ORDER_EVERY_MS (17 * LATE_MINUTE)

static void
order_of(const struct late_device *d, int64_t n, struct order *o)
{
	const uint64_t r = mix(21, d->number, (uint64_t)n);
	int64_t at = n * ORDER_EVERY_MS + (int64_t)(r % 600000);

	o->begin_ms = at;
	for (unsigned i = 0; i < 3; i++) {
		const uint64_t q = mix(22 + i, d->number, (uint64_t)n);

		at += (int64_t)(q % (14 * LATE_MINUTE)) + 1000;
		if (r % 13 == 0 && i == 1)
			at += 50 * LATE_MINUTE;
		o->step_end_ms[i] = at;
	}
	o->never = r % 29 == 0;
}

#define TOLD_LATE_MOST_MS  (3 * (int64_t)3600000)
#define VALUE_LATE_MOST_MS ((int64_t)3600000)

/* When it is told: an order in seven is reported afterwards, by a program that was closed or cut
 * off. */
static int64_t
told_ms(const struct late_device *d, int64_t n, int64_t at_ms)
{
	const uint64_t r = mix(41, d->number, (uint64_t)n);

	return r % 7 == 0 ? at_ms + (int64_t)(r / 7 % TOLD_LATE_MOST_MS) : at_ms;
}

struct event_sink {
	struct bl_batch_enc *e;
	const struct late_history *h;
	const struct late_device *d;
	int64_t begin_ms, end_ms;
};

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static void
put_event(const struct event_sink *k, int64_t at_ms, const char *type, const char *step, int64_t n)
{
	const int64_t told = told_ms(k->d, n, at_ms);
	struct bl_event ev = { .type = str(type) };
	char order[32];
	int rc;

	if (told < k->begin_ms || told >= k->end_ms)
		return;
	(void)snprintf(order, sizeof(order), "%u-%lld", k->d->number, (long long)n);
	/* In the boot that tells of it, which it may lie before. */
	ev.boot_ms = boot_ms(k->h, k->d, boot_of(k->d, k->begin_ms), at_ms);
	ev.attr[ev.n_attrs++] =
	    (struct bl_attr){ .key = str("process"), .type = BL_ATTR_TEXT, .text = str("order") };
	ev.attr[ev.n_attrs++] =
	    (struct bl_attr){ .key = str("case"), .type = BL_ATTR_TEXT, .text = str(order) };
	if (step != NULL)
		ev.attr[ev.n_attrs++] =
		    (struct bl_attr){ .key = str("step"), .type = BL_ATTR_TEXT, .text = str(step) };
	if (step == NULL)
		ev.attr[ev.n_attrs++] = (struct bl_attr){
			.key = str("status"), .type = BL_ATTR_TEXT, .text = str("completed")
		};
	ev.attr[ev.n_attrs++] = (struct bl_attr){
		.key = str("amount"), .type = BL_ATTR_NUMBER, .number = (double)(n % 900) + 0.25
	};
	rc = bl_batch_enc_event(k->e, &ev);
	assert(rc == BL_OK);
	(void)rc;
}

static void
put_order(const struct event_sink *k, int64_t n)
{
	struct order o;
	int64_t at;

	order_of(k->d, n, &o);
	at = o.begin_ms;
	for (unsigned i = 0; i < 3; i++) {
		put_event(k, at, "step.begin", steps[i], n);
		if (i == 2 && o.never)
			return;
		put_event(k, o.step_end_ms[i], "step.end", steps[i], n);
		at = o.step_end_ms[i];
	}
	put_event(k, at, "step.event", NULL, n);
}

/* ---- batches ---- */

/* One value in forty is told up to an hour after, behind newer ones of its series. */
static int64_t
value_told_ms(const struct late_device *d, int64_t at_ms)
{
	const uint64_t r = mix(43, d->number, (uint64_t)at_ms);

	return r % 40 == 0 ? at_ms + (int64_t)(r / 40 % VALUE_LATE_MOST_MS) : at_ms;
}

static int
put_reported(const struct event_sink *k)
{
	int rc = BL_OK;

	for (int64_t at = (k->begin_ms - VALUE_LATE_MOST_MS) / LATE_MINUTE * LATE_MINUTE;
	     at < k->end_ms; at += LATE_MINUTE) {
		const int64_t told = value_told_ms(k->d, at);

		/* In the boot that tells of it.  One reading in fifty failed. */
		if (at >= 0 && told >= k->begin_ms && told < k->end_ms)
			rc |= bl_batch_enc_sample(k->e, 1,
			    boot_ms(k->h, k->d, boot_of(k->d, k->begin_ms), at), cpu(k->d, at),
			    mix(31, k->d->number, (uint64_t)at) % 50 == 0 ? BL_UNKNOWN_UNREADABLE
									  : BL_KNOWN);
	}
	return rc;
}

static void
put_samples(const struct event_sink *k, enum bl_stream stream)
{
	const int64_t every = stream == BL_STREAM_HOST ? LATE_MINUTE : 30000;
	int rc = BL_OK;

	for (int64_t at = (k->begin_ms + every - 1) / every * every; at < k->end_ms; at += every) {
		const int64_t b = boot_ms(k->h, k->d, boot_of(k->d, at), at);

		if (stream == BL_STREAM_PROBES)
			rc |= bl_batch_enc_sample(k->e, 3, b, probe_up(k->d, at), BL_KNOWN);
		if (stream != BL_STREAM_HOST)
			continue;
		rc |= bl_batch_enc_sample(k->e, 2, b, counter(k->h, k->d, at), BL_KNOWN);
	}
	if (stream == BL_STREAM_HOST)
		rc |= put_reported(k);
	assert(rc == BL_OK);
}

static void
put_gap(const struct late_history *h, const struct late_device *d, struct bl_batch_enc *e)
{
	for (int i = 1; i <= BL_STREAMS; i++) {
		const struct bl_gap gap = {
			.reason = BL_GAP_OFF,
			.stream = (enum bl_stream)i,
			.begin_boot = d->boot[0],
			.begin_boot_ms = boot_ms(h, d, 0, d->off_begin_ms),
			.end_boot = d->boot[1],
			.end_boot_ms = boot_ms(h, d, 1, d->off_end_ms),
		};
		const int rc = bl_batch_enc_gap(e, &gap);

		assert(rc == BL_OK);
		(void)rc;
	}
}

void
late_batch(const struct late_history *h, const struct late_device *d, enum bl_stream stream,
    uint64_t seq, int64_t begin_ms, int64_t end_ms, bool gap, struct bl_buf *out)
{
	static struct bl_batch_enc *e;
	const unsigned boot = boot_of(d, begin_ms);
	struct event_sink k = { .h = h, .d = d, .begin_ms = begin_ms, .end_ms = end_ms };
	struct bl_batch_header head = {
		.spool = d->spool,
		.boot = d->boot[boot],
		.stream = stream,
		.seq = seq,
		.collect_begin_ms = boot_ms(h, d, boot, begin_ms),
		.collect_end_ms = boot_ms(h, d, boot, end_ms),
		.lowest_held = 1,
	};
	struct bl_err err = { 0 };
	int rc;

	if (e == NULL)
		e = bl_batch_enc_create();
	assert(e != NULL);
	bl_batch_enc_reset(e);
	k.e = e;
	if (stream == BL_STREAM_EVENTS && d->orders)
		for (int64_t n = (begin_ms - 4 * 3600000 - TOLD_LATE_MOST_MS) / ORDER_EVERY_MS;
		     n * ORDER_EVERY_MS < end_ms; n++)
			if (n >= 0)
				put_order(&k, n);
	if (stream != BL_STREAM_EVENTS)
		put_samples(&k, stream);
	if (gap)
		put_gap(h, d, e);
	bl_buf_init(out, BL_BATCH_WIRE_MAX);
	rc = bl_batch_enc_finish(e, &head, out, &err);
	if (rc != BL_OK)
		(void)fprintf(stderr, "late_batch: %s\n", err.msg);
	assert(rc == BL_OK);
	(void)rc;
}

void
late_dictionary(const struct late_device *d, struct bl_buf *out)
{
	struct bl_series_def def[3];
	struct bl_err err = { 0 };
	uint32_t encoded;
	int rc;

	memset(def, 0, sizeof(def));
	def[0] = (struct bl_series_def){ .id = 1,
		.stream = BL_STREAM_HOST,
		.kind = BL_GAUGE,
		.interval_ms = LATE_MINUTE,
		.name = str("cpu_used_pct"),
		.unit = str("pct") };
	def[1] = (struct bl_series_def){ .id = 2,
		.stream = BL_STREAM_HOST,
		.kind = BL_COUNTER,
		.interval_ms = LATE_MINUTE,
		.name = str("net_rx_bytes"),
		.unit = str("bytes") };
	def[2] = (struct bl_series_def){ .id = 3,
		.stream = BL_STREAM_PROBES,
		.kind = BL_GAUGE,
		.interval_ms = 30000,
		.name = str("probe_up"),
		.unit = str("1"),
		.n_labels = 1 };
	def[2].label[0] = (struct bl_label){ str("probe"), str("orders-api") };
	bl_buf_init(out, BL_BATCH_WIRE_MAX);
	rc = bl_dict_encode(&d->spool, def, 3, out, &encoded, &err);
	assert(rc == BL_OK && encoded == 3);
	(void)rc;
}

void
late_clock_map(
    const struct late_history *h, const struct late_device *d, unsigned n, struct bl_buf *out)
{
	struct bl_clock_segment seg[2];
	struct bl_err err = { 0 };
	uint32_t encoded;
	int rc;

	(void)h;
	for (unsigned i = 0; i < 2; i++)
		seg[i] = (struct bl_clock_segment){ .id = i + 1,
			.boot = d->boot[i],
			.offset_ms = d->boot_offset_ms[i],
			.source = BL_CLOCK_NTP };
	bl_buf_init(out, BL_BATCH_WIRE_MAX);
	rc = bl_clockmap_encode(&d->spool, seg, n, out, &encoded, &err);
	assert(rc == BL_OK && encoded == n);
	(void)rc;
}
