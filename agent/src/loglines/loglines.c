/*
 * The inlet: logs in turn, when it is time, and places kept.
 *
 * Loop thread.  A turn reads lines for 6 ms; one pattern and line more may cost what
 * regex_groups.h says.  Reports that find no room wait in their log.
 */
#include "loglines_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_SETTLED_MS 1000  /* after reports were answered */
#define KEEP_MOVED_MS   10000 /* where lines alone went by */
#define HOUR_MS         3600000

static const struct {
	const char *name;
	bool refused;
} counts[LOGLINES_COUNTS] = {
	[LOGLINES_LINES] = { "lines", false },
	[LOGLINES_UNMATCHED] = { "unmatched_lines", false },
	[LOGLINES_ACCEPTED] = { "accepted", false },
	[LOGLINES_REPEATED] = { "repeated", false },
	[LOGLINES_TRIED_AGAIN] = { "tried_again", false },
	[LOGLINES_BAD_LINES] = { "bad_lines", true },
	[LOGLINES_REFUSED] = { "refused_reports", true },
	[LOGLINES_LONG_LINES] = { "long_lines", true },
	[LOGLINES_COSTLY_LINES] = { "costly_lines", true },
	[LOGLINES_SKIPPED_BYTES] = { "skipped_bytes", true },
	[LOGLINES_LOST_LINES] = { "lost_lines", true },
	[LOGLINES_LOST_FILES] = { "lost_files", true },
	[LOGLINES_UNREADABLE] = { "unreadable", true },
};

void
loglines_tell(
    struct loglines *l, struct bl_log_limit *limit, const struct loglines_file *f, const char *text)
{
	unsigned swallowed;

	if (!bl_log_allow(limit, bl_mono_ms(l->host->clock), HOUR_MS, &swallowed))
		return;
	bl_warn("loglines", "%s%s%s more_of_this=%u", f != NULL ? f->conf->path : "",
	    f != NULL ? ": " : "", text, swallowed);
}

/* ---- opening ---- */

static int
file_open(struct loglines *l, struct loglines_file *f, const struct loglines_watch *conf,
    struct bl_err *err)
{
	struct log_reader reader[2];

	f->conf = conf;
	for (unsigned i = 0; i < 2; i++) {
		f->stream[i] = (struct loglines_stream){ .all = l, .file = f };
		reader[i] = loglines_stream_reader(&f->stream[i]);
	}
	log_file_init(&f->log, conf->path, reader);
	f->log.from_beginning = conf->from == LOGLINES_BEGINNING;
	return loglines_patterns_open(&f->patterns, &conf->patterns, err);
}

static void
loglines_free(struct loglines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		log_file_close(&l->file[i].log);
		loglines_patterns_close(l->file[i].patterns);
	}
	inlet_keep_close(l->keep);
	log_way_close(l->way);
	free(l->places);
	free(l->file);
	free(l->out);
	for (unsigned i = 0; i < BL_CHARSETS; i++)
		bl_charset_close(l->conv[i]);
	free(l->text);
	free(l->buf);
	free(l);
}

static int
open_all(struct loglines *l, struct bl_err *err)
{
	const struct loglines_watch *watch = l->conf->watch.item;
	int rc = log_way_open(&l->way, &l->conf->types, err);

	l->buf = malloc(LOG_READ);
	l->out = malloc(sizeof(*l->out));
	l->file = calloc(l->conf->watch.n, sizeof(*l->file));
	if (asprintf(&l->places, "%s/loglines.places", l->host->state_dir) < 0)
		l->places = NULL;
	if (rc == BL_OK &&
	    (l->buf == NULL || l->out == NULL || l->file == NULL || l->places == NULL))
		rc = bl_fail(err, BL_ENOMEM, "loglines: out of memory");
	if (rc == BL_OK)
		rc = inlet_keep_open(&l->keep, err);
	for (size_t i = 0; rc == BL_OK && i < l->conf->watch.n; i++) {
		l->n++;
		rc = file_open(l, &l->file[i], &watch[i], err);
	}
	return rc;
}

static int
loglines_open(void **out, const void *conf, const struct inlet_host *host, struct bl_err *err)
{
	const struct loglines_conf *c = conf;
	struct loglines *l;
	int rc;

	*out = NULL;
	if (!c->enabled || c->watch.n == 0)
		return BL_OK;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return bl_fail(err, BL_ENOMEM, "loglines: out of memory");
	l->conf = c;
	l->host = host;
	if ((rc = open_all(l, err)) < 0) {
		loglines_free(l);
		return rc;
	}
	loglines_places_take(l);
	*out = l;
	return BL_OK;
}

/* ---- a turn ---- */

static bool
under_way(const struct loglines_file *f)
{
	return f->unread || f->waits || f->stream[0].failed || f->stream[1].failed ||
	       loglines_stream_flights(&f->stream[0]) + loglines_stream_flights(&f->stream[1]) > 0;
}

/* Not there, not allowed, not known to answer at once, or in an encoding that this system lacks. */
void
loglines_failed(struct loglines *l, struct loglines_file *f, const char *why)
{
	l->count[LOGLINES_UNREADABLE]++;
	(void)snprintf(f->problem, sizeof(f->problem), "%s", why);
	loglines_tell(l, &f->failed_log, f, why);
}

static void
file_read(struct loglines *l, struct loglines_file *f)
{
	const uint64_t behind = (uint64_t)l->conf->max_behind;
	const struct log_limits limits = { LOG_READ, behind, behind / 2 };
	struct bl_err err = { 0 };
	uint64_t skipped = 0;

	if (log_file_read(&f->log, l->buf, &limits, bl_boot_ms(l->host->clock), &skipped, &err) < 0)
		loglines_failed(l, f, err.msg);
	else if (!f->begun)
		f->begun = l->settled = true; /* where, is kept at once */
	if (skipped == 0)
		return;
	l->count[LOGLINES_SKIPPED_BYTES] += skipped;
	l->host->lost(l->host->ctx, BL_STREAM_EVENTS, 1);
	if (f->log.passed[0] == '\0') {
		loglines_tell(l, &l->log[LOGLINES_SKIPPED_BYTES], f,
		    "grows faster than it can be read; lines were passed over");
		return;
	}
	/* Rotated while the agent did not run. */
	(void)snprintf(f->passed, sizeof(f->passed), "%s was not read (%" PRIu64 " bytes in all)",
	    f->log.passed, skipped);
	f->log.passed[0] = '\0';
	f->passed_until_mono_ms = bl_mono_ms(l->host->clock) + HOUR_MS;
	loglines_tell(l, &l->log[LOGLINES_SKIPPED_BYTES], f, f->passed);
}

static void
file_serve(struct loglines *l, struct loglines_file *f)
{
	f->problem[0] = '\0';
	if (!log_way_harmless(l->way, f->conf->path)) {
		loglines_failed(l, f, "is not read: it is not known to be on a local file system");
		return;
	}
	loglines_places_resume(l, f);
	f->log.held = under_way(f); /* before: what is gone back to is not read yet */
	for (unsigned i = 0; i < 2; i++)
		loglines_stream_again(&f->stream[i]);
	f->unread = f->waits = false;
	if (!f->stream[0].failed && !f->stream[1].failed)
		file_read(l, f);
}

static void
keep_in_time(struct loglines *l, int64_t now)
{
	const int64_t after = l->settled ? KEEP_SETTLED_MS : KEEP_MOVED_MS;

	if ((l->settled || l->moved) && now - l->kept_mono_ms >= after)
		loglines_places_keep(l);
}

static void
loglines_serve(void *in)
{
	struct loglines *l = in;
	const int64_t now = bl_mono_ms(l->host->clock);
	bool unread = false;

	keep_in_time(l, now);
	if (l->finished || now < l->due_mono_ms)
		return;
	l->turn_ends_mono_ms = now + LOGLINES_TURN_MS;
	l->stopped = l->full = false;
	for (size_t i = 0; i < l->n; i++) {
		struct loglines_file *f = &l->file[(l->next + i) % l->n];

		if (!l->stopped)
			file_serve(l, f);
		unread = unread || f->unread;
	}
	l->next = (l->next + 1) % l->n;
	l->due_mono_ms = now + (l->full || !(unread || l->stopped) ? l->conf->every_ms : 0);
}

static int64_t
loglines_deadline(const void *in)
{
	const struct loglines *l = in;
	const int64_t due = l->finished ? INT64_MAX : l->due_mono_ms;
	const int64_t keep = l->settled ? l->kept_mono_ms + KEEP_SETTLED_MS
			     : l->moved ? l->kept_mono_ms + KEEP_MOVED_MS
					: INT64_MAX;

	return due < keep ? due : keep;
}

static void
loglines_finish(void *in)
{
	((struct loglines *)in)->finished = true;
}

static void
loglines_close(void *in)
{
	struct loglines *l = in;

	if (l == NULL)
		return;
	loglines_places_keep(l);
	loglines_free(l);
}

static int
loglines_fd(const void *in)
{
	(void)in;
	return -1;
}

static void
loglines_done(void *in, uint64_t token, int rc)
{
	loglines_stream_done(in, token, rc);
}

static unsigned
loglines_count(const void *in, struct inlet_count *out)
{
	const struct loglines *l = in;

	for (unsigned i = 0; i < LOGLINES_COUNTS; i++)
		out[i] = (struct inlet_count){ counts[i].name, l->count[i], counts[i].refused };
	return LOGLINES_COUNTS;
}

/* Of one log; the agent's own log has all. */
static void
loglines_problem(const void *in, char *out, size_t size)
{
	const struct loglines *l = in;

	out[0] = '\0';
	for (size_t i = 0; i < l->n && out[0] == '\0'; i++) {
		const struct loglines_file *f = &l->file[i];
		const char *what = f->problem[0] != '\0' ? f->problem
				   : bl_mono_ms(l->host->clock) < f->passed_until_mono_ms
				       ? f->passed
				       : "";

		if (what[0] != '\0')
			(void)snprintf(out, size, "log %s: %s", f->conf->name, what);
	}
}

const struct inlet_ops loglines_ops = {
	.name = "loglines",
	.open = loglines_open,
	.finish = loglines_finish,
	.close = loglines_close,
	.fd = loglines_fd,
	.deadline = loglines_deadline,
	.serve = loglines_serve,
	.done = loglines_done,
	.count = loglines_count,
	.problem = loglines_problem,
};
