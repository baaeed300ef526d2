/*
 * CSV by RFC 4180, by a table, whole and byte by byte: what is there so far
 * must not decide otherwise than the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drop_csv.h"

/* Cells with "|" between them, rows with "/"; what is wrong in brackets. */
static const struct {
	const char *text, *want;
} cases[] = {
	{ "a,b,c\n", "a|b|c" },
	{ "a,b,c", "a|b|c" },
	{ "a,b\r\nc,d\r\n", "a|b/c|d" },
	{ "a,b\r", "a|b" },
	{ ",,\n", "||" },
	{ "\n", "" },
	{ "a\n\nb\n", "a//b" },
	{ "\"a\",\"b,c\",\"d\"\n", "a|b,c|d" },
	{ "\"a\nb\",c\nd,e\n", "a\nb|c/d|e" },
	{ "\"say \"\"hi\"\"\",\"\"\n", "say \"hi\"|" },
	{ "\"\"\"\"\n", "\"" },
	{ "\"a\"\r\n\"b\"\r\n", "a/b" },
	{ "\"a\"", "a" },
	{ "\"a\"\r", "a" },
	{ "a\"b,5\" pipe\n", "a\"b|5\" pipe" },
	{ "a, \"b\"\n", "a| \"b\"" },
	{ "\"a\"b,c\nd\n",
	    "[expected a separator or the end of the line behind a closing quote]/d" },
	{ "\"a\"\rb\nd\n",
	    "[expected a separator or the end of the line behind a closing quote]/d" },
	{ "a,\"b\nc,d\n", "[a quote that is not closed within 16384 bytes]/c|d" },
	{ "\"a", "[a quote that is not closed within 16384 bytes]" },
	{ "\"", "[a quote that is not closed within 16384 bytes]" },
	{ "订单号,步骤\nD-1,审核\n", "订单号|步骤/D-1|审核" },
	{ "a\rb,c\n", "a\rb|c" },
	{ "", "" },
};

static void
say_row(FILE *to, enum drop_csv is, const struct drop_csv_row *row)
{
	if (is == DROP_CSV_WRONG)
		(void)fprintf(to, "[%s]", row->why);
	for (unsigned i = 0; i < row->n; i++)
		(void)fprintf(
		    to, "%s%.*s", i > 0 ? "|" : "", (int)row->cell[i].len, row->cell[i].p);
}

/* The reader's way: as many bytes as have come, `step` more when a row wants them. */
static void
read_all(const char *text, size_t len, size_t step, char *out, size_t size)
{
	static char scratch[DROP_ROW_MAX];
	static struct drop_csv_row row;
	size_t at = 0, have = step < len ? step : len;
	FILE *to = fmemopen(memset(out, 0, size), size, "w");
	bool skip = false;
	unsigned rows = 0;

	assert_non_null(to);
	while (at < len) {
		/* As it comes from a file: a copy that ends where it ends. */
		char *piece = malloc(have - at + 1);
		enum drop_csv is;

		assert_non_null(piece);
		memcpy(piece, text + at, have - at);
		is = drop_csv_next(piece, have - at, have == len, ',', scratch, &row);
		if (skip && memchr(piece, '\n', have - at) != NULL) {
			at += (size_t)((char *)memchr(piece, '\n', have - at) - piece) + 1;
			skip = false;
		} else if (!skip && is != DROP_CSV_MORE) {
			(void)fputs(rows++ > 0 ? "/" : "", to);
			say_row(to, is, &row);
			assert_true(row.used > 0 && row.used <= have - at);
			at += row.used;
			skip = row.rest;
		} else if (have == len) {
			assert_true(skip); /* whatever is there at the end is a row */
			at = len;
		}
		have = have + step < len ? have + step : len;
		free(piece);
	}
	assert_int_equal(fclose(to), 0);
}

static void
rows_are_those_of_the_rfc(void **state)
{
	char got[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step < 40; step += 1 + step / 4) {
			read_all(cases[i].text, strlen(cases[i].text), step, got, sizeof(got));
			if (strcmp(got, cases[i].want) != 0)
				fail_msg("row %zu by %zu: %s", i, step, got);
		}
}

static void
long_rows_are_passed_over(void **state)
{
	static char text[4 * DROP_ROW_MAX], got[4 * DROP_ROW_MAX];
	static const size_t lengths[] = { DROP_ROW_MAX - 1, DROP_ROW_MAX, DROP_ROW_MAX + 1,
		DROP_ROW_MAX + 2, DROP_ROW_MAX + 3, 2 * DROP_ROW_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int quoted = 0; quoted < 2; quoted++) {
			const size_t n = lengths[i];

			memset(text, 'x', n);
			text[0] = quoted ? '"' : 'x';
			memcpy(text + n, "\nb,c\n", 6);
			read_all(text, n + 5, 4096, got, sizeof(got));
			/* The row of a quote that is not closed is its first line. */
			if (quoted)
				assert_string_equal(
				    got, "[a quote that is not closed within 16384 bytes]/b|c");
			else if (n <= DROP_ROW_MAX)
				assert_string_equal(got + n, "/b|c");
			else if (n > DROP_ROW_MAX + 2)
				assert_string_equal(got, "[longer than 16384 bytes]/b|c");
		}
}

static void
too_many_cells_are_refused(void **state)
{
	char text[DROP_CELLS_MAX + 8], got[DROP_CELLS_MAX + 64];

	(void)state;
	memset(text, ',', sizeof(text));
	memcpy(text + DROP_CELLS_MAX - 1, "\nb\n", 4);
	read_all(text, strlen(text), 7, got, sizeof(got));
	assert_string_equal(got + strlen(got) - 3, "|/b");
	memset(text, ',', sizeof(text));
	memcpy(text + DROP_CELLS_MAX, "\nb\n", 4);
	read_all(text, strlen(text), 7, got, sizeof(got));
	assert_string_equal(got, "[more than 256 cells]/b");
}

static void
lines_are_lines(void **state)
{
	static struct drop_csv_row row;

	(void)state;
	assert_int_equal(drop_line_next("ab", 2, false, &row), DROP_CSV_MORE);
	assert_int_equal(drop_line_next("ab", 2, true, &row), DROP_CSV_ROW);
	assert_int_equal(row.used, 2);
	assert_int_equal(drop_line_next("ab\r\nc", 5, false, &row), DROP_CSV_ROW);
	assert_int_equal(row.used, 4);
	assert_int_equal(row.lines, 1);
	assert_int_equal(row.cell[0].len, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_those_of_the_rfc),
		cmocka_unit_test(long_rows_are_passed_over),
		cmocka_unit_test(too_many_cells_are_refused),
		cmocka_unit_test(lines_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
