/* done/ and bad/ keep what is not too old, up to so many bytes and files. */
#include "drop_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIDY_MS     3600000
#define TIDY_MORE   50   /* ms until what is still too much goes */
#define TIDY_FILES  4096 /* that are kept at most, and looked at in a turn */
#define TIDY_REMOVE 64   /* in a turn */

struct tidy {
	int fd; /* of the folder */
	int64_t now_unix_ms;
	unsigned n, removed;
	int64_t bytes;
	char oldest[NAME_MAX + 1];
	int64_t oldest_ms;
};

/* When it came here, by the machine's clock: a rename sets that. */
static int64_t
since(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

static void
look_at(struct tidy *t, const char *name, int64_t keep_ms)
{
	struct stat st;

	if (name[0] == '.' || fstatat(t->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (t->now_unix_ms - since(&st) > keep_ms && t->removed < TIDY_REMOVE) {
		t->removed += unlinkat(t->fd, name, 0) == 0;
		return;
	}
	if (t->n == 0 || since(&st) < t->oldest_ms) {
		t->oldest_ms = since(&st);
		(void)snprintf(t->oldest, sizeof(t->oldest), "%s", name);
	}
	t->n++;
	t->bytes += st.st_size;
}

/* True: there may be more to remove. */
static bool
tidy(struct drop_folder *f, const char *sub)
{
	struct tidy t = { .now_unix_ms = bl_unix_ms(f->in->host->clock) };
	const struct dirent *entry;
	DIR *dir;
	int fd = openat(f->fd, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return false;
	if ((dir = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return false;
	}
	t.fd = fd;
	while (t.n < TIDY_FILES && (entry = readdir(dir)) != NULL)
		look_at(&t, entry->d_name, f->conf->keep_ms);
	if (t.n > 0 && (t.bytes > f->conf->keep_bytes || t.n == TIDY_FILES))
		t.removed += unlinkat(fd, t.oldest, 0) == 0;
	(void)closedir(dir);
	return t.removed > 0;
}

void
drop_tidy(struct drop_folder *f)
{
	bool more = false;

	if (f->fd >= 0) {
		more = tidy(f, "done");
		more = tidy(f, "bad") || more;
	}
	f->tidy_mono_ms = bl_mono_ms(f->in->host->clock) + (more ? TIDY_MORE : TIDY_MS);
}
