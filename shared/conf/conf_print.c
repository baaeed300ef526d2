/*
 * The way back: a struct as YAML that reads as the same struct, and the table
 * of options for people.  Texts are always quoted, so that no value can be
 * taken for something else.
 */
#include "conf_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct out {
	FILE *to;
	unsigned indent;
	bool item; /* the next line begins an entry of a list */
	/* For people; else NULL, and secrets are written. */
	const struct bl_conf_sources *sources;
	bool hide;
	char path[CONF_PATH_SIZE];
};

static void
begin_line(struct out *o)
{
	for (unsigned i = 0; i + 1 < o->indent; i++)
		(void)fputs("  ", o->to);
	if (o->indent > 0)
		(void)fputs(o->item ? "- " : "  ", o->to);
	o->item = false;
}

/* One character of valid UTF-8; what YAML does not print as such is escaped. */
static size_t
print_char(const unsigned char *p, FILE *to)
{
	static const struct {
		unsigned char lead, mask;
		size_t len;
	} forms[] = { { 0x00, 0x80, 1 }, { 0xc0, 0xe0, 2 }, { 0xe0, 0xf0, 3 }, { 0xf0, 0xf8, 4 } };
	uint32_t ch = 0;
	size_t len = 1;

	for (size_t i = 0; i < 4; i++) {
		if ((p[0] & forms[i].mask) == forms[i].lead) {
			len = forms[i].len;
			ch = p[0] & (uint32_t)(0xff & ~forms[i].mask);
		}
	}
	for (size_t i = 1; i < len; i++)
		ch = ch << 6 | (p[i] & 0x3fu);
	if (ch == '"' || ch == '\\')
		(void)fprintf(to, "\\%c", (int)ch);
	else if (ch == '\n')
		(void)fputs("\\n", to);
	else if (ch == '\t')
		(void)fputs("\\t", to);
	else if (ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || ch == 0x2028 || ch == 0x2029 ||
		 ch == 0xfeff || ch == 0xfffe || ch == 0xffff)
		(void)fprintf(to, "\\u%04X", (unsigned)ch);
	else
		(void)fwrite(p, 1, len, to);
	return len;
}

static void
print_text(const char *text, FILE *to)
{
	const unsigned char *p = (const unsigned char *)text;
	const unsigned char *end = p + strlen(text);

	(void)fputc('"', to);
	while (p < end)
		p += print_char(p, to);
	(void)fputc('"', to);
}

static bool
is_word(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_-.0123456789";

	return text[0] >= 'a' && text[0] <= 'z' && text[strspn(text, letters)] == '\0';
}

/* A text of the key, or what is shown of it. */
static void
print_secret(const struct out *o, const struct bl_conf_key *key, const char *text)
{
	const char *query = strchr(text, '?');
	char *shown;

	if (!o->hide || key->secret == BL_CONF_SHOWN ||
	    (key->secret == BL_CONF_HIDDEN_QUERY && query == NULL)) {
		print_text(text, o->to);
		return;
	}
	if (key->secret == BL_CONF_HIDDEN) {
		(void)fputs("\"***\"", o->to);
		return;
	}
	if ((shown = strndup(text, (size_t)(query - text) + 1)) != NULL)
		print_text(shown, o->to);
	free(shown);
	/* Behind the quote: nobody's text ends like this. */
	(void)fputs(" # without its query;", o->to);
}

/* Ends the line of the value at o->path. */
static void
end_line(const struct out *o)
{
	const char *file;
	unsigned line;

	if (o->sources == NULL) {
		(void)fputc('\n', o->to);
		return;
	}
	(void)fputs("  # ", o->to);
	if (!conf_source_find(o->sources, o->path, &file, &line)) {
		(void)fputs("default\n", o->to);
		return;
	}
	for (; *file != '\0'; file++)
		(void)fputc((unsigned char)*file < 0x20 || *file == 0x7f ? '?' : *file, o->to);
	(void)fprintf(o->to, ":%u\n", line);
}

static void
print_scalar(const struct out *o, const struct bl_conf_key *key, const void *field)
{
	FILE *to = o->to;
	char text[64];

	switch (key->type) {
	case BL_CONF_INT:
		(void)fprintf(to, "%" PRId64, *(const int64_t *)field);
		return;
	case BL_CONF_NUMBER:
		conf_format_number(*(const double *)field, text, sizeof(text));
		break;
	case BL_CONF_BOOL:
		(void)fputs(*(const bool *)field ? "true" : "false", to);
		return;
	case BL_CONF_DURATION:
		conf_format_duration(*(const int64_t *)field, text, sizeof(text));
		break;
	case BL_CONF_SIZE:
		conf_format_size(*(const int64_t *)field, text, sizeof(text));
		break;
	case BL_CONF_ENUM:
		(void)fputs(key->choices[*(const int *)field], to);
		return;
	default:
		print_secret(o, key, *(char *const *)field);
		return;
	}
	(void)fputs(text, to);
}

static void print_section(struct out *o, const struct bl_conf_section *s, const void *conf);

/* True when the value is the absence that is also its default: then nothing is printed. */
static bool
is_absent(const struct bl_conf_key *key, const void *field)
{
	switch (key->type) {
	case BL_CONF_INCLUDE:
		return true; /* what was included stands where it belongs */
	case BL_CONF_STR:
		return *(char *const *)field == NULL;
	case BL_CONF_MAP:
		return ((const struct bl_conf_strmap *)field)->n == 0;
	case BL_CONF_LIST:
		return ((const struct bl_conf_list *)field)->n == 0;
	case BL_CONF_STRLIST:
		/* An empty list says something where the default is not empty. */
		return ((const struct bl_conf_strlist *)field)->n == 0 &&
		       (key->dflt == NULL || key->dflt[0] == '\0');
	default:
		return false;
	}
}

static bool
section_is_empty(const struct bl_conf_section *s, const void *conf)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++)
		if (!is_absent(k, conf_field_const(conf, k)))
			return false;
	return true;
}

static void
print_strlist(const struct out *o, const struct bl_conf_strlist *list)
{
	FILE *to = o->to;

	(void)fputs(" [", to);
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			(void)fputs(", ", to);
		print_text(list->item[i], to);
	}
	(void)fputc(']', to);
	end_line(o);
}

static void
print_map(struct out *o, const struct bl_conf_key *key, const struct bl_conf_strmap *map)
{
	end_line(o);
	o->indent++;
	for (size_t i = 0; i < map->n; i++) {
		begin_line(o);
		if (is_word(map->key[i]))
			(void)fputs(map->key[i], o->to);
		else
			print_text(map->key[i], o->to);
		(void)fputs(": ", o->to);
		print_secret(o, key, map->value[i]);
		(void)fputc('\n', o->to);
	}
	o->indent--;
}

static void
print_list(struct out *o, const struct bl_conf_key *key, const struct bl_conf_list *list)
{
	(void)fputc('\n', o->to);
	o->indent++;
	for (size_t i = 0; i < list->n; i++) {
		const char *item = (const char *)list->item + i * key->section->size;

		const size_t len = conf_path_add_index(o->path, i);

		o->item = true;
		if (section_is_empty(key->section, item)) {
			begin_line(o);
			(void)fputs("{}\n", o->to);
		} else {
			print_section(o, key->section, item);
		}
		o->path[len] = '\0';
	}
	o->indent--;
}

static void
print_key(struct out *o, const struct bl_conf_key *key, const void *field)
{
	begin_line(o);
	(void)fprintf(o->to, "%s:", key->name);
	switch (key->type) {
	case BL_CONF_SECTION:
		if (section_is_empty(key->section, field)) {
			(void)fputs(" {}\n", o->to);
			return;
		}
		(void)fputc('\n', o->to);
		o->indent++;
		print_section(o, key->section, field);
		o->indent--;
		return;
	case BL_CONF_LIST:
		print_list(o, key, field);
		return;
	case BL_CONF_MAP:
		print_map(o, key, field);
		return;
	case BL_CONF_STRLIST:
		print_strlist(o, field);
		return;
	default:
		(void)fputc(' ', o->to);
		print_scalar(o, key, field);
		end_line(o);
	}
}

static void
print_section(struct out *o, const struct bl_conf_section *s, const void *conf)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		const void *field = conf_field_const(conf, k);
		size_t len;

		if (is_absent(k, field))
			continue;
		len = conf_path_add(o->path, k->name);
		print_key(o, k, field);
		o->path[len] = '\0';
	}
}

int
bl_conf_print(const struct bl_conf_section *root, const void *conf, FILE *to)
{
	struct out o = { .to = to };

	print_section(&o, root, conf);
	return fflush(to) != 0 || ferror(to) ? BL_EIO : BL_OK;
}

int
bl_conf_print_for_people(const struct bl_conf_section *root, const void *conf,
    const struct bl_conf_sources *sources, bool with_secrets, FILE *to)
{
	struct out o = { .to = to, .sources = sources, .hide = !with_secrets };

	print_section(&o, root, conf);
	return fflush(to) != 0 || ferror(to) ? BL_EIO : BL_OK;
}

static void
print_option(const char *path, const struct bl_conf_key *k, FILE *to)
{
	char expected[320];

	conf_value_expected(k, expected, sizeof(expected));
	(void)fprintf(to, "%s\n    %s\n    %s; ", path, k->help != NULL ? k->help : "", expected);
	if (k->dflt == NULL)
		(void)fputs("required\n", to);
	else if (k->dflt[0] == '\0')
		(void)fputs("default: none\n", to);
	else
		(void)fprintf(to, "default: %s\n", k->dflt);
}

static void
print_options(const struct bl_conf_section *s, const char *prefix, FILE *to)
{
	char path[CONF_PATH_SIZE];

	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		(void)snprintf(
		    path, sizeof(path), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", k->name);
		if (k->type == BL_CONF_SECTION) {
			print_options(k->section, path, to);
		} else if (k->type == BL_CONF_LIST) {
			print_option(path, k, to);
			(void)strncat(path, "[]", sizeof(path) - strlen(path) - 1);
			print_options(k->section, path, to);
		} else {
			print_option(path, k, to);
		}
	}
}

void
bl_conf_print_options(const struct bl_conf_section *root, FILE *to)
{
	print_options(root, "", to);
}
