/*
 * The batch: the unit of delivery.  shared/WIRE.md has the bytes.
 *
 * Pure code, any thread, no I/O.  An encoder is fed samples, events and gaps
 * in any order and writes one message; a decoder believes no length before it
 * is checked and reads nothing beyond the bytes it was given.
 */
#ifndef BRANCHLINE_BATCH_H
#define BRANCHLINE_BATCH_H

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

enum bl_batch_kind { BL_BATCH_NORMAL = 0, BL_BATCH_SUPERSEDES = 1 };

struct bl_batch_header {
	struct bl_id spool;
	struct bl_id boot; /* of every time below and of every sample in it */
	enum bl_stream stream;
	enum bl_batch_kind kind;
	uint64_t seq;             /* from 1 */
	int64_t collect_begin_ms; /* boot time; consecutive batches of a stream touch */
	int64_t collect_end_ms;
	int64_t event_begin_ms; /* boot time of the first and last thing inside; */
	int64_t event_end_ms;   /* both equal collect_begin_ms when empty */
	uint32_t dict_version;  /* highest series id used; 0: none */
	uint64_t next_seq;      /* of this stream, when offered: changes between offers */
	uint64_t lowest_held;   /* of this stream, when offered; next_seq: nothing held */
	uint32_t n_samples;
	uint32_t n_events;
	uint32_t n_gaps;
	uint64_t supersedes_first; /* BL_BATCH_SUPERSEDES only, else 0 */
	uint64_t supersedes_last;
	uint32_t raw_bytes; /* body before compression */
	uint32_t crc32;     /* RFC 1952 CRC-32 of the body before compression */
};

/* ---- encoding ---- */

struct bl_batch_enc;

/* NULL: out of memory.  Holds at most BL_BATCH_SAMPLES_MAX samples and the like. */
struct bl_batch_enc *bl_batch_enc_create(void);
void bl_batch_enc_free(struct bl_batch_enc *e);
/* Forgets the content; keeps a little memory, gives back the rest. */
void bl_batch_enc_reset(struct bl_batch_enc *e);

/*
 * Adds one sample.  unknown != BL_KNOWN: value is ignored.  Infinite values
 * come back as they are, like every other; NaN is no value and is stored as
 * BL_UNKNOWN_UNREADABLE.  In any order of time: finishing sorts each series,
 * and keeps the order of those of one instant.  BL_EFULL: a cap was reached,
 * nothing was added.
 */
int bl_batch_enc_sample(struct bl_batch_enc *e, uint32_t series_id, int64_t boot_ms, double value,
    enum bl_unknown unknown);
/*
 * Adds one sample that stands for t->count known ones (t->count 1: for itself;
 * min and max do not matter then).  BL_EINVAL: a value that is not finite, min
 * above max, a count of 0 or above BL_THIN_COUNT_MAX; else as above.
 */
int bl_batch_enc_thin(struct bl_batch_enc *e, uint32_t series_id, int64_t boot_ms, double value,
    const struct bl_thin *t);
/*
 * A mean as it is worth sending: rounded to two decimal places more than min
 * and max have (six at most; not at all when they are no decimals) and brought
 * back between them.  So a mean costs a few bits and not eight bytes, and is
 * off by at most half a hundredth of the last place that the series has (half
 * of the sixth place when it has more than four).
 */
double bl_thin_round(double mean, double min, double max);
/* Copies what ev points to.  BL_EINVAL: a cap of wire.h is passed.  BL_EFULL as above. */
int bl_batch_enc_event(struct bl_batch_enc *e, const struct bl_event *ev);
int bl_batch_enc_gap(struct bl_batch_enc *e, const struct bl_gap *gap);
/* A guess, rather too high, of the raw body so far; the cutter compares it with BL_CUT_RAW_BYTES.
 */
size_t bl_batch_enc_raw_guess(const struct bl_batch_enc *e);
uint32_t bl_batch_enc_samples(const struct bl_batch_enc *e);

/*
 * Writes the message to out (appended).  Of h the caller sets spool, boot,
 * stream, kind, seq, collect_*, next_seq, lowest_held, supersedes_*; the rest
 * is filled in.  next_seq 0 stands for seq + 1, lowest_held 0 for seq.  Event
 * times are those of samples and events.
 * BL_EFULL: over BL_BATCH_WIRE_MAX; BL_EINVAL: a field of h is out of bounds;
 * BL_ENOMEM.  out is then as before.
 */
int bl_batch_enc_finish(
    struct bl_batch_enc *e, struct bl_batch_header *h, struct bl_buf *out, struct bl_err *err);

/*
 * Rewrites next_seq and lowest_held of an encoded message for another offer:
 * copies msg to out with the two fields replaced, by which it may become up to
 * 18 bytes longer or shorter.  The body is not touched.
 */
int bl_batch_reoffer(const void *msg, size_t len, uint64_t next_seq, uint64_t lowest_held,
    struct bl_buf *out, struct bl_err *err);

/* ---- decoding ---- */

/*
 * Reads the header alone; nothing is inflated.  *body and *body_len are the
 * compressed body inside msg.  BL_ECORRUPT with the field's name, BL_ENEWER
 * for a format that this build does not know.
 */
int bl_batch_header_decode(const void *msg, size_t len, struct bl_batch_header *h,
    const uint8_t **body, size_t *body_len, struct bl_err *err);

/*
 * Inflates a body to raw (reset first; its cap should be >= BL_BATCH_RAW_MAX)
 * and checks size, ratio and checksum.
 */
int bl_batch_inflate(const struct bl_batch_header *h, const uint8_t *body, size_t body_len,
    struct bl_buf *raw, struct bl_err *err);

/* Private: what one sequence of numbers hands to the next. */
struct bl_coding {
	uint8_t encoding, k, predictor, scale, shift;
	uint8_t class; /* of the last number: how long it was, and its sign */
	bool expg;
};

/* Private: numbers, still encoded.  Positions are bits from p on. */
struct bl_numbers {
	const uint8_t *p;
	uint32_t bytes; /* what may be read; the end itself lies before */
	uint32_t n;
	uint32_t unary_at, rest_at;
	int64_t first, slope;
	uint8_t encoding, k, predictor, scale, shift;
	bool finite; /* nothing infinite is among them */
};

/* One series of a batch, still encoded. */
struct bl_column {
	uint32_t series_id;
	uint32_t n;         /* samples, known and unknown */
	int32_t time_index; /* >= 0: columns with the same one share their times; -1: own times */
	/* private to the codec: */
	uint32_t times_at, unknown_at; /* in bits; unknown_at 0: every sample is known */
	const uint8_t *times;          /* the bytes that times_at counts from */
	uint32_t times_bytes;
	struct bl_numbers known;        /* of the known samples */
	const uint8_t *thin, *thin_end; /* of section THIN; NULL: every sample is for itself */
};

/* Private: what one column hands to the next. */
struct bl_column_state {
	uint32_t series_id;
	uint32_t time_index;
	struct bl_coding coding;
};

/* A cursor over an inflated body; borrows raw and h. */
struct bl_batch_reader {
	const struct bl_batch_header *h;
	uint32_t columns_left, events_left, gaps_left;
	uint32_t unknown_sections; /* kept, skipped, counted */
	/* private to the codec: */
	const uint8_t *columns, *times; /* bits of the two sections */
	uint32_t columns_bytes, times_bytes;
	uint32_t columns_at; /* in bits: the next column */
	struct bl_rd events, gaps, thin;
	uint32_t thin_left, thin_id; /* series of section THIN to come; id of the one before */
	int64_t event_ms;            /* time of the last event read */
	uint32_t samples_left;       /* of the header's count */
	struct bl_column_state state;
	uint32_t n_times;
	struct bl_time_column {
		uint32_t at, n; /* in bits: behind its count */
	} time[BL_BATCH_TIMES_MAX];
};

/* Checks the section structure.  The header's counts must agree with the body. */
int bl_batch_reader_init(struct bl_batch_reader *r, const struct bl_batch_header *h,
    const void *raw, size_t len, struct bl_err *err);
/* 1: *c filled; 0: no more; negative: BL_ECORRUPT. */
int bl_batch_next_column(struct bl_batch_reader *r, struct bl_column *c, struct bl_err *err);
/*
 * Decodes a column into the caller's arrays of c->n entries (boot ms, value,
 * enum bl_unknown).  An unknown sample's value is NaN, a known one's may be
 * infinite.  unknown may be NULL, and so may boot_ms: for a time_index that the
 * caller has decoded before.
 */
int bl_column_decode(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *boot_ms,
    double *value, uint8_t *unknown, struct bl_err *err);
/* Whether any sample of the column stands for more than itself. */
static inline bool
bl_column_is_thin(const struct bl_column *c)
{
	return c->thin != NULL;
}
/*
 * What each sample of a column stands for, into the caller's array of c->n
 * entries; value and unknown are what bl_column_decode has given (unknown may
 * be NULL).  An unknown sample has count 0 and NaN.
 */
int bl_column_thin(const struct bl_batch_reader *r, const struct bl_column *c, const double *value,
    const uint8_t *unknown, struct bl_thin *out, struct bl_err *err);
/*
 * For whoever sums, compares or shows what was decoded: infinite values become
 * unknown (BL_UNKNOWN_UNREADABLE, NaN), as NaN has become where it was encoded.
 * Arrays as bl_column_decode and bl_column_thin have filled them; thin may be
 * NULL.  It costs nothing where a column's encoding holds no doubles.
 */
void bl_column_drop_infinite(
    const struct bl_column *c, double *value, uint8_t *unknown, struct bl_thin *thin);
/* 1, 0 or negative as above.  Strings point into raw. */
int bl_batch_next_event(struct bl_batch_reader *r, struct bl_event *ev, struct bl_err *err);
int bl_batch_next_gap(struct bl_batch_reader *r, struct bl_gap *gap, struct bl_err *err);

/*
 * Walks everything once (columns decoded into scratch): BL_OK means that no
 * later call on this batch can fail.  What the collector asks before it stores.
 */
int bl_batch_verify(
    const struct bl_batch_header *h, const void *raw, size_t len, struct bl_err *err);

#endif
