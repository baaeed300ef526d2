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

struct codec_code {
	bool expg;
	unsigned k; /* 0..31 */
};

/* The cheaper code for n residuals, and its length in bits. */
struct codec_code codec_code_choose(const uint64_t *u, size_t n, uint64_t *bits);
void codec_code_put(struct bl_buf *out, struct codec_code code, const uint64_t *u, size_t n);
/* The end of n residuals that begin at p; NULL: beyond end, or ill-formed. */
const uint8_t *codec_code_end(
    struct codec_code code, const uint8_t *p, const uint8_t *end, size_t n);

struct codec_planes {
	struct bits_r unary, rest;
};

/* Only after codec_code_end has found the end. */
void codec_planes_init(struct codec_planes *pl, struct codec_code code, const uint8_t *p,
    const uint8_t *end, size_t n);

static inline uint64_t
codec_planes_next(struct codec_planes *pl, bool expg, unsigned k)
{
	const unsigned q = bits_unary(&pl->unary);

	if (!expg)
		return ((uint64_t)q << k) + bits_get_few(&pl->rest, k);
	/* codec_code_end has seen that k + q <= 63. */
	return (((UINT64_C(1) << (q & 63)) - 1) << k) + bits_get(&pl->rest, k + q);
}

/* ---- integer sequences ---- */

enum codec_encoding {
	ENC_CONST_INT = 0,
	ENC_CONST_F64 = 1,
	ENC_RICE = 2,
	ENC_EXPG = 3,
	ENC_RUNS = 4,
	ENC_XOR = 5,
};

#define CODEC_SLOPED 4u /* predictors 4..7 follow the slope, 0..3 the level */

/* What the encoder found best for a sequence that is not constant. */
struct codec_choice {
	uint8_t encoding; /* ENC_RICE, ENC_EXPG, ENC_RUNS */
	uint8_t k;
	uint8_t predictor;
};

/* scratch: n entries.  n >= 2. */
struct codec_choice codec_ints_choose(const int64_t *m, size_t n, uint64_t *scratch);
/* Without the parameter byte. */
void codec_ints_put(
    struct bl_buf *out, struct codec_choice c, const int64_t *m, size_t n, uint64_t *scratch);
const uint8_t *codec_ints_end(
    struct codec_choice c, const uint8_t *p, const uint8_t *end, size_t n);

struct codec_ints {
	struct codec_choice choice;
	struct codec_planes planes;
	struct bl_rd runs;
	uint64_t level, slope;
	size_t at; /* values given so far */
	uint64_t run_left;
};

/* Only after codec_ints_end; cannot fail then. */
void codec_ints_init(
    struct codec_ints *s, struct codec_choice c, const uint8_t *p, const uint8_t *end, size_t n);
void codec_ints_next(struct codec_ints *s, int64_t *out, size_t n);

/* ---- doubles by XOR ---- */

void codec_xor_put(struct bl_buf *out, const double *v, size_t n);
const uint8_t *codec_xor_end(const uint8_t *p, const uint8_t *end);

struct codec_xor {
	struct bits_r bits;
	uint64_t last;
	unsigned lead, len;
	bool begun;
};

void codec_xor_init(struct codec_xor *x, const uint8_t *p, const uint8_t *end);
/* False: not a finite number, a window out of bounds, or bits beyond the end. */
bool codec_xor_next(struct codec_xor *x, double *out, size_t n);
/* Whether exactly the padding is left. */
bool codec_xor_done(const struct codec_xor *x);

/* ---- time columns ---- */

/* Without its count.  base: the header's event_begin_ms.  scratch: n entries. */
void codec_times_put(
    struct bl_buf *out, int64_t base_ms, const int64_t *t, size_t n, uint64_t *scratch);
/* The end of a column of n times; NULL: ill-formed. */
const uint8_t *codec_times_end(const uint8_t *p, const uint8_t *end, uint32_t n);
/* After codec_times_end.  False: a time outside the range, or descending. */
bool codec_times_get(const uint8_t *p, const uint8_t *end, int64_t base_ms, int64_t last_ms,
    uint32_t n, int64_t *out);

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

/* Arrays of at least n entries. */
struct codec_column_scratch {
	double *known;
	int64_t *ints;
	uint64_t *residuals;
};

void codec_column_put(struct bl_buf *out, struct bl_column_state *st,
    const struct codec_column_in *in, const struct codec_column_scratch *scratch);

/* Reads the column at *p (moved behind it) into c; NULL or what is wrong. */
const char *codec_column_get(
    struct bl_batch_reader *r, const uint8_t **p, const uint8_t *end, struct bl_column *c);

/* Walks the known values of a column in the order of their times. */
struct codec_values {
	const struct bl_column *c;
	struct codec_ints ints;
	struct codec_xor floats;
	double constant;
};

void codec_values_init(struct codec_values *v, const struct bl_column *c);
bool codec_values_next(struct codec_values *v, double *out, size_t n);
bool codec_values_done(const struct codec_values *v);

/* Numbers that are no series: n > 0, and always the long form. */
void codec_seq_put(
    struct bl_buf *out, const double *v, size_t n, const struct codec_column_scratch *scratch);
/* Finds the end; c is then what codec_values_init takes.  False: ill-formed. */
bool codec_seq_get(struct bl_rd *rd, uint32_t n, struct bl_column *c);

/* ---- thinned samples ---- */

/* Reads the head of section THIN.  NULL or what is wrong. */
const char *codec_thin_head(struct bl_batch_reader *r, const struct bl_rd *content);
/* Gives the column its part of section THIN, if it has one.  NULL or what is wrong. */
const char *codec_thin_find(struct bl_batch_reader *r, struct bl_column *c);
/* Walks what the column has in section THIN. */
bool codec_thin_verify(const struct bl_column *c);

/* True when v is m / 10^e or m * 2^shift with |m| <= 2^53, bit for bit. */
bool codec_decimal(double v, unsigned e, int64_t *m);
/* Times and reasons of a column; NULL: not wanted. */
bool codec_column_times(const struct bl_batch_reader *r, const struct bl_column *c, int64_t *out);
double codec_scaled(int64_t m, unsigned scale, unsigned shift);
void codec_scale_ints(unsigned scale, unsigned shift, const int64_t *m, double *out, size_t n);

#define CODEC_SCALE_SHIFT 7u

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
void codec_header_put(struct bl_buf *out, const struct bl_batch_header *h);

enum { SEC_TIMES = 1, SEC_COLUMNS = 2, SEC_EVENTS = 3, SEC_GAPS = 4, SEC_THIN = 5 };

#endif
