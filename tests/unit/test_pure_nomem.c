/*
 * Out of memory at every single allocation of the pure modules: each says so
 * and is as it was before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/sketch.h"
#include "branchline/tz.h"
#include "branchline/window.h"
#include "nomem.h"

static void
a_zone_is_loaded_or_not(void **state)
{
	unsigned nth = 0;
	bool fired;

	(void)state;
	do {
		struct bl_tz *tz;
		struct bl_err err = { 0 };
		int rc;

		nomem_arm(++nth);
		rc = bl_tz_load(&tz, "Europe/Berlin", NULL, &err);
		fired = nomem_disarm();
		assert_int_equal(rc, fired ? BL_ENOMEM : BL_OK);
		assert_true((tz != NULL) == (rc == BL_OK));
		bl_tz_free(tz);
	} while (fired);
	assert_true(nth > 4);
	nomem_arm(1);
	assert_null(bl_tz_utc());
	assert_true(nomem_disarm());
}

/* A part with a sketch of n values of both signs. */
static void
fill(struct bl_part *p, int n)
{
	assert_int_equal(bl_part_init(p, true), BL_OK);
	for (int i = 0; i < n; i++)
		assert_int_equal(bl_part_add(p, (i % 2 == 0 ? 1 : -1) * (1.0 + i), true), BL_OK);
}

static void
a_part_is_as_before(void **state)
{
	(void)state;
	for (int n = 0; n < 80; n++) {
		struct bl_part p, same, more;

		fill(&p, n);
		fill(&same, n);
		fill(&more, 100);
		nomem_arm(1);
		if (bl_part_add(&p, 5000, true) != BL_OK) {
			assert_true(nomem_disarm());
			assert_true(bl_part_equal(&p, &same));
		}
		(void)nomem_disarm();
		bl_part_free(&p);
		fill(&p, n);
		for (unsigned nth = 1; nth < 4; nth++) {
			nomem_arm(nth);
			if (bl_part_merge(&p, &more) == BL_OK) {
				(void)nomem_disarm();
				break;
			}
			assert_true(nomem_disarm());
			assert_true(bl_part_equal(&p, &same));
		}
		assert_true(p.n == (uint64_t)n + 100);
		bl_part_free(&p);
		bl_part_free(&same);
		bl_part_free(&more);
	}
	for (unsigned nth = 1; nth < 2; nth++) {
		struct bl_part p;

		nomem_arm(nth);
		assert_int_equal(bl_part_init(&p, true), BL_ENOMEM);
		assert_true(nomem_disarm());
		bl_part_free(&p);
	}
}

static void
a_part_is_read_or_empty(void **state)
{
	struct bl_part p, t;
	struct bl_buf b;
	unsigned nth = 0;
	int rc;

	(void)state;
	fill(&p, 100);
	do {
		bl_buf_init(&b, 4096);
		nomem_arm(++nth);
		rc = bl_part_encode(&p, &b);
		assert_int_equal(rc, nomem_disarm() ? BL_EFULL : BL_OK);
		if (rc < 0)
			bl_buf_free(&b);
	} while (rc < 0);
	nth = 0;
	do {
		assert_int_equal(bl_part_init(&t, false), BL_OK);
		nomem_arm(++nth);
		rc = bl_part_decode(&t, b.data, b.len, NULL);
		assert_int_equal(rc, nomem_disarm() ? BL_ENOMEM : BL_OK);
		assert_true(t.n == (rc == BL_OK ? 100 : 0));
		bl_part_free(&t);
	} while (rc < 0);
	assert_true(nth > 3);
	bl_buf_free(&b);
	bl_part_free(&p);
}

static void
spans_are_as_before(void **state)
{
	struct bl_spans l;

	(void)state;
	bl_spans_init(&l, 100);
	for (int64_t i = 0; i < 40; i++) {
		nomem_arm(1);
		if (bl_spans_add(&l, i * 10, i * 10 + 5) != BL_OK) {
			assert_true(nomem_disarm());
			assert_int_equal(l.n, i);
			assert_int_equal(bl_spans_add(&l, i * 10, i * 10 + 5), BL_OK);
		}
		(void)nomem_disarm();
		assert_int_equal(bl_spans_covered_ms(&l, 0, 1000), 5 * (i + 1));
	}
	bl_spans_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zone_is_loaded_or_not),
		cmocka_unit_test(a_part_is_as_before),
		cmocka_unit_test(a_part_is_read_or_empty),
		cmocka_unit_test(spans_are_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
