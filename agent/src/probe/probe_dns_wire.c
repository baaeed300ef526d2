/*
 * Questions and answers of DNS (RFC 1035), as much as a probe needs.  Pure.
 *
 * Everything is read from a message of known length, no count in it is believed:
 * a record that does not fit ends the reading as malformed.  A compression
 * pointer must lead to before the name's own labels, each one further back than
 * the one before, so that no name is endless.  Names are compared as bytes
 * without case.  CNAMEs are followed inside of the answer, at most DNS_CHAIN_MAX.
 */
#include "probe_dns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEAD_BYTES       12u
#define LABEL_MAX        63u
#define DNS_CHAIN_MAX    8u
#define DNS_POINTERS_MAX 16u /* in one name; more would only cost time */
#define CLASS_IN         1u

const char *const probe_dns_type_names[] = { "A", "AAAA", "CNAME", "MX", "TXT", NULL };
static const uint16_t type_code[] = { 1, 28, 5, 15, 16 };

/* A name without compression, in lower case: length, label ... 0. */
struct name {
	size_t len;
	uint8_t b[PROBE_DNS_NAME_MAX];
};

struct message {
	const uint8_t *b;
	size_t len;
};

/* One record of the answer section. */
struct record {
	struct name owner;
	unsigned type, class;
	uint32_t ttl_s;
	size_t data, data_len; /* place and length in the message */
};

static unsigned
u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* ---- names ---- */

/* False: not a name that can be asked for. */
static bool
name_from_text(struct name *n, const char *text)
{
	n->len = 0;
	while (*text != '\0') {
		const size_t len = strcspn(text, ".");

		if (len == 0 || len > LABEL_MAX || n->len + len + 2 > sizeof(n->b))
			return false;
		n->b[n->len++] = (uint8_t)len;
		for (size_t i = 0; i < len; i++) {
			const unsigned char c = (unsigned char)text[i];

			if (!isascii(c) || (!isalnum(c) && c != '-' && c != '_'))
				return false;
			n->b[n->len++] = (uint8_t)tolower(c);
		}
		text += len + (text[len] == '.' ? 1 : 0);
	}
	if (n->len == 0)
		return false;
	n->b[n->len++] = 0;
	return true;
}

bool
probe_dns_name_ok(const char *text)
{
	struct name n;

	return name_from_text(&n, text);
}

/* Where what follows the name begins; 0: malformed. */
static size_t
name_read(const struct message *m, size_t at, struct name *out)
{
	size_t end = 0, first = at;
	unsigned pointers = 0;

	out->len = 0;
	for (;;) {
		size_t len;

		if (at >= m->len)
			return 0;
		len = m->b[at];
		if ((len & 0xc0) == 0xc0) {
			size_t to;

			if (at + 2 > m->len)
				return 0;
			to = u16(m->b + at) & 0x3fff;
			if (to >= first || ++pointers > DNS_POINTERS_MAX)
				return 0; /* only backwards, so that it ends */
			end = end != 0 ? end : at + 2;
			first = at = to;
			continue;
		}
		if (len > LABEL_MAX || at + 1 + len > m->len || out->len + 1 + len > sizeof(out->b))
			return 0;
		out->b[out->len++] = (uint8_t)len;
		for (size_t i = 0; i < len; i++)
			out->b[out->len++] = (uint8_t)tolower(m->b[at + 1 + i]);
		at += 1 + len;
		if (len == 0)
			return end != 0 ? end : at;
	}
}

static bool
same_name(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

/* For people: dots between labels, "?" for what is not printable or would be taken for a dot. */
static void
name_text(const struct name *n, char *out, size_t size)
{
	size_t used = 0;

	for (size_t at = 0; at < n->len && n->b[at] != 0; at += 1u + n->b[at]) {
		if (at > 0 && used + 1 < size)
			out[used++] = '.';
		for (size_t i = 1; i <= n->b[at] && used + 1 < size; i++) {
			const uint8_t c = n->b[at + i];

			out[used++] = (char)(c > ' ' && c <= '~' && c != '.' ? c : '?');
		}
	}
	out[used] = '\0';
}

/* ---- questions ---- */

size_t
probe_dns_ask(uint8_t out[PROBE_DNS_ASK_MAX], uint16_t id, const struct probe_dns_question *q)
{
	struct name n;
	size_t len = HEAD_BYTES;

	if (!name_from_text(&n, q->name))
		return 0;
	memset(out, 0, HEAD_BYTES);
	out[0] = (uint8_t)(id >> 8);
	out[1] = (uint8_t)id;
	out[2] = q->recursion ? 1 : 0; /* RD */
	out[5] = 1;                    /* one question */
	memcpy(out + len, n.b, n.len);
	len += n.len;
	out[len++] = 0;
	out[len++] = (uint8_t)type_code[q->type];
	out[len++] = 0;
	out[len++] = CLASS_IN;
	return len;
}

/* ---- answers ---- */

/* Where the next record begins; 0: malformed. */
static size_t
record_read(const struct message *m, size_t at, struct record *r)
{
	at = name_read(m, at, &r->owner);
	if (at == 0 || at + 10 > m->len)
		return 0;
	r->type = u16(m->b + at);
	r->class = u16(m->b + at + 2);
	r->ttl_s = (uint32_t)u16(m->b + at + 4) << 16 | u16(m->b + at + 6);
	r->data_len = u16(m->b + at + 8);
	r->data = at + 10;
	return r->data_len <= m->len - r->data ? r->data + r->data_len : 0;
}

/* A name that must fill the record's data from at on. */
static bool
data_name(const struct message *m, const struct record *r, size_t at, struct name *out)
{
	return name_read(m, at, out) == r->data + r->data_len;
}

/* The texts of a TXT record, one after the other; NUL bytes become "?". */
static bool
txt_text(const struct message *m, const struct record *r, char *out, size_t size)
{
	const size_t end = r->data + r->data_len;
	size_t used = 0;

	if (r->data_len == 0)
		return false;
	for (size_t at = r->data; at < end; at += 1u + m->b[at]) {
		if (m->b[at] > end - at - 1)
			return false;
		for (size_t i = 1; i <= m->b[at] && used + 1 < size; i++)
			out[used++] = (char)(m->b[at + i] != 0 ? m->b[at + i] : '?');
	}
	out[used] = '\0';
	return true;
}

/* The record's data in words.  False: malformed. */
static bool
data_text(const struct message *m, const struct record *r, enum probe_dns_type type, char *out,
    size_t size)
{
	const uint8_t *p = m->b + r->data;
	struct name n;
	int used;

	switch (type) {
	case PROBE_DNS_A:
		return r->data_len == 4 && inet_ntop(AF_INET, p, out, (socklen_t)size) != NULL;
	case PROBE_DNS_AAAA:
		return r->data_len == 16 && inet_ntop(AF_INET6, p, out, (socklen_t)size) != NULL;
	case PROBE_DNS_CNAME:
		if (!data_name(m, r, r->data, &n))
			return false;
		name_text(&n, out, size);
		return true;
	case PROBE_DNS_MX:
		if (r->data_len < 3 || !data_name(m, r, r->data + 2, &n))
			return false;
		used = snprintf(out, size, "%u ", u16(p));
		name_text(&n, out + used, size - (size_t)used);
		return true;
	case PROBE_DNS_TXT:
		return txt_text(m, r, out, size);
	}
	return false;
}

/* The record says whose the name is really; the last one that fits counts.  False: malformed. */
static bool
follow(const struct message *m, size_t begin, unsigned count, struct name *name)
{
	for (unsigned hops = 0; hops < DNS_CHAIN_MAX; hops++) {
		size_t at = begin;
		bool moved = false;

		for (unsigned i = 0; i < count && !moved; i++) {
			struct record r;
			struct name target;

			if ((at = record_read(m, at, &r)) == 0)
				return false;
			if (r.class != CLASS_IN || r.type != type_code[PROBE_DNS_CNAME] ||
			    !same_name(&r.owner, name))
				continue;
			if (!data_name(m, &r, r.data, &target))
				return false;
			*name = target;
			moved = true;
		}
		if (!moved)
			break;
	}
	return true;
}

static enum probe_dns_verdict
wrong(struct probe_dns_answer *a, const char *why)
{
	a->error = why;
	return PROBE_DNS_WRONG;
}

static enum probe_dns_verdict
records_read(const struct message *m, size_t at, unsigned count, struct name *name,
    const struct probe_dns_question *q, struct probe_dns_answer *a)
{
	if (q->type != PROBE_DNS_CNAME && !follow(m, at, count, name))
		return wrong(a, "a record of the answer is malformed");
	for (unsigned i = 0; i < count; i++) {
		char text[PROBE_DNS_TEXT_MAX];
		struct record r;

		if ((at = record_read(m, at, &r)) == 0)
			return wrong(a, "a record of the answer is malformed");
		if (r.class != CLASS_IN || r.type != type_code[q->type] ||
		    !same_name(&r.owner, name))
			continue;
		if (!data_text(m, &r, q->type, text, sizeof(text)))
			return wrong(a, "the data of a record are malformed");
		a->ttl_s = a->records == 0 || r.ttl_s < a->ttl_s ? r.ttl_s : a->ttl_s;
		a->records++;
		if (q->each != NULL)
			q->each(q->ctx, text);
	}
	return PROBE_DNS_ANSWER;
}

enum probe_dns_verdict
probe_dns_read(const uint8_t *data, size_t len, uint16_t id, const struct probe_dns_question *q,
    struct probe_dns_answer *a)
{
	const struct message m = { data, len };
	struct name asked, name;
	size_t at;

	memset(a, 0, sizeof(*a));
	if (len < HEAD_BYTES || u16(data) != id || (data[2] & 0xf8) != 0x80 ||
	    !name_from_text(&asked, q->name))
		return PROBE_DNS_OTHER; /* not an answer (QR), of another kind, or to somebody else
					 */
	a->truncated = (data[2] & 2) != 0;
	a->rcode = data[3] & 15;
	if (u16(data + 4) == 0 && a->rcode != 0)
		return PROBE_DNS_ANSWER; /* some refuse without repeating the question */
	at = name_read(&m, HEAD_BYTES, &name);
	if (u16(data + 4) != 1 || at == 0 || at + 4 > len || !same_name(&name, &asked) ||
	    u16(data + at) != type_code[q->type] || u16(data + at + 2) != CLASS_IN)
		return PROBE_DNS_OTHER;
	if (a->truncated || a->rcode != 0)
		return PROBE_DNS_ANSWER; /* the records are not all there, or beside the point */
	return records_read(&m, at + 4, u16(data + 6), &name, q, a);
}

/* ---- what is expected ---- */

bool
probe_dns_expect_ok(enum probe_dns_type type, const char *text)
{
	unsigned char address[16];
	const char *space = strchr(text, ' ');

	switch (type) {
	case PROBE_DNS_A:
		return inet_pton(AF_INET, text, address) == 1;
	case PROBE_DNS_AAAA:
		return inet_pton(AF_INET6, text, address) == 1;
	case PROBE_DNS_MX:
		if (space != NULL && space > text &&
		    strspn(text, "0123456789") == (size_t)(space - text))
			text = space + 1;
		return probe_dns_name_ok(text);
	case PROBE_DNS_CNAME:
		return probe_dns_name_ok(text);
	case PROBE_DNS_TXT:
		break;
	}
	return true;
}

/* Names without case and without a dot at the end. */
static bool
same_text(const char *a, const char *b)
{
	const size_t n = strlen(a), m = strlen(b) - (b[0] != '\0' && b[strlen(b) - 1] == '.');

	return n == m && strncasecmp(a, b, n) == 0;
}

bool
probe_dns_is(enum probe_dns_type type, const char *record, const char *expected)
{
	unsigned char a[16], b[16];
	const char *space = strchr(record, ' ');

	switch (type) {
	case PROBE_DNS_A:
		return strcmp(record, expected) == 0;
	case PROBE_DNS_AAAA: /* the same address can be written in many ways */
		return inet_pton(AF_INET6, record, a) == 1 &&
		       inet_pton(AF_INET6, expected, b) == 1 && memcmp(a, b, 16) == 0;
	case PROBE_DNS_MX:
		return same_text(record, expected) ||
		       (space != NULL && same_text(space + 1, expected));
	case PROBE_DNS_CNAME:
		return same_text(record, expected);
	case PROBE_DNS_TXT:
		return strstr(record, expected) != NULL;
	}
	return false;
}

const char *
probe_dns_rcode_name(unsigned rcode)
{
	static const char *const name[] = { "no error", "format error (FORMERR)",
		"server failure (SERVFAIL)", "no such name (NXDOMAIN)", "not implemented (NOTIMP)",
		"refused (REFUSED)" };

	return rcode < sizeof(name) / sizeof(name[0]) ? name[rcode] : "another error";
}
