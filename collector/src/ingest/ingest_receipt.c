/*
 * What goes out: answers, receipts, questions, and the centre's message.
 *
 * Only ingest_core_due publishes, and only after a commit.  Each device that
 * is owed something is in one list; an entry leaves it when all is said.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#include "ingest_internal.h"

#define NEVER_MS        60000
#define FLOOR_DEVICE_MS 10
#define CENTRE_AGAIN_MS (60 * 60 * 1000) /* nothing that it says grows old */

void
ingest_owed_clear(struct owed *o)
{
	free(o->need);
	memset(o, 0, sizeof(*o));
}

struct owed *
ingest_owe(struct ingest_core *c, struct device *d, const struct bl_id *spool)
{
	struct device **more;
	struct owed *o;

	for (unsigned i = 0; i < d->n_owed; i++)
		if (bl_id_equal(&d->owed[i].spool, spool))
			return &d->owed[i];
	if (d->n_owed == OWED_MAX)
		return NULL;
	if (!d->waiting) {
		if (c->n_waiting == c->size_waiting) {
			const size_t size = c->size_waiting == 0 ? 64 : c->size_waiting * 2;

			if ((more = realloc(c->waiting, size * sizeof(*more))) == NULL)
				return NULL;
			c->waiting = more;
			c->size_waiting = size;
		}
		c->waiting[c->n_waiting++] = d;
		d->waiting = true;
	}
	o = &d->owed[d->n_owed++];
	memset(o, 0, sizeof(*o));
	o->spool = *spool;
	return o;
}

static void
due_by(struct ingest_core *c, int64_t mono_ms)
{
	if (mono_ms < c->due_mono_ms)
		c->due_mono_ms = mono_ms;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
receipt_at(const struct device *d, const struct owed *o)
{
	return larger(d->last_receipt_mono_ms + RECEIPT_EVERY_MS,
	    o->receipt_since_mono_ms + RECEIPT_GATHER_MS);
}

void
ingest_owe_receipt(struct ingest_core *c, const struct device *d, struct owed *o)
{
	if (o->receipt)
		return;
	o->receipt_since_mono_ms = bl_mono_ms(c->clock);
	o->receipt = true;
	due_by(c, receipt_at(d, o));
}

void
ingest_owe_now(struct ingest_core *c)
{
	due_by(c, INT64_MIN);
}

static bool
publish(struct ingest_core *c, enum bl_topic_kind kind, const char *device, bool retained)
{
	char topic[BL_TOPIC_MAX];

	if (c->out.failed || !bl_topic_format(topic, sizeof(topic), kind, 0, device)) {
		bl_error("ingest", "a message could not be made device=%s",
		    device != NULL ? device : "-");
		return true; /* trying again would not help */
	}
	return c->opts.publish(c->opts.publish_ctx, topic, c->out.data, c->out.len, retained);
}

/* The spool when it is this device's own; NULL: say nothing about its content. */
static struct store_spool *
own_spool(struct ingest_core *c, const struct device *d, const struct bl_id *uuid)
{
	struct store_spool *sp;
	struct bl_err err = { 0 };
	unsigned swallowed;
	int rc = store_spool_known(c->store, uuid, d->name, &sp, &err);

	if (rc < 0 && rc != BL_ENOTFOUND &&
	    bl_log_allow(&c->receipt_log, bl_mono_ms(c->clock), LOG_EVERY_MS, &swallowed))
		bl_warn("ingest", "no receipt for a batch of %s: %s suppressed=%u", d->name,
		    err.msg, swallowed);
	return rc == STORE_SPOOL_OK ? sp : NULL;
}

static bool
say_receipt(struct ingest_core *c, struct device *d, struct owed *o, int64_t now)
{
	struct store_spool *sp = own_spool(c, d, &o->spool);
	struct bl_receipt r = { .is_answer = o->answer, .nonce = o->nonce, .verdict = o->verdict };

	if (sp != NULL && o->verdict != BL_VERDICT_RETIRED) {
		store_receipt(c->store, sp, &r);
		/* By what a refusal knows of an id its agent sees that it is its own, and goes on
		 * under another: of a closed one there may be nothing here but what was given up.
		 */
		if (o->verdict == BL_VERDICT_CONFLICT && r.clock_version == 0)
			r.clock_version = 1;
	} else if (!o->answer) {
		o->receipt = false; /* the batches come again, and ask for it anew */
		return true;
	}
	r.spool = o->spool;
	r.epoch = *store_epoch(c->store);
	r.server_unix_ms = bl_unix_ms(c->clock);
	r.credit_bytes_per_s = o->verdict == BL_VERDICT_OK ? ingest_credit(c, d) : 0;
	r.takes = o->answer ? BL_MSG_LAST : 0;
	r.rival = ingest_rival(c, d);
	r.rival_known = o->answer || r.rival > 0;
	bl_buf_reset(&c->out);
	if (bl_receipt_encode(&r, &c->out) < 0)
		c->out.failed = true;
	(void)bl_fault_hit(o->answer ? "ingest.answer" : "ingest.receipt");
	if (!publish(c, BL_TOPIC_RECEIPT, d->name, false))
		return false;
	(void)bl_fault_hit("ingest.published");
	if (o->answer) {
		d->last_answer_mono_ms = now;
		c->stats.answers++;
	}
	d->last_receipt_mono_ms = now;
	c->stats.receipts++;
	o->answer = o->receipt = false;
	o->verdict = BL_VERDICT_OK;
	return true;
}

static bool
fill_question(struct ingest_core *c, const struct device *d, struct owed *o, struct bl_question *q)
{
	struct store_spool *sp = own_spool(c, d, &o->spool);
	bool any = false;

	if (sp == NULL)
		return false;
	memset(q, 0, sizeof(*q));
	q->spool = o->spool;
	/* What a damaged store had may still be taken over: "gone" now would be wrong soon. */
	if (!store_salvaging(c->store)) {
		if (o->need != NULL)
			memcpy(q->need, o->need, sizeof(q->need));
		else if (o->want_batches)
			store_missing(sp, q->need);
	}
	q->need_dict = o->want_dict;
	q->dict_from = store_spool_dict_version(sp) + 1;
	q->need_clock = o->want_clock;
	q->clock_from = store_spool_clock_version(sp) + 1;
	for (int i = 0; i < BL_STREAMS; i++)
		any = any || q->need[i].n > 0;
	return any || q->need_dict || q->need_clock;
}

static bool
say_question(struct ingest_core *c, struct device *d, struct owed *o, int64_t now)
{
	struct bl_question q;

	if (fill_question(c, d, o, &q)) {
		bl_buf_reset(&c->out);
		if (bl_question_encode(&q, &c->out) < 0)
			c->out.failed = true;
		if (!publish(c, BL_TOPIC_RECEIPT, d->name, false))
			return false;
		d->last_question_mono_ms = now;
		c->stats.questions++;
	}
	free(o->need);
	o->need = NULL;
	o->want_dict = o->want_clock = o->want_batches = false;
	return true;
}

/* What came meanwhile needs no question. */
static void
drop_answered(struct ingest_core *c, const struct device *d, struct owed *o)
{
	struct store_spool *sp;

	if (!o->want_batches || (sp = own_spool(c, d, &o->spool)) == NULL)
		return;
	if (store_spool_missing(sp) == 0)
		o->want_batches = false;
}

static bool
wants(const struct owed *o)
{
	return o->need != NULL || o->want_dict || o->want_clock || o->want_batches;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* One spool of one device.  Returns in how many ms there is more to say; 0: at once did not work.
 */
static int64_t
serve(struct ingest_core *c, struct device *d, struct owed *o, int64_t now)
{
	const int64_t answer_in = d->last_answer_mono_ms + ANSWER_EVERY_MS - now;
	const int64_t receipt_in = receipt_at(d, o) - now;
	int64_t question_at, next = NEVER_MS;

	if (o->answer && answer_in <= 0 && !say_receipt(c, d, o, now))
		return 0;
	if (o->receipt && !o->answer && receipt_in <= 0 && !say_receipt(c, d, o, now))
		return 0;
	if (o->answer)
		next = smaller(next, answer_in);
	else if (o->receipt)
		next = smaller(next, receipt_in);
	/* The answer first: the agent sends nothing before it. */
	if (!o->answer && wants(o)) {
		drop_answered(c, d, o);
		question_at = d->last_question_mono_ms + QUESTION_EVERY_MS;
		/* Entries may be on their way on the other connection. */
		if (o->need == NULL && question_at < o->want_since_mono_ms + ENTRIES_PATIENCE_MS)
			question_at = o->want_since_mono_ms + ENTRIES_PATIENCE_MS;
		if (question_at > now)
			next = smaller(next, question_at - now);
		else if (!say_question(c, d, o, now))
			return 0;
	}
	return next;
}

int64_t
ingest_core_due(struct ingest_core *c)
{
	const int64_t now = bl_mono_ms(c->clock);
	int64_t next = NEVER_MS;
	size_t kept = 0;
	bool stuck = false;

	ingest_backlog_sweep(c);
	if (now < c->due_mono_ms)
		return smaller(c->due_mono_ms - now, NEVER_MS);
	for (size_t i = 0; i < c->n_waiting; i++) {
		struct device *d = c->waiting[i];
		unsigned n = 0;

		for (unsigned k = 0; k < d->n_owed; k++) {
			struct owed *o = &d->owed[k];

			if (!stuck) {
				const int64_t in = serve(c, d, o, now);

				/* The way out is full: the rest waits its turn. */
				stuck = in == 0;
				next = smaller(next, stuck ? 100 : in);
			}
			if (o->answer || o->receipt || wants(o))
				d->owed[n++] = *o;
			else
				ingest_owed_clear(o);
		}
		d->n_owed = n;
		d->waiting = n > 0;
		if (n > 0)
			c->waiting[kept++] = d;
	}
	c->n_waiting = kept;
	c->due_mono_ms = stuck ? INT64_MIN : now + larger(next, WALK_EVERY_MS);
	return next;
}

/* A full handshake costs the broker 5 ms: half a core while a fleet comes back. */
static uint32_t
reconnect_floor_ms(const struct ingest_core *c)
{
	int64_t floor_ms = (int64_t)c->n_devices * FLOOR_DEVICE_MS;

	if (floor_ms < c->opts.reconnect_floor_ms)
		floor_ms = c->opts.reconnect_floor_ms;
	return floor_ms > 300000 ? 300000 : (uint32_t)floor_ms;
}

bool
ingest_core_centre_stale(const struct ingest_core *c)
{
	const uint32_t now = reconnect_floor_ms(c), said = c->centre_floor_ms;

	return !c->centre_said || bl_mono_ms(c->clock) - c->centre_mono_ms >= CENTRE_AGAIN_MS ||
	       now > said + said / 4 || now < said - said / 4;
}

bool
ingest_core_centre(struct ingest_core *c)
{
	struct bl_centre m = {
		.epoch = *store_epoch(c->store),
		.start = c->start,
		.server_unix_ms = bl_unix_ms(c->clock),
		.reconnect_floor_ms = reconnect_floor_ms(c),
	};

	bl_buf_reset(&c->out);
	if (bl_centre_encode(&m, &c->out) < 0)
		c->out.failed = true;
	c->centre_floor_ms = m.reconnect_floor_ms;
	c->centre_mono_ms = bl_mono_ms(c->clock);
	c->centre_said = publish(c, BL_TOPIC_CENTRE, NULL, true);
	return c->centre_said;
}
