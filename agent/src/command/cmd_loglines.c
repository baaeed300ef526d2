/*
 * `branchline-agent loglines`: what lines would become, for who writes a pattern.  Reports
 * nothing, and asks nothing of a running agent.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "branchline/clock.h"
#include "branchline/regex_groups.h"

#include "config.h"

static const char help[] =
    "usage: branchline-agent loglines test --name NAME [OPTIONS] < LINES\n"
    "\n"
    "Reads lines from standard input and prints what the watched log NAME of the\n"
    "configuration (inlets.loglines.watch) would make of them: one line a report, with the\n"
    "number of its line. Reports nothing; the agent need not run.\n"
    "\n"
    "  --name NAME     the entry of inlets.loglines.watch\n"
    "  --all           also the lines that no pattern matches\n"
    "  --json          an object a report: line, pattern, type, at, attributes; or error\n"
    "  --config FILE   the agent's configuration; it need not be the one in force\n"
    "\n"
    "Exit code 0: there were reports, and nothing was wrong; 1: a line that matched makes no\n"
    "report, or no line matched; 64: wrong usage; 78: the configuration is wrong.\n";

struct tried {
	struct loglines_patterns *patterns;
	bool all, json;
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

static void
print(const struct tried *t, json_t *o)
{
	const json_t *value, *at = json_object_get(o, "at");
	json_t *pairs = json_object_get(o, "attributes");
	const char *key;

	if (t->json) {
		(void)json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
		(void)fputc('\n', stdout);
		return;
	}
	(void)printf("%lu: ", t->line);
	if (json_object_get(o, "name") != NULL) {
		(void)printf("metric %s=", json_string_value(json_object_get(o, "name")));
		print_value(json_object_get(o, "value"));
		pairs = json_object_get(o, "labels");
	} else {
		print_value(json_object_get(o, "type"));
	}
	(void)printf(" at=%s", json_is_string(at) ? json_string_value(at) : "now");
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
	json_t *o;

	if (!t->json) {
		(void)printf(
		    "%lu: %s%s\n", t->line, strcmp(member, "error") == 0 ? "error: " : "", text);
		return;
	}
	o = json_pack("{s:I,s:s}", "line", (json_int_t)t->line, member, text);
	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	json_decref(o);
}

static void
try_line(struct tried *t, const char *line, size_t len)
{
	static struct bl_rowmap_out out;
	const int64_t now = bl_unix_ms(bl_clock_real());
	bool matched = false;

	for (unsigned i = 0; i < loglines_patterns_count(t->patterns); i++) {
		struct bl_err err = { 0 };
		const int rc = loglines_patterns_ask(
		    t->patterns, i, line, len, (struct bl_str){ "", 0 }, now, &out, &err);

		matched = matched || rc != 0;
		if (rc < 0) {
			t->wrong++;
			tell(t, "error", err.msg);
		}
		for (unsigned k = 0; rc == 1 && k < out.n; k++) {
			json_t *o = object_of(t, i, &out.report[k]);

			t->reports++;
			print(t, o);
			json_decref(o);
		}
	}
	t->unmatched += !matched;
	if (!matched && t->all)
		tell(t, "note", "no pattern matches");
}

/* A line's end, and of one that is too long the rest. */
static void
try_all(struct tried *t)
{
	static char line[BL_REGEX_LINE_MAX + 3];
	size_t len;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		int c = '\n';

		t->line++;
		len = strcspn(line, "\n");
		if (line[len] != '\n' && len == sizeof(line) - 1) {
			while ((c = getchar()) != '\n' && c != EOF)
				;
			t->wrong++;
			tell(t, "error", "the line is longer than 8192 bytes");
			continue;
		}
		if (len > 0 && line[len - 1] == '\r')
			len--;
		try_line(t, line, len);
	}
}

static const struct loglines_watch *
watch_of(const struct config *c, const char *name)
{
	const struct bl_conf_list *list = &c->v->inlets.loglines.watch;
	const struct loglines_watch *watch = list->item;

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(watch[i].name, name) == 0)
			return &watch[i];
	(void)fprintf(stderr,
	    "branchline-agent: loglines: no entry of inlets.loglines.watch has the name \"%s\"; "
	    "there are %zu:",
	    name, list->n);
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
	try_all(t);
	loglines_patterns_close(t->patterns);
	(void)fflush(stdout);
	(void)fprintf(stderr, "%lu lines: %lu reports, %lu that no pattern matches, %lu wrong\n",
	    t->line, t->reports, t->unmatched, t->wrong);
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
	if (strcmp(word, "test") != 0 || name == NULL) {
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
