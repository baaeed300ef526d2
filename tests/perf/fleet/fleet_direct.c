/*
 * `fleet direct`: the same batches without a network, from the generator straight into
 * the collector's ingest (ingest_core) and a store of its own with its promises on.
 *
 * The time is the generator's: a fleet's hour passes as fast as it is taken in.  Receipts go
 * back to the agents' spools, so that what is not receipted shows.  Making batches and taking
 * receipts is outside of what is measured; groups of 100 messages, as the writer forms them.
 */
#include "fleet_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "branchline/topic.h"

#include "fleet_record.h"
#include "fleet_spool.h"
#include "ingest_core.h"
#include "store.h"

#define GROUP    100u
#define UNIX_MS  INT64_C(1700000000000)
#define PART     1u
#define NAME_MAX 32

struct direct {
	const struct fleet_opts *o;
	struct fleet_data *data;
	struct fleet_spool_tally tally;
	struct fleet_spool *spool;
	struct store *store;
	struct ingest_core *core;
	unsigned in_group;
	double cpu_s;
	uint64_t bytes, receipts, questions;
};

static double
cpu_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
name_of(unsigned agent, char out[NAME_MAX])
{
	(void)snprintf(out, NAME_MAX, "agent-%05u", agent);
}

/* ---- what ingest asks for ---- */

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)device;
	(void)err;
	*out = (struct ingest_device){ .part = PART };
	return 1;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct direct *d = ctx;
	struct uplink_outcome o;
	struct bl_receipt r;
	struct bl_topic t;
	unsigned long agent;

	(void)retained;
	if (bl_msg_type(payload, len) == BL_MSG_QUESTION)
		d->questions++;
	if (!bl_topic_parse(topic, strlen(topic), &t) || t.kind != BL_TOPIC_RECEIPT ||
	    bl_msg_type(payload, len) != BL_MSG_RECEIPT ||
	    bl_receipt_decode(payload, len, &r, NULL) < 0)
		return true;
	agent = strtoul(t.device + strlen("agent-"), NULL, 10);
	if (agent < d->o->agents)
		fleet_spool_receipt(&d->spool[agent], &r, &o);
	d->receipts++;
	return true;
}

/* ---- in ---- */

static int
end_group(struct direct *d, struct bl_err *err)
{
	const double before = cpu_now();
	int rc;

	if (d->in_group == 0)
		return BL_OK;
	d->in_group = 0;
	rc = ingest_core_commit(d->core, err);
	d->cpu_s += cpu_now() - before;
	(void)ingest_core_due(d->core);
	return rc < 0 ? rc : BL_OK;
}

static int
take(struct direct *d, unsigned agent, enum bl_topic_kind kind, const struct bl_buf *msg,
    struct bl_err *err)
{
	char topic[BL_TOPIC_MAX], name[NAME_MAX];
	const struct ingest_msg m = { topic, msg->data, msg->len, false };
	double before;
	int rc = BL_OK;

	name_of(agent, name);
	(void)bl_topic_format(topic, sizeof(topic), kind, PART, name);
	before = cpu_now();
	if (d->in_group == 0)
		rc = ingest_core_begin(d->core, err);
	if (rc >= 0)
		rc = ingest_core_take(d->core, &m, err);
	d->cpu_s += cpu_now() - before;
	d->bytes += msg->len;
	if (rc >= 0 && ++d->in_group == GROUP)
		rc = end_group(d, err);
	return rc < 0 ? rc : BL_OK;
}

/* All that an agent has to offer now. */
static int
deliver(struct direct *d, unsigned agent, struct bl_err *err)
{
	struct uplink_offer want = {
		.live = true, .past_bytes = 1024 * 1024, .max_frames = FLEET_FRAMES_MAX
	};
	struct fleet_frame f[FLEET_FRAMES_MAX];
	unsigned n = 0;
	int rc;

	do {
		rc = fleet_spool_offer(&d->spool[agent], &want, f, &n, err);
		for (unsigned i = 0; i < n; i++) {
			if (rc == BL_OK)
				rc = take(d, agent, f[i].f.past ? BL_TOPIC_PAST : BL_TOPIC_LIVE,
				    &f[i].msg, err);
			bl_buf_free(&f[i].msg);
		}
		want.dict_known = MIX_SERIES;
		want.clock_known = 1;
	} while (rc == BL_OK && n > 0);
	return rc;
}

/* Every agent once: what it has, or what it cuts at the end of this round. */
static int
round_of_all(struct direct *d, uint64_t round, struct bl_err *err)
{
	const int64_t cut_ms = d->o->cut_ms;
	int rc = BL_OK;

	for (unsigned a = 0; a < d->o->agents && rc == BL_OK; a++) {
		struct fleet_spool *s = &d->spool[a];

		if (round > 0)
			rc = fleet_spool_cut(s, s->live_begin_ms + (int64_t)round * cut_ms, 0, err);
		if (rc == BL_OK)
			rc = deliver(d, a, err);
	}
	return rc;
}

/* Receipts are sent a second apart at most: the last ones by the clock's own time. */
static void
last_receipts(struct direct *d)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	for (unsigned tries = 0; tries < 250; tries++) {
		uint64_t waiting = 0;

		(void)ingest_core_due(d->core);
		for (unsigned a = 0; a < d->o->agents; a++)
			waiting += fleet_spool_waiting(&d->spool[a]);
		if (waiting == 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- all ---- */

static int
open_direct(struct direct *d, struct bl_err *err)
{
	const struct fleet_shape shape = fleet_shape_of(d->o);
	char path[1024];
	struct store_opts so = { .path = path, .clock = bl_clock_real() };
	struct ingest_core_opts co = { .clock = bl_clock_real(),
		.lookup = lookup,
		.publish = publish,
		.publish_ctx = d,
		.devices_max = d->o->agents };
	int rc;

	(void)snprintf(path, sizeof(path), "%s/telemetry.db", d->o->store);
	if ((rc = fleet_data_create(&d->data, &shape, err)) < 0)
		return rc;
	if ((d->spool = calloc(d->o->agents, sizeof(*d->spool))) == NULL)
		return bl_fail(err, BL_ENOMEM, "%u agents: out of memory", d->o->agents);
	for (unsigned a = 0; a < d->o->agents && rc == BL_OK; a++) {
		struct fleet_spool *s = &d->spool[a];

		rc = fleet_spool_open(s, d->data, &d->tally, a, UNIX_MS, err);
		/* Cuts spread over a round, as they are in a fleet. */
		fleet_spool_begin(
		    s, s->stream[0].begin_ms + (int64_t)a * d->o->cut_ms / d->o->agents);
	}
	if (rc == BL_OK && (rc = store_open(&d->store, &so, err)) >= 0) {
		co.store = d->store;
		rc = ingest_core_create(&d->core, &co, err);
	}
	return rc;
}

static void
close_direct(struct direct *d)
{
	ingest_core_free(d->core);
	store_close(d->store);
	for (unsigned a = 0; d->spool != NULL && a < d->o->agents; a++)
		fleet_spool_close(&d->spool[a]);
	free(d->spool);
	fleet_data_free(d->data);
}

static void
print(const struct direct *d)
{
	uint64_t waiting = 0;

	for (unsigned a = 0; a < d->o->agents; a++)
		waiting += fleet_spool_waiting(&d->spool[a]);
	(void)printf("fleet_agents %u\nfleet_settled_live %" PRIu64 "\nfleet_settled_past %" PRIu64
		     "\nfleet_settled_samples %" PRIu64 "\nfleet_unsettled %" PRIu64
		     "\nfleet_receipts %" PRIu64 "\nfleet_questions %" PRIu64
		     "\nfleet_dropped %" PRIu64 "\nfleet_aside %" PRIu64 "\n",
	    d->o->agents, d->tally.settled_live, d->tally.settled_past, d->tally.settled_samples,
	    waiting, d->receipts, d->questions, d->tally.dropped, d->tally.aside);
	(void)printf("fleet_direct_cpu_s %.3f s\nfleet_direct_samples_per_cpu_s %.0f samples/s\n"
		     "fleet_direct_bytes_per_sample %.4f bytes\n",
	    d->cpu_s, (double)d->tally.settled_samples / d->cpu_s,
	    (double)d->bytes / (double)d->tally.settled_samples);
}

static int
write_record(const struct direct *d, struct bl_err *err)
{
	const struct fleet_shape shape = fleet_shape_of(d->o);
	struct fleet_record *rec = calloc(d->o->agents, sizeof(*rec));
	char name[NAME_MAX];
	int rc;

	if (rec == NULL)
		return bl_fail(err, BL_ENOMEM, "write %s: out of memory", d->o->record);
	for (unsigned a = 0; a < d->o->agents; a++) {
		name_of(a, name);
		fleet_spool_record(&d->spool[a], name, &rec[a]);
	}
	rc = fleet_record_write(d->o->record, &shape, rec, d->o->agents, err);
	free(rec);
	return rc;
}

int
fleet_direct(const struct fleet_opts *o)
{
	const uint64_t rounds = (uint64_t)(o->measure_ms / o->cut_ms);
	struct direct d = { .o = o };
	struct bl_err err = { 0 };
	int rc = open_direct(&d, &err);

	for (uint64_t k = o->past_hours > 0 ? 0 : 1; k <= rounds && rc == BL_OK; k++)
		rc = round_of_all(&d, k, &err);
	if (rc == BL_OK && (rc = end_group(&d, &err)) == BL_OK) {
		last_receipts(&d);
		print(&d);
		if (o->record != NULL)
			rc = write_record(&d, &err);
	}
	if (rc < 0)
		fleet_say("%s", err.msg);
	close_direct(&d);
	return rc < 0 ? 1 : 0;
}
