/* Seen inside this folder only. */
#ifndef ROSTER_INTERNAL_H
#define ROSTER_INTERNAL_H

#include "roster.h"

/* Small texts of one life; what was handed out never moves. */
struct roster_text {
	struct roster_text *next;
	size_t used, size;
	char bytes[];
};

struct roster_zone {
	const char *name;
	struct bl_tz *tz;
};

struct roster {
	struct roster_text *text;
	struct roster_site *site; /* by id */
	size_t n_sites, site_room;
	struct roster_service *service; /* by device, then from */
	size_t n_services, service_room;
	/* Services by site, then device, then from; those of site i begin at first_at[i]. */
	const struct roster_service **at_site;
	size_t *first_at; /* n_sites + 1 */
	struct roster_zone *zone;
	size_t n_zones, zone_room;
	const char *tz_dir; /* borrowed while loading */
};

/* The place of a site, or n_sites. */
size_t roster_site_index(const struct roster *r, const char *id);

#endif
