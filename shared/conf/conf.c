/*
 * The run over one file: read it, build the tree, apply the tables, hand back
 * the errors in the order of the file.
 */
#include "conf_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
conf_error(struct conf_run *run, struct conf_pos at, const char *fmt, ...)
{
	struct bl_conf_errors *e = run->errors;
	char text[512];
	va_list ap;

	e->n++;
	if (e->n_kept == BL_CONF_ERRORS_MAX)
		return;
	if (e->line == NULL && (e->line = calloc(BL_CONF_ERRORS_MAX, sizeof(*e->line))) == NULL) {
		run->no_memory = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (asprintf(&e->line[e->n_kept], "%s:%u:%u: %s%s%s", run->files[at.file].name, at.line,
		at.col, run->path, run->path[0] != '\0' ? ": " : "", text) < 0) {
		e->line[e->n_kept] = NULL;
		run->no_memory = true;
		return;
	}
	run->pos[e->n_kept] = at;
	e->n_kept++;
}

static bool
stands_behind(const struct conf_pos *a, const struct conf_pos *b)
{
	if (a->file != b->file)
		return a->file > b->file;
	return a->line != b->line ? a->line > b->line : a->col > b->col;
}

/* By place; what stands at the same place keeps its order.  At most 100 entries. */
void
conf_errors_sort(struct conf_run *run)
{
	struct bl_conf_errors *e = run->errors;

	for (size_t i = 1; i < e->n_kept; i++) {
		const struct conf_pos pos = run->pos[i];
		char *line = e->line[i];
		size_t j = i;

		for (; j > 0; j--) {
			const struct conf_pos *prev = &run->pos[j - 1];
			if (!stands_behind(prev, &pos))
				break;
			e->line[j] = e->line[j - 1];
			run->pos[j] = *prev;
		}
		e->line[j] = line;
		run->pos[j] = pos;
	}
}

/* Keys come from the file: cut, and nothing that could forge a line. */
size_t
conf_path_add(char path[CONF_PATH_SIZE], const char *name)
{
	const size_t len = strlen(path);
	size_t n = len;

	if (n > 0 && n + 1 < CONF_PATH_SIZE)
		path[n++] = '.';
	for (size_t i = 0; name[i] != '\0' && i < 64 && n + 1 < CONF_PATH_SIZE; i++)
		path[n++] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? ' ' : name[i];
	path[n] = '\0';
	return len;
}

size_t
conf_path_add_index(char path[CONF_PATH_SIZE], size_t i)
{
	const size_t len = strlen(path);

	(void)snprintf(path + len, CONF_PATH_SIZE - len, "[%zu]", i);
	return len;
}

size_t
conf_path_push(struct conf_run *run, const char *name)
{
	return conf_path_add(run->path, name);
}

size_t
conf_path_push_index(struct conf_run *run, size_t i)
{
	return conf_path_add_index(run->path, i);
}

void
conf_path_pop(struct conf_run *run, size_t len)
{
	run->path[len] = '\0';
}

void
conf_where(
    const struct conf_run *run, struct conf_pos what, unsigned from_file, char *out, size_t size)
{
	if (what.file == from_file)
		(void)snprintf(out, size, "line %u", what.line);
	else
		(void)snprintf(out, size, "%s:%u", run->files[what.file].name, what.line);
}

/* Text to struct; the first file stands in run.  Releases what run owns. */
static int
finish(struct conf_run *run, struct conf_node *tree, void *out, struct bl_err *err)
{
	const struct bl_conf_errors *errors = run->errors;
	int rc = BL_OK;

	if (!run->no_memory)
		conf_apply(run, run->root, tree, out);
	conf_tree_free(tree);
	conf_errors_sort(run);
	if (run->no_memory)
		rc = bl_fail(
		    err, BL_ENOMEM, "read configuration %s: out of memory", run->files[0].name);
	else if (errors->n > 0 && !run->some)
		rc = bl_fail(err, BL_EINVAL, "configuration %s has %zu error%s", run->files[0].name,
		    errors->n, errors->n == 1 ? "" : "s");
	if (rc < 0)
		bl_conf_release(run->root, out);
	if (run->sources != NULL)
		conf_sources_finish(run);
	for (unsigned i = 0; i < run->n_files; i++)
		free(run->files[i].name);
	return rc;
}

static int
begin(struct conf_run **out, const char *name, const struct bl_conf_section *root, void *conf,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	struct conf_run *run = calloc(1, sizeof(*run));

	memset(errors, 0, sizeof(*errors));
	memset(conf, 0, root->size);
	*out = NULL;
	if (run == NULL || (run->files[0].name = strdup(name)) == NULL) {
		free(run);
		return bl_fail(err, BL_ENOMEM, "read configuration %s: out of memory", name);
	}
	run->n_files = 1;
	run->root = root;
	run->errors = errors;
	*out = run;
	return BL_OK;
}

int
bl_conf_parse(const char *name, const char *text, size_t len, const struct bl_conf_section *root,
    void *out, struct bl_conf_errors *errors, struct bl_err *err)
{
	struct conf_node *tree;
	struct conf_run *run;
	int rc;

	if ((rc = begin(&run, name, root, out, errors, err)) < 0)
		return rc;
	tree = conf_tree_read(run, text, len);
	conf_include_refuse(run, tree);
	rc = finish(run, tree, out, err);
	free(run);
	return rc;
}

static int
open_file(const char *path, struct conf_file *file, struct bl_err *err)
{
	struct stat st;
	int fd, rc;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0) {
		rc = errno == ENOENT ? BL_ENOTFOUND : errno == EACCES ? BL_EDENIED : BL_EIO;
		return bl_fail_errno(err, rc, "open configuration %s", path);
	}
	if (fstat(fd, &st) != 0)
		rc = bl_fail_errno(err, BL_EIO, "look at configuration %s", path);
	else if (S_ISDIR(st.st_mode))
		rc = bl_fail(err, BL_EIO, "open configuration %s: it is a folder", path);
	else
		rc = fd;
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return fd;
}

int
conf_file_read(
    const char *path, char **text, size_t *len, struct conf_file *file, struct bl_err *err)
{
	ssize_t n;
	int fd, rc;

	*text = NULL;
	*len = 0;
	if ((fd = open_file(path, file, err)) < 0)
		return fd;
	if ((*text = malloc(BL_CONF_FILE_MAX + 1)) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "read configuration %s: out of memory", path);
		goto out;
	}
	/* One byte more than allowed is enough to know that it is too large. */
	while (*len <= BL_CONF_FILE_MAX) {
		n = read(fd, *text + *len, BL_CONF_FILE_MAX + 1 - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = bl_fail_errno(err, BL_EIO, "read configuration %s", path);
			goto out;
		}
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	rc = *len > BL_CONF_FILE_MAX
		 ? bl_fail(err, BL_EFULL, "read configuration %s: larger than %u bytes", path,
		       BL_CONF_FILE_MAX)
		 : BL_OK;
out:
	(void)close(fd); /* read-only: nothing can be lost */
	if (rc < 0) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

static int
finish_file(struct conf_run *run, const char *text, size_t len, void *out, struct bl_err *err)
{
	struct conf_node *tree = conf_tree_read(run, text, len);

	conf_include(run, tree);
	return finish(run, tree, out, err);
}

static int
load(const char *path, const struct bl_conf_section *root, void *out, bool some,
    struct bl_conf_sources *sources, struct bl_conf_errors *errors, struct bl_err *err)
{
	struct conf_run *run;
	char *text;
	size_t len;
	int rc;

	if ((rc = begin(&run, path, root, out, errors, err)) < 0)
		return rc;
	run->sources = sources;
	run->some = some;
	if ((rc = conf_file_read(path, &text, &len, &run->files[0], err)) < 0) {
		free(run->files[0].name);
		free(run);
		return rc;
	}
	rc = finish_file(run, text, len, out, err);
	free(text);
	free(run);
	return rc;
}

int
bl_conf_load_from(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_sources *sources, struct bl_conf_errors *errors, struct bl_err *err)
{
	return load(path, root, out, false, sources, errors, err);
}

int
bl_conf_load_some(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	return load(path, root, out, true, NULL, errors, err);
}

int
bl_conf_parse_file(const char *name, const char *text, size_t len,
    const struct bl_conf_section *root, void *out, struct bl_conf_errors *errors,
    struct bl_err *err)
{
	struct conf_run *run;
	int rc;

	if ((rc = begin(&run, name, root, out, errors, err)) < 0)
		return rc;
	rc = finish_file(run, text, len, out, err);
	free(run);
	return rc;
}

int
bl_conf_load(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	return load(path, root, out, false, NULL, errors, err);
}

static void
release_key(const struct bl_conf_key *key, void *field)
{
	struct bl_conf_strlist *texts = field;
	struct bl_conf_strmap *map = field;
	struct bl_conf_list *list = field;

	switch (key->type) {
	case BL_CONF_STR:
		free(*(char **)field);
		break;
	case BL_CONF_STRLIST:
		for (size_t i = 0; i < texts->n; i++)
			free(texts->item[i]);
		free(texts->item);
		break;
	case BL_CONF_MAP:
		for (size_t i = 0; i < map->n; i++) {
			free(map->key[i]);
			free(map->value[i]);
		}
		free(map->key);
		free(map->value);
		break;
	case BL_CONF_LIST:
		for (size_t i = 0; i < list->n; i++)
			bl_conf_release(key->section, (char *)list->item + i * key->section->size);
		free(list->item);
		break;
	case BL_CONF_SECTION:
		bl_conf_release(key->section, field);
		break;
	default:
		break;
	}
}

void
bl_conf_release(const struct bl_conf_section *root, void *conf)
{
	for (const struct bl_conf_key *k = root->keys; k->name != NULL; k++)
		release_key(k, conf_field(conf, k));
	memset(conf, 0, root->size);
}

void
bl_conf_errors_free(struct bl_conf_errors *errors)
{
	for (size_t i = 0; i < errors->n_kept; i++)
		free(errors->line[i]);
	free(errors->line);
	memset(errors, 0, sizeof(*errors));
}
