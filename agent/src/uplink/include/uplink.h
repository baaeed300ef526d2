/*
 * The sender: decides what goes out when.  A pure state machine: events in,
 * effects out, time given by the caller (monotonic ms), randomness from a seed.
 * It knows frames, not the spool, and messages, not the socket.
 *
 *   DOWN -> HELLO (said, waits for the answer) -> SETTLING (the spool works the
 *   answer in) -> READY (offers, publishes) ;  REFUSED (conflict, retired)
 *
 * What it keeps to:
 *   - Nothing but hello is sent before the answer to it was worked in.
 *   - At most UPLINK_SLOTS frames and UPLINK_WINDOW_BYTES are unreceipted; the
 *     window halves when a receipt deadline passes, and grows back by receipts.
 *   - A frame without a receipt is offered again 10 s after its PUBACK, then 20 s ... 5 min.
 *   - Past bytes never exceed the centre's credit (a token bucket) nor, on their
 *     way to the broker, one second of the measured rate (8 KiB while it is not
 *     known) and the batch that begins in it; one batch is always allowed.
 *   - One offer is asked for at a time, and only when there is room for it.
 *   - Batches that may go at the same moment share a message (a bundle), up to
 *     UPLINK_BUNDLE_BYTES; nothing waits for one to fill, and what was offered in vain
 *     before goes alone.  Slots, deadlines and receipts know batches only.
 *
 * Every function appends to fx, which the caller works off in order before the
 * next event.  One thread.
 */
#ifndef UPLINK_H
#define UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/message.h"
#include "branchline/wire.h"

#define UPLINK_SLOTS            16u
#define UPLINK_WINDOW_BYTES     (256u * 1024u)
#define UPLINK_BUNDLE_BYTES     (16u * 1024u) /* a message that several batches share, at most */
#define UPLINK_HELLO_MS         10000         /* for the answer, each time */
#define UPLINK_HELLO_TRIES      3u            /* then the connection is dropped */
#define UPLINK_RECEIPT_MIN_MS   10000         /* first receipt deadline */
#define UPLINK_RECEIPT_MAX_MS   300000        /* last one */
#define UPLINK_REFUSED_RETRY_MS 300000        /* hello again after conflict or retired */
#define UPLINK_EFFECTS_MAX      64u

/* The centre itself asks for five minutes at most; more is a mistake, or worse. */
#define UPLINK_FLOOR_MAX_MS 600000

enum uplink_state {
	UPLINK_DOWN,
	UPLINK_HELLO,
	UPLINK_SETTLING,
	UPLINK_READY,
	UPLINK_REFUSED,
};

/* A frame as the sender sees it. */
struct uplink_frame {
	enum bl_msg_type type; /* BATCH, DICT, CLOCK */
	enum bl_stream stream; /* BATCH */
	uint64_t seq;          /* BATCH */
	uint32_t upto;         /* DICT, CLOCK: the last entry in it */
	bool past;
	size_t bytes;
};

enum uplink_effect_type {
	UPLINK_SEND_HELLO,    /* fetch the spool's hello, put nonce in, publish it */
	UPLINK_TAKE_ANSWER,   /* hand the message just given to the spool as an answer */
	UPLINK_TAKE_RECEIPT,  /* ... as a receipt */
	UPLINK_TAKE_QUESTION, /* ... as a question */
	UPLINK_ASK_OFFER,     /* ask the spool for frames; exactly one uplink_frames follows */
	UPLINK_PUBLISH,       /* publish the frame of this slot, with more of them in one bundle;
				 uplink_busy when there is no room */
	UPLINK_FORGET,        /* the frame of this slot is not wanted any more: free it */
	UPLINK_CLEAR, /* tell the spool: (stream, seq) may be offered again; stream 0: the maps */
	UPLINK_DROP,  /* drop the connection; why says it */
	UPLINK_TIME,  /* the centre's time, measured */
};

/*
 * What a metered link has room for, by class (index stream - 1), in bytes; a message
 * costs frame_bytes more than it is long.
 */
struct uplink_room {
	uint64_t live[BL_STREAMS], past[BL_STREAMS];
	size_t frame_bytes;
	size_t max_packet;     /* no larger messages than this; 0: no limit by this */
	int64_t again_mono_ms; /* there may be more then */
};

/*
 * under_way: bytes that were handed out and may not have been carried yet, frame_bytes
 * more for each message.
 */
typedef void (*uplink_room_fn)(void *ctx, uint64_t under_way, struct uplink_room *out);

struct uplink_offer {
	bool metered; /* room counts */
	struct uplink_room room;
	bool live;
	size_t past_bytes; /* 0: no past frames */
	uint32_t dict_known, clock_known;
	size_t max_packet;
	unsigned max_frames;
};

struct uplink_effect {
	enum uplink_effect_type type;
	unsigned slot;   /* PUBLISH, FORGET */
	unsigned n_more; /* PUBLISH: batches that share the message, behind slot's */
	uint8_t more[UPLINK_SLOTS];
	uint64_t token;            /* PUBLISH: for the PUBACK */
	uint32_t nonce;            /* SEND_HELLO */
	const char *why;           /* DROP */
	enum bl_stream stream;     /* CLEAR */
	uint64_t seq;              /* CLEAR */
	struct uplink_offer offer; /* ASK_OFFER */
	int64_t server_unix_ms;    /* TIME: read at the centre some time between at_mono_ms ... */
	int64_t at_mono_ms;
	int64_t rtt_ms; /* ... and at_mono_ms + rtt_ms */
};

struct uplink_effects {
	unsigned n;
	struct uplink_effect e[UPLINK_EFFECTS_MAX];
};

/*
 * What the spool made of an answer, a receipt or a question.  Answers with the
 * verdict "conflict" go to the spool, too: say_hello then means that it was about
 * a former id of the spool, which is done with; else the device is refused.
 */
struct uplink_outcome {
	bool taken;                 /* false: about another spool, or the spool failed */
	bool say_hello;             /* the spool's id is new, or the centre lost something */
	bool more;                  /* something may be offered */
	const struct bl_receipt *r; /* what it was about; NULL for a question */
};

struct uplink_status {
	enum uplink_state state;
	int64_t since_mono_ms;
	enum bl_verdict verdict; /* of the last answer */
	unsigned window;         /* frames allowed now */
	unsigned in_flight;      /* published, not receipted */
	size_t in_flight_bytes;
	unsigned receipt_ms;          /* deadline of the next frame */
	uint32_t credit_bytes_per_s;  /* last word of the centre */
	uint32_t rate_bytes_per_s;    /* measured by PUBACKs; 0: not yet */
	int refused_reason;           /* last PUBACK code >= 128; 0: none on this connection */
	int64_t last_receipt_mono_ms; /* worked in, answers too; -1: never */
	uint64_t published, receipted, overdue, hellos, offers, refused;
};

struct uplink;

/* NULL: out of memory.  seed: anything; the same seed and events give the same effects. */
struct uplink *uplink_create(uint64_t seed);
void uplink_free(struct uplink *u);

/*
 * A batch is about to be published: its class pays for it.  shares: in the message of
 * another batch, which pays for the message.  went false: it did not go after all, and is
 * paid for when it does.  Told before the effect, for the next offer is asked for before
 * that is worked off.
 */
typedef void (*uplink_charge_fn)(
    void *ctx, enum bl_stream stream, size_t bytes, bool shares, bool went);

/* The link is metered: both are called in the middle of any call.  NULL: it is not.  Keeps ctx. */
void uplink_meter(struct uplink *u, uplink_room_fn room, uplink_charge_fn charge, void *ctx);

/* ---- link ---- */

/* Connected and subscribed.  max_packet: the broker's, 0: none stated. */
void uplink_link_up(struct uplink *u, int64_t now, size_t max_packet, struct uplink_effects *fx);
/* Forgets every frame; the spool does the same by itself. */
void uplink_link_down(struct uplink *u, int64_t now, struct uplink_effects *fx);
/* A PUBACK; reason is the MQTT 5 code.  An unknown token (an older connection's) does nothing. */
void uplink_puback(
    struct uplink *u, int64_t now, uint64_t token, int reason, struct uplink_effects *fx);
/*
 * The publish of this slot, and of what shared its message, found no room: they are tried
 * again after the next PUBACK.
 */
void uplink_busy(struct uplink *u, unsigned slot);
/* The publish of this slot (as above) can never work (too large for this broker): left to its
 * deadline. */
void uplink_unsendable(struct uplink *u, unsigned slot);
/* The hello with this nonce went out just now: from here the round trip is counted. */
void uplink_hello_sent(struct uplink *u, int64_t now, uint32_t nonce);

/* ---- from the centre; borrow the message ---- */

void uplink_receipt(
    struct uplink *u, int64_t now, const struct bl_receipt *r, struct uplink_effects *fx);
void uplink_question(
    struct uplink *u, int64_t now, const struct bl_question *q, struct uplink_effects *fx);
/* How far reconnections are to be spread, no more than UPLINK_FLOOR_MAX_MS.  Pure. */
uint32_t uplink_floor_ms(const struct bl_centre *c);
/* Another epoch or start than known: hello again, within the reconnection floor. */
void uplink_centre(
    struct uplink *u, int64_t now, const struct bl_centre *c, struct uplink_effects *fx);

/* ---- from the spool ---- */

void uplink_answered(
    struct uplink *u, int64_t now, const struct uplink_outcome *o, struct uplink_effects *fx);
void uplink_receipted(
    struct uplink *u, int64_t now, const struct uplink_outcome *o, struct uplink_effects *fx);
void uplink_questioned(
    struct uplink *u, int64_t now, const struct uplink_outcome *o, struct uplink_effects *fx);
/*
 * The answer to ASK_OFFER.  slot[i] receives the place of frame i, under which
 * the caller keeps its bytes until PUBLISH worked or FORGET comes, or
 * UPLINK_NO_SLOT: not wanted, free it now.
 */
#define UPLINK_NO_SLOT UINT32_MAX
void uplink_frames(struct uplink *u, int64_t now, const struct uplink_frame *frames, unsigned n,
    unsigned *slot, struct uplink_effects *fx);
/* There is more to offer than before. */
void uplink_cut(struct uplink *u, int64_t now, struct uplink_effects *fx);
/* The spool was replaced: another id. */
void uplink_replaced(struct uplink *u, int64_t now, struct uplink_effects *fx);

/* ---- time ---- */

/* When uplink_tick must be called at the latest; INT64_MAX: not at all. */
int64_t uplink_deadline(const struct uplink *u);
void uplink_tick(struct uplink *u, int64_t now, struct uplink_effects *fx);

void uplink_status(const struct uplink *u, struct uplink_status *out);
/* "down", "hello", "settling", "ready", "refused". */
const char *uplink_state_name(enum uplink_state s);

#endif
