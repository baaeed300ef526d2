/*
 * One simulated agent: a connection, an uplink (the agent's own code, which decides what
 * goes out when) and a spool in memory.  A state machine: the loop says what time it is and
 * that its socket can be read or written.
 *
 *   IDLE -> (its turn) TCP, TLS, CONNECT, SUBSCRIBE -> UP: hello, answer, batches, receipts
 *
 * After a loss it comes back as an agent does: full jitter, doubling, within the
 * reconnection floor of the centre.
 */
#ifndef FLEET_AGENT_H
#define FLEET_AGENT_H

#include "fleet_conn.h"
#include "fleet_figures.h"
#include "fleet_spool.h"

#define FLEET_KEEPALIVE_S 30 /* what an agent asks for */
#define FLEET_SENT_MAX    (2 * UPLINK_SLOTS)
#define FLEET_NEVER       INT64_MAX

/* MQTT bytes by what they are for; TLS comes on top. */
enum fleet_bytes {
	FLEET_OUT_DATA,  /* live batches with samples */
	FLEET_OUT_QUIET, /* live batches of streams without */
	FLEET_OUT_PAST,
	FLEET_OUT_MAPS,
	FLEET_OUT_HELLO, /* hello, report, presence, gone */
	FLEET_OUT_PUBACK,
	FLEET_OUT_PING,
	FLEET_IN_RECEIPT, /* answers, receipts, questions */
	FLEET_IN_PUBACK,
	FLEET_IN_OTHER,
	FLEET_BYTES,
};

/* What all agents share. */
struct fleet {
	struct fleet_tls tls;
	struct fleet_data *data;
	struct fleet_spool_tally tally;
	int64_t began_unix_ms, began_us; /* when backlogs end, by both clocks */
	bool stopping;                   /* no further cuts */
	unsigned dialling, dialling_max; /* on their way up; so many at a time */
	unsigned up, ready, begun;       /* agents connected; welcome; with live data under way */
	uint64_t connects, lost, failed; /* connections: held; lost again; never came up */
	uint64_t refused, bad_messages;  /* PUBACKs that say no; messages that do not decode */
	uint64_t duplicates_out;         /* batches offered again, no receipt having come */
	uint32_t floor_ms;               /* for reconnections, as the centre says */
	uint64_t bytes[FLEET_BYTES];
	struct fleet_histogram handshake; /* TCP to CONNACK */
	char why[200];                    /* of the last loss */
};

enum fleet_agent_stage {
	FLEET_IDLE,
	FLEET_DIALLING,
	FLEET_CONNECTING,
	FLEET_SUBSCRIBING,
	FLEET_UP
};

struct fleet_agent {
	struct fleet *fleet;
	unsigned index;
	const struct fleet_identity *id;
	enum fleet_agent_stage stage;
	struct fleet_conn *conn;
	struct uplink *uplink;
	struct fleet_spool spool;
	struct fleet_frame kept[UPLINK_SLOTS];
	struct {
		uint16_t id;
		uint64_t token;
	} sent[FLEET_SENT_MAX]; /* PUBACKs that are waited for */
	uint16_t packet_id;
	size_t max_packet;
	bool asked;                /* an offer is to be answered */
	struct uplink_offer offer; /* which */
	unsigned failures;         /* in a row */
	bool welcome;              /* of this connection */
	bool birth_said;
	bool packs;         /* the centre takes them */
	bool begun;         /* live data are under way */
	int64_t dialled_us; /* when this connection was begun */
	int64_t connect_us; /* IDLE: when it is its turn */
	int64_t heard_us, said_us;
	bool pinged;
	int64_t cut_us; /* the next one */
	int64_t report_us;
	uint64_t rng;
};

int fleet_agent_open(struct fleet_agent *a, struct fleet *f, unsigned index,
    const struct fleet_identity *id, struct bl_err *err);
void fleet_agent_close(struct fleet_agent *a);

/* It may connect from then on. */
void fleet_agent_start(struct fleet_agent *a, int64_t at_us);
/* When it wants to be called. */
int64_t fleet_agent_deadline(const struct fleet_agent *a);
void fleet_agent_tick(struct fleet_agent *a, int64_t now_us);
/* Its socket can be read or written. */
void fleet_agent_io(struct fleet_agent *a, int64_t now_us);
/* Says "offline" and disconnects. */
void fleet_agent_bye(struct fleet_agent *a, int64_t now_us);

#endif
