/* The life of a simulated agent: its turn, its connections, its cuts.  See fleet_agent.h. */
#include "fleet_agent_internal.h"

#include <string.h>

#define SECOND_US    INT64_C(1000000)
#define DIAL_US      (20 * SECOND_US) /* from TCP to SUBACK */
#define PING_US      (FLEET_KEEPALIVE_S * SECOND_US)
#define PING_WAIT_US (10 * SECOND_US)
#define LOOK_US      (3 * SECOND_US) /* an agent's library looks every tenth of the keep-alive */
#define TURN_US      50000
#define BACKOFF_MS   UINT64_C(1000)
#define BACKOFF_MAX  UINT64_C(60000)

uint64_t
agent_random_below(struct fleet_agent *a, uint64_t bound)
{
	a->rng ^= a->rng >> 12;
	a->rng ^= a->rng << 25;
	a->rng ^= a->rng >> 27;
	return bound == 0 ? 0 : (a->rng * UINT64_C(2685821657736338717) >> 11) % bound;
}

int64_t
agent_boot_ms(const struct fleet_agent *a, int64_t now_us)
{
	return a->fleet->began_unix_ms + (now_us - a->fleet->began_us) / 1000 - a->spool.offset_ms;
}

int
fleet_agent_open(struct fleet_agent *a, struct fleet *f, unsigned index,
    const struct fleet_identity *id, struct bl_err *err)
{
	const struct bl_id seed = fleet_spool_id(fleet_data_shape(f->data)->seed + 0x9000, index);

	memset(a, 0, sizeof(*a));
	a->fleet = f;
	a->index = index;
	a->id = id;
	memcpy(&a->rng, seed.b, sizeof(a->rng));
	a->rng |= 1;
	a->connect_us = a->cut_us = a->report_us = FLEET_NEVER;
	if ((a->uplink = uplink_create(a->rng)) == NULL)
		return bl_fail(err, BL_ENOMEM, "agent %u: out of memory", index);
	return fleet_spool_open(&a->spool, f->data, &f->tally, index, f->began_unix_ms, err);
}

void
fleet_agent_close(struct fleet_agent *a)
{
	fleet_conn_free(a->conn);
	for (unsigned i = 0; i < UPLINK_SLOTS; i++)
		bl_buf_free(&a->kept[i].msg);
	if (a->uplink != NULL)
		fleet_spool_close(&a->spool);
	uplink_free(a->uplink);
	memset(a, 0, sizeof(*a));
}

void
fleet_agent_start(struct fleet_agent *a, int64_t at_us)
{
	a->connect_us = at_us;
}

/* ---- connections ---- */

/* As shared/mqtt has it: full jitter, doubling, and as far spread as the centre wants it. */
static int64_t
backoff_us(struct fleet_agent *a)
{
	const uint64_t floor_ms = a->fleet->floor_ms;
	uint64_t ceiling = BACKOFF_MS << (a->failures < 6 ? a->failures : 6);

	if (ceiling > BACKOFF_MAX)
		ceiling = BACKOFF_MAX;
	if (floor_ms >= ceiling)
		ceiling = 2 * floor_ms;
	a->failures++;
	return (int64_t)(floor_ms + agent_random_below(a, ceiling - floor_ms + 1)) * 1000;
}

void
agent_lost(struct fleet_agent *a, int64_t now_us, const char *why)
{
	struct fleet *f = a->fleet;

	if (a->conn == NULL)
		return;
	(void)snprintf(f->why, sizeof(f->why), "%.60s: %.120s", a->id->device, why);
	if (a->stage == FLEET_UP) {
		f->up--;
		f->lost++;
		delivery_down(a, now_us);
	} else {
		f->failed++;
		f->dialling--;
	}
	if (a->welcome)
		f->ready--;
	fleet_conn_free(a->conn);
	a->conn = NULL;
	a->stage = FLEET_IDLE;
	a->welcome = a->birth_said = a->pinged = false;
	a->report_us = FLEET_NEVER;
	memset(a->sent, 0, sizeof(a->sent));
	a->connect_us = f->stopping ? FLEET_NEVER : now_us + backoff_us(a);
}

static void
dial(struct fleet_agent *a, int64_t now_us)
{
	struct bl_err err = { 0 };

	if (a->fleet->dialling >= a->fleet->dialling_max) {
		a->connect_us = now_us + TURN_US + (int64_t)agent_random_below(a, TURN_US);
		return;
	}
	a->connect_us = FLEET_NEVER;
	a->dialled_us = a->heard_us = a->said_us = now_us;
	a->stage = FLEET_DIALLING;
	if (fleet_conn_open(&a->conn, &a->fleet->tls, a->id, a, &err) == BL_OK) {
		a->fleet->dialling++;
		return;
	}
	(void)snprintf(a->fleet->why, sizeof(a->fleet->why), "%.190s", err.msg);
	a->fleet->failed++;
	a->stage = FLEET_IDLE;
	a->connect_us = now_us + backoff_us(a);
}

/* ---- time ---- */

/*
 * From its first welcome on an agent measures, and its cuts lie at a phase of its own.  One
 * with a backlog has measured all the while: its open span is cut at once, as on every return.
 */
static void
begin(struct fleet_agent *a, int64_t now_us)
{
	const struct fleet_shape *shape = fleet_data_shape(a->fleet->data);
	int64_t begin_us = now_us;

	a->begun = true;
	a->fleet->begun++;
	if (shape->past_batches > 0) {
		fleet_spool_begin(&a->spool, a->spool.stream[0].begin_ms);
		a->cut_us = now_us;
		return;
	}
	begin_us += (int64_t)agent_random_below(a, (uint64_t)shape->cut_ms) * 1000;
	fleet_spool_begin(&a->spool, agent_boot_ms(a, begin_us));
	a->cut_us = begin_us + shape->cut_ms * 1000;
}

static void
cut(struct fleet_agent *a, int64_t now_us)
{
	struct bl_err err = { 0 };

	if (a->fleet->stopping) {
		a->cut_us = FLEET_NEVER;
		return;
	}
	if (fleet_spool_cut(&a->spool, agent_boot_ms(a, a->cut_us), a->cut_us, &err) < 0) {
		a->fleet->tally.dropped++;
		(void)snprintf(a->fleet->why, sizeof(a->fleet->why), "%.190s", err.msg);
	}
	a->cut_us += fleet_data_shape(a->fleet->data)->cut_ms * 1000;
	delivery_cut(a, now_us);
}

static int64_t
ping_us(const struct fleet_agent *a)
{
	int64_t quiet_us;

	if (a->pinged)
		return a->said_us + PING_WAIT_US;
	quiet_us = (a->heard_us < a->said_us ? a->heard_us : a->said_us) + PING_US - a->dialled_us;
	return a->dialled_us + (quiet_us + LOOK_US - 1) / LOOK_US * LOOK_US;
}

int64_t
fleet_agent_deadline(const struct fleet_agent *a)
{
	const int64_t uplink_ms = uplink_deadline(a->uplink);
	int64_t at = a->cut_us < a->connect_us ? a->cut_us : a->connect_us;

	if (a->conn == NULL)
		return at;
	if (a->stage != FLEET_UP)
		return a->dialled_us + DIAL_US < at ? a->dialled_us + DIAL_US : at;
	if (uplink_ms < INT64_MAX / 1000 && uplink_ms * 1000 < at)
		at = uplink_ms * 1000;
	if (a->report_us < at)
		at = a->report_us;
	return ping_us(a) < at ? ping_us(a) : at;
}

static void
ping(struct fleet_agent *a, int64_t now_us)
{
	if (a->pinged) {
		/* A thousand handshakes may lie between an answer and our look at it. */
		fleet_agent_io(a, now_us);
		if (a->conn != NULL && a->pinged)
			agent_lost(a, now_us, "the broker did not answer a ping");
		return;
	}
	a->pinged = true;
	fleet_mqtt_ping(&a->conn->out);
	a->fleet->bytes[FLEET_OUT_PING] += 2;
	session_flush(a, now_us);
}

void
fleet_agent_tick(struct fleet_agent *a, int64_t now_us)
{
	if (a->welcome && !a->begun && !a->fleet->stopping)
		begin(a, now_us);
	if (a->cut_us <= now_us)
		cut(a, now_us);
	if (a->conn == NULL) {
		if (a->connect_us <= now_us)
			dial(a, now_us);
		return;
	}
	if (a->stage != FLEET_UP) {
		if (now_us < a->dialled_us + DIAL_US)
			return;
		fleet_agent_io(a, now_us);
		if (a->conn != NULL && a->stage != FLEET_UP)
			agent_lost(a, now_us, "it takes too long to connect");
		return;
	}
	delivery_tick(a, now_us);
	if (a->conn != NULL && a->report_us <= now_us)
		delivery_report(a, now_us);
	if (a->conn != NULL && ping_us(a) <= now_us)
		ping(a, now_us);
}

void
fleet_agent_io(struct fleet_agent *a, int64_t now_us)
{
	if (a->conn == NULL)
		return;
	if (!fleet_conn_step(a->conn, a)) {
		agent_lost(a, now_us, a->conn->why);
		return;
	}
	if (a->stage == FLEET_DIALLING && a->conn->stage == FLEET_CONN_OPEN)
		session_connect(a, now_us);
	if (a->conn != NULL)
		(void)session_take(a, now_us);
}

void
fleet_agent_bye(struct fleet_agent *a, int64_t now_us)
{
	struct bl_buf b;

	if (a->stage != FLEET_UP)
		return;
	session_presence(a, false, a->spool.connections, &b);
	(void)session_publish(a, FLEET_OUT_HELLO, BL_TOPIC_PRESENCE, &b, true, FLEET_TOKEN_NONE);
	bl_buf_free(&b);
	fleet_mqtt_bye(&a->conn->out);
	session_flush(a, now_us);
}
