/*
 * Logs: lines that match an expression, counted across rotation.
 *
 * At start counting begins at the end of what is there, or where an orderly
 * end of the agent left it.  Every tick reads what came since, so much of it at
 * most; what is far behind is passed over and counted in bytes, never silently.
 * As with files, nothing is touched that may hang.
 */
#include "sample_log_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"

#define MINUTE_MS 60000
#define SLACK_MS  500 /* a tick comes some ms early or late */
#define RING      64  /* ticks of a minute: one a second at most */

enum { L_PRESENT, L_LINES, L_MATCHED, L_SKIPPED, L_PER_MIN, LOG_SERIES };

static const struct sample_spec spec[LOG_SERIES] = {
	{ "log_present", "1", BL_GAUGE, "log" },
	{ "log_lines_total", "1", BL_COUNTER, "log" },
	{ "log_matched_lines_total", "1", BL_COUNTER, "log" },
	{ "log_skipped_bytes_total", "bytes", BL_COUNTER, "log" },
	{ "log_matched_lines_per_min", "1", BL_GAUGE, "log" },
};

struct minute {
	int64_t since_boot_ms; /* of the first read in a row; 0: none */
	unsigned next;
	int64_t boot_ms[RING];
	uint64_t matched[RING];
};

struct watch {
	const struct sample_log_watch *conf;
	char *path; /* root included; owned */
	struct bl_regex *match, *ignore;
	struct log_lines lines[2];
	struct log_file file;
	bool harmless; /* nothing on the way to it can hang, by the newest table of mounts */
	struct log_counts counts;
	struct minute minute;
	int32_t handle[LOG_SERIES];
};

struct logs {
	const struct sample_logs_conf *conf;
	uint32_t interval_ms;
	struct sample_watch_mounts mounts;
	char *buf; /* owned */
	size_t n;
	struct watch *watch; /* owned */
	struct bl_err lost;  /* why the places of the last end could not be used; to be told once */
};

/* ---- options ---- */

static const char *
check_regex(const void *value)
{
	static _Thread_local char text[192];
	struct bl_err err = { 0 };
	struct bl_regex *re;

	if (bl_regex_compile(&re, *(char *const *)value, &err) < 0) {
		(void)snprintf(text, sizeof(text), "a regular expression (%s)", err.msg);
		return text;
	}
	bl_regex_free(re);
	return NULL;
}

static const struct bl_conf_key watch_keys[] = {
	SAMPLE_WATCH_NAME_KEY(struct sample_log_watch),
	SAMPLE_WATCH_PATH_KEY(struct sample_log_watch, "the log, absolute, on a local file system"),
	{ .name = "match",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct sample_log_watch, match),
	    .min = 1,
	    .max = BL_REGEX_PATTERN_MAX,
	    .help = "the lines that count (regular expression)",
	    .check = check_regex },
	{ .name = "ignore",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct sample_log_watch, ignore),
	    .min = 1,
	    .max = BL_REGEX_PATTERN_MAX,
	    .help = "of these the lines that do not (regular expression)",
	    .check = check_regex },
	{ 0 },
};

static const struct bl_conf_section watch_section = { "watch", sizeof(struct sample_log_watch),
	watch_keys, NULL };

static const struct bl_conf_key logs_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_logs_conf, enabled),
	    .help = "sample the logs that are watched" },
	{ .name = "max_bytes",
	    .type = BL_CONF_SIZE,
	    .dflt = "1MiB",
	    .offset = offsetof(struct sample_logs_conf, max_bytes),
	    .min = 4096,
	    .max = 64 << 20,
	    .help = "read of one log in one tick; what lies 16 times as far behind is passed over "
		    "and counted" },
	{ .name = "state_file",
	    .type = BL_CONF_STR,
	    .dflt = "logs.places",
	    .offset = offsetof(struct sample_logs_conf, state_file),
	    .max = 1000,
	    .help = "keeps the places over an orderly restart; in the state folder" },
	SAMPLE_WATCH_TYPES_KEY(struct sample_logs_conf),
	SAMPLE_WATCH_LIST_KEY(
	    struct sample_logs_conf, watch_section, "logs, and what is looked for in them"),
	{ 0 },
};

static const struct bl_conf_section logs_section = { "logs", sizeof(struct sample_logs_conf),
	logs_keys, NULL };

/* ---- opening ---- */

/* The places of all; NULL: out of memory, and nothing is kept. */
static struct log_kept *
kept_of(struct logs *l)
{
	struct log_kept *kept = calloc(l->n, sizeof(*kept));

	for (size_t i = 0; kept != NULL && i < l->n; i++) {
		kept[i].name = l->watch[i].conf->name;
		kept[i].path = l->watch[i].conf->path;
		kept[i].known = log_cursor_place(
		    &l->watch[i].file.now, l->watch[i].file.now.line_offset, &kept[i].at);
	}
	return kept;
}

static void
keep_places(struct logs *l)
{
	struct log_kept *kept;
	struct bl_err err = { 0 };
	int rc;

	if (l->conf->state_file == NULL || l->n == 0)
		return;
	kept = kept_of(l);
	rc = kept == NULL ? bl_fail(&err, BL_ENOMEM, "logs: out of memory")
			  : log_state_save(l->conf->state_file, kept, l->n, &err);
	if (rc < 0)
		bl_warn("sample",
		    "%s; the places in watched logs are not kept, lines written until the next "
		    "start will not be counted",
		    err.msg);
	free(kept);
}

static void
look_at_mounts(struct logs *l)
{
	if (!sample_watch_mounts_look(&l->mounts))
		return;
	for (size_t i = 0; i < l->n; i++)
		l->watch[i].harmless =
		    sample_watch_mounts_on_table(&l->mounts, l->watch[i].conf->path);
}

static bool
is_harmless(const struct logs *l, const struct watch *w)
{
	return w->harmless && sample_watch_mounts_way(&l->mounts, w->conf->path);
}

/* At the start, too, nothing is touched that may hang: such a place is given up. */
static void
take_places(struct logs *l)
{
	struct log_kept *kept;

	if (l->conf->state_file == NULL || l->n == 0 || (kept = kept_of(l)) == NULL)
		return;
	(void)log_state_take(l->conf->state_file, kept, l->n, &l->lost);
	look_at_mounts(l);
	for (size_t i = 0; i < l->n; i++)
		if (kept[i].known && is_harmless(l, &l->watch[i]))
			(void)log_file_resume(&l->watch[i].file, &kept[i].at, 1);
	free(kept);
}

static void
watch_close(struct watch *w)
{
	log_file_close(&w->file);
	for (unsigned i = 0; i < 2; i++)
		log_lines_close(&w->lines[i]);
	bl_regex_free(w->match);
	bl_regex_free(w->ignore);
	free(w->path);
}

static void
free_all(struct logs *l)
{
	for (size_t i = 0; l->watch != NULL && i < l->n; i++)
		watch_close(&l->watch[i]);
	sample_watch_mounts_close(&l->mounts);
	free(l->watch);
	free(l->buf);
	free(l);
}

static void
logs_close(struct sampler *s)
{
	struct logs *l = (struct logs *)s;

	if (l == NULL)
		return;
	if (l->conf->enabled)
		keep_places(l);
	free_all(l);
}

static int
watch_open(
    struct watch *w, const struct sample_log_watch *conf, const char *root, struct bl_err *err)
{
	struct log_reader reader[2];
	int rc;

	w->conf = conf;
	for (unsigned i = 0; i < LOG_SERIES; i++)
		w->handle[i] = SAMPLE_NEW;
	if (asprintf(&w->path, "%s%s", root, conf->path) < 0) {
		w->path = NULL;
		return bl_fail(err, BL_ENOMEM, "logs: out of memory");
	}
	if ((rc = bl_regex_compile(&w->match, conf->match, err)) < 0)
		return rc;
	if (conf->ignore != NULL && (rc = bl_regex_compile(&w->ignore, conf->ignore, err)) < 0)
		return rc;
	for (unsigned i = 0; i < 2; i++) {
		if ((rc = log_lines_open(&w->lines[i], w->match, w->ignore, &w->counts, err)) < 0)
			return rc;
		reader[i] = log_lines_reader(&w->lines[i]);
	}
	log_file_init(&w->file, w->path, reader);
	w->file.at_once = true;
	return BL_OK;
}

static int
open_all(struct logs *l, const char *root, struct bl_err *err)
{
	int rc;

	if (l->n == 0)
		return BL_OK;
	l->watch = calloc(l->n, sizeof(*l->watch));
	l->buf = malloc(LOG_READ);
	if (l->watch == NULL || l->buf == NULL)
		return bl_fail(err, BL_ENOMEM, "logs: out of memory");
	for (size_t i = 0; i < l->n; i++)
		l->watch[i].file.now.fd = l->watch[i].file.before.fd = -1;
	rc = sample_watch_mounts_init(&l->mounts, &l->conf->types, root, err);
	for (size_t i = 0; rc == BL_OK && i < l->n; i++)
		rc = watch_open(&l->watch[i],
		    &((const struct sample_log_watch *)l->conf->watch.item)[i], root, err);
	return rc;
}

static int
logs_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct logs *l = calloc(1, sizeof(*l));
	int rc;

	*out = NULL;
	if (l == NULL)
		return bl_fail(err, BL_ENOMEM, "logs: out of memory");
	l->conf = conf;
	l->interval_ms = interval_ms;
	l->n = l->conf->watch.n;
	if ((rc = open_all(l, root, err)) < 0) {
		free_all(l);
		return rc;
	}
	if (l->conf->enabled)
		take_places(l);
	*out = (struct sampler *)l;
	return BL_OK;
}

/* ---- a tick ---- */

/* Said once: what was written to the logs while no agent ran is not counted. */
static int
tell_lost(struct logs *l, struct bl_err *err)
{
	const struct bl_err lost = l->lost;

	l->lost = (struct bl_err){ 0 };
	return bl_fail(err, lost.code,
	    "%.120s; lines written while the agent did not run are not counted", lost.msg);
}

/* Of the last minute; false: it was not watched as a whole. */
static bool
minute_add(
    struct minute *m, int64_t boot_ms, uint32_t interval_ms, uint64_t matched, double *per_min)
{
	uint64_t sum = 0;

	if (m->since_boot_ms == 0) {
		memset(m, 0, sizeof(*m));
		m->since_boot_ms = boot_ms;
		return false;
	}
	m->boot_ms[m->next] = boot_ms;
	m->matched[m->next] = matched;
	m->next = (m->next + 1) % RING;
	if (boot_ms - m->since_boot_ms < MINUTE_MS - SLACK_MS)
		return false;
	for (unsigned i = 0; i < RING; i++)
		if (m->boot_ms[i] != 0 && boot_ms - m->boot_ms[i] < MINUTE_MS - SLACK_MS)
			sum += m->matched[i];
	*per_min = interval_ms <= MINUTE_MS
		       ? (double)sum
		       : sample_round2((double)matched * MINUTE_MS / interval_ms);
	return true;
}

static void
put_unknown(struct watch *w, const struct sample_to *to, enum bl_unknown reason)
{
	w->minute.since_boot_ms = 0;
	for (unsigned i = L_LINES; i < LOG_SERIES; i++)
		sample_put_unknown(to, &w->handle[i], &spec[i], w->conf->name, reason);
}

static void
put_known(const struct logs *l, struct watch *w, const struct sample_to *to, int64_t boot_ms,
    uint64_t matched)
{
	const double value[] = { !w->file.missing, (double)w->counts.lines,
		(double)w->counts.matched, (double)w->counts.skipped_bytes };
	double per_min;

	for (unsigned i = 0; i < L_PER_MIN; i++)
		sample_put(to, &w->handle[i], &spec[i], w->conf->name, value[i]);
	if (minute_add(&w->minute, boot_ms, l->interval_ms, matched, &per_min))
		sample_put(to, &w->handle[L_PER_MIN], &spec[L_PER_MIN], w->conf->name, per_min);
}

static int
sample_one(struct logs *l, struct watch *w, const struct sample_to *to, int64_t boot_ms,
    struct bl_err *err)
{
	const struct log_counts before = w->counts;
	const uint64_t max = (uint64_t)l->conf->max_bytes;
	const struct log_limits limits = { max, LOG_LAGS * max, max };
	int rc;

	if (!is_harmless(l, w)) {
		sample_put_unknown(to, &w->handle[L_PRESENT], &spec[L_PRESENT], w->conf->name,
		    BL_UNKNOWN_UNSUPPORTED);
		put_unknown(w, to, BL_UNKNOWN_UNSUPPORTED);
		return bl_fail(err, BL_EDENIED,
		    "logs: %s is not read: it is not known to be on a local file system",
		    w->conf->path);
	}
	rc = log_file_read(&w->file, l->buf, &limits, boot_ms, &w->counts.skipped_bytes, err);
	if (rc == BL_ENOTFOUND) {
		/* No failure of ours: log_present says it. */
		sample_put(to, &w->handle[L_PRESENT], &spec[L_PRESENT], w->conf->name, 0);
		put_unknown(w, to, BL_UNKNOWN_UNREADABLE);
		return BL_OK;
	}
	if (rc < 0) {
		sample_put_unknown(to, &w->handle[L_PRESENT], &spec[L_PRESENT], w->conf->name,
		    BL_UNKNOWN_UNREADABLE);
		put_unknown(w, to, BL_UNKNOWN_UNREADABLE);
		return rc;
	}
	put_known(l, w, to, boot_ms, w->counts.matched - before.matched);
	if (w->counts.skipped_bytes == before.skipped_bytes)
		return BL_OK;
	return bl_fail(err, BL_EFULL,
	    "logs: %s grows faster than max_bytes a tick; %llu bytes were passed over",
	    w->conf->path, (unsigned long long)(w->counts.skipped_bytes - before.skipped_bytes));
}

static int
logs_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct logs *l = (struct logs *)s;
	const struct sample_to to = { sink, l->interval_ms };
	int rc = BL_OK;

	if (!l->conf->enabled || l->n == 0)
		return BL_OK;
	look_at_mounts(l);
	for (size_t i = 0; i < l->n; i++) {
		const int one = sample_one(l, &l->watch[i], &to, boot_ms, rc < 0 ? NULL : err);

		rc = rc == BL_OK ? one : rc;
	}
	if (rc == BL_OK && l->lost.code < 0)
		rc = tell_lost(l, err);
	return rc;
}

const struct sampler_ops sampler_logs = { "logs", &logs_section, logs_open, logs_sample,
	logs_close };
