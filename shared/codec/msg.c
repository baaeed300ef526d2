/* Hello, presence and centre: what says who is there. */
#include "codec_internal.h"

#include <string.h>

#define CONTENT_MAX 8192u /* of one section here */

static int64_t
get_ms(struct bl_rd *rd)
{
	const int64_t ms = bl_rd_zigzag(rd);

	if (!codec_ms_ok(ms))
		rd->failed = true;
	return ms;
}

static bool
cstr_ok(const char *s, size_t size)
{
	const size_t len = strnlen(s, size);

	return len < size && codec_utf8(s, len);
}

/* ---- hello ---- */

enum { HELLO_WHO = 1, HELLO_CLOCKS = 2, HELLO_VERSIONS = 3, HELLO_STREAM = 4 };

static bool
hello_stream_ok(const struct bl_hello_stream *s)
{
	return s->next_seq != 0 && s->lowest_held != 0 && s->lowest_held <= s->next_seq &&
	       codec_ranges_ok(&s->held) &&
	       (s->held.n == 0 || s->held.r[s->held.n - 1].last < s->next_seq);
}

static bool
hello_ok(const struct bl_hello *h)
{
	for (int i = 0; i < BL_STREAMS; i++)
		if (!hello_stream_ok(&h->stream[i]))
			return false;
	return cstr_ok(h->device, sizeof(h->device)) && cstr_ok(h->software, sizeof(h->software)) &&
	       cstr_ok(h->config_hash, sizeof(h->config_hash)) && codec_ms_ok(h->boot_ms) &&
	       codec_ms_ok(h->unix_ms) && h->dict_version <= BL_DICT_ENTRIES_MAX &&
	       h->clock_version <= BL_CLOCK_SEGMENTS_MAX;
}

static void
put_hello(const struct bl_hello *h, struct bl_buf *out, struct bl_buf *c)
{
	bl_buf_u32(c, h->nonce);
	bl_buf_str(c, h->device);
	codec_put_id(c, &h->spool);
	codec_put_id(c, &h->predecessor);
	codec_put_id(c, &h->boot);
	codec_put_section(out, HELLO_WHO, c);

	bl_buf_reset(c);
	bl_buf_zigzag(c, h->boot_ms);
	bl_buf_zigzag(c, h->unix_ms);
	codec_put_section(out, HELLO_CLOCKS, c);

	bl_buf_reset(c);
	bl_buf_varint(c, h->dict_version);
	bl_buf_varint(c, h->clock_version);
	bl_buf_str(c, h->software);
	bl_buf_str(c, h->config_hash);
	codec_put_section(out, HELLO_VERSIONS, c);

	for (int i = 0; i < BL_STREAMS; i++) {
		bl_buf_reset(c);
		bl_buf_u8(c, (uint8_t)(i + 1));
		bl_buf_varint(c, h->stream[i].next_seq);
		bl_buf_varint(c, h->stream[i].lowest_held);
		codec_put_ranges(c, &h->stream[i].held);
		codec_put_section(out, HELLO_STREAM, c);
	}
}

int
bl_hello_encode(const struct bl_hello *h, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf content;

	if (!hello_ok(h))
		return BL_EINVAL;
	bl_buf_init(&content, CONTENT_MAX);
	codec_put_prefix(out, BL_MSG_HELLO);
	put_hello(h, out, &content);
	bl_buf_free(&content);
	return codec_finish(out, len0, failed0);
}

static void
get_who(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_hello *h = out;

	(void)stream;
	h->nonce = bl_rd_u32(rd);
	codec_get_cstr(rd, h->device, sizeof(h->device));
	codec_get_id(rd, &h->spool);
	codec_get_id(rd, &h->predecessor);
	codec_get_id(rd, &h->boot);
}

static void
get_clocks(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_hello *h = out;

	(void)stream;
	h->boot_ms = get_ms(rd);
	h->unix_ms = get_ms(rd);
}

static void
get_versions(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_hello *h = out;

	(void)stream;
	h->dict_version = (uint32_t)bl_rd_varint_max(rd, BL_DICT_ENTRIES_MAX);
	h->clock_version = (uint32_t)bl_rd_varint_max(rd, BL_CLOCK_SEGMENTS_MAX);
	codec_get_cstr(rd, h->software, sizeof(h->software));
	codec_get_cstr(rd, h->config_hash, sizeof(h->config_hash));
}

static void
get_hello_stream(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_hello_stream *s = &((struct bl_hello *)out)->stream[stream - 1];

	s->next_seq = bl_rd_varint(rd);
	s->lowest_held = bl_rd_varint(rd);
	codec_get_ranges(rd, &s->held);
	if (!hello_stream_ok(s))
		rd->failed = true;
}

int
bl_hello_decode(const void *msg, size_t len, struct bl_hello *h, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ HELLO_WHO, true, false, "identity", get_who },
		{ HELLO_CLOCKS, true, false, "clocks", get_clocks },
		{ HELLO_VERSIONS, true, false, "versions", get_versions },
		{ HELLO_STREAM, true, true, "stream", get_hello_stream },
		{ 0, false, false, NULL, NULL },
	};

	*h = (struct bl_hello){ 0 };
	return codec_get_message(
	    msg, len, BL_MSG_HELLO, "hello", known, h, &h->unknown_sections, err);
}

/* ---- presence ---- */

int
bl_presence_encode(const struct bl_presence *p, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf c;

	if (!cstr_ok(p->software, sizeof(p->software)))
		return BL_EINVAL;
	bl_buf_init(&c, CONTENT_MAX);
	bl_buf_u8(&c, p->online);
	codec_put_id(&c, &p->boot);
	bl_buf_varint(&c, p->connections);
	bl_buf_str(&c, p->software);
	codec_put_prefix(out, BL_MSG_PRESENCE);
	codec_put_section(out, 1, &c);
	bl_buf_free(&c);
	return codec_finish(out, len0, failed0);
}

static void
get_presence(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_presence *p = out;
	const uint8_t online = bl_rd_u8(rd);

	(void)stream;
	p->online = online == 1;
	codec_get_id(rd, &p->boot);
	p->connections = bl_rd_varint(rd);
	codec_get_cstr(rd, p->software, sizeof(p->software));
	if (online > 1)
		rd->failed = true;
}

int
bl_presence_decode(const void *msg, size_t len, struct bl_presence *p, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ 1, true, false, "presence", get_presence },
		{ 0, false, false, NULL, NULL },
	};

	*p = (struct bl_presence){ 0 };
	return codec_get_message(
	    msg, len, BL_MSG_PRESENCE, "presence", known, p, &p->unknown_sections, err);
}

/* ---- centre ---- */

int
bl_centre_encode(const struct bl_centre *c, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf content;

	if (!codec_ms_ok(c->server_unix_ms))
		return BL_EINVAL;
	bl_buf_init(&content, CONTENT_MAX);
	codec_put_id(&content, &c->epoch);
	codec_put_id(&content, &c->start);
	bl_buf_zigzag(&content, c->server_unix_ms);
	bl_buf_varint(&content, c->reconnect_floor_ms);
	codec_put_prefix(out, BL_MSG_CENTRE);
	codec_put_section(out, 1, &content);
	bl_buf_free(&content);
	return codec_finish(out, len0, failed0);
}

static void
get_centre(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_centre *c = out;

	(void)stream;
	codec_get_id(rd, &c->epoch);
	codec_get_id(rd, &c->start);
	c->server_unix_ms = get_ms(rd);
	c->reconnect_floor_ms = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
}

int
bl_centre_decode(const void *msg, size_t len, struct bl_centre *c, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ 1, true, false, "centre", get_centre },
		{ 0, false, false, NULL, NULL },
	};

	*c = (struct bl_centre){ 0 };
	return codec_get_message(
	    msg, len, BL_MSG_CENTRE, "centre", known, c, &c->unknown_sections, err);
}
