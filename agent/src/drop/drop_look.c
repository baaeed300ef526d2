/* A folder's entries: which files there are, and which of them are complete. */
#include "drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LOOK_LEAST_MS   200 /* between two looks, however much the kernel tells */
#define LOOK_ENTRIES_MS 10  /* and 1 ms more for so many entries: some 2 us each */

/* ---- names ---- */

static bool
ends_with(const char *name, const char *ending)
{
	const size_t n = strlen(name), e = strlen(ending);

	return n >= e && strcmp(name + n - e, ending) == 0;
}

static bool
is_wanted(const struct drop_folder_conf *c, const char *name)
{
	static const char *const partial[] = { ".tmp", ".part", ".filepart", ".crdownload", ".swp",
		"~" };

	if (name[0] == '.' || (c->marker != NULL && ends_with(name, c->marker)))
		return false;
	for (size_t i = 0; i < sizeof(partial) / sizeof(partial[0]); i++)
		if (ends_with(name, partial[i]))
			return false;
	for (size_t i = 0; i < c->files.n; i++)
		if (fnmatch(c->files.item[i], name, FNM_PERIOD) == 0)
			return true;
	return false;
}

/* ---- what was seen ---- */

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool
is_older(const struct drop_seen *a, const struct drop_seen *b)
{
	return a->mtime_ns != b->mtime_ns ? a->mtime_ns < b->mtime_ns
					  : strcmp(a->name, b->name) < 0;
}

/* Its place in the table; where that is full, the youngest goes for an older one. */
static struct drop_seen *
place_for(struct drop_folder *f, const struct drop_seen *new)
{
	struct drop_seen *youngest = &f->seen[0];

	for (unsigned i = 0; i < f->n_seen; i++)
		if (strcmp(f->seen[i].name, new->name) == 0)
			return &f->seen[i];
	if (f->n_seen < DROP_CANDIDATES) {
		f->seen[f->n_seen].name[0] = '\0';
		return &f->seen[f->n_seen++];
	}
	for (unsigned i = 1; i < f->n_seen; i++)
		if (is_older(youngest, &f->seen[i]))
			youngest = &f->seen[i];
	f->crowded = true;
	if (!is_older(new, youngest))
		return NULL; /* at another look, when these are done */
	youngest->name[0] = '\0';
	return youngest;
}

static bool
has_marker(const struct drop_folder *f, const char *name)
{
	char marker[NAME_MAX + 40];
	struct stat st;

	(void)snprintf(marker, sizeof(marker), "%s%s", name, f->conf->marker);
	return fstatat(f->fd, marker, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static void
see(struct drop_folder *f, const char *name, int64_t now)
{
	struct drop_seen new = { .since_mono_ms = now, .look = f->look }, *old;
	struct stat st;

	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_size == 0 && f->conf->marker == NULL)
		return; /* somebody is about to write it */
	(void)snprintf(new.name, sizeof(new.name), "%s", name);
	new.dev = st.st_dev;
	new.ino = st.st_ino;
	new.size = st.st_size;
	new.mtime_ns = mtime_ns(&st);
	if ((old = place_for(f, &new)) == NULL)
		return;
	if (strcmp(old->name, name) == 0 && old->dev == new.dev && old->ino == new.ino &&
	    old->size == new.size && old->mtime_ns == new.mtime_ns)
		new.since_mono_ms = old->since_mono_ms;
	*old = new;
	old->ready = f->conf->marker != NULL ? has_marker(f, name)
					     : now - old->since_mono_ms >= f->conf->settle_ms;
}

/* ---- a look ---- */

static bool
open_folder(struct drop_folder *f)
{
	char again[40];
	int fd;

	if (!log_way_harmless(f->where, f->conf->path)) {
		drop_warn(f, DROP_WARN_FOLDER,
		    "%s does not lie on a file system that answers at once (`types` may name one)",
		    f->conf->path);
		return false;
	}
	fd = open(f->conf->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0) {
		drop_warn(f, DROP_WARN_FOLDER, "%s cannot be read and written: %s", f->conf->path,
		    strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = fd;
	/* The same folder gives the same watch; without one there are the looks. */
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	fd = f->in->notify >= 0
		 ? inotify_add_watch(f->in->notify, again, IN_CLOSE_WRITE | IN_MOVED_TO)
		 : -1;
	if (f->watch >= 0 && f->watch != fd)
		(void)inotify_rm_watch(f->in->notify, f->watch);
	f->watch = fd;
	return true;
}

static bool
begin(struct drop_folder *f)
{
	int fd;

	/* A file in work is moved within the folder that it was found in. */
	if (!f->file.open && !open_folder(f))
		return false;
	if ((fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return false;
	if ((f->dir = fdopendir(fd)) == NULL)
		(void)close(fd);
	f->look++;
	f->entries = 0;
	f->crowded = false;
	return f->dir != NULL;
}

static int64_t
least(const struct drop_folder *f)
{
	return LOOK_LEAST_MS + f->entries / LOOK_ENTRIES_MS;
}

/* All entries were there: forgets what is gone, says when to look again. */
static void
end(struct drop_folder *f, int64_t now)
{
	unsigned kept = 0;

	(void)closedir(f->dir);
	f->dir = NULL;
	f->look_mono_ms = now + f->conf->every_ms;
	for (unsigned i = 0; i < f->n_seen; i++) {
		const int64_t due = f->seen[i].since_mono_ms + f->conf->settle_ms;

		if (f->seen[i].look != f->look)
			continue;
		if (!f->seen[i].ready && f->conf->marker == NULL && due < f->look_mono_ms)
			f->look_mono_ms = due > now + least(f) ? due : now + least(f);
		f->seen[kept++] = f->seen[i];
	}
	f->n_seen = kept;
	f->looked = true;
	f->wrong = false;
}

bool
drop_look(struct drop_folder *f)
{
	const int64_t now = bl_mono_ms(f->in->host->clock);
	const struct dirent *entry;

	if (f->dir == NULL && now < f->look_mono_ms)
		return false;
	if (f->dir == NULL && !begin(f)) {
		f->look_mono_ms = now + f->conf->every_ms;
		f->in->count[DROP_N_UNREADABLE]++;
		return false;
	}
	f->looked_mono_ms = now;
	for (unsigned i = 0; i < DROP_TURN_ENTRIES; i++) {
		if ((entry = readdir(f->dir)) == NULL) {
			end(f, now);
			return false;
		}
		f->entries++;
		if (is_wanted(f->conf, entry->d_name))
			see(f, entry->d_name, now);
	}
	return true;
}

void
drop_look_soon(struct drop_folder *f)
{
	const int64_t at = f->looked_mono_ms + least(f);

	if (f->look_mono_ms > at)
		f->look_mono_ms = at;
}

/* ---- which is next ---- */

const struct drop_seen *
drop_look_ready(struct drop_folder *f)
{
	const struct drop_seen *best = NULL;

	if (!f->looked)
		return NULL;
	for (unsigned i = 0; i < f->n_seen; i++) {
		const struct drop_seen *s = &f->seen[i];

		/* The one that was in work when the last process ended goes on first. */
		if (f->kept && s->dev == f->kept_at.dev && s->ino == f->kept_at.ino)
			return s->ready ? s : NULL;
		if (s->ready && (best == NULL || is_older(s, best)))
			best = s;
	}
	if (f->kept) {
		f->kept = false; /* it is gone */
		inlet_keep_forget(f->in->keep, f->state);
	}
	if (best == NULL && f->crowded && f->dir == NULL)
		drop_look_soon(f); /* those that found no room */
	return best;
}

void
drop_look_later(struct drop_folder *f, const char *name)
{
	for (unsigned i = 0; i < f->n_seen; i++)
		if (strcmp(f->seen[i].name, name) == 0)
			f->seen[i].ready = false;
}

void
drop_look_forget(struct drop_folder *f, const char *name)
{
	for (unsigned i = 0; i < f->n_seen; i++)
		if (strcmp(f->seen[i].name, name) == 0) {
			f->seen[i] = f->seen[--f->n_seen];
			return;
		}
}
