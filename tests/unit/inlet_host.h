/*
 * What an inlet is given, for tests: a struct inlet_host that writes down what it is told, answers
 * reports when the test says so, and a clock that stands still until it is moved.
 *
 *	struct fake_host *h = fake_host_create("/tmp/state");
 *	assert_int_equal(ops->open(&in, &conf, &h->host, &err), BL_OK);
 *	fake_host_inlet(h, ops, in);
 *	...
 *	assert_string_equal(fake_host_said(h), "metric a_total=3 unit=1 kind=counter id=7
 *{source=x}\n"); fake_host_answer(h, 0);
 */
#ifndef INLET_HOST_H
#define INLET_HOST_H

#include "inlet_ops.h"

#define FAKE_HOST_UNIX_MS                                                                          \
	INT64_C(1790000000000) /* 2026-09-21T14:13:20Z; boot and mono begin at 1,000,000 */
#define FAKE_HOST_SERIES 4096
#define FAKE_HOST_HELD   256 /* reports under way at most, whatever room says */

struct fake_series {
	char key[512]; /* NAME, or NAME{k=v,k=v} */
	char unit[BL_NAME_MAX + 1];
	enum bl_series_kind kind;
	uint32_t interval_ms;
	double value;            /* put last; NAN: unknown, or never put */
	enum bl_unknown unknown; /* why */
	unsigned n_tick;         /* put since fake_host_tick */
	uint64_t n;              /* put, known or unknown, ever */
};

struct fake_host {
	struct inlet_host host; /* for ops->open */
	struct bl_clock clock;
	int64_t ms;      /* since the beginning; all three clocks follow it */
	int64_t unix_ms; /* at the beginning */
	const struct inlet_ops *ops;
	void *in;

	/* reports */
	int rc;              /* of the next ones; below 0: not taken, rc_text says why */
	const char *rc_text; /* NULL: a sentence of the fake's own */
	unsigned room;       /* under way at most; beyond: BL_EFULL.  At first FAKE_HOST_HELD */
	bool at_once;        /* fake_host_turn answers 0 by itself */
	const char *problem; /* "" at first */
	uint64_t reports;    /* taken, ever */
	unsigned n_held;
	uint64_t held[FAKE_HOST_HELD]; /* their tokens, in order */
	char *said;                    /* a line for each report that was taken */
	size_t said_len, said_size;

	/* samples */
	struct sample_sink sink;
	struct fake_series *series;
	int32_t n_series, max_series; /* beyond: BL_EFULL.  At first FAKE_HOST_SERIES */
	unsigned flushes;
	uint64_t lost; /* told to host.lost */
	int64_t flushed_boot_ms;
	unsigned unflushed; /* put and not flushed yet */
};

/* Ends the test when there is no memory.  state_dir is kept; ticks are 10 s apart. */
struct fake_host *fake_host_create(const char *state_dir);
/* Not the inlet.  NULL is fine. */
void fake_host_free(struct fake_host *h);
/* Whose answers they are. */
void fake_host_inlet(struct fake_host *h, const struct inlet_ops *ops, void *in);

/*
 * The lines of the reports that were taken since the last call; good until the next one.
 *	event TYPE [id=ID] [at=MS] KEY=VALUE ...		in the order of the report
 *	metric NAME=VALUE unit=U kind=gauge|counter [id=ID] [at=MS] [{KEY=VALUE,...}]
 * Text as it is, without quotes; numbers as %.15g; null and booleans as words.
 */
const char *fake_host_said(struct fake_host *h);
/* Answers all that is under way with rc (ops->done); those that come meanwhile wait. */
void fake_host_answer(struct fake_host *h, int rc);
/* The oldest alone; false: there is none. */
bool fake_host_answer_one(struct fake_host *h, int rc);

/* Serves while the descriptor is ready or the deadline has come, and answers when at_once; how many
 * turns.  Ends the test after 100,000: a spin. */
unsigned fake_host_turn(struct fake_host *h);
void fake_host_pass(struct fake_host *h, int64_t ms); /* time, and what is due then */

/* An agent's tick: ops->tick, and what was put is handed on.  Each series is put once at most. */
void fake_host_tick(struct fake_host *h);
/* NULL: nobody declared it. */
const struct fake_series *fake_host_series(const struct fake_host *h, const char *key);
/* The value put last; ends the test when there is no such series. */
double fake_host_value(const struct fake_host *h, const char *key);
/* One of ops->count; ends the test when it has no such name. */
uint64_t fake_host_count(const struct fake_host *h, const char *name);

#endif
