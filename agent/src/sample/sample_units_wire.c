/*
 * D-Bus messages, as few of them as a question for units takes (D-Bus specification
 * 0.41; little-endian, as every machine that this agent is built for).  Pure.
 *
 * What comes in is believed nothing: each length is checked against what is there,
 * each text must end where it says.
 */
#include "sample_units_internal.h"

#include <stdio.h>
#include <string.h>

#define HEAD       16u /* up to and with the length of the header's fields */
#define FIELDS_MAX 1024u

enum { TYPE_CALL = 1, TYPE_RETURN = 2, TYPE_ERROR = 3, TYPE_SIGNAL = 4 };
enum {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR,
	FIELD_REPLY,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE,
};

/* ---- writing ---- */

struct out {
	char *p;
	size_t size, len, begin; /* alignment counts from where the message begins */
	bool full;
};

static void
put(struct out *o, const void *from, size_t n)
{
	if (o->full || n > o->size - o->len) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->len, from, n);
	o->len += n;
}

static void
put_align(struct out *o, size_t to)
{
	static const char zero[8];

	put(o, zero, (to - (o->len - o->begin) % to) % to);
}

static void
put_u32(struct out *o, uint32_t v)
{
	const unsigned char b[4] = { (unsigned char)v, (unsigned char)(v >> 8),
		(unsigned char)(v >> 16), (unsigned char)(v >> 24) };

	put_align(o, 4);
	put(o, b, 4);
}

static void
put_text(struct out *o, const char *text)
{
	const size_t n = strlen(text);

	put_u32(o, (uint32_t)n);
	put(o, text, n + 1);
}

static void
put_field(struct out *o, char code, char type, const char *text)
{
	const char head[4] = { code, 1, type, '\0' };
	const char len = (char)strlen(text);

	put_align(o, 8);
	put(o, head, sizeof(head));
	if (type != 'g') {
		put_text(o, text);
		return;
	}
	put(o, &len, 1); /* of a signature it is a byte */
	put(o, text, strlen(text) + 1);
}

static void
patch_u32(struct out *o, size_t at, uint32_t v)
{
	struct out there = { o->p, o->size, at, at, false };

	if (!o->full)
		put_u32(&there, v);
}

/* A call up to its body; the lengths of fields and body are filled in by call_end. */
static void
call_begin(struct out *o, uint32_t serial, const char *const text[4], const char *signature)
{
	static const char head[4] = { 'l', TYPE_CALL, 0, 1 };
	size_t begin;

	put(o, head, sizeof(head));
	put_u32(o, 0);
	put_u32(o, serial);
	put_u32(o, 0);
	begin = o->len;
	put_field(o, FIELD_PATH, 'o', text[0]);
	put_field(o, FIELD_INTERFACE, 's', text[1]);
	put_field(o, FIELD_MEMBER, 's', text[2]);
	put_field(o, FIELD_DESTINATION, 's', text[3]);
	if (signature != NULL)
		put_field(o, FIELD_SIGNATURE, 'g', signature);
	patch_u32(o, begin - 4, (uint32_t)(o->len - begin));
	put_align(o, 8);
}

static bool
finish(const struct out *o, size_t *len)
{
	if (o->full)
		return false;
	*len = o->len;
	return true;
}

bool
units_wire_auth(char *out, size_t size, size_t *len, unsigned uid)
{
	struct out o = { out, size, *len, *len, false };
	char id[16], hex[32 + 1];

	(void)snprintf(id, sizeof(id), "%u", uid);
	for (size_t i = 0; id[i] != '\0'; i++)
		(void)snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", (unsigned)id[i]);
	put(&o, "", 1);
	put(&o, "AUTH EXTERNAL ", 14);
	put(&o, hex, strlen(hex));
	put(&o, "\r\nBEGIN\r\n", 9);
	return finish(&o, len);
}

bool
units_wire_hello(char *out, size_t size, size_t *len)
{
	static const char *const text[4] = { "/org/freedesktop/DBus", "org.freedesktop.DBus",
		"Hello", "org.freedesktop.DBus" };
	struct out o = { out, size, *len, *len, false };

	call_begin(&o, UNITS_WIRE_HELLO, text, NULL);
	return finish(&o, len);
}

bool
units_wire_ask(char *out, size_t size, size_t *len, uint32_t serial,
    const char *(*name)(const void *ctx, unsigned i), const void *ctx, unsigned n)
{
	static const char *const text[4] = { "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager", "ListUnitsByNames",
		"org.freedesktop.systemd1" };
	struct out o = { out, size, *len, *len, false };
	const size_t begin = *len;
	size_t body;

	call_begin(&o, serial, text, "as");
	body = o.len;
	put_u32(&o, 0);
	for (unsigned i = 0; i < n; i++)
		put_text(&o, name(ctx, i));
	patch_u32(&o, body, (uint32_t)(o.len - body - 4));
	patch_u32(&o, begin + 4, (uint32_t)(o.len - body));
	return finish(&o, len);
}

/* ---- reading ---- */

struct in {
	const char *p;
	size_t len, at;
	bool failed;
};

static uint32_t
u32_at(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool
take(struct in *i, size_t n, size_t align)
{
	const size_t skip = (align - i->at % align) % align;

	if (i->failed || skip > i->len - i->at || n > i->len - i->at - skip) {
		i->failed = true;
		return false;
	}
	i->at += skip + n;
	return true;
}

static uint32_t
get_u32(struct in *i)
{
	return take(i, 4, 4) ? u32_at(i->p + i->at - 4) : 0;
}

/* A text without a NUL in it; "" and failed where it is none. */
static const char *
get_text(struct in *i)
{
	const size_t n = get_u32(i);
	const char *text = i->p + i->at;

	if (n >= i->len || !take(i, n + 1, 1) || memchr(text, '\0', n) != NULL || text[n] != '\0') {
		i->failed = true;
		return "";
	}
	return text;
}

/* One of the header's: only these types occur there. */
static void
get_field(struct in *i, struct units_message *m)
{
	const char *head;
	uint32_t v;

	if (!take(i, 4, 8))
		return;
	head = i->p + i->at - 4;
	if (head[1] != 1 || head[3] != '\0') {
		i->failed = true;
	} else if (head[2] == 'u') {
		v = get_u32(i);
		m->reply_to = head[0] == FIELD_REPLY ? v : m->reply_to;
	} else if (head[2] == 's' || head[2] == 'o') {
		(void)get_text(i);
	} else if (head[2] == 'g' && take(i, 1, 1)) {
		(void)take(i, (size_t)(unsigned char)i->p[i->at - 1] + 1, 1);
	} else {
		i->failed = true;
	}
}

int64_t
units_wire_next(const char *buf, size_t len, size_t max, struct units_message *m)
{
	struct in fields;
	size_t head;
	uint32_t n;

	*m = (struct units_message){ 0 };
	if (len < HEAD)
		return 0;
	n = u32_at(buf + 12);
	if (buf[0] != 'l' || buf[1] < TYPE_CALL || buf[1] > TYPE_SIGNAL || buf[3] != 1 ||
	    n > FIELDS_MAX)
		return BL_ECORRUPT;
	head = (HEAD + n + 7) / 8 * 8;
	m->body_len = u32_at(buf + 4);
	if (head > max || m->body_len > max - head)
		return BL_ECORRUPT;
	if (len < head + m->body_len)
		return 0;
	fields = (struct in){ buf, HEAD + n, HEAD, false };
	while (fields.at < fields.len && !fields.failed)
		get_field(&fields, m);
	if (fields.failed)
		return BL_ECORRUPT;
	if (buf[1] != TYPE_RETURN && buf[1] != TYPE_ERROR)
		m->reply_to = 0;
	m->is_error = buf[1] == TYPE_ERROR;
	m->body = buf + head;
	return (int64_t)(head + m->body_len);
}

enum unit_state
units_wire_state(const char *load, const char *active)
{
	static const struct {
		const char *word;
		enum unit_state state;
	} by_active[] = {
		{ "active", UNIT_ACTIVE },
		{ "reloading", UNIT_ACTIVE },
		{ "refreshing", UNIT_ACTIVE },
		{ "failed", UNIT_FAILED },
		{ "activating", UNIT_CHANGING },
		{ "deactivating", UNIT_CHANGING },
		{ "maintenance", UNIT_CHANGING },
	};

	/* One whose file was taken away while it runs is active all the same. */
	for (size_t i = 0; i < sizeof(by_active) / sizeof(by_active[0]); i++)
		if (strcmp(active, by_active[i].word) == 0)
			return by_active[i].state;
	if (strcmp(load, "not-found") == 0)
		return UNIT_NOT_FOUND;
	return strcmp(load, "loaded") == 0 || strcmp(load, "merged") == 0 ? UNIT_STOPPED
									  : UNIT_UNUSABLE;
}

/* (ssssssouso): name, description, load, active, sub, followed, path, job, its type, its path */
static enum unit_state
get_unit(struct in *i)
{
	const char *text[7];

	(void)take(i, 0, 8);
	for (unsigned k = 0; k < 7; k++)
		text[k] = get_text(i);
	(void)get_u32(i);
	(void)get_text(i);
	(void)get_text(i);
	return units_wire_state(text[2], text[3]);
}

bool
units_wire_states(const struct units_message *m, unsigned n, enum unit_state *state)
{
	struct in i = { m->body, m->body_len, 0, false };
	const uint32_t len = get_u32(&i);

	if (m->is_error || !take(&i, 0, 8) || len != i.len - i.at)
		return false;
	for (unsigned k = 0; k < n && !i.failed; k++)
		state[k] = get_unit(&i);
	return !i.failed && i.at == i.len;
}
