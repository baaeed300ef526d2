/* What fleet_agent.c (life), fleet_session.c (MQTT) and fleet_delivery.c (delivery) share. */
#ifndef FLEET_AGENT_INTERNAL_H
#define FLEET_AGENT_INTERNAL_H

#include "fleet_agent.h"

#define FLEET_TOKEN_NONE 0 /* of messages whose PUBACK nobody waits for */

uint64_t agent_random_below(struct fleet_agent *a, uint64_t bound);
int64_t agent_boot_ms(const struct fleet_agent *a, int64_t now_us);
/* The connection is over. */
void agent_lost(struct fleet_agent *a, int64_t now_us, const char *why);

/* ---- fleet_session.c ---- */

/* TLS is up: CONNECT goes out. */
void session_connect(struct fleet_agent *a, int64_t now_us);
/* Takes what has come.  False: the connection is over, and the agent knows it. */
bool session_take(struct fleet_agent *a, int64_t now_us);
/* False: no room among the packets that wait for a PUBACK. */
bool session_publish(struct fleet_agent *a, enum fleet_bytes what, enum bl_topic_kind kind,
    const struct bl_buf *msg, bool retained, uint64_t token);
void session_flush(struct fleet_agent *a, int64_t now_us);
void session_presence(struct fleet_agent *a, bool online, uint64_t connections, struct bl_buf *out);

/* ---- fleet_delivery.c ---- */

void delivery_up(struct fleet_agent *a, int64_t now_us);
void delivery_down(struct fleet_agent *a, int64_t now_us);
void delivery_puback(struct fleet_agent *a, int64_t now_us, uint64_t token, int reason);
void delivery_message(
    struct fleet_agent *a, int64_t now_us, enum bl_topic_kind kind, const struct fleet_packet *p);
void delivery_cut(struct fleet_agent *a, int64_t now_us);
void delivery_tick(struct fleet_agent *a, int64_t now_us);
void delivery_report(struct fleet_agent *a, int64_t now_us);

#endif
