/* What the files share that make the store a source of queries. */
#ifndef QUERY_STORE_INTERNAL_H
#define QUERY_STORE_INTERNAL_H

#include "chunk_room.h"
#include "parts.h"

#include "query_store.h"
#include "store_pack.h"

#define BLOCK 512u /* samples handed on at a time */

/* The series of one stream of one device. */
struct unit {
	int64_t device_no;
	enum bl_stream stream;
	const char *device;
	size_t first, n; /* in order[] */
	bool due;        /* something of the hour lies in no part */
};

/* A part of the hour that is being read. */
struct hour_part {
	int64_t id, hour_unix_ms, space;
	int64_t offset[PARTS_LEVELS], bytes[PARTS_LEVELS];
	int64_t *hidden; /* owned */
	size_t n_hidden;
};

/* Numbers of another store's parts. */
struct other_numbers {
	int64_t space;
	struct {
		int64_t *old_id, *new_id;
		size_t n, size;
	} of[STORE_ALIAS_BOOT + 1];
};

struct query_store {
	struct query_source source;
	struct store_read *r;
	const struct bl_clock *clock;
	char metric[BL_NAME_MAX + 1];
	/* the series of one question, by device and stream */
	const struct query_series *series;
	size_t n_series;
	struct unit *unit;
	size_t n_units;
	uint32_t *order;   /* indices into the series, unit by unit */
	uint32_t *unit_of; /* of each series */
	uint32_t *named;   /* those of one call */
	int64_t *id;
	bool *wanted; /* of the call under way */
	/* parts */
	struct hour_part *part;
	size_t n_parts, size_parts;
	struct other_numbers *other;
	size_t n_others;
	struct room {
		uint8_t *section, *times;
		size_t section_size, times_size;
		struct chunk_room column;
		struct query_thin *thin; /* its, as a query has them */
		size_t thin_size;
	} room;
	struct block {
		size_t n, series;
		int64_t unix_ms[BLOCK], boot[BLOCK], offset_ms[BLOCK];
		double value[BLOCK];
		uint8_t unknown[BLOCK];
		struct query_thin thin[BLOCK];
	} block;
};

/* ---- query_units.c */

/* Sorts the series of w into units, when they are others than before. */
int query_units_make(struct query_store *s, const struct query_want *w, struct bl_err *err);
void query_units_forget(struct query_store *s);
/* NULL: none of the series is of that stream. */
struct unit *query_units_find(struct query_store *s, int64_t device_no, enum bl_stream stream);

/* ---- query_hour.c: what an hour lies in */

/* Fills part[] and each unit's due. */
int query_hour_load(struct query_store *s, int64_t hour_unix_ms, struct bl_err *err);
void query_hour_forget(struct query_store *s);
/* *out NULL: the part has this store's numbers. */
int query_hour_numbers(
    struct query_store *s, int64_t space, const struct other_numbers **out, struct bl_err *err);
/* False: it has none.  o NULL: it stays what it is. */
bool query_hour_number(const struct other_numbers *o, enum store_alias kind, int64_t *id);

/* ---- query_parts.c: a metric's section of a part */

/* The wanted series of units that are not due, at that level. */
int query_parts_read(struct query_store *s, const struct hour_part *p, const struct query_want *w,
    const struct query_take *t, struct bl_err *err);
void query_parts_free_room(struct query_store *s);

/* ---- query_columns.c: columns of a section */

struct section {
	struct query_store *s;
	const struct query_want *w;
	const struct query_take *t;
	struct parts *parts;
	const struct parts_region *region;
	const struct hour_part *part;
	const struct other_numbers *numbers;
	const struct chunk_index *ix;
	size_t last; /* the series found last: neighbours come one after the other */
	uint32_t source;
	bool source_known, source_hidden;
	bool times_fetched;
};

int query_column_give(
    struct section *x, const struct chunk_column *c, size_t i, struct bl_err *err);

#endif
