/*
 * The checksum of a row: over the name of its table and what of the row never
 * changes, in the order in which the statement names it.
 *
 * SQLite notices a damaged structure of its file, not a flipped bit in a value.
 * Salvage reads rows from pages that belong to no table it could trust, so the
 * sum also says which table a row is of.  64 bits of FNV-1a, mixed once more:
 * against accidents, not against people.
 */
#include <string.h>

#include "store_internal.h"

void
row_sum_begin(uint64_t *h, const char *table)
{
	*h = 14695981039346656037u;
	row_sum_bytes(h, table, strlen(table));
}

static void
mix(uint64_t *h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*h = (*h ^ p[i]) * 1099511628211u;
}

static void
mix_u64(uint64_t *h, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	mix(h, b, sizeof(b));
}

void
row_sum_int(uint64_t *h, int64_t v)
{
	mix_u64(h, (uint64_t)v);
}

/* Its length first, so that two neighbours cannot lend each other bytes. */
void
row_sum_bytes(uint64_t *h, const void *p, size_t n)
{
	mix_u64(h, n);
	if (n > 0)
		mix(h, p, n);
}

int64_t
row_sum_end(uint64_t h)
{
	h = (h ^ h >> 32) * 0xff51afd7ed558ccdu;
	return (int64_t)(h ^ h >> 29);
}

int64_t
row_sum_ints(const char *table, const int64_t *v, size_t n)
{
	uint64_t h;

	row_sum_begin(&h, table);
	for (size_t i = 0; i < n; i++)
		mix_u64(&h, (uint64_t)v[i]);
	return row_sum_end(h);
}

/* row_sum(table, value, ...) in SQL; values are integers, texts and blobs. */
static void
row_sum(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	uint64_t h;

	if (n < 1 || sqlite3_value_type(v[0]) != SQLITE_TEXT) {
		sqlite3_result_error(ctx, "row_sum: names no table", -1);
		return;
	}
	row_sum_begin(&h, (const char *)sqlite3_value_text(v[0]));
	for (int i = 1; i < n; i++) {
		if (sqlite3_value_type(v[i]) == SQLITE_INTEGER) {
			row_sum_int(&h, sqlite3_value_int64(v[i]));
		} else {
			const void *p = sqlite3_value_blob(v[i]);

			row_sum_bytes(&h, p, (size_t)sqlite3_value_bytes(v[i]));
		}
	}
	sqlite3_result_int64(ctx, row_sum_end(h));
}

int
row_sum_register(sqlite3 *db)
{
	return sqlite3_create_function_v2(
	    db, "row_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, row_sum, NULL, NULL, NULL);
}
