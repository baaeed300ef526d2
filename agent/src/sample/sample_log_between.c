/*
 * What a log was rotated to while nobody looked: files between the one that was read and the one
 * that is at its path now.
 *
 * They are known by their names (a number or a date behind the log's name, or before its ending;
 * not app-1.log, which another process may write) and times: what is newer than the
 * file that was read, or than the last look at it.  Copied and cut: the copy that has what stood
 * before the place goes on there.  What is compressed is not read, and said.
 */
#include "sample_log_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 4096 /* of a folder that are looked at */
#define DATE_MIN    7    /* bytes: "-261128" */
#define SLACK_NS                                                                                   \
	INT64_C(10000000000) /* of a copy: its newest lines were under way at the last look */

/* ---- names ---- */

/* ".1", "-20261128", ".2026-11-28_10": how many bytes; 0: none. */
static size_t
rotation_len(const char *text)
{
	size_t n;

	if (strchr(".-_", text[0]) == NULL || text[0] == '\0')
		return 0;
	n = strspn(text, "0123456789.-_:T");
	while (n > 0 && (text[n - 1] < '0' || text[n - 1] > '9'))
		n--;
	return n;
}

static bool
is_compression(const char *text)
{
	static const char *const endings[] = { ".gz", ".bz2", ".xz", ".zst", ".Z", ".lz4" };

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcmp(text, endings[i]) == 0)
			return true;
	return false;
}

bool
log_is_rotation(const char *base, const char *name, bool *compressed)
{
	const char *const ending = strrchr(base, '.');
	const size_t whole = strlen(base);
	const size_t stem = ending != NULL && ending > base ? (size_t)(ending - base) : whole;
	const char *rest;
	size_t n;

	if (strncmp(name, base, stem) != 0)
		return false;
	if (strncmp(name, base, whole) == 0 && (n = rotation_len(name + whole)) > 0) {
		rest = name + whole + n; /* app.log.1 */
	} else {
		n = rotation_len(name + stem); /* app-20261128.log */
		rest = name + stem + n;
		if (n == 0 || (name[stem] != '.' && n < DATE_MIN) ||
		    strncmp(rest, base + stem, whole - stem) != 0)
			return false;
		rest += whole - stem;
	}
	*compressed = rest[0] != '\0';
	return rest[0] == '\0' || is_compression(rest);
}

/* The path's folder, to be closed, and the name in it. */
static DIR *
folder_of(const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');
	char folder[LOG_ROTATED_MAX];
	const int n = slash != NULL ? (int)(slash - path) + 1 : 0;

	*base = path + n;
	if (n >= LOG_ROTATED_MAX)
		return NULL;
	(void)snprintf(folder, sizeof(folder), "%.*s", n > 0 ? n : 1, n > 0 ? path : ".");
	return opendir(folder);
}

bool
log_find_rotated(const char *path, uint64_t ino, char out[LOG_ROTATED_MAX])
{
	const char *base;
	const struct dirent *entry;
	bool found = false;
	DIR *dir = folder_of(path, &base);
	int n = 0;

	if (dir == NULL)
		return false;
	for (unsigned i = 0; i < ENTRIES_MAX && !found && (entry = readdir(dir)) != NULL; i++) {
		found =
		    entry->d_ino == ino && strncmp(entry->d_name, base, strcspn(base, ".")) == 0;
		if (found)
			n = snprintf(out, LOG_ROTATED_MAX, "%.*s%s", (int)(base - path), path,
			    entry->d_name);
	}
	(void)closedir(dir);
	if (!found)
		n = snprintf(out, LOG_ROTATED_MAX, "%s.1", path);
	return n > 0 && n < LOG_ROTATED_MAX;
}

/* ---- which lie between ---- */

int64_t
log_mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static void
pass_over(struct log_file *f, const char *name, uint64_t bytes)
{
	f->passed_bytes += bytes;
	(void)snprintf(f->passed, sizeof(f->passed), "%.*s", (int)sizeof(f->passed) - 1, name);
}

void
log_between_forget(struct log_file *f, uint64_t ino)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->n_between; i++)
		if (f->between[i].ino != ino)
			f->between[kept++] = f->between[i];
	f->n_between = kept;
}

/* In order of time; of more than there is room for, the oldest go. */
static void
insert(struct log_file *f, const struct log_between *new)
{
	unsigned i;

	for (i = 0; i < f->n_between; i++)
		if (f->between[i].ino == new->ino)
			return;
	if (f->n_between == LOG_BETWEEN_MAX && new->mtime_ns <= f->between[0].mtime_ns) {
		pass_over(f, "a rotated file", new->bytes);
		return;
	}
	if (f->n_between == LOG_BETWEEN_MAX) {
		pass_over(f, "a rotated file", f->between[0].bytes);
		memmove(f->between, f->between + 1, (LOG_BETWEEN_MAX - 1) * sizeof(f->between[0]));
		i--;
	} else {
		f->n_between++;
	}
	for (; i > 0 && f->between[i - 1].mtime_ns > new->mtime_ns; i--)
		f->between[i] = f->between[i - 1];
	f->between[i] = *new;
}

static bool
is_open(const struct log_cursor *c, const struct stat *st)
{
	return c->fd >= 0 && c->at.ino == st->st_ino && c->at.dev == st->st_dev;
}

/* The oldest that has what stood before the place: it goes on there, and what is older was read. */
static bool
go_on_in_copy(struct log_file *f, int64_t since_ns, const struct log_place *at)
{
	struct bl_err ignored = { 0 };
	char name[LOG_ROTATED_MAX];

	for (unsigned i = 0; at->offset > 0 && i < f->n_between; i++) {
		struct log_place place = *at;
		struct log_cursor trial = { .fd = -1, .reader = f->before.reader };

		place.ino = f->between[i].ino;
		/* What is short stands at the beginning of other files, too. */
		if (at->offset < LOG_ANCHOR && f->between[i].mtime_ns <= since_ns)
			continue;
		if (!log_find_rotated(f->path, place.ino, name) ||
		    log_cursor_open(&trial, name, LOG_PLACE, &place, &ignored) < 0)
			continue;
		log_cursor_close(&trial);
		f->n_between -= i;
		memmove(f->between, f->between + i, f->n_between * sizeof(f->between[0]));
		f->between[0].from = place;
		f->between[0].copy_of = at->ino;
		return true;
	}
	return false;
}

/* What is compressed lies beside it until that is done. */
static bool
is_being_made(int folder, const char *name)
{
	char plain[256];
	struct stat st;

	(void)snprintf(plain, sizeof(plain), "%.*s", (int)(strrchr(name, '.') - name), name);
	return fstatat(folder, plain, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
log_between_find(struct log_file *f, int64_t since_ns, const struct log_place *at)
{
	const char *base;
	const struct dirent *entry;
	struct stat st, here = { 0 };
	DIR *dir = folder_of(f->path, &base);
	const int64_t from_ns = at != NULL ? since_ns - SLACK_NS : since_ns;
	bool compressed, copy;

	if (dir == NULL)
		return false;
	(void)stat(f->path, &here);
	for (unsigned i = 0; i < ENTRIES_MAX && (entry = readdir(dir)) != NULL; i++) {
		if (!log_is_rotation(base, entry->d_name, &compressed) ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode) || st.st_size == 0 || log_mtime_ns(&st) <= from_ns ||
		    (st.st_dev == here.st_dev && st.st_ino == here.st_ino) ||
		    is_open(&f->now, &st) || is_open(&f->before, &st))
			continue;
		if (compressed && log_mtime_ns(&st) > since_ns &&
		    !is_being_made(dirfd(dir), entry->d_name))
			pass_over(f, entry->d_name, (uint64_t)st.st_size);
		else if (!compressed)
			insert(f, &(struct log_between){
				      .ino = st.st_ino,
				      .mtime_ns = log_mtime_ns(&st),
				      .bytes = (uint64_t)st.st_size,
				  });
	}
	(void)closedir(dir);
	if (at == NULL)
		return false;
	copy = go_on_in_copy(f, since_ns, at);
	for (unsigned i = f->n_between; i-- > 0;) /* read, and no copy */
		if (f->between[i].mtime_ns <= since_ns && f->between[i].from.ino == 0)
			log_between_forget(f, f->between[i].ino);
	return copy;
}

void
log_between_next(struct log_file *f)
{
	struct bl_err ignored = { 0 };
	char name[LOG_ROTATED_MAX];
	struct log_between next;

	while (f->n_between > 0 && f->before.fd < 0) {
		next = f->between[0];
		f->n_between--;
		memmove(f->between, f->between + 1, f->n_between * sizeof(f->between[0]));
		f->before.copy_of = next.copy_of;
		if (!log_find_rotated(f->path, next.ino, name) ||
		    log_cursor_open(&f->before, name,
			next.from.ino != 0 ? LOG_PLACE : LOG_BEGINNING,
			next.from.ino != 0 ? &next.from : NULL, &ignored) < 0 ||
		    f->before.at.ino != next.ino) {
			log_cursor_close(&f->before);
			pass_over(f, "a rotated file that went", next.bytes);
		}
		f->before_old = true;
	}
}
