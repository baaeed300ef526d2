/*
 * Counting lines, and those that match, in bytes as they come.  Pure.
 *
 * No line is kept: the expressions look at bytes once, as they pass, so a line
 * may be as long as it likes.  A line counts when its end has come.
 */
#include "sample_log_internal.h"

#include <string.h>

int
log_lines_open(struct log_lines *l, const struct bl_regex *match, const struct bl_regex *ignore,
    struct log_counts *counts, struct bl_err *err)
{
	int rc;

	memset(l, 0, sizeof(*l));
	l->counts = counts;
	if ((rc = bl_regex_scan_create(&l->match, match, err)) < 0)
		return rc;
	if (ignore != NULL && (rc = bl_regex_scan_create(&l->ignore, ignore, err)) < 0)
		log_lines_close(l);
	return rc;
}

void
log_lines_close(struct log_lines *l)
{
	bl_regex_scan_free(l->match);
	bl_regex_scan_free(l->ignore);
	l->match = l->ignore = NULL;
}

void
log_lines_restart(struct log_lines *l)
{
	l->begun = false;
}

static void
begin(struct log_lines *l)
{
	bl_regex_scan_begin(l->match);
	if (l->ignore != NULL)
		bl_regex_scan_begin(l->ignore);
	l->found = l->ignored = l->held_return = false;
	l->begun = true;
}

static void
show(struct log_lines *l, const char *data, size_t len)
{
	l->found = l->found || bl_regex_scan_feed(l->match, data, len);
	if (l->ignore != NULL && !l->ignored)
		l->ignored = bl_regex_scan_feed(l->ignore, data, len);
}

/* A carriage return waits: before a newline it belongs to the line's end. */
static void
go_on(struct log_lines *l, const char *data, size_t len)
{
	if (!l->begun)
		begin(l);
	if (len == 0)
		return;
	if (l->held_return)
		show(l, "\r", 1);
	l->held_return = data[len - 1] == '\r';
	show(l, data, l->held_return ? len - 1 : len);
}

static void
end(struct log_lines *l)
{
	l->found = l->found || bl_regex_scan_end(l->match);
	if (l->ignore != NULL && !l->ignored)
		l->ignored = bl_regex_scan_end(l->ignore);
	l->counts->lines++;
	l->counts->matched += l->found && !l->ignored;
	l->begun = false;
}

size_t
log_lines_feed(struct log_lines *l, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const char *newline = memchr(data + at, '\n', len - at);
		const size_t n = newline != NULL ? (size_t)(newline - data) - at : len - at;

		go_on(l, data + at, n);
		if (newline == NULL)
			return at;
		end(l);
		at += n + 1;
	}
	return len;
}

static size_t
reader_take(void *ctx, const char *data, size_t len, size_t *line)
{
	*line = log_lines_feed(ctx, data, len);
	return len;
}

static void
reader_restart(void *ctx, bool within)
{
	(void)within;
	log_lines_restart(ctx);
}

struct log_reader
log_lines_reader(struct log_lines *l)
{
	return (struct log_reader){ l, reader_take, reader_restart };
}
