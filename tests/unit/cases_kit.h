/*
 * Three devices at two sites, processes defined by hand, events written as lines,
 * and all that came of them as text.
 */
#ifndef CASES_KIT_H
#define CASES_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cases.h"
#include "control.h"
#include "control_kit.h"
#include "control_sql.h"
#include "nomem.h"

struct fixture {
	struct control_kit kit;
	sqlite3 *db; /* of its own, not durable: what is tested is not the disk */
	struct roster *roster;
	struct define_set set;
	struct define_process process[3];
	/* of the last delivery */
	struct cases_change change[64];
	size_t n_changes;
	uint64_t refused;
	int taken;
};

void must(int rc, const struct bl_err *err);
void run(struct fixture *f, const char *sql);
void load_roster(struct fixture *f);
void make_places(struct fixture *f);
void make_process(
    struct define_process *p, const char *id, int64_t version, int64_t from, int64_t until);
void set_done(struct define_process *p, const char *text);
/* "order": ends with the step ship; from 5000 on with pack.  "visit": by an expression. */
void make_processes(struct fixture *f);

int setup(void **state);
int teardown(void **state);
/*
 * "device time type case step key=value ...": type begin, end or event; - for none.
 * A value that begins with a digit is a number, true and false are booleans, null
 * is null; id=... is the caller's id, boot=... the boot time (else the time).
 */
struct line {
	char text[512];
	char *word[40];
	size_t n_words;
	char type[BL_NAME_MAX + 1];
	struct bl_event ev;
	int64_t unix_ms;
};

struct bl_str str(const char *s);
void add_attr(struct bl_event *ev, const char *key, const char *value);
void parse(struct line *l, const char *text, size_t len);
int try_line(struct fixture *f, struct cases_changes *l, const char *text, size_t len,
    int64_t batch, uint32_t n, struct bl_err *err);
void take_line(struct fixture *f, struct cases_changes *l, const char *text, size_t len,
    int64_t batch, uint32_t n);
void settle(struct fixture *f, struct cases_changes *l);
/* One transaction: lines as one batch. */
void deliver(struct fixture *f, int64_t batch, const char *lines);

struct text {
	char *p;
	size_t len, size;
	struct sqlite3 *db;
};

void __attribute__((format(printf, 2, 3))) say(struct text *t, const char *format, ...);
void say_span(struct text *t, int64_t begin, int64_t end);
bool say_step(void *ctx, const struct cases_step *s);
bool say_case(void *ctx, const struct cases_row *c);
bool say_event(void *ctx, const struct cases_event_row *e);
/* In an order that every database shares, which that of the numbers is not. */
struct text all(struct fixture *f, bool with_events);

void assert_cases(struct fixture *f, const char *expected);
void forget_all(struct fixture *f);
int64_t only_no(struct fixture *f);

#endif
