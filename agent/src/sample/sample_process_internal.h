/*
 * Processes: the walk over /proc, and what is remembered of a watched one.
 *
 * Nothing here allocates; both are driven by sample_processes.c.
 */
#ifndef SAMPLE_PROCESS_INTERNAL_H
#define SAMPLE_PROCESS_INTERNAL_H

#include "sample_watch_internal.h"

#define PROCESS_TRACKED 64u /* of one watched name, by their CPU time */

enum process_state {
	PROCESS_RUNNING,
	PROCESS_SLEEPING,
	PROCESS_BLOCKED, /* waits for a disk or a driver, cannot be killed */
	PROCESS_STOPPED,
	PROCESS_ZOMBIE,
	PROCESS_IDLE, /* a thread of the kernel without work */
	PROCESS_OTHER,
	PROCESS_STATES
};

/* One line of /proc/PID/stat. */
struct process {
	uint32_t pid;
	char command[64]; /* the kernel keeps 15 bytes; its own threads' names are longer */
	enum process_state state;
	uint64_t cpu_ticks;   /* user and system */
	uint64_t start_ticks; /* since the machine's boot */
	uint64_t resident_pages;
};

/* Pure.  False: not such a line; out is then of no use. */
bool process_parse(const char *text, size_t len, struct process *out);

struct process_walk {
	const char *proc; /* path of /proc, root included */
	unsigned max;
	void (*each)(void *ctx, int proc_fd, const struct process *p);
	void *ctx;
	unsigned n;      /* out: how many were seen */
	unsigned hidden; /* out: there, but not to be looked at */
	bool more;       /* out: there were more than max */
};

/*
 * All processes there are.  One that ends while it is looked at is none.
 * Negative: the list itself, or one that is there, could not be read.
 */
int process_walk(struct process_walk *w, struct bl_err *err);
/* The command line, blanks between arguments; "" when it has none or cannot be read. */
void process_arguments(int proc_fd, uint32_t pid, char *out, size_t size);

/* ---- one watched name ---- */

struct process_tracked {
	uint32_t pid;
	uint64_t start_ticks;
	uint64_t cpu_ticks;
	bool seen;
};

struct process_watched {
	bool begun; /* one walk was whole */
	/* of this walk */
	unsigned count;
	uint64_t resident_pages;
	uint64_t oldest_ticks;
	bool untracked; /* more than fit */
	/* since the agent began to watch */
	uint64_t cpu_ticks;
	uint64_t restarts;
	bool known; /* it was there once; known_oldest_ticks counts */
	uint64_t known_oldest_ticks;
	unsigned n;
	struct process_tracked tracked[PROCESS_TRACKED];
};

void process_watched_begin(struct process_watched *w);
void process_watched_see(struct process_watched *w, const struct process *p);
/* After a walk that saw everything; after any other begin again without it. */
void process_watched_end(struct process_watched *w);

#endif
