/*
 * The screen of `top`: a head that stays (who, how it does, link, queue, clock,
 * sampling), a body to scroll through (probes, then series), a line of keys.
 * Trusts none of the JSON's members to be there: it may be another version's.
 */
#include "top.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "branchline/catalogue.h"

#include "local_text.h"
#include "local_words.h"
#include "status_read.h"

#define FRAME_MAX (4u * 1024u * 1024u)
#define BOLD      "\033[1m"
#define REVERSE   "\033[7m"
#define PLAIN     "\033[0m"
#define PAGE      120u       /* the width of what is not cut */
#define ENDLESS   (1u << 24) /* more than any line takes */
#define LABELS    4096u

/* What a frame is made with: the line that is being written, and where. */
struct pen {
	const struct top_view *v;
	struct top_frame *f;
	int64_t now;   /* unix ms */
	unsigned cols; /* that a line may take */
	unsigned page; /* that a full one is made to take */
	unsigned probe_cols, name_cols, label_cols, value_cols;
	unsigned at; /* columns of this line */
	unsigned body_row;
	bool hidden; /* this line is scrolled out, or has no room: written nowhere */
	bool styled;
};

/* ---- lines ---- */

static const char *
word(const struct pen *p, const char *key)
{
	return local_word(key, p->v->zh);
}

static void
put(struct pen *p, const char *s)
{
	const unsigned left = p->cols > p->at ? p->cols - p->at : 0;

	if (!p->hidden)
		p->at += top_fit(&p->f->text, s, left, p->v->utf8);
}

static void
put_style(struct pen *p, const char *style)
{
	if (p->hidden || !p->v->style)
		return;
	local_text_put(&p->f->text, style);
	p->styled = true;
}

/* Blanks up to a column. */
static void
tab(struct pen *p, unsigned col)
{
	do
		put(p, " ");
	while (!p->hidden && p->at < col && p->at < p->cols);
}

/* Cut to so many columns where lines are cut, and blanks up to the next one. */
static void
put_column(struct pen *p, const char *s, unsigned cols, bool right)
{
	const unsigned width = top_width(s, p->v->utf8);
	const unsigned begin = p->at;

	if (p->hidden)
		return;
	if (p->cols == ENDLESS && width > cols)
		cols = width;
	if (right)
		for (unsigned i = width; i < cols; i++)
			put(p, " ");
	if (p->at < p->cols)
		p->at += top_fit(
		    &p->f->text, s, cols < p->cols - p->at ? cols : p->cols - p->at, p->v->utf8);
	while (p->at < begin + cols && p->at < p->cols)
		put(p, " ");
	put(p, " ");
}

static void
end_line(struct pen *p)
{
	if (!p->hidden) {
		if (p->styled)
			local_text_put(&p->f->text, PLAIN);
		bl_buf_u8(&p->f->text, '\0');
		p->f->n++;
	}
	p->at = 0;
	p->styled = false;
	p->hidden = false;
}

/* Rows that the body may take: all but the head, which is written already, and the line of keys. */
static bool
body_line(struct pen *p)
{
	const struct top_view *v = p->v;

	p->hidden = v->rows > 0 && (p->body_row < v->scroll || p->f->n + 1 >= v->rows);
	p->body_row++;
	p->f->body++;
	p->f->shown += p->hidden ? 0 : 1;
	return !p->hidden;
}

static void
duration(const struct pen *p, int64_t ms, char *out, size_t size)
{
	static const char *const en[] = { "s", "min", "h", "d" };
	static const char *const zh[] = { "秒", "分钟", "小时", "天" };
	const int64_t s = ms > 0 ? ms / 1000 : 0;
	const unsigned u = s < 120 ? 0 : s < 7200 ? 1 : s < 172800 ? 2 : 3;
	static const int64_t by[] = { 1, 60, 3600, 86400 };

	(void)snprintf(out, size, "%" PRId64 " %s", s / by[u], p->v->zh ? zh[u] : en[u]);
}

static void
put_duration(struct pen *p, const char *before, int64_t ms)
{
	char out[48];

	duration(p, ms, out, sizeof(out));
	put(p, before);
	put(p, out);
}

static void
bytes(double n, char *out, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	unsigned i = 0;

	while (fabs(n) >= 1024 && i < 5) {
		n /= 1024;
		i++;
	}
	(void)snprintf(out, size,
	    i == 0          ? "%.0f %s"
	    : fabs(n) < 100 ? "%.1f %s"
			    : "%.0f %s",
	    n, units[i]);
}

/* ---- the head ---- */

static void
draw_title(struct pen *p, const json_t *st)
{
	const json_t *health = json_object_get(st, "health");
	const char *state = local_word_of("health", status_text(health, "state"), p->v->zh);
	const unsigned width = top_width(state, p->v->utf8);

	put_style(p, REVERSE);
	put(p, word(p, "page.title"));
	put(p, "  ");
	put(p, status_text(st, "device"));
	put(p, "  ");
	put(p, word(p, "page.site"));
	put(p, " ");
	put(p, status_text(st, "site"));
	tab(p, p->page > width + 1 ? p->page - width - 1 : 0);
	put(p, state);
	tab(p, p->page);
	end_line(p);
}

static void
draw_problems(struct pen *p, const json_t *st)
{
	const json_t *list = json_object_get(json_object_get(st, "health"), "problems");
	const size_t n = json_array_size(list);
	/* The head must leave room on the smallest screen. */
	const size_t most = p->v->rows == 0 ? n : p->v->rows < 16 ? 1 : 3;
	char more[32];

	for (size_t i = 0; i < n && i < most; i++) {
		const json_t *one = json_array_get(list, i);

		put(p, "! ");
		if (p->v->zh) {
			put(p, local_word_of("health", status_text(one, "code"), true));
			put(p, "  ");
		}
		put(p, status_text(one, "text"));
		if (i + 1 == most && n > most) {
			(void)snprintf(more, sizeof(more), " (+%zu)", n - most);
			if (p->at + strlen(more) < p->cols)
				put(p, more);
		}
		end_line(p);
	}
}

static void
begin_fact(struct pen *p, const char *key)
{
	put(p, word(p, key));
	tab(p, 10);
}

static void
draw_link(struct pen *p, const json_t *st)
{
	const json_t *link = json_object_get(st, "link"), *uplink = json_object_get(st, "uplink");
	char port[32];

	begin_fact(p, "head.link");
	put(p, local_word_of("link", status_text(link, "state"), p->v->zh));
	if (status_has(link, "since_unix_ms"))
		put_duration(p, ", ", p->now - status_number(link, "since_unix_ms"));
	(void)snprintf(port, sizeof(port), ":%" PRId64, status_number(link, "port"));
	put(p, ", ");
	put(p, status_text(link, "host"));
	put(p, port);
	if (status_has(link, "retry_in_ms")) {
		put(p, ", ");
		put(p, word(p, "link.retry"));
		put_duration(p, " ", status_number(link, "retry_in_ms"));
	}
	if (status_has(uplink, "last_receipt_unix_ms")) {
		put(p, ", ");
		put(p, word(p, "link.receipt"));
		put_duration(p, " ", p->now - status_number(uplink, "last_receipt_unix_ms"));
		put(p, p->v->zh ? "" : " ");
		put(p, word(p, "page.ago"));
	}
	end_line(p);
}

static void
draw_spool(struct pen *p, const json_t *st)
{
	const json_t *spool = json_object_get(st, "spool"), *s;
	char out[64], size[32], max[32];
	int64_t waiting = 0, oldest = INT64_MAX;
	const char *key;

	json_object_foreach(json_object_get(spool, "streams"), key, s)
	{
		waiting += status_number(s, "waiting_batches");
		if (status_has(s, "oldest_waiting_unix_ms") &&
		    status_number(s, "oldest_waiting_unix_ms") < oldest)
			oldest = status_number(s, "oldest_waiting_unix_ms");
	}
	begin_fact(p, "head.spool");
	(void)snprintf(out, sizeof(out), "%" PRId64 " ", waiting);
	put(p, out);
	put(p, word(p, "spool.batches"));
	put(p, " ");
	put(p, word(p, "spool.waiting"));
	if (waiting > 0 && oldest != INT64_MAX) {
		put(p, ", ");
		put(p, word(p, "spool.oldest"));
		put_duration(p, " ", p->now - oldest);
	}
	bytes((double)status_number(spool, "file_bytes"), size, sizeof(size));
	bytes((double)status_number(spool, "max_bytes"), max, sizeof(max));
	(void)snprintf(out, sizeof(out), ", %s %s %s, ", size, word(p, "spool.of"), max);
	put(p, out);
	put(p, local_word_of("spool", status_text(spool, "disk"), p->v->zh));
	end_line(p);
}

static void
draw_clock(struct pen *p, const json_t *st)
{
	const json_t *clock = json_object_get(st, "clock");
	const bool known = json_is_true(json_object_get(clock, "trusted"));
	char out[48];

	begin_fact(p, "head.clock");
	put(p, word(p, known ? "clock.known" : "clock.unknown"));
	if (known && status_has(clock, "uncertainty_ms")) {
		(void)snprintf(out, sizeof(out), " +-%" PRId64 " ms, ",
		    status_number(clock, "uncertainty_ms"));
		put(p, out);
		put(p, status_text(clock, "source"));
	}
	end_line(p);
}

static void
draw_sampling(struct pen *p, const json_t *now, const json_t *st)
{
	const json_t *s = json_object_get(st, "sampling");
	char out[80];

	begin_fact(p, "head.sampling");
	(void)snprintf(out, sizeof(out), "%zu %s, %s ",
	    json_array_size(json_object_get(now, "series")), word(p, "limit.series"),
	    word(p, "limit.every"));
	put(p, out);
	put_duration(p, "", status_number(s, "interval_ms"));
	(void)snprintf(out, sizeof(out), ", %" PRId64 " %s %" PRId64, status_number(s, "series"),
	    word(p, "spool.of"), status_number(s, "max_series"));
	put(p, out);
	if (status_number(s, "refused_series") > 0) {
		(void)snprintf(out, sizeof(out), ", %" PRId64 " %s",
		    status_number(s, "refused_series"), word(p, "limit.refused"));
		put(p, out);
	}
	end_line(p);
}

static void
draw_head(struct pen *p, const json_t *now, const json_t *st)
{
	draw_title(p, st);
	if (p->v->lost != NULL) {
		put_style(p, BOLD);
		put_duration(p, "! ", p->v->lost_ms);
		put(p, ": ");
		put(p, p->v->lost);
		end_line(p);
	}
	draw_problems(p, st);
	draw_link(p, st);
	draw_spool(p, st);
	draw_clock(p, st);
	draw_sampling(p, now, st);
}

/* ---- the body ---- */

static void
draw_probe(struct pen *p, const json_t *probe)
{
	const char *state = status_text(probe, "state"), *reason = status_text(probe, "reason");
	char out[48] = "";

	if (!body_line(p)) {
		end_line(p);
		return;
	}
	if (strcmp(state, "down") == 0)
		put_style(p, BOLD);
	put(p, "  ");
	put_column(p, status_text(probe, "name"), p->probe_cols, false);
	put_column(p, status_text(probe, "kind"), 6, false);
	put_column(p, local_word_of("probe", state, p->v->zh), 13, false);
	if (status_has(probe, "since_unix_ms"))
		duration(p, p->now - status_number(probe, "since_unix_ms"), out, sizeof(out));
	put_column(p, out, 8, true);
	/* What failed has no time, but more to say. */
	if (json_is_number(json_object_get(probe, "total_ms"))) {
		(void)snprintf(out, sizeof(out), "%.1f ms",
		    json_number_value(json_object_get(probe, "total_ms")));
		put_column(p, out, 11, true);
	} else {
		put(p, " ");
	}
	put(p, strcmp(reason, "ok") == 0 ? "" : local_word_of("reason", reason, p->v->zh));
	if (status_text(probe, "detail")[0] != '\0') {
		put(p, ": ");
		put(p, status_text(probe, "detail"));
	}
	end_line(p);
}

static void
heading(struct pen *p, const char *key)
{
	if (body_line(p)) {
		put_style(p, BOLD);
		put(p, word(p, key));
	}
	end_line(p);
}

static void
draw_probes(struct pen *p, const json_t *now)
{
	const json_t *list = json_object_get(now, "probes");

	if (json_array_size(list) == 0)
		return;
	heading(p, "head.probes");
	for (size_t i = 0; i < json_array_size(list); i++)
		draw_probe(p, json_array_get(list, i));
}

static void
value_of(const struct pen *p, const json_t *s, char *out, size_t size)
{
	const json_t *v = json_object_get(s, "value");
	const char *unit = status_text(s, "unit");
	const struct bl_unit *u = bl_catalogue_unit(unit, strlen(unit));
	const char *shown = u == NULL || !p->v->utf8 ? unit : p->v->zh ? u->zh : u->en;

	if (json_is_string(v)) {
		(void)snprintf(out, size, "%s", json_string_value(v));
	} else if (!json_is_number(v)) {
		(void)snprintf(
		    out, size, "(%s)", local_word_of("value", status_text(s, "unknown"), p->v->zh));
	} else if (strcmp(unit, "bytes") == 0) {
		bytes(json_number_value(v), out, size);
	} else {
		const double x = json_number_value(v);
		int n;

		n = snprintf(out, size, fabs(x) < 1e15 ? "%.3f" : "%.6g", x);
		/* 12.500 is 12.5, 3.000 is 3. */
		while (
		    n > 0 && strchr(out, '.') != NULL && (out[n - 1] == '0' || out[n - 1] == '.')) {
			out[--n] = '\0';
			if (strchr(out, '.') == NULL)
				break;
		}
		if (n > 0 && strcmp(unit, "1") != 0 && shown[0] != '\0')
			(void)snprintf(out + n, size - (size_t)n, " %s", shown);
	}
}

/* "mount=/boot mode=user" */
static void
labels_of(const json_t *s, char *out, size_t size)
{
	const char *key;
	json_t *v;
	size_t n = 0;

	out[0] = '\0';
	json_object_foreach(json_object_get(s, "labels"), key, v)
	{
		const char *t = json_string_value(v);
		const int k = snprintf(
		    out + n, size - n, "%s%s=%s", n > 0 ? " " : "", key, t != NULL ? t : "?");

		if (k < 0 || (size_t)k >= size - n)
			return;
		n += (size_t)k;
	}
}

static const char *
about(const struct pen *p, const char *name)
{
	const struct bl_metric *m = bl_catalogue_find(name, strlen(name));

	return m == NULL ? "" : p->v->zh ? m->zh : m->en;
}

/* Each word of the filter stands in the name, the labels or the description. */
static bool
wanted(const struct pen *p, const char *name, const char *labels)
{
	char words[TOP_FILTER + 1], *save, *w;

	(void)snprintf(words, sizeof(words), "%s", p->v->filter);
	for (w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		if (strcasestr(name, w) == NULL && strcasestr(labels, w) == NULL &&
		    strcasestr(about(p, name), w) == NULL)
			return false;
	return true;
}

static void
draw_one(struct pen *p, const json_t *s)
{
	const int64_t age = p->now - status_number(s, "unix_ms"),
		      late = 2 * status_number(s, "interval_ms") + 5000;
	char labels[LABELS], out[96];

	labels_of(s, labels, sizeof(labels));
	if (!wanted(p, status_text(s, "name"), labels))
		return;
	if (!body_line(p)) {
		end_line(p);
		return;
	}
	put(p, "  ");
	put_column(p, status_text(s, "name"), p->name_cols, false);
	put_column(p, labels, p->label_cols, false);
	value_of(p, s, out, sizeof(out));
	put_column(p, out, p->value_cols, true);
	/* Only what is late says how old it is: lines stay the same while values do. */
	if (status_number(s, "interval_ms") > 0 && age > late) {
		put(p, "(");
		put_duration(p, "", age);
		put(p, ") ");
	}
	if (p->cols >= 100)
		put(p, about(p, status_text(s, "name")));
	end_line(p);
}

static void
draw_series(struct pen *p, const json_t *now)
{
	const json_t *list = json_object_get(now, "series");
	const unsigned before = p->f->body + 1;

	heading(p, "head.series");
	for (size_t i = 0; i < json_array_size(list); i++)
		draw_one(p, json_array_get(list, i));
	if (p->f->body == before) {
		if (body_line(p)) {
			put(p, "  ");
			put(p, word(p, json_array_size(list) == 0 ? "page.no_series"
								  : "page.no_match"));
		}
		end_line(p);
	}
}

static void
draw_keys(struct pen *p)
{
	char range[64];
	const struct top_frame *f = p->f;
	const unsigned first = f->shown > 0 ? p->v->scroll + 1 : 0;

	while (p->f->n + 1 < p->v->rows)
		end_line(p);
	put_style(p, REVERSE);
	if (p->v->typing || p->v->filter[0] != '\0') {
		put(p, word(p, "top.filter"));
		put(p, ": ");
		put(p, p->v->filter);
		put(p, p->v->typing ? "_" : "");
	} else {
		put(p, word(p, "top.keys"));
	}
	(void)snprintf(range, sizeof(range), "%u-%u/%u", first, p->v->scroll + f->shown, f->body);
	tab(p, p->page > strlen(range) + 1 ? p->page - (unsigned)strlen(range) - 1 : 0);
	put(p, range);
	tab(p, p->page);
	end_line(p);
}

/* ---- columns ---- */

static void
share_out(struct pen *p)
{
	const unsigned cols = p->page = p->cols = p->v->cols;

	p->probe_cols = cols / 4;
	p->value_cols = cols < 60 ? 14 : 18;
	p->name_cols = cols < 100 ? (cols - p->value_cols - 4) * 5 / 9 : 32;
	p->label_cols = cols < 100 ? cols - p->value_cols - p->name_cols - 4 : 28;
}

/* As on a wide screen; what is longer than its column takes what it needs. */
static void
share_out_endless(struct pen *p)
{
	p->cols = ENDLESS;
	p->page = PAGE;
	p->probe_cols = PAGE / 4;
	p->value_cols = 18;
	p->name_cols = 32;
	p->label_cols = 28;
}

void
top_draw(const json_t *now, const struct top_view *v, struct top_frame *f)
{
	const json_t *st = json_object_get(now, "status");
	struct pen p = { .v = v, .f = f, .now = status_number(st, "now_unix_ms") };

	bl_buf_free(&f->text);
	*f = (struct top_frame){ 0 };
	bl_buf_init(&f->text, FRAME_MAX);
	if (v->cols > 0)
		share_out(&p);
	else
		share_out_endless(&p);
	draw_head(&p, now, st);
	draw_probes(&p, now);
	draw_series(&p, now);
	if (v->rows > 0)
		draw_keys(&p);
}

const char *
top_line(const struct top_frame *f, unsigned i)
{
	const char *at = (const char *)f->text.data;

	while (i-- > 0)
		at += strlen(at) + 1;
	return at;
}
