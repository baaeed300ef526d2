/*
 * What crosses the wire: limits and the plain structs that the encoders take
 * and the decoders fill.  The bytes themselves are in shared/WIRE.md.
 *
 * Structs here own nothing.  Strings and arrays in a decoded struct point into
 * the bytes that were decoded, or into the struct itself; where they point
 * into the bytes they are NOT terminated and come with a length (bl_str).
 */
#ifndef BRANCHLINE_WIRE_H
#define BRANCHLINE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "branchline/clock.h"

#define BL_WIRE_FORMAT 1

/* Caps.  A decoder refuses what passes one before it allocates for it. */
#define BL_BATCH_WIRE_MAX     (256u * 1024u)       /* a message, header and body */
#define BL_BATCH_RAW_MAX      (4u * 1024u * 1024u) /* a body before compression */
#define BL_INFLATE_RATIO_MAX  100u /* raw size over compressed size, above 4 KiB raw */
#define BL_BATCH_SAMPLES_MAX  65536u
#define BL_BATCH_EVENTS_MAX   8192u
#define BL_BATCH_GAPS_MAX     4096u
#define BL_BATCH_TIMES_MAX    64u           /* shared time columns of a batch */
#define BL_THIN_COUNT_MAX     (1u << 20)    /* samples that one thinned sample stands for */
#define BL_CUT_RAW_BYTES      (64u * 1024u) /* the agent cuts at this encoded size */
#define BL_RANGES_MAX         64u /* ranges of one stream in a hello, an answer, a receipt */
#define BL_LABELS_MAX         8u
#define BL_NAME_MAX           64u /* metric name, unit, label key, event type, attribute key: bytes */
#define BL_LABEL_VALUE_MAX    128u /* bytes */
#define BL_ATTRS_MAX          32u
#define BL_ATTR_VALUE_MAX     1024u /* bytes */
#define BL_EVENT_ID_MAX       64u
#define BL_DEVICE_ID_MAX      63u
#define BL_DICT_ENTRIES_MAX   65536u /* of one spool */
#define BL_CLOCK_SEGMENTS_MAX 65536u /* of one spool */
#define BL_BUNDLE_MIN         2u     /* batches in one message */
#define BL_BUNDLE_MAX         64u

enum bl_stream { BL_STREAM_EVENTS = 1, BL_STREAM_PROBES = 2, BL_STREAM_HOST = 3 };
#define BL_STREAMS 3 /* arrays by stream are indexed with stream - 1 */

enum bl_msg_type {
	BL_MSG_HELLO = 1,
	BL_MSG_ANSWER = 2,
	BL_MSG_BATCH = 3,
	BL_MSG_DICT = 4,
	BL_MSG_CLOCK = 5,
	BL_MSG_RECEIPT = 6,
	BL_MSG_PRESENCE = 7,
	BL_MSG_CENTRE = 8,
	BL_MSG_GONE = 9,
	BL_MSG_QUESTION = 10,
	BL_MSG_REPORT = 11,
	BL_MSG_BUNDLE = 12,
	BL_MSG_PACK = 13,
	BL_MSG_LAST = BL_MSG_PACK,
};

struct bl_str {
	const char *p; /* not terminated; UTF-8, checked by the decoder */
	size_t len;
};

/* UTF-8 in its shortest form, without surrogates and U+0000: what the wire takes as text. */
bool bl_wire_utf8(const char *p, size_t len);
/* Of the character that p begins with, of left > 0 bytes: its length; 0: it is no such text. */
size_t bl_wire_utf8_step(const char *p, size_t left);

struct bl_range {
	uint64_t first;
	uint64_t last; /* inclusive, >= first */
};

/* Ranges ascend and neither touch nor overlap. */
struct bl_ranges {
	uint32_t n;
	struct bl_range r[BL_RANGES_MAX];
};

/* Why a sample has no value. */
enum bl_unknown {
	BL_KNOWN = 0,
	BL_UNKNOWN_UNREADABLE = 1, /* the source could not be read */
	BL_UNKNOWN_TIMEOUT = 2,
	BL_UNKNOWN_UNSUPPORTED = 3, /* this machine does not have it */
	BL_UNKNOWN_LATE = 4,        /* the tick was missed */
};

/* Why something will never come: the reason of a ledger entry. */
enum bl_gap_reason {
	BL_GAP_OFF = 1,     /* the agent was not running */
	BL_GAP_EVICTED = 2, /* spool cap reached, dropped by priority */
	BL_GAP_DISK_FULL = 3,
	BL_GAP_DAMAGED = 4, /* what salvage could not read */
	BL_GAP_CLOCK = 5,
	BL_GAP_LOST_AT_CENTRE = 6, /* receipted once, lost there, no longer held here */
	BL_GAP_ROLLED_BACK = 7,    /* the spool file was set back to an older copy */
	BL_GAP_OVERLOAD = 8,       /* a bounded queue inside the agent was full */
	BL_GAP_VANISHED = 9,       /* accepted, and not there any more: no reason is known */
	BL_GAP_THINNED = 10, /* spool cap reached: a mean, min, max and count are there instead */
	BL_GAP_LAST = BL_GAP_THINNED,
};

struct bl_gap {
	struct bl_id spool; /* zero: the spool of the batch that carries it */
	enum bl_gap_reason reason;
	enum bl_stream stream;
	uint64_t seq_first; /* 0: a span of time, no batches */
	uint64_t seq_last;
	struct bl_id begin_boot; /* zero: unknown */
	int64_t begin_boot_ms;
	struct bl_id end_boot; /* zero: unknown */
	int64_t end_boot_ms;
	uint64_t samples; /* how many are gone; 0 when unknown */
};

/*
 * What a thinned sample stands for: `count` known samples of its series in one
 * window of boot time.  The sample itself has the time of the last of them,
 * and their mean as its value when the series is a gauge, the last value when
 * it is a counter.  A sample that stands for itself: count 1, min = max =
 * value; an unknown one: count 0.  Nothing promises that the value lies
 * between min and max (a mean may be rounded), only that min <= max.
 */
struct bl_thin {
	double min, max; /* finite */
	uint32_t count;
};

/* A counter did not begin anew: least stands no more than an eighth below where it was. */
static inline bool
bl_counter_goes_on(double before, double least)
{
	return least >= before || before - least <= before / 8;
}

/*
 * By how much a counter has grown since it stood at before, to value; t: what value stands for.  A
 * fall by more than an eighth is a reset, after which it began at 0; within a thinned sample its
 * least value tells of one, and its greatest how far it had come.  A smaller fall is a source that
 * stepped back: it has not grown.  Taken for a reset it would be all that the source ever counted,
 * a spike of hours or years.  Roll-ups, charts and KPIs all go by this.
 */
static inline double
bl_increase(double before, double value, const struct bl_thin *t)
{
	const double least = t->count > 1 && t->min < value ? t->min : value;
	const double top = t->count > 1 && t->max > value ? t->max : before;

	if (bl_counter_goes_on(before, least))
		return value > before ? value - before : 0;
	return value + (top > before ? top - before : 0);
}

enum bl_series_kind { BL_GAUGE = 1, BL_COUNTER = 2 };

struct bl_label {
	struct bl_str key;
	struct bl_str value;
};

/* One dictionary entry.  Its id is its place: 1, 2, 3 ... in order of creation. */
struct bl_series_def {
	uint32_t id;
	enum bl_stream stream;
	enum bl_series_kind kind;
	uint32_t interval_ms; /* scheduled; 0: when it happens */
	struct bl_str name;   /* "cpu_used_pct": [a-z][a-z0-9_]* */
	struct bl_str unit;   /* "pct", "bytes", "ms", "1" ... */
	uint32_t n_labels;    /* ascending by key, keys distinct */
	struct bl_label label[BL_LABELS_MAX];
};

enum bl_attr_type { BL_ATTR_NULL = 0, BL_ATTR_TEXT = 1, BL_ATTR_NUMBER = 2, BL_ATTR_BOOL = 3 };

struct bl_attr {
	struct bl_str key;
	enum bl_attr_type type;
	struct bl_str text; /* BL_ATTR_TEXT */
	double number;      /* BL_ATTR_NUMBER; finite */
	bool boolean;       /* BL_ATTR_BOOL */
};

struct bl_event {
	int64_t boot_ms;
	struct bl_str type; /* "agent.start", "probe.state", "step.begin" ... */
	struct bl_str id;   /* the caller's, unique for 24 h; empty: none */
	uint32_t n_attrs;
	struct bl_attr attr[BL_ATTRS_MAX];
};

/* One more attribute, null so far; the caller has seen that there is room.  Borrows key. */
static inline struct bl_attr *
bl_event_attr(struct bl_event *ev, struct bl_str key)
{
	struct bl_attr *a = &ev->attr[ev->n_attrs++];

	*a = (struct bl_attr){ .key = key };
	return a;
}

/* The same with a text, which is borrowed, too. */
static inline void
bl_event_text(struct bl_event *ev, const char *key, struct bl_str text)
{
	struct bl_attr *a = bl_event_attr(ev, (struct bl_str){ key, strlen(key) });

	a->type = BL_ATTR_TEXT;
	a->text = text;
}

/* Where an offset between boot time and wall time comes from. */
enum bl_clock_source {
	BL_CLOCK_UNTRUSTED = 0, /* the machine's own unsynchronised clock */
	BL_CLOCK_NTP = 1,       /* the kernel says that it is disciplined */
	BL_CLOCK_CENTRE = 2,    /* measured against the collector's time in an answer */
};

/* unix_ms = boot_ms + offset_ms for boot times from from_boot_ms on. */
struct bl_clock_segment {
	uint32_t id; /* 1, 2, 3 ... per spool */
	struct bl_id boot;
	int64_t from_boot_ms;
	int64_t offset_ms;
	uint32_t uncertainty_ms;
	enum bl_clock_source source;
};

#endif
