/*
 * The table as the body of a man page: a heading a section, a paragraph a key.
 * Written for man(7), which groff and mandoc both read.
 */
#include "conf_internal.h"

#include <string.h>

void
bl_conf_print_roff(const char *text, FILE *to)
{
	bool begins = true;

	for (; *text != '\0'; text++) {
		if (begins && (*text == '.' || *text == '\''))
			(void)fputs("\\&", to);
		if (*text == '\\')
			(void)fputs("\\e", to);
		else if (*text == '-')
			(void)fputs("\\-", to);
		else
			(void)fputc(*text, to);
		begins = *text == '\n';
	}
}

static void
print_key(const char *path, const struct bl_conf_key *k, FILE *to)
{
	char expected[320];

	conf_value_expected(k, expected, sizeof(expected));
	(void)fputs(".TP\n.B ", to);
	bl_conf_print_roff(path, to);
	(void)fputc('\n', to);
	if (k->help != NULL) {
		bl_conf_print_roff(k->help, to);
		(void)fputs(".\n.br\n", to);
	}
	bl_conf_print_roff(expected, to);
	if (k->dflt == NULL) {
		(void)fputs("; required\n", to);
	} else if (k->dflt[0] == '\0') {
		(void)fputs("; default: none\n", to);
	} else {
		(void)fputs("; default: ", to);
		bl_conf_print_roff(k->dflt, to);
		(void)fputc('\n', to);
	}
}

static bool
has_section(const struct bl_conf_key *k)
{
	return k->type == BL_CONF_SECTION || k->type == BL_CONF_LIST;
}

/* Keys of the section first, then those below it under headings of their own. */
static void
print_table(const struct bl_conf_section *s, char path[CONF_PATH_SIZE], FILE *to)
{
	size_t len, list;

	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		if (k->type == BL_CONF_SECTION)
			continue;
		len = conf_path_add(path, k->name);
		print_key(path, k, to);
		path[len] = '\0';
	}
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		if (!has_section(k))
			continue;
		len = conf_path_add(path, k->name);
		list = strlen(path);
		if (k->type == BL_CONF_LIST && list + 3 < CONF_PATH_SIZE)
			(void)strcat(path, "[]");
		(void)fputs(".SS ", to);
		bl_conf_print_roff(path, to);
		(void)fputc('\n', to);
		if (k->help != NULL) {
			bl_conf_print_roff(k->help, to);
			(void)fputs(".\n", to);
		}
		print_table(k->section, path, to);
		path[len] = '\0';
	}
}

void
bl_conf_print_man(const struct bl_conf_section *root, FILE *to)
{
	char path[CONF_PATH_SIZE] = "";

	print_table(root, path, to);
}
