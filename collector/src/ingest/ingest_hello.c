/*
 * The handshake: what the agent holds comes in, what is settled here goes back,
 * and what neither has is asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

#include "ingest_internal.h"

static int
owe_answer(
    struct ingest_core *c, struct device *d, const struct bl_hello *h, enum bl_verdict verdict)
{
	struct owed *o = ingest_owe(c, d, &h->spool);

	if (o == NULL)
		return BL_OK; /* the agent asks again */
	ingest_owe_now(c);
	o->answer = true;
	o->receipt = false; /* the answer is one */
	o->nonce = h->nonce;
	o->verdict = verdict;
	/* What was missing before may be on its way now: the answer says what is known. */
	o->want_dict = o->want_clock = o->want_batches = false;
	return BL_OK;
}

static void
note_need(struct ingest_core *c, struct device *d, const struct bl_hello *h,
    const struct bl_ranges need[BL_STREAMS])
{
	struct owed *o = ingest_owe(c, d, &h->spool);
	bool any = false;

	for (int i = 0; i < BL_STREAMS; i++)
		any = any || need[i].n > 0;
	if (o == NULL)
		return;
	free(o->need);
	o->need = NULL;
	if (!any || (o->need = malloc(BL_STREAMS * sizeof(*need))) == NULL)
		return; /* out of memory: asked for after the next hello */
	ingest_owe_now(c);
	memcpy(o->need, need, BL_STREAMS * sizeof(*need));
}

static bool
has_backlog(const struct bl_hello *h, const struct bl_receipt *r)
{
	for (int i = 0; i < BL_STREAMS; i++)
		if (h->stream[i].next_seq > r->stream[i].contiguous + 2)
			return true;
	return false;
}

int
ingest_take_hello(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_ranges need[BL_STREAMS];
	struct bl_hello h;
	struct bl_receipt r = { 0 };
	struct bl_err why = { 0 };
	struct store_spool *sp;
	unsigned swallowed;
	int rc;

	c->stats.hellos++;
	if ((rc = bl_hello_decode(a->m->payload, a->m->len, &h, &why)) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if (strcmp(h.device, a->topic.device) != 0)
		return ingest_aside(c, a, STORE_ASIDE_FOREIGN_IDENTITY,
		    "the device inside is not the topic's", NULL, 0, 0, err);
	if (a->dev->info.retired)
		return owe_answer(c, a->dev, &h, BL_VERDICT_RETIRED);
	if ((rc = ingest_own_spool(c, a, &h.spool, &sp, err)) < 0)
		return rc;
	if (rc == 0)
		return owe_answer(c, a->dev, &h, BL_VERDICT_CONFLICT);
	rc = store_hello(c->store, sp, &h, need, &why);
	if (rc == BL_EINVAL)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	if (rc < 0) {
		if (err != NULL)
			*err = why;
		return rc;
	}
	if (rc == STORE_HELLO_CLOSED) {
		if (bl_log_allow(&c->closed_log, bl_mono_ms(c->clock), LOG_EVERY_MS, &swallowed))
			bl_warn("ingest",
			    "a closed spool says hello: a copy of an old machine? device=%s"
			    " suppressed=%u",
			    a->topic.device, swallowed);
		return owe_answer(c, a->dev, &h, BL_VERDICT_CONFLICT);
	}
	if (rc == STORE_HELLO_ROLLED_BACK)
		bl_info("ingest",
		    "a hello knows less of its spool than is stored here: it came late, or an older copy "
		    "was put back; then the agent goes on under a new id device=%s",
		    a->topic.device);
	store_receipt(c->store, sp, &r);
	if (has_backlog(&h, &r))
		ingest_backlog_seen(c, a->dev, 0);
	ingest_identity_hello(a->dev, &h.spool);
	rc = owe_answer(c, a->dev, &h, BL_VERDICT_OK);
	note_need(c, a->dev, &h, need);
	return rc;
}
