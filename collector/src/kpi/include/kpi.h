/*
 * KPIs: parts per device, cells per site, ready and final, revisions.
 *
 * A part is a function of what is stored: whenever something new is known of a
 * device's span, the parts of the windows that it touches are worked out anew
 * from the store (the smallest window) or from the parts below (larger ones),
 * and the sites' cells from the parts, in order of device.  So nothing depends on
 * the order of arrival, and doing it twice changes nothing.
 *
 * kpi_compute reads the telemetry store and changes nothing; kpi_store runs
 * inside the evaluator's write transaction.  One thread.
 */
#ifndef KPI_H
#define KPI_H

#include "cases.h"
#include "define.h"
#include "roster.h"
#include "store_log.h"

#define KPI_FINAL_AFTER_MS                                                                         \
	(7 * 86400000LL) /* a hole is waited for so long after a window's end                      \
			  */

enum kpi_state { KPI_PROVISIONAL = 0, KPI_FINAL = 1, KPI_FINAL_INCOMPLETE = 2 };

#define KPI_WORK_PARTS 2048u /* at most, a sketch counting as eight */

/*
 * Parts worked out, not stored yet; and what makes the next call cheaper: it keeps
 * statements of the connection that kpi_store was last given, so it is freed
 * before that connection is closed.
 */
struct kpi_work;

int kpi_work_create(struct kpi_work **out, struct bl_err *err);
void kpi_work_free(struct kpi_work *w);  /* NULL is fine */
void kpi_work_reset(struct kpi_work *w); /* after kpi_store: empty */
/* How many parts wait in it: storing a thousand takes 30 to 100 ms. */
size_t kpi_work_parts(const struct kpi_work *w);
/* Room for so many parts at most, at least one minute of everything; KPI_WORK_PARTS at first. */
void kpi_work_limit(struct kpi_work *w, size_t parts);
/*
 * Whether kpi_compute also looks for rows of the device that have no ground any more: at
 * sites where it was not in service after all.  For spans in which the roster changed; rows
 * of versions that are in force no more are always looked for.
 */
void kpi_work_look_back(struct kpi_work *w, bool yes);

/*
 * Works out, for one device's stream, the smallest windows that touch
 * [begin, end) of every KPI in force there, into w.  control: any connection (steps
 * are read from it).  kpi NULL: all of them, else that one.
 *
 * *done_until: how far it got; == end: all.  It stops where the work would grow over
 * its limit, and after six hours of event time; == begin: there is no room for
 * anything, store and reset w first (into an empty one it always gets on).  A rate's
 * windows reach behind `end`: a sample is the neighbour of those after it.
 * On failure w is as it was.
 */
int kpi_compute(struct kpi_work *w, struct store_read *telemetry, struct sqlite3 *control,
    const struct define_set *set, const struct roster *roster, const char *device,
    enum bl_stream stream, int64_t begin, int64_t end, const char *kpi, int64_t *done_until,
    struct bl_err *err);

/* A cell that changed. */
struct kpi_change {
	char kpi[BL_ID_TEXT_MAX + 1];
	char site[BL_ID_TEXT_MAX + 1];
	enum bl_window window;
	int64_t begin_unix_ms, end_unix_ms;
};
struct kpi_changes {
	struct kpi_change *c;
	size_t n, size;
};
void kpi_changes_free(struct kpi_changes *l);

/*
 * Stores parts, works out larger windows and cells; adds to out what changed (value,
 * completeness, ready or state; cells that came or went), in order of (kpi, window,
 * site, begin).  Rows that stand so already are not written.  why: stands in
 * revisions of final values.  w stays as it is: kpi_work_reset.  On failure the
 * transaction has to be rolled back; the same w may be stored again.
 *
 * There is a part where something was delivered, given up or counted, and a cell
 * where there is a part of a device in service: a site that is cut off has no
 * cells until something comes.
 */
int kpi_store(struct kpi_work *w, struct sqlite3 *db, const struct define_set *set,
    const struct roster *roster, int64_t now_unix_ms, const char *why, struct kpi_changes *out,
    struct bl_err *err);
/*
 * Cells whose limit has passed become final and incomplete, oldest first; at most limit
 * a call, returns how many.  Once final, a cell stays so, unless its KPI asks something else.
 */
int kpi_finalise(struct sqlite3 *db, int64_t now_unix_ms, int64_t after_ms, size_t limit,
    struct kpi_changes *out, struct bl_err *err);

/* ---- retention ---- */

/* How long rows are kept; 0: for good.  Days always are.  raw_ms: how long samples are. */
struct kpi_keep {
	int64_t raw_ms, minutes_ms, hours_ms;
};

/*
 * What is closed: a window made from smaller ones, or from samples, of which some have gone is not
 * worked out again, or it would be made from the rest of them.  INT64_MIN: nothing has gone.
 */
struct kpi_closed {
	int64_t raw_unix_ms, minutes_unix_ms, hours_unix_ms;
};
int kpi_closed_load(struct sqlite3 *db, struct kpi_closed *out, struct bl_err *err);
/* Windows of this kind, made from that stream, that begin before are left as they are. */
int64_t kpi_closed_at(const struct kpi_closed *c, int window, enum bl_stream stream);
/* Of what kpi_compute works out from now on. */
void kpi_work_closed(struct kpi_work *w, const struct kpi_closed *c);

/* A round through all rows, in slices; begins with zeroes. */
struct kpi_forgetting {
	bool under_way;
	int64_t hour_unix_ms; /* of the last round */
	uint64_t rows;        /* taken away, in all */
	int table, window;    /* private: the place */
	char kpi[BL_ID_TEXT_MAX + 1], site[BL_ID_TEXT_MAX + 1];
	struct kpi_closed from;
};

struct kpi_forget_opts {
	struct kpi_keep keep;
	int64_t now_unix_ms;
	int64_t before_unix_ms; /* nothing later: it has not been worked out yet */
	/* From when on a site's rows are needed by somebody; may be NULL.  Lowers *from_unix_ms. */
	int (*needed)(void *ctx, struct sqlite3 *db, const char *site, int64_t *from_unix_ms,
	    struct bl_err *err);
	void *ctx;
	unsigned rows; /* at most, some more of one window */
};

/* Whether a round is due: one an hour. */
bool kpi_forget_due(const struct kpi_forgetting *f, int64_t now_unix_ms);
/*
 * Takes away a slice of the parts, cells and revisions whose time is over, inside a
 * transaction: windows of one and five minutes, then hours.  Provisional cells stay, and all that
 * is later than the earliest of them.  1: there may be more; 0: the round is over.
 * On failure roll back and give *f back as it was before.
 */
int kpi_forget(struct kpi_forgetting *f, struct sqlite3 *db, const struct kpi_forget_opts *opts,
    struct bl_err *err);

/* ---- reading ---- */

struct kpi_cell {
	int64_t begin_unix_ms, end_unix_ms;
	const char *site;
	int64_t version;
	bool known;
	double value; /* known only */
	int64_t n;
	double completeness;
	bool ready;
	enum kpi_state state;
	int64_t revisions, known_unix_ms;
};
typedef bool (*kpi_cell_cb)(void *ctx, const struct kpi_cell *c);

/* Windows that touch [from, to), ascending; at most limit.  site NULL: all, by site. */
int kpi_cells(struct sqlite3 *db, const char *kpi, enum bl_window w, const char *site, int64_t from,
    int64_t to, size_t limit, kpi_cell_cb cb, void *ctx, struct bl_err *err);
/* Each site's newest ready cell. */
int kpi_latest(struct sqlite3 *db, const char *kpi, enum bl_window w, kpi_cell_cb cb, void *ctx,
    struct bl_err *err);

struct kpi_part_row {
	const char *device;
	int64_t version, expected_ms, covered_ms, gone_ms;
	bool known;
	double value; /* of this device alone */
	int64_t n;
};
typedef bool (*kpi_part_cb)(void *ctx, const struct kpi_part_row *p);
/* What each device in service gave to one cell, in order of device; covered 0: it is missing.
 * No such cell: none are told. */
int kpi_parts(struct sqlite3 *db, const struct define_set *set, const char *kpi, enum bl_window w,
    const char *site, int64_t begin, kpi_part_cb cb, void *ctx, struct bl_err *err);

struct kpi_revision {
	int64_t n, known_unix_ms, revised_unix_ms;
	bool known;
	double value, completeness;
	enum kpi_state state;
	const char *why;
};
typedef bool (*kpi_revision_cb)(void *ctx, const struct kpi_revision *r);
int kpi_revisions(struct sqlite3 *db, const char *kpi, enum bl_window w, const char *site,
    int64_t begin, kpi_revision_cb cb, void *ctx, struct bl_err *err);

#endif
