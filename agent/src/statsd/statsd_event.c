/*
 * DogStatsD's events and service checks.
 *
 *	_e{TITLE BYTES,TEXT BYTES}:TITLE|TEXT[|d:UNIX
 *S][|h:HOST][|p:PRIORITY][|t:KIND][|k:KEY][|s:SOURCE][|#TAGS] _sc|NAME|0..3[|d:UNIX
 *S][|h:HOST][|#TAGS][|m:MESSAGE]
 *
 * An event is a report of type statsd.event.  A check is the gauge NAME_status, and where
 * its state changes a report of type statsd.check.  A report that finds no room waits, 32 KiB of
 * them; a sender gets no answer in any case.
 */
#include <stdio.h>
#include <string.h>

#include "statsd_internal.h"

#define EVENT_TYPE "statsd.event"
#define CHECK_TYPE "statsd.check"
#define UNIX_S_MAX 253402300799.0 /* the year 9999 */

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* A report under way: its texts lie in the inlet's scratch where they are not those of the line. */
struct saying {
	struct statsd *s;
	struct inlet_report r;
	size_t used; /* of s->text */
	bool bad;    /* something is no text, or too long for what cannot be cut */
};

/* A value of at most BL_ATTR_VALUE_MAX bytes, cut between characters; "\n" is a new line. */
static struct bl_str
text_of(struct saying *y, struct bl_str raw)
{
	char *out = y->s->text + y->used;
	size_t n = 0;

	if (!bl_wire_utf8(raw.p, raw.len) || sizeof(y->s->text) - y->used < raw.len) {
		y->bad = true;
		return (struct bl_str){ "", 0 };
	}
	for (size_t i = 0; i < raw.len && n < BL_ATTR_VALUE_MAX; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.len && raw.p[i + 1] == 'n') {
			out[n++] = '\n';
			i++;
		} else {
			out[n++] = raw.p[i];
		}
	}
	if (n == BL_ATTR_VALUE_MAX)
		while (n > 0 && !bl_wire_utf8(out, n))
			n--;
	y->used += n;
	return (struct bl_str){ out, n };
}

static bool
has_attr(const struct bl_event *ev, struct bl_str key)
{
	for (uint32_t i = 0; i < ev->n_attrs; i++)
		if (ev->attr[i].key.len == key.len &&
		    memcmp(ev->attr[i].key.p, key.p, key.len) == 0)
			return true;
	return false;
}

static void
add_text(struct saying *y, struct bl_str key, struct bl_str value)
{
	struct bl_event *ev = &y->r.ev;

	if (ev->n_attrs == BL_ATTRS_MAX || key.len == 0 || key.len > BL_NAME_MAX ||
	    !bl_wire_utf8(key.p, key.len)) {
		y->bad = true;
		return;
	}
	/* What the protocol itself has comes before a tag of the same name. */
	if (has_attr(ev, key))
		return;
	ev->attr[ev->n_attrs++] =
	    (struct bl_attr){ .key = key, .type = BL_ATTR_TEXT, .text = text_of(y, value) };
}

static void
add_tags(struct saying *y, struct bl_str tags)
{
	struct bl_label tag;

	while (statsd_tag(y->s->conf, &tags, ':', &tag))
		add_text(y, tag.key, tag.value);
}

/* The sections behind what must stand there.  Tags come last of all; those nobody knows are passed
 * over. */
static void
add_sections(struct saying *y, struct bl_str rest)
{
	static const struct {
		char mark;
		const char *key;
	} known[] = { { 'h', "host" }, { 'p', "priority" }, { 't', "alert_type" },
		{ 'k', "aggregation_key" }, { 's', "source_type" }, { 'm', "message" } };
	struct bl_str piece, tags = { NULL, 0 };
	double at;

	while (statsd_split(&rest, '|', &piece)) {
		if (piece.len > 0 && piece.p[0] == '#')
			tags = (struct bl_str){ piece.p + 1, piece.len - 1 };
		if (piece.len < 2 || piece.p[1] != ':')
			continue;
		if (piece.p[0] == 'd' && statsd_number(piece.p + 2, piece.len - 2, &at) && at > 0 &&
		    at <= UNIX_S_MAX)
			y->r.at_unix_ms = (int64_t)(at * 1000);
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (piece.p[0] == known[i].mark)
				add_text(y, str(known[i].key),
				    (struct bl_str){ piece.p + 2, piece.len - 2 });
	}
	add_tags(y, tags);
}

/* ---- handing on ---- */

static void
wait_for_room(struct statsd *s, const char *p, size_t len)
{
	const size_t before = s->wait.len;

	bl_buf_blob(&s->wait, p, len);
	if (!s->wait.failed)
		return;
	s->wait.failed = false;
	s->wait.len = before;
	statsd_refuse(s, statsd_event_is(p, len) ? STATSD_EVENTS_REFUSED : STATSD_STAMPED_REFUSED,
	    "there is no room for more of them");
}

bool
statsd_event_report(struct statsd *s, const struct inlet_report *r)
{
	const bool value = r->kind == INLET_METRIC;
	struct bl_err err = { 0 };
	const int rc = s->host->report(s->host->ctx, r, s->token | value, &err);

	if (rc == BL_EFULL)
		return false;
	if (rc < 0) {
		statsd_refuse(s, value ? STATSD_STAMPED_REFUSED : STATSD_EVENTS_REFUSED, err.msg);
		return true;
	}
	s->token += 2;
	s->under_way++;
	return true;
}

/* True: done with, one way or the other.  False: there is no room yet. */
static bool
hand_on(struct saying *y)
{
	if (!y->bad)
		return statsd_event_report(y->s, &y->r);
	statsd_refuse(y->s, STATSD_BAD_LINES,
	    "an event has a text that is no UTF-8, a tag that is too long, or too many of them");
	return true;
}

/* ---- events ---- */

/* A length up to a mark; false: none. */
static bool
length(struct bl_str *rest, char mark, size_t *out)
{
	struct bl_str piece;
	double n;

	if (!statsd_split(rest, mark, &piece) || rest->p == NULL || piece.len > 4 ||
	    !statsd_number(piece.p, piece.len, &n) || n < 0 || n > STATSD_PACKET_MAX)
		return false;
	*out = (size_t)n;
	return true;
}

static bool
parse_event(struct saying *y, const char *p, size_t len)
{
	struct bl_str rest = { p + 3, len - 3 }, title, text;
	size_t n_title, n_text;

	if (!length(&rest, ',', &n_title) || !length(&rest, '}', &n_text) || n_title == 0 ||
	    rest.len < 1 + n_title + 1 + n_text || rest.p[0] != ':' || rest.p[1 + n_title] != '|')
		return false;
	title = (struct bl_str){ rest.p + 1, n_title };
	text = (struct bl_str){ title.p + n_title + 1, n_text };
	rest.p += 1 + n_title + 1 + n_text;
	rest.len -= 1 + n_title + 1 + n_text;
	if (rest.len > 0 && rest.p[0] != '|')
		return false;
	y->r.ev.type = str(EVENT_TYPE);
	add_text(y, str("title"), title);
	add_text(y, str("text"), text);
	add_sections(y, rest);
	return true;
}

/* False: there is no room for it yet. */
static bool
event(struct statsd *s, const char *p, size_t len)
{
	struct saying y = { .s = s, .r = { .kind = INLET_EVENT } };

	if (parse_event(&y, p, len))
		return hand_on(&y);
	statsd_refuse(s, STATSD_BAD_LINES,
	    "expected _e{TITLE BYTES,TEXT BYTES}:TITLE|TEXT with these lengths");
	return true;
}

/* ---- service checks ---- */

static const char *const states[] = { "ok", "warning", "critical", "unknown" };

static bool
parse_check(
    const char *p, size_t len, struct statsd_line *l, unsigned *state, struct bl_str *sections)
{
	struct bl_str rest = { p + 4, len - 4 }, status, piece, at;

	*l = (struct statsd_line){ .kind = STATSD_CHECK, .rate = 1 };
	if (!statsd_split(&rest, '|', &l->name) || l->name.len == 0 ||
	    !statsd_split(&rest, '|', &status) || status.len != 1 || status.p[0] < '0' ||
	    status.p[0] > '3')
		return false;
	*state = (unsigned)(status.p[0] - '0');
	*sections = rest;
	for (at = rest; statsd_split(&at, '|', &piece);)
		if (piece.len > 0 && piece.p[0] == '#')
			l->tags = (struct bl_str){ piece.p + 1, piece.len - 1 };
	return true;
}

static bool
check(struct statsd *s, const char *p, size_t len)
{
	struct saying y = { .s = s, .r = { .kind = INLET_EVENT } };
	struct statsd_entry *e;
	struct statsd_line l;
	struct bl_str sections;
	unsigned state;

	if (!parse_check(p, len, &l, &state, &sections)) {
		statsd_refuse(
		    s, STATSD_BAD_LINES, "expected _sc|NAME|STATUS with a status of 0 to 3");
		return true;
	}
	if ((e = statsd_series_check(&s->series, &l)) == NULL)
		return true;
	e->value = state;
	if (e->said == state + 1) {
		s->series.count[STATSD_ACCEPTED]++;
		return true;
	}
	y.r.ev.type = str(CHECK_TYPE);
	add_text(&y, str("check"), l.name);
	add_text(&y, str("status"), str(states[state]));
	add_sections(&y, sections);
	if (!hand_on(&y))
		return false;
	e->said = (uint8_t)(state + 1);
	return true;
}

/* ---- lines ---- */

bool
statsd_event_is(const char *p, size_t len)
{
	return len > 4 && p[0] == '_' && (memcmp(p, "_e{", 3) == 0 || memcmp(p, "_sc|", 4) == 0);
}

static bool
line(struct statsd *s, const char *p, size_t len)
{
	if (!statsd_event_is(p, len))
		return statsd_stamped_line(s, p, len);
	return p[1] == 'e' ? event(s, p, len) : check(s, p, len);
}

void
statsd_event_line(struct statsd *s, const char *p, size_t len)
{
	/* Behind those that came before. */
	if (s->wait.len > 0 || !line(s, p, len))
		wait_for_room(s, p, len);
}

void
statsd_event_again(struct statsd *s)
{
	struct bl_rd rd;
	size_t left;

	if (s->wait.len == 0)
		return;
	bl_rd_init(&rd, s->wait.data, s->wait.len);
	for (left = s->wait.len; left > 0; left = bl_rd_left(&rd)) {
		size_t len;
		const uint8_t *p = bl_rd_blob(&rd, STATSD_PACKET_MAX, &len);

		if (rd.failed || !line(s, (const char *)p, len))
			break;
	}
	memmove(s->wait.data, s->wait.data + (s->wait.len - left), left);
	s->wait.len = left;
}
