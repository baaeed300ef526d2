/* What an inlet is given, for tests; see inlet_host.h. */
#include "inlet_host.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"
#include "branchline/message.h"

#define TURNS_MAX 100000u

/* ---- clock ---- */

#define BEGIN_MS INT64_C(1000000)

static int64_t
boot_and_mono(void *ctx)
{
	return BEGIN_MS + ((const struct fake_host *)ctx)->ms;
}

static int64_t
wall(void *ctx)
{
	const struct fake_host *h = ctx;

	return h->unix_ms + h->ms;
}

static void
no_random(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0x5a, len);
}

static bool
synced(void *ctx)
{
	(void)ctx;
	return true;
}

/* ---- reports ---- */

static void say(struct fake_host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct fake_host *h, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (h->said_size - h->said_len < 4096) {
		h->said_size = h->said_size * 2 + 8192;
		h->said = realloc(h->said, h->said_size);
		assert_non_null(h->said);
	}
	va_start(ap, fmt);
	n = vsnprintf(h->said + h->said_len, h->said_size - h->said_len, fmt, ap);
	va_end(ap);
	assert_in_range(n, 0, 4095);
	h->said_len += (size_t)n;
}

/* For printf's %.*s. */
#define STR(s) (int)(s).len, (s).len > 0 ? (s).p : ""

static void
say_common(struct fake_host *h, const struct inlet_report *r)
{
	if (r->id.len > 0)
		say(h, " id=%.*s", STR(r->id));
	if (r->at_unix_ms != 0)
		say(h, " at=%lld", (long long)r->at_unix_ms);
}

static void
say_event(struct fake_host *h, const struct inlet_report *r)
{
	say(h, "event %.*s", STR(r->ev.type));
	say_common(h, r);
	for (uint32_t i = 0; i < r->ev.n_attrs; i++) {
		const struct bl_attr *a = &r->ev.attr[i];

		say(h, " %.*s=", STR(a->key));
		if (a->type == BL_ATTR_TEXT)
			say(h, "%.*s", STR(a->text));
		else if (a->type == BL_ATTR_NUMBER)
			say(h, "%.15g", a->number);
		else
			say(h, "%s",
			    a->type == BL_ATTR_NULL ? "null"
			    : a->boolean            ? "true"
						    : "false");
	}
	say(h, "\n");
}

static void
say_metric(struct fake_host *h, const struct inlet_report *r)
{
	say(h, "metric %.*s=%.15g unit=%.*s kind=%s", STR(r->def.name), r->value, STR(r->def.unit),
	    r->def.kind == BL_COUNTER ? "counter" : "gauge");
	say_common(h, r);
	for (uint32_t i = 0; i < r->def.n_labels; i++)
		say(h, "%s%.*s=%.*s%s", i == 0 ? " {" : ",", STR(r->def.label[i].key),
		    STR(r->def.label[i].value), i + 1 == r->def.n_labels ? "}" : "");
	say(h, "\n");
}

/* What the codec would refuse must not come so far. */
static bool
def_encodes(const struct bl_series_def *def)
{
	static const struct bl_id nobody = { { 1 } };
	struct bl_series_def probe = *def;
	struct bl_err err = { 0 };
	uint32_t n = 0;
	struct bl_buf b;
	int rc;

	probe.id = 1;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	rc = bl_dict_encode(&nobody, &probe, 1, &b, &n, &err);
	bl_buf_free(&b);
	return rc == BL_OK;
}

static void
check_report(const struct inlet_report *r, uint64_t token)
{
	struct bl_series_def def = r->def;
	struct bl_event ev = r->ev;
	struct bl_batch_enc *enc;

	assert_true(token < UINT64_C(1) << 48);
	assert_true(r->id.len <= BL_EVENT_ID_MAX);
	if (r->kind == INLET_METRIC) {
		assert_true(isfinite(r->value));
		def.stream = BL_STREAM_HOST;
		assert_true(def_encodes(&def));
		return;
	}
	assert_int_equal(r->kind, INLET_EVENT);
	ev.id = r->id;
	ev.boot_ms = 1;
	enc = bl_batch_enc_create();
	assert_non_null(enc);
	assert_int_equal(bl_batch_enc_event(enc, &ev), BL_OK);
	bl_batch_enc_free(enc);
}

static int
take_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct fake_host *h = ctx;

	check_report(r, token);
	if (h->rc < 0)
		return bl_fail(err, h->rc, "%s",
		    h->rc_text != NULL ? h->rc_text : "the fake host does not take it");
	if (h->n_held >= h->room || h->n_held == FAKE_HOST_HELD)
		return bl_fail(err, BL_EFULL, "too much is under way");
	if (r->kind == INLET_EVENT)
		say_event(h, r);
	else
		say_metric(h, r);
	h->held[h->n_held++] = token;
	h->reports++;
	return BL_OK;
}

static void
tell_problem(void *ctx, char *out, size_t size)
{
	(void)snprintf(out, size, "%s", ((const struct fake_host *)ctx)->problem);
}

const char *
fake_host_said(struct fake_host *h)
{
	if (h->said_len == 0)
		return "";
	h->said_len = 0;
	return h->said;
}

bool
fake_host_answer_one(struct fake_host *h, int rc)
{
	uint64_t token;

	if (h->n_held == 0)
		return false;
	token = h->held[0];
	h->n_held--;
	memmove(h->held, h->held + 1, h->n_held * sizeof(h->held[0]));
	h->ops->done(h->in, token, rc);
	return true;
}

void
fake_host_answer(struct fake_host *h, int rc)
{
	for (unsigned n = h->n_held; n > 0; n--)
		(void)fake_host_answer_one(h, rc);
}

/* ---- samples ---- */

static size_t
put_pair(char *out, size_t size, const char *before, const struct bl_label *l)
{
	return (size_t)snprintf(out, size, "%s%.*s=%.*s", before, STR(l->key), STR(l->value));
}

static void
key_of(char *out, size_t size, const struct bl_series_def *def)
{
	size_t n = (size_t)snprintf(out, size, "%.*s", STR(def->name));

	for (uint32_t i = 0; i < def->n_labels && n < size; i++)
		n += put_pair(out + n, size - n, i == 0 ? "{" : ",", &def->label[i]);
	if (def->n_labels > 0 && n < size)
		n += (size_t)snprintf(out + n, size - n, "}");
	assert_true(n < size);
}

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	struct fake_host *h = ctx;
	struct fake_series *s;
	char key[sizeof(s->key)];

	if (def->stream != BL_STREAM_HOST || !def_encodes(def))
		return BL_EINVAL;
	key_of(key, sizeof(key), def);
	for (int32_t i = 0; i < h->n_series; i++)
		if (strcmp(h->series[i].key, key) == 0 && h->series[i].kind == def->kind &&
		    h->series[i].interval_ms == def->interval_ms &&
		    strlen(h->series[i].unit) == def->unit.len &&
		    memcmp(h->series[i].unit, def->unit.p, def->unit.len) == 0)
			return i;
	if (h->n_series == h->max_series || h->n_series == FAKE_HOST_SERIES)
		return BL_EFULL;
	s = &h->series[h->n_series];
	memcpy(s->key, key, sizeof(key));
	(void)snprintf(s->unit, sizeof(s->unit), "%.*s", STR(def->unit));
	s->kind = def->kind;
	s->interval_ms = def->interval_ms;
	s->value = NAN;
	return h->n_series++;
}

static struct fake_series *
put_into(struct fake_host *h, int32_t handle)
{
	struct fake_series *s;

	assert_in_range(handle, 0, h->n_series - 1);
	s = &h->series[handle];
	s->n_tick++;
	s->n++;
	h->unflushed++;
	return s;
}

static void
put(void *ctx, int32_t handle, double value)
{
	struct fake_series *s = put_into(ctx, handle);

	assert_true(isfinite(value));
	s->value = value;
	s->unknown = BL_KNOWN;
}

static void
put_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	struct fake_series *s = put_into(ctx, handle);

	assert_int_not_equal(reason, BL_KNOWN);
	s->value = NAN;
	s->unknown = reason;
}

static void
flush(void *ctx, int64_t boot_ms)
{
	struct fake_host *h = ctx;

	h->flushes++;
	h->flushed_boot_ms = boot_ms;
	h->unflushed = 0;
}

static void
lost(void *ctx, enum bl_stream stream, uint64_t n)
{
	(void)stream;
	((struct fake_host *)ctx)->lost += n;
}

const struct fake_series *
fake_host_series(const struct fake_host *h, const char *key)
{
	for (int32_t i = h->n_series - 1; i >= 0; i--)
		if (strcmp(h->series[i].key, key) == 0)
			return &h->series[i];
	return NULL;
}

double
fake_host_value(const struct fake_host *h, const char *key)
{
	const struct fake_series *s = fake_host_series(h, key);

	if (s == NULL)
		fail_msg("no series %s", key);
	return s->value;
}

/* ---- life and turns ---- */

struct fake_host *
fake_host_create(const char *state_dir)
{
	struct fake_host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->series = calloc(FAKE_HOST_SERIES, sizeof(*h->series));
	assert_non_null(h->series);
	h->unix_ms = FAKE_HOST_UNIX_MS;
	h->room = FAKE_HOST_HELD;
	h->problem = "";
	h->max_series = FAKE_HOST_SERIES;
	h->clock = (struct bl_clock){ .ctx = h,
		.boot_ms = boot_and_mono,
		.mono_ms = boot_and_mono,
		.unix_ms = wall,
		.random = no_random,
		.synced = synced };
	h->sink = (struct sample_sink){
		.ctx = h, .declare = declare, .put = put, .unknown = put_unknown
	};
	h->host = (struct inlet_host){ .ctx = h,
		.clock = &h->clock,
		.state_dir = state_dir,
		.interval_ms = 10000,
		.report = take_report,
		.problem = tell_problem,
		.sink = &h->sink,
		.flush = flush,
		.lost = lost };
	return h;
}

void
fake_host_free(struct fake_host *h)
{
	if (h == NULL)
		return;
	free(h->series);
	free(h->said);
	free(h);
}

void
fake_host_inlet(struct fake_host *h, const struct inlet_ops *ops, void *in)
{
	h->ops = ops;
	h->in = in;
}

static bool
ready(const struct fake_host *h)
{
	struct pollfd p = { h->ops->fd(h->in), POLLIN, 0 };

	return h->ops->deadline(h->in) <= bl_mono_ms(&h->clock) ||
	       (p.fd >= 0 && poll(&p, 1, 0) == 1);
}

unsigned
fake_host_turn(struct fake_host *h)
{
	unsigned turns = 0;

	while (ready(h) || (h->at_once && h->n_held > 0)) {
		if (ready(h))
			h->ops->serve(h->in);
		if (h->at_once)
			fake_host_answer(h, 0);
		assert_true(++turns < TURNS_MAX); /* a spin */
	}
	return turns;
}

void
fake_host_pass(struct fake_host *h, int64_t ms)
{
	h->ms += ms;
	(void)fake_host_turn(h);
}

void
fake_host_tick(struct fake_host *h)
{
	assert_int_equal(h->unflushed, 0); /* else those would get the tick's time */
	for (int32_t i = 0; i < h->n_series; i++)
		h->series[i].n_tick = 0;
	if (h->ops->tick != NULL)
		h->ops->tick(h->in, bl_boot_ms(&h->clock));
	for (int32_t i = 0; i < h->n_series; i++)
		assert_in_range(h->series[i].n_tick, 0, 1);
	h->unflushed = 0;
}

uint64_t
fake_host_count(const struct fake_host *h, const char *name)
{
	struct inlet_count c[INLET_COUNTS_MAX];
	const unsigned n = h->ops->count(h->in, c);

	assert_in_range(n, 0, INLET_COUNTS_MAX);
	for (unsigned i = 0; i < n; i++)
		if (strcmp(c[i].name, name) == 0)
			return c[i].n;
	fail_msg("the inlet counts no %s", name);
	return 0;
}
