/*
 * Inside this folder only.
 *
 * A device's hour is gathered in pieces: what one column of one batch (or of the part that has
 * had the hour so far) holds of it.  The pieces of a series are joined as they are when they ascend
 * and come from one place; else they are sorted, and of what two places hold of one boot and boot
 * time one is left, by the rule of samples_of (collector/src/store).
 */
#ifndef COMPACT_INTERNAL_H
#define COMPACT_INTERNAL_H

#include <pthread.h>

#include "branchline/batch.h"
#include "branchline/seq.h"
#include "chunk.h"
#include "compact.h"
#include "store_age.h"
#include "store_pack.h"

#define GATHER_SAMPLES_MAX                                                                         \
	(8u << 20) /* of one device's hour: some 300 MiB; more stays in batches */

/* ---- compact_arena.c: memory of one device's hour, given back at once ---- */

struct arena {
	struct arena_block *block;
	size_t used;
};
void *arena_take(struct arena *a, size_t bytes); /* 8-aligned; NULL: out of memory */
void arena_reset(struct arena *a);               /* keeps one block */
void arena_free(struct arena *a);

/* ---- compact_dict.c ---- */

struct dict_entry {
	int64_t series;     /* 0: not known */
	const char *metric; /* interned */
	enum bl_series_kind kind;
	uint32_t interval_ms;
};

/* What a spool's numbers mean; borrowed, until the next one is asked for. */
struct dict {
	int64_t spool_id;
	struct dict_entry *e; /* entry k stands at k - 1 */
	uint32_t n;
	uint64_t used;
	struct dict *next;
};

struct dicts {
	struct dict *first;
	size_t entries;
	uint64_t clock;
	char **name; /* interned metrics, by a hash table */
	size_t n_names, size_names;
};
/* With at least so many entries, when the store has them. */
int dicts_get(struct dicts *d, struct store_read *r, int64_t spool_id, uint32_t version,
    const struct dict **out, struct bl_err *err);
const char *dicts_intern(struct dicts *d, const char *name, size_t len); /* NULL: out of memory */
void dicts_free(struct dicts *d);

/* ---- compact_gather.c ---- */

#define NONE UINT32_MAX

/* What of a time column lies in the hour. */
struct times {
	int64_t *unix_ms;
	uint32_t n;
	struct chunk_run *run;
	uint32_t n_runs;
	bool ascends;   /* each later than the one before */
	int64_t source; /* the spool; -1: a part */
	/* Of the batch's column: from a on, n of them; mask: those that are set. */
	uint32_t a, total;
	uint8_t *mask;
};

struct piece {
	uint32_t times, next;
	struct bl_seq seq;
	uint8_t *unknown;        /* NULL: all known */
	struct chunk_thin *thin; /* NULL: each stands for itself */
};

struct series {
	int64_t id;
	const char *metric;
	enum bl_series_kind kind;
	enum bl_stream stream;
	uint32_t interval_ms;
	uint32_t first, last; /* pieces */
	uint32_t n, n_known, n_pieces;
	uint64_t sign; /* of its time columns, to find another one with the same */
	bool mixed, has_unknown, has_thin;
};

/* Series with the same time columns share their handle. */
struct times_group {
	uint32_t series;
	int handle;
};

struct gather {
	int64_t hour_unix_ms;
	int64_t device_id;
	struct arena arena;
	struct times *times;
	size_t n_times, size_times;
	struct piece *piece;
	size_t n_pieces, size_pieces;
	struct series *series;
	size_t n_series, size_series;
	uint32_t *slot; /* hash table of series */
	size_t n_slots;
	struct times_group *group;
	size_t n_groups, size_groups;
	uint64_t samples;
	/* scratch of one batch or column */
	struct bl_buf raw;
	int64_t *boot_ms;
	double *value;
	uint8_t *unknown;
	struct bl_thin *thin;
	uint32_t times_of[BL_BATCH_TIMES_MAX];
	/* scratch of one series */
	struct bl_seq joined;
	size_t size_joined;
};

int gather_open(struct gather *g, struct bl_err *err);
void gather_close(struct gather *g);
void gather_begin(struct gather *g, int64_t device_id, int64_t hour_unix_ms);
/* Room for one more; p is the array's address. */
bool gather_grow(void *p, size_t n, size_t *size, size_t item);
/* The series' place, made when it is not there; NONE: out of memory. */
uint32_t gather_series(struct gather *g, const struct series *like);
uint32_t gather_add_times(struct gather *g, const struct times *t);
int gather_add(struct gather *g, uint32_t series, const struct piece *p, struct bl_err *err);

/* ---- compact_batch.c ---- */

/* BL_ECORRUPT: it does not hold; BL_EFULL: too much for one device's hour. */
int gather_batch(
    struct gather *g, const struct store_pack_batch *b, const struct dict *d, struct bl_err *err);

/* Leaves of a whole column what of it lies in the hour. */
int gather_cut(struct gather *g, const struct times *t, struct piece *p, struct bl_err *err);

/* ---- compact_old.c ---- */

/* The raw region of the part that was read last, and what its numbers are here. */
struct old_part {
	int64_t part;
	uint8_t *bytes;
	struct chunk_index *index;
	int64_t space; /* 0: they are this store's */
	struct old_alias {
		struct old_pair {
			int64_t old, new;
		} * p; /* ascending by old */
		size_t n, size;
		bool failed;
	} alias[3];
};
void old_part_free(struct old_part *o);
/* BL_ECORRUPT, BL_ENOTFOUND: its file. */
int old_part_load(struct old_part *o, struct parts *parts, struct store_read *r,
    const struct store_part *p, struct bl_err *err);
/* This store's number of a device of the part; INT64_MIN: it has none. */
int64_t old_part_device(const struct old_part *o, int64_t device);
/* What a part has of the device's hour; moved (may be NULL): of another hour, what of it has moved
 * into this one. */
int gather_part(struct gather *g, struct old_part *o, struct parts *parts, struct store_read *r,
    struct dicts *names, const struct store_part *p, const struct store_moved_row *moved,
    struct bl_err *err);
/* The hours that the samples of a device's hour lie in since they have moved; *n at most max.
 * *changed: some lie elsewhere, be it in the same hour. */
int old_part_hours(struct gather *g, struct old_part *o, struct store_read *r,
    const struct store_moved_row *moved, int64_t *hour, size_t max, size_t *n, bool *changed,
    struct bl_err *err);

/* ---- compact_emit.c ---- */

/* A boot's id, which every store shares, by its number here. */
typedef int (*gather_boot_fn)(void *ctx, int64_t boot, struct bl_id *out, struct bl_err *err);
/* The series' numbers, piece behind piece; valid until the next call.  NULL: out of memory. */
const struct bl_seq *gather_join(struct gather *g, const struct series *s);
/* Everything that was gathered, into the encoder.  *columns: how many. */
int gather_emit(struct gather *g, struct chunk_enc *e, gather_boot_fn boot, void *ctx,
    uint32_t *columns, struct bl_err *err);

/* ---- compact_merge.c: pieces of a series that have to be sorted ---- */

struct merged {
	int64_t *unix_ms;
	uint32_t n;
	struct chunk_run *run;
	uint32_t n_runs;
	struct bl_seq seq;
	uint8_t *unknown;
	struct chunk_thin *thin; /* NULL: none */
};
int gather_merge(struct gather *g, const struct series *s, gather_boot_fn boot, void *ctx,
    struct merged *out, struct bl_err *err);

/* ---- compact_pack.c: one hour of some devices ---- */

struct device_at {
	int64_t device_id, batch_upto;
	bool in_part, vacated, given_up;
	size_t due, n_due, seq, n_seqs, mark, n_marks;
};

struct pack {
	int64_t hour_unix_ms, upto, moved_upto, following;
	struct store_due *due;
	size_t n_due, size_due;
	struct store_pack_seq *seq;
	size_t n_seqs, size_seqs;
	struct store_pack_mark *mark;
	size_t n_marks, size_marks;
	struct device_at *device;
	size_t n_devices, size_devices;
	uint64_t late;     /* devices that were in a part before */
	unsigned left_out; /* of the last one that was installed */
};

/* ---- compact_check.c: the daily look at what lies in parts ---- */

#define CHECK_BAD_MAX 256u /* that are remembered one by one */

struct check_bytes {
	uint8_t *p;
	size_t size;
};

struct check {
	bool in_round, in_region, in_dir;
	uint32_t round;
	int64_t next_mono_ms; /* of the next round */
	int64_t left;         /* of the slice, in bytes */
	struct store_part part;
	int level; /* -1: its row */
	struct parts_region region;
	struct chunk_index *ix; /* owned; NULL: not looked at yet */
	uint32_t source, metric;
	struct chunk_dir dir; /* borrows dir_bytes */
	struct check_bytes dir_bytes, block;
	struct {
		struct compact_damage d;
		uint32_t round; /* that found it last */
	} bad[CHECK_BAD_MAX];
	size_t n_bad;
	uint64_t more, more_last; /* that found no room, of this round and the last */
	struct lost_part {
		int64_t part, hour_unix_ms;
		bool stays; /* found damaged in this round */
	} * lost;           /* that the ledger named when the round began; ascending */
	size_t n_lost, size_lost;
};

/* ---- compact.c ---- */

struct compact {
	struct compact_opts opts;
	struct store_read *r;
	struct dicts dicts;
	struct gather gather;
	struct chunk_enc *enc;
	struct old_part old;
	struct pack pack;
	struct bl_buf region[PARTS_LEVELS];
	/* the walk over what is due */
	int64_t after_hour, after_device;
	bool packed_some;      /* in this round */
	int64_t round_mono_ms; /* when the next one begins */
	bool untidy;           /* an install failed: files may have tails that nobody names */
	struct {
		bool there;
		int64_t hour_unix_ms, offset; /* what is behind it is the failed pack's */
	} tail[PARTS_LEVELS];
	int64_t look_mono_ms; /* when the figures are taken next */
	/* Pages of the database: the fewest that were unused since then. */
	int64_t free_least, free_since_mono_ms;
	int64_t worn_after;         /* worn hours up to this have had their turn; NONE: none has */
	int64_t worn_again_mono_ms; /* not from the first again before */
	struct store_age age;       /* what is too old */
	int64_t retain_mono_ms;     /* when retention is looked at next */
	int64_t checks_before;      /* checksums of older batches are gone */
	unsigned clean_rows;        /* of one slice: learns */
	int64_t last_write_ms;      /* that the writer was kept */
	bool hid_some;              /* parts may have nothing left that is read */
	struct check check;
	/* devices' hours that could not be packed, not to be tried again before */
	struct bad {
		int64_t device_id, hour_unix_ms, until_mono_ms;
	} * bad;
	size_t n_bad, size_bad;
	/* the thread */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stopping;
	struct compact_status status;
};

/*
 * One device into the pack and the encoder.  1: it is in; 0: not in this round; *anew: the encoder
 * has half of it, and the part begins anew without it.
 */
int compact_pack_device(
    struct compact *c, const struct store_due *due, size_t n, bool *anew, struct bl_err *err);
/* Those that were left alone for long enough. */
void compact_try_bad_again(struct compact *c);
/* Packs the next part.  1: something was packed, or looked at; 0: nothing is due; negative. */
int compact_pack_next(struct compact *c, struct bl_err *err);
/* Cuts off what a failed install left. */
int compact_tidy(struct compact *c, struct bl_err *err);
/* Retention and what is dead: 1: did something; 0. */
int compact_retain(struct compact *c, struct bl_err *err);
/* Rows of parts of which everything lies elsewhere by now. */
int compact_sweep(struct compact *c, struct bl_err *err);
/* Follows what late clock maps have moved of what is packed.  1: did something; 0. */
int compact_follow_moved(struct compact *c, struct bl_err *err);
/* Writes an hour of worn parts anew.  1: did; 0: there is none. */
int compact_rewrite(struct compact *c, struct bl_err *err);
/* A slice of the daily round, when it is time: 0; negative. */
int compact_check(struct compact *c, struct bl_err *err);
void compact_check_free(struct check *k);

/* ---- compact_lost.c: hours of damaged parts in the ledger ---- */

/* The finest level that the part still has; -1: none. */
int compact_finest(const struct store_part *p);
/* Which parts the ledger names; before a round. */
int compact_lost_load(struct compact *c, struct bl_err *err);
/* The part cannot be read: its hours go in. */
int compact_lost(struct compact *c, const struct store_part *p, struct bl_err *err);
/* Those that this round has not found so are whole, or named no more: theirs go out. */
int compact_found(struct compact *c, struct bl_err *err);
/* Begins a part; finishes it: files, then its row.  1: it is true now; 0: nothing was in it. */
void compact_begin_pack(struct compact *c, int64_t hour_unix_ms, int64_t upto, int64_t moved_upto);
int compact_install(struct compact *c, struct bl_err *err);
bool compact_is_full(const struct compact *c);
int compact_boot_of(void *ctx, int64_t boot, struct bl_id *out, struct bl_err *err);
/* Times the writer. */
int compact_write(struct compact *c, compact_write_fn fn, void *arg, struct bl_err *err);

#endif
