/* What the files of the uplink share. */
#ifndef UPLINK_INTERNAL_H
#define UPLINK_INTERNAL_H

#include "uplink.h"

#define UPLINK_TRIP_AFTER_MS 30000 /* round trips are measured so long after the answer */

#define UPLINK_RATE_BYTES 4096u /* less went through: a round trip hides the rate */
#define UPLINK_RETRIES    64u   /* batches whose count of offers is remembered */

enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_SENT, SLOT_ACKED };

struct slot {
	enum slot_state state;
	struct uplink_frame f;
	uint64_t token; /* of its message, which others may share */
	bool shares;    /* it is not the first one in it */
	int64_t sent_ms;
	int64_t deadline_ms; /* for the receipt */
};

/* How often a batch has been offered in vain. */
struct retry {
	enum bl_stream stream;
	uint64_t seq; /* 0: free */
	unsigned times;
};

/* What the link carries: see uplink_rate.c. */
struct uplink_rate {
	double bytes_per_s; /* 0: not known yet */
	int64_t rtt_ms;     /* least; INT64_MAX: not known yet */
	int64_t from_ms;    /* the span under way */
	uint64_t bytes;
	bool from_idle;
};

struct uplink {
	uint64_t rng;
	enum uplink_state state;
	int64_t since_ms;
	size_t max_packet;

	/* handshake */
	uint32_t nonce;
	unsigned hello_tries;
	int64_t
	    hello_sent_ms[UPLINK_HELLO_TRIES]; /* -1: not yet; the round trip counts from here */
	int64_t hello_at_ms; /* next hello (repeat, centre changed, refused); INT64_MAX: none */
	enum bl_verdict verdict;
	bool centre_known;
	struct bl_id epoch, start;
	uint32_t dict_known, dict_sent;
	uint32_t clock_known, clock_sent;

	/* window */
	struct slot slot[UPLINK_SLOTS];
	struct retry retry[UPLINK_RETRIES];
	unsigned retry_next;
	uint64_t token;
	unsigned window;
	unsigned silence;    /* deadlines passed in a row, of the window as a whole */
	int64_t silenced_ms; /* when the last one counted */
	bool asking;         /* an offer is under way */
	size_t asked_past;   /* its past_bytes */
	bool live_hungry, past_hungry;

	/* metered */
	uplink_room_fn room; /* NULL: it is not */
	uplink_charge_fn charge;
	void *room_ctx;
	size_t room_frame_bytes; /* as it was told last */
	size_t room_packet;      /* no larger messages than this; 0: no limit by this */
	int64_t room_asked_ms;   /* of the offer under way: when there may be more room */
	int64_t room_again_ms;   /* something may be held back until then; INT64_MAX: nothing is */

	/* credit */
	uint32_t credit; /* bytes a second */
	double tokens;   /* may be negative: a debt */
	int64_t tokens_at_ms;
	struct uplink_rate rate;

	int refused_reason;
	int64_t last_receipt_ms;
	uint64_t published, receipted, overdue, hellos, offers, refused;
};

struct uplink_effect *uplink_effect(struct uplink_effects *fx, enum uplink_effect_type type);
uint64_t uplink_random_below(struct uplink *u, uint64_t bound);
/* Says hello now; what was under way is forgotten. */
void uplink_say_hello(struct uplink *u, int64_t now, bool fresh, struct uplink_effects *fx);

/* Frees every slot without a word to the spool. */
void uplink_window_reset(struct uplink *u, struct uplink_effects *fx);
/* New credit from the centre. */
void uplink_window_credit(struct uplink *u, int64_t now, uint32_t bytes_per_s);
/* Slots that r settles; counts as progress. */
void uplink_window_settle(struct uplink *u, const struct bl_receipt *r);
/* The shortest time from sending a batch to this receipt for it; -1: none that counts. */
int64_t uplink_window_trip_ms(const struct uplink *u, int64_t now, const struct bl_receipt *r);
/* Deadlines that have passed. */
void uplink_window_overdue(struct uplink *u, int64_t now, struct uplink_effects *fx);
/* Publishes what is queued and fits, asks for more when there is room. */
void uplink_window_pump(struct uplink *u, int64_t now, struct uplink_effects *fx);
int64_t uplink_window_deadline(const struct uplink *u);
/* When the receipt for f is overdue, its PUBACK having come now. */
int64_t uplink_window_receipt_at(struct uplink *u, int64_t now, const struct uplink_frame *f);
/* It has been offered before, and no receipt came. */
bool uplink_window_vain(struct uplink *u, const struct uplink_frame *f);

/* ---- uplink_send.c: messages, each of one frame or of several batches ---- */

static inline bool
uplink_in_flight(const struct slot *s)
{
	return s->state == SLOT_SENT || s->state == SLOT_ACKED;
}

/* Publishes what is queued and fits the window, in the order in which it was given. */
void uplink_send_queued(struct uplink *u, int64_t now, struct uplink_effects *fx);

/* ---- uplink_room.c: a metered link; without one all is open ---- */

/* Fills the offer's room.  False: there is none, and it is looked at again in time. */
bool uplink_room_ask(struct uplink *u, struct uplink_offer *o);
/* A batch is about to be published, or was not after all. */
void uplink_room_charge(const struct uplink *u, const struct slot *s, bool went);

void uplink_rate_reset(struct uplink_rate *r);
/* Something small went there and back in so long. */
void uplink_rate_round_trip(struct uplink_rate *r, int64_t ms);
/* A frame leaves, and nothing else is under way. */
void uplink_rate_begin(struct uplink_rate *r, int64_t now);
/* A PUBACK; idle: nothing is under way any more. */
void uplink_rate_acked(
    struct uplink_rate *r, int64_t now, int64_t sent_ms, size_t bytes, bool idle);

#endif
