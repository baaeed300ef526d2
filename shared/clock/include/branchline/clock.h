/*
 * Time and randomness, taken from outside so that a simulator can supply both.
 *
 * Three clocks, never mixed in one expression:
 *   boot    CLOCK_BOOTTIME ms since this boot, counts through suspend; stamps samples
 *   mono    CLOCK_MONOTONIC ms; intervals, deadlines, back-off
 *   unix    CLOCK_REALTIME ms since 1970; may be wrong, may jump; never for intervals
 */
#ifndef BRANCHLINE_CLOCK_H
#define BRANCHLINE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_ID_BYTES 16

/* A 128-bit id: spool, boot, store epoch.  All zero means "none". */
struct bl_id {
	uint8_t b[BL_ID_BYTES];
};

struct bl_clock {
	void *ctx;
	int64_t (*boot_ms)(void *ctx);
	int64_t (*mono_ms)(void *ctx);
	int64_t (*unix_ms)(void *ctx);
	/* Fills len bytes; a real clock aborts when the kernel has no randomness. */
	void (*random)(void *ctx, void *out, size_t len);
	/* True when the kernel says that wall time is disciplined (NTP). */
	bool (*synced)(void *ctx);
};

/* The machine's own clocks; static, shared by all threads. */
const struct bl_clock *bl_clock_real(void);

static inline int64_t
bl_boot_ms(const struct bl_clock *c)
{
	return c->boot_ms(c->ctx);
}

static inline int64_t
bl_mono_ms(const struct bl_clock *c)
{
	return c->mono_ms(c->ctx);
}

static inline int64_t
bl_unix_ms(const struct bl_clock *c)
{
	return c->unix_ms(c->ctx);
}

/* A random id; never all zero. */
struct bl_id bl_id_random(const struct bl_clock *c);

/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t bl_random_below(const struct bl_clock *c, uint64_t bound);

/* The kernel's id of this boot (/proc/sys/kernel/random/boot_id); random when unreadable. */
struct bl_id bl_boot_id(const struct bl_clock *c);

bool bl_id_equal(const struct bl_id *a, const struct bl_id *b);
bool bl_id_is_zero(const struct bl_id *id);

/* 32 lower-case hex digits and a NUL. */
#define BL_ID_HEX_SIZE 33
void bl_id_hex(const struct bl_id *id, char out[BL_ID_HEX_SIZE]);
/* False: not 32 hex digits; *out untouched. */
bool bl_id_parse(const char *hex, struct bl_id *out);

/* "2026-11-22T10:34:32.123Z" (RFC 3339, UTC).  Years outside 0..9999 print as "?". */
#define BL_TIME_SIZE 32
void bl_time_utc(int64_t unix_ms, char out[BL_TIME_SIZE]);
/*
 * RFC 3339 with a zone ("2026-11-28T09:30:00.5+08:00", "...Z"); fractions below 1 ms are cut
 * off.  False: it is none; *unix_ms is then undefined.
 */
bool bl_time_parse(const char *s, size_t len, int64_t *unix_ms);

#endif
