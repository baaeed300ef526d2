/*
 * The folder, the names of its files, and reading: any thread, short locks, none while
 * the disk works.
 */
#include "parts_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const level_name[PARTS_LEVELS] = { "raw", "m5", "h1" };

/* ---- names ---- */

static void
date_of(int64_t unix_ms, struct tm *tm)
{
	time_t t = (time_t)(unix_ms / 1000 - (unix_ms % 1000 < 0));

	(void)gmtime_r(&t, tm);
}

static int64_t
time_of(struct tm *tm)
{
	return (int64_t)timegm(tm) * 1000;
}

void
parts_name(enum parts_level level, int64_t hour_unix_ms, char out[PARTS_NAME_SIZE])
{
	struct tm tm;

	date_of(hour_unix_ms, &tm);
	if (level == PARTS_H1)
		(void)snprintf(out, PARTS_NAME_SIZE, "%s-%04d%02d.blp", level_name[level],
		    tm.tm_year + 1900, tm.tm_mon + 1);
	else
		(void)snprintf(out, PARTS_NAME_SIZE, "%s-%04d%02d%02d.blp", level_name[level],
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

void
parts_period(
    enum parts_level level, int64_t hour_unix_ms, int64_t *from_unix_ms, int64_t *to_unix_ms)
{
	const int64_t day_ms = 24 * 60 * 60 * (int64_t)1000;
	const int64_t in = hour_unix_ms % day_ms;
	struct tm from, to;

	/* Asked with every read: a day of UTC needs no calendar. */
	if (level != PARTS_H1) {
		*from_unix_ms = hour_unix_ms - (in < 0 ? in + day_ms : in);
		*to_unix_ms = *from_unix_ms + day_ms;
		return;
	}
	date_of(hour_unix_ms, &from);
	from.tm_hour = from.tm_min = from.tm_sec = 0;
	from.tm_mday = 1;
	to = from;
	to.tm_mon++;
	*from_unix_ms = time_of(&from);
	*to_unix_ms = time_of(&to);
}

/* The other way round: false: not one of ours. */
static bool
parse_name(const char *name, enum parts_level *level, int64_t *hour_unix_ms)
{
	char again[PARTS_NAME_SIZE];

	for (int i = 0; i < PARTS_LEVELS; i++) {
		const size_t n = strlen(level_name[i]);
		struct tm tm = { .tm_mday = 1 };
		long number;

		if (strncmp(name, level_name[i], n) != 0 || name[n] != '-')
			continue;
		number = strtol(name + n + 1, NULL, 10);
		if (i != PARTS_H1) {
			tm.tm_mday = (int)(number % 100);
			number /= 100;
		}
		tm.tm_mon = (int)(number % 100) - 1;
		tm.tm_year = (int)(number / 100) - 1900;
		*level = (enum parts_level)i;
		*hour_unix_ms = time_of(&tm);
		parts_name(*level, *hour_unix_ms, again);
		return strcmp(again, name) == 0;
	}
	return false;
}

void
parts_path(
    const struct parts *p, enum parts_level level, int64_t hour_unix_ms, char out[PARTS_PATH_MAX])
{
	char name[PARTS_NAME_SIZE];

	parts_name(level, hour_unix_ms, name);
	(void)snprintf(out, PARTS_PATH_MAX, "%s/%s", p->folder, name);
}

/* ---- the folder ---- */

/* So that the folder itself is on the disk before anything is named that lies in it. */
static int
sync_above(const char *folder, struct bl_err *err)
{
	char above[PARTS_PATH_MAX];
	char *slash;
	int fd, rc = BL_OK;

	(void)snprintf(above, sizeof(above), "%s", folder);
	if ((slash = strrchr(above, '/')) == NULL)
		(void)snprintf(above, sizeof(above), ".");
	else if (slash == above)
		slash[1] = '\0';
	else
		*slash = '\0';
	if ((fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "open folder %s", above);
	if (fsync(fd) != 0)
		rc = bl_fail_errno(err, BL_EIO, "sync folder %s", above);
	(void)close(fd);
	return rc;
}

int
parts_open(struct parts **out, const char *folder, size_t cache_bytes, struct bl_err *err)
{
	struct parts *p;
	int rc;

	*out = NULL;
	if (strlen(folder) + PARTS_NAME_SIZE + 2 > PARTS_PATH_MAX)
		return bl_fail(err, BL_EINVAL, "the path %s is too long", folder);
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return bl_fail_errno(err,
		    errno == EACCES || errno == EPERM ? BL_EDENIED
		    : errno == ENOSPC                 ? BL_EFULL
						      : BL_EIO,
		    "make folder %s", folder);
	if ((rc = sync_above(folder, err)) < 0)
		return rc;
	if ((p = calloc(1, sizeof(*p))) == NULL || (p->folder = strdup(folder)) == NULL) {
		free(p);
		return bl_fail(err, BL_ENOMEM, "open %s: out of memory", folder);
	}
	p->cache_max = cache_bytes > 0 ? cache_bytes : PARTS_CACHE;
	(void)pthread_mutex_init(&p->lock, NULL); /* cannot fail with these arguments */
	*out = p;
	return BL_OK;
}

void
parts_close(struct parts *p)
{
	if (p == NULL)
		return;
	parts_close_tails(p);
	while (p->files != NULL) {
		struct parts_file *f = p->files;

		p->files = f->next;
		(void)close(f->fd);
		free(f);
	}
	while (p->indexes != NULL) {
		struct parts_index *x = p->indexes;

		p->indexes = x->next;
		chunk_index_free(x->ix);
		free(x);
	}
	(void)pthread_mutex_destroy(&p->lock);
	free(p->folder);
	free(p);
}

int
parts_files(struct parts *p, parts_file_cb cb, void *ctx, struct bl_err *err)
{
	DIR *d = opendir(p->folder);
	const struct dirent *e;

	if (d == NULL)
		return bl_fail_errno(err, BL_EIO, "read folder %s", p->folder);
	while ((e = readdir(d)) != NULL) {
		enum parts_level level;
		int64_t hour;
		struct stat st;

		if (!parse_name(e->d_name, &level, &hour) ||
		    fstatat(dirfd(d), e->d_name, &st, 0) != 0)
			continue;
		if (!cb(ctx, level, hour, (int64_t)st.st_size, (int64_t)st.st_blocks * 512))
			break;
	}
	(void)closedir(d);
	return BL_OK;
}

void
parts_stats(struct parts *p, struct parts_stats *out)
{
	(void)pthread_mutex_lock(&p->lock);
	*out = p->stats;
	for (const struct parts_file *f = p->files; f != NULL; f = f->next)
		out->open_files++;
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- files that are open for reading ---- */

/* Closes the one that nobody uses for the longest, when there are too many. */
static void
shrink_files_locked(struct parts *p)
{
	struct parts_file **oldest = NULL;
	unsigned n = 0;

	for (struct parts_file **at = &p->files; *at != NULL; at = &(*at)->next) {
		n++;
		if ((*at)->users == 0 && (oldest == NULL || (*at)->used < (*oldest)->used))
			oldest = at;
	}
	if (n > PARTS_FILES_MAX && oldest != NULL) {
		struct parts_file *f = *oldest;

		*oldest = f->next;
		(void)close(f->fd);
		free(f);
	}
}

static struct parts_file *
find_file_locked(struct parts *p, enum parts_level level, int64_t from)
{
	for (struct parts_file *f = p->files; f != NULL; f = f->next)
		if (f->level == level && f->from_unix_ms == from && !f->gone)
			return f;
	return NULL;
}

static int
take_file(struct parts *p, enum parts_level level, int64_t hour, struct parts_file **out,
    struct bl_err *err)
{
	char path[PARTS_PATH_MAX];
	struct parts_file *f;
	int64_t from, to;
	int fd;

	parts_period(level, hour, &from, &to);
	(void)pthread_mutex_lock(&p->lock);
	if ((f = find_file_locked(p, level, from)) != NULL) {
		f->users++;
		f->used = ++p->clock;
	}
	(void)pthread_mutex_unlock(&p->lock);
	*out = f;
	if (f != NULL)
		return BL_OK;
	parts_path(p, level, hour, path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return bl_fail_errno(err, errno == ENOENT ? BL_ENOTFOUND : BL_EIO, "open %s", path);
	if ((f = calloc(1, sizeof(*f))) == NULL) {
		(void)close(fd);
		return bl_fail(err, BL_ENOMEM, "open %s: out of memory", path);
	}
	*f = (struct parts_file){ NULL, level, from, fd, 1, false, 0 };
	(void)pthread_mutex_lock(&p->lock);
	f->next = p->files;
	f->used = ++p->clock;
	p->files = f;
	shrink_files_locked(p);
	(void)pthread_mutex_unlock(&p->lock);
	*out = f;
	return BL_OK;
}

static void
drop_gone_locked(struct parts *p)
{
	for (struct parts_file **at = &p->files; *at != NULL;) {
		struct parts_file *f = *at;

		if (!f->gone || f->users > 0) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		(void)close(f->fd);
		free(f);
	}
}

static void
give_file(struct parts *p, struct parts_file *f, size_t bytes)
{
	(void)pthread_mutex_lock(&p->lock);
	f->users--;
	p->stats.reads++;
	p->stats.bytes_read += bytes;
	if (f->gone)
		drop_gone_locked(p);
	(void)pthread_mutex_unlock(&p->lock);
}

void
parts_forget_file(struct parts *p, enum parts_level level, int64_t from_unix_ms)
{
	struct parts_file *f;

	(void)pthread_mutex_lock(&p->lock);
	while ((f = find_file_locked(p, level, from_unix_ms)) != NULL)
		f->gone = true;
	drop_gone_locked(p);
	(void)pthread_mutex_unlock(&p->lock);
}

void
parts_look(struct parts *p, enum parts_level level, int64_t hour_unix_ms)
{
	char path[PARTS_PATH_MAX];
	const struct parts_file *f;
	struct stat named, held;
	int64_t from, to;
	bool same;

	parts_period(level, hour_unix_ms, &from, &to);
	parts_path(p, level, hour_unix_ms, path);
	same = stat(path, &named) == 0;
	(void)pthread_mutex_lock(&p->lock);
	f = find_file_locked(p, level, from);
	same = f == NULL || (same && fstat(f->fd, &held) == 0 && held.st_ino == named.st_ino &&
				held.st_dev == named.st_dev);
	(void)pthread_mutex_unlock(&p->lock);
	if (!same)
		parts_forget_file(p, level, from);
}

/* [at, at + len) of the region g. */
static int
read_all(
    int fd, const struct parts_region *g, int64_t at, void *buf, size_t len, struct bl_err *err)
{
	char name[PARTS_NAME_SIZE];
	size_t done = 0;

	at += g->offset;
	while (done < len) {
		const ssize_t n =
		    pread(fd, (char *)buf + done, len - done, (off_t)(at + (int64_t)done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			const int why = errno;

			parts_name(g->level, g->hour_unix_ms, name);
			errno = why;
		}
		if (n < 0)
			return bl_fail_errno(err, BL_EIO, "read %s", name);
		if (n == 0)
			return bl_fail(err, BL_ECORRUPT,
			    "%s ends at %lld, before what the store says is in it", name,
			    (long long)(at + (int64_t)done));
		done += (size_t)n;
	}
	return BL_OK;
}

int
parts_read(struct parts *p, const struct parts_region *g, uint32_t at, void *buf, size_t len,
    struct bl_err *err)
{
	char name[PARTS_NAME_SIZE];
	struct parts_file *f;
	int rc;

	if (g->offset < 0 || (int64_t)at > g->bytes || (int64_t)len > g->bytes - (int64_t)at) {
		parts_name(g->level, g->hour_unix_ms, name);
		return bl_fail(err, BL_ECORRUPT, "part %lld in %s says more than it has",
		    (long long)g->part, name);
	}
	if ((rc = take_file(p, g->level, g->hour_unix_ms, &f, err)) < 0)
		return rc;
	rc = read_all(f->fd, g, (int64_t)at, buf, len, err);
	give_file(p, f, len);
	return rc;
}

/* ---- indexes ---- */

static void
shrink_indexes_locked(struct parts *p)
{
	while (p->stats.cache_bytes > p->cache_max) {
		struct parts_index **oldest = NULL, *x;

		for (struct parts_index **at = &p->indexes; *at != NULL; at = &(*at)->next)
			if ((*at)->users == 0 && (oldest == NULL || (*at)->used < (*oldest)->used))
				oldest = at;
		if (oldest == NULL)
			return;
		x = *oldest;
		*oldest = x->next;
		p->stats.cache_bytes -= x->bytes;
		chunk_index_free(x->ix);
		free(x);
	}
}

static const struct chunk_index *
find_index_locked(struct parts *p, const struct parts_region *g)
{
	for (struct parts_index *x = p->indexes; x != NULL; x = x->next)
		if (x->part == g->part && x->level == g->level) {
			x->users++;
			x->used = ++p->clock;
			return x->ix;
		}
	return NULL;
}

static int
read_index(
    struct parts *p, const struct parts_region *g, struct chunk_index **out, struct bl_err *err)
{
	uint8_t head[CHUNK_HEAD_BYTES];
	struct chunk_head h;
	void *bytes;
	int rc;

	if ((rc = parts_read(p, g, 0, head, sizeof(head), err)) < 0 ||
	    (rc = chunk_head_parse(head, sizeof(head), &h, err)) < 0)
		return rc;
	if (h.level != (enum chunk_level)g->level || h.hour_unix_ms != g->hour_unix_ms ||
	    (int64_t)h.region_bytes != g->bytes)
		return bl_fail(err, BL_ECORRUPT, "there is another part in its place");
	if ((bytes = malloc(h.index.len > 0 ? h.index.len : 1)) == NULL)
		return bl_fail(err, BL_ENOMEM, "read a part: out of memory");
	if ((rc = parts_read(p, g, h.index.offset, bytes, h.index.len, err)) == BL_OK)
		rc = chunk_index_parse(out, &h, bytes, err);
	free(bytes);
	return rc;
}

int
parts_index(struct parts *p, const struct parts_region *g, const struct chunk_index **out,
    struct bl_err *err)
{
	struct chunk_index *ix = NULL;
	struct parts_index *x;
	int rc;

	(void)pthread_mutex_lock(&p->lock);
	if ((*out = find_index_locked(p, g)) != NULL)
		p->stats.index_hits++;
	else
		p->stats.index_misses++;
	(void)pthread_mutex_unlock(&p->lock);
	if (*out != NULL)
		return BL_OK;
	if ((rc = read_index(p, g, &ix, err)) < 0) {
		bl_err_prefix(err, "part %lld", (long long)g->part);
		return rc;
	}
	if ((x = calloc(1, sizeof(*x))) == NULL) {
		chunk_index_free(ix);
		return bl_fail(err, BL_ENOMEM, "read a part: out of memory");
	}
	/* Two threads may have read the same one: both stand, the older goes when it is unused. */
	*x = (struct parts_index){ NULL, g->part, g->level, ix, chunk_index_bytes(ix), 1, 0 };
	(void)pthread_mutex_lock(&p->lock);
	x->used = ++p->clock;
	x->next = p->indexes;
	p->indexes = x;
	p->stats.cache_bytes += x->bytes;
	shrink_indexes_locked(p);
	(void)pthread_mutex_unlock(&p->lock);
	*out = ix;
	return BL_OK;
}

void
parts_index_done(struct parts *p, const struct chunk_index *ix)
{
	if (ix == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	for (struct parts_index *x = p->indexes; x != NULL; x = x->next)
		if (x->ix == ix) {
			x->users--;
			break;
		}
	shrink_indexes_locked(p);
	(void)pthread_mutex_unlock(&p->lock);
}
