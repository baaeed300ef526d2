/*
 * Questions and answers of DNS (probe_dns_wire.c); pure.
 */
#ifndef PROBE_DNS_H
#define PROBE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"

#define PROBE_DNS_NAME_MAX   255u /* RFC 1035, 2.3.4 */
#define PROBE_DNS_ASK_MAX    (12u + PROBE_DNS_NAME_MAX + 4u)
#define PROBE_DNS_EXPECT_MAX 16u
#define PROBE_DNS_TEXT_MAX   1024u /* of a record in words; the rest of a long text is cut off */

struct probe_dns_question {
	const char *name;
	enum probe_dns_type type;
	bool recursion;
	/* For each record of the answer, in words: "10.0.0.1", "10 mail.example"; may be NULL. */
	void (*each)(void *ctx, const char *record);
	void *ctx;
};

struct probe_dns_answer {
	bool truncated;    /* to be asked again over TCP; nothing below but rcode counts */
	unsigned rcode;    /* 0: no error */
	unsigned records;  /* of the type, for the name and what CNAMEs make of it */
	uint32_t ttl_s;    /* the least of them */
	const char *error; /* WRONG: why */
};

enum probe_dns_verdict {
	PROBE_DNS_OTHER,  /* no answer to this question: as if it had not come */
	PROBE_DNS_ANSWER, /* *a is filled */
	PROBE_DNS_WRONG,  /* malformed; error says what */
};

/* By enum probe_dns_type, NULL-terminated. */
extern const char *const probe_dns_type_names[];

/* A name that can be asked for: labels of letters, digits, "-" and "_". */
bool probe_dns_name_ok(const char *text);
/* Is this a way to write a record of this type?  MX: "10 mail.example", or the name alone. */
bool probe_dns_expect_ok(enum probe_dns_type type, const char *text);
/* Is the record that each was told what is expected?  A TXT contains it, others are it. */
bool probe_dns_is(enum probe_dns_type type, const char *record, const char *expected);
/* In words, never NULL. */
const char *probe_dns_rcode_name(unsigned rcode);

/* Writes the question; its length, or 0: not a name that can be asked for. */
size_t probe_dns_ask(
    uint8_t out[PROBE_DNS_ASK_MAX], uint16_t id, const struct probe_dns_question *q);
/* Reads a whole message (UDP: a datagram; TCP: without its length). */
enum probe_dns_verdict probe_dns_read(const uint8_t *data, size_t len, uint16_t id,
    const struct probe_dns_question *q, struct probe_dns_answer *a);

#endif
