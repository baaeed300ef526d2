#include "define_kit.h"

int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bl_err err = { 0 };

	if (f == NULL)
		return -1;
	*state = f;
	control_kit_open(&f->kit, "define", NOW);
	return control_reader_open(f->kit.c, &f->db, &err);
}

int
teardown(void **state)
{
	struct fixture *f = *state;

	control_reader_close(f->db);
	control_kit_close(&f->kit);
	free(f);
	return 0;
}

int64_t
count(struct fixture *f, const char *text)
{
	struct bl_err err = { 0 };
	int64_t n = -1;

	if (control_sql_int(f->db, &err, -1, &n, text, "") < 0)
		fail_msg("%s", err.msg);
	return n;
}

int
create(struct fixture *f, enum define_kind kind, const char *id, const char *body,
    struct define_errors *errs)
{
	const struct define_edit e = { .name = "Some name", .body = body };
	char out[BL_ID_TEXT_MAX + 1];
	struct bl_err err = { 0 };

	return define_create(f->kit.c, &actor, kind, id, &e, out, errs, &err);
}

void
must_create(struct fixture *f, enum define_kind kind, const char *id, const char *body)
{
	struct define_errors errs;
	const int rc = create(f, kind, id, body, &errs);

	if (rc != DEFINE_DONE)
		fail_msg("%s: %d: %s: expected %s, got %s", id, rc, errs.e[0].field,
		    errs.e[0].expected, errs.e[0].got);
}

int
change(struct fixture *f, enum define_kind kind, const char *id, int64_t version,
    const struct define_edit *e, struct define_errors *errs)
{
	struct bl_err err = { 0 };

	return define_change(f->kit.c, &actor, kind, id, version, e, errs, &err);
}

void
must_change(struct fixture *f, enum define_kind kind, const char *id, const struct define_edit *e)
{
	struct define_errors errs;
	const int rc = change(f, kind, id, 0, e, &errs);

	if (rc != DEFINE_DONE)
		fail_msg("%s: %d: %s: expected %s, got %s", id, rc, errs.e[0].field,
		    errs.e[0].expected, errs.e[0].got);
}

bool
copy_row(void *ctx, const struct define_row *row)
{
	struct copy *c = ctx;

	c->head = row->head;
	c->has_secret = row->has_secret;
	assert_true(snprintf(c->body, sizeof(c->body), "%s", row->body) < (int)sizeof(c->body));
	c->n++;
	return true;
}

struct copy
get(struct fixture *f, enum define_kind kind, const char *id, int64_t version)
{
	struct copy c = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(define_get(f->db, kind, id, version, copy_row, &c, &err), BL_OK);
	return c;
}

struct define_set *
load(struct fixture *f)
{
	struct define_set *s;
	struct bl_err err = { 0 };

	if (define_set_load(&s, f->db, &err) != BL_OK)
		fail_msg("%s", err.msg);
	return s;
}

void
fill(struct fixture *f)
{
	control_kit_sql(&f->kit,
	    "INSERT INTO site VALUES ('west', 'W', '', 'UTC', NULL, NULL, '{}', 1, 0, 1, 1)");
	must_create(f, DEFINE_KPI, "api-up",
	    "{\"source\":\"probe\",\"function\":\"mean\",\"resolution\":\"5m\"}");
	must_create(f, DEFINE_CHANNEL, "mail", "{\"kind\":\"email\",\"to\":[\"ops@example.com\"]}");
}
