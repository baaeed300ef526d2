/*
 * Where a later process goes on, in `loglines.places` of the state folder.
 *
 * Kept is where all before it is on disk; what comes behind is read again, and
 * the ids tell.  A power cut can take the end of a log away that was not on disk
 * yet (half a minute): so two older places are kept of each log, the second a minute
 * old at least, and the newest one that is still there counts.
 */
#include "loglines_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the file's lines, before the path. */
static const char *const kinds[KEPT_KINDS] = { "", "older ", "oldest ", "before " };

struct kept {
	size_t n;
	struct log_kept *row; /* owned, and their paths */
};

static void
kept_free(struct kept *k)
{
	for (size_t i = 0; k->row != NULL && i < k->n; i++)
		free((char *)(uintptr_t)k->row[i].path);
	free(k->row);
}

static bool
kept_make(const struct loglines *l, struct kept *k)
{
	k->n = l->n * KEPT_KINDS;
	k->row = calloc(k->n, sizeof(*k->row));
	for (size_t i = 0; k->row != NULL && i < k->n; i++) {
		const struct loglines_watch *conf = l->file[i / KEPT_KINDS].conf;
		char *path;

		if (asprintf(&path, "%s%s", kinds[i % KEPT_KINDS], conf->path) < 0) {
			kept_free(k);
			return false;
		}
		k->row[i].name = conf->name;
		k->row[i].path = path;
	}
	return k->row != NULL;
}

/* ---- at the start ---- */

/* A power cut may leave the newest file empty, or none; its copy was synced. */
static int
read_places(const struct loglines *l, struct kept *kept, struct bl_err *err)
{
	struct bl_err ignored = { 0 };
	char safe[4200];
	const bool there = access(l->places, F_OK) == 0;
	const int rc = log_state_read(l->places, kept->row, kept->n, err);

	(void)snprintf(safe, sizeof(safe), "%s.safe", l->places);
	if ((there && rc == BL_OK) || access(safe, F_OK) < 0)
		return rc;
	return log_state_read(safe, kept->row, kept->n, &ignored) == BL_OK ? BL_OK : rc;
}

void
loglines_places_take(struct loglines *l)
{
	struct bl_err err = { 0 };
	struct kept kept;
	struct stat st;

	if (!kept_make(l, &kept))
		return;
	if (read_places(l, &kept, &err) < 0)
		bl_warn("loglines", "%s; logs are read from where a new one would be", err.msg);
	if (stat(l->places, &st) == 0)
		for (size_t i = 0; i < l->n; i++)
			l->file[i].log.seen_unix_ns =
			    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	for (size_t i = 0; i < kept.n; i++) {
		l->file[i / KEPT_KINDS].kept_known[i % KEPT_KINDS] = kept.row[i].known;
		l->file[i / KEPT_KINDS].kept[i % KEPT_KINDS] = kept.row[i].at;
	}
	kept_free(&kept);
}

/* In the same file, and since it was cut last.  Its very beginning is in every file. */
static bool
is_earlier(const struct log_place *older, const struct log_place *now)
{
	return older->dev == now->dev && older->ino == now->ino && older->cuts == now->cuts &&
	       older->offset > 0 && older->offset < now->offset;
}

void
loglines_places_resume(struct loglines *l, struct loglines_file *f)
{
	struct log_place at[KEPT_BEFORE];
	size_t n = 0;

	if (f->resumed)
		return;
	f->resumed = true;
	for (unsigned i = KEPT_NOW; i <= KEPT_OLDEST; i++)
		if (f->kept_known[i] && (n == 0 || is_earlier(&f->kept[i], &at[0])))
			at[n++] = f->kept[i];
	if (n > 0 && !log_file_resume(&f->log, at, n)) {
		l->count[LOGLINES_LOST_FILES]++;
		l->host->lost(l->host->ctx, BL_STREAM_EVENTS, 1);
		loglines_tell(l, &l->log[LOGLINES_LOST_FILES], f,
		    "the file that was read before is not there any more, or was cut; what was "
		    "written to it since is lost");
	}
	if (f->kept_known[KEPT_BEFORE])
		(void)log_file_resume_before(
		    &f->log, &f->kept[KEPT_BEFORE], bl_boot_ms(l->host->clock));
}

/* ---- from time to time ---- */

static bool
place_of(const struct loglines_stream *s, struct log_place *out)
{
	return log_cursor_place(loglines_stream_cursor(s), loglines_stream_settled(s), out);
}

/* At most once a minute the place that was kept before this one steps back, and the one before
 * that: it is a minute old at least. */
static void
grow_older(struct loglines_file *f, const struct log_place *now, int64_t mono_ms)
{
	if (!f->kept_known[KEPT_NOW]) {
		f->older_mono_ms = mono_ms;
	} else if (mono_ms - f->older_mono_ms >= LOGLINES_OLDER_MS) {
		f->older_mono_ms = mono_ms;
		f->kept[KEPT_OLDEST] = f->kept[KEPT_OLDER];
		f->kept_known[KEPT_OLDEST] = f->kept_known[KEPT_OLDER];
		f->kept[KEPT_OLDER] = f->kept[KEPT_NOW];
		f->kept_known[KEPT_OLDER] = true;
	}
	f->kept[KEPT_NOW] = *now;
	f->kept_known[KEPT_NOW] = true;
}

static void
fill(struct loglines_file *f, struct log_kept row[KEPT_KINDS], int64_t mono_ms)
{
	struct log_place now;

	/* Else what an earlier process kept is kept. */
	if (f->resumed) {
		f->kept_known[KEPT_BEFORE] =
		    place_of(f->log.before.reader.ctx, &f->kept[KEPT_BEFORE]);
		if (place_of(f->log.now.reader.ctx, &now))
			grow_older(f, &now, mono_ms);
	}
	for (unsigned i = 0; i < KEPT_KINDS; i++) {
		row[i].known = f->kept_known[i];
		row[i].at = f->kept[i];
	}
}

void
loglines_places_keep(struct loglines *l)
{
	const int64_t mono_ms = bl_mono_ms(l->host->clock);
	struct bl_err err = { 0 };
	struct kept kept;

	l->kept_mono_ms = mono_ms;
	if (!kept_make(l, &kept))
		return;
	for (size_t i = 0; i < l->n; i++)
		fill(&l->file[i], &kept.row[i * KEPT_KINDS], mono_ms);
	if (log_state_replace(l->places, kept.row, kept.n, &err) < 0) {
		loglines_tell(l, &l->log_places, NULL, err.msg);
	} else {
		/* Lines that became nothing do no harm when they are read again. */
		if (l->settled)
			inlet_keep_soon(l->keep, l->places, -1);
		l->moved = l->settled = false;
	}
	kept_free(&kept);
}
