/*
 * Inside the KPI engine: where a row of parts belongs, parts that have been worked
 * out, and the statements that store them.
 */
#ifndef KPI_INTERNAL_H
#define KPI_INTERNAL_H

#include <sqlite3.h>

#include "branchline/buf.h"
#include "branchline/window.h"

#include "kpi.h"

#define KPI_SKETCH_WEIGHT 8u /* a part with a sketch counts as so many */
/* Event time that one call reads at most: some hundred milliseconds of work. */
#define KPI_SPAN_MAX_MS (6 * 3600000LL)

/*
 * Kinds of rows in kpi_part: enum bl_window, and the hours of a KPI whose smallest
 * window is the day.  They have no cells; without them each batch would read a whole day.
 */
#define KPI_DAY_HOURS 13

/* ---- kpi_place.c: where rows belong.  Pure. ---- */

/* enum bl_window or KPI_DAY_HOURS. */
void kpi_window_at(int code, const struct bl_tz *tz, int64_t unix_ms, int64_t *begin, int64_t *end);
int64_t kpi_window_len_ms(int code); /* the usual length */
/* The kind of row that raw data of a version go into. */
int kpi_raw_code(const struct define_kpi *v);
/* The kind of row that rows of this kind are merged into; 0: none. */
int kpi_code_above(int code);
/* The kind of row that rows of this kind of this version are merged from; 0: from raw data. */
int kpi_code_below(const struct define_kpi *v, int code);
/* The version under which a row stands; NULL: there is to be no such row. */
const struct define_kpi *kpi_governs(const struct define_set *set, const char *kpi,
    const struct roster_site *site, int code, int64_t begin);
/* A part made under version u counts under v: the same question was asked. */
bool kpi_same_meaning(const struct define_set *set, const struct define_kpi *v, int64_t u);
/* How much of [begin, end) the device served at the site. */
int64_t kpi_served_ms(
    const struct roster *r, const char *device, const char *site, int64_t begin, int64_t end);

/* ---- kpi_work.c: what has been worked out ---- */

/* One smallest window of one device. */
struct kpi_entry {
	char kpi[BL_ID_TEXT_MAX + 1], site[BL_ID_TEXT_MAX + 1], device[BL_ID_TEXT_MAX + 1];
	int code;
	bool absent; /* there is to be no row */
	int64_t begin_unix_ms, end_unix_ms, version;
	int64_t expected_ms, covered_ms, gone_ms;
	size_t at, len; /* its part, encoded, in bytes */
	size_t order;   /* the later one counts */
};

/* A remembered answer of a version's `where` about a series. */
struct kpi_match {
	uint64_t key; /* 0: free */
	bool yes;
};
#define KPI_MATCHES 65536u /* a power of two */

enum kpi_sql_id {
	KPI_SQL_PART_GET,
	KPI_SQL_PART_PUT,
	KPI_SQL_PART_DELETE,
	KPI_SQL_PARTS_ACROSS,
	KPI_SQL_PARTS_BELOW,
	KPI_SQL_PARTS_SITE,
	KPI_SQL_CELL_GET,
	KPI_SQL_CELL_PUT,
	KPI_SQL_CELL_DELETE,
	KPI_SQL_CELL_ACROSS,
	KPI_SQL_REVISION_LAST,
	KPI_SQL_REVISION_PUT,
	KPI_SQL_COUNT
};

/* Statements of one connection, kept. */
struct kpi_sql {
	sqlite3 *db;
	sqlite3_stmt *st[KPI_SQL_COUNT];
};

struct kpi_work {
	struct kpi_entry *e;
	size_t n, size, weight;
	size_t limit;   /* of weight */
	bool look_back; /* for rows that have no ground any more */
	struct kpi_closed closed;
	struct bl_buf bytes;
	struct kpi_match *match; /* KPI_MATCHES; made when first needed */
	size_t n_matches;
	int64_t match_versions; /* of the set that they speak of */
	struct kpi_sql sql;
};

/* BL_ENOMEM.  part NULL: absent. */
int kpi_work_add(
    struct kpi_work *w, const struct kpi_entry *e, const struct bl_part *part, struct bl_err *err);

/* ---- kpi_task.c: one version at one site over a span ---- */

struct kpi_slot {
	int64_t begin_unix_ms, end_unix_ms;
	struct bl_part part;
};

struct kpi_task {
	const struct define_kpi *v;
	size_t index; /* of v in the set */
	const struct roster_site *site;
	const struct roster_service *service; /* of the device, at all sites */
	size_t n_services;
	int code;
	int64_t lead_ms;   /* RATE: how far apart neighbours are at most */
	int64_t closed_ms; /* windows that begin before are left as they are */
	struct kpi_slot *slot;
	size_t n_slots, at; /* at: where the last value went */
};

/* Its windows that touch [begin, end); none: n_slots stays 0.  BL_ENOMEM. */
int kpi_task_slots(struct kpi_task *t, int64_t begin, int64_t end, struct bl_err *err);
void kpi_task_free(struct kpi_task *t);
/* The part that an instant belongs to; NULL: none of this task. */
struct bl_part *kpi_task_part(struct kpi_task *t, int64_t unix_ms);

/* All that one call works on. */
struct kpi_job {
	struct kpi_work *w;
	struct store_read *telemetry;
	sqlite3 *control;
	const struct define_set *set;
	const struct roster *roster;
	const char *device;
	enum bl_stream stream;
	struct kpi_task *task;
	size_t n, size;
	struct bl_err *err;
	int rc; /* of a visitor */
};

/* The span of all slots; false: there are none. */
bool kpi_job_span(const struct kpi_job *j, int64_t *begin, int64_t *end);

/* ---- kpi_series.c, kpi_steps.c: raw data into slots ---- */

struct kpi_feed; /* the series that the tasks of a job want */
int kpi_feed_create(struct kpi_feed **out, struct kpi_job *j);
void kpi_feed_free(struct kpi_feed *f); /* NULL is fine */
/* Fills lead_ms of the tasks that are rates. */
void kpi_feed_leads(struct kpi_feed *f);
int kpi_feed_samples(struct kpi_feed *f);

int kpi_feed_steps(struct kpi_job *j);

/* ---- kpi_sql.c ---- */

/* The statement, bound by format: i int64_t, d double, t text, o int known and double, b bytes and
 * size_t.  NULL: err. */
sqlite3_stmt *kpi_sql_bind(
    struct kpi_sql *s, enum kpi_sql_id id, struct bl_err *err, const char *format, ...);
/* 1: a row; 0: none (more), reset; negative: failed, reset. */
int kpi_sql_step(sqlite3_stmt *st, struct bl_err *err);
/* Runs a statement that gives no rows. */
int kpi_sql_run(sqlite3_stmt *st, struct bl_err *err);
void kpi_sql_reset(sqlite3_stmt *st);
/* Another connection: forgets those of the last. */
void kpi_sql_attach(struct kpi_sql *s, sqlite3 *db);
void kpi_sql_free(struct kpi_sql *s);

/* ---- kpi_cell.c ---- */

struct kpi_merge; /* scratch for merging parts */
int kpi_merge_create(struct kpi_merge **out, struct bl_err *err);
void kpi_merge_free(struct kpi_merge *m); /* NULL is fine */
/* Empties it for parts of that version. */
struct bl_part *kpi_merge_begin(struct kpi_merge *m, const struct define_kpi *v);
/* BL_ECORRUPT: those bytes are no part of this version's form. */
int kpi_merge_add(struct kpi_merge *m, const void *data, size_t len, struct bl_err *err);

/* A cell. */
struct kpi_key {
	const char *kpi, *site;
	enum bl_window window;
	int64_t begin, end;
};

struct kpi_cell_job {
	struct kpi_sql *sql;
	const struct define_set *set;
	const struct roster *roster;
	struct kpi_merge *merge;
	int64_t now_unix_ms;
	const char *why;
	struct kpi_changes *out;
	struct kpi_due *due; /* scratch: devices in service; the caller frees it */
	size_t n_due, due_size;
	int rc;
	struct bl_err *err;
};
/* One cell from the parts of its devices. */
int kpi_cell_update(struct kpi_cell_job *j, const struct kpi_key *k);
int kpi_changes_add(struct kpi_changes *l, const struct kpi_key *k, struct bl_err *err);

#endif
