/* Random numbers that are the same everywhere, for property tests of pure code. */
#ifndef PURE_KIT_H
#define PURE_KIT_H

#include <stddef.h>
#include <stdint.h>

/* splitmix64 */
static inline uint64_t
pure_next(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* From 0 up to 1. */
static inline double
pure_unit(uint64_t *seed)
{
	return (double)(pure_next(seed) >> 11) * 0x1p-53;
}

static inline void
pure_shuffle(double *v, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		const size_t at = (size_t)(pure_next(seed) % i);
		const double x = v[at];

		v[at] = v[i - 1];
		v[i - 1] = x;
	}
}

#endif
