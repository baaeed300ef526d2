/*
 * The sender, scripted step by step: what it wants done is in fx after each step.
 */
#ifndef UPLINK_KIT_H
#define UPLINK_KIT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uplink.h"

struct script {
	struct uplink *u;
	struct uplink_effects fx;
	int64_t now;
	struct bl_receipt r;
	uint32_t nonce;
};

struct script script(void);
/* Of PUBLISH, the batches that leave, whatever messages they share. */
unsigned count(const struct uplink_effects *fx, enum uplink_effect_type type);
const struct uplink_effect *find(const struct uplink_effects *fx, enum uplink_effect_type type);
void link_up(struct script *s);
void tick_to(struct script *s, int64_t at);
void answer(struct script *s, uint32_t nonce, enum bl_verdict verdict);
void answered(struct script *s);
void receipt(struct script *s, enum bl_stream stream, uint64_t contiguous);
void ready(struct script *s, uint32_t credit);
/* n batches of this stream from seq on, each of so many bytes. */
unsigned frames(
    struct script *s, enum bl_stream stream, uint64_t seq, unsigned n, size_t bytes, bool past);

enum uplink_state state(const struct script *s);
/* The broker acknowledges what was published in the last step. */
void pubacks(struct script *s);

#endif
