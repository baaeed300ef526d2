/* Parts of messages to test with; between wire_samples.c and wire_random.c. */
#ifndef WIRE_CONTENT_H
#define WIRE_CONTENT_H

#include "branchline/batch.h"
#include "branchline/message.h"

void wire_must(int rc);
struct bl_id wire_id(uint8_t byte);
struct bl_batch_header wire_header(enum bl_stream stream);
void wire_add(struct bl_batch_enc *e, uint32_t id, int64_t at, double v, enum bl_unknown u);
void wire_add_thin(struct bl_batch_enc *e, uint32_t id, int64_t at, double value, double min,
    double max, uint32_t count);
void wire_batch(void (*fill)(struct bl_batch_enc *), struct bl_batch_header h, struct bl_buf *out);
void wire_dict(uint32_t first, uint32_t n, struct bl_buf *out);
void wire_bundle(struct bl_buf *of, unsigned n, bool packed, struct bl_buf *out);

/* ---- the contents of batches ---- */

void wire_fill_all(struct bl_batch_enc *e);
void wire_fill_encodings(struct bl_batch_enc *e);
void wire_fill_events(struct bl_batch_enc *e);
void wire_fill_families(struct bl_batch_enc *e);
void wire_fill_gaps(struct bl_batch_enc *e);
void wire_fill_infinite(struct bl_batch_enc *e);
void wire_fill_many_events(struct bl_batch_enc *e);
void wire_fill_nothing(struct bl_batch_enc *e);
void wire_fill_thin(struct bl_batch_enc *e);
void wire_fill_ticks(struct bl_batch_enc *e);
void wire_fill_unknown(struct bl_batch_enc *e);

#endif
