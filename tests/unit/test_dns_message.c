/* Questions and answers of DNS as bytes: read, mutated, compared. */
#include "dns_kit.h"
#include "probe_dns.h"
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

#define CNAME 5
#define MX    15
#define AAAA  28

/* An answer with its question; records follow. */
static void
head(struct msg *m, unsigned id, unsigned flags, const char *name, unsigned type)
{
	m->len = 0;
	put16(m, id);
	put16(m, flags);
	put16(m, 1);
	put(m, "\0\0\0\0\0\0", 6);
	put_name(m, name);
	put16(m, type);
	put16(m, 1);
}

/* ---- what was read ---- */

static void
each(void *ctx, const char *record)
{
	char *all = ctx;

	if (strlen(all) + strlen(record) + 2 < 4096)
		strcat(strcat(all, record), ";");
}

struct reading {
	enum probe_dns_verdict verdict;
	struct probe_dns_answer a;
	char records[4096];
};

static struct reading
read_as(const struct msg *m, const char *name, enum probe_dns_type type)
{
	struct reading r = { .verdict = PROBE_DNS_OTHER };
	const struct probe_dns_question q = { name, type, true, each, r.records };
	/* exactly as long as it is, so that a read beyond its end is seen */
	uint8_t *exact = malloc(m->len > 0 ? m->len : 1);

	memcpy(exact, m->b, m->len);
	r.verdict = probe_dns_read(exact, m->len, 7, &q, &r.a);
	free(exact);
	return r;
}

static void
questions_are_as_the_standard_says(void **state)
{
	static const uint8_t want[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\4shop\2ex\0\0\1\0\1";
	struct probe_dns_question q = { "Shop.ex.", PROBE_DNS_A, true, NULL, NULL };
	uint8_t got[PROBE_DNS_ASK_MAX];
	char longest[300];

	(void)state;
	assert_int_equal(probe_dns_ask(got, 0x1234, &q), sizeof(want) - 1);
	assert_memory_equal(got, want, sizeof(want) - 1);
	q.recursion = false;
	q.type = PROBE_DNS_AAAA;
	assert_int_equal(probe_dns_ask(got, 0x1234, &q), sizeof(want) - 1);
	assert_int_equal(got[2], 0);
	assert_int_equal(got[sizeof(want) - 4], 28);

	/* 3 labels of 63 and one of 61: 255 bytes with lengths and end. */
	memset(longest, 'a', sizeof(longest));
	longest[63] = longest[127] = longest[191] = '.';
	longest[253] = '\0';
	q.name = longest;
	assert_int_equal(probe_dns_ask(got, 1, &q), sizeof(got));
	longest[253] = 'a';
	longest[254] = '\0';
	assert_int_equal(probe_dns_ask(got, 1, &q), 0);
	assert_false(probe_dns_name_ok(longest));
	longest[64] = '\0';
	longest[63] = 'a';
	assert_false(probe_dns_name_ok(longest));
	assert_false(probe_dns_name_ok(""));
	assert_false(probe_dns_name_ok("."));
	assert_false(probe_dns_name_ok("a..b"));
	assert_false(probe_dns_name_ok(".a"));
	assert_false(probe_dns_name_ok("a b"));
	assert_false(probe_dns_name_ok("sh\xc3\xb6p"));
	assert_true(probe_dns_name_ok("_dmarc.shop-1.example."));
}

static void
records_of_each_type_are_read(void **state)
{
	struct msg m;
	struct reading r;

	(void)state;
	head(&m, 7, 0x8180, "shop.ex", A);
	put_record(&m, HERE, A, 300, "\x0a\0\0\1", 4);
	put_record(&m, HERE, A, 60, "\x0a\0\0\2", 4);
	put_record(&m, "other.ex", A, 5, "\x0a\0\0\3", 4);     /* of somebody else */
	put_record(&m, HERE, AAAA, 5, "0123456789abcdef", 16); /* of another type */
	r = read_as(&m, "SHOP.ex", PROBE_DNS_A);
	assert_int_equal(r.verdict, PROBE_DNS_ANSWER);
	assert_string_equal(r.records, "10.0.0.1;10.0.0.2;");
	assert_int_equal(r.a.records, 2);
	assert_int_equal(r.a.ttl_s, 60);

	head(&m, 7, 0x8180, "shop.ex", AAAA);
	put_record(&m, "sHoP.EX", AAAA, 1, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\5", 16);
	assert_string_equal(read_as(&m, "shop.ex", PROBE_DNS_AAAA).records, "2001:db8::5;");

	head(&m, 7, 0x8180, "shop.ex", MX);
	put_record(&m, HERE, MX, 1, "\0\x0a\4mail" HERE, 9);
	put_record(&m, HERE, MX, 1, "\1\0\1x\0", 5);
	assert_string_equal(read_as(&m, "shop.ex", PROBE_DNS_MX).records, "10 mail.shop.ex;256 x;");

	head(&m, 7, 0x8180, "shop.ex", TXT);
	put_record(&m, HERE, TXT, 1, "\6v=spf1\5 -all", 13);
	put_record(&m, HERE, TXT, 1, "\0", 1);
	put_record(&m, HERE, TXT, 1, "\3a\0b", 4);
	assert_string_equal(read_as(&m, "shop.ex", PROBE_DNS_TXT).records, "v=spf1 -all;;a?b;");

	head(&m, 7, 0x8180, "shop.ex", CNAME);
	put_record(&m, HERE, CNAME, 1, "\3www\2ex\0", 8);
	assert_string_equal(read_as(&m, "shop.ex", PROBE_DNS_CNAME).records, "www.ex;");
	head(&m, 7, 0x8180, "shop.ex", CNAME);
	put_record(&m, HERE, CNAME, 1, "\3a.b\2\1x\0", 8);
	assert_string_equal(read_as(&m, "shop.ex", PROBE_DNS_CNAME).records, "a?b.?x;");
}

static void
aliases_are_followed_in_any_order(void **state)
{
	struct msg m;
	struct reading r;

	(void)state;
	head(&m, 7, 0x8180, "shop.ex", A);
	put_record(&m, "c.ex", A, 9, "\x0a\0\0\1", 4);
	put_record(&m, "b.ex", CNAME, 1, "\1c\2ex\0", 6);
	put_record(&m, HERE, CNAME, 1, "\1b\2ex\0", 6);
	r = read_as(&m, "shop.ex", PROBE_DNS_A);
	assert_string_equal(r.records, "10.0.0.1;");
	assert_int_equal(r.a.ttl_s, 9);

	/* a ring of aliases ends, and leads nowhere */
	head(&m, 7, 0x8180, "shop.ex", A);
	put_record(&m, HERE, CNAME, 1, "\1b\2ex\0", 6);
	put_record(&m, "b.ex", CNAME, 1, HERE, 2);
	put_record(&m, "d.ex", A, 1, "\x0a\0\0\1", 4);
	r = read_as(&m, "shop.ex", PROBE_DNS_A);
	assert_int_equal(r.verdict, PROBE_DNS_ANSWER);
	assert_int_equal(r.a.records, 0);
}

static void
what_answers_another_question_is_no_answer(void **state)
{
	static const struct {
		unsigned id, flags;
		const char *name;
		unsigned type;
	} c[] = {
		{ 8, 0x8180, "shop.ex", A },    /* another id */
		{ 7, 0x0180, "shop.ex", A },    /* a question */
		{ 7, 0xa180, "shop.ex", A },    /* another operation */
		{ 7, 0x8180, "shop.ey", A },    /* another name */
		{ 7, 0x8180, "shop.ex.x", A },  /* a longer one */
		{ 7, 0x8180, "shop.ex", AAAA }, /* another type */
	};
	struct msg m;

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		head(&m, c[i].id, c[i].flags, c[i].name, c[i].type);
		put_record(&m, HERE, A, 1, "\x0a\0\0\1", 4);
		assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_OTHER);
	}
	head(&m, 7, 0x8180, "shop.ex", A);
	m.b[m.len - 1] = 3; /* another class */
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_OTHER);
	head(&m, 7, 0x8180, "shop.ex", A);
	m.b[5] = 2; /* two questions */
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_OTHER);
	m.len = 11;
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_OTHER);

	/* an error without the question is one all the same */
	memcpy(m.b, "\0\7\x80\5\0\0\0\0\0\0\0\0", 12);
	m.len = 12;
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).a.rcode, 5);
	m.b[3] = 0;
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_OTHER);
}

static void
malformed_records_are_said_so(void **state)
{
	static const struct {
		unsigned type;
		const char *data;
		size_t len;
	} c[] = {
		{ A, "\x0a\0\0", 3 },
		{ A, "\x0a\0\0\1\0", 5 },
		{ MX, "\0\1", 2 },
		{ MX, "\0\1\2ex", 5 },     /* no end */
		{ MX, "\0\1\2ex\0x", 7 },  /* more behind it */
		{ MX, "\0\1\xc0\xff", 4 }, /* forwards */
		{ CNAME,
		    "\x40"
		    "aaaaaaaa",
		    9 },                  /* no such kind of label */
		{ CNAME, "\xc0\x25", 2 }, /* to itself */
		{ TXT, "", 0 },
		{ TXT, "\5abc", 4 },
	};
	struct msg m;

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		const enum probe_dns_type type = c[i].type == A     ? PROBE_DNS_A
						 : c[i].type == MX  ? PROBE_DNS_MX
						 : c[i].type == TXT ? PROBE_DNS_TXT
								    : PROBE_DNS_CNAME;
		struct reading r;

		head(&m, 7, 0x8180, "shop.ex", c[i].type);
		put_record(&m, HERE, c[i].type, 1, c[i].data, c[i].len);
		r = read_as(&m, "shop.ex", type);
		if (r.verdict != PROBE_DNS_WRONG || r.a.error == NULL)
			fail_msg("case %zu: verdict %d, records %s", i, (int)r.verdict, r.records);
	}
	/* counts that are not true, and every cut */
	head(&m, 7, 0x8180, "shop.ex", A);
	put_record(&m, HERE, A, 1, "\x0a\0\0\1", 4);
	m.b[6] = 0xff;
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_WRONG);
	m.b[6] = 0;
	assert_int_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_ANSWER);
	while (m.len-- > 0)
		assert_int_not_equal(read_as(&m, "shop.ex", PROBE_DNS_A).verdict, PROBE_DNS_ANSWER);
}

static void
mutated_messages_do_no_harm(void **state)
{
	const unsigned n_rounds = rounds(20000, 400000);
	uint32_t seed = 1;
	struct msg m;

	(void)state;
	for (unsigned round = 0; round < n_rounds; round++) {
		const enum probe_dns_type type = (enum probe_dns_type)(round % 5);

		head(&m, 7, 0x8180, "shop.ex", (unsigned[]){ A, AAAA, CNAME, MX, TXT }[type]);
		put_record(&m, HERE, CNAME, 1, "\1b" HERE, 4);
		put_record(&m, HERE, MX, 1, "\0\x0a\4mail" HERE, 9);
		put_record(&m, "b.shop.ex", A, 1, "\x0a\0\0\1", 4);
		put_record(&m, HERE, TXT, 1, "\6v=spf1\5 -all", 13);
		for (unsigned k = 0; k < 4; k++) {
			seed = seed * 1664525 + 1013904223;
			m.b[4 + (seed >> 8) % (m.len - 4)] = (uint8_t)(seed >> 24);
		}
		seed = seed * 1664525 + 1013904223;
		m.len -= (seed >> 8) % 4 == 0 ? (seed >> 10) % m.len : 0;
		(void)read_as(&m, "shop.ex", type);
	}
}

static void
records_are_compared_as_their_type_wants(void **state)
{
	static const struct {
		enum probe_dns_type type;
		const char *record, *expected;
		bool ok, is;
	} c[] = {
		{ PROBE_DNS_A, "10.0.0.1", "10.0.0.1", true, true },
		{ PROBE_DNS_A, "10.0.0.1", "10.0.0.10", true, false },
		{ PROBE_DNS_A, "10.0.0.1", "10.0.0.256", false, false },
		{ PROBE_DNS_AAAA, "2001:db8::5", "2001:0DB8:0:0::5", true, true },
		{ PROBE_DNS_AAAA, "2001:db8::5", "2001:db8::6", true, false },
		{ PROBE_DNS_AAAA, "2001:db8::5", "10.0.0.1", false, false },
		{ PROBE_DNS_CNAME, "www.ex", "WWW.ex.", true, true },
		{ PROBE_DNS_CNAME, "www.ex", "ww.ex", true, false },
		{ PROBE_DNS_CNAME, "www.ex", "w w", false, false },
		{ PROBE_DNS_MX, "10 mail.ex", "10 Mail.ex", true, true },
		{ PROBE_DNS_MX, "10 mail.ex", "mail.ex.", true, true },
		{ PROBE_DNS_MX, "10 mail.ex", "20 mail.ex", true, false },
		{ PROBE_DNS_MX, "10 mail.ex", " mail.ex", false, false },
		{ PROBE_DNS_TXT, "v=spf1 -all", "spf1", true, true },
		{ PROBE_DNS_TXT, "v=spf1 -all", "SPF1", true, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		if (probe_dns_expect_ok(c[i].type, c[i].expected) != c[i].ok ||
		    (c[i].ok && probe_dns_is(c[i].type, c[i].record, c[i].expected) != c[i].is))
			fail_msg("%s against %s", c[i].record, c[i].expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_as_the_standard_says),
		cmocka_unit_test(records_of_each_type_are_read),
		cmocka_unit_test(aliases_are_followed_in_any_order),
		cmocka_unit_test(what_answers_another_question_is_no_answer),
		cmocka_unit_test(malformed_records_are_said_so),
		cmocka_unit_test(mutated_messages_do_no_harm),
		cmocka_unit_test(records_are_compared_as_their_type_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
