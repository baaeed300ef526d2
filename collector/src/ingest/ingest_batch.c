/*
 * Batches: known or new by the header; only a new one is inflated, and walked
 * through once before it is stored, so that no reader ever meets a bad one.
 */
#include <stdio.h>
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#include "ingest_internal.h"

/* Names a batch for the decode marker. */
static uint64_t
sum_of(const struct bl_batch_header *h)
{
	uint64_t a, b;

	memcpy(&a, h->spool.b, 8);
	memcpy(&b, h->spool.b + 8, 8);
	a ^= b * 0x9e3779b97f4a7c15u;
	a = (a ^ (h->seq << 2 | (uint64_t)h->stream)) * 0xff51afd7ed558ccdu;
	a = (a ^ h->crc32) * 0xc4ceb9fe1a85ec53u;
	return (a ^ a >> 32) | 1; /* 0 means "none" */
}

/* BL_OK: whole and walked through.  err says what is wrong with the message. */
static int
check_body(struct ingest_core *c, const struct bl_batch_header *h, const uint8_t *body, size_t len,
    struct bl_err *why)
{
	const uint64_t sum = sum_of(h);
	int rc;

	if (marker_enter(c->marker, sum) >= MARKER_STRIKES)
		return bl_fail(why, BL_ECORRUPT,
		    "the collector died %d times while decoding this batch", MARKER_STRIKES);
	if ((rc = bl_batch_inflate(h, body, len, &c->raw, why)) == BL_OK)
		rc = bl_batch_verify(h, c->raw.data, c->raw.len, why);
	(void)bl_fault_hit("ingest.decoded");
	marker_leave(c->marker, sum);
	return rc;
}

static void
tell_took(struct ingest_core *c, const struct store_spool *sp, const struct bl_batch_header *h)
{
	const struct ingest_took t = { h, c->raw.data, c->raw.len,
		store_spool_unix_ms(sp, &h->boot, h->event_end_ms) };

	if (c->opts.took != NULL)
		c->opts.took(c->opts.took_ctx, &t);
}

static int
take_new(struct ingest_core *c, const struct arrival *a, struct store_spool *sp,
    const struct bl_batch_header *h, const uint8_t *body, size_t len, struct bl_err *err)
{
	struct bl_err why = { 0 };
	int rc = check_body(c, h, body, len, &why);

	if (ingest_bad_message(rc) || rc == BL_EFULL)
		return ingest_aside(
		    c, a, STORE_ASIDE_UNDECODABLE, why.msg, sp, h->stream, h->seq, err);
	if (rc == BL_OK)
		rc = store_batch_put(c->store, sp, h, body, len, c->raw.data, c->raw.len, &why);
	(void)bl_fault_hit("ingest.put");
	if (rc == BL_EINVAL) /* nothing was stored */
		return ingest_aside(
		    c, a, STORE_ASIDE_UNDECODABLE, why.msg, sp, h->stream, h->seq, err);
	if (rc < 0) {
		if (err != NULL)
			*err = why;
		return rc;
	}
	if (rc == STORE_CONFLICT)
		return ingest_aside(c, a, STORE_ASIDE_CONFLICT,
		    "of a spool that was closed, and a part of it came under its successor", sp,
		    h->stream, h->seq, err);
	if (rc == STORE_REFUSED) {
		c->stats.refused_holes++; /* nothing is receipted: it comes again */
		c->outcome = OUTCOME_LATER;
	}
	if (rc == STORE_NEW) {
		c->stats.batches++;
		c->stats.samples += h->n_samples;
		tell_took(c, sp, h);
	}
	return BL_OK;
}

/* What this batch refers to and is not known here. */
static void
note_needs(struct ingest_core *c, struct owed *o, const struct store_spool *sp,
    const struct bl_batch_header *h)
{
	const bool dict = h->dict_version > store_spool_dict_version(sp);
	const bool clock = !store_spool_knows_boot(sp, &h->boot);
	const bool batches = store_spool_missing(sp) > 0;

	if ((dict || clock || batches) && !o->want_dict && !o->want_clock && !o->want_batches) {
		o->want_since_mono_ms = bl_mono_ms(c->clock);
		ingest_owe_now(c);
	}
	o->want_dict = o->want_dict || dict;
	o->want_clock = o->want_clock || clock;
	o->want_batches = o->want_batches || batches;
}

int
ingest_take_batch(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_batch_header h;
	struct bl_err why = { 0 };
	struct store_spool *sp;
	const uint8_t *body;
	struct owed *o;
	size_t len;
	int rc;

	if ((rc = bl_batch_header_decode(a->m->payload, a->m->len, &h, &body, &len, &why)) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if ((rc = ingest_own_spool(c, a, &h.spool, &sp, err)) != 1)
		return rc;
	if (a->topic.kind == BL_TOPIC_PAST)
		ingest_backlog_seen(c, a->dev, a->m->len);
	rc = store_batch_peek(c->store, sp, &h, &why);
	if (rc == BL_EINVAL)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	if (rc < 0) {
		if (err != NULL)
			*err = why;
		return rc;
	}
	/* Duplicates are receipted, too: the receipt before may have been lost. */
	if ((o = ingest_owe(c, a->dev, &h.spool)) != NULL)
		ingest_owe_receipt(c, a->dev, o);
	switch (rc) {
	case STORE_DUPLICATE:
		c->stats.duplicates++;
		rc = store_batch_put(c->store, sp, &h, NULL, 0, NULL, 0, err);
		break;
	case STORE_CONFLICT:
		return ingest_aside(c, a, STORE_ASIDE_CONFLICT,
		    store_spool_closed(sp) ? "a spool that was closed goes on"
					   : "another batch with this number is stored already",
		    sp, h.stream, h.seq, err);
	default:
		rc = take_new(c, a, sp, &h, body, len, err);
		break;
	}
	if (rc >= 0 && o != NULL)
		note_needs(c, o, sp, &h);
	return rc < 0 ? rc : BL_OK;
}
