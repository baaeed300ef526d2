/*
 * The history of a device's link as spans: what came at once, what was filled in
 * after an outage, what will never come and why, what is still to come, and what
 * nobody knows.
 *
 * Pure, but for store_read_link (store_read_link.c), which fetches the facts.
 * Spans ascend, touch, and cover what was asked for up to the present; there is
 * no future in them.  Of two states the later one in the enum is the worse, and
 * outweighs the other where lists or slots are joined: nothing bad is hidden.
 */
#ifndef STORE_LINK_H
#define STORE_LINK_H

#include "store_read.h"

enum store_link_state {
	STORE_LINK_ONLINE,    /* came before it was late */
	STORE_LINK_FILLED_IN, /* came, but late: there was no link, or none to spare */
	STORE_LINK_THINNED,   /* came as means of windows, not sample by sample */
	STORE_LINK_WAITING,   /* the device has it and will send it */
	STORE_LINK_UNKNOWN,   /* did not come, and nothing is known of it (yet) */
	STORE_LINK_GAP,       /* will never come: the ledger says why */
	STORE_LINK_STATES
};

struct store_link_span {
	int64_t from_unix_ms, to_unix_ms; /* to: exclusive */
	enum store_link_state state;
	int reason;              /* of store_gap_reason_name; 0: none */
	int64_t arrived_unix_ms; /* of the last of it; NONE: nothing came */
	int64_t lasted_ms;       /* how much of it was so; less than all where slots were joined */
};

/* Zero to begin with. */
struct store_link_spans {
	struct store_link_span *s; /* owned */
	size_t n, size;
};

/* What came, ordered by begin; rows may overlap. */
struct store_link_came {
	int64_t begin, end, first_arrived, arrived;
};

struct store_link_time {
	int64_t from, to;
};

/* Borrowed; times are Unix milliseconds. */
struct store_link_facts {
	int64_t from, to, now;
	/* What arrived no later than this after it happened came at once. */
	int64_t late_ms;
	const struct store_link_came *came;
	size_t n_came;
	/* What did not, with reasons; ascending, apart. */
	const struct store_span *hole;
	size_t n_holes;
	/* Stretches of which the ledger says that they were thinned; ascending by begin. */
	const struct store_link_time *thinned;
	size_t n_thinned;
	/* When anything was expected at all; NULL: always.  Ascending, apart. */
	const struct store_link_time *service;
	size_t n_service;
	bool online; /* the device is there now */
	/* The device has said that it still has what it collected in that time; from >= to:
	 * nothing. */
	struct store_link_time waiting;
};

/* Appends to out.  BL_OK or BL_ENOMEM. */
int store_link_build(const struct store_link_facts *f, struct store_link_spans *out);

/*
 * The worst of all lists at every moment, into out (empty).  A list that knows nothing at
 * all (every span UNKNOWN) is left out unless all are such.  BL_OK or BL_ENOMEM.
 */
int store_link_combine(const struct store_link_spans *list, size_t n, struct store_link_spans *out);

/*
 * At most max (>= 2) spans: when there are more, the worst of each slot of equal length
 * stands for it, and what is alike is joined.  *slot_ms: the slot's length, 0 when all are as
 * they were.  BL_OK or BL_ENOMEM (l is then as it was).
 */
int store_link_coarsen(struct store_link_spans *l, size_t max, int64_t *slot_ms);

/* How long each state lasted. */
void store_link_sum(const struct store_link_spans *l, int64_t ms[STORE_LINK_STATES]);

/* "online", "filled_in", "thinned", "waiting", "unknown", "gap" */
const char *store_link_state_name(enum store_link_state state);

void store_link_free(struct store_link_spans *l);

/* ---- store_read_link.c ---- */

struct store_link_query {
	const char *device;
	enum bl_stream stream;
	int64_t from_unix_ms, to_unix_ms; /* from < to */
	int64_t now_unix_ms;
	int64_t late_ms;
	const struct store_link_time *service; /* as in the facts */
	size_t n_service;
	bool online;
	struct store_link_time waiting;
};

/* Appends to out.  A device never heard of has unknown spans.  BL_EFULL: too much for one answer.
 */
int store_read_link(struct store_read *r, const struct store_link_query *q,
    struct store_link_spans *out, struct bl_err *err);

#endif
