/*
 * The last two steps of `diagnose`, when no agent is running: connects as the
 * agent would, subscribes, says hello for the spool that is there, and waits
 * for the answer.  The spool is only read, and the answer is not worked in.
 */
#include "diagnose_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "branchline/message.h"
#include "branchline/mqtt.h"
#include "branchline/topic.h"

#include "spool.h"
#include "status.h"
#include "uplink.h"

#define CONNECT_MS 15000
#define ANSWER_MS  10000

struct talk {
	bool up, failed, answered;
	char why[320];
	uint32_t nonce;
	enum bl_verdict verdict;
	int64_t server_unix_ms;
};

static void
on_up(void *ctx)
{
	((struct talk *)ctx)->up = true;
}

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct talk *t = ctx;

	(void)retry_ms;
	t->failed = true;
	(void)snprintf(t->why, sizeof(t->why), "%s", why);
}

static void
on_message(void *ctx, const struct bl_mqtt_msg *m)
{
	struct talk *t = ctx;
	struct bl_err err = { 0 };
	struct bl_receipt r;

	if (bl_msg_type(m->payload, m->len) != BL_MSG_ANSWER ||
	    bl_receipt_decode(m->payload, m->len, &r, &err) < 0 || r.nonce != t->nonce)
		return;
	t->answered = true;
	t->verdict = r.verdict;
	t->server_unix_ms = r.server_unix_ms;
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	struct talk *t = ctx;

	(void)token;
	if (reason < 0x80)
		return;
	t->failed = true;
	(void)snprintf(t->why, sizeof(t->why),
	    "the broker refuses what this device publishes (MQTT reason %d)", reason);
}

/* Until *done, a failure, or the deadline.  Returns the ms it took. */
static double
wait_until(struct bl_mqtt *m, const struct talk *t, const bool *done, int64_t most_ms)
{
	const struct bl_clock *clock = bl_clock_real();
	const int64_t start = bl_mono_ms(clock);

	while (!*done && !t->failed && bl_mono_ms(clock) - start < most_ms) {
		struct pollfd p = { .fd = bl_mqtt_fd(m), .events = POLLIN };
		int ms = bl_mqtt_timeout_ms(m);

		if (ms < 0 || ms > 200)
			ms = 200;
		if (poll(&p, 1, ms) < 0 && errno != EINTR)
			break;
		bl_mqtt_step(m);
	}
	return (double)(bl_mono_ms(clock) - start);
}

static struct bl_mqtt *
make(const struct config *c, struct talk *t, struct bl_err *err)
{
	static const struct bl_mqtt_handlers handlers = {
		.up = on_up, .down = on_down, .message = on_message, .published = on_published
	};
	char receipt[BL_TOPIC_MAX];
	const char *const subscribe[] = { receipt, NULL };
	struct bl_mqtt_opts o = { .client_id = c->v->device.id,
		.subscribe = subscribe,
		.keepalive_s = 30,
		.backoff_min_ms = 1000,
		.backoff_max_ms = 1000,
		.window = 1,
		.window_bytes = BL_BATCH_WIRE_MAX,
		.mailbox = 16,
		.mailbox_bytes = BL_BATCH_WIRE_MAX };
	struct bl_mqtt *m = NULL;

	if (!bl_topic_format(receipt, sizeof(receipt), BL_TOPIC_RECEIPT, 0, c->v->device.id))
		return NULL;
	config_link(c, &o.link);
	if (bl_mqtt_create(&m, &o, bl_clock_real(), &handlers, t, err) < 0)
		return NULL;
	bl_mqtt_clock_untrusted(m, diagnose_clock_wrong());
	if (bl_mqtt_start(m, err) < 0) {
		bl_mqtt_free(m);
		m = NULL;
	}
	return m;
}

static int
make_hello(const struct config *c, uint32_t nonce, struct bl_buf *out, struct bl_err *err)
{
	char path[CONFIG_PATH_MAX];
	const struct spool_opts o = { .path = path,
		.device = c->v->device.id,
		.boot = bl_boot_id(bl_clock_real()),
		.clock = bl_clock_real(),
		.software = BL_VERSION };
	struct bl_hello h;
	int rc;

	config_state_path(c, STATUS_SPOOL, path);
	if ((rc = spool_hello_of_file(&o, &h, err)) < 0)
		return rc;
	h.nonce = nonce;
	memcpy(h.config_hash, c->hash, sizeof(h.config_hash));
	return bl_hello_encode(&h, out);
}

static bool
judge(const struct talk *t, double ms)
{
	char now[BL_TIME_SIZE];

	if (!t->answered) {
		diagnose_failed("collector", ms,
		    "is the collector running and connected to this broker? Does the device's part "
		    "agree with what `branchline device list` says?",
		    "%s", t->failed ? t->why : "no answer to hello within 10 s");
		return false;
	}
	if (t->verdict == BL_VERDICT_CONFLICT) {
		diagnose_failed("collector", ms,
		    "a copied disk image or a restored folder? Set this device up with an identity "
		    "of its own",
		    "the collector answered: this spool belongs to another device, or is closed");
		return false;
	}
	if (t->verdict == BL_VERDICT_RETIRED) {
		diagnose_failed("collector", ms, "bring it back at the centre, or stop this agent",
		    "the collector answered: this device was retired");
		return false;
	}
	bl_time_utc(t->server_unix_ms, now);
	diagnose_ok("collector", ms, "answered hello; its clock says %s", now);
	return true;
}

static bool
say_hello(const struct config *c, struct bl_mqtt *m, struct talk *t)
{
	char topic[BL_TOPIC_MAX];
	struct bl_err err = { 0 };
	struct bl_buf b;
	bool ok = false;
	int rc;

	(void)bl_topic_format(
	    topic, sizeof(topic), BL_TOPIC_HELLO, (unsigned)c->v->device.part, c->v->device.id);
	t->nonce = (uint32_t)bl_random_below(bl_clock_real(), UINT32_MAX) + 1;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	if ((rc = make_hello(c, t->nonce, &b, &err)) == BL_OK)
		rc = bl_mqtt_publish(m, topic, b.data, b.len, false, 1, &err);
	if (rc == BL_ENOTFOUND) {
		/* Hello speaks for a spool; one made here would be a change. */
		diagnose_skipped(
		    "collector", "there is no spool yet: start the agent, then ask again");
		ok = true;
	} else if (rc < 0) {
		diagnose_failed(
		    "collector", -1, "mend this first", "hello could not be said: %s", err.msg);
	} else {
		ok = judge(t, wait_until(m, t, &t->answered, ANSWER_MS));
	}
	bl_buf_free(&b);
	return ok;
}

bool
diagnose_broker(const struct config *c)
{
	struct talk t = { 0 };
	struct bl_err err = { 0 };
	struct bl_mqtt *m = make(c, &t, &err);
	struct bl_mqtt_stats st;
	bool ok = false;
	double ms;

	if (m == NULL) {
		diagnose_failed("broker", -1, diagnose_advice(BL_FAULT_INTERNAL), "%s", err.msg);
		return false;
	}
	ms = wait_until(m, &t, &t.up, CONNECT_MS);
	bl_mqtt_stats(m, &st);
	if (!t.up) {
		diagnose_failed("broker", ms, diagnose_advice(st.fault), "%s",
		    t.failed ? t.why : "no answer to CONNECT");
	} else {
		diagnose_ok("broker", ms, "accepted \"%s\" and its subscription", c->v->device.id);
		ok = say_hello(c, m, &t);
	}
	bl_mqtt_free(m);
	return ok;
}
