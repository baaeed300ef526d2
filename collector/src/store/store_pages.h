/*
 * A damaged SQLite file read page by page, without SQLite: what it has of rows, in
 * no order, wherever they lie.  Inside the store's folder only.
 *
 * Nothing read here can be believed: every length is checked against its page, and
 * whoever uses a row checks the row's own sum.  Never opens a file that SQLite
 * writes: closing it would drop SQLite's locks.
 */
#ifndef STORE_PAGES_H
#define STORE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#define PAGES_BYTES   8192u /* of every file that store_migrate made */
#define PAGES_COLUMNS 32u   /* of a row: more than any table has */

struct pages;

/* path, and path + "-wal": either may be missing.  BL_ENOTFOUND: both are. */
int pages_open(struct pages **out, const char *path, struct bl_err *err);
void pages_close(struct pages *p);
/* Of both files: pages_rows takes 0..n-1. */
uint64_t pages_count(const struct pages *p);

enum pages_type { PAGES_NULL, PAGES_INT, PAGES_BYTE_STRING, PAGES_OTHER };

struct pages_value {
	enum pages_type type;
	int64_t i;
	const uint8_t *p; /* text or blob; valid during the call */
	size_t n;
};

struct pages_row {
	bool has_rowid;
	int64_t rowid;
	unsigned n;
	struct pages_value v[PAGES_COLUMNS];
};

/* False: enough. */
typedef bool (*pages_row_fn)(void *ctx, const struct pages_row *row);

/*
 * Every row of page number i that can be taken apart.  What cannot be is passed
 * over.  Returns false when fn did.
 */
bool pages_rows(struct pages *p, uint64_t i, pages_row_fn fn, void *ctx);

#endif
