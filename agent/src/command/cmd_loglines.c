/*
 * `branchline-agent loglines`: what lines would become, for who writes a pattern.  Reports
 * nothing, and asks nothing of a running agent.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "branchline/buf.h"
#include "branchline/charset.h"
#include "branchline/clock.h"
#include "branchline/regex_groups.h"

#include "config.h"
#include "top.h"

#define SHOWN_UNMATCHED 10u  /* lines that no pattern matches, without --all */
#define SHOWN_COLUMNS   100u /* of a line */

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
	bool all, json;
	bool shown; /* the line that is tried */
	unsigned long line;
	unsigned long reports, unmatched, wrong;
};

static json_t *
text_of(struct bl_str s)
{
	json_t *text = json_stringn(s.p, s.len);

	return text != NULL ? text : json_null();
}

static json_t *
value_of(const struct bl_attr *a)
{
	if (a->type == BL_ATTR_NUMBER)
		return json_real(a->number);
	return a->type == BL_ATTR_BOOL ? json_boolean(a->boolean) : text_of(a->text);
}

/* What a report holds, by name: an event's attributes, or a metric's labels. */
static json_t *
pairs_of(const struct bl_rowmap_report *r)
{
	json_t *all = json_object();
	char key[BL_NAME_MAX + 1];

	for (uint32_t i = 0; !r->metric && i < r->ev.n_attrs; i++) {
		(void)snprintf(
		    key, sizeof(key), "%.*s", (int)r->ev.attr[i].key.len, r->ev.attr[i].key.p);
		(void)json_object_set_new(all, key, value_of(&r->ev.attr[i]));
	}
	for (uint32_t i = 0; r->metric && i < r->def.n_labels; i++) {
		(void)snprintf(
		    key, sizeof(key), "%.*s", (int)r->def.label[i].key.len, r->def.label[i].key.p);
		(void)json_object_set_new(all, key, text_of(r->def.label[i].value));
	}
	return all;
}

static json_t *
object_of(const struct tried *t, unsigned pattern, const struct bl_rowmap_report *r)
{
	char at[BL_TIME_SIZE] = "";
	json_t *o = json_pack("{s:I,s:i,s:s,s:o}", "line", (json_int_t)t->line, "pattern",
	    (int)pattern + 1, "report", r->metric ? "metric" : "event", r->metric ? "name" : "type",
	    text_of(r->metric ? r->def.name : r->ev.type));

	if (r->at_unix_ms != 0)
		bl_time_utc(r->at_unix_ms, at);
	(void)json_object_set_new(o, "at", at[0] != '\0' ? json_string(at) : json_null());
	if (r->metric)
		(void)json_object_set_new(o, "value", json_real(r->value));
	(void)json_object_set_new(o, r->metric ? "labels" : "attributes", pairs_of(r));
	return o;
}

static void
print_value(const json_t *value)
{
	if (json_is_string(value))
		(void)fputs(json_string_value(value), stdout);
	else
		(void)json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

/* The line itself, before what is said of it. */
static void
show(struct tried *t, const char *line, size_t len)
{
	char text[4 * SHOWN_COLUMNS + 1];
	const size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
	struct bl_buf b;

	if (t->json || t->shown)
		return;
	t->shown = true;
	memcpy(text, line, n);
	text[n] = '\0';
	bl_buf_init(&b, sizeof(text) * 4);
	(void)top_fit(&b, text, SHOWN_COLUMNS, true);
	(void)printf("%lu: %.*s\n", t->line, b.failed ? 0 : (int)b.len, (const char *)b.data);
	bl_buf_free(&b);
}

static void
print(const struct tried *t, unsigned pattern, json_t *o)
{
	const json_t *value, *at = json_object_get(o, "at");
	json_t *pairs = json_object_get(o, "attributes");
	const char *key;

	if (t->json) {
		(void)json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
		(void)fputc('\n', stdout);
		return;
	}
	(void)printf("   pattern %u sends ", pattern + 1);
	if (json_object_get(o, "name") != NULL) {
		(void)printf("metric %s=", json_string_value(json_object_get(o, "name")));
		print_value(json_object_get(o, "value"));
		pairs = json_object_get(o, "labels");
	} else {
		print_value(json_object_get(o, "type"));
	}
	(void)printf(" at=%s", json_is_string(at) ? json_string_value(at) : "reading");
	json_object_foreach(pairs, key, value)
	{
		(void)printf(" %s=", key);
		print_value(value);
	}
	(void)fputc('\n', stdout);
}

static void
tell(const struct tried *t, const char *member, const char *text)
{
	json_t *o = json_pack("{s:I,s:s}", "line", (json_int_t)t->line, member, text);

	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	json_decref(o);
}

static void
tell_wrong(struct tried *t, const char *text)
{
	t->wrong++;
	if (t->json)
		tell(t, "error", text);
	else
		(void)printf("   nothing is sent: %s\n", text);
}

/* What one pattern makes of a line.  True: it matches. */
static bool
try_pattern(struct tried *t, unsigned i, const char *line, size_t len, bool wrong)
{
	static struct bl_rowmap_out out;
	struct bl_err err = { 0 };
	int rc = loglines_patterns_ask(t->patterns, i, line, len, (struct bl_str){ "", 0 },
	    bl_unix_ms(bl_clock_real()), &out, &err);

	if (rc == 0)
		return false;
	show(t, line, len);
	if (rc > 0 && wrong)
		rc = bl_fail(&err, BL_EINVAL, "text that is not %s", bl_charset_names[t->is]);
	if (rc < 0) {
		bl_err_prefix(&err, "pattern %u matches, but", i + 1);
		tell_wrong(t, err.msg);
	} else if (rc == LOGLINES_NOT_WANTED && !t->json) {
		(void)printf("   pattern %u matches, but its `when` wants other lines\n", i + 1);
	}
	for (unsigned k = 0; rc == LOGLINES_REPORTS && k < out.n; k++) {
		json_t *o = object_of(t, i, &out.report[k]);

		t->reports++;
		print(t, i, o);
		json_decref(o);
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
	if (t->json) {
		if (t->all)
			tell(t, "note", "no pattern matches");
	} else if (t->all || t->unmatched <= SHOWN_UNMATCHED) {
		show(t, line, len);
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

	t->line++;
	t->shown = false;
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
		show(t, text, n);
		tell_wrong(t, "the line is longer than 8192 bytes");
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

/* No name: the only one. */
static const struct loglines_watch *
watch_of(const struct config *c, const char *name)
{
	const struct bl_conf_list *list = &c->v->inlets.loglines.watch;
	const struct loglines_watch *watch = list->item;

	for (size_t i = 0; i < list->n; i++)
		if (name == NULL ? list->n == 1 : strcmp(watch[i].name, name) == 0)
			return &watch[i];
	if (name == NULL)
		(void)fprintf(stderr, "branchline-agent: loglines: --name NAME says which entry");
	else
		(void)fprintf(
		    stderr, "branchline-agent: loglines: no entry has the name \"%s\"", name);
	(void)fprintf(stderr, " of inlets.loglines.watch; there are %zu:", list->n);
	for (size_t i = 0; i < list->n; i++)
		(void)fprintf(stderr, " \"%s\"", watch[i].name);
	(void)fputc('\n', stderr);
	return NULL;
}

static int
test(const struct config *c, const char *name, struct tried *t)
{
	const struct loglines_watch *watch = watch_of(c, name);
	struct bl_err err = { 0 };

	if (watch == NULL)
		return CMD_EXIT_USAGE;
	if (loglines_patterns_open(&t->patterns, &watch->patterns, &err) < 0) {
		(void)fprintf(stderr, "branchline-agent: loglines: %s\n", err.msg);
		return 1;
	}
	t->is = (enum bl_charset)watch->encoding;
	if (try_all(t, &err) < 0) {
		t->wrong++;
		(void)fprintf(stderr, "branchline-agent: loglines: %s\n", err.msg);
	}
	bl_charset_close(t->conv);
	loglines_patterns_close(t->patterns);
	(void)fflush(stdout);
	(void)fprintf(stderr,
	    "%lu lines: %lu reports would be sent; %lu without a match; %lu wrong\n", t->line,
	    t->reports, t->unmatched, t->wrong);
	return t->wrong == 0 && t->reports > 0 ? 0 : 1;
}

int
cmd_loglines(int argc, char **argv)
{
	const char *path = CONFIG_FILE_DEFAULT, *name = NULL, *word = "";
	int all = 0, json = 0, code;
	const struct cmd_option options[] = { { "--config", &path, NULL },
		{ "--name", &name, NULL }, { "--all", NULL, &all }, { "--json", NULL, &json },
		{ NULL, NULL, NULL } };
	struct tried t = { 0 };
	struct config *c;

	if ((code = cmd_options_read(argc, argv, options, &word, 1, help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if (strcmp(word, "test") != 0) {
		(void)fputs(help, stderr);
		return CMD_EXIT_USAGE;
	}
	if ((c = cmd_config(path, &code)) == NULL)
		return code;
	t.all = all != 0;
	t.json = json != 0;
	code = test(c, name, &t);
	config_free(c);
	return code;
}
