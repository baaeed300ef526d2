/*
 * What is in a batch: its message read from the file and checked, its columns
 * decoded one at a time.  For those that make other batches of it: cut again
 * (spool_recut.c), split (spool_split.c), thinned (spool_thin.c).
 */
#include <stdlib.h>
#include <string.h>

#include "spool_internal.h"

int
content_decode(struct content *c, const void *msg, size_t len, struct bl_err *err)
{
	const uint8_t *body;
	size_t body_len;
	int rc;

	memset(c, 0, sizeof(*c));
	if ((rc = bl_batch_header_decode(msg, len, &c->h, &body, &body_len, err)) < 0)
		return rc;
	bl_buf_init(&c->raw, BL_BATCH_RAW_MAX);
	if ((rc = bl_batch_inflate(&c->h, body, body_len, &c->raw, err)) < 0)
		content_free(c);
	return rc;
}

void
content_free(struct content *c)
{
	bl_buf_free(&c->raw);
}

int
content_load(struct spool *s, int64_t id, uint32_t crc, struct content *c, struct bl_err *err)
{
	sqlite3_stmt *st;
	bool good = false;
	int rc;

	if ((st = db_select(s, Q_BODY_GET, err, "i", id)) == NULL)
		return err->code;
	if ((rc = db_step(s, st, err)) == 1) {
		const void *msg = sqlite3_column_blob(st, 0);
		const size_t len = (size_t)sqlite3_column_bytes(st, 0);

		good = crc_bytes(msg, len) == crc;
		if (good)
			rc = content_decode(c, msg, len, err);
		good = good && rc != BL_ECORRUPT;
	}
	db_done(st);
	if ((rc < 0 && rc != BL_ECORRUPT) || s->damaged)
		return s->damaged ? BL_ECORRUPT : rc;
	return good ? 1 : batch_lost(s, id, BL_GAP_DAMAGED, err);
}

static int
column_alloc(struct content_column *col, uint32_t n, struct bl_err *err)
{
	col->ms = calloc(n + 1u, sizeof(*col->ms));
	col->value = calloc(n + 1u, sizeof(*col->value));
	col->unknown = calloc(n + 1u, 1);
	if (col->ms != NULL && col->value != NULL && col->unknown != NULL)
		return BL_OK;
	return bl_fail(err, BL_ENOMEM, "read a batch: out of memory");
}

static int
thin_decode(const struct bl_batch_reader *r, const struct bl_column *c, struct content_column *col,
    struct bl_err *err)
{
	if (!bl_column_is_thin(c))
		return BL_OK;
	if ((col->thin = calloc(c->n + 1u, sizeof(*col->thin))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read a batch: out of memory");
	return bl_column_thin(r, c, col->value, col->unknown, col->thin, err);
}

int
content_put(
    struct bl_batch_enc *enc, const struct content_column *c, uint32_t i, uint32_t series_id)
{
	if (content_count(c, i) > 1)
		return bl_batch_enc_thin(enc, series_id, c->ms[i], c->value[i], &c->thin[i]);
	return bl_batch_enc_sample(
	    enc, series_id, c->ms[i], c->value[i], (enum bl_unknown)c->unknown[i]);
}

int
content_columns(struct bl_batch_reader *r,
    int (*take)(void *ctx, const struct content_column *col, struct bl_err *err), void *ctx,
    struct bl_err *err)
{
	struct bl_column c;
	int rc;

	while ((rc = bl_batch_next_column(r, &c, err)) == 1) {
		struct content_column col = { .series_id = c.series_id, .n = c.n };

		if ((rc = column_alloc(&col, c.n, err)) == BL_OK &&
		    (rc = bl_column_decode(r, &c, col.ms, col.value, col.unknown, err)) >= 0 &&
		    (rc = thin_decode(r, &c, &col, err)) >= 0) {
			/* No row lets one in, and no mean is made of one. */
			bl_column_drop_infinite(&c, col.value, col.unknown, col.thin);
			rc = take(ctx, &col, err);
		}
		free(col.ms);
		free(col.value);
		free(col.unknown);
		free(col.thin);
		if (rc < 0)
			return rc;
	}
	return rc;
}
