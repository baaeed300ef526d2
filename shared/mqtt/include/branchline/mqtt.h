/*
 * One MQTT 5 connection over the TLS link: Paho C underneath, our own
 * reconnection, window, mailbox and deadlines on top.
 *
 * All functions are called by ONE thread, the owner's event loop.  Paho's
 * threads only post to a bounded mailbox, which bl_mqtt_step empties by
 * calling the handlers on the owner's thread.  Handlers may publish; they must
 * not free the object.  No Paho persistence, no offline buffering: what was
 * not acknowledged when a connection ends is the owner's to offer again.
 */
#ifndef BRANCHLINE_MQTT_H
#define BRANCHLINE_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/link.h"

struct bl_mqtt;

struct bl_mqtt_msg {
	const char *topic; /* terminated; borrowed for the call, like payload */
	const void *payload;
	size_t len;
	bool retained; /* as it was published, also for a subscriber that was there already */
};

struct bl_mqtt_handlers {
	/* Connected and subscribed; publishing is possible from now on. */
	void (*up)(void *ctx);
	/*
	 * Not connected (also after an attempt that failed).  why is a sentence
	 * for people, from the link's report or the broker's refusal;
	 * retry_ms: the next attempt starts then; -1: none (stop was called).
	 * What was outstanding is forgotten: published() will not come for it.
	 */
	void (*down)(void *ctx, const char *why, int64_t retry_ms);
	void (*message)(void *ctx, const struct bl_mqtt_msg *msg);
	/* PUBACK for a publish with this token; reason is the MQTT 5 code (0, 16: accepted; >= 128:
	 * refused). */
	void (*published)(void *ctx, uint64_t token, int reason);
};

struct bl_mqtt_opts {
	struct bl_link_cfg link; /* copied, strings too */
	const char *client_id;   /* equals the certificate's common name */
	/* NULL-terminated; QoS 1.  Those at the end that begin with '$' may be refused. */
	const char *const *subscribe;
	/*
	 * The first so many of them: QoS 0.  What comes may be lost on its way from the broker; for
	 * an owner who asks again anyway when nothing comes.  Spares a PUBACK for each.
	 */
	unsigned lossy;
	const char *will_topic; /* NULL: no will; else retained, QoS 1 */
	const void *will;
	size_t will_len;
	unsigned keepalive_s;    /* <= 30 */
	unsigned backoff_min_ms; /* full jitter: uniform in [floor, min(max, min * 2^n)] */
	unsigned backoff_max_ms;
	unsigned puback_ms;  /* no PUBACK for this long: the connection is given up (5000) */
	unsigned window;     /* most outstanding publishes, <= 16 */
	size_t window_bytes; /* and their bytes, <= 256 KiB */
	unsigned mailbox; /* most messages waiting for step; further ones are dropped and counted */
	size_t mailbox_bytes;
};

enum bl_mqtt_state { BL_MQTT_STOPPED, BL_MQTT_WAITING, BL_MQTT_CONNECTING, BL_MQTT_UP };

struct bl_mqtt_stats {
	enum bl_mqtt_state state;
	uint64_t connects; /* successful ones */
	uint64_t attempts;
	uint64_t mailbox_dropped; /* messages that found the mailbox full */
	uint64_t published;       /* acknowledged */
	uint64_t received;
	uint64_t wire_in_bytes, wire_out_bytes; /* TLS records on the socket, all connections */
	unsigned outstanding;
	int64_t since_mono_ms;    /* of the current state */
	char why[320];            /* last reason for being down; empty while none */
	enum bl_link_fault fault; /* of that reason */
};

/*
 * For main, before any thread: takes http_proxy and https_proxy (however they are
 * spelled) out of this process's environment, with one log line.  Paho would
 * talk to that proxy in the clear; bl_mqtt_create refuses to work beside them.
 */
void bl_mqtt_forget_proxies(void);

/* Keeps clock and handlers (copied) and ctx.  Does not connect yet.  Loads the credentials:
 * BL_EINVAL names the bad file. */
int bl_mqtt_create(struct bl_mqtt **out, const struct bl_mqtt_opts *opts,
    const struct bl_clock *clock, const struct bl_mqtt_handlers *handlers, void *ctx,
    struct bl_err *err);
/* Sends DISCONNECT when it can within 1 s, ends Paho's use of this client.  NULL is fine. */
void bl_mqtt_free(struct bl_mqtt *m);

int bl_mqtt_start(struct bl_mqtt *m, struct bl_err *err);
/* Wish to be down: DISCONNECT, no further attempts until start. */
void bl_mqtt_stop(struct bl_mqtt *m);

/* Readable when step has work; for the owner's poll or epoll. */
int bl_mqtt_fd(const struct bl_mqtt *m);
/* Milliseconds until step must be called anyway; -1: no deadline. */
int bl_mqtt_timeout_ms(const struct bl_mqtt *m);
/* Never blocks; calls handlers. */
void bl_mqtt_step(struct bl_mqtt *m);

/*
 * QoS 1.  Copies payload.  BL_OK; BL_EBUSY: the window is full, try after the
 * next published(); BL_ENET: not up; BL_EFULL: larger than the broker's
 * maximum packet size.  token comes back in published().
 */
int bl_mqtt_publish(struct bl_mqtt *m, const char *topic, const void *payload, size_t len,
    bool retained, uint64_t token, struct bl_err *err);

/* The broker's maximum packet size of this connection (its CONNACK); 0: none stated. */
size_t bl_mqtt_max_packet(const struct bl_mqtt *m);

/* Drops the connection now (a receipt deadline passed, a new certificate ...) and reconnects with
 * back-off. */
void bl_mqtt_drop(struct bl_mqtt *m, const char *why);
/* From the centre: no reconnection sooner than this after a loss. */
void bl_mqtt_set_reconnect_floor(struct bl_mqtt *m, unsigned floor_ms);
/*
 * From the centre, which sees who takes turns: another client uses our id too, or none
 * does.  While one does, a connection that the broker ends is tried again after ten minutes
 * at the soonest.
 */
void bl_mqtt_set_rival(struct bl_mqtt *m, bool seen);
/* New certificate files, used from the next attempt; on error the old ones stay in force. */
int bl_mqtt_reload(struct bl_mqtt *m, const struct bl_link_cfg *cfg, struct bl_err *err);

/* Another last will (same topic, copied), used from the next connection on. */
int bl_mqtt_set_will(struct bl_mqtt *m, const void *will, size_t len, struct bl_err *err);

/* Passed on to the link: see bl_link_clock_untrusted. */
void bl_mqtt_clock_untrusted(struct bl_mqtt *m, bool untrusted);
/* Of the current or last connection; never NULL. */
const struct bl_link_report *bl_mqtt_link_report(const struct bl_mqtt *m);

/* What the network carried for all connections so far; see bl_link_bytes. */
void bl_mqtt_link_bytes(const struct bl_mqtt *m, struct bl_link_bytes *out);
/* See bl_link_rtt_ms. */
unsigned bl_mqtt_rtt_ms(const struct bl_mqtt *m);

void bl_mqtt_stats(const struct bl_mqtt *m, struct bl_mqtt_stats *out);

#endif
