/*
 * Delivery: the uplink (what is sent when) and the spool (what there is), joined.
 * Carries the uplink's effects out, turns what the spool thread says into the
 * uplink's events, and keeps the frames that wait for room.
 *
 * It knows neither MQTT nor sockets nor threads: what comes from the broker is
 * handed in, what goes out leaves through struct delivery_out, time is the
 * clock's.  So the simulator (tests/sim) runs this code and no other between
 * a fake broker and a real spool.
 *
 * One thread, the loop's: the one that calls spool_thread_dispatch.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/message.h"
#include "branchline/topic.h"

#include "spool_thread.h"
#include "uplink.h"

/* Tokens of messages whose PUBACK nobody in here waits for: hello, gone, and the caller's own. */
#define DELIVERY_TOKEN_OTHER (UINT64_C(1) << 63)

struct delivery;

/* The way out, and what the caller wants to know.  All on the loop's thread. */
struct delivery_out {
	void *ctx;
	/*
	 * Hands a message to the broker; copies it.  HELLO, LIVE or PAST, never
	 * retained.  BL_OK; BL_EBUSY, BL_ENET: not now, tried again; another
	 * negative code: it can never be sent.
	 */
	int (*publish)(
	    void *ctx, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token);
	/* Drop the connection; why says it. */
	void (*drop)(void *ctx, const char *why);
	/* The centre's time, measured; rtt_ms as in uplink.h. */
	void (*time)(void *ctx, int64_t server_unix_ms, int64_t rtt_ms);
	/*
	 * The spool's hello is there and about to be sent (when the link is up):
	 * fill in config_hash.  connections: ever, see spool_calls.hello.
	 */
	void (*hello)(void *ctx, struct bl_hello *hello, uint64_t connections);
	/* The centre's word on whether somebody else uses our identity, with each answer and
	 * whenever there is one.  NULL: nobody cares. */
	void (*rival)(void *ctx, uint32_t returns);
	/* An answer was worked in; delivery_status says what came of it. */
	void (*answered)(void *ctx);
	/* A message of a stream went out (0: dictionary, clock map).  NULL: nobody counts. */
	void (*sent)(void *ctx, enum bl_stream stream, size_t bytes);
};

/* Keeps clock; copies out.  seed: of the jitter. */
int delivery_create(struct delivery **out, const struct bl_clock *clock, uint64_t seed,
    const struct delivery_out *way, struct bl_err *err);
/* NULL is fine.  The spool thread has ended before. */
void delivery_free(struct delivery *d);

/*
 * The callbacks to start the spool thread with.  Of others (the caller's own)
 * event_done, status and working are passed on, with its ctx; replaced and
 * recovered as well, after delivery has heard of them.
 */
void delivery_calls(
    struct delivery *d, const struct spool_calls *others, struct spool_calls *calls);
/* The thread that was started with them.  Before anything below. */
void delivery_spool(struct delivery *d, struct spool_thread *spool);

/* The link is metered: see uplink_meter. */
void delivery_meter(struct delivery *d, uplink_room_fn room, uplink_charge_fn charge, void *ctx);

/* ---- what the connection says ---- */

/* Connected and subscribed.  max_message: the largest payload this broker takes; 0: not stated. */
void delivery_up(struct delivery *d, size_t max_message);
/* The connection is gone, and all that was under way with it. */
void delivery_down(struct delivery *d);
bool delivery_is_up(const struct delivery *d);
/* A PUBACK; reason is the MQTT 5 code. */
void delivery_published(struct delivery *d, uint64_t token, int reason);
/* A message on bl/1/down/<device>/receipt.  BL_ECORRUPT, BL_ENEWER: ignored, err says why. */
int delivery_receipt(struct delivery *d, const void *msg, size_t len, struct bl_err *err);
/* A message on bl/1/centre; *floor_ms: how far reconnections have to be spread. */
int delivery_centre(
    struct delivery *d, const void *msg, size_t len, uint32_t *floor_ms, struct bl_err *err);

/* ---- time ---- */

/* When delivery_tick must be called at the latest (monotonic); INT64_MAX: not at all. */
int64_t delivery_deadline(const struct delivery *d);
void delivery_tick(struct delivery *d);

void delivery_status(const struct delivery *d, struct uplink_status *out);

#endif
