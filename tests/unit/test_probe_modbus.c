/*
 * Probes of kind modbus: what is read together, requests, answers and values,
 * pure; devices by script; and a server that somebody else wrote (pymodbus).
 */
#include "probe_modbus.h"
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

enum {
	COIL = PROBE_MODBUS_COIL,
	DISCRETE = PROBE_MODBUS_DISCRETE,
	HOLDING = PROBE_MODBUS_HOLDING,
	INPUT = PROBE_MODBUS_INPUT
};
enum {
	U16 = PROBE_MODBUS_UINT16,
	I16 = PROBE_MODBUS_INT16,
	I32 = PROBE_MODBUS_INT32,
	U32 = PROBE_MODBUS_UINT32,
	F32 = PROBE_MODBUS_FLOAT32
};
enum {
	ABCD = PROBE_MODBUS_ABCD,
	CDAB = PROBE_MODBUS_CDAB,
	BADC = PROBE_MODBUS_BADC,
	DCBA = PROBE_MODBUS_DCBA
};

static struct probe_register_conf
reg(int table, unsigned address, int type)
{
	static char name[] = "r";

	return (struct probe_register_conf){ name, table, address, type, ABCD, 1, 0, NULL };
}

/* ---- what is read together ---- */

static const struct {
	struct {
		int table;
		unsigned address;
		int type;
	} reg[6];
	unsigned n, at_once;
	const char *groups; /* table:address+count(sorted places) */
} plans[] = {
	{ { { HOLDING, 5, U16 } }, 1, 125, "2:5+1(0)" },
	{ { { HOLDING, 5, U16 }, { HOLDING, 6, U16 } }, 2, 125, "2:5+2(01)" },
	{ { { HOLDING, 7, F32 }, { HOLDING, 5, U16 }, { HOLDING, 6, U16 } }, 3, 125, "2:5+4(120)" },
	{ { { HOLDING, 5, U16 }, { HOLDING, 7, U16 } }, 2, 125, "2:5+1(0) 2:7+1(1)" },
	{ { { HOLDING, 5, U16 }, { INPUT, 6, U16 } }, 2, 125, "2:5+1(0) 3:6+1(1)" },
	{ { { INPUT, 5, U16 }, { HOLDING, 5, U16 } }, 2, 125, "2:5+1(1) 3:5+1(0)" },
	/* the same twice, and one inside of another */
	{ { { HOLDING, 5, U32 }, { HOLDING, 5, U16 }, { HOLDING, 6, U16 } }, 3, 125, "2:5+2(012)" },
	/* the cap: never a value in two parts */
	{ { { HOLDING, 0, U16 }, { HOLDING, 1, U16 }, { HOLDING, 2, U16 } }, 3, 2,
	    "2:0+2(01) 2:2+1(2)" },
	{ { { HOLDING, 0, U16 }, { HOLDING, 1, U32 } }, 2, 2, "2:0+1(0) 2:1+2(1)" },
	{ { { HOLDING, 0, U32 } }, 1, 1, "2:0+2(0)" },
	{ { { COIL, 0, U16 }, { COIL, 1, U16 } }, 2, 1, "0:0+2(01)" },
	{ { { COIL, 65535, U16 }, { COIL, 65534, U16 } }, 2, 1, "0:65534+2(10)" },
};

static void
neighbours_are_read_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(plans); i++) {
		struct probe_register_conf r[6];
		unsigned order[6];
		struct probe_modbus_group g[6];
		char text[256] = "";
		unsigned n;

		for (unsigned k = 0; k < plans[i].n; k++)
			r[k] = reg(
			    plans[i].reg[k].table, plans[i].reg[k].address, plans[i].reg[k].type);
		n = probe_modbus_plan(r, plans[i].n, plans[i].at_once, order, g);
		for (unsigned k = 0; k < n; k++) {
			snprintf(text + strlen(text), 64, "%s%d:%u+%u(", k > 0 ? " " : "",
			    (int)g[k].table, g[k].address, g[k].count);
			for (unsigned m = g[k].first; m < g[k].first + g[k].n; m++)
				snprintf(text + strlen(text), 16, "%u", order[m]);
			strcat(text, ")");
		}
		if (strcmp(text, plans[i].groups) != 0)
			fail_msg("plan %zu: %s, expected %s", i, text, plans[i].groups);
	}
}

/* ---- values ---- */

static void
values_come_out_of_registers(void **state)
{
	static const struct {
		int table, type, order;
		const char *data;
		unsigned address; /* of a group that begins at 10 */
		double scale, offset, v;
		bool wrong;
	} c[] = {
		{ HOLDING, U16, ABCD, "\x12\x34", 10, 1, 0, 0x1234, false },
		{ HOLDING, U16, CDAB, "\x12\x34", 10, 1, 0, 0x1234, false },
		{ HOLDING, U16, BADC, "\x12\x34", 10, 1, 0, 0x3412, false },
		{ HOLDING, U16, DCBA, "\x12\x34", 10, 1, 0, 0x3412, false },
		{ HOLDING, U16, ABCD, "\0\0\xff\xff", 11, 1, 0, 65535, false },
		{ HOLDING, I16, ABCD, "\xff\xfe", 10, 0.1, 5, 4.8, false },
		{ HOLDING, I16, DCBA, "\xfe\xff", 10, 1, 0, -2, false },
		{ INPUT, I16, ABCD, "\x80\0", 10, 1, 0, -32768, false },
		{ HOLDING, U32, ABCD, "\1\2\3\4", 10, 1, 0, 0x01020304, false },
		{ HOLDING, U32, CDAB, "\3\4\1\2", 10, 1, 0, 0x01020304, false },
		{ HOLDING, U32, BADC, "\2\1\4\3", 10, 1, 0, 0x01020304, false },
		{ HOLDING, U32, DCBA, "\4\3\2\1", 10, 1, 0, 0x01020304, false },
		{ HOLDING, U32, ABCD, "\xff\xff\xff\xff", 10, 1, 0, 4294967295.0, false },
		{ HOLDING, I32, ABCD, "\xff\xff\xff\xfe", 10, 0.5, 0, -1, false },
		{ HOLDING, I32, ABCD, "\x80\0\0\0", 10, 1, 0, -2147483648.0, false },
		{ HOLDING, F32, ABCD, "\x41\xac\0\0", 10, 1, 0, 21.5, false },
		{ HOLDING, F32, CDAB, "\0\0\xc1\xac", 10, 2, 1, -42, false },
		{ HOLDING, F32, ABCD, "\x7f\xc0\0\0", 10, 1, 0, 0, true }, /* not a number */
		{ HOLDING, F32, ABCD, "\x7f\x80\0\0", 10, 1, 0, 0, true }, /* infinite */
		{ COIL, U16, ABCD, "\x01", 10, 1, 0, 1, false },
		{ COIL, U16, ABCD, "\x01", 11, 1, 0, 0, false },
		{ DISCRETE, U16, ABCD, "\x00\x80", 25, 1, 0, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe_register_conf r = reg(c[i].table, c[i].address, c[i].type);
		const struct probe_modbus_group g = { (enum probe_modbus_table)c[i].table, 10, 16,
			0, 1 };
		double v = 0;

		r.order = c[i].order;
		r.scale = c[i].scale;
		r.offset = c[i].offset;
		if (probe_modbus_value(&r, &g, (const uint8_t *)c[i].data, &v) == c[i].wrong)
			fail_msg("value %zu is taken for %s", i, c[i].wrong ? "good" : "wrong");
		if (!c[i].wrong && (v < c[i].v - 1e-9 || v > c[i].v + 1e-9))
			fail_msg("value %zu: %.12g, expected %.12g", i, v, c[i].v);
	}
}

/* ---- answers ---- */

#define ANSWER    PROBE_MODBUS_ANSWER
#define EXCEPTION PROBE_MODBUS_EXCEPTION
#define WRONG     PROBE_MODBUS_WRONG

static const struct {
	const char *name;
	int table;
	uint16_t count;
	const char *b;
	size_t len;
	enum probe_modbus_verdict verdict;
} answers[] = {
	{ "two registers", HOLDING, 2, "\0\7\0\0\0\7\5\3\4abcd", 13, ANSWER },
	{ "an input register", INPUT, 1, "\0\7\0\0\0\5\5\4\2ab", 11, ANSWER },
	{ "nine coils", COIL, 9, "\0\7\0\0\0\5\5\1\2ab", 11, ANSWER },
	{ "eight inputs", DISCRETE, 8, "\0\7\0\0\0\4\5\2\1a", 10, ANSWER },
	{ "bytes behind it", HOLDING, 1, "\0\7\0\0\0\5\5\3\2abxy", 13, ANSWER },
	{ "an exception", HOLDING, 2, "\0\7\0\0\0\3\5\x83\2", 9, EXCEPTION },
	{ "a long exception", HOLDING, 2, "\0\7\0\0\0\4\5\x83\2x", 10, WRONG },
	{ "of another function", HOLDING, 2, "\0\7\0\0\0\3\5\x84\2", 9, WRONG },
	{ "another transaction", HOLDING, 1, "\0\6\0\0\0\5\5\3\2ab", 11, WRONG },
	{ "another protocol", HOLDING, 1, "\0\7\0\1\0\5\5\3\2ab", 11, WRONG },
	{ "another unit", HOLDING, 1, "\0\7\0\0\0\5\6\3\2ab", 11, WRONG },
	{ "another function", HOLDING, 1, "\0\7\0\0\0\5\5\4\2ab", 11, WRONG },
	{ "too many registers", HOLDING, 1, "\0\7\0\0\0\7\5\3\4abcd", 13, WRONG },
	{ "too few bytes", HOLDING, 2, "\0\7\0\0\0\5\5\3\4ab", 11, WRONG },
	{ "its counts differ", HOLDING, 1, "\0\7\0\0\0\6\5\3\2abc", 12, WRONG },
	{ "no length", HOLDING, 1, "\0\7\0\0\0\2\5\3", 8, WRONG },
	{ "endless", HOLDING, 1, "\0\7\0\0\0\xff\5\3\xfc", 9, WRONG },
	{ "HTTP", HOLDING, 1, "HTTP/1.1 400 Bad Request\r\n", 26, WRONG },
};

static enum probe_modbus_verdict
read_exactly(const uint8_t *b, size_t len, int table, uint16_t count)
{
	const struct probe_modbus_group g = { (enum probe_modbus_table)table, 0, count, 0, 1 };
	struct probe_modbus_answer a;
	uint8_t *exact = malloc(len > 0 ? len : 1);
	enum probe_modbus_verdict v;

	memcpy(exact, b, len);
	v = probe_modbus_read(exact, len, 7, 5, &g, &a);
	assert_int_equal(v == WRONG, a.error != NULL);
	if (v == ANSWER) /* all that the values are read from is there */
		assert_true(
		    a.data + (table <= DISCRETE ? (count + 7) / 8 : 2 * count) <= exact + len);
	free(exact);
	return v;
}

static void
answers_are_held_against_their_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		const uint8_t *b = (const uint8_t *)answers[i].b;
		const enum probe_modbus_verdict v =
		    read_exactly(b, answers[i].len, answers[i].table, answers[i].count);

		if (v != answers[i].verdict)
			fail_msg("%s: %d, expected %d", answers[i].name, (int)v,
			    (int)answers[i].verdict);
		if (v != EXCEPTION && v != ANSWER)
			continue;
		for (size_t len = 0; len < 6u + b[5]; len++) /* each cut wants more */
			assert_int_equal(read_exactly(b, len, answers[i].table, answers[i].count),
			    PROBE_MODBUS_MORE);
	}
}

static void
mutated_answers_do_no_harm(void **state)
{
	const unsigned n_rounds = rounds(20000, 400000);
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < n_rounds; round++) {
		const size_t i = round % COUNT(answers);
		uint8_t b[32];

		memcpy(b, answers[i].b, answers[i].len);
		for (unsigned k = 0; k < 2; k++) {
			seed = seed * 1664525 + 1013904223;
			b[(seed >> 8) % answers[i].len] = (uint8_t)(seed >> 24);
		}
		(void)read_exactly(b, answers[i].len, answers[i].table, answers[i].count);
	}
}

static void
requests_are_as_the_standard_says(void **state)
{
	const struct probe_modbus_group g = { PROBE_MODBUS_INPUT, 0x1234, 125, 0, 1 };
	uint8_t b[PROBE_MODBUS_ASK_BYTES];

	(void)state;
	probe_modbus_ask(b, 0xabcd, 9, &g);
	assert_memory_equal(b, "\xab\xcd\0\0\0\6\x09\4\x12\x34\0\x7d", 12);
}

/* ---- runs ---- */

static struct {
	unsigned n;
	struct probe_value v[PROBE_POINTS_MAX];
} points;

/* Results with their points, which are borrowed. */
static void
on_points(void *ctx, const struct probe_result *r)
{
	points.n = r->n_points;
	memcpy(points.v, r->point, r->n_points * sizeof(points.v[0]));
	on_result(ctx, r);
}

static const char *
points_told(void)
{
	static char text[512];

	text[0] = '\0';
	for (unsigned i = 0; i < points.n; i++) {
		const struct probe_value *v = &points.v[i];

		if (v->got == PROBE_HAVE)
			snprintf(text + strlen(text), 40, "%s%g", i > 0 ? " " : "", v->v);
		else
			snprintf(text + strlen(text), 40, "%s%s", i > 0 ? " " : "",
			    v->got == PROBE_LATE ? "..." : "?");
	}
	return text;
}

static void
modbus_set(struct probe *p, uint16_t port, struct probe_register_conf *r, size_t n)
{
	kind_set(p, PROBE_MODBUS, "127.0.0.1", port);
	p->conf.modbus.unit = 7;
	p->conf.modbus.at_once = 125;
	p->conf.modbus.registers = (struct bl_conf_list){ n, r };
}

static void
expect_points(const struct probe *p, const char *name, enum probe_reason reason, const char *values,
    const char *detail, const char *wanted)
{
	static struct results all;
	const struct bl_conf_list list = { 1, (void *)(uintptr_t)&p->conf };
	struct bl_err err = { 0 };
	struct prober *pr;

	results_init(&all);
	if (prober_start_with(&pr, &list, harness_clock(), lookup, on_points, &all, &err) < 0)
		fail_msg("%s", err.msg);
	results_wait(&all, 1);
	prober_stop(pr);
	if (all.r[0].reason != reason || strcmp(told(&all.r[0]), values) != 0 ||
	    strstr(all.r[0].detail, detail) == NULL || strcmp(points_told(), wanted) != 0)
		fail_msg("%s: %s \"%s\" \"%s\" %s, expected %s \"%s\" \"%s\" %s", name,
		    probe_reason_name(all.r[0].reason), told(&all.r[0]), all.r[0].detail,
		    points_told(), probe_reason_name(reason), values, detail, wanted);
}

/* Registers 0 and 1, and 10: two requests. */
#define ASK1        "\0\1\0\0\0\6\7\3\0\0\0\2"
#define ASK2        "\0\2\0\0\0\6\7\3\0\x0a\0\1"
#define REPLY1      "\0\1\0\0\0\7\7\3\4\0\1\0\2"
#define REPLY2      "\0\2\0\0\0\5\7\3\2\0\3"
#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	struct play_step step[5];
	enum probe_reason reason;
	const char *values, *detail, *points;
} scripts[] = {
	{ "both",
	    { { PLAY_HEAR, BYTES(ASK1) }, { PLAY_SAY, BYTES(REPLY1) }, { PLAY_HEAR, BYTES(ASK2) },
		{ PLAY_SAY, BYTES(REPLY2) } },
	    PROBE_OK, "up=1 connect first total", "", "1 2 3" },
	{ "in bytes",
	    { { PLAY_HEAR, BYTES(ASK1) }, { PLAY_SAY_BYTES, BYTES(REPLY1) },
		{ PLAY_HEAR, BYTES(ASK2) }, { PLAY_SAY_BYTES, BYTES(REPLY2) } },
	    PROBE_OK, "up=1 connect first total", "", "1 2 3" },
	{ "the first is refused",
	    { { PLAY_HEAR, BYTES(ASK1) }, { PLAY_SAY, BYTES("\0\1\0\0\0\3\7\x83\2") },
		{ PLAY_HEAR, BYTES(ASK2) }, { PLAY_SAY, BYTES(REPLY2) } },
	    PROBE_FAIL_ANSWER, "up=0 connect first total",
	    "exception 2 (illegal data address) for 2 holding registers from 0 on; refused were 1 "
	    "of 2 requests",
	    "? ? 3" },
	{ "the second does not come", { { PLAY_HEAR, BYTES(ASK1) }, { PLAY_SAY, BYTES(REPLY1) } },
	    PROBE_FAIL_TIMEOUT, "up=0 connect first total...", "took longer", "1 2 ..." },
	{ "closed between",
	    { { PLAY_HEAR, BYTES(ASK1) }, { PLAY_SAY, BYTES(REPLY1) }, { PLAY_HEAR, BYTES(ASK2) },
		{ PLAY_CLOSE, NULL, 0 } },
	    PROBE_FAIL_PROTOCOL, "up=0 connect first total?", "closed the connection", "1 2 ?" },
	{ "something else",
	    { { PLAY_HEAR, BYTES(ASK1) }, { PLAY_SAY, "SSH-2.0-OpenSSH_9.2\r\n", 0 } },
	    PROBE_FAIL_PROTOCOL, "up=0 connect first total?", "does not speak Modbus", "? ? ?" },
	{ "nothing", { { PLAY_END, NULL, 0 } }, PROBE_FAIL_TIMEOUT,
	    "up=0 connect first... total...", "first byte", "... ... ..." },
	{ "closed at once", { { PLAY_CLOSE, NULL, 0 } }, PROBE_FAIL_PROTOCOL,
	    "up=0 connect first? total?", "", "? ? ?" },
};

static void
each_device_gets_its_verdict(void **state)
{
	struct probe_register_conf r[3] = { reg(HOLDING, 0, U16), reg(HOLDING, 1, U16),
		reg(HOLDING, 10, U16) };

	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++) {
		static struct play play;
		struct probe p;

		play_start(&play, scripts[i].step);
		modbus_set(&p, play.port, r, COUNT(r));
		if (scripts[i].reason == PROBE_FAIL_TIMEOUT)
			p.conf.timeout_ms = 2000; /* a device that answers has that long */
		expect_points(&p, scripts[i].name, scripts[i].reason, scripts[i].values,
		    scripts[i].detail, scripts[i].points);
		play_stop(&play);
	}
}

static void
without_a_connection_every_value_is_unknown(void **state)
{
	struct probe_register_conf r[2] = { reg(COIL, 0, U16), reg(HOLDING, 1, F32) };
	struct probe p;

	(void)state;
	modbus_set(&p, 1, r, COUNT(r));
	p.conf.host = (char *)(uintptr_t) "127.0.0.2";
	expect_points(
	    &p, "refused", PROBE_FAIL_REFUSED, "up=0 connect? first? total?", "127.0.0.2:1", "? ?");
}

/* ---- somebody else's server ---- */

static void
a_server_that_somebody_else_wrote_is_read(void **state)
{
	struct probe_register_conf r[] = { reg(COIL, 0, U16), reg(COIL, 9, U16), reg(COIL, 10, U16),
		reg(DISCRETE, 3, U16), reg(HOLDING, 0, I16), reg(HOLDING, 1, I16),
		reg(HOLDING, 2, F32), reg(HOLDING, 4, I32), reg(HOLDING, 6, U32),
		reg(INPUT, 50, U16), reg(HOLDING, 200, U16) };
	struct probe p;
	int in[2], out[2], status;
	unsigned port = 0;
	FILE *from;
	pid_t pid;

	(void)state;
	if (system("/usr/bin/python3 -c 'import pymodbus' 2>/dev/null") != 0) {
		print_message("skipped: python3-pymodbus is not installed\n");
		skip();
	}
	r[4].scale = 0.1;
	r[8].order = CDAB;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	if ((pid = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/usr/bin/python3", "python3", BL_TEST_DATA "/probe/modbus_server.py",
		    (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	from = fdopen(out[0], "r");
	assert_int_equal(fscanf(from, "port %u", &port), 1);

	modbus_set(&p, (uint16_t)port, r, COUNT(r));
	expect_points(&p, "with one that is not there", PROBE_FAIL_ANSWER,
	    "up=0 connect first total",
	    "exception 2 (illegal data address) for 1 holding register from 200 on",
	    "1 1 0 1 21.5 -1 21.5 -2 70000 1234 ?");
	p.conf.modbus.registers.n--;
	expect_points(&p, "all there", PROBE_OK, "up=1 connect first total", "",
	    "1 1 0 1 21.5 -1 21.5 -2 70000 1234");
	p.conf.modbus.at_once = 2;
	expect_points(&p, "two at once", PROBE_OK, "up=1 connect first total", "",
	    "1 1 0 1 21.5 -1 21.5 -2 70000 1234");
	fclose(from);
	close(in[1]);
	waitpid(pid, &status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_read_together),
		cmocka_unit_test(values_come_out_of_registers),
		cmocka_unit_test(answers_are_held_against_their_requests),
		cmocka_unit_test(mutated_answers_do_no_harm),
		cmocka_unit_test(requests_are_as_the_standard_says),
		cmocka_unit_test(each_device_gets_its_verdict),
		cmocka_unit_test(without_a_connection_every_value_is_unknown),
		cmocka_unit_test(a_server_that_somebody_else_wrote_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
