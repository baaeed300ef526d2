/*
 * The agent's ceiling of memory, which it sets for itself: at it, allocations fail,
 * and what asked for them says so, rather than the machine running out of
 * memory and its kernel ending some other program.
 *
 * The limit is RLIMIT_DATA: what is private and writable, which is heap, SQLite's and
 * mbedTLS' memory (both come from malloc) and the stacks of threads; the same on
 * 32-bit machines.  RLIMIT_AS would count what costs nothing, too (shared
 * libraries, the WAL's index), and RLIMIT_RSS has no effect.  Stacks count in full, so
 * threads that do not say how large theirs is (Paho's) get MEMORY_STACK_BYTES, not
 * 8 MiB.  Below MEMORY_LEAST a connection's threads would find no room for them.
 *
 * Not in builds with sanitizers: their own memory would count.
 */
#ifndef AGENT_MEMORY_H
#define AGENT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/err.h"

#define MEMORY_LEAST       (12ll << 20)
#define MEMORY_STACK_BYTES (512u * 1024u)
#define MEMORY_HIGH_PCT    80 /* of the ceiling: what can be done without is dropped */
#define MEMORY_LOW_PCT     70 /* all is well again */
#define MEMORY_AGAIN_MS    60000
#define MEMORY_FAILED_MS   600000 /* so long is it worth a word that samples were left out */

struct memory {
	uint64_t ceiling_bytes; /* in force; 0: none */
	uint64_t used_bytes;    /* as of the last look: the greater of writable and resident */
	bool high;
	uint64_t relieved;      /* how often something was dropped to make room */
	uint64_t failed;        /* samples and events left out for want of memory */
	int64_t failed_mono_ms; /* the last of them */
	int64_t relieved_mono_ms;
};

/* Once, before there are threads. */
void memory_stacks(void);
/*
 * Sets the ceiling; 0: none but what whoever started the process has set, which holds in any
 * case when it is lower.  Any number of times: a lower one lets the next allocations fail, and
 * ends nothing.  BL_EIO: it could not be set.
 */
int memory_ceiling(struct memory *m, int64_t bytes, struct bl_err *err);
/* What is in force now: others can change it, too (prlimit). */
void memory_look(struct memory *m);
/* How much the process uses; 0: the kernel does not say. */
uint64_t memory_used(void);
/* Takes that in; true: drop now what can be done without.  Pure. */
bool memory_judge(struct memory *m, uint64_t used_bytes, int64_t mono_ms);
/* n samples or events were left out.  Pure. */
void memory_failed(struct memory *m, uint64_t n, int64_t mono_ms);
/* Samples were left out lately.  Pure. */
bool memory_short(const struct memory *m, int64_t mono_ms);
/* Of the ceiling; 0: there is none.  Pure. */
unsigned memory_pct(const struct memory *m);

#endif
