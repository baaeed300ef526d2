/*
 * The inlet `scrape`: reads the pages of Prometheus exporters of this machine,
 * text format 0.0.4 and OpenMetrics 1.0, over loopback or a Unix socket.
 *
 * Each exporter is asked once an interval, on a connection of its own, and never
 * waited for.  A page counts as a whole, as of the moment at which it was there:
 * one that ends early, is too long or is none puts nothing but unknowns.
 * It makes samples alone, no reports.
 */
#ifndef SCRAPE_H
#define SCRAPE_H

#include <stdint.h>

#include "branchline/conf.h"

#include "inlet_ops.h"

#define SCRAPE_EXPORTERS_MAX 16u
#define SCRAPE_NAME_MAX      64u

struct scrape_exporter_conf {
	char *name;   /* the label `source` of its series */
	char *url;    /* http, of this machine */
	char *socket; /* a Unix socket to ask instead, absolute; NULL: none */
	int64_t interval_ms;
	int64_t timeout_ms;
	struct bl_conf_strlist include; /* names of metrics, * and ?; empty: all */
	struct bl_conf_strlist exclude;
	struct bl_conf_strmap rename; /* the exporter's name of a metric: ours */
	struct bl_conf_strmap labels; /* put to each series; they win */
	int64_t max_series;
	int64_t max_bytes; /* of a page */
};

struct scrape_conf {
	struct bl_conf_list exporters; /* of struct scrape_exporter_conf; none: switched off */
};

extern const struct bl_conf_section scrape_conf_section;
extern const struct inlet_ops scrape_ops;

#endif
