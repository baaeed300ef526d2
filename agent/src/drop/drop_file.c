/* A file in work, from its opening until it lies in done/ or bad/. */
#include "drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "branchline/log.h"

static int64_t
now_ms(const struct drop_lane *l)
{
	return bl_mono_ms(l->of->in->host->clock);
}

/* ---- where it is ---- */

/* Up to DROP_ANCHOR bytes before offset. */
static uint64_t
anchor_of(int fd, uint64_t offset)
{
	const size_t n = offset < DROP_ANCHOR ? (size_t)offset : DROP_ANCHOR;
	char bytes[DROP_ANCHOR];

	if (pread(fd, bytes, n, (off_t)(offset - n)) != (ssize_t)n)
		return 0;
	return drop_hash(DROP_HASH, bytes, n);
}

/* The first bytes, of a file that had so many. */
static uint64_t
head_of(int fd, uint64_t size)
{
	const size_t n = size < DROP_HEAD ? (size_t)size : DROP_HEAD;
	char bytes[DROP_HEAD];

	if (pread(fd, bytes, n, 0) != (ssize_t)n)
		return 0;
	return drop_hash(DROP_HASH, bytes, n);
}

/* When it was made; 0: the file system does not tell. */
static uint64_t
born_of(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0 || (st.stx_mask & STATX_BTIME) == 0)
		return 0;
	return (uint64_t)st.stx_btime.tv_sec * 1000000000u + st.stx_btime.tv_nsec;
}

/* The one that the last process had begun: the same file, with what it had read of it. */
static bool
is_kept(const struct drop_lane *l, const struct stat *st)
{
	const struct drop_place *at = &l->kept_at;
	const int fd = l->file.fd;

	return l->kept && at->dev == st->st_dev && at->ino == st->st_ino &&
	       at->born == born_of(fd) && (uint64_t)st->st_size >= at->offset &&
	       (uint64_t)st->st_size >= at->size && at->head == head_of(fd, at->size) &&
	       at->anchor == anchor_of(fd, at->offset);
}

/* It was cut, or written anew, since it was begun. */
static bool
is_anew(const struct drop_lane *l)
{
	const struct drop_file *file = &l->file;
	struct stat st;
	uint64_t head;

	if (fstat(file->fd, &st) < 0)
		return false;
	if ((uint64_t)st.st_size < file->next.offset || (uint64_t)st.st_size < file->at.size)
		return true;
	head = head_of(file->fd, file->at.size);
	return head != 0 && head != file->at.head; /* 0: it cannot be read now */
}

/*
 * A file that nobody has begun: what it is now makes its identity, which it keeps.  Not its name:
 * who renames it while it is read makes no other file of it.
 */
static void
begin_new(struct drop_file *file, const struct stat *st)
{
	const uint64_t born = born_of(file->fd), head = head_of(file->fd, (uint64_t)st->st_size);
	const uint64_t is[] = { st->st_dev, st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec, born, head };

	file->at = (struct drop_place){ .identity = drop_hash(DROP_HASH, is, sizeof(is)),
		.dev = st->st_dev,
		.ino = st->st_ino,
		.born = born,
		.size = (uint64_t)st->st_size,
		.head = head,
		.line = 1 };
}

/* Where it was; from its beginning, with the ids that it had, where lines that were not taken are
 * not in bad/ any more: somebody removed them, or a power cut left a state that is older than it.
 */
static void
begin_kept(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	struct drop_place *at = &file->at;

	*at = l->kept_at;
	drop_bad_begin(&file->bad, at);
	if (drop_bad_is_there(&file->bad, l->of->fd, file->name, at->identity))
		return;
	at->offset = at->rest = at->bad_bytes = at->bad_lines = 0;
	at->line = 1;
}

/* Reading begins at `at`; the header, if there is one, is read first. */
static void
rewind_to(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	struct bl_err ignored = { 0 }; /* columns of the configuration: checked at opening */

	l->generation++;
	(void)drop_rows_begin(&l->rows, &file->header, &ignored);
	file->next = file->at;
	if (file->header) {
		file->next.offset = file->next.rest = 0;
		file->next.line = 1;
	}
	if (file->next.offset == 0)
		file->next.offset = file->text.mark;
	drop_text_empty(file);
	file->first = file->n_flight = 0;
	file->end = file->have_row = file->failed = false;
	drop_bad_close(&file->bad);
	drop_bad_begin(&file->bad, &file->at);
}

void
drop_file_save(struct drop_lane *l, bool at_once)
{
	const int64_t now = now_ms(l);
	struct bl_err err = { 0 };

	if (!l->dirty || l->state == NULL || (!at_once && now - l->saved_mono_ms < DROP_SAVE_MS))
		return;
	l->saved_mono_ms = now;
	l->dirty = false;
	l->file.at.anchor = anchor_of(l->file.fd, l->file.at.offset);
	if (drop_state_save(l->state, &l->file.at, &err) < 0)
		drop_warn(l->of, DROP_WARN_FILE, "%s", err.msg);
	else
		inlet_keep_soon(l->of->in->keep, l->state, l->file.bad.fd);
}

/* ---- opening and closing ---- */

static void
let_go(struct drop_lane *l)
{
	struct drop_file *file = &l->file;

	drop_bad_close(&file->bad);
	drop_text_close(&file->text);
	(void)close(file->fd);
	free(file->buf);
	free(file->scratch);
	file->buf = file->scratch = NULL;
	file->open = false;
	l->generation++; /* what is still answered is no longer asked for */
}

void
drop_file_unreadable(struct drop_folder *f, const char *name)
{
	drop_warn(f, DROP_WARN_FILE, "%s cannot be opened: %s", name, strerror(errno));
	f->in->count[DROP_N_UNREADABLE]++;
}

bool
drop_file_open(struct drop_lane *l, const struct drop_seen *seen, bool *waits)
{
	struct drop_file *file = &l->file;
	struct bl_err err = { 0 };
	struct stat st;

	*waits = false;
	memset(file, 0, sizeof(*file));
	file->bad.fd = -1;
	(void)snprintf(file->name, sizeof(file->name), "%s", seen->name);
	file->fd = openat(
	    l->of->fd, seen->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		drop_file_unreadable(l->of, seen->name);
		if (file->fd >= 0)
			(void)close(file->fd);
		return false;
	}
	/* It waited for its turn, and somebody went on writing. */
	if (st.st_size != seen->size || st.st_ino != seen->ino ||
	    drop_mtime_ns(&st) != seen->mtime_ns) {
		(void)close(file->fd);
		drop_look_soon(l->of);
		*waits = true;
		return false;
	}
	file->open = true;
	file->buf = malloc(DROP_BUFFER);
	file->scratch = malloc(DROP_ROW_MAX);
	if (file->buf == NULL || file->scratch == NULL) {
		let_go(l);
		return false;
	}
	if (drop_text_open(&file->text, file->fd, (enum bl_charset)l->of->conf->encoding, &err) <
	    0) {
		drop_warn(l->of, DROP_WARN_FILE, "%s waits: %s", seen->name, err.msg);
		*waits = true;
		l->of->in->count[DROP_N_UNREADABLE]++;
		let_go(l);
		return false;
	}
	file->bad.mode = st.st_mode & 0666;
	if (is_kept(l, &st))
		begin_kept(l);
	else
		begin_new(file, &st);
	l->kept = false;
	file->size = st.st_size;
	file->grown_mono_ms = seen->since_mono_ms;
	rewind_to(l);
	l->dirty = true;
	drop_file_save(l, true);
	return true;
}

void
drop_file_close(struct drop_lane *l)
{
	if (!l->file.open)
		return;
	drop_file_save(l, true);
	let_go(l);
}

/* ---- reading ---- */

/* Nothing more can be read: is it the end? */
static enum drop_step
at_end(struct drop_lane *l, int64_t now)
{
	struct drop_file *file = &l->file;
	const int64_t quiet = file->grown_mono_ms + l->of->conf->settle_ms;

	if (l->of->conf->marker == NULL && now < quiet) {
		file->due_mono_ms = quiet;
		return DROP_STEP_WAIT;
	}
	file->end = true;
	(void)drop_text_convert(file, true);
	return DROP_STEP_END;
}

enum drop_step
drop_file_fill(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	const int64_t now = now_ms(l);
	int64_t at = (int64_t)file->next.offset + (int64_t)drop_text_read(file);
	char *to;
	size_t room;
	ssize_t n;

	if (is_anew(l)) {
		file->anew = true;
		file->due_mono_ms = now;
		return DROP_STEP_WAIT;
	}
	drop_text_make_room(file);
	if (drop_text_convert(file, false)) /* there was no room for it before */
		return DROP_STEP_MORE;
	room = drop_text_room(file, &to);
	do
		n = pread(file->fd, to, room, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		drop_warn(l->of, DROP_WARN_FILE, "read %s: %s", file->name, strerror(errno));
		l->of->in->count[DROP_N_UNREADABLE]++;
		file->due_mono_ms = now + l->of->conf->every_ms;
		return DROP_STEP_WAIT;
	}
	if (n == 0)
		return at_end(l, now);
	at += n;
	if (at > file->size) { /* its writer goes on */
		file->size = at;
		file->grown_mono_ms = now;
	}
	drop_text_add(file, (size_t)n);
	(void)drop_text_convert(file, false);
	return DROP_STEP_MORE;
}

void
drop_file_refuse(struct drop_lane *l, const char *why)
{
	struct drop_file *file = &l->file;
	struct bl_err err = { 0 };

	file->refused = true;
	file->end = true;
	drop_text_empty(file);
	if (drop_bad_put(&file->bad, l->of->fd, file->name, file->at.identity, 0, why,
		(struct bl_str){ "", 0 }, &err) < 0)
		drop_warn(l->of, DROP_WARN_FILE, "%s", err.msg);
}

/* ---- putting away ---- */

/* The file in work has this name. */
static bool
is_at(const struct drop_lane *l, int folder, const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == l->file.at.dev && st.st_ino == l->file.at.ino;
}

/*
 * Under its name, or, where that is taken, with its identity.  What took its place at this very
 * moment was not read, and goes back.
 */
static int
move_to(struct drop_lane *l, const char *folder)
{
	const int sub = drop_sub_open(l->of->fd, folder);
	char to[NAME_MAX + 1];
	struct stat st;
	int rc, e;

	if (sub < 0)
		return -1;
	(void)snprintf(to, sizeof(to), "%s", l->file.name);
	if (fstatat(sub, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)snprintf(to, sizeof(to), "%.*s.%016" PRIx64, NAME_MAX - 17, l->file.name,
		    l->file.at.identity);
	rc = renameat(l->of->fd, l->file.name, sub, to);
	e = errno;
	if (rc == 0 && !is_at(l, sub, to))
		(void)renameat2(sub, to, l->of->fd, l->file.name, RENAME_NOREPLACE);
	(void)close(sub);
	errno = e;
	return rc;
}

/* It is dealt with. */
static void
forget(struct drop_lane *l)
{
	inlet_keep_forget(l->of->in->keep, l->state);
	inlet_keep_folder(l->of->in->keep, l->of->conf->path);
	l->dirty = false;
	let_go(l);
}

/* Another file that has its name has its marker, too. */
static void
remove_marker(const struct drop_lane *l)
{
	char marker[NAME_MAX + 40];
	struct stat st;

	if (l->of->conf->marker == NULL ||
	    fstatat(l->of->fd, l->file.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	(void)snprintf(marker, sizeof(marker), "%s%s", l->file.name, l->of->conf->marker);
	(void)unlinkat(l->of->fd, marker, 0);
}

/* False: it could not be moved, and is asked for again. */
static bool
put_away(struct drop_lane *l)
{
	struct drop_file *file = &l->file;

	if (!is_at(l, l->of->fd, file->name)) {
		drop_look_soon(l->of); /* it may have another name now */
	} else if (move_to(l, file->refused ? "bad" : "done") < 0) {
		drop_warn(l->of, DROP_WARN_FILE, "move %s to %s/: %s", file->name,
		    file->refused ? "bad" : "done", strerror(errno));
		drop_file_save(l, true);
		file->due_mono_ms = now_ms(l) + l->of->conf->every_ms;
		return false;
	}
	remove_marker(l);
	bl_debug("drop", "done folder=%s file=%s lines=%" PRIu64 " not_taken=%" PRIu64,
	    l->of->conf->name, file->name, file->at.line - 1, file->at.bad_lines);
	l->of->in->count[file->refused ? DROP_N_BAD_FILES : DROP_N_FILES]++;
	if (file->refused || file->at.bad_lines > 0)
		drop_warn(l->of, DROP_WARN_LINES,
		    "%s of %s not taken; bad/%s says why lines=%" PRIu64,
		    file->refused ? "all" : "some lines", file->name, file->bad.name,
		    file->at.bad_lines);
	l->of->taken++;
	l->of->waiting -= l->of->waiting > 0;
	if (++l->of->put_away >= DROP_KEPT)
		l->of->tidy_mono_ms = 0;
	forget(l);
	return true;
}

/* It stays where it is; the next look finds it as the file that it is now. */
static void
leave(struct drop_lane *l)
{
	bl_debug("drop", "written anew folder=%s file=%s", l->of->conf->name, l->file.name);
	forget(l);
	drop_look_soon(l->of);
}

bool
drop_file_is_sent(const struct drop_file *file)
{
	return file->end && !file->have_row && file->from == file->len && !file->failed;
}

/* Somebody wrote on while the last rows were on their way. */
static bool
has_grown(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	struct stat st;

	if (file->refused || fstat(file->fd, &st) < 0 || (uint64_t)st.st_size <= file->next.offset)
		return false;
	file->end = false;
	file->bad.mode = st.st_mode & 0666;
	file->size = st.st_size;
	file->grown_mono_ms = file->due_mono_ms = now_ms(l);
	return true;
}

void
drop_file_serve(struct drop_lane *l)
{
	struct drop_file *file = &l->file;
	const int64_t now = now_ms(l);

	if (file->failed) {
		if (file->under_way > 0 || now < l->wait_mono_ms) {
			file->due_mono_ms = file->under_way > 0 ? INT64_MAX : l->wait_mono_ms;
			return;
		}
		file->anew = is_anew(l);
		rewind_to(l);
	}
	if (file->anew) {
		file->due_mono_ms = INT64_MAX;
		if (file->under_way == 0)
			leave(l);
		return;
	}
	file->due_mono_ms = INT64_MAX;
	switch (drop_send(l)) {
	case DROP_STEP_MORE:
		file->due_mono_ms = now;
		break;
	case DROP_STEP_WAIT:
		break; /* it said for what */
	case DROP_STEP_END:
		file->anew = is_anew(l);
		if (file->anew)
			file->due_mono_ms = now;
		else if (!has_grown(l) && put_away(l))
			return;
		break;
	}
	drop_file_save(l, false);
	if (l->dirty && file->due_mono_ms > l->saved_mono_ms + DROP_SAVE_MS)
		file->due_mono_ms = l->saved_mono_ms + DROP_SAVE_MS;
}
