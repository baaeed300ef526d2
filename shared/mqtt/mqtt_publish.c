/*
 * The window: how much may be outstanding, and for how long.
 *
 * Paho 1.3.12 stalls when its own queue is deep, so at most 16 publishes and
 * 256 KiB are outstanding, and the owner waits for published().  PUBACKs are
 * also the liveness test of the connection: the kernel of a broker that is
 * stopped goes on acknowledging bytes, and TCP_USER_TIMEOUT must be long.
 */
#include "mqtt_internal.h"

#include <stdio.h>
#include <string.h>

/* Fixed header with the longest length field, topic length, packet id, empty properties. */
#define PUBLISH_OVERHEAD_BYTES (1 + 4 + 2 + 2 + 1)

static bool
window_takes(const struct bl_mqtt *m, size_t len)
{
	unsigned most = m->window;

	if (m->receive_max != 0 && m->receive_max < most)
		most = m->receive_max;
	if (m->outstanding >= most)
		return false;
	return len <= m->window_bytes - m->outstanding_bytes;
}

static unsigned
slot_free(const struct bl_mqtt *m)
{
	unsigned slot = 0;

	while (m->slots[slot].used)
		slot++;
	return slot;
}

int
bl_mqtt_publish(struct bl_mqtt *m, const char *topic, const void *payload, size_t len,
    bool retained, uint64_t token, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(m->clock);
	const size_t bytes = strlen(topic) + len + PUBLISH_OVERHEAD_BYTES;
	unsigned slot;
	int rc;

	if (m->stage != MQTT_UP)
		return bl_fail(err, BL_ENET, "mqtt: not connected");
	if (m->max_packet != 0 && bytes > m->max_packet)
		return bl_fail(err, BL_EFULL,
		    "mqtt: a message of %zu bytes is larger than the broker takes (%zu)", bytes,
		    m->max_packet);
	/* The window counts payloads: a batch of exactly its size must go through. */
	if (len > m->window_bytes)
		return bl_fail(err, BL_EFULL,
		    "mqtt: a message of %zu bytes is larger than the window (%zu)", len,
		    m->window_bytes);
	if (!window_takes(m, len))
		return bl_fail(err, BL_EBUSY, "mqtt: %u publishes are outstanding", m->outstanding);
	slot = slot_free(m);
	if ((rc = mqtt_paho_publish(m, slot, topic, payload, len, retained, err)) < 0)
		return rc;
	if (m->outstanding == 0) {
		m->ack_mono_ms = now;
		(void)bl_link_draining(m->link); /* from here on it tells of this publish */
	}
	m->slots[slot] = (struct mqtt_slot){ .used = true, .token = token, .bytes = len };
	m->outstanding++;
	m->outstanding_bytes += len;
	return BL_OK;
}

void
mqtt_window_ack(struct bl_mqtt *m, unsigned slot, int reason)
{
	uint64_t token;

	if (slot >= MQTT_WINDOW_MAX || !m->slots[slot].used)
		return;
	token = m->slots[slot].token;
	m->slots[slot].used = false;
	m->outstanding--;
	m->outstanding_bytes -= m->slots[slot].bytes;
	m->ack_mono_ms = bl_mono_ms(m->clock);
	m->stats.published++;
	if (m->handlers.published != NULL)
		m->handlers.published(m->ctx, token, reason);
}

void
mqtt_window_clear(struct bl_mqtt *m)
{
	memset(m->slots, 0, sizeof(m->slots));
	m->outstanding = 0;
	m->outstanding_bytes = 0;
}

/*
 * How long no acknowledgement may come.  A proxy takes all that is sent at once, and so does many a
 * satellite's or a carrier's box that nobody told us of: nothing is seen to move while it goes on
 * slowly.  So what is outstanding gets the time that it takes at 4 KiB a second, and all of it
 * stays well below the 45 s within which a dead link is to be found.
 */
#define SLOWEST_BYTES_S 4096
#define LONGEST_MS      30000u

static unsigned
patience_ms(const struct bl_mqtt *m)
{
	const unsigned ms =
	    m->puback_ms + (unsigned)(m->outstanding_bytes / SLOWEST_BYTES_S * 1000);
	const unsigned most = m->puback_ms > LONGEST_MS ? m->puback_ms : LONGEST_MS;

	return ms < most ? ms : most;
}

int64_t
mqtt_window_deadline(const struct bl_mqtt *m)
{
	if (m->stage != MQTT_UP || m->outstanding == 0)
		return 0;
	return m->ack_mono_ms + (int64_t)patience_ms(m);
}

void
mqtt_window_check(struct bl_mqtt *m, int64_t now_mono_ms)
{
	const int64_t deadline = mqtt_window_deadline(m);
	char why[128];

	if (deadline == 0 || now_mono_ms < deadline)
		return;
	/* 64 KiB take 8 s at 64 kbit/s: slow is not dead as long as bytes get through. */
	if (bl_link_draining(m->link)) {
		m->ack_mono_ms = now_mono_ms;
		return;
	}
	(void)snprintf(why, sizeof(why), "the broker acknowledged none of %u messages for %u ms",
	    m->outstanding, patience_ms(m));
	mqtt_give_up(m, BL_FAULT_TIMEOUT, why);
}
