#include "cases_kit.h"

void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

void
run(struct fixture *f, const char *sql)
{
	struct bl_err err = { 0 };

	must(control_sql_run(f->db, &err, sql, ""), &err);
}

void
load_roster(struct fixture *f)
{
	struct bl_err err = { 0 };

	roster_free(f->roster);
	must(roster_load(&f->roster, f->db, NULL, &err), &err);
}

void
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

void
make_process(struct define_process *p, const char *id, int64_t version, int64_t from, int64_t until)
{
	(void)snprintf(p->head.id, sizeof(p->head.id), "%s", id);
	p->head.version = version;
	p->head.from_unix_ms = from;
	p->head.until_unix_ms = until;
	p->head.enabled = true;
}

void
set_done(struct define_process *p, const char *text)
{
	const struct bl_expr_scope scope = { .open = true };
	struct bl_expr_error error;
	struct bl_err err = { 0 };

	must(bl_expr_compile(&p->done, text, strlen(text), &scope, BL_VALUE_BOOL, &error, &err),
	    &err);
}

void
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

int
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

int
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

struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

void
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

void
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

int
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

void
take_line(struct fixture *f, struct cases_changes *l, const char *text, size_t len, int64_t batch,
    uint32_t n)
{
	struct bl_err err = { 0 };

	must(try_line(f, l, text, len, batch, n, &err), &err);
}

void
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

void
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

void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...)
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

void
say_span(struct text *t, int64_t begin, int64_t end)
{
	if (begin != INT64_MIN)
		say(t, "%lld", (long long)begin);
	say(t, "..");
	if (end != CASES_OPEN)
		say(t, "%lld", (long long)end);
}

bool
say_step(void *ctx, const struct cases_step *s)
{
	say(ctx, "  %s %s ", s->step, s->device);
	say_span(ctx, s->begin_unix_ms, s->end_unix_ms);
	say(ctx, " %s\n", s->attrs);
	return true;
}

bool
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

bool
say_event(void *ctx, const struct cases_event_row *e)
{
	say(ctx, "  %lld %s %s %s %s\n", (long long)e->unix_ms, e->device, e->type, e->step,
	    e->attrs);
	return true;
}

struct text
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

void
assert_cases(struct fixture *f, const char *expected)
{
	struct text t = all(f, false);

	assert_string_equal(t.p, expected);
	free(t.p);
}

void
forget_all(struct fixture *f)
{
	run(f, "DELETE FROM case_step");
	run(f, "DELETE FROM case_event");
	run(f, "DELETE FROM case_head");
}

int64_t
only_no(struct fixture *f)
{
	struct bl_err err = { 0 };
	int64_t no;

	must(control_sql_int(f->db, &err, 0, &no, "SELECT max(id) FROM case_head", ""), &err);
	return no;
}
