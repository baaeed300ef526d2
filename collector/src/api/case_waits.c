/*
 * What keeps rules from judging a case: devices whose events are not here up to the deadline.
 *
 * A case that looks open may have ended at any device of its site; so a rule waits until the events
 * of all of them are covered beyond the deadline (collector/src/rule).  A device with a link says
 * so once a minute when nothing happens, so that long passes at most; one that is away may take
 * days.
 */
#include "api_internal.h"

#include <string.h>

#include "branchline/rule.h"
#include "branchline/window.h"
#include "control_sql.h"

#define RULES_MAX   20
#define DEVICES_MAX 20
#define LOOKED_MAX  200 /* devices of the site: each is a look at the store */
#define SPANS_MAX   20000u

struct waits {
	struct api_req *r;
	struct store_read *reader;
	int64_t begin, deadline;
	unsigned looked, written;
	int rc;
	struct bl_err *err;
};

struct reading {
	struct bl_spans *spans;
	int rc;
};

static bool
add_span(void *ctx, const struct store_coverage *c)
{
	struct reading *g = ctx;

	if (c->stream == BL_STREAM_EVENTS)
		g->rc = bl_spans_add(g->spans, c->from_unix_ms, c->to_unix_ms);
	return g->rc == BL_OK;
}

/* The first instant from `from` on that is not known, at most `to`. */
static int
first_hole(struct waits *s, const char *device, int64_t from, int64_t to, int64_t *out)
{
	struct bl_spans spans;
	struct reading g = { .spans = &spans };
	int rc;

	bl_spans_init(&spans, SPANS_MAX);
	rc = store_read_coverage(s->reader, device, from, to, add_span, &g, s->err);
	*out = bl_spans_first_hole(&spans, from, to);
	bl_spans_free(&spans);
	if (rc == BL_ENOTFOUND) /* it has never said anything */
		return BL_OK;
	if (rc >= 0 && g.rc == BL_ENOMEM)
		rc = bl_fail(s->err, BL_ENOMEM, "coverage of %s: out of memory", device);
	return rc;
}

static bool
write_device(const struct fleet_device *d, void *ctx)
{
	struct waits *s = ctx;
	struct jsonw *w = &s->r->w;
	const int64_t from = d->since_unix_ms > s->begin ? d->since_unix_ms : s->begin;
	int64_t hole;

	if (d->since_unix_ms > s->deadline)
		return true;
	if ((s->rc = first_hole(s, d->id, from, s->deadline + 1, &hole)) < 0)
		return false;
	if (hole <= s->deadline) {
		jsonw_object(w, NULL);
		jsonw_str(w, "device", d->id);
		jsonw_str(w, "name", d->name);
		jsonw_int_or_null(w, "known_until_unix_ms", hole > from, hole);
		jsonw_object_end(w);
		s->written++;
	}
	return ++s->looked < LOOKED_MAX && s->written < DEVICES_MAX;
}

static int
write_rule(struct waits *s, const char *rule, const char *site)
{
	const struct fleet_filter at_site = { .site = site };
	struct jsonw *w = &s->r->w;
	int rc;

	s->looked = s->written = 0;
	jsonw_object(w, NULL);
	jsonw_str(w, "rule", rule);
	jsonw_int(w, "deadline_unix_ms", s->deadline);
	jsonw_array(w, "devices");
	rc = fleet_device_each(s->r->db, &at_site, write_device, s, s->err);
	jsonw_array_end(w);
	jsonw_object_end(w);
	return rc < 0 ? rc : s->rc;
}

int
api_write_waits(
    struct api_req *r, int64_t no, const char *site, int64_t begin_unix_ms, struct bl_err *err)
{
	struct waits s = { .r = r, .begin = begin_unix_ms, .err = err };
	sqlite3_stmt *st;
	int rc;

	if ((rc = api_reader_take(r->api, &s.reader, err)) < 0)
		return rc;
	rc = control_sql_prepare(&st, r->db, err,
	    "SELECT rule, deadline_unix_ms FROM rule_case WHERE site = ? AND ended = 0"
	    " AND case_no = ? AND outcome = ? ORDER BY deadline_unix_ms, rule LIMIT ?",
	    "tiii", site, no, (int64_t)BL_OUTCOME_UNKNOWN, (int64_t)RULES_MAX);
	if (rc < 0)
		goto give;
	jsonw_array(&r->w, "waits");
	while ((rc = control_sql_step(st, err)) == 1) {
		s.deadline = sqlite3_column_int64(st, 1);
		if ((rc = write_rule(&s, (const char *)sqlite3_column_text(st, 0), site)) < 0)
			break;
	}
	jsonw_array_end(&r->w);
	(void)sqlite3_finalize(st); /* its code is in rc */
give:
	api_reader_give(r->api, s.reader);
	return rc < 0 ? rc : BL_OK;
}
