/*
 * libFuzzer target: what a name server answers to a probe, and the names and
 * records of a probe's configuration.
 *
 * The first byte is the type asked for (0 to 4), or chooses a text; then follows
 * the message, whose id is 7 and whose question is for "shop.ex".
 */
#include "fuzz.h"
#include "probe_dns.h"

static unsigned told;

static void
each(void *ctx, const char *record)
{
	const enum probe_dns_type *type = ctx;

	told++;
	CHECK(strlen(record) < PROBE_DNS_TEXT_MAX);
	/* An address that was read is one that can be expected, and is itself. */
	if (*type == PROBE_DNS_A || *type == PROBE_DNS_AAAA)
		CHECK(probe_dns_expect_ok(*type, record) && probe_dns_is(*type, record, record));
	(void)probe_dns_is(*type, record, "10 shop.ex");
}

static void
message(const uint8_t *data, size_t size, enum probe_dns_type type)
{
	const struct probe_dns_question q = { "shop.ex", type, true, each, &type };
	struct probe_dns_answer a;
	enum probe_dns_verdict v;

	told = 0;
	v = probe_dns_read(data, size, 7, &q, &a);
	CHECK((v == PROBE_DNS_WRONG) == (a.error != NULL));
	CHECK(v != PROBE_DNS_ANSWER || a.records == told);
	CHECK(a.records == 0 || (!a.truncated && a.rcode == 0));
	CHECK(told <= size / 11); /* a record has its owner and ten bytes */
	if (v != PROBE_DNS_OTHER)
		CHECK(probe_dns_rcode_name(a.rcode) != NULL);
}

static void
text(const char *name)
{
	const struct probe_dns_question q = { name, PROBE_DNS_A, false, NULL, NULL };
	uint8_t ask[PROBE_DNS_ASK_MAX];
	struct probe_dns_answer a;
	const size_t len = probe_dns_ask(ask, 7, &q);

	CHECK((len > 0) == probe_dns_name_ok(name));
	if (len > 0) { /* a question with the answer's bit is an answer without records */
		ask[2] |= 0x80;
		CHECK(probe_dns_read(ask, len, 7, &q, &a) == PROBE_DNS_ANSWER && a.records == 0);
	}
	for (int t = PROBE_DNS_A; t <= PROBE_DNS_TXT; t++)
		(void)probe_dns_expect_ok((enum probe_dns_type)t, name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name;

	if (size == 0)
		return 0;
	if (data[0] <= PROBE_DNS_TXT) {
		message(data + 1, size - 1, (enum probe_dns_type)data[0]);
		return 0;
	}
	name = fuzz_text(data + 1, size - 1);
	text(name);
	free(name);
	return 0;
}
