/* A folder's entries: which files there are, and which of them are complete. */
#include "drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOOK_LEAST_MS   200             /* between two looks, however much the kernel tells */
#define LOOK_ENTRIES_MS 10              /* and 1 ms more for so many entries: some 2 us each */
#define LATER           (INT64_MAX / 2) /* not before the next look */
#define SET_MS          1000 /* a clock that goes by so much from one look to the next was set */

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

int64_t
drop_mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* Than one of that time and name. */
static bool
is_older(const struct drop_seen *s, int64_t mtime_ns, const char *name)
{
	return s->mtime_ns != mtime_ns ? s->mtime_ns < mtime_ns : strcmp(s->name, name) < 0;
}

static void
forget(struct drop_folder *f, unsigned i)
{
	free(f->seen[i].name);
	f->seen[i] = f->seen[--f->n_seen];
	f->youngest = UINT_MAX;
}

/* Doubled up to its bound; where there is no memory it stays as it is. */
static bool
has_room(struct drop_folder *f)
{
	const unsigned more = f->room_seen == 0 ? 64 : 2 * f->room_seen;
	struct drop_seen *bigger;

	if (f->n_seen < f->room_seen)
		return true;
	if (more > DROP_CANDIDATES ||
	    (bigger = reallocarray(f->seen, more, sizeof(*bigger))) == NULL)
		return false;
	f->seen = bigger;
	f->room_seen = more;
	return true;
}

static struct drop_seen *
youngest(struct drop_folder *f)
{
	if (f->youngest >= f->n_seen) {
		f->youngest = 0;
		for (unsigned i = 1; i < f->n_seen; i++)
			if (is_older(&f->seen[f->youngest], f->seen[i].mtime_ns, f->seen[i].name))
				f->youngest = i;
	}
	return &f->seen[f->youngest];
}

/* Those that cannot be read would come first for ever, and leave no place for others. */
static bool
is_readable(struct drop_folder *f, const char *name)
{
	if (faccessat(f->fd, name, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	drop_file_unreadable(f, name);
	return false;
}

/* Its place in the table, with what was known of it; where that is full, the youngest goes for an
 * older one.  NULL: at another look, when these are done, or it can be read. */
static struct drop_seen *
place_for(struct drop_folder *f, const struct drop_seen *new, const char *name)
{
	const bool full = !has_room(f);
	struct drop_seen *s;

	if (full && (f->n_seen == 0 || is_older(youngest(f), new->mtime_ns, name))) {
		f->crowded = true;
		return NULL;
	}
	for (unsigned i = 0; i < f->n_seen; i++)
		if (f->seen[i].ino == new->ino && strcmp(f->seen[i].name, name) == 0) {
			f->youngest = UINT_MAX;
			return &f->seen[i];
		}
	if (!is_readable(f, name))
		return NULL;
	if (full) {
		f->crowded = true;
		forget(f, (unsigned)(youngest(f) - f->seen));
	}
	s = &f->seen[f->n_seen];
	*s = (struct drop_seen){ .name = strdup(name) };
	if (s->name == NULL)
		return NULL;
	f->n_seen++;
	f->youngest = UINT_MAX;
	return s;
}

static bool
has_marker(const struct drop_folder *f, const char *name)
{
	char marker[NAME_MAX + 40];
	struct stat st;

	(void)snprintf(marker, sizeof(marker), "%s%s", name, f->conf->marker);
	return fstatat(f->fd, marker, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/*
 * How long it has been as it is, by the kernel's own stamp, which nobody can write: a folder that
 * has lain for long needs no second look.  The stamp is of this machine's clock where the folder
 * lies on a block device, and says something of the time since that clock was set last.
 */
static int64_t
quiet_ms(const struct drop_folder *f, const struct stat *st, int64_t now)
{
	const int64_t changed =
	    (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000 + SET_MS;
	const int64_t age = bl_unix_ms(f->in->host->clock) - changed;
	const int64_t steady = now - f->in->steady_mono_ms;
	const int64_t quiet = age < steady ? age : steady;

	return major(st->st_dev) == 0 || quiet < 0 ? 0 : quiet;
}

static bool
is_in_lane(const struct drop_lane *l, const struct drop_seen *s)
{
	return l != NULL &&
	       ((l->kept && s->dev == l->kept_at.dev && s->ino == l->kept_at.ino) ||
		   (l->file.open && s->dev == l->file.at.dev && s->ino == l->file.at.ino));
}

/* NULL: nobody has begun with it. */
static struct drop_lane *
lane_of(const struct drop_folder *f, const struct drop_seen *s)
{
	for (unsigned i = 0; i < DROP_LANES; i++)
		if (is_in_lane(f->lane[i], s))
			return f->lane[i];
	return NULL;
}

static bool
is_at_work(const struct drop_folder *f)
{
	for (unsigned i = 0; i < DROP_LANES; i++)
		if (f->lane[i] != NULL && f->lane[i]->file.open)
			return true;
	return false;
}

static void
see(struct drop_folder *f, const char *name, int64_t now)
{
	struct drop_seen new = { .look = f->look }, *old;
	const struct drop_lane *lane;
	struct stat st;
	bool marked;

	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	if (st.st_size == 0 && f->conf->marker == NULL)
		return; /* somebody is about to write it */
	f->files++;
	new.dev = st.st_dev;
	new.ino = st.st_ino;
	new.size = st.st_size;
	new.mtime_ns = drop_mtime_ns(&st);
	marked = f->conf->marker == NULL || has_marker(f, name);
	new.since_mono_ms = !marked ? LATER : now - quiet_ms(f, &st, now);
	/* What cannot be taken yet takes nobody's place. */
	lane = lane_of(f, &new);
	if (lane != NULL ? lane->file.open : !marked)
		return;
	if ((old = place_for(f, &new, name)) == NULL)
		return;
	if (old->look != 0 && old->dev == new.dev && old->ino == new.ino && old->size == new.size &&
	    old->mtime_ns == new.mtime_ns && old->since_mono_ms < new.since_mono_ms)
		new.since_mono_ms = old->since_mono_ms;
	new.name = old->name;
	*old = new;
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
	if (!is_at_work(f) && !open_folder(f))
		return false;
	if ((fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return false;
	if ((f->dir = fdopendir(fd)) == NULL)
		(void)close(fd);
	f->look++;
	f->entries = f->files = f->taken = 0;
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
	(void)closedir(f->dir);
	f->dir = NULL;
	f->look_mono_ms = now + f->conf->every_ms;
	for (unsigned i = f->n_seen; i-- > 0;)
		if (f->seen[i].look != f->look)
			forget(f, i);
	if (f->n_seen == 0)
		drop_look_close(f);
	f->waiting = f->files > f->taken ? f->files - f->taken : 0;
	f->looked = true;
	f->wrong = false;
}

void
drop_look_close(struct drop_folder *f)
{
	while (f->n_seen > 0)
		forget(f, 0);
	free(f->seen);
	f->seen = NULL;
	f->room_seen = 0;
}

/* Somebody may have set the wall clock since the last look. */
static void
watch_clock(struct drop *in, int64_t now)
{
	const int64_t ahead_ms = bl_unix_ms(in->host->clock) - now;

	if (llabs(ahead_ms - in->ahead_ms) > SET_MS)
		in->steady_mono_ms = now;
	in->ahead_ms = ahead_ms;
}

bool
drop_look(struct drop_folder *f)
{
	const int64_t now = bl_mono_ms(f->in->host->clock);
	const struct dirent *entry;

	watch_clock(f->in, now);

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

/* It did not change for so long, and is looked at once more when it is opened. */
static bool
is_ready(struct drop_folder *f, const struct drop_seen *s, int64_t now)
{
	const int64_t due = f->conf->marker != NULL && s->since_mono_ms != LATER
				? 0
				: s->since_mono_ms + f->conf->settle_ms;

	if (now >= due)
		return true;
	if (due < f->due_mono_ms)
		f->due_mono_ms = due;
	return false;
}

/* If it comes again it begins anew. */
static void
give_up(struct drop_lane *l)
{
	l->kept = false;
	inlet_keep_forget(l->of->in->keep, l->state);
}

/* The file in which the last process ended in this lane, if it is there. */
static const struct drop_seen *
kept_of(struct drop_folder *f, struct drop_lane *l)
{
	for (unsigned i = 0; i < f->n_seen; i++)
		if (is_in_lane(l, &f->seen[i]))
			return &f->seen[i];
	if (f->crowded || f->dir != NULL)
		return NULL; /* it is not gone, but found no room, or is not looked at yet */
	give_up(l);
	return NULL;
}

const struct drop_seen *
drop_look_ready(struct drop_folder *f, struct drop_lane **lane)
{
	const int64_t now = bl_mono_ms(f->in->host->clock);
	const struct drop_seen *best = NULL;

	f->due_mono_ms = INT64_MAX;
	if (!f->looked)
		return NULL;
	for (unsigned i = 0; i < DROP_LANES; i++)
		if (f->lane[i] != NULL && f->lane[i]->kept &&
		    (best = kept_of(f, f->lane[i])) != NULL) {
			if (is_ready(f, best, now)) {
				*lane = f->lane[i];
				return best;
			}
			/* Before all others, unless somebody took back its marker. */
			if (f->conf->marker == NULL || best->since_mono_ms != LATER)
				return NULL;
		}
	if ((*lane)->kept) {
		if (f->dir != NULL || is_at_work(f))
			return NULL; /* another one becomes free */
		give_up(*lane);
	}
	best = NULL;
	for (unsigned i = 0; i < f->n_seen; i++) {
		const struct drop_seen *s = &f->seen[i];

		if (is_ready(f, s, now) &&
		    (best == NULL || is_older(s, best->mtime_ns, best->name)))
			best = s;
	}
	if (best != NULL || !f->crowded || f->dir != NULL)
		return best;
	/* Those that found no room: at once, where that many were done for it. */
	drop_look_soon(f);
	if (f->taken >= DROP_CANDIDATES / 2)
		f->look_mono_ms = 0;
	return NULL;
}

static struct drop_seen *
seen_as(struct drop_folder *f, const char *name)
{
	for (unsigned i = 0; i < f->n_seen; i++)
		if (strcmp(f->seen[i].name, name) == 0)
			return &f->seen[i];
	return NULL;
}

void
drop_look_later(struct drop_folder *f, const char *name)
{
	struct drop_seen *s = seen_as(f, name);

	if (s != NULL)
		s->since_mono_ms = LATER;
}

void
drop_look_forget(struct drop_folder *f, const char *name)
{
	struct drop_seen *s = seen_as(f, name);

	if (s != NULL)
		forget(f, (unsigned)(s - f->seen));
}
