/*
 * What tests of KPIs share: a control database in memory, a roster, definitions
 * made by hand, and a telemetry store that is a list of batches, of which some have
 * arrived.  kpi.c sees it through wrapped store_log_* functions.
 */
#ifndef KPI_KIT_H
#define KPI_KIT_H

#include <sqlite3.h>

#include "kpi.h"

#define KIT_MINUTE INT64_C(60000)
#define KIT_HOUR   INT64_C(3600000)
#define KIT_DAY    INT64_C(86400000)
#define KIT_T0     INT64_C(1795824000000) /* 2026-11-28T00:00:00Z */

struct kit_series {
	int64_t id;
	const char *device, *metric, *labels;
	enum bl_series_kind kind;
	enum bl_stream stream;
	uint32_t interval_ms;
};

struct kit_sample {
	int64_t series, unix_ms;
	double value;
	uint8_t unknown;
	struct bl_thin thin; /* count above 1: thinned */
	int64_t before_ms;
	double before;
};

struct kit_batch {
	const char *device;
	enum bl_stream stream;
	int64_t begin, end, boot;
	int64_t set_back_ms; /* the clock on the wall, against that of the batches before */
	bool here, gone;     /* arrived; the ledger says that it never will */
	struct kit_sample *sample;
	size_t n, size;
};

struct kit {
	sqlite3 *db;
	struct store_read *telemetry; /* NULL: the batches below */
	struct roster *roster;
	struct define_set set;
	struct kpi_work *work;
	struct kpi_changes changes;
	struct kit_series series[64];
	size_t n_series;
	struct kit_batch *batch;
	size_t n_batches, batches_size;
	int64_t now;
	unsigned reads; /* of samples */
};

void kit_open(struct kit *k);
void kit_close(struct kit *k);

void kit_site(struct kit *k, const char *id, const char *zone);
/* to 0: still. */
void kit_service(struct kit *k, const char *device, const char *site, int64_t from, int64_t to);
/* After the two above. */
void kit_roster(struct kit *k);

/* Copies; versions of one id must come in order.  Texts are compiled; until of the version before
 * is set.  Defaults: enabled, in force for ever, SERIES m on HOST, MEAN, 1m. */
struct define_kpi *kit_kpi(struct kit *k, const char *id, int64_t from);
/* (Re)compiles where_text and condition_text; says that the definitions have changed. */
void kit_compile(struct kit *k);

int64_t kit_series(struct kit *k, const char *device, const char *metric, const char *labels,
    enum bl_series_kind kind, enum bl_stream stream, uint32_t interval_ms);
struct kit_batch *kit_batch(
    struct kit *k, const char *device, enum bl_stream stream, int64_t begin, int64_t end);
void kit_sample(struct kit *k, struct kit_batch *b, int64_t series, int64_t unix_ms, double value);
/* Thinned; before_ms 0: the first of its batch. */
void kit_thin(struct kit *k, struct kit_batch *b, const struct kit_sample *s);
void kit_unknown(struct kit *k, struct kit_batch *b, int64_t series, int64_t unix_ms);
/* Values 1, 2, 3 ... every interval of the batch's span. */
void kit_ramp(struct kit *k, struct kit_batch *b, int64_t series, int64_t interval_ms);

/* It arrives, and what it touches is worked out and stored. */
void kit_arrive(struct kit *k, struct kit_batch *b);
/* Works a span out and stores it, in as many pieces as it takes; the changes of all. */
void kit_redo(struct kit *k, const char *device, enum bl_stream stream, int64_t begin, int64_t end);

struct kit_cell {
	bool there, known, ready;
	double value, completeness;
	int64_t n, version, end, revisions;
	enum kpi_state state;
};
struct kit_cell kit_cell(
    struct kit *k, const char *kpi, enum bl_window w, const char *site, int64_t begin);
int64_t kit_count(struct kit *k, const char *sql);
/* All rows of cells and parts but for when they became known, as text; the caller frees. */
char *kit_dump(struct kit *k);

#endif
