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
conf_error(struct conf_run *run, unsigned line, unsigned col, const char *fmt, ...)
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
	if (asprintf(&e->line[e->n_kept], "%s:%u:%u: %s%s%s", run->name, line, col, run->path,
		run->path[0] != '\0' ? ": " : "", text) < 0) {
		e->line[e->n_kept] = NULL;
		run->no_memory = true;
		return;
	}
	run->pos[e->n_kept].line = line;
	run->pos[e->n_kept].col = col;
	e->n_kept++;
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
			if (prev->line < pos.line ||
			    (prev->line == pos.line && prev->col <= pos.col))
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
conf_path_push(struct conf_run *run, const char *name)
{
	const size_t len = strlen(run->path);
	size_t n = len;

	if (n > 0 && n + 1 < sizeof(run->path))
		run->path[n++] = '.';
	for (size_t i = 0; name[i] != '\0' && i < 64 && n + 1 < sizeof(run->path); i++)
		run->path[n++] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? ' ' : name[i];
	run->path[n] = '\0';
	return len;
}

size_t
conf_path_push_index(struct conf_run *run, size_t i)
{
	const size_t len = strlen(run->path);

	(void)snprintf(run->path + len, sizeof(run->path) - len, "[%zu]", i);
	return len;
}

void
conf_path_pop(struct conf_run *run, size_t len)
{
	run->path[len] = '\0';
}

int
bl_conf_parse(const char *name, const char *text, size_t len, const struct bl_conf_section *root,
    void *out, struct bl_conf_errors *errors, struct bl_err *err)
{
	struct conf_run run = { .name = name, .root = root, .errors = errors };
	struct conf_node *tree;

	memset(errors, 0, sizeof(*errors));
	memset(out, 0, root->size);
	tree = conf_tree_read(&run, text, len);
	if (!run.no_memory)
		conf_apply(&run, root, tree, out);
	conf_tree_free(tree);
	conf_errors_sort(&run);
	if (run.no_memory) {
		bl_conf_release(root, out);
		return bl_fail(err, BL_ENOMEM, "read configuration %s: out of memory", name);
	}
	if (errors->n > 0) {
		bl_conf_release(root, out);
		return bl_fail(err, BL_EINVAL, "configuration %s has %zu error%s", name, errors->n,
		    errors->n == 1 ? "" : "s");
	}
	return BL_OK;
}

static int
read_file(const char *path, char **text, size_t *len, struct bl_err *err)
{
	struct stat st;
	ssize_t n;
	int fd, rc;

	*text = NULL;
	*len = 0;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0) {
		rc = errno == ENOENT ? BL_ENOTFOUND : errno == EACCES ? BL_EDENIED : BL_EIO;
		return bl_fail_errno(err, rc, "open configuration %s", path);
	}
	if (fstat(fd, &st) != 0) {
		rc = bl_fail_errno(err, BL_EIO, "look at configuration %s", path);
		goto out;
	}
	if (S_ISDIR(st.st_mode)) {
		rc = bl_fail(err, BL_EIO, "open configuration %s: it is a folder", path);
		goto out;
	}
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

int
bl_conf_load(const char *path, const struct bl_conf_section *root, void *out,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	char *text;
	size_t len;
	int rc;

	memset(errors, 0, sizeof(*errors));
	memset(out, 0, root->size);
	if ((rc = read_file(path, &text, &len, err)) < 0)
		return rc;
	rc = bl_conf_parse(path, text, len, root, out, errors, err);
	free(text);
	return rc;
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
