/* See spool_thread_kit.h. */
#include "spool_thread_kit.h"

void
on_event(void *ctx, uint64_t token, int rc)
{
	struct seen *s = ctx;

	assert_true(token > 0);
	s->events_ok += rc == SPOOL_ACCEPTED;
	s->events_repeated += rc == SPOOL_REPEATED;
	s->events_refused += rc < 0;
}

void
on_hello(void *ctx, const struct bl_hello *hello, uint64_t connections)
{
	struct seen *s = ctx;

	s->hellos++;
	s->hello = *hello;
	s->connections = connections;
}

void
on_frames(void *ctx, struct spool_frame *frames, unsigned n)
{
	struct seen *s = ctx;

	s->frames_calls++;
	for (unsigned i = 0; i < n; i++) {
		s->frames++;
		centre_take(s->c, &frames[i]);
		bl_buf_free(&frames[i].msg);
	}
}

static void
on_answered(void *ctx, const struct spool_outcome *o)
{
	struct seen *s = ctx;

	s->answers++;
	s->outcome = *o;
}

static void
on_receipted(void *ctx, const struct spool_outcome *o)
{
	struct seen *s = ctx;

	s->receipts++;
	s->outcome = *o;
}

static void
on_questioned(void *ctx, const struct spool_outcome *o, const struct bl_gone *gone)
{
	struct seen *s = ctx;

	s->questions++;
	s->outcome = *o;
	s->gone = *gone;
}

static void
on_cut(void *ctx, unsigned n)
{
	((struct seen *)ctx)->cuts += n;
}

void
on_status(void *ctx, uint64_t token, const struct spool_thread_status *st)
{
	struct seen *s = ctx;

	assert_int_equal(token, 77);
	s->statuses++;
	s->status = *st;
}

void
start(struct kit *k, struct seen *s, size_t queue_bytes)
{
	const struct spool_calls calls = { s, on_event, on_hello, on_frames, on_answered,
		on_receipted, on_questioned, on_cut, on_status, NULL, NULL, NULL };
	struct spool_thread_opts opts = { .spool = k->opts, .queue_bytes = queue_bytes };
	struct bl_err err = { 0 };
	int opened;

	/* Several threads read this clock; it stands still while they run. */
	opts.spool.clock = bl_clock_real();
	if (spool_thread_start(&s->t, &opts, &calls, &opened, &err) != BL_OK)
		fail_msg("start: %s", err.msg);
}

void
await(struct seen *s, const unsigned *what, unsigned n)
{
	struct pollfd p = { spool_thread_fd(s->t), POLLIN, 0 };

	while (*what < n) {
		assert_int_equal(poll(&p, 1, 20000), 1);
		spool_thread_dispatch(s->t);
	}
}

int32_t
series(struct seen *s, enum bl_stream stream, unsigned j)
{
	char label[2] = { (char)('0' + j), '\0' };
	struct bl_series_def def = { .stream = stream,
		.kind = BL_GAUGE,
		.interval_ms = 10000,
		.name = { "x", 1 },
		.unit = { "1", 1 },
		.n_labels = 1 };

	def.label[0].key = (struct bl_str){ "k", 1 };
	def.label[0].value = (struct bl_str){ label, 1 };
	return spool_thread_series(s->t, &def);
}

int
tick(struct seen *s, enum bl_stream stream, int64_t n)
{
	struct spool_thread_sample sm[KIT_SERIES];

	for (unsigned j = 0; j < KIT_SERIES; j++)
		sm[j] =
		    (struct spool_thread_sample){ series(s, stream, j), BL_KNOWN, kit_value(j, n) };
	return spool_thread_append(s->t, stream, bl_boot_ms(bl_clock_real()), sm, KIT_SERIES);
}

void
ask_status(struct seen *s)
{
	assert_int_equal(spool_thread_status(s->t, 77), BL_OK);
	await(s, &s->statuses, s->statuses + 1);
}

struct bl_event
event(const char *id)
{
	return (struct bl_event){ .type = { "step.end", 8 }, .id = { id, strlen(id) } };
}
