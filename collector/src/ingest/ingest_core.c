/*
 * Taking a message in: whose it is, whether it may be, and who decodes it.
 *
 * Everything is decided in this order: topic, size, retained flag, device,
 * part, type.  Only then is a payload looked into.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#include "ingest_internal.h"

int
ingest_core_create(
    struct ingest_core **out, const struct ingest_core_opts *opts, struct bl_err *err)
{
	struct ingest_core *c;
	int rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return bl_fail(err, BL_ENOMEM, "ingest: out of memory");
	c->opts = *opts;
	if (c->opts.credit_bytes_per_s <= 0)
		c->opts.credit_bytes_per_s = 4 << 20;
	c->total = c->opts.credit_bytes_per_s;
	c->credit_stale = true;
	if (c->opts.devices_max == 0)
		c->opts.devices_max = 50000;
	c->store = opts->store;
	c->clock = opts->clock;
	c->start = bl_id_random(c->clock);
	c->generation = 1;
	c->n_buckets = 8192;
	bl_buf_init(&c->raw, BL_BATCH_RAW_MAX);
	bl_buf_init(&c->out, BL_BATCH_WIRE_MAX);
	if ((c->bucket = calloc(c->n_buckets, sizeof(struct device *))) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "ingest: out of memory");
		goto fail;
	}
	if (opts->marker_path != NULL && (rc = marker_open(&c->marker, opts->marker_path, err)) < 0)
		goto fail;
	*out = c;
	return BL_OK;

fail:
	ingest_core_free(c);
	return rc;
}

void
ingest_core_free(struct ingest_core *c)
{
	if (c == NULL)
		return;
	ingest_devices_free(c);
	marker_close(c->marker);
	bl_buf_free(&c->raw);
	bl_buf_free(&c->out);
	free(c->waiting);
	free(c->backlog);
	free(c->demand);
	free(c->bucket);
	free(c);
}

int
ingest_aside(struct ingest_core *c, const struct arrival *a, enum store_aside_reason reason,
    const char *detail, struct store_spool *spool, enum bl_stream stream, uint64_t seq,
    struct bl_err *err)
{
	const struct store_aside aside = {
		.reason = reason,
		.topic = a->m->topic,
		.device = a->topic.kind != BL_TOPIC_OTHER && a->topic.device[0] != '\0'
			      ? a->topic.device
			      : NULL,
		.part = a->topic.kind >= BL_TOPIC_HELLO && a->topic.kind <= BL_TOPIC_PRESENCE
			    ? a->topic.part
			    : -1,
		.detail = detail,
		.payload = a->m->payload,
		.len = a->m->len,
		.spool = spool,
		.stream = stream,
		.seq = seq,
	};
	int rc;

	c->outcome = OUTCOME_ASIDE;
	if (c->again != NULL)
		return store_aside_stays(c->store, c->again->id, reason, detail, err);
	if ((rc = store_aside(c->store, &aside, err)) < 0)
		return rc;
	c->stats.set_aside++;
	bl_debug("ingest", "set aside reason=%s device=%s detail=%s",
	    store_aside_reason_name(reason), a->topic.device, detail);
	return BL_OK;
}

bool
ingest_bad_message(int rc)
{
	return rc == BL_EINVAL || rc == BL_ECORRUPT || rc == BL_ENEWER || rc == BL_EUNSUPPORTED;
}

int
ingest_own_spool(struct ingest_core *c, const struct arrival *a, const struct bl_id *uuid,
    struct store_spool **out, struct bl_err *err)
{
	struct bl_err why = { 0 };
	int rc = store_spool(c->store, uuid, a->topic.device, out, &why);

	if (rc == STORE_SPOOL_OK || rc == STORE_SPOOL_NEW)
		return 1;
	if (rc == STORE_SPOOL_FOREIGN)
		return ingest_aside(c, a, STORE_ASIDE_FOREIGN_IDENTITY,
		    "its spool belongs to another device", NULL, 0, 0, err);
	if (rc == BL_EINVAL)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	if (rc == STORE_SPOOL_TOO_MANY)
		return ingest_aside(c, a, STORE_ASIDE_FOREIGN_IDENTITY,
		    "this device has had too many spools already", NULL, 0, 0, err);
	if (err != NULL)
		*err = why;
	return rc;
}

/* 1: goes on; 0: set aside or dropped; negative: the store failed. */
static int
admit(struct ingest_core *c, struct arrival *a, struct bl_err *err)
{
	const struct ingest_msg *m = a->m;
	struct bl_err why = { 0 };
	unsigned swallowed;
	int rc;

	if (!bl_topic_parse(m->topic, strlen(m->topic), &a->topic) ||
	    a->topic.kind < BL_TOPIC_HELLO || a->topic.kind > BL_TOPIC_PRESENCE)
		return ingest_aside(
		    c, a, STORE_ASIDE_NOT_OURS, "no topic of ours", NULL, 0, 0, err);
	if (m->len > BL_BATCH_WIRE_MAX)
		return ingest_aside(
		    c, a, STORE_ASIDE_OVERSIZED, "larger than any message may be", NULL, 0, 0, err);
	/* Presence is retained by design; data and answers never are. */
	if (m->retained && a->topic.kind != BL_TOPIC_PRESENCE)
		return ingest_aside(c, a, STORE_ASIDE_RETAINED,
		    "a retained flag on what must never be retained", NULL, 0, 0, err);
	if ((rc = ingest_device(c, a->topic.device, &a->dev, &why)) < 0) {
		c->stats.lookup_failures++;
		c->outcome = OUTCOME_LATER;
		if (bl_log_allow(&c->lookup_log, bl_mono_ms(c->clock), LOG_EVERY_MS, &swallowed))
			bl_warn("ingest",
			    "message dropped, the device table cannot be read: %s suppressed=%u",
			    why.msg, swallowed);
		return 0;
	}
	if (rc == 0)
		return ingest_aside(c, a, STORE_ASIDE_UNKNOWN_DEVICE,
		    "no device with this id was added", NULL, 0, 0, err);
	if (a->topic.part != a->dev->info.part)
		return ingest_aside(c, a, STORE_ASIDE_WRONG_PART,
		    "the part in the topic is not the device's", NULL, 0, 0, err);
	return 1;
}

static int
not_here(struct ingest_core *c, const struct arrival *a, int type, const struct bl_err *why,
    struct bl_err *err)
{
	char detail[256];

	if (type < 0)
		(void)snprintf(detail, sizeof(detail), "%s", why->msg);
	else
		(void)snprintf(detail, sizeof(detail), "a message of type %d does not belong %s",
		    type, a->bundled ? "into a bundle" : "here");
	return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, detail, NULL, 0, 0, err);
}

static int
dispatch(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	const struct bl_err why = { .msg = "not a message of Branchline, or of a newer format" };
	const int type = bl_msg_type(a->m->payload, a->m->len);
	const enum bl_topic_kind kind = a->topic.kind;

	if (kind == BL_TOPIC_PRESENCE && a->m->len == 0)
		return BL_OK; /* somebody cleared the retained one: says nothing */
	if (a->dev->info.retired && !(kind == BL_TOPIC_HELLO && type == BL_MSG_HELLO))
		return ingest_aside(
		    c, a, STORE_ASIDE_RETIRED, "the device was retired", NULL, 0, 0, err);
	if (c->again != NULL && (kind == BL_TOPIC_PRESENCE || type == BL_MSG_HELLO) &&
	    (kind == BL_TOPIC_HELLO || type == BL_MSG_PRESENCE))
		return ingest_requeue_moment(c, a, err);
	if (kind == BL_TOPIC_HELLO && type == BL_MSG_HELLO)
		return ingest_take_hello(c, a, err);
	if (kind == BL_TOPIC_HELLO && type == BL_MSG_REPORT)
		return ingest_take_report(c, a, err);
	if (kind == BL_TOPIC_HELLO && type == BL_MSG_GONE)
		return ingest_take_gone(c, a, err);
	if (kind == BL_TOPIC_PRESENCE && type == BL_MSG_PRESENCE)
		return ingest_take_presence(c, a, err);
	if ((kind == BL_TOPIC_LIVE || kind == BL_TOPIC_PAST) && type == BL_MSG_BATCH)
		return ingest_take_batch(c, a, err);
	if (a->bundled)
		return not_here(c, a, type, &why, err);
	if ((kind == BL_TOPIC_LIVE || kind == BL_TOPIC_PAST) &&
	    (type == BL_MSG_BUNDLE || type == BL_MSG_PACK))
		return ingest_take_bundle(c, a, err);
	if (kind == BL_TOPIC_LIVE && type == BL_MSG_DICT)
		return ingest_take_dict(c, a, err);
	if (kind == BL_TOPIC_LIVE && type == BL_MSG_CLOCK)
		return ingest_take_clock(c, a, err);
	return not_here(c, a, type, &why, err);
}

/*
 * What of a batch is the same at every offer and names it: spool, boot, stream, seq.  Of a
 * bundle only the lengths are read under its name, and its first batch will do.
 */
#define BATCH_NAME_BYTES 48u

/*
 * Names a message for the decode marker, so that it has the same name when it
 * comes again.  No two hellos of a device are alike, nor two presences or
 * reports: there the device and the kind must do.
 */
static uint64_t
sum_of(const struct arrival *a)
{
	const int type = bl_msg_type(a->m->payload, a->m->len);
	const bool moment =
	    a->topic.kind == BL_TOPIC_PRESENCE || type == BL_MSG_HELLO || type == BL_MSG_REPORT;
	const uint64_t kind = (uint64_t)a->topic.kind + (type == BL_MSG_REPORT ? 0x100u : 0);
	size_t len = moment ? 0 : a->m->len;

	if ((type == BL_MSG_BATCH || type == BL_MSG_BUNDLE || type == BL_MSG_PACK) &&
	    len > BATCH_NAME_BYTES)
		len = BATCH_NAME_BYTES;
	/* A batch may come as live first and as backlog later. */
	return marker_sum(marker_sum(moment ? kind : 0, a->topic.device, strlen(a->topic.device)),
	    a->m->payload, len);
}

void
ingest_decoded(struct ingest_core *c, const struct arrival *a)
{
	marker_leave(c->marker, a->sum);
}

/* Decodes it, unless the process has died of that too often. */
static int
look_into(struct ingest_core *c, struct arrival *a, struct bl_err *err)
{
	char detail[96];
	int rc;

	a->sum = sum_of(a);
	if (marker_enter(c->marker, a->sum) >= MARKER_STRIKES) {
		(void)snprintf(detail, sizeof(detail),
		    "the collector died %d times while decoding such a message", MARKER_STRIKES);
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, detail, NULL, 0, 0, err);
	}
	rc = dispatch(c, a, err);
	ingest_decoded(c, a); /* also where nobody came so far as to decode it */
	return rc;
}

int
ingest_bundled(struct ingest_core *c, const struct arrival *bundle, const uint8_t *msg, size_t len,
    struct bl_err *err)
{
	const struct ingest_msg m = { .topic = bundle->m->topic, .payload = msg, .len = len };
	struct arrival a = { .m = &m, .topic = bundle->topic, .dev = bundle->dev, .bundled = true };

	return look_into(c, &a, err);
}

int
ingest_core_take(struct ingest_core *c, const struct ingest_msg *m, struct bl_err *err)
{
	struct arrival a = { .m = m };
	int rc = admit(c, &a, err);

	(void)bl_fault_hit("ingest.admitted");
	if (rc == 1)
		rc = look_into(c, &a, err);
	(void)bl_fault_hit("ingest.taken");
	return rc;
}

int
ingest_core_begin(struct ingest_core *c, struct bl_err *err)
{
	int rc;

	(void)bl_fault_hit("ingest.begin");
	rc = store_begin(c->store, err);
	(void)bl_fault_hit("ingest.begun");
	return rc;
}

int
ingest_core_commit(struct ingest_core *c, struct bl_err *err)
{
	int rc;

	/*
	 * A slice of what waits for a clock map goes along, about a millisecond, as of what an
	 * earlier program stored, and of a damaged store, about ten.
	 */
	if ((rc = store_place(c->store, 100, err)) < 0 ||
	    (rc = store_due_again(c->store, 64, err)) < 0 ||
	    (rc = store_salvage(c->store, SALVAGE_ALONG_PAGES, err)) < 0) {
		ingest_core_rollback(c);
		return rc;
	}
#ifdef BL_BROKEN_RECEIPT_BEFORE_COMMIT
	(void)ingest_core_due(c); /* wrong: receipts for what may yet be gone */
#endif
	if ((rc = store_commit(c->store, err)) < 0) {
		ingest_core_rollback(c);
		return rc;
	}
	c->before = c->stats;
	(void)bl_fault_hit("ingest.committed");
	return BL_OK;
}

int
ingest_core_salvage(struct ingest_core *c, struct bl_err *err)
{
	return store_salvage(c->store, SALVAGE_IDLE_PAGES, err);
}

int
ingest_core_scrub(struct ingest_core *c, struct bl_err *err)
{
	return store_scrub(c->store, SCRUB_ROWS, err);
}

void
ingest_core_rollback(struct ingest_core *c)
{
	store_rollback(c->store);
	c->stats = c->before;
	for (size_t i = 0; i < c->n_waiting; i++) {
		struct device *d = c->waiting[i];

		for (unsigned k = 0; k < d->n_owed; k++)
			ingest_owed_clear(&d->owed[k]);
		d->n_owed = 0;
		d->waiting = false;
	}
	c->n_waiting = 0;
}

void
ingest_core_devices_changed(struct ingest_core *c)
{
	c->generation++;
}

void
ingest_core_stats(const struct ingest_core *c, struct ingest_core_stats *out)
{
	*out = c->stats;
	out->devices = c->n_devices;
	out->with_backlog = c->n_backlog;
	out->credit_bytes_per_s = c->total;
}
