/*
 * libFuzzer target: a region of a part whose checksums all hold.  Whatever is
 * read makes sense or is refused.
 */
#include <zlib.h>

#include "../unit/chunk_kit.h"

#include "fuzz.h"

bool __wrap_chunk_span_ok(const struct chunk_span *s, const void *bytes);

bool
__wrap_chunk_span_ok(const struct chunk_span *s, const void *bytes)
{
	(void)s;
	(void)bytes;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *region;
	uint32_t crc;

	if (size < CHUNK_HEAD_BYTES)
		return 0;
	region = (uint8_t *)fuzz_text(data, size);
	crc = (uint32_t)crc32_z(0, region, CHUNK_HEAD_BYTES - 4);
	for (unsigned i = 0; i < 4; i++)
		region[CHUNK_HEAD_BYTES - 4 + i] = (uint8_t)(crc >> (8 * i));
	(void)kit_read_region(region, size);
	free(region);
	return 0;
}
