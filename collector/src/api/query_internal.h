/*
 * Parameters that several lists have, as rows of their tables.
 */
#ifndef QUERY_INTERNAL_H
#define QUERY_INTERNAL_H

#include "schema_internal.h"

#define QUERY_MS_MAX 253402300799999.0 /* the end of the year 9999 */

struct query_range {
	struct given_int from, to;
};

/* at(member): the offset of a member in the query's struct. */
#define QUERY_RANGE(at)                                                                            \
	{ "from", FIELD_INT, at(range.from), .min = 0, .max = QUERY_MS_MAX,                        \
		.help = "begin of the range, Unix milliseconds; open unless given" },              \
	{                                                                                          \
		"to", FIELD_INT, at(range.to),                                                     \
		    .min = 1, .max = QUERY_MS_MAX,                                                 \
		    .help = "end of the range (exclusive); open unless given"                      \
	}
#define QUERY_LIMIT(at, most)                                                                      \
	{                                                                                          \
		"limit", FIELD_INT, at(limit), .min = 1, .max = (most), .help = "how many at most" \
	}
#define QUERY_CURSOR(at, name)                                                                     \
	{                                                                                          \
		name, FIELD_STR, at(cursor), .min = 1, .max = 18, .check = check_number,           \
					     .help = "the cursor of the answer before"             \
	}
#define QUERY_ID(at, name, needed, text)                                                           \
	{                                                                                          \
#name, FIELD_STR, at(name), .required = (needed), .min = 1, .max = 63,             \
					    .check = check_id, .help = (text)                      \
	}
#define QUERY_WINDOW(at, needed, text)                                                             \
	{                                                                                          \
		"window", FIELD_ENUM, at(window), .required = (needed), .choices = api_windows,    \
						  .help = (text)                                   \
	}

/* In the order of enum bl_window, which counts from 1. */
extern const char *const api_windows[];

#endif
