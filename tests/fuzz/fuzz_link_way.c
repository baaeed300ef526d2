/*
 * libFuzzer target: the answers of proxies and servers (HTTP heads) and the
 * server's WebSocket frames, as they come in pieces.  The first byte chooses
 * the size of the pieces; however a stream is cut, the same comes out of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "link_http.h"
#include "link_ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
printable(const char *text, size_t room)
{
	for (size_t i = 0; i < room; i++) {
		if (text[i] == '\0')
			return true;
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return false;
}

static void
http(const char *data, size_t size)
{
	const size_t head = link_http_head_len(data, size);
	struct link_http h;

	CHECK(head <= size);
	/* A head that has ended has no more bytes, whatever follows. */
	if (head > 0)
		CHECK(link_http_head_len(data, head) == head &&
		      link_http_head_len(data, head - 1) == 0);
	if (!link_http_parse(data, size, &h)) {
		CHECK(h.status == 0);
		return;
	}
	CHECK(link_http_begins(data, size));
	CHECK(h.status >= 100 && h.status <= 999);
	CHECK(printable(h.reason, sizeof(h.reason)) && printable(h.location, sizeof(h.location)));
	CHECK(printable(h.schemes, sizeof(h.schemes)) && printable(h.protocol, sizeof(h.protocol)));
	CHECK(printable(h.accept, sizeof(h.accept)));
	(void)link_http_is_portal(&h);
}

static size_t
frames(const uint8_t *data, size_t size, size_t piece, struct link_ws *w, uint8_t *out)
{
	uint8_t *chunk = malloc(piece);
	size_t n = 0;

	CHECK(chunk != NULL);
	memset(w, 0, sizeof(*w));
	for (size_t at = 0; at < size; at += piece) {
		const size_t k = size - at < piece ? size - at : piece;
		size_t got;

		memcpy(chunk, data + at, k);
		got = link_ws_read(w, chunk, k);
		CHECK(got <= k);
		memcpy(out + n, chunk, got);
		n += got;
	}
	free(chunk);
	return n;
}

static void
ws(const uint8_t *data, size_t size, size_t piece)
{
	uint8_t *whole = malloc(size + 1), *cut = malloc(size + 1);
	struct link_ws a, b;
	size_t n;

	CHECK(whole != NULL && cut != NULL);
	n = frames(data, size, size + 1, &a, whole);
	CHECK(n == frames(data, size, piece, &b, cut));
	CHECK(memcmp(whole, cut, n) == 0);
	CHECK(a.closed == b.closed && a.fault == b.fault && a.ping == b.ping);
	CHECK(a.close_code == b.close_code && a.echo_len == b.echo_len);
	CHECK(printable(a.close_reason, sizeof(a.close_reason)));
	CHECK(a.fault == NULL || a.fault_code >= 1000);
	free(whole);
	free(cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	http((const char *)data + 1, size - 1);
	ws(data + 1, size - 1, (size_t)data[0] % 37 + 1);
	return 0;
}
