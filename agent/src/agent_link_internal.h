/* What agent_link.c (MQTT) and agent_uplink.c (uplink, spool) do for each other. */
#ifndef AGENT_LINK_INTERNAL_H
#define AGENT_LINK_INTERNAL_H

#include "agent_internal.h"

#define LINK_TOKEN_OTHER   (UINT64_C(1) << 63) /* hello, gone: nobody waits for their PUBACK */
#define LINK_TOKEN_GOODBYE (LINK_TOKEN_OTHER + 1)

/* The codes of bl_mqtt_publish; what is worth a word is logged. */
int link_publish(struct agent *a, enum bl_topic_kind kind, const struct bl_buf *b, bool retained,
    uint64_t token);
/* Initialises out. */
int link_encode_presence(
    const struct agent *a, bool online, uint64_t connections, struct bl_buf *out);
/* The birth, once a connection, when the centre has answered; call it again and again. */
void link_send_birth(struct agent *a);
/* receipt, question: what the event was about; NULL: neither. */
void link_run_effects(struct agent *a, const struct uplink_effects *fx,
    const struct bl_receipt *receipt, const struct bl_question *question);

#endif
