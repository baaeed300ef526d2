/* What the spool thread says, on the loop's thread: becomes the uplink's events. */
#include "delivery_internal.h"

#include <string.h>

static void
send_hello(struct delivery *d, struct bl_hello *h)
{
	struct bl_buf b;

	h->nonce = d->hello_nonce;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	if (bl_hello_encode(h, &b) == BL_OK &&
	    d->out.publish(d->out.ctx, BL_TOPIC_HELLO, &b, DELIVERY_TOKEN_OTHER) == BL_OK)
		uplink_hello_sent(d->uplink, bl_mono_ms(d->clock), h->nonce);
	bl_buf_free(&b);
}

static void
on_hello(void *ctx, const struct bl_hello *hello, uint64_t connections)
{
	struct delivery *d = ctx;
	struct bl_hello h = *hello;

	d->out.hello(d->out.ctx, &h, connections);
	if (d->hello_wanted && d->up)
		send_hello(d, &h);
	d->hello_wanted = false;
}

/* The last entry of a dictionary or clock-map message: what the centre knows after it. */
static uint32_t
last_entry(const struct spool_frame *f)
{
	struct bl_clockmap_reader clock;
	struct bl_dict_reader dict;
	struct bl_err err = { 0 };
	struct bl_buf raw;
	uint32_t last = 0;

	if (f->type == BL_MSG_CLOCK &&
	    bl_clockmap_decode(f->msg.data, f->msg.len, &clock, &err) == BL_OK && clock.n > 0)
		last = clock.first + clock.n - 1;
	if (f->type == BL_MSG_DICT) {
		bl_buf_init(&raw, BL_BATCH_RAW_MAX);
		if (bl_dict_decode(f->msg.data, f->msg.len, &dict, &raw, &err) == BL_OK &&
		    dict.n > 0)
			last = dict.first + dict.n - 1;
		bl_buf_free(&raw);
	}
	return last;
}

static void
keep_frame(struct delivery_frame *to, struct spool_frame *f)
{
	bl_buf_free(&to->msg); /* empty already */
	to->msg = f->msg;
	to->past = f->past;
	to->stream = f->type == BL_MSG_BATCH ? f->stream : 0;
	memset(&f->msg, 0, sizeof(f->msg));
}

static void
on_frames(void *ctx, struct spool_frame *frames, unsigned n)
{
	struct delivery *d = ctx;
	struct uplink_frame f[SPOOL_THREAD_FRAMES_MAX];
	unsigned slot[SPOOL_THREAD_FRAMES_MAX];
	struct uplink_effects fx = { 0 };

	for (unsigned i = 0; i < n; i++)
		f[i] = (struct uplink_frame){ .type = frames[i].type,
			.stream = frames[i].stream,
			.seq = frames[i].seq,
			.upto = last_entry(&frames[i]),
			.past = frames[i].past,
			.bytes = frames[i].msg.len };
	uplink_frames(d->uplink, bl_mono_ms(d->clock), f, n, slot, &fx);
	for (unsigned i = 0; i < n; i++) {
		if (slot[i] == UPLINK_NO_SLOT)
			bl_buf_free(&frames[i].msg);
		else
			keep_frame(&d->kept[slot[i]], &frames[i]);
	}
	delivery_run(d, &fx, NULL, NULL);
}

static struct uplink_outcome
outcome(const struct spool_outcome *o)
{
	return (struct uplink_outcome){ .taken = o->rc == SPOOL_ANSWER_OK,
		.say_hello = o->say_hello || o->rc == SPOOL_ANSWER_ROLLED_BACK,
		.more = o->more,
		.r = &o->r };
}

static void
on_answered(void *ctx, const struct spool_outcome *o)
{
	struct delivery *d = ctx;
	const struct uplink_outcome u = outcome(o);
	struct uplink_effects fx = { 0 };

	uplink_answered(d->uplink, bl_mono_ms(d->clock), &u, &fx);
	delivery_run(d, &fx, NULL, NULL);
	d->out.answered(d->out.ctx);
}

static void
on_receipted(void *ctx, const struct spool_outcome *o)
{
	struct delivery *d = ctx;
	const struct uplink_outcome u = outcome(o);
	struct uplink_effects fx = { 0 };

	uplink_receipted(d->uplink, bl_mono_ms(d->clock), &u, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

static void
send_gone(struct delivery *d, const struct bl_gone *gone)
{
	struct bl_buf b;

	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	/* Busy or lost: the centre asks again. */
	if (bl_gone_encode(gone, &b) == BL_OK)
		(void)d->out.publish(d->out.ctx, BL_TOPIC_HELLO, &b, DELIVERY_TOKEN_OTHER);
	bl_buf_free(&b);
}

static void
on_questioned(void *ctx, const struct spool_outcome *o, const struct bl_gone *gone)
{
	struct delivery *d = ctx;
	struct uplink_outcome u = outcome(o);
	struct uplink_effects fx = { 0 };

	u.r = NULL;
	if (gone->n > 0 && d->up)
		send_gone(d, gone);
	uplink_questioned(d->uplink, bl_mono_ms(d->clock), &u, &fx);
	delivery_run(d, &fx, NULL, NULL);
}

static void
on_cut(void *ctx, unsigned batches)
{
	struct delivery *d = ctx;
	struct uplink_effects fx = { 0 };

	(void)batches;
	uplink_cut(d->uplink, bl_mono_ms(d->clock), &fx);
	delivery_run(d, &fx, NULL, NULL);
}

static void
on_replaced(void *ctx, const char *why)
{
	struct delivery *d = ctx;
	struct uplink_effects fx = { 0 };

	uplink_replaced(d->uplink, bl_mono_ms(d->clock), &fx);
	delivery_run(d, &fx, NULL, NULL);
	if (d->others.replaced != NULL)
		d->others.replaced(d->others.ctx, why);
}

/* Another hello: the centre is asked about what came over. */
static void
on_recovered(void *ctx, const struct spool_recovery *r)
{
	struct delivery *d = ctx;
	struct uplink_effects fx = { 0 };

	uplink_replaced(d->uplink, bl_mono_ms(d->clock), &fx);
	delivery_run(d, &fx, NULL, NULL);
	if (d->others.recovered != NULL)
		d->others.recovered(d->others.ctx, r);
}

static void
on_working(void *ctx, enum spool_trouble trouble, int64_t failed_ms)
{
	const struct delivery *d = ctx;

	if (d->others.working != NULL)
		d->others.working(d->others.ctx, trouble, failed_ms);
}

static void
on_event_done(void *ctx, uint64_t token, int rc)
{
	const struct delivery *d = ctx;

	if (d->others.event_done != NULL)
		d->others.event_done(d->others.ctx, token, rc);
}

static void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	const struct delivery *d = ctx;

	if (d->others.status != NULL)
		d->others.status(d->others.ctx, token, st);
}

void
delivery_calls(struct delivery *d, const struct spool_calls *others, struct spool_calls *calls)
{
	d->others = *others;
	*calls = (struct spool_calls){ .ctx = d,
		.event_done = on_event_done,
		.hello = on_hello,
		.frames = on_frames,
		.answered = on_answered,
		.receipted = on_receipted,
		.questioned = on_questioned,
		.cut = on_cut,
		.status = on_status,
		.replaced = on_replaced,
		.recovered = on_recovered,
		.working = on_working };
}
