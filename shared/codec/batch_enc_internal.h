/*
 * The batch encoder's inside: what batch_enc.c collects and batch_layout.c
 * lays out.
 */
#ifndef BATCH_ENC_INTERNAL_H
#define BATCH_ENC_INTERNAL_H

#include "codec_internal.h"

struct sample {
	uint32_t slot;
	uint32_t tick : 24;
	uint32_t unknown : 8;
	double value;
};

/* Of a sample that stands for several; in the order of arrival. */
struct thinned {
	uint32_t sample; /* its place in samples */
	struct bl_thin thin;
};

struct slot {
	uint32_t series_id;
	uint32_t n;
	uint32_t n_thin;
	uint32_t first;     /* place of its first sample in the order by series */
	uint32_t last_tick; /* of its newest sample so far */
	bool disordered;    /* an older one came behind it: sorted when laid out */
	int32_t time_index; /* -1: own times */
	uint32_t same_as;   /* slot that has the same instants, itself included */
	double last;        /* for the guess: the last value and the places it takes */
	uint8_t places;
};

struct bl_batch_enc {
	struct sample *samples;
	struct slot *slots;
	int64_t *ticks;
	uint32_t *by_id; /* hash table of slot + 1 */
	struct bl_gap *gaps;
	struct thinned *thin;
	uint32_t n_samples, n_slots, n_ticks, n_gaps, n_events, n_thin;
	uint32_t samples_size, slots_size, ticks_size, gaps_size, by_id_size, thin_size;
	struct bl_buf events;
	int64_t event_ms, event_first_ms, event_last_ms;
	uint32_t highest_id;
	uint64_t guess_bits;
};

#endif
