/*
 * What was set aside goes the way of a message once more: the device may have been
 * added since, or this build may decode what the one before could not.
 *
 * The same checks in the same order; only what becomes of a message that is still
 * bad differs: its row stays, with what is wrong with it now.  Hello and presence
 * spoke of their moment, and newer ones have been said: they are looked at and
 * dropped.
 */
#include <string.h>

#include "ingest_internal.h"

int
ingest_requeue_moment(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct bl_hello h;
	struct bl_presence p;
	int rc;

	if (a->topic.kind == BL_TOPIC_PRESENCE)
		rc = bl_presence_decode(a->m->payload, a->m->len, &p, &why);
	else
		rc = bl_hello_decode(a->m->payload, a->m->len, &h, &why);
	if (rc < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	if (a->topic.kind == BL_TOPIC_HELLO && strcmp(h.device, a->topic.device) != 0)
		return ingest_aside(c, a, STORE_ASIDE_FOREIGN_IDENTITY,
		    "the device inside is not the topic's", NULL, 0, 0, err);
	c->outcome = OUTCOME_EXPIRED;
	return BL_OK;
}

static void
count(struct ingest_requeue_sums *s, enum ingest_outcome outcome)
{
	s->tried++;
	s->taken += outcome == OUTCOME_TAKEN;
	s->kept += outcome == OUTCOME_ASIDE;
	s->expired += outcome == OUTCOME_EXPIRED;
	s->later += outcome == OUTCOME_LATER;
}

static int
try_one(struct ingest_core *c, const struct store_aside_msg *row, struct ingest_requeue_sums *sums,
    struct bl_err *err)
{
	const struct ingest_msg m = { .topic = row->topic,
		.payload = row->payload,
		.len = row->len,
		.retained = row->reason == STORE_ASIDE_RETAINED };
	int rc;

	c->again = row;
	c->outcome = OUTCOME_TAKEN;
	store_decode_again(c->store, true);
	rc = ingest_core_take(c, &m, err);
	store_decode_again(c->store, false);
	c->again = NULL;
	if (rc < 0)
		return rc;
	count(sums, c->outcome);
	if (c->outcome == OUTCOME_TAKEN || c->outcome == OUTCOME_EXPIRED)
		rc = store_aside_leaves(c->store, row, c->outcome == OUTCOME_TAKEN, err);
	return rc;
}

/* The next row that is meant: 1; 0: there is none. */
static int
next_row(struct ingest_core *c, const struct ingest_requeue *what, struct ingest_requeue_at *at,
    struct store_aside_msg *row, struct bl_err *err)
{
	struct store_aside_filter f = { .reason = what->reason,
		.device = what->device[0] != '\0' ? what->device : NULL,
		.upto_id = at->upto_id };
	int rc;

	if (what->n_ids == 0)
		return store_aside_next(c->store, &f, at->after_id, row, err);
	while (at->next < what->n_ids) {
		const int64_t id = what->id[at->next++];

		f.upto_id = id;
		if ((rc = store_aside_next(c->store, &f, id - 1, row, err)) != 0)
			return rc;
	}
	return 0;
}

int
ingest_core_requeue(struct ingest_core *c, const struct ingest_requeue *what,
    struct ingest_requeue_at *at, unsigned max, struct bl_err *err)
{
	struct store_aside_msg row = { 0 };
	int rc = BL_OK;

	if (!at->begun) {
		/* What is set aside from now on is not meant. */
		if ((rc = store_aside_last(c->store, &at->upto_id, err)) < 0)
			return rc;
		at->begun = true;
		at->done = at->upto_id == 0;
	}
	for (unsigned i = 0; i < max && !at->done; i++) {
		if ((rc = next_row(c, what, at, &row, err)) == 1) {
			at->after_id = row.id;
			rc = try_one(c, &row, &at->sums, err);
		} else {
			at->done = rc == 0;
		}
		store_aside_msg_free(&row);
		if (rc < 0)
			return rc;
	}
	return BL_OK;
}
