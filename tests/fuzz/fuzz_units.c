/*
 * libFuzzer target: what a system bus may say when it is asked for units (D-Bus messages).
 *
 * The first byte is how many units were asked for; the rest is the stream.
 */
#include "fuzz.h"
#include "sample_units_internal.h"

#define UNITS   8u
#define LARGEST 2048u

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum unit_state state[UNITS + 1];
	struct units_message m;
	unsigned n;
	char *exact;
	size_t at = 0;
	int64_t len;

	if (size == 0)
		return 0;
	n = data[0] % (UNITS + 1);
	exact = malloc(size); /* its end is the end of the block */
	CHECK(exact != NULL);
	memcpy(exact, data + 1, size - 1);
	while ((len = units_wire_next(exact + at, size - 1 - at, LARGEST, &m)) > 0) {
		CHECK((size_t)len <= size - 1 - at && len <= LARGEST);
		CHECK(m.body >= exact + at && m.body + m.body_len == exact + at + len);
		state[n] = UNIT_UNUSABLE; /* not touched */
		if (units_wire_states(&m, n, state))
			for (unsigned i = 0; i < n; i++)
				CHECK(state[i] >= UNIT_STOPPED && state[i] <= UNIT_UNUSABLE);
		CHECK(state[n] == UNIT_UNUSABLE);
		/* What is cut short is not taken for whole. */
		CHECK(units_wire_next(exact + at, (size_t)len - 1, LARGEST, &m) == 0);
		at += (size_t)len;
	}
	CHECK(len == 0 || len == BL_ECORRUPT);
	free(exact);
	return 0;
}
