/* Tables from spreadsheets: what is taken, what is refused, and which line is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csv.h"
#include "files.h"
#include "folder.h"

static const char *const columns[] = { "site", "name", "id" };

static char folder[FOLDER_MAX];

/* The rows as text: fields ended by |, rows by the line they begin in; NULL: refused, err says why.
 */
static const char *
read_text(const char *text, size_t len, struct bl_err *err)
{
	static char out[512];
	char path[512];
	struct csv *c = NULL;

	(void)snprintf(path, sizeof(path), "%s/list.csv", folder);
	assert_int_equal(files_write(path, text, len, 0600, err), BL_OK);
	if (csv_read(&c, path, columns, 3, 2, err) < 0) {
		assert_null(c);
		return NULL;
	}
	out[0] = '\0';
	for (size_t i = 0; i < csv_rows(c); i++) {
		for (size_t k = 0; k < 3; k++) {
			(void)strcat(out, csv_field(c, i, k));
			(void)strcat(out, "|");
		}
		(void)sprintf(out + strlen(out), "%zu ", csv_line(c, i));
	}
	csv_free(c);
	return out;
}

static void
test_tables_as_people_keep_them(void **state)
{
	static const struct {
		const char *text, *rows;
	} good[] = {
		{ "site,name,id\nnorth,till 1,t1\n", "north|till 1|t1|2 " },
		{ "site,name\nnorth,till 1\nsouth,till 2", "north|till 1||2 south|till 2||3 " },
		{ "name,id,site\r\ntill 1,,north\r\n", "north|till 1||2 " },
		{ "\xef\xbb\xbfsite,name\nnorth,a\n", "north|a||2 " },
		{ "site,name\n\"the \"\"north\"\", inn\",\"a\nb\"\nsouth,c\n",
		    "the \"north\", inn|a\nb||2 south|c||4 " },
		{ "Site;Name\nnorth;a, b\n", "north|a, b||2 " },
		{ "site\tNAME\nnorth\ta;b\n", "north|a;b||2 " },
		{ "site,name\nnorth,a;b\n", "north|a;b||2 " },
		{ "site,name\n\nnorth,a\n\n\n", "north|a||3 " },
		{ "site,name\n", "" },
		{ "site,name", "" },
		{ "site,name\n\xe5\x8c\x97,\xe5\xba\x97\n", "\xe5\x8c\x97|\xe5\xba\x97||2 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct bl_err err = { 0 };
		const char *rows = read_text(good[i].text, strlen(good[i].text), &err);

		if (rows == NULL)
			fail_msg("%zu: %s", i, err.msg);
		assert_string_equal(rows, good[i].rows);
	}
}

static void
test_bad_tables_name_the_line(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* 0: to its end */
		const char *why;
	} bad[] = {
		{ "", 0, "line 1" },
		{ "name,id\na,b\n", 0, "\"site\" is missing" },
		{ "site,name,colour\n", 0, "\"colour\" is no column" },
		{ "site,name,site\n", 0,
		    "\"site\" is no column of such a list, or stands there twice" },
		{ "site|name\nnorth|a\n", 0, "\"site|name\" is no column" },
		{ "site;name\nnorth,a\n", 0, "line 2: expected 2 fields, got 1" },
		{ "site,name\nnorth,a,b\n", 0, "line 2: expected 2 fields" },
		{ "site,name\nnorth,a\nnorth\n", 0, "line 3: expected 2 fields, got 1" },
		{ "site,name\nnorth,\"a\nsouth,b\n", 0,
		    "line 2: expected 2 fields, quotes closed" },
		{ "site,name\nnorth,\"a\"b\n", 0, "line 2" },
		{ "site,name\nnorth,a\0b\n", 20, "not a text file" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bl_err err = { 0 };
		const size_t len = bad[i].len > 0 ? bad[i].len : strlen(bad[i].text);

		assert_null(read_text(bad[i].text, len, &err));
		if (strstr(err.msg, bad[i].why) == NULL)
			fail_msg("%zu: \"%s\" does not say \"%s\"", i, err.msg, bad[i].why);
	}
}

static void
test_lines_are_appended_whole(void **state)
{
	struct bl_err err = { 0 };
	struct bl_buf b;
	char path[512];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/list", folder);
	assert_int_equal(files_append_line(path, "one", 100, 0600, &err), BL_OK);
	assert_int_equal(files_append_line(path, "two", 100, 0600, &err), BL_OK);
	/* A crash left half a line. */
	assert_int_equal(files_write(path, "one\ntw", 6, 0600, &err), BL_OK);
	assert_int_equal(files_append_line(path, "three", 100, 0600, &err), BL_OK);
	assert_int_equal(files_append_line(path, "four", 17, 0600, &err), BL_EFULL);
	assert_int_equal(files_append_line(path, "four", 18, 0600, &err), BL_OK);
	bl_buf_init(&b, 100);
	assert_int_equal(files_read(path, &b, &err), BL_OK);
	bl_buf_u8(&b, 0);
	assert_string_equal((const char *)b.data, "one\ntw\nthree\nfour\n");
	bl_buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_as_people_keep_them),
		cmocka_unit_test(test_bad_tables_name_the_line),
		cmocka_unit_test(test_lines_are_appended_whole),
	};
	int rc;

	folder_make(folder, "csv");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	folder_remove(folder);
	return rc;
}
