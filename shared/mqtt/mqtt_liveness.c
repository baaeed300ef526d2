/*
 * Whether somebody is still there while nothing is to be sent.
 *
 * A publish has its own deadline (mqtt_publish.c). A connection at rest says only what Paho does
 * every keep-alive: PINGREQ, to which a broker answers at once. Paho itself waits one and a half
 * times the keep-alive for that, 75 s in all; here it is 10 s, so that a link whose other end is
 * gone without a word is found within 45 s. As long as bytes get through a slow network the
 * deadline waits.
 *
 * What we say soon after something came is Paho's PUBACK for it, which nobody answers.
 */
#include "mqtt_internal.h"

#include <stdio.h>

#define ANSWER_MS 10000
#define PUBACK_MS 3000 /* Paho sends it within its tick of a second */

void
mqtt_liveness_begin(struct bl_mqtt *m)
{
	const struct bl_link_report *r = bl_link_report(m->link);

	m->alive = (struct mqtt_liveness){ .in_bytes = r->wire_in_bytes,
		.out_bytes = r->wire_out_bytes,
		.heard_mono_ms = bl_mono_ms(m->clock) };
}

int64_t
mqtt_liveness_deadline(const struct bl_mqtt *m)
{
	if (m->stage != MQTT_UP || m->alive.asked_mono_ms == 0)
		return 0;
	return m->alive.asked_mono_ms + ANSWER_MS;
}

void
mqtt_liveness_check(struct bl_mqtt *m, int64_t now_mono_ms)
{
	const struct bl_link_report *r = bl_link_report(m->link);
	struct mqtt_liveness *a = &m->alive;
	char why[128];

	if (m->stage != MQTT_UP)
		return;
	if (r->wire_in_bytes != a->in_bytes) {
		a->heard_mono_ms = now_mono_ms;
		a->asked_mono_ms = 0;
	} else if (r->wire_out_bytes != a->out_bytes && a->asked_mono_ms == 0 &&
		   m->outstanding == 0 && now_mono_ms - a->heard_mono_ms > PUBACK_MS) {
		a->asked_mono_ms = now_mono_ms;
		(void)bl_link_draining(m->link); /* from here on it tells of this */
	}
	a->in_bytes = r->wire_in_bytes;
	a->out_bytes = r->wire_out_bytes;
	if (a->asked_mono_ms == 0 || now_mono_ms < a->asked_mono_ms + ANSWER_MS)
		return;
	if (bl_link_draining(m->link)) {
		a->asked_mono_ms = now_mono_ms;
		return;
	}
	(void)snprintf(why, sizeof(why), "the broker did not answer a ping for %d ms", ANSWER_MS);
	mqtt_give_up(m, BL_FAULT_TIMEOUT, why);
}
