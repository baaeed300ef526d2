/*
 * One connection after another: the state machine of bl_mqtt.
 *
 * An attempt goes LINKING (DNS, TCP, TLS: only the link is at work), GREETING
 * (Paho is called, with the address of this attempt), SUBSCRIBING, UP.  A TLS
 * failure never reaches Paho.  A connection has ended when both the link is
 * down and Paho has said so; only then is the reason known (the broker's last
 * word may still lie in the socket pair when the link is gone already) and may
 * Paho be called again.  All handlers are called from bl_mqtt_step.
 */
#include "mqtt_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

/* Paho notices a closed socket pair at once; this is for the case that it does not. */
#define PAHO_END_MS 2000
#define LEAVE_MS    1000
/* A connection that held this long ends a row of failures. */
#define STEADY_MS     30000
#define MAIL_PER_STEP 256

static void
stage_enter(struct bl_mqtt *m, enum mqtt_stage stage, int64_t limit_ms)
{
	const int64_t now = bl_mono_ms(m->clock);

	m->stage = stage;
	m->stage_mono_ms = now;
	m->deadline_mono_ms = limit_ms < 0 ? 0 : now + limit_ms;
}

static enum bl_mqtt_state
public_state(const struct bl_mqtt *m)
{
	switch (m->stage) {
	case MQTT_STOPPED:
		return BL_MQTT_STOPPED;
	case MQTT_UP:
		return BL_MQTT_UP;
	case MQTT_LINKING:
	case MQTT_GREETING:
	case MQTT_SUBSCRIBING:
		return BL_MQTT_CONNECTING;
	case MQTT_WAITING:
	case MQTT_ENDING:
	case MQTT_LEAVING:
		break;
	}
	return BL_MQTT_WAITING;
}

/* Between attempts there is no connection whose bytes would still count. */
static bool
has_connection(const struct bl_mqtt *m)
{
	return m->stage != MQTT_STOPPED && m->stage != MQTT_WAITING;
}

void
mqtt_give_up(struct bl_mqtt *m, enum bl_link_fault fault, const char *why)
{
	if (!has_connection(m) || m->stage == MQTT_ENDING)
		return;
	(void)snprintf(m->why_ours, sizeof(m->why_ours), "%s", why);
	m->fault_ours = fault;
	bl_link_stop(m->link, why);
	stage_enter(m, MQTT_ENDING, PAHO_END_MS);
}

/* The end of a connection in words: ours, the broker's, the network's, in this order. */
static void
why_ended(struct bl_mqtt *m)
{
	const struct bl_link_report *report = bl_link_report(m->link);
	char *why = m->stats.why;
	const size_t size = sizeof(m->stats.why);

	if (m->why_ours[0] != '\0') {
		m->stats.fault = m->fault_ours;
		(void)snprintf(why, size, "%s", m->why_ours);
	} else if (!m->wanted) {
		m->stats.fault = BL_FAULT_STOPPED;
		(void)snprintf(why, size, "stopped");
	} else if (m->reason >= 0x80) {
		m->stats.fault = BL_FAULT_BROKER;
		(void)snprintf(why, size, "the broker %s: %s (MQTT reason %d)",
		    m->reason_at_connect ? "refused the connection" : "ended the session",
		    mqtt_reason_text(m->reason), m->reason);
	} else if (m->penalty_ms > 0 && mqtt_rival_noticed(&m->rival)) {
		m->stats.fault = BL_FAULT_BROKER;
		(void)snprintf(why, size,
		    "another client with our id \"%s\" keeps connecting: has this machine been "
		    "copied?",
		    m->client_id);
	} else if (report->fault == BL_FAULT_CLIENT_CLOSED || report->fault == BL_FAULT_STOPPED) {
		/* Paho closed by itself, and only says that it did. */
		m->stats.fault = BL_FAULT_LOST;
		(void)snprintf(why, size,
		    "the broker did not answer for %u s (keep-alive), or sent what is not MQTT",
		    m->keepalive_s);
	} else {
		m->stats.fault = report->fault;
		/* Mosquitto before 2.1 gives no DISCONNECT when it throws us out. */
		(void)snprintf(why, size, "%s%s", report->text,
		    m->up_mono_ms != 0 && report->fault == BL_FAULT_PEER_CLOSED
			? " without a reason: it was stopped, or another client came with our id"
			: "");
	}
}

static int64_t
retry_after(struct bl_mqtt *m)
{
	unsigned floor_ms = m->reconnect_floor_ms;
	int64_t wait;

	if (m->penalty_ms > floor_ms)
		floor_ms = m->penalty_ms;
	m->penalty_ms = 0;
	wait =
	    mqtt_backoff_ms(m->clock, m->backoff_min_ms, m->backoff_max_ms, m->failures, floor_ms);
	m->failures++;
	return wait;
}

/* Whether another client with our id had a hand in it. */
static void
rival_ended(struct bl_mqtt *m, int64_t held_ms)
{
	const struct bl_link_report *report = bl_link_report(m->link);
	const struct mqtt_end end = { .was_up = m->up_mono_ms != 0,
		.orderly = m->wanted && m->why_ours[0] == '\0' && m->reason < 0x80 &&
			   report->fault == BL_FAULT_PEER_CLOSED,
		.resumed = report->resumed,
		.reason = m->reason,
		.held_ms = held_ms };

	m->penalty_ms = mqtt_rival_ended(&m->rival, &end);
}

/* Link and Paho are both done with it (or Paho is not, in which case it is replaced later). */
static void
connection_ended(struct bl_mqtt *m)
{
	const struct bl_link_report *report = bl_link_report(m->link);
	const int64_t now = bl_mono_ms(m->clock);
	int64_t wait = -1;

	rival_ended(m, now - m->up_mono_ms);
	why_ended(m);
	m->wire_in_before += report->wire_in_bytes;
	m->wire_out_before += report->wire_out_bytes;
	mqtt_paho_epoch_end(m);
	mqtt_window_clear(m);
	if (m->up_mono_ms != 0 && now - m->up_mono_ms >= STEADY_MS)
		m->failures = 0;
	m->up_mono_ms = 0;
	if (m->wanted)
		wait = retry_after(m);
	stage_enter(m, m->wanted ? MQTT_WAITING : MQTT_STOPPED, wait);
	if (m->handlers.down != NULL)
		m->handlers.down(m->ctx, m->stats.why, wait);
}

static void
attempt_failed_early(struct bl_mqtt *m, const struct bl_err *err)
{
	(void)snprintf(m->why_ours, sizeof(m->why_ours), "%s", err->msg);
	m->fault_ours = BL_FAULT_INTERNAL;
	bl_link_stop(m->link, err->msg);
	connection_ended(m);
}

static void
attempt_begin(struct bl_mqtt *m)
{
	struct bl_err err = { 0 };

	m->stats.attempts++;
	m->why_ours[0] = '\0';
	m->reason = 0;
	m->max_packet = 0;
	m->receive_max = 0;
	stage_enter(m, MQTT_LINKING, -1);
	if (m->paho_busy) {
		bl_warn("mqtt", "the MQTT library did not end its last connection; replaced");
		mqtt_paho_close(m);
	}
	if ((m->paho == NULL && mqtt_paho_open(m, &err) < 0) || mqtt_paho_environment(&err) < 0) {
		attempt_failed_early(m, &err);
		return;
	}
	mqtt_paho_epoch_begin(m);
	if (bl_link_start(m->link, &err) < 0)
		attempt_failed_early(m, &err);
}

static void
greet(struct bl_mqtt *m)
{
	struct bl_err err = { 0 };

	stage_enter(m, MQTT_GREETING, m->connack_ms);
	if (mqtt_paho_connect(m, bl_link_uri(m->link), &err) < 0)
		mqtt_give_up(m, BL_FAULT_INTERNAL, err.msg);
}

static void
come_up(struct bl_mqtt *m)
{
	stage_enter(m, MQTT_UP, -1);
	m->up_mono_ms = m->stage_mono_ms;
	mqtt_rival_begins(&m->rival);
	mqtt_liveness_begin(m);
	m->stats.connects++;
	m->stats.why[0] = '\0';
	m->stats.fault = BL_FAULT_NONE;
	if (m->handlers.up != NULL)
		m->handlers.up(m->ctx);
}

static void
note_connected(struct bl_mqtt *m, const struct mqtt_note *note)
{
	struct bl_err err = { 0 };

	if (m->stage != MQTT_GREETING)
		return;
	m->max_packet = note->max_packet;
	m->receive_max = note->receive_max;
	if (m->subscribe_count == 0) {
		come_up(m);
		return;
	}
	stage_enter(m, MQTT_SUBSCRIBING, m->connack_ms);
	if (mqtt_paho_subscribe(m, &err) < 0)
		mqtt_give_up(m, BL_FAULT_INTERNAL, err.msg);
}

static void
note_subscribed(struct bl_mqtt *m, int code)
{
	char why[128];

	if (m->stage != MQTT_SUBSCRIBING)
		return;
	if (code >= 0 && code < 0x80) {
		come_up(m);
		return;
	}
	/* A negative code: Paho could not send it; the link tells why. */
	if (code < 0)
		return;
	(void)snprintf(why, sizeof(why), "the broker refused a subscription: %s (MQTT reason %d)",
	    mqtt_reason_text(code), code);
	mqtt_give_up(m, BL_FAULT_BROKER, why);
}

/* After the broker's DISCONNECT it is for us to close; Paho only passes the word on. */
static void
note_disconnect(struct bl_mqtt *m, int reason)
{
	m->reason = reason;
	m->reason_at_connect = false;
	if (!has_connection(m) || m->stage == MQTT_ENDING)
		return;
	bl_link_stop(m->link, "the broker sent DISCONNECT");
	stage_enter(m, MQTT_ENDING, PAHO_END_MS);
}

static void
note_take(struct bl_mqtt *m, const struct mqtt_note *note)
{
	switch (note->kind) {
	case MQTT_NOTE_CONNECTED:
		note_connected(m, note);
		break;
	case MQTT_NOTE_CONNECT_FAILED:
		m->paho_busy = false;
		if (note->code >= 0x80 && m->reason == 0) {
			m->reason = note->code;
			m->reason_at_connect = true;
		}
		break;
	case MQTT_NOTE_SUBSCRIBED:
	case MQTT_NOTE_SUBSCRIBE_FAILED:
		note_subscribed(m, note->code);
		break;
	case MQTT_NOTE_ACK:
		mqtt_window_ack(m, note->slot, note->code);
		break;
	case MQTT_NOTE_NACK:
		/* Without the broker's word the publish ends with the connection. */
		if (note->code >= 0x80)
			mqtt_window_ack(m, note->slot, note->code);
		break;
	case MQTT_NOTE_DISCONNECT:
		note_disconnect(m, note->code);
		break;
	case MQTT_NOTE_LOST:
	case MQTT_NOTE_DISCONNECTED:
		m->paho_busy = false;
		break;
	}
}

static void
letter_take(struct bl_mqtt *m, struct mqtt_letter *letter)
{
	const struct bl_mqtt_msg msg = { .topic = letter->bytes,
		.payload = letter->bytes + letter->topic_size,
		.len = letter->len,
		.retained = letter->retained };

	m->stats.received++;
	if (m->handlers.message != NULL)
		m->handlers.message(m->ctx, &msg);
	free(letter);
}

static void
mail_take(struct bl_mqtt *m)
{
	struct mqtt_letter *letter = NULL;
	struct mqtt_note note;
	enum mqtt_mail what = MQTT_MAIL_NOTE;

	mqtt_mailbox_rest(&m->mailbox);
	for (int i = 0; what != MQTT_MAIL_NONE; i++) {
		if (i == MAIL_PER_STEP) {
			mqtt_mailbox_wake(&m->mailbox); /* the rest at the next step */
			break;
		}
		what = mqtt_mailbox_take(&m->mailbox, &note, &letter);
		if (what == MQTT_MAIL_NOTE)
			note_take(m, &note);
		else if (what == MQTT_MAIL_LETTER)
			letter_take(m, letter);
	}
	if (mqtt_mailbox_notes_lost(&m->mailbox))
		mqtt_give_up(m, BL_FAULT_INTERNAL, "the MQTT library says more than it is asked");
}

/* What follows from where the link and Paho are now. */
static void
machine(struct bl_mqtt *m)
{
	const enum bl_link_phase phase = bl_link_phase(m->link);

	if (!has_connection(m))
		return;
	if (m->stage == MQTT_LINKING) {
		if (phase == BL_LINK_READY)
			greet(m);
		else if (phase == BL_LINK_DOWN)
			connection_ended(m);
		return;
	}
	if (!m->paho_busy) {
		bl_link_stop(m->link, "the MQTT client closed");
		connection_ended(m);
	} else if (phase == BL_LINK_DOWN && m->stage != MQTT_ENDING) {
		stage_enter(m, MQTT_ENDING, PAHO_END_MS);
	}
}

static void
stage_overdue(struct bl_mqtt *m)
{
	char why[128];

	switch (m->stage) {
	case MQTT_WAITING:
		attempt_begin(m);
		break;
	case MQTT_GREETING:
	case MQTT_SUBSCRIBING:
		(void)snprintf(why, sizeof(why), "the broker did not answer %s within %u ms",
		    m->stage == MQTT_GREETING ? "CONNECT" : "SUBSCRIBE", m->connack_ms);
		mqtt_give_up(m, BL_FAULT_TIMEOUT, why);
		break;
	case MQTT_LEAVING:
		bl_link_stop(m->link, "stopped");
		stage_enter(m, MQTT_ENDING, PAHO_END_MS);
		break;
	case MQTT_ENDING:
		connection_ended(m);
		break;
	case MQTT_STOPPED:
	case MQTT_LINKING:
	case MQTT_UP:
		break;
	}
}

void
bl_mqtt_step(struct bl_mqtt *m)
{
	int64_t now;

	bl_link_step(m->link);
	mail_take(m);
	machine(m);
	now = bl_mono_ms(m->clock);
	if (m->deadline_mono_ms != 0 && now >= m->deadline_mono_ms)
		stage_overdue(m);
	mqtt_window_check(m, now);
	mqtt_liveness_check(m, now);
}

int
bl_mqtt_timeout_ms(const struct bl_mqtt *m)
{
	const enum bl_link_phase phase = bl_link_phase(m->link);
	const int link_ms = has_connection(m) ? bl_link_timeout_ms(m->link) : -1;
	const int64_t window = mqtt_window_deadline(m), alive = mqtt_liveness_deadline(m);
	int64_t at = m->deadline_mono_ms, left;

	/* What changed outside of step (stop, drop) is worked out at once. */
	if (m->stage == MQTT_LINKING && (phase == BL_LINK_READY || phase == BL_LINK_DOWN))
		return 0;
	if (has_connection(m) && m->stage != MQTT_LINKING && !m->paho_busy)
		return 0;
	if (window != 0 && (at == 0 || window < at))
		at = window;
	if (alive != 0 && (at == 0 || alive < at))
		at = alive;
	if (at == 0)
		return link_ms;
	left = at - bl_mono_ms(m->clock);
	if (left < 0)
		left = 0;
	if (left > INT32_MAX)
		left = INT32_MAX;
	return link_ms >= 0 && link_ms < left ? link_ms : (int)left;
}

int
bl_mqtt_fd(const struct bl_mqtt *m)
{
	return m->epoll_fd;
}

int
bl_mqtt_start(struct bl_mqtt *m, struct bl_err *err)
{
	int rc;

	if ((rc = mqtt_paho_environment(err)) < 0)
		return rc;
	m->wanted = true;
	if (m->stage == MQTT_STOPPED) {
		m->failures = 0;
		stage_enter(m, MQTT_WAITING, 0);
	}
	return BL_OK;
}

void
bl_mqtt_stop(struct bl_mqtt *m)
{
	m->wanted = false;
	switch (m->stage) {
	case MQTT_STOPPED:
	case MQTT_ENDING:
	case MQTT_LEAVING:
		break;
	case MQTT_WAITING:
		stage_enter(m, MQTT_STOPPED, -1);
		break;
	case MQTT_LINKING:
		bl_link_stop(m->link, "stopped");
		break;
	case MQTT_GREETING:
	case MQTT_SUBSCRIBING:
	case MQTT_UP:
		stage_enter(m, MQTT_LEAVING, mqtt_paho_disconnect(m) ? LEAVE_MS : 0);
		break;
	}
}

void
bl_mqtt_drop(struct bl_mqtt *m, const char *why)
{
	if (m->stage == MQTT_LINKING) {
		/* Paho was not called: the end of the link is the end of the attempt. */
		(void)snprintf(m->why_ours, sizeof(m->why_ours), "%s", why);
		m->fault_ours = BL_FAULT_STOPPED;
		bl_link_stop(m->link, why);
		return;
	}
	mqtt_give_up(m, BL_FAULT_STOPPED, why);
}

void
bl_mqtt_set_reconnect_floor(struct bl_mqtt *m, unsigned floor_ms)
{
	m->reconnect_floor_ms = floor_ms;
}

void
bl_mqtt_set_rival(struct bl_mqtt *m, bool seen)
{
	m->rival.word = seen ? MQTT_RIVAL_SEEN : MQTT_RIVAL_NONE;
}

void
bl_mqtt_clock_untrusted(struct bl_mqtt *m, bool untrusted)
{
	bl_link_clock_untrusted(m->link, untrusted);
}

const struct bl_link_report *
bl_mqtt_link_report(const struct bl_mqtt *m)
{
	return bl_link_report(m->link);
}

int
bl_mqtt_reload(struct bl_mqtt *m, const struct bl_link_cfg *cfg, struct bl_err *err)
{
	struct bl_link_cfg with_handover = *cfg;

	with_handover.handover = true;
	return bl_link_reload(m->link, &with_handover, err);
}

size_t
bl_mqtt_max_packet(const struct bl_mqtt *m)
{
	return m->max_packet;
}

void
bl_mqtt_link_bytes(const struct bl_mqtt *m, struct bl_link_bytes *out)
{
	bl_link_bytes(m->link, out);
}

unsigned
bl_mqtt_rtt_ms(const struct bl_mqtt *m)
{
	return bl_link_rtt_ms(m->link);
}

void
bl_mqtt_stats(const struct bl_mqtt *m, struct bl_mqtt_stats *out)
{
	const struct bl_link_report *report = bl_link_report(m->link);

	*out = m->stats;
	out->state = public_state(m);
	out->since_mono_ms = m->stage_mono_ms;
	out->outstanding = m->outstanding;
	out->mailbox_dropped = mqtt_mailbox_dropped((struct mqtt_mailbox *)(uintptr_t)&m->mailbox);
	out->wire_in_bytes = m->wire_in_before;
	out->wire_out_bytes = m->wire_out_before;
	if (has_connection(m)) {
		out->wire_in_bytes += report->wire_in_bytes;
		out->wire_out_bytes += report->wire_out_bytes;
	}
}
