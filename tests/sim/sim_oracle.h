/*
 * What the files of the oracle share: reading (sim_oracle_batch.c, _ledger.c, _disk.c) and
 * judging (sim_oracle.c).
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "sim.h"

#include <sqlite3.h>

#define SPOOLS_MAX  4096
#define ENTRIES_MAX 32

/* A ledger entry, in true time. */
struct entry {
	unsigned device; /* the number in its name */
	uint8_t stream;
	int reason;
	int64_t from, to; /* a sample in (from, to] is claimed */
	bool by_seq;
	bool has_seqs; /* and times: it is about batches, and counts what was in them */
	uint64_t samples; /* as it counts them */
	uint64_t missing; /* as we find them */
};

struct judge {
	struct sim *w;
	struct sim_result *r;
	sqlite3 *db;
	int8_t series[SPOOLS_MAX][ENTRIES_MAX]; /* of a spool's dictionary; -1: not known */
	struct entry *entry;
	size_t n_entries, size_entries;
	struct bl_buf raw;
	struct bl_clock_segment *segment; /* by spool */
	size_t n_segments, size_segments;
	struct {
		size_t first, n;
	} segments_of[SPOOLS_MAX];
	uint64_t placed;
	bool any_twice;
	bool reading; /* what is told now comes from readers, after batches were looked into */
	uint64_t thinned[SIM_MACHINES_MAX][BL_STREAMS]; /* values that only a mean stands for */
};

/* Where a value was found. */
enum where { IN_STORE, IN_ASIDE, IN_CONFLICT, ON_DISK, EXPOSED, WAS_STORED, COPIED };

/* ---- sim_oracle_batch.c ---- */

void judge_wrong(struct judge *j, const char *what, unsigned machine, unsigned stream, unsigned n);
/* Two lives under one identity, or a disk of another device: conflicts are kept apart. */
bool judge_two_lives(const struct sim *w);
void judge_mark(struct sim_sample *s, enum where where);
sqlite3_stmt *judge_query(struct judge *j, sqlite3 *db, const char *sql);
/* False: there is none any more, and st is done with. */
bool judge_row(struct judge *j, sqlite3_stmt *st);
struct bl_id judge_column_id(sqlite3_stmt *st, int i);
/* Names of the store's series; before judge_batches. */
void judge_dict(struct judge *j);
void judge_batches(struct judge *j, enum where where);
/* A sample that readers of the store are given, thinned or not. */
void judge_stored(struct judge *j, const struct bl_id *boot, enum bl_stream stream, double value,
    int64_t boot_ms, int series, const struct bl_thin *thin);
/* sim_oracle_packed.c: all of them. */
void judge_samples(struct judge *j);
/* A message, as it was published. */
void judge_message(struct judge *j, enum where where, const void *msg, size_t len);

/* ---- sim_oracle_ledger.c ---- */

void judge_ledger(struct judge *j);
void judge_aside(struct judge *j);

/* ---- sim_oracle_place.c ---- */

/* Reads them; before judge_place. */
void judge_clock_maps(struct judge *j);
/* A sample that the store holds was made at true_ms. */
void judge_place(
    struct judge *j, int64_t spool, const struct bl_id *boot, int64_t boot_ms, int64_t true_ms);

/* ---- sim_oracle_disk.c ---- */

/* What is open in a spool. */
void judge_open_rows(struct judge *j, sqlite3 *db, enum where where);
/* What was set apart on the machines' own disks; stops them. */
void judge_disks(struct judge *j);

#endif
