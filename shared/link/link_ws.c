/* WebSocket frames; see the header. */
#include "link_ws.h"

#include <string.h>

#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>

#include "link_http.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static bool
is_control(uint8_t op)
{
	return op >= 8;
}

static void
refuse(struct link_ws *w, unsigned code, const char *fault)
{
	w->fault = fault;
	w->fault_code = code;
}

/* How many bytes the head has, as far as its first two say. */
static unsigned
head_size(const struct link_ws *w)
{
	const unsigned len = w->head[1] & 0x7f;

	if (w->head_len < 2)
		return 2;
	return len == 127 ? 10 : len == 126 ? 4 : 2;
}

static uint64_t
head_payload(const struct link_ws *w)
{
	const unsigned size = head_size(w);
	uint64_t n = 0;

	if (size == 2)
		return w->head[1] & 0x7f;
	for (unsigned i = 2; i < size; i++)
		n = n << 8 | w->head[i];
	return n;
}

/* A frame's first two bytes are there: what must not be is found before its length is believed. */
static void
check_kind(struct link_ws *w)
{
	const uint8_t op = w->head[0] & 0x0f;
	const bool fin = (w->head[0] & 0x80) != 0;

	if ((w->head[0] & 0x70) != 0)
		refuse(w, 1002, "a frame with bits of an extension that was not agreed on");
	else if ((w->head[1] & 0x80) != 0)
		refuse(w, 1002, "a masked frame from the server");
	else if (op == LINK_WS_TEXT)
		refuse(w, 1003, "a text frame; MQTT is binary");
	else if (op > LINK_WS_PONG || (op > LINK_WS_BINARY && op < LINK_WS_CLOSE))
		refuse(w, 1002, "a frame of an unknown kind");
	else if (is_control(op) && (!fin || (w->head[1] & 0x7f) > LINK_WS_CONTROL_MAX))
		refuse(w, 1002, "a control frame that is fragmented or too long");
	else if (op == LINK_WS_MORE && !w->in_message)
		refuse(w, 1002, "a continuation of nothing");
	else if (op == LINK_WS_BINARY && w->in_message)
		refuse(w, 1002, "a new message inside of another one");
}

static void
begin_frame(struct link_ws *w)
{
	const unsigned size = head_size(w);

	w->op = w->head[0] & 0x0f;
	w->fin = (w->head[0] & 0x80) != 0;
	w->left = head_payload(w);
	w->head_len = 0;
	if ((size == 4 && w->left < 126) || (size == 10 && w->left < 65536))
		refuse(w, 1002, "a length that is longer than it has to be");
	else if (w->left > LINK_WS_FRAME_MAX)
		refuse(w, 1009, "a frame longer than any of ours can be");
	w->in_frame = true;
	if (is_control(w->op))
		w->control_len = 0;
	else
		w->in_message = !w->fin;
}

static void
end_control(struct link_ws *w)
{
	if (w->op == LINK_WS_PING) {
		/* Of several the last is answered, as section 5.5.3 allows. */
		memcpy(w->echo, w->control, w->control_len);
		w->echo_len = w->control_len;
		w->ping = true;
	} else if (w->op == LINK_WS_CLOSE) {
		w->closed = true;
		w->close_code = 1005;
		if (w->control_len == 1) {
			refuse(w, 1002, "a close frame with half a code");
		} else if (w->control_len >= 2) {
			w->close_code = (unsigned)w->control[0] << 8 | w->control[1];
			link_http_printable(w->close_reason, sizeof(w->close_reason),
			    (const char *)w->control + 2, w->control_len - 2);
		}
	}
}

/* Part of the head; returns how many bytes it took. */
static size_t
read_head(struct link_ws *w, const unsigned char *data, size_t len)
{
	size_t used = 0;

	while (used < len && w->head_len < head_size(w) && w->fault == NULL) {
		w->head[w->head_len++] = data[used++];
		if (w->head_len == 2)
			check_kind(w);
	}
	if (w->fault == NULL && w->head_len >= 2 && w->head_len == head_size(w))
		begin_frame(w);
	return used;
}

size_t
link_ws_read(struct link_ws *w, unsigned char *data, size_t len)
{
	size_t at = 0, out = 0, n;

	while (w->fault == NULL && !w->closed) {
		if (!w->in_frame) {
			if (at == len)
				break;
			at += read_head(w, data + at, len - at);
			continue;
		}
		n = w->left < len - at ? (size_t)w->left : len - at;
		if (is_control(w->op)) {
			memcpy(w->control + w->control_len, data + at, n);
			w->control_len += (unsigned)n;
		} else {
			memmove(data + out, data + at, n);
			out += n;
		}
		at += n;
		w->left -= n;
		if (w->left > 0)
			break;
		w->in_frame = false;
		if (is_control(w->op))
			end_control(w);
	}
	return out;
}

size_t
link_ws_write(unsigned char head[LINK_WS_HEAD_MAX], enum link_ws_op op, unsigned char *payload,
    size_t len, const unsigned char mask[4])
{
	size_t n = 2;

	head[0] = (unsigned char)(0x80 | (unsigned)op);
	if (len < 126) {
		head[1] = (unsigned char)(0x80 | len);
	} else if (len < 65536) {
		head[1] = 0x80 | 126;
		head[n++] = (unsigned char)(len >> 8);
		head[n++] = (unsigned char)(len & 0xff);
	} else {
		head[1] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			head[n++] = (unsigned char)((uint64_t)len >> shift & 0xff);
	}
	memcpy(head + n, mask, 4);
	for (size_t i = 0; i < len; i++)
		payload[i] ^= mask[i & 3];
	return n + 4;
}

bool
link_ws_key(const unsigned char random[16], char out[32])
{
	size_t n;

	return mbedtls_base64_encode((unsigned char *)out, 32, &n, random, 16) == 0;
}

bool
link_ws_accept(const char *key, char out[32])
{
	unsigned char text[32 + sizeof(GUID)], sum[20];
	const size_t len = strlen(key);
	size_t n;

	if (len > 31)
		return false;
	memcpy(text, key, len);
	memcpy(text + len, GUID, sizeof(GUID) - 1);
	return mbedtls_sha1_ret(text, len + sizeof(GUID) - 1, sum) == 0 &&
	       mbedtls_base64_encode((unsigned char *)out, 32, &n, sum, sizeof(sum)) == 0;
}
