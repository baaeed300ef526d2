/*
 * What keeps rules from judging a case: devices whose events are not here up to the deadline.
 *
 * A case that looks open may have ended at any device of its site; so a rule waits until the events
 * of all of them are covered beyond the deadline (collector/src/rule).  A device with a link says
 * so once a minute when nothing happens, so that long passes at most; one that is away may take
 * days.
 *
 * Each device is looked at once, whatever number of rules wait: first those that are surely behind,
 * as their newest batch tells, then the others for holes, for LOOK_MS in all.  Where that is not
 * enough, or more devices are missing than are named, the answer says that there are more.
 */
#include "api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/rule.h"
#include "branchline/window.h"
#include "control_sql.h"
#include "store_log.h"
#include "store_metric.h"

#define RULES_MAX   20u
#define DEVICES_MAX 20u /* of each */
#define NAMED_MAX   (RULES_MAX * DEVICES_MAX)
#define LOOK_MS     500
#define SPANS_MAX   20000u

struct rule_wait {
	char rule[BL_ID_TEXT_MAX + 1];
	int64_t deadline;
	unsigned found; /* devices, of those that were looked at */
};

/* A device that some rule waits for. */
struct waiting {
	char id[BL_ID_TEXT_MAX + 1];
	char name[FLEET_NAME_MAX + 1];
	int64_t since, known; /* known until; NONE: nothing is since the case began */
};

struct waits {
	struct api_req *r;
	struct store_read *reader;
	int64_t begin, until_mono_ms;
	struct rule_wait rule[RULES_MAX]; /* by deadline */
	size_t n_rules;
	struct waiting *device;
	size_t n_devices;
	bool behind;  /* devices are looked at that are behind all deadlines; else the others */
	bool stopped; /* there are devices that were not looked at */
	int rc;
	struct bl_err *err;
};

struct reading {
	struct bl_spans *spans;
	int rc;
};

static void
add_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	struct reading *g = ctx;

	if (!gone && g->rc == BL_OK)
		g->rc = bl_spans_add(g->spans, begin, end);
}

/* The first instant from `from` on that is not known, at most `to`. */
static int
first_hole(struct waits *s, const char *device, int64_t from, int64_t to, int64_t *out)
{
	struct bl_spans spans;
	struct reading g = { .spans = &spans };
	int rc;

	bl_spans_init(&spans, SPANS_MAX);
	rc =
	    store_log_coverage(s->reader, device, BL_STREAM_EVENTS, from, to, add_span, &g, s->err);
	*out = bl_spans_first_hole(&spans, from, to);
	bl_spans_free(&spans);
	if (rc == BL_ENOTFOUND) /* it has never said anything */
		return BL_OK;
	if (rc >= 0 && g.rc == BL_ENOMEM)
		rc = bl_fail(s->err, BL_ENOMEM, "coverage of %s: out of memory", device);
	return rc;
}

static bool
waits_for(const struct rule_wait *w, int64_t since, int64_t hole)
{
	return since <= w->deadline && hole <= w->deadline;
}

/* Counts it where it is waited for; true: one of the rules has room to name it. */
static bool
count(struct waits *s, int64_t since, int64_t hole)
{
	bool named = false;

	for (size_t i = 0; i < s->n_rules; i++)
		if (waits_for(&s->rule[i], since, hole))
			named = ++s->rule[i].found <= DEVICES_MAX || named;
	return named;
}

static bool
all_are_full(const struct waits *s)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rule[i].found <= DEVICES_MAX)
			return false;
	return true;
}

/* Its newest batch of events ends before any of the deadlines, whatever lies before. */
static int
is_behind(struct waits *s, const char *device, bool *out)
{
	int64_t from, to;
	const int rc = store_read_extent(s->reader, device, BL_STREAM_EVENTS, &from, &to, s->err);

	*out = rc == BL_ENOTFOUND || to <= s->rule[0].deadline + 1; /* rounded up by one */
	return rc == BL_ENOTFOUND ? BL_OK : rc;
}

static bool
look_at(const struct fleet_device *d, void *ctx)
{
	struct waits *s = ctx;
	const int64_t last = s->rule[s->n_rules - 1].deadline;
	const int64_t from = d->since_unix_ms > s->begin ? d->since_unix_ms : s->begin;
	bool behind;
	int64_t hole;

	if (d->since_unix_ms > last)
		return true;
	if ((s->rc = is_behind(s, d->id, &behind)) < 0)
		return false;
	if (behind != s->behind)
		return true;
	if (bl_mono_ms(s->r->api->opts.clock) >= s->until_mono_ms) {
		s->stopped = true;
		return false;
	}
	if ((s->rc = first_hole(s, d->id, from, last + 1, &hole)) < 0)
		return false;
	if (count(s, d->since_unix_ms, hole) && s->n_devices < NAMED_MAX) {
		struct waiting *w = &s->device[s->n_devices++];

		memcpy(w->id, d->id, sizeof(w->id));
		memcpy(w->name, d->name, sizeof(w->name));
		w->since = d->since_unix_ms;
		w->known = hole > from ? hole : STORE_TIME_NONE;
	}
	return !all_are_full(s);
}

static void
write_rule(struct waits *s, const struct rule_wait *rule)
{
	struct jsonw *w = &s->r->w;
	unsigned written = 0;

	jsonw_object(w, NULL);
	jsonw_str(w, "rule", rule->rule);
	jsonw_int(w, "deadline_unix_ms", rule->deadline);
	jsonw_array(w, "devices");
	for (size_t i = 0; i < s->n_devices && written < DEVICES_MAX; i++) {
		const struct waiting *d = &s->device[i];

		/* Nothing is known: NONE lies before every deadline. */
		if (!waits_for(rule, d->since, d->known))
			continue;
		jsonw_object(w, NULL);
		jsonw_str(w, "device", d->id);
		jsonw_str(w, "name", d->name);
		jsonw_int_or_null(w, "known_until_unix_ms", d->known != STORE_TIME_NONE, d->known);
		jsonw_object_end(w);
		written++;
	}
	jsonw_array_end(w);
	jsonw_bool(w, "more", s->stopped || rule->found > written);
	jsonw_object_end(w);
}

/* By each rule's own row: at a site with many open cases those of this one would be far between. */
static int
find_rules(struct waits *s, int64_t no, const char *site)
{
	sqlite3_stmt *st;
	int rc = control_sql_prepare(&st, s->r->db, s->err,
	    "SELECT c.rule, c.deadline_unix_ms FROM definition AS d CROSS JOIN rule_case AS c"
	    " ON c.rule = d.id AND c.case_no = ? WHERE d.kind = 'rule' AND c.site = ?"
	    " AND c.ended = 0 AND c.outcome = ? ORDER BY c.deadline_unix_ms, c.rule LIMIT ?",
	    "itii", no, site, (int64_t)BL_OUTCOME_UNKNOWN, (int64_t)RULES_MAX);

	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, s->err)) == 1) {
		struct rule_wait *w = &s->rule[s->n_rules++];

		control_sql_text(st, 0, w->rule, sizeof(w->rule));
		w->deadline = sqlite3_column_int64(st, 1);
	}
	(void)sqlite3_finalize(st); /* its code is in rc */
	return rc;
}

static int
find_devices(struct waits *s, const char *site)
{
	const struct fleet_filter at_site = { .site = site };
	int rc;

	if (s->n_rules == 0)
		return BL_OK;
	if ((s->device = malloc(NAMED_MAX * sizeof(*s->device))) == NULL)
		return bl_fail(s->err, BL_ENOMEM, "devices of a case: out of memory");
	if ((rc = api_reader_take(s->r->api, &s->reader, s->err)) < 0)
		return rc;
	s->until_mono_ms = bl_mono_ms(s->r->api->opts.clock) + LOOK_MS;
	s->behind = true;
	rc = fleet_device_each(s->r->db, &at_site, look_at, s, s->err);
	s->behind = false;
	if (rc >= 0 && s->rc >= 0 && !all_are_full(s) && !s->stopped)
		rc = fleet_device_each(s->r->db, &at_site, look_at, s, s->err);
	api_reader_give(s->r->api, s->reader);
	return rc < 0 ? rc : s->rc;
}

int
api_write_waits(
    struct api_req *r, int64_t no, const char *site, int64_t begin_unix_ms, struct bl_err *err)
{
	struct waits s = { .r = r, .begin = begin_unix_ms, .err = err };
	int rc;

	if ((rc = find_rules(&s, no, site)) < 0 || (rc = find_devices(&s, site)) < 0)
		goto done;
	jsonw_array(&r->w, "waits");
	for (size_t i = 0; i < s.n_rules; i++)
		write_rule(&s, &s.rule[i]);
	jsonw_array_end(&r->w);
done:
	free(s.device);
	return rc < 0 ? rc : BL_OK;
}
