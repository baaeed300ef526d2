/* What the files of the inlet `loglines` share. */
#ifndef LOGLINES_INTERNAL_H
#define LOGLINES_INTERNAL_H

#include "branchline/charset.h"
#include "branchline/log.h"
#include "branchline/regex.h"
#include "branchline/wire.h"

#include "inlet_keep.h"
#include "loglines.h"
#include "sample_log.h"

#define LOGLINES_FLIGHTS  128u /* reports that wait for the disk */
#define LOGLINES_TURN_MS  6    /* of reading lines */
#define LOGLINES_AGAIN_MS 5000 /* after a report that was not stored */
#define LOGLINES_OLDER_MS 60000
#define LOGLINES_TEXT                                                                              \
	(BL_REGEX_LINE_MAX + 2u) /* of a line: one byte too many, and a carriage return */

enum loglines_count {
	LOGLINES_LINES,
	LOGLINES_UNMATCHED,
	LOGLINES_ACCEPTED,
	LOGLINES_REPEATED,
	LOGLINES_TRIED_AGAIN,
	/* What follows was not taken. */
	LOGLINES_BAD_LINES,
	LOGLINES_REFUSED,
	LOGLINES_LONG_LINES,
	LOGLINES_COSTLY_LINES,
	LOGLINES_SKIPPED_BYTES,
	LOGLINES_LOST_LINES,
	LOGLINES_LOST_FILES,
	LOGLINES_UNREADABLE,
	LOGLINES_COUNTS
};

struct loglines;
struct loglines_file;

/* What comes out of one of the two files of a log. */
struct loglines_stream {
	struct loglines *all;
	struct loglines_file *file;
	enum bl_charset is; /* the file's text */
	size_t mark;        /* bytes of a byte order mark at its beginning */
	uint64_t identity;  /* of this file since it was cut last, for ids */
	bool skipping;      /* to the end of a line that is none of ours, or too long */
	unsigned asked;     /* patterns, about the line that is next */
	bool matched;       /* one of those does */
	bool failed;        /* a report of a line was not stored: back to it */
	uint64_t failed_offset;
	int64_t again_mono_ms; /* not before */
};

/* Places that are kept of a log. */
enum loglines_kept { KEPT_NOW, KEPT_OLDER, KEPT_OLDEST, KEPT_BEFORE, KEPT_KINDS };

struct loglines_file {
	const struct loglines_watch *conf;
	struct loglines_patterns *patterns; /* owned */
	struct log_file log;
	struct loglines_stream stream[2];
	bool resumed;                /* what is kept of an earlier process has been looked for */
	bool kept_known[KEPT_KINDS]; /* what is, of that process until then */
	struct log_place kept[KEPT_KINDS];
	bool begun;            /* something of it has been looked at */
	int64_t older_mono_ms; /* when places grew older */
	bool waits;            /* it cannot be converted */
	bool unread;           /* there is more than was taken */
	char problem[200];     /* at the last look; else empty */
	char passed[320];      /* what was not read, said until then */
	int64_t passed_until_mono_ms;
	struct bl_log_limit failed_log;
};

/* A report that waits for the disk. */
struct loglines_flight {
	struct loglines_stream *stream; /* NULL: free */
	uint64_t identity, offset;      /* of its line */
};

struct loglines {
	const struct loglines_conf *conf;
	const struct inlet_host *host;
	struct log_way *way; /* owned, as the pointers below */
	char *buf;
	char *text; /* LOGLINES_TEXT: a line, converted; NULL: none was yet */
	struct bl_charset_conv *conv[BL_CHARSETS]; /* NULL: none wanted it yet */
	struct bl_rowmap_out *out;
	struct inlet_keep *keep;
	char *places; /* the name of the file */
	size_t n;
	struct loglines_file *file;
	size_t next; /* whose turn is first */
	struct loglines_flight flight[LOGLINES_FLIGHTS];
	unsigned n_flights;
	bool full;    /* a report found no room */
	bool stopped; /* this turn is over */
	bool finished;
	bool moved;   /* places have, since they were kept */
	bool settled; /* reports were answered since then */
	int64_t turn_ends_mono_ms, due_mono_ms, kept_mono_ms;
	uint64_t count[LOGLINES_COUNTS];
	struct bl_log_limit log[LOGLINES_COUNTS], log_places;
};

/* One line an hour for each reason. */
void loglines_tell(struct loglines *l, struct bl_log_limit *limit, const struct loglines_file *f,
    const char *text);

/* A log cannot be read now. */
void loglines_failed(struct loglines *l, struct loglines_file *f, const char *why);

/* ---- loglines_stream.c ---- */

struct log_reader loglines_stream_reader(struct loglines_stream *s);
/* Which of its log's two places it reads at. */
struct log_cursor *loglines_stream_cursor(const struct loglines_stream *s);
/* Up to where all is on disk. */
uint64_t loglines_stream_settled(const struct loglines_stream *s);
unsigned loglines_stream_flights(const struct loglines_stream *s);
/* When nothing of it is under way any more: back to what was not stored. */
void loglines_stream_again(struct loglines_stream *s);
void loglines_stream_done(struct loglines *l, uint64_t token, int rc);

/* ---- loglines_places.c ---- */

/* Reads what an earlier process kept. */
void loglines_places_take(struct loglines *l);
/* Goes on where it stopped: before the first read, and when nothing on the way can hang. */
void loglines_places_resume(struct loglines *l, struct loglines_file *f);
/* Keeps where a later one goes on. */
void loglines_places_keep(struct loglines *l);

#endif
