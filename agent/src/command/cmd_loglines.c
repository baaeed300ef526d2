/*
 * `branchline-agent loglines`: what lines would become, for who writes a pattern.  Reports
 * nothing, and asks nothing of a running agent.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "branchline/charset.h"
#include "branchline/clock.h"
#include "branchline/regex_groups.h"

#include "cmd_tried.h"
#include "config.h"

#define SHOWN_UNMATCHED 10u /* lines that no pattern matches, without --all */

static const char help[] =
    "usage: branchline-agent loglines test [--name NAME] [OPTIONS] < LINES\n"
    "\n"
    "Reads lines from standard input and shows what the watched log NAME of the\n"
    "configuration (inlets.loglines.watch) would make of each: the line with its number, and\n"
    "below it what every pattern that matches would send, or why nothing is sent. Nothing is\n"
    "reported, and the agent need not run.\n"
    "\n"
    "  --name NAME     the entry of inlets.loglines.watch, where there are several\n"
    "  --all           every line that no pattern matches, not the first ten alone\n"
    "  --json          an object a report: line, pattern, type, at, attributes; or error; with\n"
    "                  --all a note of each line that is nothing\n"
    "  --config FILE   the agent's configuration; it need not be the one in force\n"
    "\n"
    "Exit code 0: something would be sent, and nothing was wrong; 1: a line that matched makes\n"
    "no report, or nothing would be sent; 64: wrong usage; 78: the configuration is wrong.\n";

struct tried {
	struct loglines_patterns *patterns;
	enum bl_charset is;
	struct bl_charset_conv *conv; /* NULL: UTF-8 */
	bool all;
	unsigned long unmatched;
	struct cmd_tried *said;
};

/* What one pattern makes of a line.  True: it matches. */
static bool
try_pattern(struct tried *t, unsigned i, const char *line, size_t len, bool wrong)
{
	static struct bl_rowmap_out out;
	static struct inlet_report report;
	struct bl_err err = { 0 };
	int rule, rc = loglines_patterns_ask(t->patterns, i, line, len, (struct bl_str){ "", 0 },
		      bl_unix_ms(bl_clock_real()), &out, &err);

	if (rc == 0)
		return false;
	cmd_tried_show(t->said, line, len);
	if (rc > 0 && wrong)
		rc = bl_fail(&err, BL_EINVAL, "text that is not %s", bl_charset_names[t->is]);
	if (rc < 0) {
		bl_err_prefix(&err, "pattern %u matches, but", i + 1);
		cmd_tried_wrong(t->said, "nothing is sent", err.msg);
	} else if (rc == LOGLINES_NOT_WANTED && !t->said->json) {
		(void)printf("   pattern %u matches, but its `when` wants other lines\n", i + 1);
	}
	for (unsigned k = 0; rc == LOGLINES_REPORTS && k < out.n; k++) {
		inlet_report_of_row(&report, &out.report[k]);
		rule = inlet_report_check(&report, bl_clock_real(), &err);
		cmd_tried_sends(t->said, i, &report, rule < 0 ? err.msg : NULL);
	}
	return true;
}

static void
try_line(struct tried *t, const char *line, size_t len, bool wrong)
{
	bool matched = false;

	for (unsigned i = 0; i < loglines_patterns_count(t->patterns); i++)
		matched = try_pattern(t, i, line, len, wrong) || matched;
	if (matched)
		return;
	t->unmatched++;
	if (t->said->json) {
		if (t->all)
			cmd_tried_tell(t->said, "note", "no pattern matches");
	} else if (t->all || t->unmatched <= SHOWN_UNMATCHED) {
		cmd_tried_show(t->said, line, len);
		(void)printf("   nothing is sent: no pattern matches\n");
	} else if (t->unmatched == SHOWN_UNMATCHED + 1) {
		(void)printf("   further lines that no pattern matches: only with --all\n");
	}
}

/* Bytes of a line, without its break. */
static void
try_bytes(struct tried *t, const char *bytes, size_t len)
{
	static char text[BL_REGEX_LINE_MAX + 2];
	struct bl_charset_text c = { bytes, len, text, sizeof(text), 0 };
	size_t n;

	cmd_tried_line(t->said, t->said->line + 1);
	if (t->conv == NULL) {
		c.room -= len < c.room ? len : c.room;
		memcpy(text, bytes, sizeof(text) - c.room);
	} else {
		bl_charset_convert(t->conv, &c, true);
		c.room = c.in_len > 0 ? 0 : c.room;
	}
	n = sizeof(text) - c.room;
	n -= n > 0 && text[n - 1] == '\r';
	if (n > BL_REGEX_LINE_MAX) {
		cmd_tried_show(t->said, text, n);
		cmd_tried_wrong(t->said, "nothing is sent", "the line is longer than 8192 bytes");
	} else {
		try_line(t, text, n, c.wrong > 0 || bl_charset_is_utf8(t->is, bytes, len));
	}
}

/* The first bytes of all, and a byte order mark, which counts more than the configuration. */
static int
begin_text(struct tried *t, char begin[3], size_t *at, size_t *n, struct bl_err *err)
{
	*n = fread(begin, 1, 3, stdin);
	t->is = bl_charset_told(begin, *n, t->is, at);
	return t->is == BL_CHARSET_UTF8 ? BL_OK : bl_charset_open(&t->conv, t->is, err);
}

static int
try_all(struct tried *t, struct bl_err *err)
{
	static char line[2 * (BL_REGEX_LINE_MAX + 4)];
	size_t len = 0, width, at, n;
	char begin[3];
	int rc, c;

	if ((rc = begin_text(t, begin, &at, &n, err)) < 0)
		return rc;
	width = bl_charset_width(t->is);
	while ((c = at < n ? (unsigned char)begin[at++] : getc_unlocked(stdin)) != EOF) {
		line[len++] = (char)c;
		if (len % width == 0 &&
		    bl_charset_behind_line(t->is, line + len - width, width) != NULL) {
			try_bytes(t, line, len - width);
			len = 0;
		} else if (len == sizeof(line)) {
			len -= width; /* of one that is too long, so much stays */
		}
	}
	if (len > 0)
		try_bytes(t, line, len);
	return BL_OK;
}

static int
test(struct cmd_tried *said, const void *entry, const char *file, bool all)
{
	const struct loglines_watch *watch = entry;
	struct tried t = { .is = (enum bl_charset)watch->encoding, .all = all, .said = said };
	struct bl_err err = { 0 };
	int rc;

	(void)file;
	if ((rc = loglines_patterns_open(&t.patterns, &watch->patterns, &err)) == BL_OK)
		rc = try_all(&t, &err);
	bl_charset_close(t.conv);
	loglines_patterns_close(t.patterns);
	(void)fflush(stdout);
	if (rc < 0) {
		said->wrong++;
		(void)fprintf(stderr, "branchline-agent: loglines: %s\n", err.msg);
	}
	(void)fprintf(stderr,
	    "%lu lines: %lu reports would be sent; %lu refused; %lu without a match; %lu wrong\n",
	    said->line, said->reports, said->refused, t.unmatched, said->wrong);
	return rc;
}

int
cmd_loglines(int argc, char **argv)
{
	static const struct cmd_trying what = { help, "pattern", "inlets.loglines.watch",
		offsetof(struct config_inlets, loglines.watch), sizeof(struct loglines_watch),
		false, test };

	return cmd_tried(argc, argv, &what);
}
