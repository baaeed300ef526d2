/*
 * The series that a question is about, and in which group each counts when: a
 * device that moved counts at each site for its time there.
 */
#include <stdlib.h>
#include <string.h>

#include "query_internal.h"

struct query_set {
	struct query_filter f;
	struct query_series *series;
	size_t n_series, size_series;
	struct query_group *groups;
	size_t n_groups, size_groups;
	uint32_t *slot; /* hash of groups by key: index + 1 */
	size_t n_slots;
	size_t left_out;
};

int
query_set_create(struct query_set **out, const struct query_filter *f, struct bl_err *err)
{
	struct query_set *s = calloc(1, sizeof(*s));

	if ((*out = s) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	s->f = *f;
	if (s->f.groups_max == 0 || s->f.groups_max > QUERY_GROUPS_MAX)
		s->f.groups_max = QUERY_GROUPS_MAX;
	return BL_OK;
}

static void
series_clear(struct query_series *e)
{
	union {
		const void *in;
		void *out;
	} text = { .in = e->labels_json }, stay = { .in = e->stay };

	free(text.out); /* the device stands in the same block */
	free(stay.out);
}

void
query_set_free(struct query_set *s)
{
	union {
		const void *in;
		void *out;
	} key;

	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n_series; i++)
		series_clear(&s->series[i]);
	for (size_t i = 0; i < s->n_groups; i++) {
		key.in = s->groups[i].key;
		free(key.out);
	}
	free(s->series);
	free(s->groups);
	free(s->slot);
	free(s);
}

/* ---- groups ------------------------------------------------------------ */

static uint64_t
hash_of(const char *key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; key != NULL && *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

static bool
same_key(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
grow_slots(struct query_set *s)
{
	const size_t n = s->n_slots == 0 ? 64 : s->n_slots * 2;
	uint32_t *slot = calloc(n, sizeof(*slot));

	if (slot == NULL)
		return false;
	for (size_t i = 0; i < s->n_groups; i++) {
		size_t at = hash_of(s->groups[i].key) & (n - 1);

		while (slot[at] != 0)
			at = (at + 1) & (n - 1);
		slot[at] = (uint32_t)i + 1;
	}
	free(s->slot);
	s->slot = slot;
	s->n_slots = n;
	return true;
}

static bool
room_for_group(struct query_set *s)
{
	struct query_group *more;
	size_t size;

	if ((s->n_groups + 1) * 2 > s->n_slots && !grow_slots(s))
		return false;
	if (s->n_groups < s->size_groups)
		return true;
	size = s->size_groups == 0 ? 16 : s->size_groups * 2;
	if ((more = realloc(s->groups, size * sizeof(*more))) == NULL)
		return false;
	s->groups = more;
	s->size_groups = size;
	return true;
}

static int
group_of(struct query_set *s, const char *key, uint32_t *out, struct bl_err *err)
{
	struct query_group *g;
	size_t at;

	if (!room_for_group(s))
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	for (at = hash_of(key) & (s->n_slots - 1); s->slot[at] != 0;
	     at = (at + 1) & (s->n_slots - 1))
		if (same_key(s->groups[s->slot[at] - 1].key, key)) {
			*out = s->slot[at] - 1;
			return BL_OK;
		}
	if (s->n_groups == s->f.groups_max)
		return bl_fail(err, BL_EFULL,
		    "more than %zu groups; group by something else, or ask for fewer of them",
		    s->f.groups_max);
	g = &s->groups[s->n_groups];
	*g = (struct query_group){ NULL, 0 };
	if (key != NULL && (g->key = strdup(key)) == NULL)
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	s->slot[at] = (uint32_t)++s->n_groups;
	*out = (uint32_t)s->n_groups - 1;
	return BL_OK;
}

/* ---- the filter -------------------------------------------------------- */

bool
query_region_in(const char *region, const char *filter)
{
	const size_t n = strlen(filter);

	return region != NULL && strncmp(region, filter, n) == 0 &&
	       (region[n] == '\0' || region[n] == '/');
}

static bool
place_fits(const struct query_filter *f, const struct query_place *p)
{
	if (f->site != NULL && (p->site == NULL || strcmp(p->site, f->site) != 0))
		return false;
	return f->region == NULL || query_region_in(p->region, f->region);
}

bool
query_labels_fit(const struct query_filter *f, const char *labels_json)
{
	char value[BL_LABEL_VALUE_MAX + 1];

	for (size_t i = 0; i < f->n_labels; i++)
		if (!query_label(labels_json, f->label[i].key, value, sizeof(value)) ||
		    strcmp(value, f->label[i].value) != 0)
			return false;
	return true;
}

/* The first depth names of a region's path. */
static void
cut_region(const char *region, unsigned depth, char *out, size_t size)
{
	size_t n = 0;

	for (; region[n] != '\0' && n + 1 < size; n++) {
		if (region[n] == '/' && depth > 0 && --depth == 0)
			break;
		out[n] = region[n];
	}
	out[n] = '\0';
}

/* Where a series counts while its device is at p. */
static int
group_at(struct query_set *s, const struct query_entry *e, const struct query_place *p,
    uint32_t *out, struct bl_err *err)
{
	const struct query_filter *f = &s->f;
	char text[1024];
	const char *key = NULL;

	if (!place_fits(f, p)) {
		*out = QUERY_NO_GROUP;
		return BL_OK;
	}
	switch (f->by) {
	case QUERY_BY_ALL:
		key = "";
		break;
	case QUERY_BY_SITE:
		key = p->site;
		break;
	case QUERY_BY_REGION:
		if (p->region != NULL) {
			cut_region(p->region, f->by_depth, text, sizeof(text));
			key = text;
		}
		break;
	case QUERY_BY_DEVICE:
		key = e->device;
		break;
	case QUERY_BY_LABEL:
		if (query_label(e->labels_json, f->by_label, text, sizeof(text)))
			key = text;
		break;
	}
	return group_of(s, key, out, err);
}

/* ---- one series -------------------------------------------------------- */

struct stays {
	struct query_stay *s;
	size_t n, size;
};

/* Joined with the one before when it touches and counts in the same group. */
static bool
stays_add(struct stays *l, int64_t from, int64_t to, uint32_t group)
{
	if (from >= to)
		return true;
	if (l->n > 0 && l->s[l->n - 1].group == group && l->s[l->n - 1].to_unix_ms == from) {
		l->s[l->n - 1].to_unix_ms = to;
		return true;
	}
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 2 : l->size * 2;
		struct query_stay *more = realloc(l->s, size * sizeof(*more));

		if (more == NULL)
			return false;
		l->s = more;
		l->size = size;
	}
	l->s[l->n++] = (struct query_stay){ from, to, group };
	return true;
}

static int
stay_at(struct query_set *s, const struct query_entry *e, const struct query_place *p, int64_t from,
    int64_t to, struct stays *l, struct bl_err *err)
{
	uint32_t group;
	int rc;

	if (from >= to)
		return BL_OK;
	if ((rc = group_at(s, e, p, &group, err)) < 0)
		return rc;
	return stays_add(l, from, to, group) ? BL_OK
					     : bl_fail(err, BL_ENOMEM, "query: out of memory");
}

static int
make_stays(struct query_set *s, const struct query_entry *e, struct stays *l, struct bl_err *err)
{
	static const struct query_place nowhere = { INT64_MIN, INT64_MAX, NULL, NULL };
	const struct query_place *p = NULL;
	const int64_t begin = s->f.from_unix_ms, end = s->f.to_unix_ms;
	size_t n = s->f.places != NULL ? s->f.places(s->f.places_ctx, e->device, &p) : 0;
	int64_t at = begin;
	int rc = BL_OK;

	for (size_t i = 0; i < n && rc == BL_OK; i++) {
		const int64_t from = p[i].from_unix_ms > at ? p[i].from_unix_ms : at;
		const int64_t to = p[i].to_unix_ms < end ? p[i].to_unix_ms : end;

		if (from >= to)
			continue;
		if ((rc = stay_at(s, e, &nowhere, at, from, l, err)) == BL_OK)
			rc = stay_at(s, e, &p[i], from, to, l, err);
		at = to;
	}
	return rc < 0 ? rc : stay_at(s, e, &nowhere, at, end, l, err);
}

static bool
counts_somewhere(const struct stays *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->s[i].group != QUERY_NO_GROUP)
			return true;
	return false;
}

static bool
room_for_series(struct query_set *s)
{
	struct query_series *more;
	size_t size;

	if (s->n_series < s->size_series)
		return true;
	size = s->size_series == 0 ? 64 : s->size_series * 2;
	if ((more = realloc(s->series, size * sizeof(*more))) == NULL)
		return false;
	s->series = more;
	s->size_series = size;
	return true;
}

/* Takes l. */
static int
keep(struct query_set *s, const struct query_entry *e, struct stays *l, struct bl_err *err)
{
	const size_t labels = strlen(e->labels_json) + 1, device = strlen(e->device) + 1;
	char *text;

	if (!room_for_series(s) || (text = malloc(labels + device)) == NULL) {
		free(l->s);
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	}
	memcpy(text, e->labels_json, labels);
	memcpy(text + labels, e->device, device);
	s->series[s->n_series++] = (struct query_series){
		.id = e->id,
		.device = text + labels,
		.device_no = e->device_no,
		.labels_json = text,
		.kind = e->kind,
		.stream = e->stream,
		.interval_ms = e->interval_ms,
		.stay = l->s,
		.n_stays = l->n,
	};
	return BL_OK;
}

int
query_set_add(struct query_set *s, const struct query_entry *e, struct bl_err *err)
{
	struct stays l = { 0 };
	int rc;

	if ((s->f.device != NULL && strcmp(s->f.device, e->device) != 0) ||
	    !query_labels_fit(&s->f, e->labels_json))
		return BL_OK;
	if (!query_agg_takes(s->f.agg, e->kind)) {
		s->left_out++;
		return BL_OK;
	}
	if ((rc = make_stays(s, e, &l, err)) < 0 || !counts_somewhere(&l)) {
		free(l.s);
		return rc;
	}
	if (s->n_series == QUERY_SERIES_MAX) {
		free(l.s);
		return bl_fail(err, BL_EFULL,
		    "more than %u series; ask for one region, site or label", QUERY_SERIES_MAX);
	}
	return keep(s, e, &l, err);
}

/* ---- the end ----------------------------------------------------------- */

static int
by_id(const void *a, const void *b)
{
	const struct query_series *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

struct order {
	const char *key;
	uint32_t was;
};

/* NULL last. */
static int
by_key(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->key == NULL || y->key == NULL)
		return (x->key == NULL) - (y->key == NULL);
	return strcmp(x->key, y->key);
}

/* Groups into the order of their keys; to[old] is the new place. */
static bool
sort_groups(struct query_set *s, uint32_t *to)
{
	struct order *o = malloc((s->n_groups + 1) * sizeof(*o));

	if (o == NULL)
		return false;
	for (size_t i = 0; i < s->n_groups; i++)
		o[i] = (struct order){ s->groups[i].key, (uint32_t)i };
	qsort(o, s->n_groups, sizeof(*o), by_key);
	for (size_t i = 0; i < s->n_groups; i++) {
		s->groups[i] = (struct query_group){ o[i].key, 0 };
		to[o[i].was] = (uint32_t)i;
	}
	free(o);
	return true;
}

static void
renumber(struct query_set *s, struct query_series *e, const uint32_t *to)
{
	union {
		const struct query_stay *in;
		struct query_stay *out;
	} stay = { .in = e->stay };
	uint32_t last = QUERY_NO_GROUP;

	for (size_t i = 0; i < e->n_stays; i++) {
		struct query_stay *st = &stay.out[i];

		if (st->group == QUERY_NO_GROUP)
			continue;
		st->group = to[st->group];
		if (st->group != last) /* one that comes back is counted again: a bound */
			s->groups[st->group].n_series++;
		last = st->group;
	}
}

int
query_set_end(struct query_set *s, struct bl_err *err)
{
	uint32_t *to = malloc((s->n_groups + 1) * sizeof(*to));

	if (to == NULL || !sort_groups(s, to)) {
		free(to);
		return bl_fail(err, BL_ENOMEM, "query: out of memory");
	}
	if (s->n_series > 1)
		qsort(s->series, s->n_series, sizeof(*s->series), by_id);
	for (size_t i = 0; i < s->n_series; i++)
		renumber(s, &s->series[i], to);
	free(to);
	return BL_OK;
}

const struct query_series *
query_set_series(const struct query_set *s, size_t *n)
{
	*n = s->n_series;
	return s->series;
}

const struct query_group *
query_set_groups(const struct query_set *s, size_t *n)
{
	*n = s->n_groups;
	return s->groups;
}

size_t
query_set_left_out(const struct query_set *s)
{
	return s->left_out;
}
