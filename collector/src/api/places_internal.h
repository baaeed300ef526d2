/* Where devices were in service when, for queries over a fleet. */
#ifndef PLACES_INTERNAL_H
#define PLACES_INTERNAL_H

#include "query.h"

struct api;
struct api_req;

struct api_place {
	const char *device, *device_name, *site_name;
	struct query_place at;
};

/* By device, then by time.  Never changes once it is made; any thread. */
struct api_places {
	int uses; /* guarded by the holder's lock */
	struct api_place *place;
	struct query_place *at; /* the same, side by side, for query_set */
	const struct api_place **by_site;
	size_t n;
};

/* What holds now, shared by all who ask; give it back. */
int api_places_take(struct api_req *r, struct api_places **out, struct bl_err *err);
void api_places_give(struct api *api, struct api_places *p); /* NULL is fine */
/* query_places_fn */
size_t api_places_of(void *ctx, const char *device, const struct query_place **out);
/* Where the device is now; NULL: nowhere. */
const struct api_place *api_place_now(const struct api_places *p, const char *device);
/* A site's or a device's name; NULL: there is none. */
const char *api_place_site_name(const struct api_places *p, const char *site);
const char *api_place_device_name(const struct api_places *p, const char *device);

#endif
