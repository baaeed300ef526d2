/*
 * How much may go over a metered link now: bytes an hour, in all and by class,
 * and the hours of the day in which a class may travel.  Pure: it is told what
 * the link carried and what was sent, and answers how much room there is.
 *
 * The budget is kept in windows (an hour; on whole multiples of it by the clock
 * map once that is trusted).  A window ends when its length has passed in boot
 * time, so that no step of a clock gives a budget twice; one that is cut short has
 * its part of the budget, but for the first of a process.  What link and handshakes take counts,
 * too.
 *
 *   live   may take what is left of the window, less what keeping the
 *          connection up will still take; host leaves the last quarter to
 *          probes and events, probes the last tenth to events
 *   past   the same, but no faster than the window passes, so that the backlog
 *          does not eat what live will need
 *
 * While the time of day is not known, a class that has hours waits; the first
 * answer of the centre tells it.  One thread.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/wire.h"

struct bl_tz;

#define BUDGET_WINDOW_MS 3600000
#define BUDGET_HOURS_MAX 4u
#define BUDGET_FRAME_BYTES                                                                         \
	700u /* what one message takes beside its own bytes: headers both ways,                    \
	      * acknowledgements, its part of a receipt */
#define BUDGET_LEAST_BYTES  1024u /* with less room than this nothing can go: the class is held */
#define BUDGET_PACKET_LEAST 4096u
#define BUDGET_NEVER        INT64_MAX

/* Minutes of the zone's day, [from, to); to <= from: over midnight. */
struct budget_hours {
	unsigned n; /* 0: at any time */
	struct {
		uint16_t from, to;
	} span[BUDGET_HOURS_MAX];
};

/* "22:00-06:00", up to four with commas between; "": at any time.  False: it is none. */
bool budget_hours_parse(const char *text, struct budget_hours *out);
bool budget_hours_open(const struct budget_hours *h, const struct bl_tz *tz, int64_t unix_ms);
/* When they open next, at most two days on (a minute's precision); now when they are open. */
int64_t budget_hours_next(const struct budget_hours *h, const struct bl_tz *tz, int64_t unix_ms);

struct budget_class {
	uint64_t bytes_per_hour; /* 0: no limit of its own */
	struct budget_hours hours;
};

struct budget_conf {
	uint64_t bytes_per_hour; /* 0: no limit for all together */
	int64_t window_ms;       /* BUDGET_WINDOW_MS */
	const struct bl_tz *tz;  /* kept */
	int64_t keepalive_ms;    /* how often the connection is kept up */
	struct budget_class class[BL_STREAMS];
};

/* What outlives the process. */
struct budget_saved {
	struct bl_id boot; /* of ends_boot_ms */
	int64_t ends_boot_ms;
	int64_t window; /* unix time / window_ms; INT64_MIN: not known */
	uint64_t used_bytes;
	uint64_t class_bytes[BL_STREAMS];
};

struct budget {
	struct budget_conf conf;
	struct budget_saved at;
	bool metered;      /* some limit is set */
	bool foreign;      /* the window began in another boot, so its end is not known */
	bool begun;        /* this is not the first window */
	int64_t length_ms; /* that the present one has the budget of */
};

struct budget_now {
	int64_t boot_ms;
	bool trusted; /* the clock map knows unix_ms */
	int64_t unix_ms;
};

struct budget_room {
	/* Bytes that may go now, each message costing BUDGET_FRAME_BYTES more than it is long. */
	uint64_t live[BL_STREAMS], past[BL_STREAMS];
	uint8_t held;          /* bit stream - 1: nothing of it may go, not even live */
	int64_t again_boot_ms; /* look again then: there may be more; BUDGET_NEVER: all is open */
};

void budget_init(struct budget *b, const struct budget_conf *conf, const struct bl_id *boot,
    const struct budget_now *now);
/* Other limits; what is spent stays spent. */
void budget_change(struct budget *b, const struct budget_conf *conf, const struct budget_now *now);
/* What an earlier process saved: adds to what this one spent meanwhile.  Once, at the start. */
void budget_restore(
    struct budget *b, const struct budget_saved *saved, const struct budget_now *now);

/* What the link carried since the last call, both ways. */
void budget_carried(struct budget *b, const struct budget_now *now, uint64_t bytes);
/* A batch of a class went out.  shares: in the message of another, which has paid for that. */
void budget_sent(struct budget *b, const struct budget_now *now, enum bl_stream stream,
    size_t bytes, bool shares);

/* It did not go after all. */
void budget_unsent(struct budget *b, const struct budget_now *now, enum bl_stream stream,
    size_t bytes, bool shares);

/* under_way: bytes handed out that the link may not have carried yet, with their extra cost. */
void budget_room(
    struct budget *b, const struct budget_now *now, uint64_t under_way, struct budget_room *out);

/* The largest message that lets several go in a window; 0: no limit by this. */
size_t budget_packet(const struct budget *b);
/* Of the present window; 0: no limit for all together. */
uint64_t budget_window_bytes(const struct budget *b);
/* When a held class may go again, in boot time; BUDGET_NEVER: not known. */
int64_t budget_opens(const struct budget *b, const struct budget_now *now, enum bl_stream stream);

#endif
