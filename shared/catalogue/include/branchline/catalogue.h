/*
 * The catalogue of metrics: what every metric of the agent is, for people.
 *
 * One row a metric name, in a file by area (catalogue_AREA.c); whoever adds a
 * series adds its row, and a test fails otherwise.  Metrics whose names come
 * from a configuration are not here, and neither side needs a row to work: an
 * unknown name is one without a description.  Constant data; any thread.
 */
#ifndef BRANCHLINE_CATALOGUE_H
#define BRANCHLINE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/wire.h"

/* One sentence in each language, without a full stop. */
struct bl_metric {
	const char *name;         /* as in bl_series_def; NULL ends an area */
	enum bl_series_kind kind; /* of all its series */
	const char *unit;         /* one of bl_catalogue_units */
	const char *en, *zh;
};

struct bl_catalogue_area {
	const char *name; /* "cpu": a word for programs */
	const struct bl_metric *row;
};

/* A unit as it stands in a series, and as people write it behind a number. */
struct bl_unit {
	const char *name;    /* "celsius"; NULL ends the list */
	const char *en, *zh; /* may be empty: a bare number */
};

extern const struct bl_catalogue_area bl_catalogue_areas[]; /* ends with a name of NULL */
extern const struct bl_unit bl_catalogue_units[];

/* NULL: there is no row of this name.  The result is borrowed for good. */
const struct bl_metric *bl_catalogue_find(const char *name, size_t len);
/* Whether the agent measures a metric of this name itself, so that nobody else may report it. */
bool bl_catalogue_own(const char *name, size_t len);
const struct bl_unit *bl_catalogue_unit(const char *name, size_t len);

#endif
