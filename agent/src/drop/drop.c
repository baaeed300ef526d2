/* The inlet: folders in turn, each for a few milliseconds. */
#include "drop_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "branchline/log.h"

#define TIDY_FIRST_MS 60000
#define SERVE_MS      4 /* in a turn, no further folder is begun with; one takes 6 ms at most */

void
drop_warn(struct drop_folder *f, enum drop_warning kind, const char *fmt, ...)
{
	const int64_t now = bl_mono_ms(f->in->host->clock);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (kind != DROP_WARN_LINES) {
		(void)snprintf(
		    f->problem, sizeof(f->problem), "%.*s", (int)sizeof(f->problem) - 1, text);
		f->problem_until_mono_ms = now + 2 * f->conf->every_ms + 1000;
	}
	/* What was over and comes again is said again. */
	if (now < f->warned_mono_ms[kind] && (kind != DROP_WARN_FOLDER || f->wrong))
		return;
	f->warned_mono_ms[kind] = now + DROP_WARN_MS;
	f->wrong = f->wrong || kind == DROP_WARN_FOLDER;
	bl_warn("drop", "folder=%s: %s (said once an hour at most)", f->conf->name, text);
}

/* ---- opening and closing ---- */

static void
close_folder(struct drop_folder *f)
{
	drop_file_close(f);
	drop_tidy_close(&f->tidy);
	if (f->dir != NULL)
		(void)closedir(f->dir);
	if (f->fd >= 0)
		(void)close(f->fd);
	drop_rows_close(&f->rows);
	log_way_close(f->where);
	free(f->state);
}

static void
drop_close(void *ctx)
{
	struct drop *in = ctx;

	if (in == NULL)
		return;
	for (unsigned i = 0; i < in->n; i++)
		close_folder(&in->folder[i]);
	inlet_keep_close(in->keep);
	if (in->notify >= 0)
		(void)close(in->notify);
	free(in->folder);
	free(in);
}

static int
open_one(
    struct drop *in, struct drop_folder *f, const struct drop_folder_conf *conf, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(in->host->clock);
	bool header;
	int rc;

	f->conf = conf;
	f->in = in;
	f->place = in->n++; /* from here on it is closed with the others */
	f->fd = f->watch = -1;
	f->generation = (unsigned)bl_random_below(in->host->clock, UINT32_MAX);
	f->look_mono_ms = now;
	f->looked_mono_ms = now - 3600000;
	f->tidy_mono_ms = now + TIDY_FIRST_MS;
	f->saved_mono_ms = now - DROP_SAVE_MS;
	for (unsigned i = 0; i < DROP_WARNINGS; i++)
		f->warned_mono_ms[i] = INT64_MIN;
	if (asprintf(&f->state, "%s/drop-%s.state", in->host->state_dir, conf->name) < 0) {
		f->state = NULL;
		return bl_fail(err, BL_ENOMEM, "drop: out of memory");
	}
	if ((rc = log_way_open(&f->where, &conf->types, err)) < 0 ||
	    (rc = drop_rows_open(&f->rows, conf, err)) < 0 ||
	    (rc = drop_rows_begin(&f->rows, &header, err)) < 0)
		return rc;
	f->kept = drop_state_load(f->state, &f->kept_at);
	return BL_OK;
}

static int
drop_open(void **out, const void *conf, const struct inlet_host *host, struct bl_err *err)
{
	const struct bl_conf_list *folders = &((const struct drop_conf *)conf)->folders;
	const struct drop_folder_conf *each = folders->item;
	struct drop *in;
	int rc;

	*out = NULL;
	if (folders->n == 0)
		return BL_OK;
	if ((in = calloc(1, sizeof(*in))) == NULL)
		return bl_fail(err, BL_ENOMEM, "drop: out of memory");
	in->host = host;
	in->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* without one there are the looks */
	if ((rc = inlet_keep_open(&in->keep, err)) < 0 ||
	    (in->folder = calloc(folders->n, sizeof(*in->folder))) == NULL) {
		drop_close(in);
		return bl_fail(err, BL_ENOMEM, "drop: out of memory");
	}
	for (size_t i = 0; i < folders->n; i++)
		if ((rc = open_one(in, &in->folder[i], &each[i], err)) < 0) {
			bl_err_prefix(err, "drop: folder %s", each[i].name);
			drop_close(in);
			return rc;
		}
	*out = in;
	return BL_OK;
}

static void
drop_finish(void *ctx)
{
	struct drop *in = ctx;

	in->finishing = true;
}

/* ---- turns ---- */

static void
hear_events(struct drop *in)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	if (in->notify < 0)
		return;
	for (unsigned i = 0; i < 16 && (n = read(in->notify, buf, sizeof(buf))) > 0; i++) {
		for (const char *at = buf; at < buf + n;) {
			struct inotify_event e;

			memcpy(&e, at, sizeof(e));
			at += sizeof(e) + e.len;
			for (unsigned k = 0; k < in->n; k++)
				if (in->folder[k].watch == e.wd || (e.mask & IN_Q_OVERFLOW) != 0)
					drop_look_soon(&in->folder[k]);
		}
	}
}

/* One that cannot be opened is looked at again with the next look. */
static void
open_next(struct drop_folder *f, const struct drop_seen *ready)
{
	char name[NAME_MAX + 1];
	bool waits;

	if (drop_file_open(f, ready, &waits))
		return;
	(void)snprintf(name, sizeof(name), "%s", ready->name);
	(waits ? drop_look_later : drop_look_forget)(f, name);
}

static void
turn(struct drop_folder *f)
{
	const int64_t now = bl_mono_ms(f->in->host->clock);
	const struct drop_seen *ready;

	if (now >= f->tidy_mono_ms) {
		drop_tidy(f);
		return;
	}
	if (f->dir != NULL || now >= f->look_mono_ms)
		(void)drop_look(f);
	if (f->file.open) {
		if (now >= f->file.due_mono_ms)
			drop_file_serve(f);
	} else if ((ready = drop_look_ready(f)) != NULL) {
		open_next(f, ready);
	}
	f->more = !f->file.open && drop_look_ready(f) != NULL;
}

static void
drop_serve(void *ctx)
{
	struct drop *in = ctx;
	const int64_t until = bl_mono_ms(in->host->clock) + SERVE_MS;

	hear_events(in);
	for (unsigned i = 0; i < in->n && !in->finishing; i++) {
		turn(&in->folder[in->turn]);
		in->turn = (in->turn + 1) % in->n;
		if (bl_mono_ms(in->host->clock) >= until)
			return;
	}
}

static int
drop_fd(const void *ctx)
{
	return ((const struct drop *)ctx)->notify;
}

static int64_t
drop_deadline(const void *ctx)
{
	const struct drop *in = ctx;
	int64_t due = INT64_MAX;

	for (unsigned i = 0; i < in->n && !in->finishing; i++) {
		const struct drop_folder *f = &in->folder[i];

		if (f->dir != NULL || f->more)
			return 0;
		if (f->look_mono_ms < due)
			due = f->look_mono_ms;
		if (f->tidy_mono_ms < due)
			due = f->tidy_mono_ms;
		if (f->file.open && f->file.due_mono_ms < due)
			due = f->file.due_mono_ms;
	}
	return due;
}

static void
drop_done(void *ctx, uint64_t token, int rc)
{
	struct drop *in = ctx;
	const uint64_t place = token >> 32;

	if (place < in->n)
		drop_send_done(&in->folder[place], token, rc);
}

static unsigned
drop_count(const void *ctx, struct inlet_count *out)
{
	static const struct inlet_count names[DROP_COUNTERS] = {
		[DROP_N_ACCEPTED] = { .name = "accepted" },
		[DROP_N_REPEATED] = { .name = "repeated" },
		[DROP_N_FILES] = { .name = "files" },
		[DROP_N_OTHER_ROWS] = { .name = "other_rows" },
		[DROP_N_BAD_LINES] = { .name = "bad_lines", .refused = true },
		[DROP_N_BAD_FILES] = { .name = "bad_files", .refused = true },
		[DROP_N_NOT_STORED] = { .name = "not_stored", .refused = true },
		[DROP_N_UNREADABLE] = { .name = "unreadable", .refused = true },
	};
	const struct drop *in = ctx;

	for (unsigned i = 0; i < DROP_COUNTERS; i++) {
		out[i] = names[i];
		out[i].n = in->count[i];
	}
	return DROP_COUNTERS;
}

/* Of one folder; the log has all. */
static void
drop_problem(const void *ctx, char *out, size_t size)
{
	const struct drop *in = ctx;
	const int64_t now = bl_mono_ms(in->host->clock);
	const struct drop_folder *first = NULL;
	unsigned more = 0;

	for (unsigned i = 0; i < in->n; i++) {
		const struct drop_folder *f = &in->folder[i];

		if (f->problem[0] == '\0' || now >= f->problem_until_mono_ms)
			continue;
		more += first != NULL;
		first = first == NULL ? f : first;
	}
	out[0] = '\0';
	if (first != NULL && more == 0)
		(void)snprintf(out, size, "folder %s: %s", first->conf->name, first->problem);
	else if (first != NULL)
		(void)snprintf(out, size, "folder %s (and %u more): %s", first->conf->name, more,
		    first->problem);
}

const struct inlet_ops drop_ops = {
	.name = "drop",
	.open = drop_open,
	.finish = drop_finish,
	.close = drop_close,
	.fd = drop_fd,
	.deadline = drop_deadline,
	.serve = drop_serve,
	.done = drop_done,
	.count = drop_count,
	.problem = drop_problem,
};
