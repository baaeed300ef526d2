/*
 * The table, and what the writer puts into it.
 *
 * Of a column only the last sample counts.  A batch that is older than what its
 * stream has brought is passed over by its header, so backlog costs nothing.  Of a stream that
 * brings more than one in five seconds the newest is kept as it is, and looked into when
 * somebody asks: what comes fast is not what a board waits for.
 */
#include "latest_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "branchline/clock.h"
#include "branchline/seq.h"

#include "store_read.h"

#define NUMBERS_AT_ONCE 64u
#define OFTEN_MS        5000                  /* a stream that brings more is looked into later */
#define STASH_MAX       (16u * 1024u * 1024u) /* bytes of bodies that are put off, of all */
#define LOOK_ONCE       8u                    /* spools */

static int
init_locks(struct latest *l)
{
	pthread_condattr_t attr;
	int bad;

	if (pthread_condattr_init(&attr) != 0)
		return -1;
	bad = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	      pthread_cond_init(&l->wake, &attr) != 0;
	(void)pthread_condattr_destroy(&attr); /* cannot fail on Linux */
	if (bad)
		return -1;
	if (pthread_mutex_init(&l->lock, NULL) == 0)
		return 0;
	(void)pthread_cond_destroy(&l->wake); /* nobody waits on it */
	return -1;
}

void
latest_wait(struct latest *l, int64_t ms, const atomic_bool *stop)
{
	struct timespec until;

	if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
		return;
	until.tv_sec += ms / 1000 + 1;
	pthread_mutex_lock(&l->lock);
	if (!atomic_load(stop)) /* it is set before the wake, which needs the lock */
		(void)pthread_cond_timedwait(&l->wake, &l->lock, &until); /* woken or late */
	pthread_mutex_unlock(&l->lock);
}

void
latest_wake(struct latest *l)
{
	pthread_mutex_lock(&l->lock);
	pthread_cond_broadcast(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

struct latest *
latest_create(const struct bl_clock *clock, size_t series_max)
{
	struct latest *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	if (init_locks(l) != 0) {
		free(l);
		return NULL;
	}
	l->clock = clock;
	l->series_max = series_max > 0 ? series_max : LATEST_SERIES_MAX;
	return l;
}

void
latest_free(struct latest *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < LATEST_METRICS_MAX; i++)
		latest_names_free(l->names[i]);
	for (size_t i = 0; i < l->n_spools; i++) {
		for (int k = 0; k < BL_STREAMS; k++)
			free(l->spool[i].stash[k]);
		free(l->spool[i].v);
	}
	free(l->spool);
	free(l->slot);
	free(l->boot_ms);
	free(l->i);
	free(l->d);
	free(l->unknown);
	(void)pthread_cond_destroy(&l->wake);
	(void)pthread_mutex_destroy(&l->lock); /* nobody holds it any more */
	free(l);
}

bool
latest_complete(const struct latest *l)
{
	return __atomic_load_n(&l->complete, __ATOMIC_ACQUIRE);
}

void
latest_stats(struct latest *l, struct latest_stats *out)
{
	pthread_mutex_lock(&l->lock);
	*out = (struct latest_stats){ .series = l->n_values, .refused = l->refused };
	out->bytes = l->stash_bytes + l->n_places * sizeof(*l->spool[0].v) +
		     l->size_spools * sizeof(*l->spool) + l->n_slots * sizeof(*l->slot);
	pthread_mutex_unlock(&l->lock);
}

/* ---- spools ----------------------------------------------------------------- */

static size_t
hash_of(const struct bl_id *id)
{
	uint64_t a, b;

	memcpy(&a, id->b, 8);
	memcpy(&b, id->b + 8, 8);
	a = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return (size_t)(a ^ a >> 32);
}

static bool
grow_locked(struct latest *l)
{
	const size_t n = l->n_slots == 0 ? 1024 : l->n_slots * 2;
	struct latest_spool *more;
	uint32_t *slot;

	if ((l->n_spools + 1) * 2 > l->n_slots) {
		if ((slot = calloc(n, sizeof(*slot))) == NULL)
			return false;
		for (size_t i = 0; i < l->n_spools; i++) {
			size_t at = hash_of(&l->spool[i].id) & (n - 1);

			while (slot[at] != 0)
				at = (at + 1) & (n - 1);
			slot[at] = (uint32_t)i + 1;
		}
		free(l->slot);
		l->slot = slot;
		l->n_slots = n;
	}
	if (l->n_spools < l->size_spools)
		return true;
	more = realloc(l->spool, l->n_slots / 2 * sizeof(*more));
	if (more == NULL)
		return false;
	l->spool = more;
	l->size_spools = l->n_slots / 2;
	return true;
}

struct latest_spool *
latest_spool_locked(struct latest *l, const struct bl_id *id, bool create)
{
	struct latest_spool *s;
	size_t at = 0;

	for (at = hash_of(id) & (l->n_slots - 1); l->n_slots > 0 && l->slot[at] != 0;
	     at = (at + 1) & (l->n_slots - 1))
		if (bl_id_equal(&l->spool[l->slot[at] - 1].id, id))
			return &l->spool[l->slot[at] - 1];
	if (!create || !grow_locked(l))
		return NULL;
	for (at = hash_of(id) & (l->n_slots - 1); l->slot[at] != 0;)
		at = (at + 1) & (l->n_slots - 1);
	s = &l->spool[l->n_spools++];
	l->slot[at] = (uint32_t)l->n_spools;
	*s = (struct latest_spool){ .id = *id };
	for (int i = 0; i < BL_STREAMS; i++)
		s->until_unix_ms[i] = STORE_TIME_NONE;
	return s;
}

static bool
room_locked(struct latest *l, struct latest_spool *s, uint32_t number)
{
	const uint32_t n = (number + NUMBERS_AT_ONCE - 1) / NUMBERS_AT_ONCE * NUMBERS_AT_ONCE;
	struct latest_value *more;

	if (number <= s->n)
		return true;
	if (n - s->n > l->series_max - l->n_places ||
	    (more = realloc(s->v, n * sizeof(*more))) == NULL)
		return false;
	memset(more + s->n, 0, (n - s->n) * sizeof(*more));
	s->v = more;
	l->n_places += n - s->n;
	s->n = n;
	return true;
}

struct latest_value *
latest_value_locked(struct latest *l, struct latest_spool *s, uint32_t number)
{
	if (number <= s->n && s->v[number - 1].state != LATEST_NONE)
		return &s->v[number - 1];
	if (number == 0 || !room_locked(l, s, number)) {
		l->refused++;
		return NULL;
	}
	l->n_values++;
	l->grown++;
	l->grown_mono_ms = bl_mono_ms(l->clock);
	return &s->v[number - 1];
}

/* ---- batches ------------------------------------------------------------------- */

static bool
scratch(struct latest *l, size_t n)
{
	if (n <= l->room)
		return true;
	n = n < 1024 ? 1024 : n;
	free(l->boot_ms);
	free(l->i);
	free(l->d);
	free(l->unknown);
	l->boot_ms = malloc(n * sizeof(*l->boot_ms));
	l->i = malloc(n * sizeof(*l->i));
	l->d = malloc(n * sizeof(*l->d));
	l->unknown = malloc(n);
	l->room = l->boot_ms != NULL && l->i != NULL && l->d != NULL && l->unknown != NULL ? n : 0;
	return l->room > 0;
}

/* The last samples of the time columns that batches share. */
struct last_times {
	const struct bl_batch_reader *rd;
	bool known[BL_BATCH_TIMES_MAX];
	int64_t ms[BL_BATCH_TIMES_MAX];
};

static int
last_of(struct latest *l, const struct bl_batch_reader *rd, const struct bl_column *c,
    struct last_times *t, int64_t *boot_ms, struct latest_value *out)
{
	struct bl_seq all = { .i = l->i, .d = l->d };
	const int k = c->time_index;
	const bool have = k >= 0 && t->known[k];
	struct bl_seq one;
	int rc;

	rc = bl_column_seq(rd, c, have ? NULL : l->boot_ms, &all,
	    bl_column_has_unknown(c) ? l->unknown : NULL, NULL);
	if (rc < 0)
		return rc;
	*boot_ms = have ? t->ms[k] : l->boot_ms[c->n - 1];
	if (k >= 0) {
		t->known[k] = true;
		t->ms[k] = *boot_ms;
	}
	if (bl_column_has_unknown(c) && l->unknown[c->n - 1] != BL_KNOWN) {
		out->state = LATEST_UNKNOWN;
		return BL_OK;
	}
	one = all;
	one.i += all.n - 1;
	one.d += all.n - 1;
	one.n = 1;
	bl_seq_doubles(&one, &out->value);
	out->state = isinf(out->value) ? LATEST_UNKNOWN : LATEST_KNOWN;
	return BL_OK;
}

static void
take_columns(struct latest *l, const struct latest_batch *b, struct latest_spool *s)
{
	struct last_times times = { .rd = NULL };
	struct bl_batch_reader rd;
	struct bl_column c;

	if (bl_batch_reader_init(&rd, b->h, b->raw, b->raw_len, NULL) < 0)
		return; /* it was looked through: this cannot be */
	while (bl_batch_next_column(&rd, &c, NULL) == 1) {
		struct latest_value v = { .state = LATEST_NONE }, *to;
		int64_t boot_ms;

		if (c.n == 0 || !scratch(l, c.n) || last_of(l, &rd, &c, &times, &boot_ms, &v) < 0)
			continue;
		v.unix_ms = b->end_unix_ms == STORE_TIME_NONE
				? STORE_TIME_NONE
				: b->end_unix_ms - (b->h->event_end_ms - boot_ms);
		to = latest_value_locked(l, s, c.series_id);
		if (to != NULL && (to->state == LATEST_NONE || v.unix_ms >= to->unix_ms))
			*to = v;
	}
}

static void
drop_stash_locked(struct latest *l, struct latest_spool *s, int stream)
{
	if (s->stash[stream] == NULL)
		return;
	l->n_stashed--;
	l->stash_bytes -= s->stash[stream]->len;
	free(s->stash[stream]);
	s->stash[stream] = NULL;
}

/* False: it has to be looked into at once. */
static bool
put_off_locked(struct latest *l, struct latest_spool *s, const struct latest_batch *b)
{
	const int stream = (int)b->h->stream - 1;
	struct latest_stash *st;

	drop_stash_locked(l, s, stream);
	if (b->raw_len > STASH_MAX - l->stash_bytes ||
	    (st = malloc(sizeof(*st) + b->raw_len)) == NULL)
		return false;
	st->h = *b->h;
	st->end_unix_ms = b->end_unix_ms;
	st->len = b->raw_len;
	memcpy(st->raw, b->raw, b->raw_len);
	s->stash[stream] = st;
	l->n_stashed++;
	l->stash_bytes += b->raw_len;
	return true;
}

static void
take_locked(struct latest *l, struct latest_spool *s, const struct latest_batch *b)
{
	const int stream = (int)b->h->stream - 1;
	const int64_t now = bl_mono_ms(l->clock);

	if (b->end_unix_ms < s->until_unix_ms[stream])
		return;
	s->until_unix_ms[stream] = b->end_unix_ms;
	if (s->looked_mono_ms[stream] != 0 && now - s->looked_mono_ms[stream] < OFTEN_MS &&
	    put_off_locked(l, s, b))
		return;
	drop_stash_locked(l, s, stream);
	s->looked_mono_ms[stream] = now;
	take_columns(l, b, s);
}

void
latest_take(struct latest *l, const struct latest_batch *b)
{
	struct latest_spool *s;

	if (b->h->n_samples == 0)
		return;
	pthread_mutex_lock(&l->lock);
	if ((s = latest_spool_locked(l, &b->h->spool, true)) == NULL)
		l->refused++;
	else
		take_locked(l, s, b);
	pthread_mutex_unlock(&l->lock);
}

static void
look_into_locked(struct latest *l, struct latest_spool *s)
{
	for (int i = 0; i < BL_STREAMS; i++) {
		const struct latest_stash *st = s->stash[i];

		if (st == NULL)
			continue;
		take_columns(
		    l, &(struct latest_batch){ &st->h, st->raw, st->len, st->end_unix_ms }, s);
		drop_stash_locked(l, s, i);
	}
}

void
latest_look_now(struct latest *l)
{
	bool more = true;

	/* So many at a time that the writer does not wait for all of them. */
	for (size_t at = 0; more; at += LOOK_ONCE) {
		pthread_mutex_lock(&l->lock);
		for (size_t i = at; i < at + LOOK_ONCE && i < l->n_spools; i++)
			look_into_locked(l, &l->spool[i]);
		more = l->n_stashed > 0 && at + LOOK_ONCE < l->n_spools;
		pthread_mutex_unlock(&l->lock);
	}
}
