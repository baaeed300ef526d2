/*
 * The straight path: messages into ingest_core over a store of its own, and its compactor beside
 * it, in one thread, without broker and network, on a clock that the caller moves.
 *
 * For benches: what fails ends the program with the reason.
 */
#ifndef STRAIGHT_H
#define STRAIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "mix.h"

#define STRAIGHT_GROUP 100u /* messages a commit */

struct straight;

/* A store in the folder, empty or as it was left; agents 0..agents-1, of which the series of the
 * mix and the clock are known: boot time 0 is begin_unix_ms. */
struct straight *straight_open(const char *folder, unsigned agents, int64_t begin_unix_ms);
/* Whatever waits is committed; the log of the database is written into it. */
void straight_close(struct straight *s);

/* The clock; never back. */
void straight_at(struct straight *s, int64_t unix_ms);
/* One batch of an agent; every STRAIGHT_GROUP of them are a commit. */
void straight_take(struct straight *s, unsigned agent, const void *msg, size_t len);
void straight_commit(struct straight *s);
/* Until there is nothing left to pack at this time; returns the steps that it took. */
unsigned straight_compact(struct straight *s);
/* Lets time pass until everything that was taken in is in parts, and what that left is gone. */
void straight_settle(struct straight *s);

struct straight_bytes {
	double raw, m5, h1; /* of the files of parts, as the disk counts them */
	double database;    /* after straight_close */
};
void straight_bytes(const char *folder, struct straight_bytes *out);
/* Path of the database and folder of the parts, for readers. */
const char *straight_database(const struct straight *s);
struct parts *straight_parts(const struct straight *s);

/* The spool and boot of an agent. */
void straight_spool(unsigned agent, struct bl_id *id);

struct bl_batch_enc;
/*
 * The agent's next batch of so many ticks of 10 s, the first at boot time begin_ms; appended.
 * Jitter or not, the mix goes on in the same way.
 */
void straight_encode(struct bl_batch_enc *e, struct mix *m, unsigned agent, uint64_t seq,
    int64_t begin_ms, unsigned ticks, bool jitter, struct bl_buf *out);

/* CPU time of this process, seconds. */
double straight_cpu_s(void);

#endif
