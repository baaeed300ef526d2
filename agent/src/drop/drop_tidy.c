/*
 * done/ and bad/ keep what is not too old, up to so many bytes and files.  One after the other, in
 * slices: whoever may write to them may have put any number of things there.
 *
 * A pass counts files by age; where there are too many it says at which age the limit lies, which
 * the next one finds more exactly, removing what is older.  So a few passes find any limit.
 */
#include "drop_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIDY_MS     3600000
#define TIDY_MORE   50 /* ms until what is still too much goes */
#define TIDY_SLICE  2  /* ms between slices */
#define TIDY_FILES  DROP_KEPT
#define TIDY_REMOVE 16 /* in a slice */

/* When it came here, by the machine's clock: a rename sets that. */
static int64_t
since(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

static void
look_at(struct drop_tidy *t, const char *name, unsigned *removed)
{
	struct stat st;
	int64_t age;

	if (name[0] == '.' || fstatat(dirfd(t->dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	age = since(&st) - t->from_ms;
	if (age < 0) {
		*removed += unlinkat(dirfd(t->dir), name, 0) == 0;
		return;
	}
	age = age / t->width_ms < DROP_AGES ? age / t->width_ms : DROP_AGES;
	t->age[age].n++;
	t->age[age].bytes += st.st_size;
}

static void
begin(struct drop_folder *f)
{
	struct drop_tidy *t = &f->tidy;
	const int fd = f->fd < 0 ? -1
				 : openat(f->fd, t->in_bad ? "bad" : "done",
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (t->width_ms == 0) {
		t->from_ms = bl_unix_ms(f->in->host->clock) - f->conf->keep_ms;
		t->width_ms = f->conf->keep_ms / DROP_AGES + 1;
	}
	memset(t->age, 0, sizeof(t->age));
	t->dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (t->dir == NULL && fd >= 0)
		(void)close(fd);
}

/* There are too many, and the oldest that can stay are of age i: older ones go in the next pass,
 * which looks at these more closely. */
static void
narrow(struct drop_tidy *t, unsigned i, int64_t now_unix_ms)
{
	t->from_ms += i * t->width_ms + (i < DROP_AGES && t->width_ms == 1);
	if (i < DROP_AGES)
		t->width_ms = t->width_ms / DROP_AGES + 1;
	else if (now_unix_ms > t->from_ms)
		t->width_ms = (now_unix_ms - t->from_ms) / DROP_AGES + 1;
}

/* False: there is too much. */
static bool
is_enough(struct drop_folder *f)
{
	struct drop_tidy *t = &f->tidy;
	int64_t bytes = 0;
	unsigned n = 0;

	for (unsigned i = DROP_AGES + 1; i-- > 0;) {
		n += t->age[i].n;
		bytes += t->age[i].bytes;
		if (n <= TIDY_FILES && bytes <= f->conf->keep_bytes)
			continue;
		narrow(t, i, bl_unix_ms(f->in->host->clock));
		return false;
	}
	return true;
}

/* All of it was looked at. */
static void
end(struct drop_folder *f)
{
	struct drop_tidy *t = &f->tidy;

	drop_tidy_close(t);
	if (!is_enough(f)) {
		f->tidy_mono_ms += TIDY_MORE;
		return;
	}
	t->width_ms = 0;
	t->in_bad = !t->in_bad;
	if (!t->in_bad)
		f->tidy_mono_ms += TIDY_MS;
}

void
drop_tidy_close(struct drop_tidy *t)
{
	if (t->dir != NULL)
		(void)closedir(t->dir);
	t->dir = NULL;
}

void
drop_tidy(struct drop_folder *f)
{
	struct drop_tidy *t = &f->tidy;
	const struct dirent *entry = NULL;
	unsigned removed = 0;

	f->tidy_mono_ms = bl_mono_ms(f->in->host->clock) + TIDY_SLICE;
	if (t->dir == NULL) {
		f->put_away = 0;
		begin(f);
	}
	for (unsigned i = 0; t->dir != NULL && i < DROP_TURN_ENTRIES && removed < TIDY_REMOVE;
	     i++) {
		if ((entry = readdir(t->dir)) == NULL)
			break;
		look_at(t, entry->d_name, &removed);
	}
	if (t->dir == NULL || entry == NULL)
		end(f);
}
