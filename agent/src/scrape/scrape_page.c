/*
 * A page as it comes, and what the pages before it said.
 *
 * An exporter's page is the same from one time to the next but for its values, so
 * each line's name and labels are remembered with the series that they mean, and
 * with the line that followed: where a page repeats itself, a line costs one
 * comparison and the reading of its number.  What came before its turn is found
 * by hash.  Values wait until the page has proved whole.
 *
 * Remembered are lines with a series, of which the intake allows so many, and
 * SCRAPE_IDLE_MAX others (excluded, refused), which are forgotten as soon as a page
 * lacks them.
 */
#include "scrape_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scrape_page {
	struct intake *intake;
	const struct scrape_exporter_conf *conf;
	struct scrape_counts *counts;
	struct scrape_lines known;
	/* this page */
	struct scrape_family family;
	bool openmetrics, skipping;
	int64_t unix_ms;
	uint32_t number, last; /* of the page; the line before, or SCRAPE_NONE */
	uint32_t lines, bad, good;
	uint32_t part_len;
	char part[SCRAPE_LINE_MAX]; /* the beginning of a line whose end has not come */
};

int
scrape_page_create(struct scrape_page **out, struct intake *intake,
    const struct scrape_exporter_conf *conf, struct scrape_counts *counts, struct bl_err *err)
{
	struct scrape_page *p = calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL)
		return bl_fail(err, BL_ENOMEM, "exporter %s: out of memory", conf->name);
	p->intake = intake;
	p->conf = conf;
	p->counts = counts;
	p->last = SCRAPE_NONE;
	scrape_lines_init(&p->known);
	return BL_OK;
}

void
scrape_page_free(struct scrape_page *p)
{
	if (p == NULL)
		return;
	scrape_lines_release(&p->known);
	free(p);
}

/* ---- lines of this page ---- */

static void
bad_line(struct scrape_page *p)
{
	p->counts->bad_lines++;
	if (p->bad == 0)
		p->bad = p->lines;
}

static void
take(struct scrape_page *p, uint32_t at, const struct scrape_value *v)
{
	struct scrape_line *l = &p->known.line[at];
	const bool again = l->seen == p->number || l->slot == SCRAPE_DUPLICATE;

	if (p->last != SCRAPE_NONE)
		p->known.line[p->last].next = at;
	p->last = at;
	p->good++;
	l->seen = p->number;
	p->counts->duplicates += again ? 1 : 0;
	if (again || l->slot < 0)
		return;
	l->value = v->value;
	l->unknown = isfinite(v->value) ? BL_KNOWN : BL_UNKNOWN_UNSUPPORTED;
	if (v->timed &&
	    v->time * (p->openmetrics ? 1000 : 1) < (double)(p->unix_ms - SCRAPE_STALE_MS)) {
		l->unknown = BL_UNKNOWN_LATE;
		p->counts->late++;
	}
}

/* Whether it is remembered; a line with a series always is. */
static bool
worth(const struct scrape_page *p, int32_t slot, size_t len)
{
	return slot >= 0 || (slot != -1 - (int32_t)INTAKE_NO_MEMORY && len <= SCRAPE_IDLE_KEY_MAX &&
				p->known.idle < SCRAPE_IDLE_MAX);
}

/* A line that is not known yet, or before which the comments say something else. */
static void
learn(struct scrape_page *p, uint32_t at, const char *key, size_t len, uint32_t hash,
    const struct scrape_value *v)
{
	const int32_t slot = scrape_series(p->intake, p->conf, &p->family, key, len);

	if (slot == SCRAPE_MALFORMED) {
		bad_line(p);
		return;
	}
	if (at == SCRAPE_NONE && !worth(p, slot, len)) {
		p->good++; /* it is asked again on the next page */
		return;
	}
	if ((at == SCRAPE_NONE &&
		(at = scrape_lines_add(&p->known, key, len, hash)) == SCRAPE_NONE) ||
	    !scrape_lines_give(&p->known, at, slot, p->number)) {
		intake_refuse(p->intake, INTAKE_NO_MEMORY, 1);
		return;
	}
	p->known.line[at].type = (uint8_t)p->family.type;
	take(p, at, v);
}

/* The line that is expected here, or SCRAPE_NONE. */
static uint32_t
expected(const struct scrape_page *p, const char *text, size_t len)
{
	const uint32_t at = p->last != SCRAPE_NONE ? p->known.line[p->last].next : 0;
	const struct scrape_line *l;

	if (at >= p->known.n)
		return SCRAPE_NONE;
	l = &p->known.line[at];
	if (l->key == NULL || l->len >= len || memcmp(l->key, text, l->len) != 0)
		return SCRAPE_NONE;
	/* "load" does not begin the line of "load1". */
	return l->key[l->len - 1] == '}' || text[l->len] == ' ' || text[l->len] == '\t'
		   ? at
		   : SCRAPE_NONE;
}

/* What was learned of it; whose the series is of a duplicate may have changed. */
static bool
still_holds(const struct scrape_page *p, const struct scrape_line *l)
{
	return l->slot != SCRAPE_DUPLICATE && l->type == (uint8_t)p->family.type;
}

static void
sample_line(struct scrape_page *p, const char *text, size_t len)
{
	uint32_t at = expected(p, text, len), hash = 0;
	struct scrape_value v;
	const struct scrape_line *l;
	size_t key = at != SCRAPE_NONE ? p->known.line[at].len : 0;

	if (at == SCRAPE_NONE || !scrape_line_value(text + key, len - key, &v)) {
		if ((key = scrape_line_key(text, len)) == 0 ||
		    !scrape_line_value(text + key, len - key, &v)) {
			bad_line(p);
			return;
		}
		hash = scrape_lines_hash(text, key);
		at = scrape_lines_find(&p->known, text, key, hash);
	}
	l = at != SCRAPE_NONE ? &p->known.line[at] : NULL;
	if (l == NULL || (l->seen != p->number && !still_holds(p, l))) {
		learn(p, at, text, key, hash, &v);
		return;
	}
	/* It is refused each time that it comes, so it is counted each time. */
	if (l->slot < 0 && l->slot > SCRAPE_EXCLUDED)
		intake_refuse(p->intake, (enum intake_reason)(-1 - l->slot), 1);
	take(p, at, &v);
}

static void
whole_line(struct scrape_page *p, const char *text, size_t len)
{
	p->lines++;
	while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	while (len > 0 && (text[0] == ' ' || text[0] == '\t')) {
		text++;
		len--;
	}
	if (len == 0)
		return;
	if (*text == '#')
		scrape_comment(&p->family, text, len);
	else if (p->family.ended || len > SCRAPE_LINE_MAX)
		bad_line(p);
	else
		sample_line(p, text, len);
}

/* ---- the page ---- */

void
scrape_page_begin(struct scrape_page *p, bool openmetrics, int64_t unix_ms)
{
	p->family = (struct scrape_family){ .type = SCRAPE_UNTYPED };
	p->openmetrics = openmetrics;
	p->unix_ms = unix_ms;
	p->skipping = false;
	p->number++;
	p->last = SCRAPE_NONE;
	p->lines = p->bad = p->good = 0;
	p->part_len = 0;
}

/* The rest of a line of which a part is here, or a part. */
static void
keep(struct scrape_page *p, const char *data, size_t len, bool ends)
{
	const size_t room = sizeof(p->part) - p->part_len, n = len < room ? len : room;

	memcpy(p->part + p->part_len, data, n);
	p->part_len += (uint32_t)n;
	p->skipping = p->skipping || n < len;
	if (!ends)
		return;
	if (p->skipping) {
		p->lines++;
		if (p->part[0] != '#')
			bad_line(p);
	} else {
		whole_line(p, p->part, p->part_len);
	}
	p->skipping = false;
	p->part_len = 0;
}

void
scrape_page_feed(struct scrape_page *p, const char *data, size_t len)
{
	while (len > 0) {
		const char *nl = memchr(data, '\n', len);
		const size_t n = nl != NULL ? (size_t)(nl - data) : len;

		if (nl == NULL || p->part_len > 0 || p->skipping)
			keep(p, data, n, nl != NULL);
		else
			whole_line(p, data, n);
		data += n + (nl != NULL ? 1 : 0);
		len -= n + (nl != NULL ? 1 : 0);
	}
}

const char *
scrape_page_end(struct scrape_page *p, bool framed, uint32_t *bad)
{
	if (p->part_len > 0 || p->skipping) {
		if (framed) {
			keep(p, "", 0, true);
		} else {
			p->lines++;
			bad_line(p);
		}
	}
	*bad = p->bad;
	if (p->openmetrics && !p->family.ended)
		return "it ends before its end: \"# EOF\" is missing";
	if (p->good == 0 && p->bad > 0)
		return "what it answers holds no metrics";
	return NULL;
}

/* ---- what becomes of it ---- */

/* False: it has been gone for long enough. */
static bool
gone(struct scrape_page *p, struct scrape_line *l, int64_t mono_ms)
{
	if (l->slot < 0)
		return false;
	if (l->gone_mono_ms == 0)
		l->gone_mono_ms = mono_ms;
	if (mono_ms - l->gone_mono_ms >= SCRAPE_GONE_MS)
		return false;
	intake_unknown(p->intake, l->slot, BL_UNKNOWN_UNREADABLE);
	return true;
}

uint32_t
scrape_page_put(struct scrape_page *p, int64_t mono_ms)
{
	uint32_t n = 0;
	bool forgotten = false;

	for (uint32_t i = 0; i < p->known.n; i++) {
		struct scrape_line *l = &p->known.line[i];

		if (l->key == NULL)
			continue;
		if (l->seen != p->number) {
			if (!gone(p, l, mono_ms)) {
				scrape_lines_forget(&p->known, i);
				forgotten = true;
			}
			continue;
		}
		l->gone_mono_ms = 0;
		if (l->slot < 0)
			continue;
		n++;
		if (l->unknown == BL_KNOWN)
			intake_put(p->intake, l->slot, l->value);
		else
			intake_unknown(p->intake, l->slot, (enum bl_unknown)l->unknown);
	}
	p->counts->samples += n;
	p->last = SCRAPE_NONE;
	if (forgotten)
		scrape_lines_order(&p->known);
	return n;
}

void
scrape_page_unknown(struct scrape_page *p, enum bl_unknown reason)
{
	for (uint32_t i = 0; i < p->known.n; i++)
		if (p->known.line[i].key != NULL && p->known.line[i].slot >= 0)
			intake_unknown(p->intake, p->known.line[i].slot, reason);
}
