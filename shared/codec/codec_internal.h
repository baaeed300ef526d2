/*
 * What the files of the codec share.  shared/WIRE.md has the bytes; the names
 * here follow its chapters: integer sequences (ints_), series columns
 * (column_), time columns (times_), doubles by XOR (xor_), sections, text.
 */
#ifndef CODEC_INTERNAL_H
#define CODEC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/batch.h"
#include "branchline/message.h"

#include "bits_internal.h"

/* Times beyond +-2^53 ms are refused on both sides, so that no sum of two overflows. */
#define CODEC_MS_MAX (INT64_C(1) << 53)

static inline bool
codec_ms_ok(int64_t ms)
{
	return ms >= -CODEC_MS_MAX && ms <= CODEC_MS_MAX;
}

/* ---- prefix and sections ---- */

void codec_put_prefix(struct bl_buf *out, enum bl_msg_type type);
/* Checks prefix and type; *rd stands behind it. */
int codec_get_prefix(const void *msg, size_t len, enum bl_msg_type type, const char *what,
    struct bl_rd *rd, struct bl_err *err);

/* A section around what is written between begin and end; its length field is one to three bytes.
 */
void codec_put_section(struct bl_buf *out, unsigned tag, const struct bl_buf *content);
/* 1: a section; 0: the end; BL_ECORRUPT. */
int codec_get_section(struct bl_rd *rd, uint64_t *tag, struct bl_rd *content);

/*
 * One known section of a message.  per_stream: its content begins with a
 * stream, and it comes once for each; required then means all three.
 */
struct codec_section {
	unsigned tag; /* 1..7, 0 ends a table */
	bool required;
	bool per_stream;
	const char *name;
	/* Reads the content; sets rd->failed on anything wrong.  stream: 1..3, or 0. */
	void (*get)(struct bl_rd *rd, void *out, unsigned stream);
};

/* Prefix and all sections.  Unknown ones are counted in *unknown. */
int codec_get_message(const void *msg, size_t len, enum bl_msg_type type, const char *what,
    const struct codec_section *known, void *out, uint32_t *unknown, struct bl_err *err);

void codec_put_id(struct bl_buf *out, const struct bl_id *id);
void codec_get_id(struct bl_rd *rd, struct bl_id *id);
void codec_put_ranges(struct bl_buf *out, const struct bl_ranges *rs);
/* Sets rd->failed on anything but ascending ranges within the cap. */
void codec_get_ranges(struct bl_rd *rd, struct bl_ranges *rs);
bool codec_ranges_ok(const struct bl_ranges *rs);
/* A text of min..max bytes; sets rd->failed when it is not UTF-8 without U+0000. */
struct bl_str codec_get_text(struct bl_rd *rd, size_t min, size_t max);
/* The same, into a terminated array. */
void codec_get_cstr(struct bl_rd *rd, char *out, size_t size);
void codec_put_text(struct bl_buf *out, struct bl_str s);
bool codec_utf8(const char *p, size_t len);
bool codec_text_ok(struct bl_str s, size_t min, size_t max);

/*
 * Ends an encoder: out goes back to where it was at len0 unless it holds a
 * whole message.  Returns BL_OK or BL_ENOMEM.
 */
int codec_finish(struct bl_buf *out, size_t len0, bool failed0);

/* ---- compression ---- */

/*
 * Appends raw, deflated when that is smaller, as it is otherwise.  The stored
 * form is known by its length, which equals raw's.
 */
int codec_deflate(struct bl_buf *out, const void *raw, size_t len);
/* raw is reset first.  Checks size, ratio, checksum. */
int codec_inflate(const char *what, const uint8_t *body, size_t body_len, size_t raw_bytes,
    uint32_t crc32, struct bl_buf *raw, struct bl_err *err);
/* False: a body of body_len may not state raw_bytes. */
bool codec_ratio_ok(size_t raw_bytes, size_t body_len);
uint32_t codec_crc32(const void *p, size_t len);

/* ---- residuals: Rice and Exp-Golomb codes in two planes ---- */

#define CODEC_K_MAX 31u
#define CODEC_K_ANY 64u /* no k is nearer than another */

struct codec_code {
	bool expg;
	unsigned k; /* 0..31 */
};

/*
 * The cheaper code for n residuals, and its length in bits; what it costs to
 * name a k that differs from last_k is in it, unless that is CODEC_K_ANY.
 */
struct codec_code codec_code_choose(const uint64_t *u, size_t n, unsigned last_k, uint64_t *bits);
/* The same by what the mean makes likely, and the code that was taken before. */
struct codec_code codec_code_quick(
    const uint64_t *u, size_t n, unsigned last_k, bool expg_likely, uint64_t *bits);
void codec_code_put(struct bl_bits_w *out, struct codec_code code, const uint64_t *u, size_t n);
/* Moves r from the unary parts behind n residuals; *rest_at is where the rests begin. */
bool codec_planes_end(struct bl_bits_r *r, struct codec_code code, size_t n, uint32_t *rest_at);

struct codec_planes {
	struct bl_bits_r unary, rest;
};

/* Only after codec_planes_end has found the end. */
static inline uint64_t
codec_planes_next(struct codec_planes *pl, bool expg, unsigned k)
{
	const unsigned q = bl_bits_unary(&pl->unary);

	if (!expg)
		return ((uint64_t)q << k) + bl_bits_get_few(&pl->rest, k);
	/* codec_planes_end has seen that k + q <= 63. */
	return (((UINT64_C(1) << (q & 63)) - 1) << k) + bl_bits_get(&pl->rest, k + q);
}

/* ---- numbers ---- */

enum codec_encoding {
	ENC_CONST_INT = 0,
	ENC_PREDICTED = 1, /* with a Rice code, once read */
	ENC_EXPG = 2,      /* predicted, with an Exp-Golomb code */
	ENC_RUNS = 3,
	ENC_XOR = 4,
	ENC_CONST_F64 = 5,
	ENC_NONE = 6,
	ENC_ZERO = 7, /* in the head only: a constant */
};

#define CODEC_SCALE_SHIFT 7u
#define CODEC_SLOPED      4u /* predictors 4..7 follow the slope, 0..3 the level */
#define CODEC_INT_MAX     (INT64_C(1) << 53)
#define CODEC_CODING_FIRST                                                                         \
	{                                                                                          \
		.encoding = ENC_PREDICTED, .k = 6, .class = 20                                     \
	}

/* Values that are stated before the residuals. */
static inline unsigned
codec_given(unsigned predictor)
{
	return predictor >= CODEC_SLOPED ? 2 : 1;
}

/* The parameter that a first slope is coded with. */
static inline unsigned
codec_slope_k(unsigned k)
{
	return k < CODEC_K_MAX ? k + 1 : CODEC_K_MAX;
}

/* 1: |v| > 2^53. */
static inline uint64_t
codec_int_beyond(int64_t v)
{
	return (uint64_t)v + (uint64_t)CODEC_INT_MAX > 2 * (uint64_t)CODEC_INT_MAX;
}

static inline bool
codec_int_ok(int64_t v)
{
	return codec_int_beyond(v) == 0;
}

static inline bool
codec_is_constant(const struct bl_numbers *x)
{
	return x->encoding == ENC_CONST_INT || x->encoding == ENC_CONST_F64;
}

/* Reads the head of n numbers and moves r behind them.  False: ill-formed. */
bool codec_numbers_get(
    struct bl_bits_r *r, struct bl_coding *last, uint32_t n, struct bl_numbers *x);

/*
 * The same for runs behind their scale: x->k codes the lengths, x->predictor
 * the differences, x->slope is how many.
 */
bool codec_runs_get(struct bl_bits_r *r, uint8_t *class, struct bl_numbers *x);

struct codec_ints {
	const struct bl_numbers *x;
	struct codec_planes planes; /* runs: all in the first */
	uint64_t level, slope;
	size_t at;               /* values or runs given so far */
	uint64_t run_left, left; /* of this run, of all after it */
};

/* Only after codec_numbers_get. */
void codec_ints_init(struct codec_ints *s, const struct bl_numbers *x);
/* False: an integer beyond 2^53. */
bool codec_ints_next(struct codec_ints *s, int64_t *out, size_t n);

void codec_xor_put(struct bl_bits_w *out, const double *v, size_t n);

struct codec_xor {
	struct bl_bits_r bits;
	size_t end;
	uint64_t last;
	unsigned lead, len;
	bool begun, finite;
};

void codec_xor_init(struct codec_xor *x, const struct bl_numbers *numbers);
/* False: a value that must not be, a window out of bounds, or bits beyond the end. */
bool codec_xor_next(struct codec_xor *x, double *out, size_t n);
bool codec_xor_done(const struct codec_xor *x);
/* A number and, if so asked, a finite one. */
bool codec_bits_ok(uint64_t bits, bool finite);

/* Walks numbers in order; x must outlive it. */
struct codec_walk {
	const struct bl_numbers *x;
	union {
		struct codec_ints ints;
		struct codec_xor floats;
	} of;
};

void codec_walk_init(struct codec_walk *w, const struct bl_numbers *x);
/* False: a value that must not be, or that its encoding does not allow. */
bool codec_walk_doubles(struct codec_walk *w, double *out, size_t n);
/* Not for ENC_XOR and ENC_CONST_F64. */
bool codec_walk_ints(struct codec_walk *w, int64_t *out, size_t n);
bool codec_walk_done(const struct codec_walk *w);
/* All three in one: whether the numbers decode. */
bool codec_walk_check(const struct bl_numbers *x);

/* True when v is m / 10^e with |m| <= 2^53, bit for bit. */
bool codec_decimal(double v, unsigned e, int64_t *m);
double codec_scaled(int64_t m, unsigned scale, unsigned shift);
void codec_scale_ints(unsigned scale, unsigned shift, const int64_t *m, double *out, size_t n);

/* Arrays of at least n entries. */
struct codec_scratch {
	double *known;
	int64_t *ints;
	uint64_t *residuals;
};

/* n > 0 doubles, none of them NaN.  known may be d. */
void codec_numbers_put(struct bl_bits_w *out, struct bl_coding *last, const double *d, size_t n,
    const struct codec_scratch *scratch);
/* n > 0 integers at a scale; effort and hint as in seq.h. */
struct codec_ints_in {
	const int64_t *m;
	size_t n;
	uint8_t scale, shift;
	bool quick;
	uint8_t hint;
};

void codec_ints_put(struct bl_bits_w *out, struct bl_coding *last, const struct codec_ints_in *in,
    uint64_t *residuals);
/* Says an encoding that is not predicted. */
void codec_encoding_put(struct bl_bits_w *out, struct bl_coding *last, unsigned encoding);
/* What seq.h calls a hint. */
uint8_t codec_hint(const struct bl_numbers *x);

/* ---- time columns ---- */

/* Without its count.  base: the header's event_begin_ms.  scratch: n entries. */
void codec_times_put(
    struct bl_bits_w *out, int64_t base_ms, const int64_t *t, size_t n, uint64_t *scratch);
/* Moves r behind a column of n times. */
bool codec_times_end(struct bl_bits_r *r, uint32_t n);
/* False: ill-formed, a time outside the range, or descending. */
bool codec_times_get(
    struct bl_bits_r *r, int64_t base_ms, int64_t last_ms, uint32_t n, int64_t *out);

/* ---- series columns ---- */

struct codec_column_in {
	uint32_t series_id;
	int32_t time_index; /* -1: own times */
	int64_t base_ms;
	const int64_t *times; /* n; own times only */
	const double *values; /* n; what unknown samples have is ignored */
	const uint8_t *unknown;
	size_t n;
};

void codec_column_put(struct bl_bits_w *out, struct bl_column_state *st,
    const struct codec_column_in *in, const struct codec_scratch *scratch);

/* Reads the column at r, which is moved behind it, into c; NULL or what is wrong. */
const char *codec_column_get(struct bl_batch_reader *b, struct bl_bits_r *r, struct bl_column *c);
bool codec_column_times(const struct bl_batch_reader *b, const struct bl_column *c, int64_t *out);
void codec_column_reasons(const struct bl_column *c, uint8_t *out);

/* Numbers that are no series, beginning and ending on a byte, all of them finite: n > 0. */
void codec_seq_put(
    struct bl_buf *out, const double *v, size_t n, const struct codec_scratch *scratch);
/* Finds the end; x is then what codec_walk_init takes.  False: ill-formed. */
bool codec_seq_get(struct bl_rd *rd, uint32_t n, struct bl_numbers *x);

/* ---- thinned samples ---- */

/* Reads the head of section THIN.  NULL or what is wrong. */
const char *codec_thin_head(struct bl_batch_reader *r, const struct bl_rd *content);
/* Gives the column its part of section THIN, if it has one.  NULL or what is wrong. */
const char *codec_thin_find(struct bl_batch_reader *r, struct bl_column *c);
/* Walks what the column has in section THIN. */
bool codec_thin_verify(const struct bl_column *c);

/* ---- events and gaps ---- */

int codec_event_check(const struct bl_event *ev);
void codec_event_put(struct bl_buf *out, const struct bl_event *ev, int64_t *last_ms);
bool codec_gap_ok(const struct bl_gap *gap);
void codec_gap_put(struct bl_buf *out, const struct bl_gap *gap, const struct bl_id *boot);
bool codec_event_get(struct bl_rd *rd, struct bl_event *ev, int64_t *last_ms);
bool codec_gap_get(struct bl_rd *rd, struct bl_gap *gap, const struct bl_id *boot);

/* ---- header ---- */

/* NULL, or the name of the field that is out of its bounds. */
const char *codec_header_bad(const struct bl_batch_header *h);
/* deflated: the body that follows is shorter than it was, and raw_bytes must be said. */
void codec_header_put(struct bl_buf *out, const struct bl_batch_header *h, bool deflated);

enum { SEC_TIMES = 1, SEC_COLUMNS = 2, SEC_EVENTS = 3, SEC_GAPS = 4, SEC_THIN = 5 };

#endif
