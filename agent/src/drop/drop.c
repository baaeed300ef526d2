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
close_lane(struct drop_lane *l)
{
	if (l == NULL)
		return;
	drop_file_close(l);
	drop_rows_close(&l->rows);
	free(l->state);
	free(l);
}

static void
close_folder(struct drop_folder *f)
{
	for (unsigned i = 0; i < DROP_LANES; i++)
		close_lane(f->lane[i]);
	drop_look_close(f);
	drop_tidy_close(&f->tidy);
	if (f->dir != NULL)
		(void)closedir(f->dir);
	if (f->fd >= 0)
		(void)close(f->fd);
	log_way_close(f->where);
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

/* Lane i; where one is not needed yet, only if the last process left a file in it. */
static int
open_lane(struct drop_folder *f, unsigned i, bool needed, struct bl_err *err)
{
	struct drop_lane *l = calloc(1, sizeof(*l));
	bool header;
	int rc;

	if (l == NULL || asprintf(&l->state, i > 0 ? "%s/drop-%s.%u.state" : "%s/drop-%s.state",
			     f->in->host->state_dir, f->conf->name, i) < 0) {
		free(l);
		return bl_fail(err, BL_ENOMEM, "drop: out of memory");
	}
	l->of = f;
	l->place = f->place * DROP_LANES + i;
	l->generation = (unsigned)bl_random_below(f->in->host->clock, UINT32_MAX);
	l->saved_mono_ms = bl_mono_ms(f->in->host->clock) - DROP_SAVE_MS;
	l->kept = drop_state_load(l->state, &l->kept_at);
	if ((!needed && !l->kept) || (rc = drop_rows_open(&l->rows, f->conf, err)) < 0 ||
	    (rc = drop_rows_begin(&l->rows, &header, err)) < 0) {
		rc = needed || l->kept ? rc : BL_OK;
		close_lane(l);
		return rc;
	}
	f->lane[i] = l;
	return BL_OK;
}

static int
open_one(
    struct drop *in, struct drop_folder *f, const struct drop_folder_conf *conf, struct bl_err *err)
{
	const int64_t now = bl_mono_ms(in->host->clock);
	int rc;

	f->conf = conf;
	f->in = in;
	f->place = in->n++; /* from here on it is closed with the others */
	f->fd = f->watch = -1;
	f->look_mono_ms = now;
	f->looked_mono_ms = now - 3600000;
	f->tidy_mono_ms = now + TIDY_FIRST_MS;
	for (unsigned i = 0; i < DROP_WARNINGS; i++)
		f->warned_mono_ms[i] = INT64_MIN;
	if ((rc = log_way_open(&f->where, &conf->types, err)) < 0)
		return rc;
	for (unsigned i = 0; i < DROP_LANES; i++)
		if ((rc = open_lane(f, i, i == 0, err)) < 0)
			return rc;
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
	in->steady_mono_ms = bl_mono_ms(host->clock);
	in->ahead_ms = bl_unix_ms(host->clock) - in->steady_mono_ms;
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

/* One that is free, if possible without a file of the last process; NULL: none, or a file still has
 * rows that nobody has sent, which go before those of others. */
static struct drop_lane *
free_lane(struct drop_folder *f)
{
	struct bl_err ignored = { 0 }; /* it opened one like it before */
	struct drop_lane *found = NULL;

	for (unsigned i = 0; i < DROP_LANES; i++) {
		struct drop_lane *l = f->lane[i];

		if (l != NULL && l->file.open && !drop_file_is_sent(&l->file))
			return NULL;
		if ((found != NULL && !found->kept) || (l != NULL && l->file.open))
			continue;
		if (l == NULL && open_lane(f, i, true, &ignored) < 0)
			return NULL;
		found = f->lane[i];
	}
	return found;
}

/* False: there is none to begin with. */
static bool
begin_next(struct drop_folder *f)
{
	struct drop_lane *l = free_lane(f);
	const struct drop_seen *ready = l != NULL ? drop_look_ready(f, &l) : NULL;
	char name[NAME_MAX + 1];
	bool waits;

	if (ready == NULL)
		return false;
	(void)snprintf(name, sizeof(name), "%s", ready->name);
	if (drop_file_open(l, ready, &waits))
		drop_file_serve(l);
	/* One that cannot be opened is looked at again with the next look. */
	(waits ? drop_look_later : drop_look_forget)(f, name);
	return true;
}

static void
turn(struct drop_folder *f)
{
	const struct bl_clock *clock = f->in->host->clock;
	const int64_t now = bl_mono_ms(clock);
	bool more = true;

	if (now >= f->tidy_mono_ms) {
		drop_tidy(f);
		return;
	}
	f->due_mono_ms = INT64_MAX;
	if (f->dir != NULL || now >= f->look_mono_ms)
		(void)drop_look(f);
	for (unsigned i = 0; i < DROP_LANES; i++) {
		struct drop_lane *l = f->lane[i];

		if (l != NULL && l->file.open && now >= l->file.due_mono_ms &&
		    bl_mono_ms(clock) - now < DROP_TURN_MS)
			drop_file_serve(l);
	}
	for (unsigned i = 0; more && i < DROP_LANES && bl_mono_ms(clock) - now < SERVE_MS; i++)
		more = begin_next(f);
	f->more = more;
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
		if (f->due_mono_ms < due)
			due = f->due_mono_ms;
		if (f->tidy_mono_ms < due)
			due = f->tidy_mono_ms;
		for (unsigned k = 0; k < DROP_LANES; k++)
			if (f->lane[k] != NULL && f->lane[k]->file.open &&
			    f->lane[k]->file.due_mono_ms < due)
				due = f->lane[k]->file.due_mono_ms;
	}
	return due;
}

static void
drop_done(void *ctx, uint64_t token, int rc)
{
	struct drop *in = ctx;
	const uint64_t place = token >> 32;

	if (place < in->n * DROP_LANES && in->folder[place / DROP_LANES].lane[place % DROP_LANES])
		drop_send_done(in->folder[place / DROP_LANES].lane[place % DROP_LANES], token, rc);
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

/* As far as the last looks know. */
static uint64_t
drop_waiting(const void *ctx)
{
	const struct drop *in = ctx;
	uint64_t n = 0;

	for (unsigned i = 0; i < in->n; i++)
		n += in->folder[i].waiting;
	return n;
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
	.waiting = drop_waiting,
};
