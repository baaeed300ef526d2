/*
 * Units over the bus: a bus of the test's own answers as systemd does, or as nobody
 * should.  The sampler never waits, so one thread plays both sides.
 */
#include "sample_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sample_units_internal.h"

#define OPTIONS "watch: [till, cups.service, gone, old]"

struct bus {
	char root[128];
	int listener, peer; /* -1: none */
	struct running run;
	struct recorder *rec;
	int64_t boot_ms;
	struct bl_err err;
	int rc;
	char asked[8192];
	size_t n_asked;
	uint32_t serial; /* of the last question */
};

/* ---- answers ---- */

struct text {
	char p[16384];
	size_t n;
};

static void
pad(struct text *t, size_t to)
{
	while (t->n % to != 0)
		t->p[t->n++] = '\0';
}

static void
u32(struct text *t, uint32_t v)
{
	pad(t, 4);
	for (int i = 0; i < 4; i++)
		t->p[t->n++] = (char)(v >> (8 * i));
}

static void
str(struct text *t, const char *s)
{
	u32(t, (uint32_t)strlen(s));
	memcpy(t->p + t->n, s, strlen(s) + 1);
	t->n += strlen(s) + 1;
}

/* As systemd 252 answers over dbus-daemon: fields reply (u), destination, sender (s), signature
 * (g). */
static void
message(
    struct text *t, char type, uint32_t reply_to, const char *signature, const struct text *body)
{
	static const char reply[] = { 5, 1, 'u', 0 }, destination[] = { 6, 1, 's', 0 },
			  sender[] = { 7, 1, 's', 0 }, sign[] = { 8, 1, 'g', 0 };
	const size_t begin = t->n;
	struct text m = { .n = 0 };

	(void)begin;
	m.p[0] = 'l';
	m.p[1] = type;
	m.p[2] = 1;
	m.p[3] = 1;
	m.n = 4;
	u32(&m, (uint32_t)body->n);
	u32(&m, 77);
	u32(&m, 0);
	memcpy(m.p + m.n, reply, 4);
	m.n += 4;
	u32(&m, reply_to);
	pad(&m, 8);
	memcpy(m.p + m.n, destination, 4);
	m.n += 4;
	str(&m, ":1.42");
	pad(&m, 8);
	memcpy(m.p + m.n, sender, 4);
	m.n += 4;
	str(&m, ":1.0");
	pad(&m, 8);
	memcpy(m.p + m.n, sign, 4);
	m.n += 4;
	m.p[m.n++] = (char)strlen(signature);
	memcpy(m.p + m.n, signature, strlen(signature) + 1);
	m.n += strlen(signature) + 1;
	for (int i = 0; i < 4; i++)
		m.p[12 + i] = (char)((m.n - 16) >> (8 * i));
	pad(&m, 8);
	memcpy(t->p + t->n, m.p, m.n);
	memcpy(t->p + t->n + m.n, body->p, body->n);
	t->n += m.n + body->n;
}

static void
unit(struct text *t, const char *name, const char *load, const char *active)
{
	pad(t, 8);
	str(t, name);
	str(t, "what it is, in words that may be long");
	str(t, load);
	str(t, active);
	str(t, "sub");
	str(t, "");
	str(t, "/org/freedesktop/systemd1/unit/x");
	u32(t, 0);
	str(t, "");
	str(t, "/");
}

/* The body: an array of these. */
static void
units_end(struct text *t)
{
	const uint32_t len = (uint32_t)(t->n - 8);

	for (int i = 0; i < 4; i++)
		t->p[i] = (char)(len >> (8 * i));
}

static struct text
four_units(const char *states[4][2])
{
	struct text t = { .n = 8 };

	for (int i = 0; i < 4; i++)
		unit(&t, "x.service", states[i][0], states[i][1]);
	units_end(&t);
	return t;
}

/* ---- the bus ---- */

static void
bus_listen(struct bus *b)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/dbus/system_bus_socket", b->root);
	make_folders(at.sun_path);
	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(b->listener >= 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(b->listener, 4), 0);
}

static int
setup(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));
	char path[256];

	if (b == NULL || (b->rec = calloc(1, sizeof(*b->rec))) == NULL)
		return -1;
	b->listener = b->peer = -1;
	root_make(b->root, sizeof(b->root));
	(void)snprintf(path, sizeof(path), "%s/run/systemd/units/", b->root);
	make_folders(path);
	run_open(&b->run, ops_of("units"), OPTIONS, b->root);
	*state = b;
	return 0;
}

static void
bus_end(struct bus *b)
{
	if (b->peer >= 0)
		(void)close(b->peer);
	if (b->listener >= 0)
		(void)close(b->listener);
	b->peer = b->listener = -1;
}

static int
teardown(void **state)
{
	struct bus *b = *state;

	bus_end(b);
	run_close(&b->run);
	remove_tree(b->root);
	free(b->rec);
	free(b);
	return 0;
}

/* A look of the sampler; then what it asked is taken in. */
static void
look(struct bus *b)
{
	struct sample_sink sink = sink_of(b->rec);
	ssize_t n;

	rec_tick(b->rec);
	b->rec->len = 0;
	b->err = (struct bl_err){ 0 };
	b->boot_ms += 10000;
	b->rc = b->run.ops->sample(b->run.s, b->boot_ms, &sink, &b->err);
	if (b->peer < 0 && b->listener >= 0)
		b->peer = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	b->n_asked = 0;
	while (b->peer >= 0 &&
	       (n = recv(b->peer, b->asked + b->n_asked, sizeof(b->asked) - b->n_asked, 0)) > 0)
		b->n_asked += (size_t)n;
}

static void
say(struct bus *b, const void *p, size_t n)
{
	assert_int_equal(send(b->peer, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* A sampler that is connected, has been greeted and has asked. */
static void
reach(struct bus *b)
{
	struct text hello = { .n = 0 }, body = { .n = 0 };

	bus_listen(b);
	look(b);
	assert_int_equal(b->rc, BL_OK);
	assert_true(b->n_asked > 32);
	assert_memory_equal(b->asked, "\0AUTH EXTERNAL ", 15);
	say(b, "OK 1234deadbeef\r\n", 17);
	str(&body, ":1.42");
	message(&hello, 2, 1, "s", &body);
	say(b, hello.p, hello.n);
	b->serial = 2;
}

static void
answer(struct bus *b, const struct text *body)
{
	struct text t = { .n = 0 };

	message(&t, 2, b->serial, "a(ssssssouso)", body);
	say(b, t.p, t.n);
	b->serial++;
}

static bool
knows(const struct bus *b, const char *what)
{
	return strstr(b->rec->text, what) != NULL;
}

/* ---- tests ---- */

static void
failed_stopped_and_not_found_differ(void **state)
{
	const char *first[4][2] = { { "loaded", "active" }, { "loaded", "failed" },
		{ "not-found", "inactive" }, { "loaded", "inactive" } };
	const char *then[4][2] = { { "loaded", "activating" }, { "loaded", "reloading" },
		{ "masked", "inactive" }, { "not-found", "active" } };
	struct bus *b = *state;
	struct text body = four_units(first);

	reach(b);
	assert_false(knows(b, "unit_state"));
	answer(b, &body);
	look(b);
	assert_int_equal(b->rc, BL_OK);
	assert_true(value_of(b->rec, "unit_state{till.service}") == UNIT_ACTIVE);
	assert_true(value_of(b->rec, "unit_state{cups.service}") == UNIT_FAILED);
	assert_true(value_of(b->rec, "unit_state{gone.service}") == UNIT_NOT_FOUND);
	assert_true(value_of(b->rec, "unit_state{old.service}") == UNIT_STOPPED);

	body = four_units(then);
	answer(b, &body);
	look(b);
	assert_true(value_of(b->rec, "unit_state{till.service}") == UNIT_CHANGING);
	assert_true(value_of(b->rec, "unit_state{cups.service}") == UNIT_ACTIVE);
	assert_true(value_of(b->rec, "unit_state{gone.service}") == UNIT_UNUSABLE);
	assert_true(value_of(b->rec, "unit_state{old.service}") == UNIT_ACTIVE);
}

/* The question as bytes, which an own reading of the specification gives. */
static void
the_question_names_all_units(void **state)
{
	struct bus *b = *state;
	struct units_message m;
	size_t at, n;
	struct text want = { .n = 0 };

	reach(b);
	/* Behind the greeting and Hello: the last message. */
	at = (size_t)((char *)memmem(b->asked, b->n_asked, "BEGIN\r\n", 7) + 7 - b->asked);
	n = (size_t)units_wire_next(b->asked + at, b->n_asked - at, 8192, &m);
	assert_true(n > 0);
	at += n;
	assert_int_equal(
	    units_wire_next(b->asked + at, b->n_asked - at, 8192, &m), b->n_asked - at);
	u32(&want, 0);
	str(&want, "till.service");
	str(&want, "cups.service");
	str(&want, "gone.service");
	str(&want, "old.service");
	want.p[0] = (char)(want.n - 4);
	assert_int_equal(m.body_len, want.n);
	assert_memory_equal(m.body, want.p, want.n);
}

static void
no_bus_no_series(void **state)
{
	struct bus *b = *state;

	for (int i = 0; i < 3; i++) {
		look(b);
		assert_int_equal(b->rc, BL_OK);
		assert_true(value_of(b->rec, "unit_up{till.service}") == 0);
		assert_false(knows(b, "unit_state"));
	}
}

static void
a_bus_that_goes_leaves_it_unknown_and_is_asked_again(void **state)
{
	const char *up[4][2] = { { "loaded", "active" }, { "loaded", "active" },
		{ "loaded", "active" }, { "loaded", "active" } };
	const struct text body = four_units(up);
	struct bus *b = *state;
	char path[256];

	reach(b);
	answer(b, &body);
	look(b);
	assert_true(value_of(b->rec, "unit_state{till.service}") == UNIT_ACTIVE);
	bus_end(b);
	(void)snprintf(path, sizeof(path), "%s/run/dbus/system_bus_socket", b->root);
	assert_int_equal(unlink(path), 0);
	look(b); /* hung up */
	assert_int_equal(b->rc, BL_ENET);
	assert_true(isnan(value_of(b->rec, "unit_state{till.service}")));
	look(b); /* none there */
	assert_int_equal(b->rc, BL_OK);
	assert_true(isnan(value_of(b->rec, "unit_state{till.service}")));
	reach(b);
	answer(b, &body);
	look(b);
	assert_true(value_of(b->rec, "unit_state{till.service}") == UNIT_ACTIVE);
}

static void
one_that_never_answers_is_given_up_and_dialled_anew(void **state)
{
	struct bus *b = *state;

	reach(b);
	for (int i = 0; i < 3; i++) {
		look(b);
		assert_int_equal(b->rc, BL_OK);
		assert_int_equal(b->n_asked, 0); /* one question at a time */
	}
	look(b);
	assert_int_equal(b->rc, BL_ETIMEDOUT);
	assert_int_equal(recv(b->peer, b->asked, 1, 0), 0);
	assert_int_equal(close(b->peer), 0);
	b->peer = -1;
	look(b);
	assert_int_equal(b->rc, BL_OK);
	assert_memory_equal(b->asked, "\0AUTH EXTERNAL ", 15);
}

static void
an_answer_in_pieces_is_read_when_it_is_whole(void **state)
{
	const char *up[4][2] = { { "loaded", "active" }, { "loaded", "failed" },
		{ "loaded", "active" }, { "loaded", "active" } };
	const struct text body = four_units(up);
	struct bus *b = *state;
	struct text t = { .n = 0 };

	reach(b);
	message(&t, 2, b->serial, "a(ssssssouso)", &body);
	say(b, t.p, 20);
	look(b);
	assert_int_equal(b->rc, BL_OK);
	assert_false(knows(b, "unit_state"));
	say(b, t.p + 20, t.n - 20);
	look(b);
	assert_true(value_of(b->rec, "unit_state{cups.service}") == UNIT_FAILED);
}

/* Whatever it says, the sampler goes on, and nothing is put that was not said. */
static void
hostile_answers_are_refused(void **state)
{
	const char *up[4][2] = { { "loaded", "active" }, { "loaded", "active" },
		{ "loaded", "active" }, { "loaded", "active" } };
	const struct text body = four_units(up);
	struct bus *b = *state;
	struct text good = { .n = 0 };
	unsigned refused = 0;

	reach(b);
	message(&good, 2, b->serial, "a(ssssssouso)", &body);
	/* Each byte of it another one; each time a new connection. */
	for (size_t i = 0; i < good.n; i++) {
		char *copy = malloc(good.n);
		struct units_message m;
		enum unit_state got[4];
		int64_t n;

		assert_non_null(copy);
		memcpy(copy, good.p, good.n);
		copy[i] = (char)(copy[i] ^ 0xff);
		n = units_wire_next(copy, good.n, 131072, &m);
		assert_true(n <= (int64_t)good.n);
		if (n <= 0 || !units_wire_states(&m, 4, got))
			refused++;
		free(copy);
	}
	assert_true(refused > 100);
	/* Cut short at each length: never more than is there. */
	for (size_t len = 0; len < good.n; len++) {
		char *copy = malloc(len + 1);
		struct units_message m;

		assert_non_null(copy);
		memcpy(copy, good.p, len);
		assert_int_equal(units_wire_next(copy, len, 131072, &m), 0);
		free(copy);
	}
	say(b, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	look(b);
	assert_int_equal(b->rc, BL_ECORRUPT);
	assert_true(value_of(b->rec, "unit_up{till.service}") == 0);
}

static void
too_few_units_too_many_and_errors_are_no_answer(void **state)
{
	const char *up[4][2] = { { "loaded", "active" }, { "loaded", "active" },
		{ "loaded", "active" }, { "loaded", "active" } };
	struct text body = four_units(up), t = { .n = 0 }, error = { .n = 0 };
	struct units_message m;
	enum unit_state got[8];

	(void)state;
	message(&t, 2, 9, "a(ssssssouso)", &body);
	assert_int_equal(units_wire_next(t.p, t.n, 131072, &m), t.n);
	assert_int_equal(m.reply_to, 9);
	assert_true(units_wire_states(&m, 4, got));
	assert_false(units_wire_states(&m, 3, got));
	assert_false(units_wire_states(&m, 5, got));
	assert_int_equal(units_wire_next(t.p, t.n, 64, &m), BL_ECORRUPT);
	str(&error, "no");
	t.n = 0;
	message(&t, 3, 9, "s", &error);
	assert_int_equal(units_wire_next(t.p, t.n, 131072, &m), t.n);
	assert_true(m.is_error);
	assert_false(units_wire_states(&m, 4, got));
	t.n = 0;
	message(&t, 4, 9, "s", &error); /* a signal answers nothing, whatever it says */
	assert_int_equal(units_wire_next(t.p, t.n, 131072, &m), t.n);
	assert_int_equal(m.reply_to, 0);
}

static void
who_is_not_let_in_says_so(void **state)
{
	struct bus *b = *state;

	bus_listen(b);
	look(b);
	say(b, "REJECTED EXTERNAL\r\n", 19);
	look(b);
	assert_int_equal(b->rc, BL_EDENIED);
	assert_non_null(strstr(b->err.msg, "system_bus_socket"));
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(failed_stopped_and_not_found_differ),
		EACH(the_question_names_all_units),
		EACH(no_bus_no_series),
		EACH(a_bus_that_goes_leaves_it_unknown_and_is_asked_again),
		EACH(one_that_never_answers_is_given_up_and_dialled_anew),
		EACH(an_answer_in_pieces_is_read_when_it_is_whole),
		EACH(hostile_answers_are_refused),
		EACH(too_few_units_too_many_and_errors_are_no_answer),
		EACH(who_is_not_let_in_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
