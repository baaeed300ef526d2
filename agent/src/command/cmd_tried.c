/* What a line or a row would become, said to who tries it; see the header. */
#include "cmd_tried.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "branchline/buf.h"
#include "branchline/clock.h"

#include "commands.h"
#include "config.h"
#include "top.h"

#define SHOWN_COLUMNS 100u       /* of a line */
#define ALL_COLUMNS   (1u << 24) /* more than anything takes */

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
pairs_of(const struct inlet_report *r)
{
	json_t *all = json_object();
	char key[BL_NAME_MAX + 1];

	for (uint32_t i = 0; r->kind != INLET_METRIC && i < r->ev.n_attrs; i++) {
		(void)snprintf(
		    key, sizeof(key), "%.*s", (int)r->ev.attr[i].key.len, r->ev.attr[i].key.p);
		(void)json_object_set_new(all, key, value_of(&r->ev.attr[i]));
	}
	for (uint32_t i = 0; r->kind == INLET_METRIC && i < r->def.n_labels; i++) {
		(void)snprintf(
		    key, sizeof(key), "%.*s", (int)r->def.label[i].key.len, r->def.label[i].key.p);
		(void)json_object_set_new(all, key, text_of(r->def.label[i].value));
	}
	return all;
}

static json_t *
object_of(const struct cmd_tried *t, unsigned pattern, const struct inlet_report *r)
{
	char at[BL_TIME_SIZE] = "";
	const bool metric = r->kind == INLET_METRIC;
	json_t *o = json_pack("{s:I,s:i,s:s,s:o}", "line", (json_int_t)t->line, t->by,
	    (int)pattern + 1, "report", metric ? "metric" : "event", metric ? "name" : "type",
	    text_of(metric ? r->def.name : r->ev.type));

	if (r->at_unix_ms != 0)
		bl_time_utc(r->at_unix_ms, at);
	(void)json_object_set_new(o, "at", at[0] != '\0' ? json_string(at) : json_null());
	if (metric)
		(void)json_object_set_new(o, "value", json_real(r->value));
	(void)json_object_set_new(o, metric ? "labels" : "attributes", pairs_of(r));
	return o;
}

/* Without what a terminal would obey: others wrote it. */
static void
put(const char *text, unsigned columns)
{
	struct bl_buf b;

	bl_buf_init(&b, strlen(text) * 4 + 16);
	(void)top_fit(&b, text, columns, true);
	if (!b.failed && b.len > 0)
		(void)fwrite(b.data, 1, b.len, stdout);
	bl_buf_free(&b);
}

static void
print_value(const json_t *value)
{
	if (json_is_string(value))
		put(json_string_value(value), ALL_COLUMNS);
	else if (json_is_real(value)) /* a whole number as it was written */
		(void)printf("%.15g", json_real_value(value));
	else
		(void)json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

void
cmd_tried_line(struct cmd_tried *t, unsigned long line)
{
	t->shown = t->shown && t->line == line;
	t->line = line;
}

void
cmd_tried_show(struct cmd_tried *t, const char *line, size_t len)
{
	char text[4 * SHOWN_COLUMNS + 1];
	size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;

	if (t->json || t->shown)
		return;
	t->shown = true;
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	memcpy(text, line, n);
	text[n] = '\0';
	(void)printf("%lu: ", t->line);
	put(text, SHOWN_COLUMNS);
	(void)fputc('\n', stdout);
}

static void
print(const struct cmd_tried *t, unsigned pattern, json_t *o)
{
	const json_t *value, *at = json_object_get(o, "at");
	json_t *pairs = json_object_get(o, "attributes");
	const char *key;

	if (t->json) {
		(void)json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
		(void)fputc('\n', stdout);
		return;
	}
	(void)printf("   %s %u sends ", t->by, pattern + 1);
	if (json_object_get(o, "name") != NULL) {
		(void)fputs("metric ", stdout);
		print_value(json_object_get(o, "name"));
		(void)fputc('=', stdout);
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
say(const char *what, const char *why)
{
	(void)printf("   %s: ", what);
	put(why, ALL_COLUMNS);
	(void)fputc('\n', stdout);
}

void
cmd_tried_sends(struct cmd_tried *t, unsigned i, const struct inlet_report *r, const char *refused)
{
	json_t *o = object_of(t, i, r);

	if (refused == NULL)
		t->reports++;
	else if (t->json)
		(void)json_object_set_new(o, "refused", json_string(refused));
	print(t, i, o);
	json_decref(o);
	t->refused += refused != NULL;
	if (refused != NULL && !t->json)
		say("the agent refuses it", refused);
}

void
cmd_tried_tell(const struct cmd_tried *t, const char *member, const char *text)
{
	json_t *o = json_pack("{s:I,s:s}", "line", (json_int_t)t->line, member, text);

	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	json_decref(o);
}

void
cmd_tried_wrong(struct cmd_tried *t, const char *becomes, const char *why)
{
	t->wrong++;
	if (t->json)
		cmd_tried_tell(t, "error", why);
	else
		say(becomes, why);
}

/* The item with this name of a list whose structs begin with it; no name: the only one. */
static const void *
entry_of(const struct cmd_trying *what, const struct bl_conf_list *list, const char *name)
{
	const char *const *at = list->item;
	const size_t step = what->size / sizeof(*at);

	for (size_t i = 0; i < list->n; i++)
		if (name == NULL ? list->n == 1 : strcmp(at[i * step], name) == 0)
			return &at[i * step];
	if (list->n == 0) {
		(void)fprintf(
		    stderr, "branchline-agent: the configuration has no entry of %s\n", what->key);
		return NULL;
	}
	(void)fprintf(stderr,
	    name == NULL ? "branchline-agent: --name NAME says which entry"
			 : "branchline-agent: no entry has the name \"%s\"",
	    name);
	(void)fprintf(stderr, " of %s; there are %zu:", what->key, list->n);
	for (size_t i = 0; i < list->n; i++)
		(void)fprintf(stderr, " \"%s\"", at[i * step]);
	(void)fputc('\n', stderr);
	return NULL;
}

int
cmd_tried(int argc, char **argv, const struct cmd_trying *what)
{
	const char *path = CONFIG_FILE_DEFAULT, *name = NULL, *word[2] = { "", NULL };
	int all = 0, json = 0, code;
	const struct cmd_option options[] = { { "--config", &path, NULL },
		{ "--name", &name, NULL }, { "--json", NULL, &json },
		{ what->file ? NULL : "--all", NULL, &all }, { NULL, NULL, NULL } };
	struct cmd_tried t = { .by = what->by };
	const void *entry;
	struct config *c;

	if ((code = cmd_options_read(argc, argv, options, word, 1 + what->file, what->help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if (strcmp(word[0], "test") != 0 || (what->file && word[1] == NULL)) {
		(void)fputs(what->help, stderr);
		return CMD_EXIT_USAGE;
	}
	if ((c = cmd_config(path, &code)) == NULL)
		return code;
	t.json = json != 0;
	entry = entry_of(what, (const void *)((const char *)&c->v->inlets + what->list), name);
	if (entry == NULL)
		code = CMD_EXIT_USAGE;
	else
		code = what->test(&t, entry, word[1], all != 0) == BL_OK && t.wrong == 0 &&
			       t.reports > 0
			   ? 0
			   : 1;
	config_free(c);
	return code;
}
