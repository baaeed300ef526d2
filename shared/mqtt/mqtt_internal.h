/*
 * Inside of the MQTT connection: one struct, and what its files do.
 *
 *   mqtt.c      the state machine of one connection after another
 *   create      making and ending an object
 *   publish     the window of outstanding publishes and their deadline
 *   paho        every call into Paho's library and every callback out of it
 *   mailbox     what Paho's threads post and the owner's thread reads
 *   reason      MQTT 5 reason codes as sentences
 *   backoff     when to try again (pure)
 *   rival       another client with our id (pure)
 *   liveness    whether somebody is there while nothing is sent
 */
#ifndef MQTT_INTERNAL_H
#define MQTT_INTERNAL_H

#include <pthread.h>

#include "branchline/mqtt.h"

#define MQTT_WINDOW_MAX       16
#define MQTT_WINDOW_BYTES_MAX (256 * 1024)
/* Acknowledgements within the window, and the few words that begin and end a connection. */
#define MQTT_NOTES_MAX 64

/* What Paho said, except messages. */
enum mqtt_note_kind {
	MQTT_NOTE_CONNECTED,
	MQTT_NOTE_CONNECT_FAILED, /* code: MQTT 5 reason when > 0, else Paho's own */
	MQTT_NOTE_SUBSCRIBED,     /* code: worst reason of the SUBACK */
	MQTT_NOTE_SUBSCRIBE_FAILED,
	MQTT_NOTE_ACK,          /* slot; code: reason of the PUBACK */
	MQTT_NOTE_NACK,         /* slot; code: reason, or negative */
	MQTT_NOTE_DISCONNECT,   /* the broker's DISCONNECT; code: its reason */
	MQTT_NOTE_LOST,         /* connection is gone, Paho is idle */
	MQTT_NOTE_DISCONNECTED, /* our DISCONNECT is written, Paho is idle */
};

struct mqtt_note {
	uint64_t order;
	enum mqtt_note_kind kind;
	int code;
	unsigned slot;
	uint32_t max_packet;  /* CONNECTED; 0: none stated */
	unsigned receive_max; /* CONNECTED; 0: none stated */
};

struct mqtt_letter {
	struct mqtt_letter *next;
	uint64_t order;
	size_t len;
	bool retained;
	size_t topic_size; /* with its NUL; the payload follows it */
	char bytes[];
};

/* Posted to by Paho's threads, read by the owner; all under the lock. */
struct mqtt_mailbox {
	pthread_mutex_t lock;
	int wake_fd;
	uint64_t order;
	struct mqtt_note notes[MQTT_NOTES_MAX];
	unsigned note_first, note_count;
	bool notes_lost; /* more than the protocol allows: the connection is given up */
	struct mqtt_letter *first, *last;
	unsigned letters, letters_max;
	size_t letter_bytes, letter_bytes_max;
	uint64_t dropped;
};

int mqtt_mailbox_open(struct mqtt_mailbox *box, unsigned max, size_t max_bytes, struct bl_err *err);
void mqtt_mailbox_close(struct mqtt_mailbox *box);
void mqtt_mailbox_note(struct mqtt_mailbox *box, const struct mqtt_note *note);
/* Copies; drops and counts what does not fit. */
void mqtt_mailbox_letter(
    struct mqtt_mailbox *box, const char *topic, const void *payload, size_t len, bool retained);
/* A message that is not even worth a place: only counted. */
void mqtt_mailbox_refuse(struct mqtt_mailbox *box);
enum mqtt_mail { MQTT_MAIL_NONE, MQTT_MAIL_NOTE, MQTT_MAIL_LETTER };
/* The oldest of both kinds; the caller frees *letter. */
enum mqtt_mail mqtt_mailbox_take(
    struct mqtt_mailbox *box, struct mqtt_note *note, struct mqtt_letter **letter);
void mqtt_mailbox_clear(struct mqtt_mailbox *box);
void mqtt_mailbox_rest(struct mqtt_mailbox *box); /* resets the wake-up; call before taking */
/* step is called again although nothing new came */
void mqtt_mailbox_wake(struct mqtt_mailbox *box);
uint64_t mqtt_mailbox_dropped(struct mqtt_mailbox *box);
bool mqtt_mailbox_notes_lost(struct mqtt_mailbox *box);

enum mqtt_stage {
	MQTT_STOPPED,
	MQTT_WAITING,     /* for the next attempt */
	MQTT_LINKING,     /* DNS, TCP, TLS */
	MQTT_GREETING,    /* Paho: CONNECT sent, no CONNACK yet */
	MQTT_SUBSCRIBING, /* no SUBACK yet */
	MQTT_UP,
	MQTT_ENDING,  /* the link is gone, Paho has yet to notice */
	MQTT_LEAVING, /* DISCONNECT is on its way */
};

enum mqtt_rival_word { MQTT_RIVAL_UNKNOWN = 0, MQTT_RIVAL_NONE, MQTT_RIVAL_SEEN };

struct mqtt_rival {
	enum mqtt_rival_word word; /* the centre's last */
	unsigned ends;             /* in a row, that look like another one's doing */
};

/* How a connection ended. */
struct mqtt_end {
	bool was_up;
	bool orderly; /* the broker closed, and gave no reason; nothing of ours */
	bool resumed; /* its TLS session */
	int reason;   /* MQTT 5; 0: none */
	int64_t held_ms;
};

struct mqtt_liveness {
	uint64_t in_bytes, out_bytes; /* of the link, when last looked at */
	int64_t heard_mono_ms;
	int64_t asked_mono_ms; /* something that has to be answered went out; 0: nothing */
};

struct mqtt_slot {
	bool used;
	uint64_t token;
	size_t bytes; /* of the payload */
};

struct bl_mqtt {
	const struct bl_clock *clock;
	struct bl_mqtt_handlers handlers;
	void *ctx;

	/* options, copied */
	char *client_id;
	char **subscribe; /* NULL-terminated */
	unsigned lossy;   /* the first so many of them with QoS 0 */
	unsigned subscribe_count;
	char *will_topic;
	void *will;
	size_t will_len;
	unsigned keepalive_s, backoff_min_ms, backoff_max_ms, puback_ms, window, connack_ms;
	size_t window_bytes;

	struct bl_link *link;
	void *paho;                 /* MQTTAsync */
	struct bl_mqtt *registered; /* next in the list of live objects, under its lock */
	uintptr_t epoch;            /* of the connection; 0: none; written under that lock */
	bool paho_busy;             /* Paho owes us an end */
	struct mqtt_mailbox mailbox;
	int epoll_fd;

	enum mqtt_stage stage;
	bool wanted; /* start was called and stop was not */
	int64_t stage_mono_ms;
	int64_t deadline_mono_ms; /* of the stage; 0: none */
	int64_t up_mono_ms;
	struct mqtt_rival rival;
	struct mqtt_liveness alive;
	unsigned failures; /* in a row, for the back-off */
	unsigned reconnect_floor_ms;
	unsigned penalty_ms; /* floor for the next attempt only */

	/* why it ended, gathered until Paho and link have both said their word */
	char why_ours[200]; /* we gave it up */
	enum bl_link_fault fault_ours;
	int reason; /* the broker's word; 0: none */
	bool reason_at_connect;

	struct mqtt_slot slots[MQTT_WINDOW_MAX];
	unsigned outstanding;
	size_t outstanding_bytes;
	int64_t ack_mono_ms; /* PUBACK or progress on the wire was last seen */
	size_t max_packet;
	unsigned receive_max;

	struct bl_mqtt_stats stats;
	uint64_t wire_in_before, wire_out_before; /* of earlier connections */
};

/* mqtt.c: the connection is to end for a reason of ours. */
void mqtt_give_up(struct bl_mqtt *m, enum bl_link_fault fault, const char *why);

/* publish */
void mqtt_window_clear(struct bl_mqtt *m);
void mqtt_window_ack(struct bl_mqtt *m, unsigned slot, int reason);
/* Gives the connection up when the broker acknowledges nothing any more. */
void mqtt_window_check(struct bl_mqtt *m, int64_t now_mono_ms);
int64_t mqtt_window_deadline(const struct bl_mqtt *m); /* 0: none */

/* paho: none of these blocks longer than Paho's lock, except close */
int mqtt_paho_open(struct bl_mqtt *m, struct bl_err *err);
/* mqtt_trace.c and mqtt_lean.c: do nothing; who calls them is linked with what is there. */
void mqtt_trace(void);
void mqtt_lean(void);
void mqtt_paho_close(struct bl_mqtt *m); /* up to a second or so */
void mqtt_paho_epoch_begin(struct bl_mqtt *m);
void mqtt_paho_epoch_end(struct bl_mqtt *m); /* later words of Paho's are dropped */
int mqtt_paho_connect(struct bl_mqtt *m, const char *uri, struct bl_err *err);
int mqtt_paho_subscribe(struct bl_mqtt *m, struct bl_err *err);
int mqtt_paho_publish(struct bl_mqtt *m, unsigned slot, const char *topic, const void *payload,
    size_t len, bool retained, struct bl_err *err);
bool mqtt_paho_disconnect(struct bl_mqtt *m); /* false: Paho would not take it */
/* BL_EINVAL: the environment would make Paho speak to a proxy, in the clear. */
int mqtt_paho_environment(struct bl_err *err);

/* reason */
const char *mqtt_reason_text(int reason); /* "not authorised"; never NULL */

/* liveness */
void mqtt_liveness_begin(struct bl_mqtt *m);
void mqtt_liveness_check(struct bl_mqtt *m, int64_t now_mono_ms);
int64_t mqtt_liveness_deadline(const struct bl_mqtt *m); /* 0: none */

/* rival: no attempt sooner than this after an end; 0: as ever */
unsigned mqtt_rival_ended(struct mqtt_rival *r, const struct mqtt_end *e);
bool mqtt_rival_noticed(const struct mqtt_rival *r);
/* A connection is up: that nobody else was there was said of the one before. */
void mqtt_rival_begins(struct mqtt_rival *r);

/* backoff: uniform in [floor, ceiling]; see the file */
unsigned mqtt_backoff_ms(const struct bl_clock *clock, unsigned min_ms, unsigned max_ms,
    unsigned failures, unsigned floor_ms);

#endif
