/*
 * Processes: the walk over /proc, and what is remembered of a watched one.
 *
 * Nothing here allocates but what is made at the beginning; all is driven by sample_processes.c.
 */
#ifndef SAMPLE_PROCESS_INTERNAL_H
#define SAMPLE_PROCESS_INTERNAL_H

#include "sample_watch_internal.h"

#define PROCESS_TRACKED       64u  /* of one watched name, by their CPU time */
#define PROCESS_ARGUMENTS_MAX 4096 /* of a command line */
#define PROCESS_PATIENCE_S    3    /* for the command lines of a walk: one takes some us */

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
	/* Negative: the walk ends with it; err may be NULL. */
	int (*each)(void *ctx, const struct process *p, struct bl_err *err);
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

/* ---- command lines (sample_process_arguments.c) ---- */

struct process_reader;

/* proc is copied. */
int process_reader_create(struct process_reader **out, const char *proc, struct bl_err *err);
/* Does not wait, also where its thread hangs. */
void process_reader_free(struct process_reader *r);
/* A walk begins: its command lines are waited for no longer than PROCESS_PATIENCE_S in all.  NULL
 * is fine. */
void process_reader_begin(struct process_reader *r);
/*
 * The command line, blanks between arguments; "" when it has none or cannot be read.
 * BL_ETIMEDOUT: the kernel waits for that process, or still for an earlier one (which is told at
 * once), or the walk's patience is at its end.
 */
int process_reader_get(
    struct process_reader *r, uint32_t pid, char out[PROCESS_ARGUMENTS_MAX], struct bl_err *err);

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
