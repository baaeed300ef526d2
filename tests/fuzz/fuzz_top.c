/*
 * libFuzzer target: any JSON as the answer that `top` shows.  The first two bytes
 * choose size and language; no line is wider than the screen, and nothing in it
 * steers the terminal.
 */
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "top.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct top_frame f = { 0 };
	struct top_view v = { .filter = "" };
	json_t *j;

	if (size < 2)
		return 0;
	v.rows = data[0] % 32 + TOP_ROWS_MIN;
	v.cols = data[1] % 128 + TOP_COLS_MIN;
	v.utf8 = data[0] >= 128;
	v.zh = v.utf8 && data[1] >= 128;
	j = json_loadb((const char *)data + 2, size - 2, JSON_ALLOW_NUL, NULL);
	top_draw(j, &v, &f);
	json_decref(j);
	CHECK(!f.text.failed && f.n == v.rows);
	for (unsigned i = 0; i < f.n; i++) {
		const char *line = top_line(&f, i);

		CHECK(top_width(line, v.utf8) <= v.cols);
		for (; *line != '\0'; line++)
			CHECK((unsigned char)*line >= 0x20 && *line != 0x7f &&
			      (v.utf8 || (unsigned char)*line < 0x80));
	}
	bl_buf_free(&f.text);
	return 0;
}
