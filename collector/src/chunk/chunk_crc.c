/* Checksums of what is fetched in one piece. */
#include "chunk_internal.h"

#include <zlib.h>

uint32_t
chunk_crc(const void *bytes, size_t len)
{
	return (uint32_t)crc32_z(0, bytes, len);
}

bool
chunk_span_ok(const struct chunk_span *s, const void *bytes)
{
	return chunk_crc(bytes, s->len) == s->crc;
}
