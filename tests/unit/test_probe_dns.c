/*
 * Probes of kind dns: the reading of messages, pure; a name server that does
 * what the name asked for says, over UDP and TCP; and one that somebody else wrote.
 */
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

/* ---- making messages ---- */

#define A     1
#define CNAME 5
#define MX    15
#define TXT   16
#define AAAA  28
#define HERE  "\xc0\x0c" /* a pointer to the question's name */

struct msg {
	uint8_t b[20000];
	size_t len;
};

static void
put(struct msg *m, const void *p, size_t len)
{
	assert_true(m->len + len <= sizeof(m->b));
	memcpy(m->b + m->len, p, len);
	m->len += len;
}

static void
put16(struct msg *m, unsigned v)
{
	const uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(m, b, 2);
}

static void
put_name(struct msg *m, const char *text)
{
	while (*text != '\0') {
		const uint8_t len = (uint8_t)strcspn(text, ".");

		put(m, &len, 1);
		put(m, text, len);
		text += len + (text[len] == '.');
	}
	put(m, "", 1);
}

/* name: in text, or HERE. */
static void
put_record(
    struct msg *m, const char *name, unsigned type, unsigned ttl, const void *data, size_t len)
{
	if (strcmp(name, HERE) == 0)
		put(m, HERE, 2);
	else
		put_name(m, name);
	put16(m, type);
	put16(m, 1);
	put16(m, 0);
	put16(m, ttl);
	put16(m, (unsigned)len);
	put(m, data, len);
	m->b[7]++;
}

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

/* ---- a name server ---- */

static struct {
	int udp, tcp;
	uint16_t port;
	pthread_t thread;
	atomic_uint asked; /* since the test began */
	atomic_uint over_tcp;
} ns;

static bool
asked_for(const struct msg *q, const char *label)
{
	return q->len > 13 && q->b[12] == strlen(label) &&
	       memcmp(q->b + 13, label, strlen(label)) == 0;
}

/* Begins the answer with what was asked. */
static void
echo(struct msg *m, const struct msg *q, unsigned flags)
{
	*m = *q;
	m->b[2] = (uint8_t)(flags >> 8);
	m->b[3] = (uint8_t)flags;
}

static void
reply(const struct msg *m, const struct sockaddr_in *to)
{
	(void)sendto(ns.udp, m->b, m->len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void
serve_udp(const struct msg *q, const struct sockaddr_in *to)
{
	static struct msg m;
	const unsigned nth = atomic_fetch_add(&ns.asked, 1) + 1;

	if (asked_for(q, "silent") || (asked_for(q, "lost") && nth == 1))
		return;
	if (asked_for(q, "nx")) {
		echo(&m, q, 0x8183);
	} else if (asked_for(q, "refused")) {
		memcpy(m.b, q->b, 2);
		memcpy(m.b + 2, "\x80\5\0\0\0\0\0\0\0\0", 10);
		m.len = 12;
	} else if (asked_for(q, "empty")) {
		echo(&m, q, 0x8180);
	} else if (asked_for(q, "cut") || asked_for(q, "cutagain") || asked_for(q, "huge") ||
		   asked_for(q, "gone") || asked_for(q, "foreign")) {
		echo(&m, q, 0x8380);
	} else {
		echo(&m, q, 0x8180);
		if (asked_for(q, "text"))
			put_record(&m, HERE, TXT, 60, "\6secret", 7);
		else
			put_record(&m, HERE, A, 60, "\x0a\0\0\1", 4);
		put_record(&m, HERE, A, 30, "\x0a\0\0\2", 4);
		if (asked_for(q, "broken"))
			m.len -= 3;
		if (asked_for(q, "spoofed")) { /* what does not fit comes first */
			m.b[0] ^= 1;
			m.b[m.len - 1] = 9;
			reply(&m, to);
			m.b[0] ^= 1;
			m.b[m.len - 1] = 2;
		}
	}
	reply(&m, to);
}

static void
serve_tcp(int fd)
{
	static struct msg q, m, out;
	uint8_t len[2];

	atomic_fetch_add(&ns.over_tcp, 1);
	if (recv(fd, len, 2, MSG_WAITALL) != 2)
		return;
	q.len = (size_t)(len[0] << 8 | len[1]);
	assert_true(q.len < sizeof(q.b));
	if (recv(fd, q.b, q.len, MSG_WAITALL) != (ssize_t)q.len || asked_for(&q, "gone"))
		return;
	echo(&m, &q, asked_for(&q, "cutagain") ? 0x8380 : 0x8180);
	for (unsigned i = 0; i < 100; i++)
		put_record(&m, HERE, A, 30, (uint8_t[]){ 10, 0, 1, (uint8_t)i }, 4);
	if (asked_for(&q, "foreign"))
		m.b[0] ^= 1;
	out.len = 0;
	put16(&out, asked_for(&q, "huge") ? 16385 : (unsigned)m.len);
	put(&out, m.b, m.len);
	for (size_t at = 0; at < out.len; at += 100) /* in pieces */
		if (send(fd, out.b + at, out.len - at < 100 ? out.len - at : 100, MSG_NOSIGNAL) < 0)
			return;
	(void)recv(fd, len, 1, 0); /* until the client goes */
}

static void *
ns_main(void *arg)
{
	static struct msg q;
	struct pollfd p[2] = { { ns.udp, POLLIN, 0 }, { ns.tcp, POLLIN, 0 } };

	(void)arg;
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents != 0) {
			struct sockaddr_in from;
			socklen_t len = sizeof(from);
			const ssize_t n =
			    recvfrom(ns.udp, q.b, sizeof(q.b), 0, (struct sockaddr *)&from, &len);

			if (n == 1)
				return NULL; /* ns_stop */
			q.len = n > 0 ? (size_t)n : 0;
			if (n > 0)
				serve_udp(&q, &from);
		}
		if (p[1].revents != 0) {
			const int fd = accept4(ns.tcp, NULL, NULL, SOCK_CLOEXEC);

			serve_tcp(fd);
			(void)close(fd);
		}
	}
	return NULL;
}

static void
ns_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	/* A port that is free for both; another one until it is. */
	for (;;) {
		ns.port = 0;
		ns.tcp = listen_on("127.0.0.1", 8, &ns.port);
		ns.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		in.sin_port = htons(ns.port);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(ns.udp, (struct sockaddr *)&in, sizeof(in)) == 0)
			break;
		(void)close(ns.udp);
		(void)close(ns.tcp);
	}
	if (pthread_create(&ns.thread, NULL, ns_main, NULL) != 0)
		abort();
}

static void
ns_stop(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(ns.port) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)sendto(ns.udp, "", 1, 0, (struct sockaddr *)&in, sizeof(in));
	(void)pthread_join(ns.thread, NULL);
	(void)close(ns.udp);
	(void)close(ns.tcp);
}

static const struct {
	const char *name;
	enum probe_dns_type type;
	const char *expect[2];
	enum probe_reason reason;
	const char *values, *detail;
} run_cases[] = {
	{ "ok.ex", PROBE_DNS_A, { NULL }, PROBE_OK, "up=1 first total records=2 ttl=30", "" },
	{ "ok.ex", PROBE_DNS_A, { "10.0.0.2" }, PROBE_OK,
	    "up=1 first total match=1 records=2 ttl=30", "" },
	{ "ok.ex", PROBE_DNS_A, { "10.0.0.2", "10.0.0.1" }, PROBE_OK,
	    "up=1 first total match=1 records=2 ttl=30", "" },
	{ "ok.ex", PROBE_DNS_A, { "10.0.0.2", "10.0.0.3" }, PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=2 ttl=30",
	    "10.0.0.3 is not among the 2 A records: 10.0.0.1, 10.0.0.2" },
	{ "text.ex", PROBE_DNS_TXT, { "public" }, PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=1 ttl=60", "public is not among the 1 TXT records" },
	{ "nx.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_ANSWER, "up=0 first total records=0",
	    "answers nx.ex A with: no such name" },
	{ "refused.ex", PROBE_DNS_A, { "10.0.0.1" }, PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=0", "REFUSED" },
	{ "empty.ex", PROBE_DNS_MX, { NULL }, PROBE_FAIL_ANSWER, "up=0 first total records=0",
	    "empty.ex has no MX record there" },
	{ "spoofed.ex", PROBE_DNS_A, { "10.0.0.2" }, PROBE_OK,
	    "up=1 first total match=1 records=2 ttl=30", "" },
	{ "broken.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 first? total? records? ttl?", "malformed" },
	{ "lost.ex", PROBE_DNS_A, { NULL }, PROBE_OK, "up=1 first total records=2 ttl=30", "" },
	{ "silent.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_TIMEOUT,
	    "up=0 first... total... records... ttl...", "no answer over UDP" },
	{ "cut.ex", PROBE_DNS_A, { "10.0.1.99" }, PROBE_OK,
	    "up=1 connect first total match=1 records=100 ttl=30", "" },
	{ "cutagain.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "over TCP, too" },
	{ "gone.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "closed the connection" },
	{ "huge.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "16385 bytes over TCP" },
	{ "foreign.ex", PROBE_DNS_A, { NULL }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total? records? ttl?", "does not answer the question" },
};

static void
dns_set(struct probe *p, const char *host, const char *name, enum probe_dns_type type)
{
	kind_set(p, PROBE_DNS, host, ns.port);
	p->conf.dns.name = (char *)(uintptr_t)name;
	p->conf.dns.type = (int)type;
	p->conf.dns.recursion = true;
}

static void
each_answer_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(run_cases); i++) {
		char *expect[2];
		struct probe p;

		ns_start();
		atomic_store(&ns.asked, 0);
		dns_set(&p, "127.0.0.1", run_cases[i].name, run_cases[i].type);
		for (unsigned k = 0; k < 2 && run_cases[i].expect[k] != NULL; k++) {
			expect[k] = (char *)(uintptr_t)run_cases[i].expect[k];
			p.conf.dns.expect = (struct bl_conf_strlist){ k + 1, expect };
		}
		if (run_cases[i].reason == PROBE_FAIL_TIMEOUT)
			p.conf.timeout_ms = 300;
		else if (strcmp(run_cases[i].name, "lost.ex") == 0)
			p.conf.timeout_ms = 2400; /* a third of it passes */
		(void)expect_run(&p, run_cases[i].name, run_cases[i].reason, run_cases[i].values,
		    run_cases[i].detail);
		ns_stop();
		if (run_cases[i].reason == PROBE_FAIL_TIMEOUT)
			assert_int_equal(atomic_load(&ns.asked), 3);
	}
}

static void
a_server_by_name_has_its_addresses_take_turns(void **state)
{
	struct probe p;

	(void)state;
	ns_start();
	dns_set(&p, "two.test", "ok.ex", PROBE_DNS_A); /* the first one refuses */
	(void)expect_run(&p, "two", PROBE_OK, "up=1 dns first total records=2 ttl=30", "");
	dns_set(&p, "nowhere.test", "ok.ex", PROBE_DNS_A);
	(void)expect_run(
	    &p, "nowhere", PROBE_FAIL_DNS, "up=0 dns? first? total? records? ttl?", "nowhere.test");
	dns_set(&p, "127.0.0.2", "ok.ex", PROBE_DNS_A);
	(void)expect_run(
	    &p, "refused", PROBE_FAIL_REFUSED, "up=0 first? total? records? ttl?", "127.0.0.2");
	ns_stop();
}

/* One datagram is lost, and the server's other address cannot be reached from here. */
static void
an_address_without_a_way_leaves_the_others(void **state)
{
	struct probe p;

	(void)state;
	ns_start();
	atomic_store(&ns.asked, 0);
	dns_set(&p, "second-unreachable.test", "lost.ex", PROBE_DNS_A);
	p.conf.timeout_ms = 2400; /* a third of it passes */
	(void)expect_run(&p, "lost", PROBE_OK, "up=1 dns first total records=2 ttl=30", "");
	assert_int_equal(atomic_load(&ns.asked), 2);
	dns_set(&p, "unreachable.test", "ok.ex", PROBE_DNS_A);
	(void)expect_run(&p, "unreachable", PROBE_FAIL_UNREACHABLE,
	    "up=0 dns first? total? records? ttl?", "255.255.255.255");
	ns_stop();
}

/* More datagrams than one turn may take, none of them an answer. */
static void
a_flood_leaves_the_others_their_turn(void **state)
{
	static struct probe_env env;
	static struct probe_run run;
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	struct bl_err err = { 0 };
	struct probe p;
	unsigned left = 0;
	char byte;

	(void)state;
	dns_set(&p, "127.0.0.1", "ok.ex", PROBE_DNS_A);
	env.clock = harness_clock();
	assert_int_equal(probe_run_init(&run, &env, &p.conf, 0, &err), BL_OK);
	run.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(run.fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(run.fd, (struct sockaddr *)&in, &len), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(sendto(run.fd, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)), 1);
	run.phase = PHASE_FIRST_BYTE;
	run.ops->talk(&run);
	assert_true(run.again);
	while (recv(run.fd, &byte, 1, 0) == 1)
		left++;
	assert_in_range(left, 1, 99);
	run.again = false;
	run.ops->talk(&run);
	assert_false(run.again); /* nothing is left: the next event counts */
	probe_run_release(&run);
}

/* ---- somebody else's server ---- */

/* A port that nobody has now. */
static uint16_t
free_port(void)
{
	uint16_t port = 0;

	(void)close(listen_on("127.0.0.1", 1, &port));
	return port;
}

static void
dnsmasq_exec(uint16_t port, int err)
{
	static char number[24], many[64][40];
	char *argv[80] = { "dnsmasq", number, "--no-daemon", "--conf-file=/dev/null",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts",
		"--user=", "--group=", "--local=/ex/",
		"--host-record=shop.ex,10.0.0.9,2001:db8::9,77", "--cname=www.ex,shop.ex",
		"--mx-host=shop.ex,mail.ex,10", "--txt-record=shop.ex,v=spf1 -all" };
	size_t n = 15;

	snprintf(number, sizeof(number), "--port=%u", port);
	for (unsigned i = 0; i < COUNT(many); i++) { /* more than a datagram of 512 bytes holds */
		snprintf(many[i], sizeof(many[i]), "--host-record=many.ex,10.0.1.%u", i);
		argv[n++] = many[i];
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the test fails */
	dup2(err, 2);
	execv("/usr/sbin/dnsmasq", argv);
	_exit(127);
}

/* Its process, and the end of its words; false: it ended, since somebody took the port. */
static bool
dnsmasq_start(uint16_t port, pid_t *pid, FILE **words)
{
	char line[300] = "";
	int err[2], status;

	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	if ((*pid = fork()) == 0)
		dnsmasq_exec(port, err[1]);
	close(err[1]);
	*words = fdopen(err[0], "r");
	while (strstr(line, "started, version") == NULL) {
		if (fgets(line, sizeof(line), *words) != NULL)
			continue;
		fclose(*words);
		(void)waitpid(*pid, &status, 0);
		return false;
	}
	return true;
}

static const struct {
	const char *name;
	enum probe_dns_type type;
	const char *expect;
	enum probe_reason reason;
	const char *values, *detail;
} real_cases[] = {
	{ "shop.ex", PROBE_DNS_A, "10.0.0.9", PROBE_OK, "up=1 first total match=1 records=1 ttl=77",
	    "" },
	{ "shop.ex", PROBE_DNS_AAAA, "2001:DB8:0::9", PROBE_OK,
	    "up=1 first total match=1 records=1 ttl=77", "" },
	{ "www.ex", PROBE_DNS_CNAME, "shop.ex.", PROBE_OK,
	    "up=1 first total match=1 records=1 ttl=0", "" },
	{ "www.ex", PROBE_DNS_A, "10.0.0.9", PROBE_OK, "up=1 first total match=1 records=1 ttl=77",
	    "" },
	{ "shop.ex", PROBE_DNS_MX, "10 mail.ex", PROBE_OK,
	    "up=1 first total match=1 records=1 ttl=0", "" },
	{ "shop.ex", PROBE_DNS_TXT, "v=spf1", PROBE_OK, "up=1 first total match=1 records=1 ttl=0",
	    "" },
	{ "none.ex", PROBE_DNS_A, "10.0.0.9", PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=0", "no such name (NXDOMAIN)" },
	{ "shop.elsewhere", PROBE_DNS_A, "10.0.0.9", PROBE_FAIL_ANSWER,
	    "up=0 first total match=0 records=0", "refused (REFUSED)" },
	{ "many.ex", PROBE_DNS_A, "10.0.1.63", PROBE_OK,
	    "up=1 connect first total match=1 records=64 ttl=0", "" },
};

static void
a_server_that_somebody_else_wrote_is_asked(void **state)
{
	uint16_t port = 0;
	unsigned taken = 0;
	FILE *words;
	pid_t pid;
	int status;

	(void)state;
	if (access("/usr/sbin/dnsmasq", X_OK) != 0) {
		print_message("skipped: dnsmasq-base is not installed\n");
		skip();
	}
	while (!dnsmasq_start(port = free_port(), &pid, &words))
		if (++taken == 20)
			fail_msg("dnsmasq does not start");
	for (size_t i = 0; i < COUNT(real_cases); i++) {
		char *expect = (char *)(uintptr_t)real_cases[i].expect;
		struct probe p;

		dns_set(&p, "127.0.0.1", real_cases[i].name, real_cases[i].type);
		p.conf.port = port;
		p.conf.dns.expect = (struct bl_conf_strlist){ 1, &expect };
		(void)expect_run(&p, real_cases[i].name, real_cases[i].reason, real_cases[i].values,
		    real_cases[i].detail);
	}
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
	fclose(words);
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
		cmocka_unit_test(each_answer_gets_its_verdict),
		cmocka_unit_test(a_server_by_name_has_its_addresses_take_turns),
		cmocka_unit_test(an_address_without_a_way_leaves_the_others),
		cmocka_unit_test(a_flood_leaves_the_others_their_turn),
		cmocka_unit_test(a_server_that_somebody_else_wrote_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
