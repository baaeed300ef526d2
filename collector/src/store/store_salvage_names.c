/*
 * The small tables of a damaged store: devices, boots, spools, series, dictionaries,
 * clock maps.  A row is taken by its own sum, which also says what it is a row of;
 * where it lies does not matter, and a copy of it elsewhere is the same row.  Devices,
 * boots and spools stand in an index as well: without them no batch has an owner.
 */
#include <stdlib.h>
#include <string.h>

#include "store_salvage.h"

/* Series of 300,000 and their dictionaries: more are left to their agents. */
#define TEXT_MAX    (64u << 20)
#define ENTRIES_MAX 2000000u

void
names_init(struct names *n)
{
	memset(n, 0, sizeof(*n));
	n->device.each = sizeof(struct salvaged_device);
	n->boot.each = sizeof(struct salvaged_boot);
	n->spool.each = sizeof(struct salvaged_spool);
	n->series.each = sizeof(struct salvaged_series);
	n->dict.each = n->clock.each = sizeof(struct salvaged_entry);
	n->part.each = sizeof(struct salvaged_part);
	n->def.each = sizeof(struct salvaged_series);
	n->row.each = sizeof(struct salvaged_row);
}

static void
free_series(struct salvaged *l)
{
	struct salvaged_series *const s = l->at;

	for (size_t i = 0; i < l->n; i++)
		free(s[i].owned);
	free(l->at);
}

void
names_free(struct names *n)
{
	free(n->device.at);
	free(n->boot.at);
	free(n->spool.at);
	free_series(&n->series);
	free_series(&n->def);
	free(n->row.at);
	free(n->dict.at);
	free(n->clock.at);
	free(n->part.at);
	names_init(n);
}

/* Room for one more, zeroed; NULL: it is left out. */
static void *
add(struct names *names, struct salvaged *l)
{
	uint8_t *at;

	if (l->n >= ENTRIES_MAX) {
		names->full = true;
		return NULL;
	}
	if (l->n == l->size) {
		const size_t size = l->size == 0 ? 64 : l->size * 2;
		void *more = realloc(l->at, size * l->each);

		if (more == NULL) {
			names->failed = true;
			return NULL;
		}
		l->at = more;
		l->size = size;
	}
	at = (uint8_t *)l->at + l->n++ * l->each;
	memset(at, 0, l->each);
	return at;
}

bool
row_holds(const struct pages_row *row, const char *table, bool with_rowid, unsigned first,
    unsigned last, unsigned sum)
{
	uint64_t h;

	if (row->has_rowid != with_rowid && with_rowid)
		return false;
	if (sum >= row->n || row->v[sum].type != PAGES_INT)
		return false;
	row_sum_begin(&h, table);
	if (with_rowid)
		row_sum_int(&h, row->rowid);
	for (unsigned i = first; i <= last; i++) {
		const struct pages_value *v = &row->v[i];

		if (v->type == PAGES_INT)
			row_sum_int(&h, v->i);
		else if (v->type == PAGES_BYTE_STRING)
			row_sum_bytes(&h, v->p, v->n);
		else
			return false;
	}
	return row_sum_end(h) == row->v[sum].i;
}

static void
id_of(const struct pages_value *v, struct bl_id *out)
{
	memset(out, 0, sizeof(*out));
	if (v->type == PAGES_BYTE_STRING && v->n == BL_ID_BYTES)
		memcpy(out->b, v->p, BL_ID_BYTES);
}

static void
take_device(struct names *n, const struct pages_row *row)
{
	struct salvaged_device *d;

	if (row->v[1].n > BL_DEVICE_ID_MAX || (d = add(n, &n->device)) == NULL)
		return;
	d->id = row->rowid;
	memcpy(d->name, row->v[1].p, row->v[1].n);
}

static void
take_boot(struct names *n, const struct pages_row *row)
{
	struct salvaged_boot *b = add(n, &n->boot);

	if (b == NULL)
		return;
	b->id = row->rowid;
	id_of(&row->v[1], &b->uuid);
}

static void
take_spool(struct names *n, const struct pages_row *row)
{
	struct salvaged_spool *s = add(n, &n->spool);

	if (s == NULL)
		return;
	s->id = row->rowid;
	id_of(&row->v[1], &s->uuid);
	s->device_id = row->v[2].i;
	id_of(&row->v[5], &s->predecessor);
}

/* v: name, labels, unit, kind, stream, interval. */
static void
take_text(struct names *n, struct salvaged *to, int64_t id, int64_t device_id,
    const struct pages_value *v)
{
	const size_t a = v[0].n + 1, b = v[1].n + 1, c = v[2].n + 1;
	struct salvaged_series *s;
	char *text;

	if (n->text_bytes + a + b + c > TEXT_MAX) {
		n->full = true;
		return;
	}
	if ((text = calloc(1, a + b + c)) == NULL || (s = add(n, to)) == NULL) {
		n->failed = n->failed || text == NULL;
		free(text);
		return;
	}
	n->text_bytes += a + b + c;
	s->id = id;
	s->device_id = device_id;
	s->owned = text;
	s->text = (struct series_text){ .name = text,
		.labels = text + a,
		.unit = text + a + b,
		.kind = v[3].i,
		.stream = v[4].i,
		.interval_ms = v[5].i };
	memcpy(text, v[0].p, a - 1);
	memcpy(text + a, v[1].p, b - 1);
	if (c > 1)
		memcpy(text + a + b, v[2].p, c - 1);
}

static void
take_series(struct names *n, const struct pages_row *row)
{
	take_text(n, &n->series, row->rowid, row->v[1].i, &row->v[2]);
}

static void
take_def(struct names *n, const struct pages_row *row)
{
	take_text(n, &n->def, row->rowid, 0, &row->v[1]);
}

static void
take_row(struct names *n, const struct pages_row *row)
{
	struct salvaged_row *r = add(n, &n->row);

	if (r != NULL)
		*r = (struct salvaged_row){ row->rowid, row->v[1].i, row->v[2].i };
}

static void
take_run(struct names *n, const struct pages_row *row)
{
	for (int64_t i = 0; i < row->v[3].i && i < STORE_DICT_RUN_MAX; i++) {
		struct salvaged_entry *e = add(n, &n->dict);

		if (e == NULL)
			return;
		e->spool_id = row->v[0].i;
		e->entry = row->v[1].i + i;
		e->series_id = row->v[2].i + i;
	}
}

static void
take_dict(struct names *n, const struct pages_row *row)
{
	struct salvaged_entry *e = add(n, &n->dict);

	if (e == NULL)
		return;
	e->spool_id = row->v[0].i;
	e->entry = row->v[1].i;
	e->series_id = row->v[2].i;
}

static void
take_clock(struct names *n, const struct pages_row *row)
{
	struct salvaged_entry *e = add(n, &n->clock);

	if (e == NULL)
		return;
	e->spool_id = row->v[0].i;
	e->entry = row->v[1].i;
	e->seg.id = (uint32_t)row->v[1].i;
	id_of(&row->v[2], &e->seg.boot);
	e->seg.from_boot_ms = row->v[3].i;
	e->seg.offset_ms = row->v[4].i;
	e->seg.uncertainty_ms = (uint32_t)row->v[5].i;
	e->seg.source = (enum bl_clock_source)row->v[6].i;
}

static void
take_part(struct names *n, const struct pages_row *row)
{
	struct salvaged_part *p = add(n, &n->part);

	if (p == NULL)
		return;
	p->id = row->rowid;
	p->hour_unix_ms = row->v[1].i;
	p->space = row->v[2].i;
	p->devices = row->v[3].i;
	p->series = row->v[4].i;
	p->samples = row->v[5].i;
	for (int i = 0; i < PARTS_LEVELS; i++) {
		p->offset[i] = row->v[6 + 2 * i].i;
		p->bytes[i] = row->v[7 + 2 * i].i;
	}
}

static const struct kind {
	const char *table;
	bool rowid; /* has one, which the sum begins with */
	unsigned columns, first, last;
	void (*take)(struct names *n, const struct pages_row *row);
} kinds[] = {
	{ "device", true, 8, 1, 1, take_device },
	{ "boot", true, 3, 1, 1, take_boot },
	{ "spool", true, 14, 1, 2, take_spool },
	{ "series_def", true, 8, 1, 6, take_def },
	{ "series_row", true, 4, 1, 2, take_row },
	{ "dict_run", false, 5, 0, 3, take_run },
	/* Of a store from before version 10. */
	{ "series", true, 9, 1, 7, take_series },
	{ "dict", false, 4, 0, 2, take_dict },
	{ "clock", false, 8, 0, 6, take_clock },
	{ "part", true, 14, 1, 11, take_part },
};

static bool
take_as(struct names *n, const struct kind *k, const struct pages_row *row)
{
	if (row->n != k->columns || row->has_rowid != k->rowid ||
	    !row_holds(row, k->table, k->rowid, k->first, k->last, row->n - 1))
		return false;
	k->take(n, row);
	return true;
}

/* An entry of an index that is there as a copy: what the sum is over, the sum, the row's id. */
static bool
take_copy(struct names *n, const struct kind *k, const struct pages_row *row)
{
	const unsigned given = k->last - k->first + 1;
	struct pages_row whole = { .has_rowid = true, .n = k->columns };

	if (!k->rowid || row->has_rowid || row->n != given + 2 ||
	    row->v[given + 1].type != PAGES_INT)
		return false;
	whole.rowid = row->v[given + 1].i;
	memcpy(&whole.v[k->first], row->v, given * sizeof(row->v[0]));
	whole.v[k->columns - 1] = row->v[given];
	return take_as(n, k, &whole);
}

void
names_take(struct names *n, const struct pages_row *row)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (take_as(n, &kinds[i], row) || take_copy(n, &kinds[i], row))
			return;
}

/* Every element begins with two numbers; of most only the first says which it is. */
static int
by_one(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (x[0] > y[0]) - (x[0] < y[0]);
}

static int
by_two(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return x[0] != y[0] ? by_one(a, b) : (x[1] > y[1]) - (x[1] < y[1]);
}

static void
sort(struct salvaged *l, int (*cmp)(const void *, const void *))
{
	if (l->n > 0)
		qsort(l->at, l->n, l->each, cmp);
}

static const void *
find(const struct salvaged *l, int64_t id)
{
	return l->n == 0 ? NULL : bsearch(&id, l->at, l->n, l->each, by_one);
}

/* A row is a series when its definition is there. */
static void
join_series(struct names *n)
{
	const struct salvaged_row *const row = n->row.at;

	for (size_t i = 0; i < n->row.n; i++) {
		const struct salvaged_series *const def = find(&n->def, row[i].def_id);
		struct salvaged_series *s;

		if (def == NULL || (s = add(n, &n->series)) == NULL)
			continue;
		s->id = row[i].id;
		s->device_id = row[i].device_id;
		s->text = def->text;
	}
}

void
names_sort(struct names *n)
{
	sort(&n->def, by_one);
	join_series(n);
	sort(&n->device, by_one);
	sort(&n->boot, by_one);
	sort(&n->spool, by_one);
	sort(&n->series, by_one);
	sort(&n->dict, by_two);
	sort(&n->clock, by_two);
	sort(&n->part, by_one);
}

const struct salvaged_device *
names_device(const struct names *n, int64_t id)
{
	return find(&n->device, id);
}

const struct salvaged_boot *
names_boot(const struct names *n, int64_t id)
{
	return find(&n->boot, id);
}

const struct salvaged_spool *
names_spool(const struct names *n, int64_t id)
{
	return find(&n->spool, id);
}

const struct salvaged_part *
names_part(const struct names *n, int64_t id)
{
	return find(&n->part, id);
}

const struct salvaged_series *
names_series(const struct names *n, int64_t id)
{
	return find(&n->series, id);
}

const struct salvaged_entry *
names_entries(const struct salvaged *list, int64_t spool_id, int64_t from, size_t *n)
{
	const struct salvaged_entry *const e = list->at;
	const int64_t key[2] = { spool_id, from };
	size_t lo = 0, hi = list->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (by_two(&e[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*n = list->n - lo;
	return *n > 0 ? &e[lo] : NULL;
}
