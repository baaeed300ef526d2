/*
 * The step socket with a sink that does as it is told, and a client of it.
 */
#ifndef INLET_KIT_H
#define INLET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "inlet.h"
#include "inlet_line.h"
#include "spool_thread.h"

#define HELD 128

struct fake {
	int64_t mono_ms;
	struct bl_clock clock;
	char dir[64], path[96];
	struct inlet *in;
	int sink_rc;          /* of the next events */
	bool answers_at_once; /* else they are held */
	unsigned n_held, events;
	uint64_t held[HELD];
	uint32_t last_user;
	char last_case[INLET_CASE_MAX + 1];
	const char *problem;
};

int64_t fake_mono(void *ctx);
void fake_random(void *ctx, void *out, size_t len);
int fake_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err);
void fake_problem(void *ctx, char *out, size_t size);
int fake_open_at(struct fake *f, const char *path, struct inlet **out, struct bl_err *err);
int setup(void **state);
int teardown(void **state);
void answer_held(struct fake *f, int rc);
/* Turns until nothing is to be done; how many. */
unsigned serve(struct fake *f);

int dial_path(const char *path);
int dial(struct fake *f);
void say(int fd, const char *text);
/* Everything that has come; *end: the other side closed. */
const char *heard(int fd, bool *end);

void hear(int fd, const char *want);
void hear_the_end(int fd, const char *want);

#endif
