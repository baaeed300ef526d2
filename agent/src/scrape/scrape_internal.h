/*
 * What the files of this folder share: numbers, lines, names, pages, jobs, each
 * knowing only those before it.
 */
#ifndef SCRAPE_INTERNAL_H
#define SCRAPE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/log.h"
#include "branchline/wire.h"

#include "intake.h"
#include "probe_http.h"
#include "scrape.h"

/* ---- numbers (scrape_number.c); pure ---- */

/*
 * A value as both formats write it: decimal, hexadecimal with a fraction, NaN, Inf, whatever the
 * case.  The double that strtod gives.  False: none, or longer than 63 bytes.
 */
bool scrape_number(const char *p, size_t len, double *out);

/* ---- lines (scrape_line.c); pure ---- */

#define SCRAPE_LINE_MAX   4096u /* bytes; a longer one is not understood */
#define SCRAPE_FAMILY_MAX 255u  /* bytes of a name in a comment */

enum scrape_type {
	SCRAPE_UNTYPED,
	SCRAPE_COUNTER,
	SCRAPE_GAUGE,
	SCRAPE_HISTOGRAM,
	SCRAPE_GAUGEHISTOGRAM,
	SCRAPE_SUMMARY,
	SCRAPE_INFO,
	SCRAPE_STATESET,
};

/* What the comments before a line have said. */
struct scrape_family {
	enum scrape_type type;
	uint16_t name_len, unit_len;
	bool ended; /* "# EOF" */
	char name[SCRAPE_FAMILY_MAX];
	char unit[BL_NAME_MAX];
};

struct scrape_value {
	double value;
	bool timed;
	double time; /* as it stands there: ms, in OpenMetrics s */
};

/* A line that begins with '#': what is not known, or malformed, says nothing. */
void scrape_comment(struct scrape_family *f, const char *line, size_t len);
/* How much of the line is name and labels; 0: malformed. */
size_t scrape_line_key(const char *line, size_t len);
/* What follows the key.  False: malformed. */
bool scrape_line_value(const char *p, size_t len, struct scrape_value *out);

/* ---- names (scrape_series.c); pure but for the intake that it asks ---- */

/* Beside the intake's slots and refusals. */
#define SCRAPE_EXCLUDED  (-100)
#define SCRAPE_MALFORMED (-101)

/*
 * The slot of the series that a key means; negative as intake_series, or one of the above.  What
 * the intake counts is counted by it.
 */
int32_t scrape_series(struct intake *t, const struct scrape_exporter_conf *conf,
    const struct scrape_family *f, const char *key, size_t len);

/* ---- pages (scrape_page.c) ---- */

#define SCRAPE_GONE_MS  (10 * 60 * 1000) /* how long what vanished is unknown before it rests */
#define SCRAPE_STALE_MS (5 * 60 * 1000)  /* a sample whose own time is older is late */

struct scrape_counts {
	uint64_t samples;
	uint64_t bad_lines;  /* malformed, or too long */
	uint64_t duplicates; /* a series that stands twice on one page: the first counts */
	uint64_t late;       /* samples whose own time is too old */
};

struct scrape_page;

/* Keeps intake, conf and counts. */
int scrape_page_create(struct scrape_page **out, struct intake *intake,
    const struct scrape_exporter_conf *conf, struct scrape_counts *counts, struct bl_err *err);
void scrape_page_free(struct scrape_page *p);
/* A page begins; unix_ms: now, which times of samples are compared with. */
void scrape_page_begin(struct scrape_page *p, bool openmetrics, int64_t unix_ms);
void scrape_page_feed(struct scrape_page *p, const char *data, size_t len);
/*
 * It is over; framed: where its end is has been said, so that a last line without an end is a line.
 * NULL, or why it is no page; *bad is the first line that was not understood, or 0.
 */
const char *scrape_page_end(struct scrape_page *p, bool framed, uint32_t *bad);
/* Puts what the last page said; what was on one before and is not on it is unknown. */
uint32_t scrape_page_put(struct scrape_page *p, int64_t mono_ms);
/* There was no page: all that is known is unknown. */
void scrape_page_unknown(struct scrape_page *p, enum bl_unknown reason);

/* ---- one exporter (scrape_job.c) ---- */

enum scrape_own { SCRAPE_OWN_UP, SCRAPE_OWN_DURATION, SCRAPE_OWN_SERIES, SCRAPE_OWN };
enum scrape_state { SCRAPE_IDLE, SCRAPE_SENDING, SCRAPE_READING };

struct scrape_job {
	const struct scrape_exporter_conf *conf;
	const struct inlet_host *host;
	struct intake *intake;
	struct scrape_page *page;
	struct scrape_counts counts;
	uint64_t scrapes, failed;
	char *request;
	size_t request_len, sent;
	struct probe_url url;
	enum scrape_state state;
	bool second; /* of the two addresses of localhost */
	int epoll_fd, fd;
	int64_t due_mono_ms, deadline_mono_ms, begun_mono_ms, offset_ms;
	int32_t own[SCRAPE_OWN]; /* handles of its own series; negative: refused */
	uint32_t n_series;
	int64_t failing_unix_ms; /* since when it cannot be read; 0: it can, or was not asked yet */
	char reason[160];        /* the last time */
	bool told;               /* the log says that it cannot be read, and why */
	char why[160];
	int64_t said_mono_ms; /* 0: never */
	unsigned swallowed;
	struct bl_log_limit bad_log;
	struct probe_http http;
};

int scrape_job_open(struct scrape_job *j, const struct scrape_exporter_conf *conf,
    const struct inlet_host *host, int epoll_fd, unsigned index, struct bl_err *err);
void scrape_job_close(struct scrape_job *j);
/* Its time has come: an interval, or the end of its patience. */
void scrape_job_due(struct scrape_job *j, int64_t mono_ms);
/* Something may have changed; reads *budget bytes at most, and takes them from it; begins with no
 * other piece when it is until. */
void scrape_job_step(
    struct scrape_job *j, char *buf, size_t size, size_t *budget, int64_t until_mono_ms);
int64_t scrape_job_deadline(const struct scrape_job *j);

#endif
