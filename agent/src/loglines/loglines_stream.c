/*
 * From bytes to reports: whole lines, each asked about by every pattern, until
 * there is no room or the turn is over.
 *
 * A report's id is made of the file, how often it was cut, the line's place,
 * a hash of the line and the pattern: the same line read again is the same
 * report, and another line at the same place (a file that lost its end in a power cut and
 * was written on) is another one.
 */
#include "loglines_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/regex_groups.h"

#define FNV_BEGIN 14695981039346656037ull
#define FNV_PRIME 1099511628211ull

static uint64_t
hash(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * FNV_PRIME;
	return h;
}

struct log_cursor *
loglines_stream_cursor(const struct loglines_stream *s)
{
	struct log_file *f = &s->file->log;

	return f->now.reader.ctx == s ? &f->now : &f->before;
}

/*
 * An inode is used again for another file; when it was born tells them apart where a file system
 * says so.  A copy has the identity of what was copied and cut: lines of it that were stored before
 * have the ids that they had.
 */
static uint64_t
identity_of(const struct loglines_stream *s)
{
	const struct log_cursor *c = loglines_stream_cursor(s), *now = &s->file->log.now;
	const struct log_cursor *of =
	    c->copy_of != 0 && now->fd >= 0 && now->at.ino == c->copy_of ? now : c;
	struct statx st = { 0 };
	uint64_t is[5] = { of->at.dev, of->at.ino, c->at.cuts, 0, 0 };

	if (statx(of->fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) == 0 &&
	    (st.stx_mask & STATX_BTIME) != 0) {
		is[3] = (uint64_t)st.stx_btime.tv_sec;
		is[4] = st.stx_btime.tv_nsec;
	}
	return hash(FNV_BEGIN, is, sizeof(is));
}

/* ---- text ---- */

/* What its beginning says of the file. */
static void
hear_mark(struct loglines_stream *s, const char *begin, size_t len)
{
	s->is = bl_charset_told(begin, len, (enum bl_charset)s->file->conf->encoding, &s->mark);
}

/* Where a place in UTF-16 is, one byte alone does not say. */
static bool
is_within(const struct loglines_stream *s, const struct log_cursor *c)
{
	char before[2];

	if (c->at.offset <= s->mark)
		return false;
	return c->at.offset % 2 != 0 || pread(c->fd, before, 2, (off_t)c->at.offset - 2) != 2 ||
	       bl_charset_behind_line(s->is, before, 2) == NULL;
}

/* True: lines of its encoding can be read. */
static bool
can_read(struct loglines_stream *s)
{
	struct loglines *l = s->all;
	struct bl_err err = { 0 };

	if (s->is == BL_CHARSET_UTF8 || (l->conv[s->is] != NULL && l->text != NULL))
		return true;
	if (l->text == NULL && (l->text = malloc(LOGLINES_TEXT)) == NULL)
		return false;
	if (l->conv[s->is] == NULL && bl_charset_open(&l->conv[s->is], s->is, &err) < 0) {
		s->file->waits = true;
		loglines_failed(l, s->file, err.msg);
		return false;
	}
	return true;
}

/* A line. */
struct line {
	const char *text; /* UTF-8, but where its writer made a mistake */
	size_t len;
	bool wrong;      /* bytes of it are none of the file's encoding */
	uint64_t offset; /* where it begins */
	uint32_t hash;   /* of its bytes */
};

/* One that is too long stays so. */
static void
decode(struct loglines_stream *s, const char *bytes, size_t len, struct line *out)
{
	struct loglines *l = s->all;
	struct bl_charset_text t = { bytes, len, l->text, LOGLINES_TEXT, 0 };

	if (s->is != BL_CHARSET_UTF8) {
		bl_charset_convert(l->conv[s->is], &t, true);
		out->text = l->text;
		out->len = t.in_len > 0 ? LOGLINES_TEXT : LOGLINES_TEXT - t.room;
	} else {
		out->text = bytes;
		out->len = len;
	}
	out->wrong = t.wrong > 0 || bl_charset_is_utf8(s->is, bytes, len);
	if (out->len > 0 && out->text[out->len - 1] == '\r')
		out->len--;
}

static void
restart(void *ctx, bool within)
{
	struct loglines_stream *s = ctx;
	const struct log_cursor *c = loglines_stream_cursor(s);
	char begin[3];
	const ssize_t n = pread(c->fd, begin, sizeof(begin), 0);

	hear_mark(s, begin, n > 0 ? (size_t)n : 0);
	if (bl_charset_width(s->is) > 1)
		within = is_within(s, c);
	s->identity = identity_of(s);
	s->skipping = within;
	s->asked = 0;
	s->matched = false;
}

/* ---- reports ---- */

/* What stands in a line is nothing for the agent's log: what was expected of it is. */
static void
refused(struct loglines_stream *s, enum loglines_count why, struct bl_err *err)
{
	struct loglines *l = s->all;
	char *got = strstr(err->msg, ", got \"");

	if (got != NULL)
		*got = '\0';
	l->count[why]++;
	loglines_tell(l, &l->log[why], s->file, err->msg);
}

static struct loglines_flight *
flight_free(struct loglines *l)
{
	for (unsigned i = 0; i < LOGLINES_FLIGHTS; i++)
		if (l->flight[i].stream == NULL)
			return &l->flight[i];
	return NULL;
}

/* False: there is no room for it now. */
static bool
send(struct loglines_stream *s, const struct bl_rowmap_report *from, uint64_t offset)
{
	struct loglines *l = s->all;
	struct loglines_flight *flight = flight_free(l);
	struct inlet_report r;
	struct bl_err err = { 0 };
	int rc;

	if (flight == NULL)
		return false;
	inlet_report_of_row(&r, from);
	rc = l->host->report(l->host->ctx, &r, (uint64_t)(flight - l->flight), &err);
	if (rc == BL_EINVAL) {
		refused(s, LOGLINES_REFUSED, &err);
		return true;
	}
	if (rc < 0)
		return false;
	*flight = (struct loglines_flight){ s, s->identity, offset };
	l->n_flights++;
	return true;
}

/* False: it is to be asked again when there is room. */
static bool
ask(struct loglines_stream *s, unsigned pattern, const struct line *line)
{
	struct loglines *l = s->all;
	struct bl_err err = { 0 };
	char id[BL_EVENT_ID_MAX + 1];
	const int n = snprintf(id, sizeof(id), "%016" PRIx64 "-%" PRIx64 "-%08" PRIx32 "-%x",
	    s->identity, line->offset, line->hash, pattern);
	int rc = loglines_patterns_ask(s->file->patterns, pattern, line->text, line->len,
	    (struct bl_str){ id, (size_t)n }, bl_unix_ms(l->host->clock), l->out, &err);

	if (rc > 0 && line->wrong)
		rc = bl_fail(&err, BL_EINVAL, "text that is not %s", bl_charset_names[s->is]);
	if (rc < 0)
		refused(s, rc == BL_EFULL ? LOGLINES_COSTLY_LINES : LOGLINES_BAD_LINES, &err);
	s->matched = s->matched || (rc != LOGLINES_NO_MATCH && rc != LOGLINES_NOT_WANTED);
	for (unsigned i = 0; rc == LOGLINES_REPORTS && i < l->out->n; i++)
		if (!send(s, &l->out->report[i], line->offset)) {
			l->full = true;
			return false;
		}
	return true;
}

/* ---- lines ---- */

static bool
turn_is_over(struct loglines *l)
{
	l->stopped = l->stopped || l->full || bl_mono_ms(l->host->clock) >= l->turn_ends_mono_ms;
	return l->stopped;
}

/* False: it comes again, and is gone on with: whoever writes the log may write lines of which each
 * pattern takes some ms. */
static bool
take_line(struct loglines_stream *s, const char *bytes, size_t len, uint64_t offset)
{
	struct loglines *l = s->all;
	const unsigned n = loglines_patterns_count(s->file->patterns);
	const size_t mark = offset == 0 ? s->mark : 0;
	struct line line = { .offset = offset };

	if (turn_is_over(l))
		return false;
	decode(s, bytes + mark, len - mark, &line);
	if (line.len > BL_REGEX_LINE_MAX) {
		l->count[LOGLINES_LONG_LINES]++;
		s->asked = 0;
		return true;
	}
	line.hash = (uint32_t)hash(FNV_BEGIN, bytes, len - (bytes[len - (len > 0)] == '\r'));
	for (bool first = true; s->asked < n; s->asked++, first = false)
		if ((!first && turn_is_over(l)) || !ask(s, s->asked, &line))
			return false;
	l->count[LOGLINES_LINES]++;
	l->count[LOGLINES_UNMATCHED] += !s->matched;
	s->asked = 0;
	s->matched = false;
	return true;
}

/* The beginning of a line whose end has not come: how much of it is given up, in whole characters.
 */
static size_t
take_rest(struct loglines_stream *s, size_t len)
{
	const size_t width = bl_charset_width(s->is);

	/* One more for a carriage return. */
	if (!s->skipping && len > width * (BL_REGEX_LINE_MAX + 1)) {
		s->all->count[LOGLINES_LONG_LINES]++;
		s->skipping = true;
	}
	return s->skipping ? len - len % width : 0;
}

static size_t
take(void *ctx, const char *data, size_t len, size_t *line)
{
	struct loglines_stream *s = ctx;
	const uint64_t offset = loglines_stream_cursor(s)->at.offset;
	const char *behind = NULL;
	size_t at, width;

	if (offset == 0)
		hear_mark(s, data, len);
	width = bl_charset_width(s->is);
	at = (size_t)(offset % width); /* lines were passed over, up to the middle of a character */
	*line = 0;
	if (!can_read(s))
		return 0;
	while (at < len && (behind = bl_charset_behind_line(s->is, data + at, len - at)) != NULL) {
		const size_t n = (size_t)(behind - data) - at;

		if (!s->skipping && !take_line(s, data + at, n - width, offset + at))
			break;
		s->skipping = false;
		at += n;
	}
	if (behind == NULL && at < len)
		at += take_rest(s, len - at);
	/* More was there than one read brings, or than was taken of it. */
	s->file->unread = s->file->unread || len == LOG_READ || behind != NULL;
	s->all->moved = s->all->moved || at > 0;
	*line = at;
	return at;
}

struct log_reader
loglines_stream_reader(struct loglines_stream *s)
{
	return (struct log_reader){ s, take, restart };
}

/* ---- answers ---- */

static bool
is_of(const struct loglines_flight *flight, const struct loglines_stream *s)
{
	return flight->stream == s && flight->identity == s->identity;
}

unsigned
loglines_stream_flights(const struct loglines_stream *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LOGLINES_FLIGHTS; i++)
		n += is_of(&s->all->flight[i], s);
	return n;
}

uint64_t
loglines_stream_settled(const struct loglines_stream *s)
{
	uint64_t offset = loglines_stream_cursor(s)->at.offset;

	if (s->failed && s->failed_offset < offset)
		offset = s->failed_offset;
	for (unsigned i = 0; i < LOGLINES_FLIGHTS; i++)
		if (is_of(&s->all->flight[i], s) && s->all->flight[i].offset < offset)
			offset = s->all->flight[i].offset;
	return offset;
}

/* Its report was not stored, and it cannot be read once more. */
static void
line_lost(struct loglines_stream *s)
{
	struct loglines *l = s->all;

	l->count[LOGLINES_LOST_LINES]++;
	l->host->lost(l->host->ctx, BL_STREAM_EVENTS, 1);
	loglines_tell(l, &l->log[LOGLINES_LOST_LINES], s->file,
	    "a line was not stored, and its file was cut before it could be read again");
}

void
loglines_stream_again(struct loglines_stream *s)
{
	if (!s->failed || loglines_stream_flights(s) > 0 ||
	    bl_mono_ms(s->all->host->clock) < s->again_mono_ms)
		return;
	s->failed = false;
	if (log_cursor_back(loglines_stream_cursor(s), s->failed_offset))
		s->all->count[LOGLINES_TRIED_AGAIN]++;
	else
		line_lost(s);
}

static void
not_stored(struct loglines_stream *s, const struct loglines_flight *flight)
{
	if (flight->identity != s->identity) {
		line_lost(s); /* the file was cut since */
		return;
	}
	if (!s->failed || flight->offset < s->failed_offset)
		s->failed_offset = flight->offset;
	s->failed = true;
	s->again_mono_ms = bl_mono_ms(s->all->host->clock) + LOGLINES_AGAIN_MS;
}

void
loglines_stream_done(struct loglines *l, uint64_t token, int rc)
{
	struct loglines_flight *flight = token < LOGLINES_FLIGHTS ? &l->flight[token] : NULL;

	if (flight == NULL || flight->stream == NULL)
		return; /* none of ours */
	if (rc < 0) {
		not_stored(flight->stream, flight);
	} else {
		l->count[rc == 0 ? LOGLINES_ACCEPTED : LOGLINES_REPEATED]++;
		l->settled = true;
		if (l->full)
			l->due_mono_ms = 0;
	}
	flight->stream = NULL;
	l->n_flights--;
}
