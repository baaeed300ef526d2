/*
 * WebSocket frames (RFC 6455) as a client sends and takes them.  Pure: no I/O,
 * no allocation; random masks come from the caller.
 *
 * MQTT is a stream over them: where a frame ends means nothing (MQTT 5, section
 * 6), so payload is handed on as it comes, and a long frame needs no room.
 */
#ifndef LINK_WS_H
#define LINK_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_WS_HEAD_MAX    14u
#define LINK_WS_CONTROL_MAX 125u
/* Twice of what we let the broker put into one MQTT packet (CONNECT says so). */
#define LINK_WS_FRAME_MAX (1u << 20)

enum link_ws_op {
	LINK_WS_MORE = 0,
	LINK_WS_TEXT = 1,
	LINK_WS_BINARY = 2,
	LINK_WS_CLOSE = 8,
	LINK_WS_PING = 9,
	LINK_WS_PONG = 10,
};

/* What the server sends; zeroed at the beginning. */
struct link_ws {
	unsigned char head[10];
	unsigned head_len;
	uint64_t left; /* of this frame's payload */
	uint8_t op;
	bool fin, in_frame, in_message;
	unsigned char control[LINK_WS_CONTROL_MAX];
	unsigned control_len;
	/* What the caller has to look at after link_ws_read. */
	bool ping; /* the last ping, to be answered with control-sized `echo` */
	unsigned char echo[LINK_WS_CONTROL_MAX];
	unsigned echo_len;
	bool closed;
	unsigned close_code;   /* 1005: none was given */
	char close_reason[64]; /* printable */
	const char *fault;     /* NULL, or what is wrong with it; the connection is to be failed */
	unsigned fault_code;   /* for our own close frame */
};

/*
 * Takes len bytes from the wire and moves what is MQTT among them to the front;
 * returns how many.  Nothing more is read after a close or a fault.
 */
size_t link_ws_read(struct link_ws *w, unsigned char *data, size_t len);

/*
 * Writes the head of a final frame for len bytes and masks them in place.
 * Returns the length of the head.
 */
size_t link_ws_write(unsigned char head[LINK_WS_HEAD_MAX], enum link_ws_op op,
    unsigned char *payload, size_t len, const unsigned char mask[4]);

/* Base64 of SHA-1 of key and RFC 6455's GUID: what Sec-WebSocket-Accept must be. */
bool link_ws_accept(const char *key, char out[32]);
/* 16 random bytes as Sec-WebSocket-Key. */
bool link_ws_key(const unsigned char random[16], char out[32]);

#endif
