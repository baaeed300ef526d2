/*
 * The table of mounts, for the samplers that touch paths from the configuration; and
 * the symbolic links on the way, which may lead to where another mount lies.
 */
#include "sample_log.h"
#include "sample_watch_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOUNTS_BYTES (128 * 1024) /* untouched pages cost nothing */
#define WAY_BYTES    4096         /* of a path, as the kernel has it */
#define LINKS_MAX    40           /* as many as the kernel follows */

int
sample_watch_mounts_init(struct sample_watch_mounts *m, const struct bl_conf_strlist *types,
    const char *root, struct bl_err *err)
{
	*m = (struct sample_watch_mounts){
		.types = types, .always = root[0] != '\0', .len = BL_ENOTFOUND
	};
	m->root = root[0] != '\0' ? strdup(root) : NULL;
	if ((m->text = malloc(MOUNTS_BYTES)) == NULL || (root[0] != '\0' && m->root == NULL))
		return bl_fail(err, BL_ENOMEM, "sample: out of memory");
	return sample_file_init(&m->file, root, "/proc/self/mountinfo", err);
}

void
sample_watch_mounts_close(struct sample_watch_mounts *m)
{
	sample_file_close(&m->file);
	free(m->text);
	free(m->root);
	m->text = m->root = NULL;
}

bool
sample_watch_mounts_look(struct sample_watch_mounts *m)
{
	struct bl_err ignored = { 0 };
	bool cut;

	if (m->len >= 0 && !m->always && !sample_file_changed(&m->file))
		return false;
	m->len = sample_file_read(&m->file, m->text, MOUNTS_BYTES, &cut, &ignored);
	if (m->len >= 0 && cut)
		m->len = BL_EFULL; /* the mount that matters may be in the rest */
	return true;
}

bool
sample_watch_mounts_on_table(const struct sample_watch_mounts *m, const char *path)
{
	return m->len >= 0 && sample_mounts_harmless(m->text, (size_t)m->len, m->types, path);
}

/* ".." stands at the beginning alone, where the folders before it are known to be no links. */
static bool
dots_lead(const char *path)
{
	bool named = false;

	for (const char *at = path; *at != '\0';) {
		const size_t len = strcspn(at, "/");
		const bool up = len == 2 && at[0] == '.' && at[1] == '.';

		if (up && named)
			return false;
		named = named || (len > 0 && !up && !(len == 1 && at[0] == '.'));
		at += len + (at[len] == '/');
	}
	return true;
}

/* What a link holds; its length, 0: it is none, or too long. */
static size_t
link_read(const struct sample_watch_mounts *m, const char *path, char out[WAY_BYTES])
{
	char full[WAY_BYTES + 256];
	const int len = snprintf(full, sizeof(full), "%s%s", m->root != NULL ? m->root : "", path);
	ssize_t n;

	if (len < 0 || (size_t)len >= sizeof(full))
		return 0;
	n = readlink(full, out, WAY_BYTES - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The path with a part of it, up to `end`, replaced by what the link there holds.  False: too long.
 */
static bool
follow(char way[WAY_BYTES], const char *end, const char *target)
{
	char next[WAY_BYTES];
	size_t folder = (size_t)(end - way);
	int n;

	while (folder > 0 && way[folder - 1] != '/')
		folder--;
	n = snprintf(
	    next, sizeof(next), "%.*s%s%s", target[0] == '/' ? 0 : (int)folder, way, target, end);
	if (n < 0 || (size_t)n >= sizeof(next))
		return false;
	memcpy(way, next, (size_t)n + 1);
	return true;
}

/* Takes "." and ".." out of a way whose folders up to there are no links. */
static void
shorten(char *way)
{
	char *to = way;
	const char *from = way;

	while (*from != '\0') {
		const size_t len = strcspn(from + 1, "/") + 1; /* "/name" */

		if (len == 3 && from[1] == '.' && from[2] == '.') {
			while (to > way && *--to != '/')
				;
		} else if (len > 1 && !(len == 2 && from[1] == '.')) {
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = '\0';
}

/* The first link on a way; NULL: there is none.  *end: where its name ends in way. */
static bool
first_link(
    const struct sample_watch_mounts *m, char way[WAY_BYTES], char **end, char target[WAY_BYTES])
{
	for (char *at = way; *at != '\0'; at = *end) {
		char kept;
		size_t n;

		*end = at + 1 + strcspn(at + 1, "/");
		kept = **end;
		**end = '\0';
		n = link_read(m, way, target);
		**end = kept;
		if (n > 0)
			return true;
	}
	return false;
}

bool
sample_watch_mounts_way(const struct sample_watch_mounts *m, const char *path)
{
	char way[WAY_BYTES], target[WAY_BYTES], *end;
	const int n = snprintf(way, sizeof(way), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(way) || !dots_lead(path))
		return false; /* where ".." leads depends on the links before it */
	for (unsigned links = 0; first_link(m, way, &end, target); links++) {
		if (links == LINKS_MAX)
			return true; /* the kernel goes no further, either */
		if (!dots_lead(target) || !follow(way, end, target))
			return false;
		shorten(way);
		if (!sample_watch_mounts_on_table(m, way))
			return false;
	}
	return true;
}

bool
sample_watch_mounts_harmless(const struct sample_watch_mounts *m, const char *path)
{
	return sample_watch_mounts_on_table(m, path) && sample_watch_mounts_way(m, path);
}

/* ---- the same for who is no sampler ---- */

struct log_way {
	struct sample_watch_mounts mounts;
};

int
log_way_open(struct log_way **out, const struct bl_conf_strlist *types, struct bl_err *err)
{
	struct log_way *w = calloc(1, sizeof(*w));
	int rc;

	*out = NULL;
	if (w == NULL)
		return bl_fail(err, BL_ENOMEM, "logs: out of memory");
	if ((rc = sample_watch_mounts_init(&w->mounts, types, "", err)) < 0) {
		log_way_close(w);
		return rc;
	}
	*out = w;
	return BL_OK;
}

void
log_way_close(struct log_way *w)
{
	if (w == NULL)
		return;
	sample_watch_mounts_close(&w->mounts);
	free(w);
}

bool
log_way_harmless(struct log_way *w, const char *path)
{
	(void)sample_watch_mounts_look(&w->mounts);
	return sample_watch_mounts_harmless(&w->mounts, path);
}
