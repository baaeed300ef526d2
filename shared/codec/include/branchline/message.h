/*
 * Every message but the batch: encoders and decoders.  shared/WIRE.md has the
 * bytes.  Pure code, any thread.
 *
 * Encoders append to out and return BL_OK, BL_EINVAL (a cap of wire.h is
 * passed: our bug, or a configuration's) or BL_ENOMEM.  Decoders return BL_OK,
 * BL_ECORRUPT with the field's name, or BL_ENEWER for an unknown format.
 * Sections that a build does not know are skipped and counted in
 * *unknown_sections where the struct has it.
 */
#ifndef BRANCHLINE_MESSAGE_H
#define BRANCHLINE_MESSAGE_H

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

/* The type in a message's prefix, or negative: too short, no magic (BL_ECORRUPT), BL_ENEWER. */
int bl_msg_type(const void *msg, size_t len);

struct bl_hello_stream {
	uint64_t next_seq;     /* the seq that the next cut will get; >= 1 */
	uint64_t lowest_held;  /* next_seq when nothing is held */
	struct bl_ranges held; /* capped: the newest BL_RANGES_MAX ranges */
};

/* agent -> centre, topic hello */
struct bl_hello {
	uint32_t nonce; /* comes back in the answer */
	char device[BL_DEVICE_ID_MAX + 1];
	struct bl_id spool;
	struct bl_id predecessor; /* zero: none */
	struct bl_id boot;
	int64_t boot_ms; /* now */
	int64_t unix_ms; /* now, as this machine believes; for the record only */
	uint32_t dict_version;
	uint32_t clock_version;
	char software[32];    /* "0.1.0" */
	char config_hash[65]; /* lower-case hex of the running configuration, or empty */
	struct bl_hello_stream stream[BL_STREAMS];
	uint32_t unknown_sections;
};

int bl_hello_encode(const struct bl_hello *h, struct bl_buf *out);
int bl_hello_decode(const void *msg, size_t len, struct bl_hello *h, struct bl_err *err);

enum bl_verdict {
	BL_VERDICT_OK = 0,
	BL_VERDICT_CONFLICT = 1, /* this spool belongs to another device, or is closed */
	BL_VERDICT_RETIRED = 2,  /* the device was retired: nothing is taken */
};

struct bl_receipt_stream {
	uint64_t contiguous;     /* 1..contiguous are settled: stored, set aside or known gone */
	struct bl_ranges beyond; /* stored beyond it */
	struct bl_ranges aside;  /* set aside; also counted as settled */
};

/* centre -> agent, topic receipt: the answer to a hello (nonce set) and every later receipt */
struct bl_receipt {
	bool is_answer;
	uint32_t nonce;          /* answer only */
	enum bl_verdict verdict; /* answer only */
	struct bl_id spool;      /* whose seqs these are */
	struct bl_id epoch;      /* of the store */
	int64_t server_unix_ms;
	uint32_t credit_bytes_per_s; /* for past; 0: hold past back */
	uint32_t dict_version;       /* entries 1..this are known */
	uint32_t clock_version;
	/* answer only: the centre takes message types up to this one; 0: it does not say, BUNDLE */
	uint8_t takes;
	struct bl_receipt_stream stream[BL_STREAMS];
	/*
	 * Whether somebody else uses this device's identity, as the centre sees it:
	 * how often in the last hour one of them came back after another. 0: nobody does.
	 */
	bool rival_known;
	uint32_t rival;
	uint32_t unknown_sections;
};

/* The type byte follows is_answer. */
int bl_receipt_encode(const struct bl_receipt *r, struct bl_buf *out);
int bl_receipt_decode(const void *msg, size_t len, struct bl_receipt *r, struct bl_err *err);

/* centre -> agent, topic receipt: what is missing here and may still be held there */
struct bl_question {
	struct bl_id spool;
	struct bl_ranges need[BL_STREAMS]; /* batches; n = 0: none */
	bool need_dict;
	uint32_t dict_from; /* entries from this id on */
	bool need_clock;
	uint32_t clock_from;
	uint32_t unknown_sections;
};

int bl_question_encode(const struct bl_question *q, struct bl_buf *out);
int bl_question_decode(const void *msg, size_t len, struct bl_question *q, struct bl_err *err);

/* agent -> centre, topic hello: the answer to a question about what is no longer held */
struct bl_gone {
	struct bl_id spool;
	uint32_t n;
	struct bl_gone_range {
		enum bl_stream stream;
		struct bl_range range;
		enum bl_gap_reason reason;
	} gone[BL_RANGES_MAX];
	uint32_t unknown_sections;
};

int bl_gone_encode(const struct bl_gone *g, struct bl_buf *out);
int bl_gone_decode(const void *msg, size_t len, struct bl_gone *g, struct bl_err *err);

/* agent -> centre, topic presence, retained; the last will is the same with online = false */
struct bl_presence {
	bool online;
	struct bl_id boot;
	uint64_t connections; /* since the spool was made */
	char software[32];
	uint32_t unknown_sections;
};

int bl_presence_encode(const struct bl_presence *p, struct bl_buf *out);
int bl_presence_decode(const void *msg, size_t len, struct bl_presence *p, struct bl_err *err);

/* centre -> all, topic bl/1/centre, retained */
struct bl_centre {
	struct bl_id epoch;
	struct bl_id
	    start; /* of this run of the collector: an agent says hello when it changes, too */
	int64_t server_unix_ms; /* when published */
	uint32_t reconnect_floor_ms;
	uint32_t unknown_sections;
};

int bl_centre_encode(const struct bl_centre *c, struct bl_buf *out);
int bl_centre_decode(const void *msg, size_t len, struct bl_centre *c, struct bl_err *err);

/*
 * agent -> centre, topics live and past: batches that share a message.  What is in
 * a decoded one lies in the message, of a packed one in room, and was not looked into.
 */
struct bl_bundle {
	unsigned n;  /* BL_BUNDLE_MIN to BL_BUNDLE_MAX */
	bool packed; /* a pack: what a batch has of the one before is not said again */
	struct bl_bundle_batch {
		const uint8_t *msg; /* with its prefix */
		size_t len;         /* not 0 */
	} batch[BL_BUNDLE_MAX];
	uint32_t unknown_sections;
};

/* What a bundle takes beside its batches: once, and for each of them, at most; a pack no more. */
#define BL_BUNDLE_HEAD_BYTES  9u
#define BL_BUNDLE_ENTRY_BYTES 3u

/* BL_EINVAL also where it would be larger than any message may be. */
int bl_bundle_encode(const struct bl_bundle *b, struct bl_buf *out);
/* Keep msg and room as long as b.  A bundle that is not packed does not touch room. */
int bl_bundle_decode(const void *msg, size_t len, struct bl_bundle *b,
    uint8_t room[BL_BATCH_WIRE_MAX], struct bl_err *err);

/*
 * agent -> centre, topic live: dictionary entries first..first+n-1 of a spool,
 * compressed.  A message holds as many as fit BL_BATCH_WIRE_MAX; *encoded
 * tells how many did (>= 1 unless n is 0).
 */
int bl_dict_encode(const struct bl_id *spool, const struct bl_series_def *defs, uint32_t n,
    struct bl_buf *out, uint32_t *encoded, struct bl_err *err);

struct bl_dict_reader {
	struct bl_id spool;
	uint32_t first;
	uint32_t n;
	uint32_t left;
	struct bl_rd rd; /* private */
};

/* Inflates to raw (reset first) and checks the frame; entries then come one by one. */
int bl_dict_decode(
    const void *msg, size_t len, struct bl_dict_reader *r, struct bl_buf *raw, struct bl_err *err);
/* 1, 0 or negative.  Strings point into raw; names, labels and order are checked. */
int bl_dict_next(struct bl_dict_reader *r, struct bl_series_def *def, struct bl_err *err);

/* agent -> centre, topic live: clock-map segments first..first+n-1 of a spool (not compressed) */
int bl_clockmap_encode(const struct bl_id *spool, const struct bl_clock_segment *segs, uint32_t n,
    struct bl_buf *out, uint32_t *encoded, struct bl_err *err);

struct bl_clockmap_reader {
	struct bl_id spool;
	uint32_t first;
	uint32_t n;
	uint32_t left;
	struct bl_rd rd;   /* private */
	struct bl_id boot; /* private: of the segment before */
};

int bl_clockmap_decode(
    const void *msg, size_t len, struct bl_clockmap_reader *r, struct bl_err *err);
int bl_clockmap_next(
    struct bl_clockmap_reader *r, struct bl_clock_segment *seg, struct bl_err *err);

/*
 * Ranges: adds [first, last] and merges what touches or overlaps.  False: the
 * cap is reached and the range could not be merged; *rs is unchanged.
 */
bool bl_ranges_add(struct bl_ranges *rs, uint64_t first, uint64_t last);
bool bl_ranges_has(const struct bl_ranges *rs, uint64_t seq);

/*
 * Wall time of a boot time by a clock map: the last trusted segment of that
 * boot with from_boot_ms <= boot_ms, or the boot's first trusted one for what
 * lies before it.  False: the boot has no trusted segment.
 */
bool bl_clock_place(const struct bl_clock_segment *segs, size_t n, const struct bl_id *boot,
    int64_t boot_ms, int64_t *unix_ms, uint32_t *uncertainty_ms);

#endif
