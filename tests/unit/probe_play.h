/*
 * For tests of the kinds of probes: a server that plays a script to the one
 * client that connects, and what a result holds, in words.
 */
#ifndef PROBE_PLAY_H
#define PROBE_PLAY_H

#include "probe_harness.h"

enum play_do {
	PLAY_END = 0, /* nothing more is said; what the client does is awaited */
	PLAY_SAY,
	PLAY_SAY_BYTES, /* each byte by itself */
	PLAY_HEAR,      /* until this text has come */
	PLAY_FLOOD,     /* five thousand bytes */
	PLAY_CLOSE,
	PLAY_RESET,
};

struct play_step {
	enum play_do what;
	const char *text;
	size_t len; /* 0: strlen(text) */
};

struct play {
	int fd;
	uint16_t port;
	pthread_t thread;
	const struct play_step *step;
	char heard[4096];
	size_t heard_len;
};

void play_start(struct play *p, const struct play_step *steps);
/* After this, heard is what the client said. */
void play_stop(struct play *p);

/* A probe of a kind with defaults, at a host and port. */
void kind_set(struct probe *p, enum probe_kind kind, const char *host, uint16_t port);
/* "up=1 connect total match=0 first? days...": =value for those that tests know, ? missing, ...
 * late. */
const char *told(const struct probe_result *r);
/* Runs it once and fails unless it ends so; detail: a part of it. */
struct probe_result expect_run(const struct probe *p, const char *what, enum probe_reason reason,
    const char *values, const char *detail);

#endif
