/*
 * The memory of what came lately: pieces by their row of coverage, the least used at one end.
 *
 * One mutex for all of it; under it nothing is decoded, read or waited for.  Pieces are counted:
 * one that goes while a question reads it lives until that lets go.  A walk over more than there is
 * room for must not push out what its own beginning has put in, nor what the next such walk will
 * ask for first: so nothing goes that was used within FRESH_REST_MS.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store_fresh_internal.h"

#define CHAINS        16384u
#define FRESH_REST_MS 120000
#define FRESH_IDLE_MS 600000            /* not asked for: gone */
#define FRESH_AGE_MS  (3 * 3600 * 1000) /* made: gone; its hours are in parts by then */

struct store_fresh {
	pthread_mutex_t mutex;
	struct fresh_piece *chain[CHAINS];
	struct fresh_piece *newest, *oldest; /* by use */
	struct store_fresh_stats st;
};

int
store_fresh_open(struct store_fresh **out, uint64_t max_bytes, struct bl_err *err)
{
	struct store_fresh *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (f == NULL || pthread_mutex_init(&f->mutex, NULL) != 0) {
		free(f);
		return bl_fail(err, BL_ENOMEM, "memory of open hours: out of memory");
	}
	f->st.max_bytes = max_bytes;
	*out = f;
	return BL_OK;
}

void
store_read_use_fresh(struct store_read *r, struct store_fresh *f)
{
	r->fresh = f;
}

static struct fresh_piece **
chain_of(struct store_fresh *f, int64_t cover_id)
{
	return &f->chain[((uint64_t)cover_id * 0x9e3779b97f4a7c15u >> 32) % CHAINS];
}

static void
unlink_use(struct store_fresh *f, struct fresh_piece *p)
{
	if (p->newer != NULL)
		p->newer->older = p->older;
	else
		f->newest = p->older;
	if (p->older != NULL)
		p->older->newer = p->newer;
	else
		f->oldest = p->newer;
	p->newer = p->older = NULL;
}

static void
link_newest(struct store_fresh *f, struct fresh_piece *p)
{
	p->older = f->newest;
	if (f->newest != NULL)
		f->newest->newer = p;
	else
		f->oldest = p;
	f->newest = p;
}

static void
drop(struct store_fresh *f, struct fresh_piece *p)
{
	struct fresh_piece **at = chain_of(f, p->key.cover_id);

	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	unlink_use(f, p);
	f->st.bytes -= p->bytes;
	f->st.pieces--;
	f->st.dropped++;
	p->kept = false;
	if (p->refs == 0)
		free(p);
}

void
store_fresh_close(struct store_fresh *f)
{
	if (f == NULL)
		return;
	while (f->oldest != NULL)
		drop(f, f->oldest);
	(void)pthread_mutex_destroy(&f->mutex); /* nobody else has it any more */
	free(f);
}

void
store_fresh_stats(struct store_fresh *f, struct store_fresh_stats *out)
{
	(void)pthread_mutex_lock(&f->mutex);
	*out = f->st;
	(void)pthread_mutex_unlock(&f->mutex);
}

bool
fresh_roomy(struct store_fresh *f)
{
	bool roomy;

	(void)pthread_mutex_lock(&f->mutex);
	roomy = f->st.bytes < f->st.max_bytes / 4 * 3;
	(void)pthread_mutex_unlock(&f->mutex);
	return roomy;
}

static bool
same_key(const struct fresh_key *a, const struct fresh_key *b)
{
	return a->cover_id == b->cover_id && a->seq_first == b->seq_first &&
	       a->seq_last == b->seq_last && a->spool_id == b->spool_id &&
	       a->boot_id == b->boot_id && a->stream == b->stream &&
	       a->first_arrived_unix_ms == b->first_arrived_unix_ms;
}

/* Both ascend. */
static bool
has_all(const struct fresh_piece *p, const struct fresh_want *w)
{
	uint32_t k = 0;

	for (uint32_t i = 0; !p->whole && i < w->n; i++) {
		while (k < p->n_asked && p->asked[k] < w->number[i])
			k++;
		if (k == p->n_asked || p->asked[k] != w->number[i])
			return false;
	}
	return true;
}

static struct fresh_piece *
find(struct store_fresh *f, const struct fresh_key *key)
{
	struct fresh_piece *p = *chain_of(f, key->cover_id);

	while (p != NULL && !same_key(&p->key, key))
		p = p->chain;
	return p;
}

struct fresh_piece *
fresh_get(struct store_fresh *f, const struct fresh_key *key, const struct fresh_want *w,
    int64_t now_mono_ms, bool *has)
{
	struct fresh_piece *p;

	(void)pthread_mutex_lock(&f->mutex);
	p = find(f, key);
	if (p != NULL && now_mono_ms - p->made_mono_ms > FRESH_AGE_MS) {
		drop(f, p);
		p = NULL;
	}
	*has = p != NULL && has_all(p, w);
	if (p != NULL) {
		p->refs++;
		p->used_mono_ms = now_mono_ms;
		unlink_use(f, p);
		link_newest(f, p);
	}
	*(*has ? &f->st.hits : &f->st.misses) += 1;
	(void)pthread_mutex_unlock(&f->mutex);
	return p;
}

/* Other states of the same row, and what was never asked for again. */
static void
drop_stale(struct store_fresh *f, const struct fresh_piece *now, int64_t now_mono_ms)
{
	struct fresh_piece *p = *chain_of(f, now->key.cover_id), *next;

	for (; p != NULL; p = next) {
		next = p->chain;
		if (p->key.cover_id == now->key.cover_id)
			drop(f, p);
	}
	while (f->oldest != NULL && now_mono_ms - f->oldest->used_mono_ms > FRESH_IDLE_MS)
		drop(f, f->oldest);
}

static bool
make_room(struct store_fresh *f, size_t bytes, int64_t now_mono_ms)
{
	while (f->st.bytes + bytes > f->st.max_bytes) {
		if (f->oldest == NULL || now_mono_ms - f->oldest->used_mono_ms < FRESH_REST_MS)
			return false;
		drop(f, f->oldest);
	}
	return true;
}

void
fresh_put(struct store_fresh *f, struct fresh_piece *p, int64_t now_mono_ms)
{
	struct fresh_piece **at = chain_of(f, p->key.cover_id);

	(void)pthread_mutex_lock(&f->mutex);
	p->refs = 1;
	p->made_mono_ms = p->used_mono_ms = now_mono_ms;
	drop_stale(f, p, now_mono_ms);
	if (make_room(f, p->bytes, now_mono_ms)) {
		p->kept = true;
		p->chain = *at;
		*at = p;
		link_newest(f, p);
		f->st.bytes += p->bytes;
		f->st.pieces++;
	} else {
		f->st.refused++;
	}
	(void)pthread_mutex_unlock(&f->mutex);
}

void
fresh_release(struct store_fresh *f, struct fresh_piece *const *p, size_t n)
{
	if (n == 0)
		return;
	(void)pthread_mutex_lock(&f->mutex);
	for (size_t i = 0; i < n; i++)
		if (p[i] != NULL && --p[i]->refs == 0 && !p[i]->kept)
			free(p[i]);
	(void)pthread_mutex_unlock(&f->mutex);
}
