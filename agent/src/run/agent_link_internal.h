/* What agent_link.c (MQTT) and agent_uplink.c (delivery) do for each other. */
#ifndef AGENT_LINK_INTERNAL_H
#define AGENT_LINK_INTERNAL_H

#include "agent_internal.h"

#define LINK_TOKEN_GOODBYE (DELIVERY_TOKEN_OTHER + 1)

/* The codes of bl_mqtt_publish; what is worth a word is logged. */
int link_publish(struct agent *a, enum bl_topic_kind kind, const struct bl_buf *b, bool retained,
    uint64_t token);
/* Initialises out. */
int link_encode_presence(
    const struct agent *a, bool online, uint64_t connections, struct bl_buf *out);
/* The birth, once a connection, when the centre has answered; call it again and again. */
void link_send_birth(struct agent *a);
/* What delivery wants of the agent. */
extern const struct delivery_out link_delivery_out; /* without its ctx */

#endif
