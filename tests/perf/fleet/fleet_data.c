/*
 * See fleet_data.h.  The backlogs' messages are made once with ids that mean nothing;
 * an agent's own are put in their place when a batch is offered.
 */
#include "fleet_data.h"

#include <stdlib.h>
#include <string.h>

/* Where the two ids stand in a batch (shared/WIRE.md, 3); stamp() looks whether it is so. */
#define SPOOL_AT 4u
#define BOOT_AT  (SPOOL_AT + BL_ID_BYTES)

struct fleet_data {
	struct fleet_shape shape;
	struct bl_batch_enc *enc;
	struct bl_series_def def[MIX_SERIES];
	unsigned per_tick[BL_STREAMS];
	struct bl_buf *past[BL_STREAMS]; /* [variant * past_batches + seq - 1] */
};

/* ---- ids ---- */

static uint64_t
mixed(uint64_t v)
{
	v += UINT64_C(0x9e3779b97f4a7c15);
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

static struct bl_id
id_of(uint64_t seed, unsigned agent, uint64_t what)
{
	const uint64_t v[2] = { mixed(mixed(seed + what) ^ agent),
		mixed(mixed(seed + what + 1) ^ agent) | 1 };
	struct bl_id id;

	memcpy(id.b, v, sizeof(id.b));
	return id;
}

struct bl_id
fleet_spool_id(uint64_t seed, unsigned agent)
{
	return id_of(seed, agent, 0x100);
}

struct bl_id
fleet_boot_id(uint64_t seed, unsigned agent)
{
	return id_of(seed, agent, 0x200);
}

/* ---- ticks ---- */

void
fleet_live_mix(const struct fleet_shape *s, unsigned agent, struct mix *m)
{
	mix_init(m, s->seed, agent);
}

void
fleet_past_mix(const struct fleet_shape *s, unsigned agent, struct mix *m)
{
	mix_init(m, ~s->seed, agent % s->variants);
}

unsigned
fleet_ticks_in(const struct fleet_shape *s, int64_t from_ms, int64_t to_ms)
{
	return to_ms <= from_ms ? 0 : (unsigned)((to_ms - from_ms - 1) / s->tick_ms + 1);
}

void
fleet_ticks_make(struct mix *m, const struct fleet_shape *s, int64_t from_ms, unsigned n,
    struct fleet_ticks *out)
{
	out->n = n < FLEET_TICKS_MAX ? n : FLEET_TICKS_MAX;
	for (unsigned t = 0; t < out->n; t++) {
		/* A loop is late by some ms; never as late as the next one. */
		const int64_t late = mix_jitter_ms(m);

		out->at_ms[t] =
		    from_ms + t * s->tick_ms + (late < s->tick_ms ? late : s->tick_ms - 1);
		mix_tick(m, out->value[t]);
	}
}

/* ---- batches ---- */

bool
fleet_data_has(const struct fleet_data *d, enum bl_stream stream, unsigned *per_tick)
{
	*per_tick = d->per_tick[stream - 1];
	return *per_tick > 0 || d->shape.quiet;
}

int
fleet_batch(struct fleet_data *d, const struct fleet_ticks *t, struct bl_batch_header *h,
    struct bl_buf *out, struct bl_err *err)
{
	int rc = BL_OK;

	bl_batch_enc_reset(d->enc);
	for (unsigned k = 0; k < t->n && rc == BL_OK; k++)
		for (uint32_t i = 0; i < MIX_SERIES && rc == BL_OK; i++)
			if (d->def[i].stream == h->stream)
				rc = bl_batch_enc_sample(
				    d->enc, i + 1, t->at_ms[k], t->value[k][i], BL_KNOWN);
	if (rc < 0)
		return bl_fail(err, rc, "a sample does not fit into a batch");
	return bl_batch_enc_finish(d->enc, h, out, err);
}

static int
make_past_batch(
    struct fleet_data *d, const struct fleet_ticks *t, size_t at, uint64_t seq, struct bl_err *err)
{
	const int64_t begin = FLEET_BOOT_MS + (int64_t)(seq - 1) * d->shape.past_cut_ms;
	unsigned per_tick;

	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const enum bl_stream stream = (enum bl_stream)(i + 1);
		struct bl_batch_header h = { .spool = fleet_spool_id(0, 0),
			.boot = fleet_boot_id(0, 0),
			.stream = stream,
			.seq = seq,
			.collect_begin_ms = begin,
			.collect_end_ms = begin + d->shape.past_cut_ms };
		int rc;

		if (!fleet_data_has(d, stream, &per_tick))
			continue;
		bl_buf_init(&d->past[i][at], BL_BATCH_WIRE_MAX);
		if ((rc = fleet_batch(d, t, &h, &d->past[i][at], err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
make_past(struct fleet_data *d, struct bl_err *err)
{
	const struct fleet_shape *s = &d->shape;
	const unsigned n = fleet_ticks_in(s, 0, s->past_cut_ms);
	struct fleet_ticks *t = malloc(sizeof(*t));
	struct mix m;
	int rc = BL_OK;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		if ((d->past[i] = calloc(
			 (size_t)s->variants * s->past_batches, sizeof(struct bl_buf))) == NULL)
			rc = BL_ENOMEM;
	if (t == NULL || rc < 0) {
		free(t);
		return bl_fail(err, BL_ENOMEM, "make the backlogs: out of memory");
	}
	for (unsigned v = 0; v < s->variants && rc == BL_OK; v++) {
		fleet_past_mix(s, v, &m);
		for (uint64_t seq = 1; seq <= s->past_batches && rc == BL_OK; seq++) {
			fleet_ticks_make(
			    &m, s, FLEET_BOOT_MS + (int64_t)(seq - 1) * s->past_cut_ms, n, t);
			rc = make_past_batch(
			    d, t, (size_t)v * s->past_batches + (size_t)seq - 1, seq, err);
		}
	}
	free(t);
	return rc;
}

int
fleet_data_create(struct fleet_data **out, const struct fleet_shape *shape, struct bl_err *err)
{
	struct fleet_data *d = calloc(1, sizeof(*d));
	int rc = BL_OK;

	*out = NULL;
	if (d == NULL || (d->enc = bl_batch_enc_create()) == NULL) {
		free(d);
		return bl_fail(err, BL_ENOMEM, "out of memory");
	}
	d->shape = *shape;
	mix_defs(d->def, shape->split);
	for (unsigned i = 0; i < MIX_SERIES; i++)
		d->per_tick[d->def[i].stream - 1]++;
	if (fleet_ticks_in(shape, 0, shape->cut_ms) > FLEET_TICKS_MAX ||
	    (shape->past_batches > 0 &&
		fleet_ticks_in(shape, 0, shape->past_cut_ms) > FLEET_TICKS_MAX))
		rc = bl_fail(err, BL_EINVAL, "a batch has %u ticks at most", FLEET_TICKS_MAX);
	if (rc == BL_OK && shape->past_batches > 0)
		rc = make_past(d, err);
	if (rc < 0) {
		fleet_data_free(d);
		return rc;
	}
	*out = d;
	return BL_OK;
}

void
fleet_data_free(struct fleet_data *d)
{
	if (d == NULL)
		return;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		for (size_t k = 0;
		     d->past[i] != NULL && k < (size_t)d->shape.variants * d->shape.past_batches;
		     k++)
			bl_buf_free(&d->past[i][k]);
		free(d->past[i]);
	}
	bl_batch_enc_free(d->enc);
	free(d);
}

const struct fleet_shape *
fleet_data_shape(const struct fleet_data *d)
{
	return &d->shape;
}

/* ---- an agent's own ---- */

static const struct bl_buf *
past_message(const struct fleet_data *d, unsigned agent, enum bl_stream stream, uint64_t seq)
{
	return &d->past[stream - 1][(size_t)(agent % d->shape.variants) * d->shape.past_batches +
				    (size_t)seq - 1];
}

size_t
fleet_past_bytes(const struct fleet_data *d, unsigned agent, enum bl_stream stream, uint64_t seq)
{
	return past_message(d, agent, stream, seq)->len;
}

static int
stamp(struct bl_buf *msg, const struct fleet_past *p, struct bl_err *err)
{
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;
	int rc;

	if (msg->len < BOOT_AT + BL_ID_BYTES)
		return bl_fail(err, BL_ECORRUPT, "a batch is shorter than its ids");
	memcpy(msg->data + SPOOL_AT, p->spool.b, BL_ID_BYTES);
	memcpy(msg->data + BOOT_AT, p->boot.b, BL_ID_BYTES);
	rc = bl_batch_header_decode(msg->data, msg->len, &h, &body, &body_len, err);
	if (rc == BL_OK && (memcmp(h.spool.b, p->spool.b, BL_ID_BYTES) != 0 ||
			       memcmp(h.boot.b, p->boot.b, BL_ID_BYTES) != 0 || h.seq != p->seq))
		rc = bl_fail(err, BL_ECORRUPT, "the ids of a batch do not stand where they did");
	return rc;
}

int
fleet_past_batch(
    struct fleet_data *d, const struct fleet_past *p, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_buf *msg = past_message(d, p->agent, p->stream, p->seq);
	int rc;

	bl_buf_reset(out);
	rc = bl_batch_reoffer(msg->data, msg->len, p->next_seq, p->lowest_held, out, err);
	return rc < 0 ? rc : stamp(out, p, err);
}

int
fleet_dict(const struct bl_id *spool, bool split, struct bl_buf *out, uint32_t *entries,
    struct bl_err *err)
{
	struct bl_series_def def[MIX_SERIES];
	uint32_t encoded = 0;
	int rc;

	mix_defs(def, split);
	rc = bl_dict_encode(spool, def, MIX_SERIES, out, &encoded, err);
	*entries = encoded;
	if (rc == BL_OK && encoded != MIX_SERIES)
		rc = bl_fail(err, BL_EFULL, "the names do not fit into one message");
	return rc;
}

int
fleet_clock(const struct bl_id *spool, const struct bl_id *boot, int64_t offset_ms,
    struct bl_buf *out, struct bl_err *err)
{
	const struct bl_clock_segment seg = { .id = 1,
		.boot = *boot,
		.from_boot_ms = 0,
		.offset_ms = offset_ms,
		.uncertainty_ms = 5,
		.source = BL_CLOCK_NTP };
	uint32_t encoded = 0;

	return bl_clockmap_encode(spool, &seg, 1, out, &encoded, err);
}
