/*
 * Reading a damaged spool file page by page, without SQLite: one page that
 * cannot be read must not cost what all the others hold.
 *
 * The view is the one SQLite would have (the file under the committed frames
 * of its log, as far as their checksums hold), minus the pages that are bad and
 * the free ones.  Rows are told apart by the number and kinds of their columns;
 * each kind of row carries something of its own that says whether it is whole
 * (a checksum of a message, of an open row, of the state), which the caller checks.
 */
#ifndef SPOOL_WRECK_H
#define SPOOL_WRECK_H

#include "spool_internal.h"

#define WRECK_COLUMNS 24

enum wreck_type { WRECK_NULL, WRECK_INT, WRECK_TEXT, WRECK_BLOB, WRECK_FLOAT };

struct wreck_column {
	enum wreck_type type;
	int64_t i;
	const uint8_t *p; /* NULL: empty */
	size_t len;
};

enum wreck_kind {
	WRECK_OTHER,
	WRECK_STATE,
	WRECK_STREAM,
	WRECK_OPEN,
	WRECK_BATCH,
	WRECK_BODY,
	WRECK_DICT,
	WRECK_CLOCK,
	WRECK_LEDGER,
	WRECK_GEN,
	WRECK_TRIMMED,
};

struct wreck_row {
	enum wreck_kind kind;
	int64_t rowid;
	unsigned n;
	struct wreck_column col[WRECK_COLUMNS]; /* the first is NULL where it is the row id */
};

struct wreck;

/* BL_ENOTFOUND, BL_EDENIED, BL_ENOMEM; a file that is not one at all has no pages. */
int wreck_open(struct wreck **out, const char *path, struct bl_err *err);
void wreck_close(struct wreck *w);
uint32_t wreck_pages(const struct wreck *w);
/*
 * Calls row for each row of a page that is a leaf of a table, with what of it
 * lies on other pages; rows that cannot be taken apart are left out.  Stops when
 * row returns false.
 */
void wreck_page(
    struct wreck *w, uint32_t page, bool (*row)(void *ctx, const struct wreck_row *r), void *ctx);

/* A row's values as the tables have them; false: it is not whole. */
bool wreck_state(
    const struct wreck_row *r, struct spool_durable *d, char *device, size_t size, int64_t *seal);
void wreck_stream(const struct wreck_row *r, struct spool_stream *m);
struct bl_id wreck_id(const struct wreck_column *c);

#endif
