/* What the two halves of delivery share. */
#ifndef DELIVERY_INTERNAL_H
#define DELIVERY_INTERNAL_H

#include "delivery.h"

struct delivery {
	const struct bl_clock *clock;
	struct delivery_out out;
	struct uplink *uplink;
	struct spool_thread *spool;
	struct spool_calls others;
	struct delivery_frame {
		struct bl_buf msg;
		bool past;
		enum bl_stream stream; /* 0: a map */
	} kept[UPLINK_SLOTS];          /* frames that wait for room */
	uint32_t hello_nonce;
	bool hello_wanted;
	bool up;
	/* The centre takes them: what is live and shares a message goes in one. */
	bool packs;
};

/* receipt, question: what the event was about; NULL: neither. */
void delivery_run(struct delivery *d, const struct uplink_effects *fx,
    const struct bl_receipt *receipt, const struct bl_question *question);

#endif
