/*
 * What of a site's events is there: up to where no device that could have ended
 * a case can still surprise us.
 *
 * Kept for one call over many cases of one site; coverage of a device is read
 * only when its newest batch reaches far enough to matter.
 */
#include "rule_internal.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/window.h"

#define SPANS_MAX    20000u     /* of one device; what is beyond counts as a hole */
#define SERVICES_MAX 10000u     /* of one site */
#define AHEAD_MS     86400000LL /* of our clock: events from devices whose clocks run fast */

struct device {
	const struct roster_service *s;
	bool asked;
	int64_t until; /* end of the newest batch of events; INT64_MIN: none */
	bool read;
	int64_t read_from;
	struct bl_spans spans;
};

struct rule_cover {
	const struct rule_env *e;
	struct store_read *telemetry;
	char site[BL_ID_TEXT_MAX + 1];
	struct device *d;
	size_t n, size;
	int rc;
};

static bool
add_service(const struct roster_service *s, void *ctx)
{
	struct rule_cover *c = ctx;

	if (c->n == c->size) {
		const size_t size = c->size == 0 ? 8 : 2 * c->size;
		struct device *more = realloc(c->d, size * sizeof(*more));

		if (more == NULL || size > SERVICES_MAX) {
			c->d = more == NULL ? c->d : more;
			c->rc = more == NULL ? BL_ENOMEM : BL_EFULL;
			return false;
		}
		c->d = more;
		c->size = size;
	}
	c->d[c->n] = (struct device){ .s = s };
	bl_spans_init(&c->d[c->n++].spans, SPANS_MAX);
	return true;
}

int
rule_cover_open(struct rule_cover **out, const struct rule_env *e, const char *site,
    struct store_read *telemetry, struct bl_err *err)
{
	struct rule_cover *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (c == NULL)
		return bl_fail(err, BL_ENOMEM, "coverage of site %s: out of memory", site);
	c->e = e;
	c->telemetry = telemetry;
	memcpy(c->site, site, strlen(site) + 1);
	roster_in_service(e->roster, site, INT64_MIN, INT64_MAX, add_service, c);
	if (c->rc < 0) {
		const int rc = bl_fail(err, c->rc, "coverage of site %s: too many devices", site);

		rule_cover_free(c);
		return rc;
	}
	*out = c;
	return BL_OK;
}

void
rule_cover_free(struct rule_cover *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		bl_spans_free(&c->d[i].spans);
	free(c->d);
	free(c);
}

bool
rule_cover_is_of(const struct rule_cover *c, const char *site)
{
	return c != NULL && strcmp(c->site, site) == 0;
}

static int
ask_until(struct rule_cover *c, struct device *d, struct bl_err *err)
{
	struct store_device known;
	int rc;

	if (d->asked)
		return BL_OK;
	d->until = INT64_MIN;
	rc = store_read_device(c->telemetry, d->s->device, &known, err);
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	d->asked = true;
	if (rc >= 0)
		d->until = known.stream_until_unix_ms[BL_STREAM_EVENTS - 1];
	return BL_OK;
}

struct reading {
	struct bl_spans *spans;
	int rc;
};

static void
add_span(void *ctx, bool gone, int64_t begin, int64_t end)
{
	struct reading *r = ctx;

	/* Over the cap the rest stays a hole: then nothing is said that is not known. */
	if (!gone && r->rc >= 0)
		r->rc = bl_spans_add(r->spans, begin, end);
}

static int
read_spans(struct rule_cover *c, struct device *d, int64_t from, struct bl_err *err)
{
	struct reading r = { .spans = &d->spans };
	int rc;

	if (d->read && d->read_from <= from)
		return BL_OK;
	bl_spans_free(&d->spans);
	bl_spans_init(&d->spans, SPANS_MAX);
	rc = store_log_coverage(c->telemetry, d->s->device, BL_STREAM_EVENTS, from,
	    rule_add(c->e->now_unix_ms, AHEAD_MS), add_span, &r, err);
	if (rc < 0)
		return rc;
	if (r.rc < 0 && r.rc != BL_EFULL)
		return bl_fail(err, r.rc, "coverage of %s: out of memory", d->s->device);
	d->read = true;
	d->read_from = from;
	return BL_OK;
}

/* The first instant from `begin` on that one service leaves open; INT64_MAX: none. */
static int
first_hole(struct rule_cover *c, struct device *d, int64_t begin, int64_t need, int64_t *out,
    struct bl_err *err)
{
	const int64_t from = d->s->from_unix_ms > begin ? d->s->from_unix_ms : begin;
	const int64_t to = d->s->to_unix_ms;
	int rc;

	if ((rc = ask_until(c, d, err)) < 0)
		return rc;
	*out = d->until > from ? d->until : from;
	if (*out <= need && *out < to) /* not far enough, whatever lies before */
		return BL_OK;
	if ((rc = read_spans(c, d, from, err)) < 0)
		return rc;
	*out = bl_spans_first_hole(&d->spans, from, to);
	if (*out >= to)
		*out = INT64_MAX;
	return BL_OK;
}

int
rule_cover_until(
    struct rule_cover *c, int64_t begin, int64_t need, int64_t *out, struct bl_err *err)
{
	bool any = false;
	int rc;

	*out = INT64_MAX;
	for (size_t i = 0; i < c->n; i++) {
		struct device *d = &c->d[i];
		int64_t hole;

		if (d->s->to_unix_ms <= begin || d->s->from_unix_ms >= d->s->to_unix_ms)
			continue;
		any = any || d->s->from_unix_ms <= need;
		if ((rc = first_hole(c, d, begin, need, &hole, err)) < 0)
			return rc;
		*out = hole < *out ? hole : *out;
		if (*out <= need)
			break;
	}
	if (!any && *out > need)
		*out = INT64_MIN;
	return BL_OK;
}
