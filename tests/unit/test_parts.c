/* Files of parts: regions of any size come back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "store_fixture.h"

#define HOUR INT64_C(1795824000000) /* 2026-11-28T00:00:00Z */

static void
must(int rc, const struct bl_err *err)
{
	if (rc < 0)
		fail_msg("%s (%d)", err->msg, rc);
}

static uint8_t *
content(size_t len, uint8_t seed)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 7 + (i >> 12));
	return p;
}

/* SQLite's own file layer writes at most 131,071 bytes in one go. */
static void
a_region_of_any_size_comes_back(void **state)
{
	static const size_t sizes[] = { 1, 65535, 65536, 131071, 131072, 131073, 1048576, 2097155 };
	char *folder = fixture_folder();
	struct parts_region g = { .part = 1, .hour_unix_ms = HOUR, .level = PARTS_RAW };
	struct bl_err err = { 0 };
	struct parts *p;

	(void)state;
	must(parts_open(&p, folder, 0, &err), &err);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *in = content(sizes[i], (uint8_t)i), *out = calloc(1, sizes[i]);

		must(parts_append(p, PARTS_RAW, HOUR, in, sizes[i], &g.offset, &err), &err);
		must(parts_sync(p, &err), &err);
		g.bytes = (int64_t)sizes[i];
		must(parts_read(p, &g, 0, out, sizes[i], &err), &err);
		assert_memory_equal(in, out, sizes[i]);
		free(in);
		free(out);
	}
	parts_close(p);
	fixture_folder_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_region_of_any_size_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
