/*
 * Doubles that no encoder writes, put into a body that one has written.
 */
#ifndef CODEC_CHANGE_H
#define CODEC_CHANGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/buf.h"

/* Puts other bits in the place of the only double with these, wherever in a byte it begins. */
static inline void
change_double(struct bl_buf *raw, double from, uint64_t to)
{
	unsigned found = 0;
	uint64_t want;
	size_t at = 0;

	memcpy(&want, &from, sizeof(want));
	for (size_t bit = 0; bit + 64 <= raw->len * 8; bit++) {
		uint64_t got = 0;

		for (size_t i = 0; i < 64; i++)
			got |= (uint64_t)(raw->data[(bit + i) / 8] >> (bit + i) % 8 & 1) << i;
		found += got == want;
		at = got == want ? bit : at;
	}
	assert_int_equal(found, 1);
	for (size_t i = 0; i < 64; i++) {
		uint8_t *byte = &raw->data[(at + i) / 8];
		const unsigned mask = 1u << (at + i) % 8;

		*byte = (uint8_t)((to >> i & 1) != 0 ? *byte | mask : *byte & ~mask);
	}
}

#endif
