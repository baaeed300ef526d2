/*
 * Cases are what their events say, in order of time: whatever the order and the
 * grouping in which they came, and however often.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cases.h"
#include "control.h"
#include "control_kit.h"
#include "control_sql.h"
#include "nomem.h"

struct fixture {
	struct control_kit kit;
	sqlite3 *db; /* of its own, not durable: what is tested is not the disk */
	struct roster *roster;
	struct define_set set;
	struct define_process process[3];
	/* of the last delivery */
	struct cases_change change[64];
	size_t n_changes;
	uint64_t refused;
	int taken;
};

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

static void
run(struct fixture *f, const char *sql)
{
	struct bl_err err = { 0 };

	must(control_sql_run(f->db, &err, sql, ""), &err);
}

static void
load_roster(struct fixture *f)
{
	struct bl_err err = { 0 };

	roster_free(f->roster);
	must(roster_load(&f->roster, f->db, NULL, &err), &err);
}

static void
make_places(struct fixture *f)
{
	static const char *const sql[] = {
		"INSERT INTO site VALUES ('north', 'North', '', 'Asia/Shanghai', NULL, NULL, '{}', "
		"1,"
		" 0, 0, 1)",
		"INSERT INTO site VALUES ('south', 'South', '', 'Europe/Berlin', NULL, NULL, '{}', "
		"2,"
		" 0, 0, 1)",
		"INSERT INTO device VALUES ('d1', '', 'north', 1, 0, 0, 0, 1, NULL, NULL, NULL)",
		"INSERT INTO device VALUES ('d2', '', 'north', 1, 0, 0, 0, 1, NULL, NULL, NULL)",
		"INSERT INTO device VALUES ('d3', '', 'south', 1, 0, 0, 0, 1, NULL, NULL, NULL)",
		"INSERT INTO service VALUES ('d1', 0, NULL, 'north')",
		"INSERT INTO service VALUES ('d2', 0, NULL, 'north')",
		/* Moved at 500. */
		"INSERT INTO service VALUES ('d3', 100, 500, 'north')",
		"INSERT INTO service VALUES ('d3', 500, NULL, 'south')",
	};

	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		run(f, sql[i]);
	load_roster(f);
}

static void
make_process(struct define_process *p, const char *id, int64_t version, int64_t from, int64_t until)
{
	(void)snprintf(p->head.id, sizeof(p->head.id), "%s", id);
	p->head.version = version;
	p->head.from_unix_ms = from;
	p->head.until_unix_ms = until;
	p->head.enabled = true;
}

static void
set_done(struct define_process *p, const char *text)
{
	const struct bl_expr_scope scope = { .open = true };
	struct bl_expr_error error;
	struct bl_err err = { 0 };

	must(bl_expr_compile(&p->done, text, strlen(text), &scope, BL_VALUE_BOOL, &error, &err),
	    &err);
}

/* "order": ends with the step ship; from 5000 on with pack.  "visit": by an expression. */
static void
make_processes(struct fixture *f)
{
	make_process(&f->process[0], "order", 1, 0, 5000);
	f->process[0].n_steps = 2;
	(void)snprintf(f->process[0].step[0], sizeof(f->process[0].step[0]), "review");
	(void)snprintf(f->process[0].step[1], sizeof(f->process[0].step[1]), "ship");
	make_process(&f->process[1], "order", 2, 5000, INT64_MAX);
	f->process[1].n_steps = 1;
	(void)snprintf(f->process[1].step[0], sizeof(f->process[1].step[0]), "pack");
	make_process(&f->process[2], "visit", 1, 0, INT64_MAX);
	set_done(&f->process[2], "step = \"bye\" and guests >= 2 or status = \"left\"");
	f->set = (struct define_set){ .n_processes = 3, .process = f->process, .versions = 3 };
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_kit_open(&f->kit, "cases", 1);
	assert_int_equal(sqlite3_open(f->kit.path, &f->db), SQLITE_OK);
	run(f, "PRAGMA synchronous = OFF");
	run(f, "PRAGMA foreign_keys = ON");
	make_places(f);
	make_processes(f);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	roster_free(f->roster);
	bl_expr_free(f->process[2].done);
	assert_int_equal(sqlite3_close(f->db), SQLITE_OK); /* no statement is left */
	control_kit_close(&f->kit);
	free(f);
	return 0;
}

/* ---- events as lines ---- */

/*
 * "device time type case step key=value ...": type begin, end or event; - for none.
 * A value that begins with a digit is a number, true and false are booleans, null
 * is null; id=... is the caller's id, boot=... the boot time (else the time).
 */
struct line {
	char text[512];
	char *word[40];
	size_t n_words;
	char type[BL_NAME_MAX + 1];
	struct bl_event ev;
	int64_t unix_ms;
};

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static void
add_attr(struct bl_event *ev, const char *key, const char *value)
{
	struct bl_attr *a = &ev->attr[ev->n_attrs++];

	assert_true(ev->n_attrs <= BL_ATTRS_MAX);
	*a = (struct bl_attr){ .key = str(key), .type = BL_ATTR_TEXT };
	if (value[0] >= '0' && value[0] <= '9') {
		a->type = BL_ATTR_NUMBER;
		a->number = strtod(value, NULL);
	} else if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
		a->type = BL_ATTR_BOOL;
		a->boolean = value[0] == 't';
	} else if (strcmp(value, "null") == 0) {
		a->type = BL_ATTR_NULL;
	} else {
		a->text = str(value);
	}
}

static void
parse(struct line *l, const char *text, size_t len)
{
	char *save = NULL;

	memset(l, 0, sizeof(*l));
	assert_true(len < sizeof(l->text));
	memcpy(l->text, text, len);
	for (char *w = strtok_r(l->text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		l->word[l->n_words++] = w;
	assert_true(l->n_words >= 5);
	l->unix_ms = l->ev.boot_ms = strtoll(l->word[1], NULL, 10);
	(void)snprintf(l->type, sizeof(l->type), "step.%s", l->word[2]);
	l->ev.type = str(l->type);
	if (strcmp(l->word[3], "-") != 0)
		add_attr(&l->ev, "case", l->word[3]);
	if (strcmp(l->word[4], "-") != 0)
		add_attr(&l->ev, "step", l->word[4]);
	for (size_t i = 5; i < l->n_words; i++) {
		char *value = strchr(l->word[i], '=');

		assert_non_null(value);
		*value++ = '\0';
		if (strcmp(l->word[i], "id") == 0)
			l->ev.id = str(value);
		else if (strcmp(l->word[i], "boot") == 0)
			l->ev.boot_ms = strtoll(value, NULL, 10);
		else
			add_attr(&l->ev, l->word[i], value);
	}
}

static int
try_line(struct fixture *f, struct cases_changes *l, const char *text, size_t len, int64_t batch,
    uint32_t n, struct bl_err *err)
{
	struct line line;
	struct cases_event e = { .batch_id = batch, .n = n };
	int rc;

	parse(&line, text, len);
	e.device = line.word[0];
	e.unix_ms = line.unix_ms;
	e.ev = &line.ev;
	rc = cases_take(f->db, f->roster, &e, l, err);
	f->taken += rc == CASES_TAKEN;
	return rc;
}

static void
take_line(struct fixture *f, struct cases_changes *l, const char *text, size_t len, int64_t batch,
    uint32_t n)
{
	struct bl_err err = { 0 };

	must(try_line(f, l, text, len, batch, n, &err), &err);
}

static void
settle(struct fixture *f, struct cases_changes *l)
{
	struct bl_err err = { 0 };

	must(cases_settle(f->db, &f->set, l, &err), &err);
	f->n_changes = l->n;
	f->refused = l->refused;
	assert_true(l->n <= 64);
	if (l->n > 0)
		memcpy(f->change, l->c, l->n * sizeof(l->c[0]));
}

/* One transaction: lines as one batch. */
static void
deliver(struct fixture *f, int64_t batch, const char *lines)
{
	struct cases_changes l = { 0 };
	uint32_t n = 0;

	f->taken = 0;
	run(f, "BEGIN IMMEDIATE");
	for (const char *at = lines, *end; *at != '\0'; at = *end != '\0' ? end + 1 : end) {
		end = strchrnul(at, '\n');
		take_line(f, &l, at, (size_t)(end - at), batch, n++);
	}
	settle(f, &l);
	run(f, "COMMIT");
	cases_changes_free(&l);
}

/* ---- what is there, as text ---- */

struct text {
	char *p;
	size_t len, size;
	struct sqlite3 *db;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	if (t->size - t->len < 8192) {
		t->size = t->size * 2 + 16384;
		t->p = realloc(t->p, t->size);
		assert_non_null(t->p);
	}
	va_start(args, format);
	n = vsnprintf(t->p + t->len, t->size - t->len, format, args);
	va_end(args);
	assert_true(n >= 0 && n < 8192);
	t->len += (size_t)n;
}

static void
say_span(struct text *t, int64_t begin, int64_t end)
{
	if (begin != INT64_MIN)
		say(t, "%lld", (long long)begin);
	say(t, "..");
	if (end != CASES_OPEN)
		say(t, "%lld", (long long)end);
}

static bool
say_step(void *ctx, const struct cases_step *s)
{
	say(ctx, "  %s %s ", s->step, s->device);
	say_span(ctx, s->begin_unix_ms, s->end_unix_ms);
	say(ctx, " %s\n", s->attrs);
	return true;
}

static bool
say_case(void *ctx, const struct cases_row *c)
{
	struct text *t = ctx;
	struct bl_err err = { 0 };

	say(t, "%s/%s/%s ", c->site, c->process, c->case_id);
	say_span(t, c->begin_unix_ms, c->end_unix_ms);
	say(t, " [%s] %lld %s\n", c->status, (long long)c->events, c->attrs);
	must(cases_steps(t->db, c->no, say_step, t, &err), &err);
	return true;
}

static bool
say_event(void *ctx, const struct cases_event_row *e)
{
	say(ctx, "  %lld %s %s %s %s\n", (long long)e->unix_ms, e->device, e->type, e->step,
	    e->attrs);
	return true;
}

/* In an order that every database shares, which that of the numbers is not. */
static struct text
all(struct fixture *f, bool with_events)
{
	struct text t = { .db = f->db };
	struct bl_err err = { 0 };
	sqlite3_stmt *st;

	say(&t, "%s", "");
	must(control_sql_prepare(&st, f->db, &err,
		 "SELECT id FROM case_head WHERE events > 0 ORDER BY site, process, case_id", ""),
	    &err);
	while (control_sql_step(st, &err) == 1) {
		const int64_t no = sqlite3_column_int64(st, 0);

		must(cases_get(f->db, no, say_case, &t, &err), &err);
		if (with_events)
			must(cases_events(f->db, no, say_event, &t, &err), &err);
	}
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	return t;
}

static void
assert_cases(struct fixture *f, const char *expected)
{
	struct text t = all(f, false);

	assert_string_equal(t.p, expected);
	free(t.p);
}

static void
forget_all(struct fixture *f)
{
	run(f, "DELETE FROM case_step");
	run(f, "DELETE FROM case_event");
	run(f, "DELETE FROM case_head");
}

static int64_t
only_no(struct fixture *f)
{
	struct bl_err err = { 0 };
	int64_t no;

	must(control_sql_int(f->db, &err, 0, &no, "SELECT max(id) FROM case_head", ""), &err);
	return no;
}

/* ---- tables ---- */

struct scene {
	const char *name, *events, *expected;
};

static const struct scene scenes[] = {
	{ "a step that began and has not ended", "d1 10 begin 7 review",
	    "north/default/7 10.. [] 1 {}\n"
	    "  review d1 10.. {}\n" },
	{ "steps follow each other; the last of the process ends the case",
	    "d1 10 begin 7 review process=order\n"
	    "d1 20 end 7 review process=order\n"
	    "d2 30 begin 7 ship process=order\n"
	    "d2 60 end 7 ship process=order",
	    "north/order/7 10..60 [] 4 {}\n"
	    "  review d1 10..20 {}\n"
	    "  ship d2 30..60 {}\n" },
	{ "the version that is in force when the case begins counts",
	    "d1 5000 begin 7 ship process=order\n"
	    "d1 5010 end 7 ship process=order\n"
	    "d1 5020 end 7 pack process=order",
	    "north/order/7 5000..5020 [] 3 {}\n"
	    "  ship d1 5000..5010 {}\n"
	    "  pack d1 ..5020 {}\n" },
	{ "a status ends the case of any process",
	    "d1 10 event 7 - status=new amount=12.5\n"
	    "d1 20 event 7 - status=cancelled",
	    "north/default/7 10..20 [cancelled] 2 {\"amount\":12.5,\"status\":\"cancelled\"}\n" },
	{ "a process of its own rule ends by that alone",
	    "d1 10 event 7 - process=visit status=completed guests=1\n"
	    "d1 20 end 7 bye process=visit\n"
	    "d1 30 event 7 - process=visit guests=2\n"
	    "d1 40 end 7 bye process=visit",
	    "north/visit/7 10..40 [completed] 4 {\"guests\":2,\"status\":\"completed\"}\n"
	    "  bye d1 ..20 {\"guests\":1,\"status\":\"completed\"}\n"
	    "  bye d1 ..40 {\"guests\":2,\"status\":\"completed\"}\n" },
	{ "an end closes what the same device began last, else what any did",
	    "d1 10 begin 7 pick\n"
	    "d2 20 begin 7 pick\n"
	    "d1 30 begin 7 pick\n"
	    "d2 40 begin 7 pick\n"
	    "d1 50 end 7 pick\n"
	    "d1 60 end 7 pick\n"
	    "d1 70 end 7 pick",
	    "north/default/7 10.. [] 7 {}\n"
	    "  pick d1 10..60 {}\n"
	    "  pick d2 20.. {}\n"
	    "  pick d1 30..50 {}\n"
	    "  pick d1 40..70 {}\n" },
	{ "an end without a begin is a step of its own",
	    "d1 10 end 7 pick\n"
	    "d1 20 begin 7 pick",
	    "north/default/7 10.. [] 2 {}\n"
	    "  pick d1 ..10 {}\n"
	    "  pick d1 20.. {}\n" },
	{ "steps that are open when the case ends stay open; what comes after changes no step",
	    "d1 10 begin 7 pick\n"
	    "d1 20 event 7 - status=done\n"
	    "d1 30 end 7 pick rating=5\n"
	    "d1 40 begin 7 pick\n"
	    "d1 50 event 7 - status=new",
	    "north/default/7 10..20 [new] 5 {\"rating\":5,\"status\":\"new\"}\n"
	    "  pick d1 10.. {\"status\":\"done\"}\n" },
	{ "attributes of a step are the case's at its end",
	    "d1 10 event 7 - priority=high big=true\n"
	    "d1 20 begin 7 pick who=ann\n"
	    "d1 30 end 7 pick who=bob\n"
	    "d1 40 event 7 - priority=low who=null",
	    "north/default/7 10.. [] 4 {\"big\":true,\"priority\":\"low\",\"who\":null}\n"
	    "  pick d1 20..30 {\"big\":true,\"priority\":\"high\",\"who\":\"bob\"}\n" },
	{ "the same time is ordered by device, then as the device put it",
	    "d2 10 event 7 - x=2\n"
	    "d1 10 event 7 - y=2\n"
	    "d1 10 event 7 - x=1 y=1",
	    "north/default/7 10.. [] 3 {\"x\":2,\"y\":1}\n" },
	{ "a number is a case's name, too",
	    "d1 10 event 7 - a=1\n"
	    "d2 20 event 7.0 - a=2",
	    "north/default/7 10.. [] 2 {\"a\":2}\n" },
	{ "a case belongs to the site where the device was in service then",
	    "d3 200 event 7 - a=1\n"
	    "d3 600 event 7 - a=2",
	    "north/default/7 200.. [] 1 {\"a\":1}\n"
	    "south/default/7 600.. [] 1 {\"a\":2}\n" },
	{ "devices of a site work on one case, in time that is not theirs",
	    "d1 30 end 7 pick\n"
	    "d2 10 begin 7 pick",
	    "north/default/7 10.. [] 2 {}\n"
	    "  pick d1 10..30 {}\n" },
};

static void
cases_are_what_their_events_say(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct text t;

		deliver(f, 1, scenes[i].events);
		t = all(f, false);
		if (strcmp(t.p, scenes[i].expected) != 0)
			fail_msg("%s:\n%s", scenes[i].name, t.p);
		free(t.p);
		forget_all(f);
	}
}

/* ---- what belongs here ---- */

static void
other_events_are_left_alone_and_bad_ones_refused(void **state)
{
	static const struct {
		const char *line;
		int taken;
		uint64_t refused;
	} table[] = {
		{ "d1 10 begin 7 pick", 1, 0 }, { "d1 10 event 7 -", 1, 0 },
		{ "d1 10 paused 7 pick", 0, 0 }, { "d1 10 begin - pick", 0, 1 },
		{ "d1 10 begin 7 -", 0, 1 }, { "d1 10 end 7 -", 0, 1 },
		{ "d1 10 end 7 - step=true", 0, 1 }, { "d1 10 event 7 - process=Not.An.Id", 0, 1 },
		{ "d1 10 event 7 - process=", 0, 1 }, { "d1 10 event - - case=null", 0, 1 },
		{ "d1 10 event - - case=true", 0, 1 },
		{ "d1 10 event "
		  "x123456789x123456789x123456789x123456789x123456789x123456789x123456789x12345678"
		  "9x123456789x123456789x123456789x123456789x1234567 -",
		    1, 0 }, /* 128 bytes */
		{ "d1 10 event "
		  "x123456789x123456789x123456789x123456789x123456789x123456789x123456789x12345678"
		  "9x123456789x123456789x123456789x123456789x12345678+ -",
		    0, 1 },
		{ "d3 99 event 7 -", 0, 1 },     /* in service from 100 on */
		{ "nobody 10 event 7 -", 0, 1 }, /* never heard of */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		deliver(f, (int64_t)i + 1, table[i].line);
		if (f->taken != table[i].taken || f->refused != table[i].refused)
			fail_msg("%s: taken %d, refused %llu", table[i].line, f->taken,
			    (unsigned long long)f->refused);
	}
}

static void
an_event_counts_once(void **state)
{
	static const char twice[] = "d1 10 begin 7 pick a=1 b=2 id=x\nd1 20 end 7 pick";
	static const char *const other[] = {
		"d1 10 begin 7 pick a=1 b=2 id=y", /* the caller says that it is another one */
		"d1 10 begin 7 pick a=1 b=3 id=x",
		"d1 11 begin 7 pick a=1 b=2 id=x",
		"d2 10 begin 7 pick a=1 b=2 id=x",
	};
	struct fixture *f = *state;
	struct text first, t;

	deliver(f, 1, twice);
	first = all(f, true);
	/* The same batch. */
	deliver(f, 1, twice);
	assert_int_equal(f->taken, 2);
	assert_int_equal(f->n_changes, 0);
	/* Cut again under another spool id: other batches, other places in them. */
	deliver(f, 2, "d1 20 end 7 pick\nd1 10 begin 7 pick b=2 a=1 id=x");
	assert_int_equal(f->n_changes, 0);
	t = all(f, true);
	assert_string_equal(first.p, t.p);
	free(t.p);
	free(first.p);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		deliver(f, 10 + (int64_t)i, other[i]);
		assert_int_equal(f->n_changes, 1);
	}
}

static void
another_store_changes_nothing_and_hides_nothing(void **state)
{
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	struct text first, t;

	deliver(f, 1, "d1 10 begin 7 pick\nd1 20 end 7 pick");
	deliver(f, 2, "d2 30 event 7 - a=1");
	first = all(f, true);
	for (int store = 0; store < 2; store++) {
		must(cases_new_epoch(f->db, &err), &err);
		/* What batch 2 was is batch 1 there, and the other one was lost. */
		deliver(f, 1, "d2 30 event 7 - a=1");
		assert_int_equal(f->n_changes, 0);
		t = all(f, true);
		assert_string_equal(first.p, t.p);
		free(t.p);
	}
	/* Another event at the place of an old one is another event. */
	deliver(f, 2, "d2 30 event 7 - a=2");
	assert_int_equal(f->n_changes, 1);
	free(first.p);
	assert_cases(f, "north/default/7 10.. [] 4 {\"a\":2}\n"
			"  pick d1 10..20 {}\n");
}

static void
an_event_that_is_placed_anew_moves(void **state)
{
	struct fixture *f = *state;

	deliver(f, 1, "d1 10 begin 7 pick boot=5\nd1 20 end 7 pick boot=15");
	deliver(f, 1, "d1 1010 begin 7 pick boot=5\nd1 1020 end 7 pick boot=15");
	assert_cases(f, "north/default/7 1010.. [] 2 {}\n"
			"  pick d1 1010..1020 {}\n");
	assert_int_equal(f->change[0].touched_begin_unix_ms, 20);
	assert_int_equal(f->change[0].touched_end_unix_ms, 1021);
}

static void
an_event_follows_its_device_to_another_site(void **state)
{
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	struct text t = { .db = f->db };
	int64_t no;

	deliver(f, 1, "d3 200 begin 7 pick\nd3 300 end 7 pick");
	no = only_no(f);
	/* Somebody corrects since when d3 has been in the south. */
	run(f, "DELETE FROM service WHERE device = 'd3'");
	run(f, "INSERT INTO service VALUES ('d3', 150, NULL, 'south')");
	load_roster(f);
	deliver(f, 1, "d3 200 begin 7 pick\nd3 300 end 7 pick");
	assert_cases(f, "south/default/7 200.. [] 2 {}\n"
			"  pick d3 200..300 {}\n");
	assert_int_equal(f->n_changes, 2);
	assert_int_equal(f->change[0].no, no);
	assert_true(f->change[0].gone && !f->change[1].gone);
	assert_string_equal(f->change[0].site, "north");
	assert_int_equal(f->change[0].touched_begin_unix_ms, 300);
	assert_int_equal(f->change[0].touched_end_unix_ms, 301);
	assert_int_equal(cases_get(f->db, no, say_case, &t, &err), BL_ENOTFOUND);
	/* And to nowhere. */
	run(f, "DELETE FROM service WHERE device = 'd3'");
	load_roster(f);
	deliver(f, 1, "d3 200 begin 7 pick\nd3 300 end 7 pick");
	assert_int_equal(f->refused, 2);
	assert_cases(f, "");
}

/* ---- what is touched ---- */

static void
a_change_tells_the_windows_that_it_touches(void **state)
{
	static const struct {
		const char *events;
		size_t changes;
		int64_t begin, end;
	} table[] = {
		{ "d1 100 begin 7 pick", 1, 0, 0 },
		{ "d1 200 end 7 pick", 1, 200, 201 },
		{ "d1 150 event 7 - a=1", 1, 200, 201 }, /* what the step has at its end */
		{ "d1 250 event 7 - a=2", 1, 0, 0 },
		{ "d1 50 begin 7 pack", 1, 0, 0 },
		{ "d2 180 end 7 pick", 1, 180, 201 }, /* the other end has nothing to close now */
		{ "d1 300 event 7 - status=done", 1, 300, 301 },
		{ "d1 400 event 7 - note=late", 1, 300, 301 },   /* the case's attributes */
		{ "d1 190 event 7 - status=done", 1, 190, 301 }, /* the end moves; a step goes */
		{ "d1 190 event 7 - status=done", 0, 0, 0 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		deliver(f, (int64_t)i + 1, table[i].events);
		assert_int_equal(f->n_changes, table[i].changes);
		if (f->n_changes > 0 && (f->change[0].touched_begin_unix_ms != table[i].begin ||
					    f->change[0].touched_end_unix_ms != table[i].end))
			fail_msg("%s: [%lld, %lld)", table[i].events,
			    (long long)f->change[0].touched_begin_unix_ms,
			    (long long)f->change[0].touched_end_unix_ms);
	}
	assert_string_equal(f->change[0].process, "default");
}

/* ---- any order, any grouping ---- */

#define HISTORY 250

struct happened {
	char line[160];
	int64_t device; /* for its batches */
	uint32_t n;     /* in what the device wrote */
};

static uint64_t
next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

/* Three devices, few cases, few instants: so that times, steps and cases meet. */
static size_t
make_history(struct happened *h, uint64_t *random)
{
	static const char *const type[] = { "begin", "end", "event" };
	static const char *const process[] = { "order", "visit", "default" };
	static const char *const step[] = { "review", "ship", "bye" };
	static const char *const more[] = { "", " a=1", " a=2 b=x", " status=new", " guests=2",
		" status=done", " status=left", " a=null" };
	size_t n = 0;

	while (n < HISTORY) {
		const uint64_t device = next(random) % 3 + 1;

		h[n].device = (int64_t)device;
		h[n].n = (uint32_t)n;
		(void)snprintf(h[n].line, sizeof(h[n].line), "d%d %d %s c%d %s process=%s%s",
		    (int)device,
		    (int)(next(random) % 60) * 10 + (next(random) % 4 == 0 ? 4900 : 100),
		    type[next(random) % 3], (int)(next(random) % 5), step[next(random) % 3],
		    process[next(random) % 3], more[next(random) % 8]);
		n++;
		/* Now and then it comes again, from another spool. */
		if (n < HISTORY && next(random) % 8 == 0) {
			h[n] = h[n - 1];
			h[n].n = (uint32_t)n;
			n++;
		}
	}
	return n;
}

static void
deliver_in_pieces(struct fixture *f, const struct happened *h, size_t n, uint64_t *random)
{
	for (size_t i = 0, piece = 0; i < n; piece++) {
		struct cases_changes l = { 0 };

		run(f, "BEGIN IMMEDIATE");
		for (size_t k = next(random) % 40 + 1; k > 0 && i < n; k--, i++)
			take_line(f, &l, h[i].line, strlen(h[i].line),
			    (int64_t)piece * 10 + h[i].device, h[i].n);
		settle(f, &l);
		run(f, "COMMIT");
		cases_changes_free(&l);
	}
}

static void
order_and_grouping_do_not_show(void **state)
{
	struct fixture *f = *state;
	struct happened h[HISTORY];
	uint64_t random = 20261128;
	const size_t n = make_history(h, &random);
	const unsigned n_rounds = rounds(50, 400);
	struct text first = { 0 };

	for (unsigned round = 0; round < n_rounds; round++) {
		struct text t;

		deliver_in_pieces(f, h, n, &random);
		t = all(f, true);
		if (round == 0)
			first = t;
		else if (strcmp(first.p, t.p) != 0)
			fail_msg("round %u differs", round);
		if (round > 0)
			free(t.p);
		forget_all(f);
		for (size_t i = n; i-- > 1;) {
			const size_t k = (size_t)next(&random) % (i + 1);
			const struct happened x = h[i];

			h[i] = h[k];
			h[k] = x;
		}
	}
	assert_true(first.len > 8000);
	free(first.p);
}

/* ---- caps ---- */

static void
of_too_many_events_the_first_by_time_stay(void **state)
{
	struct fixture *f = *state;
	struct text first = { 0 }, t;

	for (int round = 0; round < 2; round++) {
		uint64_t refused = 0;

		forget_all(f);
		for (int part = 0; part < 3; part++) {
			struct cases_changes l = { 0 };

			run(f, "BEGIN IMMEDIATE");
			for (int i = 0; i < 500; i++) {
				const int at = round == 0 ? part * 500 + i : 1499 - part * 500 - i;
				char line[96];

				(void)snprintf(line, sizeof(line), "d1 %d event 7 - k%d=%d boot=%d",
				    1000 + at / 7, at % 100, at, at);
				take_line(f, &l, line, strlen(line), part + 1, (uint32_t)i);
			}
			settle(f, &l);
			run(f, "COMMIT");
			refused += l.refused;
			cases_changes_free(&l);
		}
		assert_int_equal(refused, 500);
		t = all(f, true);
		if (round == 0)
			first = t;
	}
	assert_string_equal(first.p, t.p);
	assert_non_null(strstr(t.p, " [] 1000 {"));
	/* Of the attributes the first 64 by time; the others are with their events. */
	assert_non_null(strstr(first.p, "\"k63\":963"));
	assert_null(strstr(strndupa(first.p, strcspn(first.p, "\n")), "\"k64\""));
	free(first.p);
	free(t.p);
}

static void
a_long_value_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	char line[400] = "d1 10 event 7 - x=a", expected[400];
	struct text t;

	for (int i = 0; i < 100; i++)
		memcpy(line + strlen(line), "\xe5\xba\x97", 4); /* three bytes each */
	deliver(f, 1, line);
	(void)snprintf(expected, sizeof(expected), "north/default/7 10.. [] 1 {\"x\":\"%.256s\"}\n",
	    strchr(line, '=') + 1);
	t = all(f, false);
	assert_string_equal(t.p, expected); /* 1 + 85 * 3 = 256 */
	free(t.p);
	forget_all(f);
	line[strlen(line) - 3] = '\0';
	memmove(line + 19, line + 18, strlen(line) - 17); /* one byte more in front */
	deliver(f, 1, line);
	(void)snprintf(expected, sizeof(expected), "north/default/7 10.. [] 1 {\"x\":\"%.254s\"}\n",
	    strchr(line, '=') + 1);
	t = all(f, false);
	assert_string_equal(t.p, expected);
	free(t.p);
}

/* ---- reading ---- */

static bool
say_no(void *ctx, const struct cases_row *c)
{
	say(ctx, "%s ", c->case_id);
	return true;
}

static bool
say_first_no(void *ctx, const struct cases_row *c)
{
	(void)say_no(ctx, c);
	return false;
}

static void
lists_are_filtered_and_paged(void **state)
{
	static const struct {
		struct cases_filter f;
		const char *expected;
	} table[] = {
		{ { .to_unix_ms = INT64_MAX, .from_unix_ms = INT64_MIN, .limit = 10 },
		    "e d c b a " },
		{ { .to_unix_ms = INT64_MAX, .from_unix_ms = INT64_MIN, .limit = 2 }, "e d " },
		{ { .site = "south", .to_unix_ms = INT64_MAX, .from_unix_ms = 0, .limit = 9 },
		    "e " },
		{ { .process = "order", .to_unix_ms = INT64_MAX, .from_unix_ms = 0, .limit = 9 },
		    "c " },
		{ { .open_only = true, .to_unix_ms = INT64_MAX, .from_unix_ms = 0, .limit = 9 },
		    "e d b " },
		{ { .site = "north",
		      .open_only = true,
		      .to_unix_ms = INT64_MAX,
		      .from_unix_ms = 0,
		      .limit = 9 },
		    "d b " },
		{ { .from_unix_ms = 151, .to_unix_ms = 300, .limit = 9 }, "b " },
		{ { .from_unix_ms = 150, .to_unix_ms = 301, .limit = 9 }, "c b a " },
	};
	struct fixture *f = *state;
	struct text t = { .db = f->db };
	struct cases_filter page = {
		.to_unix_ms = INT64_MAX, .from_unix_ms = INT64_MIN, .limit = 2
	};
	struct bl_err err = { 0 };

	deliver(f, 1, "d1 100 event a -\nd1 150 event a - status=done\nd1 200 event b -");
	deliver(f, 2,
	    "d1 300 event c - process=order\nd1 350 event c - process=order status=done\n"
	    "d3 600 event e -\nd1 400 event d -");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		t.len = 0;
		say(&t, "%s", "");
		must(cases_each(f->db, &table[i].f, say_no, &t, &err), &err);
		assert_string_equal(t.p, table[i].expected);
	}
	t.len = 0;
	must(cases_each(f->db, &page, say_first_no, &t, &err), &err);
	assert_string_equal(t.p, "e ");
	/* Behind d, which was made last. */
	page.before_no = only_no(f);
	t.len = 0;
	must(cases_each(f->db, &page, say_no, &t, &err), &err);
	assert_string_equal(t.p, "c b ");
	free(t.p);
}

static bool
say_ended(void *ctx, const struct cases_row *c, const struct cases_step *s)
{
	say(ctx, "%s", c->case_id);
	if (s != NULL)
		say(ctx, ":%s", s->step);
	say(ctx, " ");
	return true;
}

static void
what_ended_is_found_by_device_and_time(void **state)
{
	static const struct {
		const char *device;
		int64_t from, to;
		const char *steps, *cases;
	} table[] = {
		{ "d1", 0, 1000, "a:pick b:pick ", "b " },
		{ "d1", 0, 30, "a:pick ", "" },
		{ "d1", 20, 30, "a:pick ", "" },
		{ "d1", 21, 1000, "b:pick ", "b " },
		{ "d2", 0, 1000, "a:pick ", "a " },
		{ "d3", 0, 1000, "", "" },
	};
	struct fixture *f = *state;
	struct text t = { .db = f->db };
	struct bl_err err = { 0 };

	deliver(f, 1, "d1 15 begin b pick\nd1 30 end b pick\nd1 35 event b - status=done");
	/* One began nowhere: nothing is known of how long it took. */
	deliver(f, 2, "d1 10 begin a pick\nd1 20 end a pick\nd1 22 end a pack\nd1 25 begin a pick");
	deliver(f, 3, "d2 40 end a pick\nd2 50 event a - status=done");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		t.len = 0;
		say(&t, "%s", "");
		must(cases_ended_steps(
			 f->db, table[i].device, table[i].from, table[i].to, say_ended, &t, &err),
		    &err);
		assert_string_equal(t.p, table[i].steps);
		t.len = 0;
		say(&t, "%s", "");
		must(cases_ended(
			 f->db, table[i].device, table[i].from, table[i].to, say_ended, &t, &err),
		    &err);
		assert_string_equal(t.p, table[i].cases);
	}
	free(t.p);
}

static void
attributes_are_values(void **state)
{
	static const struct {
		int64_t at;
		const char *name;
		enum bl_value_type type;
		double number;
		const char *text;
	} table[] = {
		{ 9, "status", BL_VALUE_NULL, 0, NULL }, { 10, "status", BL_VALUE_TEXT, 0, "new" },
		{ 10, "amount", BL_VALUE_NULL, 0, NULL },
		{ 20, "amount", BL_VALUE_NUMBER, 1200.25, NULL },
		{ 29, "vip", BL_VALUE_BOOL, 1, NULL }, { 30, "vip", BL_VALUE_NULL, 0, NULL },
		{ 30, "status", BL_VALUE_TEXT, 0, "paid" },
		{ INT64_MAX, "case", BL_VALUE_NULL, 0, NULL }, /* a name, no attribute */
	};
	struct fixture *f = *state;
	struct cases_attrs *a;
	struct bl_err err = { 0 };

	deliver(f, 1,
	    "d1 10 event 7 - status=new\nd1 20 event 7 - amount=1200.25 vip=true\n"
	    "d1 30 event 7 - status=paid vip=null");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bl_value v;

		must(cases_attrs_at(&a, f->db, only_no(f), table[i].at, &err), &err);
		cases_attr(a, table[i].name, &v);
		assert_int_equal(v.type, table[i].type);
		if (v.type == BL_VALUE_NUMBER)
			assert_true(v.number == table[i].number);
		if (v.type == BL_VALUE_BOOL)
			assert_true(v.boolean == (table[i].number != 0));
		if (v.type == BL_VALUE_TEXT) {
			assert_int_equal(v.text_len, strlen(table[i].text));
			assert_memory_equal(v.text, table[i].text, v.text_len);
		}
		cases_attrs_free(a);
	}
	assert_int_equal(cases_attrs_at(&a, f->db, 99, 0, &err), BL_ENOTFOUND);
	assert_null(a);
	assert_int_equal(cases_attrs_parse(&a, "[1]", &err), BL_ECORRUPT);
	assert_int_equal(cases_attrs_parse(&a, "{", &err), BL_ECORRUPT);
	must(cases_attrs_parse(&a, "{\"n\":3}", &err), &err);
	cases_attrs_free(a);
}

/* ---- a process is defined anew ---- */

static void
a_new_definition_works_its_cases_out_again(void **state)
{
	struct fixture *f = *state;
	struct cases_changes l = { 0 };
	struct bl_err err = { 0 };
	struct text t;
	int64_t after = 0;
	int n, total = 0;

	deliver(f, 1, "d1 10 end a pack process=order\nd1 20 end b pack process=order");
	deliver(f, 2, "d1 30 end c pack process=order\nd1 40 end d pack");
	t = all(f, false);
	assert_non_null(strstr(t.p, "north/order/b 20.. "));
	free(t.p);
	f->process[0].head.until_unix_ms = 15;
	f->process[1].head.from_unix_ms = 15;
	run(f, "BEGIN IMMEDIATE");
	while ((n = cases_redo(f->db, &f->set, "order", 15, after, 1, &after, &l, &err)) > 0)
		total += n;
	must(n, &err);
	run(f, "COMMIT");
	assert_int_equal(total, 2);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.c[0].end_unix_ms, 20);
	assert_int_equal(l.c[1].touched_begin_unix_ms, 30);
	cases_changes_free(&l);
	assert_cases(f, "north/default/d 40.. [] 1 {}\n"
			"  pack d1 ..40 {}\n"
			"north/order/a 10.. [] 1 {}\n"
			"  pack d1 ..10 {}\n"
			"north/order/b 20..20 [] 1 {}\n"
			"  pack d1 ..20 {}\n"
			"north/order/c 30..30 [] 1 {}\n"
			"  pack d1 ..30 {}\n");
}

static void
what_is_rolled_back_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct cases_changes l = { 0 };

	deliver(f, 1, "d1 10 begin 7 pick");
	run(f, "BEGIN IMMEDIATE");
	take_line(f, &l, "d1 20 end 7 pick", 16, 2, 0);
	settle(f, &l);
	run(f, "ROLLBACK");
	cases_changes_free(&l);
	assert_cases(f, "north/default/7 10.. [] 1 {}\n"
			"  pick d1 10.. {}\n");
	deliver(f, 2, "d1 20 end 7 pick");
	assert_cases(f, "north/default/7 10.. [] 2 {}\n"
			"  pick d1 10..20 {}\n");
}

/* Any allocation may fail: the transaction fails with it, says so, and can be repeated. */
static void
memory_that_ends_leaves_nothing(void **state)
{
	static const char *const line[] = { "d1 10 begin 7 pick a=1", "d2 20 event 7 - b=x",
		"d1 30 end 7 pick", "d1 40 begin 8 pick", "d1 50 event 7 - status=done" };
	enum { LINES = sizeof(line) / sizeof(line[0]) };
	struct fixture *f = *state;
	struct bl_err err = { 0 };
	struct cases_attrs *a;
	unsigned n = 0;
	int rc = -1;

	deliver(f, 1, "d2 5 begin 7 pick");
	while (rc < 0) {
		struct cases_changes l = { 0 };

		run(f, "BEGIN IMMEDIATE");
		err = (struct bl_err){ 0 };
		nomem_arm(++n);
		rc = BL_OK;
		for (uint32_t i = 0; i < LINES && rc >= 0; i++)
			rc = try_line(f, &l, line[i], strlen(line[i]), 2, i, &err);
		if (rc >= 0)
			rc = cases_settle(f->db, &f->set, &l, &err);
		assert_int_equal(nomem_disarm(), rc < 0);
		cases_changes_free(&l);
		run(f, rc < 0 ? "ROLLBACK" : "COMMIT");
		if (rc < 0) {
			assert_int_equal(rc, BL_ENOMEM);
			assert_int_equal(err.code, BL_ENOMEM);
			assert_cases(f, "north/default/7 5.. [] 1 {}\n"
					"  pick d2 5.. {}\n");
		}
	}
	assert_true(n > 20);
	assert_cases(f, "north/default/7 5..50 [done] 5 {\"a\":1,\"b\":\"x\",\"status\":\"done\"}\n"
			"  pick d2 5.. {\"a\":1,\"b\":\"x\",\"status\":\"done\"}\n"
			"  pick d1 10..30 {\"a\":1,\"b\":\"x\"}\n"
			"north/default/8 40.. [] 1 {}\n"
			"  pick d1 40.. {}\n");
	nomem_arm(1);
	assert_int_equal(cases_attrs_at(&a, f->db, only_no(f), 100, &err), BL_ENOMEM);
	assert_null(a);
	assert_true(nomem_disarm());
}

/* ---- how fast ---- */

/* Orders of ten events each, as a busy centre gets them: 500 events a transaction. */
static void
ten_thousand_events_a_second(void **state)
{
	enum { EVENTS = 20000 };
	struct fixture *f = *state;
	struct timespec a, b;
	double s;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a), 0);
	for (int i = 0; i < EVENTS; i += 500) {
		struct cases_changes l = { 0 };

		run(f, "BEGIN IMMEDIATE");
		for (int k = i; k < i + 500; k++) {
			char line[96];

			(void)snprintf(line, sizeof(line), "d1 %d %s c%d s%d process=order a=%d",
			    1000 + k, k / 50 % 2 == 0 ? "begin" : "end", k / 500 * 50 + k % 50,
			    k % 500 / 100, k);
			take_line(f, &l, line, strlen(line), i + 1, (uint32_t)(k - i));
		}
		settle(f, &l);
		run(f, "COMMIT");
		cases_changes_free(&l);
	}
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b), 0);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	printf("cases: %.0f events a second\n", EVENTS / s);
	assert_int_equal(only_no(f), EVENTS / 10);
	assert_int_equal(f->n_changes, 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cases_are_what_their_events_say, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    other_events_are_left_alone_and_bad_ones_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_event_counts_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    another_store_changes_nothing_and_hides_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_event_that_is_placed_anew_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_event_follows_its_device_to_another_site, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_change_tells_the_windows_that_it_touches, setup, teardown),
		cmocka_unit_test_setup_teardown(order_and_grouping_do_not_show, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    of_too_many_events_the_first_by_time_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_long_value_is_cut_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_are_filtered_and_paged, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_ended_is_found_by_device_and_time, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_are_values, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_new_definition_works_its_cases_out_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_rolled_back_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_that_ends_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(ten_thousand_events_a_second, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
