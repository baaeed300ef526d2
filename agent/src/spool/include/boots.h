/*
 * Boots that ended before anybody told them the time, placed when a later boot
 * knows it.  Pure.
 *
 * Two things help.  A machine's real-time clock goes on while it is off: when the
 * wall clock of such a boot fits in between what is known, it is believed, as wrong
 * as it is found now.  A clock that begins in 1970 each time says nothing: then
 * boots only follow one another, and lie somewhere between the last time that was
 * known before and the first one after.  Either way the doubt is stated.
 */
#ifndef BOOTS_H
#define BOOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_former {
	int64_t end_ms;         /* boot time of the last that is known of it */
	int64_t wall_offset_ms; /* unix - boot by its wall clock */
	/* the answer */
	bool placed;
	int64_t offset_ms;
	uint32_t uncertainty_ms;
};

struct boot_known {
	bool has_before;
	int64_t before_unix_ms; /* no former boot began before that, at the earliest */
	int64_t after_unix_ms;  /* the present boot had begun then, at the latest */
	bool has_wall;
	int64_t wall_error_ms; /* by how much its wall clock was ahead when it was found out */
};

/* boot[0] is the newest. */
void boots_place(const struct boot_known *k, struct boot_former *boot, size_t n);

#endif
