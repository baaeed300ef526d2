/*
 * Included files: found, read, and merged into the tree of the first one.
 *
 * Nothing overrides anything: sections are merged, lists of sections go on in
 * the order of reading, and a key that stands in two places is an error which
 * names both.  So the order of files decides the order of lists and no value.
 */
#include "conf_internal.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct bl_conf_key *
include_key(const struct bl_conf_section *root)
{
	for (const struct bl_conf_key *k = root->keys; k->name != NULL; k++)
		if (k->type == BL_CONF_INCLUDE)
			return k;
	return NULL;
}

static struct conf_node *
include_of(const struct conf_run *run, const struct conf_node *tree)
{
	const struct bl_conf_key *key = include_key(run->root);

	return key != NULL ? conf_find_member(tree, key->name) : NULL;
}

/* An error of the key itself, which has no other value to be checked with. */
static void
wrong(struct conf_run *run, struct conf_pos at, const char *what, const char *name)
{
	const size_t len = conf_path_push(run, include_key(run->root)->name);
	char got[80];

	conf_quote_got(name, got, sizeof(got));
	conf_error(run, at, "%s, got %s", what, got);
	conf_path_pop(run, len);
}

void
conf_include_refuse(struct conf_run *run, const struct conf_node *tree)
{
	const struct conf_node *n = include_of(run, tree);

	if (n != NULL && n->kind != CONF_REFUSED)
		wrong(run, n->key_at,
		    "expected nothing here: only a configuration file includes others",
		    n->kind == CONF_SCALAR ? n->text : "a list");
}

/* ---- merging ---- */

static void merge_section(struct conf_run *run, const struct bl_conf_section *s,
    struct conf_node *to, struct conf_node *from);

/* Moves all children. */
static void
move_children(struct conf_node *to, struct conf_node *from)
{
	struct conf_node *c = from->child, *next;

	from->child = from->last = NULL;
	from->n = 0;
	for (; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		conf_node_append(to, c);
	}
}

/* What stands empty ("probes:") becomes what the other one is. */
static void
fill_nothing(struct conf_node *to, struct conf_node *from)
{
	to->kind = from->kind;
	to->at = from->at;
	free(to->text);
	to->text = from->text;
	to->plain = from->plain;
	from->text = NULL;
	move_children(to, from);
}

/* Both have a value for this key. */
static void
merge_value(struct conf_run *run, const struct bl_conf_key *key, struct conf_node *to,
    struct conf_node *from)
{
	char where[CONF_PATH_SIZE];

	if (conf_is_nothing(from) || from->kind == CONF_REFUSED)
		return;
	if (conf_is_nothing(to)) {
		fill_nothing(to, from);
		return;
	}
	if (key->type == BL_CONF_SECTION && to->kind == CONF_MAPPING &&
	    from->kind == CONF_MAPPING) {
		merge_section(run, key->section, to, from);
		return;
	}
	if (key->type == BL_CONF_LIST && to->kind == CONF_SEQUENCE && from->kind == CONF_SEQUENCE) {
		move_children(to, from);
		return;
	}
	conf_where(run, to->key_at, from->key_at.file, where, sizeof(where));
	conf_error(run, from->key_at, "is set already, at %s; remove one of the two", where);
}

/* Empties from. */
static void
merge_section(struct conf_run *run, const struct bl_conf_section *s, struct conf_node *to,
    struct conf_node *from)
{
	struct conf_node *c = from->child, *next, *there;
	const struct bl_conf_key *key;
	size_t len;

	from->child = from->last = NULL;
	from->n = 0;
	for (; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		key = conf_find_key(s, c->key);
		there = conf_find_member(to, c->key);
		if (key == NULL || there == NULL) {
			conf_node_append(to, c);
		} else {
			len = conf_path_push(run, c->key);
			merge_value(run, key, there, c);
			conf_path_pop(run, len);
			conf_tree_free(c);
		}
	}
}

/* ---- files ---- */

static bool
is_known(struct conf_run *run, const struct conf_file *file, struct conf_pos at)
{
	char what[2 * CONF_PATH_SIZE], where[CONF_PATH_SIZE];

	for (unsigned i = 0; i < run->n_files; i++) {
		const struct conf_file *f = &run->files[i];

		if (f->dev != file->dev || f->ino != file->ino)
			continue;
		if (i == 0) {
			wrong(
			    run, at, "expected other files than the first one itself", file->name);
			return true;
		}
		conf_where(run, f->by, at.file, where, sizeof(where));
		(void)snprintf(what, sizeof(what),
		    "expected each file once, and this one is included on %s", where);
		wrong(run, at, what, file->name);
		return true;
	}
	return false;
}

/* Takes the name of file. */
static bool
add_file(struct conf_run *run, struct conf_file *file, struct conf_pos at)
{
	if (is_known(run, file, at)) {
		free(file->name);
		return false;
	}
	if (run->n_files == BL_CONF_FILES_MAX) {
		run->broken = true;
		wrong(run, at, "too many files: a configuration has at most 64", file->name);
		free(file->name);
		return false;
	}
	file->by = at;
	run->file = run->n_files;
	run->files[run->n_files++] = *file;
	return true;
}

static void
take_tree(struct conf_run *run, struct conf_node *tree, struct conf_node *from)
{
	if (from == NULL || conf_is_nothing(from))
		return;
	if (from->kind == CONF_MAPPING)
		merge_section(run, run->root, tree, from);
	else if (from->kind != CONF_REFUSED)
		conf_error(run, from->at, "expected a section of keys and values, got %s",
		    from->kind == CONF_SEQUENCE ? "a list" : "text");
}

/* Of a file that is included: its own include, out of its tree. */
static struct conf_node *
take_include(const struct conf_run *run, struct conf_node *tree)
{
	struct conf_node *n = include_of(run, tree), *c, *next;

	if (n == NULL)
		return NULL;
	c = tree->child;
	tree->child = tree->last = NULL;
	tree->n = 0;
	for (; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		if (c != n)
			conf_node_append(tree, c);
	}
	return n;
}

static void
unread(struct conf_run *run, struct conf_pos at, const char *why)
{
	const size_t len = conf_path_push(run, include_key(run->root)->name);

	run->broken = true; /* what is missing may stand there */
	conf_error(run, at, "%s", why);
	conf_path_pop(run, len);
}

static void include_all(struct conf_run *run, struct conf_node *tree, const struct conf_node *n);

/* Some devices do something when they are merely opened, and a pattern may find any. */
static bool
is_device(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* Reads one file into tree; name stands in at. */
static void
include_file(struct conf_run *run, struct conf_node *tree, const char *name, struct conf_pos at)
{
	struct conf_file file = { .name = strdup(name) };
	const bool was_broken = run->broken;
	struct bl_err err = { 0 };
	struct conf_node *from, *more;
	char *text;
	size_t len;
	int rc;

	if (file.name == NULL) {
		run->no_memory = true;
		return;
	}
	if (is_device(name)) {
		wrong(run, at, "expected a file, not a pipe or a device", name);
		free(file.name);
		return;
	}
	if ((rc = conf_file_read(name, &text, &len, &file, &err)) < 0) {
		run->no_memory = run->no_memory || rc == BL_ENOMEM;
		unread(run, at, err.msg);
		free(file.name);
		return;
	}
	if (!add_file(run, &file, at)) {
		free(text);
		return;
	}
	run->broken = false; /* or the text would not be read at all */
	from = conf_tree_read(run, text, len);
	run->broken = run->broken || was_broken;
	free(text);
	more = take_include(run, from);
	take_tree(run, tree, from);
	if (more != NULL)
		include_all(run, tree, more);
	conf_tree_free(more);
	conf_tree_free(from);
}

/* A folder that is not there has no files; one that cannot be looked into is another thing. */
static int
is_wrong(const char *folder, int error)
{
	(void)folder;
	return error != ENOENT && error != ENOTDIR;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folder of the first file, which is no pattern whatever its name, and the pattern behind it.
 */
static char *
pattern_make(const char *dir, size_t len, const char *pattern)
{
	char *full = malloc(2 * len + strlen(pattern) + 1), *to = full;

	if (full == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (strchr("*?[]\\", dir[i]) != NULL)
			*to++ = '\\';
		*to++ = dir[i];
	}
	strcpy(to, pattern);
	return full;
}

static void
include_found(struct conf_run *run, struct conf_node *tree, const char *full, struct conf_pos at)
{
	glob_t found = { 0 };
	const int rc = glob(full, GLOB_NOSORT, is_wrong, &found);

	if (rc == GLOB_NOSPACE)
		run->no_memory = true;
	else if (rc == GLOB_ABORTED)
		unread(run, at, "a folder on the way cannot be looked into");
	if (rc == 0)
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_name);
	for (size_t i = 0; rc == 0 && i < found.gl_pathc && !run->no_memory; i++)
		include_file(run, tree, found.gl_pathv[i], at);
	globfree(&found);
}

/* name, as it stands at the place at: of a file, or a pattern; relative to the first file's folder.
 */
static void
include_name(struct conf_run *run, struct conf_node *tree, const char *name, struct conf_pos at)
{
	const char *first = run->files[0].name, *slash = strrchr(first, '/');
	const size_t dir = slash == NULL || name[0] == '/' ? 0 : (size_t)(slash - first) + 1;
	const bool pattern = strpbrk(name, "*?[") != NULL;
	char *full;

	if (pattern)
		full = pattern_make(first, dir, name);
	else if (asprintf(&full, "%.*s%s", (int)dir, first, name) < 0)
		full = NULL;
	if (full == NULL)
		run->no_memory = true;
	else if (pattern)
		include_found(run, tree, full, at);
	else
		include_file(run, tree, full, at);
	free(full);
}

/* n: the value of a key include. */
static void
include_all(struct conf_run *run, struct conf_node *tree, const struct conf_node *n)
{
	static const char expected[] = "expected a file's name or a list of such, like "
				       "conf.d/*.yaml";
	const struct conf_node *c = n->kind == CONF_SEQUENCE ? n->child : n;

	for (; c != NULL && !run->no_memory; c = n->kind == CONF_SEQUENCE ? c->next : NULL) {
		if (c->kind == CONF_REFUSED || conf_is_nothing(c))
			continue;
		if (c->kind == CONF_SCALAR && c->text[0] != '\0')
			include_name(run, tree, c->text, c->at);
		else
			wrong(run, c->at, expected,
			    c->kind == CONF_MAPPING    ? "a section"
			    : c->kind == CONF_SEQUENCE ? "a list"
						       : "nothing");
	}
}

void
conf_include(struct conf_run *run, struct conf_node *tree)
{
	const struct conf_node *n = run->no_memory ? NULL : include_of(run, tree);

	if (n != NULL)
		include_all(run, tree, n);
}
