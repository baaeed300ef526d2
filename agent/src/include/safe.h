/*
 * Safe mode: what an agent does that its service manager starts again and
 * again.  Pure: what is remembered of the last starts, and what follows.
 *
 * A start counts until it has reached health (SAFE_HEALTHY_MS with every thread
 * getting on) or was ended in order.  After SAFE_STARTS of them within
 * SAFE_WINDOW_MS the next one samples little and probes nothing.  After a while
 * the whole configuration is tried: one more end before health, and it is safe
 * mode again, for twice as long.  Another boot of the machine is a new begin.
 */
#ifndef SAFE_H
#define SAFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"

#define SAFE_STARTS     5u
#define SAFE_WINDOW_MS  3600000
#define SAFE_HEALTHY_MS 180000
#define SAFE_WAIT_MS    1800000 /* then all of it is tried; doubled with each try */
#define SAFE_TRIES_MAX  5u      /* 16 h */
#define SAFE_TEXT_MAX                                                                              \
	256u /* the file's size, always: it is written in place, also on a full disk */

struct safe_record {
	struct bl_id boot;
	unsigned n;                      /* starts that did not reach health */
	int64_t at_boot_ms[SAFE_STARTS]; /* the newest, oldest first */
	unsigned tries;                  /* of the whole configuration that failed */
};

/* A start, now.  True: in safe mode. */
bool safe_start(struct safe_record *r, const struct bl_id *boot, int64_t now_boot_ms);
/* It lived for long enough. */
void safe_healthy(struct safe_record *r);
/* It was ended in order before that. */
void safe_stopped(struct safe_record *r);
/* It was ended in safe mode: somebody has looked after it, all of it may be tried at once. */
void safe_forgive(struct safe_record *r);
/* Safe mode ends, and the whole configuration is tried. */
void safe_try(struct safe_record *r, int64_t now_boot_ms);
/* How long safe mode lasts. */
int64_t safe_wait_ms(const struct safe_record *r);
/* Whether a sampler runs in safe mode. */
bool safe_sampler(const char *kind);

/* As text of exactly SAFE_TEXT_MAX bytes, and back; what is no record reads as an empty one. */
void safe_write(const struct safe_record *r, char out[SAFE_TEXT_MAX]);
void safe_read(struct safe_record *r, const char *text, size_t len);

#endif
