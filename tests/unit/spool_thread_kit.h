/* A spool on a thread of its own, and what it has said. */
#ifndef SPOOL_THREAD_KIT_H
#define SPOOL_THREAD_KIT_H

#include "spool_kit.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "spool_thread.h"

#include <sqlite3.h>

struct seen {
	struct spool_thread *t;
	struct centre *c;
	unsigned events_ok, events_repeated, events_refused;
	unsigned hellos, frames_calls, frames, answers, receipts, questions, cuts, statuses;
	uint64_t connections;
	struct bl_hello hello;
	struct spool_outcome outcome;
	struct bl_gone gone;
	struct spool_thread_status status;
};

void on_event(void *ctx, uint64_t token, int rc);
void on_hello(void *ctx, const struct bl_hello *hello, uint64_t connections);
void on_frames(void *ctx, struct spool_frame *frames, unsigned n);
void on_status(void *ctx, uint64_t token, const struct spool_thread_status *st);
void start(struct kit *k, struct seen *s, size_t queue_bytes);

/* Dispatches until *what reaches n; a condition with a deadline, not a sleep. */
void await(struct seen *s, const unsigned *what, unsigned n);
int32_t series(struct seen *s, enum bl_stream stream, unsigned j);
int tick(struct seen *s, enum bl_stream stream, int64_t n);
void ask_status(struct seen *s);
struct bl_event event(const char *id);

#endif
