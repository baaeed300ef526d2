/*
 * A question about a metric over many devices, as the query and the export take
 * it: its parameters, and what is needed to answer it.
 */
#ifndef METRIC_ASK_INTERNAL_H
#define METRIC_ASK_INTERNAL_H

#include "query.h"
#include "query_store.h"

#include "api_internal.h"

struct metric_query {
	struct given_str metric;
	struct given_int from, to, step, points, depth, limit;
	struct given_enum agg, group;
	struct given_str group_label, site, region, device, labels;
	struct given_bool align, bom;
};

/* Rows of the tables of parameters. */
#define METRIC_AT(member) offsetof(struct metric_query, member)
#define METRIC_NAME                                                                                \
	{                                                                                          \
		"metric", FIELD_STR, METRIC_AT(metric), .required = true, .min = 1,                \
							.max = BL_NAME_MAX, .help = "its name"     \
	}
#define METRIC_SITE                                                                                \
	{                                                                                          \
		"site", FIELD_STR, METRIC_AT(site),                                                \
		    .min = 1, .max = BL_ID_TEXT_MAX, .check = check_id,                            \
		    .help = "only of devices while they are at this site"                          \
	}
#define METRIC_REGION                                                                              \
	{                                                                                          \
		"region", FIELD_STR, METRIC_AT(region),                                            \
		    .min = 1, .max = FLEET_REGION_MAX,                                             \
		    .help = "only of devices while they are in this region or one below it"        \
	}
#define METRIC_DEVICE                                                                              \
	{                                                                                          \
		"device", FIELD_STR, METRIC_AT(device), .min = 1, .max = BL_ID_TEXT_MAX,           \
							.check = check_id,                         \
							.help = "only of this device"              \
	}
#define METRIC_LABELS                                                                              \
	{                                                                                          \
		"labels", FIELD_STR, METRIC_AT(labels),                                            \
		    .min = 1, .max = METRIC_LABELS_MAX, .check = check_labels,                     \
		    .help = "only of series that have all of these"                                \
	}
#define METRIC_RANGE                                                                               \
	{ "from", FIELD_INT, METRIC_AT(from), .required = true, .min = 0, .max = QUERY_MS_MAX,     \
		.help = "begin of the range, Unix milliseconds" },                                 \
	{                                                                                          \
		"to", FIELD_INT, METRIC_AT(to),                                                    \
		    .required = true, .min = 1, .max = QUERY_MS_MAX,                               \
		    .help = "end of the range (exclusive), Unix milliseconds"                      \
	}
#define METRIC_STEP                                                                                \
	{                                                                                          \
		"step", FIELD_INT, METRIC_AT(step), .min = 1, .max = QUERY_MS_MAX,                 \
						    .help = "length of a step in ms"               \
	}
#define METRIC_GROUPS                                                                              \
	{ "agg", FIELD_ENUM, METRIC_AT(agg), .choices = query_agg_names,                           \
		.help = "what of all samples of a group and step" },                               \
	    { "group", FIELD_ENUM, METRIC_AT(group), .choices = metric_groups,                     \
		    .help = "what the groups are" },                                               \
	    { "group_label", FIELD_STR, METRIC_AT(group_label), .min = 1, .max = BL_NAME_MAX,      \
		    .help = "with group=label: the label's key" },                                 \
	    { "depth", FIELD_INT, METRIC_AT(depth), .min = 1, .max = 16,                           \
		    .help = "with group=region: so many names of the path count" },                \
	{                                                                                          \
		"align", FIELD_BOOL, METRIC_AT(align),                                             \
		    .help = "false: the first step begins exactly at from"                         \
	}

#define METRIC_LABELS_MAX 1024

extern const char *const metric_groups[]; /* in the order of enum query_by */

struct metric_ask {
	struct api *api;
	char metric[BL_NAME_MAX + 1], unit[BL_NAME_MAX + 1];
	char labels[METRIC_LABELS_MAX + 1], by_label[BL_NAME_MAX + 1];
	char site[BL_ID_TEXT_MAX + 1], region[FLEET_REGION_MAX + 1], device[BL_ID_TEXT_MAX + 1];
	struct query_filter filter; /* points into the above */
	struct query_grid range;
	struct query_set *set;
	struct api_places *places;
};

/*
 * Checks p and finds its series.  1: go on; 0: it has been answered; negative: failed.
 * NULL only then is *out.  Borrows the store for the call.
 */
int metric_ask_open(struct metric_ask **out, struct api_req *r, struct query_store *store,
    const struct metric_query *p, struct bl_err *err);
void metric_ask_close(struct metric_ask *a); /* NULL is fine */
/* Failures that are the question's: 0, it has been answered; others: rc. */
int metric_ask_failed(struct api_req *r, int rc, const struct bl_err *err);

/* Of a site or a device; NULL: the group has none. */
const char *metric_group_name(const struct metric_ask *a, size_t group);

#endif
