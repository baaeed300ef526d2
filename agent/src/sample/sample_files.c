/*
 * Files: is it there, how old and how large is it, and how many match.
 *
 * An entry is one file, or the files of a folder whose names match (and of the
 * folders in it, when asked for).  Everything here runs on the agent's loop, so
 * nothing may hang: a path that leads through a file system that is not known
 * to answer at once is not touched, and is unknown.  Ages are told by the wall
 * clock, which is what files carry.
 */
#include "sample_files_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { F_EXISTS, F_SIZE, F_AGE, F_COUNT, F_OLDEST, FILE_SERIES };
#define FILE_SERIES_OF_ONE 3 /* the first three: a single file has no more */

static const struct sample_spec spec[FILE_SERIES] = {
	{ "file_exists", "1", BL_GAUGE, "file" },
	{ "file_size_bytes", "bytes", BL_GAUGE, "file" },
	{ "file_age_s", "s", BL_GAUGE, "file" },
	{ "file_count", "1", BL_GAUGE, "file" },
	{ "file_oldest_age_s", "s", BL_GAUGE, "file" },
};

struct watch {
	const struct sample_file_watch *conf;
	struct files_look look;
	char *path; /* root included; owned */
	unsigned n_series;
	int32_t handle[FILE_SERIES];
};

struct files {
	const struct sample_files_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	struct sample_watch_mounts mounts;
	size_t n;
	struct watch *watch; /* owned */
};

static const char *
check_watch(const void *section, const char **key_out)
{
	const struct sample_file_watch *w = section;

	if (!w->recursive || w->match != NULL)
		return NULL;
	*key_out = "recursive";
	return "recursive only together with match (\"*\": all files)";
}

static const struct bl_conf_key watch_keys[] = {
	SAMPLE_WATCH_NAME_KEY(struct sample_file_watch),
	SAMPLE_WATCH_PATH_KEY(struct sample_file_watch,
	    "a file, or with match a folder; absolute, on a local file system"),
	{ .name = "match",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct sample_file_watch, match),
	    .min = 1,
	    .max = 255,
	    .help = "count the files of the folder with such names (wildcards * and ?)" },
	{ .name = "recursive",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct sample_file_watch, recursive),
	    .help = "also in the folders in it, 16 deep, on the same file system" },
	{ 0 },
};

static const struct bl_conf_section watch_section = { "watch", sizeof(struct sample_file_watch),
	watch_keys, check_watch };

static const struct bl_conf_key files_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_files_conf, enabled),
	    .help = "sample the files that are watched" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_files_conf, every_ms),
	    .min = 1000,
	    .max = 86400000,
	    .help = "time between two looks" },
	{ .name = "max_entries",
	    .type = BL_CONF_INT,
	    .dflt = "5000",
	    .offset = offsetof(struct sample_files_conf, max_entries),
	    .min = 1,
	    .max = 200000,
	    .help = "entries of folders looked at for one name, some 3 us each; where there are "
		    "more, it is unknown" },
	SAMPLE_WATCH_TYPES_KEY(struct sample_files_conf),
	SAMPLE_WATCH_LIST_KEY(struct sample_files_conf, watch_section, "files and folders"),
	{ 0 },
};

static const struct bl_conf_section files_section = { "files", sizeof(struct sample_files_conf),
	files_keys, NULL };

static void
files_close(struct sampler *s)
{
	struct files *f = (struct files *)s;

	if (f == NULL)
		return;
	for (size_t i = 0; f->watch != NULL && i < f->n; i++)
		free(f->watch[i].path);
	sample_watch_mounts_close(&f->mounts);
	free(f->watch);
	free(f);
}

static bool
watch_init(
    struct watch *w, const struct sample_file_watch *conf, const char *root, unsigned max_entries)
{
	w->conf = conf;
	w->n_series = conf->match != NULL ? FILE_SERIES : FILE_SERIES_OF_ONE;
	for (unsigned i = 0; i < FILE_SERIES; i++)
		w->handle[i] = SAMPLE_NEW;
	if (asprintf(&w->path, "%s%s", root, conf->path) < 0) {
		w->path = NULL;
		return false;
	}
	w->look = (struct files_look){ w->path, conf->match, conf->recursive, max_entries };
	return true;
}

static int
files_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct files *f = calloc(1, sizeof(*f));
	bool made;

	*out = NULL;
	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "files: out of memory");
	f->conf = conf;
	f->interval_ms = sample_every_init(&f->every, f->conf->every_ms, interval_ms);
	f->n = f->conf->watch.n;
	f->watch = calloc(f->n > 0 ? f->n : 1, sizeof(*f->watch));
	made = f->watch != NULL && (f->n == 0 || sample_watch_mounts_init(&f->mounts,
						     &f->conf->types, root, err) == BL_OK);
	for (size_t i = 0; made && i < f->n; i++)
		made = watch_init(&f->watch[i],
		    &((const struct sample_file_watch *)f->conf->watch.item)[i], root,
		    (unsigned)f->conf->max_entries);
	if (!made) {
		files_close((struct sampler *)f);
		return bl_fail(err, BL_ENOMEM, "files: out of memory");
	}
	*out = (struct sampler *)f;
	return BL_OK;
}

static void
put_unknown(struct watch *w, const struct sample_to *to, enum bl_unknown reason)
{
	for (unsigned i = 0; i < w->n_series; i++)
		sample_put_unknown(to, &w->handle[i], &spec[i], w->conf->name, reason);
}

/* Whole seconds; a file from the future has no age yet. */
static double
age_s(int64_t now_ms, int64_t changed_ms)
{
	return now_ms > changed_ms ? (double)((now_ms - changed_ms) / 1000) : 0;
}

/* Ages of nothing are not known: there is no file that could be old. */
static void
put_found(struct watch *w, const struct files_found *found, const struct sample_to *to)
{
	struct timespec now;
	double value[FILE_SERIES];
	int64_t now_ms;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	value[F_EXISTS] = found->exists;
	value[F_SIZE] = (double)found->bytes;
	value[F_AGE] = age_s(now_ms, found->newest_unix_ms);
	value[F_COUNT] = (double)found->count;
	value[F_OLDEST] = age_s(now_ms, found->oldest_unix_ms);
	for (unsigned i = 0; i < w->n_series; i++) {
		if (found->count == 0 && (i == F_AGE || i == F_OLDEST))
			sample_put_unknown(
			    to, &w->handle[i], &spec[i], w->conf->name, BL_UNKNOWN_UNSUPPORTED);
		else
			sample_put(to, &w->handle[i], &spec[i], w->conf->name, value[i]);
	}
}

static int
sample_one(struct files *f, struct watch *w, const struct sample_to *to, struct bl_err *err)
{
	struct files_found found;
	int rc;

	if (!sample_watch_mounts_harmless(&f->mounts, w->conf->path)) {
		put_unknown(w, to, BL_UNKNOWN_UNSUPPORTED);
		return bl_fail(err, BL_EDENIED,
		    "files: %s is not looked at: it is not known to be on a local file system",
		    w->conf->path);
	}
	if ((rc = files_look(&w->look, &found, err)) < 0) {
		put_unknown(w, to, BL_UNKNOWN_UNREADABLE);
		return rc;
	}
	if (found.more) {
		put_unknown(w, to, BL_UNKNOWN_UNSUPPORTED);
		return bl_fail(err, BL_EFULL,
		    "files: %s holds more than max_entries (%u), or folders deeper than %u",
		    w->conf->path, w->look.max_entries, FILES_DEPTH);
	}
	put_found(w, &found, to);
	return BL_OK;
}

static int
files_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct files *f = (struct files *)s;
	const struct sample_to to = { sink, f->interval_ms };
	int rc = BL_OK;

	if (!f->conf->enabled || f->n == 0 || !sample_every_due(&f->every, boot_ms))
		return BL_OK;
	(void)sample_watch_mounts_look(&f->mounts);
	for (size_t i = 0; i < f->n; i++) {
		const int one = sample_one(f, &f->watch[i], &to, rc < 0 ? NULL : err);

		rc = rc == BL_OK ? one : rc;
	}
	return rc;
}

const struct sampler_ops sampler_files = { "files", &files_section, files_open, files_sample,
	files_close };
