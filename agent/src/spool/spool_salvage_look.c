/* Salvage looks: all pages of the wreck, for who it was, what it counted, what was open. */
#include <stdlib.h>
#include <string.h>

#include "spool_salvage_internal.h"

#define SLICE_PAGES 64
#define SLICE_MS    20
#define KEPT_BYTES  (1024u * 1024u) /* of open rows in memory; far more than cutting lets gather */

static void
look_dict(struct salvage *v, const struct wreck_row *r)
{
	const size_t id = (size_t)r->rowid;
	struct bl_series_def def;
	uint32_t fresh;

	if (r->rowid < 1 || r->rowid > (int64_t)BL_DICT_ENTRIES_MAX || r->col[2].p == NULL ||
	    hash_bytes(r->col[2].p, r->col[2].len) != r->col[1].i ||
	    def_decode(r->col[2].p, r->col[2].len, &def) < 0)
		return;
	if (id >= v->n_series) {
		const size_t n = id + 256;
		uint32_t *more = realloc(v->series, n * sizeof(*more));

		if (more == NULL)
			return; /* its samples are lost, and counted */
		memset(more + v->n_series, 0, (n - v->n_series) * sizeof(*more));
		v->series = more;
		v->n_series = n;
	}
	if (spool_series(v->s, &def, &fresh, NULL) == BL_OK)
		v->series[id] = fresh;
}

static void
look_clock(struct salvage *v, const struct wreck_row *r)
{
	const struct bl_clock_segment seg = {
		.boot = wreck_id(&r->col[1]),
		.from_boot_ms = r->col[2].i,
		.offset_ms = r->col[3].i,
		.uncertainty_ms = (uint32_t)r->col[4].i,
		.source = (enum bl_clock_source)r->col[5].i,
	};
	uint64_t lost;

	if (bl_id_is_zero(&seg.boot) || r->col[5].i < BL_CLOCK_UNTRUSTED ||
	    r->col[5].i > BL_CLOCK_CENTRE)
		return;
	if (spool_clock(v->s, &seg, NULL) == BL_EFULL && spool_commit(v->s, &lost, NULL) == BL_OK)
		(void)spool_clock(v->s, &seg, NULL); /* a lost segment: "clock unknown" */
}

/* It waits in memory: its commit's fate was unknown. */
static bool
is_in_memory(const struct spool *s, const struct wreck_row *r)
{
	if (r->col[3].i >= s->in_memory_from_ms[r->col[1].i - 1])
		return true;
	for (unsigned i = 0; i < s->n_in_memory; i++)
		if (s->in_memory[i].stream == r->col[1].i &&
		    s->in_memory[i].boot_ms == r->col[3].i && s->in_memory[i].crc == r->col[5].i)
			return true;
	return false;
}

static void
look_open(struct salvage *v, const struct wreck_row *r)
{
	const struct wreck_column *data = &r->col[6];
	const int64_t kind = r->col[2].i, samples = r->col[4].i;
	struct kept *more;
	struct spool_row *row;

	if (!stream_valid((enum bl_stream)r->col[1].i) || samples < 0 || data->p == NULL ||
	    is_in_memory(v->s, r) || (kind != ROW_TICK && kind != ROW_EVENT) ||
	    v->kept_bytes + data->len > KEPT_BYTES ||
	    row_crc(r->col[1].i, kind, r->col[3].i, samples, data->p, data->len) != r->col[5].i)
		return;
	if (v->n_kept == v->size_kept) {
		v->size_kept = v->size_kept * 2 + 64;
		if ((more = realloc(v->kept, v->size_kept * sizeof(*more))) == NULL)
			return;
		v->kept = more;
	}
	if ((row = calloc(1, sizeof(*row) + data->len)) == NULL)
		return;
	row->stream = (enum bl_stream)r->col[1].i;
	row->kind = (enum spool_row_kind)kind;
	row->boot_ms = r->col[3].i;
	row->n = (uint32_t)samples;
	row->len = data->len;
	memcpy(row->data, data->p, data->len);
	v->kept[v->n_kept++] = (struct kept){ r->rowid, row };
	v->kept_bytes += data->len;
}

/* How far the newest id of the file had come, for when its counters are what is damaged. */
static void
look_body(struct salvage *v, const struct wreck_row *r)
{
	const int64_t gen = r->rowid >> BATCH_GEN_BITS;
	const enum bl_stream stream = batch_stream(r->rowid);
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;

	if (r->rowid < 0 || !stream_valid(stream) || r->col[1].p == NULL ||
	    bl_batch_header_decode(r->col[1].p, r->col[1].len, &h, &body, &body_len, NULL) < 0 ||
	    h.seq != batch_seq(r->rowid) || h.stream != stream)
		return;
	if (gen > v->top_gen) {
		memset(v->top, 0, sizeof(v->top));
		v->top_gen = gen;
	}
	if (gen < v->top_gen || (int64_t)h.seq <= v->top[stream_index(stream)])
		return;
	v->top[stream_index(stream)] = (int64_t)h.seq;
	v->top_boot = h.boot;
	if (bl_id_is_zero(&v->spool))
		v->spool = h.spool;
}

static void
look_gen(struct salvage *v, const struct wreck_row *r)
{
	struct former_id *f;

	if (v->n_former == SALVAGE_FORMER_MOST || bl_id_is_zero((struct bl_id[]){ wreck_id(&r->col[1]) }))
		return;
	f = &v->former[v->n_former++];
	f->gen = r->rowid;
	f->spool = wreck_id(&r->col[1]);
	f->asked = r->col[2].i;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		f->next[i] = r->col[3 + i].i;
}

/*
 * What had its receipt.  The series of this file have other numbers, by which the centre
 * would not know it again: it is left where it is.
 */
static void
look_batch(struct salvage *v, const struct wreck_row *r)
{
	const size_t size = v->size_delivered == 0 ? 256 : v->size_delivered * 2;
	int64_t *more;

	if (r->col[10].type == WRECK_NULL)
		return;
	if (v->n_delivered == v->size_delivered) {
		if ((more = realloc(v->delivered, size * sizeof(*more))) == NULL)
			return;
		v->delivered = more;
		v->size_delivered = size;
	}
	v->delivered[v->n_delivered++] = r->rowid;
}

static int
ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

bool
salvage_was_delivered(const struct salvage *v, int64_t id)
{
	return v->n_delivered > 0 && bsearch(&id, v->delivered, v->n_delivered,
					 sizeof(v->delivered[0]), ascending) != NULL;
}

static bool
look_row(void *ctx, const struct wreck_row *r)
{
	struct salvage *v = ctx;

	switch (r->kind) {
	case WRECK_STATE:
		v->state_found = wreck_state(r, &v->old, v->device, sizeof(v->device), &v->seal);
		break;
	case WRECK_STREAM:
		if (r->rowid >= 1 && r->rowid <= BL_STREAMS) {
			wreck_stream(r, &v->old.stream[r->rowid - 1]);
			v->stream_found[r->rowid - 1] = true;
		}
		break;
	case WRECK_DICT:
		look_dict(v, r);
		break;
	case WRECK_CLOCK:
		look_clock(v, r);
		break;
	case WRECK_OPEN:
		look_open(v, r);
		break;
	case WRECK_BODY:
		look_body(v, r);
		break;
	case WRECK_GEN:
		look_gen(v, r);
		break;
	case WRECK_BATCH:
		look_batch(v, r);
		break;
	case WRECK_LEDGER:
	case WRECK_TRIMMED:
	case WRECK_OTHER:
		break;
	}
	return true;
}

bool
salvage_slice_over(const struct salvage *v, int64_t began_ms, unsigned pages)
{
	return pages >= SLICE_PAGES || bl_mono_ms(v->s->clock) - began_ms >= SLICE_MS;
}

/*
 * The counters as far as they can be believed: sealed ones, else what this
 * process knew of the file, else what the messages themselves tell.
 */
void
salvage_settle_counters(struct salvage *v)
{
	const struct bl_id boot = v->old.boot;
	bool whole = v->state_found;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		whole = whole && v->stream_found[i];
	v->sealed = whole && (v->seal == -1 || v->seal == durable_seal(&v->old, v->device));
	if (!v->sealed && v->s->replaced_known) {
		v->old = v->s->replaced;
		v->sealed = true;
	}
	if (v->sealed) {
		v->spool = v->old.spool;
		return;
	}
	memset(&v->old, 0, sizeof(v->old));
	v->old.spool = v->spool;
	v->old.gen = v->top_gen;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		v->old.stream[i].next_seq = v->top[i] + 1;
	/* A wrong boot would put samples at a wrong time: two must agree on it. */
	if (bl_id_equal(&boot, &v->s->boot) || bl_id_equal(&boot, &v->top_boot))
		v->old.boot = boot;
	else if (bl_id_equal(&v->top_boot, &v->s->boot))
		v->old.boot = v->s->boot;
}

/* Generations below the wreck's own for the ids that it kept batches of. */
static void
settle_former(struct salvage *v)
{
	int64_t into = v->into - 1;

	for (unsigned i = 0; i < v->n_former; i++)
		if (v->former[i].gen != v->old.gen && !bl_id_equal(&v->former[i].spool, &v->spool))
			v->former[i].into = into--;
}

static int
by_arrival(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return (x->n > y->n) - (x->n < y->n);
}

int
salvage_look_slice(struct salvage *v)
{
	const int64_t began = bl_mono_ms(v->s->clock);
	unsigned pages = 0;

	for (; v->look <= wreck_pages(v->w) && !salvage_slice_over(v, began, pages); pages++)
		wreck_page(v->w, v->look++, look_row, v);
	if (v->look > wreck_pages(v->w)) {
		v->looked = true;
		salvage_settle_counters(v);
		settle_former(v);
		if (v->n_delivered > 0)
			qsort(v->delivered, v->n_delivered, sizeof(v->delivered[0]), ascending);
		if (v->n_kept > 0)
			qsort(v->kept, v->n_kept, sizeof(v->kept[0]), by_arrival);
	}
	/* The dictionary before the first batch that names it. */
	return pending_empty(v->s) ? BL_OK : commit_all(v->s, v->err);
}
