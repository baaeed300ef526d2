/*
 * Where values come from: noted while the tree is applied, looked up by path
 * when the configuration is shown.
 */
#include "conf_internal.h"

#include <stdlib.h>
#include <string.h>

struct bl_conf_source {
	char *path; /* owned */
	struct conf_pos at;
};

void
conf_source_note(struct conf_run *run, struct conf_pos at)
{
	struct bl_conf_sources *s = run->sources;

	if (s == NULL)
		return;
	if (s->n == s->size) {
		const size_t size = s->size == 0 ? 64 : 2 * s->size; /* at most CONF_NODES_MAX */
		struct bl_conf_source *grown = realloc(s->at, size * sizeof(*grown));

		if (grown == NULL) {
			run->no_memory = true;
			return;
		}
		s->at = grown;
		s->size = size;
	}
	if ((s->at[s->n].path = strdup(run->path)) == NULL) {
		run->no_memory = true;
		return;
	}
	s->at[s->n++].at = at;
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(
	    ((const struct bl_conf_source *)a)->path, ((const struct bl_conf_source *)b)->path);
}

void
conf_sources_finish(struct conf_run *run)
{
	struct bl_conf_sources *s = run->sources;

	if (s->n > 0)
		qsort(s->at, s->n, sizeof(*s->at), by_path);
	if ((s->file = calloc(run->n_files, sizeof(*s->file))) == NULL)
		return; /* nothing is found then */
	for (unsigned i = 0; i < run->n_files; i++) {
		s->file[i] = run->files[i].name;
		run->files[i].name = NULL;
	}
	s->n_files = run->n_files;
}

bool
conf_source_find(
    const struct bl_conf_sources *s, const char *path, const char **file, unsigned *line)
{
	/* by_path only reads it */
	const struct bl_conf_source wanted = { .path = (char *)(uintptr_t)path };
	const struct bl_conf_source *found = NULL;

	if (s->n > 0 && s->n_files > 0)
		found = bsearch(&wanted, s->at, s->n, sizeof(*s->at), by_path);
	if (found == NULL)
		return false;
	*file = s->file[found->at.file];
	*line = found->at.line;
	return true;
}

void
bl_conf_sources_free(struct bl_conf_sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->at[i].path);
	for (size_t i = 0; i < s->n_files; i++)
		free(s->file[i]);
	free(s->at);
	free(s->file);
	memset(s, 0, sizeof(*s));
}
