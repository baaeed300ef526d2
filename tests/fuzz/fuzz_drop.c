/*
 * libFuzzer target: a dropped file.  The first byte says whether it is CSV or
 * JSON lines, and in which pieces it comes.  Looked for, besides what the
 * sanitizers see: rows that differ by the pieces that a file is read in, a row
 * that takes nothing, cells outside of what was read, reports that a batch would not take.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"

#include "drop_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static char *
text(const char *s)
{
	char *copy = strdup(s);

	check(copy != NULL);
	return copy;
}

/* ---- one mapping for all files ---- */

static struct drop_folder_conf *
folder_conf(int format)
{
	static struct bl_rowmap_conf map;
	static struct drop_folder_conf conf;
	static char *keys[2], *values[2];

	if (keys[0] == NULL) {
		keys[0] = text("b");
		values[0] = text("{b}");
		keys[1] = text("c");
		values[1] = text("{a} and {c.d}");
		map = (struct bl_rowmap_conf){ .report = BL_ROWMAP_EVENT,
			.type = text("x{a}"),
			.zone = text("UTC"),
			.attributes = { 2, keys, values } };
		conf = (struct drop_folder_conf){ .separator = text(","), .reports = { 1, &map } };
	}
	conf.format = format;
	return &conf;
}

/* ---- rows ---- */

struct rows {
	uint64_t hash;
	unsigned n;
	struct drop_rows by; /* the mapping; opened */
	bool header;
};

static void
map_row(struct rows *r, const struct drop_csv_row *row)
{
	static struct bl_rowmap_out out;
	struct bl_batch_enc *enc = NULL;
	struct bl_err err = { 0 };

	if (r->header) {
		r->header = drop_rows_header(&r->by, row, &err) < 0;
		check(!r->header || err.msg[0] != '\0');
		return;
	}
	if (drop_rows_take(&r->by, row, &err) < 0 ||
	    drop_rows_apply(&r->by, 0, row, (struct bl_str){ "1.2", 3 }, 0, &out, &err) < 0) {
		check(err.msg[0] != '\0');
		return;
	}
	check(out.n == 1 && (enc = bl_batch_enc_create()) != NULL);
	check(bl_batch_enc_event(enc, &out.report[0].ev) == BL_OK);
	bl_batch_enc_free(enc);
}

static void
on_row(struct rows *r, enum drop_csv is, const struct drop_csv_row *row)
{
	r->n++;
	r->hash = drop_hash(r->hash, &is, sizeof(is));
	for (unsigned i = 0; is == DROP_CSV_ROW && i < row->n; i++) {
		r->hash = drop_hash(r->hash, "|", 1);
		r->hash = drop_hash(r->hash, row->cell[i].p, row->cell[i].len);
	}
	if (is == DROP_CSV_ROW)
		map_row(r, row);
}

static enum drop_csv
next(bool lines, const char *p, size_t len, bool end, struct drop_csv_row *row)
{
	static char scratch[DROP_ROW_MAX];

	return lines ? drop_line_next(p, len, end, row)
		     : drop_csv_next(p, len, end, ',', scratch, row);
}

/* As drop_send.c goes through a file: in pieces, each in memory of its own. */
static void
read_all(bool lines, const char *p, size_t len, size_t step, struct rows *r)
{
	static struct drop_csv_row row;
	size_t at = 0, have = step < len ? step : len;
	bool skip = false;

	while (at < len) {
		const size_t n = have - at;
		char *piece = malloc(n + (n == 0));
		enum drop_csv is = DROP_CSV_MORE;
		const char *stop;

		check(piece != NULL);
		memcpy(piece, p + at, n);
		if (skip && n > 0) {
			stop = memchr(piece, '\n', n);
			at += stop != NULL ? (size_t)(stop - piece) + 1 : n;
			skip = stop == NULL;
		} else if (n > 0 &&
			   (is = next(lines, piece, n, have == len, &row)) != DROP_CSV_MORE) {
			check(row.used > 0 && row.used <= n && row.n <= DROP_CELLS_MAX);
			on_row(r, is, &row);
			at += row.used;
			skip = row.rest;
		} else {
			check(have < len); /* what is there at the end is a row */
		}
		if (is == DROP_CSV_MORE)
			have = have + step < len ? have + step : len;
		free(piece);
	}
}

static void
read_by(int format, const char *p, size_t len, size_t step, struct rows *r)
{
	struct bl_err err = { 0 };

	r->hash = DROP_HASH;
	r->n = 0;
	check(drop_rows_open(&r->by, folder_conf(format), &err) == BL_OK);
	check(drop_rows_begin(&r->by, &r->header, &err) == BL_OK);
	read_all(format == DROP_JSONL, p, len, step, r);
	drop_rows_close(&r->by);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rows whole, pieces;
	const char *p;
	size_t len;
	int format;

	if (size < 2)
		return 0;
	format = data[0] & 1 ? DROP_JSONL : DROP_CSV;
	p = (const char *)data + 1;
	len = size - 1;
	read_by(format, p, len, len, &whole);
	read_by(format, p, len, 1 + (data[0] >> 1), &pieces);
	check(whole.n == pieces.n && whole.hash == pieces.hash);
	return 0;
}
