/*
 * A page as it comes, and what the pages before it said.
 *
 * An exporter's page is the same from one time to the next but for its values, so
 * each series remembers the line that it stood in, up to the value, and the series of
 * the line that followed: where a page repeats itself, a line costs one comparison and
 * the reading of its number.  Any other line (new, moved, excluded, refused) is taken
 * apart, and the intake says which series it means.  Values wait until the page has
 * proved whole.
 */
#include "scrape_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* A series; its place is its slot. */
struct line {
	char *key; /* the line up to its value; owned; NULL: not remembered */
	uint32_t len;
	uint32_t next;   /* the series of the line that followed, a guess that is checked */
	uint32_t seen;   /* the last page that had it */
	uint8_t type;    /* enum scrape_type that was said before it */
	uint8_t unknown; /* enum bl_unknown of its newest value */
	bool live;       /* it is told of on each page: it was on one not long ago */
	double value;
	int64_t gone_mono_ms; /* since when pages lack it; 0: they do not */
};

struct scrape_page {
	struct intake *intake;
	const struct scrape_exporter_conf *conf;
	struct scrape_counts *counts;
	struct line *line;
	uint32_t n, first; /* places; the series of a page's first line, a guess */
	/* this page */
	struct scrape_family family;
	bool openmetrics, skipping;
	int64_t unix_ms;
	uint32_t number, last; /* of the page; the series before, or NONE */
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
	p->last = NONE;
	p->first = NONE;
	return BL_OK;
}

void
scrape_page_free(struct scrape_page *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->n; i++)
		free(p->line[i].key);
	free(p->line);
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
	struct line *l = &p->line[at];

	*(p->last != NONE ? &p->line[p->last].next : &p->first) = at;
	p->last = at;
	p->good++;
	if (l->seen == p->number) {
		p->counts->duplicates++;
		return;
	}
	l->seen = p->number;
	l->live = true;
	l->value = v->value;
	l->unknown = isfinite(v->value) ? BL_KNOWN : BL_UNKNOWN_UNSUPPORTED;
	if (v->timed &&
	    v->time * (p->openmetrics ? 1000 : 1) < (double)(p->unix_ms - SCRAPE_STALE_MS)) {
		l->unknown = BL_UNKNOWN_LATE;
		p->counts->late++;
	}
}

/* A place for the series of this slot; false: no memory. */
static bool
grow(struct scrape_page *p, uint32_t slot)
{
	const uint32_t n = (slot + 64) & ~63u;
	struct line *line;

	if (slot < p->n)
		return true;
	if ((line = realloc(p->line, n * sizeof(*line))) == NULL)
		return false;
	memset(line + p->n, 0, (n - p->n) * sizeof(*line));
	for (uint32_t i = p->n; i < n; i++)
		line[i].next = NONE;
	p->line = line;
	p->n = n;
	return true;
}

/* Without memory it is not remembered, and taken apart again the next time. */
static void
remember(const struct scrape_page *p, struct line *l, const char *key, size_t len)
{
	free(l->key);
	if ((l->key = malloc(len)) != NULL)
		memcpy(l->key, key, len);
	l->len = (uint32_t)len;
	l->type = (uint8_t)p->family.type;
}

/* A line that is not the one that was expected. */
static void
learn(struct scrape_page *p, const char *key, size_t len, const struct scrape_value *v)
{
	const int32_t slot = scrape_series(p->intake, p->conf, &p->family, key, len);

	if (slot == SCRAPE_MALFORMED) {
		bad_line(p);
		return;
	}
	if (slot < 0) {
		p->good++;
		return;
	}
	if (!grow(p, (uint32_t)slot)) {
		intake_refuse(p->intake, INTAKE_NO_MEMORY, (struct bl_str){ key, len });
		return;
	}
	if (p->line[slot].seen != p->number)
		remember(p, &p->line[slot], key, len);
	take(p, (uint32_t)slot, v);
}

/* The series whose line is expected here, when it is the one that is here; else NONE. */
static uint32_t
expected(const struct scrape_page *p, const char *text, size_t len)
{
	const uint32_t at = p->last != NONE ? p->line[p->last].next : p->first;
	const struct line *l;

	if (at == NONE)
		return NONE;
	l = &p->line[at];
	if (l->key == NULL || l->type != (uint8_t)p->family.type || l->len >= len ||
	    memcmp(l->key, text, l->len) != 0)
		return NONE;
	/* "load" does not begin the line of "load1". */
	return l->key[l->len - 1] == '}' || text[l->len] == ' ' || text[l->len] == '\t' ? at : NONE;
}

static void
sample_line(struct scrape_page *p, const char *text, size_t len)
{
	const uint32_t at = expected(p, text, len);
	size_t key = at != NONE ? p->line[at].len : 0;
	struct scrape_value v;

	if (at != NONE && scrape_line_value(text + key, len - key, &v)) {
		take(p, at, &v);
		return;
	}
	key = scrape_line_key(text, len);
	if (key == 0 || !scrape_line_value(text + key, len - key, &v))
		bad_line(p);
	else
		learn(p, text, key, &v);
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
	p->last = NONE;
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

static void
gone(struct scrape_page *p, uint32_t at, int64_t mono_ms)
{
	struct line *l = &p->line[at];

	if (l->gone_mono_ms == 0)
		l->gone_mono_ms = mono_ms;
	if (mono_ms - l->gone_mono_ms < SCRAPE_GONE_MS) {
		intake_unknown(p->intake, (int32_t)at, BL_UNKNOWN_UNREADABLE);
		return;
	}
	l->live = false;
	free(l->key);
	l->key = NULL;
}

uint32_t
scrape_page_put(struct scrape_page *p, int64_t mono_ms)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		struct line *l = &p->line[i];

		if (!l->live)
			continue;
		if (l->seen != p->number) {
			gone(p, i, mono_ms);
			continue;
		}
		l->gone_mono_ms = 0;
		n++;
		if (l->unknown == BL_KNOWN)
			intake_put(p->intake, (int32_t)i, l->value);
		else
			intake_unknown(p->intake, (int32_t)i, (enum bl_unknown)l->unknown);
	}
	p->counts->samples += n;
	return n;
}

void
scrape_page_unknown(struct scrape_page *p, enum bl_unknown reason)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->line[i].live)
			intake_unknown(p->intake, (int32_t)i, reason);
}
