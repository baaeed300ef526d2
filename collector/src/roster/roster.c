/* What the snapshot answers: binary searches over arrays that never change.  Any thread. */
#include "roster_internal.h"

#include <string.h>

size_t
roster_sites(const struct roster *r)
{
	return r->n_sites;
}

const struct roster_site *
roster_site_at(const struct roster *r, size_t i)
{
	return &r->site[i];
}

size_t
roster_site_index(const struct roster *r, const char *id)
{
	size_t lo = 0, hi = r->n_sites;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		const int cmp = strcmp(r->site[mid].id, id);

		if (cmp == 0)
			return mid;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return r->n_sites;
}

const struct roster_site *
roster_site(const struct roster *r, const char *id)
{
	const size_t i = roster_site_index(r, id);

	return i < r->n_sites ? &r->site[i] : NULL;
}

/* The first service whose device is not before (past: is after) this one. */
static size_t
bound(const struct roster *r, const char *device, bool past)
{
	size_t lo = 0, hi = r->n_services;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;
		const int cmp = strcmp(r->service[mid].device, device);

		if (cmp < 0 || (past && cmp == 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct roster_service *
roster_services_of(const struct roster *r, const char *device, size_t *n)
{
	const size_t first = bound(r, device, false);

	*n = bound(r, device, true) - first;
	return *n > 0 ? &r->service[first] : NULL;
}

const struct roster_site *
roster_site_of(const struct roster *r, const char *device, int64_t unix_ms)
{
	size_t n;
	const struct roster_service *s = roster_services_of(r, device, &n);

	/* a device has moved a few times in its life: the last that began by then */
	while (n > 0 && s[n - 1].from_unix_ms > unix_ms)
		n--;
	return n > 0 && s[n - 1].to_unix_ms > unix_ms ? s[n - 1].site : NULL;
}

void
roster_in_service(const struct roster *r, const char *site, int64_t begin, int64_t end,
    roster_service_cb cb, void *ctx)
{
	const size_t i = roster_site_index(r, site);

	if (i == r->n_sites || begin >= end)
		return;
	for (size_t k = r->first_at[i]; k < r->first_at[i + 1]; k++) {
		const struct roster_service *s = r->at_site[k];

		if (s->from_unix_ms < end && s->to_unix_ms > begin && !cb(s, ctx))
			return;
	}
}
