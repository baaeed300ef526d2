/*
 * done/ and bad/ keep what is not too old, up to so many bytes and files.  One after the other, in
 * slices: whoever may write to them may have put any number of things there.
 */
#include "drop_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIDY_MS     3600000
#define TIDY_MORE   50   /* ms until what is still too much goes */
#define TIDY_SLICE  2    /* ms between slices */
#define TIDY_FILES  4096 /* that are kept at most */
#define TIDY_REMOVE 16   /* in a slice */

/* When it came here, by the machine's clock: a rename sets that. */
static int64_t
since(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

static void
look_at(struct drop_tidy *t, const char *name, int64_t oldest_unix_ms, unsigned *removed)
{
	struct stat st;

	if (name[0] == '.' || fstatat(dirfd(t->dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (since(&st) < oldest_unix_ms && *removed < TIDY_REMOVE) {
		*removed += unlinkat(dirfd(t->dir), name, 0) == 0;
		return;
	}
	if (t->n == 0 || since(&st) < t->oldest_ms) {
		t->oldest_ms = since(&st);
		(void)snprintf(t->oldest, sizeof(t->oldest), "%s", name);
	}
	t->n++;
	t->bytes += st.st_size;
}

static void
begin(struct drop_folder *f)
{
	struct drop_tidy *t = &f->tidy;
	const int fd = f->fd < 0 ? -1
				 : openat(f->fd, t->in_bad ? "bad" : "done",
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	t->n = 0;
	t->bytes = 0;
	t->removed = false;
	t->dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (t->dir == NULL && fd >= 0)
		(void)close(fd);
}

/* All of it was looked at, or more than is kept. */
static void
end(struct drop_folder *f)
{
	struct drop_tidy *t = &f->tidy;

	if (t->dir != NULL && t->n > 0 && (t->bytes > f->conf->keep_bytes || t->n == TIDY_FILES) &&
	    unlinkat(dirfd(t->dir), t->oldest, 0) == 0)
		t->removed = true;
	drop_tidy_close(t);
	t->more = t->more || t->removed;
	t->in_bad = !t->in_bad;
	if (t->in_bad)
		return;
	f->tidy_mono_ms += t->more ? TIDY_MORE : TIDY_MS;
	t->more = false;
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
	const int64_t oldest_unix_ms = bl_unix_ms(f->in->host->clock) - f->conf->keep_ms;
	const struct dirent *entry = NULL;
	unsigned removed = 0;

	f->tidy_mono_ms = bl_mono_ms(f->in->host->clock) + TIDY_SLICE;
	if (t->dir == NULL)
		begin(f);
	for (unsigned i = 0; t->dir != NULL && i < DROP_TURN_ENTRIES; i++) {
		if (t->n == TIDY_FILES || (entry = readdir(t->dir)) == NULL)
			break;
		look_at(t, entry->d_name, oldest_unix_ms, &removed);
	}
	t->removed = t->removed || removed > 0;
	if (t->dir == NULL || entry == NULL || t->n == TIDY_FILES)
		end(f);
}
